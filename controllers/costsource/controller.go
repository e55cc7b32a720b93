// Package costsource reads bills into the history, on the schedule of each CostSource: what was read last and what comes next
// stands in the history beside the figures, so that a manager that is restarted, or another one, goes on from there.
package costsource

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/internal/freshness"
	"github.com/towpath-dev/towpath/internal/history"
	"github.com/towpath-dev/towpath/internal/outbound"
)

const (
	// importTimeout bounds one import. What was stored by then counts, and the next one goes on from there.
	importTimeout = 30 * time.Minute
	// idle is how long a source is left alone at most.
	idle = 24 * time.Hour
)

// Reconciler reconciles CostSources.
type Reconciler struct {
	client.Client
	// Live reads past the cache.
	Live client.Reader
	// History is where figures go; nil where the manager has none.
	History history.Store
	Clock   clock.PassiveClock
	// Recorder takes events. If nil, there are none.
	Recorder events.EventRecorder
	// HistoryLost says that the history is lost with the manager's pod.
	HistoryLost bool
	// Rules say which addresses may be asked.
	Rules outbound.Rules

	writes freshness.Tracker[types.NamespacedName]
}

// +kubebuilder:rbac:groups=platform.towpath.dev,resources=costsources,verbs=list;watch;patch
// +kubebuilder:rbac:groups=platform.towpath.dev,resources=costsources/status,verbs=patch
// +kubebuilder:rbac:groups=platform.towpath.dev,resources=teams,verbs=list;watch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups="",namespace=towpath-system,resources=secrets,resourceNames=towpath-costsources,verbs=get

// SetupWithManager adds the controller to the manager. Two sources are read at once at most, and each by one import.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	const slack = 5 * time.Minute
	return ctrl.NewControllerManagedBy(mgr).
		For(&platformv1alpha1.CostSource{}).
		WithOptions(controller.Options{MaxConcurrentReconciles: 2, ReconciliationTimeout: importTimeout + slack}).
		Complete(r)
}

// scope is one pass over a CostSource.
type scope struct {
	source, before *platformv1alpha1.CostSource
	// wait is after what time to look again; 0: not by itself.
	wait time.Duration
	// events are what to tell once the status is written.
	events []event
}

// event is a transition to tell of.
type event struct{ kind, reason, message string }

// Reconcile reads one source, if its time has come.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	source := &platformv1alpha1.CostSource{}
	if err := r.Get(ctx, req.NamespacedName, source); err != nil {
		r.writes.Forget(req.NamespacedName)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if r.writes.Stale(req.NamespacedName, source.ResourceVersion) {
		return ctrl.Result{}, nil // the event of our own last write is still to come
	}
	s := &scope{source: source, before: source.DeepCopy()}
	if !source.DeletionTimestamp.IsZero() {
		return r.finalize(ctx, s)
	}
	if controllerutil.AddFinalizer(source, platformv1alpha1.Finalizer) {
		if err := r.patchMetadata(ctx, s); err != nil {
			return ctrl.Result{}, err
		}
	}
	if err := r.run(ctx, s); err != nil {
		return ctrl.Result{}, err
	}
	r.warn(s)
	if err := r.patchStatus(ctx, s); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: s.wait}, nil
}

// warn says that what is read is lost with the manager's pod, where it is: of a source that is not read any more too.
func (r *Reconciler) warn(s *scope) {
	conditions := &s.source.Status.Conditions
	condition.HistoryKept(conditions, s.source.Generation, r.HistoryLost)
	told := meta.FindStatusCondition(s.before.Status.Conditions, platformv1alpha1.ConditionHistoryKept)
	if is := meta.FindStatusCondition(*conditions, platformv1alpha1.ConditionHistoryKept); is != nil && told == nil {
		s.events = append(s.events, event{corev1.EventTypeWarning, is.Reason, is.Message})
	}
}

// patchStatus writes the status where it differs, and then tells of what changed.
func (r *Reconciler) patchStatus(ctx context.Context, s *scope) error {
	if equality.Semantic.DeepEqual(s.before.Status, s.source.Status) {
		return nil
	}
	if err := r.Status().Patch(ctx, s.source, client.MergeFrom(s.before)); err != nil {
		return client.IgnoreNotFound(err)
	}
	r.writes.Wrote(client.ObjectKeyFromObject(s.source), s.source.ResourceVersion)
	for _, e := range s.events {
		if r.Recorder != nil {
			r.Recorder.Eventf(s.source, nil, e.kind, e.reason, "Import", "%s", e.message)
		}
	}
	s.events = nil
	return nil
}

// patchMetadata writes the finalizers. A list is replaced by the patch, hence the lock.
func (r *Reconciler) patchMetadata(ctx context.Context, s *scope) error {
	patch := client.MergeFromWithOptions(s.before, client.MergeFromWithOptimisticLock{})
	if err := r.Patch(ctx, s.source, patch); err != nil {
		return fmt.Errorf("writing the finalizer: %w", err)
	}
	r.writes.Wrote(client.ObjectKeyFromObject(s.source), s.source.ResourceVersion)
	s.before = s.source.DeepCopy()
	return nil
}
