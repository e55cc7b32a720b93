package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/shopspring/decimal"
	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/allocated"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
	"github.com/towpath-dev/towpath/internal/cost/allocation"
	"github.com/towpath-dev/towpath/internal/prometheus"
	"github.com/towpath-dev/towpath/internal/showback"
)

// nowFlags say whether and how to share what runs now.
type nowFlags struct {
	wanted       bool
	idle, shared string
	shares       map[string]string
}

// mostSeries is how many containers an answer of Prometheus may tell of.
const mostSeries = 200_000

// percentage is one as it is written.
var percentage = regexp.MustCompile(`^[0-9]{1,3}(\.[0-9]{1,10})?$`)

var (
	idleModes = map[string]allocation.IdleMode{
		"separate": allocation.Separate, "node": allocation.ShareByNode, "cluster": allocation.ShareByCluster,
	}
	sharings = map[string]allocation.Sharing{"proportional": allocation.Proportional, "even": allocation.Even, "fixed": allocation.Fixed}
)

func (f *nowFlags) bind(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.wanted, "now", false, "share what the nodes cost among what runs on them now, as OpenCost does, in place of a month's figures; you need the right to list nodes, and pods of all namespaces")
	cmd.Flags().StringVar(&f.idle, "idle", "separate", "who pays what nobody asks for or uses, for --now: separate (nobody), node or cluster")
	cmd.Flags().StringVar(&f.shared, "shared", "proportional", "how what the cluster itself runs is split, for --now: proportional, even, or fixed, by --share")
	cmd.Flags().StringToStringVar(&f.shares, "share", nil, "percentage of a team of what the cluster itself runs, as shop=60, for --shared fixed; what they leave is nobody's")
}

// choice is how what is nobody's is parted.
type choice struct {
	idle   allocation.IdleMode
	shared allocation.Sharing
	// percents are those of teams, of Fixed.
	percents map[string]decimal.Decimal
}

// choose reads the flags.
func (f *nowFlags) choose(command string) (choice, error) {
	c := choice{percents: map[string]decimal.Decimal{}}
	refuse := func(format string, args ...any) (choice, error) {
		return choice{}, &trouble{err: fmt.Errorf(format, args...), next: command + " --help"}
	}
	var ok bool
	if c.idle, ok = idleModes[f.idle]; !ok {
		return refuse("--idle %q: must be one of %s", f.idle, strings.Join(slices.Sorted(maps.Keys(idleModes)), ", "))
	}
	if c.shared, ok = sharings[f.shared]; !ok {
		return refuse("--shared %q: must be one of %s", f.shared, strings.Join(slices.Sorted(maps.Keys(sharings)), ", "))
	}
	if (c.shared == allocation.Fixed) != (len(f.shares) > 0) {
		return refuse("--shared fixed and --share TEAM=PERCENT, such as --share shop=60, must be given together")
	}
	sum := decimal.Zero
	for _, team := range slices.Sorted(maps.Keys(f.shares)) {
		percent, err := decimal.NewFromString(f.shares[team])
		if err != nil || !percentage.MatchString(f.shares[team]) || team == "" || strings.Contains(team, "/") {
			return refuse("--share %s=%s: must be the name of a team and a percentage from 0 to 100, such as shop=60", team, f.shares[team])
		}
		c.percents[team], sum = percent, sum.Add(percent)
	}
	if most := decimal.NewFromInt(100); sum.GreaterThan(most) {
		return refuse("--share: the percentages sum to %s, and must to 100 at most", sum)
	}
	return c, nil
}

// allocate shares what was found.
func (c *choice) allocate(found *allocated.Found) (allocation.Result, error) {
	found.Input.Idle, found.Input.Shared = c.idle, nil
	shared := allocation.Shared{How: c.shared, Of: []string{showback.ClusterRow}}
	if c.shared == allocation.Fixed {
		// What each pays otherwise parts the percentage of a team among what it runs.
		before, err := allocation.Allocate(found.Input)
		if err != nil {
			return nil, err
		}
		shared.Percent = showback.FixedShares(before, c.percents)
	}
	found.Input.Shared = []allocation.Shared{shared}
	return allocation.Allocate(found.Input)
}

// by reads what to group by: beside what a month's figures have, there are teams.
func (f *nowFlags) by(text string) (showback.By, error) {
	if text == string(showback.ByTeam) {
		return showback.By{Dimension: showback.ByTeam}, nil
	}
	by, err := showback.ParseBy(text)
	if err == nil && by.Dimension == showback.ByService {
		return by, fmt.Errorf("--by %s: what runs now is grouped by team, environment, component or label=KEY", text)
	}
	return by, err
}

// runNow prints for whom the nodes of the cluster are.
func runNow(ctx context.Context, connect cluster.Connector, flags *reportFlags, f *nowFlags, hints *hintFlags, command string, out io.Writer) error {
	by, err := f.by(flags.by)
	if err != nil {
		return &trouble{err: err, next: command + " --help"}
	}
	chosen, err := f.choose(command)
	if err != nil {
		return err
	}
	prices, err := readPrices(hints.prices)
	if err != nil {
		return &trouble{err: err, next: "correct the list of prices; docs/costs.md has an example"}
	}
	connection, err := dial(connect, flags.Flags)
	if err != nil {
		return err
	}
	in := showback.AllocatedInput{By: by, Team: flags.team}
	if by.Dimension != showback.ByTeam {
		if err := f.team(ctx, connection, flags, &in, command); err != nil {
			return err
		}
	}
	found, err := allocated.Look(ctx, connection, prices, hints.asker())
	if err != nil {
		return explained(err, flags.Flags, "look at what runs in all namespaces")
	}
	if in.Result, err = chosen.allocate(found); err != nil {
		return &trouble{err: err, next: "try again: nodes or pods changed while they were looked at"}
	}
	report := showback.OfAllocation(in)
	report.APIVersion, report.Kind = cliAPIVersion, "CostAllocation"
	report.Currency, report.Idle, report.Shared, report.Usage = prices.Currency, chosen.idle, chosen.shared, found.Usage
	report.Notes = append(slices.Clone(found.Notes), "shared is what bears no team, such as what the cluster itself runs")
	return printAllocation(out, report, flags.output)
}

// team finds the team, and the labels of its Components where these are asked for.
func (f *nowFlags) team(ctx context.Context, c *cluster.Cluster, flags *reportFlags, in *showback.AllocatedInput, command string) error {
	if in.Team == "" {
		return &trouble{err: fmt.Errorf("--now needs --team NAME, or --by team for all"), next: command + " --now --by team"}
	}
	if in.By.Dimension != showback.ByLabel {
		return nil
	}
	home, err := homeOf(ctx, c, flags.Flags, in.Team, command)
	if err != nil {
		return err
	}
	in.Labels = map[string]map[string]string{}
	if err := cluster.Pages(ctx, c, &platformv1alpha1.ComponentList{}, func(list *platformv1alpha1.ComponentList) {
		for i := range list.Items {
			in.Labels[list.Items[i].Name] = maps.Clone(list.Items[i].Labels)
		}
	}, client.InNamespace(home)); err != nil {
		return explained(err, flags.Flags, "list components in namespace "+home)
	}
	return nil
}

// asker asks the Prometheus that was given; nil for none.
func (f *hintFlags) asker() allocated.Asker {
	if f.prometheus == "" {
		return nil
	}
	asker := prometheus.New(nil)
	return func(ctx context.Context, query string) ([]prometheus.Series, error) {
		series, err := asker.QuerySeries(ctx, f.prometheus, query, queryTimeout, mostSeries)
		if err != nil {
			return nil, &trouble{err: fmt.Errorf("--prometheus: %w", err), next: "give the address of a Prometheus that answers without credentials, such as that of kubectl port-forward"}
		}
		return series, nil
	}
}

func printAllocation(out io.Writer, report *showback.Allocation, as format) error {
	switch as {
	case formatJSON, formatYAML:
		return printValue(out, as, report)
	case formatCSV:
		w := csv.NewWriter(out)
		if err := w.WriteAll(report.Records()); err != nil {
			return err
		}
		return w.Error()
	case formatMarkdown:
		_, err := io.WriteString(out, report.Markdown())
		return err
	}
	_, err := io.WriteString(out, report.Table())
	return err
}
