package release

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/apply"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/internal/delivery/remote"
	"github.com/towpath-dev/towpath/internal/index"
	"github.com/towpath-dev/towpath/internal/readiness"
)

// Where the class of an environment delivers by Git, a Release is rendered and guarded as ever, and then committed in place of
// applied. What follows the repository applies it. Each object bears the UID of the Release that it was committed for, so the
// cluster itself tells when all of them are of this one; from then on a Release is as ready as its objects are.

const (
	// lookErrand is how soon to look for an answer of the courier that got lost.
	lookErrand = 30 * time.Second
	// lookMerge is how often to ask whether a Release that was proposed has been merged.
	lookMerge = 30 * time.Second
	// answeredMerge is how old an answer is then that is asked for anew: a look comes a moment after it, or before.
	answeredMerge = lookMerge - 5*time.Second
	// lookCommit is how often to ask whether the branch still holds what is not applied yet: somebody may have moved it by force.
	lookCommit = 5 * time.Minute
	// maxDeliveryMessage bounds what a condition repeats of a server or a tool.
	maxDeliveryMessage = 1024
)

// errands of a Release.
const (
	errandCommit   = "commit"
	errandRemove   = "remove"
	errandWithdraw = "withdraw"
)

// findDelivery finds how the environment of a Release gets its Releases.
func (r *Reconciler) findDelivery(ctx context.Context, s *scope) error {
	var class platformv1alpha1.EnvironmentClass
	err := r.Get(ctx, types.NamespacedName{Name: s.release.Spec.Environment.Class}, &class, client.UnsafeDisableDeepCopy)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading EnvironmentClass %s: %w", s.release.Spec.Environment.Class, err)
	}
	if s.git = class.ByGit(); s.git != nil {
		s.git = s.git.DeepCopy()
	}
	s.unknownDelivery = err != nil && (s.release.Status.Delivery != nil || s.release.Undelivered())
	return nil
}

// runByGit brings a Release to the repository, and looks how what was applied from there is.
func (r *Reconciler) runByGit(ctx context.Context, s *scope) error {
	if s.git == nil {
		s.fail(false, platformv1alpha1.ReasonClassNotFound, fmt.Sprintf(
			"EnvironmentClass %s, which delivers by Git, does not exist: nothing is committed, and nothing applied. Make it again.", s.release.Spec.Environment.Class))
		return nil
	}
	loadErr := r.load(ctx, s)
	if err := r.observe(ctx, s); err != nil {
		return err
	}
	r.initObjects(s)
	if loadErr != nil || s.template == nil {
		r.judgeDelivered(s)
		return loadErr
	}
	r.withdrawOlder(s)
	if err := r.deliver(ctx, s); err != nil || s.overtaken {
		return err
	}
	if err := r.follow(ctx, s); err != nil {
		return err
	}
	r.judgeDelivered(s)
	if err := r.diagnose(ctx, s); err != nil || !s.applied {
		return err
	}
	if err := r.prune(ctx, s); err != nil {
		return err
	}
	r.recheck(s)
	return r.labelClaims(ctx, s)
}

// deliver commits a Release where the branch is not known to hold it.
func (r *Reconciler) deliver(ctx context.Context, s *scope) error {
	d := s.release.Status.Delivery
	what := s.errand(errandCommit)
	s.delivered = d != nil && d.DeliveredAt != nil && d.RemovedAt == nil && d.Repository == s.git.URL && d.Branch == s.git.Branch && d.Path == s.directory()
	if s.delivered {
		was := meta.IsStatusConditionTrue(s.before.Status.Conditions, platformv1alpha1.ConditionApplied)
		switch since := r.Clock.Since(d.DeliveredAt.Time); {
		case was && s.slipped(): // the tool has applied something else: somebody may have taken the Release out of the branch
			r.courier.again(s.release, what)
		case !was && since >= lookCommit:
			r.courier.recheck(s.release, what, lookCommit)
		}
		if !r.courier.outstanding(s.release.UID, what) {
			s.says(metav1.ConditionTrue, platformv1alpha1.ReasonDelivered, s.brought(d.Commit)) // the class may have named another place meanwhile
			return nil
		}
	}
	overtaken, err := r.overtaken(ctx, s)
	if err != nil || overtaken {
		return err
	}
	if s.release.Spec.Adopt != nil {
		s.fail(true, platformv1alpha1.ReasonDeliveryRefused, "What was found cannot be taken over where EnvironmentClass "+s.release.Spec.Environment.Class+
			" delivers by Git. Take it over in an Environment whose class applies directly, or leave adopt out and have Git take its place.")
		return nil
	}
	if err := r.render(s); err != nil {
		return err
	}
	if err := r.mayCommit(ctx, s); err != nil || s.problem != nil {
		return err
	}
	if s.proposed() {
		r.courier.recheck(s.release, what, answeredMerge)
	}
	r.courier.drop(s.release.UID, s.withdrawal()) // what is proposed now may have to be taken back once more
	release, git := deliveryOf(s), s.git          // and not the scope, which would be kept as long as the errand waits
	s.heard(r.courier.ask(s.release, what, s.destination(), r.in(git, func(ctx context.Context, repository *remote.Repository) (remote.Result, error) {
		return repository.Commit(ctx, release, r.Clock.Now())
	})), r.now())
	return nil
}

// mayCommit holds the objects to what they would be held to if they were applied: to the guard, and to be nobody else's. The error
// may pass.
func (r *Reconciler) mayCommit(ctx context.Context, s *scope) error {
	if err := apply.Guard(s.objects, r.policy(s.release)); err != nil {
		s.fail(true, platformv1alpha1.ReasonRefused, err.Error())
		return nil
	}
	for i, o := range s.release.Spec.Inventory {
		if s.children[i].live != nil && s.ours(i) {
			continue
		}
		live, err := r.read(ctx, s.release, o)
		if err != nil {
			return err
		}
		if live == nil || live.Labels[platformv1alpha1.LabelOwnerUID] == string(s.release.Spec.Component.UID) {
			continue
		}
		s.fail(true, platformv1alpha1.ReasonObjectTaken, fmt.Sprintf(
			"%s %s in namespace %s exists and belongs to somebody else; nothing is committed that would touch it. Rename or delete it, or rename the Component.",
			o.Kind, o.Name, s.release.Spec.Environment.Namespace))
		s.lookAgain(retryTakenLast)
		return nil
	}
	return nil
}

// slipped says that an object is gone, or is not of the Release.
func (s *scope) slipped() bool {
	return slices.ContainsFunc(s.children, func(c child) bool {
		return c.known && (c.live == nil || c.live.GetAnnotations()[platformv1alpha1.AnnotationDelivered] != string(s.release.UID))
	})
}

// ours says whether an object that the cache knows is the Component's.
func (s *scope) ours(i int) bool {
	return s.children[i].live.GetLabels()[platformv1alpha1.LabelOwnerUID] == string(s.release.Spec.Component.UID)
}

// heard takes an answer of the courier into the status.
func (s *scope) heard(a answer, now *metav1.Time) {
	d := &s.release.Status.Delivery
	switch {
	case a.err != nil:
		s.undelivered(a.err)
		s.lookAgain(max(a.wait, time.Second))
	case !a.known:
		s.lookAgain(lookErrand)
		if !s.delivered {
			s.says(metav1.ConditionFalse, platformv1alpha1.ReasonDelivering, fmt.Sprintf("The Release is on its way to %s, branch %s.", s.git.URL, s.git.Branch))
		}
	default:
		before := *d
		*d = &platformv1alpha1.ReleaseDelivery{Repository: s.git.URL, Branch: a.result.Branch, Path: s.directory(), Commit: a.result.Commit}
		there := before != nil && before.Repository == (*d).Repository && before.Path == (*d).Path
		if there && before.Branch == (*d).Branch && (!a.result.Made || a.result.Commit == before.Commit) {
			// The newest commit of the branch is another one by now; this one brought it.
			(*d).Commit, (*d).DeliveredAt, (*d).SyncedRevision = before.Commit, before.DeliveredAt, before.SyncedRevision
			(*d).SuspendedAt, (*d).ResumedAt = before.SuspendedAt, before.ResumedAt
		}
		if s.delivered = a.result.State == remote.Delivered; !s.delivered {
			if there {
				(*d).LastDeliveredAt = before.LastDeliveredAt
				if before.DeliveredAt != nil && before.Branch == s.git.Branch {
					(*d).LastDeliveredAt = before.DeliveredAt
				}
			}
			s.says(metav1.ConditionFalse, platformv1alpha1.ReasonWaitingForMerge, s.toMerge())
			s.lookAgain(lookMerge)
			return
		}
		if (*d).DeliveredAt == nil {
			(*d).DeliveredAt = now
		}
		s.says(metav1.ConditionTrue, platformv1alpha1.ReasonDelivered, s.brought((*d).Commit))
	}
}

// toMerge says what is to be merged, and whether it was before.
func (s *scope) toMerge() string {
	d := s.release.Status.Delivery
	if d.LastDeliveredAt == nil {
		return fmt.Sprintf("Branch %s of %s holds the Release: open a pull request from it to %s, and merge that. Where that was squashed and reverted already, delete the branch: it is made anew.",
			d.Branch, s.git.URL, s.git.Branch)
	}
	return fmt.Sprintf("The Release was merged into %s of %s, seen at %s, and somebody has taken it out again. To have it back, open a pull request from branch %s, and merge that; "+
		"to stay without it, make another Release, as by giving the Component the image from before.",
		s.git.Branch, s.git.URL, d.LastDeliveredAt.UTC().Format(time.RFC3339), d.Branch)
}

// proposed says that the Release waits to be merged.
func (s *scope) proposed() bool {
	return s.release.Status.Delivery != nil && s.release.Status.Delivery.DeliveredAt == nil
}

// judgeDelivered sets the health of each object, and whether all are of this Release.
func (r *Reconciler) judgeDelivered(s *scope) {
	var waiting []string
	known := true
	for i := range s.release.Status.Objects {
		status, c := &s.release.Status.Objects[i], s.children[i]
		what := status.Kind + " " + status.Name
		switch {
		case !c.known:
			known = false
		case c.live == nil:
			status.Health, status.Message = platformv1alpha1.ObjectMissing, ""
			waiting = append(waiting, what)
		case !s.ours(i):
			status.Health, status.Message = platformv1alpha1.ObjectFailed, "It belongs to somebody else."
			waiting = append(waiting, what)
		case c.live.GetAnnotations()[platformv1alpha1.AnnotationDelivered] != string(s.release.UID):
			status.Health, status.Message = platformv1alpha1.ObjectProgressing, "It is not of this Release yet."
			waiting = append(waiting, what)
		default:
			status.UID = c.live.GetUID()
			health, message := readiness.Of(c.live, r.rule(s, status.Resource))
			if health == platformv1alpha1.ObjectReady {
				message = ""
			}
			status.Health, status.Message = health, condition.Clip(message, maxObjectMessage)
		}
	}
	if s.delivered && len(waiting) > 0 {
		s.fail(false, platformv1alpha1.ReasonWaitingForSync, fmt.Sprintf("Commit %.12s is in branch %s of %s, and what follows it has not applied all of it yet: %s. It has to apply as %s.",
			s.release.Status.Delivery.Commit, s.git.Branch, s.git.URL, listObjects(waiting), s.git.AppliedBy.User()))
		s.lookAgain(lookCommit)
	}
	s.applied = s.delivered && known && len(waiting) == 0 && s.problem == nil
}

// listObjects names the first of several.
func listObjects(names []string) string {
	const shown = 5
	if len(names) <= shown {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
}

// brought says which commit holds the Release.
func (s *scope) brought(commit string) string {
	return fmt.Sprintf("Commit %.12s brought it to branch %s of %s.", commit, s.git.Branch, s.git.URL)
}

// says sets the condition Delivered, and where it is not True the problem of the pass.
func (s *scope) says(is metav1.ConditionStatus, reason, message string) {
	message = condition.Clip(message, maxDeliveryMessage)
	condition.Set(&s.release.Status.Conditions, s.release.Generation, platformv1alpha1.ConditionDelivered, is, reason, message)
	if is != metav1.ConditionTrue {
		s.fail(false, reason, message)
	}
}

// undelivered says why the branch does not hold the Release. What the repository itself keeps from it is no fault of the version:
// nobody goes back to another one for it. What somebody has to mend is tried again too, since nothing tells when they have.
func (s *scope) undelivered(err error) {
	reason := platformv1alpha1.ReasonRepositoryUnreachable
	switch remote.ReasonOf(err) {
	case "":
	case remote.ReasonDeclined:
		reason = platformv1alpha1.ReasonPushDeclined
	case remote.ReasonOccupied, remote.ReasonInvalid:
		reason = platformv1alpha1.ReasonDeliveryRefused
	default:
		reason = platformv1alpha1.ReasonRepositoryRefused
	}
	message := err.Error() + ". It is tried again."
	if s.delivered { // it was there, and whether it still is could not be seen
		return
	}
	if reason == platformv1alpha1.ReasonDeliveryRefused {
		s.fail(true, reason, condition.Clip(message, maxDeliveryMessage))
	}
	s.says(metav1.ConditionFalse, reason, message)
}

// recheck asks once in a while whether the branch still holds a Release that is well: somebody may have moved it by force.
func (r *Reconciler) recheck(s *scope) {
	if r.ReapplyAfter == 0 || s.problem != nil || !s.ready() {
		return
	}
	wait := r.renewals.wait(s.release.UID, r.ReapplyAfter, r.Clock.Now())
	if wait <= 0 {
		r.renewals.forget(s.release.UID)
		r.courier.again(s.release, s.errand(errandCommit))
		wait = time.Second
	}
	s.lookAgain(wait)
}

// ofClass maps an EnvironmentClass to the Releases in the environments of it.
func (r *Reconciler) ofClass(ctx context.Context, o client.Object) []ctrl.Request {
	class, ok := o.(*platformv1alpha1.EnvironmentClass)
	if !ok || class.ByGit() == nil {
		return nil
	}
	var list platformv1alpha1.EnvironmentList
	if err := r.List(ctx, &list, client.MatchingFields{index.EnvironmentClass: class.Name}, client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Listing Environments failed")
		return nil
	}
	var requests []ctrl.Request
	for i := range list.Items {
		requests = append(requests, r.ofEnvironment(ctx, &list.Items[i])...)
	}
	return requests
}
