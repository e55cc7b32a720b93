package template

import (
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// A parameter of such a name compiled, as __namespace__, and then failed in every rendering.
func TestCompile_RefusesParametersNamedByReservedWords(t *testing.T) {
	spec := &platformv1alpha1.ServiceTemplateSpec{
		Parameters: &apiextensionsv1.JSON{Raw: []byte(`{"type": "object", "properties": {"namespace": {"type": "string", "maxLength": 10}}}`)},
		Resources: []platformv1alpha1.ResourceTemplate{{
			ID:     "config",
			Object: apiextensionsv1.JSON{Raw: []byte(`{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "${component.name}"}}`)},
		}},
	}
	_, _, errs := Compile(spec, nil)
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), "reserved word of CEL") {
		t.Errorf("Compile gives %v, want one error about a reserved word", errs)
	}
}
