package focus

import (
	"fmt"
	"maps"
	"slices"
)

// twice warns of bills that tell nearly the same figures of a billing period, of those that were read in this place: one of them may be
// another issue of the other, under another folder, and then both count. They may as well be two accounts that cost the same, so nobody
// but people can say which it is.
func (c *position) twice() []string {
	type place struct {
		period string
		hash   uint32
	}
	seen := map[place]string{}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(c.Bills)) {
		said := c.Bills[name].Said
		for _, period := range slices.Sorted(maps.Keys(said)) {
			var other string
			for _, hash := range said[period] {
				at := place{period, hash}
				if first, ok := seen[at]; !ok {
					seen[at] = name
				} else if other == "" && said[period].Like(c.Bills[first].Said[period]) {
					other = first
				}
			}
			if other != "" {
				all = append(all, fmt.Sprintf("bills %s and %s tell nearly the same figures of the billing period %s, and both count: if one is another issue of the other, "+
					"take the older one out of the location and make the CostSource anew", other, name, period))
			}
			if len(all) == maxWarnings {
				return all
			}
		}
	}
	return all
}
