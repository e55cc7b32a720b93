package docs_test

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// workflow is what these tests ask of one.
type workflow struct {
	Permissions map[string]string `json:"permissions"`
	Concurrency map[string]any    `json:"concurrency"`
	Jobs        map[string]struct {
		Permissions map[string]string `json:"permissions"`
		Timeout     int               `json:"timeout-minutes"`
		RunsOn      string            `json:"runs-on"`
		Steps       []struct {
			Uses string         `json:"uses"`
			With map[string]any `json:"with"`
			Run  string         `json:"run"`
		} `json:"steps"`
	} `json:"jobs"`
}

func workflows(t *testing.T) map[string]workflow {
	t.Helper()
	paths, err := filepath.Glob("../.github/workflows/*")
	if err != nil || len(paths) < 5 {
		t.Fatalf("the workflows are not where they were: %v, %v", paths, err)
	}
	all := map[string]workflow{}
	for _, path := range paths {
		var w workflow
		if err := yaml.Unmarshal([]byte(read(t, path)), &w); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all[path] = w
	}
	return all
}

// A job has the rights that it names, an end, and a machine that does not change under it.
func TestWorkflowsHaveNoMoreRightsThanTheyName(t *testing.T) {
	writes := map[string]bool{
		"release.yml build contents": true, "release.yml build packages": true, "release.yml build id-token": true,
		"release.yml build attestations": true, "scorecard.yml analysis id-token": true, "codeql.yml analyze security-events": true,
	}
	for path, w := range workflows(t) {
		if w.Permissions == nil || len(w.Permissions) > 0 {
			t.Errorf("%s does not begin with permissions: {}", path)
		}
		if w.Concurrency["group"] == nil {
			t.Errorf("%s may run beside itself", path)
		}
		if text := read(t, path); strings.Contains(text, "pull_request_target") || strings.Contains(text, "workflow_run") {
			t.Errorf("%s may run what a stranger proposes, with this repository's rights", path)
		}
		for name, job := range w.Jobs {
			if job.Timeout == 0 || len(job.Permissions) == 0 || strings.HasSuffix(job.RunsOn, "latest") {
				t.Errorf("%s: the job %s lacks a timeout, permissions, or a machine of one version: %+v", path, name, job)
			}
			for scope, right := range job.Permissions {
				if key := fmt.Sprintf("%s %s %s", filepath.Base(path), name, scope); right != "read" && !writes[key] {
					t.Errorf("%s: %s", key, right)
				}
			}
			for _, step := range job.Steps {
				if strings.HasPrefix(step.Uses, "actions/checkout@") && step.With["persist-credentials"] != false {
					t.Errorf("%s: the job %s leaves its token in the tree", path, name)
				}
				if strings.Contains(step.Run, "${{") {
					t.Errorf("%s: the job %s puts an expression into a script: %s", path, name, step.Run)
				}
			}
		}
	}
}

var (
	usesLine  = regexp.MustCompile(`(?m)^ *(?:- )?uses: (\S+)@(\S+) # (\S+)$`)
	actionRow = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (v[0-9.]+) \\| `([0-9a-f]{40})` \\|")
)

// An action that is not pinned by digest is listed as such, and every other one with its digest.
func TestActionsArePinned(t *testing.T) {
	_, page, _ := strings.Cut(read(t, "dependencies.md"), "\n## Actions of the workflows\n")
	table, rest, found := strings.Cut(page, "\nUnpinned: ")
	if !found {
		t.Fatal("dependencies.md does not say which actions are unpinned")
	}
	unpinned, _, _ := strings.Cut(rest, "\n")
	var listed, used []string
	for _, row := range actionRow.FindAllStringSubmatch(table, -1) {
		listed = append(listed, fmt.Sprintf("%s@%s # %s", row[1], row[3], row[2]))
	}
	for path, w := range workflows(t) {
		uses := 0
		for _, job := range w.Jobs {
			for _, step := range job.Steps {
				if step.Uses != "" && !strings.Contains(unpinned, "`"+step.Uses+"`") {
					uses++
				}
			}
		}
		lines := usesLine.FindAllStringSubmatch(read(t, path), -1)
		if len(lines) != uses {
			t.Errorf("%s uses %d actions, and pins %d of them", path, uses, len(lines))
		}
		for _, line := range lines {
			used = append(used, fmt.Sprintf("%s@%s # %s", line[1], line[2], line[3]))
		}
	}
	slices.Sort(listed)
	slices.Sort(used)
	if used = slices.Compact(used); !slices.Equal(listed, used) {
		t.Errorf("dependencies.md lists\n%s\nand the workflows use\n%s", strings.Join(listed, "\n"), strings.Join(used, "\n"))
	}
}

var target = regexp.MustCompile(`\bmake ([a-z][a-z0-9-]*)`)

func TestWorkflowsMakeWhatThereIs(t *testing.T) {
	makefile := read(t, "../Makefile") + read(t, "../hack/kind/kind.mk")
	for path, w := range workflows(t) {
		for _, job := range w.Jobs {
			for _, step := range job.Steps {
				for _, m := range target.FindAllStringSubmatch(step.Run, -1) {
					if !strings.Contains(makefile, "\n"+m[1]+":") {
						t.Errorf("%s makes %s, which is no target", path, m[1])
					}
				}
			}
		}
	}
}
