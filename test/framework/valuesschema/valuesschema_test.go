package valuesschema_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/towpath-dev/towpath/test/framework/valuesschema"
)

// Each kind of difference must be seen, or the schema goes stale unseen.
func TestDifferencesOfASchemaAreSeen(t *testing.T) {
	reading := valuesschema.Reading{Tag: "json"}
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
		var schema valuesschema.Schema
		if err := json.Unmarshal([]byte(`{"type":"object","additionalProperties":false,"properties":{`+c.schema+"}}"), &schema); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(reading.Differences(reflect.TypeFor[outer](), &schema, "x"), "; "); got != c.want {
			t.Errorf("%s: it says %q, want %q", c.schema, got, c.want)
		}
	}
}
