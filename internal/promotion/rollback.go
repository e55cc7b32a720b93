package promotion

import (
	"fmt"
	"slices"
	"strings"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// rollback decides where an environment goes back to what ran in it before, or stays there. Nothing of that needs a
// gate: it passed one when it came.
func (s *Step) rollback() (Decision, bool) {
	current := s.current()
	switch {
	case s.Blocked != nil:
		return Decision{}, false
	case s.RollbackTo > 0:
		return s.goBack(s.RollbackTo), true
	case current == nil || !current.Failed || !s.RollsBack || current.RolledBack != nil:
		return Decision{}, false
	}
	good := s.good()
	if good == nil || good.Version == current.Version && (good.Revision == current.Revision || s.Target != 0) {
		return Decision{}, false // nothing to go back to, or the waves of the template bring the revision back
	}
	return Decision{Next: &Next{good.Version, good.Revision, platformv1alpha1.CauseRollback}, From: good.Name, Failed: &RolledBack{From: current.Name}}, true
}

// good returns the newest Release that was Ready, apart from the one that runs; nil for none. What was found is not
// something that could be made again.
func (s *Step) good() *Release {
	current := s.current()
	for i := len(s.Releases) - 1; i >= 0; i-- {
		if r := &s.Releases[i]; r != current && r.HadReady && !r.AsFound {
			return r
		}
	}
	return nil
}

// goBack brings the version of an earlier Release back, and keeps everything else out until it is asked for no more.
func (s *Step) goBack(number int64) Decision {
	current := s.current()
	i := slices.IndexFunc(s.Releases, func(r Release) bool { return r.Number == number })
	if i < 0 || !s.Releases[i].HadReady || s.Releases[i].AsFound {
		return s.stay(&Wait{Reason: platformv1alpha1.ReasonRollbackImpossible, Message: fmt.Sprintf(
			"%s is to go back to Release %d, which does not exist any more, or was never Ready there. Nothing else enters: correct or take out rollbackTo of %s in spec.environments.", s.Name, number, s.Name)})
	}
	back := &s.Releases[i]
	if current == nil || current.Version != back.Version || current.Revision != back.Revision {
		if wait := s.rejected(&Next{Version: back.Version, Revision: back.Revision, Cause: platformv1alpha1.CauseRollback}); wait != nil {
			return s.stay(wait) // what failed goes back all the same, to whatever was Ready
		}
		return Decision{Next: &Next{back.Version, back.Revision, platformv1alpha1.CauseRollback}, From: back.Name}
	}
	if s.Stale {
		return Decision{Next: refresh(s, current)}
	}
	return s.stay(&Wait{Reason: platformv1alpha1.ReasonRolledBack, Message: fmt.Sprintf(
		"%s went back to what Release %s ran, and nothing else enters until somebody who may change the Component takes rollbackTo out of its spec.environments: towpath promote -n %s %s %s.",
		s.Name, back.Name, s.Home, s.Component, s.Name)})
}

// stay keeps everything out, what waits at the gate included.
func (s *Step) stay(wait *Wait) Decision {
	return Decision{Wait: wait, Retire: s.pending() != nil}
}

// hold keeps out what failed here and went back, until the Component asks for something else in between.
func (s *Step) hold(d Decision) Decision {
	current := s.current()
	if d.Next == nil || s.Target != 0 && current != nil && current.Version == d.Next.Version {
		return d // waves decide who tries a revision again
	}
	if d.Next.Version != s.Version && d.Next.Cause != platformv1alpha1.CauseTemplateRollout {
		return d // what runs goes on
	}
	failed := s.failed(d.Next)
	if failed == nil {
		return d
	}
	if current == nil {
		if good := s.good(); good != nil {
			return Decision{Next: &Next{good.Version, good.Revision, platformv1alpha1.CauseRollback}, From: good.Name, Failed: failed}
		}
		return d
	}
	if s.Stale {
		return Decision{Next: refresh(s, current)}
	}
	return Decision{Wait: &Wait{Reason: platformv1alpha1.ReasonRolledBack, Message: fmt.Sprintf(
		"What Release %s brought failed in %s, and what ran before runs again: %s. It is not tried again, and goes no further: change the Component.",
		failed.From, s.Name, strings.TrimSuffix(failed.Why, "."))}}
}

// failed finds, from the newest Release back to the last change of the version, the one that brought the same and was
// rolled back.
func (s *Step) failed(next *Next) *RolledBack {
	all := s.Releases
	if s.Lost != nil {
		all = append(slices.Clip(all), *s.Lost)
	}
	var back *RolledBack
	for i := len(all) - 1; i >= 0; i-- {
		r := &all[i]
		if r.RolledBack != nil {
			back = r.RolledBack
			continue
		}
		was := back != nil && back.From == r.Name
		if was && r.Version == next.Version && (r.Changes || r.Revision == next.Revision) {
			return back
		}
		if r.Changes {
			return nil
		}
	}
	return nil
}
