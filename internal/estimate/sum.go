package estimate

import (
	"github.com/shopspring/decimal"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// Sum adds estimates of one currency up. What has none, or one in another currency, is counted as unknown.
type Sum struct {
	currency           string
	min, expected, max decimal.Decimal
	from               platformv1alpha1.PriceOrigin
	releases, unknown  int32
}

// NewSum is one of nothing, in a currency.
func NewSum(currency string) *Sum {
	return &Sum{currency: currency, from: platformv1alpha1.PricesConfigured}
}

// Add adds what one Release costs; nil where that is not known.
func (s *Sum) Add(c *platformv1alpha1.EstimatedCost) { s.add(c, 1, 0) }

// AddSum adds what several cost; nil for none.
func (s *Sum) AddSum(c *platformv1alpha1.CostSum) {
	if c != nil {
		s.add(&c.EstimatedCost, c.Releases, c.Unknown)
	}
}

func (s *Sum) add(c *platformv1alpha1.EstimatedCost, releases, unknown int32) {
	s.unknown += unknown
	if releases == 0 {
		return
	}
	if c == nil || c.Currency != s.currency {
		s.unknown += releases
		return
	}
	var read [3]decimal.Decimal
	for i, amount := range []platformv1alpha1.Amount{c.Monthly.Min, c.Monthly.Expected, c.Monthly.Max} {
		var err error
		if read[i], err = Decimal(amount); err != nil {
			s.unknown += releases
			return
		}
	}
	s.min, s.expected, s.max = s.min.Add(read[0]), s.expected.Add(read[1]), s.max.Add(read[2])
	s.releases += releases
	if c.PricesFrom == platformv1alpha1.PricesOfDefaultList {
		s.from = c.PricesFrom
	}
}

// Status is the sum as a status says it; nil where nothing runs.
func (s *Sum) Status() *platformv1alpha1.CostSum {
	if s.releases == 0 && s.unknown == 0 {
		return nil
	}
	return &platformv1alpha1.CostSum{
		EstimatedCost: platformv1alpha1.EstimatedCost{
			Currency:   s.currency,
			Monthly:    platformv1alpha1.AmountRange{Min: Amount(s.min), Expected: Amount(s.expected), Max: Amount(s.max)},
			PricesFrom: s.from,
		},
		Releases: s.releases, Unknown: s.unknown,
	}
}
