package spending

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	testclock "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/forecast"
	"github.com/towpath-dev/towpath/internal/history"
	"github.com/towpath-dev/towpath/internal/history/sqlstore"
	"github.com/towpath-dev/towpath/internal/notify"
	"github.com/towpath-dev/towpath/internal/spending"
)

// ours is a scheme of Towpath's kinds.
func ours(t *testing.T) *runtime.Scheme {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := platformv1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	return scheme
}

func emptyHistory(t *testing.T) *sqlstore.Store {
	t.Helper()
	store, err := sqlstore.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "history.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// TestALimitThatCannotBeReckonedLeavesTheOthers has a day in prod that cost more than is money.
func TestALimitThatCannotBeReckonedLeavesTheOthers(t *testing.T) {
	store := emptyHistory(t)
	today := history.Date(2026, time.November, 16)
	figures := func(yield func(history.Figure, error) bool) {
		for environment, amount := range map[string]string{"prod": "6000000000000000", "dev": "10"} {
			if !yield(history.Figure{Day: today - 3, Effective: decimal.RequireFromString(amount), Series: history.Series{
				Team: "shop", Environment: environment, Component: "checkout", Service: "Compute", Category: history.Usage, Currency: "USD",
			}}, nil) {
				return
			}
		}
	}
	if err := store.Replace(t.Context(), history.Slice{Source: "aws", Period: "2026-11"}, figures); err != nil {
		t.Fatal(err)
	}
	source := &platformv1alpha1.CostSource{ObjectMeta: metav1.ObjectMeta{Name: "aws"}}
	c := fake.NewClientBuilder().WithScheme(ours(t)).WithObjects(source).Build()
	team := &platformv1alpha1.Team{ObjectMeta: metav1.ObjectMeta{Name: "shop", UID: "u"}}
	team.Status.Namespace = "team-shop"
	team.Spec.Spending = &platformv1alpha1.TeamSpending{}
	for _, name := range []string{"prod", "dev"} {
		team.Spec.Spending.Limits = append(team.Spec.Spending.Limits, platformv1alpha1.SpendingLimit{
			Name: name, Amount: "100", Currency: "USD", Enforcement: platformv1alpha1.EnforceDeny, Environments: []string{name},
		})
	}
	before := platformv1alpha1.SpendingLimitStatus{Name: "prod", Amount: "100", Currency: "USD", Period: "2026-11", Spent: "95"}
	team.Status.Spending = &platformv1alpha1.TeamSpendingStatus{Limits: []platformv1alpha1.SpendingLimitStatus{before, {Name: "gone"}}}
	r := &Reconciler{Client: c, Reader: &Reader{Reader: c, Store: store}}
	all, seen, unknown, err := r.limits(t.Context(), team, nil, nil, forecast.Day(today))
	if err != nil || len(all) != 2 || !strings.Contains(all[0].Message, "the usage of 2026-11-13 are no amount of money") {
		t.Fatalf("it says %+v, %v", all, err)
	}
	before.Message = all[0].Message
	if all[0] != before || all[1].Message != "" || all[1].Name != "dev" || all[1].Spent != "10" {
		t.Errorf("they stand as %+v", all)
	}
	for i := range seen {
		if seen[i].Alert.UID != "u/dev" {
			t.Errorf("of %s something is told", seen[i].Alert.UID)
		}
	}
	fired := []notify.Fired{{Key: notify.Key{UID: "u/prod"}}, {Key: notify.Key{UID: "u/dev"}}, {Key: notify.Key{UID: "u/gone"}}}
	if left := unknown.known(fired); len(left) != 2 || left[0].UID != "u/dev" || left[1].UID != "u/gone" {
		t.Errorf("of these it knows whether they stand: %+v", left)
	}
	team.Status.Spending = nil
	if all, _, _, err = r.limits(t.Context(), team, nil, nil, forecast.Day(today)); err != nil || len(all) != 2 || all[0].Source != platformv1alpha1.CostFromNothing || all[0].Message != before.Message {
		t.Errorf("a limit that never was reckoned stands as %+v, %v", all, err)
	}
}

// TestReckon_LooksAgainWhereALimitCannotBeReckoned has a store that is closed, and an alert of a limit that is there no more.
func TestReckon_LooksAgainWhereALimitCannotBeReckoned(t *testing.T) {
	store := emptyHistory(t)
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	team := &platformv1alpha1.Team{ObjectMeta: metav1.ObjectMeta{Name: "shop", UID: "u"}}
	team.Spec.Spending = &platformv1alpha1.TeamSpending{Limits: []platformv1alpha1.SpendingLimit{{
		Name: "all", Amount: "100", Currency: "USD", Enforcement: platformv1alpha1.EnforceDeny,
	}}}
	until := sentAt.AddDate(0, 1, 0)
	fired := func(limit string) notify.Fired {
		return notify.Fired{Key: notify.Key{UID: "u/" + limit, Period: "2026-11", Threshold: "80%", Basis: notify.Actual}, Severity: notify.Warning, Over: true, Sequence: 1, Until: until}
	}
	team.Status.Spending = &platformv1alpha1.TeamSpendingStatus{Alerts: spending.AlertState(notify.State{Fired: []notify.Fired{fired("all"), fired("gone")}})}
	source := &platformv1alpha1.CostSource{ObjectMeta: metav1.ObjectMeta{Name: "aws"}}
	c := fake.NewClientBuilder().WithScheme(ours(t)).WithObjects(source, team).WithStatusSubresource(team).Build()
	r := &Reconciler{
		Client: c, Reader: &Reader{Reader: c, Store: store}, Notifier: &Notifier{}, Courier: newCourier(t), Clock: testclock.NewFakePassiveClock(sentAt),
	}
	result, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(team)})
	if err != nil || result.RequeueAfter <= 0 || result.RequeueAfter > time.Minute {
		t.Errorf("it looks again after %v, %v", result.RequeueAfter, err)
	}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(team), team); err != nil {
		t.Fatal(err)
	}
	if limits := team.Status.Spending.Limits; len(limits) != 1 || !strings.HasPrefix(limits[0].Message, "The limit cannot be reckoned now") {
		t.Errorf("it stands as %+v", limits)
	}
	over := map[string]bool{}
	for _, f := range spending.NotifyState(team.Status.Spending.Alerts, "", team.Name).Fired {
		over[f.UID] = f.Over
	}
	if !over["u/all"] || over["u/gone"] {
		t.Errorf("these alerts stand: %v", over)
	}
}
