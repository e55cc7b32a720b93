package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/offline"
	"github.com/towpath-dev/towpath/internal/cost"
	"github.com/towpath-dev/towpath/internal/render"
)

// costReport is what `cost -o json` prints. Fields are only ever added within a version.
type costReport struct {
	APIVersion string     `json:"apiVersion"`
	Kind       string     `json:"kind"`
	Items      []costItem `json:"items"`
	// Total of all items.
	Total *cost.Estimate `json:"total"`
}

// costItem is one Component in one environment.
type costItem struct {
	Namespace   string                `json:"namespace"`
	Component   string                `json:"component"`
	Environment string                `json:"environment"`
	Template    string                `json:"template"`
	Tier        platformv1alpha1.Tier `json:"tier"`
	Estimate    *cost.Estimate        `json:"estimate"`
}

func newCost(connect cluster.Connector, std streams) *cobra.Command {
	var where folders
	var flags renderFlags
	var component, prices string
	var output format
	cmd := &cobra.Command{
		Use:   "cost -f FILE|FOLDER|-",
		Short: "Estimate what Components cost a month, and report what they did cost",
		Long: `Estimate what Components cost a month, without a cluster. cost report and cost export
tell what teams did cost.

Each Component is rendered in each environment of its path, and what its pods
request, its volumes, devices and load balancers are priced: at least, as expected
and at most, where autoscalers choose. Windows in which the environment sleeps are
taken off, where the files have the Environment.

Prices come from the list of --prices. What it does not have, in USD, is of
OpenCost's default list: an assumption, which a * marks. docs/costs.md says how
figures come about, and what a list of prices looks like.`,
		Example: `  towpath cost -f component.yaml --prices prices.yaml
  towpath cost -f deploy/ --component checkout -e prod --tier Production -o markdown`,
		// No argument: names of reports stand there.
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := flags.complete(cmd); err != nil {
				return err
			}
			list, err := readPrices(prices)
			if err != nil {
				return &trouble{err: err, next: nextPrices}
			}
			world, err := where.world(cmd.Context(), flags.files, std.in)
			if err != nil {
				return err
			}
			selection := offline.Selection{Component: component, Environments: flags.environments}
			return runCost(world, selection, &flags.settings, list, std, output)
		},
	}
	cmd.AddCommand(newCostReport(connect, std), newCostExport(connect, std))
	where.bind(cmd)
	flags.bind(cmd, "estimate")
	cmd.Flags().StringVar(&component, "component", "", "name of the one Component to estimate (default: all)")
	cmd.Flags().StringVar(&prices, "prices", "", "file with the list of prices (default: OpenCost's default list)")
	addFormat(cmd, &output, "json, yaml or markdown (default: a table)", formatJSON, formatYAML, formatMarkdown)
	return cmd
}

const nextPrices = "correct the list of prices; docs/costs.md has an example"

// maxPrices is more than any list of prices has; what reads it says so.
const maxPrices = 2 << 20

func readPrices(name string) (*cost.Prices, error) {
	if name == "" {
		return cost.DefaultPrices(), nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, maxPrices))
	if err != nil {
		return nil, err
	}
	list, err := cost.Load(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return list, nil
}

func runCost(world *offline.World, selection offline.Selection, settings *offline.Settings, prices *cost.Prices, std streams, output format) error {
	// Names and labels cost nothing, so that it does not matter who told them.
	matters := func(assumed string) bool {
		return strings.HasPrefix(assumed, "tier") || strings.HasPrefix(assumed, "schema")
	}
	results, err := renderSelected(world, selection, settings, std, matters)
	if err != nil {
		return err
	}
	report, err := estimate(results, prices)
	if err != nil {
		return err
	}
	switch {
	case output == formatJSON, output == formatYAML:
		err = printValue(std.out, output, report)
	case len(report.Items) == 0:
	case output == formatMarkdown:
		_, err = io.WriteString(std.out, costMarkdown(report))
	default:
		_, err = io.WriteString(std.out, costTable(report))
	}
	if err != nil {
		return err
	}
	return foundAll(world, selection, results)
}

func estimate(results []offline.Result, prices *cost.Prices) (*costReport, error) {
	report := &costReport{APIVersion: cliAPIVersion, Kind: "Cost", Items: []costItem{}}
	all := []*cost.Estimate{{Currency: prices.Currency}}
	for i := range results {
		r := &results[i]
		found, err := cost.Of(cost.Input{Objects: render.Plain(r.Objects), Prices: prices, Tier: r.Tier, Awake: cost.AwakeBy(r.Sleep)})
		if err != nil {
			return nil, &trouble{err: fmt.Errorf("component %s in %s: %w", r.Component, r.Environment, err), next: "towpath lint shows what else is wrong", code: exitFindings}
		}
		report.Items = append(report.Items, costItem{r.Namespace, r.Component, r.Environment, r.Template, r.Tier, found})
		all = append(all, found)
	}
	var err error
	report.Total, err = cost.Sum(all...)
	return report, err
}
