package template_test

import (
	"strings"
	"testing"

	"github.com/towpath-dev/towpath/internal/openapi"
	"github.com/towpath-dev/towpath/internal/template"
)

const overridden = `
summary: x
resources:
- id: deployment
  object:
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: "${component.name}"}
    spec: {selector: {matchLabels: {app: x}}, template: {metadata: {labels: {app: x}}, spec: {containers: [{name: app, image: "${release.image}"}]}}}
overrides:
  allow:
`

func TestCompile_OpensPaths(t *testing.T) {
	compiled := compile(t, overridden+`
  - {resource: deployment, path: "spec.template.spec.containers[name=app].resources"}
  - {resource: deployment, path: spec.minReadySeconds}
`)
	target := compiled.Overridable()["deployment"]
	if target.Kind.Kind != "Deployment" || len(target.Open) != 2 || target.Open[0].String() != "spec.template.spec.containers[name=app].resources" {
		t.Errorf("it opens %v", target)
	}
}

func TestCompile_RefusesToOpen(t *testing.T) {
	for allow, want := range map[string]string{
		"{resource: deploy, path: spec.replicas}":                                                             `spec.overrides.allow[0].resource: Unsupported value: "deploy": supported values: "deployment"`,
		"{resource: deployment, path: spec..replicas}":                                                        "spec.overrides.allow[0].path: Invalid value: \"spec..replicas\": does not parse: at byte 5: a field is missing",
		"{resource: deployment, path: spec.replica}":                                                          "spec has no field replica",
		"{resource: deployment, path: spec.selector}":                                                         "spec.selector is never open",
		"{resource: deployment, path: metadata.name}":                                                         "metadata.name is never open",
		"{resource: deployment, path: metadata.namespace}":                                                    "metadata.namespace is never open",
		"{resource: deployment, path: spec.template.spec}":                                                    "too wide",
		"{resource: deployment, path: spec.template.spec.hostNetwork}":                                        "spec.template.spec.hostNetwork is never open: it reaches the node",
		"{resource: deployment, path: 'metadata.labels[\"platform.towpath.dev/team\"]'}":                      "never open: Towpath sets it",
		"{resource: deployment, path: spec.replicas}\n  - {resource: deployment, path: 'spec[\"replicas\"]'}": "spec.overrides.allow[1]: Duplicate value",
	} {
		for _, kinds := range []openapi.Source{openapi.Kubernetes(), nil} {
			if kinds == nil && strings.Contains(want, "has no field") {
				continue // a revision compiles without schemas
			}
			_, _, errs := template.Compile(spec(t, overridden+"  - "+allow), kinds)
			if len(errs) != 1 || !strings.Contains(errs[0].Error(), want) {
				t.Errorf("%s gives %v, want %q", allow, errs, want)
			}
		}
	}
}
