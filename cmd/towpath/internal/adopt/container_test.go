package adopt_test

import (
	"strings"
	"testing"

	"github.com/towpath-dev/towpath/cmd/towpath/internal/adopt"
)

// sidecars is a workload whose own container is not the first.
const sidecars = `
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
      - {name: envoy, image: "registry.example/envoy:1", ports: [{name: admin, containerPort: 9901}]}
      - {name: OWN, image: "registry.example/shop/checkout:1", ports: [{name: web, containerPort: 3000}], readinessProbe: {httpGet: {path: /ok, port: web}}}
      - {name: logger, image: "registry.example/logger:1"}
---
apiVersion: v1
kind: Service
metadata: {name: admin, namespace: legacy}
spec: {clusterIP: None, selector: {app: checkout}, ports: [{name: admin, port: 9901}]}
---
apiVersion: v1
kind: Service
metadata: {name: checkout, namespace: legacy}
spec: {selector: {app: checkout}, ports: [{name: web, port: 80, targetPort: PORT}]}
`

func TestFitChoosesTheContainer(t *testing.T) {
	for name, test := range map[string]struct{ own, port, choose, image, why string }{
		"by the workload's name":      {own: "checkout", port: "admin", image: "shop/checkout", why: "checkout is taken for the golden path's, since it has the workload's name"},
		"by the golden path's name":   {own: "app", port: "admin", image: "shop/checkout", why: "app is taken for the golden path's, since the golden path's has this name"},
		"by the name of a port":       {own: "web", port: "web", image: "shop/checkout", why: "web is taken for the golden path's, since Service checkout leads to it"},
		"by the number of a port":     {own: "web", port: "3000", image: "shop/checkout", why: "web is taken for the golden path's, since Service checkout leads to it"},
		"by a headless Service":       {own: "web", port: "none", image: "envoy", why: "envoy is taken for the golden path's, since Service admin leads to it"},
		"the first":                   {own: "web", image: "envoy", why: "envoy is taken for the golden path's, since it is the first"},
		"as it is told":               {own: "web", port: "web", choose: "logger", image: "logger"},
		"as it is told against names": {own: "app", port: "web", choose: "envoy", image: "envoy"},
	} {
		t.Run(name, func(t *testing.T) {
			text := sidecars
			if test.port == "" {
				text, _, _ = strings.Cut(text, "---")
			}
			in := input(t, "web-service", strings.NewReplacer("OWN", test.own, "PORT", test.port).Replace(text))
			in.Container = test.choose
			proposal, err := adopt.Fit(in)
			if err != nil {
				t.Fatal(err)
			}
			if got := proposal.Component.Spec.Image; got != "registry.example/"+test.image+":1" {
				t.Errorf("image %s", got)
			}
			notes := strings.Join(proposal.Notes, "\n")
			if test.why == "" && strings.Contains(notes, "--container") || !strings.Contains(notes, test.why) {
				t.Errorf("notes: %s", notes)
			}
			if test.image != "shop/checkout" {
				return
			}
			if got := string(proposal.Component.Spec.Parameters.Raw); !strings.Contains(got, `"port":3000`) || !strings.Contains(got, `"readyPath":"/ok"`) {
				t.Errorf("parameters of another container: %s", got)
			}
			for _, d := range proposal.Differences {
				if strings.Contains(d.Path, "[name=envoy]") && d.Kind != adopt.Removed {
					t.Errorf("compared with another container: %s", d.String())
				}
			}
		})
	}
	in := input(t, "web-service", sidecars)
	in.Container = "nowhere"
	if _, err := adopt.Fit(in); err == nil || err.Error() != "Deployment/checkout: it has no container nowhere; it has envoy, OWN, logger" {
		t.Errorf("got %v", err)
	}
}
