package actions_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/pipeline"
	"github.com/towpath-dev/towpath/internal/pipeline/actions"
	"github.com/towpath-dev/towpath/internal/pipeline/conformance"
)

// engine runs workflows, each step by bash.
type engine struct{}

func TestConformance(t *testing.T) { conformance.Test(t, engine{}) }

func TestConformance_Settings(t *testing.T) { conformance.TestSettings(t, engine{}) }

func (engine) Unheeded() []string { return []string{"resources"} }

func (engine) Run(t *testing.T, c *conformance.Case) conformance.Outcome {
	in := actions.Input{Component: c.Input.Component, Parameters: c.Input.Parameters, Branch: "main", Image: c.Input.Image, Config: config()}
	in.Config.Record = actions.Record{Server: "https://kubernetes.example"}
	unknown := c.Input
	unknown.Build = pipeline.Build{}
	var err error
	if in.Plan, err = c.Compiled.Everything(unknown); err != nil {
		t.Fatal(err)
	}
	r := &runner{files: generate(t, in), github: event(&c.Input.Build), failing: c.Failing, result: c.Written,
		secrets: map[string]any{"NPM_TOKEN": conformance.SecretValue, "TOWPATH_TOKEN": "another secret"}}
	if c.Message != "" {
		r.github["event"].(map[string]any)["head_commit"] = map[string]any{"message": c.Message}
	}
	r.run(t, in.Component.Name)
	if t.Failed() {
		t.Log(r.log.String())
	}
	return r.outcome(t, &in)
}

// event is what GitHub tells of a Build.
func event(build *pipeline.Build) map[string]any {
	github := map[string]any{
		"event_name": "push", "ref_type": "branch", "ref_name": build.Branch, "sha": build.SHA, "repository": "shop/checkout",
		"server_url": "https://github.example", "run_id": "1", "ref": "refs/heads/" + build.Branch, "event": map[string]any{},
	}
	if build.Tag != "" {
		github["ref_type"], github["ref_name"] = "tag", build.Tag
	}
	if build.PullRequest != 0 {
		github["event_name"], github["head_ref"] = "pull_request", build.Branch
		github["ref_name"], github["sha"] = "7/merge", strings.Repeat("00", 20)
		github["event"] = map[string]any{"pull_request": map[string]any{
			"number": build.PullRequest, "head": map[string]any{"sha": build.SHA, "label": "shop:" + build.Branch, "repo": map[string]any{"full_name": "shop/checkout"}},
		}}
	}
	return github
}

// outcome tells what came of it, by what the containers were given and what was recorded.
func (r *runner) outcome(t *testing.T, in *actions.Input) conformance.Outcome {
	t.Helper()
	out := conformance.Outcome{Began: r.began, Seen: map[string]conformance.Seen{}, States: map[string]v1alpha1.StageState{}, Result: v1alpha1.BuildSucceeded}
	for _, content := range r.files {
		out.Sent += string(content)
	}
	blocked := func(id string) bool {
		job := r.needs[id].(map[string]any)
		return job["result"] == "failure"
	}
	for i := range in.Plan.Steps {
		step := &in.Plan.Steps[i]
		state := v1alpha1.StageSucceeded
		switch {
		case step.Skipped: // it has no job
			state = v1alpha1.StageSkipped
		case slices.Contains(r.failing, step.Name):
			state, out.Result = v1alpha1.StageFailed, v1alpha1.BuildFailed
		case !slices.Contains(r.began, step.Name):
			state = v1alpha1.StageCancelled
			if show(r.needs["towpath_plan"].(map[string]any)["outputs"].(map[string]any)[step.Stage]) == "false" {
				state = v1alpha1.StageSkipped
			}
		}
		out.States[step.Name] = state
		if state == v1alpha1.StageFailed && !blocked(step.Stage) {
			t.Errorf("job %s should have failed", step.Stage)
		}
		if tries := r.tries[step.Name]; len(tries) > 0 {
			out.Seen[step.Name] = seen(step, tries)
		}
	}
	if r.github["event_name"] == "push" {
		want := "--result=" + string(out.Result)
		for _, arg := range r.recorded {
			if image, found := strings.CutPrefix(arg, "--image="); found {
				out.Image = image
			}
		}
		// A Build that succeeds without an image is not recorded.
		if nothing := r.recorded == nil && out.Result == v1alpha1.BuildSucceeded; !nothing && !slices.Contains(r.recorded, want) {
			t.Errorf("what was recorded is %q, and not %s\n%s", r.recorded, want, r.log.String())
		}
	}
	return out
}

// seen is what the first try got: all get the same.
func seen(step *pipeline.Step, tries []container) conformance.Seen {
	first := tries[0]
	_, script, _ := bytes.Cut([]byte(first.Script), []byte("\n")) // the first line says who wrote the file
	got := conformance.Seen{Image: first.Image, Script: string(script), Args: first.Args, Env: first.Env, Secrets: map[string]string{}, Tries: len(tries)}
	for _, e := range step.SecretEnv {
		if first.Env[e.Name] == conformance.SecretValue {
			got.Secrets[e.Name] = e.SecretKeyRef.Key
		}
	}
	return got
}
