package costsource

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/internal/cost/source"
	"github.com/towpath-dev/towpath/internal/history"
)

// shown is how many unknown teams a status names.
const shown = 20

// run reads the source where its time has come, and puts what there is to say into the status.
func (r *Reconciler) run(ctx context.Context, s *scope) error {
	status := &s.source.Status
	if r.History == nil {
		status.ObservedGeneration, status.NextAttempt = s.source.Generation, nil
		condition.Stalled(&status.Conditions, s.source.Generation, platformv1alpha1.ReasonHistoryUnavailable,
			"The manager has no history to store figures in. Set history in its configuration.")
		return nil
	}
	now := r.Clock.Now().UTC()
	state, n, err := r.recall(ctx, s.source)
	if err != nil {
		r.unavailable(s, err)
		return nil
	}
	if s.source.Spec.Mode == platformv1alpha1.CostSourceSuspended {
		status.ObservedGeneration, status.NextAttempt = s.source.Generation, nil
		condition.Ready(&status.Conditions, s.source.Generation, platformv1alpha1.ReasonSuspended,
			"The source is not read, and what was read stays. Set spec.mode to Scheduled to have it read again.")
		return nil
	}
	due := dueAt(s.source, &state, &n, now)
	if due.After(now) && unsummed(status, &state) {
		return r.again(ctx, s, now, &state, &n)
	}
	// A status that is behind the history was not written any more: what it would say is found out again.
	behind := state.Message != underWay && !same(status.LastAttempt, state.LastAttempt) || without(status)
	if wait := due.Sub(now); wait > 0 && !behind {
		s.wait = min(wait, idle)
		return nil
	}
	return r.read(ctx, s, now, state, n)
}

// without says whether the status says that there is no history. There is one now.
func without(status *platformv1alpha1.CostSourceStatus) bool {
	ready := meta.FindStatusCondition(status.Conditions, platformv1alpha1.ConditionReady)
	return ready != nil && ready.Reason == platformv1alpha1.ReasonHistoryUnavailable
}

// unsummed says whether the status has all that came of the last import but its sums: the history did not give them, or there was
// none for a while.
func unsummed(status *platformv1alpha1.CostSourceStatus, state *history.State) bool {
	return without(status) && !state.LastAttempt.IsZero() && same(status.LastAttempt, state.LastAttempt) && state.Message != underWay
}

// again reports what came of the last import, without another one.
func (r *Reconciler) again(ctx context.Context, s *scope, now time.Time, state *history.State, n *note) error {
	status := &s.source.Status
	outcome := source.Outcome{Rows: status.Rows, Warnings: status.Warnings, UnknownTeams: status.UnknownTeams}
	var err error
	if n.Failures > 0 {
		what, next := state.Message, ""
		if at := strings.LastIndex(what, ". "); at >= 0 {
			what, next = what[:at], what[at+2:]
		}
		err = source.Fail(cmp.Or(n.Reason, source.NotReachable), errors.New(what), next)
	}
	return r.report(ctx, s, now, state, n, &outcome, err)
}

// same says whether a time of a status is one of the history, which both have in seconds.
func same(a *metav1.Time, b time.Time) bool {
	if a.IsZero() || b.IsZero() {
		return a.IsZero() == b.IsZero()
	}
	return a.Unix() == b.Unix()
}

// recall reads what the history keeps of the source. What it keeps of another one of that name is forgotten.
func (r *Reconciler) recall(ctx context.Context, cs *platformv1alpha1.CostSource) (history.State, note, error) {
	state, err := r.History.State(ctx, cs.Name)
	if err != nil {
		return state, note{}, err
	}
	n := parseNote(state.Cursor)
	if n.UID != cs.UID {
		if n.UID != "" {
			if err := r.History.Forget(ctx, cs.Name); err != nil {
				return state, n, err
			}
		}
		return history.State{}, note{UID: cs.UID}, nil
	}
	return state, n, nil
}

// unavailable says that the history does not work.
func (r *Reconciler) unavailable(s *scope, err error) {
	s.source.Status.ObservedGeneration, s.wait = s.source.Generation, firstWait
	condition.Progressing(&s.source.Status.Conditions, s.source.Generation, platformv1alpha1.ReasonHistoryUnavailable,
		fmt.Sprintf("The history does not work, and nothing is read until it does: %v.", err))
}

// read makes one import.
func (r *Reconciler) read(ctx context.Context, s *scope, now time.Time, state history.State, n note) error {
	// Written first, so that an import that ends the manager does not begin again at once.
	state.LastAttempt, state.Message = now, underWay
	n.Generation, n.NotBefore = s.source.Generation, 0
	n.Failures++
	if today := history.DayOf(now); n.Day != today {
		n.Day, n.Requests = today, 0
	}
	store := func(ctx context.Context) error {
		state.Cursor = n.String()
		return r.History.SetState(ctx, s.source.Name, state)
	}
	if err := store(ctx); err != nil {
		r.unavailable(s, err)
		return nil
	}
	if err := r.begin(ctx, s); err != nil {
		return err
	}
	outcome, err := r.importNow(ctx, s.source, now, &n, store)
	if ctx.Err() != nil {
		return ctx.Err() // the manager ends: what the note says counts
	}
	n.Reader, state.Message = outcome.Cursor, ""
	if err == nil {
		n.Failures, n.Reason, state.LastSuccess = 0, "", now
	} else {
		failure := failed(err)
		n.Reason, state.Message = failure.Reason, source.Plain(failure.Error())
		if !failure.NotBefore.IsZero() {
			n.NotBefore = failure.NotBefore.Unix()
		}
	}
	if storeErr := store(ctx); storeErr != nil {
		r.unavailable(s, storeErr)
		return nil
	}
	count(s.source.Name, &outcome, err)
	return r.report(ctx, s, now, &state, &n, &outcome, err)
}

// begin says that a source is read for the first time, which may take long: one without conditions counts as fine.
func (r *Reconciler) begin(ctx context.Context, s *scope) error {
	if len(s.source.Status.Conditions) > 0 {
		return nil
	}
	condition.Progressing(&s.source.Status.Conditions, s.source.Generation, platformv1alpha1.ReasonProgressing, "The source is read for the first time.")
	if err := r.patchStatus(ctx, s); err != nil {
		return err
	}
	s.before = s.source.DeepCopy()
	return nil
}

// importNow has the reader of the source read.
func (r *Reconciler) importNow(ctx context.Context, cs *platformv1alpha1.CostSource, now time.Time, n *note, store func(context.Context) error) (source.Outcome, error) {
	same := source.Outcome{Cursor: n.Reader}
	world, err := r.observe(ctx)
	if err != nil {
		return same, err
	}
	reader, err := r.readerOf(ctx, cs, world, now)
	if err != nil {
		return same, err
	}
	conversions, err := conversionsOf(cs.Spec.Conversions)
	if err != nil {
		return same, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, importTimeout, fmt.Errorf("the import took longer than %s", importTimeout))
	defer cancel()
	return reader.Import(ctx, r.History, source.Task{
		Source: cs.Name, Now: now, Backfill: int(cs.Spec.BackfillDays), Settle: time.Duration(cs.Spec.SettleSeconds) * time.Second,
		Attribution: attributionOf(cs.Spec.Attribution, world.teams), Conversions: conversions, Cursor: n.Reader,
		Spend: func(ctx context.Context) error { return spend(ctx, cs, now, n, store) },
		Keep: func(ctx context.Context, cursor string) error {
			n.Reader = cursor
			return store(ctx)
		},
	})
}

// spend counts a request that costs money before it is sent, or refuses it.
func spend(ctx context.Context, cs *platformv1alpha1.CostSource, now time.Time, n *note, store func(context.Context) error) error {
	if cs.Spec.AWSCostExplorer == nil {
		return nil
	}
	if most := cs.Spec.AWSCostExplorer.MaxRequestsPerDay; n.Requests >= most {
		return &source.Failure{
			Reason: source.RequestLimitReached, NotBefore: (history.DayOf(now) + 1).Time(),
			Err: fmt.Errorf("%d requests were sent today, as many as spec.awsCostExplorer.maxRequestsPerDay allows", n.Requests),
			Next: "Nothing of this import counts; it is tried again tomorrow. If each day ends so, raise maxRequestsPerDay, lengthen intervalSeconds or " +
				"shorten backfillDays.",
		}
	}
	n.Requests++
	return source.Stored(store(ctx))
}

// failed is an error of an import as a Failure. What says no reason is an error of the API server, or of ours.
func failed(err error) *source.Failure {
	if failure, ok := errors.AsType[*source.Failure](err); ok {
		return failure
	}
	return &source.Failure{Reason: source.NotReachable, Err: err, Next: "It is tried again."}
}

// stalls are the reasons that somebody must act on, though it is tried again.
var stalls = map[source.Reason]bool{source.CredentialsRefused: true, source.BillInvalid: true, source.SourceInvalid: true}

// report puts what came of an import into the status.
func (r *Reconciler) report(ctx context.Context, s *scope, now time.Time, state *history.State, n *note, outcome *source.Outcome, importErr error) error {
	status, generation := &s.source.Status, s.source.Generation
	due := next(s.source, state, n)
	s.wait = min(max(due.Sub(now), time.Second), idle)
	status.ObservedGeneration = generation
	status.LastAttempt, status.NextAttempt = &metav1.Time{Time: state.LastAttempt}, &metav1.Time{Time: due}
	if !state.LastSuccess.IsZero() {
		status.LastSuccess = &metav1.Time{Time: state.LastSuccess}
	}
	status.Rows, status.Warnings = outcome.Rows, clipped(outcome.Warnings)
	status.UnknownTeams = outcome.UnknownTeams[:min(len(outcome.UnknownTeams), shown)]
	status.RequestsToday, status.RequestCostToday = n.Requests, requestCost(n.Requests)
	if err := r.summarise(ctx, s.source, now); err != nil {
		r.unavailable(s, err) // all else is in the status: the sums alone are tried again
		return nil
	}
	before := meta.FindStatusCondition(s.before.Status.Conditions, platformv1alpha1.ConditionReady)
	switch {
	case importErr == nil:
		condition.Ready(&status.Conditions, generation, platformv1alpha1.ReasonImported, said(status))
	case stalls[failed(importErr).Reason]:
		condition.Stalled(&status.Conditions, generation, string(failed(importErr).Reason), failed(importErr).Error())
	default:
		condition.Progressing(&status.Conditions, generation, string(failed(importErr).Reason), failed(importErr).Error())
	}
	if is := meta.FindStatusCondition(status.Conditions, platformv1alpha1.ConditionReady); before == nil || before.Reason != is.Reason {
		kind := corev1.EventTypeNormal
		if is.Status != metav1.ConditionTrue {
			kind = corev1.EventTypeWarning
		}
		s.events = append(s.events, event{kind, is.Reason, condition.Clip(is.Message, 1024)})
	}
	return nil
}

// said is what there is to say of an import that went well.
func said(status *platformv1alpha1.CostSourceStatus) string {
	if status.Covered == nil {
		return "The source was read to the end, and tells of no day yet."
	}
	text := fmt.Sprintf("The days from %s to %s are in the history.", status.Covered.From, status.Covered.To)
	if status.Covered.Missing > 0 {
		text += fmt.Sprintf(" Of %d days between nothing is known.", status.Covered.Missing)
	}
	if len(status.UnknownTeams) > 0 {
		text += fmt.Sprintf(" Charges name teams that do not exist, such as %s: make these Teams, or correct the tags.", status.UnknownTeams[0])
	}
	if len(status.Warnings) > 0 {
		text += " There are warnings in the status."
	}
	return text
}

// clipped are warnings as a status has room for them.
func clipped(warnings []string) []string {
	const most, longest = 8, 512
	var all []string
	for _, warning := range warnings[:min(len(warnings), most)] {
		all = append(all, condition.Clip(warning, longest))
	}
	return all
}
