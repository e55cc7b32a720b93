package cli_test

import (
	"context"
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// asUser is a kubeconfig of somebody who has the rights of their bindings alone.
func asUser(name string) string {
	GinkgoHelper()
	loaded, err := clientcmd.LoadFromFile(cluster.Plane.AdminKubeconfig())
	Expect(err).NotTo(HaveOccurred())
	for _, user := range loaded.AuthInfos {
		user.Impersonate = name
	}
	path := filepath.Join(GinkgoT().TempDir(), "kubeconfig")
	Expect(clientcmd.WriteToFile(*loaded, path)).To(Succeed())
	return path
}

var _ = Describe("What a team cost", func() {
	It("is read and exported with the rights of a viewer, and of nobody else", func(ctx context.Context) {
		team := framework.Team(framework.Name("t"), platformv1alpha1.TeamMember{Kind: platformv1alpha1.MemberUser, Name: "vera", Role: platformv1alpha1.TeamViewer})
		Expect(cluster.Client.Create(ctx, team)).To(Succeed())
		Eventually(ctx, framework.Read(cluster.Client, team)).Should(framework.BeReady())
		home := "team-" + team.Name
		report := &platformv1alpha1.CostReport{
			ObjectMeta: metav1.ObjectMeta{Namespace: home, Name: "2026-10"},
			Report: platformv1alpha1.CostReportContent{
				Team: team.Name, Source: platformv1alpha1.CostsFromBills, State: platformv1alpha1.CostsSettled, FirstDay: "2026-10-01", LastDay: "2026-10-31",
				Rows: []platformv1alpha1.CostReportRow{{
					Kind: platformv1alpha1.CostOwn, Environment: "prod", Component: "checkout", Service: "Compute", Category: platformv1alpha1.CostUsage,
					Currency: "EUR", Billed: "13.5", Effective: "12.25", Days: 31,
				}},
			},
		}
		Expect(cluster.ManagerClient.Create(ctx, report)).To(Succeed())

		vera, mallory := asUser("vera"), asUser("mallory")
		as := func(kubeconfig string, args ...string) (int, string, string) {
			return run(ctx, append(args, "--kubeconfig", kubeconfig)...)
		}
		Eventually(ctx, func(g Gomega) {
			code, out, stderr := as(vera, "cost", "report", "--team", team.Name, "--month", "2026-10")
			g.Expect(code).To(BeZero(), stderr)
			g.Expect(out).To(And(ContainSubstring("team "+team.Name+", 2026-10, by component"), MatchRegexp(`(?m)^all +12\.25 +13\.50 EUR`)))
		}).Should(Succeed(), "the authorizer lags behind the binding")

		By("a month without a report")
		code, _, stderr := as(vera, "cost", "report", "--team", team.Name, "--month", "2026-09")
		Expect(code).To(Equal(1))
		Expect(stderr).To(And(ContainSubstring("has no report for 2026-09: there are 2026-10"), ContainSubstring("--month 2026-10")))

		By("a team that does not exist")
		code, _, stderr = as(vera, "cost", "report", "--team", "no-such-team")
		Expect(code).To(Equal(1))
		Expect(stderr).To(And(ContainSubstring(`team "no-such-team" does not exist: there are`), ContainSubstring("-n NAMESPACE")))

		By("somebody without a role in the team")
		code, out, stderr := as(mallory, "cost", "report", "--team", team.Name, "--month", "2026-10")
		Expect(code).To(Equal(2))
		Expect(out).To(BeEmpty())
		Expect(stderr).To(And(ContainSubstring("cannot read costreport 2026-10 in namespace "+home), ContainSubstring("ask the platform team for the missing right")))

		By("hints, which say what a viewer may not see")
		code, out, stderr = as(vera, "cost", "report", "--team", team.Name, "--month", "2026-10", "--hints")
		Expect(code).To(BeZero(), stderr)
		Expect(out).To(ContainSubstring("\nhints\n"))

		By("an export")
		folder := GinkgoT().TempDir()
		code, _, stderr = as(vera, "cost", "export", "--team", team.Name, "--month", "2026-10", "--format", "parquet", "-o", folder)
		Expect(code).To(BeZero(), stderr)
		Expect(filepath.Join(folder, "towpath-costs-2026-10.parquet")).To(BeARegularFile())
		code, _, stderr = as(vera, "cost", "export", "-A", "--month", "2026-10", "-o", folder)
		Expect(code).To(Equal(2))
		Expect(stderr).To(ContainSubstring("cannot list costreports in all namespaces"))
		files, err := os.ReadDir(folder)
		Expect(err).NotTo(HaveOccurred())
		Expect(files).To(HaveLen(1))

		By("a platform engineer, who sees all")
		binding := &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: framework.Name("platform-")},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "towpath-platform"},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: "petra"}},
		}
		Expect(cluster.Client.Create(ctx, binding)).To(Succeed())
		DeferCleanup(func(ctx context.Context) error { return client.IgnoreNotFound(cluster.Client.Delete(ctx, binding)) })
		petra := asUser("petra")
		Eventually(ctx, func(g Gomega) {
			code, out, stderr := as(petra, "cost", "export", "-A", "--month", "2026-10", "-o", folder)
			g.Expect(code).To(BeZero(), stderr)
			g.Expect(out).To(ContainSubstring("towpath-costs-2026-10.csv: 1 rows"))
		}).Should(Succeed())
	})
})
