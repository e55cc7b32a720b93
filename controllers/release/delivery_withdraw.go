package release

import (
	"context"
	"fmt"
	"time"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/internal/delivery"
	"github.com/towpath-dev/towpath/internal/delivery/remote"
)

// withdrawOlder takes back what was proposed of older Releases: merged later, it would bring back what is older.
func (r *Reconciler) withdrawOlder(s *scope) {
	removed := false
	for i := range s.older {
		r.withdraw(s, &s.older[i])
		removed = removed || !s.older[i].DeletionTimestamp.IsZero()
	}
	if removed && s.git.Change == platformv1alpha1.GitPullRequest {
		r.withdrawRemoval(s)
	}
}

// withdrawRemoval takes back what was proposed to remove the Component while its environment was out of the path: merged later, it would delete
// what runs.
func (r *Reconciler) withdrawRemoval(s *scope) {
	git, target := s.git, targetOf(s.release)
	r.courier.ask(s.release, errandWithdraw+" removal "+s.place(), s.destination(), r.in(git, func(ctx context.Context, repository *remote.Repository) (remote.Result, error) {
		return remote.Result{}, repository.WithdrawRemoval(ctx, target)
	}))
}

// withdrawal names the errand by which what was proposed of a Release is taken back.
func (s *scope) withdrawal() string { return errandWithdraw + " " + s.place() }

// withdraw takes back what was proposed of a Release, and says what is awaited; nothing once nothing of it is left.
func (r *Reconciler) withdraw(s *scope, release *platformv1alpha1.Release) string {
	d := release.Status.Delivery
	switch {
	case d == nil && s.git.Change != platformv1alpha1.GitPullRequest:
		return ""
	case d == nil: // it may be on its way, or was proposed by a manager that ended then
	case d.DeliveredAt != nil || d.Repository != s.git.URL || d.Branch == s.git.Branch:
		return ""
	}
	old := delivery.Release{Target: targetOf(release), Name: release.Name, UID: string(release.UID), Number: release.Spec.Number}
	git := s.git
	a := r.courier.ask(release, s.withdrawal(), s.destination(), r.in(git, func(ctx context.Context, repository *remote.Repository) (remote.Result, error) {
		return remote.Result{}, repository.Withdraw(ctx, old)
	}))
	switch {
	case a.err != nil:
		s.lookAgain(max(a.wait, time.Second))
		return condition.Clip(fmt.Sprintf("The branch of Release %s cannot be taken back, and it is tried again: %v.", release.Name, a.err), maxDeliveryMessage)
	case !a.known:
		s.lookAgain(lookErrand)
		return fmt.Sprintf("Taking the branch of Release %s back from %s.", release.Name, git.URL)
	}
	return ""
}
