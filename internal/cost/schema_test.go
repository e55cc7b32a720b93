package cost

import (
	"path/filepath"
	"reflect"
	"testing"

	"github.com/towpath-dev/towpath/test/framework/valuesschema"
)

// What a list of prices may have can be given to the chart, and nothing else can.
func TestTheSchemaOfTheChartIsThatOfPrices(t *testing.T) {
	prices := valuesschema.Of(t, filepath.Join("..", "..")).Properties["configuration"].Properties["prices"]
	// Amounts are text, since Helm would write a number with an exponent.
	reading := valuesschema.Reading{Tag: "yaml", Whole: map[reflect.Type]string{reflect.TypeFor[amount](): "string"}}
	for _, difference := range reading.Differences(reflect.TypeFor[file](), prices, "prices") {
		t.Error(difference)
	}
	for _, tier := range tiers {
		if prices.Properties["tiers"].Properties[string(tier)] == nil {
			t.Errorf("the schema has no tier %s", tier)
		}
	}
	for _, resource := range discountable {
		if prices.Properties["discountPercent"].Properties[lower(resource)] == nil {
			t.Errorf("the schema has no discount of %s", lower(resource))
		}
	}
}
