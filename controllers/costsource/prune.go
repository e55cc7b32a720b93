package costsource

import (
	"context"
	"time"

	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/towpath-dev/towpath/internal/history"
)

// pruneEvery is how often old days are forgotten.
const pruneEvery = 24 * time.Hour

// Pruner forgets what is older than the history keeps, on the manager that leads, of whatever source it is.
type Pruner struct {
	History history.Store
	Clock   clock.WithTicker
}

var (
	_ manager.Runnable               = &Pruner{}
	_ manager.LeaderElectionRunnable = &Pruner{}
)

// SetupWithManager adds the pruner to the manager.
func (p *Pruner) SetupWithManager(mgr ctrl.Manager) error { return mgr.Add(p) }

// NeedLeaderElection says that one manager prunes.
func (p *Pruner) NeedLeaderElection() bool { return true }

// Start prunes at once, and once a day, until the context ends. What fails is tried again the next day: nothing waits for it.
func (p *Pruner) Start(ctx context.Context) error {
	log := ctrl.LoggerFrom(ctx).WithName("history")
	ticker := p.Clock.NewTicker(pruneEvery)
	defer ticker.Stop()
	for {
		count, err := p.History.Prune(ctx, history.DayOf(p.Clock.Now())-history.Keep)
		switch {
		case err != nil && ctx.Err() == nil:
			log.Error(err, "Forgetting old days failed, and is tried again", "after", pruneEvery)
		case count > 0:
			log.Info("Forgot old days", "figures", count)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
		}
	}
}
