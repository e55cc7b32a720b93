package catalog_test

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const rabbit = `triggers: [{type: rabbitmq, metadata: {queueName: mails, mode: QueueLength, value: "20"}, authenticationRef: {name: rabbitmq}}]`

var worker = &goldenPath{
	name:     "worker",
	optional: []string{scaledObject},
	inputs: map[string]input{
		"defaults":                     {},
		"fixed-replicas":               {parameters: `{replicas: {min: 1, max: 1}}`},
		"triggers":                     {parameters: `{` + rabbit + `}`, change: with(scaledObject)},
		"triggers-without-keda":        {parameters: `{` + rabbit + `}`},
		"triggers-and-fixed":           {parameters: `{replicas: {min: 3, max: 3}, ` + rabbit + `}`, change: with(scaledObject)},
		"from-zero":                    {parameters: `{replicas: {min: 0, max: 20}, autoscaling: {fallbackReplicas: 50}, ` + rabbit + `}`, change: with(scaledObject)},
		"from-zero-without-keda":       {parameters: `{replicas: {min: 0, max: 20}, ` + rabbit + `}`},
		"zero-or-one":                  {parameters: `{replicas: {min: 0, max: 1}, ` + rabbit + `}`, change: with(scaledObject)},
		"zero-or-one-without-keda":     {parameters: `{replicas: {min: 0, max: 1}, ` + rabbit + `}`},
		"no-triggers-though-with-keda": {parameters: `{triggers: []}`, change: with(scaledObject)},
		"port":                         {parameters: `{port: 9090, probes: {handler: HTTP, startupSeconds: 301}}`},
		"port-below-1024":              {parameters: `{port: 80, probes: {handler: TCP}}`},
		"command":                      {parameters: `{probes: {handler: Exec, liveCommand: [/bin/alive, --quick]}}`},
		"environment-variables":        {parameters: `{port: 9090, args: [consume], imagePullSecrets: [registry]}`, change: variables},
		"variables-without-port":       {change: variables},
		"everything": {
			parameters: `
replicas: {min: 2, max: 100}
triggers:
- {type: nats-jetstream, metadata: {natsServerMonitoringEndpoint: "nats.nats.svc:8222", account: "$G", stream: ORDERS, consumer: mailer, lagThreshold: "50"}}
- {type: cron, metadata: {timezone: Europe/Berlin, start: 0 8 * * *, end: 0 18 * * *, desiredReplicas: "10"}}
autoscaling: {scaleDownSeconds: 600, pollingSeconds: 10, cooldownSeconds: 900, fallbackReplicas: 5}
resources: {cpu: 2, memory: 1Gi, memoryLimit: 2Gi}
shutdown: {delaySeconds: 5, drainSeconds: 900}
tmpSize: 1Gi
runAsUser: 1001
network:
  egress: Restricted
  allowTo: [{cidr: 10.20.0.0/16, port: 5672}]
`,
			change: with(scaledObject),
		},
		"cloud-metadata": {parameters: `{network: {cloudMetadata: Allowed}}`},
		"longest-names":  {parameters: `{` + rabbit + `, network: {egress: Restricted, allowTo: [{cidr: 10.0.0.0/8, port: 443}]}}`, change: longestNames},
	},
	wrong: map[string]string{
		`{replicas: {min: 6}}`:                            "parameters.replicas.max: Invalid value: 5: must be at least replicas.min",
		`{replicas: {min: 0}}`:                            "parameters.replicas.min: Invalid value: 0: must be at least 1 without triggers, since nothing would wake the worker",
		`{replicas: {min: 0}, triggers: []}`:              "parameters.replicas.min: Invalid value: 0: must be at least 1 without triggers",
		`{probes: {handler: HTTP}}`:                       "parameters.probes.handler: Invalid value: \"HTTP\": must be None or Exec without a port",
		`{probes: {handler: TCP}}`:                        "parameters.probes.handler: Invalid value: \"TCP\": must be None or Exec without a port",
		`{probes: {handler: Exec}}`:                       "parameters.probes.liveCommand: Invalid value: must be given where probes.handler is Exec",
		`{triggers: [{type: cpu, metadata: {}}]}`:         `parameters.triggers[0].type: Invalid value: "cpu": must not be cpu or memory: leave triggers out to scale by CPU`,
		`{triggers: [{type: kafka}]}`:                     "parameters.triggers[0].metadata: Required value",
		`{triggers: [{type: kafka, metadata: {lag: 5}}]}`: "parameters.triggers[0].metadata.lag: Invalid value: 5: must be of type string",
		`{triggers: [{type: aws-sqs-queue, metadata: {identityOwner: operator}}]}`: "parameters.triggers[0].metadata: Invalid value: must not have identityOwner: operator, " +
			"since KEDA's own rights are not the team's: use authenticationRef",
		`{triggers: [{type: kafka, metadata: {}, authenticationRef: {name: a, kind: ClusterTriggerAuthentication}}]}`: "parameters.triggers[0].authenticationRef.kind: Invalid value: no such parameter",
		`{network: {callers: []}}`:         "parameters.network.callers: Invalid value: no such parameter",
		`{shutdown: {drainSeconds: 3601}}`: "parameters.shutdown.drainSeconds: Invalid value: 3601: must be less than or equal to 3600",
	},
}

func TestAWorkerFollowsItsTriggersOnlyWhereThereIsKEDA(t *testing.T) {
	for name, want := range map[string]string{
		"defaults": "autoscaler", "fixed-replicas": "replicas", "triggers": "scaledObject", "triggers-without-keda": "autoscaler",
		"triggers-and-fixed": "replicas", "from-zero": "scaledObject", "from-zero-without-keda": "autoscaler", "zero-or-one": "scaledObject",
		"zero-or-one-without-keda": "replicas", "no-triggers-though-with-keda": "autoscaler",
	} {
		_, compiled := worker.load(t)
		r := worker.render(t, compiled, parse(t, worker.inputs[name].parameters), worker.inputs[name].change)
		got := "replicas"
		for _, resource := range []string{"autoscaler", "scaledObject"} {
			if has(r, resource) {
				got = resource
			}
		}
		if got != want {
			t.Errorf("%s: the number of pods is chosen by %s, want %s", name, got, want)
		}
	}
}

// Kubernetes refuses an autoscaler that goes to 0, and a worker that is fixed at 0 never works.
func TestAWorkerHasAPodWhereNothingCanWakeIt(t *testing.T) {
	worker.each(t, func(t *testing.T, r rendered) {
		if autoscaler, ok := find[autoscalingv2.HorizontalPodAutoscaler](t, r, "autoscaler"); ok && (*autoscaler.Spec.MinReplicas < 1 || autoscaler.Spec.MaxReplicas <= *autoscaler.Spec.MinReplicas) {
			t.Errorf("it runs %d to %d pods", *autoscaler.Spec.MinReplicas, autoscaler.Spec.MaxReplicas)
		}
		if replicas := get[appsv1.Deployment](t, r, "deployment").Spec.Replicas; replicas != nil && *replicas < 1 {
			t.Errorf("it runs %d pods", *replicas)
		}
	})
}

func TestAQueueThatDoesNotAnswerStopsNoWorker(t *testing.T) {
	worker.each(t, func(t *testing.T, r rendered) {
		scaled, ok := find[map[string]any](t, r, "scaledObject")
		if !ok {
			return
		}
		most, _, _ := unstructured.NestedInt64(*scaled, "spec", "maxReplicaCount")
		replicas, _, _ := unstructured.NestedInt64(*scaled, "spec", "fallback", "replicas")
		behavior, _, _ := unstructured.NestedString(*scaled, "spec", "fallback", "behavior")
		if replicas > most || behavior != "currentReplicasIfHigher" {
			t.Errorf("of at most %d pods it falls back to %d, %s", most, replicas, behavior)
		}
	})
}

func TestNobodyCallsAWorkerButMonitoring(t *testing.T) {
	worker.each(t, func(t *testing.T, r rendered) {
		ingress := get[networkingv1.NetworkPolicy](t, r, "networkPolicy").Spec.Ingress
		if _, port := r.Parameters["port"]; !port {
			if len(ingress) > 0 || has(r, "service") {
				t.Errorf("it can be called without a port: %+v", ingress)
			}
			return
		}
		if len(ingress) != 1 || len(ingress[0].From) != 1 || ingress[0].From[0].NamespaceSelector.MatchLabels["platform.towpath.dev/role"] != "monitoring" {
			t.Errorf("others than monitoring may call: %+v", ingress)
		}
	})
}
