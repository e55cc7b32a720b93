// Package manager_test shows on a real cluster what the manager serves beside its controllers: metrics,
// and to whom.
package manager_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/shopspring/decimal"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
)

func TestManager(t *testing.T) {
	RegisterFailHandler(Fail)
	framework.SetTimeouts()
	RunSpecs(t, "Manager")
}

var _ = BeforeSuite(func(ctx context.Context) {
	var err error
	cluster, err = framework.Start(ctx, framework.Options{Metrics: true, LeaderElection: true, Log: GinkgoWriter})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(cluster.Stop()).To(Succeed()) })
	admin = cluster.Client
	path := filepath.Join(cluster.Dir, "history.db")
	cluster.Configure = func(c *manager.Configuration) { c.History.SQLite = path }
	fill(ctx, path)
	Expect(cluster.StartManager(ctx)).To(Succeed())
})

// billed is the team of whose costs the history of the suite tells.
var billed = framework.Name("billed")

// fill gives the manager a history: of each of the last 40 days, what a team cost, and what is no team's. The CostSource of that is
// not read; without one it would not count.
func fill(ctx context.Context, path string) {
	GinkgoHelper()
	bill := &platformv1alpha1.CostSource{ObjectMeta: metav1.ObjectMeta{Name: "bill"}}
	bill.Spec.Type, bill.Spec.Mode = platformv1alpha1.CostSourceFOCUS, platformv1alpha1.CostSourceSuspended
	bill.Spec.FOCUS = &platformv1alpha1.FOCUSSource{Volume: &platformv1alpha1.FOCUSVolume{Path: "/bills"}}
	Expect(admin.Create(ctx, bill)).To(Succeed())
	store, err := sqlstore.OpenSQLite(ctx, path)
	Expect(err).NotTo(HaveOccurred())
	today := history.DayOf(time.Now())
	Expect(store.Replace(ctx, history.Slice{Source: "bill", Period: "all"}, func(yield func(history.Figure, error) bool) {
		for day := today - 40; day <= today; day++ {
			for team, environment := range map[string]string{billed: "prod", "": ""} {
				figure := history.Figure{Day: day, Billed: decimal.New(5, 0), Effective: decimal.New(5, 0), Series: history.Series{
					Team: team, Environment: environment, Service: "Compute", Category: history.Usage, Currency: "EUR",
				}}
				if !yield(figure, nil) {
					return
				}
			}
		}
	})).To(Succeed())
	Expect(store.Close()).To(Succeed())
}
