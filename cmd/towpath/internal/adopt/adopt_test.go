package adopt_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/adopt"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/manifest"
	"github.com/towpath-dev/towpath/config"
	"github.com/towpath-dev/towpath/internal/openapi"
	"github.com/towpath-dev/towpath/internal/render"
	"github.com/towpath-dev/towpath/internal/template"
)

var update = flag.Bool("update", false, "write the golden files anew")

func catalogue(t testing.TB, name string) *platformv1alpha1.ServiceTemplateSpec {
	t.Helper()
	for _, object := range config.Catalog() {
		if object.GetKind() == "ServiceTemplate" && object.GetName() == name {
			found := &platformv1alpha1.ServiceTemplate{}
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, found); err != nil {
				t.Fatal(err)
			}
			return &found.Spec
		}
	}
	t.Fatalf("no template %s", name)
	return nil
}

func objects(t testing.TB, text string) []*unstructured.Unstructured {
	t.Helper()
	documents, problems := manifest.Parse("test", []byte(text))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	found := make([]*unstructured.Unstructured, len(documents))
	for i, document := range documents {
		found[i] = document.Object
	}
	return found
}

func input(t testing.TB, templateName, text string) adopt.Input {
	t.Helper()
	spec := catalogue(t, templateName)
	compiled, _, errs := template.Compile(spec, openapi.Kubernetes())
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	found := objects(t, text)
	var capabilities []string
	if strings.Contains(text, "# with the Gateway API") {
		capabilities = compiled.Capabilities()
	}
	return adopt.Input{
		Spec: spec, Compiled: compiled, Workload: found[0], Others: found[1:],
		Kinds: openapi.Kubernetes(), Now: time.Date(2026, 9, 2, 12, 0, 0, 0, time.UTC),
		Place: render.Input{
			OwnerUID: "00000000-0000-0000-0000-000000000000", Component: found[0].GetName(), HomeNamespace: "team-shop", Team: "shop", CostCenter: "cc-4711",
			Environment: render.Environment{Name: "prod", Namespace: "legacy", Class: "production", Tier: platformv1alpha1.TierProduction},
			Template:    templateName, Revision: 1, Capabilities: capabilities,
		},
	}
}

// templateOf is the golden path that a file names.
func templateOf(text string) string {
	if _, rest, ok := strings.Cut(text, "# template: "); ok {
		name, _, _ := strings.Cut(rest, "\n")
		return name
	}
	return "web-service"
}

func TestFit(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			proposal, err := adopt.Fit(input(t, templateOf(string(text)), string(text)))
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d renders", proposal.Renders)
			golden := strings.TrimSuffix(file, ".yaml") + ".golden"
			got := show(t, proposal)
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil || got != string(want) {
				t.Errorf("%v; run with -update and look at the change of %s; got\n%s", err, golden, got)
			}
		})
	}
}

func show(t *testing.T, p *adopt.Proposal) string {
	t.Helper()
	text, err := yaml.Marshal(p.Component.Spec)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.Write(text)
	for _, m := range p.Matches {
		fmt.Fprintf(&b, "takes over: %s/%s as %s\n", m.Found.GetKind(), m.Found.GetName(), m.Resource)
	}
	for _, s := range p.Strangers {
		fmt.Fprintf(&b, "left alone: %s/%s\n", s.GetKind(), s.GetName())
	}
	for _, n := range p.New {
		fmt.Fprintf(&b, "new: %s/%s (%s)\n", n.Kind, n.Name, n.Resource)
	}
	for _, d := range p.Differences {
		fmt.Fprintf(&b, "difference: %s: %s\n", d.Object, d.String())
	}
	for _, u := range p.Unmapped {
		fmt.Fprintf(&b, "not mapped: %s\n", u.String())
	}
	for _, n := range p.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	return b.String()
}

func TestFitRefusesWhatCannotBeTakenOver(t *testing.T) {
	bare, err := os.ReadFile("testdata/bare.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change func(*adopt.Input)
		want   string
	}{
		"a selector that is more than labels": {
			func(in *adopt.Input) {
				in.Workload.Object["spec"].(map[string]any)["selector"] = map[string]any{"matchExpressions": []any{}}
			},
			"Deployment/bare: spec.selector.matchExpressions: a Component keeps a selector of labels alone",
		},
		"a name that no Component can have": {
			func(in *adopt.Input) { in.Place.Component = "9lives" },
			`component "9lives": the name must be a DNS-1035 label of at most 40 characters; choose one with --component`,
		},
		"a kind that the golden path does not make": {
			func(in *adopt.Input) {
				in.Workload.SetKind("StatefulSet")
			},
			"the golden path makes no StatefulSet",
		},
		"a workload that another controller writes": {
			func(in *adopt.Input) {
				in.Workload.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: "argoproj.io/v1alpha1", Kind: "Shop", Name: "main", UID: "1", Controller: new(true)}})
			},
			"Deployment/bare belongs to Shop/main, which writes it",
		},
		"a selector of Towpath's labels and others": {
			func(in *adopt.Input) {
				in.Workload.Object["spec"].(map[string]any)["selector"] = map[string]any{"matchLabels": map[string]any{"app": "bare", platformv1alpha1.LabelComponent: "bare"}}
			},
			"Deployment/bare selects its pods by app=bare,platform.towpath.dev/component=bare, and the Component would by platform.towpath.dev/component=bare,platform.towpath.dev/environment=prod: a selector cannot change",
		},
		"another Component's selector": {
			func(in *adopt.Input) {
				in.Workload.Object["spec"].(map[string]any)["selector"] = map[string]any{"matchLabels": map[string]any{platformv1alpha1.LabelComponent: "other"}}
			},
			"platform.towpath.dev/component=other would have to be bare",
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := input(t, "web-service", string(bare))
			test.change(&in)
			_, err := adopt.Fit(in)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestCheckHoldsAComponentToTheSelectorThatWasFound(t *testing.T) {
	bare, err := os.ReadFile("testdata/bare.yaml")
	if err != nil {
		t.Fatal(err)
	}
	in := input(t, "web-service", string(bare))
	proposal, err := adopt.Fit(in)
	if err != nil {
		t.Fatal(err)
	}
	if err := adopt.Check(in, proposal.Component); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*platformv1alpha1.ComponentSpec){
		"Deployment/bare selects its pods by app=bare, and the Component would by app=other: a selector cannot change": func(spec *platformv1alpha1.ComponentSpec) {
			spec.Environments[0].Adopt.PodSelector = map[string]string{"app": "other"}
		},
		"and the Component would by platform.towpath.dev/component=bare,platform.towpath.dev/environment=prod": func(spec *platformv1alpha1.ComponentSpec) {
			spec.Environments[0].Adopt.PodSelector = nil
		},
		"takes nothing over in environment prod":  func(spec *platformv1alpha1.ComponentSpec) { spec.Environments[0].Adopt = nil },
		"component bare makes no Deployment/bare": func(spec *platformv1alpha1.ComponentSpec) { spec.Environments[0].Adopt.Objects[0].Name = "other" },
		"parameters.replicas.max: Invalid value: 1: must be at l": func(spec *platformv1alpha1.ComponentSpec) {
			spec.Parameters.Raw = []byte(`{"replicas": {"min": 2, "max": 1}}`)
		},
	} {
		component := proposal.Component.DeepCopy()
		change(&component.Spec)
		if err := adopt.Check(in, component); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestFitGoesByWhatPeopleAskedFor(t *testing.T) {
	bare, err := os.ReadFile("testdata/bare.yaml")
	if err != nil {
		t.Fatal(err)
	}
	in := input(t, "web-service", string(bare))
	pod := in.Workload.Object["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any)
	pod["nodeSelector"] = map[string]any{"injected": "yes"}
	pod["tolerations"] = []any{map[string]any{"key": "mine"}}
	in.Workload.SetManagedFields([]metav1.ManagedFieldsEntry{
		{Manager: "kubectl", Operation: "Apply", APIVersion: "apps/v1", FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(`{"f:spec":{"f:selector":{},
"f:template":{"f:metadata":{"f:labels":{"f:app":{}}},"f:spec":{"f:tolerations":{},"f:containers":{"k:{\"name\":\"bare\"}":{".":{},"f:name":{},"f:image":{}}}}}}}`)},
		{Manager: "kube-controller-manager", Operation: "Update", APIVersion: "apps/v1", FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(`{"f:spec":{"f:template":{"f:spec":{"f:nodeSelector":{}}}}}`)},
	})
	proposal, err := adopt.Fit(in)
	if err != nil {
		t.Fatal(err)
	}
	var removed []string
	for _, d := range proposal.Differences {
		if d.Kind == adopt.Removed {
			removed = append(removed, d.Path)
		}
	}
	if got := strings.Join(removed, " "); got != "spec.template.spec.tolerations" {
		t.Errorf("removed: %s", got)
	}
}
