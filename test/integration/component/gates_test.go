package component_test

import (
	"context"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/test/framework"
)

// gated makes a class with a gate.
func gated(ctx context.Context, gate platformv1alpha1.ClassGate) string {
	GinkgoHelper()
	class := framework.Class(framework.Name("gated-"), platformv1alpha1.TierProduction)
	class.Spec.Gate = &gate
	Expect(admin.Create(ctx, class)).To(Succeed())
	return class.Name
}

// addGated makes an environment of a class, and waits until it is Ready.
func (t *team) addGated(ctx context.Context, name, class string) {
	GinkgoHelper()
	Expect(admin.Create(ctx, framework.Environment(t.home, name, class))).To(Succeed())
	Eventually(ctx, framework.Read(admin, t.environment(name))).Should(framework.BeReady())
}

// approver is a user with a certificate who may approve in the team's namespace.
func (t *team) approver(ctx context.Context, name string) client.Client {
	GinkgoHelper()
	Expect(admin.Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: t.home, Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "towpath-approver"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}},
	})).To(Succeed())
	c, err := cluster.UserClient(name)
	Expect(err).NotTo(HaveOccurred())
	return c
}

// editor has a user change Components in the team's namespace.
func (t *team) editor(ctx context.Context, name string) {
	GinkgoHelper()
	Expect(admin.Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: t.home, Name: name + "-edits"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "towpath-edit"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}},
	})).To(Succeed())
}

// decide has a user decide on a Release.
func decide(ctx context.Context, c client.Client, user string, release *platformv1alpha1.Release, decision platformv1alpha1.Decision, reason string) {
	GinkgoHelper()
	live := read(ctx, release)
	Eventually(ctx, func() error { // the right takes a moment
		return c.Create(ctx, &platformv1alpha1.Approval{
			ObjectMeta: metav1.ObjectMeta{Namespace: live.Namespace, GenerateName: live.Name + "-"},
			Spec: platformv1alpha1.ApprovalSpec{
				ReleaseRef: platformv1alpha1.ReleaseReference{Name: live.Name, UID: live.UID}, Approver: user, Decision: decision, Reason: reason,
			},
		})
	}).Should(Succeed())
}

// nudge has a Component looked at again, after the clock was set.
func nudge(ctx context.Context, component *platformv1alpha1.Component) {
	GinkgoHelper()
	change(ctx, component, func(c *platformv1alpha1.Component) {
		c.Annotations = map[string]string{"suite/nudge": framework.Name("n")}
	})
}

// waitsFor matches a Component that is Ready, and whose version waits.
func waitsFor(reason string, texts ...string) OmegaMatcher {
	return And(framework.BeReady(), framework.HaveCondition(isPromoted, no, reason, texts...), beForKstatus(status.CurrentStatus))
}

// keptOut matches a Component of which nothing runs anywhere yet, since its version waits.
func keptOut(reason string, texts ...string) OmegaMatcher {
	return And(waitsFor(reason, texts...), framework.HaveCondition(isReady, yes, platformv1alpha1.ReasonReady, append(texts, "Nothing runs yet.")...))
}

var _ = Describe("A gate", func() {
	It("keeps a version out until others than its author approve, while what runs is kept as it is", func(ctx context.Context) {
		t := newTeam(ctx, "dev")
		t.addGated(ctx, "prod", gated(ctx, platformv1alpha1.ClassGate{Gate: platformv1alpha1.Gate{Approvals: 1, AuthorApproval: platformv1alpha1.AuthorApprovalForbidden}}))
		ada, bob, eve := t.approver(ctx, "ada"), t.approver(ctx, "bob"), t.approver(ctx, "eve")
		t.editor(ctx, "ada")
		template := publish(ctx, light(framework.Name("light-")))
		component := framework.Component(t.home, "shop", template.Name, "dev", "prod")
		component.Spec.RequestedBy = "ada"
		component.Spec.Environments[1].Gate = &platformv1alpha1.Gate{Approvals: 2}
		Eventually(ctx, func() error { return ada.Create(ctx, component.DeepCopy()) }).Should(Succeed(), "the right takes a moment")
		DeferCleanup(func(ctx context.Context) { Expect(client.IgnoreNotFound(admin.Delete(ctx, component))).To(Succeed()) })

		first := t.release("shop", "prod", 1)
		Eventually(ctx, framework.Read(admin, component)).Should(And(
			waitsFor(platformv1alpha1.ReasonWaitingForApproval, "Release shop-prod-1 needs 2 approvals to enter prod", "ada made the change", "towpath approve -n "+t.home+" shop-prod-1"),
			HaveField("Status.Environments", ContainElement(And(HaveField("Name", "prod"), HaveField("Pending", "shop-prod-1"), HaveField("Release", ""))))))
		Eventually(ctx, framework.Read(admin, first)).Should(And(
			framework.HaveCondition(isReady, no, platformv1alpha1.ReasonWaitingForApproval), beForKstatus(status.InProgressStatus)))
		decide(ctx, ada, "ada", first, platformv1alpha1.DecisionApprove, "")
		decide(ctx, bob, "bob", first, platformv1alpha1.DecisionApprove, "Looks good.")
		decide(ctx, bob, "bob", first, platformv1alpha1.DecisionApprove, "Still does.")
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonWaitingForApproval, "has 1, of bob"))
		Consistently(ctx, exists(t.configMap("prod", "shop-config")), "2s").Should(BeFalse(), "an author and one other are not two")
		decide(ctx, eve, "eve", first, platformv1alpha1.DecisionApprove, "")
		settled(ctx, component)
		Expect(read(ctx, first)).To(And(
			HaveField("Status.OpenedAt", Not(BeNil())), HaveField("Spec.Gate", Equal(&platformv1alpha1.Gate{Approvals: 2, AuthorApproval: platformv1alpha1.AuthorApprovalForbidden})),
			HaveField("Spec.RequestedBy", "ada"),
			HaveField("Status.Decisions", ConsistOf(HaveField("Approver", "ada"), HaveField("Approver", "bob"), HaveField("Approver", "bob"), HaveField("Approver", "eve")))))

		By("a second version, which waits beside the first")
		change(ctx, component, func(c *platformv1alpha1.Component) {
			c.Spec.Image, c.Spec.RequestedBy = "registry.example/shop:2.0.0", ""
		})
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonAuthorUnknown, "shop-prod-2", "spec.requestedBy"))
		Expect(admin.Delete(ctx, t.configMap("prod", "shop-config"))).To(Succeed())
		Eventually(ctx, framework.Read(admin, t.configMap("prod", "shop-config"))).Should(
			HaveField("Data", HaveKeyWithValue("image", "registry.example/shop:1.0.0")), "what runs is healed while another waits")
		decide(ctx, bob, "bob", t.release("shop", "prod", 2), platformv1alpha1.DecisionApprove, "")
		decide(ctx, eve, "eve", t.release("shop", "prod", 2), platformv1alpha1.DecisionApprove, "")
		Consistently(ctx, framework.Read(admin, component), "2s").Should(waitsFor(platformv1alpha1.ReasonAuthorUnknown), "nobody counts while the author is unknown")
	})

	It("lets only the newest of those that wait go on, and keeps the others in the history", func(ctx context.Context) {
		t := newTeam(ctx, "dev")
		t.addGated(ctx, "prod", gated(ctx, platformv1alpha1.ClassGate{Gate: platformv1alpha1.Gate{Promotion: platformv1alpha1.PromotionManual}}))
		template := publish(ctx, light(framework.Name("light-")))
		component := deploy(ctx, framework.Component(t.home, "shop", template.Name, "dev", "prod"))
		for number, image := range []string{"", "registry.example/shop:2.0.0", "registry.example/shop:3.0.0"} {
			if image != "" {
				change(ctx, component, withImage(image))
			}
			Eventually(ctx, framework.Read(admin, t.release("shop", "prod", int64(number)+1))).Should(
				framework.HaveCondition(isReady, no, platformv1alpha1.ReasonWaitingForPromotion, "towpath promote"))
		}
		for _, number := range []int64{1, 2} {
			Eventually(ctx, framework.Read(admin, t.release("shop", "prod", number))).Should(And(
				framework.HaveCondition(isReady, yes, platformv1alpha1.ReasonSuperseded), HaveField("Finalizers", BeEmpty()),
				HaveField("Status.OpenedAt", BeNil()), HaveField("Status.AppliedAt", BeNil())))
		}
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonWaitingForPromotion, "shop-prod-3"))
		promote := func(name string) {
			GinkgoHelper()
			change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Environments[1].Promote = name })
		}
		promote("shop-prod-2")
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonWaitingForPromotion, "shop-prod-3"))
		Consistently(ctx, exists(t.configMap("prod", "shop-config")), "1s").Should(BeFalse(), "one that was superseded never enters")
		promote("shop-prod-3")
		settled(ctx, component)
		Expect(read(ctx, t.configMap("prod", "shop-config")).Data).To(HaveKeyWithValue("image", "registry.example/shop:3.0.0"))

		By("a version that is taken back before it entered")
		change(ctx, component, withImage("registry.example/shop:4.0.0"))
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonWaitingForPromotion, "shop-prod-4"))
		change(ctx, component, withImage("registry.example/shop:3.0.0"))
		settled(ctx, component)
		Eventually(ctx, framework.Read(admin, t.release("shop", "prod", 4))).Should(And(
			framework.HaveCondition(isReady, yes, platformv1alpha1.ReasonSuperseded, "another version"), HaveField("Finalizers", BeEmpty())))

		By("one that is deleted while it waits")
		change(ctx, component, withImage("registry.example/shop:5.0.0"))
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonWaitingForPromotion, "shop-prod-5"))
		Expect(admin.Delete(ctx, t.release("shop", "prod", 5))).To(Succeed())
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonWaitingForPromotion, "shop-prod-"))
		Consistently(ctx, func(ctx context.Context) (map[string]string, error) {
			live, err := framework.Read(admin, t.configMap("prod", "shop-config"))(ctx)
			return live.Data, err
		}, "1s").Should(HaveKeyWithValue("image", "registry.example/shop:3.0.0"), "to delete what waits lets nothing in")

		By("the Component deleted while one waits")
		Expect(admin.Delete(ctx, component)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, component)).Should(BeTrue())
		Expect(t.releases(ctx, "shop", "prod")).To(BeEmpty())
		Expect(exists(t.configMap("prod", "shop-config"))(ctx)).To(BeFalse())
	})

	It("is the class's where a Component asks for less, and the developer is told", func(ctx context.Context) {
		t := newTeam(ctx)
		class := gated(ctx, platformv1alpha1.ClassGate{Gate: platformv1alpha1.Gate{Approvals: 2, Promotion: platformv1alpha1.PromotionManual}})
		t.addGated(ctx, "prod", class)
		template := publish(ctx, light(framework.Name("light-")))
		lax, strict := framework.Component(t.home, "lax", template.Name, "prod"), framework.Component(t.home, "strict", template.Name, "prod")
		lax.Spec.Environments[0].Gate = &platformv1alpha1.Gate{Approvals: 1, Promotion: platformv1alpha1.PromotionAutomatic}
		strict.Spec.Environments[0].Gate = &platformv1alpha1.Gate{Approvals: 3, Promotion: platformv1alpha1.PromotionManual}
		asksForMore := "spec.environments[prod].gate: class " + class + " asks for more, and that holds: approvals: 2, promotion: Manual"
		deploy(ctx, strict)
		Expect(warned.all()).NotTo(ContainElement(asksForMore))
		deploy(ctx, lax)
		Expect(warned.all()).To(ContainElement(asksForMore))
		Eventually(ctx, framework.Read(admin, lax)).Should(keptOut(platformv1alpha1.ReasonWaitingForApproval, "needs 2 approvals", "promotes it"))
		Eventually(ctx, framework.Read(admin, strict)).Should(keptOut(platformv1alpha1.ReasonWaitingForApproval, "needs 3 approvals"))
	})

	It("counts how long a version has been Ready before", func(ctx context.Context) {
		t := newTeam(ctx, "dev")
		t.addGated(ctx, "prod", gated(ctx, platformv1alpha1.ClassGate{Gate: platformv1alpha1.Gate{SoakSeconds: 3600}}))
		template := publish(ctx, light(framework.Name("light-")))
		component := deploy(ctx, framework.Component(t.home, "shop", template.Name, "dev", "prod"))
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonSoaking, "Ready in dev for 1h0m0s"))
		start := now.Now()
		DeferCleanup(func() { now.SetTime(start) })
		since := condition.Of(read(ctx, t.release("shop", "dev", 1)))[0].LastTransitionTime.Time
		now.SetTime(since.Add(59 * time.Minute))
		nudge(ctx, component)
		Consistently(ctx, exists(t.configMap("prod", "shop-config")), "2s").Should(BeFalse(), "an hour is not over")
		now.SetTime(since.Add(time.Hour + time.Second))
		nudge(ctx, component)
		settled(ctx, component)
	})

	It("keeps a version out that somebody rejected, until there is another", func(ctx context.Context) {
		t := newTeam(ctx)
		t.addGated(ctx, "prod", gated(ctx, platformv1alpha1.ClassGate{Gate: platformv1alpha1.Gate{Approvals: 1}}))
		eve := t.approver(ctx, "eve")
		template := publish(ctx, light(framework.Name("light-")))
		component := deploy(ctx, framework.Component(t.home, "shop", template.Name, "prod"))
		Eventually(ctx, framework.Read(admin, component)).Should(keptOut(platformv1alpha1.ReasonWaitingForApproval, "shop-prod-1"))
		decide(ctx, eve, "eve", t.release("shop", "prod", 1), platformv1alpha1.DecisionReject, "Breaks the cart")
		Eventually(ctx, framework.Read(admin, component)).Should(keptOut(platformv1alpha1.ReasonRejected, "eve rejected", "Breaks the cart"))
		Expect(admin.DeleteAllOf(ctx, &platformv1alpha1.Approval{}, client.InNamespace(t.home))).To(Succeed())
		decide(ctx, eve, "eve", t.release("shop", "prod", 1), platformv1alpha1.DecisionApprove, "")
		Consistently(ctx, framework.Read(admin, component), "2s").Should(keptOut(platformv1alpha1.ReasonRejected), "a rejection stays, also where its Approval does not")
		change(ctx, component, withImage("registry.example/shop:2.0.0"))
		Eventually(ctx, framework.Read(admin, component)).Should(keptOut(platformv1alpha1.ReasonWaitingForApproval, "shop-prod-2"))
		decide(ctx, eve, "eve", t.release("shop", "prod", 2), platformv1alpha1.DecisionApprove, "")
		settled(ctx, component)
	})

	It("takes no path that leaves out a tier which the class requires before", func(ctx context.Context) {
		t := newTeam(ctx, "dev")
		class := gated(ctx, platformv1alpha1.ClassGate{RequiredTier: platformv1alpha1.TierDevelopment})
		t.addGated(ctx, "prod", class)
		template := publish(ctx, light(framework.Name("light-")))
		component := deploy(ctx, framework.Component(t.home, "shop", template.Name, "prod"))
		Eventually(ctx, framework.Read(admin, component)).Should(And(
			framework.BeStalled(platformv1alpha1.ReasonTierMissing, "tier Development", class), framework.HaveCondition(isPromoted, no, platformv1alpha1.ReasonTierMissing)))
		Expect(warned.all()).To(ContainElement(HavePrefix("spec.environments[prod]: prod is of class " + class)))
		Consistently(ctx, exists(t.release("shop", "prod", 1)), "1s").Should(BeFalse())
		change(ctx, component, func(c *platformv1alpha1.Component) {
			c.Spec.Environments = []platformv1alpha1.PathEnvironment{{Name: "dev"}, {Name: "prod"}}
		})
		settled(ctx, component)

		By("the environment before taken out again, with another version")
		change(ctx, component, func(c *platformv1alpha1.Component) {
			c.Spec.Environments, c.Spec.Image = []platformv1alpha1.PathEnvironment{{Name: "prod"}}, "registry.example/shop:2.0.0"
		})
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonTierMissing, "tier Development"))
		Consistently(ctx, exists(t.release("shop", "prod", 2)), "1s").Should(BeFalse())
	})
})
