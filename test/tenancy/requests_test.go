package tenancy_test

import (
	"context"
	"fmt"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// attack is one request by which somebody tries to break out.
type attack struct {
	// what is tried, and through which door.
	what string
	// by whom. Like do, it is called when the cluster is there.
	by func() client.Client
	do func(ctx context.Context, c client.Client) error
	// wall that stops it.
	wall wall
	// target must be the same afterwards, or still not be there.
	target func() client.Object
	// control does the same without the wall, and must succeed. It need not be given where the wall is RBAC, and
	// the administrator does the same, nor where it is a policy, which is taken away.
	control func(ctx context.Context) error
}

// wall is what stops an attack.
type wall struct {
	// policy is the name of an admission policy; empty for other walls.
	policy string
	// says matches its refusal.
	says OmegaMatcher
	// rbac says that the wall is the API server's authorization.
	rbac bool
}

// byPolicy is the refusal of one admission policy.
func byPolicy(name string) wall {
	return wall{policy: name, says: MatchError(ContainSubstring("ValidatingAdmissionPolicy '%s'", name))}
}

// byRBAC is a refusal that no policy gave.
func byRBAC() wall {
	return wall{rbac: true, says: WithTransform(func(err error) string {
		switch {
		case err == nil:
			return "not refused"
		case !apierrors.IsForbidden(err):
			return fmt.Sprintf("another error: %v", err)
		case strings.Contains(err.Error(), "ValidatingAdmissionPolicy"):
			return fmt.Sprintf("a policy, not RBAC: %v", err)
		}
		return "forbidden"
	}, Equal("forbidden"))}
}

// byContent is a refusal of the content, by the kind's own schema or by a webhook.
func byContent(text string) wall {
	return wall{says: MatchError(ContainSubstring(text))}
}

func requests() []attack {
	return slices.Concat(credentials(), rights(), records(), approvals(), finalizers(), labels(), namespaces(), collisions(), strays(), managerFooled())
}

var _ = Describe("A request", func() {
	for _, a := range requests() {
		It("is stopped: "+a.what, func(ctx context.Context) {
			before := bytesOf(ctx, a.target())
			Expect(a.do(ctx, a.by())).To(a.wall.says)
			Expect(bytesOf(ctx, a.target())).To(Equal(before), "the target is as it was")
		})
		if a.wall.policy != "" {
			continue
		}
		It("passes without the wall: "+a.what, func(ctx context.Context) {
			if a.control != nil {
				Expect(a.control(ctx)).To(Succeed())
				return
			}
			Expect(a.wall.rbac).To(BeTrue(), "the control is not given")
			Expect(a.do(ctx, client.NewDryRunClient(admin))).To(Succeed())
		})
	}

	// One spec a policy, since an API server takes a moment to see that a binding came or went.
	for _, policy := range policies() {
		It("passes without the wall: all that the policy "+policy+" stops", func(ctx context.Context) {
			unbind(ctx, policy)
			for _, a := range requests() {
				if a.wall.policy == policy {
					Eventually(ctx, func(ctx context.Context) error {
						return a.do(ctx, client.NewDryRunClient(a.by()))
					}).Should(Succeed(), a.what)
				}
			}
		})
	}
})

// policies are those that stop something.
func policies() []string {
	var names []string
	for _, a := range requests() {
		if a.wall.policy != "" && !slices.Contains(names, a.wall.policy) {
			names = append(names, a.wall.policy)
		}
	}
	return names
}

// unbind takes the binding of a policy away until the spec ends.
func unbind(ctx context.Context, policy string) {
	GinkgoHelper()
	binding := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: policy}}
	Expect(admin.Get(ctx, client.ObjectKeyFromObject(binding), binding)).To(Succeed())
	again := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: policy, Labels: binding.Labels}, Spec: binding.Spec,
	}
	Expect(admin.Delete(ctx, binding)).To(Succeed())
	DeferCleanup(func(ctx context.Context) {
		Expect(admin.Create(ctx, again)).To(Succeed())
		i := slices.IndexFunc(requests(), func(a attack) bool { return a.wall.policy == policy })
		a := requests()[i]
		Eventually(ctx, func(ctx context.Context) error { return a.do(ctx, client.NewDryRunClient(a.by())) }).Should(a.wall.says,
			"the API server acts on a binding a moment after it was written")
		Eventually(ctx, cluster.Ready).Should(Succeed(), "the manager writes again once it has seen the binding")
	})
}
