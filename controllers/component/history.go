package component

import (
	"context"
	"errors"
	"slices"
	"time"

	"k8s.io/utils/ptr"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/rollout"
)

// historyLimit is how many Releases are kept beside the one that runs where the Component does not say.
const historyLimit = 10

// trimHistory deletes the oldest Releases beyond the limit of the Component, but for those that are still needed. One
// that holds its finalizer still has objects, and goes when these have gone.
func (r *Reconciler) trimHistory(ctx context.Context, s *scope) error {
	var errs []error
	for _, release := range s.superfluous() {
		errs = append(errs, r.deleteRelease(ctx, release))
	}
	return errors.Join(errs...)
}

// superfluous are the Releases that nobody needs any more.
func (s *scope) superfluous() []*platformv1alpha1.Release {
	limit := int(ptr.Deref(s.component.Spec.RevisionHistoryLimit, historyLimit))
	authors := s.keptForAuthors()
	var all []*platformv1alpha1.Release
	for i := range s.stops {
		st := &s.stops[i]
		kept := st.kept(s.target)
		if base := st.paidFor(s.now); base != nil {
			kept[base.Name] = true
		}
		for _, list := range [][]*platformv1alpha1.Release{st.releases, st.unopened} {
			for i := range max(len(list)-1-limit, 0) {
				if release := list[i]; len(release.Finalizers) == 0 && !kept[release.Name] && !authors[release.Name] {
					all = append(all, release)
				}
			}
		}
	}
	return all
}

// settles is how long bills take, as a rule, until a day of theirs is final.
const settles = 3 * 24 * time.Hour

// paidFor is the Release whose cost the final days of bills show, by when it was applied; nil for none. What was added since is
// reckoned from it: without it, whatever is the oldest by then would pass for what was paid for all along.
func (s *stop) paidFor(now time.Time) *platformv1alpha1.Release {
	for _, r := range slices.Backward(s.releases) {
		if at := r.Status.AppliedAt; at != nil && now.Sub(at.Time) >= settles {
			return r
		}
	}
	return nil
}

// kept are the Releases of an environment that the history keeps beyond its limit: what a plan, now or after the next
// failure, goes by. target is the newest revision of the template.
func (s *stop) kept(target int64) map[string]bool {
	kept := map[string]bool{}
	newest := func(fits func(*platformv1alpha1.Release) bool) *platformv1alpha1.Release {
		for i := len(s.releases) - 1; i >= 0; i-- {
			if fits(s.releases[i]) {
				kept[s.releases[i].Name] = true
				return s.releases[i]
			}
		}
		return nil
	}
	newest(func(r *platformv1alpha1.Release) bool { return r.Spec.Number == s.rollbackTo })
	newest((*platformv1alpha1.Release).Proven)
	newest(func(r *platformv1alpha1.Release) bool { return r.Status.ReadyAt != nil }) // whose outputs others use
	if n := len(s.releases); n > 0 {
		last := s.releases[n-1]
		// Where the last one fails: what it goes back to, which is not what was found.
		newest(func(r *platformv1alpha1.Release) bool {
			return r != last && r.Proven() && r.Spec.Cause != platformv1alpha1.CauseAdoption
		})
		// In waves: what the place ran before the newest revision, and how that one fared.
		newest(func(r *platformv1alpha1.Release) bool { return r.Spec.Revision.Number < target })
		newest(func(r *platformv1alpha1.Release) bool {
			return r.Spec.Revision.Number < target && rollout.ShowsVersion(r, last)
		})
		newest(func(r *platformv1alpha1.Release) bool {
			return r != last && r.Spec.Revision.Number == target && r.Spec.Version == last.Spec.Version && !r.Proven()
		})
	}
	if back := newest(func(r *platformv1alpha1.Release) bool { return r.Spec.Rollback != nil }); back != nil {
		kept[back.Spec.Rollback.From], kept[back.Spec.Rollback.To] = true, true
	}
	// What failed and went back is looked for up to what last brought another version.
	brought := newest(func(r *platformv1alpha1.Release) bool { return changes(r.Spec.Cause) })
	for _, r := range s.releases {
		if back := r.Spec.Rollback; back != nil && back.Reason != "" && (brought == nil || r.Spec.Number > brought.Spec.Number) {
			kept[r.Name], kept[back.From] = true, true
		}
	}
	s.keepShown(kept)
	// What the version has shown counts from when the environment last ran another one.
	newest(func(r *platformv1alpha1.Release) bool { return r.Spec.Version != s.version })
	s.keepRejected(kept)
	return kept
}

// rejections is how many rejected Releases an environment keeps beyond the limit.
const rejections = 50

// keepRejected keeps the last ones that were rejected, and that of the version that is asked for: what was rejected may be asked for
// again, whatever came in between. Of one before these that is not known any more; it then waits at its gate as if it were new.
func (s *stop) keepRejected(kept map[string]bool) {
	left := rejections
	for _, release := range slices.Backward(s.unopened) {
		if !wasRejected(release) {
			continue
		}
		if left > 0 || release.Spec.Version == s.version {
			kept[release.Name] = true
		}
		left--
	}
}

// keepShown keeps what says with which revisions the environment has had its version, or any, Ready: the first and the
// last one of them decide what goes on to the next environment.
func (s *stop) keepShown(kept map[string]bool) {
	var first, last, latest *platformv1alpha1.Release
	for _, r := range s.releases {
		if !r.Proven() || r.Spec.Cause == platformv1alpha1.CauseAdoption {
			continue
		}
		if latest == nil || r.Spec.Revision.Number >= latest.Spec.Revision.Number {
			latest = r
		}
		if r.Spec.Version != s.version {
			continue
		}
		if first == nil || r.Spec.Revision.Number < first.Spec.Revision.Number {
			first = r
		}
		if last == nil || r.Spec.Revision.Number >= last.Spec.Revision.Number {
			last = r
		}
	}
	for _, r := range []*platformv1alpha1.Release{first, last, latest} {
		if r != nil {
			kept[r.Name] = true
		}
	}
}

// keptForAuthors are the Releases that say who made what waits at a gate which forbids its authors to approve: one of each
// author, those that hide who made the same code, and those that others make anew. Else many Releases, or a low limit, would
// make an author forgotten, or have one count who brought nothing.
func (s *scope) keptForAuthors() map[string]bool {
	kept := map[string]bool{}
	for i := range s.stops {
		st := &s.stops[i]
		if st.gate.AuthorApproval != platformv1alpha1.AuthorApprovalForbidden {
			continue
		}
		if origin := st.origin(st.current()); origin != nil {
			kept[origin.Name] = true
		}
		for i := range s.stops {
			for _, release := range s.stops[i].releases {
				if s.stops[i].repeats(release) && !release.CreationTimestamp.Time.Before(st.cameAt()) {
					kept[s.stops[i].origin(release).Name] = true
				}
			}
		}
		pending, known := st.pending(), map[string]bool{}
		made := s.since(st)
		for i := len(made) - 1; i >= 0; i-- {
			release := made[i]
			who := release.Spec.RequestedBy + "\x00"
			if release.Spec.Commit != nil {
				who += release.Spec.Commit.Author
			}
			if release.Spec.RequestedBy == "" && pending != nil && sameCode(release, pending) {
				who = "hides"
			}
			for _, one := range append([]string{who}, release.Spec.Requesters...) {
				if !known[one] {
					known[one], kept[release.Name] = true, true
				}
			}
		}
	}
	return kept
}

// changes says whether a Release of a cause brought another version.
func changes(cause platformv1alpha1.Cause) bool {
	switch cause {
	case platformv1alpha1.CauseImageChange, platformv1alpha1.CauseParameterChange, platformv1alpha1.CausePromotion, platformv1alpha1.CauseOverrideExpired:
		return true
	}
	return false
}
