package catalog_test

import (
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/render"
)

// everyPgParameter is for both modes, so that a change of mode is one word.
const everyPgParameter = `
instances: 3
database: orders
owner: orders_owner
credentialsSecret: orders-credentials
storage: {size: 200Gi, class: fast-ssd}
resources: {cpu: 4, memory: 16Gi}
runAsUser: 70
imagePullSecrets: [registry, mirror]
`

var postgres = &goldenPath{
	name:     "postgres",
	optional: []string{pgCluster},
	alone:    true,
	inputs: map[string]input{
		"defaults":               {},
		"operator":               {change: with(pgCluster)},
		"operator-forced":        {parameters: `{mode: Operator}`},
		"operator-one-instance":  {parameters: `{instances: 1}`, change: with(pgCluster)},
		"single-forced":          {parameters: `{mode: SinglePod}`, change: with(pgCluster)},
		"credentials":            {parameters: `{credentialsSecret: orders-credentials}`, change: with(pgCluster)},
		"credentials-single":     {parameters: `{credentialsSecret: orders-credentials}`},
		"everything":             {parameters: everyPgParameter, change: with(pgCluster)},
		"everything-single":      {parameters: everyPgParameter},
		"longest-names":          {change: longestNames},
		"longest-names-operator": {parameters: `{mode: Operator}`, change: longestNames},
	},
	wrong: map[string]string{
		`{mode: Single}`:               `parameters.mode: Unsupported value: "Single"`,
		`{instances: 0}`:               "parameters.instances: Invalid value: 0: must be greater than or equal to 1",
		`{instances: 10}`:              "parameters.instances: Invalid value: 10: must be less than or equal to 9",
		`{database: Orders}`:           `parameters.database: Invalid value: "Orders": must match`,
		`{database: orders-db}`:        `parameters.database: Invalid value: "orders-db": must match`,
		`{owner: ""}`:                  "parameters.owner",
		`{credentialsSecret: Orders}`:  `parameters.credentialsSecret: Invalid value: "Orders": must match`,
		`{storage: {size: 512Mi}}`:     `parameters.storage.size: Invalid value: "512Mi": must be a quantity of storage from 1Gi to 16Ti in Mi, Gi or Ti, such as 20Gi`,
		`{storage: {size: 17Ti}}`:      "must be a quantity of storage from 1Gi to 16Ti",
		`{storage: {size: 20G}}`:       "must be a quantity of storage from 1Gi to 16Ti",
		`{resources: {cpu: 10m}}`:      `parameters.resources.cpu: Invalid value: "10m": must be a quantity of CPU from 50m to 64, such as 500m or 2`,
		`{resources: {memory: 128Mi}}`: `parameters.resources.memory: Invalid value: "128Mi": must be a quantity of memory from 256Mi to 256Gi in Mi or Gi, such as 1Gi`,
		`{runAsUser: 0}`:               "parameters.runAsUser: Invalid value: 0: must be greater than or equal to 1",
		`{password: secret}`:           "parameters.password: Invalid value: no such parameter",
	},
}

func TestAClusterOrASinglePodAndNeverBoth(t *testing.T) {
	postgres.each(t, func(t *testing.T, r rendered) {
		mode := r.Parameters["mode"]
		operated := mode == "Operator" || mode == "Automatic" && slices.Contains(r.Capabilities, pgCluster)
		if has(r, "cluster") != operated {
			t.Errorf("mode %v, capabilities %v: a Cluster: %v", mode, r.Capabilities, has(r, "cluster"))
		}
		for _, resource := range []string{"serviceAccount", "service", "statefulSet", "networkPolicy"} {
			if has(r, resource) == operated {
				t.Errorf("mode %v, capabilities %v: a %s: %v", mode, r.Capabilities, resource, has(r, resource))
			}
		}
	})
}

func TestOutputsOfADatabaseFitTheMode(t *testing.T) {
	postgres.each(t, func(t *testing.T, r rendered) {
		provided, outputs := provide(t, r)
		host, pods := r.Component+"-single", map[string]string{
			platformv1alpha1.LabelComponent: r.Component, platformv1alpha1.LabelEnvironment: r.Environment.Name,
		}
		if has(r, "cluster") {
			host, pods = r.Component+"-rw", map[string]string{"cnpg.io/cluster": r.Component}
		}
		if want := host + "." + r.Environment.Namespace + ".svc"; valueOf(outputs, "host") != want || valueOf(outputs, "port") != "5432" {
			t.Errorf("it is told to be at %s:%s, and is at %s:5432", valueOf(outputs, "host"), valueOf(outputs, "port"), want)
		}
		if valueOf(outputs, "database") != r.Parameters["database"] {
			t.Errorf("database is %q, want %v", valueOf(outputs, "database"), r.Parameters["database"])
		}
		if want := (&platformv1alpha1.ReleaseEndpoint{PodLabels: pods, Ports: []int32{5432}}); !equality.Semantic.DeepEqual(provided.Endpoint, want) {
			t.Errorf("got endpoint %+v, want %+v", provided.Endpoint, want)
		}
	})
}

// The operator makes <cluster>-app with the keys username and password; one that is named stands in its place.
func TestTheSecretHasOneNameEverywhere(t *testing.T) {
	postgres.each(t, func(t *testing.T, r rendered) {
		want, given := r.Component+"-app", false
		if name, ok := r.Parameters["credentialsSecret"].(string); ok {
			want, given = name, true
		}
		_, outputs := provide(t, r)
		if valueOf(outputs, "secretName") != want {
			t.Errorf("secretName is %q, want %s", valueOf(outputs, "secretName"), want)
		}
		for _, key := range []string{"username", "password"} {
			if ref := outputs[key].SecretKeyRef; ref == nil || ref.Name != want || ref.Key != key {
				t.Errorf("%s is told to be in %+v, want key %s of %s", key, ref, key, want)
			}
		}
		if cluster, ok := find[map[string]any](t, r, "cluster"); ok {
			got, there, _ := unstructured.NestedString(*cluster, "spec", "bootstrap", "initdb", "secret", "name")
			if there != given || given && got != want {
				t.Errorf("the operator gets Secret %q, want %s: %v", got, want, given)
			}
			return
		}
		for _, variable := range workloadOf(t, r).pod.Spec.Containers[0].Env {
			switch variable.Name {
			case "POSTGRES_USER", "POSTGRES_PASSWORD":
				if variable.ValueFrom == nil || variable.ValueFrom.SecretKeyRef.Name != want {
					t.Errorf("%s does not come from %s: %+v", variable.Name, want, variable)
				}
			}
		}
	})
}

// What the operator makes for a Cluster. Its ServiceAccount bears the name of the Cluster.
func TestNothingHasANameThatTheOperatorTakes(t *testing.T) {
	postgres.each(t, func(t *testing.T, r rendered) {
		taken := []string{"", "-rw", "-ro", "-r", "-any", "-app", "-ca", "-server", "-replication", "-superuser", "-primary"}
		for _, object := range r.objects {
			if object.Resource == "cluster" {
				continue
			}
			if name := object.Object.GetName(); slices.ContainsFunc(taken, func(suffix string) bool { return name == r.Component+suffix }) {
				t.Errorf("%s %s is in the operator's way", object.Object.GetKind(), name)
			}
		}
	})
}

func TestASinglePodIsMarkedAndKeepsItsData(t *testing.T) {
	postgres.each(t, func(t *testing.T, r rendered) {
		set, ok := find[appsv1.StatefulSet](t, r, "statefulSet")
		if !ok {
			return
		}
		if set.Annotations["kubernetes.io/description"] != "For development. One pod, without standby, backup or failover." {
			t.Errorf("it is not marked for development: %v", set.Annotations)
		}
		if *set.Spec.Replicas != 1 {
			t.Errorf("%d pods are as many databases behind one name", *set.Spec.Replicas)
		}
		if policy := set.Spec.PersistentVolumeClaimRetentionPolicy; policy.WhenDeleted != "Retain" || policy.WhenScaled != "Retain" {
			t.Errorf("claims are deleted: %+v", policy)
		}
		pod := set.Spec.Template.Spec
		if security := pod.SecurityContext; *security.FSGroup != *security.RunAsGroup || *security.FSGroupChangePolicy != corev1.FSGroupChangeOnRootMismatch {
			t.Errorf("the container cannot write, or every start walks the volume: %+v", security)
		}
		if got := set.Spec.VolumeClaimTemplates[0].Labels; len(got) != 2 {
			t.Errorf("claims keep their labels for ever, so only fixed ones may stand there: %v", got)
		}
	})
}

func TestADatabaseIsCalledFromItsEnvironmentAndCallsNobody(t *testing.T) {
	postgres.each(t, func(t *testing.T, r rendered) {
		policy, ok := find[networkingv1.NetworkPolicy](t, r, "networkPolicy")
		if !ok {
			return
		}
		ingress := policy.Spec.Ingress
		if len(ingress) != 1 || len(ingress[0].From) != 1 || ingress[0].From[0].NamespaceSelector != nil || ingress[0].From[0].PodSelector == nil {
			t.Errorf("others than the environment may call: %+v", ingress)
		}
		if len(policy.Spec.Egress) > 0 {
			t.Errorf("it may call %+v", policy.Spec.Egress)
		}
	})
}

// A budget of the operator keeps the primary on its node until a standby took over.
func TestAClusterOfOneNeverBlocksADrain(t *testing.T) {
	postgres.each(t, func(t *testing.T, r rendered) {
		cluster, ok := find[map[string]any](t, r, "cluster")
		if !ok {
			return
		}
		instances, _, _ := unstructured.NestedInt64(*cluster, "spec", "instances")
		if budget, there, _ := unstructured.NestedBool(*cluster, "spec", "enablePDB"); !there || budget != (instances > 1) {
			t.Errorf("%d instances, a budget: %v", instances, budget)
		}
	})
}

// A new version must leave alone what the API server and the operator do not let change.
func TestANewVersionKeepsWhatADatabaseCannotChange(t *testing.T) {
	_, compiled := postgres.load(t)
	fixed := func(parameters string, change func(*render.Input)) *appsv1.StatefulSet {
		found := get[appsv1.StatefulSet](t, postgres.render(t, compiled, parse(t, parameters), change), "statefulSet")
		found.Spec.Template = corev1.PodTemplateSpec{}
		return found
	}
	before := fixed(`{}`, nil)
	after := fixed(`{instances: 3, database: a, owner: b, credentialsSecret: c, resources: {memory: 1Gi}, runAsUser: 70}`, func(in *render.Input) {
		in.Image, in.CostCenter, in.Revision = "docker.io/library/postgres:18", "cc-1", 9
		in.LabelAliases = map[string]string{"team": platformv1alpha1.LabelTeam}
	})
	if !equality.Semantic.DeepEqual(before.Spec, after.Spec) {
		t.Errorf("before %v\nafter  %v", before.Spec, after.Spec)
	}
}
