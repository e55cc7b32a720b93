package render_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/render"
)

// web is a template whose objects refer to each other by name and by selector.
const web = `
summary: a
parameters: {type: object, properties: {budgets: {type: array, default: [a], items: {type: string}}}}
resources:
- id: account
  object: {apiVersion: v1, kind: ServiceAccount, metadata: {name: "${component.name}"}}
- id: web
  object:
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: "${component.name}"}
    spec:
      selector: {matchLabels: {app.kubernetes.io/name: "${component.name}"}}
      template:
        spec:
          serviceAccountName: "${component.name}"
          containers: [{name: app, image: "${release.image}"}]
- id: service
  object:
    apiVersion: v1
    kind: Service
    metadata: {name: "${component.name}"}
    spec: {selector: {app.kubernetes.io/name: "${component.name}"}, ports: [{port: 80}]}
- id: scaler
  object:
    apiVersion: autoscaling/v2
    kind: HorizontalPodAutoscaler
    metadata: {name: "${component.name}"}
    spec: {maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: "${component.name}"}}
- id: budget
  forEach: "${params.budgets}"
  object:
    apiVersion: policy/v1
    kind: PodDisruptionBudget
    metadata: {name: "${each}"}
    spec: {maxUnavailable: 1, selector: {matchLabels: {app.kubernetes.io/name: "${component.name}"}}}
- id: policy
  object:
    apiVersion: networking.k8s.io/v1
    kind: NetworkPolicy
    metadata: {name: "${component.name}"}
    spec: {podSelector: {matchLabels: {app.kubernetes.io/name: "${component.name}"}}}
- id: ingress
  object:
    apiVersion: networking.k8s.io/v1
    kind: Ingress
    metadata: {name: "${component.name}"}
    spec: {rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: "${component.name}", port: {number: 80}}}}]}}]}
outputs:
- {name: host, value: "${resources.service.metadata.name}"}
endpoint: {ports: [80]}
`

func adopting(change func(*v1alpha1.Adoption)) *v1alpha1.Release {
	r := release(`{}`)
	r.Spec.Adopt = &v1alpha1.Adoption{
		Objects: []v1alpha1.AdoptedObject{
			{Resource: "web", Name: "old-web"}, {Resource: "service", Name: "old-service"}, {Resource: "account", Name: "old-account"},
		},
		PodSelector: map[string]string{"app.kubernetes.io/name": "old", "app.kubernetes.io/instance": "v1", "run": "old"},
	}
	if change != nil {
		change(r.Spec.Adopt)
	}
	return r
}

func TestWhatWasFoundKeepsItsNamesAndSelectors(t *testing.T) {
	compiled := compile(t, web, nil)
	r := adopting(nil)
	objects, err := render.Release(compiled, r)
	if err != nil {
		t.Fatal(err)
	}
	byResource := map[string]map[string]any{}
	for _, o := range objects {
		byResource[o.Resource] = o.Object.Object
	}
	found := map[string]any{"app.kubernetes.io/name": "old", "app.kubernetes.io/instance": "v1", "run": "old"}
	own := map[string]any{"app.kubernetes.io/name": "checkout"}
	for what, tc := range map[string]struct{ got, want any }{
		"the Deployment's name":           {at(byResource["web"], "metadata")["name"], "old-web"},
		"the account's name":              {at(byResource["account"], "metadata")["name"], "old-account"},
		"a name that nobody found":        {at(byResource["scaler"], "metadata")["name"], "checkout"},
		"the autoscaler's target":         {at(byResource["scaler"], "spec", "scaleTargetRef")["name"], "old-web"},
		"the pods' account":               {at(byResource["web"], "spec", "template", "spec")["serviceAccountName"], "old-account"},
		"the ingress' backend":            {at(at(byResource["ingress"], "spec")["rules"].([]any)[0].(map[string]any), "http")["paths"].([]any)[0].(map[string]any)["backend"].(map[string]any)["service"].(map[string]any)["name"], "old-service"},
		"the Deployment's selector":       {at(byResource["web"], "spec", "selector", "matchLabels"), found},
		"the Service's selector":          {at(byResource["service"], "spec", "selector"), found},
		"the budget's selector":           {at(byResource["budget"], "spec", "selector", "matchLabels"), found},
		"the network policy's selector":   {at(byResource["policy"], "spec", "podSelector", "matchLabels"), own},
		"the pods' own label":             {at(byResource["web"], "spec", "template", "metadata", "labels")["run"], "old"},
		"the pods' label of the chart":    {at(byResource["web"], "spec", "template", "metadata", "labels")["app.kubernetes.io/name"], "old"},
		"the Deployment's label":          {at(byResource["web"], "metadata", "labels")["app.kubernetes.io/name"], "checkout"},
		"the label that nobody may forge": {at(byResource["web"], "spec", "template", "metadata", "labels")[v1alpha1.LabelTeam], "shop"},
	} {
		if diff := cmp.Diff(tc.want, tc.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	provided, err := render.Provided(compiled, r)
	if err != nil {
		t.Fatal(err)
	}
	if got := *provided.Outputs[0].Value; got != "old-service" {
		t.Errorf("the output names Service %s", got)
	}
	if diff := cmp.Diff(r.Spec.Adopt.PodSelector, provided.Endpoint.PodLabels); diff != "" {
		t.Errorf("the endpoint's pods (-want +got):\n%s", diff)
	}
}

func TestTakingOverWritesNothingButLabels(t *testing.T) {
	r := adopting(nil)
	r.Spec.Cause = v1alpha1.CauseAdoption
	objects, err := render.Release(compile(t, web, nil), r)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, o := range objects {
		names = append(names, o.Object.GetKind()+" "+o.Object.GetName())
		if len(o.Object.Object) != 3 || o.Object.GetLabels()[v1alpha1.LabelAsFound] != "true" {
			t.Errorf("%s holds more than metadata, or lacks its mark: %v", o.Resource, o.Object.Object)
		}
	}
	if diff := cmp.Diff([]string{"ServiceAccount old-account", "Deployment old-web", "Service old-service"}, names); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
}

func TestWhatCannotBeTakenOver(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*v1alpha1.Adoption)
		want   string
	}{
		"no such resource":    {func(a *v1alpha1.Adoption) { a.Objects[0].Resource = "gone" }, "resource gone: spec.environments[].adopt: old-web is to stand for this resource, which makes 0 objects"},
		"the label of a cost": {func(a *v1alpha1.Adoption) { a.PodSelector["team"] = "other" }, "asks for team=other, but Towpath sets team=shop"},
		"a label of our own":  {func(a *v1alpha1.Adoption) { a.PodSelector[v1alpha1.LabelTeam] = "other" }, "by which costs are told apart"},
	} {
		r := adopting(tc.change)
		r.Spec.Cause = v1alpha1.CauseAdoption
		_, err := render.Release(compile(t, web, nil), r)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", name, err, tc.want)
		}
	}
	// A resource that makes several objects cannot stand for one.
	r := adopting(func(a *v1alpha1.Adoption) {
		a.Objects = append(a.Objects, v1alpha1.AdoptedObject{Resource: "budget", Name: "old"})
	})
	r.Spec.Parameters.Raw = []byte(`{"budgets": ["a", "b"]}`)
	if _, err := render.Release(compile(t, web, nil), r); err == nil {
		t.Errorf("two budgets under one name were rendered")
	}
}

// Once the golden path is there, what it does not make any more is not wanted any more.
func TestWhatIsNotMadeAnyMoreIsLeftOut(t *testing.T) {
	r := adopting(func(a *v1alpha1.Adoption) {
		a.Objects = append(a.Objects, v1alpha1.AdoptedObject{Resource: "budget", Name: "old"})
	})
	r.Spec.Parameters.Raw = []byte(`{"budgets": []}`)
	r.Spec.Cause = v1alpha1.CauseParameterChange
	objects, err := render.Release(compile(t, web, nil), r)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	for _, o := range objects {
		names[o.Resource] = o.Object.GetName()
	}
	want := map[string]string{"account": "old-account", "web": "old-web", "service": "old-service", "scaler": "checkout", "policy": "checkout", "ingress": "checkout"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	if err := render.CheckFound(objects, r.Spec.Adopt); err == nil || !strings.Contains(err.Error(), "old is to stand for this resource, which makes 0 objects") {
		t.Errorf("got %v", err)
	}
}
