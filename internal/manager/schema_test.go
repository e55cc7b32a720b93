package manager

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/towpath-dev/towpath/test/framework/valuesschema"
)

// ofTheDeployment are the parts of a configuration that the chart has no values for: hack/chart/deployment.go writes them.
var ofTheDeployment = []string{"apiVersion", "kind", "health", "metrics", "webhook"}

// reading is how the manager reads its file. internal/cost reads prices, of which the type here has no fields.
func reading() valuesschema.Reading {
	r := valuesschema.Reading{Tag: "json", Whole: map[reflect.Type]string{reflect.TypeFor[PricesConfiguration](): "object"}}
	for _, part := range ofTheDeployment {
		r.Absent = append(r.Absent, "configuration."+part)
	}
	return r
}

func chartSchema(t *testing.T) *valuesschema.Schema {
	t.Helper()
	return valuesschema.Of(t, filepath.Join("..", ".."))
}

// What the manager reads from its file can be given to the chart, and nothing else can.
func TestTheSchemaOfTheChartIsThatOfTheFile(t *testing.T) {
	for _, difference := range reading().Differences(reflect.TypeFor[Configuration](), chartSchema(t).Properties["configuration"], "configuration") {
		t.Error(difference)
	}
}

// What the schema says of numbers, and of how many there may be, the manager says too: neither takes what the other refuses.
func TestTheBoundsOfTheSchemaAreThoseOfTheManager(t *testing.T) {
	var walk func(schema *valuesschema.Schema, path []string)
	walk = func(schema *valuesschema.Schema, path []string) {
		name := strings.Join(path, ".")
		switch schema.Type {
		case "integer":
			if schema.Minimum == nil || schema.Maximum == nil {
				t.Errorf("%s has no bounds", name)
				return
			}
			for value, allowed := range map[int64]bool{*schema.Minimum: true, *schema.Maximum: true, *schema.Minimum - 1: false, *schema.Maximum + 1: false} {
				if value == 0 && !allowed && name == "delivery.maxRepositoryMiB" {
					continue // as if it were absent
				}
				if got := !strings.Contains(faults(t, path, value), fmt.Sprintf("%s: Invalid value: %d: must be from ", name, value)); got != allowed {
					t.Errorf("%s: %d is allowed by one alone; by the manager it is %t", name, value, got)
				}
			}
		case "array":
			if schema.MaxItems == nil {
				return
			}
			for n, allowed := range map[int]bool{*schema.MaxItems: true, *schema.MaxItems + 1: false} {
				if got := !strings.Contains(faults(t, path, slices.Repeat([]string{"a.example"}, n)), name+": Too many"); got != allowed {
					t.Errorf("%s: %d items are allowed by one alone; by the manager it is %t", name, n, got)
				}
			}
		}
		for below, s := range schema.Properties {
			walk(s, append(slices.Clone(path), below))
		}
	}
	walk(chartSchema(t).Properties["configuration"], nil)
}

// faults is what the manager says of a configuration with one field.
func faults(t *testing.T, path []string, value any) string {
	t.Helper()
	for _, key := range slices.Backward(path) {
		value = map[string]any{key: value}
	}
	raw, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	configuration := DefaultConfiguration()
	if err := json.Unmarshal(raw, configuration); err != nil {
		t.Fatal(err)
	}
	if err := configuration.Validate(); err != nil {
		return err.Error()
	}
	return ""
}

// Quantities of the schema are those that Kubernetes reads.
func TestTheSchemaKnowsQuantities(t *testing.T) {
	all := chartSchema(t)
	limits, err := all.Properties["resources"].Properties["limits"].Values()
	if err != nil {
		t.Fatal(err)
	}
	patterns := map[string]string{"resources": limits.Pattern}
	for _, volume := range []string{"workspace", "cache"} {
		patterns[volume] = all.Properties["configuration"].Properties["pipeline"].Properties[volume].Properties["size"].Pattern
	}
	texts := []string{"1", "100m", "128Mi", "1.5Gi", "1e3", "1E3", "2E", ".5", "1.", "+1", "12e-2", "10 Gi", "10GB", "10gi", "", "1Mib", "-1", "1,5Gi", "1..5", "ten"}
	for where, pattern := range patterns {
		if pattern == "" {
			t.Fatalf("%s has no pattern", where)
		}
		taken := regexp.MustCompile(pattern)
		got, want := map[string]bool{}, map[string]bool{}
		for _, text := range texts {
			quantity, err := resource.ParseQuantity(text)
			got[text], want[text] = taken.MatchString(text), err == nil && quantity.Sign() >= 0
		}
		if where != "resources" {
			want[""] = true // as if it were absent
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: what Kubernetes takes (-) is not what the schema does (+):\n%s", where, diff)
		}
	}
}
