package forecast_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/towpath-dev/towpath/internal/forecast"
)

var limits = forecast.Limits{Amount: dec("5"), Percent: 20}

// found says what is found, in short.
func found(t *testing.T, points []forecast.Point, limits forecast.Limits) []string {
	t.Helper()
	a, err := forecast.FindAnomalies(points, day("2026-11-30"), limits)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range a.Found {
		sign := "more"
		if f.Amount.IsNegative() {
			sign = "less"
		}
		out = append(out, fmt.Sprintf("%s %d-%d %s", f.Kind, f.From-points[0].Day, f.Until-points[0].Day, sign))
	}
	return out
}

func TestAnomalies(t *testing.T) {
	shaped := func(days int, factor func(i int) float64) []forecast.Point {
		base := noisy(100, 0.03)
		return usage("2026-06-01", days, func(i int) float64 { return base(i) * factor(i) })
	}
	between := func(from, until int, by float64) func(int) float64 {
		return func(i int) float64 {
			if i >= from && i < until {
				return by
			}
			return 1
		}
	}
	for _, tc := range []struct {
		name   string
		points []forecast.Point
		want   []string
	}{
		{"none", shaped(180, between(0, 0, 1)), nil},
		{"a spike", shaped(180, between(100, 101, 1.5)), []string{"Spike 100-100 more"}},
		{"a dip", shaped(180, between(100, 101, 0.5)), []string{"Spike 100-100 less"}},
		{"a spike of two days is one event", shaped(180, between(100, 102, 1.5)), []string{"Spike 100-101 more"}},
		{"a step is told once", shaped(180, between(100, 999, 1.5)), []string{"Step 100-102 more"}},
		{"a step down", shaped(180, between(100, 999, 0.6)), []string{"Step 100-102 less"}},
		{"a step's first day is a spike so far", shaped(101, between(100, 999, 1.5)), []string{"Spike 100-100 more"}},
		{"a step that goes back soon is a burst", shaped(180, between(100, 106, 1.6)), []string{"Spike 100-105 more"}},
		{"below the percentage", shaped(180, between(100, 999, 1.15)), nil},
		{"a drift", shaped(180, func(i int) float64 { return 1 + 0.5*max(0, min(1, float64(i-100)/40)) }), []string{"Drift"}},
		{"too short", shaped(25, between(20, 21, 9)), nil},
		{"nothing but zeros", usage("2026-06-01", 150, constant(0)), nil},
		{"what begins", usage("2026-06-01", 150, func(i int) float64 { return 100 * float64(max(0, min(1, i-99))) }), []string{"Step 100-102 more"}},
		{"a constant with a spike", usage("2026-06-01", 150, func(i int) float64 { return 100 * between(100, 101, 2)(i) }), []string{"Spike 100-100 more"}},
	} {
		got := found(t, tc.points, limits)
		if tc.name == "a drift" && len(got) == 1 {
			got[0] = got[0][:5]
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: %s", tc.name, diff)
		}
	}
	if got := found(t, shaped(180, between(100, 101, 1.5)), forecast.Limits{Amount: dec("80"), Percent: 20}); got != nil {
		t.Errorf("below the amount: %s", got)
	}
}

func TestAnomaliesInMoney(t *testing.T) {
	points := usage("2026-06-01", 150, func(i int) float64 {
		if i >= 100 {
			return 150
		}
		return 100
	})
	a, err := forecast.FindAnomalies(points, day("2026-11-30"), limits)
	if err != nil || len(a.Found) != 1 {
		t.Fatal(a, err)
	}
	want(t, "expected", a.Found[0].Expected, "100")
	want(t, "actual", a.Found[0].Actual, "150")
	want(t, "the amount", a.Found[0].Amount, "50")
	if !a.Judged || a.Since != day("2026-07-06") || a.Until != points[149].Day {
		t.Errorf("judged %t from %s to %s", a.Judged, a.Since, a.Until)
	}
}

func TestProvisionalDaysAreNotJudged(t *testing.T) {
	points := usage("2026-06-01", 150, constant(100))
	points[149].Usage, points[149].Provisional = dec("900"), true
	if got := found(t, points, limits); got != nil {
		t.Errorf("a provisional day gave %s", got)
	}
	points[149].Provisional = false
	if got := found(t, points, limits); len(got) != 1 {
		t.Errorf("once settled it gave %s", got)
	}
}

// TestWhatWasFoundStaysFound holds that an event keeps its first day while days come in, by which nobody is told twice.
func TestWhatWasFoundStaysFound(t *testing.T) {
	base := noisy(100, 0.03)
	points := usage("2026-06-01", 130, func(i int) float64 {
		if i >= 100 {
			return 1.6 * base(i)
		}
		return base(i)
	})
	for n := 101; n <= len(points); n++ {
		a, err := forecast.FindAnomalies(points[:n], day("2026-11-30"), limits)
		if err != nil || len(a.Found) != 1 || a.Found[0].From != points[100].Day {
			t.Fatalf("after %d days: %+v, %v", n, a.Found, err)
		}
	}
}

func TestTheThirdEndOfAMonthIsExpected(t *testing.T) {
	points := usage("2026-02-02", 300, func(i int) float64 {
		if (day("2026-02-03") + forecast.Day(i)).Time().Day() == 1 {
			return 200
		}
		return 100
	})
	for _, f := range found(t, points, limits) {
		if f != "Spike 57-57 more" && f != "Spike 87-87 more" { // March's and April's; February's is before any could be judged
			t.Errorf("found %s", f)
		}
	}
}

func TestWhatComesEachWeekIsAHabitTheThirdTime(t *testing.T) {
	base := noisy(100, 0.03)
	points := usage("2026-06-01", 180, func(i int) float64 {
		if i >= 98 && i%7 == 2 {
			return 2 * base(i)
		}
		return base(i)
	})
	if diff := cmp.Diff([]string{"Spike 100-100 more", "Spike 107-107 more"}, found(t, points, limits)); diff != "" {
		t.Error(diff)
	}
}

func release(name, component, at string) forecast.Release {
	when, err := time.Parse(time.RFC3339, at)
	if err != nil {
		panic(err)
	}
	return forecast.Release{Name: name, Component: component, Environment: "prod", At: when}
}

// shop is a team whose checkout steps by 50 a day on 2026-09-10 at noon, while the rest goes on.
func shop() (whole []forecast.Point, services, components []forecast.Part) {
	checkout := usage("2026-06-01", 150, func(i int) float64 {
		switch d := day("2026-06-01") + forecast.Day(i); {
		case d > day("2026-09-10"):
			return 100
		case d == day("2026-09-10"):
			return 75
		}
		return 50
	})
	search := usage("2026-06-01", 150, constant(80))
	whole = usage("2026-06-01", 150, constant(0))
	for i := range whole {
		whole[i].Usage = checkout[i].Usage.Add(search[i].Usage)
	}
	return whole, []forecast.Part{{Name: "EC2", Points: whole}, {Name: "S3", Points: usage("2026-06-01", 150, constant(1))}},
		[]forecast.Part{{Name: "search", Points: search}, {Name: "checkout", Points: checkout}}
}

func TestTheLikelyCauseIsNamed(t *testing.T) {
	whole, services, components := shop()
	releases := []forecast.Release{
		release("search-prod-9", "search", "2026-09-10T12:00:00Z"),
		release("checkout-prod-3", "checkout", "2026-09-10T22:00:00Z"),
		release("checkout-prod-2", "checkout", "2026-09-10T12:30:00Z"),
		release("checkout-prod-1", "checkout", "2026-09-08T12:00:00Z"),
	}
	a, err := forecast.FindAnomalies(whole, day("2026-11-30"), forecast.Limits{Amount: dec("5"), Percent: 15})
	if err != nil || len(a.Found) != 1 {
		t.Fatal(a, err)
	}
	c := forecast.NameCause(a.Found[0], whole, services, components, releases)
	if c.Service != "EC2" || c.Component != "checkout" || c.ComponentPercent != 100 {
		t.Errorf("the cause is %+v", c)
	}
	if len(c.Releases) != 2 || c.Releases[0].Name != "checkout-prod-2" {
		t.Errorf("the Releases are %+v", c.Releases)
	}

	// Where it is spread over all, no part is named.
	var spread []forecast.Part
	for i := range 3 {
		third := make([]forecast.Point, len(whole))
		for j := range whole {
			third[j] = forecast.Point{Day: whole[j].Day, Usage: whole[j].Usage.DivRound(dec("3"), 4)}
		}
		spread = append(spread, forecast.Part{Name: fmt.Sprint("c", i), Points: third})
	}
	c = forecast.NameCause(a.Found[0], whole, nil, spread, releases)
	if c.Service != "" || c.Component != "" || len(c.Releases) != 3 {
		t.Errorf("the cause of what is spread is %+v", c)
	}
}

func TestCostOfChange(t *testing.T) {
	whole, _, _ := shop()
	releases := []forecast.Release{
		release("checkout-prod-1", "checkout", "2026-08-01T12:00:00Z"),
		release("checkout-prod-2", "checkout", "2026-09-10T12:00:00Z"),
		release("checkout-prod-3", "checkout", "2026-10-01T12:00:00Z"),
	}
	limits := forecast.Limits{Amount: dec("1"), Percent: 10}
	changes, err := forecast.CostOfChange(whole, releases, day("2026-11-30"), limits)
	if err != nil || len(changes) != 1 {
		t.Fatalf("%+v, %v", changes, err)
	}
	c := changes[0]
	if len(c.Releases) != 1 || c.Releases[0].Name != "checkout-prod-2" {
		t.Errorf("the Releases are %+v", c.Releases)
	}
	if got := c.Amount.InexactFloat64(); got < 45 || got > 55 {
		t.Errorf("the change is %s a day, from %s to %s", c.Amount, c.Before, c.After)
	}
	if changes, err = forecast.CostOfChange(whole, releases[:1], day("2026-11-30"), limits); err != nil || len(changes) != 0 {
		t.Errorf("without the Release: %+v, %v", changes, err)
	}
}
