package catalog_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/config"
	"github.com/towpath-dev/towpath/internal/render"
	"github.com/towpath-dev/towpath/internal/template"
)

func (p *goldenPath) readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(p.name, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTheIndexListsEveryPath(t *testing.T) {
	index, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range goldenPaths {
		if row := fmt.Sprintf("\n| [%s](%s/README.md) | golden path: ", p.name, p.name); !strings.Contains(string(index), row) {
			t.Errorf("README.md has no row that begins with %s", row)
		}
	}
}

// A developer who knows one README finds everything in the next.
func TestREADMEsHaveTheSameStructure(t *testing.T) {
	for _, p := range goldenPaths {
		found, _ := p.load(t)
		want := []string{
			"## What your image must do", "## What you get", "## What others get", "## Parameters", "## How to …",
			"## What it guarantees", "## Why it is so", "## Known limits",
		}
		if len(found.Spec.Outputs) == 0 {
			want = slices.DeleteFunc(want, func(s string) bool { return s == "## What others get" })
		}
		var got []string
		readme := p.readme(t)
		for line := range strings.Lines(readme) {
			if strings.HasPrefix(line, "## ") {
				got = append(got, strings.TrimSpace(line))
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s has %q, want %q", p.name, got, want)
		}
		if first, _, _ := strings.Cut(found.Spec.Summary, ","); !strings.HasPrefix(readme, "# "+p.name+"\n\n"+first) {
			t.Errorf("%s does not begin with its name and summary", p.name)
		}
		for i := range found.Spec.Resources {
			var object struct{ Kind string }
			if err := json.Unmarshal(found.Spec.Resources[i].Object.Raw, &object); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(readme, "\n| "+object.Kind+" ") {
				t.Errorf("%s does not say what its %s is for", p.name, object.Kind)
			}
		}
	}
}

func TestTheSmallestExampleRenders(t *testing.T) {
	for _, p := range goldenPaths {
		t.Run(p.name, func(t *testing.T) {
			example, err := os.ReadFile(filepath.Join(p.name, "component.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			if _, after, _ := strings.Cut(p.readme(t), "```yaml\n"); !strings.HasPrefix(after, string(example)+"```\n") {
				t.Error("the README does not show component.yaml first")
			}
			var component platformv1alpha1.Component
			if err := yaml.UnmarshalStrict(example, &component); err != nil {
				t.Fatal(err)
			}
			if component.Spec.TemplateRef.Name != p.name {
				t.Errorf("it is of %s", component.Spec.TemplateRef.Name)
			}
			_, compiled := p.load(t)
			common, err := template.DecodeParameters(component.Spec.Parameters)
			if err != nil {
				t.Fatal(err)
			}
			for _, environment := range component.Spec.Environments {
				own, err := template.DecodeParameters(environment.Parameters)
				if err != nil {
					t.Fatal(err)
				}
				r := p.render(t, compiled, template.MergeParameters(common, own), func(in *render.Input) { in.Environment.Name = environment.Name })
				if len(r.objects) < 3 {
					t.Errorf("%s gets %d objects", environment.Name, len(r.objects))
				}
			}
		})
	}
}

func TestEveryParameterIsBoundedDescribedAndDocumented(t *testing.T) {
	for _, p := range goldenPaths {
		t.Run(p.name, func(t *testing.T) {
			found, _ := p.load(t)
			var root map[string]any
			if err := yaml.Unmarshal(found.Spec.Parameters.Raw, &root); err != nil {
				t.Fatal(err)
			}
			visit(t, "", root, p.readme(t))
		})
	}
}

// visit checks a schema and what is below it.
func visit(t *testing.T, path string, schema map[string]any, readme string) {
	t.Helper()
	if schema["description"] == nil && path != "" && !strings.HasSuffix(path, "[]") && !strings.HasSuffix(path, "{}") {
		t.Errorf("%s has no description", path)
	}
	bound := map[string][]string{"integer": {"minimum", "maximum"}, "string": {"maxLength"}, "array": {"maxItems"}}
	kind, _ := schema["type"].(string)
	for _, limit := range bound[kind] {
		if schema[limit] == nil && schema["enum"] == nil {
			t.Errorf("%s has no %s", path, limit)
		}
	}
	if properties, ok := schema["properties"].(map[string]any); ok {
		for name, below := range properties {
			visit(t, strings.TrimPrefix(path+"."+name, "."), below.(map[string]any), readme)
		}
		return
	}
	if values, ok := schema["additionalProperties"].(map[string]any); ok {
		if schema["maxProperties"] == nil {
			t.Errorf("%s has no maxProperties", path)
		}
		visit(t, path+"{}", values, readme)
	}
	if items, ok := schema["items"].(map[string]any); ok {
		visit(t, path+"[]", items, readme)
	}
	if strings.Contains(path, "[]") {
		return // an item's fields stand in the row of the list
	}
	row := "| `" + path + "` | "
	if value := schema["default"]; value != nil {
		row += fmt.Sprintf("`%v` |", value)
	}
	if !strings.Contains(readme, "\n"+row) {
		t.Errorf("the README has no row that begins with %s", row)
	}
}

func TestREADMEsListNoParameterThatIsGone(t *testing.T) {
	for _, p := range goldenPaths {
		found, _ := p.load(t)
		var root map[string]any
		if err := yaml.Unmarshal(found.Spec.Parameters.Raw, &root); err != nil {
			t.Fatal(err)
		}
		_, table, _ := strings.Cut(p.readme(t), "\n## Parameters\n")
		table, _, _ = strings.Cut(table, "\n## ")
		for line := range strings.Lines(table) {
			rest, ok := strings.CutPrefix(line, "| `")
			if !ok {
				continue
			}
			path, _, _ := strings.Cut(rest, "`")
			schema := root
			for _, name := range strings.Split(path, ".") {
				properties, _ := schema["properties"].(map[string]any)
				schema, _ = properties[name].(map[string]any)
			}
			if schema == nil {
				t.Errorf("%s lists %s, which is no parameter", p.name, path)
			}
		}
	}
}

func TestREADMEsListTheOutputs(t *testing.T) {
	for _, p := range goldenPaths {
		found, _ := p.load(t)
		want := map[string]bool{}
		for _, output := range found.Spec.Outputs {
			want[output.Name] = true
		}
		got := map[string]bool{}
		_, table, _ := strings.Cut(p.readme(t), "\n## What others get\n")
		table, _, _ = strings.Cut(table, "\n## ")
		for line := range strings.Lines(table) {
			if rest, ok := strings.CutPrefix(line, "| `"); ok {
				name, _, _ := strings.Cut(rest, "`")
				got[name] = true
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s lists the outputs %v, and gives %v", p.name, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
		}
	}
}

func TestClassesShipForEveryTier(t *testing.T) {
	got := map[string]string{}
	for _, object := range config.Classes() {
		var class platformv1alpha1.EnvironmentClass
		if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, &class, true); err != nil {
			t.Fatal(err)
		}
		got[class.Name] = string(class.Spec.Tier) + " " + string(class.Spec.PodSecurity)
	}
	want := map[string]string{
		"development": "Development Restricted", "staging": "Staging Restricted",
		"production": "Production Restricted", "preview": "Preview Restricted",
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
