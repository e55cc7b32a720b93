// Package history says what is remembered of costs: a figure for each day, team, environment, component, service, category and
// currency, for 400 days. Package sqlstore remembers them.
//
// A figure is never added to what is there. It comes with all others of its slice, which is the part of a source's figures that
// the source tells anew at once, and takes the place of what the slice held. So a run that is repeated, a manager that is
// restarted, a bill that is issued again and a late correction count once.
package history

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/shopspring/decimal"
)

// Keep is for how many days figures are kept.
const Keep = 400

// Places are the decimal places of an amount that are kept. What is finer is rounded, half to even, once in a figure.
const Places = 12

// Day is a day in UTC: its number since 1970-01-01.
type Day int32

// DayOf is the day of a moment.
func DayOf(t time.Time) Day {
	seconds := t.Unix()
	day := seconds / 86400
	if seconds%86400 < 0 {
		day--
	}
	return Day(day)
}

// Date is the day of a calendar's date.
func Date(year int, month time.Month, day int) Day {
	return DayOf(time.Date(year, month, day, 0, 0, 0, 0, time.UTC))
}

// Time is when the day begins.
func (d Day) Time() time.Time { return time.Unix(int64(d)*86400, 0).UTC() }

// String is the day as 2026-11-29.
func (d Day) String() string { return d.Time().Format(time.DateOnly) }

// Category is what a charge is for, in the words of FOCUS.
type Category string

// The categories of charges.
const (
	Usage      Category = "Usage"
	Purchase   Category = "Purchase"
	Tax        Category = "Tax"
	Credit     Category = "Credit"
	Adjustment Category = "Adjustment"
)

// Known says whether it is one of the five.
func (c Category) Known() bool {
	switch c {
	case Usage, Purchase, Tax, Credit, Adjustment:
		return true
	}
	return false
}

// Slice names what is replaced at once.
type Slice struct {
	// Source is the name of the source: figures of different sources stand beside each other.
	Source string
	// Period is what the figures are about, such as a billing period or a day, in a form that the source chooses and keeps to.
	Period string
	// Part is which part of the period it is, where the source tells it in several; else empty.
	Part string
}

// String is the slice as messages name it.
func (s Slice) String() string {
	if s.Part == "" {
		return s.Source + " " + s.Period
	}
	return s.Source + " " + s.Period + " " + s.Part
}

// Series is what figures of different days have in common.
type Series struct {
	// Team is the team that the cost is allocated to; empty: none, and then Environment and Component are empty too.
	Team, Environment, Component string
	// Service is what was charged for, such as Amazon Elastic Compute Cloud.
	Service  string
	Category Category
	// Currency is an ISO 4217 code. Amounts of different currencies are never added.
	Currency string
	// Unused is set where the cost is that of a commitment which nobody used.
	Unused bool
}

// Figure is what a day cost.
type Figure struct {
	Day Day
	Series
	// Billed is what stands in the invoice, Effective what the use of the day cost, with commitments spread over what they were
	// used for.
	Billed, Effective decimal.Decimal
	// Settles is when the figure is final: until then it is provisional. Zero: it is final. A source which cannot say when, but
	// that it is not final, gives Never.
	Settles time.Time
}

// Never is when a figure settles that another one must replace first.
var Never = time.Date(9999, time.January, 1, 0, 0, 0, 0, time.UTC)

// Store remembers figures. All of its methods may be called at once, also by several managers that share a store. An error that
// is ErrDamaged says that what is stored cannot be read.
type Store interface {
	// Replace has the figures take the place of all that the slice held, or, where it fails, changes nothing. No figures empty the
	// slice. Where the sequence ends with an error, that is returned.
	Replace(ctx context.Context, slice Slice, figures iter.Seq2[Figure, error]) error
	// Slices lists the slices of a source, by period and part.
	Slices(ctx context.Context, source string) ([]Slice, error)
	// Sum adds up what the query selects, by currency and by what it groups by, in that order. No group has no figures.
	Sum(ctx context.Context, query Query) ([]Sum, error)
	// Prune forgets all days before this one, and says how many figures those were.
	Prune(ctx context.Context, before Day) (int64, error)
	// Forget forgets a source, with its state.
	Forget(ctx context.Context, source string) error
	// State is what SetState stored of a source last; the zero State where it stored none.
	State(ctx context.Context, source string) (State, error)
	SetState(ctx context.Context, source string, state State) error
	Close() error
}

// State is how far a source has come.
type State struct {
	LastAttempt, LastSuccess time.Time
	// Message is what went wrong in the last attempt; empty where nothing did.
	Message string
	// Cursor is the source's own note of what it has read.
	Cursor string
}

// Dimension is something to group by.
type Dimension string

// The dimensions. Currency is not among them: sums are always by currency.
const (
	ByDay         Dimension = "day"
	BySource      Dimension = "source"
	ByTeam        Dimension = "team"
	ByEnvironment Dimension = "environment"
	ByComponent   Dimension = "component"
	ByService     Dimension = "service"
	ByCategory    Dimension = "category"
	ByUnused      Dimension = "unused"
)

// Query selects figures. A list that is empty selects all; the empty string in a list selects what has no such value.
type Query struct {
	// From is the first day, To the first one after the last.
	From, To                                           Day
	Sources, Teams, Environments, Components, Services []string
	Categories                                         []Category
	Currencies                                         []string
	GroupBy                                            []Dimension
	// At is the moment to which figures are provisional or not.
	At time.Time
}

// Sum is what figures of one currency amount to. What was not grouped by is empty.
type Sum struct {
	Day    Day
	Source string
	Series
	Billed, Effective decimal.Decimal
	// Provisional is set where one of the figures is not final, and ProvisionalEffective is what those amount to.
	Provisional          bool
	ProvisionalEffective decimal.Decimal
	// Figures is how many were added, and Days of how many different days they are.
	Figures, Days int64
}

// Check says what is wrong with a figure.
func (f Figure) Check() error {
	switch {
	case !f.Category.Known():
		return fmt.Errorf("the category of a figure must be Usage, Purchase, Tax, Credit or Adjustment, not %q", f.Category)
	case len(f.Currency) != 3:
		return fmt.Errorf("the currency of a figure must be a code of three letters, not %q", f.Currency)
	case f.Team == "" && (f.Environment != "" || f.Component != ""):
		return fmt.Errorf("a figure of environment %q and component %q must have a team", f.Environment, f.Component)
	}
	return nil
}

// Coverage is how much of a currency's cost is allocated to teams.
type Coverage struct {
	Currency           string
	Effective, Covered decimal.Decimal
}

// Share is the part that is covered, from 0 to 1; false where there is no cost.
func (c Coverage) Share() (decimal.Decimal, bool) {
	if !c.Effective.IsPositive() {
		return decimal.Decimal{}, false
	}
	return c.Covered.Div(c.Effective), true
}

// Covered reads from sums by team and category how much of the cost carries a team, for each currency in the order in which
// they come. Taxes, credits and adjustments are left out: they carry no tags in most bills.
func Covered(sums []Sum) []Coverage {
	var all []Coverage
	at := map[string]int{}
	for _, sum := range sums {
		if sum.Category != Usage && sum.Category != Purchase {
			continue
		}
		i, ok := at[sum.Currency]
		if !ok {
			i = len(all)
			at[sum.Currency] = i
			all = append(all, Coverage{Currency: sum.Currency})
		}
		all[i].Effective = all[i].Effective.Add(sum.Effective)
		if sum.Team != "" {
			all[i].Covered = all[i].Covered.Add(sum.Effective)
		}
	}
	return all
}
