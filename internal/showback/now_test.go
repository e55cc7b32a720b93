package showback_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"github.com/towpath-dev/towpath/internal/cost/allocation"
	"github.com/towpath-dev/towpath/internal/showback"
)

func row(cpu, idle, shared string) *allocation.Row {
	return &allocation.Row{CPU: decimal.RequireFromString(cpu), Idle: decimal.RequireFromString(idle), Shared: decimal.RequireFromString(shared)}
}

func TestAnAllocationIsGroupedAndSumsToTheWhole(t *testing.T) {
	t.Parallel()
	result := allocation.Result{
		showback.Owner{Team: "shop", Environment: "prod", Component: "checkout"}.Key(): row("10.111", "1", "0.5"),
		showback.Owner{Team: "shop", Environment: "dev", Component: "checkout"}.Key():  row("2.333", "0", "0.1"),
		showback.Owner{Team: "shop", Environment: "dev"}.Key():                         row("1", "0", "0"),
		showback.Owner{Team: "pay", Environment: "prod", Component: "checkout"}.Key():  row("5", "0", "0.4"),
		allocation.Idle:        row("0", "7.556", "0"),
		allocation.Unallocated: row("0", "0", "3"),
	}
	for by, want := range map[showback.By][]string{
		{Dimension: showback.ByComponent}:                  {"Own checkout 14.044", "Own  1", "OtherTeams  5.4", "Idle  7.556", "Unallocated  3"},
		{Dimension: showback.ByEnvironment}:                {"Own prod 11.611", "Own dev 3.433", "OtherTeams  5.4", "Idle  7.556", "Unallocated  3"},
		{Dimension: showback.ByTeam}:                       {"Own shop 15.044", "Own pay 5.4", "Idle  7.556", "Unallocated  3"},
		{Dimension: showback.ByLabel, Label: "part-of/it"}: {"Own store 14.044", "Own  1", "OtherTeams  5.4", "Idle  7.556", "Unallocated  3"},
	} {
		got := showback.OfAllocation(showback.AllocatedInput{
			Result: result, Team: "shop", By: by, Labels: map[string]map[string]string{"checkout": {"part-of/it": "store"}},
		})
		var rows []string
		sum := decimal.Zero
		for i := range got.Rows {
			r := &got.Rows[i]
			rows = append(rows, r.Kind+" "+r.Group+" "+r.Total.String())
			sum = sum.Add(r.Total)
		}
		if diff := cmp.Diff(want, rows); diff != "" {
			t.Errorf("%s: %s", by, diff)
		}
		if whole := result.Total(); !sum.Equal(whole) || !got.Total.Total.Equal(whole) {
			t.Errorf("%s: rows sum to %s, the total is %s, and the whole %s", by, sum, got.Total.Total, whole)
		}
	}
}
