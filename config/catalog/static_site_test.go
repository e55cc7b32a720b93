package catalog_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/towpath-dev/towpath/internal/render"
)

var staticSite = &goldenPath{
	name:     "static-site",
	optional: []string{httpRoute},
	inputs: map[string]input{
		"defaults":                  {},
		"fixed-replicas":            {parameters: `{replicas: {min: 1, max: 1}}`},
		"route":                     {parameters: `{route: {hosts: [docs.example]}}`, change: with(httpRoute)},
		"route-without-gateway-api": {parameters: `{route: {hosts: [docs.example]}}`},
		"writable-paths":            {parameters: `{writablePaths: [{path: /var/cache/nginx, size: 256Mi}, {path: /run}]}`},
		"environment-variables":     {parameters: `{args: [--quiet], imagePullSecrets: [registry]}`, change: variables},
		"everything": {
			parameters: `
port: 80
replicas: {min: 3, max: 9}
autoscaling: {cpuPercent: 50, scaleDownSeconds: 600}
resources: {cpu: 1, memory: 64Mi, memoryLimit: 128Mi}
probes: {handler: TCP, startupSeconds: 61}
shutdown: {delaySeconds: 15, drainSeconds: 60}
tmpSize: 1Gi
writablePaths: [{path: /data}, {path: /config, size: 1Mi}]
runAsUser: 1001
network: {callers: [{team: payments, component: ledger}, {team: search}]}
route: {hosts: [docs.example, www.docs.example], path: /handbook, gateway: public, gatewayNamespace: edge, listener: https}
`,
			change: with(httpRoute),
		},
		"longest-names": {parameters: `{route: {hosts: [docs.example]}}`, change: func(in *render.Input) {
			longestNames(in)
			in.Capabilities = []string{httpRoute}
		}},
	},
	wrong: map[string]string{
		`{replicas: {min: 5}}`:                           "parameters.replicas.max: Invalid value: 4: must be at least replicas.min",
		`{probes: {path: index.html}}`:                   `parameters.probes.path: Invalid value: "index.html": must match`,
		`{network: {egress: Open}}`:                      "parameters.network.egress: Invalid value: no such parameter",
		`{writablePaths: [{path: /tmp}]}`:                `parameters.writablePaths[0].path: Invalid value: "/tmp": must be a folder other than /tmp`,
		`{writablePaths: [{path: /etc}]}`:                "must be a folder other than /tmp",
		`{writablePaths: [{path: /proc/self}]}`:          "must be a folder other than /tmp",
		`{writablePaths: [{path: /a/../etc}]}`:           "without . and ..",
		`{writablePaths: [{path: /}]}`:                   `parameters.writablePaths[0].path: Invalid value: "/": must match`,
		`{writablePaths: [{path: /a}, {path: /a}]}`:      "parameters.writablePaths[1]: Duplicate value",
		`{writablePaths: [{path: /a, size: 17Gi}]}`:      "must be a quantity up to 16Gi in Mi or Gi",
		`{resources: {memory: 64Mi, memoryLimit: 32Mi}}`: "memoryLimit must be at least memory",
		`{route: {hosts: []}}`:                           "parameters.route.hosts: Invalid value: 0: must have at least 1 items",
	},
}

func TestASiteCallsNobody(t *testing.T) {
	staticSite.each(t, func(t *testing.T, r rendered) {
		egress := get[networkingv1.NetworkPolicy](t, r, "networkPolicy").Spec.Egress
		if len(egress) != 1 {
			t.Fatalf("it may call others than DNS: %+v", egress)
		}
		for _, port := range egress[0].Ports {
			if port.Port.IntValue() != 53 && port.Port.IntValue() != 5353 {
				t.Errorf("it may call port %s", port.Port)
			}
		}
	})
}

func TestASiteWritesWhereItSays(t *testing.T) {
	staticSite.each(t, func(t *testing.T, r rendered) {
		pod := workloadOf(t, r).pod.Spec
		volumes := map[string]corev1.Volume{}
		for _, volume := range pod.Volumes {
			volumes[volume.Name] = volume
		}
		want := map[string]string{"/tmp": r.Parameters["tmpSize"].(string)}
		paths, _ := r.Parameters["writablePaths"].([]any)
		for _, item := range paths {
			want[item.(map[string]any)["path"].(string)] = item.(map[string]any)["size"].(string)
		}
		for _, mount := range pod.Containers[0].VolumeMounts {
			if got := volumes[mount.Name].EmptyDir.SizeLimit.String(); got != want[mount.MountPath] || mount.ReadOnly {
				t.Errorf("%s has %s, want %q", mount.MountPath, got, want[mount.MountPath])
			}
			delete(want, mount.MountPath)
		}
		if len(want) > 0 {
			t.Errorf("not mounted: %v", want)
		}
	})
}
