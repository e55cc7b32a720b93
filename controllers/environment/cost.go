package environment

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/estimate"
	"github.com/towpath-dev/towpath/internal/index"
)

// settleCost is how long a new sum of estimates waits for further changes, so that a thousand Components which come at once are
// not a thousand writes of one status.
const settleCost = 20 * time.Second

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
	if wait := time.Until(r.costs.since(key).Add(settleCost)); wait > 0 {
		s.lookAgain(wait)
		return nil
	}
	s.environment.Status.EstimatedCost = next
	return nil
}

// unsettled remembers since when the sums of Environments differ from what their status says.
type unsettled struct {
	mu   sync.Mutex
	from map[types.NamespacedName]time.Time
}

func (u *unsettled) since(key types.NamespacedName) time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	from, ok := u.from[key]
	if !ok {
		if u.from == nil {
			u.from = map[types.NamespacedName]time.Time{}
		}
		from = time.Now()
		u.from[key] = from
	}
	return from
}

func (u *unsettled) forget(key types.NamespacedName) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.from, key)
}
