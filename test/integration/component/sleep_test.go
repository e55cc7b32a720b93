package component_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// sleepy makes a class whose environments sleep in windows, all at the same moment.
func sleepy(ctx context.Context, tier platformv1alpha1.Tier, how func(*platformv1alpha1.EnvironmentClassSpec), windows ...platformv1alpha1.SleepWindow) *platformv1alpha1.EnvironmentClass {
	GinkgoHelper()
	class := framework.Class(framework.Name("sleepy-"), tier)
	class.Spec.Sleep = &platformv1alpha1.ClassSleep{Windows: windows, MaxWakeSeconds: 4 * 3600, SpreadSeconds: new(int32)}
	if how != nil {
		how(&class.Spec)
	}
	Expect(admin.Create(ctx, class)).To(Succeed())
	return class
}

// between is a window that comes once, by the clock of the manager.
func between(name string, from, until time.Time) platformv1alpha1.SleepWindow {
	const layout = "2006-01-02T15:04"
	return platformv1alpha1.SleepWindow{Name: name, From: from.UTC().Format(layout), Until: until.UTC().Format(layout)}
}

// at sets the clock, and has an environment looked at.
func (t *team) at(ctx context.Context, environment string, moment time.Time) {
	GinkgoHelper()
	now.SetTime(moment)
	change(ctx, t.environment(environment), func(e *platformv1alpha1.Environment) {
		e.Annotations = map[string]string{"suite/nudge": framework.Name("n")}
	})
}

// sleeping matches an Environment that sleeps until a time, awake one that is awake until one.
func sleeping(until time.Time) OmegaMatcher { return inState(platformv1alpha1.StateAsleep, until) }

func awake(until time.Time) OmegaMatcher { return inState(platformv1alpha1.StateAwake, until) }

func inState(state platformv1alpha1.SleepState, until time.Time) OmegaMatcher {
	same := BeNil()
	if !until.IsZero() {
		same = HaveValue(WithTransform(func(t metav1.Time) time.Time { return t.UTC() }, Equal(until.UTC())))
	}
	return And(framework.BeReady(), HaveField("Status.Sleep", HaveValue(And(HaveField("State", state), HaveField("Until", same)))))
}

// hasPods is how many a Deployment is to have.
func hasPods(t *team, environment string) func(context.Context) (int32, error) {
	return func(ctx context.Context) (int32, error) {
		live, err := framework.Read(admin, deploymentOf(t.workload(environment), "shop"))(ctx)
		if err != nil || live.Spec.Replicas == nil {
			return -1, err
		}
		return *live.Spec.Replicas, nil
	}
}

var _ = Describe("An environment that sleeps", func() {
	It("does so in the windows of its class, is woken for two hours, and sleeps again", func(ctx context.Context) {
		start := now.Now().Truncate(time.Minute)
		DeferCleanup(func() { now.SetTime(start) })
		falls, wakes := start.Add(10*time.Hour), start.Add(22*time.Hour)
		class := sleepy(ctx, platformv1alpha1.TierDevelopment, nil, between("night", falls, wakes))
		Eventually(ctx, framework.Read(admin, class)).Should(framework.BeReady())
		t := newTeam(ctx)
		t.addGated(ctx, "night", class.Name)
		template := web(framework.Name("web-"))
		template.Spec.Overrides = &platformv1alpha1.TemplateOverrides{Allow: []platformv1alpha1.OpenPath{{Resource: "deployment", Path: "spec.replicas"}}}
		component := deploy(ctx, overriding(t, publish(ctx, template).Name, []string{"night"}, override("spec: {replicas: 2}", "")))
		settled(ctx, component)
		environment := t.environment("night")
		Expect(read(ctx, environment)).To(And(awake(falls), framework.HaveCondition(platformv1alpha1.ConditionAsleep, no, platformv1alpha1.ReasonAwake, falls.UTC().Format(time.RFC3339))))

		// Both are waited for until they are counted: by the real clock, all of this is a moment.
		stopped := func() {
			GinkgoHelper()
			Eventually(ctx, hasPods(t, "night")).Should(BeEquivalentTo(0))
			Eventually(ctx, framework.Read(admin, environment)).Should(HaveField("Status.Sleep.Saving", HaveValue(HaveField("Pods", BeEquivalentTo(2)))))
		}
		running := func() {
			GinkgoHelper()
			Eventually(ctx, hasPods(t, "night")).Should(BeEquivalentTo(2), "what an override says")
			Eventually(ctx, framework.Read(admin, environment)).Should(HaveField("Status.Sleep.Saving", BeNil()))
		}

		t.at(ctx, "night", falls)
		Eventually(ctx, framework.Read(admin, environment)).Should(And(sleeping(wakes), framework.HaveCondition(platformv1alpha1.ConditionAsleep, yes, platformv1alpha1.ReasonAsleep, "(night)", wakes.UTC().Format(time.RFC3339))))
		stopped()
		Eventually(ctx, framework.Read(admin, component)).Should(And(framework.HaveCondition(isReady, yes, platformv1alpha1.ReasonReady, "Asleep in night"),
			framework.HaveCondition(isPromoted, yes, platformv1alpha1.ReasonPromoted)))

		By("waking it for two hours, and once more for longer than its class allows")
		woken := falls.Add(3 * time.Hour)
		t.at(ctx, "night", woken)
		wish := func(until time.Time) {
			GinkgoHelper()
			change(ctx, environment, func(e *platformv1alpha1.Environment) { e.Spec.WakeUntil = new(metav1.NewTime(until)) })
		}
		wish(woken.Add(2 * time.Hour))
		Eventually(ctx, framework.Read(admin, environment)).Should(And(awake(woken.Add(2*time.Hour)), framework.HaveCondition(platformv1alpha1.ConditionAsleep, no, platformv1alpha1.ReasonAwake, "was woken")))
		running()
		t.at(ctx, "night", woken.Add(2*time.Hour))
		Eventually(ctx, framework.Read(admin, environment)).Should(sleeping(wakes))
		stopped()
		wish(wakes.AddDate(10, 0, 0))
		Eventually(ctx, framework.Read(admin, environment)).Should(awake(woken.Add(6 * time.Hour)))
		running()
		t.at(ctx, "night", woken.Add(6*time.Hour))
		Eventually(ctx, framework.Read(admin, environment)).Should(sleeping(wakes))
		stopped()

		By("the class no longer has it sleep, which counts what was saved")
		slept := read(ctx, environment).Status.Sleep
		Expect(slept.Saved.PodHours).To(Equal("6.000"), "two pods for three hours, and for none before it was woken again")
		change(ctx, class, func(c *platformv1alpha1.EnvironmentClass) { c.Spec.Sleep.Windows = nil })
		Eventually(ctx, framework.Read(admin, environment)).Should(awake(time.Time{}))
		running()
		settled(ctx, component)
		Eventually(ctx, framework.Read(admin, component)).Should(framework.HaveCondition(isReady, yes, platformv1alpha1.ReasonReady, "Ready in night"))
		Expect(exists(t.release("shop", "night", 2))(ctx)).To(BeFalse(), "of all that no Release was made")
	})

	It("takes versions, which go on once they were Ready awake", func(ctx context.Context) {
		start := now.Now().Truncate(time.Minute)
		DeferCleanup(func() { now.SetTime(start) })
		falls, wakes := start.Add(10*time.Hour), start.Add(22*time.Hour)
		rollsBack := func(c *platformv1alpha1.EnvironmentClassSpec) {
			c.Rollback = &platformv1alpha1.RollbackPolicy{Mode: platformv1alpha1.RollbackAutomatic, DeadlineSeconds: 3600}
		}
		class := sleepy(ctx, platformv1alpha1.TierStaging, rollsBack, between("night", falls, wakes))
		t := newTeam(ctx, "prod")
		t.addGated(ctx, "stage", class.Name)
		component := deploy(ctx, framework.Component(t.home, "shop", publish(ctx, web(framework.Name("web-"))).Name, "stage", "prod"))
		settled(ctx, component)
		t.at(ctx, "stage", falls)
		Eventually(ctx, framework.Read(admin, t.environment("stage"))).Should(sleeping(wakes))
		Eventually(ctx, hasPods(t, "stage")).Should(BeEquivalentTo(0))

		change(ctx, component, withImage("registry.example/shop:2.0.0"))
		Eventually(ctx, framework.Read(admin, t.release("shop", "stage", 2))).Should(And(framework.HaveCondition(isReady, yes, platformv1alpha1.ReasonAsleep, "will show when it wakes"),
			HaveField("Status.ReadyAt", BeNil()), HaveField("Status.AppliedAt", Not(BeNil()))))
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonAsleep, "stage sleeps until "+wakes.UTC().Format(time.RFC3339), "towpath env wake -n "+t.home+" stage"))
		Expect(runs(t.workload("stage"), "shop")(ctx)).To(Equal("registry.example/shop:2.0.0"))
		Expect(exists(t.release("shop", "prod", 2))(ctx)).To(BeFalse())

		By("the deadline of the class passes while it sleeps, which is no failure")
		t.at(ctx, "stage", falls.Add(2*time.Hour))
		nudge(ctx, component)
		Consistently(ctx, exists(t.release("shop", "stage", 3)), "1s").Should(BeFalse())

		By("the morning, with a deadline for the clock of the suite: when the Release wakes is told by the real one")
		change(ctx, class, func(c *platformv1alpha1.EnvironmentClass) { c.Spec.Rollback.DeadlineSeconds = 86400 })
		Eventually(ctx, framework.Read(admin, t.environment("stage"))).Should(HaveField("Status.Rollback.DeadlineSeconds", BeEquivalentTo(86400)))
		t.at(ctx, "stage", wakes)
		Eventually(ctx, framework.Read(admin, t.release("shop", "stage", 2))).Should(And(framework.HaveCondition(isReady, yes, platformv1alpha1.ReasonReady), HaveField("Status.ReadyAt", Not(BeNil()))))
		settled(ctx, component)
		Expect(runs(t.workload("prod"), "shop")(ctx)).To(Equal("registry.example/shop:2.0.0"))
	})

	It("goes on with a soak where it was before the night", func(ctx context.Context) {
		start := now.Now().Truncate(time.Minute)
		DeferCleanup(func() { now.SetTime(start) })
		class := sleepy(ctx, platformv1alpha1.TierStaging, func(c *platformv1alpha1.EnvironmentClassSpec) { c.Sleep.OwnSleep = platformv1alpha1.OwnSleepAllowed })
		t := newTeam(ctx)
		t.addGated(ctx, "stage", class.Name)
		t.addGated(ctx, "prod", gated(ctx, platformv1alpha1.ClassGate{Gate: platformv1alpha1.Gate{SoakSeconds: 36000}}))
		component := deploy(ctx, framework.Component(t.home, "shop", publish(ctx, light(framework.Name("light-"))).Name, "stage", "prod"))
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonSoaking, "that is so at"))
		change(ctx, t.environment("stage"), func(e *platformv1alpha1.Environment) {
			e.Spec.Sleep = &platformv1alpha1.EnvironmentSleep{Mode: platformv1alpha1.SleepAlways}
		})
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonSoaking, "before it fell asleep", "towpath env wake -n "+t.home+" stage"))
		now.SetTime(start.Add(11 * time.Hour))
		nudge(ctx, component)
		Consistently(ctx, framework.Read(admin, component), "1s").Should(waitsFor(platformv1alpha1.ReasonSoaking), "nights do not count")
		change(ctx, t.environment("stage"), func(e *platformv1alpha1.Environment) { e.Spec.Sleep = nil })
		settled(ctx, component) // the clock of what is Ready is the real one: the eleven hours are over
	})

	It("is not put to sleep by what cannot be read, or by what its class does not allow", func(ctx context.Context) {
		By("meeting a class as of a Towpath that did not ask")
		class := framework.Class(framework.Name("sleepy-"), platformv1alpha1.TierProduction)
		class.Labels = map[string]string{framework.LabelUnchecked: ""}
		class.Spec.Sleep = &platformv1alpha1.ClassSleep{SpreadSeconds: new(int32), Windows: []platformv1alpha1.SleepWindow{
			{Name: "zone", TimeZone: "Europe/Atlantis", Schedule: "0 0 * * *", DurationSeconds: 3600},
		}}
		Expect(admin.Create(ctx, class)).To(Succeed())
		Eventually(ctx, framework.Read(admin, class)).Should(framework.BeStalled(platformv1alpha1.ReasonSleepInvalid, "spec.sleep.windows[zone]", "Europe/Atlantis", "puts nothing to sleep"))
		t := newTeam(ctx)
		t.addGated(ctx, "prod", class.Name)
		change(ctx, t.environment("prod"), func(e *platformv1alpha1.Environment) {
			e.Spec.Sleep = &platformv1alpha1.EnvironmentSleep{Mode: platformv1alpha1.SleepAlways}
		})
		Eventually(ctx, framework.Read(admin, t.environment("prod"))).Should(And(awake(time.Time{}), framework.HaveCondition(platformv1alpha1.ConditionAsleep, no, platformv1alpha1.ReasonSleepInvalid, "ownSleep")))
		By("a class that has windows which never close, together")
		change(ctx, class, func(c *platformv1alpha1.EnvironmentClass) {
			c.Spec.Sleep.Windows = []platformv1alpha1.SleepWindow{
				{Name: "day", Schedule: "0 0 * * *", DurationSeconds: 43200}, {Name: "night", Schedule: "0 12 * * *", DurationSeconds: 43200},
			}
		})
		Eventually(ctx, framework.Read(admin, class)).Should(framework.BeStalled(platformv1alpha1.ReasonSleepInvalid, "never closes"))
		Consistently(ctx, framework.Read(admin, t.environment("prod")), "1s").Should(awake(time.Time{}))
		change(ctx, class, func(c *platformv1alpha1.EnvironmentClass) {
			c.Spec.Sleep.Windows, c.Spec.Sleep.OwnSleep = nil, platformv1alpha1.OwnSleepAllowed
		})
		Eventually(ctx, framework.Read(admin, class)).Should(framework.BeReady())
		Eventually(ctx, framework.Read(admin, t.environment("prod"))).Should(sleeping(time.Time{}))
		Expect(meta.IsStatusConditionTrue(read(ctx, t.environment("prod")).Status.Conditions, platformv1alpha1.ConditionAsleep)).To(BeTrue())
	})

	It("is refused windows that cannot be, with field and reason, and where they change", func(ctx context.Context) {
		wrong := []platformv1alpha1.SleepWindow{
			{Name: "zone", TimeZone: "Europe/Atlantis", Schedule: "0 0 * * *", DurationSeconds: 3600},
			{Name: "never", Schedule: "0 0 30 2 *", DurationSeconds: 3600},
			{Name: "always", Schedule: "0 0 * * *", DurationSeconds: 86400},
		}
		refused := MatchError(And(
			ContainSubstring(`spec.sleep.windows[zone].timeZone: Invalid value: timeZone "Europe/Atlantis" is not known`),
			ContainSubstring(`spec.sleep.windows[never].schedule: Invalid value: schedule "0 0 30 2 *" never comes`),
			ContainSubstring("spec.sleep.windows[always].durationSeconds: Invalid value"), ContainSubstring("never closes")))
		class := framework.Class(framework.Name("wrong-"), platformv1alpha1.TierDevelopment)
		class.Spec.Sleep = &platformv1alpha1.ClassSleep{Windows: wrong}
		Expect(admin.Create(ctx, class)).To(refused)
		class.Spec.Sleep = nil
		Expect(admin.Create(ctx, class)).To(Succeed())

		t := newTeam(ctx)
		e := framework.Environment(t.home, "dev", class.Name)
		e.Spec.Sleep = &platformv1alpha1.EnvironmentSleep{Windows: wrong}
		Expect(admin.Create(ctx, e.DeepCopy())).To(refused)

		By("one that was there before: something else may change, its windows to what can be alone")
		e.Labels = map[string]string{framework.LabelUnchecked: ""}
		Expect(admin.Create(ctx, e)).To(Succeed())
		Eventually(ctx, framework.Read(admin, e)).Should(framework.HaveCondition(platformv1alpha1.ConditionAsleep, no, platformv1alpha1.ReasonSleepInvalid, "Europe/Atlantis"))
		change(ctx, e, func(e *platformv1alpha1.Environment) { e.Labels = nil })
		change(ctx, e, func(e *platformv1alpha1.Environment) { e.Spec.Sleep.Mode = platformv1alpha1.SleepAlways })
		Eventually(ctx, func() error { // the manager writes the status meanwhile
			live := read(ctx, e)
			live.Spec.Sleep.Windows = live.Spec.Sleep.Windows[:1]
			return admin.Update(ctx, live)
		}).Should(MatchError(ContainSubstring("spec.sleep.windows[zone].timeZone")))
		change(ctx, e, func(e *platformv1alpha1.Environment) { e.Spec.Sleep.Windows = nil })
	})
})
