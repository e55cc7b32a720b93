package component

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/internal/estimate"
	"github.com/towpath-dev/towpath/internal/promotion"
)

// ready returns the Ready condition of a Release, Unknown where it has none yet.
func ready(release *platformv1alpha1.Release) metav1.Condition {
	if c := meta.FindStatusCondition(release.Status.Conditions, platformv1alpha1.ConditionReady); c != nil {
		return *c
	}
	return metav1.Condition{
		Status: metav1.ConditionUnknown, Reason: platformv1alpha1.ReasonProgressing,
		Message: fmt.Sprintf("Release %s has just been made.", release.Name),
	}
}

// report puts what the pass found into the status, in one write, and only where it differs.
func (r *Reconciler) report(ctx context.Context, s *scope) error {
	status, generation := &s.component.Status, s.component.Generation
	status.ObservedGeneration = generation
	status.Environments = nil
	sum := estimate.NewSum(r.Estimator.Currency())
	for i := range s.stops {
		status.Environments = append(status.Environments, s.stops[i].status())
		if current := s.stops[i].current(); current != nil {
			sum.Add(current.Cost())
		}
	}
	status.EstimatedCost = sum.Status()
	if s.begins() {
		return nil
	}
	s.reportReady(&status.Conditions, generation)
	s.reportPromoted(&status.Conditions, generation)
	s.reportOverrides(&status.Conditions, generation)
	s.reportPipeline(&status.Conditions, generation)
	if err := r.patchStatus(ctx, s); err != nil {
		return err
	}
	r.warn(s)
	return nil
}

// isNew says that nothing was ever said about the Component.
func (s *scope) isNew() bool { return len(s.before.Status.Conditions) == 0 }

// begins says that the Component is new, and that its first Release has been made and says nothing yet. What that says
// first, a moment later, wakes the Component, so that one status does for both. A Component that has a status needs
// another at once: it would pass for Ready.
func (s *scope) begins() bool {
	if s.problem != nil || !s.isNew() {
		return false
	}
	silent := false
	for i := range s.stops {
		if s.stops[i].problem != nil {
			return false
		}
		current := s.stops[i].current()
		silent = silent || current != nil && len(current.Status.Conditions) == 0
	}
	return silent
}

// status is what the Component's status says of an environment.
func (s *stop) status() platformv1alpha1.ComponentEnvironmentStatus {
	status := platformv1alpha1.ComponentEnvironmentStatus{Name: s.name, Requested: s.requested}
	if pending := s.pending(); pending != nil {
		status.Pending = pending.Name
	}
	if current := s.current(); current != nil {
		c := ready(current)
		status.Release, status.Image, status.Revision = current.Name, current.Spec.Image, current.Spec.Revision.Number
		status.Ready, status.EstimatedCost = c.Status, current.Cost().DeepCopy()
		if c.Status != metav1.ConditionTrue {
			status.Reason, status.Message = c.Reason, c.Message
		}
	}
	switch {
	case s.problem != nil:
		status.Reason, status.Message = s.problem.reason, s.problem.message
		if s.decision.Next != nil && !s.problem.waiting {
			status.RefusedRevision = s.decision.Next.Revision
		}
	case s.decision.Wait != nil && status.Message == "":
		status.Reason, status.Message = s.decision.Wait.Reason, s.decision.Wait.Message
	case cmp.Or(s.blocked, s.lacks) != nil && status.Message == "":
		wait := cmp.Or(s.blocked, s.lacks)
		status.Reason, status.Message = wait.Reason, wait.Message
	}
	status.Message = condition.Clip(status.Message, 4096)
	return status
}

// reportReady sets Ready: each environment runs the Release assigned to it, and that is healthy.
// Waiting for the environment before, or for a person, does not make a Component unready, also where nothing runs yet: who
// applies it and waits until it is Ready would hang on that person.
func (s *scope) reportReady(conditions *[]metav1.Condition, generation int64) {
	if s.problem != nil {
		s.problem.report(conditions, generation)
		return
	}
	for i := range s.stops {
		if problem := s.stops[i].problem; problem != nil {
			named := *problem
			named.message = fmt.Sprintf("%s: %s", s.stops[i].name, problem.message)
			named.report(conditions, generation)
			return
		}
	}
	for i := range s.stops {
		st := &s.stops[i]
		current := st.current()
		if current == nil {
			if wait := cmp.Or(st.blocked, st.lacks); wait != nil {
				condition.Progressing(conditions, generation, wait.Reason, wait.Message)
				return
			}
			if st.barred != nil {
				condition.Stalled(conditions, generation, st.barred.Reason, st.barred.Message)
				return
			}
			if st.lost != nil {
				condition.Progressing(conditions, generation, platformv1alpha1.ReasonProgressing,
					fmt.Sprintf("%s: Release %s was deleted, and another is to take its place.", st.name, st.lost.Name))
				return
			}
			continue // it waits for the environment before, which speaks for both, or for its gate
		}
		c := ready(current)
		message := fmt.Sprintf("%s: %s", st.name, c.Message)
		switch {
		case c.Status == metav1.ConditionTrue && current.Status.SupersededAt == nil:
		case meta.IsStatusConditionTrue(current.Status.Conditions, platformv1alpha1.ConditionStalled):
			condition.Stalled(conditions, generation, platformv1alpha1.ReasonReleaseFailed, message)
			return
		default:
			condition.Progressing(conditions, generation, platformv1alpha1.ReasonProgressing, message)
			return
		}
	}
	condition.Ready(conditions, generation, platformv1alpha1.ReasonReady, s.summary())
}

func (p *problem) report(conditions *[]metav1.Condition, generation int64) {
	if p.waiting {
		condition.Progressing(conditions, generation, p.reason, p.message)
		return
	}
	condition.Stalled(conditions, generation, p.reason, p.message)
}

// summary names what runs where.
func (s *scope) summary() string {
	var names, asleep []string
	for i := range s.stops {
		switch current := s.stops[i].current(); {
		case current == nil:
		case current.Asleep():
			asleep = append(asleep, s.stops[i].name)
		default:
			names = append(names, s.stops[i].name)
		}
	}
	switch {
	case len(names)+len(asleep) == 0 && len(s.stops) > 0 && s.stops[0].decision.Wait != nil:
		return "Nothing runs yet. " + s.stops[0].decision.Wait.Message
	case len(names)+len(asleep) == 0:
		return "Nothing runs yet."
	case len(asleep) == 0:
		return "Ready in " + strings.Join(names, ", ") + "."
	case len(names) == 0:
		return "Asleep in " + strings.Join(asleep, ", ") + "."
	}
	return "Ready in " + strings.Join(names, ", ") + "; asleep in " + strings.Join(asleep, ", ") + "."
}

// sleep is that of the environment, as planning sees it; nil where it is awake.
func (s *stop) sleep() *promotion.Sleep {
	if s.environment == nil || !s.environment.Asleep() {
		return nil
	}
	asleep := &promotion.Sleep{Namespace: s.environment.Namespace}
	if until := s.environment.Status.Sleep.Until; until != nil {
		asleep.Until = until.Time
	}
	return asleep
}

// reportPromoted sets Promoted: every environment of the path runs the version of the spec.
func (s *scope) reportPromoted(conditions *[]metav1.Condition, generation int64) {
	set := func(status metav1.ConditionStatus, reason, message string) {
		condition.Set(conditions, generation, platformv1alpha1.ConditionPromoted, status, reason, message)
	}
	if s.problem != nil {
		set(metav1.ConditionFalse, s.problem.reason, s.problem.message)
		return
	}
	for i := range s.stops {
		st := &s.stops[i]
		current := st.current()
		switch {
		case st.problem != nil:
			set(metav1.ConditionFalse, st.problem.reason, fmt.Sprintf("%s: %s", st.name, st.problem.message))
			return
		case st.decision.Wait != nil:
			set(metav1.ConditionFalse, st.decision.Wait.Reason, st.decision.Wait.Message)
			return
		case current != nil && current.Spec.Version == st.version && current.Status.ReadyAt == nil && current.Asleep() && st.sleep() != nil:
			set(metav1.ConditionFalse, platformv1alpha1.ReasonAsleep, "Whether the version works shows when its environment wakes: "+st.sleep().Wake(st.name))
			return
		case current != nil && current.Spec.Version == st.version && awaitsChecks(current) != "":
			set(metav1.ConditionFalse, platformv1alpha1.ReasonWaitingForChecks, fmt.Sprintf("%s: %s", st.name, awaitsChecks(current)))
			return
		case current == nil || current.Spec.Version != st.version || !current.Proven():
			// One that was Ready is promoted: a pod that is lost later does not take it back.
			set(metav1.ConditionFalse, platformv1alpha1.ReasonProgressing, fmt.Sprintf("The version is being rolled out in %s.", st.name))
			return
		}
	}
	set(metav1.ConditionTrue, platformv1alpha1.ReasonPromoted, "Every environment of the path runs the version.")
}

// awaitsReleases says which Releases a deletion waits for, and what keeps these: each says that once it was refused
// something.
func awaitsReleases(left []*platformv1alpha1.Release) string {
	text := fmt.Sprintf("Waiting until the objects of %d Releases are gone.", len(left))
	if len(left) == 1 {
		text = "Waiting until the objects of 1 Release are gone."
	}
	for _, release := range left {
		if c := ready(release); c.Reason == platformv1alpha1.ReasonDeleting && strings.Contains(c.Message, "failed") {
			text += fmt.Sprintf(" %s: %s", release.Name, c.Message)
		}
	}
	return condition.Clip(text, 4096)
}

// reportDeleting says what the deletion waits for.
func (r *Reconciler) reportDeleting(ctx context.Context, s *scope, awaited string) error {
	condition.Progressing(&s.component.Status.Conditions, s.component.Generation, platformv1alpha1.ReasonDeleting, awaited)
	return r.patchStatus(ctx, s)
}

func (r *Reconciler) patchStatus(ctx context.Context, s *scope) error {
	if equality.Semantic.DeepEqual(s.before.Status, s.component.Status) {
		return nil
	}
	alone := &platformv1alpha1.Component{Status: s.component.Status}
	differing := func() (client.Patch, error) { return statusPatch(&s.before.Status, &s.component.Status) }
	if err := r.statuses.Write(ctx, s.component, alone, differing); err != nil {
		return client.IgnoreNotFound(err)
	}
	r.writes.Wrote(client.ObjectKeyFromObject(s.component), s.component.ResourceVersion)
	return nil
}

// statusPatch is what one status has and another has not. The rest of a Component never differs, and is not compared.
func statusPatch(before, after *platformv1alpha1.ComponentStatus) (client.Patch, error) {
	data, err := client.MergeFrom(&platformv1alpha1.Component{Status: *before}).Data(&platformv1alpha1.Component{Status: *after})
	if err != nil {
		return nil, fmt.Errorf("comparing statuses: %w", err)
	}
	return client.RawPatch(types.MergePatchType, data), nil
}
