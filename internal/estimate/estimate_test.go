package estimate

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/cost"
	"github.com/towpath-dev/towpath/internal/history"
	"github.com/towpath-dev/towpath/internal/sleep"
)

func deployment(replicas int64) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "checkout"},
		"spec": map[string]any{"replicas": replicas, "template": map[string]any{"spec": map[string]any{"containers": []any{
			map[string]any{"name": "app", "resources": map[string]any{"requests": map[string]any{"cpu": "1", "memory": "2Gi"}}},
		}}}},
	}}
}

func TestAReleaseIsEstimatedByTheDefaultListWhereThereAreNoPrices(t *testing.T) {
	got, err := New(nil).Of([]*unstructured.Unstructured{deployment(2)}, platformv1alpha1.TierProduction, sleep.Plan{})
	if err != nil {
		t.Fatal(err)
	}
	// 2 × (0.031611 + 2 × 0.004237) × 730
	if got.Monthly.Expected != "58.5241" || got.Currency != "USD" || got.PricesFrom != platformv1alpha1.PricesOfDefaultList {
		t.Errorf("got %+v", got)
	}
}

func TestConfiguredPricesAreNoAssumption(t *testing.T) {
	prices, err := cost.Load([]byte("currency: EUR\ncpuCoreHour: 0.03\nmemoryGiBHour: 0.004\n"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := New(prices).Of([]*unstructured.Unstructured{deployment(1)}, platformv1alpha1.TierProduction, sleep.Plan{})
	if err != nil {
		t.Fatal(err)
	}
	if got.Monthly.Expected != "27.74" || got.Currency != "EUR" || got.PricesFrom != platformv1alpha1.PricesConfigured {
		t.Errorf("got %+v", got)
	}
}

func TestSleepIsTakenOff(t *testing.T) {
	half := sleep.Plan{Class: &platformv1alpha1.ClassSleep{Windows: []platformv1alpha1.SleepWindow{{Name: "nights", Schedule: "0 0 * * *", DurationSeconds: 12 * 3600, TimeZone: "UTC"}}}}
	e := New(nil)
	for range 2 { // the second from memory
		got, err := e.Of([]*unstructured.Unstructured{deployment(2)}, platformv1alpha1.TierDevelopment, half)
		if err != nil {
			t.Fatal(err)
		}
		if got.Monthly.Expected != "29.2621" {
			t.Errorf("got %+v", got.Monthly)
		}
	}
}

func TestAssumptionsAreBounded(t *testing.T) {
	var objects []*unstructured.Unstructured
	for range 20 {
		objects = append(objects, &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "example.com/v1", "kind": "Thing", "metadata": map[string]any{"name": strings.Repeat("x", 250)},
		}})
	}
	got, err := New(nil).Of(objects, platformv1alpha1.TierProduction, sleep.Plan{})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Assumptions) != mostAssumptions || len(got.Assumptions[0]) > longestAssumption {
		t.Errorf("got %d assumptions, the first of %d bytes", len(got.Assumptions), len(got.Assumptions[0]))
	}
}

func costs(currency, expected string) *platformv1alpha1.EstimatedCost {
	a := platformv1alpha1.Amount(expected)
	return &platformv1alpha1.EstimatedCost{
		Currency: currency, Monthly: platformv1alpha1.AmountRange{Min: a, Expected: a, Max: a}, PricesFrom: platformv1alpha1.PricesConfigured,
	}
}

func TestSumsAreExactAndNeverOfTwoCurrencies(t *testing.T) {
	sum := NewSum("USD")
	for range 10 {
		sum.Add(costs("USD", "0.1"))
	}
	sum.Add(costs("EUR", "100"))
	sum.Add(nil)
	got := sum.Status()
	if got.Monthly.Expected != "1" || got.Releases != 10 || got.Unknown != 2 {
		t.Errorf("got %+v", got)
	}
	all := NewSum("USD")
	all.AddSum(got)
	all.AddSum(nil)
	if again := all.Status(); again.Monthly != got.Monthly || again.Releases != 10 || again.Unknown != 2 {
		t.Errorf("got %+v", again)
	}
	if NewSum("USD").Status() != nil {
		t.Error("nothing costs nothing, and says nothing")
	}
}

func ranFrom(name, expected string, from time.Time) *platformv1alpha1.Release {
	r := &platformv1alpha1.Release{}
	r.Spec.Environment.Name, r.Spec.Component.Name = "prod", name
	r.Spec.EstimatedCost = &platformv1alpha1.ReleaseCost{EstimatedCost: *costs("USD", expected)}
	r.Status.AppliedAt = &metav1.Time{Time: from}
	return r
}

func TestADayCostsTheHoursThatReleasesRan(t *testing.T) {
	day := history.Date(2026, time.November, 10)
	noon := day.Time().Add(12 * time.Hour)
	before := ranFrom("checkout", "730", day.Time().Add(-48*time.Hour))
	before.Status.SupersededAt = &metav1.Time{Time: day.Time().Add(6 * time.Hour)}
	after := ranFrom("checkout", "1460", day.Time().Add(6*time.Hour))
	never := ranFrom("orders", "730", noon)
	never.Status.AppliedAt = nil
	releases := []*platformv1alpha1.Release{before, after, never}

	got := Daily("shop", "USD", releases, nil, day, noon)
	if len(got) != 2 || !got[0].Effective.IsZero() || got[0].Component != "" {
		t.Fatalf("a figure of nothing, and one of checkout: %+v", got)
	}
	if f := got[1]; !f.Effective.Equal(decimal.NewFromInt(6+12)) || f.Component != "checkout" || f.Team != "shop" || f.Environment != "prod" {
		t.Errorf("got %+v", f)
	}
	if err := got[1].Check(); err != nil {
		t.Error(err)
	}
	if got := Daily("shop", "USD", releases, nil, day, noon.Add(72*time.Hour)); !got[1].Effective.Equal(decimal.NewFromInt(6 + 36)) {
		t.Errorf("a day ends at midnight: %s", got[1].Effective)
	}
	if got := Daily("shop", "USD", releases, nil, day+5, noon); len(got) != 1 {
		t.Errorf("a day to come costs nothing: %+v", got)
	}
}

func TestADayNeverFalls(t *testing.T) {
	day := history.Date(2026, time.November, 10)
	known := []history.Sum{{Day: day, Series: history.Series{Team: "shop", Environment: "prod", Component: "gone", Currency: "USD"}, Effective: decimal.NewFromInt(7)}}
	got := Daily("shop", "USD", nil, known, day, day.Time().Add(20*time.Hour))
	if len(got) != 2 || got[1].Component != "gone" || !got[1].Effective.Equal(decimal.NewFromInt(7)) {
		t.Errorf("what ran before it was deleted has cost that: %+v", got)
	}
}

func TestWhatCostsMoreThanTheAPIHoldsCannotBeEstimated(t *testing.T) {
	amount := regexp.MustCompile(`^-?[0-9]{1,20}(\.[0-9]{1,12})?$`) // that of Amount
	for cpu, fits := range map[string]bool{"1": true, "1000000000": false, "10000000000000000": false, "99999999999999999999999": false, "1e30": false} {
		object := deployment(1_000_000)
		containers := []any{map[string]any{"name": "app", "resources": map[string]any{"requests": map[string]any{"cpu": cpu}}}}
		if err := unstructured.SetNestedSlice(object.Object, containers, "spec", "template", "spec", "containers"); err != nil {
			t.Fatal(err)
		}
		got, err := New(nil).Of([]*unstructured.Unstructured{object}, platformv1alpha1.TierProduction, sleep.Plan{})
		switch {
		case fits != (err == nil):
			t.Errorf("%s cores a pod: %v, %v", cpu, got, err)
		case err != nil && !strings.Contains(err.Error(), "a trillion USD a month or more"):
			t.Errorf("it says %v", err)
		case err == nil && !amount.MatchString(string(got.Monthly.Max)):
			t.Errorf("no Release can hold %s", got.Monthly.Max)
		}
	}
}
