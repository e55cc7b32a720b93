package score_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/towpath-dev/towpath/cmd/towpath/internal/score"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Each testdata/<name>.yaml is a workload, and <name>.golden what it becomes: the specs, notes and what is left out.
func TestConvert(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(err, "no workloads")
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			result, err := score.Convert(data, score.Options{Environments: []string{"dev", "prod"}})
			if err != nil {
				t.Fatal(err)
			}
			var text strings.Builder
			for _, component := range result.Components {
				spec, err := yaml.Marshal(component.Spec)
				if err != nil {
					t.Fatal(err)
				}
				text.WriteString("# " + component.Name + "\n" + string(spec))
			}
			for _, note := range result.Notes {
				text.WriteString("note: " + note + "\n")
			}
			for _, what := range result.Unmapped {
				text.WriteString("not mapped: " + what + "\n")
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(text.String()), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if text.String() != string(want) {
				t.Errorf("differs from %s; if that is meant: go test ./cmd/towpath/internal/score -update, and read the diff. Got:\n%s", golden, &text)
			}
		})
	}
}

func TestConvertRefuses(t *testing.T) {
	const one = "apiVersion: score.dev/v1b1\nmetadata: {name: %NAME}\ncontainers:\n  app: {image: %IMAGE}\n"
	fill := func(name, image string) string {
		return strings.NewReplacer("%NAME", name, "%IMAGE", image).Replace(one)
	}
	for name, c := range map[string]struct{ text, want string }{
		"another kind":     {"apiVersion: v1\nkind: Pod\n", "not a Score workload of score.dev/v1b1"},
		"no YAML":          {"{", "not a Score workload"},
		"an unknown field": {fill("shop", "b") + "surprise: true\n", "not a Score workload"},
		"two containers":   {fill("shop", "b") + "  side: {image: c}\n", "containers: there are 2 ([app side]); a Component runs one container"},
		"a long name":      {fill(strings.Repeat("a", 41), "b"), "metadata.name: "},
		"a build":          {fill("shop", "."), `containers.app.image: "." means that a build gives the image: name it with --image`},
	} {
		_, err := score.Convert([]byte(c.text), score.Options{Environments: []string{"dev"}})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func FuzzConvert(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		result, err := score.Convert(data, score.Options{Environments: []string{"dev"}})
		if err == nil && (len(result.Components) == 0 || result.Components[0].Spec.Image == "" || result.Components[0].Spec.Image == ".") {
			t.Fatalf("no error and no Component: %+v", result)
		}
	})
}
