// Package build carries out Builds: it runs the stages of a golden path's pipeline as Jobs in the workload namespace of an Environment,
// or takes over what was recorded from elsewhere.
package build

import (
	"context"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/apply"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/internal/environment"
	"github.com/towpath-dev/towpath/internal/fairness"
	"github.com/towpath-dev/towpath/internal/freshness"
	"github.com/towpath-dev/towpath/internal/index"
	"github.com/towpath-dev/towpath/internal/jobcache"
	"github.com/towpath-dev/towpath/internal/pipeline"
	"github.com/towpath-dev/towpath/internal/pipeline/jobs"
	"github.com/towpath-dev/towpath/internal/registry"
	"github.com/towpath-dev/towpath/internal/revision"
)

const (
	// retryConflict is for a status that changed since it was read: the event of that should come first.
	retryConflict = time.Second
	// retryLater is for what only time mends: a full quota, admission policies that do not stand.
	retryLater = 30 * time.Second
)

// Reconciler carries out Builds.
type Reconciler struct {
	client.Client
	// Live reads past the cache.
	Live      client.Reader
	Writer    *apply.Writer
	Revisions *revision.Compiled
	Clock     clock.PassiveClock
	Recorder  events.EventRecorder
	// Standard are the images and settings of the standard stages, Workspace is the volume of a Build.
	Standard  pipeline.Standard
	Workspace jobs.Workspace
	// Caches is the volume that keeps caches between the Builds of a Component; nil where none are kept.
	Caches *jobs.Workspace
	// Registry tells which digest a tag has; nil where no registry is to be asked.
	Registry *registry.Resolver
	// Evidence reads what stages say that they put beside an image. It is asked nothing where Registry is nil.
	Evidence Evidence
	// LabelAliases are further label keys for cost tools, each with the Towpath label whose value it repeats.
	LabelAliases map[string]string
	// Workers is how many Builds are reconciled at once. Default: 8.
	Workers int
	// Capabilities tells whether the cluster has what an engine needs.
	Capabilities Capabilities

	jobs    cache.Cache
	runs    *runs
	digests *digests
	writes  freshness.Tracker[types.NamespacedName]
}

// +kubebuilder:rbac:groups=platform.towpath.dev,resources=builds,verbs=list;watch;patch;delete
// +kubebuilder:rbac:groups=platform.towpath.dev,resources=environments,verbs=get
// +kubebuilder:rbac:groups=platform.towpath.dev,resources=builds/status,verbs=patch
// +kubebuilder:rbac:groups=platform.towpath.dev,resources=components;environments;releases;servicetemplates;servicetemplaterevisions,verbs=list;watch
// +kubebuilder:rbac:groups=batch,resources=jobs,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=persistentvolumeclaims,verbs=get
// +kubebuilder:rbac:groups="",resources=pods;events,verbs=list

// SetupWithManager adds the controller, and the cache of the Jobs that it runs, to the manager.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	var err error
	if r.jobs, err = jobcache.New(mgr, platformv1alpha1.LabelBuild); err != nil {
		return err
	}
	if r.runs, err = newRuns(mgr, handler.EnqueueRequestsFromMapFunc(r.ofJob)); err != nil {
		return err
	}
	if r.Workers == 0 {
		r.Workers = 8
	}
	if r.Registry != nil {
		r.digests = newDigests(r.Registry, r.Evidence)
	}
	generation := builder.WithPredicates(predicate.GenerationChangedPredicate{})
	controlled := ctrl.NewControllerManagedBy(mgr).
		Named("build").
		For(&platformv1alpha1.Build{}).
		Watches(&platformv1alpha1.Build{}, handler.EnqueueRequestsFromMapFunc(r.siblings), builder.WithPredicates(moved)).
		Watches(&platformv1alpha1.Component{}, handler.EnqueueRequestsFromMapFunc(r.ofComponent), generation).
		Watches(&platformv1alpha1.Environment{}, handler.EnqueueRequestsFromMapFunc(r.waiting), builder.WithPredicates(environment.MoreThanCosts())).
		WatchesRawSource(source.Kind[client.Object](r.jobs, &batchv1.Job{}, handler.EnqueueRequestsFromMapFunc(r.ofJob))).
		WithOptions(controller.Options{MaxConcurrentReconciles: r.Workers, ReconciliationTimeout: 2 * time.Minute, NewQueue: fairness.NewQueue(fairness.Share(r.Workers))})
	if r.digests != nil {
		controlled = controlled.WatchesRawSource(source.Channel(r.digests.answered, &handler.EnqueueRequestForObject{}))
	}
	c, err := controlled.Build(r)
	if err != nil {
		return fmt.Errorf("building the controller: %w", err)
	}
	r.runs.watch = c.Watch
	return nil
}

// moved lets those events of a Build pass after which the turn of another may have come: it is new, it has ended, or it is gone.
var moved = predicate.Funcs{
	CreateFunc: func(e event.CreateEvent) bool { return result(e.Object) == "" },
	UpdateFunc: func(e event.UpdateEvent) bool {
		return result(e.ObjectOld) != result(e.ObjectNew) || e.ObjectOld.GetDeletionTimestamp().IsZero() != e.ObjectNew.GetDeletionTimestamp().IsZero()
	},
	GenericFunc: func(event.GenericEvent) bool { return false },
}

func result(o client.Object) platformv1alpha1.BuildResult {
	if build, ok := o.(*platformv1alpha1.Build); ok {
		return build.Status.Result
	}
	return ""
}

// Reconcile brings one Build a step further.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	ctx = fairness.For(ctx, req.Namespace)
	build := &platformv1alpha1.Build{}
	if err := r.Get(ctx, req.NamespacedName, build); err != nil {
		r.writes.Forget(req.NamespacedName)
		r.digests.forget(req.NamespacedName)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if r.writes.Stale(req.NamespacedName, build.ResourceVersion) {
		return ctrl.Result{}, nil // the event of our own last write is still to come
	}
	if !build.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, r.delete(ctx, build)
	}
	s := &scope{build: build, before: build.DeepCopy(), now: r.Clock.Now()}
	if err := r.observe(ctx, s); err != nil {
		return ctrl.Result{}, err
	}
	if done, err := r.hold(ctx, s); done || err != nil {
		return ctrl.Result{}, err
	}
	err := r.advance(ctx, s)
	build.Status.ObservedGeneration = build.Generation
	if equality.Semantic.DeepEqual(s.before.Status, build.Status) {
		return ctrl.Result{RequeueAfter: s.after}, err
	}
	patchErr := r.Status().Patch(ctx, build, client.MergeFromWithOptions(s.before, client.MergeFromWithOptimisticLock{}))
	if apierrors.IsConflict(patchErr) {
		return ctrl.Result{RequeueAfter: retryConflict}, nil
	}
	if patchErr != nil {
		return ctrl.Result{}, client.IgnoreNotFound(patchErr)
	}
	r.writes.Wrote(req.NamespacedName, build.ResourceVersion)
	r.tell(s)
	return ctrl.Result{RequeueAfter: s.after}, err
}

// tell writes the event of the end of a Build.
func (r *Reconciler) tell(s *scope) {
	if s.before.Status.Result == s.build.Status.Result {
		return
	}
	kind := corev1.EventTypeNormal
	if s.build.Status.Result == platformv1alpha1.BuildFailed {
		kind = corev1.EventTypeWarning
	}
	for _, c := range s.build.Status.Conditions {
		if c.Type == platformv1alpha1.ConditionReady {
			r.Recorder.Eventf(s.build, nil, kind, c.Reason, "Build", "%s", condition.Clip(c.Message, 1000))
		}
	}
}

// siblings returns the Builds of the same Component that have not ended, and those that may be too many.
func (r *Reconciler) siblings(ctx context.Context, o client.Object) []ctrl.Request {
	build, ok := o.(*platformv1alpha1.Build)
	if !ok {
		return nil
	}
	return r.list(ctx, client.InNamespace(build.Namespace), client.MatchingFields{index.BuildComponent: build.Spec.Component})
}

// ofComponent returns the Builds of a Component.
func (r *Reconciler) ofComponent(ctx context.Context, o client.Object) []ctrl.Request {
	return r.list(ctx, client.InNamespace(o.GetNamespace()), client.MatchingFields{index.BuildComponent: o.GetName()})
}

// waiting returns the Builds of a namespace that have not ended: each may be for the Environment.
func (r *Reconciler) waiting(ctx context.Context, o client.Object) []ctrl.Request {
	var list platformv1alpha1.BuildList
	if err := r.List(ctx, &list, client.InNamespace(o.GetNamespace()), client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Listing Builds failed")
		return nil
	}
	var requests []ctrl.Request
	for i := range list.Items {
		if list.Items[i].Status.Result == "" {
			requests = append(requests, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
		}
	}
	return requests
}

// ofJob returns the Build that a Job, PipelineRun or TaskRun is of.
func (r *Reconciler) ofJob(ctx context.Context, o client.Object) []ctrl.Request {
	key := index.BuildKey(o.GetNamespace(), o.GetLabels()[platformv1alpha1.LabelBuild])
	return r.list(ctx, client.MatchingFields{index.BuildPlace: key})
}

func (r *Reconciler) list(ctx context.Context, options ...client.ListOption) []ctrl.Request {
	var list platformv1alpha1.BuildList
	if err := r.List(ctx, &list, append(options, client.UnsafeDisableDeepCopy)...); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Listing Builds failed")
		return nil
	}
	requests := make([]ctrl.Request, len(list.Items))
	for i := range list.Items {
		requests[i].NamespacedName = client.ObjectKeyFromObject(&list.Items[i])
	}
	return requests
}
