package component

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/render"
	"github.com/towpath-dev/towpath/internal/sleep"
)

// plan is by what an environment sleeps, as far as its class says it. What the Environment says of itself is its team's: an estimate
// is frozen and held against limits, and a team could let it sleep always until a Release is let in, and wake it then.
func plan(class *platformv1alpha1.EnvironmentClass, environment *platformv1alpha1.Environment) sleep.Plan {
	return sleep.Plan{UID: environment.UID, Tier: class.Spec.Tier, Class: class.Spec.Sleep}
}

// costOf is what a Release costs that is about to be made: its objects, or where it only takes over what runs, what was found. That cannot be
// read for now where there is an error.
func (r *Reconciler) costOf(ctx context.Context, release *platformv1alpha1.Release, objects []render.Object, sleeps sleep.Plan) (*platformv1alpha1.ReleaseCost, error) {
	if release.Spec.Cause != platformv1alpha1.CauseAdoption {
		return r.estimate(ctx, release, render.Plain(objects), sleeps), nil
	}
	found, err := r.found(ctx, release)
	if err != nil {
		return nil, err
	}
	return r.estimate(ctx, release, found, sleeps), nil
}

// found are the objects that a Release takes over, past the cache, as they run. What is not there, or not for us to read, costs nothing: so
// it opens no room for the golden path that follows.
func (r *Reconciler) found(ctx context.Context, release *platformv1alpha1.Release) ([]*unstructured.Unstructured, error) {
	if release.Spec.Adopt == nil {
		return nil, nil
	}
	var all []*unstructured.Unstructured
	for _, o := range release.Spec.Inventory {
		if !slices.Contains(release.Spec.Adopt.Objects, platformv1alpha1.AdoptedObject{Resource: o.Resource, Name: o.Name}) {
			continue
		}
		live := &unstructured.Unstructured{}
		live.SetAPIVersion(o.APIVersion)
		live.SetKind(o.Kind)
		err := r.Live.Get(ctx, types.NamespacedName{Namespace: release.Spec.Environment.Namespace, Name: o.Name}, live)
		switch {
		case err == nil:
			all = append(all, live)
		case !apierrors.IsNotFound(err) && !apierrors.IsForbidden(err) && !meta.IsNoMatchError(err):
			return nil, fmt.Errorf("reading %s %s/%s, which is to be taken over: %w", o.Kind, release.Spec.Environment.Namespace, o.Name, err)
		}
	}
	return all, nil
}

// estimate is what a Release costs; nil where that cannot be said. Such a Release is made all the same: a quantity that cannot be
// read is refused by the API server, in its own words.
func (r *Reconciler) estimate(ctx context.Context, release *platformv1alpha1.Release, objects []*unstructured.Unstructured, sleeps sleep.Plan) *platformv1alpha1.ReleaseCost {
	estimated, err := r.Estimator.Of(objects, release.Spec.Environment.Tier, sleeps)
	if err != nil {
		ctrl.LoggerFrom(ctx).Info("What a Release costs cannot be estimated", "release", release.Name, "why", err.Error())
		return nil // a limit on spending holds it back
	}
	return estimated
}
