package apply

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// usual is what the API server says that Towpath owns of a Deployment.
const usual = `{"f:metadata":{"f:annotations":{"f:a.example/b":{}},"f:labels":{"f:app.kubernetes.io/name":{},"f:platform.towpath.dev/team":{}}},` +
	`"f:spec":{"f:replicas":{},"f:selector":{},"f:template":{"f:metadata":{"f:labels":{"f:app":{}}},"f:spec":{"f:containers":{` +
	`"k:{\"name\":\"app\"}":{".":{},"f:env":{"k:{\"name\":\"LOG_LEVEL\"}":{".":{},"f:name":{},"f:value":{}}},"f:image":{},"f:name":{},` +
	`"f:ports":{"k:{\"containerPort\":8080,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{}}}}}}}}}`

func TestWhatIsCanonicalIsAsItWouldBeWritten(t *testing.T) {
	ports := strings.ReplaceAll(usual, `"f:ports":{`, `"f:ports":{"k:{\"containerPort\":443,\"protocol\":\"TCP\"}":{},`)
	for _, raw := range []string{
		usual, ports, "", "{", "{}", "{} ", "null", "[]", `{"a"}`, `{"a":{}`, `{"a":{},}`, `{"a":{},"b":{}}`, `{"b":{},"a":{}}`, `{"a":{},"a":{}}`, `{"a":{}, "b":{}}`,
		`{"a":1}`, `{"a":null}`, `{"a":"b"}`, `{"<":{}}`, `{"\u0041":{}}`, `{"ä":{}}`, `{"\\":{}}`, `{"\"":{},"a":{}}`, `{"\\":{},"a":{}}`, `{"Z":{},"\\":{}}`,
		`{"\\":{},"Z":{}}`, `{"a":{},"aa":{}}`, `{"aa":{},"a":{}}`, `{"":{}}`, `{"":{},"a":{}}`, "{\"\x01\":{}}", `{"a":{"b":{"c":{}}},"d":{}}x`,
		strings.Repeat(`{"a":`, 200) + "{}" + strings.Repeat("}", 200),
	} {
		want := raw
		var fields map[string]any
		if json.Unmarshal([]byte(raw), &fields) == nil {
			sorted, err := json.Marshal(fields)
			if err != nil {
				t.Fatal(err)
			}
			want = string(sorted)
		}
		if diff := cmp.Diff(want, string(canonical([]byte(raw)))); diff != "" {
			t.Errorf("%s: %s", raw, diff)
		}
		if isCanonical([]byte(raw)) && raw != want {
			t.Errorf("%s is said to be canonical, and is not", raw)
		}
	}
	if !isCanonical([]byte(usual)) {
		t.Error("the usual is not told")
	}
}

func FuzzCanonical(f *testing.F) {
	f.Add([]byte(usual))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var fields map[string]any
		if !isCanonical(raw) {
			return
		}
		if err := json.Unmarshal(raw, &fields); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		if sorted, err := json.Marshal(fields); err != nil || string(sorted) != string(raw) {
			t.Errorf("%s is said to be canonical, and is written as %s: %v", raw, sorted, err)
		}
	})
}

func BenchmarkCanonical(b *testing.B) {
	raw := []byte(usual)
	b.ReportAllocs()
	for b.Loop() {
		canonical(raw)
	}
}
