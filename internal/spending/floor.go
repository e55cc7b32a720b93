package spending

import (
	"fmt"

	"github.com/shopspring/decimal"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/forecast"
)

// floor raises what bills expect to what is estimated of all that ran and runs, where the limit can hold a change up and that is more.
// A bill that lags, that tells of a part alone, or from which somebody took the tags must not open a limit. What only informs stays
// as the bill has it.
func (f *Figures) floor(ledger Ledger, running []Running, change *Change, today forecast.Day) {
	if ledger.Source != platformv1alpha1.CostFromBills || !f.Limit.Blocks() || f.Basis == platformv1alpha1.ForecastOver {
		return
	}
	rest := f.Reserved
	days := reach{period: f.Limit.Period, today: today}
	for _, place := range places(running, f.Limit.Scope, change) {
		// What has no estimate is named among what is not counted, and holds up what adds cost.
		added, _ := place.adds(f.Limit.Currency, 0, days, false)
		rest = rest.Add(added)
	}
	least := decimal.Max(f.before(ledger.Points, today), f.before(ledger.Estimated, today)).Add(rest)
	if least.LessThanOrEqual(f.Expected) {
		return
	}
	l := &f.Limit
	f.Note = fmt.Sprintf("By estimates of what ran and runs; bills expect %s. As the limit can hold changes up the larger counts, since bills may lag, or miss what bears no tag. %s",
		Money(f.Expected, l.Currency), f.Note)
	f.Expected, f.Basis = least, platformv1alpha1.ForecastFromEstimates
	// The interval is that of the days of bills.
	f.HasInterval, f.Low, f.High = false, decimal.Zero, decimal.Zero
}

// before is what the days of the period before today cost.
func (f *Figures) before(points []forecast.Point, today forecast.Day) decimal.Decimal {
	sum := decimal.Zero
	for i := range points {
		if p := &points[i]; p.Day < today && f.Limit.Period.Holds(p.Day) {
			sum = sum.Add(p.Total())
		}
	}
	return sum
}
