package catalog_test

import (
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/render"
)

var statefulService = &goldenPath{
	name: "stateful-service",
	inputs: map[string]input{
		"defaults":              {},
		"three-peers":           {parameters: `{port: 2379, peerPorts: [2380], replicas: 3, podManagement: Parallel}`},
		"commands":              {parameters: `{port: 6379, probes: {handler: Exec, liveCommand: [redis-cli, ping], readyCommand: [/bin/ready]}}`},
		"canary":                {parameters: `{replicas: 5, updates: {partition: 4, minReadySeconds: 600}}`},
		"environment-variables": {parameters: `{args: [serve], imagePullSecrets: [registry]}`, change: variables},
		"everything": {
			parameters: `
port: 80
peerPorts: [7000, 7001]
replicas: 7
storage: {size: 1Ti, className: fast-ssd, accessMode: ReadWriteOncePod, mountPath: /var/lib/store, whenDeleted: Delete, whenScaled: Delete}
podManagement: Parallel
updates: {partition: 2, minReadySeconds: 30}
resources: {cpu: 2, memory: 4Gi, memoryLimit: 8Gi}
probes: {handler: HTTP, livePath: /healthz, readyPath: /healthz/ready, startupSeconds: 1801}
shutdown: {delaySeconds: 15, drainSeconds: 600}
tmpSize: 1Gi
runAsUser: 999
network:
  callers: [{team: payments, component: ledger}, {team: search}]
  egress: Restricted
  allowTo: [{cidr: 10.20.0.0/16, port: 443}]
`,
		},
		"cloud-metadata": {parameters: `{network: {cloudMetadata: Allowed}}`},
		"longest-names": {
			parameters: `{peerPorts: [65535], network: {egress: Restricted, allowTo: [{cidr: 10.0.0.0/8, port: 443}]}}`,
			change:     longestNames,
		},
	},
	wrong: map[string]string{
		`{port: 7000, peerPorts: [7000]}`:             "parameters.peerPorts: Invalid value: must not hold port, which peers may call already",
		`{peerPorts: [7000, 7000]}`:                   "parameters.peerPorts[1]: Duplicate value: 7000",
		`{probes: {handler: Exec, liveCommand: [a]}}`: "parameters.probes.handler: Invalid value: \"Exec\": must not be Exec without probes.liveCommand and probes.readyCommand",
		`{replicas: 0}`:                               "parameters.replicas: Invalid value: 0: must be greater than or equal to 1",
		`{storage: {size: 10G}}`:                      `parameters.storage.size: Invalid value: "10G": must be a quantity up to 64Ti in Mi, Gi or Ti, such as 50Gi`,
		`{storage: {size: 65Ti}}`:                     "must be a quantity up to 64Ti",
		`{storage: {accessMode: ReadOnlyMany}}`:       `parameters.storage.accessMode: Unsupported value: "ReadOnlyMany"`,
		`{storage: {mountPath: /tmp}}`:                "must be a folder other than /tmp",
		`{storage: {mountPath: data}}`:                `parameters.storage.mountPath: Invalid value: "data": must match`,
		`{storage: {whenDeleted: Keep}}`:              `parameters.storage.whenDeleted: Unsupported value: "Keep"`,
		`{updates: {partition: -1}}`:                  "must be greater than or equal to 0",
		`{runAsUser: 0}`:                              "parameters.runAsUser: Invalid value: 0: must be greater than or equal to 1",
	},
}

// Deleting data must be somebody's decision.
func TestVolumesAreKeptUnlessAskedFor(t *testing.T) {
	statefulService.each(t, func(t *testing.T, r rendered) {
		got := get[appsv1.StatefulSet](t, r, "statefulSet").Spec.PersistentVolumeClaimRetentionPolicy
		storage := r.Parameters["storage"].(map[string]any)
		if string(got.WhenDeleted) != storage["whenDeleted"] || string(got.WhenScaled) != storage["whenScaled"] {
			t.Errorf("%+v, and asked for was %v", got, storage)
		}
	})
	_, compiled := statefulService.load(t)
	defaults := statefulService.render(t, compiled, nil, nil)
	if got := get[appsv1.StatefulSet](t, defaults, "statefulSet").Spec.PersistentVolumeClaimRetentionPolicy; got.WhenDeleted != "Retain" || got.WhenScaled != "Retain" {
		t.Errorf("by default: %+v", got)
	}
}

// A new version must leave alone what the API server does not let change.
func TestANewVersionChangesNothingThatIsFixed(t *testing.T) {
	_, compiled := statefulService.load(t)
	fixed := func(parameters string, change func(*render.Input)) *appsv1.StatefulSet {
		found := get[appsv1.StatefulSet](t, statefulService.render(t, compiled, parse(t, parameters), change), "statefulSet")
		found.Spec.Replicas, found.Spec.Template, found.Spec.UpdateStrategy = nil, corev1.PodTemplateSpec{}, appsv1.StatefulSetUpdateStrategy{}
		found.Spec.MinReadySeconds, found.Spec.PersistentVolumeClaimRetentionPolicy = 0, nil
		return found
	}
	before := fixed(`{}`, nil)
	after := fixed(`{port: 9000, peerPorts: [9001], replicas: 3, args: [a], storage: {mountPath: /store, whenDeleted: Delete}, updates: {partition: 1}, `+
		`resources: {memory: 1Gi}, probes: {handler: HTTP}, tmpSize: 1Gi, runAsUser: 7}`, func(in *render.Input) {
		in.Image, in.CostCenter, in.Revision = "registry.example/shop/checkout:2.0.0", "cc-1", 9
		in.LabelAliases = map[string]string{"team": platformv1alpha1.LabelTeam}
	})
	if !equality.Semantic.DeepEqual(before.Spec, after.Spec) {
		t.Errorf("before %v\nafter  %v", before.Spec, after.Spec)
	}
}

func TestPeersFindAndReachEachOther(t *testing.T) {
	statefulService.each(t, func(t *testing.T, r rendered) {
		set, peers := get[appsv1.StatefulSet](t, r, "statefulSet"), get[corev1.Service](t, r, "peers")
		if peers.Spec.ClusterIP != corev1.ClusterIPNone || !peers.Spec.PublishNotReadyAddresses || set.Spec.ServiceName != peers.Name {
			t.Errorf("pods get no names before they are ready: %+v, %s", peers.Spec, set.Spec.ServiceName)
		}
		open := slices.ContainsFunc(get[networkingv1.NetworkPolicy](t, r, "networkPolicy").Spec.Ingress, func(rule networkingv1.NetworkPolicyIngressRule) bool {
			return len(rule.Ports) == 0 && len(rule.From) == 1 && rule.From[0].NamespaceSelector == nil &&
				rule.From[0].PodSelector.MatchLabels[platformv1alpha1.LabelComponent] == r.Component
		})
		if !open {
			t.Error("peers may not call each other at every port")
		}
		if client := get[corev1.Service](t, r, "service"); len(client.Spec.Ports) != 1 || client.Spec.PublishNotReadyAddresses {
			t.Errorf("clients must reach ready pods at one port: %+v", client.Spec)
		}
	})
}

func TestAVolumeIsHandedOverOnce(t *testing.T) {
	statefulService.each(t, func(t *testing.T, r rendered) {
		set := get[appsv1.StatefulSet](t, r, "statefulSet")
		security := set.Spec.Template.Spec.SecurityContext
		if *security.FSGroup != *security.RunAsGroup || *security.FSGroupChangePolicy != corev1.FSGroupChangeOnRootMismatch {
			t.Errorf("the container cannot write, or every start walks the volume: %+v", security)
		}
		if got := set.Spec.VolumeClaimTemplates[0].Labels; len(got) != 2 {
			t.Errorf("claims keep their labels for ever, so only fixed ones may stand there: %v", got)
		}
	})
}
