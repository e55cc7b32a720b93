package component_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// pin has a Component ask for a revision of its template.
func pin(revision int64) func(*platformv1alpha1.Component) {
	return func(c *platformv1alpha1.Component) { c.Spec.TemplateRef.Revision = ptr.To(revision) }
}

// edit makes a further revision of a template, with one more ConfigMap.
func edit(ctx context.Context, template *platformv1alpha1.ServiceTemplate, more string) {
	GinkgoHelper()
	change(ctx, template, func(s *platformv1alpha1.ServiceTemplate) {
		s.Spec.Resources = append(s.Spec.Resources, framework.ConfigMap(more))
	})
}

var _ = Describe("A revision that a Component is pinned to", func() {
	It("enters an environment by its gate, and not without", func(ctx context.Context) {
		t := newTeam(ctx, "dev")
		t.addGated(ctx, "prod", gated(ctx, platformv1alpha1.ClassGate{Gate: platformv1alpha1.Gate{Approvals: 1, AuthorApproval: platformv1alpha1.AuthorApprovalForbidden}}))
		ada, bob := t.approver(ctx, "ada"), t.approver(ctx, "bob")
		t.editor(ctx, "ada")
		template := publish(ctx, light(framework.Name("light-")))
		component := framework.Component(t.home, "shop", template.Name, "dev", "prod")
		component.Spec.RequestedBy = "kubernetes-admin"
		deploy(ctx, component)
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonWaitingForApproval, "shop-prod-1"))
		decide(ctx, bob, "bob", t.release("shop", "prod", 1), platformv1alpha1.DecisionApprove, "")
		settled(ctx, component)
		edit(ctx, template, "more")
		Eventually(ctx, framework.Read(admin, t.release("shop", "prod", 2))).Should(And(framework.BeReady(), HaveField("Spec.Revision.Number", int64(2))), "what the platform publishes needs no approval")

		By("an earlier revision")
		Eventually(ctx, func(ctx context.Context) error {
			live := read(ctx, component)
			live.Spec.TemplateRef.Revision, live.Spec.RequestedBy = ptr.To(int64(1)), "ada"
			return ada.Update(ctx, live)
		}).Should(Succeed(), "the right takes a moment, and its status may change in between")
		third := t.release("shop", "prod", 3)
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonWaitingForApproval, "Release shop-prod-3 needs 1 approval to enter prod", "ada made the change, and cannot approve it"))
		Expect(read(ctx, third)).To(And(
			HaveField("Spec.Revision.Number", int64(1)), HaveField("Spec.Cause", platformv1alpha1.CauseTemplateRollout),
			HaveField("Spec.RequestedBy", "ada"), HaveField("Status.OpenedAt", BeNil())))
		Eventually(ctx, framework.Read(admin, t.release("shop", "dev", 3))).Should(framework.BeReady(), "dev asks for nothing")
		decide(ctx, ada, "ada", third, platformv1alpha1.DecisionApprove, "")
		Eventually(ctx, framework.Read(admin, third)).Should(HaveField("Status.Decisions", HaveLen(1)))
		Consistently(ctx, exists(t.configMap("prod", "shop-more")), "2s").Should(BeTrue(), "who pins does not approve")

		By("the pin taken out and set again: another Release waits")
		change(ctx, component, func(c *platformv1alpha1.Component) {
			c.Spec.TemplateRef.Revision, c.Spec.RequestedBy = nil, "kubernetes-admin"
		})
		Eventually(ctx, framework.Read(admin, third)).Should(framework.HaveCondition(isReady, yes, platformv1alpha1.ReasonSuperseded))
		settled(ctx, component)
		Expect(exists(t.configMap("prod", "shop-more"))(ctx)).To(BeTrue())
		change(ctx, component, pin(1))
		fourth := t.release("shop", "prod", 4)
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonWaitingForApproval, "shop-prod-4"))

		By("an approval")
		decide(ctx, bob, "bob", fourth, platformv1alpha1.DecisionApprove, "")
		settled(ctx, component)
		Eventually(ctx, exists(t.configMap("prod", "shop-more"))).Should(BeFalse(), "revision 1 lacks it")
	})

	It("stays out where somebody rejected it, and lets other versions by", func(ctx context.Context) {
		t := newTeam(ctx)
		t.addGated(ctx, "prod", gated(ctx, platformv1alpha1.ClassGate{Gate: platformv1alpha1.Gate{Approvals: 1}}))
		bob := t.approver(ctx, "bob")
		template := publish(ctx, light(framework.Name("light-")))
		component := deploy(ctx, framework.Component(t.home, "shop", template.Name, "prod"))
		Eventually(ctx, framework.Read(admin, component)).Should(keptOut(platformv1alpha1.ReasonWaitingForApproval, "shop-prod-1"))
		decide(ctx, bob, "bob", t.release("shop", "prod", 1), platformv1alpha1.DecisionApprove, "")
		settled(ctx, component)
		edit(ctx, template, "more")
		Eventually(ctx, framework.Read(admin, t.release("shop", "prod", 2))).Should(framework.BeReady())
		change(ctx, component, pin(1))
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonWaitingForApproval, "shop-prod-3"))
		decide(ctx, bob, "bob", t.release("shop", "prod", 3), platformv1alpha1.DecisionReject, "We need more")
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonRejected, "bob rejected revision 1 of the template for prod", "We need more", "spec.templateRef.revision"))
		change(ctx, component, withImage("registry.example/shop:2.0.0"))
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonWaitingForApproval, "shop-prod-4"))
		decide(ctx, bob, "bob", t.release("shop", "prod", 4), platformv1alpha1.DecisionApprove, "")
		Eventually(ctx, framework.Read(admin, component)).Should(
			waitsFor(platformv1alpha1.ReasonWaitingForApproval, "shop-prod-5"), "the pin is asked for with the new version, alone")
		Expect(read(ctx, t.release("shop", "prod", 4)).Spec.Revision.Number).To(Equal(int64(2)))
		Expect(read(ctx, t.release("shop", "prod", 5)).Spec.Revision.Number).To(Equal(int64(1)))
	})

	It("stays out during a freeze", func(ctx context.Context) {
		start := now.Now()
		DeferCleanup(func() { now.SetTime(start) })
		class, _ := frozenTomorrow(ctx, start)
		t := newTeam(ctx)
		t.addGated(ctx, "prod", class)
		template := publish(ctx, light(framework.Name("light-")))
		component := deploy(ctx, framework.Component(t.home, "shop", template.Name, "prod"))
		settled(ctx, component)
		edit(ctx, template, "more")
		Eventually(ctx, framework.Read(admin, t.release("shop", "prod", 2))).Should(framework.BeReady())
		now.SetTime(start.Add(25 * time.Hour))
		change(ctx, component, pin(1))
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonFrozen, "audit", "towpath approve --break-glass -n "+t.home+" shop-prod-3"))
		Consistently(ctx, exists(t.configMap("prod", "shop-more")), "1s").Should(BeTrue())
		now.SetTime(start.Add(49 * time.Hour))
		nudge(ctx, component)
		settled(ctx, component)
		Eventually(ctx, exists(t.configMap("prod", "shop-more"))).Should(BeFalse())
	})
})
