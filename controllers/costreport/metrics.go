package costreport

import (
	"cmp"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/shopspring/decimal"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/towpath-dev/towpath/internal/showback"
)

// maxSeries is how many teams and environments are told apart; the least of the others are told together, as the
// environment others of no team.
const maxSeries = 2000

// others stands for environments that are told together.
const others = "(others)"

var (
	monthDesc = prometheus.NewDesc("towpath_cost_month_to_date",
		"Effective cost of the month that runs, as far as there are figures, by team and environment; environment is empty for what names none.",
		[]string{"team", "environment", "currency"}, nil)
	unownedDesc = prometheus.NewDesc("towpath_cost_unowned_month_to_date",
		"Effective cost of the month that runs that is no team's: idle, shared, and what names no team that exists.", []string{"currency"}, nil)
	coverageDesc = prometheus.NewDesc("towpath_cost_coverage_ratio",
		"Part of usage and purchases of the month that runs that names a team, from 0 to 1.", []string{"currency"}, nil)
	lastSuccess = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "towpath_cost_reports_last_success_timestamp_seconds",
		Help: "When all CostReports were brought up to date last, in seconds since 1970; 0 for not since this manager leads.",
	})
)

// figures are what the last pass found of the month that runs; nil for nothing.
var figures atomic.Pointer[told]

func init() { metrics.Registry.MustRegister(collector{}, lastSuccess) }

// series is a figure of a team's environment.
type series struct {
	team, environment, currency string
	amount                      decimal.Decimal
}

// told are the figures that are served.
type told struct {
	series            []series
	unowned, coverage map[string]float64
}

// newFigures are the figures of a month's accounts, bounded.
func newFigures(accounts *showback.Accounts) *told {
	if accounts == nil {
		return nil
	}
	t := &told{unowned: map[string]float64{}, coverage: map[string]float64{}}
	for _, team := range accounts.Teams() {
		for key, amount := range accounts.Totals(team) {
			t.series = append(t.series, series{team, key[0], key[1], amount})
		}
	}
	slices.SortFunc(t.series, func(a, b series) int {
		return cmp.Or(b.amount.Cmp(a.amount), strings.Compare(a.team, b.team), strings.Compare(a.environment, b.environment), strings.Compare(a.currency, b.currency))
	})
	if len(t.series) > maxSeries {
		rest := map[string]decimal.Decimal{}
		for _, s := range t.series[maxSeries:] {
			rest[s.currency] = rest[s.currency].Add(s.amount)
		}
		t.series = t.series[:maxSeries:maxSeries]
		for currency, amount := range rest {
			t.series = append(t.series, series{"", others, currency, amount})
		}
	}
	for currency, amount := range accounts.Unowned() {
		t.unowned[currency] = amount.InexactFloat64()
	}
	const percent = 100
	for _, c := range accounts.Coverage() {
		if amount, err := decimal.NewFromString(c.Percent); err == nil {
			t.coverage[c.Currency] = amount.InexactFloat64() / percent
		}
	}
	return t
}

// collector tells the figures. A manager that does not lead has none.
type collector struct{}

// Describe implements prometheus.Collector.
func (collector) Describe(descs chan<- *prometheus.Desc) {
	descs <- monthDesc
	descs <- unownedDesc
	descs <- coverageDesc
}

// Collect implements prometheus.Collector.
func (collector) Collect(found chan<- prometheus.Metric) {
	t := figures.Load()
	if t == nil {
		return
	}
	for _, s := range t.series {
		found <- prometheus.MustNewConstMetric(monthDesc, prometheus.GaugeValue, s.amount.InexactFloat64(), s.team, s.environment, s.currency)
	}
	for currency, amount := range t.unowned {
		found <- prometheus.MustNewConstMetric(unownedDesc, prometheus.GaugeValue, amount, currency)
	}
	for currency, ratio := range t.coverage {
		found <- prometheus.MustNewConstMetric(coverageDesc, prometheus.GaugeValue, ratio, currency)
	}
}
