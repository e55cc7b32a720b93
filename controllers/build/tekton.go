package build

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/apply"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/internal/environment"
	"github.com/towpath-dev/towpath/internal/pipeline/jobs"
	"github.com/towpath-dev/towpath/internal/pipeline/tekton"
)

// +kubebuilder:rbac:groups=tekton.dev,resources=pipelineruns,verbs=get;list;watch
// +kubebuilder:rbac:groups=tekton.dev,resources=taskruns,verbs=list;watch

// kindsOfTekton are those without which the engine cannot run.
var kindsOfTekton = []string{tekton.APIVersion + "/" + tekton.Kind, tekton.APIVersion + "/" + tekton.KindOfTask}

// served returns an obstacle where the engine of a Build needs software that the cluster does not have. Else what that makes is watched.
func (r *Reconciler) served(ctx context.Context, engine platformv1alpha1.BuildEngine, component string) error {
	if engine != platformv1alpha1.EngineTekton {
		return nil
	}
	there, err := r.Capabilities.Available(ctx, kindsOfTekton)
	if err != nil {
		return err
	}
	if len(there) == len(kindsOfTekton) {
		err = r.runs.ensure()
	}
	if len(there) < len(kindsOfTekton) || apply.KindUnavailable(err) {
		return &obstacle{reason: platformv1alpha1.ReasonEngineNotInstalled, message: fmt.Sprintf(
			"Engine Tekton builds Component %s, and the cluster does not serve %s: have Tekton Pipelines installed, or set spec.source.engine of the Component to Jobs.",
			component, strings.Join(kindsOfTekton, " and "))}
	}
	return err
}

// followTekton makes the PipelineRun of a Build, takes in how it is, and ends the Build with it.
func (r *Reconciler) followTekton(ctx context.Context, s *scope) error {
	err := r.served(ctx, platformv1alpha1.EngineTekton, s.component.Name)
	if err == nil && s.build.Status.Place.PipelineRun == "" {
		var refused string
		if refused, err = r.startPipelineRun(ctx, s); refused != "" {
			return r.cancel(ctx, s, &obstacle{final: true, reason: platformv1alpha1.ReasonBuildFailed, message: refused})
		}
	} else if err == nil {
		return r.readPipelineRun(ctx, s)
	}
	var o *obstacle
	if errors.As(err, &o) {
		s.progressing(o.reason, o.message)
		s.lookAgain(retryLater)
		return nil
	}
	s.progressing(platformv1alpha1.ReasonBuilding, s.soFar())
	return err
}

// runName is the name of the PipelineRun of a Build.
func runName(b *platformv1alpha1.Build) string { return jobs.Name(b.Spec.Component, b.UID, "pipeline") }

// startPipelineRun makes the PipelineRun, and the volume of its tasks. What is refused for good fails the Build; refused says why.
func (r *Reconciler) startPipelineRun(ctx context.Context, s *scope) (refused string, err error) {
	shared := s.run
	shared.Cache = "" // Tekton's tasks keep no caches
	claims, err := jobs.Claims(&shared)
	if err != nil {
		return "", err
	}
	name := runName(s.build)
	if there, err := r.livePipelineRun(ctx, s.build, name); err != nil || there != nil {
		if err == nil { // a manager that died made it, and Tekton has it run as it was made
			s.build.Status.Place.PipelineRun = name
		}
		return "", err
	}
	run, err := tekton.PipelineRun(&tekton.Run{
		Input: s.run.Input, Build: s.build.Name, Name: name, Path: s.run.Path, Image: s.input.Image, Secret: s.run.Secret, Claim: claims[0].Object.GetName(),
	}, &s.plan)
	if err != nil {
		return condition.Clip(fmt.Sprintf("Tekton cannot run the pipeline: %v.", err), maxMessage), nil
	}
	run.Wave = 1
	policy := jobs.Policy(&s.run, s.environment.Status.AllowedKinds)
	policy.Namespaced, policy.PipelineRuns = r.Writer.Namespaced, true
	refused, err = r.write(ctx, s, policy, "The Build", "PipelineRun "+name, append(claims, run))
	if err == nil && refused == "" {
		s.build.Status.Place.PipelineRun = name
	}
	return refused, err
}

// readPipelineRun takes in how the PipelineRun is, and ends the Build with it.
func (r *Reconciler) readPipelineRun(ctx context.Context, s *scope) error {
	name := s.build.Status.Place.PipelineRun
	run, err := r.pipelineRun(ctx, s.build, name)
	if err != nil {
		return err
	}
	if run == nil || !run.GetDeletionTimestamp().IsZero() && !tekton.Ended(run) {
		return r.cancel(ctx, s, &obstacle{final: true, reason: platformv1alpha1.ReasonBuildFailed, message: fmt.Sprintf("PipelineRun %s was deleted before it had ended.", name)})
	}
	tasks, err := r.taskRuns(ctx, s.build, run)
	if err != nil {
		return err
	}
	found := tekton.Read(&s.plan, s.input.Image, run, tasks)
	s.build.Status.Stages = found.Stages
	if found.Result == "" {
		s.progressing(platformv1alpha1.ReasonBuilding, s.soFar())
		return nil
	}
	if found.Result == platformv1alpha1.BuildSucceeded {
		return r.succeeded(ctx, s)
	}
	if done, err := r.cleanUp(ctx, s, false); err != nil || !done {
		return err
	}
	switch found.Result {
	case platformv1alpha1.BuildCancelled:
		return s.end(found.Result, platformv1alpha1.ReasonBuildCancelled, fmt.Sprintf("Somebody cancelled PipelineRun %s.", name))
	default:
		return s.end(found.Result, platformv1alpha1.ReasonBuildFailed, cmp.Or(found.Message, s.failed()))
	}
}

// pipelineRun returns the PipelineRun of a Build; nil where there is none.
func (r *Reconciler) pipelineRun(ctx context.Context, b *platformv1alpha1.Build, name string) (*unstructured.Unstructured, error) {
	key := types.NamespacedName{Namespace: b.Status.Place.Namespace, Name: name}
	run, _, err := r.runs.get(ctx, tekton.Kind, key)
	if err != nil {
		return nil, err
	}
	if run == nil { // the cache may be behind
		return r.livePipelineRun(ctx, b, name)
	}
	if !ours(run, b) {
		return nil, nil
	}
	return run, nil
}

// livePipelineRun is the same past the cache. Where Tekton is not installed any more, there is none.
func (r *Reconciler) livePipelineRun(ctx context.Context, b *platformv1alpha1.Build, name string) (*unstructured.Unstructured, error) {
	run := newRun(tekton.Kind)
	err := r.Live.Get(ctx, types.NamespacedName{Namespace: b.Status.Place.Namespace, Name: name}, run)
	if apierrors.IsNotFound(err) || apply.KindUnavailable(err) || err == nil && !ours(run, b) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading PipelineRun %s: %w", name, err)
	}
	return run, nil
}

// taskRuns returns those that Tekton made for a PipelineRun: those that its status names, and that it controls. Anybody may make
// others with the same labels. The cache may have the end of the PipelineRun before those of its tasks; then they are read past it.
func (r *Reconciler) taskRuns(ctx context.Context, b *platformv1alpha1.Build, run *unstructured.Unstructured) ([]*unstructured.Unstructured, error) {
	found, missing := map[string]*unstructured.Unstructured{}, false
	names := tekton.Tasks(run)
	for _, name := range names {
		task, _, err := r.runs.get(ctx, tekton.KindOfTask, types.NamespacedName{Namespace: run.GetNamespace(), Name: name})
		if err != nil {
			return nil, err
		}
		missing = missing || task == nil || tekton.Ended(run) && !tekton.Ended(task)
		found[name] = task
	}
	if missing {
		list := &unstructured.UnstructuredList{}
		list.SetAPIVersion(tekton.APIVersion)
		list.SetKind(tekton.KindOfTask + "List")
		if err := r.Live.List(ctx, list, client.InNamespace(run.GetNamespace()), client.MatchingLabels{
			platformv1alpha1.LabelBuild: b.Name, tekton.LabelRun: run.GetName(),
		}); err != nil {
			return nil, fmt.Errorf("listing the TaskRuns of PipelineRun %s: %w", run.GetName(), err)
		}
		for i := range list.Items {
			found[list.Items[i].GetName()] = &list.Items[i]
		}
	}
	var tasks []*unstructured.Unstructured
	for _, name := range names {
		if task := found[name]; task != nil && metav1.IsControlledBy(task, run) {
			tasks = append(tasks, task)
		}
	}
	return tasks, nil
}

// stop ends the PipelineRun of a Build where that must not go on, and deletes it with the Build. Its name follows from the Build, so
// that one is found also which was made a moment before a manager died. TaskRuns and pods go with it.
func (r *Reconciler) stop(ctx context.Context, b *platformv1alpha1.Build) error {
	run, err := r.livePipelineRun(ctx, b, runName(b))
	if err != nil || run == nil || !run.GetDeletionTimestamp().IsZero() {
		return err
	}
	status, _, _ := unstructured.NestedString(run.Object, "spec", "status")
	if !tekton.Ended(run) && status == "" {
		err := r.Writer.Cancel(ctx, environment.ApplierUser(run.GetNamespace()), run.GetNamespace(), target(run), tekton.Cancelled)
		switch {
		case err == nil:
		case b.DeletionTimestamp != nil: // Tekton's own admission may be away, and is asked of no deletion
			ctrl.LoggerFrom(ctx).Info("Deletes a PipelineRun that could not be cancelled", "object", run.GetName(), "error", err.Error())
		case apierrors.IsForbidden(err) && r.gone(ctx, b):
			return nil
		default:
			return err
		}
	}
	if b.DeletionTimestamp == nil {
		return nil
	}
	return r.removeRun(ctx, b, run)
}

// removeRun deletes a PipelineRun.
func (r *Reconciler) removeRun(ctx context.Context, b *platformv1alpha1.Build, run *unstructured.Unstructured) error {
	err := r.Writer.Delete(ctx, environment.ApplierUser(run.GetNamespace()), run.GetNamespace(), target(run))
	if apierrors.IsForbidden(err) && r.gone(ctx, b) {
		ctrl.LoggerFrom(ctx).Info("Leaves what nobody may delete any more, since the Environment is gone", "kind", tekton.Kind, "object", run.GetName())
		return nil
	}
	return err
}

func target(run *unstructured.Unstructured) apply.Target {
	return apply.Target{
		ReleaseObject: platformv1alpha1.ReleaseObject{APIVersion: run.GetAPIVersion(), Kind: run.GetKind(), Name: run.GetName()}, UID: run.GetUID(),
	}
}

// expire deletes the PipelineRun of a Build a day after the Build has ended: Tekton itself deletes none.
func (r *Reconciler) expire(ctx context.Context, s *scope) error {
	place := s.build.Status.Place
	if place == nil || place.PipelineRun == "" || s.build.Status.CompletedAt == nil {
		return nil
	}
	if left := s.build.Status.CompletedAt.Add(tekton.Keep).Sub(s.now); left > 0 {
		s.lookAgain(left + time.Second)
		return nil
	}
	err := r.served(ctx, place.Engine, s.build.Spec.Component)
	var o *obstacle
	if errors.As(err, &o) {
		return nil // what is not served has no objects
	}
	if err != nil {
		return err
	}
	run, listed, err := r.runs.get(ctx, tekton.Kind, types.NamespacedName{Namespace: place.Namespace, Name: place.PipelineRun})
	switch {
	case err != nil:
		return err
	case !listed:
		s.lookAgain(retryLater)
		return nil
	case run == nil || !ours(run, s.build) || !run.GetDeletionTimestamp().IsZero():
		return nil
	}
	return r.removeRun(ctx, s.build, run)
}
