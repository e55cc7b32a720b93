package release_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// optional is the Service, which images that end on -bare go without.
func optional() platformv1alpha1.ResourceTemplate {
	r := service()
	r.IncludeWhen = "${!release.image.endsWith('-bare')}"
	return r
}

var _ = Describe("What was taken over and is not made any more", func() {
	It("must stay until the golden path has been Ready, and goes with older Releases after that", func(ctx context.Context) {
		p, _, component := takenOver(ctx, webOf(2), optional())
		withImage := func(image string) {
			GinkgoHelper()
			change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Image = "registry.example/shop:" + image })
		}
		By("a first version without it")
		withImage("2-bare")
		Eventually(ctx, framework.Read(admin, component)).Should(framework.BeStalled(platformv1alpha1.ReasonRenderFailed,
			"legacy-service is to stand for this resource, which makes 0 objects here"))
		uid := read(ctx, legacyService(p.namespace)).UID

		By("the golden path")
		withImage("2.0.0")
		p.ready(ctx, 2)
		Expect(read(ctx, legacyService(p.namespace)).UID).To(Equal(uid))

		By("a later version without it")
		withImage("3-bare")
		release := p.ready(ctx, 3)
		Expect(release.Spec.Inventory).To(ConsistOf(HaveField("Resource", "web")))
		Eventually(ctx, framework.Gone(admin, legacyService(p.namespace))).Should(BeTrue())
		Eventually(ctx, framework.Read(admin, component)).Should(framework.BeReady())

		By("further versions, without it and with it")
		withImage("4-bare")
		p.ready(ctx, 4)
		withImage("5.0.0")
		p.ready(ctx, 5)
		Expect(read(ctx, legacyService(p.namespace)).UID).NotTo(Equal(uid))
		Expect(client.IgnoreNotFound(admin.Delete(ctx, component))).To(Succeed())
		Eventually(ctx, framework.Gone(admin, legacyWeb(p.namespace))).Should(BeTrue())
	})
})
