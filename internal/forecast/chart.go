package forecast

import "math"

const (
	// weight is the EWMA's λ, and width how many standard deviations its limits are away.
	weight, width = 0.2, 3
	// before is how long before a step a drift may have begun that was the same event.
	before = 3 * week
)

// limit is where the chart alarms, in standard deviations of a day: L·√(λ/(2−λ)).
var limit = width * math.Sqrt(weight/(2-weight))

// meansDiffer is the standard error of the difference of two means, of a week and of levelSpan, in that of a day.
var meansDiffer = math.Sqrt(1./week + 1./levelSpan)

// chart is an EWMA control chart of the deviations of ordinary days. It sees what goes on for long, though no day of it
// stands out.
type chart struct {
	z float64
	// since is the day from which z has been away from zero, and level what days cost before.
	since int
	level float64
	// drift is the event that goes on; -1 for none.
	drift int
}

// watch charts an ordinary day.
func (s *scanner) watch(t int) {
	u := 0.0
	if d := s.deviation[t] - s.center; s.noise > 0 {
		u = max(-spike, min(spike, d/s.noise))
	}
	c := &s.chart
	z := weight*u + (1-weight)*c.z
	c.z = z
	if math.Abs(z) <= limit/3 {
		c.since, c.drift = t+1, -1
		c.level = mean(s.adjusted[max(0, t+1-levelSpan) : t+1])
	}
	if math.Abs(z) <= limit {
		return
	}
	by := mean(s.adjusted[max(0, t+1-week):t+1]) - c.level
	if by*z <= 0 || !s.least.reached(by, c.level) || math.Abs(by) < spike*s.noise*s.level*meansDiffer {
		return
	}
	if c.drift < 0 {
		s.events = append(s.events, event{kind: Drift, from: c.since, level: c.level})
		c.drift = len(s.events) - 1
	}
	e := &s.events[c.drift]
	e.until, e.by = t, by
}

// absorb starts anew after a step, which takes over a drift that was its beginning.
func (c *chart) absorb(s *scanner, step *event) {
	if c.drift >= 0 {
		if d := &s.events[c.drift]; d.by*step.by > 0 && step.from-d.from <= before {
			d.kind = none
		}
	}
	c.restart(s, step.until+1)
}

// restart forgets all before a day.
func (c *chart) restart(s *scanner, t int) {
	*c = chart{since: t, level: mean(s.adjusted[max(0, t-levelSpan):t]), drift: -1}
}
