package release

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/check"
	"github.com/towpath-dev/towpath/internal/condition"
)

// now is the time for the status, which holds whole seconds.
func (r *Reconciler) now() *metav1.Time {
	now := metav1.NewTime(r.Clock.Now().Truncate(time.Second))
	return &now
}

// report puts what the pass found into the status, in one write, and only where it differs.
func (r *Reconciler) report(ctx context.Context, s *scope) error {
	status, generation := &s.release.Status, s.release.Generation
	status.ObservedGeneration = generation
	switch {
	case s.applied:
		condition.Set(&status.Conditions, generation, platformv1alpha1.ConditionApplied, metav1.ConditionTrue,
			platformv1alpha1.ReasonApplied, fmt.Sprintf("All %d objects are applied.", len(status.Objects)))
		if status.AppliedAt == nil {
			status.AppliedAt = r.now()
		}
	case s.problem != nil:
		condition.Set(&status.Conditions, generation, platformv1alpha1.ConditionApplied, metav1.ConditionFalse, s.problem.reason, s.problem.message)
	}
	r.reportReady(s)
	r.reportSleep(s)
	if s.applied && !equality.Semantic.DeepEqual(s.before.Status, *status) {
		if wait := r.backlog.put(s.release, r.Clock.Now()); wait > 0 {
			s.lookAgain(wait)
			return nil
		}
	}
	if err := r.patchStatus(ctx, s); err != nil {
		return err
	}
	r.tell(s)
	return nil
}

// reportReady sets Ready and Stalled.
func (r *Reconciler) reportReady(s *scope) {
	status, generation := &s.release.Status, s.release.Generation
	failed := describe(status.Objects, platformv1alpha1.ObjectFailed)
	waiting := describe(status.Objects, platformv1alpha1.ObjectProgressing)
	missing := describe(status.Objects, platformv1alpha1.ObjectMissing)
	switch {
	case s.problem != nil && s.problem.final:
		condition.Stalled(&status.Conditions, generation, s.problem.reason, s.problem.message)
	case s.problem != nil:
		condition.Progressing(&status.Conditions, generation, s.problem.reason, s.problem.message)
	case failed != "":
		condition.Stalled(&status.Conditions, generation, s.why(platformv1alpha1.ReasonRolloutFailed), failed+".")
	case missing != "":
		condition.Progressing(&status.Conditions, generation, platformv1alpha1.ReasonProgressing, "Not there: "+missing+".")
	case waiting != "":
		condition.Progressing(&status.Conditions, generation, s.why(platformv1alpha1.ReasonProgressing), waiting+".")
	case s.asleep && !s.release.ChecksFailed():
		condition.Ready(&status.Conditions, generation, platformv1alpha1.ReasonAsleep, s.whyAsleep())
	case r.reportChecks(s):
		condition.Ready(&status.Conditions, generation, platformv1alpha1.ReasonReady, fmt.Sprintf("All %d objects are ready.", len(status.Objects)))
		if status.ReadyAt == nil {
			status.ReadyAt = r.now()
		}
	}
}

// reportChecks sets Checked, once every object was ready, and says whether the checks leave the Release Ready: none
// failed, and each has passed once. Where they do not, it sets Ready.
func (r *Reconciler) reportChecks(s *scope) bool {
	status, generation := &s.release.Status, s.release.Generation
	if len(s.release.Spec.Checks) == 0 {
		return true
	}
	if status.RolledOutAt == nil {
		status.RolledOutAt = r.now()
	}
	state, message := check.State(s.release)
	switch state {
	case platformv1alpha1.CheckFailed:
		message = "Checks have failed: " + message
		condition.Set(&status.Conditions, generation, platformv1alpha1.ConditionChecked, metav1.ConditionFalse, platformv1alpha1.ReasonChecksFailed, message)
		condition.Stalled(&status.Conditions, generation, platformv1alpha1.ReasonChecksFailed, message)
		return false
	case platformv1alpha1.CheckPassed:
		condition.Set(&status.Conditions, generation, platformv1alpha1.ConditionChecked, metav1.ConditionTrue, platformv1alpha1.ReasonChecksPassed, "Every check has passed.")
		return true
	}
	message = "Every object is ready, and checks are being made: " + message
	condition.Set(&status.Conditions, generation, platformv1alpha1.ConditionChecked, metav1.ConditionUnknown, platformv1alpha1.ReasonChecking, message)
	if status.ReadyAt != nil {
		return true // one that cannot say keeps it from going on, and takes nothing back
	}
	condition.Progressing(&status.Conditions, generation, platformv1alpha1.ReasonChecking, message)
	return false
}

// why is the reason of the cause that was found, else another one.
func (s *scope) why(otherwise string) string {
	if s.cause != nil {
		return s.cause.Reason
	}
	return otherwise
}

// supersede marks a Release whose place a newer one took. It is Ready in the sense of kstatus: there
// is nothing left for it to do.
func (r *Reconciler) supersede(ctx context.Context, s *scope) error {
	r.looks.forget(s.release.UID)
	r.renewals.forget(s.release.UID)
	status := &s.release.Status
	if status.SupersededAt != nil {
		return nil
	}
	status.ObservedGeneration = s.release.Generation
	status.SupersededAt = r.now()
	condition.Ready(&status.Conditions, s.release.Generation, platformv1alpha1.ReasonSuperseded,
		fmt.Sprintf("Release %s took its place.", s.successor.Name))
	return r.patchStatus(ctx, s)
}

// await leaves a Release alone that waits for a gate: until that is open, it is package component's. One that waits no
// more has applied nothing, so nothing holds it.
func (r *Reconciler) await(ctx context.Context, s *scope) error {
	if s.outpaced != nil {
		s.successor = s.outpaced
		if err := r.supersede(ctx, s); err != nil {
			return err
		}
	}
	if s.release.Status.SupersededAt == nil {
		return nil
	}
	return r.letGo(ctx, s, s.release)
}

// patchStatus writes the status where it differs from what was read.
func (r *Reconciler) patchStatus(ctx context.Context, s *scope) error {
	key := client.ObjectKeyFromObject(s.release)
	if !equality.Semantic.DeepEqual(s.before.Status, s.release.Status) {
		alone := &platformv1alpha1.Release{Status: s.release.Status}
		differing := func() (client.Patch, error) { return statusPatch(&s.before.Status, &s.release.Status) }
		if err := r.statuses.Write(ctx, s.release, alone, differing); err != nil {
			return client.IgnoreNotFound(err)
		}
		r.writes.Wrote(key, s.release.ResourceVersion)
	}
	r.backlog.forget(key)
	return nil
}

// statusPatch is what one status has and another has not. The rest of a Release is the larger part, and never differs: it is not
// compared.
func statusPatch(before, after *platformv1alpha1.ReleaseStatus) (client.Patch, error) {
	data, err := client.MergeFrom(&platformv1alpha1.Release{Status: *before}).Data(&platformv1alpha1.Release{Status: *after})
	if err != nil {
		return nil, fmt.Errorf("comparing statuses: %w", err)
	}
	return client.RawPatch(types.MergePatchType, data), nil
}

// tell sends an event where Ready changed in the write before.
func (r *Reconciler) tell(s *scope) {
	was := meta.FindStatusCondition(s.before.Status.Conditions, platformv1alpha1.ConditionReady)
	is := meta.FindStatusCondition(s.release.Status.Conditions, platformv1alpha1.ConditionReady)
	if is == nil || was != nil && was.Status == is.Status && was.Reason == is.Reason {
		return
	}
	if is.Reason == platformv1alpha1.ReasonAsleep || s.before.Asleep() && s.before.Status.ReadyAt != nil {
		return // of the sleep of all, the Environment tells
	}
	switch {
	case is.Status == metav1.ConditionTrue:
		r.event(s, corev1.EventTypeNormal, is)
	case meta.IsStatusConditionTrue(s.release.Status.Conditions, platformv1alpha1.ConditionStalled):
		r.event(s, corev1.EventTypeWarning, is)
	}
}

func (r *Reconciler) event(s *scope, kind string, is *metav1.Condition) {
	r.Recorder.Eventf(s.release, nil, kind, is.Reason, "Release", "%s", condition.Clip(is.Message, 1000))
}
