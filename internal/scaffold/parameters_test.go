package scaffold_test

import (
	"reflect"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/scaffold"
)

func TestSettings(t *testing.T) {
	got, err := scaffold.Settings([]string{"port=8080", `text="8080"`, "replicas.min=2", "replicas.max=4", "list=[a, 1]", "empty=", "schedule=30 2 * * 1", "on=true", "daily=@daily", "open=["})
	want := map[string]any{
		"port": int64(8080), "text": "8080", "replicas": map[string]any{"min": int64(2), "max": int64(4)}, "list": []any{"a", int64(1)},
		"empty": "", "schedule": "30 2 * * 1", "on": true, "daily": "@daily",
		"open": "[",
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	for setting, want := range map[string]string{
		"port":                           "must be a parameter, an equals sign",
		"=1":                             "must be a parameter",
		"a..b=1":                         "must be a parameter",
		"a.__proto__ =1":                 "must be a parameter",
		"a=" + strings.Repeat("x", 5e3):  "at most 4096",
		strings.Repeat("a.", 20) + "a=1": "must be a parameter",
	} {
		if _, err := scaffold.Settings([]string{setting}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: got %v", setting, err)
		}
	}
	for _, twice := range [][]string{{"a=1", "a=2"}, {"a=1", "a.b=2"}, {"a.b=1", "a=2"}} {
		if _, err := scaffold.Settings(twice); err == nil {
			t.Errorf("%v was taken", twice)
		}
	}
}

func TestFill(t *testing.T) {
	spec := &platformv1alpha1.ServiceTemplateSpec{Parameters: &apiextensionsv1.JSON{Raw: []byte(`{
		"type": "object", "required": ["schedule", "size", "mode", "hosts", "given", "withDefault", "deep"],
		"properties": {
			"schedule": {"type": "string"}, "size": {"type": "integer", "minimum": 3}, "mode": {"type": "string", "enum": ["Fast", "Slow"]},
			"hosts": {"type": "array", "minItems": 1, "items": {"type": "string"}}, "given": {"type": "string"},
			"withDefault": {"type": "string", "default": "x"}, "optional": {"type": "object", "required": ["inner"], "properties": {"inner": {"type": "boolean"}}},
			"deep": {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}
		}}`)}}
	parameters := map[string]any{"given": "mine", "optional": map[string]any{}}
	filled, err := scaffold.Fill(spec, parameters, map[string]any{"schedule": "@daily", "given": "theirs", "more": 1})
	want := map[string]any{
		"schedule": "@daily", "size": int64(3), "mode": "Fast", "hosts": []any{"change-me"}, "given": "mine",
		"optional": map[string]any{"inner": false}, "deep": map[string]any{"a": "change-me"},
	}
	if err != nil || !reflect.DeepEqual(parameters, want) {
		t.Errorf("got %v, %v", parameters, err)
	}
	if got := strings.Join(filled, " "); got != "schedule size mode hosts deep optional.inner" {
		t.Errorf("filled %s", got)
	}
	if _, err := scaffold.Fill(&platformv1alpha1.ServiceTemplateSpec{Parameters: &apiextensionsv1.JSON{Raw: []byte(`[]`)}}, nil, nil); err == nil {
		t.Error("a schema that is none was taken")
	}
}
