package costsource

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/internal/history"
)

// noResidual begins each warning of missing.
const noResidual = "There is no residual "

// warned are a status's warnings with those of the residual, in place of what they were. There is always room for one of these.
func warned(warnings, residual []string) []string {
	const most, longest = 8, 512
	kept := slices.DeleteFunc(slices.Clone(warnings), func(warning string) bool { return strings.HasPrefix(warning, noResidual) })
	if len(residual) > 0 {
		kept = append(kept[:min(len(kept), most-1)], residual...)
	}
	kept = kept[:min(len(kept), most)]
	for i := range kept {
		kept[i] = condition.Clip(kept[i], longest)
	}
	return kept
}

// missing says, by currency, since which day a bill cannot be put beside the clusters, and which of them it is for: those that do not tell
// of its last final day. A day that a cluster tells of and that is not final yet is no reason to say so.
func missing(sums []history.Sum, bill string, clusters []string) []string {
	type cell struct {
		currency, source string
		day              history.Day
	}
	told, open, currencies := map[cell]bool{}, map[cell]bool{}, map[string]map[string]bool{}
	last := map[string]history.Day{}
	for i := range sums {
		at := cell{sums[i].Currency, sums[i].Source, sums[i].Day}
		told[at], open[at] = true, open[at] || sums[i].Provisional
		if currencies[at.source] == nil {
			currencies[at.source] = map[string]bool{}
		}
		currencies[at.source][at.currency] = true
	}
	for at := range told {
		if at.source == bill && !open[at] {
			last[at.currency] = max(last[at.currency], at.day)
		}
	}
	var all []string
	for _, currency := range slices.Sorted(maps.Keys(last)) {
		since, day := last[currency], last[currency]
		var reasons []string
		for _, cluster := range slices.Sorted(slices.Values(clusters)) {
			if told[cell{currency, cluster, day}] {
				continue
			}
			first := day
			for d := day; d > day-window; d-- {
				if told[cell{currency, cluster, d}] {
					break
				}
				if told[cell{currency, bill, d}] {
					first = d
				}
			}
			since = min(since, first)
			reasons = append(reasons, reason(cluster, slices.Sorted(maps.Keys(currencies[cluster])), currency))
		}
		if len(reasons) > 0 {
			all = append(all, fmt.Sprintf(noResidual+"in %s since %s: %s.", currency, since, strings.Join(reasons, "; ")))
		}
	}
	return all
}

// reason is why a cluster is not beside a bill.
func reason(cluster string, has []string, currency string) string {
	switch {
	case len(has) == 0:
		return fmt.Sprintf("CostSource %s tells of no day; look at its conditions, or delete it", cluster)
	case !slices.Contains(has, currency):
		return fmt.Sprintf("CostSource %s tells in %s; give one of both spec.conversions", cluster, strings.Join(has, ", "))
	}
	return fmt.Sprintf("CostSource %s does not tell of these days; look at its conditions, and whether it is suspended", cluster)
}
