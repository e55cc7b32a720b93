package forecast

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/shopspring/decimal"
)

// Release is one that ran.
type Release struct {
	Name string
	// Component and Environment are whose and where.
	Component, Environment string
	// At is when it began to roll out.
	At time.Time
}

// Part is the cost of one service or one Component, of a whole in which there was an anomaly.
type Part struct {
	Name   string
	Points []Point
}

// Cause is what is likely behind an anomaly. What is not likely enough is empty: a wrong name sends people the wrong way.
type Cause struct {
	// Service and Component are the parts that most of the amount came from, and the shares of it that did, as percentages.
	Service, Component               string
	ServicePercent, ComponentPercent int
	// Releases are those of the Component, or of any where none is named, that began within a day of the anomaly; the likeliest
	// comes first.
	Releases []Release
}

const (
	// mostly is the share of an amount that a part must have for it to be named.
	mostly = 0.5
	// near is how far from what it caused a Release may be: bills come by day, and what it made may start slowly.
	near = 24 * time.Hour
)

// NameCause names the likely cause of an anomaly of a series: the service and the Component whose own cost differs the most,
// in the same direction, from their own weekdays before, and the Release that is nearest to its beginning. A Drift has no
// beginning that a Release could be near to, so none is named for it.
func NameCause(a Anomaly, whole []Point, services, components []Part, releases []Release) Cause {
	var c Cause
	c.Service, c.ServicePercent = foremost(a, whole, services)
	c.Component, c.ComponentPercent = foremost(a, whole, components)
	if a.Kind == Drift {
		return c
	}
	begins := start(a, whole)
	for _, r := range releases {
		if off := r.At.Sub(begins); (c.Component == "" || r.Component == c.Component) && off.Abs() <= near {
			c.Releases = append(c.Releases, r)
		}
	}
	sortByNearness(c.Releases, begins)
	return c
}

func sortByNearness(releases []Release, to time.Time) {
	slices.SortStableFunc(releases, func(a, b Release) int {
		return cmp.Or(cmp.Compare(a.At.Sub(to).Abs(), b.At.Sub(to).Abs()), cmp.Compare(a.Name, b.Name))
	})
}

// foremost is the part with the greatest share of what an anomaly adds to the whole, if that is most of it.
func foremost(a Anomaly, whole []Point, parts []Part) (name string, percent int) {
	total, best := differs(a, whole), 0.0
	if total == 0 {
		return "", 0
	}
	for _, p := range parts {
		if share := differs(a, p.Points) / total; share > best || name != "" && share >= best && p.Name < name {
			name, best = p.Name, share
		}
	}
	if best < mostly {
		return "", 0
	}
	return name, int(math.Round(100 * min(1, best)))
}

// differs is by how much the days of an anomaly differ from the medians of their weekdays in the four weeks before it; by day,
// where the anomaly is by day, and of a Drift in its last week. Days before the first of a part cost nothing: it was not there.
func differs(a Anomaly, points []Point) float64 {
	cost := map[Day]float64{}
	for i := range points {
		if p := &points[i]; sane(p.Usage) && !p.Provisional {
			cost[p.Day] += p.Usage.InexactFloat64()
		}
	}
	sum, days := 0.0, 0
	from := a.From
	if a.Kind == Drift {
		from = max(from, a.Until-week+1)
	}
	for d := from; d <= a.Until; d++ {
		var before [4]float64
		last := d - ((d-a.From)/week+1)*week // the last such weekday before the anomaly
		for i := range before {
			before[i] = cost[last-Day(i)*week]
		}
		sum += cost[d] - median(before[:])
		days++
	}
	if a.Kind != Spike {
		sum /= float64(max(1, days))
	}
	return sum
}

// start is when an anomaly began, as far as daily figures tell: where the day before its first is raised in part, what is
// raised of both says how long they were at the new level.
func start(a Anomaly, whole []Point) time.Time {
	size := a.Amount.InexactFloat64()
	if a.Kind == Spike {
		size /= float64(max(1, a.Until-a.From+1))
	}
	first := a
	first.Kind, first.Until = Spike, a.From
	before := first
	before.From, before.Until = a.From-1, a.From-1
	if size == 0 {
		return a.From.Time()
	}
	on := max(0, min(1, differs(first, whole)/size)) + max(0, min(1, differs(before, whole)/size))
	return (a.From + 1).Time().Add(-time.Duration(on * float64(24*time.Hour)))
}

// Change is what a Release did to what a day costs.
type Change struct {
	// Releases are those that may have done it, the likeliest first. Nobody can divide the amount between them.
	Releases []Release
	// Day is the first at the new level; Before and After are what a day cost, and Amount is the difference.
	Day                   Day
	Before, After, Amount decimal.Decimal
}

// CostOfChange tells which Releases stepped the daily cost, and by how much: the Steps of the series that have Releases
// within a day of their beginning. Before and After are means of up to two weeks on either side, to the next step, of whole
// weeks where there are any, so that weekends do not count as savings. Releases that are in no Change did not step it by as much as the
// limits, or are too young: it takes three settled days.
func CostOfChange(points []Point, releases []Release, today Day, limits Limits) ([]Change, error) {
	found, err := FindAnomalies(points, today, limits)
	if err != nil {
		return nil, err
	}
	var steps []Anomaly
	for i := range found.Found {
		if found.Found[i].Kind == Step {
			steps = append(steps, found.Found[i])
		}
	}
	var changes []Change
	for i, a := range steps {
		begins := start(a, points)
		c := Change{Day: a.From}
		for _, r := range releases {
			if r.At.Sub(begins).Abs() <= near {
				c.Releases = append(c.Releases, r)
			}
		}
		if len(c.Releases) == 0 {
			continue
		}
		sortByNearness(c.Releases, begins)
		from, until := a.From-2*week, min(found.Until+1, a.From+2*week)
		if i > 0 {
			from = max(from, steps[i-1].From)
		}
		if i+1 < len(steps) {
			until = min(until, steps[i+1].From)
		}
		c.Before, c.After, c.Amount = a.Expected, a.Actual, a.Amount
		before, whole := average(points, from, a.From, -1)
		after, too := average(points, a.From, until, 1)
		if whole && too {
			c.Before, c.After, c.Amount = before, after, after.Sub(before)
		}
		changes = append(changes, c)
	}
	return changes, nil
}

// average is the mean usage of the whole weeks from one day until another, counted from the first, or from the last where
// direction is negative; false where there is no such week with all its days.
func average(points []Point, from, until Day, direction int) (decimal.Decimal, bool) {
	whole := (until - from) / week * week
	if direction < 0 {
		from = until - whole
	} else {
		until = from + whole
	}
	sum, days := decimal.Zero, int64(0)
	for i := range points {
		if p := &points[i]; p.Day >= from && p.Day < until && !p.Provisional {
			sum = sum.Add(p.Usage)
			days++
		}
	}
	if days == 0 || days < int64(whole) {
		return decimal.Zero, false
	}
	return sum.DivRound(decimal.NewFromInt(days), places), true
}
