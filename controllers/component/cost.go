package component

import (
	"context"

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

// estimate is what a Release costs; nil where that cannot be said. Such a Release is made all the same: a quantity that cannot be
// read is refused by the API server, in its own words.
func (r *Reconciler) estimate(ctx context.Context, release *platformv1alpha1.Release, objects []render.Object, sleeps sleep.Plan) *platformv1alpha1.ReleaseCost {
	estimated, err := r.Estimator.Of(render.Plain(objects), release.Spec.Environment.Tier, sleeps)
	if err != nil {
		ctrl.LoggerFrom(ctx).Info("What a Release costs cannot be estimated", "release", release.Name, "why", err.Error())
		return nil // a limit on spending holds it back
	}
	return estimated
}
