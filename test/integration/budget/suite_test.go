// Package budget_test shows on a real cluster how Budgets and the limits of Teams stand, what becomes of alerts, and what is let in. The
// history is a file of SQLite, and receivers are real HTTP servers.
package budget_test

import (
	"context"
	"iter"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/shopspring/decimal"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/history"
	"github.com/towpath-dev/towpath/internal/history/sqlstore"
	"github.com/towpath-dev/towpath/internal/manager"
	"github.com/towpath-dev/towpath/test/framework"
)

var (
	cluster *framework.Cluster
	admin   client.Client
	store   history.Store
	// now is what the manager's clock says: in the middle of a month, so that its figures are the same on each day.
	now   = time.Date(2026, time.November, 16, 9, 30, 0, 0, time.UTC)
	today = history.DayOf(now)
	clock = testclock.NewFakePassiveClock(now)
)

func TestBudget(t *testing.T) {
	RegisterFailHandler(Fail)
	framework.SetTimeouts()
	RunSpecs(t, "Budget")
}

var _ = BeforeSuite(func(ctx context.Context) {
	var err error
	store, err = sqlstore.OpenSQLite(ctx, filepath.Join(GinkgoT().TempDir(), "history.db"))
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() error { return store.Close() })
	cluster, err = framework.Start(ctx, framework.Options{Log: GinkgoWriter, Clock: clock, History: store})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(cluster.Stop()).To(Succeed()) })
	cluster.Configure = func(c *manager.Configuration) { c.Alerts.AllowedHosts = []string{"127.0.0.1"} }
	admin = cluster.Client
	Expect(cluster.StartManager(ctx)).To(Succeed())
	// The source that specs record figures of. Nothing reads it.
	Expect(admin.Create(ctx, &platformv1alpha1.CostSource{ObjectMeta: metav1.ObjectMeta{Name: "aws"}, Spec: platformv1alpha1.CostSourceSpec{
		Type: platformv1alpha1.CostSourceFOCUS, FOCUS: &platformv1alpha1.FOCUSSource{Volume: &platformv1alpha1.FOCUSVolume{Path: "/nowhere"}},
		Mode: platformv1alpha1.CostSourceSuspended,
	}})).To(Succeed())
	Eventually(func(g Gomega) {
		source := &platformv1alpha1.CostSource{}
		g.Expect(admin.Get(ctx, client.ObjectKey{Name: "aws"}, source)).To(Succeed())
		g.Expect(source.Status.ObservedGeneration).To(Equal(source.Generation))
	}).Should(Succeed(), "the manager knows the source")
})

// newTeam makes a Team of a name of its own, and waits for its home.
func newTeam(ctx context.Context, change ...func(*platformv1alpha1.Team)) *platformv1alpha1.Team {
	GinkgoHelper()
	name := framework.Name("t")
	team := framework.Team(name, platformv1alpha1.TeamMember{Kind: platformv1alpha1.MemberUser, Name: "dora-" + name, Role: platformv1alpha1.TeamDeveloper})
	for _, f := range change {
		f(team)
	}
	Expect(admin.Create(ctx, team)).To(Succeed())
	Eventually(ctx, framework.Read(admin, team)).Should(framework.BeReady())
	return read(ctx, team)
}

func read[T client.Object](ctx context.Context, object T) T {
	GinkgoHelper()
	fresh, err := framework.Read(admin, object)(ctx)
	Expect(err).NotTo(HaveOccurred())
	return fresh
}

// spend records what a team's days cost: so many of them, the last of which is two days ago.
func spend(ctx context.Context, team, source, amount string, days int) {
	GinkgoHelper()
	record(ctx, team, source, func(yield func(history.Figure, error) bool) {
		for i := range days {
			figure := history.Figure{Day: today - 2 - history.Day(i), Series: history.Series{
				Team: team, Environment: "prod", Component: "checkout", Service: "Compute", Category: history.Usage, Currency: "USD",
			}, Effective: decimal.RequireFromString(amount)}
			if !yield(figure, nil) {
				return
			}
		}
	})
}

func record(ctx context.Context, team, source string, figures iter.Seq2[history.Figure, error]) {
	GinkgoHelper()
	Expect(store.Replace(ctx, history.Slice{Source: source, Period: team}, figures)).To(Succeed())
}

// newBudget is a Budget of a team.
func newBudget(team *platformv1alpha1.Team, amount string, change ...func(*platformv1alpha1.Budget)) *platformv1alpha1.Budget {
	b := &platformv1alpha1.Budget{
		ObjectMeta: metav1.ObjectMeta{Namespace: team.Status.Namespace, Name: framework.Name("b")},
		Spec:       platformv1alpha1.BudgetSpec{Amount: platformv1alpha1.Amount(amount), Currency: "USD"},
	}
	for _, f := range change {
		f(b)
	}
	return b
}

// secret is where alerts of a team go.
func secret(team *platformv1alpha1.Team, content map[string]string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: team.Status.Namespace, Name: platformv1alpha1.AlertSecret}, StringData: content,
	}
}

// release makes one of a new Component in production, as the manager does, which is estimated to cost so much a month. Nothing applies it:
// there is no such environment.
func release(ctx context.Context, team *platformv1alpha1.Team, component, monthly string, change ...func(*platformv1alpha1.Release)) *platformv1alpha1.Release {
	GinkgoHelper()
	owner := framework.Component(team.Status.Namespace, component, "web-service", "prod")
	Expect(admin.Create(ctx, owner)).To(Succeed())
	// A Release whose Component the manager has not seen yet passes for one that was left behind, and goes.
	Eventually(ctx, framework.Read(admin, owner)).Should(HaveField("Status.ObservedGeneration", owner.Generation))
	r := releaseOf(team, owner, monthly)
	for _, f := range change {
		f(r)
	}
	Expect(cluster.ManagerClient.Create(ctx, r)).To(Succeed())
	return r
}

func releaseOf(team *platformv1alpha1.Team, owner *platformv1alpha1.Component, monthly string) *platformv1alpha1.Release {
	component := owner.Name
	amount := platformv1alpha1.Amount(monthly)
	return &platformv1alpha1.Release{
		ObjectMeta: metav1.ObjectMeta{Namespace: team.Status.Namespace, Name: component + "-prod-1"},
		Spec: platformv1alpha1.ReleaseSpec{
			Number: 1, Component: platformv1alpha1.ReleaseComponent{Name: component, UID: owner.UID},
			Environment: platformv1alpha1.ReleaseEnvironment{
				Name: "prod", UID: "uid-2", Namespace: team.Name + "-prod", Class: "production", Tier: platformv1alpha1.TierProduction,
			},
			Template: "web-service", Revision: platformv1alpha1.RevisionReference{Name: "web-service-1", Number: 1},
			Version: "abc", Cause: platformv1alpha1.CauseImageChange, Image: "app:1", Team: team.Name, CostCenter: "cc-1", PodSecurity: "Restricted",
			Inventory: []platformv1alpha1.ReleaseObject{{Resource: "deployment", APIVersion: "apps/v1", Kind: "Deployment", Name: component}},
			EstimatedCost: &platformv1alpha1.ReleaseCost{EstimatedCost: platformv1alpha1.EstimatedCost{
				Currency: "USD", PricesFrom: platformv1alpha1.PricesConfigured, Monthly: platformv1alpha1.AmountRange{Min: amount, Expected: amount, Max: amount},
			}},
		},
	}
}
