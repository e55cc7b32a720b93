package forecast

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/shopspring/decimal"
)

// Kind is what sort of anomaly something is.
type Kind string

// The kinds of anomalies.
const (
	// Spike is one or several days that differ from their weekday, after which it is as before.
	Spike Kind = "Spike"
	// Step is a new level.
	Step Kind = "Step"
	// Drift is a level that has moved slowly, or by less than single days show.
	Drift Kind = "Drift"

	none Kind = ""
)

// Limits are what a deviation must reach to be told, both of them.
type Limits struct {
	// Amount is money: of a Spike's worst day, of what a Step or Drift adds a day.
	Amount decimal.Decimal
	// Percent is of what was expected.
	Percent int
}

func (l Limits) least() least {
	return least{l.Amount.InexactFloat64(), float64(l.Percent) / 100}
}

// Anomaly is one event, however many days it lasts. It is told from the first day on, and may change as days come in: what
// was a Spike on its first two days is a Step from the third on. Kind and days may so change; From does not, by which one
// tells whether it was known before.
type Anomaly struct {
	Kind Kind
	// From and Until are its first and its last day: a Step's last is the one on which it was certain.
	From, Until Day
	// Expected, Actual and Amount, their difference, are sums over the days of a Spike, and by day of a Step or Drift.
	Expected, Actual, Amount decimal.Decimal
}

// Anomalies are what was found in a series.
type Anomalies struct {
	Found []Anomaly
	// Since is the first day that could be judged, which takes about five weeks of days before it, Until the last one that is
	// settled. Where Judged is false the history is too short for any.
	Since, Until Day
	Judged       bool
}

// FindAnomalies looks for days of usage that are out of the ordinary, on settled days alone. The first two ends of months
// that cost more are anomalies, from the third on they are expected. What falls is told as well as what rises.
func FindAnomalies(points []Point, today Day, limits Limits) (Anomalies, error) {
	points, err := check(points, today)
	if err != nil {
		return Anomalies{}, err
	}
	if !sane(limits.Amount) || limits.Amount.IsNegative() || limits.Percent < 0 {
		return Anomalies{}, fmt.Errorf("the limits must not be negative, and their amount must be one of money (percent: %d)", limits.Percent)
	}
	s := newScanner(settled(points), limits.least())
	var out Anomalies
	for range s.x {
		s.next()
		if t := s.t - 1; s.ready && !out.Judged && !math.IsNaN(s.expected[t]) {
			out.Since, out.Judged = s.day(t), true
		}
	}
	if len(s.x) > 0 {
		out.Until = s.day(len(s.x) - 1)
	}
	for i := range s.events {
		e := &s.events[i]
		if e.kind == none {
			continue
		}
		a := s.tell(e, points)
		// What a first day made look like more than it is.
		if e.kind == Step && !s.least.reached(a.Amount.InexactFloat64(), a.Expected.InexactFloat64()) {
			continue
		}
		out.Found = append(out.Found, a)
	}
	slices.SortStableFunc(out.Found, func(a, b Anomaly) int { return cmp.Compare(a.From, b.From) })
	return out, nil
}

// tell puts an event in money. What it cost is summed in decimals, what was expected comes from floats.
func (s *scanner) tell(e *event, points []Point) Anomaly {
	a := Anomaly{Kind: e.kind, From: s.day(e.from), Until: s.day(e.until)}
	if e.kind == Drift {
		a.Expected, a.Amount = money(e.level), money(e.by)
		a.Actual = a.Expected.Add(a.Amount)
		return a
	}
	expected, days := 0.0, int64(0)
	at, _ := slices.BinarySearchFunc(points, a.From, func(p Point, d Day) int { return cmp.Compare(p.Day, d) })
	for ; at < len(points) && points[at].Day <= a.Until; at++ {
		if v := s.expected[points[at].Day-s.first]; !points[at].Provisional && !math.IsNaN(v) {
			expected += v
			days++
			a.Actual = a.Actual.Add(points[at].Usage)
		}
	}
	if e.kind == Step {
		expected /= float64(days)
		a.Actual = a.Actual.DivRound(decimal.NewFromInt(days), places)
	}
	a.Expected = money(expected)
	a.Amount = a.Actual.Sub(a.Expected)
	return a
}
