package costsource_test

import (
	"context"
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	eventsv1 "k8s.io/api/events/v1"
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

	It("that outlives the manager's pod, a CostSource and a Budget say so", func(ctx context.Context) {
		// In memory, as an emptyDir may be: what Linux mounts there is a tmpfs.
		dir, err := os.MkdirTemp("/dev/shm", "towpath-history-")
		if err != nil {
			Skip("there is no memory to keep files in: " + err.Error())
		}
		DeferCleanup(func() { Expect(os.RemoveAll(dir)).To(Succeed()) })
		bills := GinkgoT().TempDir()
		bill(bills, "a.csv", charge(1, "shop", "1"))
		source := made(ctx, newSource(bills))
		Expect(read(ctx, source)).NotTo(framework.HaveCondition(platformv1alpha1.ConditionHistoryKept, metav1.ConditionFalse, ""))
		budget := &platformv1alpha1.Budget{
			ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: framework.Name("b")}, Spec: platformv1alpha1.BudgetSpec{Amount: "100", Currency: "USD"},
		}
		Expect(admin.Create(ctx, budget)).To(Succeed())

		withHistory(ctx, filepath.Join(dir, "history.db"))
		lost := framework.HaveCondition(platformv1alpha1.ConditionHistoryKept, metav1.ConditionFalse, platformv1alpha1.ReasonHistoryLostWithPod, "make deploy OVERLAY=history")
		Eventually(ctx, framework.Read(admin, source)).Should(And(framework.BeReady(), lost))
		Eventually(ctx, framework.Read(admin, budget)).Should(And(framework.BeReady(), lost))
		Eventually(func(g Gomega) {
			var events eventsv1.EventList
			g.Expect(admin.List(ctx, &events)).To(Succeed())
			g.Expect(events.Items).To(ContainElement(And(HaveField("Regarding.UID", source.UID), HaveField("Reason", platformv1alpha1.ReasonHistoryLostWithPod))))
		}).Should(Succeed(), "an event tells of it")

		withHistory(ctx, file)
		kept := Not(framework.HaveCondition(platformv1alpha1.ConditionHistoryKept, metav1.ConditionFalse, ""))
		Eventually(ctx, framework.Read(admin, source)).Should(kept)
		Eventually(ctx, framework.Read(admin, budget)).Should(kept)
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
