package cost_test

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/towpath-dev/towpath/internal/cost"
)

// BenchmarkEstimate10000 estimates as many Components of the usual shape one after another: wanted is a second at most.
func BenchmarkEstimate10000(b *testing.B) {
	const components = 10_000
	all := make([][]*unstructured.Unstructured, components)
	for i := range all {
		all[i] = service(fmt.Sprintf("checkout-%d", i))
	}
	awake := cost.AwakeBy(nights())
	b.ReportAllocs()
	for b.Loop() {
		estimates := make([]*cost.Estimate, components)
		for i := range all {
			var err error
			if estimates[i], err = cost.Of(cost.Input{Objects: all[i], Prices: cost.DefaultPrices(), Awake: awake}); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := cost.Sum(estimates...); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAwakeBy is what windows cost to look up for a year, once for each environment.
func BenchmarkAwakeBy(b *testing.B) {
	plan := nights()
	for b.Loop() {
		cost.AwakeBy(plan)
	}
}
