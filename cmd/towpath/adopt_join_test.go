package main

import (
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// existing is the Component that runs elsewhere already.
func existing(change func(*platformv1alpha1.Component)) *platformv1alpha1.Component {
	c := component("checkout")
	c.Spec = platformv1alpha1.ComponentSpec{
		TemplateRef: platformv1alpha1.TemplateReference{Name: "web-service"}, Image: "registry.example/shop/checkout:1",
		Parameters:   &apiextensionsv1.JSON{Raw: []byte(`{"port": 9000, "replicas": {"max": 2}}`)},
		Env:          []platformv1alpha1.EnvVar{{Name: "A", Value: "b"}},
		Environments: []platformv1alpha1.PathEnvironment{{Name: "dev"}},
	}
	if change != nil {
		change(c)
	}
	return c
}

// Applied as it is, a proposal for prod alone would take dev out of the path, and delete what runs there.
func TestAdoptJoinsAComponentThatExists(t *testing.T) {
	got := adoptCall(t, append(legacyObjects(t), existing(nil)), append(adoptCheckout, "--class", "production", "-o", "yaml")...)
	if want := `spec:
  env:
  - name: A
    value: b
  environments:
  - name: dev
  - adopt:
      objects:
      - name: checkout
        resource: deployment
      - name: checkout
        resource: service
      podSelector:
        app: checkout
    name: prod
    parameters:
      port: null
      probes:
        handler: TCP
  image: registry.example/shop/checkout:1
  parameters:
    port: 9000
    replicas:
      max: 2
`; !strings.Contains(got.out, want) {
		t.Errorf("want\n%s\nin\n%s", want, got.out)
	}
	for _, want := range []string{"prod is put at the end of its path", "the variables that were found differ"} {
		if !strings.Contains(got.err, want) {
			t.Errorf("want %q in\n%s", want, got.err)
		}
	}
}

// Overrides hold in every environment: those of the Component count for what is left, and none is proposed.
func TestAdoptProposesNoOverridesToAComponentThatExists(t *testing.T) {
	limited := legacyObjects(t)
	pod, _, _ := unstructured.NestedSlice(limited[3].(*unstructured.Unstructured).Object, "spec", "template", "spec", "containers")
	pod[0].(map[string]any)["resources"] = map[string]any{"limits": map[string]any{"cpu": "2"}}
	_ = unstructured.SetNestedSlice(limited[3].(*unstructured.Unstructured).Object, pod, "spec", "template", "spec", "containers")
	limited[2].(*platformv1alpha1.EnvironmentClass).Spec.DropExpiredOverrides = true
	const lost = "not mapped: Deployment/checkout: spec.template.spec.containers[name=app].resources"
	const patch = `{"spec": {"template": {"spec": {"containers": [{"name": "app", "resources": {"limits": {"cpu": "2"}}}]}}}}`
	overridden := existing(func(c *platformv1alpha1.Component) {
		c.Spec.Overrides = []platformv1alpha1.Override{{Resource: "deployment", Patch: apiextensionsv1.JSON{Raw: []byte(patch)}, Reason: "mine"}}
	})
	arguments := append(slices.Clone(adoptCheckout), "--class", "production")
	for what, tc := range map[string]struct {
		objects       []client.Object
		proposes      bool
		said, notSaid string
	}{
		"to none":          {limited, true, "note: class production drops overrides that have expired", lost},
		"to one":           {append(slices.Clone(limited), existing(nil)), false, lost, "an override keeps"},
		"to one with such": {append(slices.Clone(limited), overridden), false, "reason: mine", lost},
	} {
		got := adoptCall(t, tc.objects, arguments...)
		if strings.Contains(got.out, "reason: Found on adoption") != tc.proposes {
			t.Errorf("%s: got\n%s", what, got.out)
		}
		if !strings.Contains(got.out, tc.said) || strings.Contains(got.out, tc.notSaid) {
			t.Errorf("%s: want %q and not %q in\n%s%s", what, tc.said, tc.notSaid, got.out, got.err)
		}
	}
}

func TestAdoptRefusesToJoin(t *testing.T) {
	for want, change := range map[string]func(*platformv1alpha1.Component){
		"exists, on golden path worker":    func(c *platformv1alpha1.Component) { c.Spec.TemplateRef.Name = "worker" },
		"has environment prod in its path": func(c *platformv1alpha1.Component) { c.Spec.Environments[0].Name = "prod" },
		"podSelector is {app=other}, and must be {app=checkout}": func(c *platformv1alpha1.Component) {
			c.Spec.Environments[0] = platformv1alpha1.PathEnvironment{Name: "prod", Adopt: &platformv1alpha1.Adoption{
				Objects: []platformv1alpha1.AdoptedObject{{Resource: "deployment", Name: "checkout"}}, PodSelector: map[string]string{"app": "other"},
			}}
		},
		"while registry.example/shop/checkout:": func(c *platformv1alpha1.Component) { c.Spec.Image = "registry.example/shop/checkout:2" },
	} {
		got := adoptCall(t, append(legacyObjects(t), existing(change)), append(adoptCheckout, "--class", "production")...)
		if got.code != exitTrouble || !strings.Contains(got.err, want) {
			t.Errorf("want %q, got %+v", want, got)
		}
	}
}
