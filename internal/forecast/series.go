package forecast

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/shopspring/decimal"
)

// Point is what one day cost. A day that is absent is not known, which is not the same as one that cost nothing: who reads
// a bill that covers a day writes the day with zeros.
type Point struct {
	Day Day
	// Usage is what was used: the only part that the daily models see. It may be negative, where corrections exceed it.
	Usage decimal.Decimal
	// Purchases are commitments and other lump sums, and Taxes what authorities ask. They come on few days, so that no daily
	// model can say when; Outlook says how those that come each month are expected again.
	Purchases, Taxes decimal.Decimal
	// Credits are credits, refunds and adjustments, mostly negative. They are counted when they come, and never expected:
	// they run out without notice.
	Credits decimal.Decimal
	// Provisional days may still change: the bill says so, or they are younger than two days. They count as spent, and
	// nothing is learned from them.
	Provisional bool
}

// Total is all that the day cost.
func (p *Point) Total() decimal.Decimal {
	return p.Usage.Add(p.Purchases).Add(p.Taxes).Add(p.Credits)
}

const (
	// mostDigits are before the decimal point, and fewestExponent behind it: what lies beyond is no money, and sums of it
	// would be slow or not finite.
	mostDigits     = 15
	fewestExponent = -40
	// mostDays is how far back models look.
	mostDays = 400
	// places are kept of what models say.
	places = 6
)

// series is what models see: usage on settled days, without gaps.
type series struct {
	first Day
	// x is NaN on days that are not known.
	x []float64
	// places in the month, by position; see calendar.go.
	position []int8
}

func (s *series) day(i int) Day { return s.first + Day(i) }

// check sorts points by day, and refuses what cannot be right: a day that comes twice would be counted twice.
func check(points []Point, today Day) ([]Point, error) {
	points = slices.Clone(points)
	slices.SortStableFunc(points, func(a, b Point) int { return cmp.Compare(a.Day, b.Day) })
	for i := range points {
		p := &points[i]
		if i > 0 && p.Day == points[i-1].Day {
			return nil, fmt.Errorf("the day %s comes twice: each day must come once, with the sum of its charges", p.Day)
		}
		if p.Day > today {
			return nil, fmt.Errorf("the day %s lies after today, %s: a series must end with today", p.Day, today)
		}
		for _, part := range []struct {
			name   string
			amount decimal.Decimal
		}{{"usage", p.Usage}, {"purchases", p.Purchases}, {"taxes", p.Taxes}, {"credits", p.Credits}} {
			if !sane(part.amount) {
				return nil, fmt.Errorf("the %s of %s are no amount of money: they must have at most %d digits before the point and %d behind it",
					part.name, p.Day, mostDigits, -fewestExponent)
			}
		}
	}
	return points, nil
}

// sane looks at the exponent first, since everything else is slow where that is huge.
func sane(d decimal.Decimal) bool {
	if d.IsZero() {
		return true
	}
	exponent := int(d.Exponent())
	return exponent >= fewestExponent && exponent <= mostDigits && d.NumDigits()+exponent <= mostDigits
}

// settled is the usage on the last mostDays days up to the last settled one.
func settled(points []Point) *series {
	last := -1
	for i := range points {
		if !points[i].Provisional {
			last = i
		}
	}
	if last < 0 {
		return &series{}
	}
	s := &series{first: points[last].Day}
	for i := last; i >= 0 && points[last].Day-points[i].Day < mostDays; i-- {
		if !points[i].Provisional {
			s.first = points[i].Day
		}
	}
	s.x = make([]float64, points[last].Day-s.first+1)
	for i := range s.x {
		s.x[i] = math.NaN()
	}
	for i := range points[:last+1] {
		if p := &points[i]; p.Day >= s.first && !p.Provisional {
			s.x[p.Day-s.first] = p.Usage.InexactFloat64()
		}
	}
	s.position = positions(s.first, len(s.x))
	return s
}

// known is how many days of a series are.
func known(x []float64) int {
	n := 0
	for _, v := range x {
		if !math.IsNaN(v) {
			n++
		}
	}
	return n
}

// money is what a model says, as decimal.
func money(f float64) decimal.Decimal { return decimal.NewFromFloat(f).Round(places) }
