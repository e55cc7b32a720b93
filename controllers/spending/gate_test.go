package spending

import (
	"testing"

	"github.com/shopspring/decimal"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/spending"
)

// TestWithoutATeamChangesOfAllScopesSeeEachOther has a Budget for dev, one for prod, and one for both, which has room for one change.
func TestWithoutATeamChangesOfAllScopesSeeEachOther(t *testing.T) {
	budget := func(name string, environments ...string) *platformv1alpha1.Budget {
		b := &platformv1alpha1.Budget{ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: name, CreationTimestamp: metav1.NewTime(sentAt)}}
		b.Spec.Amount, b.Spec.Currency, b.Spec.Enforcement, b.Spec.Scope.Environments = "1000", "USD", platformv1alpha1.EnforceDeny, environments
		return b
	}
	c := fake.NewClientBuilder().WithScheme(ours(t)).WithStatusSubresource(&platformv1alpha1.Budget{}).
		WithObjects(budget("a-dev", "dev"), budget("b-prod", "prod"), budget("z-all")).Build()
	ask := func(component, environment string) spending.Decision {
		t.Helper()
		gate := &Gate{Client: c, Live: c, Reader: &Reader{Reader: c}, Clock: testclock.NewFakePassiveClock(sentAt)}
		verdict, err := gate.Ask(t.Context(), "shop", "team-shop", spending.Change{
			Place: spending.Place{Component: component, Environment: environment}, Namespace: "team-shop", Release: component + "-" + environment + "-1",
			After: decimal.NewFromInt(600), Currency: "USD",
		})
		if err != nil {
			t.Fatal(err)
		}
		return verdict.Decision
	}
	if got := ask("a", "dev"); got != spending.Allow {
		t.Fatalf("the first is %s", got)
	}
	if got := ask("a", "prod"); got != spending.Deny {
		t.Errorf("the second, in another scope, is %s", got)
	}
	// What was kept stays known where another Budget is the oldest, as after the first is gone or restored.
	older := budget("older")
	older.Spec.Enforcement, older.CreationTimestamp = platformv1alpha1.EnforceAlert, metav1.NewTime(sentAt.AddDate(0, -1, 0))
	if err := c.Create(t.Context(), older); err != nil {
		t.Fatal(err)
	}
	if got := ask("a", "prod"); got != spending.Deny {
		t.Errorf("beside an older Budget it is %s", got)
	}
	if got := ask("a", "dev"); got != spending.Allow {
		t.Errorf("the first, asked again, is %s", got)
	}
	var list platformv1alpha1.BudgetList
	if err := c.List(t.Context(), &list, client.InNamespace("team-shop")); err != nil {
		t.Fatal(err)
	}
	if kept := Kept(list.Items); len(kept) != 1 || kept[0].Environment != "dev" {
		t.Errorf("these are kept: %+v", kept)
	}
}
