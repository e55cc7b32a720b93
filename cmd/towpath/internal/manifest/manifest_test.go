package manifest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

func TestDocumentsKnowTheirLinesInTheFile(t *testing.T) {
	documents, problems := Parse("f.yaml", []byte(`# a comment
---
kind: A
metadata: {name: a}
---

kind: B
metadata:
  name: b
spec:
  list:
  - name: x
    value: 1
  - name: y
    value: 2
---
# nothing here
--- {kind: C, metadata: {name: c}}
---
kind: [
---
apiVersion: v1
kind: List
items:
- {kind: D, metadata: {name: d}}
- kind: E
  metadata: {name: e}
`))
	var got []string
	for _, document := range documents {
		got = append(got, fmt.Sprintf("%s:%d", document.ID(), document.Line))
	}
	if want := []string{"A/a:3", "B/b:7", "C/c:18", "D/d:25", "E/e:26"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if len(problems) != 1 || problems[0].Line < 20 || problems[0].Line > 21 {
		t.Errorf("got problems %v, want one in line 20", problems)
	}
	for path, want := range map[string]int{
		"metadata.name":        9,
		"spec.list[1].value":   15,
		"spec.list[y].value":   15,
		"spec.list[1].missing": 14,
		"spec.absent.deeper":   10,
		"":                     7,
	} {
		if got := documents[1].LineOf(path); got != want {
			t.Errorf("LineOf(%q) = %d, want %d", path, got, want)
		}
	}
	if got := documents[4].LineOf("metadata.name"); got != 27 {
		t.Errorf("an item's field is in line %d, want 27", got)
	}
}

func TestHostileDocumentsAreRefusedQuickly(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c <= 'j'; c++ {
		bomb += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat("*"+string(c-1)+",", 10), ","))
	}
	for name, text := range map[string]string{
		"aliases are expanded":        bomb,
		"nested more than 200 levels": strings.Repeat("[", 5000) + strings.Repeat("]", 5000),
		"must have at most 3145728":   "a: " + strings.Repeat("x", MaxDocumentSize),
		"more than 200000 values":     "a: [" + strings.Repeat("1,", 200_000) + "1]",
		`key "a" already`:             "a: 1\na: 2\n",
		"is a list":                   "- a\n",
		"is a text":                   "hello\n",
		"not readable as YAML":        "a: b: c\n",
		"unknown anchor":              "a: *b\n",
		"contains itself":             "a: &a [*a]\n",
	} {
		start := time.Now()
		documents, problems := Parse("f.yaml", []byte(text))
		if len(documents) != 0 || len(problems) != 1 || !strings.Contains(problems[0].Message, name) {
			t.Errorf("want %q, got %d documents and %v", name, len(documents), problems)
		}
		// What is long takes its time to read; what is short must not, and a bomb would take hours.
		if took := time.Since(start); len(text) < 20_000 && took > 10*time.Second {
			t.Errorf("%q took %s", name, took)
		}
	}
}

func TestAnchorsOfOrdinarySizeAreRead(t *testing.T) {
	documents, problems := Parse("f.yaml", []byte("kind: A\nx: &x {b: 1}\ny: *x\nz: {<<: *x, c: 2}\n"))
	if len(problems) != 0 || len(documents) != 1 {
		t.Fatal(problems)
	}
	if got := fmt.Sprint(documents[0].Object.Object["z"]); got != "map[b:1 c:2]" {
		t.Errorf("got %s", got)
	}
}

func TestFoldersAreReadWithWhatTheyHold(t *testing.T) {
	folder := t.TempDir()
	for name, text := range map[string]string{
		"b.yaml": "kind: B", "a/a.json": `{"kind":"A"}`, "notes.md": "# no", ".hidden/c.yaml": "kind: C", ".d.yaml": "kind: D",
	} {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	documents, problems, err := Read([]string{folder, Stdin}, strings.NewReader("kind: S"))
	if err != nil || len(problems) > 0 || len(documents) != 3 {
		t.Fatalf("got %d documents, %v, %v", len(documents), problems, err)
	}
	if documents[0].Object.GetKind() != "A" || documents[1].Object.GetKind() != "B" || documents[2].File != "stdin" {
		t.Errorf("got %s, %s, %s", documents[0].ID(), documents[1].ID(), documents[2].File)
	}
	if _, _, err := Read([]string{filepath.Join(folder, ".hidden", "none.yaml")}, nil); !os.IsNotExist(err) {
		t.Errorf("got %v", err)
	}
}

// schemas are those of config/crd.
func schemas(t *testing.T) *Schemas {
	t.Helper()
	files, err := filepath.Glob("../../../../config/crd/bases/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no CRDs: %v", err)
	}
	var crds []*apiextensionsv1.CustomResourceDefinition
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.Unmarshal(data, crd); err != nil {
			t.Fatal(err)
		}
		crds = append(crds, crd)
	}
	return NewSchemas(crds...)
}

func TestObjectsAreCheckedAsTheClusterWould(t *testing.T) {
	known := schemas(t)
	const head = "apiVersion: platform.towpath.dev/v1alpha1\nkind: "
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"a good Component": {text: head + `Component
metadata: {name: a, namespace: team}
spec: {templateRef: {name: web-service}, image: "r/a:1", environments: [{name: dev}], parameters: {any: [thing]}}
`},
		"another group's object": {text: "apiVersion: v1\nkind: Pod\nspec: 7\n"},
		"unknown kind": {text: head + "Componnt\nmetadata: {name: a}\n", want: []string{
			`kind: Unsupported value: "v1alpha1/Componnt": supported values: "v1alpha1/Approval", "v1alpha1/Budget", "v1alpha1/Build", "v1alpha1/Component", "v1alpha1/CostReport", "v1alpha1/CostSource", "v1alpha1/Environment", "v1alpha1/EnvironmentClass", "v1alpha1/Release", "v1alpha1/ServiceTemplate", "v1alpha1/ServiceTemplateRevision", "v1alpha1/Team"`,
		}},
		"unknown fields, at every level": {text: head + `Component
metadata: {name: a, lables: {}}
spec: {templateRef: {name: w, version: 1}, image: "r/a:1", environments: [{name: dev, door: {}}], replicas: 2}
`, want: []string{
			"metadata.lables: Forbidden: there is no such field; check its spelling and its indentation",
			"spec.environments[0].door: Forbidden: there is no such field; check its spelling and its indentation",
			"spec.replicas: Forbidden: there is no such field; check its spelling and its indentation",
			"spec.templateRef.version: Forbidden: there is no such field; check its spelling and its indentation",
		}},
		"missing, of the wrong type, twice": {text: head + `Component
metadata: {name: a}
spec: {templateRef: {name: w}, image: 7, env: [{name: A}, {name: A}]}
`, want: []string{
			`spec.env[1]: Duplicate value: {"name":"A"}`,
			`spec.environments: Required value`,
			`spec.image: Invalid value: "integer": spec.image in body must be of type string: "integer"`,
		}},
		"a broken rule": {text: head + `Component
metadata: {name: This.Is.Not}
spec: {templateRef: {name: w}, image: "r/a:1", environments: [{name: dev}]}
`, want: []string{
			`metadata.name must be a DNS-1035 label of at most 40 characters`,
			`metadata.name: Invalid value: "This.Is.Not": a lowercase RFC 1123 subdomain`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			documents, problems := Parse("f.yaml", []byte(test.text))
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			_, errs := known.Check(t.Context(), documents[0].Object)
			if len(errs) != len(test.want) {
				t.Fatalf("got %v", errs)
			}
			for i, want := range test.want {
				if !strings.Contains(errs[i].Error(), want) {
					t.Errorf("got  %s\nwant %s", errs[i].Error(), want)
				}
			}
		})
	}
}
