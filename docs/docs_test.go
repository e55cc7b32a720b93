// Package docs_test holds the documentation to the code: every reason has a runbook and a row, links
// lead somewhere, and examples pass the CLI's own check.
package docs_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

const conditionsFile = "../api/v1alpha1/conditions.go"

// constants returns the string constants of conditions.go whose names begin with a prefix, as their
// values.
func constants(t *testing.T, prefix string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), conditionsFile, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for i, name := range spec.Names {
			if !strings.HasPrefix(name.Name, prefix) || i >= len(spec.Values) {
				continue
			}
			literal, ok := spec.Values[i].(*ast.BasicLit)
			if !ok {
				t.Errorf("%s is no literal", name.Name)
				continue
			}
			value, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, value)
		}
		return true
	})
	if len(values) == 0 {
		t.Fatalf("%s has no constants %s…", conditionsFile, prefix)
	}
	return values
}

// row is one row of the table by kind in conditions.md.
type row struct {
	kind, conditions, reason, kstatus string
}

var reasonLink = regexp.MustCompile(`^\[([A-Za-z]+)\]\(runbooks/([A-Za-z]+)\.md\)$`)

// rows reads the table by kind.
func rows(t *testing.T) []row {
	t.Helper()
	_, after, found := strings.Cut(read(t, "conditions.md"), "\n## By kind\n")
	table, _, _ := strings.Cut(after, "\n## ")
	if !found {
		t.Fatal("conditions.md has no section By kind")
	}
	var out []row
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 5 {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if cells[0] == "kind" || strings.HasPrefix(cells[0], "---") {
			continue
		}
		r := row{kind: cells[0], conditions: cells[1], kstatus: cells[3]}
		if link := reasonLink.FindStringSubmatch(cells[2]); link != nil {
			if r.reason = link[1]; link[1] != link[2] {
				t.Errorf("the row %s of %s links to the runbook of %s", link[1], r.kind, link[2])
			}
		} else if !strings.HasPrefix(cells[2], "as ") {
			t.Errorf("the reason %q of %s is no link to its runbook", cells[2], r.kind)
		}
		out = append(out, r)
	}
	return out
}

func TestEveryReasonHasARunbookAndARow(t *testing.T) {
	reasons := constants(t, "Reason")
	listed := map[string]bool{}
	for _, r := range rows(t) {
		listed[r.reason] = true
		if r.reason != "" && !slices.Contains(reasons, r.reason) {
			t.Errorf("conditions.md has a row for %s, which is no reason of %s", r.reason, conditionsFile)
		}
	}
	index := read(t, "runbooks/README.md")
	for _, reason := range reasons {
		if !listed[reason] {
			t.Errorf("conditions.md has no row for the reason %s", reason)
		}
		if !strings.Contains(index, "("+reason+".md)") {
			t.Errorf("runbooks/README.md does not list %s", reason)
		}
		text, err := os.ReadFile(filepath.Join("runbooks", reason+".md"))
		if err != nil {
			t.Errorf("the reason %s has no runbook: %v", reason, err)
			continue
		}
		for _, want := range []string{"# " + reason + "\n", "\n## What it means\n", "\n## How to see it\n", "\n## Causes\n", "\n## What to do\n"} {
			if !strings.Contains(string(text), want) {
				t.Errorf("runbooks/%s.md lacks %q", reason, strings.TrimSpace(want))
			}
		}
	}
	pages, err := filepath.Glob("runbooks/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		name := strings.TrimSuffix(filepath.Base(page), ".md")
		// The page of alerts is held to these by config/monitoring.
		if name != "README" && name != "alerts" && !slices.Contains(reasons, name) {
			t.Errorf("%s is the runbook of no reason", page)
		}
	}
}

func TestTheTableSaysWhatKstatusSays(t *testing.T) {
	known := constants(t, "Condition")
	for _, r := range rows(t) {
		var conditions []any
		if r.conditions == "status.source" {
			continue // a reason beside the conditions, which says nothing to kstatus
		}
		for _, condition := range strings.Split(r.conditions, ", ") {
			kind, value, ok := strings.Cut(condition, "=")
			if !ok || !slices.Contains(known, kind) || !slices.Contains([]string{"True", "False", "Unknown"}, value) {
				t.Errorf("%s %s: %q must be a condition of %s, as Type=True, Type=False or Type=Unknown", r.kind, r.reason, condition, conditionsFile)
			}
			conditions = append(conditions, map[string]any{"type": kind, "status": value, "reason": r.reason})
		}
		if r.kstatus == "—" {
			continue
		}
		metadata := map[string]any{"name": "x", "generation": int64(1)}
		if r.reason == platformv1alpha1.ReasonDeleting {
			metadata["deletionTimestamp"] = "2026-11-20T09:14:00Z"
		}
		result, err := status.Compute(&unstructured.Unstructured{Object: map[string]any{
			"apiVersion": platformv1alpha1.GroupVersion.String(), "kind": r.kind, "metadata": metadata,
			"status": map[string]any{"observedGeneration": int64(1), "conditions": conditions},
		}})
		if err != nil {
			t.Fatal(err)
		}
		if string(result.Status) != r.kstatus {
			t.Errorf("%s %s %s: the table says %s, kstatus %s", r.kind, r.conditions, r.reason, r.kstatus, result.Status)
		}
	}
}

// The pages warn of this; when kstatus or the definitions change, they should too.
func TestKstatusTakesAnObjectWithoutConditionsForCurrent(t *testing.T) {
	result, err := status.Compute(&unstructured.Unstructured{Object: map[string]any{
		"apiVersion": platformv1alpha1.GroupVersion.String(), "kind": "Component", "metadata": map[string]any{"name": "x", "generation": int64(1)},
	}})
	if err != nil || result.Status != status.CurrentStatus {
		t.Errorf("it is %v (%v): correct conditions.md", result, err)
	}
}

// pages are the documents that this package answers for.
func pages(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, pattern := range []string{"../*.md", "*.md", "*/*.md", "../config/catalog/*.md", "../config/catalog/*/*.md", "../hack/*/README.md"} {
		matches, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, matches...)
	}
	return found
}

var (
	// A link, or code, in which there is none; a link's text may have code in it.
	link  = regexp.MustCompile("`[^`\n]*`|\\[(?:`[^`]*`|[^\\]`])*\\]\\(([^)\\s]+)\\)")
	fence = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?\n)```$")
)

func TestLinksLeadSomewhere(t *testing.T) {
	for _, page := range pages(t) {
		for _, match := range link.FindAllStringSubmatch(fence.ReplaceAllString(read(t, page), ""), -1) {
			target, anchor, _ := strings.Cut(match[1], "#")
			if match[1] == "" || strings.Contains(target, "://") {
				continue
			}
			file := page
			if target != "" {
				file = filepath.Join(filepath.Dir(page), target)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: the link %s leads nowhere: %v", page, match[1], err)
				continue
			}
			if anchor != "" && !slices.Contains(anchors(read(t, file)), anchor) {
				t.Errorf("%s: the link %s leads to no heading of %s", page, match[1], file)
			}
		}
	}
}

// A page that nothing lists is found by nobody: README has each, and so has the site's sidebar, but for runbooks, which are listed by
// what there is.
func TestEveryPageIsListed(t *testing.T) {
	readme, sidebar := read(t, "../README.md"), read(t, "../hack/docs/site/.vitepress/config.mjs")
	listed := 0
	for _, page := range pages(t) {
		page = filepath.ToSlash(filepath.Join("docs", page))
		if !strings.HasPrefix(page, "docs/") || strings.HasPrefix(page, "docs/runbooks/") {
			continue
		}
		listed++
		if !strings.Contains(readme, "]("+page+")") {
			t.Errorf("README.md has no link to %s", page)
		}
		if !strings.Contains(sidebar, "'/"+strings.TrimSuffix(page, ".md")+"'") {
			t.Errorf("the sidebar of the site has no link to %s", page)
		}
	}
	if listed < 30 {
		t.Errorf("there are %d pages: does the test still see them?", listed)
	}
}

// The table of kinds in concepts.md has each kind, by its short name and scope.
func TestConceptsHaveEachKind(t *testing.T) {
	concepts := read(t, "concepts.md")
	files, err := filepath.Glob("../config/crd/bases/*.yaml")
	if err != nil || len(files) < 10 {
		t.Fatalf("the definitions are not where they were: %v, %v", files, err)
	}
	for _, file := range files {
		var crd apiextensionsv1.CustomResourceDefinition
		if err := yaml.Unmarshal([]byte(read(t, file)), &crd); err != nil {
			t.Fatal(err)
		}
		short, scope := "", "team namespace"
		if names := crd.Spec.Names.ShortNames; len(names) > 0 {
			short = "`" + names[0] + "` "
		}
		if crd.Spec.Scope == apiextensionsv1.ClusterScoped {
			scope = "cluster"
		}
		if row := fmt.Sprintf("\n| %s | %s| %s | ", crd.Spec.Names.Kind, short, scope); !strings.Contains(concepts, row) {
			t.Errorf("concepts.md has no row that begins with %q", strings.TrimSpace(row))
		}
	}
}

// rule is the line below the head of a table.
var rule = regexp.MustCompile(`^\|(?:\s*:?-+:?\s*\|)+\s*$`)

// A table of which the rows were lost says that there are figures, and has none.
func TestTablesHaveRows(t *testing.T) {
	for _, page := range pages(t) {
		lines := strings.Split(fence.ReplaceAllString(read(t, page), ""), "\n")
		for i, line := range lines {
			if rule.MatchString(line) && (i+1 == len(lines) || !strings.HasPrefix(lines[i+1], "|")) {
				t.Errorf("%s: the table %s has no row", page, lines[max(0, i-1)])
			}
		}
	}
}

var notInAnchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`)

// anchors are the headings of a page as links name them.
func anchors(text string) []string {
	var out []string
	for line := range strings.Lines(fence.ReplaceAllString(text, "")) {
		if heading := strings.TrimLeft(line, "#"); heading != line {
			plain := notInAnchor.ReplaceAllString(strings.ToLower(strings.TrimSpace(heading)), "")
			out = append(out, strings.ReplaceAll(plain, " ", "-"))
		}
	}
	return out
}

// Every example of our kinds is linted by the CLI itself, with the templates of the same page.
func TestExamplesPassTowpathLint(t *testing.T) {
	dir := t.TempDir()
	towpath := filepath.Join(dir, "towpath")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", towpath, "../cmd/towpath")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the CLI: %v\n%s", err, out)
	}
	linted := 0
	for _, page := range pages(t) {
		blocks := fence.FindAllStringSubmatch(read(t, page), -1)
		folder := filepath.Join(dir, strings.ReplaceAll(page, "/", "_"))
		var files, templates []string
		for i, block := range blocks {
			if block[1] != "yaml" {
				continue
			}
			if !ours(t, page, block[2]) {
				continue
			}
			file := filepath.Join(folder, fmt.Sprintf("%d.yaml", i))
			write(t, file, block[2])
			files = append(files, file)
			if strings.Contains(block[2], "\nkind: ServiceTemplate\n") {
				templates = append(templates, "--templates", file)
			}
		}
		for _, file := range files {
			lint := exec.CommandContext(t.Context(), towpath, append([]string{"lint", file}, templates...)...)
			if out, err := lint.CombinedOutput(); err != nil {
				t.Errorf("an example of %s: %v\n%s\n%s", page, err, out, read(t, file))
			}
			linted++
		}
	}
	if linted < 5 {
		t.Errorf("only %d examples were found: does the test still see them?", linted)
	}
}

// ours says whether a block of YAML holds objects of Towpath. A block that is no YAML is an error.
func ours(t *testing.T, page, block string) bool {
	t.Helper()
	found := false
	for _, document := range strings.Split(block, "\n---\n") {
		var object map[string]any
		if err := yaml.UnmarshalStrict([]byte(document), &object); err != nil {
			t.Errorf("%s: %v in\n%s", page, err, document)
			continue
		}
		found = found || object["apiVersion"] == platformv1alpha1.GroupVersion.String()
	}
	return found
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")))
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A row of faults.md names its spec by the text of it.
func TestFaultsNameSpecsThatExist(t *testing.T) {
	files, err := filepath.Glob("../test/fault/*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var specs strings.Builder
	for _, file := range files {
		specs.WriteString(read(t, file))
	}
	rows := 0
	for line := range strings.SplitSeq(strings.Split(read(t, "faults.md"), "## What this found")[0], "\n") {
		cells := strings.Split(strings.Trim(line, "|"), " | ")
		if len(cells) != 3 || !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| fault ") {
			continue
		}
		rows++
		if spec := strings.TrimSpace(cells[2]); !strings.Contains(specs.String(), spec) {
			t.Errorf("faults.md names the spec %q, which test/fault does not have", spec)
		}
	}
	if rows < 20 {
		t.Errorf("faults.md has %d rows, or is written in another way by now", rows)
	}
}
