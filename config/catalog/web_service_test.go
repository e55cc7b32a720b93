package catalog_test

import (
	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/render"
)

var webService = &goldenPath{
	name:     "web-service",
	optional: []string{httpRoute},
	inputs: map[string]input{
		"defaults":       {},
		"fixed-replicas": {parameters: `{replicas: {min: 3, max: 3}}`},
		"one-replica":    {parameters: `{replicas: {min: 1, max: 1}}`},
		"route": {
			parameters: `{route: {hosts: [shop.example, www.shop.example], path: /checkout, gateway: public, gatewayNamespace: edge, listener: https}}`,
			change:     with(httpRoute),
		},
		"route-without-gateway-api": {parameters: `{route: {hosts: [shop.example]}}`},
		"environment-variables":     {parameters: `{args: [serve, --verbose], imagePullSecrets: [registry]}`, change: variables},
		"everything": {
			parameters: `
port: 80
replicas: {min: 4, max: 40}
autoscaling: {cpuPercent: 50, scaleDownSeconds: 600}
resources: {cpu: 2, memory: 1Gi, memoryLimit: 2Gi}
probes: {handler: TCP, startupSeconds: 301}
shutdown: {delaySeconds: 15, drainSeconds: 120}
tmpSize: 1Gi
runAsUser: 1001
network:
  callers: [{team: payments, component: ledger}, {team: search}]
  egress: Restricted
  allowTo: [{cidr: 10.20.0.0/16, port: 5432}, {cidr: "fd00::/8", port: 514, protocol: UDP}]
`,
			change: func(in *render.Input) { in.LabelAliases = map[string]string{"team": platformv1alpha1.LabelTeam} },
		},
		"override":       {change: bigger},
		"cloud-metadata": {parameters: `{network: {cloudMetadata: Allowed}}`},
		"longest-names": {
			parameters: `{network: {egress: Restricted, allowTo: [{cidr: 10.0.0.0/8, port: 443}]}}`,
			change:     longestNames,
		},
	},
	wrong: map[string]string{
		`{replicas: {min: 20}}`:                               "parameters.replicas.max: Invalid value: 10: must be at least replicas.min",
		`{port: 70000}`:                                       "parameters.port: Invalid value: 70000: must be less than or equal to 65535",
		`{prot: 80}`:                                          "parameters.prot: Invalid value: no such parameter; did you mean port?",
		`{resources: {cpu: 100}}`:                             `parameters.resources.cpu: Invalid value: 100: must be a quantity of CPU from 10m to 64, such as 250m or 2`,
		`{resources: {cpu: lots}}`:                            `parameters.resources.cpu: Invalid value: "lots": must be a quantity of CPU from 10m to 64, such as 250m or 2`,
		`{resources: {memory: "512"}}`:                        `parameters.resources.memory: Invalid value: "512": must be a quantity of memory from 16Mi to 256Gi in Mi or Gi, such as 512Mi`,
		`{resources: {memory: 1Gi, memoryLimit: 512Mi}}`:      "memoryLimit must be at least memory",
		`{tmpSize: 100Gi}`:                                    `parameters.tmpSize: Invalid value: "100Gi": must be a quantity up to 64Gi in Mi or Gi, such as 256Mi`,
		`{runAsUser: 0}`:                                      "parameters.runAsUser: Invalid value: 0: must be greater than or equal to 1",
		`{network: {allowTo: [{cidr: 10.0.0.0/8, port: 1}]}}`: "allowTo must be empty unless egress is Restricted, because Open allows it already",
		`{network: {egress: Restricted, allowTo: [{cidr: x, port: 1}]}}`: `parameters.network.allowTo[0].cidr: Invalid value: "x": must be a range of addresses such as 10.20.0.0/16`,
		`{route: {}}`:                       "parameters.route.hosts: Required value",
		`{route: {hosts: ["*.a.example"]}}`: `parameters.route.hosts[0]: Invalid value: "*.a.example"`,
	},
}
