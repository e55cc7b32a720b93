// Package promotion decides which Release each environment of a Component should get next, and
// what it waits for otherwise. It is pure: the state of the path comes in, decisions go out.
//
// Two things move along a path, and never in one step where that can be helped. A version (image,
// commit, parameters, variables) is promoted: it enters an environment once it was Ready in the one
// before. A revision of the template is assigned: an environment follows the newest revision (or the
// pin), but never beyond what the environment before it has had Ready, with the same version. Keeping the two apart means
// that when an environment breaks, one glance at its Release tells which of them did it.
package promotion

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// Release is what planning needs to know of a Release.
type Release struct {
	Name     string
	Version  string
	Revision int64
	// HadReady says that the Release was Ready at some time, Ready that it is now.
	HadReady, Ready bool
	// AsFound says that the Release took over what ran already, and left it as it was: it has shown nothing of
	// the golden path.
	AsFound bool
	// Applied says that every object of the Release was written once: what was found is taken over.
	Applied bool
	// Settling says that the Release is young, and neither was Ready nor failed yet.
	Settling bool
	// ReadySince is since when the Release has been Ready, where it is now; nights of sleep in between are left out.
	ReadySince time.Time
	// Asleep says that the Release sleeps with its environment, and Soaked for how long it had been Ready then. One that
	// was not is not Ready asleep.
	Asleep bool
	Soaked time.Duration
	// Number counts the Releases of an environment.
	Number int64
	// Changes says that the Release brought another version.
	Changes bool
	// Failed says that the Release was never Ready, and will not be, or that its checks failed. HadReady is false then.
	Failed bool
	// Checks says how far its checks are; empty where it has none. Found is what they found.
	Checks platformv1alpha1.CheckState
	Found  string
	// RolledBack says that the Release brought back what ran before another one that failed; nil where it did not.
	RolledBack *RolledBack
}

// passed says that the checks of the Release, if it has any, found nothing.
func (r *Release) passed() bool {
	return r.Checks == "" || r.Checks == platformv1alpha1.CheckPassed
}

// RolledBack names a Release that failed and was rolled back.
type RolledBack struct {
	// From is its name, Why the reason; empty while only the Release itself says it.
	From, Why string
}

// Step is one environment of the path and what ran there.
type Step struct {
	// Name of the environment.
	Name string
	// Home is the namespace of the Component, and Component its name: commands name both.
	Home, Component string
	// Blocked says why no Release can be made here now; nil means that nothing is in the way.
	Blocked *Wait
	// Lacks says what the next version uses and does not get: nothing but a rollback is made meanwhile, which uses what it had.
	Lacks *Wait
	// Lags says why nothing but a rollback is made here now: what the gate and the freezes are is not known; nil means that it is.
	Lags *Wait
	// Version is what should run here.
	Version string
	// Target is the revision that the environment should end up with, by a roll-out in waves; 0 for that of the path.
	Target int64
	// Pinned says that the Component asks for the revision of the path by its number.
	Pinned bool
	// SameCode says that Version has the image and commit of the current or lost Release, so that it
	// differs in parameters or variables alone. Meaningless where there is neither.
	SameCode bool
	// Expired says that Version is what runs, without overrides that have expired since.
	Expired bool
	// Adopts says that what runs here already is to be taken over first.
	Adopts bool
	// Stale says that what the current Release uses gives something else by now.
	Stale bool
	// Releases made here, oldest first, without those that are being deleted. The last is current.
	Releases []Release
	// Lost is the Release that ran here until somebody deleted it, nil where none was. What it made
	// still runs, so none of the older ones is current. Its version is empty where it is not known. One that took over
	// what was found bears a version that never ran here, and was not let in.
	Lost *Release

	// Tier of the environment.
	Tier platformv1alpha1.Tier
	// Gate is what a version needs to enter the environment, besides being Ready in the one before.
	Gate platformv1alpha1.Gate
	// RequiredTier is the tier of which the last environment before must have had what enters Ready, and soaked it, as well as the
	// one right before: whoever changes the path chooses which one that is. Empty for none.
	RequiredTier platformv1alpha1.Tier
	// Barred says why no version may enter, whatever is given to it; nil means that one may.
	Barred *Wait
	// Promote names the Release that a person lets through a manual gate.
	Promote string
	// Pending are the Releases that never entered, oldest first. Only the last one may still wait.
	Pending []Pending
	// Freeze is the window that is open, nil for none.
	Freeze *Freeze
	// Sleep says that the environment sleeps; nil where it is awake.
	Sleep *Sleep
	// RollsBack says that a Release which fails is rolled back by itself.
	RollsBack bool
	// RollbackTo is the number of the Release whose version a person wants to run again; 0 for none.
	RollbackTo int64
}

// current returns the Release that runs in the environment, nil before the first and after a loss.
func (s *Step) current() *Release {
	if len(s.Releases) == 0 || s.Lost != nil {
		return nil
	}
	return &s.Releases[len(s.Releases)-1]
}

// settling says that a new version has just come, and has yet to show whether it works with the revision that
// was there. The next revision waits for that, so that the two can be told apart, and go on one by one.
func (s *Step) settling() bool {
	n := len(s.Releases)
	return n > 1 && s.Releases[n-1].Settling && s.Releases[n-1].Version != s.Releases[n-2].Version
}

// ran says whether a version ran here until its Release was deleted. It was let in then.
func (s *Step) ran(version string) bool {
	return s.Lost != nil && !s.Lost.AsFound && s.Lost.Version == version
}

// adopts says that what was found is still to be taken over: nothing of the golden path ran here yet, and no
// Release tries it already.
func (s *Step) adopts() bool {
	return s.Adopts && len(s.Releases) == 0 && (s.Lost == nil || s.Lost.AsFound)
}

// Wait says what an environment waits for.
type Wait struct {
	// Reason is a condition reason, Message a sentence.
	Reason, Message string
}

// Next is a Release that should be made.
type Next struct {
	Version  string
	Revision int64
	Cause    platformv1alpha1.Cause
}

// Decision is what should happen in one environment: make Next, or Wait, or (neither) nothing. A Release that waits
// for a gate is made, and waited for.
type Decision struct {
	Next *Next
	Wait *Wait
	// From is the name of the Release that a rollback takes all from, Failed what it takes the place of, since that
	// failed; nil where somebody asked for the rollback.
	From   string
	Failed *RolledBack
	// Gated says that Next waits for the gate of the environment once it is made.
	Gated bool
	// Guarded says that Next is a matter of the gate, though that asks for nothing now: it may wait as a Release for something else.
	Guarded bool
	// Open says that the Release that waits enters the environment.
	Open bool
	// Retire says that the Release that waits is wanted no more, and nothing takes its place yet.
	Retire bool
	// Again is after which time to look again though nothing happened; 0 for never.
	Again time.Duration
}

// Fits says whether a version renders with a revision of the template in the environment of that
// index: its parameters suit the revision's schema, and nothing that it makes is refused.
type Fits func(step int, version string, revision int64) bool

// Plan decides for every environment of the path, in order. target is the revision that the
// Component should end up with, its pin or the newest, where a step has no target of its own.
func Plan(path []Step, target int64, now time.Time, fits Fits) []Decision {
	decisions := make([]Decision, len(path))
	for i := range path {
		if decision, ok := path[i].rollback(); ok {
			decisions[i] = path[i].frozen(decision, now)
			continue
		}
		earlier := path[i].shownBy(path[:i])
		decision := decide(&path[i], earlier, cmp.Or(path[i].Target, target), func(version string, revision int64) bool {
			return fits(i, version, revision)
		})
		decisions[i] = path[i].enter(path[i].hold(decision), earlier, now)
	}
	return decisions
}

// shownBy are the environments that must have had Ready what enters: the one right before, and the last one of the tier that the
// class asks for where that is another. None before the first. That there is one of the tier at all, Barred sees to.
func (s *Step) shownBy(earlier []Step) []*Step {
	if len(earlier) == 0 {
		return nil
	}
	before := &earlier[len(earlier)-1]
	steps := []*Step{before}
	if s.RequiredTier == "" || before.Tier == s.RequiredTier {
		return steps
	}
	for i := range slices.Backward(earlier) {
		if earlier[i].Tier == s.RequiredTier {
			return append(steps, &earlier[i])
		}
	}
	return steps
}

func decide(step *Step, earlier []*Step, target int64, fits func(string, int64) bool) Decision {
	if wait := cmp.Or(step.Blocked, step.Lacks, step.Lags); wait != nil {
		return Decision{Wait: wait}
	}
	if step.adopts() {
		return Decision{Next: &Next{step.Version, target, platformv1alpha1.CauseAdoption}}
	}
	current := step.current()
	if current != nil && current.Version == step.Version {
		if current.AsFound {
			return Decision{} // the golden path comes with the next version, and not before
		}
		if revision := assign(current, earlier, target); revision != current.Revision && !step.settling() {
			return Decision{Next: &Next{step.Version, revision, platformv1alpha1.CauseTemplateRollout}}
		}
		return Decision{Next: refresh(step, current)}
	}
	if current != nil && current.AsFound && !current.Applied {
		return Decision{Wait: &Wait{
			Reason:  platformv1alpha1.ReasonProgressing,
			Message: fmt.Sprintf("The version waits until what runs in %s is taken over: see Release %s.", step.Name, current.Name),
		}}
	}
	// A version that ran here until its Release was deleted need not wait again.
	if wait := awaitEarlier(step, earlier); wait != nil && !step.ran(step.Version) {
		if current != nil && step.Stale && !current.AsFound {
			return Decision{Next: refresh(step, current)}
		}
		return Decision{Wait: wait}
	}
	if current == nil || current.AsFound {
		revision := target
		for _, before := range earlier {
			revision = min(revision, highest(before.shown()))
		}
		if current != nil {
			return Decision{Next: &Next{step.Version, revision, changeCause(step, earlier)}}
		}
		if step.Lost != nil && !step.Lost.AsFound && fits(step.Version, step.Lost.Revision) {
			revision = step.Lost.Revision // it changes apart from the version, as ever
		}
		return Decision{Next: &Next{step.Version, revision, firstCause(step, earlier)}}
	}
	return Decision{Next: change(step, current, earlier, target, fits)}
}

// refresh makes the Release that runs again, with what those give whom it uses; nil where that is the same.
func refresh(step *Step, current *Release) *Next {
	if !step.Stale {
		return nil
	}
	return &Next{current.Version, current.Revision, platformv1alpha1.CauseProviderChange}
}

// change replaces the version that runs. The revision stays, but for two cases. Where the new version only
// fits the revision that the environment would get anyway, the revision goes first, alone; if the old version
// does not fit it either (a new required parameter does that), both change at once, since there is no other
// way on. And where the new version was only ever Ready with a later revision, both change at once too: what
// was never tried before this environment is not tried here. A version that runs with neither revision does not keep
// the later one from the version that runs.
func change(step *Step, current *Release, earlier []*Step, target int64, fits func(string, int64) bool) *Next {
	next := &Next{step.Version, current.Revision, changeCause(step, earlier)}
	revision := assign(current, earlier, target)
	fitsNow := fits(step.Version, current.Revision)
	if fitsNow || revision == current.Revision || !fits(step.Version, revision) {
		pair := paired(current, earlier, target)
		switch {
		case pair != current.Revision && fits(step.Version, pair):
			next.Revision = pair
		case !fitsNow && revision != current.Revision && !step.settling() && fits(current.Version, revision):
			return &Next{current.Version, revision, platformv1alpha1.CauseTemplateRollout}
		}
		return next
	}
	if fits(current.Version, revision) {
		return &Next{current.Version, revision, platformv1alpha1.CauseTemplateRollout}
	}
	next.Revision = revision
	return next
}

// assign returns the revision that an environment should run: the target, but upwards no further
// than what those before have had Ready.
func assign(current *Release, earlier []*Step, target int64) int64 {
	if target <= current.Revision {
		return target
	}
	for _, before := range earlier {
		target = min(target, highest(before.shown()))
	}
	return max(current.Revision, target)
}

// paired returns the revision that a new version should come with: the one that runs, unless the version was
// Ready in the environment before with later ones alone. Then it is known not to work, or not known to work,
// with the one that runs, and the two change together.
func paired(current *Release, earlier []*Step, target int64) int64 {
	if len(earlier) == 0 {
		return current.Revision
	}
	before := earlier[0]
	earliest := int64(0)
	for _, r := range before.Releases {
		if r.HadReady && !r.AsFound && r.Version == before.Version && (earliest == 0 || r.Revision < earliest) {
			earliest = r.Revision
		}
	}
	if earliest > target {
		return current.Revision
	}
	return max(current.Revision, earliest)
}

// shown returns the revisions that an environment has had Ready: with its version, where it has had that Ready
// at all, else with any.
func (s *Step) shown() []int64 {
	var any, same []int64
	for _, r := range s.Releases {
		if !r.HadReady || r.AsFound {
			continue
		}
		any = append(any, r.Revision)
		if r.Version == s.Version {
			same = append(same, r.Revision)
		}
	}
	if len(same) > 0 {
		return same
	}
	return any
}

func highest(revisions []int64) int64 {
	if len(revisions) == 0 {
		return 0
	}
	return slices.Max(revisions)
}

// awaitEarlier says what keeps the version out of the environment, if anything.
func awaitEarlier(step *Step, earlier []*Step) *Wait {
	for _, before := range earlier {
		if wait := awaitIn(step, before); wait != nil {
			return wait
		}
	}
	return nil
}

// awaitIn says what the version lacks in an environment before, if anything.
func awaitIn(step, before *Step) *Wait {
	waiting := before.asleep(step)
	if waiting == nil {
		waiting = &Wait{
			Reason:  platformv1alpha1.ReasonWaitingForPrevious,
			Message: fmt.Sprintf("The version waits until it is Ready in %s, the environment before %s.", before.Name, step.Name),
		}
	}
	current := before.current()
	if cmp.Or(before.Blocked, before.Lacks) != nil || current == nil || current.Version != before.Version {
		return waiting
	}
	if current.AsFound {
		waiting.Message = fmt.Sprintf("The version runs in %s as it was found there, without the golden path; the next version goes on to %s.", before.Name, step.Name)
		return waiting
	}
	if current.Ready && current.passed() {
		return nil
	}
	// A roll-out of the template may be under way in the environment before: what the version has
	// shown there with the revision before counts, since that revision is what goes on with it.
	for i := len(before.Releases) - 1; i >= 0 && before.Releases[i].Version == before.Version; i-- {
		if r := &before.Releases[i]; r.HadReady && r.Revision != current.Revision && r.passed() {
			return nil
		}
	}
	switch current.Checks {
	case platformv1alpha1.CheckRunning:
		if waiting.Reason == platformv1alpha1.ReasonAsleep {
			break // they stand still until it wakes
		}
		waiting.Reason = platformv1alpha1.ReasonWaitingForChecks
		waiting.Message = strings.TrimSpace(fmt.Sprintf("The version waits until the checks of Release %s have passed in %s, the environment before %s. %s", current.Name, before.Name, step.Name, current.Found))
	case platformv1alpha1.CheckFailed:
		waiting.Reason = platformv1alpha1.ReasonWaitingForChecks
		waiting.Message = strings.TrimSpace(fmt.Sprintf("The version does not go on to %s: Release %s failed in %s, the environment before. %s", step.Name, current.Name, before.Name, current.Found))
	}
	return waiting
}

func firstCause(step *Step, earlier []*Step) platformv1alpha1.Cause {
	switch {
	case step.Lost != nil && step.Lost.Version == "", step.ran(step.Version):
		return platformv1alpha1.CauseManual
	case step.Lost != nil && !step.Lost.AsFound:
		return changeCause(step, earlier)
	case len(earlier) > 0:
		return platformv1alpha1.CausePromotion
	default:
		return platformv1alpha1.CauseImageChange
	}
}

func changeCause(step *Step, earlier []*Step) platformv1alpha1.Cause {
	switch {
	case step.Expired:
		return platformv1alpha1.CauseOverrideExpired
	case len(earlier) > 0:
		return platformv1alpha1.CausePromotion
	case step.SameCode:
		return platformv1alpha1.CauseParameterChange
	default:
		return platformv1alpha1.CauseImageChange
	}
}
