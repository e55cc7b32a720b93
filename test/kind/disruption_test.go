package kind

import (
	"context"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/webhookcert"
	"github.com/towpath-dev/towpath/test/framework"
)

// Each of these disturbs everything in the cluster, so that it runs alone.
var _ = Describe("A disruption", Serial, Label("disruptive"), func() {
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: platformv1alpha1.SystemNamespace, Name: "towpath-manager"}}
	leader := func(ctx context.Context) string {
		GinkgoHelper()
		Expect(kind.Get(ctx, client.ObjectKeyFromObject(lease), lease)).To(Succeed())
		Expect(lease.Spec.HolderIdentity).NotTo(BeNil())
		return *lease.Spec.HolderIdentity
	}

	It("that kills the leader lets the other manager go on", func(ctx context.Context) {
		t := newTeam(ctx)
		namespace := t.environment(ctx, "dev", "development")
		web := t.web(ctx, "web", "1", "dev")
		running(ctx, web)
		before := leader(ctx)
		pod, _, _ := strings.Cut(before, "_")
		ship(ctx, web, "2")
		killContainer(ctx, "manager", pod)

		Eventually(func() string { return leader(ctx) }).WithContext(ctx).ShouldNot(Equal(before))
		running(ctx, web)
		Eventually(imagesOf(namespace, "web")).WithContext(ctx).Should(ConsistOf(image("2")))
		ship(ctx, web, "1")
		running(ctx, web)
		Eventually(imagesOf(namespace, "web")).WithContext(ctx).Should(ConsistOf(image("1")))
		noMoreReleases(ctx, t, "web-dev-4")
	})

	It("of the API server ends, and a roll-out with it", func(ctx context.Context) {
		t := newTeam(ctx)
		namespace := t.environment(ctx, "dev", "development")
		web := t.web(ctx, "web", "1", "dev")
		running(ctx, web)
		ship(ctx, web, "2")
		killContainer(ctx, "kube-apiserver", "kube-apiserver-"+kind.node)
		running(ctx, web)
		Eventually(imagesOf(namespace, "web")).WithContext(ctx).Should(ConsistOf(image("2")))
		noMoreReleases(ctx, t, "web-dev-3")
	})

	It("of the node ends, and a roll-out with it", func(ctx context.Context) {
		t := newTeam(ctx)
		namespace := t.environment(ctx, "dev", "development")
		web := t.web(ctx, "web", "1", "dev")
		running(ctx, web)
		ship(ctx, web, "2")
		kind.docker(ctx, "restart", kind.node)
		// The kubelet's word from before the restart would do, if nothing newer were asked for.
		Eventually(framework.Read(kind, web)).WithContext(ctx).WithTimeout(2 * patience).Should(framework.BeReady())
		running(ctx, web)
		Eventually(func(g Gomega) {
			live, err := pods(ctx, namespace, "web")
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(live).To(HaveLen(1))
			g.Expect(live[0].Status.ContainerStatuses).To(HaveEach(And(HaveField("Ready", BeTrue()), HaveField("Image", HaveSuffix(":2")))))
		}).WithContext(ctx).WithTimeout(2 * patience).Should(Succeed())
		call(ctx, namespace, address(namespace, "web")).hears(ctx, "version 2")
		noMoreReleases(ctx, t, "web-dev-3")
	})

	It("of the webhooks' certificate is mended, and the webhooks answer at their Service", func(ctx context.Context) {
		t := newTeam(ctx)
		configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: webhookcert.ConfigurationName}}
		Expect(kind.Get(ctx, client.ObjectKeyFromObject(configuration), configuration)).To(Succeed())
		before := configuration.Webhooks[0].ClientConfig.CABundle
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: platformv1alpha1.SystemNamespace, Name: webhookcert.SecretName}}
		Expect(kind.Patch(ctx, secret, client.RawPatch("application/merge-patch+json", []byte(`{"data":null}`)))).To(Succeed())
		Eventually(framework.Read(kind, configuration)).WithContext(ctx).Should(HaveField("Webhooks", HaveEach(
			HaveField("ClientConfig.CABundle", And(Not(BeEmpty()), Not(Equal(before)))))), "another authority")

		wrong := t.component("web", "web-service", "1", `{prot: 8080}`, "dev")
		answered := func() error { return kind.Create(ctx, wrong.DeepCopy(), client.DryRunAll) }
		Eventually(answered).WithContext(ctx).Should(MatchError(ContainSubstring("did you mean port?")))
		// Both managers serve: a call goes to either.
		Consistently(answered).WithContext(ctx).WithTimeout(patience / 24).Should(MatchError(ContainSubstring("did you mean port?")))
	})
})

// killContainer ends a container of a pod as the kernel would: without a signal that it could act on.
func killContainer(ctx context.Context, container, pod string) {
	GinkgoHelper()
	script := fmt.Sprintf(`kill -9 "$(crictl inspect -o go-template --template '{{.info.pid}}' "$(crictl ps -q --name '^%s$' --label io.kubernetes.pod.name=%s)")"`, container, pod)
	kind.docker(ctx, "exec", kind.node, "bash", "-c", script)
}

// noMoreReleases checks that a disruption made no Release: this one would be it.
func noMoreReleases(ctx context.Context, t *team, name string) {
	GinkgoHelper()
	err := kind.Get(ctx, client.ObjectKeyFromObject(t.release(name)), t.release(name))
	Expect(client.IgnoreNotFound(err)).To(Succeed())
	Expect(err).To(HaveOccurred(), "Release %s was made though nobody asked for it", name)
}
