package costsource_test

import (
	"context"
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/history"
	"github.com/towpath-dev/towpath/test/framework"
)

var _ = Describe("A CostSource of FOCUS files", func() {
	It("reads a folder, and says what is covered, what is whose and what is not final", func(ctx context.Context) {
		dir := GinkgoT().TempDir()
		bill(dir, "2026-11/a.csv", charge(1, "shop", "30"), charge(3, "ghost", "10"), charge(28, "shop", "5"))
		source := made(ctx, newSource(dir))
		Expect(source.Status.Covered).To(HaveValue(Equal(platformv1alpha1.CoveredDays{From: "2026-11-01", To: "2026-11-28", ProvisionalSince: "2026-11-27"})))
		Expect(source.Status.Summaries).To(ConsistOf(platformv1alpha1.CurrencySummary{Currency: "USD", Cost: "45.00", Unallocated: "10.00", Coverage: "0.7778"}))
		Expect(source.Status.UnknownTeams).To(ConsistOf("ghost"))
		Expect(source.Status.Rows).To(BeEquivalentTo(3))
		Expect(source).To(framework.HaveCondition("Ready", metav1.ConditionTrue, "Imported", "from 2026-11-01 to 2026-11-28", "teams that do not exist, such as ghost"))
		By("the days that cost nothing")
		Expect(days(ctx, source.Name)).To(HaveLen(28))
		Expect(days(ctx, source.Name)).To(ContainElements("2026-11-01 shop USD 30", "2026-11-02  USD 0", "2026-11-03  USD 10", "2026-11-28 shop USD 5"))
	})

	It("is read again on its schedule, and not before", func(ctx context.Context) {
		dir := GinkgoT().TempDir()
		bill(dir, "a.csv", charge(1, "shop", "1"))
		source := made(ctx, newSource(dir))
		next := source.Status.NextAttempt.Time
		Expect(next).To(BeTemporally(">=", now.Now().Add(6*3600*1e9)))
		Expect(next).To(BeTemporally("<=", now.Now().Add(6.6*3600*1e9)))
		version := source.ResourceVersion
		Expect(admin.Patch(ctx, source, merge(`{"metadata":{"labels":{"a":"b"}}}`))).To(Succeed())
		bill(dir, "a.csv", charge(1, "shop", "2"))
		Consistently(ctx, func(ctx context.Context) []string { return days(ctx, source.Name) }, "1s").Should(ConsistOf("2026-11-01 shop USD 1"))
		Expect(read(ctx, source).Status.LastAttempt.Time).To(BeTemporally("==", source.Status.LastAttempt.Time))
		Expect(version).NotTo(BeEmpty())
	})

	It("has a file that was issued again take the place of the one before", func(ctx context.Context) {
		dir := GinkgoT().TempDir()
		bill(dir, "a.csv", charge(1, "shop", "30"), charge(2, "shop", "1"))
		source := made(ctx, newSource(dir))
		bill(dir, "a.csv", charge(1, "shop", "20"))
		again(ctx, source)
		Expect(days(ctx, source.Name)).To(ConsistOf("2026-11-01 shop USD 20"))
	})

	It("counts once whatever happens to the manager", func(ctx context.Context) {
		dir := GinkgoT().TempDir()
		bill(dir, "a.csv", charge(1, "shop", "30"))
		source := made(ctx, newSource(dir))
		Expect(cluster.StopManager()).To(Succeed())
		By("its note of what was read is lost")
		Expect(store.SetState(ctx, source.Name, history.State{})).To(Succeed())
		bill(dir, "a.csv", charge(1, "shop", "31"))
		Expect(cluster.StartManager(ctx)).To(Succeed())
		Eventually(ctx, func(ctx context.Context) []string { return days(ctx, source.Name) }).Should(ConsistOf("2026-11-01 shop USD 31"))
	})

	It("says file, row and column of what is wrong, and keeps what was", func(ctx context.Context) {
		dir := GinkgoT().TempDir()
		bill(dir, "2026-11/a.csv", charge(1, "shop", "30"))
		source := made(ctx, newSource(dir))
		bill(dir, "2026-11/a.csv", charge(1, "shop", "1"), charge(2, "shop", "much"))
		again(ctx, source)
		Eventually(ctx, framework.Read(admin, source)).Should(framework.BeStalled("BillInvalid", "2026-11/a.csv, row 2, column BilledCost", "much", "have it issued again"))
		Expect(days(ctx, source.Name)).To(ConsistOf("2026-11-01 shop USD 30"))
		Expect(read(ctx, source).Status.LastSuccess).NotTo(BeNil())
		bill(dir, "2026-11/a.csv", charge(1, "shop", "1"))
		again(ctx, source)
		awaitImported(ctx, source)
		Expect(days(ctx, source.Name)).To(ConsistOf("2026-11-01 shop USD 1"))
	})

	It("says that a folder is not there", func(ctx context.Context) {
		source := newSource(filepath.Join(GinkgoT().TempDir(), "absent"))
		Expect(admin.Create(ctx, source)).To(Succeed())
		Eventually(ctx, framework.Read(admin, source)).Should(framework.BeStalled("SourceInvalid", "absent", "Mount the volume"))
		Expect(read(ctx, source).Status.NextAttempt.Time).To(BeTemporally("==", now.Now().Add(60*1e9)))
	})

	It("finds the charges of a team that was made later", func(ctx context.Context) {
		dir, name := GinkgoT().TempDir(), framework.Name("late-")
		bill(dir, "a.csv", charge(1, name, "3"))
		source := made(ctx, newSource(dir))
		Expect(source.Status.UnknownTeams).To(ConsistOf(name))
		Expect(admin.Create(ctx, framework.Team(name))).To(Succeed())
		Eventually(ctx, framework.Read(admin, framework.Team(name))).Should(framework.BeReady())
		again(ctx, source)
		Eventually(ctx, func(ctx context.Context) []string { return read(ctx, source).Status.UnknownTeams }).Should(BeEmpty())
		Expect(days(ctx, source.Name)).To(ConsistOf("2026-11-01 " + name + " USD 3"))
	})

	It("reads nothing while it is suspended, and keeps what was read", func(ctx context.Context) {
		dir := GinkgoT().TempDir()
		bill(dir, "a.csv", charge(1, "shop", "1"))
		source := made(ctx, newSource(dir))
		Expect(admin.Patch(ctx, source, merge(`{"spec":{"mode":"Suspended"}}`))).To(Succeed())
		Eventually(ctx, framework.Read(admin, source)).Should(framework.HaveCondition("Ready", metav1.ConditionTrue, "Suspended"))
		Expect(read(ctx, source).Status.NextAttempt).To(BeNil())
		bill(dir, "a.csv", charge(1, "shop", "2"))
		again(ctx, source)
		Expect(days(ctx, source.Name)).To(ConsistOf("2026-11-01 shop USD 1"))
		Expect(admin.Patch(ctx, source, merge(`{"spec":{"mode":"Scheduled"}}`))).To(Succeed())
		awaitImported(ctx, source)
		Expect(days(ctx, source.Name)).To(ConsistOf("2026-11-01 shop USD 2"))
	})

	It("has what it read forgotten with it, and nothing else", func(ctx context.Context) {
		dir := GinkgoT().TempDir()
		bill(dir, "a.csv", charge(1, "shop", "1"))
		other, source := made(ctx, newSource(dir)), made(ctx, newSource(dir))
		Expect(source.Finalizers).To(ConsistOf(platformv1alpha1.Finalizer))
		Expect(admin.Delete(ctx, source)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, source)).Should(BeTrue())
		Expect(days(ctx, source.Name)).To(BeEmpty())
		state, err := store.State(ctx, source.Name)
		Expect(err).NotTo(HaveOccurred())
		Expect(state).To(Equal(history.State{}))
		Expect(days(ctx, other.Name)).NotTo(BeEmpty())
	})

	It("does not follow a link out of its folder", func(ctx context.Context) {
		dir, elsewhere := GinkgoT().TempDir(), GinkgoT().TempDir()
		bill(elsewhere, "secret.csv", charge(1, "shop", "1"))
		Expect(os.Symlink(filepath.Join(elsewhere, "secret.csv"), filepath.Join(dir, "a.csv"))).To(Succeed())
		source := newSource(dir)
		Expect(admin.Create(ctx, source)).To(Succeed())
		Eventually(ctx, framework.Read(admin, source)).ShouldNot(framework.HaveCondition("Ready", metav1.ConditionTrue, "Imported"))
		Eventually(ctx, func(ctx context.Context) int { return len(read(ctx, source).Status.Conditions) }).Should(BeNumerically(">", 0))
		Expect(days(ctx, source.Name)).To(BeEmpty())
	})
})

var _ = Describe("The definition of CostSource", func() {
	focus := func(change func(*platformv1alpha1.CostSourceSpec)) *platformv1alpha1.CostSource {
		source := newSource("/bills")
		change(&source.Spec)
		return source
	}
	DescribeTable("refuses", func(ctx context.Context, change func(*platformv1alpha1.CostSourceSpec), message string) {
		Expect(admin.Create(ctx, focus(change), client.DryRunAll)).To(MatchError(ContainSubstring(message)))
	},
		Entry("a member of another type", func(s *platformv1alpha1.CostSourceSpec) { s.Type = platformv1alpha1.CostSourceOpenCost },
			"openCost must be set where type is OpenCost, and only there"),
		Entry("two members", func(s *platformv1alpha1.CostSourceSpec) {
			s.OpenCost = &platformv1alpha1.OpenCostSource{URL: "http://a.b"}
		},
			"openCost must be set where type is OpenCost, and only there"),
		Entry("no place", func(s *platformv1alpha1.CostSourceSpec) { s.FOCUS.Volume = nil }, "exactly one of volume, http and s3 must be set"),
		Entry("two places", func(s *platformv1alpha1.CostSourceSpec) {
			s.FOCUS.HTTP = &platformv1alpha1.FOCUSHTTP{URLs: []string{"https://a.b/c.csv"}}
		}, "exactly one of volume, http and s3 must be set"),
		Entry("a secret in a URL", func(s *platformv1alpha1.CostSourceSpec) {
			s.FOCUS = &platformv1alpha1.FOCUSSource{HTTP: &platformv1alpha1.FOCUSHTTP{URLs: []string{"https://a.b/c.csv?sig=secret"}}}
		}, "spec.focus.http.urls[0]"),
		Entry("a rate of zero", func(s *platformv1alpha1.CostSourceSpec) {
			s.Conversions = []platformv1alpha1.CurrencyConversion{{From: "EUR", To: "USD", Rate: "0.0"}}
		}, "rate must be more than 0"),
		Entry("a currency that becomes itself", func(s *platformv1alpha1.CostSourceSpec) {
			s.Conversions = []platformv1alpha1.CurrencyConversion{{From: "EUR", To: "EUR", Rate: "1"}}
		}, "from and to must differ"),
		Entry("too short an interval", func(s *platformv1alpha1.CostSourceSpec) { s.IntervalSeconds = 599 }, "spec.intervalSeconds"),
		Entry("too long a backfill", func(s *platformv1alpha1.CostSourceSpec) { s.BackfillDays = 401 }, "spec.backfillDays"),
	)

	It("refuses another type", func(ctx context.Context) {
		source := newSource("/bills")
		Expect(admin.Create(ctx, source)).To(Succeed())
		Expect(admin.Patch(ctx, source, merge(`{"spec":{"type":"OpenCost","focus":null,"openCost":{"url":"http://a.b"}}}`))).To(
			MatchError(ContainSubstring("type must not change")))
	})
})
