package release

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/render"
)

// from reads YAML.
func from[T any](t *testing.T, text string) *T {
	t.Helper()
	out := new(T)
	if err := yaml.UnmarshalStrict([]byte(text), out); err != nil {
		t.Fatal(err)
	}
	return out
}

// pods are such with labels app: web and these containers, in short.
func pods(t *testing.T, containers string) *corev1.PodTemplateSpec {
	t.Helper()
	return from[corev1.PodTemplateSpec](t, "{metadata: {labels: {app: web, more: x}}, spec: {"+containers+"}}")
}

// serviceFor selects app: web, with these ports.
func serviceFor(t *testing.T, ports string) *corev1.Service {
	t.Helper()
	return from[corev1.Service](t, "{spec: {selector: {app: web}, ports: ["+ports+"]}}")
}

func TestNumbers(t *testing.T) {
	const web = "{port: 80, targetPort: web}"
	old := pods(t, "containers: [{name: a, ports: [{name: web, containerPort: 8080}]}]")
	same := pods(t, "containers: [{name: b, ports: [{name: http, containerPort: 8080}]}]")
	other := pods(t, "containers: [{name: b, ports: [{name: http, containerPort: 3000}]}]")
	elsewhere := same.DeepCopy()
	elsewhere.Labels["app"] = "other"
	for name, tc := range map[string]struct {
		ports   string
		changes []change
		want    map[int]int32
	}{
		"one that both have":             {web, []change{{old, same}}, map[int]int32{0: 8080}},
		"by place, but for numbers":      {"{port: 1, targetPort: 8080}, {port: 80, targetPort: web}", []change{{old, same}}, map[int]int32{1: 8080}},
		"each by itself":                 {"{port: 1, targetPort: metrics}, {port: 80, targetPort: web}", []change{{old, same}}, map[int]int32{1: 8080}},
		"none where others listen":       {web, []change{{old, other}}, map[int]int32{}},
		"none that nobody had":           {"{port: 80, targetPort: http}", []change{{old, same}}, map[int]int32{}},
		"none of another protocol":       {"{port: 80, protocol: UDP, targetPort: web}", []change{{old, same}}, map[int]int32{}},
		"none after, of that protocol":   {web, []change{{old, pods(t, "containers: [{name: b, ports: [{containerPort: 8080, protocol: UDP}]}]")}}, map[int]int32{}},
		"none of pods it does not find":  {web, []change{{elsewhere, elsewhere}}, map[int]int32{}},
		"none where new ones are lost":   {web, []change{{old, elsewhere}}, map[int]int32{}},
		"none where one is another's":    {web, []change{{old, same}, {pods(t, "containers: [{name: a, ports: [{name: web, containerPort: 9}]}]"), same}}, map[int]int32{}},
		"of several that are alike":      {web, []change{{old, same}, {old, same}}, map[int]int32{0: 8080}},
		"of a sidecar":                   {web, []change{{pods(t, "initContainers: [{name: i, ports: [{name: web, containerPort: 1}]}, {name: s, restartPolicy: Always, ports: [{name: web, containerPort: 8080}]}], containers: [{name: a}]"), same}}, map[int]int32{0: 8080}},
		"of the first container with it": {web, []change{{pods(t, "containers: [{name: a, ports: [{name: web, containerPort: 8080}]}, {name: b, ports: [{name: web, containerPort: 9}]}]"), same}}, map[int]int32{0: 8080}},
		"nothing without a workload":     {web, nil, map[int]int32{}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, numbers(serviceFor(t, tc.ports), tc.changes)); diff != "" {
				t.Errorf("numbers (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLeadsTo(t *testing.T) {
	const workload = `{apiVersion: apps/v1, kind: Deployment, spec: {template: {metadata: {labels: {app: web}}, spec: {containers: [
		{name: a, ports: [{name: http, containerPort: 8080}, {containerPort: 53, protocol: UDP}]}]}}}}`
	deployment := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(workload), &deployment.Object); err != nil {
		t.Fatal(err)
	}
	stranger := serviceFor(t, "{port: 80, targetPort: http}")
	stranger.Spec.Selector = map[string]string{"app": "old"}
	for name, tc := range map[string]struct {
		service *corev1.Service
		want    []string
	}{
		"to both by name":         {serviceFor(t, "{port: 80, targetPort: http}"), []string{"to the pods that were found and to those of the golden path"}},
		"to both by number":       {serviceFor(t, "{port: 80, targetPort: 8080}, {port: 53, targetPort: 53, protocol: UDP}"), []string{"to the pods that were found and to those of the golden path"}},
		"to the old by a name":    {serviceFor(t, "{port: 80, targetPort: web}"), []string{"alone", "target port web is none", "http (8080), 53/UDP."}},
		"to the old by a number":  {serviceFor(t, "{port: 80, targetPort: 80}, {port: 8080, targetPort: 8080}"), []string{"alone", "target port 80 is none"}},
		"to the old by labels":    {stranger, []string{"alone", "its selector finds none"}},
		"where somebody leads it": {from[corev1.Service](t, "{spec: {ports: [{port: 80, targetPort: web}]}}"), []string{"It leads where it did"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := (&scope{objects: []render.Object{{Object: deployment}}}).leadsTo(tc.service)
			for _, want := range tc.want {
				if !strings.Contains(got, want) {
					t.Errorf("got %q, want it to hold %q", got, want)
				}
			}
		})
	}
}

func TestHolds(t *testing.T) {
	labelled := func(labels map[string]string) *unstructured.Unstructured {
		u := &unstructured.Unstructured{}
		u.SetLabels(labels)
		return u
	}
	asFound := labelled(map[string]string{platformv1alpha1.LabelAsFound: "true"})
	for name, tc := range map[string]struct {
		cause platformv1alpha1.Cause
		child child
		ready bool
		want  bool
	}{
		"as it was found":                      {platformv1alpha1.CauseImageChange, child{live: asFound, known: true, listed: true}, false, true},
		"until the pods are ready":             {platformv1alpha1.CauseImageChange, child{live: asFound, known: true, listed: true}, true, false},
		"while the cache has listed none":      {platformv1alpha1.CauseImageChange, child{}, false, true},
		"while the cache has not caught up":    {platformv1alpha1.CauseImageChange, child{listed: true}, false, true},
		"not what is gone":                     {platformv1alpha1.CauseImageChange, child{known: true, listed: true}, false, false},
		"not what has the golden path already": {platformv1alpha1.CauseImageChange, child{live: labelled(nil), known: true, listed: true}, false, false},
		"not what is only taken over":          {platformv1alpha1.CauseAdoption, child{live: asFound, known: true, listed: true}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := heldScope(tc.cause)
			s.children[1] = tc.child
			if tc.ready {
				s.release.Status.Objects[0].Applied, s.release.Status.Objects[0].Health = "hash", platformv1alpha1.ObjectReady
			}
			if got := s.holds(1); got != tc.want {
				t.Errorf("holds: %v, want %v", got, tc.want)
			}
		})
	}
}
