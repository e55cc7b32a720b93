package component_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

var _ = Describe("A rollback", func() {
	It("brings back what ran when a version fails, and tries that one no more", func(ctx context.Context) {
		t := newTeam(ctx, "dev")
		class := framework.Class(framework.Name("careful-"), platformv1alpha1.TierStaging)
		class.Spec.Rollback = &platformv1alpha1.RollbackPolicy{Mode: platformv1alpha1.RollbackAutomatic}
		Expect(admin.Create(ctx, class)).To(Succeed())
		t.addGated(ctx, "stage", class.Name)
		template := publish(ctx, web(framework.Name("web-")))
		component := framework.Component(t.home, "shop", template.Name, "stage", "dev")
		component.Spec.Parameters = framework.JSON(`{deadline: 8}`)
		deploy(ctx, component)
		settled(ctx, component)

		change(ctx, component, withImage("registry.example/shop:2.0.0-broken"))
		Eventually(ctx, framework.Read(admin, t.release("shop", "stage", 3))).Should(And(framework.BeReady(),
			HaveField("Spec.Cause", platformv1alpha1.CauseRollback), HaveField("Spec.Image", "registry.example/shop:1.0.0"),
			HaveField("Spec.Rollback", And(HaveField("From", "shop-stage-2"), HaveField("To", "shop-stage-1"), HaveField("Reason", ContainSubstring("deadline"))))))
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonRolledBack, "shop-stage-2", "deadline", "stage"))
		Expect(runs(t.workload("stage"), "shop")(ctx)).To(Equal("registry.example/shop:1.0.0"))
		Consistently(ctx, exists(t.release("shop", "stage", 4)), "2s").Should(BeFalse(), "what failed is not tried again")
		Expect(exists(t.release("shop", "dev", 2))(ctx)).To(BeFalse(), "and goes no further")

		By("another version")
		change(ctx, component, withImage("registry.example/shop:2.0.1"))
		settled(ctx, component)
		Expect(runs(t.workload("dev"), "shop")(ctx)).To(Equal("registry.example/shop:2.0.1"))
	})

	It("that somebody asks for holds the environment until it is released", func(ctx context.Context) {
		t := newTeam(ctx, "dev", "prod")
		template := publish(ctx, light(framework.Name("light-")))
		component := framework.Component(t.home, "shop", template.Name, "dev", "prod")
		component.Spec.Parameters = framework.JSON(`{color: red}`)
		deploy(ctx, component)
		settled(ctx, component)
		change(ctx, component, func(c *platformv1alpha1.Component) {
			c.Spec.Image, c.Spec.Parameters = "registry.example/shop:2.0.0", framework.JSON(`{color: green}`)
		})
		settled(ctx, component)
		back := func(number int64) {
			GinkgoHelper()
			change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Environments[1].RollbackTo = number })
		}
		back(1)
		Eventually(ctx, framework.Read(admin, t.release("shop", "prod", 3))).Should(And(framework.BeReady(), HaveField("Spec.Cause", platformv1alpha1.CauseRollback),
			HaveField("Spec.Rollback", Equal(&platformv1alpha1.ReleaseRollback{From: "shop-prod-2", To: "shop-prod-1"}))))
		Expect(parametersOf(read(ctx, t.release("shop", "prod", 3)))).To(Equal(map[string]any{"color": "red"}))
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonRolledBack, "prod went back", "towpath promote"))

		By("the release, with the same version")
		back(0)
		settled(ctx, component)
		Expect(read(ctx, t.configMap("prod", "shop-config")).Data).To(HaveKeyWithValue("image", "registry.example/shop:2.0.0"))
		back(1)
		Eventually(ctx, framework.Read(admin, t.release("shop", "prod", 5))).Should(And(framework.BeReady(), HaveField("Spec.Cause", platformv1alpha1.CauseRollback)))

		By("versions and revisions meanwhile")
		change(ctx, component, withImage("registry.example/shop:3.0.0"))
		change(ctx, template, func(s *platformv1alpha1.ServiceTemplate) {
			s.Spec.Resources = append(s.Spec.Resources, framework.ConfigMap("more"))
		})
		Eventually(ctx, framework.Read(admin, t.configMap("dev", "shop-more"))).Should(HaveField("Data", HaveKeyWithValue("image", "registry.example/shop:3.0.0")))
		Consistently(ctx, exists(t.release("shop", "prod", 6)), "2s").Should(BeFalse())
		Expect(read(ctx, t.configMap("prod", "shop-config")).Data).To(HaveKeyWithValue("image", "registry.example/shop:1.0.0"))

		By("a Release that there never was")
		back(17)
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonRollbackImpossible, "Release 17"))
		By("the release")
		back(0)
		settled(ctx, component)
		Eventually(ctx, framework.Read(admin, t.configMap("prod", "shop-more"))).Should(HaveField("Data", HaveKeyWithValue("image", "registry.example/shop:3.0.0")))
	})

	It("waits for nothing that only the next version lacks: neither what that uses nor its revision", func(ctx context.Context) {
		t := newTeam(ctx, "prod")
		template := publish(ctx, light(framework.Name("light-")))
		runs := func(image string) OmegaMatcher { return HaveField("Data", HaveKeyWithValue("image", image)) }
		for name, breaks := range map[string]struct {
			reason string
			change func(*platformv1alpha1.Component)
		}{
			"ghost":  {platformv1alpha1.ReasonWaitingForProvider, func(c *platformv1alpha1.Component) { c.Spec.Uses = []platformv1alpha1.Use{{Component: "nobody"}} }},
			"pinned": {platformv1alpha1.ReasonRevisionNotFound, pin(99)},
		} {
			component := framework.Component(t.home, name, template.Name, "prod")
			component.Spec.Image = "registry.example/shop:1.0.0"
			deploy(ctx, component)
			settled(ctx, component)
			change(ctx, component, withImage("registry.example/shop:2.0.0"))
			settled(ctx, component)
			change(ctx, component, breaks.change)
			Eventually(ctx, framework.Read(admin, component)).Should(framework.HaveCondition(isPromoted, no, breaks.reason), name)
			change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Environments[0].RollbackTo = 1 })
			Eventually(ctx, framework.Read(admin, t.configMap("prod", name+"-config"))).Should(runs("registry.example/shop:1.0.0"), name)
		}
	})
})
