package component_test

import (
	"context"
	"strconv"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// newLimited makes a Team with environments, and a limit on what it spends in this year, and not in the next.
func newLimited(ctx context.Context, amount platformv1alpha1.Amount, enforcement platformv1alpha1.Enforcement, environments ...string) (*team, *platformv1alpha1.Team) {
	GinkgoHelper()
	name, year := framework.Name("rich-"), strconv.Itoa(now.Now().UTC().Year())
	owner := framework.Team(name)
	owner.Spec.Spending = &platformv1alpha1.TeamSpending{Limits: []platformv1alpha1.SpendingLimit{{
		Name: "all", Amount: amount, Currency: "USD", Enforcement: enforcement,
		Period: platformv1alpha1.SpendingPeriod{Type: platformv1alpha1.PeriodCustom, From: year + "-01-01", Until: year + "-12-31"},
	}}}
	Expect(admin.Create(ctx, owner)).To(Succeed())
	Eventually(ctx, framework.Read(admin, owner)).Should(framework.BeReady())
	t := &team{name: name, home: read(ctx, owner).Status.Namespace}
	for _, environment := range environments {
		t.addEnvironment(ctx, environment)
	}
	for _, environment := range environments {
		Eventually(ctx, framework.Read(admin, t.environment(environment))).Should(framework.BeReady())
	}
	return t, owner
}

var _ = Describe("A limit on spending", func() {
	It("that denies lets in what fits, and holds back what does not, until it is raised", func(ctx context.Context) {
		// Whatever day of the year it is, 1 core and 1 GiB twice fit for a day, and twelve cores do not for a year's rest.
		t, owner := newLimited(ctx, "700", platformv1alpha1.EnforceDeny, "dev", "prod")
		template := publish(ctx, sized(framework.Name("sized-")))
		component := framework.Component(t.home, "shop", template.Name, "dev")
		deploy(ctx, component)
		settled(ctx, component)
		Expect(read(ctx, t.release("shop", "dev", 1)).Spec.Gate).To(BeNil())

		By("a change that is over it")
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Parameters = framework.JSON(`{cpu: "1000"}`) })
		second := t.release("shop", "dev", 2)
		Eventually(ctx, framework.Read(admin, component)).Should(And(
			framework.HaveCondition(isPromoted, no, platformv1alpha1.ReasonSpendingDenied, "shop in dev adds", "700.00 USD", "spec.spending", "--break-glass"),
			framework.BeReady()))
		Expect(read(ctx, second).Status.AppliedAt).To(BeNil())
		Expect(read(ctx, t.release("shop", "dev", 1)).Status.SupersededAt).To(BeNil())

		live := read(ctx, component)
		live.Spec.Parameters = framework.JSON(`{cpu: "2000"}`)
		Expect(developer.Update(ctx, live, client.DryRunAll)).To(Succeed())
		Expect(warned.all()).To(ContainElement(And(HavePrefix("shop in dev: "), ContainSubstring("700.00 USD"), HaveSuffix(" % over: it will not be let in"))))

		By("a rollback, and a change that costs less, all the same")
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Parameters = framework.JSON(`{cpu: "500m"}`) })
		settled(ctx, component)
		Expect(read(ctx, t.release("shop", "dev", 3)).Status.ReadyAt).NotTo(BeNil())
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Environments[0].RollbackTo = 1 })
		Eventually(ctx, framework.Read(admin, t.release("shop", "dev", 4))).Should(framework.BeReady())
		change(ctx, component, func(c *platformv1alpha1.Component) {
			c.Spec.Environments[0].RollbackTo, c.Spec.Parameters = 0, framework.JSON(`{cpu: "1000"}`)
		})
		Eventually(ctx, framework.Read(admin, component)).Should(framework.HaveCondition(isPromoted, no, platformv1alpha1.ReasonSpendingDenied))

		By("the limit, raised by the platform")
		change(ctx, owner, func(o *platformv1alpha1.Team) { o.Spec.Spending.Limits[0].Amount = "100000000" })
		Eventually(ctx, framework.Read(admin, t.release("shop", "dev", 5))).Should(HaveField("Status.OpenedAt", Not(BeNil())))
	})

	It("that asks for an approval waits for one", func(ctx context.Context) {
		t, _ := newLimited(ctx, "1", platformv1alpha1.EnforceApproval, "prod")
		bob := t.approver(ctx, "bob")
		template := publish(ctx, sized(framework.Name("sized-")))
		component := deploy(ctx, framework.Component(t.home, "shop", template.Name, "prod"))
		Eventually(ctx, framework.Read(admin, component)).Should(framework.HaveCondition(isPromoted, no, platformv1alpha1.ReasonWaitingForSpendingApproval,
			"shop in prod adds 52.34 USD a month", "towpath approve -n "+t.home+" shop-prod-1"))
		decide(ctx, bob, "bob", t.release("shop", "prod", 1), platformv1alpha1.DecisionApprove, "")
		settled(ctx, component)
		Expect(read(ctx, t.release("shop", "prod", 1)).Status.Decisions).To(ContainElement(HaveField("Approver", "bob")))
	})

	It("that denies is broken by who may break the glass, and that stands in the Release", func(ctx context.Context) {
		t, _ := newLimited(ctx, "1", platformv1alpha1.EnforceDeny, "prod")
		template := publish(ctx, sized(framework.Name("sized-")))
		component := deploy(ctx, framework.Component(t.home, "shop", template.Name, "prod"))
		Eventually(ctx, framework.Read(admin, component)).Should(framework.HaveCondition(isPromoted, no, platformv1alpha1.ReasonSpendingDenied))
		decide(ctx, admin, "kubernetes-admin", t.release("shop", "prod", 1), platformv1alpha1.DecisionApprove, "")
		Consistently(ctx, framework.Read(admin, component), "1s").Should(framework.HaveCondition(isPromoted, no, platformv1alpha1.ReasonSpendingDenied), "an approval is not enough")
		decide(ctx, admin, "kubernetes-admin", t.release("shop", "prod", 1), platformv1alpha1.DecisionBreakGlass, "The shop is down.")
		settled(ctx, component)
		Expect(read(ctx, t.release("shop", "prod", 1)).Status.Decisions).To(ContainElement(And(
			HaveField("Decision", platformv1alpha1.DecisionBreakGlass), HaveField("Reason", "The shop is down."))))
	})

	It("has room for exactly one of two Components that come at the same time", func(ctx context.Context) {
		// Each costs 2 × (100,000 × 0.031611 + 0.004237) × 24 a day in what is left of the year.
		left := int64(time.Date(now.Now().UTC().Year()+1, 1, 1, 0, 0, 0, 0, time.UTC).Sub(now.Now().UTC().Truncate(24*time.Hour)) / (24 * time.Hour))
		t, _ := newLimited(ctx, platformv1alpha1.Amount(strconv.FormatInt(left*151733*3/2, 10)), platformv1alpha1.EnforceDeny, "dev")
		template := publish(ctx, sized(framework.Name("sized-")))
		one, two := framework.Component(t.home, "one", template.Name, "dev"), framework.Component(t.home, "two", template.Name, "dev")
		for _, c := range []*platformv1alpha1.Component{one, two} {
			c.Spec.Parameters = framework.JSON(`{cpu: "100000"}`)
		}
		deploy(ctx, one)
		deploy(ctx, two)
		Eventually(ctx, func(g Gomega) {
			entered, denied := 0, 0
			for _, c := range []*platformv1alpha1.Component{one, two} {
				release := t.release(c.Name, "dev", 1)
				g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(release), release)).To(Succeed())
				if release.Opened() {
					entered++
				} else {
					denied++
				}
			}
			g.Expect([]int{entered, denied}).To(Equal([]int{1, 1}))
		}).Should(Succeed(), "both need a moment to be planned")
	})
})
