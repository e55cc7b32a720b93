package adopt_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/adopt"
	"github.com/towpath-dev/towpath/internal/openapi"
	"github.com/towpath-dev/towpath/internal/override"
	"github.com/towpath-dev/towpath/internal/render"
	"github.com/towpath-dev/towpath/internal/template"
)

// exceptional has settings for which no golden path has a parameter.
const exceptional = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: checkout, namespace: legacy}
spec:
  replicas: 2
  minReadySeconds: 20
  selector: {matchLabels: {app: checkout}}
  template:
    metadata:
      labels: {app: checkout}
      annotations: {example.com/scrape: "true"}
    spec:
      terminationGracePeriodSeconds: 3700
      priorityClassName: high
      containers:
      - name: web
        image: registry.example/shop/checkout:1.4.2
        command: [/run, --fast]
        ports: [{name: http, containerPort: 8080}]
        envFrom: [{configMapRef: {name: settings}}]
        readinessProbe: {httpGet: {path: /healthz, port: http}, failureThreshold: 3, timeoutSeconds: 1}
        volumeMounts: [{name: cache, mountPath: /cache}, {name: host, mountPath: /host}]
      - name: side
        image: registry.example/shop/side:1
      volumes:
      - {name: cache, emptyDir: {sizeLimit: 1Gi}}
      - {name: host, hostPath: {path: /var/lib}}
---
apiVersion: v1
kind: Service
metadata: {name: checkout, namespace: legacy, annotations: {example.com/balancer: round-robin}}
spec: {selector: {app: checkout}, ports: [{name: http, port: 80, targetPort: http}]}
`

// opening is an input for which web-service opens these paths, each after its resource and a space.
func opening(t *testing.T, text string, paths ...string) adopt.Input {
	t.Helper()
	in := input(t, "web-service", text)
	spec := in.Spec.DeepCopy()
	spec.Overrides = &platformv1alpha1.TemplateOverrides{}
	for _, path := range paths {
		resource, path, _ := strings.Cut(path, " ")
		spec.Overrides.Allow = append(spec.Overrides.Allow, platformv1alpha1.OpenPath{Resource: resource, Path: path})
	}
	compiled, _, errs := template.Compile(spec, openapi.Kubernetes())
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	in.Spec, in.Compiled = spec, compiled
	return in
}

func TestFit_KeepsByOverridesWhatIsOpen(t *testing.T) {
	const pods, app = "deployment spec.template.spec", "deployment spec.template.spec.containers[name=app]"
	for what, tc := range map[string]struct {
		open []string
		// patches by resource.
		patches map[string]string
		// unmapped are parts of what is not mapped, mapped of what is not among it.
		unmapped, mapped []string
	}{
		"nothing": {unmapped: []string{"command", "envFrom", "minReadySeconds", "containers[name=side]", "volumes[name=cache]", "example.com/balancer"}},
		"a field": {open: []string{"deployment spec.minReadySeconds"}, patches: map[string]string{"deployment": `{spec: {minReadySeconds: 20}}`},
			mapped: []string{"minReadySeconds"}, unmapped: []string{"command"}},
		"another value": {open: []string{pods + ".terminationGracePeriodSeconds"},
			patches: map[string]string{"deployment": `{spec: {template: {spec: {terminationGracePeriodSeconds: 3700}}}}`}},
		"lists of the container, which has another name": {open: []string{app + ".command", app + ".envFrom"},
			patches: map[string]string{"deployment": `{spec: {template: {spec: {containers: [{name: app, command: [/run, --fast], envFrom: [{configMapRef: {name: settings}}]}]}}}}`},
			mapped:  []string{"command", "envFrom"}, unmapped: []string{"minReadySeconds"}},
		"a default in place of what the golden path sets": {open: []string{app + ".readinessProbe.failureThreshold"},
			patches: map[string]string{"deployment": `{spec: {template: {spec: {containers: [{name: app, readinessProbe: {failureThreshold: 3}}]}}}}`}},
		"a container": {open: []string{pods + ".containers[name=*]"}, mapped: []string{"containers[name=side]", "command"},
			patches: map[string]string{"deployment": `{spec: {template: {spec: {containers: [
  {name: app, command: [/run, --fast], envFrom: [{configMapRef: {name: settings}}], readinessProbe: {failureThreshold: 3, timeoutSeconds: 1}, volumeMounts: [{mountPath: /cache, name: cache}, {mountPath: /host, name: host}]},
  {name: side, image: "registry.example/shop/side:1"}]}}}}`}},
		"a part of a container that the golden path does not have": {open: []string{pods + ".containers[name=*].image"}, unmapped: []string{"containers[name=side]"}},
		"volumes, but for what is never open": {open: []string{pods + ".volumes"}, mapped: []string{"volumes[name=cache]"}, unmapped: []string{"volumes[name=host]"},
			patches: map[string]string{"deployment": `{spec: {template: {spec: {volumes: [{name: cache, emptyDir: {sizeLimit: 1Gi}}]}}}}`}},
		"annotations, of two resources": {open: []string{`deployment spec.template.metadata.annotations`, `service metadata.annotations["example.com/balancer"]`},
			patches: map[string]string{"deployment": `{spec: {template: {metadata: {annotations: {example.com/scrape: "true"}}}}}`, "service": `{metadata: {annotations: {example.com/balancer: round-robin}}}`},
			mapped:  []string{"example.com/"}},
		"what was not found": {open: []string{pods + ".nodeSelector", app + ".resources"}},
	} {
		t.Run(what, func(t *testing.T) {
			in := opening(t, exceptional, tc.open...)
			proposal, err := adopt.Fit(in)
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]any{}
			for _, o := range proposal.Component.Spec.Overrides {
				got[o.Resource] = parsed(t, string(o.Patch.Raw))
				if o.Expires != "2027-03-01" || !strings.HasPrefix(o.Reason, "Found on adoption of ") {
					t.Errorf("%s: expires %s, %s", o.Resource, o.Expires, o.Reason)
				}
			}
			want := map[string]any{}
			for resource, patch := range tc.patches {
				want[resource] = parsed(t, patch)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %s\nwant %s", asYAML(t, got), asYAML(t, want))
			}
			var lines []string
			for _, u := range proposal.Unmapped {
				lines = append(lines, u.String())
			}
			unmapped := strings.Join(lines, "\n")
			for _, part := range tc.unmapped {
				if !strings.Contains(unmapped, part) {
					t.Errorf("want %s in what is not mapped:\n%s", part, unmapped)
				}
			}
			for _, part := range tc.mapped {
				if strings.Contains(unmapped, part) {
					t.Errorf("want no %s in what is not mapped:\n%s", part, unmapped)
				}
			}
			if err := adopt.Check(in, proposal.Component); err != nil {
				t.Error(err)
			}
		})
	}
}

// What the manager will make of the proposal is what was found, wherever it is open.
func TestFit_RendersWithOverridesWhatWasFound(t *testing.T) {
	in := opening(t, exceptional, "deployment spec.minReadySeconds", "deployment spec.template.spec.terminationGracePeriodSeconds",
		"deployment spec.template.spec.containers[name=app].command", "deployment spec.template.metadata.annotations")
	proposal, err := adopt.Fit(in)
	if err != nil {
		t.Fatal(err)
	}
	spec := proposal.Component.Spec
	frozen, errs := override.Freeze(spec.Overrides, in.Compiled.Overridable(), openapi.Kubernetes(), field.NewPath("spec", "overrides"))
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	parameters, err := template.DecodeParameters(spec.Parameters)
	if err != nil {
		t.Fatal(err)
	}
	resolved, errs := in.Compiled.ResolveParameters(parameters, nil)
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	place := in.Place
	place.Image, place.Parameters, place.Env, place.SecretEnv, place.Adopt, place.Overrides = spec.Image, resolved, spec.Env, spec.SecretEnv, spec.Environments[0].Adopt, frozen
	rendered, err := render.Render(in.Compiled, place)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(rendered, func(o render.Object) bool { return o.Resource == "deployment" })
	golden, found := rendered[i].Object.Object, in.Workload.Object
	for _, fields := range [][]string{
		{"spec", "minReadySeconds"}, {"spec", "template", "spec", "terminationGracePeriodSeconds"}, {"spec", "template", "metadata", "annotations"},
	} {
		has, _, _ := unstructured.NestedFieldNoCopy(golden, fields...)
		wants, ok, _ := unstructured.NestedFieldNoCopy(found, fields...)
		if !ok || !reflect.DeepEqual(has, wants) {
			t.Errorf("%v: got %v, want %v", fields, has, wants)
		}
	}
	containers := func(object map[string]any) map[string]any {
		list, _, _ := unstructured.NestedSlice(object, "spec", "template", "spec", "containers")
		return list[0].(map[string]any)
	}
	if has, wants := containers(golden)["command"], containers(found)["command"]; wants == nil || !reflect.DeepEqual(has, wants) {
		t.Errorf("command: got %v, want %v", has, wants)
	}
	for _, d := range proposal.Differences {
		for _, path := range []string{"minReadySeconds", "terminationGracePeriodSeconds", ".command", "metadata.annotations"} {
			if d.Resource == "deployment" && strings.HasSuffix(d.Path, path) {
				t.Errorf("a difference is left: %s", d.String())
			}
		}
	}
}

func parsed(t *testing.T, text string) any {
	t.Helper()
	var value any
	if err := yaml.Unmarshal([]byte(text), &value); err != nil {
		t.Fatal(err)
	}
	return value
}

func asYAML(t *testing.T, value any) string {
	t.Helper()
	text, err := yaml.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
