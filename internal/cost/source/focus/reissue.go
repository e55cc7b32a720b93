package focus

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/towpath-dev/towpath/internal/history"
)

// days are the first and the last day that charges of a billing period are for.
type days [2]history.Day

func (d days) covers(other days) bool   { return d[0] <= other[0] && other[1] <= d[1] }
func (d days) overlaps(other days) bool { return d[0] <= other[1] && other[0] <= d[1] }

// reissued empties what earlier issues of a bill said of billing periods that this issue, in n, no longer tells of, but of one that begins
// within a day of them and has all their days: the beginning is then written otherwise, and both would count. Where it is not sure, it
// warns. A bill of no rows says that what its last issue told costs nothing. A bill whose file is written anew for each period keeps the
// earlier ones: they are of other days.
func (r *session) reissued(ctx context.Context, bill string, before note, n *note) error {
	var emptied []string
	for _, slice := range slices.SortedFunc(maps.Keys(r.stored), func(a, b history.Slice) int { return strings.Compare(a.Period, b.Period) }) {
		if _, told := n.Said[slice.Period]; told || slice.Part != bill {
			continue
		}
		was, known := before.Days[slice.Period]
		_, last := before.Said[slice.Period]
		covered := last && len(n.Said) == 0
		doubtful := ""
		for period, is := range n.Days {
			if _, told := n.Said[period]; !told {
				continue
			}
			same := near(period, slice.Period)
			covered = covered || known && same && is.covers(was)
			// Corrections of an earlier period are for its days too, so that days alone prove nothing.
			if same && (!known || is.overlaps(was)) || known && is.covers(was) {
				doubtful = period
			}
		}
		switch {
		case covered:
			if err := r.empty(ctx, slice); err != nil {
				return err
			}
			emptied = append(emptied, slice.Period)
			continue
		case doubtful != "":
			n.Warnings = append(n.Warnings, fmt.Sprintf("bill %s: an earlier issue told of the billing period %s, and this one tells of %s; both count: "+
				"if they are the same period, make the CostSource anew", bill, slice.Period, doubtful))
		}
		if known {
			n.Days[slice.Period] = was
		}
	}
	if len(n.Said) == 0 && len(emptied) > 0 {
		n.Warnings = append(n.Warnings, fmt.Sprintf("bill %s: it has no rows any more, and what it said of %s no longer counts", bill, strings.Join(emptied, ", ")))
	}
	return nil
}

// near says whether two billing periods begin within a day: they may be one, whose beginning is written in two time zones.
func near(a, b string) bool {
	x, ok := begin(a)
	y, is := begin(b)
	return ok && is && x-y <= 1 && y-x <= 1
}
