package jobs_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/pipeline"
	"github.com/towpath-dev/towpath/internal/pipeline/conformance"
	"github.com/towpath-dev/towpath/internal/pipeline/jobs"
	"github.com/towpath-dev/towpath/internal/render"
)

// engine plays the controller: it advances the stages, and has each Job end as the case says.
type engine struct{}

func TestConformance(t *testing.T) { conformance.Test(t, engine{}) }

func TestConformance_Settings(t *testing.T) { conformance.TestSettings(t, engine{}) }

func (engine) Unheeded() []string { return nil }

func (engine) Run(t *testing.T, c *conformance.Case) conformance.Outcome {
	plan, err := c.Compiled.Plan(c.Input)
	if err != nil {
		t.Fatal(err)
	}
	out := conformance.Outcome{Seen: map[string]conformance.Seen{}, States: map[string]platformv1alpha1.StageState{}}
	stages, ended, now := pipeline.Begin(&plan), map[string]pipeline.Outcome{}, time.Unix(1790000000, 0)
	for out.Result == "" {
		pipeline.Advance(&plan, stages, ended, now)
		for i := range stages {
			if _, known := out.Seen[stages[i].Name]; known || stages[i].State != platformv1alpha1.StageRunning {
				continue
			}
			out.Began = append(out.Began, stages[i].Name)
			out.Seen[stages[i].Name] = seen(t, &plan, stages, stages[i].Name, &out)
			pushed, _ := pipeline.ReadResult(c.Written[stages[i].Name], c.Input.Image)
			ended[stages[i].Name] = pipeline.Outcome{Succeeded: !slices.Contains(c.Failing, stages[i].Name), Image: pushed, At: now}
		}
		now = now.Add(time.Minute)
		out.Result = pipeline.Result(stages)
	}
	for _, stage := range stages {
		out.States[stage.Name] = stage.State
	}
	if out.Result == platformv1alpha1.BuildSucceeded {
		out.Image = pipeline.Made(&plan, stages, c.Input.Reference())
	}
	return out
}

// seen is what the container of a Job gets, once the kubelet has put its values there.
func seen(t *testing.T, plan *pipeline.Plan, stages []platformv1alpha1.BuildStage, name string, out *conformance.Outcome) conformance.Seen {
	t.Helper()
	run := &jobs.Run{
		Input: render.Input{Component: "checkout", HomeNamespace: "team-shop", Team: "shop", Environment: render.Environment{Name: "dev", Namespace: "shop-dev"}},
		Build: "checkout-abab", UID: "5b9c1c1e-7a5e-4d0c-9d0a-3f1f6f2f7a11", Workspace: jobs.Workspace{Size: resource.MustParse("1Gi")},
		Cache: "checkout-cache-0123456789", CachePaths: jobs.CachePaths(plan), BuiltImage: pipeline.PushedBefore(plan, stages, name),
	}
	index := slices.IndexFunc(plan.Steps, func(s pipeline.Step) bool { return s.Name == name })
	made, err := jobs.Job(run, &plan.Steps[index])
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(made.Object.Object)
	if err != nil {
		t.Fatal(err)
	}
	out.Sent += string(text)
	job := &batchv1.Job{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(made.Object.Object, job); err != nil {
		t.Fatal(err)
	}
	container := job.Spec.Template.Spec.Containers[0]
	got := conformance.Seen{Image: container.Image, Tries: int(*job.Spec.BackoffLimit) + 1, Env: map[string]string{}, Secrets: map[string]string{}}
	for _, e := range container.Env {
		if e.ValueFrom != nil {
			got.Secrets[e.Name] = e.ValueFrom.SecretKeyRef.Key
			continue
		}
		got.Env[e.Name] = conformance.Expand(e.Value, got.Env)
	}
	if len(container.Command) > 0 {
		got.Script = conformance.Expand(container.Command[3], got.Env)
	}
	for _, arg := range container.Args {
		got.Args = append(got.Args, conformance.Expand(arg, got.Env))
	}
	return got
}
