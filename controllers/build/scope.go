package build

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/build"
	"github.com/towpath-dev/towpath/internal/index"
	"github.com/towpath-dev/towpath/internal/pipeline"
	"github.com/towpath-dev/towpath/internal/pipeline/jobs"
	"github.com/towpath-dev/towpath/internal/render"
	"github.com/towpath-dev/towpath/internal/revision"
	"github.com/towpath-dev/towpath/internal/template"
)

// scope is what is known of one Build in one pass.
type scope struct {
	build, before *platformv1alpha1.Build
	now           time.Time
	// after is when to look again; zero for never.
	after time.Duration

	// observe fills in these: the Component, nil where there is none, and all Builds of it.
	component *platformv1alpha1.Component
	builds    []platformv1alpha1.Build
	// placed fills in this.
	environment *platformv1alpha1.Environment
	// planned fills in these.
	input pipeline.Input
	plan  pipeline.Plan
	run   jobs.Run
}

// lookAgain asks for another pass after a while.
func (s *scope) lookAgain(after time.Duration) {
	if after > 0 && (s.after == 0 || after < s.after) {
		s.after = after
	}
}

// obstacle is why a Build does not begin, or does not go on.
type obstacle struct {
	reason, message string
	// final says that the Build has failed by it.
	final bool
}

func (o *obstacle) Error() string { return o.message }

// observe reads the Component and its Builds.
func (r *Reconciler) observe(ctx context.Context, s *scope) error {
	component := &platformv1alpha1.Component{}
	err := r.Get(ctx, types.NamespacedName{Namespace: s.build.Namespace, Name: s.build.Spec.Component}, component)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading Component %s: %w", s.build.Spec.Component, err)
	}
	if err == nil {
		s.component = component
	}
	var list platformv1alpha1.BuildList
	if err := r.List(ctx, &list, client.InNamespace(s.build.Namespace), client.MatchingFields{index.BuildComponent: s.build.Spec.Component},
		client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing Builds: %w", err)
	}
	s.builds = list.Items
	return nil
}

// hold gives a Build its finalizer, and its Component as owner, so that it goes with that. True where that was written: the event of
// the write comes back.
func (r *Reconciler) hold(ctx context.Context, s *scope) (bool, error) {
	held := s.build.DeepCopy()
	controllerutil.AddFinalizer(held, platformv1alpha1.Finalizer)
	if s.component != nil && len(held.OwnerReferences) == 0 && s.component.DeletionTimestamp.IsZero() {
		held.OwnerReferences = []metav1.OwnerReference{{
			APIVersion: platformv1alpha1.GroupVersion.String(), Kind: "Component", Name: s.component.Name, UID: s.component.UID,
		}}
	}
	if len(held.OwnerReferences) == len(s.build.OwnerReferences) && len(held.Finalizers) == len(s.build.Finalizers) {
		return false, nil
	}
	err := r.Patch(ctx, held, client.MergeFromWithOptions(s.before, client.MergeFromWithOptimisticLock{}))
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return true, nil // its event comes
	}
	if err != nil {
		return false, fmt.Errorf("holding Build %s: %w", s.build.Name, err)
	}
	r.writes.Wrote(client.ObjectKeyFromObject(held), held.ResourceVersion)
	return true, nil
}

// placed reads the Environment in whose namespace the stages run. An obstacle says what is wrong with it.
func (r *Reconciler) placed(ctx context.Context, s *scope) error {
	name := build.Environment(s.component)
	if s.build.Status.Place != nil {
		name = s.build.Status.Place.Environment
	}
	environment := &platformv1alpha1.Environment{}
	err := r.Get(ctx, types.NamespacedName{Namespace: s.build.Namespace, Name: name}, environment)
	if apierrors.IsNotFound(err) {
		return &obstacle{reason: platformv1alpha1.ReasonEnvironmentNotFound, message: fmt.Sprintf(
			"Environment %s, where Builds of Component %s run, does not exist in namespace %s. Create it, or name another in spec.source.environment of the Component.", name, s.component.Name, s.build.Namespace)}
	}
	if err != nil {
		return fmt.Errorf("reading Environment %s: %w", name, err)
	}
	s.environment = environment
	ready := meta.FindStatusCondition(environment.Status.Conditions, platformv1alpha1.ConditionReady)
	switch {
	case !environment.DeletionTimestamp.IsZero():
		return &obstacle{reason: platformv1alpha1.ReasonEnvironmentNotReady, message: fmt.Sprintf("Environment %s is being deleted.", name)}
	case ready == nil || environment.Status.Namespace == "":
		return &obstacle{reason: platformv1alpha1.ReasonEnvironmentNotReady, message: fmt.Sprintf("Environment %s has no namespace yet.", name)}
	case ready.Status != metav1.ConditionTrue:
		return &obstacle{reason: platformv1alpha1.ReasonEnvironmentNotReady, message: fmt.Sprintf("Environment %s is not ready: %s", name, ready.Message)}
	case environment.Asleep():
		return &obstacle{reason: platformv1alpha1.ReasonAsleep, message: fmt.Sprintf("Environment %s sleeps: the Build begins when it wakes. towpath env wake wakes it.", name)}
	}
	return nil
}

// revisionOf is the revision of the template whose pipeline a Build runs: the one with which it began; else the pin of the Component; else
// the one that runs in the first of its environments which has one, so that a changed pipeline comes in the waves of the roll-out; else
// the newest.
func (r *Reconciler) revisionOf(ctx context.Context, s *scope) (int64, error) {
	component := s.component
	if s.build.Status.Place != nil {
		return s.build.Status.Place.Revision, nil
	}
	if pin := component.Spec.TemplateRef.Revision; pin != nil {
		return *pin, nil
	}
	for _, environment := range component.Status.Environments {
		if environment.Revision != 0 {
			return environment.Revision, nil
		}
	}
	var t platformv1alpha1.ServiceTemplate
	err := r.Get(ctx, types.NamespacedName{Name: component.Spec.TemplateRef.Name}, &t)
	switch {
	case apierrors.IsNotFound(err):
		return 0, &obstacle{reason: platformv1alpha1.ReasonTemplateNotFound, message: fmt.Sprintf("ServiceTemplate %s does not exist.", component.Spec.TemplateRef.Name)}
	case err != nil:
		return 0, fmt.Errorf("reading ServiceTemplate %s: %w", component.Spec.TemplateRef.Name, err)
	case t.Status.LatestRevision == nil:
		return 0, &obstacle{reason: platformv1alpha1.ReasonRevisionNotFound, message: fmt.Sprintf("ServiceTemplate %s has no revision yet.", t.Name)}
	}
	return t.Status.LatestRevision.Number, nil
}

// inputs are what the stages run with: those with which the Build began, else what the Component says now. A Build that an older manager
// began has none until the next pass writes them.
func (s *scope) inputs() *platformv1alpha1.BuildInputs {
	if s.build.Status.Inputs != nil {
		return s.build.Status.Inputs
	}
	source := s.component.Spec.Source
	inputs := &platformv1alpha1.BuildInputs{
		Repository: source.Repository, Path: source.Path, Branch: build.Branch(source), Image: source.Image, Parameters: s.component.Spec.Parameters.DeepCopy(),
	}
	if source.SecretRef != nil {
		inputs.Secret = source.SecretRef.Name
	}
	return inputs
}

// cache is the name of the volume of caches for a Build that begins; empty for none. It is for Builds of the branch that is deployed alone: what
// others bring must not come into that by a cache.
func (r *Reconciler) cache(s *scope) string {
	deployed := s.build.Spec.Branch == build.Branch(s.component.Spec.Source)
	if r.Caches == nil || !deployed || len(s.run.CachePaths) == 0 || build.Engine(s.component.Spec.Source) != platformv1alpha1.EngineJobs {
		return ""
	}
	return jobs.CacheName(s.component.Name, s.component.UID, *r.Caches)
}

// usable is a volume of caches, or empty where that is being deleted: no pod gets such a one, and pods of earlier Builds may hold it for a day.
// A Build then runs without what was kept.
func (r *Reconciler) usable(ctx context.Context, s *scope, cache string) (string, error) {
	if cache == "" {
		return "", nil
	}
	claim := &metav1.PartialObjectMetadata{}
	claim.SetGroupVersionKind(claimKind)
	err := r.Live.Get(ctx, types.NamespacedName{Namespace: s.environment.Status.Namespace, Name: cache}, claim)
	switch {
	case apierrors.IsNotFound(err):
		return cache, nil
	case err != nil:
		return "", fmt.Errorf("reading PersistentVolumeClaim %s: %w", cache, err)
	case !claim.DeletionTimestamp.IsZero():
		return "", nil
	}
	return cache, nil
}

// planned plans the Build. An obstacle says what is wrong with pipeline, parameters or configuration.
func (r *Reconciler) planned(ctx context.Context, s *scope) (revisionNumber int64, err error) {
	component, inputs := s.component, s.inputs()
	number, err := r.revisionOf(ctx, s)
	if err != nil {
		return 0, err
	}
	name := component.Spec.TemplateRef.Name
	if s.build.Status.Place != nil {
		name = s.build.Status.Place.Template
	}
	invalid := func(reason, format string, args ...any) error {
		return &obstacle{reason: reason, message: fmt.Sprintf(format, args...), final: true}
	}
	compiled, err := r.Revisions.Get(ctx, revision.Name(name, number))
	if apierrors.IsNotFound(err) {
		return 0, invalid(platformv1alpha1.ReasonRevisionNotFound, "Revision %d of ServiceTemplate %s does not exist.", number, name)
	}
	if err != nil {
		return 0, err
	}
	if compiled.Pipeline() == nil {
		return 0, invalid(platformv1alpha1.ReasonPipelineInvalid, "Revision %d of ServiceTemplate %s has no pipeline: give it one, or build elsewhere and set spec.source.engine of Component %s to External.", number, name, component.Name)
	}
	if inputs.Image == "" {
		return 0, invalid(platformv1alpha1.ReasonPipelineInvalid, "Nobody says which image the stages make: set spec.source.image of Component %s.", component.Name)
	}
	given, err := template.DecodeParameters(inputs.Parameters)
	if err != nil {
		return 0, invalid(platformv1alpha1.ReasonParametersInvalid, "The parameters of Component %s cannot be read: %v", component.Name, err)
	}
	parameters, errs := compiled.ResolveParameters(given, field.NewPath("spec", "parameters"))
	if len(errs) > 0 {
		return 0, invalid(platformv1alpha1.ReasonParametersInvalid, "The parameters of Component %s do not fit revision %d of ServiceTemplate %s: %v", component.Name, number, name, errs.ToAggregate())
	}
	branch := cmp.Or(inputs.Branch, build.Branch(component.Spec.Source)) // one that began before it was held has none
	s.input = pipeline.Input{
		Component: pipeline.Component{
			Name: component.Name, Namespace: component.Namespace, Team: s.environment.Status.Team, Repository: inputs.Repository, Path: inputs.Path, Branch: branch,
		},
		Parameters: parameters, Image: inputs.Image, Standard: r.Standard,
		Build: build.Told(s.build, branch),
		Run:   pipeline.Run{Pipeline: revision.Name(name, number), Invocation: fmt.Sprintf("%s/%s/%s", s.build.Namespace, s.build.Name, s.build.UID)},
	}
	if at := s.build.Status.StartedAt; at != nil {
		s.input.Run.StartedAt = at.Time
	}
	s.plan, err = compiled.Pipeline().Plan(s.input)
	if err == nil {
		s.plan, err = jobs.WithClone(s.plan, &s.input)
	}
	if err != nil {
		var wrong *pipeline.Error
		if errors.As(err, &wrong) {
			return 0, invalid(platformv1alpha1.ReasonPipelineInvalid, "The pipeline of revision %d of ServiceTemplate %s cannot run for Component %s: %v.", number, name, component.Name, err)
		}
		return 0, err
	}
	s.run = jobs.Run{
		Input: r.labelled(s, name, number), Build: s.build.Name, UID: s.build.UID, Path: inputs.Path, Secret: inputs.Secret, Workspace: r.Workspace,
		Cache: inputs.Cache, CachePaths: jobs.CachePaths(&s.plan),
	}
	if r.Caches != nil && inputs.Cache == jobs.CacheName(component.Name, component.UID, *r.Caches) {
		s.run.CacheVolume = *r.Caches // one of another size was made before
	}
	return number, nil
}

// labelled is what the labels of the Jobs are made of.
func (r *Reconciler) labelled(s *scope, name string, number int64) render.Input {
	env := s.environment
	return render.Input{
		OwnerUID: s.component.UID, Component: s.component.Name, HomeNamespace: s.component.Namespace,
		Team: env.Status.Team, CostCenter: env.Status.CostCenter,
		Environment: render.Environment{Name: env.Name, Namespace: env.Status.Namespace, Class: env.Spec.ClassRef.Name, Tier: env.Status.Tier},
		Template:    name, Revision: number, Image: s.input.Reference(), LabelAliases: r.LabelAliases,
	}
}
