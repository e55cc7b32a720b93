// Package environmentclass accepts EnvironmentClasses. The API server's validation of a class is
// complete, so a class that exists is ready; its status says so to those who wait for it.
package environmentclass

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/condition"
)

// Reconciler reconciles EnvironmentClasses.
type Reconciler struct {
	client.Client
}

// +kubebuilder:rbac:groups=platform.towpath.dev,resources=environmentclasses,verbs=get;list;watch
// +kubebuilder:rbac:groups=platform.towpath.dev,resources=environmentclasses/status,verbs=patch

// SetupWithManager adds the controller to the manager.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		For(&platformv1alpha1.EnvironmentClass{}).
		WithOptions(controller.Options{ReconciliationTimeout: time.Minute}).
		Complete(r)
}

// Reconcile writes the status of one class.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	class := &platformv1alpha1.EnvironmentClass{}
	if err := r.Get(ctx, req.NamespacedName, class); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	before := class.DeepCopy()
	class.Status.ObservedGeneration = class.Generation
	condition.Ready(&class.Status.Conditions, class.Generation, platformv1alpha1.ReasonAccepted, "Environments may use the class.")
	if equality.Semantic.DeepEqual(before.Status, class.Status) {
		return ctrl.Result{}, nil
	}
	return ctrl.Result{}, client.IgnoreNotFound(r.Status().Patch(ctx, class, client.MergeFrom(before)))
}
