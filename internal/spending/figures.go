package spending

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/shopspring/decimal"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/cost"
	"github.com/towpath-dev/towpath/internal/forecast"
)

// Running is a Release that runs, ran or waits to run, with what it was estimated to cost.
type Running struct {
	Place
	Release string
	// Number is that of the Release: the higher one takes the place of the lower.
	Number int64
	// Pending says that nothing of it was applied yet, though it was let in. One that waits at a gate is not listed at all.
	Pending bool
	// Since is the day on which it began to run, or was made.
	Since forecast.Day
	// Known says whether there is an estimate. Monthly is in Currency.
	Known    bool
	Monthly  decimal.Decimal
	Currency string
	// anew says that the estimate is of now, and was not known on the days before.
	anew bool
}

// Ledger is what is recorded of the days of a limit, in its currency and scope alone.
type Ledger struct {
	Points []forecast.Point
	Source platformv1alpha1.CostOrigin
	// Estimated are the same days by what ran and was estimated, where Points are of bills and the limit can hold a change up; else none.
	Estimated []forecast.Point
}

// Figures are how a limit stands.
type Figures struct {
	Limit   Limit
	Source  platformv1alpha1.CostOrigin
	Outlook forecast.Outlook
	Basis   platformv1alpha1.ForecastBasis
	Note    string
	// Added is what Releases add in the rest of the period that the settled days do not show, and Reserved what is kept for
	// those that are being made.
	Added, Reserved decimal.Decimal
	// Uncounted are the places of what runs or is to run without an estimate in the limit's currency, where it can hold a change up. What
	// bills tell of them may be less than they cost.
	Uncounted []string
	// Expected is what the period will have cost. Low and High are known where HasInterval is set.
	Expected, Low, High decimal.Decimal
	HasInterval         bool
}

// Spent is what is recorded in the period.
func (f *Figures) Spent() decimal.Decimal { return f.Outlook.Spent }

// PerDay is what an amount a month is a day: a month is 730 hours, as in estimates.
func PerDay(monthly decimal.Decimal) decimal.Decimal {
	return monthly.Mul(decimal.NewFromInt(24)).DivRound(decimal.NewFromInt(cost.HoursPerMonth), 10)
}

// Reckon says how a limit stands on a day. What is kept for the place of a change that is judged is left out: the change is judged
// against what was let in there, also where that is yet to be applied. nil for none.
func Reckon(limit Limit, ledger Ledger, running []Running, reserved []Reservation, change *Change, today forecast.Day) (Figures, error) {
	outlook, err := forecast.LookAhead(ledger.Points, limit.Period, today)
	if err != nil {
		return Figures{}, fmt.Errorf("%s: %w", limit.Title, err)
	}
	f := Figures{Limit: limit, Source: ledger.Source, Outlook: outlook, Note: outlook.Note}
	days := reach{period: limit.Period, today: today, unrecorded: limit.Period.From, estimated: ledger.Source == platformv1alpha1.CostFromEstimates}
	for i := range ledger.Points {
		p := &ledger.Points[i]
		days.unrecorded = max(days.unrecorded, p.Day+1)
	}
	settled := lastSettled(ledger.Points)
	known := map[string]bool{}
	left := map[string]bool{} // places that cannot be counted
	uncounted := map[string]bool{}
	for _, place := range places(running, limit.Scope, change) {
		if _, unknown := place.adds(limit.Currency, settled, days, false); unknown != "" && limit.Blocks() {
			uncounted[unknown] = true
		}
		added, unknown := place.adds(limit.Currency, settled, days, outlook.HasTotal())
		f.Added = f.Added.Add(added)
		if unknown != "" {
			left[unknown] = true
		}
		for _, r := range place {
			known[r.Release] = true
		}
	}
	for _, r := range reserved {
		if known[r.Release] || !limit.Scope.Holds(r.Place) || change != nil && change.Place == r.Place {
			continue
		}
		if r.Currency != limit.Currency {
			left[r.Place.String()] = true
			if limit.Blocks() {
				uncounted[r.Place.String()] = true
			}
			continue
		}
		f.Reserved = f.Reserved.Add(PerDay(r.Monthly).Mul(days.from(today)))
	}
	f.Uncounted = slices.Sorted(maps.Keys(uncounted))
	maps.Copy(left, uncounted)
	f.sum(today, slices.Sorted(maps.Keys(left)))
	f.floor(ledger, running, change, today)
	return f, nil
}

// sum brings the parts together.
func (f *Figures) sum(today forecast.Day, left []string) {
	more := f.Added.Add(f.Reserved)
	switch f.Outlook.Basis {
	case forecast.Nothing:
		f.Basis = platformv1alpha1.ForecastFromEstimates
		f.Expected = f.Outlook.Spent.Add(more)
		f.Note = fmt.Sprintf("No day is settled yet. It is assumed that what runs now costs what it is estimated to, on the %d days that are left; "+
			"days before count as recorded.", max(0, int(f.Limit.Period.Until-max(today, f.Limit.Period.From))))
	case forecast.Few:
		f.Basis = platformv1alpha1.ForecastFromFew
	case forecast.Over:
		f.Basis = platformv1alpha1.ForecastOver
	default:
		f.Basis = platformv1alpha1.ForecastFromBacktest
	}
	if f.Outlook.HasTotal() {
		f.Expected = f.Outlook.Total.Add(more)
	}
	if f.Outlook.HasInterval() {
		f.HasInterval = true
		f.Low, f.High = f.Outlook.Low.Add(more), f.Outlook.High.Add(more)
	}
	// Estimates of what was taken away may be more than what days show of it.
	f.Expected, f.Low, f.High = decimal.Max(f.Expected, f.Spent()), decimal.Max(f.Low, f.Spent()), decimal.Max(f.High, f.Spent())
	if len(left) > 0 {
		f.Note += fmt.Sprintf(" Not counted, since there is no estimate in %s: %s.", f.Limit.Currency, shown(left))
	}
}

// shown is at most five names, and how many more there are.
func shown(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// lastSettled is the last day that is final; one before all others where none is.
func lastSettled(points []forecast.Point) forecast.Day {
	last := forecast.Day(-1 << 30)
	for i := range points {
		if !points[i].Provisional {
			last = max(last, points[i].Day)
		}
	}
	return last
}

// reach is which days of a period something can still add to.
type reach struct {
	period forecast.Period
	today  forecast.Day
	// unrecorded is the first day of which nothing is recorded.
	unrecorded forecast.Day
	// estimated says that the days are by estimates: they tell nothing of what had none.
	estimated bool
}

// from is how many days of the period are left from a day on, of those of which nothing is recorded.
func (r reach) from(day forecast.Day) decimal.Decimal {
	first := max(day, r.unrecorded, r.period.From)
	return decimal.NewFromInt(int64(max(0, r.period.Until-first)))
}

// place is what ran, runs and waits at one place, in order of its numbers.
type place []Running

// places are those of a scope, in order. A change knows what runs at its own by prices of now, also where no estimate was frozen.
func places(running []Running, scope Scope, change *Change) []place {
	by := map[Place]place{}
	for _, r := range running {
		if scope.Holds(r.Place) {
			by[r.Place] = append(by[r.Place], r)
		}
	}
	keys := slices.SortedFunc(maps.Keys(by), func(a, b Place) int {
		return cmp.Or(cmp.Compare(a.Component, b.Component), cmp.Compare(a.Environment, b.Environment))
	})
	all := make([]place, len(keys))
	for i, key := range keys {
		all[i] = by[key]
		slices.SortStableFunc(all[i], func(a, b Running) int { return cmp.Compare(a.Number, b.Number) })
		if last := &all[i][len(all[i])-1]; change != nil && !change.Unknown && change.Currency != "" && change.Place == key && !counts(last, change.Currency) {
			last.Known, last.anew, last.Monthly, last.Currency = true, true, change.Before, change.Currency
		}
	}
	return all
}

// adds is what a place costs in the rest of the period beyond what days tell; where these tell nothing, all that it costs. It names
// the place where it has no estimate in the currency.
func (p place) adds(currency string, settled forecast.Day, days reach, told bool) (added decimal.Decimal, unknown string) {
	var base, runs, waits *Running
	for i := range p {
		r := &p[i]
		switch {
		case r.Pending:
			waits = r
		case r.Since <= settled:
			base, runs, waits = r, r, nil
		default:
			runs, waits = r, nil
		}
	}
	if base == nil && told && p[0].Number > 1 && !p[0].Pending {
		// What ran before is not known any more. It is assumed to have cost what the oldest does that is.
		base = &p[0]
	}
	if !told || base != nil && days.estimated && (base.anew || !counts(base, currency)) {
		base = nil
	}
	if runs != base && (!counts(runs, currency) || !counts(base, currency)) || waits != nil && (!counts(waits, currency) || !counts(runs, currency)) {
		return decimal.Zero, p[0].Place.String()
	}
	amount := func(r *Running) decimal.Decimal {
		if r == nil {
			return decimal.Zero
		}
		return r.Monthly
	}
	if runs != nil && runs != base {
		added = PerDay(runs.Monthly.Sub(amount(base))).Mul(days.from(runs.since(days.today, told)))
	}
	if waits != nil {
		added = added.Add(PerDay(waits.Monthly.Sub(amount(runs))).Mul(days.from(days.today)))
	}
	return added, ""
}

// counts says whether there is an estimate in a currency; what is not there costs nothing.
func counts(r *Running, currency string) bool {
	return r == nil || r.Known && r.Currency == currency
}

// since is the first day on which it may add something: days before are as recorded where nothing is told of any.
func (r *Running) since(today forecast.Day, told bool) forecast.Day {
	if !told {
		return today
	}
	return r.Since
}
