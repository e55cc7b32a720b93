package manager

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"
)

// ofTheDeployment are the parts of a configuration that the chart has no values for: hack/chart/deployment.go writes them.
var ofTheDeployment = []string{"apiVersion", "kind", "health", "metrics", "webhook"}

// valuesSchema is what of JSON schema the chart says of its values.
type valuesSchema struct {
	Type              any                      `json:"type"`
	Properties        map[string]*valuesSchema `json:"properties"`
	Additional        json.RawMessage          `json:"additionalProperties"`
	Items             *valuesSchema            `json:"items"`
	Minimum, Maximum  *int64
	MaxItems          *int
	Enum              []any
	Pattern           string
	ReferencesAnother string `json:"$ref"`
}

// chartSchema is the schema of the chart's values.
func chartSchema(t *testing.T) *valuesSchema {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "config", "chart", "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all valuesSchema
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	return &all
}

// differences are where a schema is not that of a Go type as JSON writes it: fields that one has alone, and types that differ.
func differences(of reflect.Type, schema *valuesSchema, path string) []string {
	if schema.ReferencesAnother != "" {
		return []string{path + " refers to another schema, which this test does not follow"}
	}
	if of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	want := map[reflect.Kind]string{
		reflect.String: "string", reflect.Bool: "boolean", reflect.Int: "integer", reflect.Int32: "integer", reflect.Int64: "integer",
		reflect.Slice: "array", reflect.Map: "object", reflect.Struct: "object",
	}[of.Kind()]
	if want == "" || schema.Type != want {
		return []string{fmt.Sprintf("%s is %v in the schema, and %s in Go", path, schema.Type, of)}
	}
	switch {
	case of == reflect.TypeFor[PricesConfiguration](): // internal/cost reads it, and this type has no fields of it
		return nil
	case of.Kind() == reflect.Slice:
		if schema.Items == nil {
			return []string{path + " does not say what its items are"}
		}
		return differences(of.Elem(), schema.Items, path+"[]")
	case of.Kind() == reflect.Map:
		return mapDifferences(of, schema, path)
	case of.Kind() == reflect.Struct:
		return structDifferences(of, schema, path)
	}
	return nil
}

// mapDifferences are those of a map, whose schema either lists the keys that there may be, or says what each has.
func mapDifferences(of reflect.Type, schema *valuesSchema, path string) []string {
	var found []string
	for name, value := range schema.Properties {
		found = append(found, differences(of.Elem(), value, path+"."+name)...)
	}
	if string(schema.Additional) == "false" && len(schema.Properties) > 0 {
		return found
	}
	var values valuesSchema
	if err := json.Unmarshal(schema.Additional, &values); err != nil {
		return append(found, path+" does not say what its values are")
	}
	return append(found, differences(of.Elem(), &values, path+".*")...)
}

func structDifferences(of reflect.Type, schema *valuesSchema, path string) []string {
	var found []string
	if string(schema.Additional) != "false" {
		found = append(found, path+" allows what does not exist")
	}
	left := maps.Clone(schema.Properties)
	for i := range of.NumField() {
		name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
		if name == "" || path == "configuration" && slices.Contains(ofTheDeployment, name) {
			continue
		}
		if left[name] == nil {
			found = append(found, path+"."+name+" is in Go alone")
			continue
		}
		found = append(found, differences(of.Field(i).Type, left[name], path+"."+name)...)
		delete(left, name)
	}
	for name := range left {
		found = append(found, path+"."+name+" is in the schema alone")
	}
	return found
}

// What the manager reads from its file can be given to the chart, and nothing else can.
func TestTheSchemaOfTheChartIsThatOfTheFile(t *testing.T) {
	for _, difference := range differences(reflect.TypeFor[Configuration](), chartSchema(t).Properties["configuration"], "configuration") {
		t.Error(difference)
	}
}

// The check above must see each kind of difference, or the schema goes stale unseen.
func TestDifferencesOfASchemaAreSeen(t *testing.T) {
	type inner struct {
		B bool `json:"b"`
	}
	type outer struct {
		N int               `json:"n"`
		L []string          `json:"l"`
		M map[string]string `json:"m"`
		P *inner            `json:"p,omitempty"`
	}
	const n, l, m = `"n":{"type":"integer"}`, `"l":{"type":"array","items":{"type":"string"}}`, `"m":{"type":"object","additionalProperties":{"type":"string"}}`
	const p = `"p":{"type":"object","additionalProperties":false,"properties":{"b":{"type":"boolean"}}}`
	for _, c := range []struct{ schema, want string }{
		{n + "," + l + "," + m + "," + p, ""},
		{n + "," + l + "," + m + `,"p":{"type":"object","additionalProperties":false,"properties":{"b":{"type":"string"}}}`, "x.p.b is string in the schema, and bool in Go"},
		{n + "," + l + "," + m + `,"p":{"type":"object","properties":{"b":{"type":"boolean"}}}`, "x.p allows what does not exist"},
		{n + "," + l + "," + m, "x.p is in Go alone"},
		{n + "," + l + "," + m + "," + p + `,"q":{"type":"string"}`, "x.q is in the schema alone"},
		{n + `,"l":{"type":"array"},` + m + "," + p, "x.l does not say what its items are"},
		{n + `,"l":{"type":"array","items":{"type":"object"}},` + m + "," + p, "x.l[] is object in the schema, and string in Go"},
		{n + "," + l + `,"m":{"type":"object"},` + p, "x.m does not say what its values are"},
		{n + "," + l + `,"m":{"type":"object","additionalProperties":{"type":"integer"}},` + p, "x.m.* is integer in the schema, and string in Go"},
		{n + "," + l + `,"m":{"$ref":"#/a"},` + p, "x.m refers to another schema, which this test does not follow"},
	} {
		var schema valuesSchema
		if err := json.Unmarshal([]byte(`{"type":"object","additionalProperties":false,"properties":{`+c.schema+"}}"), &schema); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(differences(reflect.TypeFor[outer](), &schema, "x"), "; "); got != c.want {
			t.Errorf("%s: it says %q, want %q", c.schema, got, c.want)
		}
	}
}

// What the schema says of numbers, and of how many there may be, the manager says too: neither takes what the other refuses.
func TestTheBoundsOfTheSchemaAreThoseOfTheManager(t *testing.T) {
	var walk func(schema *valuesSchema, path []string)
	walk = func(schema *valuesSchema, path []string) {
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
	var limits valuesSchema
	if err := json.Unmarshal(all.Properties["resources"].Properties["limits"].Additional, &limits); err != nil {
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
