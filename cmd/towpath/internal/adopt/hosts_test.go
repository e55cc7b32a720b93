package adopt_test

import (
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/adopt"
	"github.com/towpath-dev/towpath/internal/openapi"
	"github.com/towpath-dev/towpath/internal/template"
)

// ofIngress is a golden path that makes an Ingress of one host name.
const ofIngress = `
apiVersion: platform.towpath.dev/v1alpha1
kind: ServiceTemplate
metadata: {name: site}
spec:
  summary: A Deployment behind an Ingress.
  parameters:
    type: object
    properties:
      note: {type: string, default: none, maxLength: 50}
      domain: {type: string, maxLength: 50, pattern: '^[a-z.]+$'}
  resources:
  - id: deployment
    object:
      apiVersion: apps/v1
      kind: Deployment
      metadata: {name: "${component.name}", annotations: {note: "${params.note}"}}
      spec:
        selector: {matchLabels: {platform.towpath.dev/component: "${component.name}"}}
        template: {spec: {containers: [{name: app, image: "${release.image}"}]}}
  - id: ingress
    includeWhen: "${has(params.domain)}"
    object:
      apiVersion: networking.k8s.io/v1
      kind: Ingress
      metadata: {name: "${component.name}"}
      spec:
        rules:
        - host: "${params.domain}"
          http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: "${component.name}", port: {number: 80}}}}]}
`

func TestFitProposesTheHostOfAnIngress(t *testing.T) {
	spec := &platformv1alpha1.ServiceTemplate{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(objects(t, ofIngress)[0].Object, spec); err != nil {
		t.Fatal(err)
	}
	compiled, _, errs := template.Compile(&spec.Spec, openapi.Kubernetes())
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	for host, want := range map[string]struct{ parameters, unmapped string }{
		"shop.example":  {parameters: `"domain":"shop.example"`},
		"shop1.example": {unmapped: "parameter domain cannot bring it: its schema does not take it"},
	} {
		in := input(t, "web-service", `
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, namespace: legacy}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec: {containers: [{name: app, image: "registry.example/shop:1"}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: edge, namespace: legacy}
spec:
  rules: [{host: `+host+`, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: shop, port: {number: 80}}}}]}}]
`)
		in.Spec, in.Compiled = &spec.Spec, compiled
		proposal, err := adopt.Fit(in)
		if err != nil {
			t.Fatal(err)
		}
		parameters := proposal.Component.Spec.Parameters
		if parameters == nil {
			parameters = &apiextensionsv1.JSON{}
		}
		got := show(t, proposal)
		if !strings.Contains(string(parameters.Raw), want.parameters) || !strings.Contains(got, want.unmapped) || want.unmapped == "" && strings.Contains(got, "not mapped") {
			t.Errorf("%s: got\n%s", host, got)
		}
	}
}
