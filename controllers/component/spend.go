package component

import (
	"context"
	"fmt"
	"slices"

	"github.com/shopspring/decimal"
	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/estimate"
	"github.com/towpath-dev/towpath/internal/promotion"
	"github.com/towpath-dev/towpath/internal/render"
	"github.com/towpath-dev/towpath/internal/spending"
)

// Limits says what the limits of a team on money say of a change, and keeps room for one that they let in.
type Limits interface {
	Ask(ctx context.Context, team, home string, change spending.Change) (spending.Verdict, error)
	// Look says by how much a change would be over which limits, and keeps no room.
	Look(ctx context.Context, team, home string, change spending.Change) ([]string, error)
}

// afford asks whether a Release may enter its environment by what it costs. Where it may not it says why on the stop: one that is a
// matter of the gate then waits as a Release, so that people have something to decide on; any other is not made.
func (r *Reconciler) afford(ctx context.Context, s *scope, st *stop, release *platformv1alpha1.Release) (bool, error) {
	change, err := r.change(ctx, s, st, release)
	if err != nil {
		return false, err
	}
	verdict, err := r.Limits.Ask(ctx, release.Spec.Team, release.Namespace, change)
	if err != nil {
		return false, fmt.Errorf("asking whether Release %s stays within the limits on spending: %w", release.Name, err)
	}
	if verdict.Decision == spending.Allow {
		if verdict.LetInBy != "" {
			r.Recorder.Eventf(s.component, release, corev1.EventTypeWarning, "OverLimit", "Open", "Release %s enters %s over a limit on spending: %s",
				release.Name, st.name, verdict.Message)
		}
		return true, nil
	}
	s.lookAgain(retrySpending)
	wait := &promotion.Wait{Reason: platformv1alpha1.ReasonSpendingDenied, Message: verdict.Message}
	switch {
	case !st.decision.Guarded && !st.decision.Open:
		wait.Message += " What follows a golden path, or what it uses, cannot be approved."
	case verdict.Decision == spending.RequireApproval:
		wait.Reason = platformv1alpha1.ReasonWaitingForSpendingApproval
		wait.Message += fmt.Sprintf(" Approve it with: towpath approve -n %s %s.", release.Namespace, release.Name)
	default:
		wait.Message += fmt.Sprintf(" In an emergency, who may break the glass lets it in with: towpath approve -n %s %s --break-glass --reason TEXT.", release.Namespace, release.Name)
	}
	st.decision.Wait = wait
	return false, nil
}

// change is what a Release changes of what its team pays.
func (r *Reconciler) change(ctx context.Context, s *scope, st *stop, release *platformv1alpha1.Release) (spending.Change, error) {
	change := spending.Change{
		Place: spending.Place{Component: s.component.Name, Environment: st.name}, Namespace: release.Namespace, Release: release.Name,
		Tier: release.Spec.Environment.Tier,
		Back: release.Spec.Cause == platformv1alpha1.CauseRollback || release.Spec.Cause == platformv1alpha1.CauseAdoption,
	}
	after := release.Cost()
	if after == nil || change.Back {
		return change, nil
	}
	var err error
	if change.After, err = estimate.Decimal(after.Monthly.Expected); err != nil {
		return change, err
	}
	change.Currency = after.Currency
	if change.Before, err = r.paid(ctx, st, after.Currency); err != nil {
		return change, err
	}
	change.ApprovedBy, change.BreakGlassBy = s.letInBy(st, release)
	return change, nil
}

// paid is what runs in an environment is estimated to cost a month. What was made without an estimate, or with one in another
// currency, is estimated anew: it would pass for nothing, and whatever comes next for a raise.
func (r *Reconciler) paid(ctx context.Context, st *stop, currency string) (decimal.Decimal, error) {
	ran := st.current()
	if ran == nil {
		ran = st.lost
	}
	if ran == nil || ran.Spec.Cause == platformv1alpha1.CauseAdoption {
		return decimal.Zero, nil
	}
	known := ran.Cost()
	if known == nil || known.Currency != currency {
		compiled, err := r.Revisions.Get(ctx, ran.Spec.Revision.Name)
		if err != nil {
			return decimal.Zero, fmt.Errorf("reading ServiceTemplateRevision %s: %w", ran.Spec.Revision.Name, err)
		}
		objects, err := render.Release(compiled, ran)
		if err != nil {
			return decimal.Zero, fmt.Errorf("estimating Release %s: %w", ran.Name, err)
		}
		estimated := r.estimate(ctx, ran, objects, st.sleeps)
		if estimated == nil {
			return decimal.Zero, nil
		}
		known = &estimated.EstimatedCost
	}
	return estimate.Decimal(known.Monthly.Expected)
}

// letInBy is who approved a Release that waits, and who broke the glass for it. Where the gate forbids authors to approve, they may
// not approve what it costs either.
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
		case d.Decision != platformv1alpha1.DecisionApprove || approver != "":
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
