package forecast

import "math"

const (
	// noiseDays are those that noise is measured on, fewestNoiseDays how many of them must be known.
	noiseDays, fewestNoiseDays = 20 * week, 3 * week
	// spike is the robust z from which a day is out of the ordinary.
	spike = 3.5
	// normal is the median absolute deviation of normal noise, in standard deviations.
	normal = 0.6745
	// stepDays is after how many days in a row a new level is a step, mostOpen how many may be undecided.
	stepDays, mostOpen = 3, week
	// burstDays is within how many days a step that goes back was none, but a burst.
	burstDays = 2 * week
	// mostTimes is how many times as much, or as little, a step may come to for the days before it to be multiplied.
	mostTimes = 20
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
//
// A step multiplies what there was (more replicas), or adds to it (one more service): a weekend tells. Both ways to move the
// days before are kept for two weeks, and what explains the days since better is gone by.
type scanner struct {
	*series
	least least
	// t is the day that is looked at next.
	t        int
	adjusted []float64
	// expected is by the same weekday of the four weeks before, with the effect of the month end, which season is alone.
	expected, season []float64
	// deviation is from that, in units: what is expected, since dear days vary more than cheap ones; half a level at least.
	deviation []float64
	unusual   []bool
	calendar  calendar
	// level is what a day usually costs, without sign; center and noise are of deviations; ready says that they are known.
	level, center, noise float64
	ready                bool
	events               []event
	// open is the event that is undecided; -1 for none. last is the step that may still be a burst.
	open, last int
	// saved is adjusted as it was before the last step; other as it would be had the step been of the other sort, which is
	// in doubt until a day. wrong is how much either was since.
	saved, other []float64
	doubt        int
	wrong        [2]float64
	multiplies   bool
	chart        chart
}

func newScanner(s *series, l least) *scanner {
	n := len(s.x)
	room := make([]float64, 6*n)
	return &scanner{
		series: s, least: l, open: -1, last: -1, unusual: make([]bool, n), level: 1,
		adjusted: room[:n:n], expected: room[n : 2*n : 2*n], season: room[2*n : 3*n : 3*n], deviation: room[3*n : 4*n : 4*n],
		saved: room[4*n : 5*n : 5*n], other: room[5*n:],
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
	if s.last >= 0 && (t == s.events[s.last].from+week || t == s.events[s.last].from+burstDays) {
		s.realign(t)
	}
	base := s.base(t)
	effect := s.calendar.effect(s.position[t], s.noise)
	s.season[t] = effect * s.level
	s.expected[t] = base + s.season[t]
	r := s.x[t] - s.expected[t]
	s.deviation[t] = r / s.unit(t)
	switch {
	case math.IsNaN(s.x[t]):
		s.set(t, math.NaN())
	case math.IsNaN(base):
		s.set(t, s.x[t])
	default:
		s.set(t, s.x[t]-s.season[t])
		if s.ready {
			s.judge(t, r)
		}
		s.calendar.learn(s.position[t], (s.x[t]-base)/s.level)
	}
}

// base is what the weekday cost of late. While the last step is in doubt, it is by what explains the day best.
func (s *scanner) base(t int) float64 {
	base := ofWeekday(s.adjusted, t)
	if t >= s.doubt {
		return base
	}
	other := ofWeekday(s.other, t)
	a, b := math.Abs(s.x[t]-base), math.Abs(s.x[t]-other)
	if math.IsNaN(a) || math.IsNaN(b) {
		return base
	}
	s.wrong[0] += a
	s.wrong[1] += b
	if s.wrong[1] < s.wrong[0] {
		s.adjusted, s.other = s.other, s.adjusted
		s.wrong[0], s.wrong[1] = s.wrong[1], s.wrong[0]
		s.multiplies = !s.multiplies
	}
	if b < a {
		return other
	}
	return base
}

// ofWeekday is the median of the same weekday in the four weeks before, where two are known.
func ofWeekday(x []float64, t int) float64 {
	var values [4]float64
	n := 0
	for i := t - week; i >= 0 && i >= t-4*week; i -= week {
		v := x[i]
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
	s.center = middle(usual)
	total := 0.0
	for i, d := range usual {
		usual[i] = math.Abs(d - s.center)
		total += usual[i]
	}
	if s.noise = middle(usual) / normal; s.noise == 0 {
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

// unit is what deviations of a day are measured in.
func (s *scanner) unit(t int) float64 { return max(math.Abs(s.expected[t]), s.level/2) }

// set is the adjusted value of a day.
func (s *scanner) set(t int, v float64) { s.adjusted[t], s.other[t] = v, v }

// judge decides what a day is that deviates by r.
func (s *scanner) judge(t int, r float64) {
	out := s.outlying(t, r)
	if s.open >= 0 {
		e := &s.events[s.open]
		likewise := math.Abs(r) >= math.Abs(e.by)/2 || math.Abs(r*s.expected[e.from]) >= math.Abs(e.by*s.expected[t])/2
		if r*e.by > 0 && (likewise || out) && t-e.from <= mostOpen {
			s.extend(e, t)
			return
		}
		s.open = -1
	}
	if !out || s.habit(t, r) {
		s.watch(t)
		return
	}
	s.unusual[t] = true
	if s.last >= 0 && t-s.events[s.last].from <= burstDays && s.position[t] == ordinary {
		if was := s.x[t] - s.season[t] - ofWeekday(s.saved, t); math.Abs(was) < math.Abs(r)/2 {
			s.takeBack(&s.events[s.last], t)
			return
		}
	}
	s.events = append(s.events, event{kind: Spike, from: t, until: t, by: r})
	s.open = len(s.events) - 1
	s.set(t, s.usual(t))
}

// habit says whether a day is out of the ordinary as the same weekday was in the last two weeks: the third time it is what
// that weekday costs now.
func (s *scanner) habit(t int, r float64) bool {
	a, b := t-week, t-2*week
	if b < 0 || !s.unusual[a] || !s.unusual[b] || !(s.deviation[a]*r > 0) || !(s.deviation[b]*r > 0) {
		return false
	}
	for _, i := range [...]int{a, b} {
		s.set(i, s.x[i]-s.season[i])
	}
	return true
}

// usual is what a day would have cost without an event, and without the month's end.
func (s *scanner) usual(t int) float64 { return s.expected[t] - s.season[t] + s.center*s.unit(t) }

// outlying is the robust z, from what is usual of late and from the ordinary days of the last week alike: while costs climb,
// each day is above the weeks before, and yet not out of the ordinary. Where there never was noise, all that differs is.
func (s *scanner) outlying(t int, r float64) bool {
	var room [week]float64
	days := room[:0]
	for i := max(0, t-week); i < t; i++ {
		if !s.unusual[i] {
			days = append(days, s.deviation[i])
		}
	}
	unit := s.unit(t)
	by := r - s.center*unit
	if local := r - median(days)*unit; !math.IsNaN(local) && math.Abs(local) < math.Abs(by) {
		by = local
	}
	return by*r > 0 && math.Abs(by) > spike*s.noise*unit && s.least.reached(by, s.expected[t])
}

// extend adds a day to the open event, which so many of them make a step.
func (s *scanner) extend(e *event, t int) {
	e.until, s.unusual[t] = t, true
	s.set(t, s.usual(t))
	var room, times [mostOpen + 1]float64
	days, ratios := room[:0], times[:0]
	for i := e.from; i <= t; i++ {
		if r := s.x[i] - s.expected[i]; !math.IsNaN(r) {
			days = append(days, r)
			ratios = append(ratios, (s.x[i]-s.season[i])/(s.expected[i]-s.season[i]))
		}
	}
	by := median(days) - s.center*s.unit(t)
	if len(days) < stepDays {
		return
	}
	e.kind, e.by = Step, by
	copy(s.saved, s.adjusted[:t+1])
	copy(s.other, s.adjusted[:t+1])
	for i := e.from; i <= t; i++ {
		s.set(i, s.x[i]-s.season[i])
	}
	ratio := median(ratios)
	for i := range e.from {
		s.adjusted[i] += by
		s.other[i] *= ratio
	}
	s.doubt, s.wrong, s.multiplies = 0, [2]float64{}, false
	if ratio > 1./mostTimes && ratio < mostTimes {
		s.adjusted, s.other = s.other, s.adjusted
		s.doubt, s.multiplies = t+1+burstDays, true
	}
	s.relevel(t + 1)
	s.chart.absorb(s, e)
	s.last, s.open = s.open, -1
}

// realign moves the days before the last step to what the days since say of it, which are more than when it was found.
func (s *scanner) realign(t int) {
	from := s.events[s.last].from
	var room, times [burstDays]float64
	by, ratios := room[:0], times[:0]
	for i := from; i < t; i++ {
		if before := ofWeekday(s.adjusted, i); i < from+week || !s.unusual[i] {
			by, ratios = append(by, s.adjusted[i]-before), append(ratios, s.adjusted[i]/before)
		}
	}
	add, times1 := median(by), median(ratios)
	for i := range from {
		if s.multiplies && times1 > 1./2 && times1 < 2 {
			s.adjusted[i] *= times1
		} else if !s.multiplies && !math.IsNaN(add) {
			s.adjusted[i] += add
		}
	}
	s.chart.restart(s, t)
}

// takeBack makes a burst of a step that goes back on a day.
func (s *scanner) takeBack(e *event, t int) {
	copy(s.adjusted, s.saved[:e.from])
	for i := e.from; i < t; i++ {
		usual := ofWeekday(s.adjusted, i)
		if math.IsNaN(usual) {
			usual = s.saved[e.from]
		}
		s.adjusted[i], s.expected[i], s.unusual[i] = usual, usual+s.season[i], true
	}
	e.kind, e.until = Spike, t-1
	s.last, s.doubt = -1, 0
	s.adjusted[t] = s.x[t] - s.season[t]
	s.relevel(t + 1)
}
