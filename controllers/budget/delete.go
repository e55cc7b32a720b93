package budget

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/controllers/spending"
	"github.com/towpath-dev/towpath/internal/notify"
	limits "github.com/towpath-dev/towpath/internal/spending"
)

const (
	// GiveUpAfter is how long a deleted Budget waits at most for its alerts to be told.
	GiveUpAfter = 2 * time.Minute
	// lastTry is how long before that everything is tried once more which would have been tried later.
	lastTry = 30 * time.Second
	// askAgain is after which time targets are asked for again that cannot be used yet.
	askAgain = 2 * time.Second
)

// hold sets or removes what holds a Budget, where that changes anything. The list is replaced by the patch, hence the lock.
func (r *Reconciler) hold(ctx context.Context, s *scope, change func(client.Object, string) bool) error {
	held := s.before.DeepCopy()
	if !change(held, platformv1alpha1.Finalizer) {
		return nil
	}
	if err := r.Patch(ctx, held, client.MergeFromWithOptions(s.before, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("writing the finalizer of Budget %s: %w", s.budget.Name, err)
	}
	r.writes.Wrote(client.ObjectKeyFromObject(held), held.ResourceVersion)
	s.budget.Finalizers, s.budget.ResourceVersion = held.Finalizers, held.ResourceVersion
	s.before = held
	return nil
}

// finish tells what a deleted Budget still owes, and lets it go: once all is told, where nobody can be told, and after GiveUpAfter at the
// latest. What was given up is told by an event, and in the log, since a namespace that goes takes no events.
func (r *Reconciler) finish(ctx context.Context, s *scope) (ctrl.Result, error) {
	owner := client.ObjectKeyFromObject(s.budget)
	if !controllerutil.ContainsFinalizer(s.budget, platformv1alpha1.Finalizer) {
		r.Courier.Forget(owner)
		return ctrl.Result{}, nil
	}
	state, became := r.collect(s)
	waiting := notify.Waiting(state.Outbox)
	end := s.budget.DeletionTimestamp.Add(GiveUpAfter)
	if waiting == 0 {
		return r.letGo(ctx, s)
	}
	if !s.now.Before(end) {
		return r.giveUp(ctx, s, waiting, "for "+GiveUpAfter.String()+" after it was deleted no receiver took them")
	}
	why, err := r.recipients(ctx, s)
	if err != nil {
		return ctrl.Result{}, err
	}
	if why != "" {
		return r.giveUp(ctx, s, waiting, why)
	}
	state.Outbox = notify.Retarget(state.Outbox, s.targets.Names)
	if last := end.Add(-lastTry); s.now.Before(last) { // later it would be hurried anew after each try
		state.Outbox = notify.Hurry(state.Outbox, last, end)
	}
	s.budget.Status.Alerts = limits.AlertState(state)
	next, err := r.send(ctx, s, state, became)
	if client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, err
	}
	if s.targets.Lags != nil {
		next = s.now.Add(askAgain)
	}
	if next.IsZero() || next.After(end) {
		next = end
	}
	return ctrl.Result{RequeueAfter: max(time.Second, next.Sub(s.now))}, nil
}

// recipients finds who is to be told, and says why nobody can be, where that is so.
func (r *Reconciler) recipients(ctx context.Context, s *scope) (string, error) {
	var home corev1.Namespace
	err := r.Get(ctx, types.NamespacedName{Name: s.budget.Namespace}, &home)
	if apierrors.IsNotFound(err) {
		return "its namespace is gone", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading namespace %s: %w", s.budget.Namespace, err)
	}
	if err := r.resolve(ctx, s); err != nil {
		return "", err
	}
	if s.targets == nil {
		// What is wrong with it is the Budget's; its targets are still there.
		if err := r.resolveTargets(ctx, s); err != nil {
			return "", err
		}
	}
	switch {
	case len(s.targets.Names) == 0:
		return "it has no targets of alerts any more", nil
	case !home.DeletionTimestamp.IsZero() && !s.targets.Usable():
		return "its namespace is being deleted, and with it went the Secrets that its targets need", nil
	}
	return "", nil
}

// giveUp lets a Budget go that still owes alerts.
func (r *Reconciler) giveUp(ctx context.Context, s *scope, waiting int, why string) (ctrl.Result, error) {
	result, err := r.letGo(ctx, s)
	if err != nil {
		return result, err
	}
	message := fmt.Sprintf("%d alerts of Budget %s were given up: %s. The newest: %s. Look at the spending of the team yourself: towpath cost report -n %s",
		waiting, s.budget.Name, why, newest(s.budget.Status.Alerts), s.budget.Namespace)
	ctrl.LoggerFrom(ctx).Error(nil, "Alerts were given up", "alerts", waiting, "reason", why)
	r.Recorder.Eventf(s.budget, nil, corev1.EventTypeWarning, spending.ReasonGivenUp, "Delete", "%s", message)
	return result, nil
}

// newest is the title of the alert that was made last.
func newest(alerts *platformv1alpha1.AlertState) string {
	if alerts == nil || len(alerts.Outbox) == 0 {
		return "none"
	}
	return alerts.Outbox[len(alerts.Outbox)-1].Alert.Title
}

func (r *Reconciler) letGo(ctx context.Context, s *scope) (ctrl.Result, error) {
	r.Courier.Forget(client.ObjectKeyFromObject(s.budget))
	return ctrl.Result{}, client.IgnoreNotFound(r.hold(ctx, s, controllerutil.RemoveFinalizer))
}
