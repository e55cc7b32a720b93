package cost_test

import (
	"testing"

	"github.com/shopspring/decimal"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/cost"
	"github.com/towpath-dev/towpath/internal/sleep"
)

// parsed are objects of YAML, each with a name where it has none.
func parsed(documents ...string) []*unstructured.Unstructured {
	var objects []*unstructured.Unstructured
	for _, document := range documents {
		data, err := yaml.YAMLToJSON([]byte(document))
		if err != nil {
			panic(err)
		}
		var object map[string]any
		if err := utiljson.Unmarshal(data, &object); err != nil {
			panic(err)
		}
		o := &unstructured.Unstructured{Object: object}
		if o.GetName() == "" {
			o.SetName("x")
		}
		objects = append(objects, o)
	}
	return objects
}

// service is what a web service becomes.
func service(name string) []*unstructured.Unstructured {
	return parsed(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: `+name+`, labels: {platform.towpath.dev/team: shop, platform.towpath.dev/tier: Production}}
spec:
  selector: {matchLabels: {app.kubernetes.io/name: `+name+`}}
  template:
    metadata: {labels: {app.kubernetes.io/name: `+name+`, platform.towpath.dev/tier: Production}}
    spec:
      initContainers:
      - {name: migrate, image: x, resources: {requests: {cpu: 50m, memory: 64Mi}}}
      - {name: proxy, image: x, restartPolicy: Always, resources: {requests: {cpu: 50m, memory: 64Mi}}}
      containers:
      - {name: app, image: x, resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {memory: 128Mi}}}
`, `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: `+name+`}
spec: {minReplicas: 2, maxReplicas: 10, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: `+name+`}}
`, `{apiVersion: v1, kind: Service, metadata: {name: `+name+`}, spec: {type: ClusterIP}}`,
		`{apiVersion: v1, kind: ServiceAccount, metadata: {name: `+name+`}}`,
		`{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: `+name+`}}`,
		`{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: `+name+`}}`)
}

// nights sleeps from 20:00 to 07:00 on all days but those that follow a weekend's: 55 hours a week.
func nights() sleep.Plan {
	return sleep.Plan{UID: "e", Class: &platformv1alpha1.ClassSleep{Windows: []platformv1alpha1.SleepWindow{
		{Name: "night", TimeZone: "UTC", Schedule: "0 20 * * 1-5", DurationSeconds: 11 * 3600},
		{Name: "holidays", TimeZone: "UTC", From: "2026-12-24T12:00", Until: "2027-01-04T07:00"},
	}}}
}

func amount(text string) decimal.Decimal { return decimal.RequireFromString(text) }

// easy are prices that one can reckon with.
const easy = `
currency: EUR
cpuCoreHour: "0.10"
memoryGiBHour: "0.01"
gpuHour: {default: "1", nvidia.com/gpu: "2", NVIDIA-A100-SXM4-80GB: "4"}
deviceHour: {gpu.example.com: "3"}
storageGiBHour: {default: "0.001", fast: "0.002"}
loadBalancerHour: "0.03"
`

func prices(t *testing.T, text string) *cost.Prices {
	t.Helper()
	p, err := cost.Load([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}
