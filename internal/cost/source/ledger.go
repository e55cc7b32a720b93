package source

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"github.com/towpath-dev/towpath/internal/history"
)

// MaxGroups is how many sums a Ledger holds unless it is told otherwise: about 100 MB.
const MaxGroups = 1_000_000

// Ledger adds charges up, by billing period, day and what history.Series holds. Its size depends on how many sums there are, not
// on how many charges.
type Ledger struct {
	maxGroups int
	series    map[seriesKey]uint32
	names     []seriesKey
	periods   map[string]uint16
	ordered   []string
	index     map[groupKey]uint32
	groups    []group
	converts  Conversions
}

type seriesKey struct {
	Owner
	service, currency string
	category          history.Category
	unused            bool
}

type groupKey struct {
	series uint32
	day    history.Day
	period uint16
}

type group struct {
	key               groupKey
	settles           int64
	billed, effective Amount
}

// NewLedger is an empty one that holds at most so many sums; 0: MaxGroups.
func NewLedger(maxGroups int) *Ledger {
	return &Ledger{
		maxGroups: cmp.Or(maxGroups, MaxGroups),
		series:    map[seriesKey]uint32{},
		periods:   map[string]uint16{},
		index:     map[groupKey]uint32{},
	}
}

// Convert has the charges that are added from now on converted.
func (l *Ledger) Convert(by Conversions) { l.converts = by }

// Add adds a charge. One that cannot be is refused, and changes nothing.
func (l *Ledger) Add(c *Charge) error {
	if err := c.Check(); err != nil {
		return err
	}
	if _, ok := l.converts[c.Currency]; ok {
		c = l.converts.converted(c)
	}
	if err := within(c.Billed, c.Effective, c.Currency); err != nil {
		return err
	}
	id, err := l.seriesOf(c)
	if err != nil {
		return err
	}
	period, err := l.periodOf(c.Period)
	if err != nil {
		return err
	}
	key := groupKey{series: id, day: c.Day, period: period}
	at, ok := l.index[key]
	if !ok {
		if len(l.groups) >= l.maxGroups {
			return fmt.Errorf("there are more than %d different combinations of day, service, team, environment and component: "+
				"look for a tag whose value is another one each time, and do not have it name a component or environment", l.maxGroups)
		}
		at = uint32(len(l.groups))
		l.index[key] = at
		l.groups = append(l.groups, group{key: key})
	}
	g := &l.groups[at]
	billed, effective := g.billed.Add(c.Billed), g.effective.Add(c.Effective)
	if err := within(billed, effective, c.Currency); err != nil {
		return fmt.Errorf("with what there is of the same day and service, %w", err)
	}
	g.billed, g.effective = billed, effective
	if !c.Settles.IsZero() {
		g.settles = max(g.settles, c.Settles.Unix())
	}
	return nil
}

// maxAmount is what a charge, and the sum of those of a day that belong together, must stay below: a trillion. Sums of them must
// fit into what the history and the API hold.
var maxAmount = decimal.New(1, 12)

// within says which of two amounts is too large to be one.
func within(billed, effective Amount, currency string) error {
	if billed.rest == nil && effective.rest == nil { // less than ten million, as nearly all are
		return nil
	}
	for _, a := range []struct {
		name   string
		amount Amount
	}{{"billed", billed}, {"effective", effective}} {
		if a.amount.rest != nil && a.amount.Decimal().Abs().GreaterThanOrEqual(maxAmount) {
			return fmt.Errorf("the %s cost must be less than a trillion %s, to either side of 0, and is about 10^%d: look whether the amount is in another currency, or a unit of it",
				a.name, currency, a.amount.Decimal().NumDigits()+int(a.amount.Decimal().Exponent())-1)
		}
	}
	return nil
}

func (l *Ledger) seriesOf(c *Charge) (uint32, error) {
	key := seriesKey{Owner: c.Owner, service: c.Service, currency: c.Currency, category: c.Category, unused: c.Unused}
	id, ok := l.series[key]
	if !ok {
		if len(l.names) >= l.maxGroups {
			return 0, fmt.Errorf("there are more than %d different combinations of service, team, environment and component", l.maxGroups)
		}
		id = uint32(len(l.names))
		l.series[key] = id
		l.names = append(l.names, key)
	}
	return id, nil
}

// maxPeriods is more than 60 years of months.
const maxPeriods = 1000

func (l *Ledger) periodOf(name string) (uint16, error) {
	id, ok := l.periods[name]
	if !ok {
		if len(l.ordered) >= maxPeriods {
			return 0, fmt.Errorf("there are more than %d billing periods in one bill", maxPeriods)
		}
		id = uint16(len(l.ordered))
		l.periods[name] = id
		l.ordered = append(l.ordered, name)
	}
	return id, nil
}

// Cover says that a bill tells of each day from one to another, the latter included: those without a charge get one of 0, for
// a day that cost nothing is not a day of which nothing is known. Whoever forecasts goes by it: a day is known to a source where
// that has any figure of it.
func (l *Ledger) Cover(period string, from, to history.Day, currency string, settles func(history.Day) time.Time) error {
	id, err := l.periodOf(period)
	if err != nil {
		return err
	}
	told := map[history.Day]bool{}
	for i := range l.groups {
		if l.groups[i].key.period == id {
			told[l.groups[i].key.day] = true
		}
	}
	for day := from; day <= to; day++ {
		if told[day] {
			continue
		}
		c := Charge{Period: period, Day: day, Category: history.Usage, Currency: currency, Settles: settles(day)}
		if err := l.Add(&c); err != nil {
			return err
		}
	}
	return nil
}

// Span is what a billing period has charges of.
type Span struct {
	// From is the first day, To the last one.
	From, To history.Day
	// Used is the last day with usage: later ones may have purchases and taxes before it is known what was used. It is 0 where
	// there is none.
	Used history.Day
	// Currency is one that charges are in.
	Currency string
}

// Span is that of a billing period; false where it has no charges.
func (l *Ledger) Span(period string) (span Span, ok bool) {
	id, known := l.periods[period]
	for i := range l.groups {
		g := &l.groups[i]
		if !known || g.key.period != id {
			continue
		}
		series := &l.names[g.key.series]
		if !ok {
			span, ok = Span{From: g.key.day, To: g.key.day, Currency: series.currency}, true
		}
		span.From, span.To, span.Currency = min(span.From, g.key.day), max(span.To, g.key.day), min(span.Currency, series.currency)
		if series.category == history.Usage {
			span.Used = max(span.Used, g.key.day)
		}
	}
	return span, ok
}

// Groups is how many sums it holds.
func (l *Ledger) Groups() int { return len(l.groups) }

// Periods are the billing periods that it has charges of, in order.
func (l *Ledger) Periods() []string { return slices.Sorted(slices.Values(l.ordered)) }

// Figures are the sums of a billing period, by day and series, for history.Store's Replace.
func (l *Ledger) Figures(period string) iter.Seq2[history.Figure, error] {
	return func(yield func(history.Figure, error) bool) {
		id, ok := l.periods[period]
		if !ok {
			return
		}
		var order []uint32
		for i := range l.groups {
			if l.groups[i].key.period == id {
				order = append(order, uint32(i))
			}
		}
		slices.SortFunc(order, func(a, b uint32) int { return l.compare(&l.groups[a], &l.groups[b]) })
		for _, i := range order {
			if !yield(l.figure(&l.groups[i]), nil) {
				return
			}
		}
	}
}

func (l *Ledger) figure(g *group) history.Figure {
	key := l.names[g.key.series]
	figure := history.Figure{
		Day: g.key.day,
		Series: history.Series{
			Team: key.Team, Environment: key.Environment, Component: key.Component,
			Service: key.service, Category: key.category, Currency: key.currency, Unused: key.unused,
		},
		Billed: g.billed.Decimal(), Effective: g.effective.Decimal(),
	}
	if g.settles != 0 {
		figure.Settles = time.Unix(g.settles, 0).UTC()
	}
	return figure
}

func (l *Ledger) compare(a, b *group) int {
	if a.key.day != b.key.day {
		return cmp.Compare(a.key.day, b.key.day)
	}
	x, y := &l.names[a.key.series], &l.names[b.key.series]
	return cmp.Or(
		strings.Compare(x.Team, y.Team), strings.Compare(x.Environment, y.Environment), strings.Compare(x.Component, y.Component),
		strings.Compare(x.service, y.service), cmp.Compare(x.category, y.category), strings.Compare(x.currency, y.currency),
		cmp.Compare(fmt.Sprint(x.unused), fmt.Sprint(y.unused)),
	)
}
