package release_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

var _ = Describe("What another controller writes", func() {
	It("is not written, nor is what a Service leads to that could not be", func(ctx context.Context) {
		namespace := foundAs(ctx, legacyNamed)
		p, _, component := takenOverFrom(ctx, namespace, gated(namespace, "80")...)
		owner := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "the-operator"}}
		Expect(admin.Create(ctx, owner)).To(Succeed())
		change(ctx, legacyService(namespace), func(s *corev1.Service) {
			s.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(owner, corev1.SchemeGroupVersion.WithKind("ConfigMap"))}
		})
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Image = "registry.example/shop:2.0.0" })
		Eventually(ctx, framework.Read(admin, p.release(2))).Should(framework.BeStalled(platformv1alpha1.ReasonObjectTaken,
			"Service legacy-service in namespace "+namespace, "ConfigMap the-operator controls it"))
		p.quiet(ctx)
		Expect(read(ctx, legacyWeb(namespace)).Spec.Template.Spec.Containers).To(ConsistOf(HaveField("Name", "main")), "its pods would be lost")

		By("until that lets go of it")
		change(ctx, legacyService(namespace), func(s *corev1.Service) { s.OwnerReferences = nil })
		p.ready(ctx, 2)
		Expect(read(ctx, legacyWeb(namespace)).Spec.Template.Spec.Containers).To(ConsistOf(HaveField("Name", "app")))
	})

	It("is not taken over, though it bears the consent", func(ctx context.Context) {
		namespace := found(ctx)
		owner := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "the-operator"}}
		Expect(admin.Create(ctx, owner)).To(Succeed())
		change(ctx, legacyWeb(namespace), func(d *deploymentType) {
			d.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(owner, corev1.SchemeGroupVersion.WithKind("ConfigMap"))}
		})
		p, _ := adopting(ctx, namespace)
		allow(ctx, legacyWeb(namespace), "shop")
		allow(ctx, legacyService(namespace), "shop")
		p.adopt(ctx, webOf(2), service())
		Eventually(ctx, framework.Read(admin, p.release(1))).Should(framework.BeStalled(platformv1alpha1.ReasonObjectTaken,
			"Deployment legacy-web in namespace "+namespace, "ConfigMap the-operator controls it"))
		p.quiet(ctx)
		Expect(ours(read(ctx, legacyWeb(namespace)))).To(ConsistOf(platformv1alpha1.AnnotationAdoptBy))

		By("until that lets go of it")
		change(ctx, legacyWeb(namespace), func(d *deploymentType) { d.OwnerReferences = nil })
		p.ready(ctx, 1)
	})
})
