package costsource

import (
	"context"
	"fmt"
	"sync"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/internal/history"
)

// finalize forgets what was read, and lets the source go. Without a history there is nothing to forget.
func (r *Reconciler) finalize(ctx context.Context, s *scope) (ctrl.Result, error) {
	if !controllerutil.ContainsFinalizer(s.source, platformv1alpha1.Finalizer) {
		return ctrl.Result{}, nil
	}
	if r.History != nil {
		if err := r.History.Forget(ctx, s.source.Name); err != nil {
			s.source.Status.ObservedGeneration = s.source.Generation
			condition.Progressing(&s.source.Status.Conditions, s.source.Generation, platformv1alpha1.ReasonDeleting,
				fmt.Sprintf("What was read cannot be forgotten yet, and is tried again: %v.", err))
			return ctrl.Result{RequeueAfter: firstWait}, r.patchStatus(ctx, s)
		}
	}
	forgetMetrics(s.source.Name)
	controllerutil.RemoveFinalizer(s.source, platformv1alpha1.Finalizer)
	return ctrl.Result{}, client.IgnoreNotFound(r.patchMetadata(ctx, s))
}

// pruned is the day on which old days were last forgotten. The zero value is none.
type pruned struct {
	mu  sync.Mutex
	day history.Day
}

// prune forgets, once a day, what is older than the history keeps. Where it fails it is tried at the next pass: it keeps no
// import from running.
func (r *Reconciler) prune(ctx context.Context, now time.Time) {
	today := history.DayOf(now)
	r.pruned.mu.Lock()
	defer r.pruned.mu.Unlock()
	if r.pruned.day == today {
		return
	}
	count, err := r.History.Prune(ctx, today-history.Keep)
	log := ctrl.LoggerFrom(ctx)
	if err != nil {
		log.Error(err, "Forgetting old days of the history failed, and is tried again")
		return
	}
	r.pruned.day = today
	if count > 0 {
		log.Info("Forgot old days of the history", "figures", count)
	}
}
