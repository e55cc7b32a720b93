package release

import (
	"context"
	"fmt"
	"time"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/internal/delivery/remote"
)

// leaveToTool is for how long what follows the repository has time to delete what stands in it no more. Whatever is left then is
// deleted as anywhere: it may not prune, or may be gone.
const leaveToTool = 2 * time.Minute

// undeliver ends what a Release left in the repository and in the cluster: first the files, so that nothing applies them again, then
// what follows them, then what is left of the objects. It says whether all is gone, and else what is awaited.
//
// Where the Component or the Environment says that what runs outlives it, so do the files: without them it would be pruned.
func (r *Reconciler) undeliver(ctx context.Context, s *scope) (gone bool, waits string, err error) {
	if s.orphan {
		gone, err = r.removeObjects(ctx, s.release, checkJobs(s.release))
		return gone, "Deleting the Jobs of checks.", err
	}
	if waits := r.withdraw(s, s.release); waits != "" {
		return false, waits, nil
	}
	if waits := r.removeFiles(s); waits != "" {
		return false, waits, nil
	}
	if s.git.Reconciler != nil {
		if waits, err := r.unfollow(ctx, s); err != nil || waits != "" {
			return false, waits, err
		}
	} else if since := r.Clock.Since(s.removedAt()); since < leaveToTool {
		if gone, err := r.removeObjects(ctx, s.release, checkJobs(s.release)); err != nil || !gone { // Towpath made these: no tool deletes them
			return false, "Deleting the Jobs of checks.", err
		}
		left, err := r.left(ctx, s.release)
		if err != nil || left == "" {
			return err == nil, "", err
		}
		s.lookAgain(lookLeft)
		return false, fmt.Sprintf("The files are removed from branch %s of %s; what follows it has until %s to delete %s, before Towpath does.",
			s.git.Branch, s.git.URL, s.removedAt().Add(leaveToTool).UTC().Format(time.RFC3339), left), nil
	}
	gone, err = r.remove(ctx, s.release, nil)
	return gone, "Deleting the objects that are left of the Release.", err
}

// lookLeft is how often to look whether what was removed from the repository is gone from the cluster.
const lookLeft = 5 * time.Second

// removeFiles takes the files of the Component out of the branch, and says what is awaited; nothing once they are out.
func (r *Reconciler) removeFiles(s *scope) string {
	d := s.release.Status.Delivery
	if d != nil && d.RemovedAt != nil {
		return ""
	}
	target, git := targetOf(s.release), s.git
	what := s.errand(errandRemove)
	r.courier.recheck(s.release, what, answeredMerge)
	a := r.courier.ask(s.release, what, s.destination(), r.in(git, func(ctx context.Context, repository *remote.Repository) (remote.Result, error) {
		return repository.Remove(ctx, target, r.Clock.Now())
	}))
	switch {
	case a.err != nil:
		s.lookAgain(max(a.wait, time.Second))
		return condition.Clip(fmt.Sprintf("The files cannot be removed from branch %s, and it is tried again: %v.", git.Branch, a.err), maxDeliveryMessage)
	case !a.known:
		s.lookAgain(lookErrand)
		return fmt.Sprintf("Removing the files from branch %s of %s.", git.Branch, git.URL)
	case a.result.State == remote.Proposed:
		s.lookAgain(lookMerge)
		return fmt.Sprintf("Branch %s of %s removes the files: open a pull request from it to %s, and merge that.", a.result.Branch, git.URL, git.Branch)
	}
	if d == nil {
		d = &platformv1alpha1.ReleaseDelivery{Repository: git.URL, Branch: git.Branch, Path: s.directory(), Commit: a.result.Commit}
		if d.Commit == "" { // the repository is empty, so there is no commit to name
			return ""
		}
		s.release.Status.Delivery = d
	}
	d.RemovedAt = r.now()
	return ""
}

// removedAt is when the files were out of the branch; the zero time where they never were in.
func (s *scope) removedAt() time.Time {
	if d := s.release.Status.Delivery; d != nil && d.RemovedAt != nil {
		return d.RemovedAt.Time
	}
	return time.Time{}
}

// left names what is still there of a Release; nothing where all is gone.
func (r *Reconciler) left(ctx context.Context, release *platformv1alpha1.Release) (string, error) {
	ended, err := r.namespaceEnded(ctx, release.Spec.Environment.Namespace)
	if err != nil || ended {
		return "", err
	}
	var names []string
	for _, o := range release.Spec.Inventory {
		live, err := r.find(ctx, release, o)
		if err != nil {
			return "", err
		}
		if live != nil {
			names = append(names, o.Kind+" "+o.Name)
		}
	}
	return listObjects(names), nil
}
