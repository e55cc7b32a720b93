package spending

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/internal/estimate"
	"github.com/towpath-dev/towpath/internal/forecast"
	"github.com/towpath-dev/towpath/internal/freshness"
	"github.com/towpath-dev/towpath/internal/notify"
	"github.com/towpath-dev/towpath/internal/spending"
)

// Reconciler says in the status of Teams how they stand to the limits of the platform, and has it told.
type Reconciler struct {
	client.Client
	Reader   *Reader
	Notifier *Notifier
	// Courier sends alerts of limits of Teams: slow receivers of a team's Budgets do not hold these up.
	Courier *Courier
	Clock   clock.PassiveClock
	// Recorder tells of alerts that were given up.
	Recorder events.EventRecorder

	writes freshness.Tracker[types.NamespacedName]
}

// +kubebuilder:rbac:groups=platform.towpath.dev,resources=teams;budgets;costsources;releases;environments;components,verbs=list;watch
// +kubebuilder:rbac:groups=platform.towpath.dev,resources=teams,verbs=get
// +kubebuilder:rbac:groups=platform.towpath.dev,resources=teams/status;budgets/status,verbs=patch
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=rolebindings,verbs=create;patch;delete,resourceNames=towpath-alert-reader
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=clusterroles,verbs=bind,resourceNames=towpath-alert-reader
// +kubebuilder:rbac:groups="",namespace=towpath-system,resources=secrets,resourceNames=towpath-alerts,verbs=get

// SetupWithManager adds the controller to the manager. What changes with the days is looked at again by time.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	if err := mgr.Add(r.Courier); err != nil {
		return err
	}
	return ctrl.NewControllerManagedBy(mgr).Named("spending").
		For(&platformv1alpha1.Team{}, builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, changedHome{}))).
		Watches(&platformv1alpha1.CostSource{}, handler.EnqueueRequestsFromMapFunc(r.limitedTeams), builder.WithPredicates(Imported())).
		WatchesRawSource(source.Channel(r.Courier.Woken(), &handler.EnqueueRequestForObject{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: 4, ReconciliationTimeout: 3 * time.Minute}).
		Complete(r)
}

// changedHome passes a Team whose home has come or gone.
type changedHome struct{ predicate.Funcs }

// Update implements predicate.Predicate.
func (changedHome) Update(e event.UpdateEvent) bool {
	before, ok := e.ObjectOld.(*platformv1alpha1.Team)
	after, isTeam := e.ObjectNew.(*platformv1alpha1.Team)
	return ok && isTeam && before.Status.Namespace != after.Status.Namespace
}

// Reconcile writes how one Team stands to its limits.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	t := &platformv1alpha1.Team{}
	if err := r.Get(ctx, req.NamespacedName, t); err != nil {
		r.writes.Forget(req.NamespacedName)
		r.Courier.Forget(req.NamespacedName)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !t.DeletionTimestamp.IsZero() || t.Spec.Spending == nil && t.Status.Spending == nil {
		return ctrl.Result{}, nil
	}
	if r.writes.Stale(req.NamespacedName, t.ResourceVersion) {
		return ctrl.Result{RequeueAfter: time.Second}, nil // its event may wake nobody: it changed neither spec nor home
	}
	next, err := r.reckon(ctx, t)
	if apierrors.IsConflict(err) {
		return ctrl.Result{RequeueAfter: time.Second}, nil // a reservation was made meanwhile
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	now := r.Clock.Now()
	after := Again(string(t.UID), now)
	if !next.IsZero() {
		after = min(after, max(time.Second, next.Sub(now)))
	}
	return ctrl.Result{RequeueAfter: after}, nil
}

// reckon writes the figures, the alerts and what became of those that were sent, has sent what is due, and says when to look again.
func (r *Reconciler) reckon(ctx context.Context, t *platformv1alpha1.Team) (time.Time, error) {
	before := t.DeepCopy()
	now := r.Clock.Now()
	running, err := r.Reader.Running(ctx, t.Status.Namespace)
	if err != nil {
		return time.Time{}, err
	}
	if t.Spec.Spending == nil {
		return r.unlimited(ctx, t, before, running, now)
	}
	owner := client.ObjectKeyFromObject(t)
	status := &platformv1alpha1.TeamSpendingStatus{}
	if t.Status.Spending != nil {
		status = t.Status.Spending
	}
	state := spending.NotifyState(status.Alerts, "", t.Name)
	var became int
	state.Outbox, became = r.Courier.Collect(owner, state.Outbox)
	reserved := spending.Settle(FromReservations(status.Reservations), Exists(t.Status.Namespace, running), now)
	limits, seen, unknown, err := r.limits(ctx, t, running, reserved, forecast.DayOf(now))
	if err != nil {
		return time.Time{}, err
	}
	targets, err := r.targets(ctx, t)
	if err != nil {
		return time.Time{}, err
	}
	seen = append(seen, spending.Withdrawn(unknown.known(state.Fired), seen, spending.Subject{Team: t.Name, Name: t.Name}, now)...)
	state = state.Advance(seen, targets.Names, spending.AlertRules(), now)
	t.Status.Spending = &platformv1alpha1.TeamSpendingStatus{
		Limits: limits, Reservations: ToReservations(reserved), Alerts: spending.AlertState(state),
	}
	if err := r.write(ctx, t, before); err != nil {
		return time.Time{}, err
	}
	r.Courier.Settled(owner, became)
	next := r.Courier.Dispatch(owner, t.Name, state.Outbox, targets)
	if again := now.Add(time.Minute); len(unknown) > 0 && (next.IsZero() || again.Before(next)) {
		next = again
	}
	return next, targets.Lags
}

// unreckoned are the limits that cannot be reckoned, by what their alerts are about.
type unreckoned map[string]bool

// known are the alerts of other limits: of these nobody knows whether they stand.
func (u unreckoned) known(fired []notify.Fired) []notify.Fired {
	return slices.DeleteFunc(slices.Clone(fired), func(f notify.Fired) bool { return u[f.UID] })
}

// limits are how a Team stands to each limit, and what of that is to be told. Where one cannot be reckoned, it stands as before and says why:
// the others are told all the same.
func (r *Reconciler) limits(ctx context.Context, t *platformv1alpha1.Team, running []spending.Running, reserved []spending.Reservation, today forecast.Day) (
	all []platformv1alpha1.SpendingLimitStatus, seen []notify.Observation, unknown unreckoned, err error,
) {
	tiers, err := r.Reader.Tiers(ctx, t.Status.Namespace)
	if err != nil {
		return nil, nil, nil, err
	}
	unknown = unreckoned{}
	for i := range t.Spec.Spending.Limits {
		spec := &t.Spec.Spending.Limits[i]
		limit, err := spending.OfTeam(t.Name, spec, tiers, today)
		if err != nil {
			continue // admission refuses it, and the gate lets nothing in until it is mended
		}
		book, err := r.Reader.Book(ctx, t.Name, limit, today)
		var f spending.Figures
		if err == nil {
			f, err = spending.Reckon(limit, book.Ledger, running, reserved, nil, today)
		}
		subject := spending.Subject{
			UID: string(t.UID) + "/" + limit.Name, Team: t.Name, Name: t.Name, Labels: map[string]string{"limit": limit.Name},
		}
		var observed []notify.Observation
		if err == nil {
			observed, err = spending.ObserveAll(&f, book.Ledger, spending.TeamThresholds(&limit), subject, t.CreationTimestamp.Time, today)
		}
		if ctx.Err() != nil {
			return nil, nil, nil, ctx.Err()
		}
		if err != nil {
			ctrl.LoggerFrom(ctx).Error(err, "A limit cannot be reckoned", "limit", limit.Name)
			unknown[subject.UID] = true
			all = append(all, asBefore(t.Status.Spending, spec, &limit, err))
			continue
		}
		all = append(all, platformv1alpha1.SpendingLimitStatus{
			Name: limit.Name, Amount: spec.Amount, Currency: limit.Currency, Period: limit.PeriodName(), Source: f.Source,
			Spent: estimate.Amount(f.Spent()), Forecast: spending.ForecastStatus(&f),
		})
		seen = append(seen, observed...)
	}
	return all, seen, unknown, nil
}

// asBefore is how a Team last stood to a limit, and why that is not known now.
func asBefore(status *platformv1alpha1.TeamSpendingStatus, spec *platformv1alpha1.SpendingLimit, limit *spending.Limit, why error) platformv1alpha1.SpendingLimitStatus {
	before := platformv1alpha1.SpendingLimitStatus{
		Name: limit.Name, Amount: spec.Amount, Currency: limit.Currency, Period: limit.PeriodName(), Source: platformv1alpha1.CostFromNothing,
	}
	if status != nil {
		if i := slices.IndexFunc(status.Limits, func(l platformv1alpha1.SpendingLimitStatus) bool { return l.Name == limit.Name }); i >= 0 {
			before = status.Limits[i]
		}
	}
	before.Message = condition.Clip("The limit cannot be reckoned now, its figures are of before: "+why.Error(), 1024)
	return before
}

// targets are those of the team and those of the platform.
func (r *Reconciler) targets(ctx context.Context, t *platformv1alpha1.Team) (*Targets, error) {
	var all []Target
	if t.Status.Namespace != "" && len(t.Spec.Alerts) > 0 {
		if err := r.Notifier.KeepReader(ctx, t); err != nil {
			return nil, err
		}
		all = TargetsOf(t.Spec.Alerts, t.Status.Namespace, "", true)
	}
	if t.Spec.Spending != nil {
		all = append(all, TargetsOf(t.Spec.Spending.Alerts, platformv1alpha1.SystemNamespace, "platform/", false)...)
	}
	return r.Notifier.Resolve(ctx, all)
}

// Exists says which Releases are there.
func Exists(home string, running []spending.Running) func(namespace, release string) bool {
	there := map[string]bool{}
	for i := range running {
		there[running[i].Release] = true
	}
	return func(namespace, release string) bool { return namespace == home && there[release] }
}

// write writes the status where it differs. Reservations are made by the gate meanwhile: who has not read the last ones must read again.
func (r *Reconciler) write(ctx context.Context, t, before *platformv1alpha1.Team) error {
	return r.patch(ctx, t, before, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
}

func (r *Reconciler) patch(ctx context.Context, t, before *platformv1alpha1.Team, patch client.Patch) error {
	if equality.Semantic.DeepEqual(t.Status.Spending, before.Status.Spending) {
		return nil
	}
	if err := r.Status().Patch(ctx, t, patch); err != nil {
		return fmt.Errorf("writing how Team %s stands to its limits: %w", t.Name, err)
	}
	r.writes.Wrote(client.ObjectKeyFromObject(t), t.ResourceVersion)
	return nil
}
