package spending

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/forecast"
	"github.com/towpath-dev/towpath/internal/history"
	"github.com/towpath-dev/towpath/internal/history/sqlstore"
)

// TestALimitThatCannotBeReckonedLeavesTheOthers has a day in prod that cost more than is money.
func TestALimitThatCannotBeReckonedLeavesTheOthers(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := platformv1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	store, err := sqlstore.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "history.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
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
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(source).Build()
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
	if err != nil || unknown == nil || !strings.Contains(unknown.Error(), "limit prod: ") || !strings.Contains(unknown.Error(), "the usage of 2026-11-13 are no amount of money") {
		t.Fatalf("it says %v, %v", unknown, err)
	}
	if len(all) != 2 || all[0] != before || all[1].Name != "dev" || all[1].Spent != "10" {
		t.Errorf("they stand as %+v", all)
	}
	for i := range seen {
		if seen[i].Alert.UID != "u/dev" {
			t.Errorf("of %s something is told", seen[i].Alert.UID)
		}
	}
}
