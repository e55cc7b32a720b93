package component_test

import (
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/controllers/component"
	"github.com/towpath-dev/towpath/internal/template"
)

func raw(text string) *apiextensionsv1.JSON {
	if text == "" {
		return nil
	}
	return &apiextensionsv1.JSON{Raw: []byte(text)}
}

func TestValidateParametersNamesEachErrorOnceAndWhereItStands(t *testing.T) {
	compiled, _, errs := template.Compile(&platformv1alpha1.ServiceTemplateSpec{
		Summary: "s",
		Parameters: raw(`{"type": "object", "required": ["owner"], "properties": {
			"port": {"type": "integer", "maximum": 65535, "default": 80}, "owner": {"type": "string"}}}`),
		Resources: []platformv1alpha1.ResourceTemplate{{ID: "config", Object: *raw(`{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "${component.name}"}}`)}},
	}, nil)
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	const base, dev, prod = "spec.parameters", "spec.environments[dev].parameters", "spec.environments[prod].parameters"
	for name, c := range map[string]struct {
		base, dev, prod string
		want            []string
	}{
		"all good":                         {`{"owner": "ada"}`, "", `{"port": 8080}`, nil},
		"wrong for all":                    {`{"owner": "ada", "port": 70000}`, "", "", []string{base + ".port"}},
		"wrong for all, with other over":   {`{"owner": "ada", "port": 70000}`, `{"owner": "lin"}`, `{"owner": "sam"}`, []string{base + ".port"}},
		"wrong for one":                    {`{"owner": "ada"}`, "", `{"port": 70000}`, []string{prod + ".port"}},
		"wrong for each in its own way":    {`{"owner": "ada"}`, `{"port": "x"}`, `{"port": 70000}`, []string{dev + ".port", prod + ".port"}},
		"mended by every environment":      {`{"port": 70000}`, `{"port": 1, "owner": "ada"}`, `{"port": 2, "owner": "ada"}`, nil},
		"mended by one environment":        {`{"owner": "ada", "port": 70000}`, `{"port": 1}`, "", []string{base + ".port"}},
		"wrong, and wrong again elsewhere": {`{"owner": "ada", "port": 70000}`, "", `{"port": 80000}`, []string{base + ".port", prod + ".port"}},
		"taken away by one":                {`{"owner": "ada"}`, "", `{"owner": null}`, []string{prod + ".owner"}},
		"missing everywhere":               {"", "", `{"port": 1}`, []string{base + ".owner"}},
		"unknown":                          {`{"owner": "ada", "prot": 1}`, "", `{"port": 1, "onwer": "x"}`, []string{base + ".prot", prod + ".onwer"}},
		"no object":                        {`[1]`, "", "", []string{base}},
		"no object in an environment":      {`{"owner": "ada"}`, `"text"`, "", []string{dev}},
	} {
		spec := &platformv1alpha1.ComponentSpec{Parameters: raw(c.base), Environments: []platformv1alpha1.PathEnvironment{
			{Name: "dev", Parameters: raw(c.dev)}, {Name: "prod", Parameters: raw(c.prod)},
		}}
		var got []string
		for _, err := range component.ValidateParameters(compiled, spec) {
			got = append(got, err.Field)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %s, want %s", name, strings.Join(got, ", "), strings.Join(c.want, ", "))
		}
	}
}
