package template_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/towpath-dev/towpath/internal/template"
)

// object reads JSON the way Kubernetes does.
func object(t testing.TB, text string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := utiljson.Unmarshal([]byte(text), &m); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return m
}

func TestResolveParameters(t *testing.T) {
	const defaults = `"enabled":false,"list":[],"mode":"Safe","port":8080,"ratio":1,"replicas":{"max":10,"min":2}`
	compiled := compile(t, with(configMap))
	for in, want := range map[string]string{
		`{}`:                                `{` + defaults + `}`,
		`{"port": 80}`:                      strings.Replace(`{`+defaults+`}`, "8080", "80", 1),
		`{"replicas": {"min": 3}}`:          strings.Replace(`{`+defaults+`}`, `"min":2`, `"min":3`, 1),
		`{"port": 90.0}`:                    strings.Replace(`{`+defaults+`}`, "8080", "90", 1),
		`{"free": {"a": [1, {"b": null}]}}`: `{"enabled":false,"free":{"a":[1,{"b":null}]},"list":[],"mode":"Safe","port":8080,"ratio":1,"replicas":{"max":10,"min":2}}`,
	} {
		before := object(t, in)
		got, errs := compiled.ResolveParameters(before, nil)
		if len(errs) > 0 {
			t.Errorf("%s: %s", in, messages(errs))
			continue
		}
		if text, _ := json.Marshal(got); string(text) != want {
			t.Errorf("%s: got %s, want %s", in, text, want)
		}
		if !reflect.DeepEqual(before, object(t, in)) {
			t.Errorf("%s was changed", in)
		}
		again, errs := compiled.ResolveParameters(got, nil)
		if len(errs) > 0 || !reflect.DeepEqual(again, got) {
			t.Errorf("%s: resolving twice gives %v, %v", in, again, errs)
		}
	}
	got, _ := compiled.ResolveParameters(object(t, `{"port": 90.0, "ratio": 2}`), nil)
	if _, ok := got["port"].(int64); !ok {
		t.Errorf("an integer is %T", got["port"])
	}
	if _, ok := got["ratio"].(float64); !ok {
		t.Errorf("a number is %T", got["ratio"])
	}
}

func TestResolveParametersRefuses(t *testing.T) {
	compiled := compile(t, with(configMap))
	for in, want := range map[string]string{
		`{"prot": 1}`:                                 `spec.parameters.prot: Invalid value: no such parameter; did you mean port?`,
		`{"zzzzz": 1}`:                                `spec.parameters.zzzzz: Invalid value: no such parameter; the template has at, enabled, free, host, items, labels, list, mode, port, ratio, replicas, size`,
		`{"replicas": {"mn": 1}}`:                     `spec.parameters.replicas.mn: Invalid value: no such parameter; did you mean min?`,
		`{"items": [{"name": "a", "x": 1}]}`:          `spec.parameters.items[0].x: Invalid value: no such parameter; the template has name, port`,
		`{"port": "80"}`:                              `spec.parameters.port: Invalid value: "80": must be of type integer`,
		`{"port": 1.5}`:                               `spec.parameters.port: Invalid value: 1.5: must be of type integer`,
		`{"replicas": [1]}`:                           `spec.parameters.replicas: Invalid value: [1]: must be of type object`,
		`{"items": [{"name": 1}]}`:                    `spec.parameters.items[0].name: Invalid value: 1: must be of type string`,
		`{"list": ["a", 2]}`:                          `spec.parameters.list[1]: Invalid value: 2: must be of type string`,
		`{"labels": {"a.b/c": 1}}`:                    `spec.parameters.labels.a.b/c: Invalid value: must be of type string`,
		`{"port": null}`:                              ``,
		`{"port": 0}`:                                 `spec.parameters.port: Invalid value: 0: must be greater than or equal to 1`,
		`{"port": 70000}`:                             `spec.parameters.port: Invalid value: 70000: must be less than or equal to 65535`,
		`{"mode": "Slow"}`:                            `spec.parameters.mode: Unsupported value: "Slow": supported values: "Fast", "Safe"`,
		`{"items": [{"port": 1}]}`:                    `spec.parameters.items[0].name: Required value`,
		`{"items": [{"name": "a"}, {"name": "a"}]}`:   `spec.parameters.items[1]: Duplicate value: {"name":"a"}`,
		`{"replicas": {"min": 11}}`:                   `spec.parameters: Invalid value: replicas.min must not exceed replicas.max`,
		`{"host": "` + strings.Repeat("x", 65) + `"}`: `spec.parameters.host: Too long: may not be more than 64 bytes`,
		`{"port": "80", "prot": 1, "mode": "Slow"}`: "spec.parameters.mode: Unsupported value: \"Slow\": supported values: \"Fast\", \"Safe\"\n" +
			"spec.parameters.port: Invalid value: \"80\": must be of type integer\n" +
			"spec.parameters.prot: Invalid value: no such parameter; did you mean port?",
	} {
		got, errs := compiled.ResolveParameters(object(t, in), field.NewPath("spec", "parameters"))
		if messages(errs) != want {
			t.Errorf("%s: got\n%s\nwant\n%s", in, messages(errs), want)
		}
		if want != "" && got != nil {
			t.Errorf("%s: parameters in spite of errors", in)
		}
	}
	if (&template.ParameterError{Errors: field.ErrorList{field.Invalid(field.NewPath("a"), 1, "b"), field.Invalid(field.NewPath("c"), 2, "d")}}).Error() !=
		"[a: Invalid value: 1: b, c: Invalid value: 2: d]" {
		t.Error("a ParameterError must name all")
	}
}

// What an object of Kubernetes must have is asked of a parameter that is one, as in a custom resource.
func TestResolveParametersRefusesWhatIsNoObjectOfKubernetes(t *testing.T) {
	compiled := compile(t, `
summary: a
parameters:
  type: object
  properties:
    extra:
      type: array
      items: {type: object, x-kubernetes-embedded-resource: true, x-kubernetes-preserve-unknown-fields: true}
resources:
- {id: config, object: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}}
`)
	for in, want := range map[string]string{
		`{"extra": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": "b"}}]}`: "",
		`{"extra": [{"foo": "bar"}]}`: "parameters.extra[0].apiVersion: Required value\nparameters.extra[0].kind: Required value",
		`{"extra": [{"apiVersion": "v1", "kind": "not a kind"}]}`: "parameters.extra[0].kind: Invalid value: \"not a kind\": may have mixed case, but should otherwise match: " +
			"a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character " +
			"(e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
	} {
		if _, errs := compiled.ResolveParameters(object(t, in), nil); messages(errs) != want {
			t.Errorf("%s: got\n%s\nwant\n%s", in, messages(errs), want)
		}
	}
}

// A rule is asked though something else is wrong, unless it is about that.
func TestResolveParametersNamesBrokenRulesBesideOtherErrors(t *testing.T) {
	compiled := compile(t, `
summary: a
parameters:
  type: object
  x-kubernetes-validations: [{rule: self.min <= self.max, fieldPath: .max, message: must be at least min}]
  properties:
    min: {type: integer, default: 1}
    max: {type: integer, default: 10}
    port: {type: integer}
    size: {type: string, maxLength: 20, x-kubernetes-validations: [{rule: self.endsWith('Mi'), message: must be in Mi}]}
resources:
- {id: config, object: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}}
`)
	for in, want := range map[string]string{
		`{"min": 20}`: "parameters.max: Invalid value: 10: must be at least min",
		`{"min": 20, "port": "80", "prot": 1, "size": "1T"}`: "parameters.max: Invalid value: 10: must be at least min\n" +
			"parameters.port: Invalid value: \"80\": must be of type integer\n" +
			"parameters.prot: Invalid value: no such parameter; did you mean port?\n" +
			"parameters.size: Invalid value: \"1T\": must be in Mi",
		`{"min": "20"}`:          "parameters.min: Invalid value: \"20\": must be of type integer",
		`{"min": 20, "max": ""}`: "parameters.max: Invalid value: \"\": must be of type integer",
	} {
		if _, errs := compiled.ResolveParameters(object(t, in), nil); messages(errs) != want {
			t.Errorf("%s: got\n%s\nwant\n%s", in, messages(errs), want)
		}
	}
}

// The examples of RFC 7396, appendix A, as far as they are objects.
// Several checks may share what the rules may cost: who asks for one after another does not get more for it.
func TestResolveParametersWithin(t *testing.T) {
	compiled := compile(t, `
summary: A test.
parameters:
  type: object
  properties: {numbers: {type: array, maxItems: 200, items: {type: integer}}}
  x-kubernetes-validations: [{rule: "!has(self.numbers) || self.numbers.all(a, self.numbers.all(b, a + b > 0))", message: must be positive}]
resources:
- id: config
  object: {apiVersion: v1, kind: ConfigMap, metadata: {name: "${component.name}"}}
`)
	var errs field.ErrorList
	budget := template.NewRulesBudget()
	for i := range 1000 {
		numbers := make([]any, 200)
		for j := range numbers {
			numbers[j] = int64(i + 1) // others each time: what was found to fit is not asked again
		}
		if _, errs = compiled.ResolveParametersWithin(budget, map[string]any{"numbers": numbers}, nil); len(errs) > 0 {
			break
		}
	}
	if len(errs) == 0 || !strings.Contains(errs.ToAggregate().Error(), "cost") && !strings.Contains(errs.ToAggregate().Error(), "too expensive") {
		t.Fatalf("it never ends: %v", errs)
	}
	_, errs = compiled.ResolveParametersWithin(budget, map[string]any{"numbers": []any{int64(7)}}, nil)
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), "too expensive in all environments together") {
		t.Errorf("with nothing left: %v", errs)
	}
	if _, errs := compiled.ResolveParameters(map[string]any{"numbers": []any{int64(7)}}, nil); len(errs) > 0 {
		t.Errorf("by itself: %v", errs)
	}
}

func TestMergeParameters(t *testing.T) {
	for _, test := range [][3]string{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`{"e":null}`, `{"a":1}`, `{"a":1,"e":null}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
		{`{"a":"text"}`, `{"a":{"b":null,"c":1}}`, `{"a":{"c":1}}`},
		{`null`, `{"a":1}`, `{"a":1}`},
		{`{"a":1}`, `null`, `{"a":1}`},
	} {
		base, over := object(t, test[0]), object(t, test[1])
		got, _ := json.Marshal(template.MergeParameters(base, over))
		if string(got) != test[2] {
			t.Errorf("%s with %s: got %s, want %s", test[0], test[1], got, test[2])
		}
		if !reflect.DeepEqual(base, object(t, test[0])) || !reflect.DeepEqual(over, object(t, test[1])) {
			t.Errorf("%s with %s: an argument was changed", test[0], test[1])
		}
	}
}

func TestMergedParametersShareNothing(t *testing.T) {
	base, over := object(t, `{"a":{"b":[1]}}`), object(t, `{"c":{"d":[{"e":1}]}}`)
	merged := template.MergeParameters(base, over)
	merged["a"].(map[string]any)["b"].([]any)[0] = int64(9)
	merged["c"].(map[string]any)["d"].([]any)[0].(map[string]any)["e"] = int64(9)
	if !reflect.DeepEqual(base, object(t, `{"a":{"b":[1]}}`)) || !reflect.DeepEqual(over, object(t, `{"c":{"d":[{"e":1}]}}`)) {
		t.Error("the arguments changed with the result")
	}
}

func TestDecodeAndEncodeParameters(t *testing.T) {
	got, err := template.DecodeParameters(raw(t, map[string]any{"b": 1, "a": 1.5}))
	if err != nil || !reflect.DeepEqual(got, map[string]any{"a": 1.5, "b": int64(1)}) {
		t.Errorf("got %v, %v", got, err)
	}
	encoded, err := template.EncodeParameters(got)
	if err != nil || string(encoded.Raw) != `{"a":1.5,"b":1}` {
		t.Errorf("got %s, %v", encoded.Raw, err)
	}
	if got, err := template.DecodeParameters(nil); got != nil || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := template.DecodeParameters(raw(t, []int{1})); err == nil {
		t.Error("a list is no object")
	}
	if encoded, err := template.EncodeParameters(nil); encoded != nil || err != nil {
		t.Errorf("got %v, %v", encoded, err)
	}
}

// FuzzMergeParameters holds what RFC 7396 promises: no null of the patch is left, merging twice is
// merging once, an empty patch changes nothing, and the arguments stay as they are.
func FuzzMergeParameters(f *testing.F) {
	f.Add(`{"a":{"b":1}}`, `{"a":{"b":null}}`)
	f.Add(`{}`, `{"a":[null,{"b":null}]}`)
	f.Add(`{"a":1}`, `{"a":{"b":{"c":null}}}`)
	f.Fuzz(func(t *testing.T, first, second string) {
		var base, over, copyOfBase, copyOfOver map[string]any
		if utiljson.Unmarshal([]byte(first), &base) != nil || utiljson.Unmarshal([]byte(second), &over) != nil {
			return
		}
		_, _ = utiljson.Unmarshal([]byte(first), &copyOfBase), utiljson.Unmarshal([]byte(second), &copyOfOver)
		once := template.MergeParameters(base, over)
		if !reflect.DeepEqual(base, copyOfBase) || !reflect.DeepEqual(over, copyOfOver) {
			t.Fatal("an argument was changed")
		}
		if twice := template.MergeParameters(once, over); !reflect.DeepEqual(once, twice) {
			t.Fatalf("merging twice: %v, then %v", once, twice)
		}
		if same := template.MergeParameters(base, nil); len(base) > 0 && !reflect.DeepEqual(same, base) {
			t.Fatalf("an empty patch made %v of %v", same, base)
		}
		for key, value := range over {
			if _, there := once[key]; value == nil && there {
				t.Fatalf("%s should be deleted", key)
			}
		}
	})
}
