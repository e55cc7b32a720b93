// Package environment makes the place that an Environment asks for: the workload namespace with its
// labels, the service account that Towpath writes as there, and the binding that gives it its
// rights. It keeps them, and takes them away with the Environment.
package environment

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/internal/environment"
	"github.com/towpath-dev/towpath/internal/fairness"
	"github.com/towpath-dev/towpath/internal/freshness"
	"github.com/towpath-dev/towpath/internal/index"
)

// fieldOwner owns the fields of what an Environment makes.
const fieldOwner = client.FieldOwner(environment.FieldOwner)

// retryTaken is when a namespace or account that belongs to somebody else is looked at again, beside its
// events.
const retryTaken = 2 * time.Minute

// Reconciler reconciles Environments.
type Reconciler struct {
	client.Client
	// Live reads past the cache.
	Live client.Reader
	// Clock tells when environments end and sleep.
	Clock    clock.PassiveClock
	Recorder events.EventRecorder
	// LabelAliases are further label keys for cost tools, each with the Towpath label whose value it repeats.
	LabelAliases map[string]string
	// Currency is that in which Releases are estimated.
	Currency string

	writes freshness.Tracker[types.NamespacedName]
	places places
	costs  unsettled
}

// +kubebuilder:rbac:groups=platform.towpath.dev,resources=environments,verbs=list;watch;patch;delete
// +kubebuilder:rbac:groups=platform.towpath.dev,resources=environments/status,verbs=patch
// +kubebuilder:rbac:groups=platform.towpath.dev,resources=environmentclasses,verbs=list;watch
// +kubebuilder:rbac:groups=platform.towpath.dev,resources=teams,verbs=list;watch
// +kubebuilder:rbac:groups=platform.towpath.dev,resources=releases,verbs=list;watch;delete

// SetupWithManager adds the controller to the manager.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		For(&platformv1alpha1.Environment{}).
		Watches(&platformv1alpha1.EnvironmentClass{}, handler.EnqueueRequestsFromMapFunc(r.ofClass)).
		Watches(&platformv1alpha1.Team{}, handler.EnqueueRequestsFromMapFunc(r.ofTeam)).
		Watches(&platformv1alpha1.Environment{}, handler.EnqueueRequestsFromMapFunc(r.whoWaitForRoom), builder.WithPredicates(makesRoom())).
		Watches(&platformv1alpha1.Release{}, releases()).
		Watches(&corev1.Namespace{}, handler.EnqueueRequestsFromMapFunc(r.ofNamespace)).
		Watches(&corev1.Namespace{}, handler.Funcs{DeleteFunc: r.freed}).
		Watches(&corev1.ServiceAccount{}, handler.EnqueueRequestsFromMapFunc(r.ofAccount)).
		Watches(&rbacv1.RoleBinding{}, handler.EnqueueRequestsFromMapFunc(ofOwned)).
		Watches(&corev1.ResourceQuota{}, handler.EnqueueRequestsFromMapFunc(ofOwned)).
		Watches(&corev1.LimitRange{}, handler.EnqueueRequestsFromMapFunc(ofOwned)).
		Watches(&networkingv1.NetworkPolicy{}, handler.EnqueueRequestsFromMapFunc(ofOwned)).
		WithOptions(controller.Options{MaxConcurrentReconciles: 4, ReconciliationTimeout: time.Minute, NewQueue: fairness.NewQueue(fairness.Share(4))}).
		Complete(r)
}

// Reconcile brings one Environment about.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	ctx = fairness.For(ctx, req.Namespace)
	environment := &platformv1alpha1.Environment{}
	if err := r.Get(ctx, req.NamespacedName, environment); err != nil {
		r.writes.Forget(req.NamespacedName)
		r.places.forget(req.NamespacedName)
		r.costs.forget(req.NamespacedName)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if r.writes.Stale(req.NamespacedName, environment.ResourceVersion) {
		return ctrl.Result{}, nil // the event of our own last write is still to come
	}
	s := &scope{environment: environment, before: environment.DeepCopy(), aliases: r.LabelAliases}
	if !environment.DeletionTimestamp.IsZero() {
		return r.finalize(ctx, s)
	}
	if controllerutil.AddFinalizer(environment, platformv1alpha1.Finalizer) {
		if err := r.patchMetadata(ctx, s); err != nil {
			return ctrl.Result{}, err
		}
	}
	runErr := r.run(ctx, s)
	if s.expired() {
		return r.expire(ctx, s)
	}
	runErr = errors.Join(runErr, r.sleep(ctx, s), r.cost(ctx, s))
	if err := r.report(ctx, s, runErr); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: s.requeueAfter}, runErr
}

// report puts what the pass found into the status, in one write, and only where it differs.
func (r *Reconciler) report(ctx context.Context, s *scope, runErr error) error {
	status, generation := &s.environment.Status, s.environment.Generation
	status.ObservedGeneration = generation
	switch {
	case s.problem == nil && s.done:
		condition.Ready(&status.Conditions, generation, platformv1alpha1.ReasonReady,
			fmt.Sprintf("Namespace %s is there, made to class %s.", status.Namespace, s.environment.Spec.ClassRef.Name))
	case s.problem == nil && apierrors.IsInvalid(runErr):
		condition.Stalled(&status.Conditions, generation, platformv1alpha1.ReasonGuardrailsInvalid, fmt.Sprintf(
			"The API server refuses what EnvironmentClass %s, or spec.quota, asks for: %v. Correct these.", s.environment.Spec.ClassRef.Name, runErr))
	case s.problem == nil:
		condition.Progressing(&status.Conditions, generation, platformv1alpha1.ReasonProgressing,
			fmt.Sprintf("Making the namespace and its account failed, and is tried again: %v.", runErr))
	case s.problem.stalled:
		condition.Stalled(&status.Conditions, generation, s.problem.reason, s.problem.message)
	default:
		condition.Progressing(&status.Conditions, generation, s.problem.reason, s.problem.message)
	}
	s.reportLife()
	if err := r.patchStatus(ctx, s); err != nil {
		return err
	}
	r.warn(s)
	return nil
}

func (r *Reconciler) patchStatus(ctx context.Context, s *scope) error {
	if equality.Semantic.DeepEqual(s.before.Status, s.environment.Status) {
		return nil
	}
	if err := r.Status().Patch(ctx, s.environment, client.MergeFrom(s.before)); err != nil {
		return client.IgnoreNotFound(err)
	}
	r.writes.Wrote(client.ObjectKeyFromObject(s.environment), s.environment.ResourceVersion)
	return nil
}

// patchMetadata writes the finalizers. A list is replaced by the patch, hence the lock.
func (r *Reconciler) patchMetadata(ctx context.Context, s *scope) error {
	patch := client.MergeFromWithOptions(s.before, client.MergeFromWithOptimisticLock{})
	if err := r.Patch(ctx, s.environment, patch); err != nil {
		return fmt.Errorf("writing the finalizer: %w", err)
	}
	r.writes.Wrote(client.ObjectKeyFromObject(s.environment), s.environment.ResourceVersion)
	s.before = s.environment.DeepCopy()
	return nil
}

func (r *Reconciler) ofClass(ctx context.Context, o client.Object) []ctrl.Request {
	return r.requests(ctx, client.MatchingFields{index.EnvironmentClass: o.GetName()})
}

func (r *Reconciler) ofTeam(ctx context.Context, o client.Object) []ctrl.Request {
	return r.requests(ctx, client.MatchingFields{index.EnvironmentTeam: o.GetName()})
}

// ofNamespace maps a workload namespace to its Environment, and a team namespace to the
// Environments in it, which bear its labels on.
func (r *Reconciler) ofNamespace(ctx context.Context, o client.Object) []ctrl.Request {
	if requests := ofOwned(ctx, o); requests != nil {
		return requests
	}
	if namespace, name, ok := cut(o.GetAnnotations()[platformv1alpha1.AnnotationAdoptBy]); ok {
		return []ctrl.Request{{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}}}
	}
	if o.GetLabels()[platformv1alpha1.LabelTeam] == "" {
		return nil
	}
	return r.requests(ctx, client.InNamespace(o.GetName()))
}

// freed wakes the Environments that wait for the name of a namespace that is gone.
func (r *Reconciler) freed(ctx context.Context, e event.DeleteEvent, queue workqueue.TypedRateLimitingInterface[ctrl.Request]) {
	if ofOwned(ctx, e.Object) != nil {
		return // its Environment is woken anyway
	}
	var list platformv1alpha1.EnvironmentList
	if err := r.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Listing Environments failed")
		return
	}
	for i := range list.Items {
		if list.Items[i].Status.Namespace == e.Object.GetName() {
			queue.Add(ctrl.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
		}
	}
}

// ofAccount maps the account of a workload namespace to the Environment of that namespace: one that
// nobody of ours made stands in its way until it goes.
func (r *Reconciler) ofAccount(ctx context.Context, o client.Object) []ctrl.Request {
	if requests := ofOwned(ctx, o); requests != nil {
		return requests
	}
	var namespace corev1.Namespace
	if err := r.Get(ctx, types.NamespacedName{Name: o.GetName()}, &namespace, client.UnsafeDisableDeepCopy); err != nil {
		return nil
	}
	return ofOwned(ctx, &namespace)
}

// ofOwned maps what an Environment made to that Environment.
func ofOwned(_ context.Context, o client.Object) []ctrl.Request {
	home, ok := o.GetAnnotations()[platformv1alpha1.AnnotationHome]
	if !ok {
		return nil
	}
	namespace, name, ok := cut(home)
	if !ok {
		return nil
	}
	return []ctrl.Request{{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}}}
}

func (r *Reconciler) requests(ctx context.Context, opts ...client.ListOption) []ctrl.Request {
	var list platformv1alpha1.EnvironmentList
	if err := r.List(ctx, &list, append(opts, client.UnsafeDisableDeepCopy)...); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Listing Environments failed")
		return nil
	}
	requests := make([]ctrl.Request, 0, len(list.Items))
	for i := range list.Items {
		requests = append(requests, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
	}
	return requests
}
