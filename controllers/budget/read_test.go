package budget

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
	"github.com/towpath-dev/towpath/controllers/spending"
	"github.com/towpath-dev/towpath/internal/forecast"
	"github.com/towpath-dev/towpath/internal/history"
	"github.com/towpath-dev/towpath/internal/history/sqlstore"
	limits "github.com/towpath-dev/towpath/internal/spending"
)

// TestADayThatCannotBeReckonedWithIsNamed has a day that cost more than is money.
func TestADayThatCannotBeReckonedWithIsNamed(t *testing.T) {
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
	figure := history.Figure{Day: today - 3, Effective: decimal.RequireFromString("6000000000000000"), Series: history.Series{
		Team: "shop", Service: "Compute", Category: history.Usage, Currency: "USD",
	}}
	if err := store.Replace(t.Context(), history.Slice{Source: "aws", Period: "2026-11"}, func(yield func(history.Figure, error) bool) { yield(figure, nil) }); err != nil {
		t.Fatal(err)
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(&platformv1alpha1.CostSource{ObjectMeta: metav1.ObjectMeta{Name: "aws"}}).Build()
	s := &scope{
		budget: &platformv1alpha1.Budget{ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: "monthly"}}, now: today.Time(), today: forecast.Day(today), team: "shop",
		limit: limits.Limit{Title: "Budget monthly", Amount: decimal.NewFromInt(100), Currency: "USD", Period: forecast.Month(forecast.Day(today)), Enforcement: platformv1alpha1.EnforceAlert},
	}
	if err := (&Reconciler{Client: c, Reader: &spending.Reader{Reader: c, Store: store}}).read(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if s.problem == nil || s.problem.stalled || s.problem.reason != platformv1alpha1.ReasonHistoryUnavailable || !strings.Contains(s.problem.message, "the usage of 2026-11-13 are no amount of money") {
		t.Errorf("the problem is %+v", s.problem)
	}
}
