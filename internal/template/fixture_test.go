package template_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	"github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/openapi"
	"github.com/towpath-dev/towpath/internal/template"
)

// spec reads the spec of a template from YAML.
func spec(t testing.TB, text string) *v1alpha1.ServiceTemplateSpec {
	t.Helper()
	var s v1alpha1.ServiceTemplateSpec
	if err := yaml.UnmarshalStrict([]byte(text), &s); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return &s
}

// compile compiles a template that must compile, against the schemas of Kubernetes.
func compile(t testing.TB, text string) *template.Template {
	t.Helper()
	compiled, _, errs := template.Compile(spec(t, text), openapi.Kubernetes())
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	return compiled
}

// messages are the errors as lines.
func messages(errs field.ErrorList) string {
	lines := make([]string, len(errs))
	for i, err := range errs {
		lines[i] = err.Error()
	}
	return strings.Join(lines, "\n")
}

// parameters is the schema that most tests use.
const parameters = `
parameters:
  type: object
  properties:
    port: {type: integer, default: 8080, minimum: 1, maximum: 65535}
    ratio: {type: number, default: 1}
    host: {type: string, maxLength: 64}
    enabled: {type: boolean, default: false}
    at: {type: string, format: date-time}
    size: {x-kubernetes-int-or-string: true}
    free: {type: object, x-kubernetes-preserve-unknown-fields: true}
    replicas:
      type: object
      default: {}
      properties:
        min: {type: integer, default: 2}
        max: {type: integer, default: 10}
    labels: {type: object, maxProperties: 10, additionalProperties: {type: string}}
    list: {type: array, maxItems: 200, items: {type: string}, default: []}
    items:
      type: array
      maxItems: 10
      x-kubernetes-list-type: map
      x-kubernetes-list-map-keys: [name]
      items: {type: object, required: [name], properties: {name: {type: string, maxLength: 40}, port: {type: integer}}}
    mode: {type: string, enum: [Fast, Safe], default: Safe}
  x-kubernetes-validations:
  - rule: self.replicas.min <= self.replicas.max
    message: replicas.min must not exceed replicas.max
`

// configMap is a resource that is right.
const configMap = `
- id: config
  object: {apiVersion: v1, kind: ConfigMap, metadata: {name: "${component.name}"}, data: {port: "${string(params.port)}"}}
`

// deployment is a Deployment with something put into its spec and its container.
func deployment(inSpec, inContainer string) string {
	return fmt.Sprintf(`
- id: deployment
  object:
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: "${component.name}"}
    spec:
      selector: {matchLabels: {app: "${component.name}"}}
      template:
        metadata: {labels: {app: "${component.name}"}}
        spec: {containers: [{name: app, image: "${release.image}"%s}]}
      %s
`, inContainer, inSpec)
}

// with puts resources behind the schema.
func with(resources ...string) string {
	return "summary: A test.\n" + parameters + "resources:\n" + strings.Join(resources, "")
}

func raw(t testing.TB, value any) *apiextensionsv1.JSON {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return &apiextensionsv1.JSON{Raw: data}
}
