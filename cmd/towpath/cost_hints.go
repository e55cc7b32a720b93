package main

import (
	"context"
	"fmt"
	"time"

	"github.com/shopspring/decimal"
	"github.com/spf13/cobra"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/savings"
	"github.com/towpath-dev/towpath/internal/prometheus"
	"github.com/towpath-dev/towpath/internal/rightsize"
	"github.com/towpath-dev/towpath/internal/showback"
)

// hintFlags say whether and how to look for savings.
type hintFlags struct {
	wanted             bool
	prometheus, prices string
	idleDays           int
}

const (
	defaultIdleDays = 30
	// queryTimeout is how long one query of a week of usage may take.
	queryTimeout = 30 * time.Second
	day          = 24 * time.Hour
)

func (f *hintFlags) bind(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.wanted, "hints", false, "look for ways to spend less: requests, sleep, previews, idle environments")
	cmd.Flags().StringVar(&f.prometheus, "prometheus", "", "address of a Prometheus with container metrics, for --hints (a week of them) and --now (default: one sample of metrics.k8s.io)")
	cmd.Flags().StringVar(&f.prices, "prices", "", "file with the list of prices, for --hints and --now (default: OpenCost's default list)")
	cmd.Flags().IntVar(&f.idleDays, "idle-days", defaultIdleDays, "after how many days without a Release an environment counts as idle, for --hints")
}

// findHints looks for ways to spend less, with the caller's rights.
func findHints(ctx context.Context, c *cluster.Cluster, flags *reportFlags, f *hintFlags, report *showback.Report, found *platformv1alpha1.CostReport, now time.Time) ([]showback.Hint, error) {
	prices, err := readPrices(f.prices)
	if err != nil {
		return nil, &trouble{err: err, next: "correct the list of prices; docs/costs.md has an example"}
	}
	if f.idleDays < 1 {
		return nil, &trouble{err: fmt.Errorf("--idle-days %d: must be at least 1", f.idleDays), next: "leave it out for 30"}
	}
	monthly, err := monthlyByEnvironment(found)
	if err != nil {
		return nil, err
	}
	list, environments, err := savings.Environments(ctx, c, c.Namespace, monthly)
	if err != nil {
		return nil, explained(err, flags.Flags, "look at environments in namespace "+c.Namespace)
	}
	var ask savings.Asker
	if f.prometheus != "" {
		asker := prometheus.New(nil)
		ask = func(ctx context.Context, query string) ([]float64, error) {
			values, err := asker.Query(ctx, f.prometheus, query, queryTimeout)
			if err != nil {
				return nil, &trouble{err: fmt.Errorf("--prometheus: %w", err), next: "give the address of a Prometheus that answers without credentials, such as that of kubectl port-forward"}
			}
			return values, nil
		}
	}
	containers, unknown, err := savings.Containers(ctx, c, list, ask)
	if err != nil {
		if ask != nil {
			return nil, err
		}
		return nil, explained(err, flags.Flags, "look at what runs")
	}
	hints := []showback.Hint{}
	for _, h := range rightsize.Hints(rightsize.Input{
		Now: now, Environments: environments, Containers: containers, Prices: prices, IdleAfter: time.Duration(f.idleDays) * day, Unknown: unknown,
	}) {
		hints = append(hints, showback.Hint{Kind: string(h.Kind), Environment: h.Environment, Component: h.Component, Text: h.Text, Saves: h.Saves, Currency: h.Currency})
	}
	if f.prices == "" {
		report.Notes = append(report.Notes, "savings of requests are by OpenCost's default list of prices, which may not be yours: give --prices")
	}
	return hints, nil
}

// monthlyByEnvironment is what each environment costs in a whole month, by what it cost so far.
func monthlyByEnvironment(found *platformv1alpha1.CostReport) (map[string]map[string]decimal.Decimal, error) {
	report, err := showback.Of(showback.Input{Report: found, By: showback.By{Dimension: showback.ByEnvironment}})
	if err != nil {
		return nil, err
	}
	part, err := showback.Elapsed(found)
	if err != nil {
		return nil, err
	}
	monthly := map[string]map[string]decimal.Decimal{}
	for i := range report.Lines {
		line := &report.Lines[i]
		if line.Kind != platformv1alpha1.CostOwn || line.Group == "" {
			continue
		}
		if monthly[line.Group] == nil {
			monthly[line.Group] = map[string]decimal.Decimal{}
		}
		const places = 4
		monthly[line.Group][line.Currency] = line.Effective.DivRound(part, places)
	}
	return monthly, nil
}
