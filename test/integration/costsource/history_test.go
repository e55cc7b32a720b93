package costsource_test

import (
	"context"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/manager"
	"github.com/towpath-dev/towpath/test/framework"
)

// withHistory runs the manager with another history, and after the spec with the suite's again.
func withHistory(ctx context.Context, file string) {
	GinkgoHelper()
	before := cluster.Configure
	restart := func(ctx context.Context, configure func(*manager.Configuration)) {
		Expect(cluster.StopManager()).To(Succeed())
		cluster.Configure = configure
		Expect(cluster.StartManager(ctx)).To(Succeed())
	}
	restart(ctx, func(c *manager.Configuration) {
		before(c)
		c.History.SQLite = file
	})
	DeferCleanup(func(ctx context.Context) { restart(ctx, before) })
}

var _ = Describe("Without a history", Serial, func() {
	It("a CostSource says so, and can be deleted", func(ctx context.Context) {
		withHistory(ctx, "")
		source := newSource(GinkgoT().TempDir())
		Expect(admin.Create(ctx, source)).To(Succeed())
		Eventually(ctx, framework.Read(admin, source)).Should(framework.BeStalled("HistoryUnavailable", "Set history in its configuration"))
		Expect(admin.Delete(ctx, source)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, source)).Should(BeTrue())
	})

	It("a CostSource that was read keeps what it says, and is read once there is one again", func(ctx context.Context) {
		dir := GinkgoT().TempDir()
		bill(dir, "a.csv", charge(1, "shop", "1"))
		source := made(ctx, newSource(dir))
		withHistory(ctx, filepath.Join(GinkgoT().TempDir(), "absent", "history.db"))
		Eventually(ctx, framework.Read(admin, source)).Should(framework.HaveCondition("Ready", metav1.ConditionFalse, "HistoryUnavailable", "does not work"))
		Expect(read(ctx, source).Status.Covered).To(HaveValue(HaveField("From", "2026-11-01")))
		Expect(read(ctx, source)).NotTo(framework.HaveCondition(platformv1alpha1.ConditionStalled, metav1.ConditionTrue, "HistoryUnavailable"))
		withHistory(ctx, file)
		awaitImported(ctx, source)
		Expect(days(ctx, source.Name)).To(ConsistOf("2026-11-01 shop USD 1"))
	})
})
