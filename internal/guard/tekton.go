package guard

import (
	"maps"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Kinds of Tekton that run pods at once.
var (
	pipelineRunKind = schema.GroupKind{Group: "tekton.dev", Kind: "PipelineRun"}
	taskRunKind     = schema.GroupKind{Group: "tekton.dev", Kind: "TaskRun"}
)

// runs refuses what would run pods that the guard does not see, and looks at the pods of a Build. A run may name any
// account, take its tasks from anywhere, and change its pods in many places: of all that, a Build needs little, and nothing
// else is let through.
func (c *check) runs() {
	switch gk := c.gvk.GroupKind(); {
	case gk == pipelineRunKind && c.policy.PipelineRuns:
	case gk == pipelineRunKind || gk == taskRunKind:
		c.refuse("kind", RuleKind, "kind %s must not be templated: it runs pods as any account, once, and again with each Release; stages of a Build stand in spec.pipeline of the template", gk.Kind)
		return
	default:
		return
	}
	spec := c.only("spec", c.object.Object["spec"], "pipelineSpec", "taskRunTemplate", "timeouts", "workspaces")
	for i, one := range list(spec["workspaces"]) {
		c.only("spec.workspaces["+strconv.Itoa(i)+"]", one, "name", "persistentVolumeClaim")
	}
	template := c.only("spec.taskRunTemplate", spec["taskRunTemplate"], "podTemplate", "serviceAccountName")
	pod := c.only("spec.taskRunTemplate.podTemplate", template["podTemplate"], "automountServiceAccountToken", "enableServiceLinks", "securityContext")
	pod = maps.Clone(pod)
	pod["serviceAccountName"] = template["serviceAccountName"]
	definition := c.only("spec.pipelineSpec", spec["pipelineSpec"], "tasks", "workspaces")
	for i, task := range list(definition["tasks"]) {
		c.task("spec.pipelineSpec.tasks["+strconv.Itoa(i)+"]", task, pod)
	}
}

// task holds the pod of one task to the rules of all pods.
func (c *check) task(path string, task any, pod map[string]any) {
	fields := c.only(path, task, "name", "params", "retries", "runAfter", "taskSpec", "timeout", "workspaces")
	path = field(path, "taskSpec")
	spec := c.only(path, fields["taskSpec"], "params", "results", "steps", "volumes", "workspaces")
	var containers []any
	for i, step := range list(spec["steps"]) {
		container := maps.Clone(c.only(path+".steps["+strconv.Itoa(i)+"]", step,
			"args", "command", "computeResources", "env", "image", "name", "securityContext", "volumeMounts", "workingDir"))
		container["resources"] = container["computeResources"]
		delete(container, "computeResources")
		containers = append(containers, container)
	}
	whole := maps.Clone(pod)
	whole["containers"], whole["volumes"] = containers, spec["volumes"]
	if !parsable("", whole) {
		c.amounts(path, "", whole)
		return
	}
	made := corev1.PodTemplateSpec{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(map[string]any{"spec": whole}, &made); err != nil {
		c.refuse(path, RulePodSecurity, "it cannot be read as a task: %v; correct the type of the field", err)
		return
	}
	c.standards(path, &made)
	c.tokens(path, &made.Spec)
}

// only returns an object, empty where there is none, and refuses what it must not have.
func (c *check) only(path string, value any, known ...string) map[string]any {
	fields, ok := value.(map[string]any)
	if !ok {
		c.refuse(path, RuleObject, "it must be there, and an object; this is a bug in Towpath")
		return map[string]any{}
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains(known, name) {
			c.refuse(path+"."+name, RuleObject, "a Build does not need it, and nobody has looked at what it does to pods; take it out")
		}
	}
	return fields
}

func list(value any) []any {
	all, _ := value.([]any)
	return all
}
