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
	Jobs        map[string]job    `json:"jobs"`
}

type job struct {
	Permissions map[string]string `json:"permissions"`
	Timeout     int               `json:"timeout-minutes"`
	RunsOn      string            `json:"runs-on"`
	Env         map[string]string `json:"env"`
	Steps       []struct {
		Uses string            `json:"uses"`
		With map[string]any    `json:"with"`
		Run  string            `json:"run"`
		Env  map[string]string `json:"env"`
	} `json:"steps"`
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

// makes are the targets that a job calls.
func (j job) makes() []string {
	var all []string
	for _, step := range j.Steps {
		for _, m := range target.FindAllStringSubmatch(step.Run, -1) {
			all = append(all, m[1])
		}
	}
	return all
}

func makefile(t *testing.T) string {
	t.Helper()
	return read(t, "../Makefile") + "\n" + read(t, "../hack/kind/kind.mk")
}

func TestWorkflowsMakeWhatThereIs(t *testing.T) {
	text := makefile(t)
	for path, w := range workflows(t) {
		for _, job := range w.Jobs {
			for _, name := range job.makes() {
				if !strings.Contains(text, "\n"+name+":") {
					t.Errorf("%s makes %s, which is no target", path, name)
				}
			}
		}
	}
}

const historyRequired = "TOWPATH_HISTORY_REQUIRED"

// A checkout of GitHub has one commit unless it is told otherwise, and a spec that begins with an older version is skipped without its
// commit: so each job that runs such specs fetches all commits, and has a spec fail that finds none.
func TestWorkflowsFetchTheHistoryThatUpgradesNeed(t *testing.T) {
	history := historyTargets(t)
	for _, name := range []string{"test", "test-integration", "test-upgrade", "upgrade-fixtures", "test-e2e"} {
		if !history[name] {
			t.Errorf("%s is not seen to need history, so this test would show nothing", name)
		}
	}
	seen := map[string]bool{}
	for path, w := range workflows(t) {
		for name, job := range w.Jobs {
			for _, target := range job.makes() {
				if !history[target] {
					continue
				}
				seen[target] = true
				if !job.fetchesHistory() {
					t.Errorf("%s: the job %s makes %s, which needs commits of older versions: its checkout must have fetch-depth: 0", path, name, target)
				}
				if job.Env[historyRequired] != "1" && !strings.Contains(makefile(t), "\n"+target+": export "+historyRequired+" := 1\n") {
					t.Errorf("%s: the job %s makes %s without env %s: '1', so it would skip what it cannot build", path, name, target, historyRequired)
				}
			}
		}
	}
	for _, name := range []string{"test-integration", "test-upgrade", "test-e2e"} {
		if !seen[name] {
			t.Errorf("no workflow makes %s", name)
		}
	}
}

func (j job) fetchesHistory() bool {
	for _, step := range j.Steps {
		if strings.HasPrefix(step.Uses, "actions/checkout@") {
			depth, set := step.With["fetch-depth"].(float64)
			return set && depth == 0
		}
	}
	return false
}

var (
	makeRule = regexp.MustCompile(`(?m)^([a-z][a-z0-9-]*):([^=#\n]*)(?:#.*)?\n((?:\t.*\n)*)`)
	// runsVersions are what recipes run the suites by that build older versions: themselves, or all that start a control plane.
	runsVersions = regexp.MustCompile(`\./test/upgrade\b|\btest/kind/run\.sh\b|grep -E \$\(starts_cluster\)`)
	word         = regexp.MustCompile(`[a-z][a-z0-9-]+`)
)

// historyTargets are the targets that run suites which build older versions, by themselves or by other targets.
func historyTargets(t *testing.T) map[string]bool {
	t.Helper()
	suites, err := filepath.Glob("../test/*/*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var build []string
	for _, suite := range suites {
		if strings.Contains(read(t, suite), "framework.ReadVersions(") {
			build = append(build, filepath.Base(filepath.Dir(suite)))
		}
	}
	slices.Sort(build)
	if build = slices.Compact(build); !slices.Equal(build, []string{"kind", "upgrade"}) {
		t.Fatalf("the suites %v build older versions: runsVersions must know them", build)
	}
	history, calls := map[string]bool{}, map[string][]string{}
	for _, m := range makeRule.FindAllStringSubmatch(makefile(t), -1) {
		name, prerequisites, recipe := m[1], m[2], m[3]
		history[name] = history[name] || runsVersions.MatchString(recipe)
		calls[name] = append(calls[name], strings.Fields(prerequisites)...)
		if strings.Contains(recipe, "$(MAKE)") {
			calls[name] = append(calls[name], word.FindAllString(recipe, -1)...)
		}
	}
	for more := true; more; {
		more = false
		for name, called := range calls {
			if !history[name] && slices.ContainsFunc(called, func(other string) bool { return history[other] }) {
				history[name], more = true, true
			}
		}
	}
	return history
}
