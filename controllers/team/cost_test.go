package team

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// TestATeamCostsWhatItsEnvironmentsDo has an Environment whose estimate is in another currency, and one of another team.
func TestATeamCostsWhatItsEnvironmentsDo(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := platformv1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	builder := fake.NewClientBuilder().WithScheme(scheme)
	for _, e := range []struct{ namespace, name, currency, expected string }{
		{"team-shop", "dev", "USD", "52.3381"}, {"team-shop", "prod", "USD", "144.6422"}, {"team-shop", "old", "EUR", "7"}, {"team-pay", "prod", "USD", "1000"}, {"team-shop", "empty", "", ""},
	} {
		environment := &platformv1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: e.name}}
		if amount := platformv1alpha1.Amount(e.expected); amount != "" {
			environment.Status.EstimatedCost = &platformv1alpha1.CostSum{Releases: 1, EstimatedCost: platformv1alpha1.EstimatedCost{
				Currency: e.currency, PricesFrom: platformv1alpha1.PricesConfigured, Monthly: platformv1alpha1.AmountRange{Min: amount, Expected: amount, Max: amount},
			}}
		}
		builder.WithObjects(environment)
	}
	s := &scope{team: &platformv1alpha1.Team{ObjectMeta: metav1.ObjectMeta{Name: "shop"}, Status: platformv1alpha1.TeamStatus{Namespace: "team-shop"}}}
	if err := (&Reconciler{Client: builder.Build(), Currency: "USD"}).count(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	sum := s.team.Status.EstimatedCost
	if s.team.Status.Environments != 4 || sum == nil || sum.Monthly.Expected != "196.9803" || sum.Currency != "USD" || sum.Releases != 2 || sum.Unknown != 1 {
		t.Errorf("%d environments cost %+v", s.team.Status.Environments, sum)
	}
}
