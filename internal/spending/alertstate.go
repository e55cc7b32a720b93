package spending

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/notify"
)

// mostFired is how many alerts are remembered.
const mostFired = 256

const yes, no = "True", "False"

// AlertRules are those of alerts of spending: a status holds fewer of them than others could.
func AlertRules() notify.Rules {
	rules := notify.Defaults()
	rules.MaxWaiting, rules.Keep = 20, 5
	return rules
}

// AlertState is a state as status keeps it; nil for an empty one.
func AlertState(s notify.State) *platformv1alpha1.AlertState {
	if len(s.Fired) == 0 && len(s.Outbox) == 0 {
		return nil
	}
	out := &platformv1alpha1.AlertState{}
	fired := s.Fired
	if len(fired) > mostFired {
		fired = fired[len(fired)-mostFired:]
	}
	for i := range fired {
		f := &fired[i]
		over := no
		if f.Over {
			over = yes
		}
		out.Fired = append(out.Fired, platformv1alpha1.FiredAlert{
			AlertKey: keyOf(f.Key), Sequence: int64(f.Sequence), At: timeOf(f.At), Until: timeOf(f.Until), Over: over,
			Severity: string(f.Severity), Labels: f.Labels,
		})
	}
	for i := range s.Outbox {
		item := &s.Outbox[i]
		a := &item.Alert
		queued := platformv1alpha1.QueuedAlert{CreatedAt: timeOf(item.CreatedAt), Alert: platformv1alpha1.Alert{
			AlertKey: keyOf(a.Key), Sequence: int64(a.Sequence), Status: string(a.Status), Severity: string(a.Severity), Team: a.Team, Title: a.Title,
			Text: a.Text, Spent: a.Spent, Forecast: a.Forecast, Limit: a.Limit, Currency: a.Currency, Labels: a.Labels,
			StartsAt: timeOf(a.StartsAt), EndsAt: timeOf(a.EndsAt),
		}}
		for _, d := range item.Deliveries {
			queued.Deliveries = append(queued.Deliveries, platformv1alpha1.AlertDelivery{
				Target: d.Target, Progress: string(d.Progress), Attempts: int64(d.Attempts), LastError: d.LastError, Revision: d.Revision,
				NextAttempt: timeOf(d.NextAttempt), DeliveredAt: timeOf(d.DeliveredAt),
			})
		}
		out.Outbox = append(out.Outbox, queued)
	}
	return out
}

// NotifyState reads a state from status. Namespace and name are those of the object that holds it.
func NotifyState(s *platformv1alpha1.AlertState, namespace, name string) notify.State {
	var out notify.State
	if s == nil {
		return out
	}
	for i := range s.Fired {
		f := &s.Fired[i]
		out.Fired = append(out.Fired, notify.Fired{
			Key: ofKey(f.AlertKey), Sequence: int(f.Sequence), At: ofTime(f.At), Until: ofTime(f.Until), Over: f.Over == yes,
			Severity: notify.Severity(f.Severity), Labels: f.Labels,
		})
	}
	for i := range s.Outbox {
		q := &s.Outbox[i]
		a := &q.Alert
		item := notify.Item{CreatedAt: ofTime(q.CreatedAt), Alert: notify.Alert{
			Key: ofKey(a.AlertKey), Sequence: int(a.Sequence), Status: notify.Status(a.Status), Severity: notify.Severity(a.Severity), Team: a.Team,
			Namespace: namespace, Name: name, Title: a.Title, Text: a.Text, Spent: a.Spent, Forecast: a.Forecast, Limit: a.Limit,
			Currency: a.Currency, Labels: a.Labels, StartsAt: ofTime(a.StartsAt), EndsAt: ofTime(a.EndsAt),
		}}
		for _, d := range q.Deliveries {
			item.Deliveries = append(item.Deliveries, notify.Delivery{
				Target: d.Target, Progress: notify.Progress(d.Progress), Attempts: int(d.Attempts), LastError: d.LastError, Revision: d.Revision,
				NextAttempt: ofTime(d.NextAttempt), DeliveredAt: ofTime(d.DeliveredAt),
			})
		}
		out.Outbox = append(out.Outbox, item)
	}
	return out
}

func keyOf(k notify.Key) platformv1alpha1.AlertKey {
	return platformv1alpha1.AlertKey{UID: k.UID, Period: k.Period, Threshold: k.Threshold, Basis: string(k.Basis)}
}

func ofKey(k platformv1alpha1.AlertKey) notify.Key {
	return notify.Key{UID: k.UID, Period: k.Period, Threshold: k.Threshold, Basis: notify.Basis(k.Basis)}
}

func timeOf(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	out := metav1.NewTime(t)
	return &out
}

func ofTime(t *metav1.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}
