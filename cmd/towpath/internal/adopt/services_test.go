package adopt_test

import (
	"strings"
	"testing"

	"github.com/towpath-dev/towpath/cmd/towpath/internal/adopt"
)

// Callers find a Service by its port, too.
func TestFitNamesThePortsAtWhichNothingIsFoundAnyMore(t *testing.T) {
	for name, test := range map[string]struct{ service, want string }{
		"the golden path's":                             {`ports: [{port: 80, targetPort: 8080}]`, ``},
		"another":                                       {`ports: [{port: 8080}]`, `Service/checkout: spec.ports[0].port: 8080: callers find the service at this port, and the golden path's is 80 (http)`},
		"another of the same name":                      {`ports: [{name: http, port: 8080, targetPort: 8080}]`, `Service/checkout: spec.ports[name=http].port: 8080: callers`},
		"of which one is the right one":                 {`ports: [{name: a, port: 80, targetPort: 8080}, {name: b, port: 81, targetPort: 8080}]`, `Service/checkout: spec.ports[name=b]: `},
		"the right one after a wrong one":               {`ports: [{name: a, port: 81, targetPort: 8080}, {name: b, port: 80, targetPort: 8080}]`, `Service/checkout: spec.ports[name=a].port: 81: callers`},
		"of a headless one, where that does not matter": {`clusterIP: None, ports: [{port: 8080}]`, ``},
	} {
		t.Run(name, func(t *testing.T) {
			text, _, _ := strings.Cut(sidecars, "---")
			in := input(t, "web-service", strings.NewReplacer("OWN", "app").Replace(text)+`---
apiVersion: v1
kind: Service
metadata: {name: checkout, namespace: legacy}
spec: {selector: {app: checkout}, `+test.service+`}
`)
			proposal, err := adopt.Fit(in)
			if err != nil {
				t.Fatal(err)
			}
			var named []string
			for _, u := range proposal.Unmapped {
				if strings.HasPrefix(u.Path, "spec.ports[") {
					named = append(named, u.String())
				}
			}
			got := strings.Join(named, "\n")
			if !strings.HasPrefix(got, test.want) || (got == "") != (test.want == "") {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
