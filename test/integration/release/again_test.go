package release_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

var _ = Describe("What was let go", func() {
	It("is its next owner's, field by field, and can be taken over again", func(ctx context.Context) {
		p, _, component := takenOver(ctx, probed("httpGet"), service())
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Image = "registry.example/shop:2.0.0" })
		p.ready(ctx, 2)
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.DeletionPolicy = platformv1alpha1.DeletionOrphan })
		deleteComponent(ctx, component, nil)

		By("applying manifests of it as kubectl does, without force")
		front := read(ctx, legacyService(p.namespace))
		Expect(front.Spec.Ports).To(HaveLen(3))
		manifest := corev1ac.Service(front.Name, front.Namespace).WithSpec(corev1ac.ServiceSpec().WithSelector(front.Spec.Selector).WithPorts(
			corev1ac.ServicePort().WithName("https").WithPort(443), corev1ac.ServicePort().WithName("http").WithPort(80)))
		Expect(admin.Apply(ctx, manifest, client.FieldOwner("kubectl"))).To(Succeed())
		Expect(read(ctx, front).Spec.Ports).To(HaveLen(2), "what it does not name any more is gone")

		By("coming back, to a golden path with other ports and another probe")
		allow(ctx, legacyWeb(p.namespace), "shop")
		allow(ctx, front, "shop")
		component, _ = p.adopt(ctx, probed("tcpSocket"), framework.Resource("service", `
apiVersion: v1
kind: Service
metadata: {name: "${component.name}"}
spec:
  selector: {app.kubernetes.io/name: "${component.name}"}
  ports: [{name: http, port: 8080}]
`))
		Expect(p.ready(ctx, 1).Spec.Cause).To(Equal(platformv1alpha1.CauseAdoption))
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Image = "registry.example/shop:3.0.0" })
		p.ready(ctx, 2)
		Expect(read(ctx, front).Spec.Ports).To(ConsistOf(HaveField("Port", BeNumerically("==", 8080))))
	})

	It("can be taken over where nobody owns its fields", func(ctx context.Context) {
		namespace := found(ctx)
		change(ctx, legacyWeb(namespace), func(d *appsv1.Deployment) {
			d.Spec.Template.Spec.Containers[0].Name = "app"
			d.Spec.Template.Spec.Containers[0].LivenessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/", Port: intstr.FromInt32(80)}}}
		})
		for _, object := range []client.Object{legacyWeb(namespace), legacyService(namespace)} {
			allow(ctx, object, "shop")
			// All but one entry: where there is none at all, the API server makes one of everything that is there.
			change(ctx, object, func(o client.Object) {
				all := o.GetManagedFields()
				all[0].Manager, all[0].FieldsV1 = "stripper", metav1.NewFieldsV1(`{"f:metadata":{"f:labels":{"f:none":{}}}}`)
				all[0].Operation, all[0].Subresource = metav1.ManagedFieldsOperationUpdate, ""
				o.SetManagedFields(all[:1])
			})
		}
		p, _ := adopting(ctx, namespace)
		component, _ := p.adopt(ctx, probed("tcpSocket"), service())
		p.ready(ctx, 1)
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Image = "registry.example/shop:2.0.0" })
		p.ready(ctx, 2)
		Expect(read(ctx, legacyWeb(namespace)).Spec.Template.Spec.Containers[0].LivenessProbe.HTTPGet).To(BeNil())
		Expect(read(ctx, legacyWeb(namespace)).Annotations).NotTo(HaveKey(platformv1alpha1.AnnotationAdoptBy))
	})
})

var _ = Describe("What other controllers keep an object by", func() {
	It("outlives the first new version", func(ctx context.Context) {
		p, _, component := takenOver(ctx, webOf(2), service())
		keeper := read(ctx, legacyService(p.namespace))
		change(ctx, legacyWeb(p.namespace), func(d *appsv1.Deployment) {
			d.Finalizers = []string{"test.towpath.dev/hold"}
			d.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Service", Name: keeper.Name, UID: keeper.UID}}
		})
		DeferCleanup(func(ctx context.Context) {
			change(ctx, legacyWeb(p.namespace), func(d *appsv1.Deployment) { d.Finalizers = nil })
		})
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Image = "registry.example/shop:2.0.0" })
		p.ready(ctx, 2)
		web := read(ctx, legacyWeb(p.namespace))
		Expect(web.Finalizers).To(ConsistOf("test.towpath.dev/hold"))
		Expect(web.OwnerReferences).To(ConsistOf(HaveField("UID", keeper.UID)))
		Expect(web.Spec.Template.Spec.Containers).To(ConsistOf(HaveField("Name", "app")))
	})
})

// probed is web with a probe of a kind on its port 80.
func probed(handler string) platformv1alpha1.ResourceTemplate {
	return framework.Deployment("web", 2, "ports: [{name: http, containerPort: 80}]", "livenessProbe: {"+handler+": {port: 80}}")
}
