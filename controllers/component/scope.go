package component

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/index"
	"github.com/towpath-dev/towpath/internal/override"
	"github.com/towpath-dev/towpath/internal/promotion"
	"github.com/towpath-dev/towpath/internal/revision"
	"github.com/towpath-dev/towpath/internal/rollout"
	"github.com/towpath-dev/towpath/internal/sleep"
	"github.com/towpath-dev/towpath/internal/template"
)

// scope is what one pass over a Component gathers. observe fills all but the last block.
type scope struct {
	component *platformv1alpha1.Component
	before    *platformv1alpha1.Component
	// edits are the changes that the status does not know of, as far as they were seen.
	edits []edit
	// now is the time of the pass.
	now time.Time

	// target is the revision of the template that the Component should end up with. Zero where
	// there is none: then problem says why.
	target int64
	// stops is the path.
	stops []stop
	// strays are Releases of the Component in environments that are no longer in its path, or that
	// were made anew since.
	strays []*platformv1alpha1.Release

	// builds are those of the Component, build is that whose image it runs; nil where it names one itself, or waits for the first.
	builds []platformv1alpha1.Build
	build  *platformv1alpha1.Build

	// team is the Team of the Component, where a gate asks who made a change; nil where there is none.
	team *platformv1alpha1.Team

	// requeueAfter is when to look again though no event came; zero for never.
	requeueAfter time.Duration
	// problem keeps any environment from getting a Release. Set by observe.
	problem *problem
}

// stop is one environment of the path.
type stop struct {
	name string
	// parameters are merged for this environment, without the template's defaults.
	parameters map[string]any
	// overrides are those in force here.
	overrides []platformv1alpha1.Override
	version   string
	// adopt is what the environment has already and the Component takes over, nil for nothing.
	adopt *platformv1alpha1.Adoption
	// environment is nil where it does not exist.
	environment *platformv1alpha1.Environment
	// releases that are not being deleted, oldest first; the last one runs, unless lost does.
	releases []*platformv1alpha1.Release
	// unopened are those that never passed the gate of the environment, oldest first; the last one may still wait.
	unopened []*platformv1alpha1.Release
	// lost is a newer Release than those, which somebody deleted; what it made still runs.
	lost *platformv1alpha1.Release
	// target is the revision that a roll-out in waves gives the environment; 0 for that of the Component.
	target int64
	// highest is the highest number of any Release by the Component's name here.
	highest int64
	// blocked says why nothing can be made here; lacks, by what the version uses, and lags, by the class, why nothing but a rollback.
	blocked, lacks, lags *promotion.Wait
	// uses is what the version of the spec uses, runningUses what the current Release uses, both with what that
	// gives now. stale says that the current Release has something else.
	uses, runningUses []platformv1alpha1.ReleaseUse
	stale             bool
	// soakTier is the tier in which the class has a version soak, besides the environment before; empty for none.
	soakTier platformv1alpha1.Tier
	// gate is what a version needs to enter, barred why none may, decisions what people decided on the one that waits.
	gate      platformv1alpha1.Gate
	barred    *promotion.Wait
	decisions []platformv1alpha1.ReleaseDecision
	// supplyChain is what the class has images prove, nil for nothing; proofs are those by which what waits enters.
	supplyChain *platformv1alpha1.SupplyChain
	proofs      []platformv1alpha1.ReleaseProof
	// freeze is the window that is open, nil for none.
	freeze *promotion.Freeze
	// sleeps is by what the environment sleeps, so that this is taken off what a Release costs.
	sleeps sleep.Plan
	// checks are what the Component asks its Releases to pass here, soakSeconds for how long later environments have them
	// soak.
	checks      []platformv1alpha1.Check
	soakSeconds int32
	// rollbackTo is the number of the Release that somebody wants back, 0 for none.
	rollbackTo int64

	// requested is who asked for the version, its revision and its checks since what runs, apart from what Releases say; nil for nobody.
	requested *platformv1alpha1.RequestedVersion

	// decision and problem are set by act.
	decision promotion.Decision
	problem  *problem
}

// lookAgain asks for another pass after a time, or earlier where somebody asked for that; zero asks for none.
func (s *scope) lookAgain(after time.Duration) {
	if after > 0 && (s.requeueAfter == 0 || after < s.requeueAfter) {
		s.requeueAfter = after
	}
}

// problem is what somebody must mend before a Release can be made.
type problem struct {
	reason, message string
	// waiting says that the problem may pass without a change to the Component or its template.
	waiting bool
	// next says that it is about the next version alone: what runs may be rolled back all the same.
	next bool
}

// lacking has no environment get anything but a rollback, for the sake of a problem of the next version.
func (s *scope) lacking(p *problem) {
	p.next = true
	s.problem = p
	for i := range s.stops {
		s.stops[i].lacks = &promotion.Wait{Reason: p.reason, Message: p.message}
	}
}

// current returns the Release that runs. One that was superseded never runs again, also where the one
// that took its place is gone.
func (s *stop) current() *platformv1alpha1.Release {
	if len(s.releases) == 0 || s.lost != nil {
		return nil
	}
	if last := s.releases[len(s.releases)-1]; last.Status.SupersededAt == nil {
		return last
	}
	return nil
}

// tier is that of the environment; empty where it is not known.
func (s *stop) tier() platformv1alpha1.Tier {
	if s.environment == nil {
		return ""
	}
	return s.environment.Status.Tier
}

// unproven says that something was taken over and the golden path has not been Ready since: all of what was found must
// stay until then. The Release that took over holds its finalizer for that long, so that this outlasts the history.
func (s *stop) unproven() bool {
	begins := false
	for _, release := range s.releases {
		if release.Spec.Cause == platformv1alpha1.CauseAdoption {
			begins = begins || len(release.Finalizers) > 0
		} else if release.Status.ReadyAt != nil {
			return false
		}
	}
	return begins
}

// made takes a Release as the one that runs, or that waits.
func (s *stop) made(release *platformv1alpha1.Release) {
	if !release.Opened() {
		s.unopened = append(s.unopened, release)
		return
	}
	s.releases, s.lost = append(s.releases, release), nil
}

// sort brings the Releases into order, and drops a loss that was made good.
func (s *stop) sort() {
	for _, list := range [][]*platformv1alpha1.Release{s.releases, s.unopened} {
		slices.SortFunc(list, func(a, b *platformv1alpha1.Release) int { return int(a.Spec.Number - b.Spec.Number) })
	}
	if n := len(s.releases); n > 0 && s.lost != nil && s.lost.Spec.Number < s.releases[n-1].Spec.Number {
		s.lost = nil
	}
}

// observe reads everything that planning needs, from the cache.
func (r *Reconciler) observe(ctx context.Context, s *scope) error {
	var releases platformv1alpha1.ReleaseList
	if err := r.List(ctx, &releases, client.InNamespace(s.component.Namespace),
		client.MatchingFields{index.ReleaseComponent: s.component.Name}); err != nil {
		return fmt.Errorf("listing Releases: %w", err)
	}
	base, err := template.DecodeParameters(s.component.Spec.Parameters)
	if err != nil {
		return err
	}
	for _, step := range s.component.Spec.Environments {
		over, err := template.DecodeParameters(step.Parameters)
		if err != nil {
			return err
		}
		st := stop{name: step.Name, adopt: step.Adopt, checks: step.Checks, rollbackTo: step.RollbackTo, parameters: template.MergeParameters(base, over)}
		if err := r.findEnvironment(ctx, s, &st); err != nil {
			return err
		}
		st.overrides = s.inForce(&st)
		if st.version, err = s.versionWith(&st, st.overrides); err != nil {
			return err
		}
		s.stops = append(s.stops, st)
	}
	s.lookAgain(override.NextChange(s.component.Spec.Overrides, s.now))
	for i := range releases.Items {
		s.place(&releases.Items[i])
	}
	for i := range s.stops {
		s.stops[i].sort()
		if err := s.asRecorded(&s.stops[i]); err != nil {
			return err
		}
		if s.stops[i].requested, err = s.requested(&s.stops[i]); err != nil {
			return err
		}
		if pending := s.stops[i].pending(); pending != nil {
			if s.stops[i].decisions, err = r.decisions(ctx, pending); err != nil {
				return err
			}
		}
	}
	s.awaitBuild()
	if err := r.findTarget(ctx, s); err != nil || s.problem != nil && !s.problem.next {
		return err
	}
	if err := r.findUses(ctx, s); err != nil {
		return err
	}
	return r.findGates(ctx, s)
}

// place puts a Release to the environment of the path that it belongs to.
func (s *scope) place(release *platformv1alpha1.Release) {
	ours := release.Spec.Component.UID == s.component.UID
	for i := range s.stops {
		st := &s.stops[i]
		if st.name != release.Spec.Environment.Name {
			continue
		}
		st.highest = max(st.highest, release.Spec.Number)
		elsewhere := st.environment != nil && st.environment.UID != release.Spec.Environment.UID
		switch {
		case !ours:
		case elsewhere:
			s.strays = append(s.strays, release)
		case !release.Opened():
			if release.DeletionTimestamp.IsZero() {
				st.unopened = append(st.unopened, release)
			}
		case !release.DeletionTimestamp.IsZero():
			if st.lost == nil || st.lost.Spec.Number < release.Spec.Number {
				st.lost = release
			}
		default:
			st.releases = append(st.releases, release)
		}
		return
	}
	if ours && !wasRejected(release) {
		s.strays = append(s.strays, release)
	}
}

// wasRejected says that a Release never entered its environment since somebody rejected it: it stays while that is not in the
// path, or whoever takes it out and puts it back would be rid of the rejection. It goes with the Component.
func wasRejected(release *platformv1alpha1.Release) bool {
	return !release.Opened() && slices.ContainsFunc(release.Status.Decisions, func(d platformv1alpha1.ReleaseDecision) bool {
		return d.Decision == platformv1alpha1.DecisionReject
	})
}

// retryClass is after which time to look again at an Environment that has yet to follow its class.
const retryClass = 10 * time.Second

// findEnvironment finds the Environment of a stop, and says where it is not fit for a Release.
func (r *Reconciler) findEnvironment(ctx context.Context, s *scope, st *stop) error {
	component := s.component
	var environment platformv1alpha1.Environment
	err := r.Get(ctx, types.NamespacedName{Namespace: component.Namespace, Name: st.name}, &environment)
	switch {
	case apierrors.IsNotFound(err):
		next := "take it out of spec.environments"
		if len(component.Spec.Environments) == 1 {
			next = "name another in spec.environments, which must not be empty"
		}
		st.blocked = &promotion.Wait{
			Reason:  platformv1alpha1.ReasonEnvironmentNotFound,
			Message: fmt.Sprintf("Environment %s does not exist in namespace %s. Create it, or %s.", st.name, component.Namespace, next),
		}
		return nil
	case err != nil:
		return fmt.Errorf("reading Environment %s: %w", st.name, err)
	}
	st.environment = &environment
	ready := meta.FindStatusCondition(environment.Status.Conditions, platformv1alpha1.ConditionReady)
	switch {
	case !environment.DeletionTimestamp.IsZero():
		st.blocked = &promotion.Wait{
			Reason:  platformv1alpha1.ReasonEnvironmentNotReady,
			Message: fmt.Sprintf("Environment %s is being deleted.", st.name),
		}
	case ready != nil && ready.Status != metav1.ConditionTrue:
		st.blocked = &promotion.Wait{
			Reason:  platformv1alpha1.ReasonEnvironmentNotReady,
			Message: fmt.Sprintf("Environment %s is not ready: %s", st.name, ready.Message),
		}
	case ready == nil || environment.Status.Namespace == "":
		st.blocked = &promotion.Wait{
			Reason:  platformv1alpha1.ReasonEnvironmentNotReady,
			Message: fmt.Sprintf("Environment %s is not ready yet.", st.name),
		}
	default:
		return r.findClass(ctx, s, st)
	}
	return nil
}

// findClass has a stop wait until its Environment follows the class as that is: gate, freezes, pod security and kinds are
// read from the Environment, and would be those of before. As a rule that is a moment, and the Environment wakes us.
func (r *Reconciler) findClass(ctx context.Context, s *scope, st *stop) error {
	name := st.environment.Spec.ClassRef.Name
	var class platformv1alpha1.EnvironmentClass
	switch err := r.Get(ctx, types.NamespacedName{Name: name}, &class, client.UnsafeDisableDeepCopy); {
	case apierrors.IsNotFound(err):
		// The Environment will say so. Until then its gate is known, and what the class asks of images is not.
		s.lookAgain(retryClass)
		st.lags = &promotion.Wait{
			Reason:  platformv1alpha1.ReasonEnvironmentNotReady,
			Message: fmt.Sprintf("EnvironmentClass %s of Environment %s does not exist.", name, st.name),
		}
		return nil
	case err != nil:
		return fmt.Errorf("reading EnvironmentClass %s: %w", name, err)
	}
	st.supplyChain = class.Spec.SupplyChain
	if st.environment.Observed(&class) {
		st.sleeps = plan(&class, st.environment)
		return nil
	}
	s.lookAgain(retryClass) // where it is the cache that knows the class of before
	st.lags = &promotion.Wait{
		Reason:  platformv1alpha1.ReasonEnvironmentNotReady,
		Message: fmt.Sprintf("Environment %s has yet to follow a change of its class %s.", st.name, name),
	}
	return nil
}

// findTarget finds the revision that the Component should end up with.
func (r *Reconciler) findTarget(ctx context.Context, s *scope) error {
	ref := s.component.Spec.TemplateRef
	var revisions platformv1alpha1.ServiceTemplateRevisionList
	if err := r.List(ctx, &revisions, client.MatchingFields{index.RevisionTemplate: ref.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing revisions of ServiceTemplate %s: %w", ref.Name, err)
	}
	var newest int64
	pinned := false
	for i := range revisions.Items {
		number := revisions.Items[i].Spec.Number
		newest = max(newest, number)
		pinned = pinned || ref.Revision != nil && *ref.Revision == number
	}
	var serviceTemplate platformv1alpha1.ServiceTemplate
	err := r.Get(ctx, types.NamespacedName{Name: ref.Name}, &serviceTemplate, client.UnsafeDisableDeepCopy)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading ServiceTemplate %s: %w", ref.Name, err)
	}
	running := slices.ContainsFunc(s.stops, func(st stop) bool { return len(st.releases) > 0 || st.lost != nil })
	if !running && err != nil {
		newest = 0 // revisions outlive their template for those who run them, not for newcomers
	}
	switch {
	case newest == 0:
		s.problem = &problem{
			reason:  platformv1alpha1.ReasonTemplateNotFound,
			message: fmt.Sprintf("ServiceTemplate %s does not exist, or has never compiled. `kubectl get servicetemplates` lists what there is.", ref.Name),
			waiting: true,
		}
	case ref.Revision != nil && !pinned:
		s.target = newest
		s.lacking(&problem{
			reason: platformv1alpha1.ReasonRevisionNotFound,
			message: fmt.Sprintf("Revision %d of ServiceTemplate %s does not exist; the newest is %d. Change spec.templateRef.revision, or leave it out to follow the newest.",
				*ref.Revision, ref.Name, newest),
			waiting: true,
		})
	case ref.Revision != nil:
		s.target = *ref.Revision
	case err != nil:
		s.target = newest
		s.stay()
	default:
		s.target = newest
		s.followWaves(&serviceTemplate)
	}
	return nil
}

// stay has each stop keep the revision that runs there, since the template is gone, and with it what it said of roll-outs: else
// deleting it would bring a revision that was held back by waves, halted or aborted to everybody at once. A stop where nothing
// runs yet gets the newest that runs in another.
func (s *scope) stay() {
	newest := int64(0)
	for i := range s.stops {
		s.stops[i].target = rollout.HistoryOf(s.stops[i].releases, s.target).Current
		newest = max(newest, s.stops[i].target)
	}
	for i := range s.stops {
		s.stops[i].target = cmp.Or(s.stops[i].target, newest)
	}
}

// followWaves gives the stops targets of their own where the template is rolled out in waves.
func (s *scope) followWaves(st *platformv1alpha1.ServiceTemplate) {
	if st.Spec.Rollout == nil || len(st.Spec.Rollout.Waves) == 0 {
		return
	}
	for i := range s.stops {
		stop := &s.stops[i]
		if stop.environment == nil {
			continue
		}
		place := rollout.Place{Namespace: s.component.Namespace, Component: s.component.Name, Environment: stop.name, Tier: stop.environment.Status.Tier}
		stop.target = rollout.Target(place, rollout.HistoryOf(stop.releases, s.target), s.target, st.Spec.Rollout.Waves, st.Status.Rollout)
	}
}

// revisionReference returns the reference to a revision of the Component's template.
func (s *scope) revisionReference(number int64) platformv1alpha1.RevisionReference {
	return platformv1alpha1.RevisionReference{Name: revision.Name(s.component.Spec.TemplateRef.Name, number), Number: number}
}
