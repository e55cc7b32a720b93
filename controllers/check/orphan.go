package check

import (
	"context"
	"fmt"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/index"
	"github.com/towpath-dev/towpath/internal/render"
)

// orphan ends the Job of a check that no Release knows: the Release was gone when a manager made the Job, and that died
// before it looked again. A Release knows its Jobs before they are made, so that none which is about to run is meant.
func (r *Reconciler) orphan(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var job batchv1.Job
	if err := r.jobs.Get(ctx, req.NamespacedName, &job); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !job.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	owner, place := types.UID(job.Labels[platformv1alpha1.LabelOwnerUID]), job.Labels[platformv1alpha1.LabelEnvironment]
	known := func(from client.Reader, options ...client.ListOption) (bool, error) {
		var list platformv1alpha1.ReleaseList
		if err := from.List(ctx, &list, options...); err != nil {
			return false, fmt.Errorf("listing the Releases of Job %s: %w", req, err)
		}
		for i := range list.Items {
			if release := &list.Items[i]; release.Spec.Component.UID == owner && hasRun(release, job.Name) {
				return true, nil
			}
		}
		return false, nil
	}
	is, err := known(r, client.MatchingFields{index.ReleaseOwner: index.OwnerKey(owner, place)}, client.UnsafeDisableDeepCopy)
	if !is && err == nil { // the cache may be behind
		component := strings.TrimSuffix(job.Labels[platformv1alpha1.LabelComponent], render.Besides)
		is, err = known(r.Live, client.MatchingLabels{platformv1alpha1.LabelComponent: component, platformv1alpha1.LabelEnvironment: place})
	}
	if is || err != nil {
		return ctrl.Result{}, err
	}
	ctrl.LoggerFrom(ctx).Info("Ends the Job of a check of which no Release is left")
	return ctrl.Result{}, r.remove(ctx, &job)
}
