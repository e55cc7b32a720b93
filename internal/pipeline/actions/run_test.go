package actions_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	yamlv3 "go.yaml.in/yaml/v3"

	"github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/pipeline"
	"github.com/towpath-dev/towpath/internal/pipeline/actions"
)

// play runs the workflow of a pipeline on a push to main, unless change says otherwise.
func play(t *testing.T, p v1alpha1.Pipeline, change func(*actions.Input, *runner)) *runner {
	t.Helper()
	in := input(t, p)
	in.Config.Record = actions.Record{Server: "https://kubernetes.example"}
	r := &runner{
		github:  event(&pipeline.Build{SHA: strings.Repeat("ab", 20), Branch: "main"}),
		secrets: map[string]any{"TOWPATH_TOKEN": "another secret"}, result: map[string]string{},
	}
	if change != nil {
		change(&in, r)
	}
	r.files = generate(t, in)
	r.run(t, "checkout")
	return r
}

var digest = "sha256:" + strings.Repeat("d", 64)

// pushing has a stage of its own that pushes, and the standard one.
func pushing() v1alpha1.Pipeline {
	return v1alpha1.Pipeline{Stages: []v1alpha1.Stage{
		{Name: "image", Standard: v1alpha1.StageImage}, {Name: "after", Image: "shell:1", Script: "true", Needs: []string{"image"}},
	}}
}

func TestRun_WhatWasPushedReachesLaterStagesAndTheRecord(t *testing.T) {
	const ours = "registry.example/shop/checkout"
	for name, tt := range map[string]struct{ written, want string }{
		"a digest":               {digest, ours + "@" + digest},
		"a reference":            {ours + ":1.0@" + digest + "\n", ours + "@" + digest},
		"an image of others":     {"evil.example/x@" + digest, ""},
		"ours as a prefix":       {ours + "-evil@" + digest, ""},
		"something to be run":    {"$(id)@" + digest, ""},
		"a line of an output":    {"x\nimage=evil.example/x@" + digest, ""},
		"a digest that is short": {"sha256:dddd", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := play(t, pushing(), func(_ *actions.Input, r *runner) { r.result["image"] = tt.written })
			if got := r.tries["after"][0].Env["TOWPATH_BUILT_IMAGE"]; got != tt.want {
				t.Errorf("the stage after it has %q, want %q", got, tt.want)
			}
			recorded := "--image=" + tt.want
			if tt.want == "" {
				recorded = "--image=" + ours + ":" + strings.Repeat("ab", 20)
			}
			if !slices.Contains(r.recorded, recorded) {
				t.Errorf("recorded is %q, want %q", r.recorded, recorded)
			}
		})
	}
}

// What a stage puts beside the image is no image, for those after it and for the record.
func TestRun_EvidenceIsRecordedAsWhatItIs(t *testing.T) {
	const ours = "registry.example/shop/checkout@"
	signature := "sha256:" + strings.Repeat("e", 64)
	p := pushing()
	p.Stages[0].Standard, p.Stages[0].Image, p.Stages[0].Script = "", "shell:1", "true"
	p.Stages = []v1alpha1.Stage{p.Stages[0], {Name: "sign", Standard: v1alpha1.StageSign, Needs: []string{"image"}}, p.Stages[1]}
	p.Stages[2].Needs = []string{"sign"}
	r := play(t, p, func(_ *actions.Input, r *runner) { r.result["image"], r.result["sign"] = digest, signature })
	if got := r.tries["after"][0].Env["TOWPATH_BUILT_IMAGE"]; got != ours+digest {
		t.Errorf("the stage after it has %q", got)
	}
	if !slices.Contains(r.recorded, "--image="+ours+digest) || !slices.Contains(r.recorded, "--signature="+ours+signature) {
		t.Errorf("recorded is %q", r.recorded)
	}
}

func TestRun_TheRecordSaysWhatIsKnown(t *testing.T) {
	r := play(t, pushing(), nil)
	want := []string{
		"build", "record", "checkout", "--namespace=team-shop", "--commit=" + strings.Repeat("ab", 20), "--branch=main", "--tag=", "--result=Succeeded",
		"--url=https://github.example/shop/checkout/actions/runs/1", "--committed-at=Mallory $(id) <m@example.com>", "--author=Mallory $(id) <m@example.com>",
		"--message=Mallory $(id) <m@example.com>", "--repository=/repository", "--github", "--image=registry.example/shop/checkout:" + strings.Repeat("ab", 20),
	}
	if !slices.Equal(r.recorded, want) {
		t.Errorf("recorded\n%q, want\n%q", r.recorded, want)
	}
}

// What has no image, or did not come to the branch, is not recorded.
func TestRun_NothingIsRecorded(t *testing.T) {
	left := pushing()
	left.Stages[0].When = "${build.branch == 'other'}"
	for name, r := range map[string]*runner{
		"where the image was left out": play(t, left, nil),
		"of a pull request": play(t, pushing(), func(_ *actions.Input, r *runner) {
			r.github = event(&pipeline.Build{SHA: strings.Repeat("ab", 20), Branch: "main", PullRequest: 7})
		}),
	} {
		if r.recorded != nil {
			t.Errorf("%s: %q is recorded", name, r.recorded)
		}
	}
}

// GitHub gives an empty text for a secret that the repository does not have.
func TestRun_AStageWhoseSecretIsMissingFails(t *testing.T) {
	p := pushing()
	p.Stages[1].SecretEnv = []v1alpha1.SecretEnvVar{
		{Name: "TOKEN", SecretKeyRef: v1alpha1.SecretKeyReference{Name: "npm", Key: "NPM_TOKEN"}},
		{Name: "COSIGN_PASSWORD", SecretKeyRef: v1alpha1.SecretKeyReference{Name: "cosign", Key: "COSIGN_PASSWORD"}},
	}
	r := play(t, p, func(_ *actions.Input, r *runner) { r.secrets["NPM_TOKEN"], r.secrets["COSIGN_PASSWORD"] = "", "" })
	if len(r.tries["after"]) > 0 || !slices.Contains(r.recorded, "--result=Failed") || !strings.Contains(r.log.String(), "the repository has no secret NPM_TOKEN") {
		t.Errorf("without it: tries %v, recorded %q\n%s", r.tries["after"], r.recorded, r.log.String())
	}
	r = play(t, p, func(_ *actions.Input, r *runner) {
		r.secrets["NPM_TOKEN"], r.secrets["COSIGN_PASSWORD"] = "a secret", ""
	})
	if tries := r.tries["after"]; len(tries) != 1 || tries[0].Env["TOKEN"] != "a secret" {
		t.Errorf("without the password alone: tries %v\n%s", tries, r.log.String())
	}
}

// A file that was moved has changed where it was, too: conditions on that folder must see it.
func TestRun_AMovedFileChangesBothPaths(t *testing.T) {
	repository, temporary := t.TempDir(), t.TempDir()
	git := func(args ...string) string {
		command := exec.CommandContext(t.Context(), "git", append([]string{"-c", "user.name=a", "-c", "user.email=a@example.com", "-C", repository}, args...)...)
		out, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v: %s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("init", "--quiet")
	git("config", "diff.renames", "copies")
	if err := os.WriteFile(filepath.Join(repository, "old.go"), []byte(strings.Repeat("the same\n", 50)), 0o600); err != nil {
		t.Fatal(err)
	}
	git("add", ".")
	git("commit", "--quiet", "--message", "first")
	base := git("rev-parse", "HEAD")
	git("mv", "old.go", "new.go")
	git("commit", "--quiet", "--message", "second")
	p := pushing()
	p.Stages[1].When = "${build.changedPaths.exists(p, p == 'old.go')}"
	var w struct {
		Jobs map[string]struct{ Steps []yamlStep }
	}
	if err := yamlv3.Unmarshal(generate(t, input(t, p))[actions.Workflow("checkout")], &w); err != nil {
		t.Fatal(err)
	}
	steps := w.Jobs["towpath_plan"].Steps
	found := steps[slices.IndexFunc(steps, func(s yamlStep) bool { return s.Name == "Find out what changed" })]
	shell := exec.CommandContext(t.Context(), "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", found.Run)
	shell.Dir = repository
	shell.Env = append(os.Environ(), "RUNNER_TEMP="+temporary, "TOWPATH_BASE="+base, "TOWPATH_COMMIT="+git("rev-parse", "HEAD"))
	if out, err := shell.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	changed, err := os.ReadFile(filepath.Join(temporary, "changed-paths")) //nolint:gosec // a folder of the test
	if err != nil || string(changed) != "new.go\x00old.go\x00" {
		t.Errorf("what changed is %q, %v", changed, err)
	}
}

// A fork may call its branch as ours is called.
func TestRun_ABranchOfAForkIsNotOurs(t *testing.T) {
	p := pushing()
	p.Stages[0].When = "${build.branch == 'main'}"
	r := play(t, p, func(_ *actions.Input, r *runner) {
		r.github = event(&pipeline.Build{SHA: strings.Repeat("ab", 20), Branch: "main", PullRequest: 7})
		r.github["event"].(map[string]any)["pull_request"].(map[string]any)["head"] = map[string]any{
			"sha": strings.Repeat("ab", 20), "label": "mallory:main", "repo": map[string]any{"full_name": "mallory/checkout"},
		}
	})
	if slices.Contains(r.began, "image") {
		t.Errorf("the image of a fork was built: %v", r.began)
	}
	if got := r.tries["after"][0].Env["TOWPATH_BRANCH"]; got != "mallory:main" {
		t.Errorf("the branch is %q", got)
	}
}

// The fields of a source say what starts a workflow, as they say what is built in the cluster.
func TestRun_StartsByWhatTheSourceAsksFor(t *testing.T) {
	fork := func(r *runner) {
		r.github = event(&pipeline.Build{SHA: strings.Repeat("ab", 20), Branch: "fix", PullRequest: 7})
		r.github["event"].(map[string]any)["pull_request"].(map[string]any)["head"] = map[string]any{
			"sha": strings.Repeat("ab", 20), "label": "mallory:fix", "repo": map[string]any{"full_name": "mallory/checkout"},
		}
	}
	ours := func(r *runner) {
		r.github = event(&pipeline.Build{SHA: strings.Repeat("ab", 20), Branch: "fix", PullRequest: 7})
	}
	for name, c := range map[string]struct {
		event func(*runner)
		asked v1alpha1.SourcePullRequests
		runs  bool
	}{
		"a fork": {fork, "", true}, "a fork, and those of the repository are asked for": {fork, v1alpha1.PullRequestsSameRepository, false},
		"a request of the repository": {ours, v1alpha1.PullRequestsSameRepository, true},
		"a push":                      {func(*runner) {}, v1alpha1.PullRequestsSameRepository, true},
	} {
		r := play(t, pushing(), func(in *actions.Input, r *runner) {
			in.PullRequests = c.asked
			c.event(r)
		})
		if runs := len(r.began) == 2; runs != c.runs || !runs && len(r.began) > 0 {
			t.Errorf("%s: what ran is %v", name, r.began)
		}
	}
	in := input(t, pushing())
	in.Config.Record, in.PullRequests, in.Tags = actions.Record{Server: "https://kubernetes.example"}, v1alpha1.PullRequestsNone, []string{"checkout/v*"}
	text := string(generate(t, in)[actions.Workflow("checkout")])
	if strings.Contains(text, "  pull_request:") || !strings.Contains(text, "- checkout/v*") {
		t.Errorf("none was asked for, and tags by a pattern:\n%.600s", text)
	}
}

func TestRun_ArtifactsAreWhereTheyWere(t *testing.T) {
	p := v1alpha1.Pipeline{Stages: []v1alpha1.Stage{
		{Name: "one", Image: "shell:1", Script: "true", Artifacts: []string{"build/out", "missing"}},
		{Name: "two", Image: "shell:1", Script: "true", Needs: []string{"one"}},
		{Name: "three", Image: "shell:1", Script: "true", Needs: []string{"two"}},
	}}
	r := play(t, p, func(in *actions.Input, r *runner) {
		in.Component.Path, r.out = "services/checkout", map[string]string{"one": "made by one"}
	})
	if got := r.tries["one"][0].Folder; got != "/workspace/services/checkout" {
		t.Errorf("the stage runs in %s", got)
	}
	if tries := r.tries["three"]; len(tries) != 1 || tries[0].Found != "made by one" {
		t.Errorf("began %v, the last one found %v\n%s", r.began, tries, r.log.String())
	}
}

func TestRun_ABuildThatTakesTooLongFails(t *testing.T) {
	r := play(t, pushing(), func(in *actions.Input, _ *runner) { in.Plan.Timeout = 0 })
	if len(r.tries["image"]) > 0 || !slices.Contains(r.recorded, "--result=Failed") {
		t.Errorf("tries %v, recorded %q", r.tries["image"], r.recorded)
	}
	if !strings.Contains(r.log.String(), "taken longer than its pipeline allows") {
		t.Errorf("the log says\n%s", r.log.String())
	}
}

func TestDrift(t *testing.T) {
	want := actions.Files{".github/towpath/a/x.sh": []byte("x\n"), ".github/workflows/towpath-a.yaml": []byte("y\n"), ".github/towpath/a/same.sh": []byte("same\n")}
	mark := []byte("# Made by towpath pipeline sync for Component b: changes are overwritten. Change the ServiceTemplate instead.\n")
	got := actions.Drift(want, actions.Files{
		".github/towpath/a/x.sh": []byte("z\n"), ".github/towpath/a/same.sh": []byte("same\r\n"), ".github/towpath/b/old.sh": mark,
		".github/workflows/towpath-b.yaml": mark, ".github/workflows/towpath-own.yaml": []byte("name: mine\n"), ".github/workflows/ci.yaml": mark,
		".github/towpath/README.md": []byte("mine"),
	})
	if want := []actions.Difference{
		{Path: ".github/towpath/a/x.sh", State: actions.Changed}, {Path: ".github/towpath/b/old.sh", State: actions.Stale},
		{Path: ".github/workflows/towpath-a.yaml", State: actions.Missing}, {Path: ".github/workflows/towpath-b.yaml", State: actions.Stale},
	}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
