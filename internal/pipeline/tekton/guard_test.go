package tekton_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/guard"
	"github.com/towpath-dev/towpath/internal/pipeline/jobs"
	"github.com/towpath-dev/towpath/internal/pipeline/tekton"
)

// policy is that of a Build.
func policy() guard.Policy {
	p := jobs.Policy(&jobs.Run{Input: run().Input, Build: run().Build}, nil)
	p.PipelineRuns = true
	p.Namespaced = func(schema.GroupKind) (namespaced, known bool) { return true, true }
	return p
}

// set sets a field, through the first element of each list.
func set(t *testing.T, object map[string]any, value any, fields ...string) {
	t.Helper()
	at := object
	for _, name := range fields[:len(fields)-1] {
		next := at[name]
		if list, ok := next.([]any); ok {
			next = list[0]
		}
		inner, ok := next.(map[string]any)
		if !ok {
			inner = map[string]any{}
			at[name] = inner
		}
		at = inner
	}
	at[fields[len(fields)-1]] = value
}

func TestGuard_LetsThroughWhatABuildNeeds(t *testing.T) {
	p := plan(t, input(), whole()...)
	made, err := tekton.PipelineRun(run(), &p)
	if err != nil {
		t.Fatal(err)
	}
	if refusals := guard.Check([]guard.Object{{Resource: "run", Object: made.Object}}, policy()); len(refusals) > 0 {
		t.Error(refusals)
	}
}

func TestGuard_LetsThroughNothingElse(t *testing.T) {
	task := []string{"spec", "pipelineSpec", "tasks"}
	step := append(append([]string{}, task...), "taskSpec", "steps")
	pod := []string{"spec", "taskRunTemplate", "podTemplate"}
	with := func(path []string, name string) []string { return append(append([]string{}, path...), name) }
	for name, tt := range map[string]struct {
		path  []string
		value any
		want  string
	}{
		"the account of another":          {[]string{"spec", "taskRunTemplate", "serviceAccountName"}, "admin", "Account"},
		"a pipeline from elsewhere":       {[]string{"spec", "pipelineRef"}, map[string]any{"resolver": "git"}, "Object"},
		"another pod for a task":          {[]string{"spec", "taskRunSpecs"}, []any{map[string]any{"serviceAccountName": "admin"}}, "Object"},
		"another controller":              {[]string{"spec", "managedBy"}, "somebody", "Object"},
		"a volume that Tekton makes":      {with([]string{"spec", "workspaces"}, "volumeClaimTemplate"), map[string]any{}, "Object"},
		"a Secret for all":                {with([]string{"spec", "workspaces"}, "secret"), map[string]any{"secretName": "x"}, "Object"},
		"a token":                         {with(pod, "automountServiceAccountToken"), true, "Tokens"},
		"the network of the node":         {with(pod, "hostNetwork"), true, "Object"},
		"a priority":                      {with(pod, "priorityClassName"), "system-node-critical", "Object"},
		"root":                            {with(pod, "securityContext"), map[string]any{"runAsUser": int64(0)}, "PodSecurity"},
		"no pod template":                 {with([]string{"spec", "taskRunTemplate"}, "podTemplate"), nil, "Object"},
		"tasks at the end":                {[]string{"spec", "pipelineSpec", "finally"}, []any{}, "Object"},
		"a task from elsewhere":           {with(task, "taskRef"), map[string]any{"name": "x"}, "Object"},
		"a pipeline in a pipeline":        {with(task, "pipelineSpec"), map[string]any{}, "Object"},
		"a matrix of Tekton":              {with(task, "matrix"), map[string]any{}, "Object"},
		"labels of a task":                {with(task, "taskSpec"), map[string]any{"metadata": map[string]any{"labels": map[string]any{}}}, "Object"},
		"a sidecar":                       {with(with(task, "taskSpec"), "sidecars"), []any{map[string]any{"name": "x"}}, "Object"},
		"a template of steps":             {with(with(task, "taskSpec"), "stepTemplate"), map[string]any{}, "Object"},
		"a path of the node":              {with(with(task, "taskSpec"), "volumes"), []any{map[string]any{"name": "x", "hostPath": map[string]any{"path": "/"}}}, "PodSecurity"},
		"a token by a volume":             {with(with(task, "taskSpec"), "volumes"), []any{map[string]any{"name": "x", "projected": map[string]any{"sources": []any{map[string]any{"serviceAccountToken": map[string]any{"path": "t"}}}}}}, "Tokens"},
		"a step from elsewhere":           {with(step, "ref"), map[string]any{"name": "x"}, "Object"},
		"a script that Tekton puts there": {with(step, "script"), "id", "Object"},
		"a step with all rights":          {with(step, "securityContext"), map[string]any{"privileged": true}, "PodSecurity"},
		"what is no step":                 {with(step, "args"), "x", "PodSecurity"},
	} {
		t.Run(name, func(t *testing.T) {
			p := plan(t, input(), whole()...)
			made, err := tekton.PipelineRun(run(), &p)
			if err != nil {
				t.Fatal(err)
			}
			set(t, made.Object.Object, tt.value, tt.path...)
			refusals := guard.Check([]guard.Object{{Resource: "run", Object: made.Object}}, policy())
			for _, refusal := range refusals {
				if refusal.Rule == tt.want && strings.HasPrefix(refusal.Path, "spec.") {
					return
				}
			}
			t.Errorf("%v, want rule %s", refusals, tt.want)
		})
	}
}

// A golden path makes none, whatever the rights of its applier.
func TestGuard_RefusesRunsOfGoldenPaths(t *testing.T) {
	p := plan(t, input(), whole()...)
	made, err := tekton.PipelineRun(run(), &p)
	if err != nil {
		t.Fatal(err)
	}
	task := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "tekton.dev/v1beta1", "kind": "TaskRun", "metadata": made.Object.Object["metadata"]}}
	held := policy()
	for _, o := range []*unstructured.Unstructured{made.Object, task} {
		for _, level := range []v1alpha1.PodSecurityLevel{v1alpha1.PodSecurityPrivileged, v1alpha1.PodSecurityRestricted} {
			held.PodSecurity, held.PipelineRuns = level, o == task
			refusals := guard.Check([]guard.Object{{Resource: "run", Object: o}}, held)
			if len(refusals) != 1 || refusals[0].Rule != guard.RuleKind {
				t.Errorf("%s: %v", o.GetKind(), refusals)
			}
		}
	}
}
