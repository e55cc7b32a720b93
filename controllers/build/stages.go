package build

import (
	"context"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/apply"
	"github.com/towpath-dev/towpath/internal/check"
	"github.com/towpath-dev/towpath/internal/environment"
	"github.com/towpath-dev/towpath/internal/guard"
	"github.com/towpath-dev/towpath/internal/pipeline"
	"github.com/towpath-dev/towpath/internal/pipeline/jobs"
	"github.com/towpath-dev/towpath/internal/render"
)

// maxPods is how many pods of a Job are looked at: it has one more than it has retries.
const maxPods = 20

// runStages takes in what ended, and makes the Jobs of the stages that begin. What stands as running in a status that was written has,
// or had, its Job: a stage whose Job could not be made goes on waiting.
func (r *Reconciler) runStages(ctx context.Context, s *scope) error {
	stages := s.build.Status.Stages
	ended := map[string]pipeline.Outcome{}
	for i := range stages {
		if stages[i].State != platformv1alpha1.StageRunning {
			continue
		}
		outcome, err := r.look(ctx, s, &stages[i])
		if err != nil {
			return err
		}
		if outcome != nil {
			ended[stages[i].Name] = *outcome
		}
	}
	for range len(stages) + 1 { // each round but the last ends a stage
		pipeline.Advance(&s.plan, stages, ended, s.now)
		ended = map[string]pipeline.Outcome{}
		for i := range stages {
			stage := &stages[i]
			if stage.State != platformv1alpha1.StageRunning || stage.Job != "" {
				continue
			}
			refused, err := r.start(ctx, s, stage)
			if err != nil {
				back(stages[i:])
				return err
			}
			if refused != "" {
				ended[stage.Name] = pipeline.Outcome{Message: refused}
			}
		}
		if len(ended) == 0 {
			return nil
		}
	}
	return nil
}

// back has the stages wait whose Jobs were not made.
func back(stages []platformv1alpha1.BuildStage) {
	for i := range stages {
		if s := &stages[i]; s.State == platformv1alpha1.StageRunning && s.Job == "" {
			s.State, s.StartedAt = platformv1alpha1.StageWaiting, nil
		}
	}
}

// step is that of a stage of the status; nil where the plan has it no more.
func (s *scope) step(name string) *pipeline.Step {
	for i := range s.plan.Steps {
		if s.plan.Steps[i].Name == name {
			return &s.plan.Steps[i]
		}
	}
	return nil
}

// look finds out how a stage that runs has ended; nil where it has not.
func (r *Reconciler) look(ctx context.Context, s *scope, stage *platformv1alpha1.BuildStage) (*pipeline.Outcome, error) {
	key := types.NamespacedName{Namespace: s.build.Status.Place.Namespace, Name: stage.Job}
	job := &batchv1.Job{}
	err := r.jobs.Get(ctx, key, job)
	if apierrors.IsNotFound(err) { // the cache may be behind
		err = r.Live.Get(ctx, key, job)
	}
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading Job %s: %w", stage.Job, err)
	}
	there := err == nil && ours(job, s.build)
	last := check.Finished(job)
	switch {
	case !there, last == nil && !job.DeletionTimestamp.IsZero():
		return &pipeline.Outcome{Message: fmt.Sprintf("Job %s was deleted before it had ended.", stage.Job)}, nil
	case last == nil:
		return r.overdue(s, stage, job), r.diagnose(ctx, s, stage, job)
	case last.Type == batchv1.JobFailed:
		message := fmt.Sprintf("Job %s failed: %s.", job.Name, last.Reason)
		if last.Reason == batchv1.JobReasonBackoffLimitExceeded {
			message = fmt.Sprintf("It was tried %d times, and did not succeed: towpath build logs, or kubectl -n %s logs job/%s, shows why.", job.Status.Failed, job.Namespace, job.Name)
		}
		return &pipeline.Outcome{Message: message, At: last.LastTransitionTime.Time}, nil
	}
	outcome := &pipeline.Outcome{Succeeded: true, At: last.LastTransitionTime.Time}
	outcome.Image, err = r.pushed(ctx, s, job)
	return outcome, err
}

// overdue ends a stage whose Job nobody ends, and asks for another look before.
func (r *Reconciler) overdue(s *scope, stage *platformv1alpha1.BuildStage, job *batchv1.Job) *pipeline.Outcome {
	step := s.step(stage.Name)
	if step == nil {
		return nil
	}
	began := stage.StartedAt.Time
	if job.Status.StartTime != nil && job.Status.StartTime.After(began) {
		began = job.Status.StartTime.Time
	}
	deadline := jobs.Deadline(step) + check.Overtime
	left := began.Add(deadline).Sub(s.now)
	if left > 0 {
		s.lookAgain(left + time.Second)
		return nil
	}
	return &pipeline.Outcome{Message: fmt.Sprintf("Job %s did not end within %s.", job.Name, deadline)}
}

// pushed reads what a stage says that it pushed. What it wrote is taken for nothing but a digest.
func (r *Reconciler) pushed(ctx context.Context, s *scope, job *batchv1.Job) (string, error) {
	var pods corev1.PodList
	if err := r.Live.List(ctx, &pods, client.InNamespace(job.Namespace), client.Limit(maxPods), client.MatchingLabels{
		batchv1.JobNameLabel: job.Name, platformv1alpha1.LabelBuild: s.build.Name,
	}); err != nil {
		return "", fmt.Errorf("listing the pods of Job %s: %w", job.Name, err)
	}
	for i := range pods.Items {
		pod := &pods.Items[i]
		if pod.Status.Phase != corev1.PodSucceeded || !metav1.IsControlledBy(pod, job) {
			continue
		}
		for _, c := range pod.Status.ContainerStatuses {
			if c.State.Terminated == nil {
				continue
			}
			if image, ok := pipeline.ReadResult(c.State.Terminated.Message, s.input.Image); ok {
				return image, nil
			}
		}
	}
	return "", nil
}

// start makes the Job of a stage. What the API server refuses for good ends the stage; refused says why.
func (r *Reconciler) start(ctx context.Context, s *scope, stage *platformv1alpha1.BuildStage) (refused string, err error) {
	step := s.step(stage.Name)
	if step == nil {
		return "The pipeline does not have it any more.", nil
	}
	s.run.BuiltImage = pipeline.PushedBefore(&s.plan, s.build.Status.Stages, stage.Name)
	var objects []render.Object
	if !slices.ContainsFunc(s.build.Status.Stages, func(other platformv1alpha1.BuildStage) bool { return other.Job != "" }) {
		if objects, err = jobs.Claims(&s.run); err != nil { // with the first stage: the configuration may ask for another size by now
			return "", err
		}
	}
	job, err := jobs.Job(&s.run, step)
	if err != nil {
		return "", err
	}
	job.Wave = 1
	name := job.Object.GetName()
	policy := jobs.Policy(&s.run, s.environment.Status.AllowedKinds)
	policy.Namespaced = r.Writer.Namespaced
	refused, err = r.write(ctx, s, policy, "Stage "+stage.Name, "Job "+name, append(objects, job))
	if err == nil && refused == "" {
		stage.Job = name
	}
	return refused, err
}

// write writes what runs stages, as the applier. What the API server refuses for good is none to try again; refused says why. waits
// and object name for people what waits for room, and what is made.
func (r *Reconciler) write(ctx context.Context, s *scope, policy guard.Policy, waits, object string, objects []render.Object) (refused string, err error) {
	results, err := r.Writer.Apply(ctx, apply.Intent{User: environment.ApplierUser(policy.Namespace), Policy: policy, Objects: objects})
	if err == nil {
		for _, result := range results {
			if result.Err != nil {
				err = result.Err
				break
			}
		}
	}
	if err != nil {
		return r.refused(s, waits, object, err)
	}
	return "", nil
}

// ours says whether an object is of a Build, by labels that others may not set.
func ours(o client.Object, b *platformv1alpha1.Build) bool {
	return o.GetLabels()[platformv1alpha1.LabelBuild] == b.Name && o.GetLabels()[platformv1alpha1.LabelOwnerUID] != ""
}
