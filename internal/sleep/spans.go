package sleep

import (
	"time"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// Span is a stretch of time.
type Span struct {
	From, Until time.Time
}

// Spans are the stretches between two times in which an environment sleeps, unless somebody wakes it. It ends early after
// so many of them, since tenants write windows too; seen is up to when it looked.
func Spans(p Plan, from, until time.Time, most int) (asleep []Span, seen time.Time) {
	p.WakeUntil, p.SeenAt = time.Time{}, time.Time{}
	if p.Own != nil && p.Own.Mode == platformv1alpha1.SleepAlways && p.allowsOwn() {
		return []Span{{from, until}}, until
	}
	windows, _ := p.windows(from) // what is wrong with them puts nothing to sleep
	if len(windows) == 0 {
		return nil, until
	}
	for at := from; at.Before(until); {
		state := windows.at(at, p.UID, p.spread())
		next := state.Until
		if !next.After(at) || next.After(until) {
			next = until
		}
		if state.Asleep {
			if len(asleep) == most {
				return asleep, at
			}
			asleep = append(asleep, Span{at, next})
		}
		at = next
	}
	return asleep, until
}
