package flux_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
	"github.com/towpath-dev/towpath/test/framework/gitdelivery"
)

const (
	no      = metav1.ConditionFalse
	isReady = platformv1alpha1.ConditionReady

	// soon is well below the minute after which Flux looks by itself.
	soon = 25 * time.Second
	// retried is for what Flux tries again once a minute.
	retried = 100 * time.Second
)

// service has a port that the API server refuses, and no schema does.
const service = `
apiVersion: v1
kind: Service
metadata: {name: "${component.name}"}
spec:
  selector: {app.kubernetes.io/name: "${component.name}"}
  ports: [{name: http, port: 70000}]
`

var _ = Describe("A Release that Flux delivers", func() {
	It("is fetched at once, applied as the account of the class alone, and Ready with its commit", func(ctx context.Context) {
		p := newPlace(ctx, "deploy")
		p.Deploy(ctx, "shop", framework.Deployment("web", 1), framework.ConfigMap("config"))
		Eventually(ctx, framework.Read(admin, p.Release(1))).WithTimeout(soon).Should(framework.BeReady())
		head := p.Git(ctx, "rev-parse", "main")
		Expect(framework.Read(admin, p.Release(1))(ctx)).To(HaveField("Status.Delivery", HaveValue(And(HaveField("Commit", head), HaveField("SyncedRevision", "main@sha1:"+head)))))
		Eventually(ctx, framework.Read(admin, p.Component)).Should(framework.BeReady())

		live, err := framework.Read(admin, p.ConfigMap("shop-config"))(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(live.Labels).To(And(HaveKeyWithValue(platformv1alpha1.LabelTeam, p.Team), HaveKeyWithValue("kustomize.toolkit.fluxcd.io/name", p.kustomization(ctx).GetName())))
		Expect(live.ManagedFields).To(HaveEach(HaveField("Manager", "kustomize-controller")))
		Expect(p.Writes("shop-config")).To(HaveEach(HaveField("As", deliverer.User())))

		By("with the next one too, which Flux is told to fetch")
		gitdelivery.Change(ctx, admin, p.Component, func(c *platformv1alpha1.Component) { c.Spec.Image = "registry.example/shop:2.0.0" })
		Eventually(ctx, framework.Read(admin, p.Release(2))).WithTimeout(soon).Should(And(framework.BeReady(),
			HaveField("Status.Delivery.SyncedRevision", Not(Equal("main@sha1:"+head)))))
		Expect(framework.Read(admin, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: "shop"}})(ctx)).To(And(
			HaveField("Status.AvailableReplicas", BeEquivalentTo(1)), HaveField("Spec.Template.Spec.Containers", HaveEach(HaveField("Image", "registry.example/shop:2.0.0")))))

		By("and those of another Component, whose directory is new to what Flux has fetched")
		p.Deploy(ctx, "cart", framework.ConfigMap("config"))
		never := func(ctx context.Context) (*platformv1alpha1.Release, error) {
			return framework.Read(admin, p.Release(1))(ctx)
		}
		Eventually(ctx, never).WithTimeout(soon).Should(Or(framework.BeReady(), framework.HaveCondition(isReady, no, platformv1alpha1.ReasonSyncFailed)))
		Expect(never(ctx)).To(framework.BeReady(), "no failure is told of what Flux had fetched before")
	})

	It("is told with the API server's own words where that refuses an object, and mended by the next one", func(ctx context.Context) {
		p := newPlace(ctx, "deploy")
		p.Deploy(ctx, "shop", framework.ConfigMap("config"), framework.Resource("service", service))
		Eventually(ctx, framework.Read(admin, p.Release(1))).WithTimeout(soon).Should(
			framework.HaveCondition(isReady, no, platformv1alpha1.ReasonSyncFailed, "Flux cannot apply commit", "spec.ports[0].port", "70000"))
		Eventually(ctx, framework.Read(admin, p.Component)).Should(framework.HaveCondition(isReady, no, "", "70000"))
		gitdelivery.Change(ctx, admin, p.Template, func(t *platformv1alpha1.ServiceTemplate) { t.Spec.Resources = t.Spec.Resources[:1] })
		Eventually(ctx, framework.Read(admin, p.Release(2))).WithTimeout(retried).Should(framework.BeReady())
		Eventually(ctx, framework.Read(admin, p.Component)).Should(framework.BeReady())
	})

	It("leaves nothing of the one before: Flux prunes what has no file any more", func(ctx context.Context) {
		p := newPlace(ctx, "deploy")
		extra := framework.ConfigMap("extra")
		extra.IncludeWhen = "${params.extra}"
		p.Deploy(ctx, "shop", framework.ConfigMap("config"), extra)
		Eventually(ctx, framework.Read(admin, p.Release(1))).WithTimeout(soon).Should(framework.BeReady())
		gitdelivery.Change(ctx, admin, p.Component, func(c *platformv1alpha1.Component) { c.Spec.Parameters = framework.JSON("{extra: false}") })
		Eventually(ctx, framework.Gone(admin, p.ConfigMap("shop-extra"))).WithTimeout(soon).Should(BeTrue())
		Expect(p.Writes("shop-extra")).To(ContainElement(And(HaveField("Verb", "delete"), HaveField("As", deliverer.User()))))
		Eventually(ctx, framework.Read(admin, p.Release(2))).WithTimeout(soon).Should(framework.BeReady())
	})

	It("is taken away by Flux when its Component is deleted", func(ctx context.Context) {
		p := newPlace(ctx, "deploy")
		p.Deploy(ctx, "shop", framework.ConfigMap("config"))
		Eventually(ctx, framework.Read(admin, p.Release(1))).WithTimeout(soon).Should(framework.BeReady())
		kustomization := p.kustomization(ctx)
		Expect(admin.Delete(ctx, p.Component)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, p.Component)).WithTimeout(soon).Should(BeTrue())
		Expect(framework.Gone(admin, kustomization)(ctx)).To(BeTrue())
		Expect(framework.Gone(admin, p.ConfigMap("shop-config"))(ctx)).To(BeTrue())
		Expect(p.Git(ctx, "ls-tree", "-r", "--name-only", "main")).To(Equal("README.md"))
		Expect(p.Writes("shop-config")).To(ContainElement(And(HaveField("Verb", "delete"), HaveField("As", deliverer.User()))))
	})

	It("waits while somebody has suspended the Kustomization, and says so", func(ctx context.Context) {
		p := newPlace(ctx, "deploy")
		p.Deploy(ctx, "shop", framework.ConfigMap("config"))
		Eventually(ctx, framework.Read(admin, p.Release(1))).WithTimeout(soon).Should(framework.BeReady())
		suspend := func(text string) {
			Expect(admin.Patch(ctx, p.kustomization(ctx), client.RawPatch(types.MergePatchType, []byte(`{"spec":{"suspend":`+text+`}}`)))).To(Succeed())
		}
		suspend("true")
		gitdelivery.Change(ctx, admin, p.Component, func(c *platformv1alpha1.Component) { c.Spec.Image = "registry.example/shop:2.0.0" })
		Eventually(ctx, framework.Read(admin, p.Release(2))).WithTimeout(soon).Should(framework.HaveCondition(isReady, no, platformv1alpha1.ReasonSyncFailed, "is suspended"))
		suspend("false")
		Eventually(ctx, framework.Read(admin, p.Release(2))).WithTimeout(soon).Should(framework.BeReady())

		By("and so nothing of it is left where the Component goes meanwhile, which Towpath sees to")
		suspend("true")
		Expect(admin.Delete(ctx, p.Component)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, p.Component)).WithTimeout(soon).Should(BeTrue())
		Expect(framework.Gone(admin, p.ConfigMap("shop-config"))(ctx)).To(BeTrue())
	})

	It("is told where Flux may not read the repository", func(ctx context.Context) {
		p := newPlace(ctx, "expired")
		p.Deploy(ctx, "shop", framework.ConfigMap("config"))
		Eventually(ctx, framework.Read(admin, p.Release(1))).WithTimeout(soon).Should(framework.HaveCondition(isReady, no, platformv1alpha1.ReasonSyncFailed, "GitRepository", "uthentication"))
		repository := object("source.toolkit.fluxcd.io/v1", "GitRepository")
		source, _, _ := unstructured.NestedString(p.kustomization(ctx).Object, "spec", "sourceRef", "name")
		Expect(admin.Get(ctx, types.NamespacedName{Namespace: namespace, Name: source}, repository)).To(Succeed())
	})

	It("is put back by Flux where somebody changes what it applied", func(ctx context.Context) {
		p := newPlace(ctx, "deploy")
		p.Deploy(ctx, "shop", framework.ConfigMap("config"))
		Eventually(ctx, framework.Read(admin, p.Release(1))).WithTimeout(soon).Should(framework.BeReady())
		Expect(admin.Delete(ctx, p.ConfigMap("shop-config"))).To(Succeed())
		Eventually(ctx, framework.Read(admin, p.Release(1))).Should(framework.HaveCondition(isReady, no, ""))
		kustomization := p.kustomization(ctx)
		Expect(admin.Patch(ctx, kustomization, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"reconcile.fluxcd.io/requestedAt":"now"}}}`)))).To(Succeed())
		Eventually(ctx, framework.Read(admin, p.Release(1))).WithTimeout(soon).Should(framework.BeReady(), "flux reconcile does this")
	})
})
