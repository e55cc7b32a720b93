package release

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/apply"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/internal/delivery"
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
		if since := r.Clock.Since(d.DeliveredAt.Time); !meta.IsStatusConditionTrue(s.before.Status.Conditions, platformv1alpha1.ConditionApplied) && since >= lookCommit {
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
	release, git := deliveryOf(s), s.git // and not the scope, which would be kept as long as the errand waits
	s.heard(r.courier.ask(s.release, what, s.place(), func(ctx context.Context) (remote.Result, error) {
		repository, err := r.repository(ctx, git)
		if err != nil {
			return remote.Result{}, err
		}
		return repository.Commit(ctx, release, r.Clock.Now())
	}), r.now())
	if s.proposed() {
		r.courier.recheck(s.release, what, lookMerge)
	}
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
		if before != nil && before.Repository == (*d).Repository && before.Branch == (*d).Branch && before.Path == (*d).Path && (!a.result.Made || a.result.Commit == before.Commit) {
			// The newest commit of the branch is another one by now; this one brought it.
			(*d).Commit, (*d).DeliveredAt, (*d).SyncedRevision = before.Commit, before.DeliveredAt, before.SyncedRevision
			(*d).SuspendedAt, (*d).ResumedAt = before.SuspendedAt, before.ResumedAt
		}
		if s.delivered = a.result.State == remote.Delivered; !s.delivered {
			s.says(metav1.ConditionFalse, platformv1alpha1.ReasonWaitingForMerge, fmt.Sprintf(
				"Branch %s of %s holds the Release: open a pull request from it to %s, and merge that.", a.result.Branch, s.git.URL, s.git.Branch))
			s.lookAgain(lookMerge)
			return
		}
		if (*d).DeliveredAt == nil {
			(*d).DeliveredAt = now
		}
		s.says(metav1.ConditionTrue, platformv1alpha1.ReasonDelivered, s.brought((*d).Commit))
	}
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
	r.courier.ask(s.release, errandWithdraw+" removal "+s.place(), s.place(), func(ctx context.Context) (remote.Result, error) {
		repository, err := r.repository(ctx, git)
		if err != nil {
			return remote.Result{}, err
		}
		return remote.Result{}, repository.WithdrawRemoval(ctx, target)
	})
}

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
	a := r.courier.ask(release, errandWithdraw+" "+s.place(), s.place(), func(ctx context.Context) (remote.Result, error) {
		repository, err := r.repository(ctx, git)
		if err != nil {
			return remote.Result{}, err
		}
		return remote.Result{}, repository.Withdraw(ctx, old)
	})
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

// errand names one by where it leads: a class that says another place has it done there too.
func (s *scope) errand(what string) string {
	return strings.Join([]string{what, s.place(), s.directory(), string(s.git.Change)}, " ")
}

// place is the branch of a repository that the class names.
func (s *scope) place() string { return s.git.URL + " " + s.git.Branch }

// directory is where the files of the Release stand; empty where the path of the class cannot be.
func (s *scope) directory() string {
	layout, err := delivery.ParseLayout(s.git.Path)
	if err != nil {
		return ""
	}
	directory, _ := layout.Directory(targetOf(s.release))
	return directory
}

// repository opens the one of a class, with the platform's credentials.
func (r *Reconciler) repository(ctx context.Context, git *platformv1alpha1.GitDelivery) (*remote.Repository, error) {
	layout, err := delivery.ParseLayout(git.Path)
	if err != nil {
		return nil, &remote.Problem{Reason: remote.ReasonInvalid, Message: err.Error()}
	}
	source := remote.Source{URL: git.URL, Branch: git.Branch, Mode: remote.Push, Layout: layout}
	if git.Change == platformv1alpha1.GitPullRequest {
		source.Mode = remote.Propose
	}
	if git.CredentialsKey != "" {
		const title = "Secret " + platformv1alpha1.SystemNamespace + "/" + platformv1alpha1.DeliverySecret
		var secret corev1.Secret
		err := r.Live.Get(ctx, types.NamespacedName{Namespace: platformv1alpha1.SystemNamespace, Name: platformv1alpha1.DeliverySecret}, &secret)
		if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
			return nil, &remote.Problem{Reason: remote.ReasonCredentials, Message: title + ", which has the credentials for " + git.URL +
				", does not exist, or the manager may not read it: make it, and apply config/rbac"}
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", title, err)
		}
		if source.Credentials, source.CA, err = remote.ReadCredentials(secret.Data, git.CredentialsKey, git.URL); err != nil {
			return nil, &remote.Problem{Reason: remote.ReasonCredentials, Message: title + ": " + err.Error()}
		}
	}
	return r.Git.Open(source)
}

// targetOf is a Component in an Environment, as a Release knows both.
func targetOf(release *platformv1alpha1.Release) delivery.Target {
	spec := &release.Spec
	return delivery.Target{
		Team:      spec.Team,
		Component: delivery.Component{Namespace: release.Namespace, Name: spec.Component.Name, UID: string(spec.Component.UID)},
		Environment: delivery.Environment{
			Name: spec.Environment.Name, UID: string(spec.Environment.UID), Namespace: spec.Environment.Namespace,
			Class: spec.Environment.Class, Tier: string(spec.Environment.Tier),
		},
	}
}

// deliveryOf is what is committed of a Release, with who wrote it and who let it in.
func deliveryOf(s *scope) delivery.Release {
	release := s.release
	out := delivery.Release{Target: targetOf(release), Name: release.Name, UID: string(release.UID), Number: release.Spec.Number,
		Cause: string(release.Spec.Cause), Image: release.Spec.Image}
	if commit := release.Spec.Commit; commit != nil {
		out.Commit = commit.SHA
		out.Authors = appendName(out.Authors, commit.Author)
	}
	out.Authors = appendName(out.Authors, release.Spec.RequestedBy)
	for _, d := range release.Status.Decisions {
		if d.Decision == platformv1alpha1.DecisionApprove {
			out.Approvers = appendName(out.Approvers, d.Approver)
		}
	}
	for _, o := range s.objects {
		object := o.Object.DeepCopy()
		annotations := object.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[platformv1alpha1.AnnotationDelivered] = string(release.UID)
		object.SetAnnotations(annotations)
		out.Objects = append(out.Objects, object)
	}
	return out
}

func appendName(names []string, name string) []string {
	if name == "" {
		return names
	}
	return append(names, name)
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
