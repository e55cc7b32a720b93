package forecast

import "math"

const (
	// noiseDays are those that noise is measured on, fewestNoiseDays how many of them must be known.
	noiseDays, fewestNoiseDays = 8 * week, 2 * week
	// spike is the robust z from which a day is out of the ordinary.
	spike = 3.5
	// normal is the median absolute deviation of normal noise, in standard deviations.
	normal = 0.6745
	// stepDays is after how many days in a row a new level is a step, mostOpen how many may be undecided.
	stepDays, mostOpen = 3, week
	// burstDays is within how many days a step that goes back was none, but a burst.
	burstDays = 2 * week
	// levelSpan is over how many days the usual level is taken.
	levelSpan = 4 * week
)

// least is what a deviation must reach to count, both as an amount and as a share of what was expected.
type least struct {
	amount, share float64
}

func (l least) reached(deviation, expected float64) bool {
	return deviation != 0 && math.Abs(deviation) >= l.amount && math.Abs(deviation) >= l.share*math.Abs(expected)
}

// event is something out of the ordinary.
type event struct {
	kind Kind
	// from and until are its first and last day.
	from, until int
	// by is what it adds a day.
	by float64
	// level is what a drift rose or fell from.
	level float64
}

// scanner goes through a series day by day, knowing nothing of the days ahead. It tells ordinary days from spikes and
// steps, and keeps a history that is adjusted for them: spikes are replaced by what was expected, the days before a step
// are moved to the new level, and the effects of month ends are taken out. So forecasts can learn weekdays from before
// a step, and are not misled by what will not come again.
type scanner struct {
	*series
	least least
	// t is the day that is looked at next.
	t        int
	adjusted []float64
	// expected is by the same weekday of the four weeks before, with the effect of the month end, which season is alone.
	expected, season []float64
	// deviation is from that, in levels.
	deviation []float64
	unusual   []bool
	calendar  calendar
	// level is what a day usually costs, without sign; center and noise are of deviations; ready says that they are known.
	level, center, noise float64
	ready                bool
	events               []event
	// open is the event that is undecided; -1 for none. last is the step that may still be a burst.
	open, last int
	chart      chart
}

func newScanner(s *series, l least) *scanner {
	n := len(s.x)
	room := make([]float64, 4*n)
	return &scanner{
		series: s, least: l, open: -1, last: -1, unusual: make([]bool, n), level: 1,
		adjusted: room[:n:n], expected: room[n : 2*n : 2*n], season: room[2*n : 3*n : 3*n], deviation: room[3*n:],
		chart: chart{drift: -1},
	}
}

// next looks at one day more.
func (s *scanner) next() {
	t := s.t
	s.t++
	if t%week == 0 {
		s.measure(t)
	}
	base := s.base(t)
	effect := s.calendar.effect(s.position[t], s.noise)
	s.season[t] = effect * s.level
	s.expected[t] = base + s.season[t]
	r := s.x[t] - s.expected[t]
	s.deviation[t] = r / s.level
	switch {
	case math.IsNaN(s.x[t]):
		s.adjusted[t] = math.NaN()
	case math.IsNaN(base):
		s.adjusted[t] = s.x[t]
	default:
		s.adjusted[t] = s.x[t] - s.season[t]
		if s.ready {
			s.judge(t, r)
		}
		s.calendar.learn(s.position[t], (s.x[t]-base)/s.level)
	}
}

// base is the median of the same weekday in the four weeks before, where two are known.
func (s *scanner) base(t int) float64 {
	var values [4]float64
	n := 0
	for i := t - week; i >= 0 && i >= t-4*week; i -= week {
		v := s.adjusted[i]
		if math.IsNaN(v) {
			continue
		}
		at := n
		for at > 0 && values[at-1] > v {
			values[at] = values[at-1]
			at--
		}
		values[at] = v
		n++
	}
	switch n {
	case 0, 1:
		return math.NaN()
	case 2:
		return (values[0] + values[1]) / 2
	case 3:
		return values[1]
	}
	return (values[1] + values[2]) / 2
}

// measure renews level and noise, by the days before t. It is done once a week, since it costs the most.
func (s *scanner) measure(t int) {
	s.relevel(t)
	var room [noiseDays]float64
	usual := room[:0]
	for i := max(0, t-noiseDays); i < t; i++ {
		if !s.unusual[i] && !math.IsNaN(s.deviation[i]) {
			usual = append(usual, s.deviation[i])
		}
	}
	if s.ready = len(usual) >= fewestNoiseDays; !s.ready {
		return
	}
	s.center = median(usual)
	total := 0.0
	for i, d := range usual {
		usual[i] = math.Abs(d - s.center)
		total += usual[i]
	}
	if s.noise = median(usual) / normal; s.noise == 0 {
		// Iglewicz and Hoaglin's way out where more than half of the days are alike.
		s.noise = medianError * total / float64(len(usual))
	}
}

// relevel renews what a day usually costs; 1 where that is nothing.
func (s *scanner) relevel(t int) {
	sum, n := 0.0, 0
	for _, v := range s.adjusted[max(0, t-levelSpan):t] {
		if !math.IsNaN(v) {
			sum += math.Abs(v)
			n++
		}
	}
	if s.level = 1; sum > 0 {
		s.level = sum / float64(n)
	}
}

// judge decides what a day is that deviates by r.
func (s *scanner) judge(t int, r float64) {
	if s.open >= 0 {
		e := &s.events[s.open]
		goesOn := math.Abs(r) >= math.Abs(e.by)/2 || s.outlying(r) && s.least.reached(r, s.expected[t])
		if goesOn && r*e.by > 0 && t-e.from <= mostOpen {
			s.extend(e, t)
			return
		}
		s.open = -1
	}
	if !s.outlying(r) || !s.least.reached(r, s.expected[t]) {
		s.watch(t)
		return
	}
	s.unusual[t] = true
	if s.last >= 0 {
		if e := &s.events[s.last]; t-e.from <= burstDays && math.Abs(r+e.by) < math.Abs(e.by)/2 {
			s.takeBack(e, t)
			return
		}
	}
	s.events = append(s.events, event{kind: Spike, from: t, until: t, by: r})
	s.open = len(s.events) - 1
	s.adjusted[t] = s.expected[t] - s.season[t] + s.center*s.level
}

// outlying is the robust z; where there never was noise, everything is.
func (s *scanner) outlying(r float64) bool {
	return math.Abs(r/s.level-s.center) > spike*s.noise
}

// extend adds a day to the open event, which so many of them make a step.
func (s *scanner) extend(e *event, t int) {
	e.until, s.unusual[t] = t, true
	s.adjusted[t] = s.expected[t] - s.season[t] + s.center*s.level
	var room [mostOpen + 1]float64
	days := room[:0]
	for i := e.from; i <= t; i++ {
		if r := s.x[i] - s.expected[i]; !math.IsNaN(r) {
			days = append(days, r)
		}
	}
	by := median(days) - s.center*s.level
	if len(days) < stepDays || !s.least.reached(by, s.expected[t]) {
		return
	}
	e.kind, e.by = Step, by
	for i := e.from; i <= t; i++ {
		s.adjusted[i] = s.x[i] - s.season[i]
	}
	s.move(0, e.from, by)
	s.relevel(t + 1)
	s.chart.absorb(s, e)
	s.last, s.open = s.open, -1
}

// takeBack makes a burst of a step that goes back on a day.
func (s *scanner) takeBack(e *event, t int) {
	s.move(0, t, -e.by)
	for i := e.until + 1; i <= t; i++ {
		s.expected[i] -= e.by
		s.unusual[i] = true
	}
	e.kind, e.until = Spike, t-1
	s.last = -1
	s.adjusted[t] = s.x[t] - s.season[t]
	s.relevel(t + 1)
}

// move adds to the adjusted days from one to before another.
func (s *scanner) move(from, until int, by float64) {
	if by < 0 || by > 0 {
		for i := from; i < until; i++ {
			s.adjusted[i] += by
		}
	}
}
