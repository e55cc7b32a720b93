// Package tekton makes the PipelineRun of a Build, and reads what became of it. It is pure.
//
// The pipeline stands in the PipelineRun, and is no object of its own: Tekton reads one of those when the run begins, and whoever may
// write in the namespace could have changed it by then. Tekton lets nobody change the spec of a run.
//
// The object is unstructured: Tekton's own types would bring some two hundred modules into the manager. A module of its own,
// hack/tekton, has Tekton's validation and substitution judge what is made here.
package tekton

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/pipeline"
	"github.com/towpath-dev/towpath/internal/render"
)

const (
	// APIVersion of all objects.
	APIVersion = "tekton.dev/v1"
	// Kind of what is made.
	Kind = "PipelineRun"
	// KindOfTask is the kind of the object that Tekton makes for each task of it.
	KindOfTask = "TaskRun"
	// Cancelled is the spec.status by which a PipelineRun is ended.
	Cancelled = "Cancelled"
	// Keep is how long a PipelineRun stays after its end, so that its logs can be read: as long as a Job.
	Keep = 24 * time.Hour
	// sources is where the workspace is, home and temporary what each container has for itself.
	sources, home, temporary = "/towpath/sources", "/towpath/home", "/tmp"
	// credentials is where the step that fetches the sources finds its Secret.
	credentials = "/towpath/credentials"
	// image is the name of the result in which a stage says what it pushed, builtImage of the parameter by which it learns of it.
	image, builtImage = "image", "built-image"
	// workspace is the name of the workspace, container of the one step that each task has.
	workspace, container = "sources", "stage"
	// user is as whom all containers run.
	user = 65532
	// account is what the pods run as.
	account = "default"
)

// Run is one Build, and where it runs.
type Run struct {
	// Input tells labels and place.
	Input render.Input
	// Build is its name, Name that of the PipelineRun.
	Build, Name string
	// Path is the directory of the Component in its repository; empty for all of it.
	Path string
	// Image is where the pipeline pushes to, without a tag.
	Image string
	// Secret holds the credentials of the repository; empty for none.
	Secret string
	// Claim is the name of the volume that the tasks share.
	Claim string
}

// PipelineRun makes the PipelineRun of a Build. What the plan skips is left out, and what needs it needs what that needed. An error says
// what of the pipeline, or of the Component, Tekton cannot run.
func PipelineRun(r *Run, plan *pipeline.Plan) (run render.Object, err error) {
	if strings.Contains(r.Path, "$") {
		return run, fmt.Errorf("spec.source.path %q must hold no $: Tekton would put values there", r.Path)
	}
	var tasks []any
	needs := rewire(plan)
	for i := range plan.Steps {
		if plan.Steps[i].Skipped {
			continue
		}
		task, err := r.task(plan, &plan.Steps[i], needs)
		if err != nil {
			return run, err
		}
		tasks = append(tasks, task)
	}
	if len(tasks) == 0 {
		return run, fmt.Errorf("every stage is left out by its condition: there is nothing to run")
	}
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": APIVersion, "kind": Kind, "metadata": map[string]any{"name": r.Name}, "spec": r.spec(plan, tasks),
	}}
	return render.BuildObject(r.Input, r.Build, render.Object{Resource: "run", Object: object})
}

// spec is that of the PipelineRun. Its tasks run as the account that every namespace has and that nobody gives rights, without its token.
func (r *Run) spec(plan *pipeline.Plan, tasks []any) map[string]any {
	template := map[string]any{"serviceAccountName": account, "podTemplate": map[string]any{
		"automountServiceAccountToken": false, "enableServiceLinks": false,
		"securityContext": map[string]any{
			"runAsNonRoot": true, "runAsUser": int64(user), "runAsGroup": int64(user), "fsGroup": int64(user),
			"fsGroupChangePolicy": "OnRootMismatch", "seccompProfile": map[string]any{"type": "RuntimeDefault"},
		},
	}}
	return map[string]any{
		"pipelineSpec":    map[string]any{"workspaces": []any{map[string]any{"name": workspace}}, "tasks": tasks},
		"taskRunTemplate": template,
		"timeouts":        map[string]any{"pipeline": plan.Timeout.String()},
		"workspaces":      []any{map[string]any{"name": workspace, "persistentVolumeClaim": map[string]any{"claimName": r.Claim}}},
	}
}

// rewire says what each step waits for: of what the plan skips, what that would have waited for.
func rewire(plan *pipeline.Plan) map[string][]string {
	needs, skipped := map[string][]string{}, map[string]bool{}
	for i := range plan.Steps { // each stands behind what it needs
		step := &plan.Steps[i]
		skipped[step.Name] = step.Skipped
		for _, need := range step.Needs {
			names := []string{need}
			if skipped[need] {
				names = needs[need]
			}
			for _, name := range names {
				if !slices.Contains(needs[step.Name], name) {
					needs[step.Name] = append(needs[step.Name], name)
				}
			}
		}
	}
	return needs
}

// task is one step of the plan.
func (r *Run) task(plan *pipeline.Plan, step *pipeline.Step, needs map[string][]string) (map[string]any, error) {
	one, err := r.step(step)
	if err != nil {
		return nil, fmt.Errorf("stage %s: %w", step.Name, err)
	}
	spec := map[string]any{
		"results":    []any{map[string]any{"name": image, "type": "string"}},
		"workspaces": []any{map[string]any{"name": workspace, "mountPath": sources}},
		"volumes":    []any{map[string]any{"name": "home", "emptyDir": map[string]any{}}, map[string]any{"name": "temporary", "emptyDir": map[string]any{}}},
		"steps":      []any{one},
	}
	task := map[string]any{
		"name": step.Name, "taskSpec": spec, "timeout": min(step.Timeout, plan.Timeout).String(),
		"workspaces": []any{map[string]any{"name": workspace, "workspace": workspace}},
	}
	if step.Retries > 0 {
		task["retries"] = int64(step.Retries)
	}
	if names := needs[step.Name]; len(names) > 0 {
		task["runAfter"] = list(names)
	}
	// Only of the standard stage is it certain that it says what it pushed: a result that is referred to and not there fails the run.
	if builder := built(plan, step.Name, needs); builder != "" && r.Image != "" {
		task["params"] = []any{map[string]any{"name": builtImage, "value": "$(tasks." + builder + ".results." + image + ")"}}
		spec["params"] = []any{map[string]any{"name": builtImage, "type": "string"}}
		one["env"] = append(one["env"].([]any), map[string]any{"name": "TOWPATH_BUILT_IMAGE", "value": r.Image + "@$(params." + builtImage + ")"})
	}
	if step.Name == pipeline.Clone && r.Secret != "" {
		r.authenticate(spec, one)
	}
	return task, nil
}

// built is the standard stage that pushes the image, if it comes before a step.
func built(plan *pipeline.Plan, name string, needs map[string][]string) string {
	found := ""
	for _, need := range needs[name] {
		for i := range plan.Steps {
			if step := &plan.Steps[i]; step.Name == need && step.Standard == platformv1alpha1.StageImage {
				return need
			}
		}
		if found == "" {
			found = built(plan, need, needs)
		}
	}
	return found
}

// authenticate gives the step that fetches the sources the credentials of the repository, and no other step.
func (r *Run) authenticate(spec, one map[string]any) {
	for _, variable := range []struct{ name, key string }{
		{"GIT_CREDENTIALS_FOR", "repository"}, {"GIT_PASSWORD", "password"}, {"GIT_USERNAME", "username"},
	} {
		one["env"] = append(one["env"].([]any), fromSecret(variable.name, r.Secret, variable.key, true))
	}
	one["volumeMounts"] = append(one["volumeMounts"].([]any), map[string]any{"name": "credentials", "mountPath": credentials, "readOnly": true})
	spec["volumes"] = append(spec["volumes"].([]any), map[string]any{
		"name": "credentials", "secret": map[string]any{"secretName": r.Secret, "defaultMode": int64(0o440)},
	})
}

// step is the one container of a task.
func (r *Run) step(s *pipeline.Step) (map[string]any, error) {
	if strings.Contains(s.Image, "$") {
		return nil, fmt.Errorf("image %q must hold no $: Tekton would put values there", s.Image)
	}
	folder := path.Join(sources, r.Path)
	if s.Name == pipeline.Clone {
		folder = sources
	}
	one := map[string]any{
		"name": container, "image": s.Image, "workingDir": folder, "env": environment(s),
		"securityContext": map[string]any{
			"allowPrivilegeEscalation": false, "runAsNonRoot": true, "capabilities": map[string]any{"drop": []any{"ALL"}},
		},
		"volumeMounts": []any{map[string]any{"name": "home", "mountPath": home}, map[string]any{"name": "temporary", "mountPath": temporary}},
	}
	if s.Script != "" {
		one["command"], one["args"] = []any{"/bin/sh"}, []any{"-e", "-c", decode}
	} else {
		args := make([]any, len(s.Args))
		for i, arg := range s.Args {
			args[i] = literal(arg)
		}
		one["args"] = args
	}
	if s.Resources != nil {
		resources := map[string]any{}
		for name, quantities := range map[string]map[string]any{"requests": quantities(s.Resources.Requests), "limits": quantities(s.Resources.Limits)} {
			if len(quantities) > 0 {
				resources[name] = quantities
			}
		}
		one["computeResources"] = resources
	}
	return one, nil
}

func quantities[K ~string](list map[K]resource.Quantity) map[string]any {
	all := map[string]any{}
	for name, quantity := range list {
		all[string(name)] = quantity.String()
	}
	return all
}

func list(names []string) []any {
	all := make([]any, len(names))
	for i, name := range names {
		all[i] = name
	}
	return all
}

// timeout of one try, as people read it.
func seconds(d time.Duration) string { return fmt.Sprintf("%d seconds", int(d.Seconds())) }
