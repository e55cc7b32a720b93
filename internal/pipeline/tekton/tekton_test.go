package tekton_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	"github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/pipeline"
	"github.com/towpath-dev/towpath/internal/pipeline/jobs"
	"github.com/towpath-dev/towpath/internal/pipeline/tekton"
	"github.com/towpath-dev/towpath/internal/render"
)

var update = flag.Bool("update", false, "write the golden files anew")

func input() pipeline.Input {
	return pipeline.Input{
		Component:  pipeline.Component{Name: "checkout", Namespace: "team-shop", Team: "shop", Repository: "https://git.example/shop/checkout"},
		Parameters: map[string]any{"hostile": hostile},
		Build:      pipeline.Build{SHA: strings.Repeat("ab", 20), Branch: "main"},
		Image:      "registry.example/shop/checkout",
		Standard: pipeline.Standard{
			Clone: "registry.example/git:1", Buildkitd: "tcp://buildkitd.example:1234",
			Images: map[v1alpha1.StandardStage]string{v1alpha1.StageImage: "registry.example/buildctl:1", v1alpha1.StageScan: "registry.example/grype:1"},
		},
	}
}

func run() *tekton.Run {
	return &tekton.Run{
		Input: render.Input{
			OwnerUID: "5b9c1c1e-7a5e-4d0c-9d0a-3f1f6f2f7a11", Component: "checkout", HomeNamespace: "team-shop", Team: "shop", CostCenter: "cc-1",
			Environment: render.Environment{Name: "dev", Namespace: "shop-dev", Tier: v1alpha1.TierDevelopment, Class: "development"},
			Template:    "web-service", Revision: 3,
		},
		Build: "checkout-abab", Name: "checkout-pipeline-0123456789", Image: "registry.example/shop/checkout", Secret: "git", Claim: "checkout-sources-0123456789", Path: "services/checkout",
	}
}

func plan(t *testing.T, in pipeline.Input, stages ...v1alpha1.Stage) pipeline.Plan {
	t.Helper()
	compiled, errs := pipeline.Compile(&v1alpha1.Pipeline{Stages: stages}, nil, field.NewPath("spec", "pipeline"))
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	made, err := compiled.Plan(in)
	if err == nil {
		made, err = jobs.WithClone(made, &in)
	}
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// hostile holds what shells, YAML, Kubernetes and Tekton each give a meaning. hack/tekton shows that it arrives as it is.
const hostile = "a'b\"c`id`$(id)$$(id)${HOME}$(params.built-image)$(context.taskRun.name)$(workspaces.sources.path)$(HOME)$(TOWPATH_DOLLAR)\\0044\\c\n- x # %s $1"

// whole uses what a pipeline has. hack/tekton knows the script of unit, and the arguments of lint.
func whole() []v1alpha1.Stage {
	return []v1alpha1.Stage{
		{
			Name: "unit", Image: "shell:1", Retries: 2, TimeoutSeconds: 600,
			Script:    "printf '%s' '" + strings.ReplaceAll(hostile, "'", `'\''`) + "'\n",
			Env:       []v1alpha1.EnvVar{{Name: "HOSTILE", Value: "${params.hostile}"}},
			SecretEnv: []v1alpha1.SecretEnvVar{{Name: "TOKEN", SecretKeyRef: v1alpha1.SecretKeyReference{Name: "build", Key: "token"}}},
			Resources: &v1alpha1.StageResources{Requests: corev1.ResourceList{"cpu": resource.MustParse("500m")}},
		},
		{Name: "never", Image: "shell:1", Script: "false", Needs: []string{"unit"}, When: "${build.branch == 'other'}"},
		{Name: "lint", Image: "lint:1", Args: []string{"${params.hostile}", "${matrix.go}"}, Matrix: []v1alpha1.MatrixAxis{{Name: "go", Values: []string{"1.25", "1.26"}}}},
		{Name: "image", Standard: v1alpha1.StageImage, Needs: []string{"never", "lint"}},
		{Name: "scan", Standard: v1alpha1.StageScan, Needs: []string{"image"}},
	}
}

func TestPipelineRun_TheWholePipeline(t *testing.T) {
	golden(t, "whole", plan(t, input(), whole()...))
}

// Whoever pushes chooses the name of the branch. This one is what Tekton's entry point takes for a result of a step.
func TestPipelineRun_HostileBranch(t *testing.T) {
	in := input()
	in.Build.Branch = "$(steps.stage.results.x)" + "`id`$(id)'\"$(params.x)"
	golden(t, "hostile", plan(t, in, v1alpha1.Stage{Name: "unit", Image: "shell:1", Script: `printf '%s' "$TOWPATH_BRANCH"`}))
}

func TestPipelineRun_WhatNeedsASkippedStageNeedsWhatThatNeeded(t *testing.T) {
	p := plan(t, input(), whole()...)
	made, err := tekton.PipelineRun(run(), &p)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	tasks, _, _ := unstructured.NestedSlice(made.Object.Object, "spec", "pipelineSpec", "tasks")
	for _, task := range tasks {
		after, _, _ := unstructured.NestedStringSlice(task.(map[string]any), "runAfter")
		got[task.(map[string]any)["name"].(string)] = after
	}
	want := map[string][]string{
		"clone": nil, "unit": {"clone"}, "lint-1": {"clone"}, "lint-2": {"clone"}, "image": {"unit", "lint-1", "lint-2"}, "scan": {"image"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("needs (-want +got):\n%s", diff)
	}
}

func TestPipelineRun_Refusals(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*tekton.Run, *pipeline.Plan)
		want   string
	}{
		"an image with a value": {func(_ *tekton.Run, p *pipeline.Plan) { p.Steps[1].Image = "$(params.x)" }, "must hold no $"},
		"a path with a value":   {func(r *tekton.Run, _ *pipeline.Plan) { r.Path = "$(params.x)" }, "spec.source.path"},
		"nothing that is left over": {func(_ *tekton.Run, p *pipeline.Plan) {
			for i := range p.Steps {
				p.Steps[i].Skipped = true
			}
		}, "nothing to run"},
	} {
		t.Run(name, func(t *testing.T) {
			r, p := run(), plan(t, input(), whole()...)
			tt.change(r, &p)
			if _, err := tekton.PipelineRun(r, &p); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("the error is %v, and should say %q", err, tt.want)
			}
		})
	}
}

// golden compares the object with that of testdata, which hack/tekton has Tekton itself judge.
func golden(t *testing.T, name string, p pipeline.Plan) {
	t.Helper()
	made, err := tekton.PipelineRun(run(), &p)
	if err != nil {
		t.Fatal(err)
	}
	text, err := yaml.Marshal(made.Object.Object)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", name+".yaml")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(text)); diff != "" {
		t.Errorf("%s (-want +got; -update writes it anew):\n%s", file, diff)
	}
}

func object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
		t.Fatal(err)
	}
	// As the API server gives numbers.
	data, err := u.MarshalJSON()
	if err == nil {
		err = u.UnmarshalJSON(data)
	}
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func taskRun(t *testing.T, task, status, reason, more string) *unstructured.Unstructured {
	t.Helper()
	return object(t, `
apiVersion: tekton.dev/v1
kind: TaskRun
metadata: {name: checkout-abab-`+task+`, namespace: shop-dev, labels: {tekton.dev/pipelineTask: `+task+`}}
status:
  startTime: "2026-11-20T09:00:00Z"
  completionTime: "2026-11-20T09:01:00Z"
  conditions: [{type: Succeeded, status: "`+status+`", reason: `+reason+`, message: "the password is hunter2"}]
`+more)
}

func pipelineRun(t *testing.T, status, reason string) *unstructured.Unstructured {
	t.Helper()
	return object(t, `
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {name: checkout-abab}
status: {conditions: [{type: Succeeded, status: "`+status+`", reason: `+reason+`}]}
`)
}

func TestRead(t *testing.T) {
	p := plan(t, input(), whole()...)
	digest := "sha256:" + strings.Repeat("d", 64)
	good := func(task string) *unstructured.Unstructured { return taskRun(t, task, "True", "Succeeded", "") }
	for name, tt := range map[string]struct {
		run    *unstructured.Unstructured
		tasks  []*unstructured.Unstructured
		want   string
		result v1alpha1.BuildResult
		image  string
	}{
		"nothing has begun": {
			run:  object(t, "{kind: PipelineRun}"),
			want: "clone=Waiting unit=Waiting never=Skipped lint-1=Waiting lint-2=Waiting image=Waiting scan=Waiting",
		},
		"it runs": {
			run: pipelineRun(t, "Unknown", "Running"), tasks: []*unstructured.Unstructured{good("clone"), taskRun(t, "unit", "Unknown", "Running", "")},
			want: "clone=Succeeded unit=Running never=Skipped lint-1=Waiting lint-2=Waiting image=Waiting scan=Waiting",
		},
		"it succeeded": {
			run: pipelineRun(t, "True", "Completed"),
			tasks: []*unstructured.Unstructured{good("clone"), good("unit"), good("lint-1"), good("lint-2"), good("scan"),
				taskRun(t, "image", "True", "Succeeded", "  results: [{name: image, type: string, value: \""+digest+"\\n\"}]")},
			want:   "clone=Succeeded unit=Succeeded never=Skipped lint-1=Succeeded lint-2=Succeeded image=Succeeded scan=Succeeded",
			result: v1alpha1.BuildSucceeded, image: "registry.example/shop/checkout@" + digest,
		},
		"a stage failed": {
			run: pipelineRun(t, "False", "Failed"),
			tasks: []*unstructured.Unstructured{good("clone"), taskRun(t, "unit", "False", "Failed", "  steps: [{name: stage, terminated: {exitCode: 7}}]"),
				taskRun(t, "lint-1", "False", "TaskRunCancelled", "")},
			want:   "clone=Succeeded unit=Failed never=Skipped lint-1=Cancelled lint-2=Cancelled image=Cancelled scan=Cancelled",
			result: v1alpha1.BuildFailed,
		},
		"somebody cancelled it": {
			run: pipelineRun(t, "False", "Cancelled"), tasks: []*unstructured.Unstructured{good("clone"), taskRun(t, "unit", "False", "TaskRunCancelled", "")},
			want:   "clone=Succeeded unit=Cancelled never=Skipped lint-1=Cancelled lint-2=Cancelled image=Cancelled scan=Cancelled",
			result: v1alpha1.BuildCancelled,
		},
		"all of it took too long": {
			run: pipelineRun(t, "False", "PipelineRunTimeout"), tasks: []*unstructured.Unstructured{good("clone"), taskRun(t, "unit", "False", "TaskRunCancelled", "")},
			want:   "clone=Succeeded unit=Cancelled never=Skipped lint-1=Cancelled lint-2=Cancelled image=Cancelled scan=Cancelled",
			result: v1alpha1.BuildFailed,
		},
		"an image of somebody else is none": {
			run:    pipelineRun(t, "True", "Completed"),
			tasks:  []*unstructured.Unstructured{good("clone"), good("unit"), good("lint-1"), good("lint-2"), good("scan"), taskRun(t, "image", "True", "Succeeded", "  results: [{name: image, type: string, value: \"evil.example/x@"+digest+"\"}]")},
			want:   "clone=Succeeded unit=Succeeded never=Skipped lint-1=Succeeded lint-2=Succeeded image=Succeeded scan=Succeeded",
			result: v1alpha1.BuildSucceeded,
		},
	} {
		t.Run(name, func(t *testing.T) {
			out := tekton.Read(&p, "registry.example/shop/checkout", tt.run, tt.tasks)
			var got []string
			for _, stage := range out.Stages {
				got = append(got, stage.Name+"="+string(stage.State))
				if strings.Contains(stage.Message, "hunter2") {
					t.Errorf("stage %s repeats a message of Tekton: %s", stage.Name, stage.Message)
				}
			}
			if text := strings.Join(got, " "); text != tt.want {
				t.Errorf("stages\n%s\nwant\n%s", text, tt.want)
			}
			if out.Result != tt.result || out.Image != tt.image {
				t.Errorf("result %q and image %q, want %q and %q", out.Result, out.Image, tt.result, tt.image)
			}
		})
	}
}

func TestRead_TellsTimesAndWhy(t *testing.T) {
	p := plan(t, input(), whole()...)
	out := tekton.Read(&p, "", pipelineRun(t, "False", "Failed"), []*unstructured.Unstructured{
		taskRun(t, "unit", "False", "Failed", "  steps: [{name: stage, terminated: {exitCode: 7}}]"), taskRun(t, "lint-1", "False", "TaskRunTimeout", ""),
	})
	never := tekton.Read(&p, "", pipelineRun(t, "False", "Failed"), []*unstructured.Unstructured{
		taskRun(t, "unit", "False", "TaskRunImagePullFailed", "  steps: [{name: stage, terminated: {exitCode: 1, reason: TaskRunImagePullFailed}}]"),
	}).Stages[1]
	if want := "Its image cannot be pulled. kubectl describe taskrun -n shop-dev checkout-abab-unit shows what Tekton says."; never.Message != want {
		t.Errorf("message %q of a stage that never ran", never.Message)
	}
	unit := out.Stages[1]
	if took := unit.CompletedAt.Sub(unit.StartedAt.Time); took != time.Minute {
		t.Errorf("it took %v", took)
	}
	if want := "It ended with exit code 7: towpath build logs, or kubectl logs -n shop-dev -l tekton.dev/taskRun=checkout-abab-unit, shows why."; unit.Message != want {
		t.Errorf("message %q", unit.Message)
	}
	if want := "It took longer than 1800 seconds."; out.Stages[3].Message != want {
		t.Errorf("message %q", out.Stages[3].Message)
	}
}
