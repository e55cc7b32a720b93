// Package check measures the checks of Releases: it asks Prometheus and runs Jobs, from when a Release was rolled out
// until it has passed, and on through the soak. It writes status.checks of a Release and nothing else of it; package
// release makes conditions of that.
package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/apply"
	"github.com/towpath-dev/towpath/internal/check"
	"github.com/towpath-dev/towpath/internal/fairness"
	"github.com/towpath-dev/towpath/internal/freshness"
	"github.com/towpath-dev/towpath/internal/index"
	"github.com/towpath-dev/towpath/internal/jobcache"
	"github.com/towpath-dev/towpath/internal/prometheus"
)

const (
	// atOnce is how many checks of one Release are measured at the same time.
	atOnce = 4
	// retryConflict is for a status that changed since it was read: the event of that should come first.
	retryConflict = time.Second
	// retryAsleep is for an environment that wakes before the Release fell asleep, whose event would come first else.
	retryAsleep = 30 * time.Second
	// retryUnguarded is for when the admission policies do not stand.
	retryUnguarded = 30 * time.Second
)

// Querier gives the values of a query, one a series.
type Querier interface {
	Query(ctx context.Context, address, query string, timeout time.Duration) ([]float64, error)
}

// Reconciler measures the checks of Releases.
type Reconciler struct {
	client.Client
	// Live reads past the cache.
	Live       client.Reader
	Writer     *apply.Writer
	Prometheus Querier
	Clock      clock.PassiveClock
	// Workers is how many Releases are measured at once. Default: 8.
	Workers int

	jobs   cache.Cache
	seen   seen
	writes freshness.Tracker[types.NamespacedName]
}

// +kubebuilder:rbac:groups=platform.towpath.dev,resources=releases;environments;environmentclasses,verbs=list;watch
// +kubebuilder:rbac:groups=platform.towpath.dev,resources=releases,verbs=get
// +kubebuilder:rbac:groups=platform.towpath.dev,resources=releases/status,verbs=patch
// +kubebuilder:rbac:groups=batch,resources=jobs,verbs=get;list;watch

// SetupWithManager adds the controller, and the cache of the Jobs that it runs, to the manager.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	var err error
	if r.jobs, err = jobcache.New(mgr, platformv1alpha1.LabelCheck); err != nil {
		return err
	}
	if r.Workers == 0 {
		r.Workers = 8
	}
	checked := predicate.NewPredicateFuncs(func(o client.Object) bool {
		release, ok := o.(*platformv1alpha1.Release)
		return ok && len(release.Spec.Checks) > 0
	})
	err = ctrl.NewControllerManagedBy(mgr).
		Named("check-job").
		WatchesRawSource(source.Kind[client.Object](r.jobs, &batchv1.Job{}, &handler.EnqueueRequestForObject{})).
		WithOptions(controller.Options{ReconciliationTimeout: time.Minute}).
		Complete(reconcile.Func(r.orphan))
	if err != nil {
		return err
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("check").
		For(&platformv1alpha1.Release{}, builder.WithPredicates(checked)).
		WatchesRawSource(source.Kind[client.Object](r.jobs, &batchv1.Job{}, handler.EnqueueRequestsFromMapFunc(r.ofJob))).
		WithOptions(controller.Options{MaxConcurrentReconciles: r.Workers, ReconciliationTimeout: 5 * time.Minute, NewQueue: fairness.NewQueue(fairness.Share(r.Workers))}).
		Complete(r)
}

// Reconcile measures the checks of one Release that are due.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	ctx = fairness.For(ctx, req.Namespace)
	release := &platformv1alpha1.Release{}
	if err := r.Get(ctx, req.NamespacedName, release); err != nil {
		r.writes.Forget(req.NamespacedName)
		r.seen.forget(req.NamespacedName)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if r.writes.Stale(req.NamespacedName, release.ResourceVersion) {
		return ctrl.Result{}, nil // the event of our own last write is still to come
	}
	r.seen.forget(req.NamespacedName, release.Status.Checks...)
	if !check.Measures(release) {
		return ctrl.Result{}, r.endAll(ctx, release)
	}
	if asleep, err := r.asleep(ctx, release); asleep || err != nil {
		return ctrl.Result{RequeueAfter: retryAsleep}, err
	}
	before := release.DeepCopy()
	check.Begin(release)
	after, err := r.measure(ctx, release)
	if equality.Semantic.DeepEqual(before.Status, release.Status) {
		return ctrl.Result{RequeueAfter: after}, err
	}
	// The lock keeps a Release as it is that was superseded or deleted a moment ago: it begins no Job any more.
	patchErr := r.Status().Patch(ctx, release, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if apierrors.IsConflict(patchErr) {
		return ctrl.Result{RequeueAfter: retryConflict}, nil
	}
	if patchErr != nil {
		return ctrl.Result{}, client.IgnoreNotFound(patchErr)
	}
	r.writes.Wrote(req.NamespacedName, release.ResourceVersion)
	return ctrl.Result{RequeueAfter: after}, err
}

// asleep says whether the environment sleeps, which it says before its Releases do: those have no pods by then.
func (r *Reconciler) asleep(ctx context.Context, release *platformv1alpha1.Release) (bool, error) {
	var environment platformv1alpha1.Environment
	key := types.NamespacedName{Namespace: release.Namespace, Name: release.Spec.Environment.Name}
	if err := r.Get(ctx, key, &environment); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	return environment.UID == release.Spec.Environment.UID && environment.Asleep(), nil
}

// measure measures what is due, and says when to look again; zero for never.
func (r *Reconciler) measure(ctx context.Context, release *platformv1alpha1.Release) (time.Duration, error) {
	var group errgroup.Group
	group.SetLimit(atOnce)
	retries := make([]time.Duration, len(release.Spec.Checks))
	now := r.Clock.Now()
	due := make([]time.Duration, len(release.Spec.Checks))
	for i := range due { // all of them before the first is measured: each looks at the others
		due[i] = check.Next(release, i, now)
	}
	for i := range due {
		group.Go(func() (err error) {
			retries[i], err = r.one(ctx, release, i, due[i])
			return err
		})
	}
	err := group.Wait()
	var after time.Duration
	for i := range release.Spec.Checks {
		wait := retries[i]
		if next := check.Next(release, i, r.Clock.Now()); wait == 0 && next >= 0 {
			wait = max(next, time.Millisecond)
		}
		if wait > 0 && (after == 0 || wait < after) {
			after = wait
		}
	}
	return after, err
}

// one measures the i-th check where it is due. Each reads and writes its own entry of the status alone.
func (r *Reconciler) one(ctx context.Context, release *platformv1alpha1.Release, i int, due time.Duration) (retry time.Duration, err error) {
	defer func() {
		if p := recover(); p != nil { // nobody else recovers from one in this goroutine
			err = fmt.Errorf("measuring check %s: panic: %v", release.Spec.Checks[i].Name, p)
		}
	}()
	c, s := &release.Spec.Checks[i], &release.Status.Checks[i]
	switch {
	case s.StartedAt != nil && due >= 0:
		return r.follow(ctx, release, c, s, due)
	case due != 0:
		return 0, nil
	case c.Job != nil:
		return 0, r.begin(ctx, release, c, s)
	}
	m, err := r.ask(ctx, release, c)
	if err == nil {
		check.Record(s, &c.Check, m, r.Clock.Now())
	}
	return 0, err
}

// ask makes one measurement of a query. Whom it asks is the class's to say, and whether a Component may.
func (r *Reconciler) ask(ctx context.Context, release *platformv1alpha1.Release, c *platformv1alpha1.ReleaseCheck) (check.Measurement, error) {
	var class platformv1alpha1.EnvironmentClass
	err := r.Get(ctx, types.NamespacedName{Name: release.Spec.Environment.Class}, &class)
	if client.IgnoreNotFound(err) != nil {
		return check.Measurement{}, fmt.Errorf("reading EnvironmentClass %s: %w", release.Spec.Environment.Class, err)
	}
	source := class.Spec.Prometheus
	if why := check.MayAsk(source, c.Origin); why != "" {
		return check.Measurement{Message: fmt.Sprintf("EnvironmentClass %s %s.", release.Spec.Environment.Class, why)}, nil
	}
	values, err := r.Prometheus.Query(ctx, source.Address, c.Prometheus.Query, check.Timeout(&c.Check))
	var notAsked *prometheus.NotAskedError
	if errors.As(err, &notAsked) && notAsked.Unknown {
		return check.Measurement{}, err // this says nothing of the version, and nothing of the Prometheus
	}
	if err != nil {
		what := "did not answer the query"
		if notAsked != nil {
			what = "was not asked"
		}
		return check.Measurement{Message: fmt.Sprintf("Prometheus %s: %v.", what, err)}, nil
	}
	return check.Judge(c.Prometheus, values), nil
}

// ofJob maps the Job of a check to the Releases of the Component that owns it.
func (r *Reconciler) ofJob(ctx context.Context, o client.Object) []ctrl.Request {
	var list platformv1alpha1.ReleaseList
	key := index.OwnerKey(types.UID(o.GetLabels()[platformv1alpha1.LabelOwnerUID]), o.GetLabels()[platformv1alpha1.LabelEnvironment])
	if err := r.List(ctx, &list, client.MatchingFields{index.ReleaseOwner: key}, client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Listing Releases failed")
		return nil
	}
	var requests []ctrl.Request
	for i := range list.Items {
		if release := &list.Items[i]; check.Measures(release) || hasRun(release, o.GetName()) {
			requests = append(requests, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
		}
	}
	return requests
}

// hasRun says whether a Release has a check whose last Job has that name.
func hasRun(release *platformv1alpha1.Release, job string) bool {
	return slices.ContainsFunc(release.Status.Checks, func(s platformv1alpha1.ReleaseCheckStatus) bool { return s.Job == job })
}
