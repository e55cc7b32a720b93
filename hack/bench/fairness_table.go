package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// table is the result for people.
func (r *fairnessResult) table() string {
	var out strings.Builder
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	row := func(format string, values ...any) { _, _ = fmt.Fprintf(table, format+"\n", values...) }
	row("until all objects exist\tof\tp50\tp99\tmost\tp50, p99 against alone\tp50, p99 created\treleased\tapplied")
	for _, p := range r.Parts {
		row("%s\t%d\t%.3f s\t%.3f s\t%.3f s\t%.2f %.2f\t%s\t%s\t%s", p.Name, p.All.Count, p.All.P50Seconds, p.All.P99Seconds, p.All.MaxSeconds,
			p.MedianRatio, p.Ratio, stage(&p.Created), stage(p.Released), stage(p.Applied))
	}
	_ = table.Flush()
	out.WriteString("\nbusy cores:\n")
	for _, p := range r.Parts {
		var by []string
		for _, program := range slices.Sorted(maps.Keys(p.CPUCores)) {
			by = append(by, fmt.Sprintf("%s %.2f", program, p.CPUCores[program]))
		}
		fmt.Fprintf(&out, "  %s, %.1f s: %s, others %.2f\n", p.Name, p.Seconds, strings.Join(by, ", "), p.OthersCores)
	}
	fmt.Fprintf(&out, "\nburst of %d, %d invalid; requests a minute for what is invalid, when it has been told so: %.1f; peak memory of the manager %.0f MiB\n",
		r.Burst, r.Invalid, r.InvalidRequestsPerMinute, r.PeakMiB)
	return out.String()
}

// stage is how long a part of the way took.
func stage(s *sample) string {
	if s == nil {
		return ""
	}
	return fmt.Sprintf("%.3f %.3f", s.P50Seconds, s.P99Seconds)
}
