// Package approval deletes Approvals whose Release is gone: they can count for nothing any more. What was counted stands in
// the Release.
package approval

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/fairness"
	"github.com/towpath-dev/towpath/internal/index"
)

// Reconciler deletes what is left of Approvals.
type Reconciler struct {
	client.Client
	// Live reads past the cache: a Release that has just been made may not be in it yet.
	Live client.Reader
}

// +kubebuilder:rbac:groups=platform.towpath.dev,resources=approvals,verbs=list;watch;delete
// +kubebuilder:rbac:groups=platform.towpath.dev,resources=releases,verbs=list;watch

// SetupWithManager adds the controller to the manager.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	gone := predicate.Funcs{
		CreateFunc: func(event.CreateEvent) bool { return false }, UpdateFunc: func(event.UpdateEvent) bool { return false },
	}
	return ctrl.NewControllerManagedBy(mgr).
		For(&platformv1alpha1.Approval{}).
		Watches(&platformv1alpha1.Release{}, handler.EnqueueRequestsFromMapFunc(r.ofRelease), builder.WithPredicates(gone)).
		WithOptions(controller.Options{ReconciliationTimeout: time.Minute, NewQueue: fairness.NewQueue(1)}).
		Complete(r)
}

// Reconcile deletes an Approval whose Release does not exist.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	approval := &platformv1alpha1.Approval{}
	if err := r.Get(ctx, req.NamespacedName, approval); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !approval.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	for _, reader := range []client.Reader{r.Client, r.Live} {
		var release platformv1alpha1.Release
		err := reader.Get(ctx, types.NamespacedName{Namespace: approval.Namespace, Name: approval.Spec.ReleaseRef.Name}, &release)
		if client.IgnoreNotFound(err) != nil {
			return ctrl.Result{}, fmt.Errorf("reading Release %s: %w", approval.Spec.ReleaseRef.Name, err)
		}
		if err == nil && release.UID == approval.Spec.ReleaseRef.UID {
			return ctrl.Result{}, nil
		}
	}
	err := r.Delete(ctx, approval, client.Preconditions{UID: &approval.UID})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return ctrl.Result{}, fmt.Errorf("deleting Approval %s: %w", approval.Name, err)
	}
	return ctrl.Result{}, nil
}

// ofRelease maps a Release that is gone to its Approvals.
func (r *Reconciler) ofRelease(ctx context.Context, o client.Object) []ctrl.Request {
	var list platformv1alpha1.ApprovalList
	if err := r.List(ctx, &list, client.InNamespace(o.GetNamespace()), client.MatchingFields{index.ApprovalRelease: string(o.GetUID())}, client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Listing Approvals failed")
		return nil
	}
	requests := make([]ctrl.Request, 0, len(list.Items))
	for i := range list.Items {
		requests = append(requests, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
	}
	return requests
}
