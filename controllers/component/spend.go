package component

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/shopspring/decimal"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/estimate"
	"github.com/towpath-dev/towpath/internal/promotion"
	"github.com/towpath-dev/towpath/internal/render"
	"github.com/towpath-dev/towpath/internal/sleep"
	"github.com/towpath-dev/towpath/internal/spending"
)

// Limits says what the limits of a team on money say of a change, and keeps room for one that they let in.
type Limits interface {
	Ask(ctx context.Context, team, home string, change spending.Change) (spending.Verdict, error)
	// Look says by how much a change would be over which limits, and keeps no room.
	Look(ctx context.Context, team, home string, change spending.Change) ([]string, error)
}

// afford asks whether a Release may enter its environment by what it costs. Where it may not it says why on the stop, and the
// Release waits there, so that people have something to decide on. What follows a golden path, or what the Component uses, is the
// platform's own doing: it passes, since what a limit holds back would stall a roll-out for everybody, and is told where it is over
// one.
func (r *Reconciler) afford(ctx context.Context, s *scope, st *stop, release *platformv1alpha1.Release) (bool, error) {
	change, err := r.change(ctx, st, release)
	if err != nil {
		return false, err
	}
	change.ApprovedBy, change.BreakGlassBy = s.letInBy(st, release)
	if !st.decision.Guarded && !st.decision.Open {
		r.tell(ctx, s, st, release, change)
		return true, nil
	}
	verdict, err := r.Limits.Ask(ctx, release.Spec.Team, release.Namespace, change)
	if err != nil {
		// It waits as a Release all the same: who may break the glass needs one.
		ctrl.LoggerFrom(ctx).Error(err, "Whether a Release stays within the limits on spending cannot be told", "release", release.Name)
		verdict = spending.Verdict{Decision: spending.Deny, Message: fmt.Sprintf(
			"What %s may spend cannot be told, so that nothing which adds cost enters; it is tried again each minute: %v.", change.Place, err)}
	}
	if verdict.Decision == spending.Allow {
		if verdict.LetInBy != "" {
			r.overLimit(s, st, release, verdict.Message)
		}
		return true, nil
	}
	s.lookAgain(retrySpending)
	wait := &promotion.Wait{Reason: platformv1alpha1.ReasonSpendingDenied, Message: verdict.Message}
	if verdict.Decision == spending.RequireApproval {
		wait.Reason = platformv1alpha1.ReasonWaitingForSpendingApproval
		wait.Message += fmt.Sprintf(" Approve it with: towpath approve -n %s %s.", release.Namespace, release.Name)
	} else {
		wait.Message += fmt.Sprintf(" In an emergency, who may break the glass lets it in with: towpath approve -n %s %s --break-glass --reason TEXT.", release.Namespace, release.Name)
	}
	st.decision.Wait = wait
	return false, nil
}

// tell says in an event which limits a Release is over that is let in without being asked.
func (r *Reconciler) tell(ctx context.Context, s *scope, st *stop, release *platformv1alpha1.Release, change spending.Change) {
	over, err := r.Limits.Look(ctx, release.Spec.Team, release.Namespace, change)
	if err == nil && len(over) > 0 {
		r.overLimit(s, st, release, strings.Join(over, "; "))
	}
}

func (r *Reconciler) overLimit(s *scope, st *stop, release *platformv1alpha1.Release, why string) {
	r.Recorder.Eventf(s.component, release, corev1.EventTypeWarning, "OverLimit", "Open", "Release %s enters %s over a limit on spending: %s", release.Name, st.name, why)
}

// change is what a Release changes of what its team pays.
func (r *Reconciler) change(ctx context.Context, st *stop, release *platformv1alpha1.Release) (spending.Change, error) {
	change := spending.Change{
		Place: spending.Place{Component: release.Spec.Component.Name, Environment: st.name}, Namespace: release.Namespace, Release: release.Name,
		Tier: release.Spec.Environment.Tier,
		Back: release.Spec.Cause == platformv1alpha1.CauseRollback || release.Spec.Cause == platformv1alpha1.CauseAdoption,
	}
	if change.Back {
		return change, nil
	}
	after := release.Cost()
	if change.Unknown = after == nil; change.Unknown {
		return change, nil
	}
	var err error
	if change.After, err = estimate.Decimal(after.Monthly.Expected); err != nil {
		return change, err
	}
	change.Currency = after.Currency
	change.Before, err = r.paid(ctx, st, after.Currency)
	return change, err
}

// paid is what runs in an environment is estimated to cost a month by the prices and the sleep of now: by those of then, a new list
// of prices would pass for a raise. Where it cannot be estimated anew what was frozen counts, as it does for what was found and taken over;
// where there is none either, nothing. An error means that it can be told later.
func (r *Reconciler) paid(ctx context.Context, st *stop, currency string) (decimal.Decimal, error) {
	ran := st.current()
	if ran == nil {
		ran = st.lost
	}
	if ran == nil {
		return decimal.Zero, nil
	}
	estimated := ran.Cost()
	if ran.Spec.Cause != platformv1alpha1.CauseAdoption {
		anew, err := r.priced(ctx, ran, st.sleeps)
		switch {
		case err != nil && (ctx.Err() != nil || apierrors.ReasonForError(err) != metav1.StatusReasonUnknown && !apierrors.IsNotFound(err)):
			return decimal.Zero, fmt.Errorf("estimating what runs, Release %s: %w", ran.Name, err)
		case err != nil:
			ctrl.LoggerFrom(ctx).Info("What runs cannot be estimated anew, and counts as it was when it was made", "release", ran.Name, "why", err.Error())
		case anew != nil && anew.Currency == currency:
			estimated = &anew.EstimatedCost
		}
	}
	if estimated == nil || estimated.Currency != currency {
		return decimal.Zero, nil
	}
	return estimate.Decimal(estimated.Monthly.Expected)
}

// priced is what a Release is estimated to cost now.
func (r *Reconciler) priced(ctx context.Context, release *platformv1alpha1.Release, sleeps sleep.Plan) (*platformv1alpha1.ReleaseCost, error) {
	compiled, err := r.Revisions.Get(ctx, release.Spec.Revision.Name)
	if err != nil {
		return nil, err
	}
	objects, err := render.Release(compiled, release)
	if err != nil {
		return nil, err
	}
	return r.estimate(ctx, release, render.Plain(objects), sleeps), nil
}

// letInBy is who approved a Release that waits, and who broke the glass for it. Who asked for it cannot approve what it costs; where
// the gate forbids authors to approve, none of them can.
func (s *scope) letInBy(st *stop, release *platformv1alpha1.Release) (approver, breaker string) {
	if release != st.pending() {
		return "", ""
	}
	forbidden := st.gate.AuthorApproval == platformv1alpha1.AuthorApprovalForbidden
	authors, unknown := s.authors(st, release)
	for _, d := range st.decisions {
		switch {
		case d.Decision == platformv1alpha1.DecisionBreakGlass && breaker == "":
			breaker = d.Approver
		case d.Decision != platformv1alpha1.DecisionApprove || approver != "" || d.Approver == release.Spec.RequestedBy:
		case forbidden && (len(authors) == 0 || unknown != "" || slices.Contains(authors, d.Approver)):
		default:
			approver = d.Approver
		}
	}
	return approver, breaker
}

// ofBudget maps a Budget to the Components beside it: one that is raised, or gone, may let in what waits.
func (r *Reconciler) ofBudget(ctx context.Context, o client.Object) []ctrl.Request {
	return r.requests(ctx, client.InNamespace(o.GetNamespace()))
}
