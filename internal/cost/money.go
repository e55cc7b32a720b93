// Package cost says what rendered objects cost an hour and a month, before they run: what their pods request, their
// volumes, devices and load balancers, times prices. It is pure: prices, tier and sleep come in as values.
//
// Money is decimal everywhere, and each part is rounded once, so that the parts of an estimate sum to its total exactly.
// What is guessed is said as an assumption of the estimate, never hidden in a figure.
package cost

import (
	"cmp"
	"slices"

	"github.com/shopspring/decimal"
)

const (
	// places is how many decimal places a price an hour is kept with: far below what can be billed, and enough for a
	// GiB-hour of storage.
	places = 10
	// HoursPerMonth is how long a month is: 8,760 hours a year by twelve, as bills of clouds and OpenCost have it.
	HoursPerMonth = 730
)

var (
	month   = decimal.NewFromInt(HoursPerMonth)
	hundred = decimal.NewFromInt(100)
	one     = decimal.NewFromInt(1)
)

// Range is an amount that is not known exactly: the least, what is expected, and the most.
type Range struct {
	Min      decimal.Decimal `json:"min"`
	Expected decimal.Decimal `json:"expected"`
	Max      decimal.Decimal `json:"max"`
}

// exactly is a range of one amount.
func exactly(amount decimal.Decimal) Range { return Range{amount, amount, amount} }

// count is a range of one number.
func count(n int64) Range { return exactly(decimal.NewFromInt(n)) }

// Add adds two ranges, least to least and most to most.
func (r Range) Add(o Range) Range {
	return Range{r.Min.Add(o.Min), r.Expected.Add(o.Expected), r.Max.Add(o.Max)}
}

// Sub subtracts a range, least from least and most from most: what a change does to each figure. Its least may be more
// than its most.
func (r Range) Sub(o Range) Range {
	return Range{r.Min.Sub(o.Min), r.Expected.Sub(o.Expected), r.Max.Sub(o.Max)}
}

// Mul multiplies by an amount.
func (r Range) Mul(by decimal.Decimal) Range {
	return r.each(func(d decimal.Decimal) decimal.Decimal { return d.Mul(by) })
}

// times multiplies two ranges, least by least.
func (r Range) times(o Range) Range {
	return Range{r.Min.Mul(o.Min), r.Expected.Mul(o.Expected), r.Max.Mul(o.Max)}
}

func (r Range) round() Range {
	return r.each(func(d decimal.Decimal) decimal.Decimal { return d.Round(places) })
}

// each applies a function to all three, once where they are the very same: most amounts are exact, and there are many.
func (r Range) each(f func(decimal.Decimal) decimal.Decimal) Range {
	if r.Min == r.Expected && r.Expected == r.Max {
		return exactly(f(r.Min))
	}
	return Range{f(r.Min), f(r.Expected), f(r.Max)}
}

// IsZero says whether all three are nothing.
func (r Range) IsZero() bool { return r.Min.IsZero() && r.Expected.IsZero() && r.Max.IsZero() }

// Equal says whether two ranges are the same amounts, however they are written.
func (r Range) Equal(o Range) bool {
	return r.Min.Equal(o.Min) && r.Expected.Equal(o.Expected) && r.Max.Equal(o.Max)
}

// Split parts a total by weights, each part with so many decimal places, such that the parts sum to the total: what
// rounding leaves goes to the parts that lost the most by it. Weights are not negative; where all are nothing, each has
// the same. What the total has beyond these places goes to the part that lost the most.
func Split(total decimal.Decimal, weights []decimal.Decimal, places int32) []decimal.Decimal {
	if len(weights) == 0 {
		return nil
	}
	if total.IsNegative() {
		parts := Split(total.Neg(), weights, places)
		for i := range parts {
			parts[i] = parts[i].Neg()
		}
		return parts
	}
	sum := decimal.Sum(decimal.Zero, weights...)
	if sum.IsZero() {
		weights = slices.Repeat([]decimal.Decimal{one}, len(weights))
		sum = decimal.NewFromInt(int64(len(weights)))
	}
	type share struct {
		at   int
		lost decimal.Decimal
	}
	parts, lost, left := make([]decimal.Decimal, len(weights)), make([]share, len(weights)), total
	for i, weight := range weights {
		part, rest := total.Mul(weight).QuoRem(sum, places)
		parts[i], lost[i] = part, share{i, rest}
		left = left.Sub(part)
	}
	slices.SortStableFunc(lost, func(a, b share) int { return cmp.Or(b.lost.Cmp(a.lost), cmp.Compare(a.at, b.at)) })
	unit := decimal.New(1, -places)
	for i := 0; left.GreaterThanOrEqual(unit); i = (i + 1) % len(lost) {
		parts[lost[i].at] = parts[lost[i].at].Add(unit)
		left = left.Sub(unit)
	}
	parts[lost[0].at] = parts[lost[0].at].Add(left)
	return parts
}
