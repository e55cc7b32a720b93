// Package budget says how much of a Budget is spent and whether it will hold, and has the crossing of its thresholds told. It holds nothing up:
// the gate of package spending does, when a Release is about to be made.
package budget

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/controllers/spending"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/internal/forecast"
	"github.com/towpath-dev/towpath/internal/freshness"
	"github.com/towpath-dev/towpath/internal/notify"
	limits "github.com/towpath-dev/towpath/internal/spending"
)

// Reconciler reconciles Budgets.
type Reconciler struct {
	client.Client
	Reader   *spending.Reader
	Notifier *spending.Notifier
	// Courier sends the alerts of Budgets.
	Courier *spending.Courier
	Clock   clock.PassiveClock
	// Recorder tells of alerts that nobody could be given before a Budget went.
	Recorder events.EventRecorder
	// HistoryLost says that what is spent is lost with the manager's pod.
	HistoryLost bool

	writes freshness.Tracker[types.NamespacedName]
}

// +kubebuilder:rbac:groups=platform.towpath.dev,resources=budgets;costsources;teams;releases;components;environments,verbs=list;watch
// +kubebuilder:rbac:groups=platform.towpath.dev,resources=budgets;budgets/status,verbs=patch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch

// SetupWithManager adds the controller to the manager. A Budget is looked at when its spec changes or that of its Team, and by time.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	if err := mgr.Add(r.Courier); err != nil {
		return err
	}
	changed := builder.WithPredicates(predicate.GenerationChangedPredicate{})
	return ctrl.NewControllerManagedBy(mgr).
		For(&platformv1alpha1.Budget{}, changed).
		Watches(&platformv1alpha1.Team{}, handler.EnqueueRequestsFromMapFunc(r.ofTeam), changed).
		Watches(&platformv1alpha1.CostSource{}, handler.EnqueueRequestsFromMapFunc(r.all), builder.WithPredicates(spending.Imported())).
		WatchesRawSource(source.Channel(r.Courier.Woken(), &handler.EnqueueRequestForObject{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: 4, ReconciliationTimeout: 3 * time.Minute}).
		Complete(r)
}

// ofTeam maps a Team to the Budgets of its home.
func (r *Reconciler) ofTeam(ctx context.Context, o client.Object) []ctrl.Request {
	t, ok := o.(*platformv1alpha1.Team)
	if !ok || t.Status.Namespace == "" {
		return nil
	}
	return r.requests(ctx, client.InNamespace(t.Status.Namespace))
}

// all maps a CostSource to every Budget.
func (r *Reconciler) all(ctx context.Context, _ client.Object) []ctrl.Request { return r.requests(ctx) }

func (r *Reconciler) requests(ctx context.Context, which ...client.ListOption) []ctrl.Request {
	var list platformv1alpha1.BudgetList
	if err := r.List(ctx, &list, append(which, client.UnsafeDisableDeepCopy)...); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Listing Budgets failed")
		return nil
	}
	requests := make([]ctrl.Request, 0, len(list.Items))
	for i := range list.Items {
		requests = append(requests, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
	}
	return requests
}

// scope is what one pass over a Budget gathers.
type scope struct {
	budget, before *platformv1alpha1.Budget
	now            time.Time
	today          forecast.Day
	team           string
	// owner is the Team whose home the namespace is; nil for none.
	owner *platformv1alpha1.Team

	limit   limits.Limit
	sources spending.Sources
	ledger  limits.Ledger
	figures limits.Figures
	targets *spending.Targets
	// noStore says that the manager keeps no history.
	noStore bool
	problem *problem
}

// problem is why a Budget is not Ready.
type problem struct {
	reason, message string
	stalled         bool
}

// Reconcile writes how one Budget stands, and sends what is due.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	b := &platformv1alpha1.Budget{}
	if err := r.Get(ctx, req.NamespacedName, b); err != nil {
		r.writes.Forget(req.NamespacedName)
		r.Courier.Forget(req.NamespacedName)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if r.writes.Stale(req.NamespacedName, b.ResourceVersion) {
		return ctrl.Result{RequeueAfter: time.Second}, nil // the event of our own write wakes nobody
	}
	now := r.Clock.Now()
	s := &scope{budget: b, before: b.DeepCopy(), now: now, today: forecast.DayOf(now), noStore: r.Reader.Store == nil}
	if !b.DeletionTimestamp.IsZero() {
		return r.finish(ctx, s)
	}
	next, err := r.run(ctx, s)
	if err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	after := spending.Again(string(b.UID), now)
	if !next.IsZero() {
		after = min(after, max(time.Second, next.Sub(now)))
	}
	return ctrl.Result{RequeueAfter: after}, nil
}

// run observes, reckons, reports and sends, and says when to send again.
func (r *Reconciler) run(ctx context.Context, s *scope) (time.Time, error) {
	for _, phase := range []func(context.Context, *scope) error{r.resolve, r.read, r.describe} {
		if err := phase(ctx, s); err != nil {
			return time.Time{}, err
		}
		if s.problem != nil {
			break
		}
	}
	state, became := r.collect(s)
	if s.problem == nil {
		observed, err := s.observe(state)
		if err != nil {
			return time.Time{}, err
		}
		state = state.Advance(observed, s.targets.Names, limits.AlertRules(), s.now)
		s.budget.Status.Alerts = limits.AlertState(state)
	}
	s.report()
	condition.HistoryKept(&s.budget.Status.Conditions, s.budget.Generation, r.HistoryLost)
	if s.targets == nil {
		if err := r.write(ctx, s); err != nil {
			return time.Time{}, err
		}
		r.Courier.Settled(client.ObjectKeyFromObject(s.budget), became)
		return time.Time{}, nil
	}
	s.tellDeliveries(s.targets.Owed(state))
	next, err := r.send(ctx, s, state, became)
	return next, errors.Join(err, s.targets.Lags)
}

// collect puts into the status what became of alerts that were sent, and says how many results that were.
func (r *Reconciler) collect(s *scope) (notify.State, int) {
	state := limits.NotifyState(s.budget.Status.Alerts, s.budget.Namespace, s.budget.Name)
	var became int
	if state.Outbox, became = r.Courier.Collect(client.ObjectKeyFromObject(s.budget), state.Outbox); became > 0 {
		s.budget.Status.Alerts = limits.AlertState(state)
	}
	return state, became
}

// send writes the status, and has sent what is due of it. The Budget stays until all of that is told: it is held before the first alert
// stands in its status, and let go after the last one does as told.
func (r *Reconciler) send(ctx context.Context, s *scope, state notify.State, became int) (time.Time, error) {
	owed := len(s.targets.Names) > 0 && notify.Waiting(state.Outbox) > 0
	if owed {
		if err := r.hold(ctx, s, controllerutil.AddFinalizer); err != nil {
			return time.Time{}, err
		}
	}
	if err := r.write(ctx, s); err != nil {
		return time.Time{}, err
	}
	owner := client.ObjectKeyFromObject(s.budget)
	r.Courier.Settled(owner, became)
	if !owed {
		return time.Time{}, r.hold(ctx, s, controllerutil.RemoveFinalizer)
	}
	return r.Courier.Dispatch(owner, s.team, state.Outbox, s.targets), nil
}

// resolve finds the team, its Team, and what the Budget is about.
func (r *Reconciler) resolve(ctx context.Context, s *scope) error {
	b := s.budget
	var home corev1.Namespace
	if err := r.Get(ctx, types.NamespacedName{Name: b.Namespace}, &home); err != nil {
		return fmt.Errorf("reading namespace %s: %w", b.Namespace, err)
	}
	s.team = home.Labels[platformv1alpha1.LabelTeam]
	if s.team == "" || home.Labels[platformv1alpha1.LabelCostCenter] == "" || home.Labels[platformv1alpha1.LabelEnvironment] != "" {
		s.problem = &problem{platformv1alpha1.ReasonNotTeamNamespace, fmt.Sprintf(
			"Namespace %s is no team namespace: it must bear the labels %s and %s. Ask the platform team to label it, or write the Budget in the home of a Team.",
			home.Name, platformv1alpha1.LabelTeam, platformv1alpha1.LabelCostCenter), true}
		return nil
	}
	owner := &platformv1alpha1.Team{}
	err := r.Get(ctx, types.NamespacedName{Name: s.team}, owner)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading Team %s: %w", s.team, err)
	}
	if err == nil && owner.Status.Namespace == b.Namespace {
		s.owner = owner
	}
	b.Status.Team = s.team
	if errs := check(b); len(errs) > 0 {
		s.problem = &problem{platformv1alpha1.ReasonBudgetInvalid, errs.ToAggregate().Error(), true}
		return nil
	}
	selected, err := r.Reader.Selected(ctx, b)
	if err != nil {
		return err
	}
	limit, wrong := limits.OfBudget(b, selected, s.today)
	if wrong != nil {
		s.problem = &problem{platformv1alpha1.ReasonBudgetInvalid, "spec." + wrong.Error(), true}
		return nil //nolint:nilerr // it stands in the status, and only a change of the spec mends it
	}
	s.limit = limit
	return r.resolveTargets(ctx, s)
}

// resolveTargets reads where alerts go: the Budget's own targets, or those of the Team.
func (r *Reconciler) resolveTargets(ctx context.Context, s *scope) error {
	list := s.budget.Spec.Alerts
	if len(list) == 0 && s.owner != nil {
		list = s.owner.Spec.Alerts
	}
	if len(list) > 0 && s.owner != nil && s.budget.DeletionTimestamp.IsZero() {
		if err := r.Notifier.KeepReader(ctx, s.owner); err != nil {
			return err
		}
	}
	var err error
	s.targets, err = r.Notifier.Resolve(ctx, spending.TargetsOf(list, s.budget.Namespace, "", s.owner != nil))
	return err
}

// read reads the days and what runs, and reckons.
func (r *Reconciler) read(ctx context.Context, s *scope) error {
	var err error
	if s.sources, err = r.Reader.SourcesFor(ctx, s.team, s.limit.Scope, s.today); err == nil {
		s.ledger, err = r.Reader.LedgerOf(ctx, s.team, s.sources, &s.limit, s.today)
	}
	switch {
	case ctx.Err() != nil:
		return err
	case err != nil:
		s.problem = &problem{platformv1alpha1.ReasonHistoryUnavailable, fmt.Sprintf(
			"The figures are those of before: %v. It is tried again.", err), false}
		return nil
	}
	running, err := r.Reader.Running(ctx, s.budget.Namespace)
	if err != nil {
		return err
	}
	kept, err := r.reservations(ctx, s)
	if err != nil {
		return err
	}
	settle := func(kept []platformv1alpha1.SpendingReservation) []limits.Reservation {
		return limits.Settle(spending.FromReservations(kept), spending.Exists(s.budget.Namespace, running), s.now)
	}
	reserved := settle(kept)
	if s.owner == nil {
		s.budget.Status.Reservations = spending.ToReservations(settle(s.budget.Status.Reservations))
	}
	if s.figures, err = limits.Reckon(s.limit, s.ledger, running, reserved, nil, s.today); err != nil {
		// What a day cost is no amount of money, or stands there twice.
		s.problem = &problem{platformv1alpha1.ReasonHistoryUnavailable, fmt.Sprintf(
			"The figures are those of before, since the days that are recorded cannot be reckoned with: %v. Ask the platform team to look at its CostSources, and at who issues the bill; "+
				"it is tried again.", err), false}
	}
	return nil
}

// reservations are those of the team, from where the gate keeps them.
func (r *Reconciler) reservations(ctx context.Context, s *scope) ([]platformv1alpha1.SpendingReservation, error) {
	if s.owner == nil {
		var list platformv1alpha1.BudgetList
		if err := r.List(ctx, &list, client.InNamespace(s.budget.Namespace), client.UnsafeDisableDeepCopy); err != nil {
			return nil, fmt.Errorf("listing Budgets of namespace %s: %w", s.budget.Namespace, err)
		}
		return spending.Kept(list.Items), nil
	}
	if s.owner.Status.Spending == nil {
		return nil, nil
	}
	return s.owner.Status.Spending.Reservations, nil
}

// report puts conditions into the status.
func (s *scope) report() {
	b := s.budget
	b.Status.ObservedGeneration = b.Generation
	switch {
	case s.problem != nil && s.problem.stalled:
		condition.Stalled(&b.Status.Conditions, b.Generation, s.problem.reason, s.problem.message)
	case s.problem != nil:
		condition.Progressing(&b.Status.Conditions, b.Generation, s.problem.reason, s.problem.message)
	case s.figures.Source == platformv1alpha1.CostFromNothing && s.noStore:
		s.within()
		condition.Stalled(&b.Status.Conditions, b.Generation, platformv1alpha1.ReasonHistoryUnavailable,
			s.summary()+" Only what runs now is counted, by its estimate: "+spending.ErrNoHistory.Error()+".")
	default:
		s.within()
		condition.Ready(&b.Status.Conditions, b.Generation, platformv1alpha1.ReasonReady, s.summary())
	}
}

// tellDeliveries says whether all alerts are where they should be.
func (s *scope) tellDeliveries(owed string) {
	conditions, generation := &s.budget.Status.Conditions, s.budget.Generation
	switch {
	case len(s.targets.Names) == 0:
		meta.RemoveStatusCondition(conditions, platformv1alpha1.ConditionAlertsDelivered)
	case owed == "":
		condition.Set(conditions, generation, platformv1alpha1.ConditionAlertsDelivered, "True", platformv1alpha1.ReasonAlertsDelivered,
			"Every target has got what it is owed.")
	default:
		condition.Set(conditions, generation, platformv1alpha1.ConditionAlertsDelivered, "False", platformv1alpha1.ReasonAlertsWaiting, limits.Sentence(owed)+".")
	}
}

// write writes the status where it differs. Nobody else writes it, but for reservations, which the gate makes where there is no Team.
func (r *Reconciler) write(ctx context.Context, s *scope) error {
	if equality.Semantic.DeepEqual(s.before.Status, s.budget.Status) {
		return nil
	}
	patch := client.MergeFrom(s.before)
	if !equality.Semantic.DeepEqual(s.before.Status.Reservations, s.budget.Status.Reservations) {
		patch = client.MergeFromWithOptions(s.before, client.MergeFromWithOptimisticLock{})
	}
	if err := r.Status().Patch(ctx, s.budget, patch); err != nil {
		return fmt.Errorf("writing the status of Budget %s: %w", s.budget.Name, err)
	}
	r.writes.Wrote(client.ObjectKeyFromObject(s.budget), s.budget.ResourceVersion)
	s.before = s.budget.DeepCopy()
	return nil
}
