package render_test

import (
	"errors"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/render"
)

const overridable = `
summary: x
parameters: {type: object, properties: {more: {type: boolean, default: true}, list: {type: array, default: [a, b], items: {type: string}}}}
resources:
- id: config
  object: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {color: blue, size: small}}
- id: each
  forEach: "${params.list}"
  object: {apiVersion: v1, kind: ConfigMap, metadata: {name: "each-${each}"}, data: {color: blue}}
- id: optional
  includeWhen: "${params.more}"
  object: {apiVersion: v1, kind: ConfigMap, metadata: {name: more}, data: {color: blue, copied: "${resources.config.data.color}"}}
overrides:
  allow:
  - {resource: config, path: data.color}
  - {resource: each, path: data}
  - {resource: optional, path: data.color}
  - {resource: config, path: metadata.labels}
`

func overridden(parameters string, overrides ...v1alpha1.ReleaseOverride) *v1alpha1.Release {
	r := release(parameters)
	r.Spec.Overrides = overrides
	return r
}

func override(resource, patch string) v1alpha1.ReleaseOverride {
	return v1alpha1.ReleaseOverride{Override: v1alpha1.Override{Resource: resource, Patch: apiextensionsv1.JSON{Raw: []byte(patch)}}}
}

func TestRelease_MergesOverrides(t *testing.T) {
	compiled := compile(t, overridable, nil)
	objects, err := render.Release(compiled, overridden(`{}`, override("config", `{"data":{"color":"red"}}`), override("each", `{"data":{"more":"yes"}}`),
		override("config", `{"metadata":{"labels":{"example.org/x":"y"}}}`)))
	if err != nil {
		t.Fatal(err)
	}
	data := map[string]map[string]string{}
	for _, o := range objects {
		data[o.Object.GetName()], _, _ = unstructured.NestedStringMap(o.Object.Object, "data")
		if labels := o.Object.GetLabels(); labels[v1alpha1.LabelTeam] != "shop" || labels["example.org/x"] != map[bool]string{true: "y"}[o.Resource == "config"] {
			t.Errorf("%s bears the labels %v", o.Object.GetName(), labels)
		}
	}
	if got := data["a"]; got["color"] != "red" || got["size"] != "small" {
		t.Errorf("config is %v", got)
	}
	if data["each-a"]["more"] != "yes" || data["each-b"]["more"] != "yes" || data["each-a"]["color"] != "blue" {
		t.Errorf("each object of a forEach is to be overridden: %v", data)
	}
	if data["more"]["copied"] != "red" {
		t.Errorf("others are to see what is overridden: %v", data["more"])
	}
}

func TestRelease_LeavesOutWhatIsNotRendered(t *testing.T) {
	compiled := compile(t, overridable, nil)
	if _, err := render.Release(compiled, overridden(`{"more":false,"list":[]}`, override("optional", `{"data":{"color":"red"}}`), override("each", `{"data":{"x":"y"}}`))); err != nil {
		t.Error(err)
	}
}

// What stands in a Release is not believed: it is checked as if it were new.
func TestRelease_RefusesOverridesThatAreNotOpen(t *testing.T) {
	compiled := compile(t, overridable, nil)
	for patch, want := range map[string]string{
		`{"data":{"size":"big"}}`:                                             "spec.overrides[0] of resource config: the patch sets what the template does not open: data.size; open of resource config: data.color, metadata.labels",
		`{"data":{"$patch":"replace"}}`:                                       `holds the key "$patch"`,
		`{"metadata":{"labels":{"platform.towpath.dev/team":"x"}}}`:           "never open: Towpath sets it",
		`{"metadata":{"labels":{"app.kubernetes.io/managed-by":"somebody"}}}`: "never open: Towpath sets it",
		`{"metadata":{"namespace":"kube-system"}}`:                            "never open",
	} {
		_, err := render.Release(compiled, overridden(`{}`, override("config", patch)))
		var refused *render.OverrideError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s gives %v, want %q", patch, err, want)
		}
	}
	_, err := render.Release(compiled, overridden(`{}`, override("gone", `{"data":{"color":"red"}}`)))
	if err == nil || !strings.Contains(err.Error(), "is for a resource that the template does not have; it has config, each, optional") {
		t.Errorf("a resource that is not there gives %v", err)
	}
}
