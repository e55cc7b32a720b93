package notify

import (
	"fmt"
	"slices"
	"time"
)

// Progress says how far an alert came on its way to a target.
type Progress string

const (
	// Pending is not there yet, and is tried again by itself.
	Pending Progress = "Pending"
	// Delivered is there.
	Delivered Progress = "Delivered"
	// RefusedByTarget is one that the receiver will not have as it is. It is kept, and tried again now and then, and at once when
	// the target changes.
	RefusedByTarget Progress = "Refused"
)

// Delivery is what became of an alert at a target.
type Delivery struct {
	Target   string   `json:"target"`
	Progress Progress `json:"progress"`
	Attempts int      `json:"attempts,omitempty"`
	// LastError says why the last attempt failed. It holds no secret.
	LastError string `json:"lastError,omitempty"`
	// Revision of the target at the last attempt.
	Revision    string    `json:"revision,omitempty"`
	NextAttempt time.Time `json:"nextAttempt,omitzero"`
	DeliveredAt time.Time `json:"deliveredAt,omitzero"`
}

// mostDeliveries is how many an item has at most, unless there are more targets.
const mostDeliveries = 32

// Item is an alert on its way.
type Item struct {
	Alert Alert `json:"alert"`
	// CreatedAt is when it was put here.
	CreatedAt time.Time `json:"createdAt"`
	// Deliveries are one for each target; none where there was no target yet.
	Deliveries []Delivery `json:"deliveries,omitempty"`
}

// waiting says that somebody is yet to get it.
func (i Item) waiting() bool {
	return len(i.Deliveries) == 0 || slices.ContainsFunc(i.Deliveries, func(d Delivery) bool { return d.Progress != Delivered })
}

// Waiting is how many alerts somebody is yet to get.
func Waiting(items []Item) int {
	count := 0
	for _, item := range items {
		if item.waiting() {
			count++
		}
	}
	return count
}

// Hurry has what would be tried again after an end be tried once more before it, at a last moment.
func Hurry(items []Item, last, end time.Time) []Item {
	next := clone(items)
	for i := range next {
		for j := range next[i].Deliveries {
			if d := &next[i].Deliveries[j]; d.Progress != Delivered && !d.NextAttempt.Before(end) {
				d.NextAttempt = last.UTC().Truncate(time.Second)
			}
		}
	}
	return next
}

func (i Item) delivery(target string) int {
	return slices.IndexFunc(i.Deliveries, func(d Delivery) bool { return d.Target == target })
}

// State is what is kept in the status of a Budget.
type State struct {
	Fired  []Fired `json:"fired,omitempty"`
	Outbox []Item  `json:"outbox,omitempty"`
}

// Advance returns the state after what is observed now, for the targets by name that there are now.
func (s State) Advance(observations []Observation, targets []string, rules Rules, now time.Time) State {
	fired, alerts := Decide(s.Fired, observations, rules, now)
	return State{Fired: fired, Outbox: Enqueue(Retarget(s.Outbox, targets), alerts, targets, rules, now)}
}

// Enqueue adds alerts for all targets. One that is there is not added again.
func Enqueue(items []Item, alerts []Alert, targets []string, rules Rules, now time.Time) []Item {
	now = now.UTC().Truncate(time.Second)
	next := clone(items)
	for _, a := range alerts {
		if slices.ContainsFunc(next, func(i Item) bool { return i.Alert.ID() == a.ID() }) {
			continue
		}
		item := Item{Alert: a, CreatedAt: now}
		for _, target := range targets {
			item.Deliveries = append(item.Deliveries, Delivery{Target: target, Progress: Pending})
		}
		next = append(next, item)
	}
	return tidy(next, rules, now)
}

// Retarget brings deliveries in line with the targets that there are. What was still owed to one that is gone, and what had no
// target at all, goes to those that are new; an alert that everybody got does not. That one got it which is gone is kept while there is
// room, so that it does not get it again should it come back.
func Retarget(items []Item, targets []string) []Item {
	next := clone(items)
	known := map[string]bool{}
	for _, item := range next {
		for _, d := range item.Deliveries {
			known[d.Target] = true
		}
	}
	for i := range next {
		item := &next[i]
		owed, had := len(item.Deliveries) == 0, len(item.Deliveries)
		item.Deliveries = slices.DeleteFunc(item.Deliveries, func(d Delivery) bool {
			gone := d.Progress != Delivered && !slices.Contains(targets, d.Target)
			owed = owed || gone
			return gone
		})
		if !owed {
			continue
		}
		// Of an alert that nobody would get any more, all that are there are new.
		nobody := len(item.Deliveries) == 0
		for _, target := range targets {
			if item.delivery(target) < 0 && (nobody || had == 0 || !known[target]) {
				item.Deliveries = append(item.Deliveries, Delivery{Target: target, Progress: Pending})
			}
		}
		excess := len(item.Deliveries) - mostDeliveries
		item.Deliveries = slices.DeleteFunc(item.Deliveries, func(d Delivery) bool {
			drop := excess > 0 && !slices.Contains(targets, d.Target)
			if drop {
				excess--
			}
			return drop
		})
	}
	return next
}

// tidy keeps the outbox small: of what was delivered to all, the newest; of what waits for a target, a number in place of the
// oldest, one for each target whatever the alerts were about.
func tidy(items []Item, rules Rules, now time.Time) []Item {
	for i := strayCount(items); i >= 0; i = strayCount(items) {
		stray := items[i]
		items = omit(slices.Delete(items, i, i+1), stray, now)
	}
	waiting := 0
	for _, item := range items {
		if item.waiting() && item.Alert.Basis != Omitted {
			waiting++
		}
	}
	for i := 0; waiting > rules.MaxWaiting && i < len(items); i++ {
		if item := items[i]; item.waiting() && item.Alert.Basis != Omitted {
			items = omit(slices.Delete(items, i, i+1), item, now)
			waiting--
			i--
		}
	}
	done := 0
	for i := len(items) - 1; i >= 0; i-- {
		if items[i].waiting() {
			continue
		}
		if done++; done > rules.Keep {
			items = slices.Delete(items, i, i+1)
		}
	}
	return items
}

// strayCount is where a count stands that is owed to others than the one whose it is, since targets changed, or that is a second one of the
// same target; -1 for nowhere. Such are added to the counts of those that they are owed to, else there would be more with each change.
func strayCount(items []Item) int {
	seen := map[string]bool{}
	return slices.IndexFunc(items, func(i Item) bool {
		if i.Alert.Basis != Omitted || !i.waiting() {
			return false
		}
		target, twice := i.Alert.Threshold, seen[i.Alert.Threshold]
		seen[target] = true
		if target == "" {
			return twice || len(i.Deliveries) > 0
		}
		return twice || len(i.Deliveries) != 1 || i.Deliveries[0].Target != target
	})
}

// omit counts an alert for each target that it did not reach. The count is an alert of its own, so that it is delivered as they
// are.
func omit(items []Item, lost Item, now time.Time) []Item {
	if len(lost.Deliveries) == 0 {
		return count(items, lost.Alert, nil, now)
	}
	for _, d := range lost.Deliveries {
		if d.Progress == RefusedByTarget {
			// The count is another one: whether that is taken is yet to be seen.
			d.NextAttempt = time.Time{}
		}
		if d.Progress != Delivered {
			d.Progress = Pending
			items = count(items, lost.Alert, []Delivery{d}, now)
		}
	}
	return items
}

// count adds an alert, or as many as another count is of, to the count of a target, or of none.
func count(items []Item, lost Alert, deliveries []Delivery, now time.Time) []Item {
	key := Key{UID: lost.UID, Period: lost.Period, Basis: Omitted}
	if len(deliveries) > 0 {
		key.Threshold = deliveries[0].Target
	}
	i := slices.IndexFunc(items, func(i Item) bool {
		return i.Alert.Basis == Omitted && i.Alert.Threshold == key.Threshold && i.waiting()
	})
	if i < 0 {
		a := Alert{
			Key: key, Status: Firing, Severity: Warning, Team: lost.Team, Namespace: lost.Namespace, Name: lost.Name,
			StartsAt: lost.StartsAt, Link: lost.Link,
		}
		items, i = slices.Insert(items, 0, Item{Alert: a, CreatedAt: now, Deliveries: deliveries}), 0
	}
	a := &items[i].Alert
	if lost.StartsAt.Before(a.StartsAt) {
		a.StartsAt = lost.StartsAt
	}
	if lost.Basis == Omitted {
		a.Sequence += lost.Sequence
	} else {
		a.Sequence++
	}
	a.Title = fmt.Sprintf("Alerts that were left out: %d", a.Sequence)
	a.Text = fmt.Sprintf("They are from %s and later: they could not be delivered, and more came. The status of the Budget or Team says how it stands now.",
		a.StartsAt.Format(time.DateOnly))
	a.EndsAt = now.Add(24 * time.Hour)
	return items
}

func clone(items []Item) []Item {
	next := slices.Clone(items)
	for i := range next {
		next[i].Deliveries = slices.Clone(next[i].Deliveries)
	}
	return next
}
