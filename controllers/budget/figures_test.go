package budget

import (
	"fmt"
	"testing"

	"github.com/shopspring/decimal"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/forecast"
	"github.com/towpath-dev/towpath/internal/history"
)

func TestALongPeriodIsShownByWeeks(t *testing.T) {
	t.Parallel()
	var points []forecast.Point
	for day := forecast.Day(0); day < 400; day++ {
		points = append(points, forecast.Point{Day: day, Usage: decimal.NewFromInt(1), Provisional: day == 399})
	}
	month := daily(points, forecast.Period{From: 31, Until: 59})
	if len(month) != 28 || month[0].Day != "1970-02-01" || month[0].Amount != "1" || month[27].State != platformv1alpha1.CostSettled {
		t.Errorf("a month is %+v", month)
	}
	year := daily(points, forecast.Period{From: 0, Until: 365})
	if len(year) != 35 || year[0].Day != (forecast.Day(18*7)).String() || year[0].Amount != "7" || year[34].Amount != "1" {
		t.Errorf("a year is %+v", year)
	}
	if last := daily(points, forecast.Period{From: 390, Until: 420}); last[len(last)-1].State != platformv1alpha1.CostProvisional {
		t.Errorf("a day that may change passes for final: %+v", last)
	}
}

func TestTheDearestPartsAreNamedAndTheOthersSummedUp(t *testing.T) {
	t.Parallel()
	sums := []history.Sum{{Series: history.Series{Currency: "USD"}, Effective: decimal.NewFromInt(1)}, {Series: history.Series{Component: "x", Currency: "EUR"}, Effective: decimal.NewFromInt(900)}}
	for i := range 24 {
		sums = append(sums, history.Sum{Series: history.Series{Component: fmt.Sprintf("c%02d", i), Currency: "USD"}, Effective: decimal.NewFromInt(int64(100 - i))})
	}
	got := shares(sums, history.ByComponent, "USD")
	// 80 + 79 + 78 + 77 of the last four, and 1 of what is no Component's.
	if len(got) != 21 || got[0].Name != "c00" || got[20] != (platformv1alpha1.CostShare{Name: "(others)", Amount: "315"}) {
		t.Errorf("they are %+v", got)
	}
	if few := shares(sums[:1], history.ByComponent, "USD"); len(few) != 1 || few[0].Name != "(none)" {
		t.Errorf("what is no Component's is %+v", few)
	}
	if other := others(sums, "USD"); len(other) != 1 || other[0] != "900 EUR" {
		t.Errorf("the other currencies are %v", other)
	}
}

func TestPercent(t *testing.T) {
	t.Parallel()
	for part, want := range map[string]int32{"0": 0, "99.99": 99, "100": 100, "-50": -50, "1e9": 9999} {
		if got := percentOf(decimal.RequireFromString(part), hundred); got != want {
			t.Errorf("%s of 100 are %d %%, want %d", part, got, want)
		}
	}
}
