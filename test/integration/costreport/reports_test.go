package costreport_test

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/shopspring/decimal"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/controllers/costreport"
	"github.com/towpath-dev/towpath/internal/history"
	"github.com/towpath-dev/towpath/internal/history/sqlstore"
	"github.com/towpath-dev/towpath/internal/showback"
	"github.com/towpath-dev/towpath/test/framework"
)

var (
	october  = history.Date(2026, time.October, 1)
	november = history.Date(2026, time.November, 1)
	// marked is the oldest month: passes end with it, and no other spec has figures there.
	marked = history.Date(2025, time.November, 3)
)

// home makes the home namespace of a team.
func home(ctx context.Context, team string) string {
	GinkgoHelper()
	namespace := framework.TeamNamespace(team)
	Expect(admin.Create(ctx, namespace)).To(Succeed())
	return namespace.Name
}

// mark gives a team of its own another figure in the oldest month, which shows when a pass is over. Its home is the last.
func mark(ctx context.Context) func() {
	GinkgoHelper()
	team := "zz-" + framework.Name("mark-")
	namespace, count := home(ctx, team), 0
	return func() {
		GinkgoHelper()
		count++
		bill(ctx, "bill-"+team, "2025-11", figure(marked, team, "", "", "Marker", fmt.Sprint(count)))
		looksAgain(ctx)
		Eventually(ctx, reports(namespace)).Should(HaveKeyWithValue("2025-11",
			HaveField("Report.Rows", ConsistOf(HaveField("Effective", BeEquivalentTo(fmt.Sprint(count)))))), "the pass is over")
	}
}

// byHand is the controller with the manager's rights and without its cache, on a history of its own.
func byHand(ctx context.Context) (*costreport.Reconciler, *sqlstore.Store) {
	GinkgoHelper()
	own, err := sqlstore.OpenSQLite(ctx, filepath.Join(GinkgoT().TempDir(), "history.db"))
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { _ = own.Close() })
	return &costreport.Reconciler{Client: cluster.ManagerClient, Live: cluster.ManagerClient, History: own, Clock: testingclock.NewFakePassiveClock(now)}, own
}

func put(ctx context.Context, into history.Store, source string, figures ...history.Figure) {
	GinkgoHelper()
	known(ctx, source)
	tell(ctx, into, source, figures...)
}

// tell has a source tell of figures, of which there need be no CostSource.
func tell(ctx context.Context, into history.Store, source string, figures ...history.Figure) {
	GinkgoHelper()
	Expect(into.Replace(ctx, history.Slice{Source: source, Period: "all"}, func(yield func(history.Figure, error) bool) {
		for _, f := range figures {
			if !yield(f, nil) {
				return
			}
		}
	})).To(Succeed())
}

func request(name string) ctrl.Request {
	return ctrl.Request{NamespacedName: types.NamespacedName{Name: name}}
}

var _ = Describe("Reports of costs", Ordered, func() {
	BeforeAll(func() {
		DeferCleanup(func() { _ = cluster.StopManager() })
	})

	It("appear in the home of each team, by month, of bills before estimates", func(ctx context.Context) {
		a, b := framework.Name("a"), framework.Name("b")
		homeA, homeB := home(ctx, a), home(ctx, b)
		bill(ctx, "aws", "2026-10-"+a,
			figure(october, a, "prod", "checkout", "Compute", "200.25"), figure(october+1, a, "prod", "checkout", "Compute", "99.75"),
			figure(october+1, b, "prod", "ledger", "Compute", "100"), figure(october+2, "", "", "", "Control plane", "40"),
			figure(october+2, "", "", "", "Idle CPU", "8"))
		bill(ctx, showback.EstimatesSource, "2026-10-"+a, figure(october, a, "prod", "checkout", "Estimate", "1"))
		bill(ctx, showback.EstimatesSource, "2026-11-"+a, figure(november, a, "dev", "checkout", "Estimate", "7"))
		looksAgain(ctx)
		Eventually(ctx, reports(homeB)).Should(HaveKey("2026-10"))
		Eventually(ctx, func(g Gomega) {
			found := reportsNow(ctx, homeA)
			g.Expect(found).To(And(HaveLen(2), HaveKey("2026-10"), HaveKey("2026-11")))
			g.Expect(found["2026-10"].Report).To(And(
				HaveField("Team", a), HaveField("Source", platformv1alpha1.CostsFromBills), HaveField("State", platformv1alpha1.CostsProvisional),
				HaveField("FirstDay", "2026-10-01"), HaveField("LastDay", "2026-10-03"),
				HaveField("Coverage", ConsistOf(platformv1alpha1.CostCoverage{Currency: "USD", Percent: "89.29"})),
				HaveField("Rows", HaveExactElements(
					And(HaveField("Kind", platformv1alpha1.CostOwn), HaveField("Component", "checkout"), HaveField("Effective", platformv1alpha1.Amount("300")), HaveField("Days", int32(2))),
					And(HaveField("Kind", platformv1alpha1.CostShared), HaveField("Effective", platformv1alpha1.Amount("30"))),
					And(HaveField("Kind", platformv1alpha1.CostIdle), HaveField("Effective", platformv1alpha1.Amount("6"))),
				)),
			))
			g.Expect(found["2026-11"].Report).To(And(
				HaveField("Source", platformv1alpha1.CostsFromEstimates), HaveField("State", platformv1alpha1.CostsProvisional), HaveField("Rows", HaveLen(1)),
			))
		}).Should(Succeed())
	})

	It("hold 300 rows, whatever there is", func(ctx context.Context) {
		team := framework.Name("big")
		namespace := home(ctx, team)
		var figures []history.Figure
		want := decimal.Zero
		for i := range 450 {
			figures = append(figures, figure(history.Date(2026, time.August, 1+i%31), team, "prod", fmt.Sprintf("component-%d", i), "Compute", fmt.Sprintf("%d.000000000001", i)))
			want = want.Add(figures[i].Effective)
		}
		bill(ctx, "aws", "2026-08", figures...)
		looksAgain(ctx)
		Eventually(ctx, reports(namespace)).Should(HaveKey("2026-08"))
		report := reportsNow(ctx, namespace)["2026-08"].Report
		Expect(report.Rows).To(HaveLen(300))
		Expect(report.Combined).To(BeEquivalentTo(151))
		sum := decimal.Zero
		for _, row := range report.Rows {
			sum = sum.Add(decimal.RequireFromString(string(row.Effective)))
		}
		Expect(sum.String()).To(Equal(want.String()))
	})

	It("are written anew where a figure changed, and not where none did", func(ctx context.Context) {
		team, again := framework.Name("same"), mark(ctx)
		namespace := home(ctx, team)
		bill(ctx, "aws", "2026-07", figure(history.Date(2026, time.July, 4), team, "prod", "checkout", "Compute", "12"))
		again()
		before := reportsNow(ctx, namespace)["2026-07"]
		Expect(before.Report.Rows).To(HaveLen(1))

		again()
		Expect(reportsNow(ctx, namespace)["2026-07"].ResourceVersion).To(Equal(before.ResourceVersion), "nothing changed")

		By("a bill that is issued again with the same figures")
		bill(ctx, "aws", "2026-07", figure(history.Date(2026, time.July, 4), team, "prod", "checkout", "Compute", "12"))
		again()
		Expect(reportsNow(ctx, namespace)["2026-07"].ResourceVersion).To(Equal(before.ResourceVersion), "nothing changed")

		By("a late correction")
		bill(ctx, "aws", "2026-07", figure(history.Date(2026, time.July, 4), team, "prod", "checkout", "Compute", "11.5"))
		again()
		Expect(reportsNow(ctx, namespace)["2026-07"].Report.Rows[0].Effective).To(BeEquivalentTo("11.5"))

		By("figures that the history lost: the report alone still knows")
		Expect(store.Replace(ctx, history.Slice{Source: "aws", Period: "2026-07"}, func(func(history.Figure, error) bool) {})).To(Succeed())
		again()
		Expect(reportsNow(ctx, namespace)).To(HaveKey("2026-07"))
	})

	It("go when they are old, or where their team is not at home any more", func(ctx context.Context) {
		r, own := byHand(ctx)
		team := framework.Name("old")
		namespace := home(ctx, team)
		put(ctx, own, "aws", figure(october, team, "prod", "checkout", "Compute", "1"))
		_, err := r.Reconcile(ctx, request("all"))
		Expect(err).NotTo(HaveOccurred())
		for _, month := range []string{"2025-10", "2025-11"} {
			stale := named(namespace, month)
			stale.Labels = map[string]string{platformv1alpha1.LabelTeam: team}
			stale.Report = reportsNow(ctx, namespace)["2026-10"].Report
			Expect(cluster.ManagerClient.Create(ctx, stale)).To(Succeed())
		}
		_, err = r.Reconcile(ctx, request("all"))
		Expect(err).NotTo(HaveOccurred())
		Expect(reportsNow(ctx, namespace)).To(And(HaveLen(2), HaveKey("2025-11"), HaveKey("2026-10")))

		other := framework.Name("other")
		Expect(admin.Patch(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}},
			client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"platform.towpath.dev/team":"`+other+`"}}}`)))).To(Succeed())
		_, err = r.Reconcile(ctx, request("all"))
		Expect(err).NotTo(HaveOccurred())
		Expect(reportsNow(ctx, namespace)).To(BeEmpty())
	})

	It("come for a new team without waiting for the day's end, and once", func(ctx context.Context) {
		r, own := byHand(ctx)
		_, err := r.Reconcile(ctx, request("all"))
		Expect(err).NotTo(HaveOccurred())
		team := framework.Name("new")
		namespace := home(ctx, team)
		welcome := func() {
			GinkgoHelper()
			result, err := r.Reconcile(ctx, request("newcomers"))
			Expect(err).NotTo(HaveOccurred())
			Expect(result.RequeueAfter).To(Equal(10 * time.Minute))
		}
		welcome()
		Expect(reportsNow(ctx, namespace)).To(BeEmpty(), "there are no figures yet")
		put(ctx, own, showback.EstimatesSource, figure(november, team, "dev", "checkout", "Estimate", "3"))
		welcome()
		made := reportsNow(ctx, namespace)["2026-11"]
		Expect(made.Report.Rows).To(HaveLen(1))
		put(ctx, own, showback.EstimatesSource, figure(november, team, "dev", "checkout", "Estimate", "4"))
		welcome()
		Expect(reportsNow(ctx, namespace)["2026-11"].ResourceVersion).To(Equal(made.ResourceVersion), "once a day is enough")
	})

	It("sum to the bill where OpenCost says whose it is, and leave out what is informative or has no CostSource", func(ctx context.Context) {
		r, own := byHand(ctx)
		team, allocation, beside := framework.Name("both"), framework.Name("opencost-"), framework.Name("beside-")
		namespace := home(ctx, team)
		for name, counts := range map[string]platformv1alpha1.TeamCosts{allocation: platformv1alpha1.TeamCostsCounted, beside: platformv1alpha1.TeamCostsInformative} {
			opencost := &platformv1alpha1.CostSource{ObjectMeta: metav1.ObjectMeta{Name: name}}
			opencost.Spec.Type, opencost.Spec.Mode, opencost.Spec.TeamCosts = platformv1alpha1.CostSourceOpenCost, platformv1alpha1.CostSourceSuspended, counts
			opencost.Spec.OpenCost = &platformv1alpha1.OpenCostSource{URL: "http://opencost.opencost:9003", Currency: "USD"}
			Expect(admin.Create(ctx, opencost)).To(Succeed())
			DeferCleanup(func(ctx context.Context) { Expect(client.IgnoreNotFound(admin.Delete(ctx, opencost))).To(Succeed()) })
		}
		put(ctx, own, allocation, figure(october, team, "prod", "checkout", "CPU", "40"), figure(october, "", "", "", "Idle CPU", "10"))
		put(ctx, own, beside, figure(october, team, "prod", "checkout", "CPU", "1000"))
		put(ctx, own, "aws", figure(october, "", "", "", "Compute", "65"), figure(october, team, "prod", "", "Database", "20"))
		tell(ctx, own, framework.Name("deleted-"), figure(october, team, "prod", "checkout", "CPU", "500"))
		_, err := r.Reconcile(ctx, request("all"))
		Expect(err).NotTo(HaveOccurred())
		Expect(reportsNow(ctx, namespace)["2026-10"].Report.Rows).To(HaveExactElements(
			And(HaveField("Service", "CPU"), HaveField("Effective", BeEquivalentTo("40"))),
			And(HaveField("Service", "Database"), HaveField("Effective", BeEquivalentTo("20"))),
			And(HaveField("Kind", platformv1alpha1.CostShared), HaveField("Effective", BeEquivalentTo("15"))),
			And(HaveField("Kind", platformv1alpha1.CostIdle), HaveField("Effective", BeEquivalentTo("10"))),
		), "85 in all, as billed")
	})

	It("go on summing to the bill of two teams when that is corrected, also where OpenCost's prices are above it", func(ctx context.Context) {
		r, own := byHand(ctx)
		a, b, allocation := framework.Name("a"), framework.Name("b"), framework.Name("opencost-")
		homes := []string{home(ctx, a), home(ctx, b)}
		opencost := &platformv1alpha1.CostSource{ObjectMeta: metav1.ObjectMeta{Name: allocation}}
		opencost.Spec.Type, opencost.Spec.Mode = platformv1alpha1.CostSourceOpenCost, platformv1alpha1.CostSourceSuspended
		opencost.Spec.OpenCost = &platformv1alpha1.OpenCostSource{URL: "http://opencost.opencost:9003", Currency: "USD"}
		Expect(admin.Create(ctx, opencost)).To(Succeed())
		DeferCleanup(func(ctx context.Context) { Expect(client.IgnoreNotFound(admin.Delete(ctx, opencost))).To(Succeed()) })
		put(ctx, own, allocation, figure(october, a, "prod", "checkout", "CPU", "40"), figure(october, b, "prod", "ledger", "CPU", "20"),
			figure(october, "", "", "", "Idle CPU", "10"))
		// What the two teams pay in all is what was billed, to the last place, and what the bill has more than the 70 that are allocated is shared.
		for _, month := range []struct{ compute, shared string }{{"103.000000000001", "33.000000000001"}, {"55.5", "-14.5"}} {
			put(ctx, own, "aws", figure(october, "", "", "", "Compute", month.compute))
			_, err := r.Reconcile(ctx, request("all"))
			Expect(err).NotTo(HaveOccurred())
			all, shared, idle := decimal.Zero, decimal.Zero, decimal.Zero
			for _, namespace := range homes {
				for _, row := range reportsNow(ctx, namespace)["2026-10"].Report.Rows {
					amount := decimal.RequireFromString(string(row.Effective))
					all = all.Add(amount)
					switch row.Kind {
					case platformv1alpha1.CostShared:
						shared = shared.Add(amount)
					case platformv1alpha1.CostIdle:
						idle = idle.Add(amount)
					}
				}
			}
			Expect([]string{all.String(), shared.String(), idle.String()}).To(Equal([]string{month.compute, month.shared, "10"}))
		}
	})

	It("stay as they are while the history does not answer", func(ctx context.Context) {
		r, own := byHand(ctx)
		team := framework.Name("away")
		namespace := home(ctx, team)
		put(ctx, own, "aws", figure(october, team, "prod", "checkout", "Compute", "1"))
		_, err := r.Reconcile(ctx, request("all"))
		Expect(err).NotTo(HaveOccurred())
		Expect(own.Close()).To(Succeed())
		_, err = r.Reconcile(ctx, request("all"))
		Expect(err).To(MatchError(ContainSubstring("reading the figures of 2026-11")))
		Expect(reportsNow(ctx, namespace)).To(HaveKey("2026-10"))
	})

	It("are read by who has a role in the team, and written by nobody but the manager", func(ctx context.Context) {
		r, own := byHand(ctx)
		team := framework.Name("read")
		namespace := home(ctx, team)
		put(ctx, own, "aws", figure(october, team, "prod", "checkout", "Compute", "1"))
		_, err := r.Reconcile(ctx, request("all"))
		Expect(err).NotTo(HaveOccurred())
		for _, role := range []string{"towpath-viewer", "towpath-developer", "towpath-owner", "view", "edit", "admin"} {
			user := role + "-" + team
			Expect(admin.Create(ctx, &rbacv1.RoleBinding{
				ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: user},
				RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
				Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: user}},
			})).To(Succeed())
			c, err := cluster.UserClient(user)
			Expect(err).NotTo(HaveOccurred())
			Eventually(ctx, func() error {
				return c.Get(ctx, types.NamespacedName{Namespace: namespace, Name: "2026-10"}, &platformv1alpha1.CostReport{})
			}).Should(Succeed(), "%s reads", role)
			cheaper := client.RawPatch(types.MergePatchType, []byte(`{"report":{"rows":null}}`))
			for doing, attempt := range map[string]func() error{
				"creates": func() error { return c.Create(ctx, forged(namespace)) },
				"changes": func() error { return c.Patch(ctx, named(namespace, "2026-10"), cheaper) },
				"deletes": func() error { return c.Delete(ctx, named(namespace, "2026-10")) },
			} {
				Expect(apierrors.IsForbidden(attempt())).To(BeTrue(), "%s %s", role, doing)
			}
		}
		By("somebody with all rights: the policy refuses what RBAC does not")
		Expect(admin.Create(ctx, forged(namespace))).To(MatchError(ContainSubstring("Towpath alone writes it; correct the bill or its tags instead")))
		Expect(admin.Patch(ctx, named(namespace, "2026-10"), client.RawPatch(types.MergePatchType, []byte(`{"report":{"rows":null}}`)))).To(MatchError(ContainSubstring("towpath-costreports")))
		Expect(admin.Patch(ctx, named(namespace, "2026-10"), client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"platform.towpath.dev/figures":"x"}}}`)))).To(MatchError(ContainSubstring("towpath-costreports")))
		By("a name that is no month")
		wrong := forged(namespace)
		wrong.Name = "october"
		Expect(cluster.ManagerClient.Create(ctx, wrong)).To(MatchError(ContainSubstring("metadata.name must be a month, such as 2026-10")))
	})

	It("go with the home of a team that is deleted", func(ctx context.Context) {
		r, own := byHand(ctx)
		team := framework.Name("gone")
		namespace := home(ctx, team)
		put(ctx, own, "aws", figure(october, team, "prod", "checkout", "Compute", "1"))
		_, err := r.Reconcile(ctx, request("all"))
		Expect(err).NotTo(HaveOccurred())
		Expect(admin.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})).To(Succeed())
		Eventually(ctx, reports(namespace)).Should(BeEmpty())
		_, err = r.Reconcile(ctx, request("all"))
		Expect(err).NotTo(HaveOccurred())
		Expect(reportsNow(ctx, namespace)).To(BeEmpty())
	})
})

// forged is a report that somebody made up.
func forged(namespace string) *platformv1alpha1.CostReport {
	report := named(namespace, "2026-09")
	report.Report = platformv1alpha1.CostReportContent{
		Team: "x", Source: platformv1alpha1.CostsFromBills, State: platformv1alpha1.CostsSettled, FirstDay: "2026-09-01", LastDay: "2026-09-30",
	}
	return report
}
