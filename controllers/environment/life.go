package environment

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/internal/freeze"
	"github.com/towpath-dev/towpath/internal/index"
	"github.com/towpath-dev/towpath/internal/lifetime"
)

// retryExpired is after which time to look again at an Environment that changed while it was to be deleted.
const retryExpired = 2 * time.Second

// maxFrozen is after which time to look again, at the latest, at an Environment that a freeze keeps.
const maxFrozen = time.Hour

// live finds out when the environment ends. One that was refused ends too: it is counted from the creation.
func (s *scope) live(now time.Time) {
	in := lifetime.Input{
		CreatedAt: s.environment.CreationTimestamp.Time, Seconds: s.environment.Spec.LifetimeSeconds, ClassUnknown: s.class == nil, Now: now,
	}
	if s.class != nil {
		in.Class = s.class.Spec.Lifetime
	}
	if announced := s.environment.Status.ExpiresAt; announced != nil {
		in.Announced = announced.Time
	}
	life := lifetime.Judge(in)
	s.life = &life
	s.lookAgain(life.Again)
}

// keepThroughFreeze puts the end off while a freeze is open in which something runs: a lifetime, which members of the team
// may set, would empty production during it, and make room for an Environment without one. Previews end as they should.
func (r *Reconciler) keepThroughFreeze(ctx context.Context, s *scope) error {
	if !s.expired() || s.class == nil || s.environment.Status.Tier == platformv1alpha1.TierPreview {
		return nil
	}
	now := r.Clock.Now()
	open := freeze.At(s.class.Spec.Freezes, now)
	if open == nil {
		return nil
	}
	var releases platformv1alpha1.ReleaseList
	if err := r.List(ctx, &releases, client.InNamespace(s.environment.Namespace),
		client.MatchingFields{index.ReleaseEnvironment: string(s.environment.UID)}, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing Releases: %w", err)
	}
	if !slices.ContainsFunc(releases.Items, func(r platformv1alpha1.Release) bool { return r.Opened() }) {
		return nil
	}
	s.life.Expired, s.life.Expiring, s.frozen = false, true, open
	again := maxFrozen
	if !open.Until.IsZero() {
		again = min(again, open.Until.Sub(now))
	}
	s.lookAgain(again)
	return nil
}

func (s *scope) expired() bool { return s.life != nil && s.life.Expired }

// reportLife puts the end into the status, and warns of it. What was announced stays where a pass failed before: the end
// goes by it.
func (s *scope) reportLife() {
	if s.life == nil {
		return
	}
	status, end := &s.environment.Status, metav1.NewTime(s.life.End)
	switch {
	case s.life.End.IsZero():
		status.ExpiresAt = nil
	case status.ExpiresAt == nil || !status.ExpiresAt.Equal(&end):
		status.ExpiresAt = &end
	}
	if !s.life.Expiring {
		meta.RemoveStatusCondition(&status.Conditions, platformv1alpha1.ConditionExpiring)
		return
	}
	condition.Set(&status.Conditions, s.environment.Generation, platformv1alpha1.ConditionExpiring, metav1.ConditionTrue,
		platformv1alpha1.ReasonExpiring, s.ending())
}

// ending says when the environment ends, what goes with it, and what helps.
func (s *scope) ending() string {
	what := "with everything in it"
	if s.environment.Spec.AdoptNamespace != "" {
		what = "with all that Towpath made in it; the namespace was adopted, and stays"
	}
	help := fmt.Sprintf("To put that off: towpath env extend %s -n %s --for 24h, or raise spec.lifetimeSeconds.", s.environment.Name, s.environment.Namespace)
	if s.life.Max > 0 {
		latest := s.environment.CreationTimestamp.Add(s.life.Max)
		limit := fmt.Sprintf("Class %s allows at most %d seconds from the creation on", s.environment.Spec.ClassRef.Name, int64(s.life.Max/time.Second))
		help += fmt.Sprintf(" %s, which is until %s.", limit, latest.UTC().Format(time.RFC3339))
		if !s.life.End.Before(latest) {
			help = fmt.Sprintf("It cannot be put off. %s. Make another environment in time.", limit)
		}
	}
	if s.frozen != nil {
		return fmt.Sprintf("The environment ended at %s. It is deleted, %s, when no freeze is open any more: %s.", s.life.End.UTC().Format(time.RFC3339), what, s.frozen.Keeps())
	}
	return fmt.Sprintf("The environment ends at %s, and is deleted then, %s. %s", s.life.End.UTC().Format(time.RFC3339), what, help)
}

// warn sends an event when the end comes near, after the status says so.
func (r *Reconciler) warn(s *scope) {
	if s.life == nil || !s.life.Expiring || meta.IsStatusConditionTrue(s.before.Status.Conditions, platformv1alpha1.ConditionExpiring) {
		return
	}
	r.Recorder.Eventf(s.environment, nil, corev1.EventTypeWarning, platformv1alpha1.ReasonExpiring, "Expire", "%s", s.ending())
}

// expire deletes an Environment whose time is over, and nothing that was changed since it was looked at: somebody may have
// put the end off at the last moment.
func (r *Reconciler) expire(ctx context.Context, s *scope) (ctrl.Result, error) {
	environment := s.environment
	err := r.Delete(ctx, environment, client.Preconditions{UID: &environment.UID, ResourceVersion: &environment.ResourceVersion})
	switch {
	case apierrors.IsConflict(err):
		return ctrl.Result{RequeueAfter: retryExpired}, nil // as a rule the event of the change comes first
	case apierrors.IsNotFound(err):
		return ctrl.Result{}, nil
	case err != nil:
		return ctrl.Result{}, fmt.Errorf("deleting Environment %s, which has expired: %w", environment.Name, err)
	}
	ctrl.LoggerFrom(ctx).Info("Deleted an Environment that has expired", "expiredAt", s.life.End)
	r.Recorder.Eventf(environment, nil, corev1.EventTypeNormal, "Expired", "Expire",
		"Environment %s ended at %s, and is deleted", environment.Name, s.life.End.UTC().Format(time.RFC3339))
	return ctrl.Result{}, nil
}
