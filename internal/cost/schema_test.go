package cost

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// valuesSchema is what the chart's schema says of a part of a list of prices.
type valuesSchema struct {
	Type       any                      `json:"type"`
	Properties map[string]*valuesSchema `json:"properties"`
	Additional json.RawMessage          `json:"additionalProperties"`
	Items      *valuesSchema            `json:"items"`
}

// sameAs reports where a schema is not that of a type which YAML is read into.
func (s *valuesSchema) sameAs(t *testing.T, of reflect.Type, path string) {
	t.Helper()
	if of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	switch {
	case of == reflect.TypeFor[amount](): // as text, since Helm would write a number with an exponent
		if s.Type != "string" {
			t.Errorf("%s is %v in the schema, and must be text", path, s.Type)
		}
	case of.Kind() == reflect.Slice:
		s.Items.sameAs(t, of.Elem(), path+"[]")
	case of.Kind() == reflect.Map:
		for name, below := range s.Properties {
			below.sameAs(t, of.Elem(), path+"."+name)
		}
		if string(s.Additional) != "false" {
			var values valuesSchema
			if err := json.Unmarshal(s.Additional, &values); err != nil {
				t.Fatalf("%s does not say what its values are: %v", path, err)
			}
			values.sameAs(t, of.Elem(), path+".*")
		}
	case of.Kind() == reflect.Struct:
		if string(s.Additional) != "false" {
			t.Errorf("%s allows what does not exist", path)
		}
		seen := map[string]bool{}
		for _, f := range reflect.VisibleFields(of) {
			name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			if options == "inline" {
				continue
			}
			seen[name] = true
			if s.Properties[name] == nil {
				t.Errorf("%s.%s is not in the schema", path, name)
				continue
			}
			s.Properties[name].sameAs(t, f.Type, path+"."+name)
		}
		for name := range s.Properties {
			if !seen[name] {
				t.Errorf("%s.%s is in the schema alone", path, name)
			}
		}
	}
}

// What a list of prices may have can be given to the chart, and nothing else can.
func TestTheSchemaOfTheChartIsThatOfPrices(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "..", "config", "chart", "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all valuesSchema
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	prices := all.Properties["configuration"].Properties["prices"]
	prices.sameAs(t, reflect.TypeFor[file](), "prices")
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
