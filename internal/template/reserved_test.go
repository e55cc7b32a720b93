package template

import (
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

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

// TestCompile_TakesHowLongAJobLasts: estimates of cost go by this annotation, which only the platform can give.
func TestCompile_TakesHowLongAJobLasts(t *testing.T) {
	c := &compiler{}
	c.checkReserved(map[string]any{"annotations": map[string]any{platformv1alpha1.AnnotationTypicalDuration: "59m"}}, field.NewPath("metadata"))
	if len(c.errs) > 0 {
		t.Errorf("as an annotation it is refused: %v", c.errs)
	}
	c.checkReserved(map[string]any{"labels": map[string]any{platformv1alpha1.AnnotationTypicalDuration: "59m"}}, field.NewPath("metadata"))
	if len(c.errs) != 1 {
		t.Errorf("as a label it must be refused: %v", c.errs)
	}
}
