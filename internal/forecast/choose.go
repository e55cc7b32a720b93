package forecast

import (
	"math"
	"slices"
)

const (
	// origins are how many days of the past a forecast is made from, to see how good it would have been, apart how many
	// days they are at most.
	origins, apart = 24, week
	// fewestOrigins are needed for an interval, fewestDays before the first of them.
	fewestOrigins, fewestDays = 4, 3 * week
	// refit is after how many origins parameters are fitted again: they change slowly, and fitting costs the most.
	refit = 2
	// margin is by how much worse than the best a candidate may have been for it to be taken, if it stands before the best: a
	// small lead is chance, and a trend that goes on for ever should show clearly (after the one-standard-error rule of
	// Breiman and others, Classification and Regression Trees, 1984).
	margin = 1.08
	// longest is how far these forecasts look at most. What lies beyond is taken to be as wrong, in proportion.
	longest = 62
)

// reason is what is out of the ordinary for forecasts: small steps matter too.
var reason = least{share: 0.08}

// candidate is a model, on days as billed or as adjusted by the scanner.
type candidate struct {
	model    Model
	adjusted bool
}

// candidates in order of preference where they are about as good.
var candidates = []candidate{
	{DampedHoltWinters, true}, {RunRate, true}, {HoltWinters, true}, {RunRate, false}, {SeasonalNaive, false},
}

// choice is the candidate that did best, how well it did, and what it expects.
type choice struct {
	candidate
	wape float64
	// errors are those of the sum over the days asked for, in money of today's level, sorted.
	errors []float64
	// days are what is expected.
	days []float64
	// fill is what was expected of days that are not known.
	fill func(i int) float64
}

// record is how a candidate did.
type record struct {
	wrong  float64
	errors []float64
	fitted []smoothing
}

// choose forecasts the days after a series from many of its own days, with what was known on each, and takes the candidate
// that was least wrong.
func choose(x *series, ahead int, among []candidate) choice {
	n := len(x.x)
	s := newScanner(x, reason)
	far := min(max(ahead, week), longest, max(week, (n-fewestDays)/2))
	starts := rolling(n, far)
	records := make([]record, len(among))
	for i := range records {
		records[i].errors = make([]float64, 0, len(starts))
	}
	actual, expected, tried := 0.0, make([]float64, far), 0
	all := positions(x.first, n+ahead)
	for range x.x {
		if len(starts) > 0 && starts[0] == s.t {
			starts = starts[1:]
			if known(x.x[s.t:s.t+far]) == 0 || known(x.x[:s.t]) == 0 {
				s.next()
				continue
			}
			for _, v := range x.x[s.t : s.t+far] {
				if !math.IsNaN(v) {
					actual += math.Abs(v)
				}
			}
			for i, c := range among {
				if tried%refit == 0 {
					records[i].fitted = nil
				}
				records[i].fitted = s.predict(c, all, expected, records[i].fitted)
				records[i].compare(x.x[s.t:s.t+far], expected, min(far, max(ahead, 1)), s.level)
			}
			tried++
		}
		s.next()
	}
	s.relevel(n)
	best := 0
	for i := range records {
		if records[i].wrong < records[best].wrong {
			best = i
		}
	}
	best = slices.IndexFunc(records, func(r record) bool { return r.wrong <= records[best].wrong*margin })
	c := choice{candidate: among[best], errors: records[best].errors, days: make([]float64, ahead)}
	if actual > 0 {
		c.wape = records[best].wrong / actual
	}
	for i := range c.errors {
		c.errors[i] *= s.level * max(1, float64(ahead)/float64(far))
	}
	slices.Sort(c.errors)
	s.predict(c.candidate, all, c.days, nil)
	c.fill = func(i int) float64 {
		if v := s.expected[i]; !math.IsNaN(v) {
			return v
		}
		return mean(x.x)
	}
	return c
}

// rolling are the days from which it is tried, in order, such that far days follow on each.
func rolling(n, far int) []int {
	last := n - far
	if last < fewestDays {
		return nil
	}
	step := max(1, min(apart, (last-fewestDays)/origins))
	count := min(origins, (last-fewestDays)/step+1)
	starts := make([]int, count)
	for i := range starts {
		starts[i] = last - (count-1-i)*step
	}
	return starts
}

// predict fills out with what a candidate expects from the scanner's day on, by parameters that were fitted, or none.
func (s *scanner) predict(c candidate, all []int8, out []float64, fitted []smoothing) []smoothing {
	if !c.adjusted {
		return c.model.predict(s.x[:s.t], out, fitted)
	}
	fitted = c.model.predict(s.adjusted[:s.t], out, fitted)
	for h := range out {
		out[h] += s.calendar.effect(all[s.t+h], s.noise) * s.level
	}
	return fitted
}

// compare adds to the record what a forecast was wrong by: day by day, and in the sum of the first days, in levels of then.
func (r *record) compare(actual, expected []float64, first int, level float64) {
	sum := 0.0
	for i, v := range actual {
		if math.IsNaN(v) {
			continue
		}
		r.wrong += math.Abs(v - expected[i])
		if i < first {
			sum += v - expected[i]
		}
	}
	r.errors = append(r.errors, sum/level)
}

// interval is between which errors four of five lie, by their ranks: with n of them, that of ⌈0.9·(n+1)⌉ from either
// side. With fewer than nine, the least and the greatest are the best that can be said.
func interval(sorted []float64) (low, high float64) {
	n := len(sorted)
	rank := min(n, int(math.Ceil(0.9*float64(n+1))))
	return sorted[n-rank], sorted[rank-1]
}
