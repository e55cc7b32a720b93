package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// repository is a folder with the files of a Component, and what a path of it holds.
func repository(t *testing.T) (dir string, read func(path string) string) {
	t.Helper()
	dir = t.TempDir()
	put(t, filepath.Join(dir, "component.yaml"), fixture(t, "component.yaml"))
	return dir, func(path string) string {
		text, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
}

func fixture(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "pipeline", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func sync(t *testing.T, dir string, args ...string) call {
	t.Helper()
	return offlineCall(t, "", append([]string{"pipeline", "sync", "--config", "testdata/pipeline/platform.yaml", "--templates", "testdata/pipeline/template.yaml", "--dir", dir}, args...)...)
}

const firstSync = `
wrote .github/towpath/checkout/conditions.json
wrote .github/towpath/checkout/docs.sh
wrote .github/towpath/checkout/slow.sh
wrote .github/towpath/checkout/test.sh
wrote .github/workflows/towpath-checkout.yaml
`

func TestPipelineSyncWritesWhatDiffersAndNothingElse(t *testing.T) {
	dir, read := repository(t)
	put(t, filepath.Join(dir, filepath.FromSlash(".github/workflows/own.yaml")), "mine")
	expect(t, sync(t, dir), exitOK, firstSync, "")
	expect(t, sync(t, dir), exitOK, "", "")
	expect(t, sync(t, dir, "--check"), exitOK, "", "")
	put(t, filepath.Join(dir, filepath.FromSlash(".github/towpath/checkout/test.sh")), "true\n")
	put(t, filepath.Join(dir, filepath.FromSlash(".github/towpath/checkout/gone.sh")), "true\n")
	put(t, filepath.Join(dir, filepath.FromSlash(".github/towpath/other/gone.sh")), "true\n")
	expect(t, sync(t, dir), exitOK, `
removed .github/towpath/checkout/gone.sh
wrote .github/towpath/checkout/test.sh
removed .github/towpath/other/gone.sh
`, "")
	if script := read(".github/towpath/checkout/test.sh"); !strings.HasSuffix(script, "\ngo test ./...\n") {
		t.Errorf("the script is\n%s", script)
	}
	if read(".github/workflows/own.yaml") != "mine" {
		t.Error("the file of somebody else was touched")
	}
}

// What the guide shows is pasted, with the commits and digests of whoever pastes it, some of which are of digits alone.
func TestPipelineSyncTakesTheSettingsOfTheGuide(t *testing.T) {
	text, err := os.ReadFile("../../docs/guides/pipelines-github.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(text), "<!-- yaml: file of towpath pipeline sync -->\n```yaml\n")
	block, _, found := strings.Cut(block, "\n```\n")
	if !found {
		t.Fatal("the guide shows no settings")
	}
	dir, _ := repository(t)
	settings := filepath.Join(t.TempDir(), "platform.yaml")
	put(t, settings, strings.ReplaceAll(block, "sha256:…", "sha256:"+strings.Repeat("1", 64)))
	expect(t, sync(t, dir, "--config", settings), exitOK, firstSync, "")
}

func TestPipelineSyncOfOneFileLeavesOtherComponentsAlone(t *testing.T) {
	dir, _ := repository(t)
	put(t, filepath.Join(dir, filepath.FromSlash(".github/towpath/other/test.sh")), "true\n")
	expect(t, sync(t, dir, "-f", filepath.Join(dir, "component.yaml")), exitOK, firstSync, "")
	expect(t, sync(t, dir, "-f", filepath.Join(dir, "component.yaml"), "--check"), exitOK, "", "")
}

func TestPipelineSyncCheckShowsAPatchThatGitTakes(t *testing.T) {
	dir, read := repository(t)
	sync(t, dir)
	want := read(".github/workflows/towpath-checkout.yaml")
	put(t, filepath.Join(dir, filepath.FromSlash(".github/workflows/towpath-checkout.yaml")), strings.Replace(want, "timeout-minutes: 45", "timeout-minutes: 60", 1))
	put(t, filepath.Join(dir, filepath.FromSlash(".github/towpath/checkout/gone.sh")), "true\n")
	if err := os.Remove(filepath.Join(dir, filepath.FromSlash(".github/towpath/checkout/test.sh"))); err != nil {
		t.Fatal(err)
	}
	got := sync(t, dir, "--check")
	if got.code != exitFindings || !strings.Contains(got.out, "-    timeout-minutes: 60\n+    timeout-minutes: 45\n") {
		t.Errorf("got %+v", got)
	}
	if want := "towpath: the repository is behind its golden path in 3 files\nnext: towpath pipeline sync --config testdata/pipeline/platform.yaml, and commit what it writes\n"; got.err != want {
		t.Errorf("stderr %q", got.err)
	}
	git := exec.CommandContext(t.Context(), "git", "apply", "-")
	git.Dir, git.Stdin = dir, strings.NewReader(got.out)
	if out, err := git.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s\n%s", err, out, got.out)
	}
	expect(t, sync(t, dir, "--check"), exitOK, "", "")
}

func TestPipelineSyncStaysInTheRepository(t *testing.T) {
	dir, _ := repository(t)
	outside := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, ".github"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, filepath.FromSlash(".github/towpath"))); err != nil {
		t.Fatal(err)
	}
	if got := sync(t, dir); got.code != exitTrouble {
		t.Errorf("got %+v", got)
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) > 0 {
		t.Errorf("%v was written outside: %v", entries, err)
	}
}

func TestPipelineSyncTakesGoldenPathsFromTheCluster(t *testing.T) {
	dir, _ := repository(t)
	template := &platformv1alpha1.ServiceTemplate{}
	if err := yaml.Unmarshal([]byte(fixture(t, "template.yaml")), template); err != nil {
		t.Fatal(err)
	}
	args := []string{"pipeline", "sync", "--config", "testdata/pipeline/platform.yaml", "--dir", dir, "--from-cluster"}
	expect(t, towpath(t, []client.Object{template}, args...), exitOK, firstSync, "")
	got := towpath(t, nil, args...)
	if got.code != exitFindings || !strings.Contains(got.err, `the cluster has no ServiceTemplate "built"`) {
		t.Errorf("got %+v", got)
	}
}

func TestPipelineSyncSaysWhatIsWrong(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(t *testing.T, dir string) []string
		code   int
		want   string
	}{
		"an action without a commit": {func(t *testing.T, dir string) []string {
			put(t, filepath.Join(dir, "platform.yaml"), strings.Replace(fixture(t, "platform.yaml"), "actions/checkout", "actions/cache", 1))
			return []string{"--config", filepath.Join(dir, "platform.yaml")}
		}, exitFindings, `component.yaml:6: Component/checkout: spec.source: the workflow uses actions/checkout, and the platform's configuration does not say which commit`},
		"a tag for a commit": {func(t *testing.T, dir string) []string {
			put(t, filepath.Join(dir, "platform.yaml"), strings.Replace(fixture(t, "platform.yaml"), strings.Repeat("1", 40), "v5", 1))
			return []string{"--config", filepath.Join(dir, "platform.yaml")}
		}, exitTrouble, `pipeline.actions: pins.actions/checkout: "v5" must be a commit`},
		"no image": {func(t *testing.T, dir string) []string {
			put(t, filepath.Join(dir, "component.yaml"), strings.Replace(fixture(t, "component.yaml"), "    image: registry.example/shop/checkout\n", "", 1))
			return nil
		}, exitFindings, "spec.source.image must be set"},
		"a golden path without a pipeline": {func(t *testing.T, dir string) []string {
			put(t, filepath.Join(dir, "component.yaml"), strings.Replace(fixture(t, "component.yaml"), "{name: built}", "{name: settings}", 1))
			return []string{"--templates", "testdata/template.yaml"}
		}, exitFindings, "ServiceTemplate settings has no pipeline"},
		"no Component at all": {func(t *testing.T, _ string) []string {
			return []string{"--dir", t.TempDir()}
		}, exitTrouble, "has no file component.yaml"},
		"no settings": {func(*testing.T, string) []string { return []string{"--config", ""} }, exitTrouble, "with --config"},
		"another engine": {func(t *testing.T, dir string) []string {
			put(t, filepath.Join(dir, "component.yaml"), strings.Replace(fixture(t, "component.yaml"), "GitHubActions", "Jobs", 1))
			return nil
		}, exitOK, "note: no Component of the files has GitHubActions as its source.engine"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, _ := repository(t)
			got := sync(t, dir, tt.change(t, dir)...)
			if got.code != tt.code || !strings.Contains(got.err, tt.want) {
				t.Errorf("got %d\n%s\nwant %d, %q", got.code, got.err, tt.code, tt.want)
			}
		})
	}
}

func TestPipelineWhenEvaluatesConditions(t *testing.T) {
	dir, _ := repository(t)
	sync(t, dir)
	changed := filepath.Join(dir, "changed")
	put(t, changed, "docs/a b.md\x00main.go\x00")
	put(t, filepath.Join(dir, "none"), "")
	conditions := filepath.Join(dir, filepath.FromSlash(".github/towpath/checkout/conditions.json"))
	for name, tt := range map[string]struct {
		branch, number string
		args           []string
		want           string
	}{
		"the branch":             {"main", "", []string{"--changed-paths", changed}, "slow=true\ndocs=true\n"},
		"another branch":         {"main'; id; '", "7", []string{"--changed-paths", filepath.Join(dir, "none")}, "slow=false\ndocs=false\n"},
		"no knowledge of paths":  {"main", "", nil, "slow=true\ndocs=true\n"},
		"a branch of an outside": {"mallory:main", "7", nil, "slow=false\ndocs=true\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TOWPATH_BRANCH", tt.branch)
			t.Setenv("TOWPATH_TAG", "")
			t.Setenv("TOWPATH_PULL_REQUEST", tt.number)
			expect(t, offlineCall(t, "", append([]string{"pipeline", "when", "--conditions", conditions}, tt.args...)...), exitOK, tt.want, "")
		})
	}
	t.Setenv("TOWPATH_PULL_REQUEST", "x")
	if got := offlineCall(t, "", "pipeline", "when", "--conditions", conditions); got.code != exitTrouble || !strings.Contains(got.err, `"x" must be a number`) {
		t.Errorf("got %+v", got)
	}
}

// checksTheWorkflow holds the CI of a repository that new made to the command by which it checks the workflow of hello: as made, and once changed.
func checksTheWorkflow(t *testing.T, dir string) {
	t.Helper()
	_, command, found := strings.Cut(read(t, filepath.Join(dir, ".github", "workflows", "component-lint.yaml")), `"$(go env GOPATH)/bin/towpath" pipeline `)
	command, _, _ = strings.Cut(command, "\n")
	if !found {
		t.Fatal("CI does not check the workflow")
	}
	check := append([]string{"pipeline"}, strings.Fields(strings.ReplaceAll(command, ".towpath/", filepath.Join(dir, ".towpath")+"/"))...)
	if got := towpath(t, nil, append(check, "--dir", dir)...); got.code != exitOK || got.out != "" {
		t.Errorf("%s: %+v", command, got)
	}
	put(t, filepath.Join(dir, filepath.FromSlash(".github/towpath/hello/test.sh")), "true\n")
	if got := towpath(t, nil, append(check, "--dir", dir)...); got.code != exitFindings {
		t.Errorf("%s, of a script that was changed: %+v", command, got)
	}
}
