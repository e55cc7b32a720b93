package environment_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

const (
	hour = 3600
	day  = 24 * hour
)

// living is a place whose class has a lifetime, and what else it is given.
func living(ctx context.Context, defaultSeconds, maxSeconds int, changes ...classChange) *place {
	GinkgoHelper()
	p := newPlace(ctx, append(changes, func(class *platformv1alpha1.EnvironmentClassSpec) {
		class.Lifetime = &platformv1alpha1.Lifetime{DefaultSeconds: int32(defaultSeconds), MaxSeconds: int32(maxSeconds)}
	})...)
	start := now.Now()
	DeferCleanup(func() { now.SetTime(start) })
	now.SetTime(time.Now())
	return p
}

// touch has the manager look at an object again: its clock stands still, so that nothing else tells it of the time.
func touch(ctx context.Context, object client.Object) {
	GinkgoHelper()
	Expect(admin.Patch(ctx, object, merge(fmt.Sprintf(`{"metadata":{"annotations":{"test.towpath.dev/touched":"%d"}}}`, time.Now().UnixNano())))).To(Succeed())
}

// endAt matches an Environment that ends that long after its creation.
func endAt(environment *platformv1alpha1.Environment, after time.Duration) OmegaMatcher {
	return HaveField("Status.ExpiresAt", And(Not(BeNil()), WithTransform(func(t *metav1.Time) time.Time { return t.Time }, BeTemporally("==", environment.CreationTimestamp.Add(after)))))
}

func expiring() OmegaMatcher {
	return framework.HaveCondition("Expiring", metav1.ConditionTrue, "Expiring")
}

func notExpiring() OmegaMatcher {
	return HaveField("Status.Conditions", Not(ContainElement(HaveField("Type", "Expiring"))))
}

// eventsOf are the events of a reason about an object.
func eventsOf(uid types.UID, reason string) func(context.Context) ([]eventsv1.Event, error) {
	return func(ctx context.Context) ([]eventsv1.Event, error) {
		var list eventsv1.EventList
		err := admin.List(ctx, &list)
		var found []eventsv1.Event
		for _, e := range list.Items {
			if e.Regarding.UID == uid && e.Reason == reason {
				found = append(found, e)
			}
		}
		return found, err
	}
}

var _ = Describe("The lifetime of an Environment", func() {
	It("is the class's, is warned of once, can be put off, and then takes everything with it", func(ctx context.Context) {
		p := living(ctx, day, 7*day)
		environment := p.ready(ctx, "pr")
		born, name := environment.CreationTimestamp, environment.Status.Namespace
		Expect(environment).To(And(endAt(environment, 24*time.Hour), notExpiring(), framework.HaveCondition("WithinLimits", metav1.ConditionTrue, "WithinLimits")))

		By("a warning a quarter before, by the pass that the controller asked for itself")
		now.SetTime(born.Add(18*time.Hour - time.Second))
		touch(ctx, environment)
		Consistently(ctx, framework.Read(admin, environment)).WithTimeout(500 * time.Millisecond).Should(notExpiring())
		now.SetTime(born.Add(18 * time.Hour))
		Eventually(ctx, framework.Read(admin, environment)).Should(And(framework.BeReady(), framework.HaveCondition("Expiring", metav1.ConditionTrue, "Expiring",
			"ends at "+born.Add(24*time.Hour).UTC().Format(time.RFC3339), "with everything in it", "towpath env extend pr -n "+p.home, "at most 604800 seconds")))
		Eventually(ctx, eventsOf(environment.UID, "Expiring")).Should(HaveLen(1))
		touch(ctx, environment)

		By("putting it off")
		Expect(admin.Patch(ctx, environment, merge(fmt.Sprintf(`{"spec":{"lifetimeSeconds":%d}}`, 2*day)))).To(Succeed())
		Eventually(ctx, framework.Read(admin, environment)).Should(And(endAt(environment, 48*time.Hour), notExpiring()))
		Expect(eventsOf(environment.UID, "Expiring")(ctx)).To(HaveLen(1))

		By("the end, by the pass that the controller asked for itself")
		now.SetTime(born.Add(48*time.Hour - time.Second))
		touch(ctx, environment)
		Eventually(ctx, framework.Read(admin, environment)).Should(expiring())
		now.SetTime(born.Add(48 * time.Hour))
		for _, object := range []client.Object{environment, workload(name), applier(name)} {
			Eventually(ctx, framework.Gone(admin, object)).Should(BeTrue(), "%T", object)
		}
		Expect(eventsOf(environment.UID, "Expired")(ctx)).To(HaveLen(1))
	})

	It("cannot be put off where it is as long as the class allows, and says so", func(ctx context.Context) {
		p := living(ctx, day, day)
		environment := p.ready(ctx, "pr")
		now.SetTime(environment.CreationTimestamp.Add(20 * time.Hour))
		touch(ctx, environment)
		Eventually(ctx, framework.Read(admin, environment)).Should(framework.HaveCondition("Expiring", metav1.ConditionTrue, "Expiring",
			"It cannot be put off", "at most 86400 seconds", "Make another environment in time"))
	})

	It("is no longer than the class allows, and says so", func(ctx context.Context) {
		p := living(ctx, hour, day)
		environment := framework.Environment(p.home, "pr", p.class.Name)
		environment.Spec.LifetimeSeconds = 9 * day
		Expect(admin.Create(ctx, environment)).To(Succeed())
		Expect(awaitReady(ctx, environment)).To(And(endAt(environment, 24*time.Hour),
			framework.HaveCondition("WithinLimits", metav1.ConditionFalse, "AboveClass", "spec.lifetimeSeconds", "777600 of at most 86400", p.class.Name)))
		Expect(admin.Patch(ctx, environment, merge(fmt.Sprintf(`{"spec":{"lifetimeSeconds":%d}}`, 2*hour)))).To(Succeed())
		Eventually(ctx, framework.Read(admin, environment)).Should(And(endAt(environment, 2*time.Hour), framework.HaveCondition("WithinLimits", metav1.ConditionTrue, "")))
	})

	It("leaves a warning when the class is lowered below what it is old, and grows with the class again", func(ctx context.Context) {
		p := living(ctx, 7*day, 7*day)
		environment := p.ready(ctx, "pr")
		now.SetTime(environment.CreationTimestamp.Add(72 * time.Hour))
		Expect(admin.Patch(ctx, p.class, merge(fmt.Sprintf(`{"spec":{"lifetime":{"defaultSeconds":%d,"maxSeconds":%d}}}`, day, day)))).To(Succeed())
		Eventually(ctx, framework.Read(admin, environment)).Should(And(endAt(environment, 90*time.Hour), expiring(), framework.BeReady()))
		now.SetTime(environment.CreationTimestamp.Add(89 * time.Hour))
		touch(ctx, environment)
		Consistently(ctx, framework.Read(admin, environment)).WithTimeout(time.Second).Should(endAt(environment, 90*time.Hour))
		Expect(admin.Patch(ctx, p.class, merge(`{"spec":{"lifetime":null}}`))).To(Succeed())
		Eventually(ctx, framework.Read(admin, environment)).Should(And(HaveField("Status.ExpiresAt", BeNil()), notExpiring()))
	})

	It("ends one too that was never made", func(ctx context.Context) {
		p := living(ctx, day, day, func(class *platformv1alpha1.EnvironmentClassSpec) {
			class.Teams = &metav1.LabelSelector{MatchLabels: map[string]string{"regulated": "yes"}}
		})
		refused := framework.Environment(p.home, "pr", p.class.Name)
		Expect(admin.Create(ctx, refused)).To(Succeed())
		Eventually(ctx, framework.Read(admin, refused)).Should(And(framework.BeStalled("ClassNotAllowed"), endAt(refused, 24*time.Hour)))
		now.SetTime(refused.CreationTimestamp.Add(24 * time.Hour))
		touch(ctx, refused)
		Eventually(ctx, framework.Gone(admin, refused)).Should(BeTrue())
	})

	It("leaves a namespace that was adopted", func(ctx context.Context) {
		p := living(ctx, day, day)
		found := workload(framework.Name("legacy-"))
		found.Annotations = map[string]string{"platform.towpath.dev/adopt-by": p.home + "/pr"}
		Expect(admin.Create(ctx, found)).To(Succeed())
		environment := framework.Environment(p.home, "pr", p.class.Name)
		environment.Spec.AdoptNamespace = found.Name
		Expect(admin.Create(ctx, environment)).To(Succeed())
		awaitReady(ctx, environment)
		now.SetTime(environment.CreationTimestamp.Add(24 * time.Hour))
		touch(ctx, environment)
		Eventually(ctx, framework.Gone(admin, environment)).Should(BeTrue())
		Expect(read(ctx, found)).To(And(HaveField("DeletionTimestamp", BeNil()), HaveField("Labels", Not(HaveKey("platform.towpath.dev/owner-uid")))))
	})

	It("writes nothing while nothing changes, though the end is near", func(ctx context.Context) {
		p := living(ctx, day, day)
		environment := p.ready(ctx, "pr")
		now.SetTime(environment.CreationTimestamp.Add(20 * time.Hour))
		touch(ctx, environment)
		Eventually(ctx, framework.Read(admin, environment)).Should(expiring())
		Eventually(ctx, eventsOf(environment.UID, "Expiring")).Should(HaveLen(1))
		start := time.Now()
		for range 3 {
			now.SetTime(now.Now().Add(time.Minute))
			touch(ctx, environment)
			touch(ctx, p.class)
		}
		Consistently(ctx, func() (framework.Audit, error) {
			log, err := cluster.Audit()
			return log.ByTowpath().Since(start).About(environment.Status.Namespace, "pr", p.home, p.class.Name), err
		}).Should(BeEmpty())
	})
})
