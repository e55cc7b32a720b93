package costsource

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/shopspring/decimal"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/cost"
	"github.com/towpath-dev/towpath/internal/history"
)

const (
	// window is how many days a summary is of.
	window = 30
	// currencies is how many currencies a status has room for.
	currencies = 16
)

// requestPrice is what AWS charges for a request, in USD.
var requestPrice = decimal.New(1, -2)

// requestCost is what requests cost; empty for none.
func requestCost(requests int32) string {
	if requests == 0 {
		return ""
	}
	return requestPrice.Mul(decimal.NewFromInt32(requests)).StringFixed(2)
}

// summarise puts into the status what the history has of the source.
func (r *Reconciler) summarise(ctx context.Context, cs *platformv1alpha1.CostSource, now time.Time) error {
	status, today := &cs.Status, history.DayOf(now)
	all := history.Query{
		From: today - history.Keep, To: today + 1, Sources: []string{cs.Name}, GroupBy: []history.Dimension{history.ByDay}, At: now,
	}
	days, err := r.History.Sum(ctx, all)
	if err != nil {
		return err
	}
	var last history.Day
	status.Covered, last = covered(days)
	status.Summaries, status.Reconciliation, status.Warnings = nil, nil, warned(status.Warnings, nil)
	if status.Covered == nil {
		return nil
	}
	recent := all
	recent.From, recent.To = last-window+1, last+1
	recent.GroupBy = []history.Dimension{history.ByTeam, history.ByCategory}
	sums, err := r.History.Sum(ctx, recent)
	if err != nil {
		return err
	}
	status.Summaries = summaries(sums)
	return r.reconcileBill(ctx, cs, recent)
}

// covered says which days are known, and the last of them.
func covered(sums []history.Sum) (*platformv1alpha1.CoveredDays, history.Day) {
	provisional := map[history.Day]bool{}
	for i := range sums {
		provisional[sums[i].Day] = provisional[sums[i].Day] || sums[i].Provisional
	}
	days := slices.Sorted(maps.Keys(provisional))
	if len(days) == 0 {
		return nil, 0
	}
	first, last := days[0], days[len(days)-1]
	out := &platformv1alpha1.CoveredDays{
		From: first.String(), To: last.String(), Missing: int32(last-first) + 1 - int32(len(days)), //nolint:gosec // 400 at most
	}
	for _, day := range days {
		if provisional[day] {
			out.ProvisionalSince = day.String()
			break
		}
	}
	return out, last
}

// summaries are the sums by currency.
func summaries(sums []history.Sum) []platformv1alpha1.CurrencySummary {
	type total struct{ cost, nobody decimal.Decimal }
	totals := map[string]*total{}
	for i := range sums {
		t := totals[sums[i].Currency]
		if t == nil {
			t = &total{}
			totals[sums[i].Currency] = t
		}
		t.cost = t.cost.Add(sums[i].Effective)
		if sums[i].Team == "" {
			t.nobody = t.nobody.Add(sums[i].Effective)
		}
	}
	shares := map[string]string{}
	for _, c := range history.Covered(sums) {
		if share, ok := c.Share(); ok {
			shares[c.Currency] = share.StringFixed(4)
		}
	}
	var out []platformv1alpha1.CurrencySummary
	for _, currency := range slices.Sorted(maps.Keys(totals)) {
		out = append(out, platformv1alpha1.CurrencySummary{
			Currency: currency, Cost: money(totals[currency].cost, currency), Unallocated: money(totals[currency].nobody, currency),
			Coverage: shares[currency],
		})
	}
	return out[:min(len(out), currencies)]
}

// money is an amount as a status shows it.
func money(amount decimal.Decimal, currency string) platformv1alpha1.Amount {
	return platformv1alpha1.Amount(amount.StringFixedBank(cost.Digits(currency)))
}

// reconcileBill puts a bill beside what OpenCost allocates, over the final days that all tell of.
func (r *Reconciler) reconcileBill(ctx context.Context, cs *platformv1alpha1.CostSource, recent history.Query) error {
	if cs.Spec.Type == platformv1alpha1.CostSourceOpenCost {
		return nil
	}
	var list platformv1alpha1.CostSourceList
	if err := r.List(ctx, &list); err != nil {
		return err
	}
	var clusters []string
	for i := range list.Items {
		if list.Items[i].Spec.Type == platformv1alpha1.CostSourceOpenCost {
			clusters = append(clusters, list.Items[i].Name)
		}
	}
	if len(clusters) == 0 {
		return nil
	}
	recent.Sources = append([]string{cs.Name}, clusters...)
	recent.GroupBy = []history.Dimension{history.ByDay, history.BySource}
	sums, err := r.History.Sum(ctx, recent)
	if err != nil {
		return err
	}
	cs.Status.Reconciliation = reconciled(sums, cs.Name, len(clusters))
	cs.Status.Warnings = warned(cs.Status.Warnings, missing(sums, cs.Name, clusters))
	return nil
}

// reconciled compares, by currency, a bill with so many clusters.
func reconciled(sums []history.Sum, bill string, clusters int) []platformv1alpha1.CostReconciliation {
	type key struct {
		currency string
		day      history.Day
	}
	type day struct {
		billed, allocated decimal.Decimal
		bill, open        bool
		clusters          int
	}
	days := map[key]*day{}
	for i := range sums {
		sum := &sums[i]
		k := key{sum.Currency, sum.Day}
		d := days[k]
		if d == nil {
			d = &day{}
			days[k] = d
		}
		d.open = d.open || sum.Provisional
		if sum.Source == bill {
			d.bill, d.billed = true, d.billed.Add(sum.Effective)
		} else {
			d.clusters, d.allocated = d.clusters+1, d.allocated.Add(sum.Effective)
		}
	}
	type total struct {
		billed, allocated decimal.Decimal
		days              int32
	}
	totals := map[string]*total{}
	for k, d := range days {
		if !d.bill || d.open || d.clusters < clusters {
			continue
		}
		t := totals[k.currency]
		if t == nil {
			t = &total{}
			totals[k.currency] = t
		}
		t.billed, t.allocated, t.days = t.billed.Add(d.billed), t.allocated.Add(d.allocated), t.days+1
	}
	var out []platformv1alpha1.CostReconciliation
	for _, currency := range slices.Sorted(maps.Keys(totals)) {
		t := totals[currency]
		out = append(out, platformv1alpha1.CostReconciliation{
			Currency: currency, Days: t.days, Billed: money(t.billed, currency), Allocated: money(t.allocated, currency),
			Residual: money(t.billed.Sub(t.allocated), currency),
		})
	}
	return out[:min(len(out), currencies)]
}
