package component

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/guard"
	"github.com/towpath-dev/towpath/internal/promotion"
	"github.com/towpath-dev/towpath/internal/render"
	"github.com/towpath-dev/towpath/internal/sleep"
	"github.com/towpath-dev/towpath/internal/template"
)

// settleFor is how long a new version may take to show whether it works before a new revision of the template
// is rolled out over it: as long as Deployments are given by default.
const settleFor = 10 * time.Minute

const (
	// retryDefined is for a kind whose definition has just changed: discovery follows a moment later.
	retryDefined = 2 * time.Second
	// retrySpending is for what is over a limit on spending: the forecast changes by the day, and by what others run.
	retrySpending = time.Minute
	// retryUnserved is for a kind that the cluster does not serve, where no definition of it tells.
	retryUnserved = time.Minute
)

// NamespacedFunc says whether objects of a kind live in namespaces, and whether the cluster knows
// the kind at all.
type NamespacedFunc func(schema.GroupKind) (namespaced, known bool)

// act makes the Releases that the plan asks for, and deletes those that nobody needs.
func (r *Reconciler) act(ctx context.Context, s *scope) error {
	errs := []error{r.dropStrays(ctx, s)}
	for i := range s.stops {
		if err := r.keepRejections(ctx, &s.stops[i]); err != nil {
			return errors.Join(append(errs, err)...)
		}
	}
	switch {
	case s.problem == nil:
		errs = append(errs, r.trimHistory(ctx, s))
	case !s.problem.next:
		return errors.Join(errs...) // what the history must keep is not known either
	}
	decisions := promotion.Plan(s.path(), s.target, s.now, func(i int, version string, number int64) bool {
		return r.fits(ctx, s, &s.stops[i], version, number)
	})
	for i := range s.stops {
		s.stops[i].decision = decisions[i]
		s.lookAgain(decisions[i].Again)
		if decisions[i].Next == nil {
			errs = append(errs, r.settle(ctx, s, &s.stops[i]))
			continue
		}
		if err := r.create(ctx, s, &s.stops[i]); err != nil {
			// Without it the Component would pass for Ready: what ran before still does.
			s.stops[i].problem = &problem{
				reason: platformv1alpha1.ReasonProgressing, message: fmt.Sprintf("The next Release cannot be made yet, and is tried again: %v.", err), waiting: true,
			}
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// path is the state of the stops as planning sees it.
func (s *scope) path() []promotion.Step {
	path := make([]promotion.Step, len(s.stops))
	for i := range s.stops {
		st := &s.stops[i]
		path[i] = promotion.Step{Name: st.name, Home: s.component.Namespace, Component: s.component.Name, Blocked: st.blocked, Lacks: st.lacks, Lags: st.lags, Version: st.version, Target: st.target, Pinned: s.component.Spec.TemplateRef.Revision != nil, Adopts: st.adopt != nil, Stale: st.stale,
			Tier: st.tier(), Gate: st.gate, RequiredTier: st.soakTier, Barred: st.barred, Promote: s.component.Spec.Environments[i].Promote, Pending: s.plannedPending(st),
			Freeze: st.freeze, Sleep: st.sleep(), RollsBack: st.rollsBack(), RollbackTo: st.rollbackTo}
		for _, release := range st.releases {
			path[i].Releases = append(path[i].Releases, planned(release))
		}
		if n := len(path[i].Releases); n > 0 {
			if path[i].Releases[n-1].Settling {
				s.lookAgain(settleFor) // the event of its outcome comes first, as a rule
			}
			path[i].Releases[n-1].Failed = s.failed(st, st.releases[n-1])
		}
		ran := st.current()
		if ran == nil {
			path[i].Lost, ran = s.loss(st)
		}
		if ran != nil {
			path[i].Expired = s.expired(st, ran)
			path[i].SameCode = ran.Spec.Image == s.component.Spec.Image && sha(ran.Spec.Commit) == sha(s.component.Spec.Commit)
		}
	}
	return path
}

// planned is a Release as planning sees it.
func planned(release *platformv1alpha1.Release) promotion.Release {
	p := promotion.Release{
		Name: release.Name, Number: release.Spec.Number, Version: release.Spec.Version, Revision: release.Spec.Revision.Number,
		HadReady: release.Proven(), Ready: isReady(release), Settling: settling(release),
		AsFound: release.Spec.Cause == platformv1alpha1.CauseAdoption, Applied: release.Status.AppliedAt != nil, Changes: changes(release.Spec.Cause),
	}
	p.Checks, p.Found = checksOf(release)
	if back := release.Spec.Rollback; back != nil && back.Reason != "" {
		p.RolledBack = &promotion.RolledBack{From: back.From, Why: back.Reason}
	}
	if p.Asleep = release.Asleep(); p.Asleep {
		p.Soaked = time.Duration(release.Status.Sleep.SoakedSeconds) * time.Second
		p.Ready = p.Ready && p.Soaked > 0 // what did not run shows nothing
	} else if p.Ready {
		p.ReadySince, _ = sleep.ReadySince(&release.Status)
	}
	return p
}

// settling says whether a Release may still become Ready soon.
func settling(release *platformv1alpha1.Release) bool {
	since := release.CreationTimestamp.Time
	if slept := release.Status.Sleep; slept != nil && slept.WokeAt != nil && slept.WokeAt.After(since) {
		since = slept.WokeAt.Time
	}
	return release.Status.ReadyAt == nil && !meta.IsStatusConditionTrue(release.Status.Conditions, platformv1alpha1.ConditionStalled) &&
		(release.Asleep() || time.Since(since) < settleFor || ready(release).Reason == platformv1alpha1.ReasonChecking)
}

// loss is what ran in an environment that has no current Release, as planning sees it and as it was;
// nil where nothing did. Of a Release that is gone altogether only the status knows.
func (s *scope) loss(st *stop) (*promotion.Release, *platformv1alpha1.Release) {
	ran := st.lost
	if n := len(st.releases); ran == nil && n > 0 {
		ran = st.releases[n-1]
	}
	if ran != nil {
		lost := planned(ran)
		return &lost, ran
	}
	for _, known := range s.component.Status.Environments {
		if known.Name == st.name && known.Release != "" {
			return &promotion.Release{Name: known.Release, Revision: known.Revision}, nil
		}
	}
	return nil, nil
}

// isReady says whether a Release runs and is healthy now. One that was superseded a moment ago is not.
func isReady(release *platformv1alpha1.Release) bool {
	return release.Status.SupersededAt == nil && ready(release).Status == metav1.ConditionTrue
}

func sha(commit *platformv1alpha1.Commit) string {
	if commit == nil {
		return ""
	}
	return commit.SHA
}

// fits says whether a version can run with a revision of the template in an environment: its parameters suit, it
// renders, and the guard lets it through. What a template makes can be refused from one day to the next, by another
// class, and then its next revision is the way on.
func (r *Reconciler) fits(ctx context.Context, s *scope, st *stop, version string, number int64) bool {
	if current := st.current(); version != st.version && (current == nil || current.Spec.Version != version) {
		return false
	}
	try := *st
	try.problem, try.decision = nil, promotion.Decision{Next: &promotion.Next{Version: version, Revision: number}}
	release, err := r.build(ctx, s, &try)
	return err == nil && release != nil
}

// create makes the Release that was decided on, or says on the stop why it cannot be made.
func (r *Reconciler) create(ctx context.Context, s *scope, st *stop) error {
	release, err := r.build(ctx, s, st)
	if err != nil || st.problem != nil {
		return err
	}
	if made, err := r.demanded(ctx, s, st, release); err != nil || !made {
		return err
	}
	if !st.decision.Gated { // else it asks once its gate is open
		affordable, err := r.afford(ctx, s, st, release)
		if err != nil {
			return err
		}
		if !affordable {
			st.decision.Gated, release.Spec.Gate = true, st.gate.DeepCopy()
		}
	}
	err = r.releases.Create(ctx, release)
	switch {
	case apierrors.IsAlreadyExists(err):
		st.made(release) // in the pass before, and not in the cache yet: its event will wake us
		return nil
	case err != nil:
		return fmt.Errorf("creating Release %s: %w", release.Name, err)
	}
	ctrl.LoggerFrom(ctx).Info("Created a Release", "release", release.Name, "cause", release.Spec.Cause,
		"image", release.Spec.Image, "revision", release.Spec.Revision.Number)
	// Of the first Release of all nothing changed, and the first status tells what there is: a thousand Components that come at once
	// must not be a thousand events too.
	if !s.isNew() {
		r.released(s.component, release)
	}
	st.made(release)
	return nil
}

// build puts a Release together, and renders and guards it once: what would be refused later is not
// made at all.
func (r *Reconciler) build(ctx context.Context, s *scope, st *stop) (*platformv1alpha1.Release, error) {
	ref := s.revisionReference(st.decision.Next.Revision)
	compiled, err := r.Revisions.Get(ctx, ref.Name)
	if err != nil {
		return nil, fmt.Errorf("reading ServiceTemplateRevision %s: %w", ref.Name, err)
	}
	release, err := r.assemble(ctx, s, st, ref, compiled)
	if err != nil || st.problem != nil {
		return nil, err
	}
	objects, renderErr := render.Release(compiled, release)
	if renderErr == nil && st.unproven() {
		renderErr = render.CheckFound(objects, release.Spec.Adopt)
	}
	if renderErr != nil {
		st.problem = renderProblem(release, renderErr)
		return nil, nil
	}
	provided, renderErr := render.Provided(compiled, release)
	if renderErr != nil {
		st.problem = renderProblem(release, renderErr)
		return nil, nil
	}
	release.Spec.Outputs, release.Spec.Endpoint = provided.Outputs, provided.Endpoint
	release.Spec.Inventory = render.Inventory(objects)
	if release.Spec.EstimatedCost, err = r.costOf(ctx, release, objects, st.sleeps); err != nil {
		return nil, err
	}
	guarded := make([]guard.Object, len(objects))
	for i, o := range objects {
		guarded[i] = guard.Object{Resource: o.Resource, Object: o.Object}
		if _, served := r.Namespaced(o.Object.GroupVersionKind().GroupKind()); !served {
			s.lookAgain(retryUnserved)
		}
	}
	policy := render.Policy(release)
	policy.Namespaced = r.Namespaced
	if refusals := guard.Check(guarded, policy); len(refusals) > 0 {
		var all []error
		for _, refusal := range refusals {
			all = append(all, refusal)
		}
		st.problem = &problem{reason: platformv1alpha1.ReasonRefused, message: errors.Join(all...).Error()}
		return nil, nil
	}
	return release, nil
}

// renderProblem turns an error of rendering, which only a change by somebody mends, into a problem.
func renderProblem(release *platformv1alpha1.Release, err error) *problem {
	var invalid *template.ParameterError
	if errors.As(err, &invalid) {
		return &problem{reason: platformv1alpha1.ReasonParametersInvalid, message: fmt.Sprintf(
			"The parameters do not fit revision %d of ServiceTemplate %s: %v", release.Spec.Revision.Number, release.Spec.Template, err)}
	}
	var refused *render.OverrideError
	if errors.As(err, &refused) {
		return &problem{reason: platformv1alpha1.ReasonOverrideRefused, message: err.Error()}
	}
	return &problem{reason: platformv1alpha1.ReasonRenderFailed, message: err.Error()}
}

// assemble fills in a Release but for its inventory.
func (r *Reconciler) assemble(ctx context.Context, s *scope, st *stop, ref platformv1alpha1.RevisionReference, compiled *template.Template) (*platformv1alpha1.Release, error) {
	capabilities, err := r.Capabilities.Available(ctx, compiled.Capabilities())
	if err != nil {
		return nil, fmt.Errorf("asking for the cluster's capabilities: %w", err)
	}
	component, env, next := s.component, st.environment, st.decision.Next
	number, err := r.nextNumber(ctx, s, st)
	if err != nil {
		return nil, err
	}
	release := &platformv1alpha1.Release{
		ObjectMeta: metav1.ObjectMeta{
			Name:       promotion.ReleaseName(component.Name, st.name, number),
			Namespace:  component.Namespace,
			Finalizers: []string{platformv1alpha1.Finalizer},
		},
		Spec: platformv1alpha1.ReleaseSpec{
			Number:    number,
			Component: platformv1alpha1.ReleaseComponent{Name: component.Name, UID: component.UID},
			Environment: platformv1alpha1.ReleaseEnvironment{
				Name: st.name, UID: env.UID, Namespace: env.Status.Namespace, Class: env.Spec.ClassRef.Name, Tier: env.Status.Tier,
			},
			Template: component.Spec.TemplateRef.Name, Revision: ref,
			Version: next.Version, Cause: next.Cause,
			Capabilities: capabilities, Team: env.Status.Team, CostCenter: env.Status.CostCenter,
			// What the API server answers is read into the Release, and must not be read into this.
			LabelAliases: maps.Clone(r.LabelAliases), PodSecurity: env.Status.PodSecurity, Adopt: st.adopt.DeepCopy(),
			// The status of an Environment that was made before may not have it yet.
			ServiceAccountTokens: cmp.Or(env.Status.ServiceAccountTokens, platformv1alpha1.TokensForbidden),
			AllowedKinds:         slices.Clone(env.Status.AllowedKinds),
		},
	}
	spec := &release.Spec
	if spec.Overrides, err = r.overridesOf(st, compiled); err != nil || st.problem != nil {
		return nil, err
	}
	if source := st.source(); source != nil {
		spec.Image, spec.Commit, spec.Parameters = source.Spec.Image, source.Spec.Commit, source.Spec.Parameters
		spec.Build, spec.Commits = source.Spec.Build, source.Spec.Commits.DeepCopy()
		spec.Env, spec.SecretEnv, spec.Uses, spec.RequestedBy = source.Spec.Env, source.Spec.SecretEnv, source.Spec.Uses, source.Spec.RequestedBy
		if source == st.current() {
			spec.Uses = st.runningUses
		}
		if st.decision.Gated {
			spec.RequestedBy = s.requester(st) // the version runs: who pins the revision asks for the change
			spec.Requesters = st.requesters(spec.RequestedBy)
		}
	} else {
		if spec.Parameters, err = template.EncodeParameters(st.parameters); err != nil {
			return nil, err
		}
		spec.Image, spec.Commit = component.Spec.Image, component.Spec.Commit
		if s.build != nil {
			spec.Build, spec.Commits = s.build.Name, s.undeployed(st)
		}
		spec.Env, spec.SecretEnv, spec.Uses, spec.RequestedBy = component.Spec.Env, component.Spec.SecretEnv, st.uses, s.requester(st)
		spec.Requesters = st.requesters(spec.RequestedBy)
	}
	if st.decision.Gated {
		spec.Gate = st.gate.DeepCopy()
	}
	spec.Rollback = st.rollback()
	if err := r.addChecks(ctx, s, st, release); err != nil || st.problem != nil {
		return nil, err
	}
	release.Labels = render.ReleaseLabels(release)
	delete(release.Labels, platformv1alpha1.LabelOwnerUID) // a Release is found by its owner reference
	if err := controllerutil.SetControllerReference(component, release, r.Scheme()); err != nil {
		return nil, fmt.Errorf("owning Release %s: %w", release.Name, err)
	}
	return release, nil
}

// nextNumber is that of the next Release. It leaves out one whose name stands in promote already: numbers begin anew with an
// Environment or a Component, and whoever wrote that name meant one of before. What is new passes a manual gate by a word
// of its own. One that exists, and that the cache does not show yet, is what was meant.
func (r *Reconciler) nextNumber(ctx context.Context, s *scope, st *stop) (int64, error) {
	number := st.highest + 1
	name := promotion.ReleaseName(s.component.Name, st.name, number)
	if !slices.ContainsFunc(s.component.Spec.Environments, func(e platformv1alpha1.PathEnvironment) bool { return e.Name == st.name && e.Promote == name }) {
		return number, nil
	}
	err := r.Live.Get(ctx, types.NamespacedName{Namespace: s.component.Namespace, Name: name}, &platformv1alpha1.Release{})
	if apierrors.IsNotFound(err) {
		return number + 1, nil
	}
	if err != nil {
		return 0, fmt.Errorf("reading Release %s: %w", name, err)
	}
	return number, nil
}

// parametersPath is the path of the parameters of an environment in a Component.
func parametersPath(environment string) *field.Path {
	return field.NewPath("spec", "environments").Key(environment).Child("parameters")
}
