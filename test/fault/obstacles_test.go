package fault_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// firstRelease is the first one in the first environment.
func firstRelease() *platformv1alpha1.Release {
	return &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Namespace: home, Name: "shop-dev-1"}}
}

var _ = Describe("A child whose kind is not installed", func() {
	It("comes when it is, and all is as if it always had been", func(ctx context.Context) {
		crd := framework.CRD("fault.example.com", "Gadget")
		Expect(admin.Create(ctx, crd)).To(Succeed())
		DeferCleanup(func(ctx context.Context) { Expect(client.IgnoreNotFound(admin.Delete(ctx, crd))).To(Succeed()) })
		for label, verbs := range map[string][]string{
			"platform.towpath.dev/aggregate-to-applier": {"create", "patch", "delete"},
			"platform.towpath.dev/aggregate-to-manager": {"get", "list", "watch"},
		} {
			role := &rbacv1.ClusterRole{
				ObjectMeta: metav1.ObjectMeta{GenerateName: "fault-", Labels: map[string]string{label: "true"}},
				Rules:      []rbacv1.PolicyRule{{APIGroups: []string{crd.Spec.Group}, Resources: []string{crd.Spec.Names.Plural}, Verbs: verbs}},
			}
			Expect(admin.Create(ctx, role)).To(Succeed())
			DeferCleanup(func(ctx context.Context) { Expect(admin.Delete(ctx, role)).To(Succeed()) })
		}
		Eventually(ctx, framework.Read(admin, &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "towpath-applier-extra"}})).Should(
			HaveField("Rules", ContainElement(HaveField("APIGroups", ConsistOf(crd.Spec.Group)))))
		other := webTemplate()
		other.Name = "fault-gadget"
		other.Spec.Resources = append(other.Spec.Resources, framework.Resource("gadget", `
apiVersion: fault.example.com/v1
kind: Gadget
metadata: {name: "${component.name}"}
spec: {color: "${release.image}"}
`))
		follow(ctx, other)

		Expect(admin.Delete(ctx, crd)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, crd)).Should(BeTrue())
		By("a manager that never knew the kind")
		manager.Kill()
		Eventually(manager.answers).Should(Succeed())
		create(ctx)
		clear(known)
		Eventually(ctx, framework.Read(admin, newComponent())).Should(
			framework.BeStalled(platformv1alpha1.ReasonRefused, "the cluster does not serve Gadget", "install its CustomResourceDefinition"))
		Expect(gone(ctx, firstRelease())).To(BeTrue(), "what cannot run is not made")
		settle()
		between.Forget()
		Consistently(written).Should(BeEmpty(), "no storm of tries")

		Expect(admin.Create(ctx, framework.CRD(crd.Spec.Group, "Gadget"))).To(Succeed())
		arrives(ctx, "1", func() state { return undisturbed.created })
		endsWell(ctx)
	})
})

var _ = Describe("A child that a webhook of others denies", func() {
	It("is named with what that says, its siblings are made, and it comes when it may", func(ctx context.Context) {
		var denied atomic.Int64
		url, authority := denying("shop-settings", &denied)
		theirs := &admissionregistrationv1.ValidatingWebhookConfiguration{
			ObjectMeta: metav1.ObjectMeta{Name: "fault-theirs"},
			Webhooks: []admissionregistrationv1.ValidatingWebhook{{
				Name: "fault.example.com", AdmissionReviewVersions: []string{"v1"}, SideEffects: new(admissionregistrationv1.SideEffectClassNone),
				ClientConfig: admissionregistrationv1.WebhookClientConfig{URL: &url, CABundle: authority},
				Rules: []admissionregistrationv1.RuleWithOperations{{
					Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
					Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}},
				}},
			}},
		}
		Expect(admin.Create(ctx, theirs)).To(Succeed())
		DeferCleanup(func(ctx context.Context) { Expect(client.IgnoreNotFound(admin.Delete(ctx, theirs))).To(Succeed()) })
		probe := settingsOf(workspaces[0])
		Eventually(ctx, func(ctx context.Context) error { return admin.Create(ctx, probe.DeepCopy(), client.DryRunAll) }).Should(
			MatchError(ContainSubstring("not today")), "the API server reads a configuration a moment after it was written")
		denied.Store(0)

		create(ctx)
		clear(known)
		Eventually(ctx, framework.Read(admin, firstRelease())).Should(framework.HaveCondition(
			platformv1alpha1.ConditionReady, metav1.ConditionFalse, platformv1alpha1.ReasonApplyFailed, "ConfigMap shop-settings", "fault.example.com", "not today"))
		Eventually(ctx, childrenOf).Should(HaveLen(3), "its siblings are not held up")
		before := uids(ctx)
		Consistently(denied.Load).WithTimeout(either(20*time.Second, 3*time.Second)).Should(BeNumerically("<=", 15), "no storm of tries")
		Expect(denied.Load()).To(BeNumerically(">", 0))

		Expect(admin.Delete(ctx, theirs)).To(Succeed())
		arrives(ctx, "1", func() state { return undisturbed.created })
		now := uids(ctx)
		for name, uid := range before {
			Expect(now).To(HaveKeyWithValue(name, uid))
		}
		endsWell(ctx)
	})
})

// denying serves a webhook that denies objects of a name, and returns its URL and authority.
func denying(name string, denied *atomic.Int64) (url string, authority []byte) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var review admissionv1.AdmissionReview
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil || review.Request == nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: review.Request.Name != name}
		if !review.Response.Allowed {
			denied.Add(1)
			review.Response.Result = &metav1.Status{Message: "not today"}
		}
		_ = json.NewEncoder(w).Encode(review)
	}))
	DeferCleanup(server.Close)
	return server.URL, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
}
