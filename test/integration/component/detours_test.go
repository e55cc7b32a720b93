package component_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// forbidden is a gate for which an author's approval does not count.
func forbidden() platformv1alpha1.ClassGate {
	return platformv1alpha1.ClassGate{Gate: platformv1alpha1.Gate{Approvals: 1, AuthorApproval: platformv1alpha1.AuthorApprovalForbidden}}
}

// ask has a user change a Component as whom requestedBy names.
func (t *team) ask(ctx context.Context, name string, component *platformv1alpha1.Component, how func(*platformv1alpha1.Component)) {
	GinkgoHelper()
	user, err := cluster.UserClient(name)
	Expect(err).NotTo(HaveOccurred())
	Eventually(ctx, func(ctx context.Context) error {
		live := read(ctx, component)
		how(live)
		live.Spec.RequestedBy = name
		return user.Update(ctx, live)
	}).Should(Succeed(), "the right takes a moment, and its status may change in between")
}

// Each of these led round a gate once.
var _ = Describe("A detour round a gate", func() {
	It("by a check, which runs nothing new beside a version that nobody approved it with", func(ctx context.Context) {
		t := newTeam(ctx)
		t.addGated(ctx, "prod", gated(ctx, forbidden()))
		bob := t.approver(ctx, "bob")
		template := publish(ctx, light(framework.Name("light-")))
		component := framework.Component(t.home, "shop", template.Name, "prod")
		component.Spec.RequestedBy = "kubernetes-admin"
		component.Spec.Environments[0].Checks = []platformv1alpha1.Check{smoke()}
		deploy(ctx, component)
		Eventually(ctx, framework.Read(admin, component)).Should(keptOut(platformv1alpha1.ReasonWaitingForApproval, "shop-prod-1"))
		decide(ctx, bob, "bob", t.release("shop", "prod", 1), platformv1alpha1.DecisionApprove, "")
		settled(ctx, component)

		By("another check, and a revision of the template")
		other := smoke()
		other.Name = "other"
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Environments[0].Checks = []platformv1alpha1.Check{other} })
		edit(ctx, template, "more")
		second := t.release("shop", "prod", 2)
		Eventually(ctx, framework.Read(admin, second)).Should(framework.BeReady(), "what the platform publishes needs no approval")
		named := func(name string) OmegaMatcher {
			return HaveField("Spec.Checks", HaveExactElements(HaveField("Check.Name", name)))
		}
		Expect(read(ctx, second)).To(named("smoke"), "that which was approved with the version")
		settled(ctx, component)

		By("the next version, with which the other comes")
		change(ctx, component, withImage("registry.example/shop:2.0.0"))
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonWaitingForApproval, "shop-prod-3"))
		Expect(read(ctx, t.release("shop", "prod", 3))).To(named("other"))
	})

	It("by a version that comes to no Release, whose author is one of the next all the same", func(ctx context.Context) {
		t := newTeam(ctx, "dev")
		t.addGated(ctx, "prod", gated(ctx, forbidden()))
		ann, bob := t.approver(ctx, "ann"), t.approver(ctx, "bob")
		t.editor(ctx, "ann")
		t.editor(ctx, "bob")
		template := publish(ctx, light(framework.Name("light-")))
		component := framework.Component(t.home, "shop", template.Name, "dev", "prod")
		component.Spec.RequestedBy = "kubernetes-admin"
		deploy(ctx, component)
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonWaitingForApproval, "shop-prod-1"))
		decide(ctx, bob, "bob", t.release("shop", "prod", 1), platformv1alpha1.DecisionApprove, "")
		settled(ctx, component)

		By("ann's version, before an environment that does not exist")
		t.ask(ctx, "ann", component, func(c *platformv1alpha1.Component) {
			c.Spec.Image = "registry.example/shop:2.0.0"
			c.Spec.Environments = append([]platformv1alpha1.PathEnvironment{{Name: "ghost"}}, c.Spec.Environments...)
		})
		Eventually(ctx, framework.Read(admin, component)).Should(HaveField("Status.Environments", ContainElement(And(
			HaveField("Name", "prod"), HaveField("Requested.By", ConsistOf("ann"))))))

		By("bob, who takes that out of the path")
		t.ask(ctx, "bob", component, func(c *platformv1alpha1.Component) { c.Spec.Environments = c.Spec.Environments[1:] })
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonWaitingForApproval, "shop-prod-2", "; ann made the change"))
		decide(ctx, ann, "ann", t.release("shop", "prod", 2), platformv1alpha1.DecisionApprove, "")
		Eventually(ctx, framework.Read(admin, t.release("shop", "prod", 2))).Should(HaveField("Status.Decisions", HaveLen(1)))
		Consistently(ctx, framework.Read(admin, component), "1s").Should(waitsFor(platformv1alpha1.ReasonWaitingForApproval, "shop-prod-2"))

		By("the Release in dev gone with its environment")
		Expect(admin.Delete(ctx, t.environment("dev"))).To(Succeed())
		Eventually(ctx, framework.Gone(admin, t.environment("dev"))).Should(BeTrue())
		t.addEnvironment(ctx, "dev")
		Eventually(ctx, framework.Read(admin, t.release("shop", "dev", 1))).Should(And(framework.BeReady(), HaveField("Spec.Image", "registry.example/shop:2.0.0")))
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonWaitingForApproval, "; ann made the change"))
	})

	It("by a rejected Release that is taken out of the path, or by a rollback to what was rejected", func(ctx context.Context) {
		t := newTeam(ctx, "dev")
		t.addGated(ctx, "prod", gated(ctx, platformv1alpha1.ClassGate{Gate: platformv1alpha1.Gate{Approvals: 1}}))
		bob := t.approver(ctx, "bob")
		template := publish(ctx, light(framework.Name("light-")))
		component := deploy(ctx, framework.Component(t.home, "shop", template.Name, "dev", "prod"))
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonWaitingForApproval, "shop-prod-1"))
		decide(ctx, bob, "bob", t.release("shop", "prod", 1), platformv1alpha1.DecisionReject, "Not this one")
		rejected := waitsFor(platformv1alpha1.ReasonRejected, "bob rejected the version for prod", "Not this one")
		Eventually(ctx, framework.Read(admin, component)).Should(rejected)
		path := read(ctx, component).Spec.Environments
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Environments = path[:1] })
		settled(ctx, component)
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Environments = path })
		Eventually(ctx, framework.Read(admin, component)).Should(rejected)

		By("two that enter")
		for i, image := range []string{"registry.example/shop:2.0.0", "registry.example/shop:3.0.0"} {
			change(ctx, component, withImage(image))
			release := t.release("shop", "prod", int64(i)+2)
			Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonWaitingForApproval, release.Name))
			decide(ctx, bob, "bob", release, platformv1alpha1.DecisionApprove, "")
			settled(ctx, component)
		}
		By("the first of these once more, which is rejected now")
		change(ctx, component, withImage("registry.example/shop:2.0.0"))
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonWaitingForApproval, "shop-prod-4"))
		decide(ctx, bob, "bob", t.release("shop", "prod", 4), platformv1alpha1.DecisionReject, "Nor that")
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonRejected, "Nor that"))
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Environments[1].RollbackTo = 2 })
		Eventually(ctx, framework.Read(admin, component)).Should(And(HaveField("Status.ObservedGeneration", read(ctx, component).Generation), waitsFor(platformv1alpha1.ReasonRejected, "Nor that")))
		Consistently(ctx, framework.Read(admin, t.configMap("prod", "shop-config")), "1s").Should(HaveField("Data", HaveKeyWithValue("image", "registry.example/shop:3.0.0")))
	})

	It("by a name in promote that an earlier Release had", func(ctx context.Context) {
		t := newTeam(ctx)
		t.addGated(ctx, "prod", gated(ctx, platformv1alpha1.ClassGate{Gate: platformv1alpha1.Gate{Promotion: platformv1alpha1.PromotionManual}}))
		template := publish(ctx, light(framework.Name("light-")))
		component := framework.Component(t.home, "shop", template.Name, "prod")
		component.Spec.Environments[0].Promote = "shop-prod-1" // as a backup has it
		deploy(ctx, component)
		Eventually(ctx, framework.Read(admin, component)).Should(keptOut(platformv1alpha1.ReasonWaitingForPromotion, "shop-prod-2"))
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Environments[0].Promote = "shop-prod-2" })
		settled(ctx, component)

		By("the environment made anew")
		Expect(admin.Delete(ctx, t.environment("prod"))).To(Succeed())
		Eventually(ctx, framework.Gone(admin, t.environment("prod"))).Should(BeTrue())
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Environments[0].Promote = "shop-prod-1" })
		t.addGated(ctx, "prod", gated(ctx, platformv1alpha1.ClassGate{Gate: platformv1alpha1.Gate{Promotion: platformv1alpha1.PromotionManual}}))
		Eventually(ctx, framework.Read(admin, component)).Should(keptOut(platformv1alpha1.ReasonWaitingForPromotion, "shop-prod-2"))
	})

	It("by an end of the environment during a freeze", func(ctx context.Context) {
		start := now.Now()
		DeferCleanup(func() { now.SetTime(start) })
		class, ends := frozenTomorrow(ctx, start)
		t := newTeam(ctx)
		t.addGated(ctx, "prod", class)
		t.addGated(ctx, "empty", class)
		template := publish(ctx, light(framework.Name("light-")))
		component := deploy(ctx, framework.Component(t.home, "shop", template.Name, "prod"))
		settled(ctx, component)
		now.SetTime(start.Add(25 * time.Hour))
		prod, empty := t.environment("prod"), t.environment("empty")
		for _, e := range []*platformv1alpha1.Environment{prod, empty} {
			change(ctx, e, func(e *platformv1alpha1.Environment) { e.Spec.LifetimeSeconds = 3600 })
			Eventually(ctx, framework.Read(admin, e)).Should(HaveField("Status.ExpiresAt", Not(BeNil())))
		}
		t.at(ctx, "empty", ends.Add(-time.Hour))
		Eventually(ctx, framework.Gone(admin, empty)).Should(BeTrue(), "nothing runs in it")
		t.at(ctx, "prod", ends.Add(-time.Hour))
		Eventually(ctx, framework.Read(admin, prod)).Should(framework.HaveCondition(platformv1alpha1.ConditionExpiring, yes, platformv1alpha1.ReasonExpiring,
			"The environment ended at", "when no freeze is open any more: the freeze audit (The auditors are here) is open until "+ends.Format(time.RFC3339)))
		Consistently(ctx, framework.Read(admin, prod), "1s").Should(HaveField("DeletionTimestamp", BeNil()))
		t.at(ctx, "prod", ends)
		Eventually(ctx, framework.Gone(admin, prod)).Should(BeTrue())
	})
})
