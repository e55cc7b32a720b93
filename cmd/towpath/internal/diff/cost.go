package diff

import (
	"fmt"
	"slices"

	"github.com/shopspring/decimal"

	"github.com/towpath-dev/towpath/cmd/towpath/internal/offline"
	"github.com/towpath-dev/towpath/internal/cost"
	"github.com/towpath-dev/towpath/internal/render"
)

// Cost is what the places that can get the change are estimated to cost a month, before and after.
type Cost struct {
	Currency string          `json:"currency"`
	Before   decimal.Decimal `json:"before"`
	After    decimal.Decimal `json:"after"`
	Change   decimal.Decimal `json:"change"`
	// Assumed says that some price is of OpenCost's default list.
	Assumed bool `json:"assumedPrices,omitempty"`
}

// CostOf estimates what was rendered before and after. An error names the place.
func CostOf(before, after []offline.Result, prices *cost.Prices) (*Cost, error) {
	c := &Cost{Currency: prices.Currency}
	changed := byPlace(after)
	for i := range before {
		new := changed[before[i].Place()]
		if new == nil {
			continue
		}
		was, err := c.estimate(&before[i], prices)
		if err != nil {
			return nil, err
		}
		is, err := c.estimate(new, prices)
		if err != nil {
			return nil, err
		}
		c.Before, c.After = c.Before.Add(was), c.After.Add(is)
	}
	c.Change = c.After.Sub(c.Before)
	return c, nil
}

func (c *Cost) estimate(r *offline.Result, prices *cost.Prices) (decimal.Decimal, error) {
	found, err := cost.Of(cost.Input{Objects: render.Plain(r.Objects), Prices: prices, Tier: r.Tier, Awake: cost.AwakeBy(r.Sleep)})
	if err != nil {
		return decimal.Zero, fmt.Errorf("%s: %w", r.Place(), err)
	}
	c.Assumed = c.Assumed || slices.ContainsFunc(found.Parts, func(p cost.Part) bool { return p.PriceFrom == cost.DefaultList })
	return found.Monthly.Expected, nil
}

// String says in a sentence what the change costs.
func (c *Cost) String() string {
	digits, by := cost.Digits(c.Currency), ""
	if c.Assumed {
		by = " (by OpenCost's default prices, which may not be yours: give --prices)"
	}
	what := fmt.Sprintf("It is estimated to cost %s %s a month", c.After.StringFixed(digits), c.Currency)
	switch {
	case c.Change.Round(digits).IsZero():
		return what + ", as before" + by + "."
	case c.Change.IsPositive():
		return fmt.Sprintf("%s, %s more than before%s.", what, c.Change.StringFixed(digits), by)
	}
	return fmt.Sprintf("%s, %s less than before%s.", what, c.Change.Neg().StringFixed(digits), by)
}
