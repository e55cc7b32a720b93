// Package valuesschema holds the JSON schema of the chart's values to the Go types that read them.
package valuesschema

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// Schema is what of JSON schema the chart says of its values.
type Schema struct {
	Type              any                `json:"type"`
	Properties        map[string]*Schema `json:"properties"`
	Additional        json.RawMessage    `json:"additionalProperties"`
	Items             *Schema            `json:"items"`
	Minimum, Maximum  *int64
	MaxItems          *int
	Pattern           string
	ReferencesAnother string `json:"$ref"`
}

// Of reads the schema of the chart's values. The repository's root is given from the folder of the test.
func Of(t *testing.T, root string) *Schema {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, "config", "chart", "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all Schema
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	return &all
}

// Values is the schema of what a map has under keys that are not listed.
func (s *Schema) Values() (*Schema, error) {
	var values Schema
	return &values, json.Unmarshal(s.Additional, &values)
}

// closed says that there may be nothing but what is listed.
func (s *Schema) closed() bool { return string(s.Additional) == "false" }

// Reading is how text becomes a Go type.
type Reading struct {
	// Tag is that of the fields' names, json or yaml.
	Tag string
	// Whole are types that read a value of a type of JSON schema by themselves: their fields are none of the schema's.
	Whole map[reflect.Type]string
	// Absent are paths of fields that the schema leaves out on purpose.
	Absent []string
}

// types are those of JSON schema that kinds of Go types are read from.
var types = map[reflect.Kind]string{
	reflect.String: "string", reflect.Bool: "boolean", reflect.Int: "integer", reflect.Int32: "integer", reflect.Int64: "integer",
	reflect.Slice: "array", reflect.Map: "object", reflect.Struct: "object",
}

// Differences are where a schema is not that of a Go type: fields that one has alone, and types that differ.
func (r Reading) Differences(of reflect.Type, schema *Schema, path string) []string {
	if schema.ReferencesAnother != "" {
		return []string{path + " refers to another schema, which this test does not follow"}
	}
	if of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	want, whole := r.Whole[of]
	if !whole {
		want = types[of.Kind()]
	}
	if want == "" || schema.Type != want {
		return []string{fmt.Sprintf("%s is %v in the schema, and %s in Go", path, schema.Type, of)}
	}
	switch {
	case whole:
		return nil
	case of.Kind() == reflect.Slice:
		if schema.Items == nil {
			return []string{path + " does not say what its items are"}
		}
		return r.Differences(of.Elem(), schema.Items, path+"[]")
	case of.Kind() == reflect.Map:
		return r.ofMap(of, schema, path)
	case of.Kind() == reflect.Struct:
		return r.ofStruct(of, schema, path)
	}
	return nil
}

// ofMap are those of a map, whose schema either lists the keys that there may be, or says what each has.
func (r Reading) ofMap(of reflect.Type, schema *Schema, path string) []string {
	var found []string
	for name, value := range schema.Properties {
		found = append(found, r.Differences(of.Elem(), value, path+"."+name)...)
	}
	if schema.closed() && len(schema.Properties) > 0 {
		return found
	}
	values, err := schema.Values()
	if err != nil {
		return append(found, path+" does not say what its values are")
	}
	return append(found, r.Differences(of.Elem(), values, path+".*")...)
}

func (r Reading) ofStruct(of reflect.Type, schema *Schema, path string) []string {
	var found []string
	if !schema.closed() {
		found = append(found, path+" allows what does not exist")
	}
	left := maps.Clone(schema.Properties)
	for _, f := range reflect.VisibleFields(of) {
		name, options, _ := strings.Cut(f.Tag.Get(r.Tag), ",")
		at := path + "." + name
		if name == "" || options == "inline" || slices.Contains(r.Absent, at) {
			continue
		}
		if left[name] == nil {
			found = append(found, at+" is in Go alone")
			continue
		}
		found = append(found, r.Differences(f.Type, left[name], at)...)
		delete(left, name)
	}
	for name := range left {
		found = append(found, path+"."+name+" is in the schema alone")
	}
	return found
}
