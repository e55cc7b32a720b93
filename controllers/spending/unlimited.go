package spending

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/notify"
	"github.com/towpath-dev/towpath/internal/spending"
)

// ReasonGivenUp is that of an event about alerts that nobody can be told of any more.
const ReasonGivenUp = "AlertsGivenUp"

// unlimited ends the alerts of a Team whose limits were all removed, and has sent what it still owes. Then nothing of the limits is left
// in its status. Room that is kept for the Budgets of the home stays.
func (r *Reconciler) unlimited(ctx context.Context, t, before *platformv1alpha1.Team, running []spending.Running, now time.Time) (time.Time, error) {
	if t.Status.Spending == nil {
		return time.Time{}, nil
	}
	owner := client.ObjectKeyFromObject(t)
	reserved := spending.Settle(FromReservations(t.Status.Spending.Reservations), Exists(t.Status.Namespace, running), now)
	state := spending.NotifyState(t.Status.Spending.Alerts, "", t.Name)
	targets, became := &Targets{}, 0
	var told string
	if t.Status.Spending.Alerts != nil {
		state.Outbox, became = r.Courier.Collect(owner, state.Outbox)
		var err error
		if targets, err = r.targets(ctx, t); err != nil {
			return time.Time{}, err
		}
		state, told = end(state, t.Name, targets.Names, now)
	}
	t.Status.Spending = nil
	if alerts := spending.AlertState(state); len(reserved) > 0 || alerts != nil {
		t.Status.Spending = &platformv1alpha1.TeamSpendingStatus{Reservations: ToReservations(reserved), Alerts: alerts}
	}
	if err := r.write(ctx, t, before); err != nil {
		return time.Time{}, err
	}
	if told != "" {
		ctrl.LoggerFrom(ctx).Info("Alerts of limits that were removed were given up", "what", told)
		r.Recorder.Eventf(t, nil, corev1.EventTypeWarning, ReasonGivenUp, "Notify", "%s", told)
	}
	if len(state.Outbox) == 0 {
		r.Courier.Forget(owner)
		return time.Time{}, nil
	}
	r.Courier.Settled(owner, became)
	return r.Courier.Dispatch(owner, t.Name, state.Outbox, targets), targets.Lags
}

// end is the state of alerts once there are no limits any more: the ends of those that stand are on their way to the targets that are left,
// and it is empty where nobody is owed anything. It says what was given up, if anything was: the targets of the platform went with the limits.
func end(state notify.State, team string, targets []string, now time.Time) (notify.State, string) {
	owed := 0
	for i := range state.Outbox {
		if slices.ContainsFunc(state.Outbox[i].Deliveries, func(d notify.Delivery) bool {
			return d.Progress != notify.Delivered && !slices.Contains(targets, d.Target)
		}) {
			owed++
		}
	}
	ends := spending.Withdrawn(state.Fired, nil, spending.Subject{Team: team, Name: team}, now)
	next := state.Advance(ends, targets, spending.AlertRules(), now)
	if len(targets) == 0 {
		owed = notify.Waiting(state.Outbox)
	}
	if len(targets) == 0 || notify.Waiting(next.Outbox) == 0 {
		next = notify.State{}
	}
	if owed == 0 && len(ends) == 0 {
		return next, ""
	}
	return next, fmt.Sprintf("spec.spending was removed from Team %s, and with it the targets of its alerts: %d alerts that were owed to targets which are gone were given up. "+
		"%d alerts stood, and their end is told to the %d targets of spec.alerts alone: elsewhere, close them yourself, or they stand until the end of their period.",
		team, owed, len(ends), len(targets))
}
