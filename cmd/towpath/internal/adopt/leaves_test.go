package adopt

import (
	"slices"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// What no object depends on cannot be found in what runs: to search for it would only take time.
func TestLeavesAreThoseThatObjectsDependOn(t *testing.T) {
	for object, want := range map[string][]string{
		`{"a": "${params.port}", "b": "${has(params.deep) ? 1 : 2}"}`: {"deep.one", "port"},
		`{"a": "${params.?build.orValue({})}"}`:                       {"build.scan"},
		`{"a": "${string(params)}"}`:                                  {"build.scan", "deep.one", "port"},
		`{"a": "nothing of myparams.port"}`:                           nil,
	} {
		leaves, err := leavesOf(&platformv1alpha1.ServiceTemplateSpec{
			Parameters: &apiextensionsv1.JSON{Raw: []byte(`{"type": "object", "properties": {"port": {"type": "integer"},
				"deep": {"type": "object", "properties": {"one": {"type": "string"}}}, "build": {"type": "object", "properties": {"scan": {"type": "string"}}}}}`)},
			Resources: []platformv1alpha1.ResourceTemplate{{ID: "a", Object: apiextensionsv1.JSON{Raw: []byte(object)}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, l := range leaves {
			got = append(got, l.path)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", object, got, want)
		}
	}
}
