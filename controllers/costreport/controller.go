// Package costreport writes what each team cost in each month into its home namespace, so that people read it with their
// rights in Kubernetes, and need none on the history. It looks once a day, and when a bill was read; all teams at once, since
// each bears its part of what is no team's. Where no figure changed it writes nothing.
package costreport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/source"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/history"
	"github.com/towpath-dev/towpath/internal/showback"
)

// fieldOwner owns the fields of reports.
const fieldOwner = client.FieldOwner("towpath-costreport")

const (
	// Keep is for how many months reports are kept, the one that runs included: as long as the history has all of them.
	Keep = 13
	// every is after how long the figures are looked at again, less or more a tenth: managers that start at once must not
	// ask a shared history at once for ever.
	every  = 24 * time.Hour
	jitter = 0.1
	// look is how often homes are looked for that have no report of the month yet: as often as estimates are recorded.
	look = 10 * time.Minute
	// settle is how long a pass waits after a bill was read, for others that are read at the same time.
	settle = time.Minute
)

// The requests: all teams are looked at together, and now and then those that have no report yet.
var (
	all       = ctrl.Request{NamespacedName: types.NamespacedName{Name: "all"}}
	newcomers = ctrl.Request{NamespacedName: types.NamespacedName{Name: "newcomers"}}
)

// Figures are what reports are made of: a history.Store.
type Figures interface {
	Sum(ctx context.Context, query history.Query) ([]history.Sum, error)
}

// Reconciler writes the reports.
type Reconciler struct {
	client.Client
	// Live reads past the cache: reports are large and looked at once a day, so none is kept in memory.
	Live    client.Reader
	History Figures
	Clock   clock.PassiveClock
	// Settle is how long to wait after a bill was read, and Look how long until homes without a report are looked for again; 0: a
	// minute, and ten.
	Settle, Look time.Duration

	// written are the homes that have a report of the month, which one is in.
	written map[string]bool
	month   showback.Month
}

// +kubebuilder:rbac:groups=platform.towpath.dev,resources=costreports,verbs=list;create;patch;delete
// +kubebuilder:rbac:groups=platform.towpath.dev,resources=costsources,verbs=list;watch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch

// SetupWithManager adds the controller to the manager.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	type queue = workqueue.TypedRateLimitingInterface[ctrl.Request]
	later := func(q queue) { q.AddAfter(all, cmp.Or(r.Settle, settle)) }
	return ctrl.NewControllerManagedBy(mgr).
		Named("costreport").
		WatchesRawSource(source.Func(func(_ context.Context, q queue) error {
			q.Add(all)
			q.AddAfter(newcomers, cmp.Or(r.Look, look))
			return nil
		})).
		Watches(&platformv1alpha1.CostSource{}, handler.Funcs{
			UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) {
				if read(e.ObjectOld, e.ObjectNew) {
					later(q)
				}
			},
			// What it told is forgotten with it.
			DeleteFunc: func(_ context.Context, _ event.DeleteEvent, q queue) { later(q) },
		}).
		WithOptions(controller.Options{ReconciliationTimeout: 10 * time.Minute}).
		Complete(r)
}

// read says whether a source has just read something that it did not know, or counts for teams as it did not before.
func read(before, after client.Object) bool {
	was, ok := before.(*platformv1alpha1.CostSource)
	is, too := after.(*platformv1alpha1.CostSource)
	return ok && too && (is.Spec.TeamCosts != was.Spec.TeamCosts || is.Status.Rows > 0 && !is.Status.LastSuccess.Equal(was.Status.LastSuccess))
}

// Reconcile brings the reports of all teams up to date, or makes those that are missing in the month that runs.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	now := r.Clock.Now()
	homes, err := r.homes(ctx)
	if err != nil {
		return ctrl.Result{}, err
	}
	if req == newcomers {
		return ctrl.Result{RequeueAfter: cmp.Or(r.Look, look)}, r.welcome(ctx, homes, now)
	}
	existing, err := r.existing(ctx, "")
	if err != nil {
		return ctrl.Result{}, err
	}
	this := showback.MonthOf(now)
	var errs []error
	for back := range Keep {
		month := this.Plus(-back)
		accounts, err := r.accounts(ctx, month, now)
		if err != nil {
			// The others are not asked for either: the history does not answer.
			return ctrl.Result{}, fmt.Errorf("reading the figures of %s: %w", month, err)
		}
		if back == 0 {
			figures.Store(newFigures(accounts))
			r.month, r.written = this, map[string]bool{}
		}
		if accounts != nil {
			errs = append(errs, r.write(ctx, month, accounts, homes, existing))
		}
	}
	errs = append(errs, r.prune(ctx, this.Plus(1-Keep), homes, existing))
	if err := errors.Join(errs...); err != nil {
		return ctrl.Result{}, err
	}
	lastSuccess.Set(float64(now.Unix()))
	return ctrl.Result{RequeueAfter: jittered(every)}, nil
}

// welcome makes the reports of the month that runs for homes that have none, such as those of new teams. It asks the history
// only where there are any.
func (r *Reconciler) welcome(ctx context.Context, homes map[string]string, now time.Time) error {
	this := showback.MonthOf(now)
	if this != r.month {
		r.month, r.written = this, map[string]bool{}
	}
	missing := map[string]string{}
	for namespace, team := range homes {
		if !r.written[namespace] {
			missing[namespace] = team
		}
	}
	if len(missing) == 0 {
		return nil
	}
	accounts, err := r.accounts(ctx, this, now)
	if err != nil || accounts == nil {
		return err
	}
	figures.Store(newFigures(accounts))
	existing := map[client.ObjectKey]metav1.ObjectMeta{}
	for namespace, team := range missing {
		if !accounts.Has(team) {
			delete(missing, namespace)
			continue
		}
		there, err := r.existing(ctx, namespace)
		if err != nil {
			return err
		}
		maps.Copy(existing, there)
	}
	return r.write(ctx, this, accounts, missing, existing)
}

func jittered(d time.Duration) time.Duration {
	return d + time.Duration((2*rand.Float64()-1)*jitter*float64(d)) //nolint:gosec // it spreads load
}

// homes are the teams by the home namespaces that they have.
func (r *Reconciler) homes(ctx context.Context) (map[string]string, error) {
	var list corev1.NamespaceList
	if err := r.List(ctx, &list, client.HasLabels{platformv1alpha1.LabelTeam, platformv1alpha1.LabelCostCenter}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing namespaces: %w", err)
	}
	homes := map[string]string{}
	for i := range list.Items {
		namespace := &list.Items[i]
		if _, workload := namespace.Labels[platformv1alpha1.LabelEnvironment]; !workload && namespace.DeletionTimestamp.IsZero() {
			homes[namespace.Name] = namespace.Labels[platformv1alpha1.LabelTeam]
		}
	}
	return homes, nil
}

// accounts are the figures of a month by team; nil where there are none.
func (r *Reconciler) accounts(ctx context.Context, month showback.Month, now time.Time) (*showback.Accounts, error) {
	query := history.Query{From: month.Begin(), To: month.End(), At: now, GroupBy: []history.Dimension{history.BySource, history.ByDay}}
	days, err := r.History.Sum(ctx, query)
	if err != nil || len(days) == 0 {
		return nil, err
	}
	var found []string
	for i := range days {
		if !slices.Contains(found, days[i].Source) {
			found = append(found, days[i].Source)
		}
	}
	bills, allocated, err := r.bills(ctx, showback.BillSources(found))
	if err != nil {
		return nil, err
	}
	var books [2]*showback.Book
	for i, of := range []struct {
		source platformv1alpha1.CostReportSource
		names  []string
	}{{platformv1alpha1.CostsFromBills, bills}, {platformv1alpha1.CostsFromEstimates, []string{showback.EstimatesSource}}} {
		book := &showback.Book{Month: month, Now: now, Source: of.source}
		for i := range days {
			if day := days[i].Day; slices.Contains(of.names, days[i].Source) {
				if book.First == 0 || day < book.First {
					book.First = day
				}
				book.Last = max(book.Last, day)
			}
		}
		if book.Last == 0 {
			continue
		}
		query.Sources, query.GroupBy = of.names, showback.GroupBy
		if book.Sums, err = r.History.Sum(ctx, query); err != nil {
			return nil, err
		}
		if of.source == platformv1alpha1.CostsFromBills {
			book.Missing = showback.Missing(month, days, bills)
			book.Sums = append(book.Sums, showback.Allocated(days, bills, allocated)...)
		}
		books[i] = book
	}
	return showback.Open(books[0], books[1]), nil
}

// bills are the sources that count for teams, of those that have figures of a month, and which of these allocate what other bills
// tell as a whole.
func (r *Reconciler) bills(ctx context.Context, found []string) (bills, allocated []string, err error) {
	var list platformv1alpha1.CostSourceList
	if err := r.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, nil, fmt.Errorf("listing CostSources: %w", err)
	}
	bills, allocated = counted(list.Items, found)
	return bills, allocated, nil
}

// counted parts those that were found by what their CostSources say. One without a CostSource does not count: what it told is of
// nobody that could mend it, and mostly what is left of one that was deleted while there was no history.
func counted(sources []platformv1alpha1.CostSource, found []string) (bills, allocated []string) {
	known := map[string]*platformv1alpha1.CostSourceSpec{}
	for i := range sources {
		known[sources[i].Name] = &sources[i].Spec
	}
	for _, name := range found {
		spec := known[name]
		if spec == nil || spec.TeamCosts == platformv1alpha1.TeamCostsInformative {
			continue
		}
		bills = append(bills, name)
		if spec.Type == platformv1alpha1.CostSourceOpenCost {
			allocated = append(allocated, name)
		}
	}
	return bills, allocated
}
