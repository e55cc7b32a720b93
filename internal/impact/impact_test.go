package impact_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/impact"
	"github.com/towpath-dev/towpath/internal/render"
)

// objects are rendered ones, each written in YAML.
func objects(t *testing.T, texts ...string) []render.Object {
	t.Helper()
	var all []render.Object
	for _, text := range texts {
		u := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
			t.Fatal(err)
		}
		all = append(all, render.Object{Resource: strings.ToLower(u.GetKind()), Object: u})
	}
	return all
}

const (
	deployment = `{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: {replicas: 1, selector: {matchLabels: {x: y}}, template: {spec: {containers: [{name: app, image: b}, {name: side, image: c}]}}}}`
	sealed     = `{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, immutable: true, data: {b: c}}`
	claim      = `{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: a}, spec: {resources: {requests: {storage: 2Gi}}}}`
	configMap  = `{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {b: c}}`
)

func TestCompare(t *testing.T) {
	for name, c := range map[string]struct {
		before, after []string
		want          []string
	}{
		"the same":            {[]string{deployment, configMap}, []string{configMap, deployment}, nil},
		"in place":            {[]string{deployment}, []string{strings.Replace(deployment, "replicas: 1", "replicas: 2", 1)}, []string{"changed Deployment a [spec.replicas]"}},
		"pods, by their name": {[]string{deployment}, []string{strings.Replace(deployment, "image: c", "image: d", 1)}, []string{"changed Deployment a [spec.template.spec.containers[name=side].image] restarts"}},
		"what cannot change":  {[]string{deployment}, []string{strings.Replace(deployment, "x: y", "x: z", 1)}, []string{"changed Deployment a [spec.selector.matchLabels.x] refused spec.selector.matchLabels.x"}},
		"what is immutable":   {[]string{sealed}, []string{strings.Replace(sealed, "b: c", "b: d", 1)}, []string{"changed ConfigMap a [data.b] refused data.b"}},
		"a claim that grows":  {[]string{claim}, []string{strings.Replace(claim, "2Gi", "3Gi", 1)}, []string{"changed PersistentVolumeClaim a [spec.resources.requests.storage]"}},
		"one that shrinks":    {[]string{claim}, []string{strings.Replace(claim, "2Gi", "1500Mi", 1)}, []string{"changed PersistentVolumeClaim a [spec.resources.requests.storage] refused spec.resources.requests.storage"}},
		"what comes and goes": {[]string{deployment}, []string{configMap}, []string{"removed Deployment a [] restarts", "added ConfigMap a []"}},
		"another name":        {[]string{configMap}, []string{strings.Replace(configMap, "name: a", "name: b", 1)}, []string{"removed ConfigMap a []", "added ConfigMap b []"}},
		"a key with dots":     {[]string{configMap}, []string{strings.Replace(configMap, "b: c", "b.c: d", 1)}, []string{"changed ConfigMap a [data.b data[b.c]]"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, change := range impact.Compare(objects(t, c.before...), objects(t, c.after...)) {
				paths := []string{}
				for _, f := range change.Fields {
					paths = append(paths, f.Path)
				}
				text := fmt.Sprintf("%s %s %s %v", change.Action, change.Kind, change.Name, paths)
				if change.Restarts {
					text += " restarts"
				}
				if change.Refused != "" {
					text += " refused " + change.Refused
				}
				got = append(got, text)
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestTally(t *testing.T) {
	place := func(component string, tier platformv1alpha1.Tier) impact.Place {
		return impact.Place{Namespace: "team-shop", Component: component, Environment: "e", Tier: tier}
	}
	var got platformv1alpha1.RolloutImpact
	impact.Tally(&got, place("same", platformv1alpha1.TierDevelopment), nil, "")
	scaled := impact.Change{Resource: "web", Kind: "Deployment", Action: impact.Changed, Fields: []impact.Field{{Path: "spec.replicas"}}}
	impact.Tally(&got, place("inplace", platformv1alpha1.TierDevelopment), []impact.Change{scaled}, "")
	impact.Tally(&got, place("restarts", platformv1alpha1.TierProduction), []impact.Change{
		{Resource: "web", Kind: "Deployment", Action: impact.Changed, Restarts: true, Fields: []impact.Field{{Path: "spec.template.x"}, {Path: "spec.replicas"}}},
		{Resource: "config", Kind: "ConfigMap", Action: impact.Added}, {Resource: "old", Kind: "Job", Action: impact.Removed, Restarts: true},
	}, "")
	impact.Tally(&got, place("immutable", platformv1alpha1.TierProduction), []impact.Change{
		{Restarts: true}, {Kind: "Deployment", Name: "a", Resource: "deployment", Refused: "spec.selector"},
	}, "")
	impact.Tally(&got, place("unfit", platformv1alpha1.TierProduction), nil, strings.Repeat("ä", 2000))
	want := platformv1alpha1.RolloutImpact{
		ImpactCount: platformv1alpha1.ImpactCount{Following: 5, Changed: 2, Restarting: 1, Cannot: 2},
		Tiers: []platformv1alpha1.TierImpact{
			{Tier: platformv1alpha1.TierDevelopment, ImpactCount: platformv1alpha1.ImpactCount{Following: 2, Changed: 1}},
			{Tier: platformv1alpha1.TierProduction, ImpactCount: platformv1alpha1.ImpactCount{Following: 3, Changed: 1, Restarting: 1, Cannot: 2}},
		},
		Resources: []platformv1alpha1.ResourceImpact{
			{Resource: "config", Kind: "ConfigMap", Added: 1}, {Resource: "old", Kind: "Job", Removed: 1, Restarting: 1},
			{Resource: "web", Kind: "Deployment", Changed: 2, Restarting: 1, Fields: []string{"spec.replicas", "spec.template.x"}},
		},
		Blocked: []platformv1alpha1.RolloutFailure{
			{Namespace: "team-shop", Component: "immutable", Environment: "e", Message: "Deployment a (resource deployment): the API server does not let spec.selector be changed"},
			{Namespace: "team-shop", Component: "unfit", Environment: "e", Message: strings.Repeat("ä", 1023) + "…"},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for i := range 50 {
		impact.Tally(&got, place(fmt.Sprint(i), platformv1alpha1.TierPreview), nil, "no")
	}
	if len(got.Blocked) != 20 || got.Cannot != 52 || got.Following != 55 {
		t.Errorf("%d are named, of %d", len(got.Blocked), got.Cannot)
	}
}

// However much changes, and in whatever order places come, what is told is bounded, and the same.
func TestTally_BoundsWhatItTells(t *testing.T) {
	var changes []impact.Change
	for i := range 100 {
		var fields []impact.Field
		for j := range 20 {
			fields = append(fields, impact.Field{Path: fmt.Sprintf("spec.f%02d.%s", j, strings.Repeat("x", 300))})
		}
		changes = append(changes, impact.Change{Resource: fmt.Sprintf("r%02d", i), Kind: "ConfigMap", Action: impact.Changed, Fields: fields})
	}
	var forth, back platformv1alpha1.RolloutImpact
	for i := range changes {
		impact.Tally(&forth, impact.Place{Component: "c"}, changes[i:i+1], "")
		impact.Tally(&back, impact.Place{Component: "c"}, changes[len(changes)-1-i:len(changes)-i], "")
	}
	if !reflect.DeepEqual(forth, back) {
		t.Errorf("the order matters: %+v and %+v", forth, back)
	}
	if n := len(forth.Resources); n != 64 || forth.Resources[63].Resource != "r63" {
		t.Errorf("%d resources are told of", n)
	}
	for _, r := range forth.Resources {
		if len(r.Fields) != 10 || len([]rune(r.Fields[0])) != 256 || r.Changed != 1 {
			t.Fatalf("of one is told %+v", r)
		}
	}
}
