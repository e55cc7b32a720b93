package environment

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/internal/index"
	"github.com/towpath-dev/towpath/internal/sleep"
)

// sleep decides whether the environment sleeps, and looks again when that changes. What runs in it is put to sleep and
// woken by package release, which goes by the status alone.
func (r *Reconciler) sleep(ctx context.Context, s *scope) error {
	if s.environment.Status.Namespace == "" {
		return nil // nothing runs in it
	}
	now := r.Clock.Now()
	plan, before := s.plan(now), s.environment.Status.Sleep
	if before == nil && !plan.May() {
		return nil
	}
	state := sleep.At(plan, now)
	if s.class == nil && s.environment.Asleep() && !state.Woken && (before.Until == nil || now.Before(before.Until.Time)) {
		if before.Until != nil {
			s.lookAgain(before.Until.Sub(now))
		}
		return nil // the class that put it to sleep cannot be read: it goes on as it was meant
	}
	next := &platformv1alpha1.EnvironmentSleepStatus{State: platformv1alpha1.StateAwake, Since: new(metav1.NewTime(now.Truncate(time.Second))), Window: state.Window}
	if state.Asleep {
		next.State = platformv1alpha1.StateAsleep
	}
	if before != nil {
		next.Saving, next.Saved = before.Saving.DeepCopy(), before.Saved.DeepCopy()
		if before.State == next.State {
			next.Since = before.Since
		}
	}
	if !state.Until.IsZero() {
		next.Until = new(metav1.NewTime(state.Until.Truncate(time.Second)))
		s.lookAgain(state.Until.Sub(now))
	}
	if wish := s.environment.Spec.WakeUntil; wish != nil {
		next.Woken = &platformv1alpha1.SleepWoken{Until: wish.DeepCopy(), SeenAt: new(metav1.NewTime(plan.SeenAt))}
	}
	var saving platformv1alpha1.SleepAmount
	if state.Asleep { // what still has no pods once it is awake is about to have them: that it has is no news then
		var err error
		if saving, err = r.saving(ctx, s); err != nil {
			return err
		}
	}
	sleep.Account(next, saving, now)
	s.environment.Status.Sleep = next
	s.reportSleep(plan, state)
	return nil
}

// plan is what decides about the sleep of the environment.
func (s *scope) plan(now time.Time) sleep.Plan {
	e := s.environment
	plan := sleep.Plan{UID: e.UID, Tier: e.Status.Tier, Own: e.Spec.Sleep}
	if s.class != nil {
		plan.Tier, plan.Class = s.class.Spec.Tier, s.class.Spec.Sleep
		if s.class.ByGit() != nil { // what applies the files would wake what sleeps
			plan.Class = &platformv1alpha1.ClassSleep{OwnSleep: platformv1alpha1.OwnSleepForbidden}
		}
	}
	if wish := e.Spec.WakeUntil; wish != nil {
		plan.WakeUntil, plan.SeenAt = wish.Time, now.Truncate(time.Second)
		if known := e.Status.Sleep; known != nil && known.Woken != nil && known.Woken.Until.Equal(wish) {
			plan.SeenAt = known.Woken.SeenAt.Time
		}
	}
	return plan
}

// saving adds up what the Releases say does not run.
func (r *Reconciler) saving(ctx context.Context, s *scope) (platformv1alpha1.SleepAmount, error) {
	var sum platformv1alpha1.SleepAmount
	var releases platformv1alpha1.ReleaseList
	if err := r.List(ctx, &releases, client.MatchingFields{index.ReleaseEnvironment: string(s.environment.UID)}, client.UnsafeDisableDeepCopy); err != nil {
		return sum, fmt.Errorf("listing the Releases of the Environment: %w", err)
	}
	for i := range releases.Items {
		release := &releases.Items[i]
		if release.Asleep() && release.Status.Sleep.Saving != nil && release.Status.SupersededAt == nil {
			sum = sleep.Add(sum, *release.Status.Sleep.Saving)
		}
	}
	return sum, nil
}

// reportSleep sets the condition Asleep.
func (s *scope) reportSleep(plan sleep.Plan, state sleep.State) {
	conditions, generation, status := &s.environment.Status.Conditions, s.environment.Generation, s.environment.Status.Sleep
	set := func(value metav1.ConditionStatus, reason, message string) {
		condition.Set(conditions, generation, platformv1alpha1.ConditionAsleep, value, reason, message)
	}
	until := ", until that is changed"
	if status.Until != nil {
		until = " until " + status.Until.UTC().Format(time.RFC3339)
	}
	value, reason, message := metav1.ConditionFalse, platformv1alpha1.ReasonAwake, "The environment is awake"+until+"."
	switch {
	case state.Asleep:
		value, reason = metav1.ConditionTrue, platformv1alpha1.ReasonAsleep
		message = fmt.Sprintf("The environment sleeps%s (%s): Deployments and StatefulSets have no pods, and CronJobs start nothing. Wake it for a time with: towpath env wake -n %s %s.",
			until, status.Window, s.environment.Namespace, s.environment.Name)
	case state.Woken:
		message = fmt.Sprintf("The environment was woken, and is awake%s.", until)
	case !plan.May() && state.Wrong == nil:
		meta.RemoveStatusCondition(conditions, platformv1alpha1.ConditionAsleep)
		return
	}
	if state.Wrong != nil {
		reason = platformv1alpha1.ReasonSleepInvalid
		message = fmt.Sprintf("%s: %v.", s.environment.Name, state.Wrong) + " " + message
	}
	set(value, reason, message)
}
