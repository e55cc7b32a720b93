package component

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	ctrl "sigs.k8s.io/controller-runtime"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/render"
	"github.com/towpath-dev/towpath/internal/sleep"
)

// plan is by what an environment sleeps, as far as its class and itself say it.
func plan(class *platformv1alpha1.EnvironmentClass, environment *platformv1alpha1.Environment) sleep.Plan {
	return sleep.Plan{UID: environment.UID, Tier: class.Spec.Tier, Class: class.Spec.Sleep, Own: environment.Spec.Sleep}
}

// estimate is what a Release costs; nil where that cannot be said. Such a Release is made all the same: a quantity that cannot be
// read is refused by the API server, in its own words.
func (r *Reconciler) estimate(ctx context.Context, release *platformv1alpha1.Release, objects []render.Object, sleeps sleep.Plan) *platformv1alpha1.ReleaseCost {
	estimated, err := r.Estimator.Of(plain(objects), release.Spec.Environment.Tier, sleeps)
	if err != nil {
		ctrl.LoggerFrom(ctx).Info("What a Release costs cannot be estimated", "release", release.Name, "why", err.Error())
		return nil
	}
	return estimated
}

func plain(objects []render.Object) []*unstructured.Unstructured {
	list := make([]*unstructured.Unstructured, len(objects))
	for i := range objects {
		list[i] = objects[i].Object
	}
	return list
}
