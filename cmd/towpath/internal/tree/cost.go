package tree

import (
	"fmt"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/cost"
	"github.com/towpath-dev/towpath/internal/estimate"
)

// assumedPrices marks a figure that has a price of the default list in it.
const assumedPrices = "*"

// costOf is what something is estimated to cost, as its line says it; empty where that is not known.
func costOf(c *platformv1alpha1.EstimatedCost) string {
	if c == nil {
		return ""
	}
	expected, err := estimate.Decimal(c.Monthly.Expected)
	if err != nil {
		return ""
	}
	mark := ""
	if assumed(c) {
		mark = assumedPrices
	}
	return fmt.Sprintf("  %s%s %s a month", expected.StringFixed(cost.Digits(c.Currency)), mark, c.Currency)
}

// costOfAll is likewise what several Releases cost together.
func costOfAll(c *platformv1alpha1.CostSum) string {
	if c == nil || c.Releases == 0 {
		return ""
	}
	text := costOf(&c.EstimatedCost)
	if c.Unknown > 0 {
		text += fmt.Sprintf(", and %d without an estimate", c.Unknown)
	}
	return text
}

func assumed(c *platformv1alpha1.EstimatedCost) bool {
	return c != nil && c.PricesFrom == platformv1alpha1.PricesOfDefaultList
}

// assumes says that some figure bears the mark.
func (r *Report) assumes() bool {
	for i := range r.Teams {
		for j := range r.Teams[i].Components {
			c := &r.Teams[i].Components[j]
			if c.EstimatedCost != nil && assumed(&c.EstimatedCost.EstimatedCost) {
				return true
			}
			for k := range c.Environments {
				if release := c.Environments[k].Release; release != nil && assumed(release.EstimatedCost) {
					return true
				}
			}
		}
	}
	return false
}
