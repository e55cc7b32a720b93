// Package rollout brings new revisions of templates to Components in waves: it looks how those are who should have
// the revision by now, and writes how far it is into the status of the ServiceTemplate. The Component controller reads
// from there which revision each environment should get.
package rollout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/freshness"
	"github.com/towpath-dev/towpath/internal/index"
	"github.com/towpath-dev/towpath/internal/revision"
	"github.com/towpath-dev/towpath/internal/rollout"
)

// countEvery bounds how often a status is written that only counts.
const countEvery = 5 * time.Second

// Reconciler rolls templates out.
type Reconciler struct {
	client.Client
	// Revisions, Capabilities and Namespaced are what rendering and guarding need, to tell what a revision does.
	Revisions    *revision.Compiled
	Capabilities Capabilities
	Namespaced   NamespacedFunc
	Clock        clock.PassiveClock
	Recorder     events.EventRecorder

	writes      freshness.Tracker[types.NamespacedName]
	counted     counted
	assessments assessments
}

// +kubebuilder:rbac:groups=platform.towpath.dev,resources=servicetemplates;servicetemplaterevisions;components;releases;environments,verbs=list;watch
// +kubebuilder:rbac:groups=platform.towpath.dev,resources=servicetemplates/status,verbs=patch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// SetupWithManager adds the controller to the manager.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("rollout").
		For(&platformv1alpha1.ServiceTemplate{}).
		Watches(&platformv1alpha1.Release{}, handler.EnqueueRequestsFromMapFunc(func(_ context.Context, o client.Object) []ctrl.Request {
			release, ok := o.(*platformv1alpha1.Release)
			if !ok {
				return nil
			}
			return []ctrl.Request{{NamespacedName: types.NamespacedName{Name: release.Spec.Template}}}
		})).
		Watches(&platformv1alpha1.Component{}, handler.EnqueueRequestsFromMapFunc(func(_ context.Context, o client.Object) []ctrl.Request {
			component, ok := o.(*platformv1alpha1.Component)
			if !ok {
				return nil
			}
			return []ctrl.Request{{NamespacedName: types.NamespacedName{Name: component.Spec.TemplateRef.Name}}}
		})).
		WithOptions(controller.Options{ReconciliationTimeout: time.Minute}).
		Complete(r)
}

// Reconcile looks how far one template is rolled out.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	st := &platformv1alpha1.ServiceTemplate{}
	if err := r.Get(ctx, req.NamespacedName, st); err != nil {
		r.writes.Forget(req.NamespacedName)
		r.counted.forget(req.Name)
		r.assessments.forget(req.Name)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	switch {
	case !inWaves(st) && st.Status.Rollout == nil && !uncounted(&st.Status), !st.DeletionTimestamp.IsZero():
		r.assessments.forget(st.Name)
		return ctrl.Result{}, nil
	case r.writes.Stale(req.NamespacedName, st.ResourceVersion):
		return ctrl.Result{}, nil // the event of our own last write is still to come
	}
	now, status := r.Clock.Now(), st.Status.DeepCopy()
	again, err := r.evaluate(ctx, st, status, now)
	if err != nil {
		return ctrl.Result{}, err
	}
	// Who goes first goes all the same: the figures must not hold the roll-out up.
	more, assessErr := r.foresee(ctx, st, status)
	wait, err := r.report(ctx, st, status, now)
	return ctrl.Result{RequeueAfter: soonest(again, more, wait)}, errors.Join(err, assessErr)
}

// inWaves says whether new revisions of a template go to some first.
func inWaves(st *platformv1alpha1.ServiceTemplate) bool {
	return st.Spec.Rollout != nil && len(st.Spec.Rollout.Waves) > 0
}

// evaluate looks how far the roll-out of the newest revision is, where it goes in waves. It returns when to look again; 0 for
// never.
func (r *Reconciler) evaluate(ctx context.Context, st *platformv1alpha1.ServiceTemplate, status *platformv1alpha1.ServiceTemplateStatus, now time.Time) (again time.Duration, err error) {
	if !inWaves(st) {
		status.Rollout = nil
		return 0, nil
	}
	newest, err := r.newest(ctx, st.Name)
	if err != nil {
		return 0, err
	}
	members, err := r.members(ctx, st, newest)
	if err != nil {
		return 0, err
	}
	status.Rollout, again = rollout.Evaluate(st.Spec.Rollout, st.Status.Rollout, newest, members, now)
	return again, nil
}

// soonest returns the shortest of the durations that are not 0.
func soonest(all ...time.Duration) time.Duration {
	shortest := time.Duration(0)
	for _, d := range all {
		if d > 0 && (shortest == 0 || d < shortest) {
			shortest = d
		}
	}
	return shortest
}

// newest returns the number of a template's newest revision, 0 for none.
func (r *Reconciler) newest(ctx context.Context, name string) (int64, error) {
	var list platformv1alpha1.ServiceTemplateRevisionList
	if err := r.List(ctx, &list, client.MatchingFields{index.RevisionTemplate: name}, client.UnsafeDisableDeepCopy); err != nil {
		return 0, fmt.Errorf("listing revisions of ServiceTemplate %s: %w", name, err)
	}
	newest := int64(0)
	for i := range list.Items {
		newest = max(newest, list.Items[i].Spec.Number)
	}
	return newest, nil
}

// members are the environments of Components that follow the template without a pin, and in which something runs.
func (r *Reconciler) members(ctx context.Context, st *platformv1alpha1.ServiceTemplate, newest int64) ([]rollout.Member, error) {
	components, ran, err := r.running(ctx, st.Name)
	if err != nil {
		return nil, err
	}
	var members []rollout.Member
	for i := range components {
		component := &components[i]
		if component.Spec.TemplateRef.Revision != nil {
			continue
		}
		held := "" // by which environment before, which will not have the revision Ready
		for _, step := range component.Spec.Environments {
			releases := ran[index.OwnerKey(component.UID, step.Name)]
			member, ok := memberOf(component, step.Name, releases, newest, st.Status.Rollout)
			if !ok {
				continue
			}
			if member.Revision < newest {
				member.Held = held
			}
			members = append(members, member)
			if member.Failed != "" || member.Broken != "" && !shows(releases, newest) {
				held = fmt.Sprintf("It waits for %s, the environment before it on its path.", step.Name)
			}
		}
	}
	return members, nil
}

// running returns the Components of a template, and the Releases by index.OwnerKey, without those that are being deleted.
// They are the cache's own: do not change them.
func (r *Reconciler) running(ctx context.Context, name string) ([]platformv1alpha1.Component, map[string][]*platformv1alpha1.Release, error) {
	var components platformv1alpha1.ComponentList
	if err := r.List(ctx, &components, client.MatchingFields{index.ComponentTemplate: name}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, nil, fmt.Errorf("listing Components: %w", err)
	}
	var releases platformv1alpha1.ReleaseList
	if err := r.List(ctx, &releases, client.MatchingFields{index.ReleaseTemplate: name}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, nil, fmt.Errorf("listing Releases: %w", err)
	}
	ran := map[string][]*platformv1alpha1.Release{}
	for i := range releases.Items {
		release := &releases.Items[i]
		if release.DeletionTimestamp.IsZero() && release.Opened() {
			key := index.OwnerKey(release.Spec.Component.UID, release.Spec.Environment.Name)
			ran[key] = append(ran[key], release)
		}
	}
	living := slices.DeleteFunc(components.Items, func(c platformv1alpha1.Component) bool { return !c.DeletionTimestamp.IsZero() })
	return living, ran, nil
}

// memberOf says how one environment of a Component is; false where nothing of the golden path runs there.
func memberOf(component *platformv1alpha1.Component, environment string, releases []*platformv1alpha1.Release, newest int64, status *platformv1alpha1.TemplateRolloutStatus) (rollout.Member, bool) {
	slices.SortFunc(releases, func(a, b *platformv1alpha1.Release) int { return cmp.Compare(a.Spec.Number, b.Spec.Number) })
	h := rollout.HistoryOf(releases, newest)
	if h.Current == 0 || releases[len(releases)-1].Spec.Cause == platformv1alpha1.CauseAdoption {
		return rollout.Member{}, false
	}
	member := rollout.Member{
		Place: rollout.Place{
			Namespace: component.Namespace, Component: component.Name, Environment: environment, Tier: releases[len(releases)-1].Spec.Environment.Tier,
		},
		Revision: h.Current, Ready: h.Ready, Failed: h.Failed(status), Broken: h.Broken,
	}
	for _, known := range component.Status.Environments {
		if known.Name == environment && member.Failed == "" && h.Current < newest && known.RefusedRevision == newest && cannot(known.Reason) {
			member.Failed = known.Message
		}
	}
	return member, true
}

// shows says whether an environment has had a revision Ready, with any version: if so, those after it may have it.
func shows(releases []*platformv1alpha1.Release, number int64) bool {
	return slices.ContainsFunc(releases, func(r *platformv1alpha1.Release) bool { return r.Spec.Revision.Number == number && r.Proven() })
}

// cannot says whether a reason tells that a Component cannot be given a revision.
func cannot(reason string) bool {
	switch reason {
	case platformv1alpha1.ReasonParametersInvalid, platformv1alpha1.ReasonRenderFailed, platformv1alpha1.ReasonRefused, platformv1alpha1.ReasonOverrideRefused:
		return true
	}
	return false
}

// report writes the status where it differs. What only counts is written now and then: wait says when next.
func (r *Reconciler) report(ctx context.Context, st *platformv1alpha1.ServiceTemplate, status *platformv1alpha1.ServiceTemplateStatus, now time.Time) (wait time.Duration, err error) {
	was, is := st.Status.Rollout, status.Rollout
	foreseen := equality.Semantic.DeepEqual(st.Status.Impact, status.Impact)
	if foreseen && equality.Semantic.DeepEqual(was, is) {
		return 0, nil
	}
	if foreseen && counts(was, is) {
		if wait := r.counted.wait(st.Name, now); wait > 0 {
			return wait, nil
		}
	}
	before := st.DeepCopy()
	st.Status.Rollout, st.Status.Impact = is, status.Impact
	if err := r.Status().Patch(ctx, st, client.MergeFrom(before)); err != nil {
		return 0, client.IgnoreNotFound(err)
	}
	r.writes.Wrote(client.ObjectKeyFromObject(st), st.ResourceVersion)
	r.counted.wrote(st.Name, now)
	if is != nil && (was == nil || was.State != is.State || was.Wave != is.Wave || was.Revision != is.Revision) {
		kind := corev1.EventTypeNormal
		if is.State == platformv1alpha1.RolloutHalted {
			kind = corev1.EventTypeWarning
		}
		r.Recorder.Eventf(st, nil, kind, "Rollout"+string(is.State), "Rollout", "Revision %d: %s", is.Revision, is.Message)
	}
	return 0, nil
}

// counts says that from one status to the next nothing but the figures of how many are Ready changes.
func counts(was, is *platformv1alpha1.TemplateRolloutStatus) bool {
	return was != nil && is != nil && was.State == is.State && was.Wave == is.Wave && was.Revision == is.Revision &&
		was.Attempt == is.Attempt && was.Failed == is.Failed && was.Broken == is.Broken && (was.Impact == nil) == (is.Impact == nil) && equality.Semantic.DeepEqual(was.ReadySince, is.ReadySince)
}
