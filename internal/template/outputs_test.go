package template_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"

	"github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/openapi"
	"github.com/towpath-dev/towpath/internal/template"
)

const withService = `
summary: s
parameters:
  type: object
  properties:
    port: {type: integer, default: 5432}
    secret: {type: string, default: db}
    hidden: {type: boolean, default: false}
resources:
- id: service
  object: {apiVersion: v1, kind: Service, metadata: {name: "${component.name}-rw"}, spec: {ports: [{port: "${params.port}"}]}}
`

func variablesOf(params map[string]any) map[string]any {
	return map[string]any{
		"params":    params,
		"component": map[string]any{"name": "orders-db", "namespace": "team-shop", "team": "shop", "costCenter": "c", "env": []any{}, "connections": []any{}},
		"environment": map[string]any{
			"name": "dev", "namespace": "shop-dev", "tier": "Development", "class": "development",
		},
		"release": map[string]any{"image": "i", "commit": "", "revision": int64(1)}, "capabilities": []string{}, "uses": map[string]any{},
	}
}

func TestProvide(t *testing.T) {
	compiled := compile(t, withService+`
outputs:
- {name: host, value: "${resources.service.metadata.name}.${environment.namespace}.svc"}
- {name: port, value: "${params.port}"}
- {name: literal, value: always}
- {name: url, value: "${params.hidden ? optional.none() : optional.of('http://x')}"}
- {name: password, secretKeyRef: {name: "${params.secret}", key: password}}
endpoint:
  podLabels: {cnpg.io/cluster: "${component.name}"}
  ports: ["${params.port}", 8080, "${params.hidden ? optional.none() : optional.of(9090)}"]
`)
	keep := func(template.Evaluated) error { return nil }
	got, err := compiled.Provide(variablesOf(map[string]any{"port": int64(5432), "secret": "db", "hidden": true}), keep)
	if err != nil {
		t.Fatal(err)
	}
	want := &template.Provided{
		Outputs: []v1alpha1.ReleaseOutput{
			{Name: "host", Value: ptr.To("orders-db-rw.shop-dev.svc")}, {Name: "port", Value: ptr.To("5432")}, {Name: "literal", Value: ptr.To("always")},
			{Name: "password", SecretKeyRef: &v1alpha1.SecretKeyReference{Name: "db", Key: "password"}},
		},
		Endpoint: &v1alpha1.ReleaseEndpoint{PodLabels: map[string]string{"cnpg.io/cluster": "orders-db"}, Ports: []int32{5432, 8080}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	for name, c := range map[string]struct {
		params map[string]any
		want   string
	}{
		"a port out of range": {map[string]any{"port": int64(0), "secret": "db", "hidden": false}, `endpoint.ports[0]: 0 must be a number from 1 to 65535`},
		"no name of a Secret": {map[string]any{"port": int64(1), "secret": "Not A Name", "hidden": false}, `outputs[password].secretKeyRef.name: "Not A Name" is no name of a Secret`},
	} {
		if _, err := compiled.Provide(variablesOf(c.params), keep); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func TestATemplateWithoutOutputsProvidesNothing(t *testing.T) {
	got, err := compile(t, withService).Provide(variablesOf(nil), nil)
	if diff := cmp.Diff(&template.Provided{}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestCompileRefusesOutputs(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"an unknown variable":    {`outputs: [{name: a, value: "${parms.port}"}]`, `spec.outputs[a].value: Invalid value: "${parms.port}": there is no variable parms`},
		"an unknown resource":    {`outputs: [{name: a, value: "${resources.servise.metadata.name}"}]`, `spec.outputs[a].value`},
		"an unknown field":       {`outputs: [{name: a, value: "${resources.service.spec.nope}"}]`, `spec.outputs[a].value`},
		"an object as value":     {`outputs: [{name: a, value: "${resources.service.spec}"}]`, `spec.outputs[a].value: Invalid value: "${resources.service.spec}": must give a string, number or bool, and gives`},
		"neither of both":        {`outputs: [{name: a}]`, `spec.outputs[a]: Invalid value: must have either value or secretKeyRef`},
		"both":                   {`outputs: [{name: a, value: x, secretKeyRef: {name: s, key: k}}]`, `must have either value or secretKeyRef`},
		"a bad name":             {`outputs: [{name: A-b, value: x}]`, `spec.outputs[A-b].name: Invalid value: "A-b": must match`},
		"a name twice":           {`outputs: [{name: a, value: x}, {name: a, value: y}]`, `spec.outputs[a]: Duplicate value: "a"`},
		"a port that is text":    {`endpoint: {ports: ["${component.name}"]}`, `spec.endpoint.ports[0]: Invalid value: "${component.name}": must be a number`},
		"a port with text":       {`endpoint: {ports: ["1${params.port}"]}`, `spec.endpoint.ports[0]: Invalid value: "1${params.port}": must be a number`},
		"a port out of range":    {`endpoint: {ports: [70000]}`, `spec.endpoint.ports[0]: Invalid value: 70000: must be from 1 to 65535`},
		"no port":                {`endpoint: {}`, `spec.endpoint.ports: Required value`},
		"a key that is no label": {`endpoint: {ports: [1], podLabels: {"a b": c}}`, `spec.endpoint.podLabels[a b]: Invalid value: "a b": must be a label key`},
	} {
		_, _, errs := template.Compile(spec(t, withService+c.text), openapi.Kubernetes())
		if got := messages(errs); !strings.Contains(got, c.want) || strings.Count(got, "\n") > 0 {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, c.want)
		}
	}
}
