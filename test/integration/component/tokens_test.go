package component_test

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

var _ = Describe("A template whose pods get a token", func() {
	It("is warned of, runs where the class allows it, and goes on running where it does not any more", func(ctx context.Context) {
		class := framework.Class(framework.Name("tokens-"), platformv1alpha1.TierProduction)
		class.Spec.ServiceAccountTokens = platformv1alpha1.TokensAllowed
		Expect(admin.Create(ctx, class)).To(Succeed())
		t := newTeam(ctx)
		env := framework.Environment(t.home, "prod", class.Name)
		Expect(admin.Create(ctx, env)).To(Succeed())
		Eventually(ctx, framework.Read(admin, env)).Should(framework.BeReady())

		template := web(framework.Name("token-"))
		raw := &template.Spec.Resources[0].Object.Raw
		*raw = []byte(strings.Replace(string(*raw), `"automountServiceAccountToken":false,`, "", 1))
		const path = "spec.template.spec.automountServiceAccountToken"
		Expect(developer.Create(ctx, template.DeepCopy())).To(Succeed())
		DeferCleanup(func(ctx context.Context) { Expect(admin.Delete(ctx, template)).To(Succeed()) })
		Expect(warned.all()).To(ContainElement(ContainSubstring(path)))
		Eventually(ctx, framework.Read(admin, template)).Should(And(framework.BeReady(), HaveField("Status.Warnings", ContainElement(ContainSubstring(path)))))

		component := deploy(ctx, framework.Component(t.home, "shop", template.Name, "prod"))
		settled(ctx, component)
		Expect(read(ctx, t.release("shop", "prod", 1)).Spec.ServiceAccountTokens).To(Equal(platformv1alpha1.TokensAllowed))

		By("forbidding it, which stops nothing that runs")
		change(ctx, class, func(c *platformv1alpha1.EnvironmentClass) {
			c.Spec.ServiceAccountTokens = platformv1alpha1.TokensForbidden
		})
		Eventually(ctx, framework.Read(admin, env)).Should(HaveField("Status.ServiceAccountTokens", platformv1alpha1.TokensForbidden))
		Expect(admin.Delete(ctx, deploymentOf(t.workload("prod"), "shop"))).To(Succeed())
		Eventually(ctx, runs(t.workload("prod"), "shop")).Should(Equal(component.Spec.Image), "it is made again, as its Release says")
		settled(ctx, component)

		By("the next version, which is refused by name")
		image := component.Spec.Image
		change(ctx, component, withImage("registry.example/shop:2"))
		Eventually(ctx, framework.Read(admin, component)).Should(framework.BeStalled(platformv1alpha1.ReasonRefused,
			"Deployment shop (resource deployment): "+path, "set it to false", "serviceAccountTokens: Allowed"))
		Expect(runs(t.workload("prod"), "shop")(ctx)).To(Equal(image))

		By("a template that says false, with which it goes on: the revision first, and alone")
		change(ctx, template, func(st *platformv1alpha1.ServiceTemplate) { st.Spec = web(template.Name).Spec })
		settled(ctx, component)
		Expect(runs(t.workload("prod"), "shop")(ctx)).To(Equal("registry.example/shop:2"))
		Expect(read(ctx, t.release("shop", "prod", 2)).Spec).To(And(HaveField("Cause", platformv1alpha1.CauseTemplateRollout), HaveField("Image", image)))
		Expect(read(ctx, template).Status.Warnings).NotTo(ContainElement(ContainSubstring(path)))
	})
})
