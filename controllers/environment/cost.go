package environment

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/estimate"
	"github.com/towpath-dev/towpath/internal/index"
)

const (
	// settleCost is how long a new sum of estimates waits until it stays as it is, and settleCostWithin how long at most: a thousand
	// Components which come at once must not be a thousand writes of one status.
	settleCost, settleCostWithin = 2 * time.Second, 20 * time.Second
	// gatherReleases is after which time an Environment looks at a Release that is new, with all that came meanwhile.
	gatherReleases = time.Second
)

// cost sums up what the Releases that run here are estimated to cost.
func (r *Reconciler) cost(ctx context.Context, s *scope) error {
	var releases platformv1alpha1.ReleaseList
	if err := r.List(ctx, &releases, client.MatchingFields{index.ReleaseEnvironment: string(s.environment.UID)}, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing the Releases of the Environment: %w", err)
	}
	// The Release of each Component that runs is the newest one that is let in. It is also found where the one before has not been
	// told yet that it is superseded.
	running := map[types.UID]*platformv1alpha1.Release{}
	for i := range releases.Items {
		release := &releases.Items[i]
		known := running[release.Spec.Component.UID]
		if release.Opened() && release.Status.SupersededAt == nil && (known == nil || known.Spec.Number < release.Spec.Number) {
			running[release.Spec.Component.UID] = release
		}
	}
	sum := estimate.NewSum(r.Currency)
	for _, release := range running {
		sum.Add(release.Cost())
	}
	key, next := client.ObjectKeyFromObject(s.environment), sum.Status()
	if equality.Semantic.DeepEqual(next, s.environment.Status.EstimatedCost) {
		r.costs.forget(key)
		return nil
	}
	if wait := r.costs.wait(key, next, time.Now()); wait > 0 {
		s.lookAgain(wait)
		return nil
	}
	s.environment.Status.EstimatedCost = next
	return nil
}

// unsettled remembers the sums of Environments that differ from what their status says.
type unsettled struct {
	mu   sync.Mutex
	sums map[types.NamespacedName]unsettledSum
}

// unsettledSum is a sum, since when it is what it is, and since when the status says another one.
type unsettledSum struct {
	sum           *platformv1alpha1.CostSum
	since, differ time.Time
}

// wait says how long a sum is still to wait. One that need not is forgotten: what follows it waits anew.
func (u *unsettled) wait(key types.NamespacedName, sum *platformv1alpha1.CostSum, now time.Time) time.Duration {
	u.mu.Lock()
	defer u.mu.Unlock()
	known, ok := u.sums[key]
	switch {
	case !ok:
		known = unsettledSum{sum: sum, since: now, differ: now}
	case !equality.Semantic.DeepEqual(known.sum, sum):
		known.sum, known.since = sum, now
	}
	wait := min(known.since.Add(settleCost).Sub(now), known.differ.Add(settleCostWithin).Sub(now))
	if wait <= 0 {
		delete(u.sums, key)
		return 0
	}
	if u.sums == nil {
		u.sums = map[types.NamespacedName]unsettledSum{}
	}
	u.sums[key] = known
	return wait
}

func (u *unsettled) forget(key types.NamespacedName) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.sums, key)
}

type requestQueue = workqueue.TypedRateLimitingInterface[ctrl.Request]

// releases says when an Environment looks at its Releases: not for each write of their status, of which it reads little.
func releases() handler.Funcs {
	later := func(o client.Object, queue requestQueue) {
		for _, request := range ofRelease(o) {
			queue.AddAfter(request, gatherReleases)
		}
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, queue requestQueue) { later(e.Object, queue) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, queue requestQueue) {
			was, okWas := e.ObjectOld.(*platformv1alpha1.Release)
			is, okIs := e.ObjectNew.(*platformv1alpha1.Release)
			if okWas && okIs && tellsEnvironment(was, is) {
				later(is, queue)
			}
		},
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, queue requestQueue) { // a deletion of the Environment waits for it
			for _, request := range ofRelease(e.Object) {
				queue.Add(request)
			}
		},
	}
}

// tellsEnvironment says whether a Release changed in what its Environment reads of it: whether it runs, and what of it sleeps.
func tellsEnvironment(was, is *platformv1alpha1.Release) bool {
	return was.UID != is.UID || was.Opened() != is.Opened() || (was.Status.SupersededAt == nil) != (is.Status.SupersededAt == nil) ||
		was.DeletionTimestamp.IsZero() != is.DeletionTimestamp.IsZero() || !equality.Semantic.DeepEqual(was.Status.Sleep, is.Status.Sleep)
}

// ofRelease maps a Release to its Environment.
func ofRelease(o client.Object) []ctrl.Request {
	release, ok := o.(*platformv1alpha1.Release)
	if !ok {
		return nil
	}
	return []ctrl.Request{{NamespacedName: types.NamespacedName{Namespace: release.Namespace, Name: release.Spec.Environment.Name}}}
}
