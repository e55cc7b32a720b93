package tekton

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/pipeline"
)

// LabelTask stands on each TaskRun of a PipelineRun, with the name of its task.
const LabelTask = "tekton.dev/pipelineTask"

// LabelRun stands there too, with the name of the PipelineRun.
const LabelRun = "tekton.dev/pipelineRun"

// LabelPod stands on the pods of a TaskRun, with its name.
const LabelPod = "tekton.dev/taskRun"

// Outcome is what became of a Build.
type Outcome struct {
	Stages []platformv1alpha1.BuildStage
	// Result is empty while it runs.
	Result platformv1alpha1.BuildResult
	// Image that the stages say they pushed; empty where none does.
	Image string
	// Message says why it failed, where no stage does.
	Message string
}

// Read tells the stages of a Build by its PipelineRun and the TaskRuns of that. Tekton's own messages are not repeated: they may hold what
// a stage has printed.
func Read(plan *pipeline.Plan, pushesTo string, run *unstructured.Unstructured, tasks []*unstructured.Unstructured) Outcome {
	byTask := map[string]*unstructured.Unstructured{}
	for _, task := range tasks {
		if name := task.GetLabels()[LabelTask]; name != "" {
			byTask[name] = task
		}
	}
	ended, status, reason := condition(run)
	var out Outcome
	for i := range plan.Steps {
		step := &plan.Steps[i]
		stage := platformv1alpha1.BuildStage{Name: step.Name, State: platformv1alpha1.StageWaiting}
		switch task := byTask[step.Name]; {
		case step.Skipped:
			stage.State, stage.Message = platformv1alpha1.StageSkipped, "Its condition leaves it out."
		case task != nil:
			read(&stage, step, task, pushesTo)
			if ended && stage.State == platformv1alpha1.StageRunning {
				stage.State, stage.Message = platformv1alpha1.StageCancelled, "The PipelineRun ended before it did."
			}
		case ended:
			stage.State, stage.Message = platformv1alpha1.StageCancelled, "A stage before it did not succeed: Tekton begins no other then."
		}
		out.Stages = append(out.Stages, stage)
	}
	out.Image = pipeline.Pushed(plan, out.Stages)
	if !ended {
		return out
	}
	out.Result = pipeline.Result(out.Stages)
	switch {
	case cancelled(reason):
		out.Result = platformv1alpha1.BuildCancelled
	case status == "True" && out.Result == platformv1alpha1.BuildCancelled:
		out.Result, out.Message = platformv1alpha1.BuildFailed, fmt.Sprintf("PipelineRun %s says that it succeeded, and not all of its stages have run.", run.GetName())
	case status != "True" && out.Result != platformv1alpha1.BuildFailed:
		out.Result, out.Message = platformv1alpha1.BuildFailed, fmt.Sprintf("PipelineRun %s failed (%s).", run.GetName(), reason)
		if reason == "PipelineRunTimeout" {
			out.Message = "It took longer than " + seconds(plan.Timeout) + ", which its pipeline allows."
		}
	}
	return out
}

// Tasks are the names of the TaskRuns that Tekton made for a PipelineRun, by the status of that, which nobody else writes.
func Tasks(run *unstructured.Unstructured) []string {
	children, _, _ := unstructured.NestedSlice(run.Object, "status", "childReferences")
	var names []string
	for _, one := range children {
		child, ok := one.(map[string]any)
		if !ok || child["kind"] != KindOfTask {
			continue
		}
		if name, _ := child["name"].(string); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// Ended says whether a PipelineRun or TaskRun has ended.
func Ended(object *unstructured.Unstructured) bool {
	ended, _, _ := condition(object)
	return ended
}

// read tells one stage by its TaskRun.
func read(stage *platformv1alpha1.BuildStage, step *pipeline.Step, task *unstructured.Unstructured, pushesTo string) {
	stage.TaskRun = task.GetName()
	stage.StartedAt, stage.CompletedAt = moment(task, "startTime"), moment(task, "completionTime")
	ended, status, reason := condition(task)
	switch {
	case !ended:
		stage.State, stage.Message = platformv1alpha1.StageRunning, hints[reason]
		if stage.StartedAt == nil {
			stage.State = platformv1alpha1.StageWaiting
		}
		stage.CompletedAt = nil // of a try before
	case status == "True":
		stage.State = platformv1alpha1.StageSucceeded
		step.Report(stage, pushed(task, pushesTo))
	case cancelled(reason):
		stage.State, stage.Message = platformv1alpha1.StageCancelled, "It was cancelled."
	case reason == "TaskRunTimeout":
		stage.State, stage.Message = platformv1alpha1.StageFailed, "It took longer than "+seconds(step.Timeout)+"."
	default:
		stage.State, stage.Message = platformv1alpha1.StageFailed, failure(task, reason)
	}
}

// hints say what some of Tekton's reasons mean here: in each, the container of the stage has never run.
var hints = map[string]string{
	"ExceededResourceQuota":      "It waits for room in the quota of its Environment.",
	"ExceededNodeResources":      "No node has room for its pod.",
	"TaskRunImagePullFailed":     "Its image cannot be pulled.",
	"CreateContainerConfigError": "Its container cannot be made: a Secret that it names, or the key of it, is not there.",
	"PodAdmissionFailed": "The pod security of the namespace refuses the containers that Tekton adds to its pod: have whoever runs Tekton set " +
		"set-security-context to \"true\" in ConfigMap feature-flags of Tekton's namespace.",
	"PodCreationFailed": "Its pod cannot be made: a quota that wants requests or limits of each container, a webhook or a policy refuses it; or the stage has " +
		"args alone, and Tekton cannot ask the registry for the entry point of its image.",
}

// failure says why a stage failed, without a line of its logs. Tekton says of the steps of a pod that never ran that they ended with exit code 1.
func failure(task *unstructured.Unstructured, reason string) string {
	if hint := hints[reason]; hint != "" {
		return fmt.Sprintf("%s kubectl describe taskrun -n %s %s shows what Tekton says.", hint, task.GetNamespace(), task.GetName())
	}
	steps, _, _ := unstructured.NestedSlice(task.Object, "status", "steps")
	for _, one := range steps {
		fields, ok := one.(map[string]any)
		if !ok {
			continue
		}
		code, found, _ := unstructured.NestedInt64(fields, "terminated", "exitCode")
		if found && code != 0 {
			return fmt.Sprintf("It ended with exit code %d: towpath build logs, or kubectl logs -n %s -l tekton.dev/taskRun=%s, shows why.", code, task.GetNamespace(), task.GetName())
		}
	}
	return fmt.Sprintf("TaskRun %s failed (%s).", task.GetName(), reason)
}

// pushed is the image that a task says it pushed, if it is one of the Component.
func pushed(task *unstructured.Unstructured, pushesTo string) string {
	results, _, _ := unstructured.NestedSlice(task.Object, "status", "results")
	for _, one := range results {
		fields, ok := one.(map[string]any)
		if !ok || fields["name"] != image {
			continue
		}
		if value, ok := fields["value"].(string); ok {
			reference, _ := pipeline.ReadResult(value, pushesTo)
			return reference
		}
	}
	return ""
}

// condition reads the condition Succeeded.
func condition(object *unstructured.Unstructured) (ended bool, status, reason string) {
	conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	for _, one := range conditions {
		fields, ok := one.(map[string]any)
		if !ok || fields["type"] != "Succeeded" {
			continue
		}
		status, _ = fields["status"].(string)
		reason, _ = fields["reason"].(string)
	}
	return status == "True" || status == "False", status, reason
}

// cancelled says whether a reason is that somebody took it back, as TaskRuns and PipelineRuns have it.
func cancelled(reason string) bool {
	switch reason {
	case "Cancelled", "PipelineRunCancelled", "CancelledRunningFinally", "StoppedRunningFinally", "TaskRunCancelled":
		return true
	}
	return false
}

func moment(object *unstructured.Unstructured, field string) *metav1.Time {
	text, _, _ := unstructured.NestedString(object.Object, "status", field)
	if text == "" {
		return nil
	}
	var at metav1.Time
	if err := at.UnmarshalQueryParameter(text); err != nil || at.IsZero() {
		return nil
	}
	return &at
}
