// Package costsource_test shows on a real cluster how bills are read, what becomes of those that cannot be, and that nothing
// counts twice.
package costsource_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"
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
	store   *sqlstore.Store
	// file is where it is.
	file string
	// now is the manager's time. It stands still: what a spec wants to be read again, it changes.
	now = testingclock.NewFakePassiveClock(time.Date(2026, time.November, 29, 12, 0, 0, 0, time.UTC))
)

func TestCostSource(t *testing.T) {
	RegisterFailHandler(Fail)
	framework.SetTimeouts()
	RunSpecs(t, "CostSource")
}

var _ = BeforeSuite(func(ctx context.Context) {
	var err error
	file = filepath.Join(GinkgoT().TempDir(), "history.db")
	store, err = sqlstore.OpenSQLite(ctx, file)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(store.Close()).To(Succeed()) })
	cluster, err = framework.Start(ctx, framework.Options{Log: GinkgoWriter, Clock: now})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(cluster.Stop()).To(Succeed()) })
	admin = cluster.Client
	cluster.Configure = func(c *manager.Configuration) {
		c.History.SQLite, c.CostSources.AllowedHosts = file, []string{"127.0.0.0/8"}
	}
	Expect(cluster.StartManager(ctx)).To(Succeed())
	Expect(admin.Create(ctx, framework.TeamNamespace("shop"))).To(Succeed())
})

const head = "BilledCost,EffectiveCost,BillingCurrency,ChargeCategory,ServiceName,ChargePeriodStart,BillingPeriodStart,ServiceProviderName,Tags\n"

// charge is a row of November.
func charge(day int, team, amount string) string {
	return fmt.Sprintf("%s,%s,USD,Usage,Compute,2026-11-%02dT00:00:00Z,2026-11-01T00:00:00Z,AWS,%s\n", amount, amount, day, `"{""team"":""`+team+`""}"`)
}

// bill writes a file of a folder, each time with a time of its own.
func bill(dir, name string, rows ...string) {
	GinkgoHelper()
	path := filepath.Join(dir, name)
	Expect(os.MkdirAll(filepath.Dir(path), 0o755)).To(Succeed())
	Expect(os.WriteFile(path, []byte(head+strings.Join(rows, "")), 0o600)).To(Succeed())
}

// newSource is a CostSource that reads a folder.
func newSource(dir string) *platformv1alpha1.CostSource {
	return &platformv1alpha1.CostSource{
		ObjectMeta: metav1.ObjectMeta{Name: framework.Name("bills-")},
		Spec: platformv1alpha1.CostSourceSpec{
			Type: platformv1alpha1.CostSourceFOCUS, FOCUS: &platformv1alpha1.FOCUSSource{Volume: &platformv1alpha1.FOCUSVolume{Path: dir}},
		},
	}
}

// made creates one, and waits until it was read.
func made(ctx context.Context, source *platformv1alpha1.CostSource) *platformv1alpha1.CostSource {
	GinkgoHelper()
	Expect(admin.Create(ctx, source)).To(Succeed())
	return awaitImported(ctx, source)
}

func awaitImported(ctx context.Context, source *platformv1alpha1.CostSource) *platformv1alpha1.CostSource {
	GinkgoHelper()
	Eventually(ctx, framework.Read(admin, source)).Should(framework.HaveCondition("Ready", metav1.ConditionTrue, "Imported"))
	return read(ctx, source)
}

// again has a source read again at once: each other spec is.
func again(ctx context.Context, source *platformv1alpha1.CostSource) {
	GinkgoHelper()
	live := read(ctx, source)
	settle := live.Spec.SettleSeconds + 1
	Expect(admin.Patch(ctx, live, merge(fmt.Sprintf(`{"spec":{"settleSeconds":%d}}`, settle)))).To(Succeed())
	Eventually(ctx, func(ctx context.Context) int64 { return read(ctx, source).Status.ObservedGeneration }).Should(Equal(live.Generation))
}

// days are what the history has of a source, by day and team.
func days(ctx context.Context, source string) []string {
	GinkgoHelper()
	today := history.DayOf(now.Now())
	sums, err := store.Sum(ctx, history.Query{
		From: today - 500, To: today + 1, Sources: []string{source}, GroupBy: []history.Dimension{history.ByDay, history.ByTeam}, At: now.Now(),
	})
	Expect(err).NotTo(HaveOccurred())
	var all []string
	for _, sum := range sums {
		all = append(all, fmt.Sprintf("%s %s %s %s", sum.Day, sum.Team, sum.Currency, sum.Effective))
	}
	return all
}

// read reads an object that must be there.
func read[T client.Object](ctx context.Context, object T) T {
	GinkgoHelper()
	live, err := framework.Read(admin, object)(ctx)
	Expect(err).NotTo(HaveOccurred())
	return live
}

// merge is a patch of literals.
func merge(text string) client.Patch { return client.RawPatch(types.MergePatchType, []byte(text)) }
