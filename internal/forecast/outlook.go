package forecast

import (
	"fmt"
	"math"
	"slices"

	"github.com/shopspring/decimal"
)

// Basis is what an Outlook rests on.
type Basis string

// The bases.
const (
	// Nothing means that no day is settled, so nothing is forecast; only what is spent is known.
	Nothing Basis = "Nothing"
	// Few means too few days to try models on, so that there is no interval.
	Few Basis = "Few"
	// Backtest means that the model was chosen by, and the interval comes from, forecasts of days that have come since.
	Backtest Basis = "Backtest"
	// Over means that no day of the period is left to forecast.
	Over Basis = "Over"
)

// Expected is what is expected of a day, beyond what is recorded of it.
type Expected struct {
	Day    Day
	Amount decimal.Decimal
}

// Outlook is what a period has cost and will have cost at its end.
type Outlook struct {
	Period Period
	Today  Day
	Basis  Basis
	// Note says in a sentence what the figures rest on, and what is missing.
	Note string
	// Model is what was chosen, Adjusted whether it saw days adjusted for spikes, steps and the ends of months, and WAPE how
	// wrong it was by day in the backtest, as a share.
	Model    Model
	Adjusted bool
	WAPE     decimal.Decimal
	// Spent is all that is recorded in the period, and the next four its parts. Provisional is the part of it, of any kind,
	// that may still change.
	Spent, Usage, Purchases, Taxes, Credits, Provisional decimal.Decimal
	// Days are those that are not settled, with the usage expected of each: the days to come; provisional days, with what
	// they may grow by, since they hardly ever shrink; and days in between of which nothing is known, which Missing lists.
	Days    []Expected
	Missing []Day
	// Recurring are purchases and taxes that came in each of the last three calendar months, and are so expected once a month:
	// their median, less what came this month already. They count for months that end within the period.
	Recurring decimal.Decimal
	// Total is the sum of Spent, Days and Recurring. Of ten such periods eight should end between Low and High. Where Basis
	// is Few, Low and High are not known, and where it is Nothing, Total is not either: they are zero.
	Total, Low, High decimal.Decimal

	// errors are those of the backtest, in money, sorted.
	errors []float64
}

// HasTotal says whether Total is known.
func (o *Outlook) HasTotal() bool { return o.Basis != Nothing }

// HasInterval says whether Low and High are.
func (o *Outlook) HasInterval() bool { return o.Basis == Backtest || o.Basis == Over }

// LookAhead forecasts a period, of which today may be any day, the first and those before it too. It fails where points are wrong,
// which it says by day.
func LookAhead(points []Point, period Period, today Day) (Outlook, error) {
	return lookAhead(points, period, today, candidates)
}

// LookAheadBy does so by one model alone, on days as billed: to compare.
func LookAheadBy(model Model, points []Point, period Period, today Day) (Outlook, error) {
	return lookAhead(points, period, today, []candidate{{model: model}})
}

// mostPeriod is how long a period may be: some years.
const mostPeriod = 5 * 366

func lookAhead(points []Point, period Period, today Day, among []candidate) (Outlook, error) {
	if days := period.Days(); days == 0 || days > mostPeriod {
		return Outlook{}, fmt.Errorf("the period from %s until %s must have 1 to %d days", period.From, period.Until, mostPeriod)
	}
	points, err := check(points, today)
	if err != nil {
		return Outlook{}, err
	}
	o := Outlook{Period: period, Today: today}
	for i := range points {
		if p := &points[i]; period.Holds(p.Day) {
			o.count(p)
		}
	}
	s := settled(points)
	o.Recurring = recurring(points, period, today)
	o.forecast(s, points, among)
	return o, nil
}

func (o *Outlook) count(p *Point) {
	o.Usage = o.Usage.Add(p.Usage)
	o.Purchases = o.Purchases.Add(p.Purchases)
	o.Taxes = o.Taxes.Add(p.Taxes)
	o.Credits = o.Credits.Add(p.Credits)
	o.Spent = o.Spent.Add(p.Total())
	if p.Provisional {
		o.Provisional = o.Provisional.Add(p.Total())
	}
}

// forecast chooses a model for the days that are left, and sums up.
func (o *Outlook) forecast(s *series, points []Point, among []candidate) {
	n := len(s.x)
	ahead := int(o.Period.Until - s.first - Day(n))
	switch {
	case n == 0:
		o.Basis, o.Note = Nothing, "No day is settled yet, so nothing is forecast."
		return
	case ahead > mostPeriod:
		o.Basis, o.Note = Nothing, fmt.Sprintf("The last settled day, %s, is too long ago to forecast from.", s.day(n-1))
		return
	}
	ahead = max(0, ahead)
	count := known(s.x)
	if count < fewestDays {
		// Fewer days than a model of weekdays needs.
		among = []candidate{{model: Mean}}
	}
	c := choose(s, ahead, among)
	o.Model, o.Adjusted = c.model, c.adjusted
	o.WAPE = money(c.wape)
	o.expect(s, points, &c)
	o.Total = o.Spent.Add(o.Recurring)
	for i := range o.Days {
		o.Total = o.Total.Add(o.Days[i].Amount)
	}
	switch {
	case len(o.Days) == 0:
		o.Basis, o.Note = Over, "All days of the period are settled."
		o.Low, o.High = o.Total, o.Total
	case len(c.errors) < fewestOrigins || count < fewestDays:
		o.Basis, o.errors = Few, nil
		o.Note = fmt.Sprintf("Of only %d settled days, %s: too few to say how sure that is.", count, how[c.model])
	default:
		o.Basis, o.errors = Backtest, c.errors
		low, high := interval(c.errors)
		o.Low, o.High = o.Total.Add(money(min(0, low))), o.Total.Add(money(max(0, high)))
		o.Note = fmt.Sprintf("Of %d settled days, %s: it was the least wrong of %d forecasts of days that have come since.",
			count, how[c.model], len(c.errors))
	}
	if len(o.Missing) > 0 {
		o.Note += fmt.Sprintf(" %d days before are not known, the first %s; they are estimated.", len(o.Missing), o.Missing[0])
	}
}

var how = map[Model]string{
	Mean:              "by their mean",
	RunRate:           "by run-rate and weekday",
	SeasonalNaive:     "by the week before",
	HoltWinters:       "by Holt-Winters",
	DampedHoltWinters: "by Holt-Winters with a damped trend",
}

// expect lists the days that are not settled.
func (o *Outlook) expect(s *series, points []Point, c *choice) {
	recorded := map[Day]*Point{}
	for i := range points {
		recorded[points[i].Day] = &points[i]
	}
	n := len(s.x)
	for d := max(o.Period.From, s.first); d < o.Period.Until; d++ {
		i := int(d - s.first)
		if i < n && !math.IsNaN(s.x[i]) {
			continue
		}
		var amount float64
		if i < n {
			amount = c.fill(i)
		} else {
			amount = c.days[i-n]
		}
		expected := money(amount)
		if p := recorded[d]; p != nil {
			expected = decimal.Max(decimal.Zero, expected.Sub(p.Usage))
		} else if d < o.Today {
			o.Missing = append(o.Missing, d)
		}
		o.Days = append(o.Days, Expected{d, expected})
	}
}

// months is in how many of the last ones a charge must have come for it to be expected again.
const months = 3

// recurring are the purchases and taxes that are expected still.
func recurring(points []Point, period Period, today Day) decimal.Decimal {
	total := decimal.Zero
	for _, kind := range []func(*Point) decimal.Decimal{
		func(p *Point) decimal.Decimal { return p.Purchases },
		func(p *Point) decimal.Decimal { return p.Taxes },
	} {
		var sums [months + 1]decimal.Decimal // of this month, and of those before it
		for back := range sums {
			from, until := today.month(-back), today.month(1-back)
			for i := range points {
				if d := points[i].Day; d >= from && d < until {
					sums[back] = sums[back].Add(kind(&points[i]))
				}
			}
		}
		usual := sums[1:]
		if slices.ContainsFunc(usual, func(sum decimal.Decimal) bool { return !sum.IsPositive() }) {
			continue
		}
		slices.SortFunc(usual, decimal.Decimal.Cmp)
		expected := usual[months/2]
		for month := today.month(0); month.month(1) <= period.Until; month = month.month(1) {
			switch {
			case month.month(1) <= period.From:
			case month == today.month(0):
				total = total.Add(decimal.Max(decimal.Zero, expected.Sub(sums[0])))
			default:
				total = total.Add(expected)
			}
		}
	}
	return total
}
