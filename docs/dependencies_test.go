package docs_test

import (
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDependenciesHaveReasons holds dependencies.md to go.mod: each direct dependency has a row, and each row a dependency.
func TestDependenciesHaveReasons(t *testing.T) {
	list := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{if not (or .Indirect .Main)}}{{.Path}}{{end}}", "all")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	needed := map[string]bool{}
	for path := range strings.FieldsSeq(string(out)) {
		needed[path] = true
	}
	page, err := os.ReadFile("dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ := strings.Cut(string(page), "\n## Tools")
	explained := map[string]bool{}
	for row := range strings.Lines(text) {
		first, _, _ := strings.Cut(strings.TrimPrefix(row, "| "), " | ")
		if !strings.HasPrefix(row, "| `") {
			continue
		}
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(first, -1) {
			explained[m[1]] = true
		}
	}
	for _, path := range slices.Sorted(maps.Keys(needed)) {
		if !explained[path] {
			t.Errorf("dependencies.md does not say why %s is there", path)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(explained)) {
		if !needed[path] {
			t.Errorf("dependencies.md explains %s, which is no direct dependency", path)
		}
	}
}
