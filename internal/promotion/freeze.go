package promotion

import (
	"fmt"
	"strings"
	"time"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// Freeze is a window in which nothing new enters an environment.
type Freeze struct {
	Name, Reason string
	// Until is when it ends; zero where that is not known.
	Until time.Time
	// Breakable says that somebody may let a Release in all the same.
	Breakable bool
	// Forbids is the name of the freeze that lets nobody do so, where it may be another one, and ForbidsUntil when none does any
	// more; zero where that is not known.
	Forbids      string
	ForbidsUntil time.Time
}

// awaitFreeze says that a freeze keeps what is new out, and after which time to look again.
func (s *Step) awaitFreeze(pending *Pending, now time.Time) (*Wait, time.Duration) {
	if s.Freeze == nil || s.Freeze.Breakable && pending != nil && pending.broken() {
		return nil, 0
	}
	var again time.Duration
	message := fmt.Sprintf("Nothing new enters %s during the freeze %s (%s)", s.Name, s.Freeze.Name, strings.TrimSuffix(s.Freeze.Reason, "."))
	if !s.Freeze.Until.IsZero() {
		message += ", which ends at " + s.Freeze.Until.UTC().Format(time.RFC3339)
		again = s.Freeze.Until.Sub(now)
	}
	message += "."
	if until := s.Freeze.ForbidsUntil; !until.IsZero() && !until.Equal(s.Freeze.Until) {
		message += fmt.Sprintf(" The freeze %s lets nobody break the glass until %s.", s.Freeze.Forbids, until.UTC().Format(time.RFC3339))
		if left := until.Sub(now); again == 0 || left < again {
			again = left
		}
	}
	if s.Freeze.Breakable && pending != nil {
		message += fmt.Sprintf(" Whoever may break the glass in namespace %s lets it in: towpath approve --break-glass -n %s %s.", pending.Namespace, pending.Namespace, pending.Name)
	}
	return &Wait{Reason: platformv1alpha1.ReasonFrozen, Message: message}, again
}

// broken says that somebody broke the glass for a Release.
func (p *Pending) broken() bool {
	for _, vote := range p.Votes {
		if vote.Decision == platformv1alpha1.DecisionBreakGlass {
			return true
		}
	}
	return false
}

// frozen keeps out what changes what runs without bringing a version: a later revision of the template, and what those
// give now whom it uses. To go back to an earlier revision is a rollback, and what was deleted by hand is no change.
func (s *Step) frozen(d Decision, now time.Time) Decision {
	current := s.current()
	if s.Freeze == nil || d.Next == nil || current == nil {
		return d
	}
	switch d.Next.Cause {
	case platformv1alpha1.CauseTemplateRollout, platformv1alpha1.CauseProviderChange:
		if d.Next.Revision < current.Revision {
			return d
		}
		wait, again := s.awaitFreeze(nil, now)
		return Decision{Wait: wait, Again: again}
	}
	return d
}
