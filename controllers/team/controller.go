// Package team makes the home namespace of a Team, with its labels and the rights of the members there. It keeps
// them, and lets go of the namespace with the Team. The rights in workload namespaces are the Environments'.
package team

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/internal/freshness"
	"github.com/towpath-dev/towpath/internal/index"
	"github.com/towpath-dev/towpath/internal/team"
)

// fieldOwner owns the fields of what a Team makes.
const fieldOwner = client.FieldOwner(team.FieldOwner)

// Reconciler reconciles Teams.
type Reconciler struct {
	client.Client
	// Live reads past the cache.
	Live client.Reader
	// Currency is that in which Releases are estimated.
	Currency string

	writes freshness.Tracker[types.NamespacedName]
}

// +kubebuilder:rbac:groups=platform.towpath.dev,resources=teams,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=platform.towpath.dev,resources=teams/status,verbs=patch
// +kubebuilder:rbac:groups=platform.towpath.dev,resources=environments,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=rolebindings,verbs=get;list;watch
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=rolebindings,verbs=create;patch;delete,resourceNames=towpath-owner;towpath-developer;towpath-viewer
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=clusterroles,verbs=bind,resourceNames=towpath-owner;towpath-developer;towpath-viewer

// SetupWithManager adds the controller to the manager.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		For(&platformv1alpha1.Team{}).
		Watches(&corev1.Namespace{}, handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, o client.Object) []ctrl.Request {
			return r.ofHome(ctx, o.GetName())
		})).
		Watches(&rbacv1.RoleBinding{}, handler.EnqueueRequestsFromMapFunc(r.ofContent)).
		Watches(&platformv1alpha1.Environment{}, handler.EnqueueRequestsFromMapFunc(r.ofContent)).
		WithOptions(controller.Options{MaxConcurrentReconciles: 2, ReconciliationTimeout: time.Minute}).
		Complete(r)
}

// Reconcile brings one Team about.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	t := &platformv1alpha1.Team{}
	if err := r.Get(ctx, req.NamespacedName, t); err != nil {
		r.writes.Forget(req.NamespacedName)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if r.writes.Stale(req.NamespacedName, t.ResourceVersion) {
		return ctrl.Result{}, nil // the event of our own last write is still to come
	}
	s := &scope{team: t, before: t.DeepCopy()}
	if !t.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, r.finalize(ctx, s)
	}
	if controllerutil.AddFinalizer(t, platformv1alpha1.Finalizer) {
		if err := r.patchMetadata(ctx, s); err != nil {
			return ctrl.Result{}, err
		}
	}
	runErr := r.run(ctx, s)
	if err := r.report(ctx, s, runErr); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{}, runErr
}

// report puts what the pass found into the status, in one write, and only where it differs.
func (r *Reconciler) report(ctx context.Context, s *scope, runErr error) error {
	status, generation := &s.team.Status, s.team.Generation
	status.ObservedGeneration = generation
	switch {
	case runErr != nil:
		condition.Progressing(&status.Conditions, generation, platformv1alpha1.ReasonProgressing,
			fmt.Sprintf("Making the home namespace and the rights in it failed, and is tried again: %v.", runErr))
	case s.problem == nil:
		condition.Ready(&status.Conditions, generation, platformv1alpha1.ReasonReady,
			fmt.Sprintf("Namespace %s is the home of the team, and its members have their rights.", status.Namespace))
	case s.problem.stalled:
		condition.Stalled(&status.Conditions, generation, s.problem.reason, s.problem.message)
	default:
		condition.Progressing(&status.Conditions, generation, s.problem.reason, s.problem.message)
	}
	return r.patchStatus(ctx, s)
}

func (r *Reconciler) patchStatus(ctx context.Context, s *scope) error {
	if equality.Semantic.DeepEqual(s.before.Status, s.team.Status) {
		return nil
	}
	if err := r.Status().Patch(ctx, s.team, client.MergeFrom(s.before)); err != nil {
		return client.IgnoreNotFound(err)
	}
	r.writes.Wrote(client.ObjectKeyFromObject(s.team), s.team.ResourceVersion)
	return nil
}

// patchMetadata writes the finalizers. A list is replaced by the patch, hence the lock.
func (r *Reconciler) patchMetadata(ctx context.Context, s *scope) error {
	patch := client.MergeFromWithOptions(s.before, client.MergeFromWithOptimisticLock{})
	if err := r.Patch(ctx, s.team, patch); err != nil {
		return fmt.Errorf("writing the finalizer: %w", err)
	}
	r.writes.Wrote(client.ObjectKeyFromObject(s.team), s.team.ResourceVersion)
	s.before = s.team.DeepCopy()
	return nil
}

// ofContent maps what is in a home to its Team.
func (r *Reconciler) ofContent(ctx context.Context, o client.Object) []ctrl.Request {
	return r.ofHome(ctx, o.GetNamespace())
}

// ofHome maps a namespace to the Teams that want it for their home.
func (r *Reconciler) ofHome(ctx context.Context, namespace string) []ctrl.Request {
	var list platformv1alpha1.TeamList
	if err := r.List(ctx, &list, client.MatchingFields{index.TeamHome: namespace}, client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Listing Teams failed")
		return nil
	}
	requests := make([]ctrl.Request, 0, len(list.Items))
	for i := range list.Items {
		requests = append(requests, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
	}
	return requests
}
