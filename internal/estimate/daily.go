package estimate

import (
	"cmp"
	"slices"
	"time"

	"github.com/shopspring/decimal"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/cost"
	"github.com/towpath-dev/towpath/internal/history"
)

const (
	// Source is by which name estimates stand in the history, beside those of bills.
	Source = "towpath-estimates"
	// Service is what estimates are charged for.
	Service = "Estimate"
	// settle is how long after its end a day may still change: Releases that ended are told a moment later.
	settle = time.Hour
)

// month is how many seconds there are in one.
var month = decimal.NewFromInt(cost.HoursPerMonth * 3600)

// Daily is what Releases of one team are estimated to have cost on a day until now, by environment, component and currency: the
// hours that each ran, times its estimate. known are the figures of the day that were recorded before; none of them falls, since
// Releases are deleted that ran. A team of which nothing ran has a figure of nothing, so that the day is known to have cost that.
func Daily(team, currency string, releases []*platformv1alpha1.Release, known []history.Sum, day history.Day, now time.Time) []history.Figure {
	amounts := map[history.Series]decimal.Decimal{}
	series := func(environment, component, currency string) history.Series {
		return history.Series{
			Team: team, Environment: environment, Component: component, Service: Service, Category: history.Usage, Currency: currency,
		}
	}
	amounts[series("", "", currency)] = decimal.Zero
	for _, release := range releases {
		seconds := int64(ran(release, day, now) / time.Second)
		estimated := release.Cost()
		if seconds <= 0 || estimated == nil {
			continue
		}
		monthly, err := Decimal(estimated.Monthly.Expected)
		if err != nil {
			continue
		}
		key := series(release.Spec.Environment.Name, release.Spec.Component.Name, estimated.Currency)
		amounts[key] = amounts[key].Add(monthly.Mul(decimal.NewFromInt(seconds)).DivRound(month, history.Places))
	}
	for i := range known {
		key := known[i].Series
		key.Service, key.Category = Service, history.Usage
		if known[i].Effective.GreaterThan(amounts[key]) {
			amounts[key] = known[i].Effective
		}
	}
	figures := make([]history.Figure, 0, len(amounts))
	for key, amount := range amounts {
		amount = amount.Round(history.Places)
		figures = append(figures, history.Figure{Day: day, Series: key, Billed: amount, Effective: amount, Settles: (day + 1).Time().Add(settle)})
	}
	slices.SortFunc(figures, func(a, b history.Figure) int {
		return cmp.Or(cmp.Compare(a.Environment, b.Environment), cmp.Compare(a.Component, b.Component), cmp.Compare(a.Currency, b.Currency))
	})
	return figures
}

// ran is how long a Release ran on a day until now.
func ran(release *platformv1alpha1.Release, day history.Day, now time.Time) time.Duration {
	if release.Status.AppliedAt == nil {
		return 0
	}
	from, until := release.Status.AppliedAt.Time, now
	if end := (day + 1).Time(); end.Before(until) {
		until = end
	}
	if start := day.Time(); start.After(from) {
		from = start
	}
	for _, ended := range []*time.Time{timeOf(release.Status.SupersededAt), timeOf(release.DeletionTimestamp)} {
		if ended != nil && ended.Before(until) {
			until = *ended
		}
	}
	return max(0, until.Sub(from))
}

func timeOf(t *metav1.Time) *time.Time {
	if t == nil {
		return nil
	}
	return &t.Time
}
