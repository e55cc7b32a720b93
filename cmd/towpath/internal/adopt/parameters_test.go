package adopt_test

import (
	"reflect"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/towpath-dev/towpath/cmd/towpath/internal/adopt"
)

// fitted is the proposal for a workload whose pods and whose container have these fields too, with its parameters.
func fitted(t *testing.T, template, pod, container string) (proposal *adopt.Proposal, parameters map[string]any) {
	t.Helper()
	in := input(t, template, `
apiVersion: apps/v1
kind: Deployment
metadata: {name: checkout, namespace: legacy}
spec:
  replicas: 2
  selector: {matchLabels: {app: checkout}}
  template:
    metadata: {labels: {app: checkout}}
    spec:
      containers:
      - {name: app, image: "registry.example/shop/checkout:1", `+container+`}
      `+pod+"\n")
	proposal, err := adopt.Fit(in)
	if err != nil {
		t.Fatal(err)
	}
	if raw := proposal.Component.Spec.Parameters; raw != nil {
		if err := yaml.Unmarshal(raw.Raw, &parameters); err != nil {
			t.Fatal(err)
		}
	}
	return proposal, parameters
}

// about are the lines of what is not mapped that have a part.
func about(p *adopt.Proposal, part string) string {
	var lines []string
	for _, u := range p.Unmapped {
		if line := u.String(); strings.Contains(line, part) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// A golden path may take the names alone of what a list refers to.
func TestFitTakesNamesOutOfReferences(t *testing.T) {
	proposal, parameters := fitted(t, "web-service", "imagePullSecrets: [{name: reg}, {name: other}]", "ports: [{containerPort: 8080}]")
	if got := parameters["imagePullSecrets"]; !reflect.DeepEqual(got, []any{"reg", "other"}) {
		t.Errorf("imagePullSecrets: got %v", got)
	}
	if got := about(proposal, "imagePullSecrets"); got != "" {
		t.Error(got)
	}
}

// Where a parameter is for what was found, and does not take it, nobody is told that there is none.
func TestFitNamesTheParameterThatDoesNotTakeWhatWasFound(t *testing.T) {
	proposal, _ := fitted(t, "web-service", "imagePullSecrets: [{name: a}, {name: b}, {name: c}, {name: d}, {name: e}]", "ports: [{containerPort: 8080}]")
	if got := about(proposal, "imagePullSecrets"); !strings.Contains(got, "parameter imagePullSecrets is for it") || strings.Contains(got, "no parameter does") {
		t.Errorf("got %q", got)
	}
}

// A number that the template adds up is kept by the one parameter that stands nowhere else.
func TestFitKeepsANumberThatTheTemplateAddsUp(t *testing.T) {
	for seconds, want := range map[string]any{"90": map[string]any{"drainSeconds": float64(75)}, "30": nil, "15": map[string]any{"drainSeconds": float64(0)}} {
		_, parameters := fitted(t, "web-service", "terminationGracePeriodSeconds: "+seconds, "ports: [{containerPort: 8080}]")
		if got := parameters["shutdown"]; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v", seconds, got, want)
		}
	}
}

// A worker has no probe unless one is asked for, and then all of them: that is nearer than none.
func TestFitKeepsTheProbesOfAWorker(t *testing.T) {
	for probe, want := range map[string]string{"tcpSocket: {port: 8080}": "TCP", "httpGet: {path: /alive, port: 8080}": "HTTP"} {
		proposal, parameters := fitted(t, "worker", "", "ports: [{name: probe, containerPort: 8080}], livenessProbe: {"+probe+"}")
		probes, _ := parameters["probes"].(map[string]any)
		if probes["handler"] != want || parameters["port"] != float64(8080) {
			t.Errorf("%s: got %v", probe, parameters)
		}
		if got := about(proposal, "Probe"); got != "" {
			t.Error(got)
		}
	}
}
