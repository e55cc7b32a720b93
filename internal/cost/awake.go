package cost

import (
	"time"

	"github.com/shopspring/decimal"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/sleep"
)

// What is counted over a year is counted over these weeks, always the same ones, which begin on a Monday: so the same
// objects cost the same each day, and a Release is compared with the one before by what they run.
var (
	yearFrom  = time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)
	yearUntil = yearFrom.Add(52 * 7 * 24 * time.Hour)
)

const (
	// mostSpans is how many stretches of sleep are followed: four a day. Of more, the weeks until there stand for the year.
	mostSpans = 1500
	// sharePlaces is how exactly a share of the time is kept.
	sharePlaces = 6
)

// Awake is when an environment does not sleep, in a year. The zero value is one that never sleeps. It takes milliseconds
// to make one of windows, so keep it as long as they are the same.
type Awake struct {
	// sleeps says that there is anything to take off.
	sleeps bool
	share  decimal.Decimal
	// asleep are the stretches, in minutes since yearFrom, and end where it was looked up to.
	asleep []stretch
	end    int32
}

type stretch struct{ from, until int32 }

// AwakeBy is when an environment is awake by the windows that come again, of its class and its own. Windows that come
// once, such as holidays, are not taken off, nor is it counted that somebody wakes it, nor how beginnings are spread.
func AwakeBy(plan sleep.Plan) Awake {
	if plan.Class != nil {
		class := *plan.Class
		class.Windows, class.SpreadSeconds = recurring(class.Windows), new(int32)
		plan.Class = &class
	} else {
		plan.Class = &platformv1alpha1.ClassSleep{SpreadSeconds: new(int32)}
	}
	if plan.Own != nil {
		own := *plan.Own
		own.Windows = recurring(own.Windows)
		plan.Own = &own
	}
	spans, seen := sleep.Spans(plan, yearFrom, yearUntil, mostSpans)
	if len(spans) == 0 {
		return Awake{}
	}
	minute := func(t time.Time) int32 { return int32(t.Sub(yearFrom) / time.Minute) } //nolint:gosec // a year has half a million
	a := Awake{sleeps: true, end: minute(seen), asleep: make([]stretch, len(spans))}
	var slept int64
	for i, span := range spans {
		a.asleep[i] = stretch{minute(span.From), minute(span.Until)}
		slept += int64(a.asleep[i].until - a.asleep[i].from)
	}
	a.share = decimal.NewFromInt(int64(a.end)-slept).DivRound(decimal.NewFromInt(int64(a.end)), sharePlaces)
	return a
}

func recurring(windows []platformv1alpha1.SleepWindow) []platformv1alpha1.SleepWindow {
	var again []platformv1alpha1.SleepWindow
	for i := range windows {
		if windows[i].Schedule != "" {
			again = append(again, windows[i])
		}
	}
	return again
}

// Share is how much of the time it is awake, from 0 to 1.
func (a *Awake) Share() decimal.Decimal {
	if !a.sleeps {
		return one
	}
	return a.share
}

// Always says whether it never sleeps.
func (a *Awake) Always() bool { return !a.sleeps }
