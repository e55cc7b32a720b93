package adopt_test

import (
	"fmt"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/towpath-dev/towpath/cmd/towpath/internal/adopt"
)

// counted is a workload of some pods.
const counted = `
apiVersion: apps/v1
kind: %s
metadata: {name: checkout, namespace: legacy}
spec:
  replicas: %d
  selector: {matchLabels: {app: checkout}}
  template:
    metadata: {labels: {app: checkout}}
    spec:
      terminationGracePeriodSeconds: 30
      containers: [{name: app, image: "registry.example/shop/checkout:1", ports: [{containerPort: 8080}]}]
`

// counting is an autoscaler of it.
const counting = `---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: checkout, namespace: legacy}
spec:
  minReplicas: 4
  maxReplicas: 6
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: checkout}
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}]
`

const (
	// creator owns what somebody made a workload with, but the number of its pods.
	creator = `{"f:spec":{"f:selector":{},"f:template":{"f:metadata":{"f:labels":{".":{},"f:app":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"app\"}":{".":{},"f:name":{},"f:image":{},"f:ports":{}}}}}}}`
	// counts is that number.
	counts = `{"f:spec":{"f:replicas":{}}}`
)

// However many pods run, and whoever owns the number: the first new version runs as many, or the report says so.
func TestFitKeepsTheNumberOfPods(t *testing.T) {
	for name, test := range map[string]struct {
		template, kind string
		count          int
		// manager and subresource of the owner of the number; empty for nobody.
		manager, subresource string
		others               string
		want                 string
		// unmapped is what is named of it; empty for nothing.
		unmapped string
	}{
		"nobody's":                     {"web-service", "Deployment", 3, "", "", "", `{min: 3, max: 3}`, ""},
		"an autoscaler's that is gone": {"web-service", "Deployment", 4, "kube-controller-manager", "scale", "", `{min: 4, max: 4}`, ""},
		"a controller's":               {"web-service", "Deployment", 4, "kube-controller-manager", "", "", `{min: 4, max: 4}`, ""},
		"of who scales":                {"web-service", "Deployment", 3, "kubectl", "scale", "", `{min: 3, max: 3}`, ""},
		"an autoscaler's that stays":   {"web-service", "Deployment", 5, "kube-controller-manager", "scale", counting, `{min: 4, max: 6}`, ""},
		"none":                         {"web-service", "Deployment", 0, "", "", "", `{min: 1, max: 1}`, "0: no pod runs now, and the golden path does not say so: the first new version runs 1; decide how many"},
		"none, of an autoscaler's":     {"web-service", "Deployment", 0, "kubectl", "scale", counting, `{min: 4, max: 6}`, "0: no pod runs now, and the golden path does not say so: HorizontalPodAutoscaler/checkout of the golden path keeps between 4 and 6"},
		"too many":                     {"web-service", "Deployment", 700, "", "", "", ``, "700: so many pods run now, and HorizontalPodAutoscaler/checkout of the golden path keeps between 2 and 10"},
		"stateful":                     {"stateful-service", "StatefulSet", 3, "", "", "", `3`, ""},
		"stateful, none":               {"stateful-service", "StatefulSet", 0, "kubectl", "scale", "", ``, "0: no pod runs now, and the golden path does not say so: the first new version runs 1"},
		"of a worker":                  {"worker", "Deployment", 3, "kubectl", "scale", "", `{min: 3, max: 3}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			in := input(t, test.template, fmt.Sprintf(counted, test.kind, test.count)+test.others)
			owner(in.Workload, "kubectl-create", "", creator)
			if test.manager != "" {
				owner(in.Workload, test.manager, test.subresource, counts)
			}
			proposal, err := adopt.Fit(in)
			if err != nil {
				t.Fatal(err)
			}
			parameters, want := map[string]any{}, any(nil)
			if err := yaml.Unmarshal(proposal.Component.Spec.Parameters.Raw, &parameters); err != nil {
				t.Fatal(err)
			}
			if err := yaml.Unmarshal([]byte(test.want), &want); err != nil {
				t.Fatal(err)
			}
			if got := asYAML(t, parameters["replicas"]); test.want != "" && got != asYAML(t, want) {
				t.Errorf("replicas: got %s, want %s", got, asYAML(t, want))
			}
			var named []string
			for _, u := range proposal.Unmapped {
				if u.Path == "spec.replicas" {
					named = append(named, u.String())
				}
			}
			if got := strings.Join(named, "\n"); !strings.Contains(got, test.unmapped) || (got == "") != (test.unmapped == "") || len(named) > 1 {
				t.Errorf("not mapped: got %q, want %q", got, test.unmapped)
			}
			for _, d := range proposal.Differences {
				if d.Path == "spec.replicas" && test.unmapped == "" {
					t.Errorf("a difference: %s", d.String())
				}
			}
		})
	}
}
