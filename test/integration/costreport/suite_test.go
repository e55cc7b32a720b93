// Package costreport_test shows on a real cluster, with a real history, what reports of costs are written, when none is, and
// who may read and write them.
package costreport_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/shopspring/decimal"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/history"
	"github.com/towpath-dev/towpath/internal/history/sqlstore"
	"github.com/towpath-dev/towpath/internal/manager"
	"github.com/towpath-dev/towpath/internal/showback"
	"github.com/towpath-dev/towpath/test/framework"
)

var (
	cluster *framework.Cluster
	admin   client.Client
	store   *sqlstore.Store
	// The manager's clock stands still, so that a month does not end while the specs run.
	now = time.Date(2026, time.November, 20, 12, 0, 0, 0, time.UTC)
)

func TestCostReport(t *testing.T) {
	RegisterFailHandler(Fail)
	framework.SetTimeouts()
	RunSpecs(t, "CostReport")
}

var _ = BeforeSuite(func(ctx context.Context) {
	var err error
	cluster, err = framework.Start(ctx, framework.Options{Log: GinkgoWriter, Clock: testingclock.NewFakePassiveClock(now)})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(cluster.Stop()).To(Succeed()) })
	admin = cluster.Client
	path := filepath.Join(cluster.Dir, "history.db")
	cluster.Configure = func(c *manager.Configuration) { c.History.SQLite = path }
	store, err = sqlstore.OpenSQLite(ctx, path)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(store.Close()).To(Succeed()) })
})

// figure is one of a team, in dollars.
func figure(day history.Day, team, environment, component, service, amount string) history.Figure {
	value := decimal.RequireFromString(amount)
	return history.Figure{Day: day, Billed: value, Effective: value, Series: history.Series{
		Team: team, Environment: environment, Component: component, Service: service, Category: history.Usage, Currency: "USD",
	}}
}

// known makes the CostSource of a name, which is never read, where there is none yet: what has none does not count.
func known(ctx context.Context, source string) {
	GinkgoHelper()
	if source == showback.EstimatesSource {
		return
	}
	cs := &platformv1alpha1.CostSource{ObjectMeta: metav1.ObjectMeta{Name: source}}
	cs.Spec.Type, cs.Spec.Mode = platformv1alpha1.CostSourceFOCUS, platformv1alpha1.CostSourceSuspended
	cs.Spec.FOCUS = &platformv1alpha1.FOCUSSource{Volume: &platformv1alpha1.FOCUSVolume{Path: "/bills"}}
	Expect(client.IgnoreAlreadyExists(admin.Create(ctx, cs))).To(Succeed())
}

// bill replaces what a source says of a month.
func bill(ctx context.Context, source, period string, figures ...history.Figure) {
	GinkgoHelper()
	known(ctx, source)
	Expect(store.Replace(ctx, history.Slice{Source: source, Period: period}, func(yield func(history.Figure, error) bool) {
		for _, f := range figures {
			if !yield(f, nil) {
				return
			}
		}
	})).To(Succeed())
}

// looksAgain has a manager look at all figures, which a new one does at once, and waits until it has.
func looksAgain(ctx context.Context) {
	GinkgoHelper()
	Expect(cluster.StopManager()).To(Succeed())
	Expect(cluster.StartManager(ctx)).To(Succeed())
}

// reports are those of a namespace, by name, as they are when it is asked.
func reports(namespace string) func(context.Context) (map[string]platformv1alpha1.CostReport, error) {
	return func(ctx context.Context) (map[string]platformv1alpha1.CostReport, error) {
		var list platformv1alpha1.CostReportList
		if err := admin.List(ctx, &list, client.InNamespace(namespace)); err != nil {
			return nil, err
		}
		found := map[string]platformv1alpha1.CostReport{}
		for i := range list.Items {
			found[list.Items[i].Name] = list.Items[i]
		}
		return found, nil
	}
}

// reportsNow are the same.
func reportsNow(ctx context.Context, namespace string) map[string]platformv1alpha1.CostReport {
	GinkgoHelper()
	found, err := reports(namespace)(ctx)
	Expect(err).NotTo(HaveOccurred())
	return found
}

func named(namespace, name string) *platformv1alpha1.CostReport {
	return &platformv1alpha1.CostReport{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
}
