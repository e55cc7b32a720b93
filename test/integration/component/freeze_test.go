package component_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// frozenTomorrow makes a class with a freeze that is open from one day after a time to two days after it.
func frozenTomorrow(ctx context.Context, start time.Time) (name string, ends time.Time) {
	GinkgoHelper()
	const layout = "2006-01-02T15:04"
	ends = start.UTC().Add(48 * time.Hour).Truncate(time.Minute)
	class := framework.Class(framework.Name("frozen-"), platformv1alpha1.TierProduction)
	class.Spec.Freezes = []platformv1alpha1.FreezeWindow{{
		Name: "audit", Reason: "The auditors are here.", From: start.UTC().Add(24 * time.Hour).Format(layout), Until: ends.Format(layout),
	}}
	Expect(admin.Create(ctx, class)).To(Succeed())
	Eventually(ctx, framework.Read(admin, class)).Should(framework.BeReady())
	return class.Name, ends
}

var _ = Describe("A freeze", func() {
	It("keeps everything new out, but for a Release that somebody breaks the glass for", func(ctx context.Context) {
		start := now.Now()
		DeferCleanup(func() { now.SetTime(start) })
		class, ends := frozenTomorrow(ctx, start)
		t := newTeam(ctx, "dev")
		t.addGated(ctx, "prod", class)
		Expect(admin.Create(ctx, &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: t.home, Name: "gus"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "towpath-breakglass"},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "gus"}},
		})).To(Succeed())
		gus, err := cluster.UserClient("gus")
		Expect(err).NotTo(HaveOccurred())
		template := publish(ctx, light(framework.Name("light-")))
		component := deploy(ctx, framework.Component(t.home, "shop", template.Name, "dev", "prod"))
		settled(ctx, component)

		By("a version that comes while the window is open")
		now.SetTime(start.Add(25 * time.Hour))
		change(ctx, component, withImage("registry.example/shop:2.0.0"))
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonFrozen, "audit (The auditors are here)", ends.Format(time.RFC3339), "towpath approve --break-glass -n "+t.home+" shop-prod-2"))
		decide(ctx, gus, "gus", t.release("shop", "prod", 2), platformv1alpha1.DecisionBreakGlass, "The cart is down.")
		settled(ctx, component)
		Expect(read(ctx, t.release("shop", "prod", 2)).Status.Decisions).To(ConsistOf(And(
			HaveField("Approver", "gus"), HaveField("Decision", platformv1alpha1.DecisionBreakGlass), HaveField("Reason", "The cart is down."))))

		By("a revision of the template, and the end of the window")
		change(ctx, template, func(s *platformv1alpha1.ServiceTemplate) {
			s.Spec.Resources = append(s.Spec.Resources, framework.ConfigMap("more"))
		})
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonFrozen, "audit"))
		Expect(exists(t.configMap("prod", "shop-more"))(ctx)).To(BeFalse())
		By("the environment taken out of the path, with what runs there")
		before := read(ctx, component).DeepCopy()
		before.Spec.Environments = before.Spec.Environments[:1]
		Expect(admin.Update(ctx, before)).To(MatchError(ContainSubstring("must keep prod, where the freeze audit (The auditors are here) is open until " + ends.Format(time.RFC3339) + ": what runs there would be deleted")))
		By("the Component deleted, or the Environment")
		open := "the freeze audit (The auditors are here) is open until " + ends.Format(time.RFC3339)
		Expect(developer.Delete(ctx, component)).To(MatchError(ContainSubstring("it runs in prod, where " + open + ": delete it after that, or have the window taken out of the class")))
		prod := framework.Environment(t.home, "prod", class)
		Expect(developer.Delete(ctx, prod)).To(MatchError(ContainSubstring(open + ", and shop runs in it: delete it after that, or have the window taken out of class " + class)))
		By("a rollback, which goes through")
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Environments[1].RollbackTo = 1 })
		Eventually(ctx, framework.Read(admin, t.release("shop", "prod", 3))).Should(And(framework.BeReady(), HaveField("Spec.Cause", platformv1alpha1.CauseRollback)))
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Environments[1].RollbackTo = 0 })
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonFrozen, "shop-prod-4"))
		now.SetTime(ends)
		nudge(ctx, component)
		settled(ctx, component)
		Eventually(ctx, exists(t.configMap("prod", "shop-more"))).Should(BeTrue())
		Expect(developer.Delete(ctx, prod, client.DryRunAll)).To(Succeed())
		Expect(developer.Delete(ctx, component)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, component)).Should(BeTrue())
	})

	It("lets an Environment go in which nothing runs, or all with its namespace", func(ctx context.Context) {
		start := now.Now()
		DeferCleanup(func() { now.SetTime(start) })
		class, _ := frozenTomorrow(ctx, start)
		t := newTeam(ctx)
		t.addGated(ctx, "empty", class)
		t.addGated(ctx, "prod", class)
		template := publish(ctx, light(framework.Name("light-")))
		component := deploy(ctx, framework.Component(t.home, "shop", template.Name, "prod"))
		settled(ctx, component)
		now.SetTime(start.Add(25 * time.Hour))
		Expect(developer.Delete(ctx, framework.Environment(t.home, "empty", class))).To(Succeed())
		Expect(developer.Delete(ctx, component)).To(MatchError(ContainSubstring("is open until")))
		Expect(admin.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: t.home}})).To(Succeed())
		Eventually(ctx, framework.Gone(admin, component)).Should(BeTrue())
		Eventually(ctx, framework.Gone(admin, framework.Environment(t.home, "prod", class))).Should(BeTrue())
	})

	It("that cannot be read keeps everything out, and the class says why", func(ctx context.Context) {
		class := framework.Class(framework.Name("broken-"), platformv1alpha1.TierProduction)
		class.Spec.Freezes = []platformv1alpha1.FreezeWindow{
			{Name: "zone", Reason: "r", TimeZone: "Europe/Atlantis", Schedule: "0 22 * * *", DurationSeconds: 3600, BreakGlass: platformv1alpha1.BreakGlassForbidden},
			{Name: "never", Reason: "r", Schedule: "0 0 30 2 *", DurationSeconds: 3600},
			{Name: "always", Reason: "r", Schedule: "0 0 * * *", DurationSeconds: 86400},
		}
		By("refusing it, with field and reason")
		Expect(developer.Create(ctx, class.DeepCopy())).To(MatchError(And(
			ContainSubstring(`spec.freezes[zone].timeZone: Invalid value: timeZone "Europe/Atlantis" is not known`),
			ContainSubstring(`spec.freezes[never].schedule: Invalid value: schedule "0 0 30 2 *" never comes`),
			ContainSubstring("spec.freezes[always].durationSeconds: Invalid value"), ContainSubstring("never closes"))))

		By("meeting one all the same, as of a Towpath that did not ask")
		class.Labels = map[string]string{framework.LabelUnchecked: ""}
		Expect(admin.Create(ctx, class)).To(Succeed())
		Eventually(ctx, framework.Read(admin, class)).Should(framework.BeStalled(platformv1alpha1.ReasonFreezeInvalid,
			"spec.freezes[zone]: timeZone \"Europe/Atlantis\" is not known", "spec.freezes[never]", "never comes", "spec.freezes[always]", "never closes"))
		t := newTeam(ctx)
		t.addGated(ctx, "prod", class.Name)
		template := publish(ctx, light(framework.Name("light-")))
		component := deploy(ctx, framework.Component(t.home, "shop", template.Name, "prod"))
		Eventually(ctx, framework.Read(admin, component)).Should(keptOut(platformv1alpha1.ReasonFrozen, "counts as open", "Europe/Atlantis"))
		By("changing something else, which it keeps nobody from")
		change(ctx, class, func(c *platformv1alpha1.EnvironmentClass) { c.Labels, c.Spec.DropExpiredOverrides = nil, true })
		change(ctx, class, func(c *platformv1alpha1.EnvironmentClass) { c.Spec.Freezes = nil })
		Eventually(ctx, framework.Read(admin, class)).Should(framework.BeReady())
		settled(ctx, component)
	})
})

var _ = Describe("A freeze that is edited while a Release waits", func() {
	It("holds it for longer, for less, or not at all, as it now says", func(ctx context.Context) {
		const layout = "2006-01-02T15:04"
		start := now.Now().UTC()
		window := func(from, until time.Duration) []platformv1alpha1.FreezeWindow {
			return []platformv1alpha1.FreezeWindow{{
				Name: "sale", Reason: "Nothing moves.", From: start.Add(from).Format(layout), Until: start.Add(until).Format(layout),
			}}
		}
		ends := func(after time.Duration) string { return start.Add(after).Truncate(time.Minute).Format(time.RFC3339) }
		class := framework.Class(framework.Name("edited-"), platformv1alpha1.TierProduction)
		class.Spec.Freezes = window(-time.Hour, 24*time.Hour)
		Expect(admin.Create(ctx, class)).To(Succeed())
		t := newTeam(ctx)
		t.addGated(ctx, "prod", class.Name)
		template := publish(ctx, light(framework.Name("light-")))
		component := deploy(ctx, framework.Component(t.home, "shop", template.Name, "prod"))
		Eventually(ctx, framework.Read(admin, component)).Should(keptOut(platformv1alpha1.ReasonFrozen, "sale", ends(24*time.Hour)))
		waiting := read(ctx, t.release("shop", "prod", 1))

		change(ctx, class, func(c *platformv1alpha1.EnvironmentClass) { c.Spec.Freezes = window(-time.Hour, 72*time.Hour) })
		Eventually(ctx, framework.Read(admin, component)).Should(keptOut(platformv1alpha1.ReasonFrozen, "sale", ends(72*time.Hour)))
		change(ctx, class, func(c *platformv1alpha1.EnvironmentClass) { c.Spec.Freezes[0].Reason = "Still nothing." })
		Eventually(ctx, framework.Read(admin, component)).Should(keptOut(platformv1alpha1.ReasonFrozen, "Still nothing"))

		By("an edit that would end it wrongly, which is refused and changes nothing")
		live := read(ctx, class)
		live.Spec.Freezes[0].TimeZone = "Europe/Atlantis"
		Expect(developer.Update(ctx, live)).To(MatchError(ContainSubstring("spec.freezes[sale].timeZone")))
		Expect(read(ctx, component)).To(keptOut(platformv1alpha1.ReasonFrozen, "Still nothing"))

		By("moving it away: the same Release goes in")
		change(ctx, class, func(c *platformv1alpha1.EnvironmentClass) { c.Spec.Freezes = window(48*time.Hour, 72*time.Hour) })
		settled(ctx, component)
		Expect(read(ctx, t.release("shop", "prod", 1)).UID).To(Equal(waiting.UID))
	})
})
