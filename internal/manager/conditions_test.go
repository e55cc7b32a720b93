package manager

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// gathered has a collector of functions gathered as a scrape does.
type gathered func(chan<- prometheus.Metric)

func (g gathered) Describe(descs chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{conditionsDesc, certificateDesc, spentDesc, forecastDesc, burnDesc, anomaliesDesc} {
		descs <- desc
	}
}

func (g gathered) Collect(found chan<- prometheus.Metric) { g(found) }

func TestConditionsAreCounted(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := platformv1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	component := func(name string, conditions ...metav1.Condition) client.Object {
		c := &platformv1alpha1.Component{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: name}}
		c.Status.Conditions = conditions
		return c
	}
	ready := metav1.Condition{Type: "Ready", Status: metav1.ConditionTrue, Reason: "Ready"}
	waits := metav1.Condition{Type: "Promoted", Status: metav1.ConditionFalse, Reason: "Frozen"}
	stalled := metav1.Condition{Type: "Stalled", Status: metav1.ConditionTrue, Reason: "Refused"}
	team := &platformv1alpha1.Team{ObjectMeta: metav1.ObjectMeta{Name: "a"}}
	team.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: metav1.ConditionFalse, Reason: "NamespaceTaken"}}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(component("a", ready, waits), component("b", ready, waits), component("new"), component("c", stalled), team).Build()
	const want = `
# HELP towpath_conditions Objects of a kind by one of their conditions: Ready, and Promoted of a Component; status is Unknown where it says nothing yet.
# TYPE towpath_conditions gauge
towpath_conditions{condition="Promoted",kind="Component",reason="",status="Unknown"} 2
towpath_conditions{condition="Promoted",kind="Component",reason="Frozen",status="False"} 2
towpath_conditions{condition="Ready",kind="Component",reason="",status="Unknown"} 2
towpath_conditions{condition="Ready",kind="Component",reason="Ready",status="True"} 2
towpath_conditions{condition="Ready",kind="Team",reason="NamespaceTaken",status="False"} 1
`
	all := gathered(func(found chan<- prometheus.Metric) { collectConditions(t.Context(), c, found) })
	if err := testutil.CollectAndCompare(all, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

func TestBudgetsAreTold(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := platformv1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	team := &platformv1alpha1.Team{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}
	team.Status.Spending = &platformv1alpha1.TeamSpendingStatus{Limits: []platformv1alpha1.SpendingLimitStatus{{
		Name: "month", Amount: "200", Currency: "EUR", Spent: "50", Forecast: &platformv1alpha1.SpendingForecast{Amount: "250"},
	}}}
	budget := &platformv1alpha1.Budget{ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: "prod"}}
	budget.Spec.Amount, budget.Spec.Currency = "100", "EUR"
	budget.Status = platformv1alpha1.BudgetStatus{Team: "shop", Spent: "25.5", BurnRate: "3.25", Anomalies: make([]platformv1alpha1.CostAnomaly, 2)}
	unknown := &platformv1alpha1.Budget{ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: "new"}}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(team, budget, unknown).Build()
	const want = `
# HELP towpath_budget_anomalies Anomalies of the last 35 days in what a Budget is about.
# TYPE towpath_budget_anomalies gauge
towpath_budget_anomalies{budget="prod",namespace="team-shop",team="shop"} 2
# HELP towpath_budget_burn_rate What a day cost of late, of what a Budget is about, in the currency of the Budget.
# TYPE towpath_budget_burn_rate gauge
towpath_budget_burn_rate{budget="prod",currency="EUR",namespace="team-shop",team="shop"} 3.25
# HELP towpath_budget_forecast_ratio Part of a Budget, or of a limit of a Team, that the period is expected to cost.
# TYPE towpath_budget_forecast_ratio gauge
towpath_budget_forecast_ratio{budget="month",namespace="",team="shop"} 1.25
# HELP towpath_budget_spent_ratio Part of a Budget, or of a limit of a Team, that is spent; namespace is empty for a limit of a Team.
# TYPE towpath_budget_spent_ratio gauge
towpath_budget_spent_ratio{budget="month",namespace="",team="shop"} 0.25
towpath_budget_spent_ratio{budget="prod",namespace="team-shop",team="shop"} 0.255
`
	all := gathered(func(found chan<- prometheus.Metric) { collectBudgets(t.Context(), c, found) })
	if err := testutil.CollectAndCompare(all, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

// TestBudgetsOfOneTenantLeaveRoomForOthers has a team that is first by its name make more Budgets than there is room for.
func TestBudgetsOfOneTenantLeaveRoomForOthers(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := platformv1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	builder := fake.NewClientBuilder().WithScheme(scheme)
	add := func(namespace, name string) {
		b := &platformv1alpha1.Budget{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: platformv1alpha1.BudgetSpec{Amount: "100", Currency: "EUR"}}
		b.Status.Spent = "1"
		builder.WithObjects(b)
	}
	for i := range maxBudgets + 100 {
		add("team-aaa", fmt.Sprintf("b%04d", i))
	}
	add("team-shop", "prod")
	c := builder.Build()
	all := gathered(func(found chan<- prometheus.Metric) { collectBudgets(t.Context(), c, found) })
	if got := testutil.CollectAndCount(all, "towpath_budget_spent_ratio"); got != maxOfHome+1 {
		t.Errorf("%d Budgets have figures, want %d of the one team and the one of the other", got, maxOfHome)
	}
}

func TestTheEndOfTheCertificateIsTold(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	end := time.Date(2027, 3, 4, 5, 6, 7, 0, time.UTC)
	made := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: end.AddDate(-1, 0, 0), NotAfter: end}
	der, err := x509.CreateCertificate(rand.Reader, made, made, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "tls.crt")
	told := gathered(func(found chan<- prometheus.Metric) { collectCertificate(file, found) })
	for _, text := range [][]byte{nil, []byte("no certificate"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("broken")})} {
		if text != nil {
			if err := os.WriteFile(file, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := testutil.CollectAndCount(told); got != 0 {
			t.Errorf("of %q it tells %d ends", text, got)
		}
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := testutil.ToFloat64(told); got != float64(end.Unix()) {
		t.Errorf("it ends at %f, want %d", got, end.Unix())
	}
}
