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
		"Effective cost of the month that runs, as far as there are figures, by team and environment; environment is empty for what names none, source is Bills or Estimates.",
		[]string{"team", "environment", "currency", "source"}, nil)
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

// told are the figures that are served.
type told struct {
	series            []showback.Figure
	unowned, coverage map[string]float64
}

// newFigures are the figures of a month's accounts, bounded.
func newFigures(accounts *showback.Accounts) *told {
	if accounts == nil {
		return nil
	}
	t := &told{series: accounts.Figures(), unowned: map[string]float64{}, coverage: map[string]float64{}}
	slices.SortFunc(t.series, func(a, b showback.Figure) int {
		return cmp.Or(b.Effective.Cmp(a.Effective), strings.Compare(a.Team, b.Team), strings.Compare(a.Environment, b.Environment), strings.Compare(a.Currency, b.Currency))
	})
	if len(t.series) > maxSeries {
		rest := map[showback.Figure]decimal.Decimal{}
		for _, s := range t.series[maxSeries:] {
			key := showback.Figure{Environment: others, Currency: s.Currency, Source: s.Source}
			rest[key] = rest[key].Add(s.Effective)
		}
		t.series = t.series[:maxSeries:maxSeries]
		for key, amount := range rest {
			key.Effective = amount
			t.series = append(t.series, key)
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
		found <- prometheus.MustNewConstMetric(monthDesc, prometheus.GaugeValue, s.Effective.InexactFloat64(), s.Team, s.Environment, s.Currency, string(s.Source))
	}
	for currency, amount := range t.unowned {
		found <- prometheus.MustNewConstMetric(unownedDesc, prometheus.GaugeValue, amount, currency)
	}
	for currency, ratio := range t.coverage {
		found <- prometheus.MustNewConstMetric(coverageDesc, prometheus.GaugeValue, ratio, currency)
	}
}
