// Package release carries out Releases: it renders the objects of the newest Release of a Component
// in an environment, has them written, prunes what only older ones listed, and reports readiness
// and outcome. It watches what it wrote, so that drift, deletion and readiness are seen at once.
package release

import (
	"context"
	"fmt"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/apply"
	"github.com/towpath-dev/towpath/internal/capability"
	"github.com/towpath-dev/towpath/internal/delivery/remote"
	"github.com/towpath-dev/towpath/internal/environment"
	"github.com/towpath-dev/towpath/internal/fairness"
	"github.com/towpath-dev/towpath/internal/freshness"
	"github.com/towpath-dev/towpath/internal/index"
	"github.com/towpath-dev/towpath/internal/revision"
	"github.com/towpath-dev/towpath/internal/statuswrite"
)

// Times after which a Release is looked at again though no event came.
const (
	// retryTakenFirst and retryTakenLast bound the time for an object that belongs to somebody else, or that a webhook
	// of others denies: it may have been deleted, or be let through by now, and no event tells. It is tried again after
	// as long as it has been so.
	retryTakenFirst, retryTakenLast = 5 * time.Second, 2 * time.Minute
	// retryRefused is for an object whose content was refused: what refused it may have changed.
	retryRefused = 10 * time.Minute
	// retryUnavailable is for a kind that the cluster does not serve, where no definition of it told.
	retryUnavailable = time.Minute
	// retryDefined is for a kind whose definition has just changed: discovery follows a moment later.
	retryDefined = 2 * time.Second
	// lookFirst and lookLast bound how often the pods of a workload that is not ready are looked at: after half
	// as long as it has not been.
	lookFirst, lookLast = 10 * time.Second, 5 * time.Minute
	// retryUnguarded is for when the admission policies do not stand.
	retryUnguarded = 30 * time.Second
	// retryUnlisted is for a kind whose watch has not listed yet.
	retryUnlisted = 5 * time.Second
	// retryTerminating is for a namespace that is being deleted, and made anew.
	retryTerminating = 5 * time.Second
	// retryConflict is for a write that met another one whose event should come first.
	retryConflict = 5 * time.Second
	// retryCounted is for a workload that changed while its pods were counted.
	retryCounted = time.Second
)

// Reconciler reconciles Releases.
type Reconciler struct {
	client.Client
	// Live reads past the cache.
	Live      client.Reader
	Writer    *apply.Writer
	Revisions *revision.Compiled
	Clock     clock.PassiveClock
	Recorder  events.EventRecorder
	// Workers is how many Releases are reconciled at once. Default: 8.
	Workers int
	// ReapplyAfter is after how long, and up to a half more, all objects of a Release are written again though none shows a
	// change. Never if zero.
	ReapplyAfter time.Duration
	// Git reaches the repositories of classes that deliver by Git.
	Git *remote.Pool
	// Capabilities tells whether the cluster has Argo CD or Flux.
	Capabilities *capability.Detector

	courier  *courier
	children children
	claims   claims
	refusals refusals
	looks    looks
	backlog  backlog
	renewals renewals
	statuses *statuswrite.Writer
	writes   freshness.Tracker[types.NamespacedName]
}

// +kubebuilder:rbac:groups=platform.towpath.dev,resources=releases,verbs=list;watch;patch
// +kubebuilder:rbac:groups=platform.towpath.dev,resources=releases/status,verbs=update;patch
// +kubebuilder:rbac:groups=platform.towpath.dev,resources=components;environmentclasses;environments;servicetemplaterevisions,verbs=list;watch
// +kubebuilder:rbac:groups="",namespace=towpath-system,resources=secrets,resourceNames=towpath-delivery,verbs=get
// +kubebuilder:rbac:groups="",resources=pods;events;persistentvolumeclaims,verbs=list
// +kubebuilder:rbac:groups=apiextensions.k8s.io,resources=customresourcedefinitions,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// SetupWithManager adds the controller, and the cache of the objects it makes, to the manager.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	childCache, err := newChildCache(mgr)
	if err != nil {
		return fmt.Errorf("building the cache of children: %w", err)
	}
	if err := mgr.Add(childCache); err != nil {
		return err
	}
	if r.Workers == 0 {
		r.Workers = 8
	}
	if r.statuses, err = statuswrite.New(mgr.GetConfig(), mgr.GetHTTPClient(), r.Status(), "Release", "releases"); err != nil {
		return err
	}
	r.courier = newCourier(r.Clock)
	if err := mgr.Add(r.courier); err != nil {
		return err
	}
	definition := &metav1.PartialObjectMetadata{}
	definition.SetGroupVersionKind(apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition"))
	c, err := ctrl.NewControllerManagedBy(mgr).
		For(&platformv1alpha1.Release{}).
		Watches(&platformv1alpha1.Release{}, handler.EnqueueRequestsFromMapFunc(r.siblings)).
		Watches(&platformv1alpha1.ServiceTemplateRevision{}, handler.EnqueueRequestsFromMapFunc(r.ofRevision)).
		// What a Component and an Environment want decides whether a Release that is being deleted waits
		// for another one; its generation moves with its path, and when it is deleted.
		Watches(&platformv1alpha1.Component{}, handler.EnqueueRequestsFromMapFunc(r.ofComponent), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&platformv1alpha1.Environment{}, handler.EnqueueRequestsFromMapFunc(r.ofEnvironment), builder.WithPredicates(environment.MoreThanCosts())).
		Watches(&platformv1alpha1.EnvironmentClass{}, handler.EnqueueRequestsFromMapFunc(r.ofClass), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WatchesRawSource(source.Channel(r.courier.done, &handler.EnqueueRequestForObject{})).
		WatchesMetadata(definition, handler.Funcs{
			CreateFunc: func(ctx context.Context, e event.CreateEvent, queue requestQueue) { r.defined(ctx, e.Object, queue) },
			UpdateFunc: func(ctx context.Context, e event.UpdateEvent, queue requestQueue) { r.defined(ctx, e.ObjectNew, queue) },
		}).
		WithOptions(controller.Options{MaxConcurrentReconciles: r.Workers, ReconciliationTimeout: time.Minute, NewQueue: fairness.NewQueue(fairness.Share(r.Workers))}).
		Build(r)
	if err != nil {
		return fmt.Errorf("building the controller: %w", err)
	}
	r.children.cache = childCache
	r.children.mapper = mgr.GetRESTMapper()
	r.children.watch = c.Watch
	r.children.enqueue = handler.EnqueueRequestsFromMapFunc(r.ofChild)
	return nil
}

// Reconcile brings one Release to its outcome.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	ctx = fairness.For(ctx, req.Namespace)
	release := &platformv1alpha1.Release{}
	if err := r.Get(ctx, req.NamespacedName, release); err != nil {
		r.writes.Forget(req.NamespacedName)
		r.backlog.forget(req.NamespacedName)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if r.writes.Stale(req.NamespacedName, release.ResourceVersion) {
		return ctrl.Result{}, nil // the event of our own last write is still to come
	}
	unwritten, wait := r.backlog.get(release, r.Clock.Now())
	if wait > 0 && release.DeletionTimestamp.IsZero() {
		return ctrl.Result{RequeueAfter: wait}, nil
	}
	s, err := r.newScope(ctx, release, unwritten)
	if err != nil {
		return ctrl.Result{}, err
	}
	switch {
	case !release.DeletionTimestamp.IsZero() && !release.Opened():
		err := r.letGo(ctx, s, release)
		return ctrl.Result{RequeueAfter: s.requeueAfter}, err
	case !release.DeletionTimestamp.IsZero():
		return r.finalize(ctx, s)
	case s.abandoned:
		return ctrl.Result{}, client.IgnoreNotFound(r.Delete(ctx, release))
	case !release.Opened():
		err := r.await(ctx, s)
		return ctrl.Result{RequeueAfter: s.requeueAfter}, err
	case s.successor != nil:
		return ctrl.Result{}, r.supersede(ctx, s)
	case s.ending, release.Status.SupersededAt != nil:
		// It is deleted next, or the one that took its place is, and another will be made: what ran once
		// must not come back in between.
		return ctrl.Result{}, nil
	}
	runErr := r.run(ctx, s)
	if s.overtaken {
		return ctrl.Result{}, nil // the event of the newer one wakes it
	}
	if err := r.report(ctx, s); err != nil {
		return ctrl.Result{}, err
	}
	if s.problem != nil && s.problem.final && runErr != nil {
		return ctrl.Result{RequeueAfter: s.requeueAfter}, reconcile.TerminalError(runErr)
	}
	return ctrl.Result{RequeueAfter: s.requeueAfter}, runErr
}

// siblings maps a Release to the other Releases of its Component in its environment: the newest
// prunes for the older ones, and an older one yields to a newer.
func (r *Reconciler) siblings(ctx context.Context, o client.Object) []ctrl.Request {
	release, ok := o.(*platformv1alpha1.Release)
	if !ok {
		return nil
	}
	return r.requests(ctx, o.GetName(), client.InNamespace(o.GetNamespace()),
		client.MatchingFields{index.ReleaseOwner: index.OwnerKey(release.Spec.Component.UID, release.Spec.Environment.Name)})
}

// ofRevision maps a revision that appears to the Releases of its template: one that missed it goes on.
func (r *Reconciler) ofRevision(ctx context.Context, o client.Object) []ctrl.Request {
	rev, ok := o.(*platformv1alpha1.ServiceTemplateRevision)
	if !ok {
		return nil
	}
	return r.requests(ctx, "", client.MatchingFields{index.ReleaseTemplate: rev.Spec.TemplateName})
}

// ofChild maps an object to the Releases of the Component that owns it.
func (r *Reconciler) ofChild(ctx context.Context, o client.Object) []ctrl.Request {
	labels := o.GetLabels()
	key := index.OwnerKey(types.UID(labels[platformv1alpha1.LabelOwnerUID]), labels[platformv1alpha1.LabelEnvironment])
	return r.requests(ctx, "", client.MatchingFields{index.ReleaseOwner: key})
}

// ofComponent maps a Component to its Releases.
func (r *Reconciler) ofComponent(ctx context.Context, o client.Object) []ctrl.Request {
	return r.requests(ctx, "", client.InNamespace(o.GetNamespace()), client.MatchingFields{index.ReleaseComponent: o.GetName()})
}

// ofEnvironment maps an Environment to the Releases in it: its namespace may have been made anew.
func (r *Reconciler) ofEnvironment(ctx context.Context, o client.Object) []ctrl.Request {
	return r.requests(ctx, "", client.MatchingFields{index.ReleaseEnvironment: string(o.GetUID())})
}

type requestQueue = workqueue.TypedRateLimitingInterface[ctrl.Request]

// defined wakes, when a kind is defined, the Releases that miss one.
func (r *Reconciler) defined(ctx context.Context, _ client.Object, queue requestQueue) {
	var list platformv1alpha1.ReleaseList
	if err := r.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Listing Releases failed")
		return
	}
	for i := range list.Items {
		c := meta.FindStatusCondition(list.Items[i].Status.Conditions, platformv1alpha1.ConditionReady)
		if c != nil && c.Reason == platformv1alpha1.ReasonKindUnavailable {
			queue.AddAfter(ctrl.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])}, retryDefined)
		}
	}
}

// requests lists Releases that still have something to do, but the one named except.
func (r *Reconciler) requests(ctx context.Context, except string, opts ...client.ListOption) []ctrl.Request {
	var list platformv1alpha1.ReleaseList
	if err := r.List(ctx, &list, append(opts, client.UnsafeDisableDeepCopy)...); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Listing Releases failed")
		return nil
	}
	var requests []ctrl.Request
	for i := range list.Items {
		item := &list.Items[i]
		if item.Name != except && len(item.Finalizers) > 0 {
			requests = append(requests, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(item)})
		}
	}
	return requests
}
