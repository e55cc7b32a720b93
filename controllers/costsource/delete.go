package costsource

import (
	"context"
	"fmt"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/condition"
)

// finalize forgets what was read, and lets the source go. Without a history there is nothing to forget.
func (r *Reconciler) finalize(ctx context.Context, s *scope) (ctrl.Result, error) {
	if !controllerutil.ContainsFinalizer(s.source, platformv1alpha1.Finalizer) {
		return ctrl.Result{}, nil
	}
	if r.History != nil {
		if err := r.History.Forget(ctx, s.source.Name); err != nil {
			s.source.Status.ObservedGeneration = s.source.Generation
			condition.Progressing(&s.source.Status.Conditions, s.source.Generation, platformv1alpha1.ReasonDeleting,
				fmt.Sprintf("What was read cannot be forgotten yet, and is tried again: %v.", err))
			return ctrl.Result{RequeueAfter: firstWait}, r.patchStatus(ctx, s)
		}
	}
	forgetMetrics(s.source.Name)
	controllerutil.RemoveFinalizer(s.source, platformv1alpha1.Finalizer)
	return ctrl.Result{}, client.IgnoreNotFound(r.patchMetadata(ctx, s))
}
