package forecast

import (
	"slices"

	"github.com/shopspring/decimal"
)

// BurnRate is what a day cost of late: the mean usage of the last seven settled days, so that each weekday counts once. It is not
// known before seven are.
func BurnRate(points []Point, today Day) (decimal.Decimal, bool, error) {
	points, err := check(points, today)
	if err != nil {
		return decimal.Zero, false, err
	}
	sum, days := decimal.Zero, int64(0)
	for i := len(points) - 1; i >= 0 && days < week; i-- {
		if p := &points[i]; !p.Provisional {
			sum = sum.Add(p.Usage)
			days++
		}
	}
	if days < week {
		return decimal.Zero, false, nil
	}
	return sum.DivRound(decimal.NewFromInt(days), places), true, nil
}

// Exhausted is the day on which what is spent and expected reaches a limit: Today where that has been. It is false where the
// period, and with it the budget, ends before, and where nothing is forecast. Recurring charges count on the last day, as nobody
// knows theirs.
func (o *Outlook) Exhausted(limit decimal.Decimal) (Day, bool) {
	sum := o.Spent
	if sum.GreaterThanOrEqual(limit) {
		return o.Today, true
	}
	if !o.HasTotal() {
		return 0, false
	}
	for i := range o.Days {
		if sum = sum.Add(o.Days[i].Amount); sum.GreaterThanOrEqual(limit) {
			return max(o.Today, o.Days[i].Day), true
		}
	}
	return o.Period.Until - 1, o.Total.GreaterThanOrEqual(limit)
}

// DaysUntilExhausted is in how many days that is: 0 for today.
func (o *Outlook) DaysUntilExhausted(limit decimal.Decimal) (int, bool) {
	day, ok := o.Exhausted(limit)
	return max(0, int(day-o.Today)), ok
}

// Crossing is how a threshold stands to an Outlook.
type Crossing string

// Crossings, the surest first.
const (
	// Crossed means that what is spent has reached it.
	Crossed Crossing = "Crossed"
	// Likely means that the forecast reaches it.
	Likely Crossing = "Likely"
	// Possible means that the interval does.
	Possible Crossing = "Possible"
	// Unlikely means that not even the interval does.
	Unlikely Crossing = "Unlikely"
	// Unknown means that nothing is forecast, or there is no interval to tell Possible from Unlikely by.
	Unknown Crossing = "Unknown"
)

// Crosses says whether a threshold is, or will be, reached.
func (o *Outlook) Crosses(threshold decimal.Decimal) Crossing {
	switch {
	case o.Spent.GreaterThanOrEqual(threshold):
		return Crossed
	case !o.HasTotal():
		return Unknown
	case o.Total.GreaterThanOrEqual(threshold):
		return Likely
	case !o.HasInterval():
		return Unknown
	case o.High.GreaterThanOrEqual(threshold):
		return Possible
	}
	return Unlikely
}

// Probability is that of the period ending at a threshold or above, by how wrong the forecasts of the past were. With n of
// them it is never said to be nearer to 0 or 1 than 1/(n+2), since that is Laplace's rule of succession. It is known where the
// interval is.
func (o *Outlook) Probability(threshold decimal.Decimal) (decimal.Decimal, bool) {
	switch {
	case o.Basis == Over && o.Total.GreaterThanOrEqual(threshold):
		return decimal.NewFromInt(1), true
	case o.Basis == Over:
		return decimal.Zero, true
	case !o.HasInterval():
		return decimal.Zero, false
	}
	needed := threshold.Sub(o.Total).InexactFloat64()
	below, _ := slices.BinarySearch(o.errors, needed)
	n := int64(len(o.errors))
	return decimal.NewFromInt(n-int64(below)+1).DivRound(decimal.NewFromInt(n+2), 4), true
}

// Raised is the Outlook with so much more a day, from a day on: what a Release would add, before it is let in. Less a day
// lowers it.
func (o *Outlook) Raised(perDay decimal.Decimal, from Day) Outlook {
	raised := *o
	raised.Days = slices.Clone(o.Days)
	more := decimal.Zero
	for i := range raised.Days {
		if d := &raised.Days[i]; d.Day >= max(from, o.Today) {
			d.Amount = d.Amount.Add(perDay)
			more = more.Add(perDay)
		}
	}
	if raised.HasTotal() {
		raised.Total = o.Total.Add(more)
	}
	if raised.HasInterval() {
		raised.Low, raised.High = o.Low.Add(more), o.High.Add(more)
	}
	return raised
}
