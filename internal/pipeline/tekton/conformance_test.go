package tekton_test

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/pipeline"
	"github.com/towpath-dev/towpath/internal/pipeline/conformance"
	"github.com/towpath-dev/towpath/internal/pipeline/tekton"
)

// engine plays Tekton: it begins each task once those before it have succeeded, and none any more once one has failed.
type engine struct{}

func TestConformance(t *testing.T) { conformance.Test(t, engine{}) }

func TestConformance_Settings(t *testing.T) { conformance.TestSettings(t, engine{}) }

func (engine) Unheeded() []string { return []string{"cache", "TOWPATH_BUILT_IMAGE"} }

func (engine) Run(t *testing.T, c *conformance.Case) conformance.Outcome {
	plan, err := c.Compiled.Plan(c.Input)
	if err != nil {
		t.Fatal(err)
	}
	made, err := tekton.PipelineRun(run(), &plan)
	if err != nil {
		t.Fatal(err)
	}
	out := conformance.Outcome{Seen: map[string]conformance.Seen{}, States: map[string]v1alpha1.StageState{}}
	text, err := json.Marshal(made.Object.Object)
	if err != nil {
		t.Fatal(err)
	}
	out.Sent = string(text)
	tasks, _, _ := unstructured.NestedSlice(made.Object.Object, "spec", "pipelineSpec", "tasks")
	var ended []*unstructured.Unstructured
	status, reason := "True", "Completed"
	for failed := false; !failed; {
		before := slices.Clone(out.Began)
		for _, one := range tasks {
			task := one.(map[string]any)
			name := task["name"].(string)
			after, _, _ := unstructured.NestedStringSlice(task, "runAfter")
			if slices.Contains(before, name) || slices.ContainsFunc(after, func(need string) bool { return !slices.Contains(before, need) }) {
				continue
			}
			out.Began, out.Seen[name] = append(out.Began, name), seen(t, task, c.Written)
			if slices.Contains(c.Failing, name) {
				failed, status, reason = true, "False", "Failed"
				ended = append(ended, taskRun(t, name, "False", "Failed", ""))
			} else {
				ended = append(ended, taskRun(t, name, "True", "Succeeded", "  results: [{name: image, type: string, value: "+strconv.Quote(c.Written[name])+"}]\n"))
			}
		}
		if len(before) == len(out.Began) {
			break
		}
	}
	read := tekton.Read(&plan, c.Input.Image, pipelineRun(t, status, reason), ended)
	for _, stage := range read.Stages {
		out.States[stage.Name] = stage.State
	}
	out.Result = read.Result
	if out.Result == v1alpha1.BuildSucceeded {
		out.Image = pipeline.Made(&plan, read.Stages, c.Input.Reference())
	}
	return out
}

// seen is what the container of a task gets, once the kubelet has put its values there, and a script once it is shown again. That Tekton
// itself puts nothing there but the results that tasks take from others is for hack/tekton to show.
func seen(t *testing.T, task map[string]any, written map[string]string) conformance.Seen {
	t.Helper()
	retries, _, _ := unstructured.NestedInt64(task, "retries")
	steps, _, _ := unstructured.NestedSlice(task, "taskSpec", "steps")
	step := steps[0].(map[string]any)
	got := conformance.Seen{Image: step["image"].(string), Tries: int(retries) + 1, Env: map[string]string{}, Secrets: map[string]string{}}
	env, _, _ := unstructured.NestedSlice(step, "env")
	for _, one := range env {
		e := one.(map[string]any)
		if key, found, _ := unstructured.NestedString(e, "valueFrom", "secretKeyRef", "key"); found {
			got.Secrets[e["name"].(string)] = key
			continue
		}
		text := e["value"].(string)
		params, _, _ := unstructured.NestedSlice(task, "params")
		for _, one := range params {
			from, _, _ := unstructured.NestedString(one.(map[string]any), "value")
			producer, _, _ := strings.Cut(strings.TrimPrefix(from, "$(tasks."), ".")
			text = strings.ReplaceAll(text, "$(params."+one.(map[string]any)["name"].(string)+")", written[producer])
		}
		got.Env[e["name"].(string)] = conformance.Expand(text, got.Env)
	}
	args, _, _ := unstructured.NestedStringSlice(step, "args")
	if _, script := step["command"]; script {
		got.Script = show(t, got.Env["TOWPATH_SCRIPT"])
		for name := range strings.FieldsSeq(got.Env["TOWPATH_HIDDEN"]) {
			got.Env[name] = show(t, got.Env[name])
		}
		return got
	}
	for _, arg := range args {
		got.Args = append(got.Args, conformance.Expand(arg, got.Env))
	}
	return got
}

// show has a shell turn a hidden text back.
func show(t *testing.T, hidden string) string {
	t.Helper()
	shell := exec.CommandContext(t.Context(), "/bin/sh", "-c", `printf '%b' "$HIDDEN"`)
	shell.Env = []string{"HIDDEN=" + hidden}
	out, err := shell.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
