package manager

import (
	"cmp"
	"context"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/shopspring/decimal"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// maxBudgets is how many Budgets and limits of Teams have figures, and maxOfHome how many Budgets of one namespace, the first by name. One
// tenant must neither fill Prometheus, nor have the figures of others left out.
const maxBudgets, maxOfHome = 2000, 50

var (
	budgetLabels = []string{"team", "namespace", "budget"}
	spentDesc    = prometheus.NewDesc("towpath_budget_spent_ratio",
		"Part of a Budget, or of a limit of a Team, that is spent; namespace is empty for a limit of a Team.", budgetLabels, nil)
	forecastDesc = prometheus.NewDesc("towpath_budget_forecast_ratio",
		"Part of a Budget, or of a limit of a Team, that the period is expected to cost.", budgetLabels, nil)
	burnDesc = prometheus.NewDesc("towpath_budget_burn_rate",
		"What a day cost of late, of what a Budget is about, in the currency of the Budget.", append(budgetLabels[:3:3], "currency"), nil)
	anomaliesDesc = prometheus.NewDesc("towpath_budget_anomalies",
		"Anomalies of the last 35 days in what a Budget is about.", budgetLabels, nil)
)

// collectBudgets collects how far Budgets and the limits of Teams are spent, as their status says. What is not known yet has no figure.
func collectBudgets(ctx context.Context, reader client.Reader, found chan<- prometheus.Metric) {
	var budgets platformv1alpha1.BudgetList
	var teams platformv1alpha1.TeamList
	if reader.List(ctx, &budgets, client.UnsafeDisableDeepCopy) != nil || reader.List(ctx, &teams, client.UnsafeDisableDeepCopy) != nil {
		return
	}
	left := maxBudgets
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		found <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	spending := func(amount, spent platformv1alpha1.Amount, forecast *platformv1alpha1.SpendingForecast, labels ...string) {
		if part, ok := ratio(spent, amount); ok {
			gauge(spentDesc, part, labels...)
		}
		if forecast == nil {
			return
		}
		if part, ok := ratio(forecast.Amount, amount); ok {
			gauge(forecastDesc, part, labels...)
		}
	}
	// Limits of the platform first: they are few, and no tenant makes them.
	slices.SortFunc(teams.Items, func(a, b platformv1alpha1.Team) int { return cmp.Compare(a.Name, b.Name) })
	for i := range teams.Items {
		if teams.Items[i].Status.Spending == nil {
			continue
		}
		for _, limit := range teams.Items[i].Status.Spending.Limits {
			if left--; left >= 0 {
				spending(limit.Amount, limit.Spent, limit.Forecast, teams.Items[i].Name, "", limit.Name)
			}
		}
	}
	slices.SortFunc(budgets.Items, func(a, b platformv1alpha1.Budget) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	of := map[string]int{}
	for i := range budgets.Items {
		b := &budgets.Items[i]
		if of[b.Namespace]++; of[b.Namespace] > maxOfHome {
			continue
		}
		if left--; left < 0 {
			return
		}
		spending(b.Spec.Amount, b.Status.Spent, b.Status.Forecast, b.Status.Team, b.Namespace, b.Name)
		if rate, err := decimal.NewFromString(string(b.Status.BurnRate)); err == nil {
			gauge(burnDesc, rate.InexactFloat64(), b.Status.Team, b.Namespace, b.Name, b.Spec.Currency)
		}
		if b.Status.Spent != "" {
			gauge(anomaliesDesc, float64(len(b.Status.Anomalies)), b.Status.Team, b.Namespace, b.Name)
		}
	}
}

// ratio is a part of a whole; false where either is not known.
func ratio(part, whole platformv1alpha1.Amount) (float64, bool) {
	a, err := decimal.NewFromString(string(part))
	b, wrong := decimal.NewFromString(string(whole))
	if err != nil || wrong != nil || !b.IsPositive() {
		return 0, false
	}
	return a.InexactFloat64() / b.InexactFloat64(), true
}
