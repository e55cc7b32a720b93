package notify

import "time"

// Kind is the form in which a target takes alerts.
type Kind string

const (
	// Slack is an incoming webhook of Slack, or of what takes its messages.
	Slack Kind = "Slack"
	// Alertmanager is one by its API v2.
	Alertmanager Kind = "Alertmanager"
	// Webhook takes CloudEvents.
	Webhook Kind = "Webhook"
)

// room is how many alerts one message has.
func (k Kind) room() int {
	return map[Kind]int{Slack: 10, Alertmanager: 50, Webhook: 10}[k]
}

// Destination is a target as planning sees it.
type Destination struct {
	Name string
	Kind Kind
	// Revision changes when the target does, such as the resource version of its Secret. It must be no secret.
	Revision string
}

// Batch is what to deliver to one target next.
type Batch struct {
	Target   string
	Revision string
	Alerts   []Alert
}

// Plan returns what is to be delivered now, at most one batch for each destination, and when to ask again where nothing is; the
// zero time for never. After each batch its result must be recorded, and Plan asked again.
//
// The items may be of several outboxes, so that one message tells of several Budgets. All alerts of a batch are of one team. An
// alert and its end go in this order; others do not wait for one that is refused.
func Plan(items []Item, destinations []Destination, rules Rules, now time.Time) (batches []Batch, next time.Time) {
	for _, d := range destinations {
		due, at := plan(items, d, rules, now)
		if len(due) > 0 {
			batches = append(batches, Batch{Target: d.Name, Revision: d.Revision, Alerts: due})
		} else if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return batches, next
}

func plan(items []Item, d Destination, rules Rules, now time.Time) (due []Alert, next time.Time) {
	var ready []Item
	var opens, paused time.Time
	var alone []Alert
	blocked := map[Key]bool{}
	for _, item := range items {
		i := item.delivery(d.Name)
		if i < 0 || item.Deliveries[i].Progress == Delivered {
			continue
		}
		delivery := item.Deliveries[i]
		changed := delivery.Attempts > 0 && delivery.Revision != d.Revision
		// One that failed for now holds up all that wait for the same target: it is away, or wants to be left in peace.
		if delivery.Progress == Pending && !changed && delivery.NextAttempt.After(paused) {
			paused = delivery.NextAttempt
		}
		if blocked[item.Alert.Key] {
			continue
		}
		blocked[item.Alert.Key] = true
		if delivery.Progress == RefusedByTarget {
			// Alone, so that it takes no other one down.
			if changed || !delivery.NextAttempt.After(now) {
				alone = append(alone, item.Alert)
			} else {
				next = earlier(next, delivery.NextAttempt)
			}
			continue
		}
		ready = append(ready, item)
		opens = earlier(opens, item.CreatedAt)
	}
	if d.Kind == Slack && !opens.IsZero() {
		opens = opens.Add(rules.Window)
	}
	if paused.After(opens) {
		opens = paused
	}
	switch {
	case len(ready) > 0 && !opens.After(now):
		return together(ready, d.Kind.room()), time.Time{}
	case len(alone) > 0 && !paused.After(now):
		return alone[:1], time.Time{}
	case len(alone) > 0:
		next = earlier(next, paused)
	}
	if len(ready) > 0 {
		next = earlier(next, opens)
	}
	return nil, next
}

// together are the alerts of the first one's team, as many as fit.
func together(ready []Item, room int) []Alert {
	var alerts []Alert
	for _, item := range ready {
		if item.Alert.Team == ready[0].Alert.Team && len(alerts) < room {
			alerts = append(alerts, item.Alert)
		}
	}
	return alerts
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}
