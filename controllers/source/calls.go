package source

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// settle is how long to wait after an event. Forges tell of a push and of the pull request that it merges one after the other, and
// the Build should know both.
const settle = 2 * time.Second

// caller looks at Components that the Receiver was told of. It runs in each replica, since each takes webhooks: names of Builds tell
// the commit, so that two replicas make none twice.
type caller struct{ *Receiver }

// SetupWithManager adds the receiver, and what looks at what it was told.
func (r *Receiver) SetupWithManager(mgr ctrl.Manager) error {
	if err := mgr.Add(r); err != nil {
		return err
	}
	later := handler.Funcs{GenericFunc: func(_ context.Context, e event.GenericEvent, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
		q.AddAfter(reconcile.Request{NamespacedName: client.ObjectKeyFromObject(e.Object)}, settle)
	}}
	return ctrl.NewControllerManagedBy(mgr).
		Named("source-webhooks").
		WatchesRawSource(source.Channel(r.Calls, later)).
		WithOptions(controller.Options{MaxConcurrentReconciles: atOnce, ReconciliationTimeout: passTimeout, NeedLeaderElection: ptr.To(false)}).
		Complete(&caller{r})
}

// Reconcile asks the repository of a Component that an event was about. When it is polled, the leader decides. One that is not polled is asked
// again here where it could not be asked, or something waits for room: nobody else knows of the event.
func (c *caller) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	result, err := c.Reconciler.Reconcile(ctx, req)
	if result.RequeueAfter > busy && c.Schedule.polled(req.NamespacedName) {
		result.RequeueAfter = 0
	}
	return result, err
}

// timeOf is a time as the API has it; nil for none.
func timeOf(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	return &metav1.Time{Time: t.UTC().Truncate(time.Second)}
}
