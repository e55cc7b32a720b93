package component_test

import (
	"context"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

var _ = Describe("The history", func() {
	It("keeps as many Releases as the Component says, and those that are still needed", func(ctx context.Context) {
		t := newTeam(ctx, "dev")
		template := publish(ctx, light(framework.Name("light-")))
		component := framework.Component(t.home, "shop", template.Name, "dev")
		component.Spec.RevisionHistoryLimit = ptr.To[int32](1)
		deploy(ctx, component)
		for number := 2; number <= 6; number++ {
			settled(ctx, component)
			change(ctx, component, func(c *platformv1alpha1.Component) {
				c.Spec.Image = fmt.Sprintf("registry.example/shop:%d.0.0", number)
			})
		}
		settled(ctx, component)
		Eventually(ctx, func(ctx context.Context) ([]string, error) {
			releases, err := t.releases(ctx, "shop", "dev")
			var names []string
			for i := range releases {
				names = append(names, releases[i].Name)
			}
			return names, err
		}).Should(ConsistOf("shop-dev-5", "shop-dev-6"))

		By("a rollback to one that is pinned")
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Environments[0].RollbackTo = 5 })
		Eventually(ctx, framework.Read(admin, t.release("shop", "dev", 7))).Should(And(framework.BeReady(), HaveField("Spec.Image", "registry.example/shop:5.0.0")))
		Consistently(ctx, exists(t.release("shop", "dev", 5)), "2s").Should(BeTrue())

		By("none beside the one that runs and what it could go back to")
		change(ctx, component, func(c *platformv1alpha1.Component) {
			c.Spec.RevisionHistoryLimit, c.Spec.Environments[0].RollbackTo, c.Spec.Image = ptr.To[int32](0), 0, "registry.example/shop:7.0.0"
		})
		settled(ctx, component)
		Consistently(ctx, framework.Read(admin, t.release("shop", "dev", 8)), "1s").Should(framework.BeReady())
		live := read(ctx, component)
		live.Spec.RevisionHistoryLimit = ptr.To[int32](101)
		Expect(developer.Update(ctx, live)).To(MatchError(ContainSubstring("spec.revisionHistoryLimit")))
	})

	It("loses the Approvals with their Release, whoever made them", func(ctx context.Context) {
		t := newTeam(ctx)
		t.addGated(ctx, "prod", gated(ctx, platformv1alpha1.ClassGate{Gate: platformv1alpha1.Gate{Approvals: 2}}))
		eve := t.approver(ctx, "eve")
		template := publish(ctx, light(framework.Name("light-")))
		component := deploy(ctx, framework.Component(t.home, "shop", template.Name, "prod"))
		first := t.release("shop", "prod", 1)
		Eventually(ctx, framework.Read(admin, component)).Should(keptOut(platformv1alpha1.ReasonWaitingForApproval, "shop-prod-1"))
		decide(ctx, eve, "eve", first, platformv1alpha1.DecisionApprove, "")
		approvals := func(ctx context.Context) ([]platformv1alpha1.Approval, error) {
			var list platformv1alpha1.ApprovalList
			err := admin.List(ctx, &list, client.InNamespace(t.home))
			return list.Items, err
		}
		Consistently(ctx, approvals, "2s").Should(HaveLen(1))
		Expect(admin.Delete(ctx, first)).To(Succeed())
		Eventually(ctx, approvals).Should(BeEmpty())
	})
})

var _ = Describe("The author of a commit", func() {
	It("is the member of the Team with that e-mail, and does not approve", func(ctx context.Context) {
		name := framework.Name("a")
		crew := framework.Team(name, platformv1alpha1.TeamMember{Kind: platformv1alpha1.MemberUser, Name: "ada", Role: platformv1alpha1.TeamDeveloper})
		Expect(admin.Create(ctx, crew)).To(Succeed())
		Eventually(ctx, framework.Read(admin, crew)).Should(framework.BeReady())
		t := &team{name: name, home: read(ctx, crew).Status.Namespace}
		t.addGated(ctx, "prod", gated(ctx, platformv1alpha1.ClassGate{Gate: platformv1alpha1.Gate{Approvals: 1, AuthorApproval: platformv1alpha1.AuthorApprovalForbidden}}))
		ada, eve := t.approver(ctx, "ada"), t.approver(ctx, "eve")
		template := publish(ctx, light(framework.Name("light-")))
		component := framework.Component(t.home, "shop", template.Name, "prod")
		component.Spec.Commit = &platformv1alpha1.Commit{SHA: "3f2c9d1", Author: "Ada <Ada@shop.example>"}
		component.Spec.RequestedBy = "kubernetes-admin"
		deploy(ctx, component)
		Eventually(ctx, framework.Read(admin, component)).Should(keptOut(platformv1alpha1.ReasonAuthorUnknown, "no User of Team "+name, "Ada@shop.example"))

		change(ctx, crew, func(live *platformv1alpha1.Team) { live.Spec.Members[0].Emails = []string{"ada@shop.example"} })
		Eventually(ctx, framework.Read(admin, component)).Should(keptOut(platformv1alpha1.ReasonWaitingForApproval, "ada", "made the change, and cannot approve it"))
		decide(ctx, ada, "ada", t.release("shop", "prod", 1), platformv1alpha1.DecisionApprove, "")
		Consistently(ctx, exists(t.configMap("prod", "shop-config")), "2s").Should(BeFalse())
		decide(ctx, eve, "eve", t.release("shop", "prod", 1), platformv1alpha1.DecisionApprove, "")
		settled(ctx, component)
	})
})

var _ = Describe("The author of what went back", func() {
	It("does not approve it when it comes again, whoever asks for that", func(ctx context.Context) {
		t := newTeam(ctx)
		t.addGated(ctx, "prod", gated(ctx, platformv1alpha1.ClassGate{Gate: platformv1alpha1.Gate{Approvals: 1, AuthorApproval: platformv1alpha1.AuthorApprovalForbidden}}))
		ada, eve := t.approver(ctx, "ada"), t.approver(ctx, "eve")
		t.editor(ctx, "ada")
		template := publish(ctx, light(framework.Name("light-")))
		component := framework.Component(t.home, "shop", template.Name, "prod")
		component.Spec.RequestedBy = "kubernetes-admin"
		deploy(ctx, component)
		Eventually(ctx, framework.Read(admin, component)).Should(keptOut(platformv1alpha1.ReasonWaitingForApproval, "shop-prod-1"))
		decide(ctx, eve, "eve", t.release("shop", "prod", 1), platformv1alpha1.DecisionApprove, "")
		settled(ctx, component)

		By("a version of ada's, which eve lets in")
		Eventually(ctx, func(ctx context.Context) error {
			live := read(ctx, component)
			live.Spec.Image, live.Spec.RequestedBy = "registry.example/shop:2.0.0", "ada"
			return ada.Update(ctx, live)
		}).Should(Succeed(), "the right takes a moment, and its status may change in between")
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonWaitingForApproval, "shop-prod-2", "ada made the change"))
		decide(ctx, eve, "eve", t.release("shop", "prod", 2), platformv1alpha1.DecisionApprove, "")
		settled(ctx, component)

		By("a rollback, and its end, by somebody else")
		change(ctx, component, func(c *platformv1alpha1.Component) {
			c.Spec.Environments[0].RollbackTo, c.Spec.RequestedBy = 1, "kubernetes-admin"
		})
		Eventually(ctx, framework.Read(admin, t.release("shop", "prod", 3))).Should(And(framework.BeReady(), HaveField("Spec.Cause", platformv1alpha1.CauseRollback)))
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Environments[0].RollbackTo = 0 })
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonWaitingForApproval, "shop-prod-4", "; ada made the change"))
		decide(ctx, ada, "ada", t.release("shop", "prod", 4), platformv1alpha1.DecisionApprove, "")
		Eventually(ctx, framework.Read(admin, t.release("shop", "prod", 4))).Should(HaveField("Status.Decisions", HaveLen(1)))
		Consistently(ctx, framework.Read(admin, t.configMap("prod", "shop-config")), "2s").Should(
			HaveField("Data", HaveKeyWithValue("image", "registry.example/shop:1.0.0")), "it is hers still")
		decide(ctx, eve, "eve", t.release("shop", "prod", 4), platformv1alpha1.DecisionApprove, "")
		settled(ctx, component)
		Expect(read(ctx, t.configMap("prod", "shop-config")).Data).To(HaveKeyWithValue("image", "registry.example/shop:2.0.0"))
	})
})
