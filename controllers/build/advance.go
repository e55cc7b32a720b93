package build

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/build"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/internal/pipeline"
)

// advance brings the status of a Build a step further.
func (r *Reconciler) advance(ctx context.Context, s *scope) error {
	switch {
	case s.build.Status.Result != "":
		r.digests.forget(client.ObjectKeyFromObject(s.build))
		if err := r.expire(ctx, s); err != nil {
			return err
		}
		return r.trim(ctx, s)
	case s.build.Spec.Result != "":
		r.record(ctx, s)
		return nil
	case s.build.Status.Place != nil:
		return r.follow(ctx, s)
	}
	err := r.begin(ctx, s)
	var o *obstacle
	if !errors.As(err, &o) {
		return err
	}
	if o.final {
		return s.end(platformv1alpha1.BuildFailed, o.reason, o.message)
	}
	s.progressing(o.reason, o.message)
	switch o.reason {
	case platformv1alpha1.ReasonTemplateNotFound, platformv1alpha1.ReasonRevisionNotFound, platformv1alpha1.ReasonEngineNotInstalled:
		s.lookAgain(retryLater) // neither templates nor definitions of kinds wake a Build
	}
	return nil
}

// record takes over what was built elsewhere.
func (r *Reconciler) record(ctx context.Context, s *scope) {
	spec, status := &s.build.Spec, &s.build.Status
	image := spec.Image
	if spec.Result == platformv1alpha1.BuildSucceeded {
		var settled bool
		if image, settled = r.settle(ctx, s, spec.Image); !settled || !r.vouch(ctx, s, image, spec.Evidence) {
			return
		}
	}
	at := metav1.NewTime(s.build.CreationTimestamp.Time)
	status.StartedAt, status.CompletedAt, status.Result = &at, &at, spec.Result
	by := ""
	if spec.RequestedBy != "" {
		by = " by " + spec.RequestedBy
	}
	switch spec.Result {
	case platformv1alpha1.BuildSucceeded:
		status.Image = image
		s.ready("It was built elsewhere, and recorded" + by + ".")
	case platformv1alpha1.BuildFailed:
		s.stalled(platformv1alpha1.ReasonBuildFailed, "It failed elsewhere, as recorded"+by+where(spec.URL)+".")
	default:
		s.stalled(platformv1alpha1.ReasonBuildCancelled, "It was cancelled elsewhere, as recorded"+by+where(spec.URL)+".")
	}
}

func where(url string) string {
	if url == "" {
		return ""
	}
	return ": see " + url
}

// begin decides whether, where and with which stages a Build runs. An obstacle says why it does not.
func (r *Reconciler) begin(ctx context.Context, s *scope) error {
	if s.component == nil || !s.component.DeletionTimestamp.IsZero() {
		return &obstacle{reason: platformv1alpha1.ReasonComponentNotFound, message: fmt.Sprintf(
			"Component %s does not exist in namespace %s. Create it, or delete the Build.", s.build.Spec.Component, s.build.Namespace)}
	}
	source := s.component.Spec.Source
	if source == nil {
		return &obstacle{final: true, reason: platformv1alpha1.ReasonPipelineInvalid, message: fmt.Sprintf(
			"Component %s has no spec.source: nobody says from where it is built. Set it, or record what was built elsewhere.", s.component.Name)}
	}
	if engine := build.Engine(source); !build.InCluster(engine) {
		if recorded := build.Recorded(s.build, s.builds); recorded != nil {
			return s.end(platformv1alpha1.BuildCancelled, platformv1alpha1.ReasonBuildCancelled, fmt.Sprintf("Build %s records what was built of the commit.", recorded.Name))
		}
		return &obstacle{reason: platformv1alpha1.ReasonWaitingForRecord, message: fmt.Sprintf(
			"Engine %s builds Component %s elsewhere: its last step records a Build of the commit (towpath build record), and this one ends then.", engine, s.component.Name)}
	}
	if err := r.placed(ctx, s); err != nil {
		return err
	}
	number, err := r.planned(ctx, s)
	if err != nil {
		return err
	}
	turn := build.TurnOf(s.build, s.builds, build.Branch(s.component.Spec.Source), s.plan.Concurrency)
	switch {
	case turn.Overtaken != "":
		return s.end(platformv1alpha1.BuildCancelled, platformv1alpha1.ReasonBuildCancelled, fmt.Sprintf("Build %s is a later one, and takes its place.", turn.Overtaken))
	case turn.Behind != "":
		return &obstacle{reason: platformv1alpha1.ReasonBuildQueued, message: fmt.Sprintf("Build %s of the same Component comes first.", turn.Behind)}
	}
	if err := r.served(ctx, build.Engine(source), s.component.Name); err != nil {
		return err
	}
	at := metav1.NewTime(s.now.Truncate(time.Second))
	s.build.Status.StartedAt = &at
	s.build.Status.Place = &platformv1alpha1.BuildPlace{
		Environment: s.environment.Name, Namespace: s.environment.Status.Namespace,
		Template: s.run.Input.Template, Revision: number, Engine: build.Engine(source),
	}
	inputs := s.inputs()
	if inputs.Cache, err = r.usable(ctx, s, r.cache(s)); err != nil {
		return err
	}
	s.build.Status.Inputs = inputs
	s.build.Status.Stages = pipeline.Begin(&s.plan)
	s.progressing(platformv1alpha1.ReasonBuilding, s.soFar())
	return nil // the first stages begin once it is written where they run
}

// follow takes in what has ended, begins what may begin, and ends the Build.
func (r *Reconciler) follow(ctx context.Context, s *scope) error {
	if why, err := r.over(ctx, s); err != nil {
		return err
	} else if why != nil {
		return r.cancel(ctx, s, why)
	}
	if s.build.Status.Place.Engine == platformv1alpha1.EngineTekton {
		if s.build.Status.Place.PipelineRun != "" && pipeline.Result(s.build.Status.Stages) == platformv1alpha1.BuildSucceeded {
			return r.succeeded(ctx, s) // whatever becomes of the PipelineRun by now
		}
		return r.followTekton(ctx, s)
	}
	err := r.runStages(ctx, s)
	switch result := pipeline.Result(s.build.Status.Stages); result {
	case "":
		var o *obstacle
		if errors.As(err, &o) {
			s.progressing(o.reason, o.message)
			s.lookAgain(retryLater)
			return nil
		}
		s.progressing(platformv1alpha1.ReasonBuilding, s.soFar())
		return err
	case platformv1alpha1.BuildSucceeded:
		return r.succeeded(ctx, s)
	default:
		if done, err := r.cleanUp(ctx, s, false); err != nil || !done {
			return err
		}
		return s.end(result, platformv1alpha1.ReasonBuildFailed, s.failed())
	}
}

// succeeded ends a Build all of whose stages have succeeded, once its volume is free and its image has a digest, or none can be had.
func (r *Reconciler) succeeded(ctx context.Context, s *scope) error {
	if done, err := r.cleanUp(ctx, s, false); err != nil || !done {
		return err
	}
	made := pipeline.Made(&s.plan, s.build.Status.Stages, s.input.Reference())
	if made == "" {
		return s.end(platformv1alpha1.BuildSucceeded, platformv1alpha1.ReasonBuilt,
			"All stages that ran succeeded. Their conditions left out the standard stage Image, and no other pushed an image: there is none that Releases could run.")
	}
	image, settled := r.settle(ctx, s, made)
	if !settled || !r.vouch(ctx, s, image, pipeline.Reported(&s.plan, s.build.Status.Stages)) {
		return nil
	}
	s.build.Status.Image = image
	return s.end(platformv1alpha1.BuildSucceeded, platformv1alpha1.ReasonBuilt, fmt.Sprintf("All stages succeeded: %s.", image))
}

// over says why a Build that runs must not go on; nil where it may.
func (r *Reconciler) over(ctx context.Context, s *scope) (*obstacle, error) {
	place := s.build.Status.Place
	if s.component == nil || !s.component.DeletionTimestamp.IsZero() || s.component.Spec.Source == nil {
		return &obstacle{reason: platformv1alpha1.ReasonBuildCancelled, message: fmt.Sprintf("Component %s, or its source, is gone.", s.build.Spec.Component)}, nil
	}
	s.build.Status.Inputs = s.inputs()
	err := r.placed(ctx, s)
	var o *obstacle
	if err != nil && !errors.As(err, &o) {
		return nil, err
	}
	if s.environment == nil || !s.environment.DeletionTimestamp.IsZero() || s.environment.Status.Namespace != place.Namespace {
		return &obstacle{reason: platformv1alpha1.ReasonBuildCancelled, message: fmt.Sprintf("Environment %s, in which it ran, is gone.", place.Environment)}, nil
	}
	if _, err := r.planned(ctx, s); err != nil {
		if errors.As(err, &o) && o.final {
			return o, nil
		}
		return nil, err
	}
	if result := pipeline.Result(s.build.Status.Stages); result == platformv1alpha1.BuildSucceeded || result != "" && place.Engine != platformv1alpha1.EngineTekton {
		return nil, nil // nothing of it runs any more: only its digest is asked for
	}
	if turn := build.TurnOf(s.build, s.builds, build.Branch(s.component.Spec.Source), s.plan.Concurrency); turn.Overtaken != "" {
		return &obstacle{reason: platformv1alpha1.ReasonBuildCancelled, message: fmt.Sprintf("Build %s is a later one, and takes its place.", turn.Overtaken)}, nil
	}
	left := s.build.Status.StartedAt.Add(s.plan.Timeout).Sub(s.now)
	if left <= 0 {
		return &obstacle{final: true, reason: platformv1alpha1.ReasonBuildFailed, message: fmt.Sprintf("It did not end within %s (timeoutSeconds of the pipeline).", s.plan.Timeout)}, nil
	}
	s.lookAgain(left)
	return nil, nil
}

// cancel ends a Build that has begun.
func (r *Reconciler) cancel(ctx context.Context, s *scope, why *obstacle) error {
	if done, err := r.cleanUp(ctx, s, true); err != nil || !done {
		return err
	}
	pipeline.Cancel(s.build.Status.Stages, condition.Clip(why.message, maxMessage), s.now)
	result := platformv1alpha1.BuildCancelled
	if why.final {
		result = platformv1alpha1.BuildFailed
	}
	return s.end(result, why.reason, why.message)
}

// maxMessage bounds what the status says of a stage.
const maxMessage = 1024

// end ends a Build.
func (s *scope) end(result platformv1alpha1.BuildResult, reason, message string) error {
	at := metav1.NewTime(s.now.Truncate(time.Second))
	s.build.Status.CompletedAt, s.build.Status.Result = &at, result
	s.after = 0
	if result == platformv1alpha1.BuildSucceeded {
		s.ready(message)
		return nil
	}
	s.build.Status.Image = ""
	s.stalled(reason, message)
	return nil
}

func (s *scope) ready(message string) {
	condition.Ready(&s.build.Status.Conditions, s.build.Generation, platformv1alpha1.ReasonBuilt, message)
}

func (s *scope) stalled(reason, message string) {
	condition.Stalled(&s.build.Status.Conditions, s.build.Generation, reason, message)
}

func (s *scope) progressing(reason, message string) {
	condition.Progressing(&s.build.Status.Conditions, s.build.Generation, reason, message)
}

// soFar says how far the stages are.
func (s *scope) soFar() string {
	var running []string
	ended := 0
	for _, stage := range s.build.Status.Stages {
		switch stage.State {
		case platformv1alpha1.StageRunning:
			running = append(running, stage.Name)
		case platformv1alpha1.StageWaiting:
		default:
			ended++
		}
	}
	what := "None of its stages runs yet"
	if len(running) == 1 {
		what = "Stage " + running[0] + " runs"
	} else if len(running) > 1 {
		what = "Stages " + strings.Join(running, ", ") + " run"
	}
	so := fmt.Sprintf("%s; %d of %d have ended.", what, ended, len(s.build.Status.Stages))
	for _, stage := range s.build.Status.Stages {
		if stage.State == platformv1alpha1.StageRunning && stage.Message != "" {
			return so + " Stage " + stage.Name + ": " + stage.Message
		}
	}
	return so
}

// failed says which stages failed.
func (s *scope) failed() string {
	var all []string
	for _, stage := range s.build.Status.Stages {
		if stage.State == platformv1alpha1.StageFailed {
			all = append(all, fmt.Sprintf("Stage %s failed: %s", stage.Name, stage.Message))
		}
	}
	return strings.Join(all, " ")
}
