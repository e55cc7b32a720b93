package forecast_test

import (
	"testing"

	"github.com/shopspring/decimal"

	"github.com/towpath-dev/towpath/internal/forecast"
)

func TestBudgets(t *testing.T) {
	today := day("2026-11-11")
	points := usage("2026-08-01", 102, constant(10))
	o := must(t, points, forecast.Month(today), today) // 100 spent, 300 in the end
	for _, tc := range []struct {
		limit     string
		crossing  forecast.Crossing
		exhausted bool
		in        int
	}{
		{"100", forecast.Crossed, true, 0},
		{"101", forecast.Likely, true, 0},
		{"111", forecast.Likely, true, 1},
		{"300", forecast.Likely, true, 19},
		{"301", forecast.Unlikely, false, 0},
	} {
		if got := o.Crosses(dec(tc.limit)); got != tc.crossing {
			t.Errorf("%s: %s, and not %s", tc.limit, got, tc.crossing)
		}
		in, ok := o.DaysUntilExhausted(dec(tc.limit))
		if ok != tc.exhausted || ok && in != tc.in {
			t.Errorf("%s: exhausted %t, in %d days", tc.limit, ok, in)
		}
	}
	rate, ok, err := forecast.BurnRate(points, today)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	want(t, "the burn rate", rate, "10")
	if _, ok, _ := forecast.BurnRate(points[:6], today); ok {
		t.Error("six days gave a burn rate")
	}

	raised := o.Raised(dec("1.50"), today+5)
	want(t, "the total with 1.50 more a day for 15 days", raised.Total, "322.5")
	want(t, "the upper end", raised.High, "322.5")
	want(t, "the total before", o.Total, "300")
	want(t, "the total with less", ptr(o.Raised(dec("-1"), today)).Total, "280")
}

func ptr[T any](v T) *T { return &v }

func TestProbabilityFallsWithTheThreshold(t *testing.T) {
	today := day("2026-11-11")
	o := must(t, usage("2026-06-01", 163, noisy(100, 0.1)), forecast.Month(today), today)
	last := decimal.NewFromInt(2)
	for _, threshold := range []decimal.Decimal{o.Total.Div(dec("2")), o.Low, o.Total, o.High, o.Total.Mul(dec("2"))} {
		p, ok := o.Probability(threshold)
		if !ok || p.GreaterThan(last) || !p.IsPositive() || p.GreaterThanOrEqual(dec("1")) {
			t.Errorf("%s: %s after %s", threshold, p, last)
		}
		last = p
	}
	if got := o.Crosses(o.High); got != forecast.Possible && !o.High.Equal(o.Total) {
		t.Errorf("the upper end is %s", got)
	}
	few := must(t, usage("2026-11-01", 10, constant(1)), forecast.Month(today), today)
	if _, ok := few.Probability(dec("100")); ok || few.Crosses(dec("1000")) != forecast.Unknown {
		t.Error("ten days say how sure they are")
	}
	none := must(t, nil, forecast.Month(today), today)
	if _, ok := none.Exhausted(dec("1")); ok || none.Crosses(dec("1")) != forecast.Unknown {
		t.Error("no day says something")
	}
}
