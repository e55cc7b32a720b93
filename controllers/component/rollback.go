package component

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/condition"
)

// maxReason is how much of why a Release failed the one that follows keeps.
const maxReason = 1024

// source is the Release whose version the next one has, nil where that comes from the Component: on a rollback the one
// that is repeated, else the one that runs where its version goes on, with another revision, which goes first and
// alone, or with what those give now whom it uses.
func (s *stop) source() *platformv1alpha1.Release {
	if s.decision.From != "" {
		return s.named(s.decision.From)
	}
	if s.decision.Next.Version == s.version {
		return nil
	}
	return s.current()
}

func (s *stop) named(name string) *platformv1alpha1.Release {
	for _, release := range s.releases {
		if release.Name == name {
			return release
		}
	}
	return nil
}

// rollback records what the next Release brings back, nil where it is no rollback.
func (s *stop) rollback() *platformv1alpha1.ReleaseRollback {
	if s.decision.Next.Cause != platformv1alpha1.CauseRollback {
		return nil
	}
	back := &platformv1alpha1.ReleaseRollback{To: s.decision.From}
	current := s.current()
	if current != nil {
		back.From = current.Name
	}
	if failed := s.decision.Failed; failed != nil {
		back.From, back.Reason = failed.From, failed.Why
		if current != nil && current.Name == failed.From {
			c := ready(current)
			back.Reason = condition.Clip(fmt.Sprintf("%s: %s", c.Reason, withoutPods(c.Message)), maxReason)
		}
	}
	return back
}

// withoutPods leaves out of a message the sentences whose command asks for a pod: the rollback deletes that.
func withoutPods(message string) string {
	sentences := slices.DeleteFunc(strings.Split(message, ". "), func(sentence string) bool {
		_, command, found := strings.Cut(sentence, "kubectl ")
		return found && (strings.Contains(command, " logs ") || strings.Contains(command, " describe pod "))
	})
	return strings.TrimSuffix(strings.Join(sentences, ". "), ".") + "."
}

// rollsBack says that the class has Releases rolled back that fail.
func (s *stop) rollsBack() bool {
	return s.environment != nil && s.environment.Status.Rollback != nil && s.environment.Status.Rollback.Mode == platformv1alpha1.RollbackAutomatic
}

// failed says whether the Release that runs was never Ready and will not be, or failed its checks: it says so itself, or
// the deadline of the class has passed, which is looked for when it does.
func (s *scope) failed(st *stop, release *platformv1alpha1.Release) bool {
	switch {
	case release.Status.SupersededAt != nil:
		return false
	case release.ChecksFailed():
		return true
	case release.Status.ReadyAt != nil:
		return false
	case meta.IsStatusConditionTrue(release.Status.Conditions, platformv1alpha1.ConditionStalled):
		return true
	case release.Undelivered():
		return false // what the repository keeps it from, or a person who merges, is no fault of it, and would keep back another one too
	case release.Status.Delivery.Suspended():
		return false // nor is what a person keeps from the cluster
	case release.Status.RolledOutAt != nil:
		return false // its checks have bounds of their own
	case !st.rollsBack() || st.environment.Status.Rollback.DeadlineSeconds == 0 || release.Asleep() || st.environment.Asleep():
		return false
	}
	since := release.CreationTimestamp.Time
	if release.Status.OpenedAt != nil {
		since = release.Status.OpenedAt.Time
	}
	if slept := release.Status.Sleep; slept != nil && slept.WokeAt != nil && slept.WokeAt.After(since) {
		since = slept.WokeAt.Time // before, it could not become Ready
	}
	if d := release.Status.Delivery; d != nil {
		for _, at := range []*metav1.Time{d.DeliveredAt, d.ResumedAt} {
			if at != nil && at.After(since) {
				since = at.Time // before, nobody could apply it
			}
		}
	}
	left := since.Add(time.Duration(st.environment.Status.Rollback.DeadlineSeconds) * time.Second).Sub(s.now)
	s.lookAgain(max(left, 0))
	return left <= 0
}
