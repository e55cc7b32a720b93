package component

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/internal/freeze"
	"github.com/towpath-dev/towpath/internal/index"
	"github.com/towpath-dev/towpath/internal/promotion"
)

// retryConflict is after which time to look again at a Release that changed while its status was written.
const retryConflict = 2 * time.Second

// maxDecisions is how many decisions the status of a Release keeps.
const maxDecisions = 32

// A Release that waits at the gate of its environment belongs to this controller: it writes its status until the gate
// is open, and package release from then on.

// pending returns the Release that waits at the gate, nil for none. One that an opened one has overtaken waits no more.
func (s *stop) pending() *platformv1alpha1.Release {
	if len(s.unopened) == 0 {
		return nil
	}
	last := s.unopened[len(s.unopened)-1]
	overtaken := len(s.releases) > 0 && s.releases[len(s.releases)-1].Spec.Number > last.Spec.Number
	if overtaken || last.Status.SupersededAt != nil {
		return nil
	}
	return last
}

// findGates finds what each environment asks of a version.
func (r *Reconciler) findGates(ctx context.Context, s *scope) error {
	var tiers []platformv1alpha1.Tier
	for i := range s.stops {
		st := &s.stops[i]
		var class *platformv1alpha1.ClassGate
		if st.environment != nil {
			class = st.environment.Status.Gate
		}
		st.gate = promotion.Stricter(class, s.component.Spec.Environments[i].Gate)
		if class != nil {
			st.soakTier = class.RequiredTier
			st.barred = promotion.MissingTier(st.name, st.environment.Spec.ClassRef.Name, class.RequiredTier, tiers)
		}
		s.soaks(i)
		tiers = append(tiers, st.tier())
		if st.environment != nil {
			st.freeze = openFreeze(st.environment.Status.Freezes, s.now)
		}
	}
	return r.findTeam(ctx, s)
}

// keepRejections writes down what people decided on Releases that never entered, where one of them rejected it, before anything takes
// the place of what waits: from then on only what it says itself is known. Who rejects one that waits no more means the version
// all the same.
func (r *Reconciler) keepRejections(ctx context.Context, st *stop) error {
	for _, release := range st.unopened {
		if wasRejected(release) {
			continue
		}
		decisions := st.decisions
		if release != st.pending() {
			var err error
			if decisions, err = r.decisions(ctx, release); err != nil {
				return err
			}
		}
		if err := r.keepRejection(ctx, release, decisions); err != nil {
			return err
		}
	}
	return nil
}

// keepRejection writes down what people decided on a Release, where one of them rejected it.
func (r *Reconciler) keepRejection(ctx context.Context, release *platformv1alpha1.Release, decisions []platformv1alpha1.ReleaseDecision) error {
	if !slices.ContainsFunc(decisions, func(d platformv1alpha1.ReleaseDecision) bool { return d.Decision == platformv1alpha1.DecisionReject }) {
		return nil
	}
	before := release.DeepCopy()
	release.Status.Decisions = recorded(decisions)
	err := r.Status().Patch(ctx, release, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("writing down that Release %s was rejected: %w", release.Name, err)
	}
	return nil
}

// dropStrays deletes the Releases in environments that are no longer in the path, or that were made anew. One that never entered,
// and was rejected so lately that no pass has written that down, stays as those do of which it is known.
func (r *Reconciler) dropStrays(ctx context.Context, s *scope) error {
	var errs []error
	for _, stray := range s.strays {
		left := !slices.ContainsFunc(s.stops, func(st stop) bool { return st.name == stray.Spec.Environment.Name })
		if left && !stray.Opened() && stray.DeletionTimestamp.IsZero() {
			decisions, err := r.decisions(ctx, stray)
			if err == nil {
				err = r.keepRejection(ctx, stray, decisions)
			}
			if err != nil {
				errs = append(errs, err)
				continue
			}
			if wasRejected(stray) {
				continue
			}
		}
		errs = append(errs, r.deleteRelease(ctx, stray))
	}
	return errors.Join(errs...)
}

// soaks tells the environments in which a version soaks before it enters one for how long that is: checks go on until then.
func (s *scope) soaks(index int) {
	gate, tier := s.stops[index].gate, s.stops[index].soakTier
	for i, st := range slices.Backward(s.stops[:index]) {
		if i == index-1 || st.tier() == tier {
			s.stops[i].soakSeconds = max(st.soakSeconds, gate.SoakSeconds)
		}
		if tier == "" || st.tier() == tier {
			return
		}
	}
}

// openFreeze is the freeze that is open, as planning sees it; nil for none.
func openFreeze(windows []platformv1alpha1.FreezeWindow, now time.Time) *promotion.Freeze {
	open := freeze.At(windows, now)
	if open == nil {
		return nil
	}
	f := &promotion.Freeze{Name: open.Window.Name, Reason: open.Window.Reason, Until: open.Until, Breakable: open.Forbids == nil}
	if open.Forbids != nil {
		f.Forbids, f.ForbidsUntil = open.Forbids.Name, open.ForbidsUntil
	}
	if open.Broken != nil {
		f.Reason = fmt.Sprintf("which counts as open, since %v", open.Broken)
	}
	return f
}

// decisions are what people decided on a Release that waits, the oldest first. A rejection that was counted stays,
// though its Approval is gone.
func (r *Reconciler) decisions(ctx context.Context, release *platformv1alpha1.Release) ([]platformv1alpha1.ReleaseDecision, error) {
	var approvals platformv1alpha1.ApprovalList
	if err := r.List(ctx, &approvals, client.InNamespace(release.Namespace), client.MatchingFields{index.ApprovalRelease: string(release.UID)}); err != nil {
		return nil, fmt.Errorf("listing Approvals of Release %s: %w", release.Name, err)
	}
	var all []platformv1alpha1.ReleaseDecision
	for _, known := range release.Status.Decisions {
		if known.Decision == platformv1alpha1.DecisionReject {
			all = append(all, known)
		}
	}
	for i := range approvals.Items {
		a := &approvals.Items[i]
		known := slices.ContainsFunc(all, func(d platformv1alpha1.ReleaseDecision) bool { return d.Approval == a.Name })
		if a.Spec.ReleaseRef.Name != release.Name || known {
			continue
		}
		all = append(all, platformv1alpha1.ReleaseDecision{
			Approval: a.Name, Approver: a.Spec.Approver, Decision: a.Spec.Decision, Reason: a.Spec.Reason, DecidedAt: a.CreationTimestamp.DeepCopy(),
		})
	}
	slices.SortFunc(all, func(a, b platformv1alpha1.ReleaseDecision) int {
		return cmp.Or(a.DecidedAt.Time.Compare(b.DecidedAt.Time), cmp.Compare(a.Approval, b.Approval))
	})
	return all, nil
}

// plannedPending are the Releases that never entered, as planning sees them.
func (s *scope) plannedPending(st *stop) []promotion.Pending {
	waits := st.pending()
	list := make([]promotion.Pending, len(st.unopened))
	for i, release := range st.unopened {
		decisions := release.Status.Decisions
		if release == waits {
			decisions = st.decisions
		}
		uses := st.uses
		if release.Spec.Version != st.version {
			uses = st.runningUses // it goes on with what runs, for the sake of its revision
		}
		list[i] = promotion.Pending{
			Namespace: release.Namespace, Name: release.Name, Version: release.Spec.Version, Revision: release.Spec.Revision.Number,
			Superseded: release != waits,
			Pins:       release.Spec.Cause == platformv1alpha1.CauseTemplateRollout,
			Stale:      !equality.Semantic.DeepEqual(release.Spec.Uses, uses) || st.outdated(release),
		}
		if release == waits && st.gate.AuthorApproval == platformv1alpha1.AuthorApprovalForbidden {
			list[i].Authors, list[i].AuthorUnknown = s.authors(st, release)
		}
		for _, d := range decisions {
			list[i].Votes = append(list[i].Votes, promotion.Vote{Approver: d.Approver, Decision: d.Decision, Reason: d.Reason})
		}
	}
	return list
}

// outdated says that a Release was made by what the class said before of pods and kinds: it would enter by that.
func (s *stop) outdated(release *platformv1alpha1.Release) bool {
	if s.environment == nil || s.environment.Status.Namespace == "" {
		return false
	}
	spec, status := &release.Spec, &s.environment.Status
	return spec.PodSecurity != status.PodSecurity ||
		cmp.Or(spec.ServiceAccountTokens, platformv1alpha1.TokensForbidden) != cmp.Or(status.ServiceAccountTokens, platformv1alpha1.TokensForbidden) ||
		!equality.Semantic.DeepEqual(spec.AllowedKinds, status.AllowedKinds)
}

// settle says on the Release that waits in an environment what it waits for, opens it, or ends its wait.
func (r *Reconciler) settle(ctx context.Context, s *scope, st *stop) error {
	release := st.pending()
	if release == nil || st.decision.Next != nil {
		return nil // what is made next takes its place
	}
	if err := r.settleProofs(ctx, s, st, release); err != nil {
		return err
	}
	if st.decision.Open {
		affordable, err := r.afford(ctx, s, st, release)
		if err != nil {
			return err
		}
		st.decision.Open = affordable
	}
	before := release.DeepCopy()
	status, generation := &release.Status, release.Generation
	status.ObservedGeneration = generation
	status.Decisions = recorded(st.decisions)
	now := metav1.NewTime(r.Clock.Now().Truncate(time.Second))
	switch {
	case st.decision.Open:
		status.OpenedAt, status.Proofs = &now, st.proofs
		condition.Progressing(&status.Conditions, generation, platformv1alpha1.ReasonProgressing, fmt.Sprintf("The gate of %s is open.", st.name))
	case st.decision.Retire:
		status.SupersededAt = &now
		condition.Ready(&status.Conditions, generation, platformv1alpha1.ReasonSuperseded, "It never entered the environment: the Component asks for another version by now.")
	case st.decision.Wait != nil:
		condition.Progressing(&status.Conditions, generation, st.decision.Wait.Reason, st.decision.Wait.Message)
	}
	if equality.Semantic.DeepEqual(before.Status, release.Status) {
		return nil
	}
	// The lock keeps a Release shut that was superseded a moment ago.
	err := r.Status().Patch(ctx, release, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		release.Status = before.Status
		s.lookAgain(retryConflict) // as a rule the event of what happened to it comes first
		return nil
	}
	if err != nil {
		return fmt.Errorf("writing the status of Release %s: %w", release.Name, err)
	}
	if st.decision.Open {
		ctrl.LoggerFrom(ctx).Info("Opened a Release", "release", release.Name)
		r.Recorder.Eventf(s.component, release, corev1.EventTypeNormal, "Opened", "Open", "Release %s enters %s%s", release.Name, st.name, st.broken())
		st.unopened = st.unopened[:len(st.unopened)-1]
		st.made(release)
	}
	return nil
}

// broken says who broke the glass for a Release that enters during a freeze; nothing where nobody had to.
func (s *stop) broken() string {
	for _, d := range s.decisions {
		if s.freeze != nil && d.Decision == platformv1alpha1.DecisionBreakGlass {
			return fmt.Sprintf(" during the freeze %s: %s broke the glass: %s", s.freeze.Name, d.Approver, d.Reason)
		}
	}
	return ""
}

// recorded are the decisions that fit into the status: rejections first, which must outlast their Approvals, and approvals last.
func recorded(all []platformv1alpha1.ReleaseDecision) []platformv1alpha1.ReleaseDecision {
	if len(all) <= maxDecisions {
		return all
	}
	kept := slices.Clone(all)
	slices.SortStableFunc(kept, func(a, b platformv1alpha1.ReleaseDecision) int {
		return cmp.Compare(rank(a.Decision), rank(b.Decision))
	})
	return kept[:maxDecisions]
}

func rank(d platformv1alpha1.Decision) int {
	switch d {
	case platformv1alpha1.DecisionReject:
		return 0
	case platformv1alpha1.DecisionApprove:
		return 2
	}
	return 1
}

// ofApproval maps an Approval to the Component of its Release.
func (r *Reconciler) ofApproval(ctx context.Context, o client.Object) []ctrl.Request {
	approval, ok := o.(*platformv1alpha1.Approval)
	if !ok {
		return nil
	}
	var release platformv1alpha1.Release
	key := types.NamespacedName{Namespace: approval.Namespace, Name: approval.Spec.ReleaseRef.Name}
	if err := r.Get(ctx, key, &release, client.UnsafeDisableDeepCopy); err != nil || release.UID != approval.Spec.ReleaseRef.UID {
		return nil
	}
	return []ctrl.Request{{NamespacedName: types.NamespacedName{Namespace: release.Namespace, Name: release.Spec.Component.Name}}}
}
