package component_test

import (
	"context"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// Each of these was found by somebody who looked for a way round what is approved.
var _ = Describe("A shortcut past a gate", func() {
	It("by a Release that took over what was found, and takes its time to go: the version that came with that was never let in", func(ctx context.Context) {
		t := newTeam(ctx, "dev")
		t.addGated(ctx, "prod", gated(ctx, forbidden()))
		template := publish(ctx, light(framework.Name("light-")))
		t.editor(ctx, "mallory")
		mallory, err := cluster.UserClient("mallory")
		Expect(err).NotTo(HaveOccurred())
		Expect(admin.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
			Namespace: t.workload("prod"), Name: "legacy", Annotations: map[string]string{platformv1alpha1.AnnotationAdoptBy: "shop"},
		}})).To(Succeed())
		component := framework.Component(t.home, "shop", template.Name, "dev", "prod")
		component.Spec.Image = "registry.example/evil:1"
		component.Spec.Environments[1].Adopt = &platformv1alpha1.Adoption{Objects: []platformv1alpha1.AdoptedObject{{Resource: "config", Name: "legacy"}}}
		Eventually(ctx, func() error { return mallory.Create(ctx, component) }).Should(Succeed(), "the right takes a moment")
		found := t.release("shop", "prod", 1)
		Eventually(ctx, framework.Read(admin, found)).Should(framework.BeReady())
		change(ctx, found, func(r *platformv1alpha1.Release) { r.Finalizers = append(r.Finalizers, "example.com/slow") })
		DeferCleanup(func(ctx context.Context) {
			change(ctx, found, func(r *platformv1alpha1.Release) { r.Finalizers = nil })
		})

		By("prod out of the path, and in again without")
		path := read(ctx, component).Spec.Environments
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Environments = path[:1] })
		Eventually(ctx, framework.Read(admin, found)).Should(HaveField("DeletionTimestamp", Not(BeNil())))
		path[1].Adopt = nil
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Environments = path })
		Eventually(ctx, framework.Read(admin, t.release("shop", "prod", 2))).Should(And(
			HaveField("Spec.Gate", Not(BeNil())), HaveField("Status.OpenedAt", BeNil())))
		Eventually(ctx, framework.Read(admin, component)).Should(framework.HaveCondition(isPromoted, no, platformv1alpha1.ReasonAuthorUnknown, "shop-prod-2 needs 1 approval"))
		Consistently(ctx, exists(t.configMap("prod", "shop-config")), "1s").Should(BeFalse())
	})

	It("by a gate or a freeze of before, while no manager was there to tell the Environments", func(ctx context.Context) {
		t := newTeam(ctx)
		one := platformv1alpha1.ClassGate{Gate: platformv1alpha1.Gate{Approvals: 1}}
		stricter, freezes := gated(ctx, one), gated(ctx, one)
		t.addGated(ctx, "prod", stricter)
		t.addGated(ctx, "shut", freezes)
		bob := t.approver(ctx, "bob")
		template := publish(ctx, light(framework.Name("light-")))
		shop := deploy(ctx, framework.Component(t.home, "shop", template.Name, "prod"))
		book := deploy(ctx, framework.Component(t.home, "book", template.Name, "shut"))
		Eventually(ctx, framework.Read(admin, shop)).Should(keptOut(platformv1alpha1.ReasonWaitingForApproval, "shop-prod-1"))
		Eventually(ctx, framework.Read(admin, book)).Should(keptOut(platformv1alpha1.ReasonWaitingForApproval, "book-shut-1"))

		withoutManager(ctx, func() {
			change(ctx, framework.Class(stricter, platformv1alpha1.TierProduction), func(c *platformv1alpha1.EnvironmentClass) { c.Spec.Gate.Approvals = 2 })
			change(ctx, framework.Class(freezes, platformv1alpha1.TierProduction), func(c *platformv1alpha1.EnvironmentClass) {
				c.Spec.Freezes = []platformv1alpha1.FreezeWindow{{Name: "audit", Reason: "The books are looked at.", From: "2020-01-01T00:00", Until: "2099-01-01T00:00"}}
			})
			decide(ctx, bob, "bob", t.release("shop", "prod", 1), platformv1alpha1.DecisionApprove, "")
			decide(ctx, bob, "bob", t.release("book", "shut", 1), platformv1alpha1.DecisionApprove, "")
		})
		DeferCleanup(func(ctx context.Context) { // or what there is may not be deleted
			change(ctx, framework.Class(freezes, platformv1alpha1.TierProduction), func(c *platformv1alpha1.EnvironmentClass) { c.Spec.Freezes = nil })
			Eventually(ctx, framework.Read(admin, t.environment("shut"))).Should(HaveField("Status.Freezes", BeEmpty()))
		})
		Eventually(ctx, framework.Read(admin, shop)).Should(keptOut(platformv1alpha1.ReasonWaitingForApproval, "needs 2 approvals", "has 1, of bob"))
		Eventually(ctx, framework.Read(admin, book)).Should(keptOut(platformv1alpha1.ReasonFrozen, "audit"))
		for _, release := range []*platformv1alpha1.Release{t.release("shop", "prod", 1), t.release("book", "shut", 1)} {
			Expect(read(ctx, release).Status.OpenedAt).To(BeNil(), release.Name)
		}
	})

	It("by a version that takes the place of one that was rejected in a moment in which nothing could be planned", func(ctx context.Context) {
		t := newTeam(ctx)
		t.addGated(ctx, "prod", gated(ctx, platformv1alpha1.ClassGate{Gate: platformv1alpha1.Gate{Approvals: 1}}))
		bob := t.approver(ctx, "bob")
		template := publish(ctx, light(framework.Name("light-")))
		component := deploy(ctx, framework.Component(t.home, "shop", template.Name, "prod"))
		Eventually(ctx, framework.Read(admin, component)).Should(keptOut(platformv1alpha1.ReasonWaitingForApproval, "shop-prod-1"))

		By("a pin to nothing, and a rejection")
		change(ctx, component, pin(99))
		Eventually(ctx, framework.Read(admin, component)).Should(framework.HaveCondition(isReady, no, platformv1alpha1.ReasonRevisionNotFound))
		decide(ctx, bob, "bob", t.release("shop", "prod", 1), platformv1alpha1.DecisionReject, "It is broken")
		Eventually(ctx, framework.Read(admin, t.release("shop", "prod", 1))).Should(HaveField("Status.Decisions", HaveLen(1)))

		By("another version, and the first again")
		first := read(ctx, component).Spec.Image
		change(ctx, component, func(c *platformv1alpha1.Component) {
			c.Spec.TemplateRef.Revision, c.Spec.Image = nil, "registry.example/shop:2.0.0"
		})
		Eventually(ctx, framework.Read(admin, component)).Should(keptOut(platformv1alpha1.ReasonWaitingForApproval, "shop-prod-2"))
		change(ctx, component, withImage(first))
		Eventually(ctx, framework.Read(admin, component)).Should(framework.HaveCondition(isPromoted, no, platformv1alpha1.ReasonRejected, "bob rejected the version for prod", "It is broken"))
	})

	It("by a check that somebody adds to what another brings: whoever changes the checks is an author", func(ctx context.Context) {
		t := newTeam(ctx)
		t.addGated(ctx, "prod", gated(ctx, forbidden()))
		bob, alice := t.approver(ctx, "bob"), t.approver(ctx, "alice")
		t.editor(ctx, "alice")
		t.editor(ctx, "dave")
		template := publish(ctx, light(framework.Name("light-")))
		component := framework.Component(t.home, "shop", template.Name, "prod")
		component.Spec.RequestedBy = "kubernetes-admin"
		component.Spec.Environments[0].Checks = []platformv1alpha1.Check{smoke()}
		deploy(ctx, component)
		Eventually(ctx, framework.Read(admin, component)).Should(keptOut(platformv1alpha1.ReasonWaitingForApproval, "shop-prod-1"))
		decide(ctx, bob, "bob", t.release("shop", "prod", 1), platformv1alpha1.DecisionApprove, "")
		Eventually(ctx, framework.Read(admin, component)).Should(HaveField("Status.Environments", HaveExactElements(And(
			HaveField("Release", "shop-prod-1"), HaveField("Requested", BeNil())))), "what runs came with these checks")

		By("alice, who adds a Job with an image of her own, and dave, who brings the next version")
		t.ask(ctx, "alice", component, func(c *platformv1alpha1.Component) {
			other := smoke()
			other.Name = "other"
			c.Spec.Environments[0].Checks = append(c.Spec.Environments[0].Checks, other)
		})
		Eventually(ctx, framework.Read(admin, component)).Should(HaveField("Status.Environments", HaveExactElements(HaveField("Requested.By", HaveExactElements("alice")))))
		t.ask(ctx, "dave", component, withImage("registry.example/shop:2.0.0"))
		second := t.release("shop", "prod", 2)
		Eventually(ctx, framework.Read(admin, component)).Should(framework.HaveCondition(isPromoted, no, platformv1alpha1.ReasonWaitingForApproval, "shop-prod-2", "; alice, dave made the change"))
		Expect(read(ctx, second)).To(And(HaveField("Spec.Checks", HaveLen(2)), HaveField("Spec.RequestedBy", "dave")))
		decide(ctx, alice, "alice", second, platformv1alpha1.DecisionApprove, "")
		Eventually(ctx, framework.Read(admin, second)).Should(HaveField("Status.Decisions", HaveLen(1)))
		Consistently(ctx, framework.Read(admin, second), "1s").Should(HaveField("Status.OpenedAt", BeNil()), "alice let her own Job in")

		By("bob, who approves; with that nobody asks for anything any more")
		decide(ctx, bob, "bob", second, platformv1alpha1.DecisionApprove, "")
		Eventually(ctx, framework.Read(admin, component)).Should(HaveField("Status.Environments", HaveExactElements(And(
			HaveField("Release", "shop-prod-2"), HaveField("Requested", BeNil())))))
	})

	It("by another path for a moment: who changed something, or that nobody did, is known still", func(ctx context.Context) {
		t := newTeam(ctx, "dev")
		t.addGated(ctx, "prod", gated(ctx, forbidden()))
		alice := t.approver(ctx, "alice")
		t.editor(ctx, "alice")
		t.editor(ctx, "dave")
		template := publish(ctx, light(framework.Name("light-")))
		shop, book := framework.Component(t.home, "shop", template.Name, "dev", "prod"), framework.Component(t.home, "book", template.Name, "dev", "prod")
		shop.Spec.RequestedBy = "alice"
		for _, component := range []*platformv1alpha1.Component{shop, book} {
			component.Spec.Env = []platformv1alpha1.EnvVar{{Name: "LEVEL", Value: "alice"}}
			component.Spec.Environments[1].Parameters = framework.JSON(`{color: green}`) // so that the version is called otherwise elsewhere
			Eventually(ctx, func() error { return alice.Create(ctx, component) }).Should(Succeed(), "the right takes a moment")
			DeferCleanup(func(ctx context.Context) { Expect(client.IgnoreNotFound(admin.Delete(ctx, component))).To(Succeed()) })
		}
		Eventually(ctx, framework.Read(admin, shop)).Should(waitsFor(platformv1alpha1.ReasonWaitingForApproval, "shop-prod-1", "; alice made the change"))
		Eventually(ctx, framework.Read(admin, book)).Should(waitsFor(platformv1alpha1.ReasonAuthorUnknown, "book-prod-1"))
		t.ask(ctx, "dave", shop, withImage("registry.example/shop:2.0.0"))
		Eventually(ctx, framework.Read(admin, shop)).Should(waitsFor(platformv1alpha1.ReasonWaitingForApproval, "shop-prod-2", "; alice, dave made the change"))

		By("another path, and dave, who puts it right")
		path := read(ctx, shop).Spec.Environments
		for _, component := range []*platformv1alpha1.Component{shop, book} {
			t.ask(ctx, "alice", component, func(c *platformv1alpha1.Component) {
				c.Spec.Environments = []platformv1alpha1.PathEnvironment{{Name: "ghost"}}
			})
			for _, environment := range []string{"dev", "prod"} {
				Eventually(ctx, func() ([]platformv1alpha1.Release, error) { return t.releases(ctx, component.Name, environment) }).Should(BeEmpty())
			}
			t.ask(ctx, "dave", component, func(c *platformv1alpha1.Component) { c.Spec.Environments = path })
		}
		Eventually(ctx, framework.Read(admin, shop)).Should(waitsFor(platformv1alpha1.ReasonWaitingForApproval, "shop-prod-1", "; alice, dave made the change"))
		Eventually(ctx, framework.Read(admin, book)).Should(waitsFor(platformv1alpha1.ReasonAuthorUnknown, "book-prod-1"))
		for _, release := range []*platformv1alpha1.Release{t.release("shop", "prod", 1), t.release("book", "prod", 1)} {
			decide(ctx, alice, "alice", release, platformv1alpha1.DecisionApprove, "")
			Eventually(ctx, framework.Read(admin, release)).Should(HaveField("Status.Decisions", HaveLen(1)))
			Consistently(ctx, framework.Read(admin, release), "1s").Should(HaveField("Status.OpenedAt", BeNil()), "alice let in what she wrote")
		}
	})

	It("is none for who has a long name, whose change is planned and known as anybody's", func(ctx context.Context) {
		t := newTeam(ctx)
		t.addGated(ctx, "prod", gated(ctx, forbidden()))
		robot := "system:serviceaccount:" + strings.Repeat("n", 63) + ":" + strings.Repeat("a", 253)
		Expect(admin.Create(ctx, &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: t.home, Name: "robot-edits"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "towpath-edit"},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: robot}},
		})).To(Succeed())
		cfg := cluster.Plane.AdminConfig()
		cfg.Impersonate = rest.ImpersonationConfig{UserName: robot, Groups: []string{"system:authenticated"}}
		user, err := client.New(cfg, client.Options{Scheme: admin.Scheme()})
		Expect(err).NotTo(HaveOccurred())
		template := publish(ctx, light(framework.Name("light-")))
		component := framework.Component(t.home, "shop", template.Name, "prod")
		component.Spec.RequestedBy = robot
		Eventually(ctx, func() error { return user.Create(ctx, component) }).Should(Succeed(), "the right takes a moment")
		DeferCleanup(func(ctx context.Context) { Expect(client.IgnoreNotFound(admin.Delete(ctx, component))).To(Succeed()) })
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonWaitingForApproval, "shop-prod-1", "; "+robot+" made the change"))
	})

	It("by a change of a moment before another's: each of the two is an author", func(ctx context.Context) {
		t := newTeam(ctx)
		t.addGated(ctx, "prod", gated(ctx, forbidden()))
		template := publish(ctx, light(framework.Name("light-")))
		var users []client.Client
		for _, name := range []string{"alice", "dave", "oskar"} {
			t.editor(ctx, name)
			user, err := cluster.UserClient(name)
			Expect(err).NotTo(HaveOccurred())
			users = append(users, user)
		}
		for i := range 10 {
			component := framework.Component(t.home, fmt.Sprintf("shop%d", i), template.Name, "prod")
			component.Spec.RequestedBy = "kubernetes-admin"
			deploy(ctx, component)
			Eventually(ctx, framework.Read(admin, component)).Should(keptOut(platformv1alpha1.ReasonWaitingForApproval, "; kubernetes-admin made the change"))
			next := 0
			Eventually(ctx, func() error { // one after the other, as fast as that goes
				live := read(ctx, component)
				for ; next < len(users); next++ {
					live.Spec.RequestedBy = []string{"alice", "dave", "oskar"}[next]
					switch next {
					case 0:
						live.Spec.Env = []platformv1alpha1.EnvVar{{Name: "LEVEL", Value: "alice"}}
					case 1:
						live.Spec.Image = "registry.example/shop:2.0.0"
					default:
						live.Spec.Environments[0].Promote = "nothing"
					}
					if err := users[next].Update(ctx, live); err != nil {
						return err
					}
				}
				return nil
			}).Should(Succeed(), "the right takes a moment, and the status may change in between")
			Eventually(ctx, framework.Read(admin, component)).Should(And(
				HaveField("Status.ObservedGeneration", int64(4)), waitsFor(platformv1alpha1.ReasonWaitingForApproval, "; alice, dave, kubernetes-admin made the change"),
				HaveField("Status.Environments", HaveExactElements(HaveField("Requested.Requester", "dave")))))
		}
	})

	It("by a change that names nobody, and that another one follows", func(ctx context.Context) {
		t := newTeam(ctx)
		t.addGated(ctx, "prod", gated(ctx, forbidden()))
		bob, alice := t.approver(ctx, "bob"), t.approver(ctx, "alice")
		t.editor(ctx, "alice")
		t.editor(ctx, "dave")
		template := publish(ctx, light(framework.Name("light-")))
		component := framework.Component(t.home, "shop", template.Name, "prod")
		component.Spec.RequestedBy = "kubernetes-admin"
		deploy(ctx, component)
		Eventually(ctx, framework.Read(admin, component)).Should(keptOut(platformv1alpha1.ReasonWaitingForApproval, "shop-prod-1"))
		decide(ctx, bob, "bob", t.release("shop", "prod", 1), platformv1alpha1.DecisionApprove, "")
		settled(ctx, component)

		By("alice, who gives no name")
		Eventually(ctx, func() error {
			live := read(ctx, component)
			live.Spec.Env, live.Spec.RequestedBy = []platformv1alpha1.EnvVar{{Name: "LEVEL", Value: "alice"}}, ""
			return alice.Update(ctx, live)
		}).Should(Succeed(), "the right takes a moment, and the status may change in between")
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonAuthorUnknown, "shop-prod-2"))
		t.ask(ctx, "dave", component, withImage("registry.example/shop:2.0.0"))
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonAuthorUnknown, "shop-prod-3", "a change since what runs in prod came left spec.requestedBy"))
		decide(ctx, alice, "alice", t.release("shop", "prod", 3), platformv1alpha1.DecisionApprove, "")
		Eventually(ctx, framework.Read(admin, t.release("shop", "prod", 3))).Should(HaveField("Status.Decisions", HaveLen(1)))
		Consistently(ctx, framework.Read(admin, t.release("shop", "prod", 3)), "1s").Should(HaveField("Status.OpenedAt", BeNil()), "alice let in what she wrote")

		By("what runs asked for once more, and then what is to come")
		t.ask(ctx, "dave", component, func(c *platformv1alpha1.Component) { c.Spec.Image, c.Spec.Env = "registry.example/shop:1.0.0", nil })
		settled(ctx, component)
		t.ask(ctx, "dave", component, withImage("registry.example/shop:2.0.0"))
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonWaitingForApproval, "shop-prod-4", "; dave made the change"))
	})

	It("is none for who holds an environment and lets it go on: that makes nobody an author", func(ctx context.Context) {
		t := newTeam(ctx)
		t.addGated(ctx, "prod", gated(ctx, forbidden()))
		oskar := t.approver(ctx, "oskar")
		t.editor(ctx, "oskar")
		t.editor(ctx, "dave")
		template := publish(ctx, light(framework.Name("light-")))
		component := framework.Component(t.home, "shop", template.Name, "prod")
		component.Spec.RequestedBy = "kubernetes-admin"
		deploy(ctx, component)
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonWaitingForApproval, "shop-prod-1"))
		decide(ctx, oskar, "oskar", t.release("shop", "prod", 1), platformv1alpha1.DecisionApprove, "")
		settled(ctx, component)
		t.ask(ctx, "dave", component, withImage("registry.example/shop:2.0.0"))
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonWaitingForApproval, "shop-prod-2"))

		By("oskar, who holds prod, and lets it go on")
		t.ask(ctx, "oskar", component, func(c *platformv1alpha1.Component) { c.Spec.Environments[0].RollbackTo = 1 })
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonRolledBack))
		t.ask(ctx, "oskar", component, func(c *platformv1alpha1.Component) { c.Spec.Environments[0].RollbackTo = 0 })
		third := t.release("shop", "prod", 3)
		Eventually(ctx, framework.Read(admin, third)).Should(HaveField("Spec.RequestedBy", "dave"))
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonWaitingForApproval, "shop-prod-3", "; dave made the change"))
		decide(ctx, oskar, "oskar", third, platformv1alpha1.DecisionApprove, "")
		settled(ctx, component)
		Expect(read(ctx, third).Status.OpenedAt).NotTo(BeNil())
	})

	It("is none for a Component that was to take over what is not there: it may be corrected during a freeze", func(ctx context.Context) {
		class := framework.Class(framework.Name("frozen-"), platformv1alpha1.TierProduction)
		class.Spec.Freezes = []platformv1alpha1.FreezeWindow{{Name: "audit", Reason: "The books are looked at.", From: "2020-01-01T00:00", Until: "2099-01-01T00:00"}}
		Expect(admin.Create(ctx, class)).To(Succeed())
		t := newTeam(ctx, "dev")
		t.addGated(ctx, "prod", class.Name)
		DeferCleanup(func(ctx context.Context) { // or the Environment may not be deleted
			change(ctx, class, func(c *platformv1alpha1.EnvironmentClass) { c.Spec.Freezes = nil })
			Eventually(ctx, framework.Read(admin, t.environment("prod"))).Should(HaveField("Status.Freezes", BeEmpty()))
		})
		template := publish(ctx, light(framework.Name("light-")))
		component := framework.Component(t.home, "shop", template.Name, "dev", "prod")
		component.Spec.Environments[1].Adopt = &platformv1alpha1.Adoption{Objects: []platformv1alpha1.AdoptedObject{{Resource: "config", Name: "nothing"}}}
		deploy(ctx, component)
		Eventually(ctx, framework.Read(admin, t.release("shop", "prod", 1))).Should(HaveField("Spec.Cause", platformv1alpha1.CauseAdoption))
		Eventually(ctx, framework.Read(admin, component)).Should(HaveField("Status.Environments", ContainElement(And(
			HaveField("Name", "prod"), HaveField("Release", "shop-prod-1"), HaveField("Reason", platformv1alpha1.ReasonObjectNotFound)))))
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Environments = c.Spec.Environments[:1] })
		settled(ctx, component)
		Eventually(ctx, framework.Gone(admin, t.release("shop", "prod", 1))).Should(BeTrue())
	})

	It("by the kinds that the class allowed when the Release was made, while it waits", func(ctx context.Context) {
		t := newTeam(ctx)
		class := gated(ctx, platformv1alpha1.ClassGate{Gate: platformv1alpha1.Gate{Approvals: 1}})
		t.addGated(ctx, "prod", class)
		bob := t.approver(ctx, "bob")
		template := publish(ctx, light(framework.Name("light-")))
		component := deploy(ctx, framework.Component(t.home, "shop", template.Name, "prod"))
		Eventually(ctx, framework.Read(admin, component)).Should(keptOut(platformv1alpha1.ReasonWaitingForApproval, "shop-prod-1"))
		change(ctx, framework.Class(class, platformv1alpha1.TierProduction), func(c *platformv1alpha1.EnvironmentClass) {
			c.Spec.AllowedKinds = []platformv1alpha1.AllowedKind{{Group: "apps", Kind: "Deployment"}}
		})
		Eventually(ctx, framework.Read(admin, t.environment("prod"))).Should(HaveField("Status.AllowedKinds", HaveLen(1)))
		decide(ctx, bob, "bob", t.release("shop", "prod", 1), platformv1alpha1.DecisionApprove, "")
		Eventually(ctx, framework.Read(admin, component)).Should(framework.HaveCondition(isPromoted, no, platformv1alpha1.ReasonRefused))
		Expect(exists(t.configMap("prod", "shop-config"))(ctx)).To(BeFalse())
		Expect(read(ctx, t.release("shop", "prod", 1)).Status.OpenedAt).To(BeNil())
	})

	It("by a version whose rejection came when another had just taken its place", func(ctx context.Context) {
		t := newTeam(ctx)
		t.addGated(ctx, "prod", gated(ctx, platformv1alpha1.ClassGate{Gate: platformv1alpha1.Gate{Approvals: 1}}))
		bob := t.approver(ctx, "bob")
		template := publish(ctx, light(framework.Name("light-")))
		component := deploy(ctx, framework.Component(t.home, "shop", template.Name, "prod"))
		first := read(ctx, component).Spec.Image
		Eventually(ctx, framework.Read(admin, component)).Should(keptOut(platformv1alpha1.ReasonWaitingForApproval, "shop-prod-1"))
		change(ctx, component, withImage("registry.example/shop:2.0.0"))
		Eventually(ctx, framework.Read(admin, component)).Should(keptOut(platformv1alpha1.ReasonWaitingForApproval, "shop-prod-2"))
		decide(ctx, bob, "bob", t.release("shop", "prod", 1), platformv1alpha1.DecisionReject, "It is broken")
		Eventually(ctx, framework.Read(admin, t.release("shop", "prod", 1))).Should(HaveField("Status.Decisions", HaveLen(1)))
		change(ctx, component, withImage(first))
		Eventually(ctx, framework.Read(admin, component)).Should(framework.HaveCondition(isPromoted, no, platformv1alpha1.ReasonRejected, "bob rejected the version for prod"))
	})
})
