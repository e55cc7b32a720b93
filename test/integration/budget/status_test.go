package budget_test

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/shopspring/decimal"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/history"
	"github.com/towpath-dev/towpath/test/framework"
)

var _ = Describe("A Budget", func() {
	It("says how much of it is spent, by bills, and whether it will hold", func(ctx context.Context) {
		team := newTeam(ctx)
		spend(ctx, team.Name, "aws", "10", 60)
		spend(ctx, team.Name, "towpath-estimates", "99", 60)
		b := newBudget(team, "250")
		Expect(admin.Create(ctx, b)).To(Succeed())
		Eventually(ctx, framework.Read(admin, b)).Should(And(
			framework.HaveCondition(platformv1alpha1.ConditionReady, metav1.ConditionTrue, platformv1alpha1.ReasonReady,
				"140.00 USD of 250.00 USD are spent in 2026-11, and 300.00 USD are expected, by bills."),
			framework.HaveCondition(platformv1alpha1.ConditionWithinBudget, metav1.ConditionTrue, platformv1alpha1.ReasonWithinBudget),
			framework.HaveCondition(platformv1alpha1.ConditionForecastWithinBudget, metav1.ConditionFalse, platformv1alpha1.ReasonForecastExceeded),
		))
		status := read(ctx, b).Status
		Expect(status.Source).To(Equal(platformv1alpha1.CostFromBills))
		Expect(status.Team).To(Equal(team.Name))
		Expect(status.SpentPercent).To(Equal(int32(56)))
		Expect(status.BurnRate).To(Equal(platformv1alpha1.Amount("10")))
		Expect(status.Forecast.Low).NotTo(BeEmpty())
		Expect(status.ExhaustedOn).To(Equal("2026-11-25"))
		Expect(*status.DaysUntilExhausted).To(Equal(int32(9)))
		Expect(status.Daily).To(HaveLen(14))
		Expect(status.ByComponent).To(Equal([]platformv1alpha1.CostShare{{Name: "checkout", Amount: "140"}}))
		Expect(status.ByService).To(Equal([]platformv1alpha1.CostShare{{Name: "Compute", Amount: "140"}}))
	})

	It("tells sums of more than fifteen digits", func(ctx context.Context) {
		team := newTeam(ctx)
		spend(ctx, team.Name, "aws", "600000000000000.123456789012", 14)
		b := newBudget(team, "99999999999999999999", told)
		Expect(admin.Create(ctx, b)).To(Succeed())
		Eventually(ctx, framework.Read(admin, b)).Should(framework.HaveCondition(platformv1alpha1.ConditionReady, metav1.ConditionTrue, platformv1alpha1.ReasonReady))
		Expect(string(read(ctx, b).Status.Spent)).To(Equal("8400000000000001.7284"))
	})

	It("says which day it cannot be reckoned with, and keeps the figures of before", func(ctx context.Context) {
		team := newTeam(ctx)
		spend(ctx, team.Name, "aws", "10", 60)
		b := newBudget(team, "250")
		Expect(admin.Create(ctx, b)).To(Succeed())
		Eventually(ctx, framework.Read(admin, b)).Should(framework.BeReady())
		spend(ctx, team.Name, "aws", "6000000000000000", 14)
		b = read(ctx, b)
		b.Spec.Amount = "251"
		Expect(admin.Update(ctx, b)).To(Succeed())
		Eventually(ctx, framework.Read(admin, b)).Should(framework.HaveCondition(platformv1alpha1.ConditionReady, metav1.ConditionFalse,
			platformv1alpha1.ReasonHistoryUnavailable, "the usage of 2026-11-01 are no amount of money"))
		Expect(read(ctx, b).Status.Spent).To(Equal(platformv1alpha1.Amount("140")))
	})

	It("says that figures are estimates where no bill is read, and that nothing is recorded where nothing is", func(ctx context.Context) {
		team := newTeam(ctx)
		b := newBudget(team, "250")
		Expect(admin.Create(ctx, b)).To(Succeed())
		Eventually(ctx, framework.Read(admin, b)).Should(And(
			framework.HaveCondition(platformv1alpha1.ConditionReady, metav1.ConditionTrue, "", "nothing is recorded of any day yet"),
			framework.HaveCondition(platformv1alpha1.ConditionForecastWithinBudget, metav1.ConditionUnknown, platformv1alpha1.ReasonForecastUnknown),
		))
		other := newTeam(ctx)
		spend(ctx, other.Name, "towpath-estimates", "10", 60)
		b = newBudget(other, "250")
		Expect(admin.Create(ctx, b)).To(Succeed())
		Eventually(ctx, framework.Read(admin, b)).Should(
			framework.HaveCondition(platformv1alpha1.ConditionReady, metav1.ConditionTrue, "", "by estimates: no bill is read"))
		Expect(read(ctx, b).Status.Source).To(Equal(platformv1alpha1.CostFromEstimates))
	})

	It("counts what its scope selects, and names what is in another currency", func(ctx context.Context) {
		team := newTeam(ctx)
		record(ctx, team.Name, "aws", func(yield func(history.Figure, error) bool) {
			for _, f := range []struct{ environment, component, service, currency string }{
				{"prod", "checkout", "Compute", "USD"}, {"prod", "orders", "Database", "USD"}, {"dev", "checkout", "Compute", "USD"}, {"prod", "checkout", "Compute", "EUR"},
			} {
				figure := history.Figure{Day: today - 3, Series: history.Series{
					Team: team.Name, Environment: f.environment, Component: f.component, Service: f.service, Category: history.Usage, Currency: f.currency,
				}, Effective: decimal.NewFromInt(7)}
				if !yield(figure, nil) {
					return
				}
			}
		})
		for amount, scope := range map[string]platformv1alpha1.BudgetScope{
			"21": {}, "14": {Environments: []string{"prod"}}, "7": {Environments: []string{"prod"}, Components: []string{"checkout"}}, "7.0": {Services: []string{"Database"}},
		} {
			b := newBudget(team, "250", func(b *platformv1alpha1.Budget) { b.Spec.Scope = scope })
			Expect(admin.Create(ctx, b)).To(Succeed())
			Eventually(ctx, framework.Read(admin, b)).Should(framework.BeReady())
			Expect(string(read(ctx, b).Status.Spent)).To(Equal(strings.TrimSuffix(amount, ".0")))
			if scope.Services == nil {
				Expect(read(ctx, b).Status.OtherCurrencies).To(Equal([]string{"7 EUR"}))
			}
		}
	})

	It("names the Releases that stepped the daily cost, and what was out of the ordinary", func(ctx context.Context) {
		team := newTeam(ctx)
		stepped := today - 20
		record(ctx, team.Name, "aws", func(yield func(history.Figure, error) bool) {
			for i := range 90 {
				day, amount := today-2-history.Day(i), int64(100)
				if day >= stepped {
					amount = 200
				}
				figure := history.Figure{Day: day, Series: history.Series{
					Team: team.Name, Environment: "prod", Component: "checkout", Service: "Compute", Category: history.Usage, Currency: "USD",
				}, Effective: decimal.NewFromInt(amount + int64(i%3))}
				if !yield(figure, nil) {
					return
				}
			}
		})
		ran := release(ctx, team, "checkout", "1")
		before := ran.DeepCopy()
		applied := metav1.NewTime(stepped.Time())
		ran.Status.AppliedAt = &applied
		Expect(cluster.ManagerClient.Status().Patch(ctx, ran, client.MergeFrom(before))).To(Succeed())
		b := newBudget(team, "4000")
		Expect(admin.Create(ctx, b)).To(Succeed())
		Eventually(ctx, framework.Read(admin, b)).Should(framework.BeReady())
		status := read(ctx, b).Status
		Expect(status.CostOfChange).To(HaveLen(1))
		Expect(status.CostOfChange[0].Day).To(Equal(stepped.String()))
		Expect(status.CostOfChange[0].Releases).To(Equal([]string{"checkout in prod: checkout-prod-1"}))
		Expect(string(status.CostOfChange[0].Amount)).To(HavePrefix("99.9"))
		Expect(status.Anomalies).To(HaveLen(1))
		Expect(status.Anomalies[0].Kind).To(Equal("Step"))
		Expect(status.Anomalies[0].Cause).To(ContainSubstring("100 % of it is Component checkout"))
	})

	It("counts no source of which there is no CostSource", func(ctx context.Context) {
		team := newTeam(ctx)
		spend(ctx, team.Name, "left-behind", "1000", 60)
		spend(ctx, team.Name, "aws", "10", 60)
		b := newBudget(team, "250")
		Expect(admin.Create(ctx, b)).To(Succeed())
		Eventually(ctx, framework.Read(admin, b)).Should(framework.BeReady())
		Expect(read(ctx, b).Status.Spent).To(Equal(platformv1alpha1.Amount("140")))
		Expect(read(ctx, b).Status.Source).To(Equal(platformv1alpha1.CostFromBills))
	})

	It("is written once, and not again while nothing changes", func(ctx context.Context) {
		team := newTeam(ctx)
		spend(ctx, team.Name, "aws", "10", 60)
		b := newBudget(team, "250")
		Expect(admin.Create(ctx, b)).To(Succeed())
		Eventually(ctx, framework.Read(admin, b)).Should(framework.BeReady())
		Expect(cluster.StopManager()).To(Succeed())
		before := read(ctx, b).ResourceVersion
		Expect(cluster.StartManager(ctx)).To(Succeed())
		other := newBudget(team, "251")
		Expect(admin.Create(ctx, other)).To(Succeed())
		Eventually(ctx, framework.Read(admin, other)).Should(framework.BeReady())
		Consistently(func() string { return read(ctx, b).ResourceVersion }).Should(Equal(before))
	})

	It("is refused where it means nothing, and warned of where it does nothing yet", func(ctx context.Context) {
		team := newTeam(ctx)
		for text, change := range map[string]func(*platformv1alpha1.Budget){
			"must be a code of ISO 4217":        func(b *platformv1alpha1.Budget) { b.Spec.Currency = "XXX" },
			"amount must be more than nothing":  func(b *platformv1alpha1.Budget) { b.Spec.Amount = "0.00" },
			"amount must be more than nothing ": func(b *platformv1alpha1.Budget) { b.Spec.Amount = "-5" },
			"must be set where type is Custom":  func(b *platformv1alpha1.Budget) { b.Spec.Period.From, b.Spec.Period.Until = "2026-01-01", "2026-01-02" },
			"until must not be before from":     func(b *platformv1alpha1.Budget) { b.Spec.Period = custom("2026-02-01", "2026-01-01") },
			"must be a day of the calendar":     func(b *platformv1alpha1.Budget) { b.Spec.Period = custom("2026-02-30", "2026-03-01") },
			"must be Alert where scope.services": func(b *platformv1alpha1.Budget) {
				b.Spec.Scope.Services, b.Spec.Enforcement = []string{"a"}, platformv1alpha1.EnforceDeny
			},
			"must have either percent or amount": func(b *platformv1alpha1.Budget) { b.Spec.Thresholds = []platformv1alpha1.BudgetThreshold{{Name: "a"}} },
			"must select something":              func(b *platformv1alpha1.Budget) { b.Spec.Scope.ComponentSelector = &metav1.LabelSelector{} },
			"must differ from the threshold a": func(b *platformv1alpha1.Budget) {
				b.Spec.Thresholds = []platformv1alpha1.BudgetThreshold{{Name: "a", Percent: 5}, {Name: "b", Percent: 5}}
			},
			"signingKeysRef must be set where type is": func(b *platformv1alpha1.Budget) { b.Spec.Alerts = targets(platformv1alpha1.AlertTargetWebhook, false) },
		} {
			err := admin.Create(ctx, newBudget(team, "250", change))
			Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%v", err)
			Expect(err.Error()).To(ContainSubstring(strings.TrimSpace(text)))
		}
		unchecked := newBudget(team, "250", func(b *platformv1alpha1.Budget) {
			b.Spec.Currency, b.Labels = "XXX", map[string]string{framework.LabelUnchecked: ""}
		})
		Expect(admin.Create(ctx, unchecked)).To(Succeed())
		Eventually(ctx, framework.Read(admin, unchecked)).Should(framework.BeStalled(platformv1alpha1.ReasonBudgetInvalid, "spec.currency", "XXX"))
	})

	It("is for developers to write, and cannot loosen what the platform allows", func(ctx context.Context) {
		team := newTeam(ctx, limited("100", platformv1alpha1.EnforceDeny))
		spend(ctx, team.Name, "aws", "10", 60)
		dora, err := cluster.UserClient("dora-" + team.Name)
		Expect(err).NotTo(HaveOccurred())
		wide := newBudget(team, "100000")
		Eventually(func() error { return dora.Create(ctx, wide) }).Should(Succeed()) // the authorizer lags behind the binding
		Eventually(ctx, framework.Read(admin, wide)).Should(framework.HaveCondition(platformv1alpha1.ConditionReady, metav1.ConditionTrue, "",
			"It is looser than team "+team.Name+"'s limit monthly of 100.00 USD, which holds all the same"))

		raised := read(ctx, team)
		raised.Spec.Spending.Limits[0].Amount = "100000"
		Expect(apierrors.IsForbidden(dora.Update(ctx, raised))).To(BeTrue())
		Expect(apierrors.IsForbidden(dora.Status().Update(ctx, raised))).To(BeTrue())
		forged := read(ctx, wide)
		forged.Status.Spent = "0"
		Expect(apierrors.IsForbidden(dora.Status().Update(ctx, forged))).To(BeTrue())
		Expect(apierrors.IsForbidden(admin.Status().Patch(ctx, forged, client.MergeFrom(read(ctx, wide))))).To(BeTrue())

		verdict, err := newGate().Ask(ctx, team.Name, team.Status.Namespace, adds(team, "checkout", "1"))
		Expect(err).NotTo(HaveOccurred())
		Expect(string(verdict.Decision)).To(Equal("Deny"))
		Expect(verdict.Message).To(ContainSubstring("ask the platform team to raise spec.spending.limits[monthly] of Team " + team.Name))
	})
})

var _ = Describe("A Team with limits", func() {
	It("says how it stands to a limit also where another cannot be reckoned, and takes back no alert of that", func(ctx context.Context) {
		team := newTeam(ctx)
		figures := func(amount string) {
			record(ctx, team.Name, "aws", func(yield func(history.Figure, error) bool) {
				for environment, amount := range map[string]string{"prod": amount, "dev": "10"} {
					if !yield(history.Figure{Day: today - 3, Effective: decimal.RequireFromString(amount), Series: history.Series{
						Team: team.Name, Environment: environment, Component: "checkout", Service: "Compute", Category: history.Usage, Currency: "USD",
					}}, nil) {
						return
					}
				}
			})
		}
		figures("95")
		team.Spec.Spending = &platformv1alpha1.TeamSpending{Limits: []platformv1alpha1.SpendingLimit{
			{Name: "prod", Amount: "100", Currency: "USD", Enforcement: platformv1alpha1.EnforceDeny, Environments: []string{"prod"}},
			{Name: "dev", Amount: "100", Currency: "USD", Enforcement: platformv1alpha1.EnforceDeny, Environments: []string{"dev"}},
		}}
		Expect(admin.Update(ctx, team)).To(Succeed())
		spent := func() map[string]string {
			all := map[string]string{}
			if status := read(ctx, team).Status.Spending; status != nil {
				for _, limit := range status.Limits {
					all[limit.Name] = string(limit.Spent)
				}
			}
			return all
		}
		Eventually(spent).Should(Equal(map[string]string{"prod": "95", "dev": "10"}))
		fired := read(ctx, team).Status.Spending.Alerts.Fired
		Expect(fired).NotTo(BeEmpty())

		figures("6000000000000000")
		team = read(ctx, team)
		team.Spec.Spending.Limits[1].Amount = "200"
		Expect(admin.Update(ctx, team)).To(Succeed())
		Eventually(func() platformv1alpha1.Amount { return read(ctx, team).Status.Spending.Limits[1].Amount }).Should(Equal(platformv1alpha1.Amount("200")))
		Expect(spent()).To(Equal(map[string]string{"prod": "95", "dev": "10"}))
		Expect(read(ctx, team).Status.Spending.Alerts.Fired).To(Equal(fired))
	})

	It("says how it stands to each, and is refused with a currency that is none", func(ctx context.Context) {
		team := newTeam(ctx)
		spend(ctx, team.Name, "aws", "10", 60)
		limited("200", platformv1alpha1.EnforceDeny)(team)
		Expect(admin.Update(ctx, team)).To(Succeed())
		Eventually(func() *platformv1alpha1.TeamSpendingStatus { return read(ctx, team).Status.Spending }).ShouldNot(BeNil())
		Expect(read(ctx, team).Status.Spending.Limits).To(HaveLen(1))
		limit := read(ctx, team).Status.Spending.Limits[0]
		Expect(limit.Spent).To(Equal(platformv1alpha1.Amount("140")))
		Expect(limit.Forecast.Amount).To(Equal(platformv1alpha1.Amount("300")))
		team = read(ctx, team)
		team.Spec.Spending.Limits[0].Currency = "XXX"
		Expect(admin.Update(ctx, team)).To(MatchError(ContainSubstring("must be a code of ISO 4217")))
		team.Spec.Spending = nil
		Expect(admin.Update(ctx, team)).To(Succeed())
		Eventually(func() *platformv1alpha1.TeamSpendingStatus { return read(ctx, team).Status.Spending }).Should(BeNil())
	})
})

func custom(from, until string) platformv1alpha1.SpendingPeriod {
	return platformv1alpha1.SpendingPeriod{Type: platformv1alpha1.PeriodCustom, From: from, Until: until}
}

// november is the month in which the clock of the suite stands, and no other: what follows it decides nothing.
var november = platformv1alpha1.SpendingPeriod{Type: platformv1alpha1.PeriodCustom, From: "2026-11-01", Until: "2026-11-30"}

// once has the limit of a Team hold in november alone.
func once(team *platformv1alpha1.Team) { team.Spec.Spending.Limits[0].Period = november }

// limited gives a Team a limit.
func limited(amount string, enforcement platformv1alpha1.Enforcement) func(*platformv1alpha1.Team) {
	return func(team *platformv1alpha1.Team) {
		team.Spec.Spending = &platformv1alpha1.TeamSpending{Limits: []platformv1alpha1.SpendingLimit{{
			Name: "monthly", Amount: platformv1alpha1.Amount(amount), Currency: "USD", Enforcement: enforcement,
		}}}
	}
}
