package release_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// legacyWeb and legacyService are what found makes.
func legacyWeb(namespace string) *deploymentType {
	return &deploymentType{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "legacy-web"}}
}

func legacyService(namespace string) *corev1.Service {
	return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "legacy-service"}}
}

// takenOver is a place whose Component has taken over the legacy objects, with consent.
func takenOver(ctx context.Context, resources ...platformv1alpha1.ResourceTemplate) (*place, *platformv1alpha1.Environment, *platformv1alpha1.Component) {
	GinkgoHelper()
	return takenOverFrom(ctx, found(ctx), resources...)
}

// takenOverFrom is one in a namespace where they are already.
func takenOverFrom(ctx context.Context, namespace string, resources ...platformv1alpha1.ResourceTemplate) (*place, *platformv1alpha1.Environment, *platformv1alpha1.Component) {
	GinkgoHelper()
	p, environment := adopting(ctx, namespace)
	allow(ctx, legacyWeb(namespace), "shop")
	allow(ctx, legacyService(namespace), "shop")
	component, _ := p.adopt(ctx, resources...)
	p.ready(ctx, 1)
	return p, environment, component
}

var _ = Describe("What was taken over", func() {
	DescribeTable("runs on, with all that its first new version brought, until that has been Ready",
		func(ctx context.Context, image string, end func(context.Context, *platformv1alpha1.Component, *platformv1alpha1.Environment)) {
			p, environment, component := takenOver(ctx, webOf(2), service(), framework.ConfigMap("config"), refusable())
			By("a version that gets half-way")
			change(ctx, component, func(c *platformv1alpha1.Component) {
				c.Spec.Image = image
				c.Spec.Environments = append(c.Spec.Environments, platformv1alpha1.PathEnvironment{Name: "later"})
			})
			Eventually(ctx, framework.Read(admin, legacyWeb(p.namespace))).Should(HaveField("Spec.Template.Spec.Containers", ConsistOf(HaveField("Image", image))))
			Eventually(ctx, framework.Read(admin, p.configMap("shop-config"))).ShouldNot(BeNil())
			p.quiet(ctx)
			Expect(read(ctx, p.release(2)).Status.ReadyAt).To(BeNil())
			web, running := read(ctx, legacyWeb(p.namespace)), pods(ctx, p.namespace)

			By("going")
			end(ctx, component, environment)
			Eventually(ctx, framework.Gone(admin, p.release(2))).Should(BeTrue())
			Eventually(ctx, framework.Gone(admin, p.release(1))).Should(BeTrue())
			after := read(ctx, legacyWeb(p.namespace))
			Expect(after.UID).To(Equal(web.UID))
			Expect(after.Spec).To(Equal(web.Spec))
			for _, object := range []client.Object{after, read(ctx, legacyService(p.namespace)), read(ctx, p.configMap("shop-config"))} {
				Expect(object.GetDeletionTimestamp()).To(BeNil(), object.GetName())
				Expect(object.GetLabels()).NotTo(Or(HaveKey(platformv1alpha1.LabelOwnerUID), HaveKey(platformv1alpha1.LabelAsFound)), object.GetName())
			}
			Expect(pods(ctx, p.namespace)).To(Equal(running))
		},
		Entry("when the Component goes, whose pods never became ready", "registry.example/shop:2-broken", deleteComponent),
		Entry("when the Component goes, of which an object was refused", halfRefused, deleteComponent),
		Entry("when the environment leaves the path", "registry.example/shop:2-broken",
			func(ctx context.Context, component *platformv1alpha1.Component, _ *platformv1alpha1.Environment) {
				change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Environments = c.Spec.Environments[1:] })
			}),
		Entry("when the Environment goes", "registry.example/shop:2-broken",
			func(ctx context.Context, _ *platformv1alpha1.Component, environment *platformv1alpha1.Environment) {
				Expect(admin.Delete(ctx, environment)).To(Succeed())
			}),
	)

	It("goes after that as ever, but for what is still as it was found", func(ctx context.Context) {
		p, _, component := takenOver(ctx, webOf(2), service(), framework.ConfigMap("config"), framework.ConfigMap("other"))
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Image = "registry.example/shop:2.0.0" })
		p.ready(ctx, 2)
		By("a further version, which does not become Ready, so that only history tells of the one that did")
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Image = "registry.example/shop:3-broken" })
		Eventually(ctx, framework.Read(admin, legacyWeb(p.namespace))).Should(HaveField("Spec.Template.Spec.Containers", ConsistOf(HaveField("Image", "registry.example/shop:3-broken"))))
		p.quiet(ctx)
		asFound := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"`+platformv1alpha1.LabelAsFound+`":"true"}}}`))
		manager, err := cluster.UserClient(framework.ManagerUser, "system:masters")
		Expect(err).NotTo(HaveOccurred())
		Expect(manager.Patch(ctx, p.configMap("shop-other"), asFound)).To(Succeed())

		Expect(admin.Delete(ctx, component)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, component)).Should(BeTrue())
		for _, object := range []client.Object{legacyWeb(p.namespace), legacyService(p.namespace), p.configMap("shop-config")} {
			Expect(framework.Gone(admin, object)(ctx)).To(BeTrue(), object.GetName())
		}
		Expect(read(ctx, p.configMap("shop-other")).Labels).NotTo(HaveKey(platformv1alpha1.LabelOwnerUID))
	})
})

// halfRefused is the image of a version of which the API server refuses one object.
const halfRefused = "registry.example/shop:2-refused"

// refusable is a ConfigMap that the API server refuses of such a version.
func refusable() platformv1alpha1.ResourceTemplate {
	return framework.Resource("refusable", `
apiVersion: v1
kind: ConfigMap
metadata: {name: "${component.name}-refusable"}
data: "${{release.image.endsWith('-refused') ? 'no key' : 'key': 'value'}}"
`)
}

func deleteComponent(ctx context.Context, component *platformv1alpha1.Component, _ *platformv1alpha1.Environment) {
	GinkgoHelper()
	Expect(admin.Delete(ctx, component)).To(Succeed())
	Eventually(ctx, framework.Gone(admin, component)).Should(BeTrue())
}
