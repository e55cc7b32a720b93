package budget_test

import (
	"context"
	"fmt"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/shopspring/decimal"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/controllers/spending"
	limits "github.com/towpath-dev/towpath/internal/spending"
	"github.com/towpath-dev/towpath/test/framework"
)

// newGate is a gate with the rights of the manager. Each is as one in a process of its own: only the API server keeps them apart.
func newGate() *spending.Gate {
	c := cluster.ManagerClient
	return &spending.Gate{Client: c, Live: c, Reader: &spending.Reader{Reader: c, Store: store}, Clock: clock}
}

// adds is a change that adds so much a month in production.
func adds(team *platformv1alpha1.Team, component, monthly string) limits.Change {
	return limits.Change{
		Place: limits.Place{Component: component, Environment: "prod"}, Namespace: team.Status.Namespace, Release: component + "-prod-1",
		Tier: platformv1alpha1.TierProduction, After: decimal.RequireFromString(monthly), Currency: "USD",
	}
}

var _ = Describe("The gate", func() {
	It("lets in exactly one of many that come at once to the edge of a limit", func(ctx context.Context) {
		// 300 are expected, and 730 a month add 360 in the 15 days that are left.
		team := newTeam(ctx, limited("700", platformv1alpha1.EnforceDeny), once)
		spend(ctx, team.Name, "aws", "10", 60)
		gates := []*spending.Gate{newGate(), newGate(), newGate()}
		var wait sync.WaitGroup
		var mu sync.Mutex
		decisions := map[limits.Decision]int{}
		for i := range 12 {
			wait.Go(func() {
				defer GinkgoRecover()
				change := adds(team, fmt.Sprintf("c%d", i), "730")
				var verdict limits.Verdict
				Eventually(func() (err error) { // a conflict is asked again, as a controller does
					verdict, err = gates[i%len(gates)].Ask(ctx, team.Name, team.Status.Namespace, change)
					return err
				}).Should(Succeed())
				mu.Lock()
				defer mu.Unlock()
				decisions[verdict.Decision]++
			})
		}
		wait.Wait()
		Expect(decisions).To(Equal(map[limits.Decision]int{limits.Allow: 1, limits.Deny: 11}))
		Expect(read(ctx, team).Status.Spending.Reservations).To(HaveLen(1))
	})

	It("keeps room for what it let in when it is asked again, and lets reductions and rollbacks pass", func(ctx context.Context) {
		team := newTeam(ctx, limited("700", platformv1alpha1.EnforceDeny), once)
		spend(ctx, team.Name, "aws", "10", 60)
		gate := newGate()
		ask := func(change limits.Change) limits.Verdict {
			verdict, err := gate.Ask(ctx, team.Name, team.Status.Namespace, change)
			Expect(err).NotTo(HaveOccurred())
			return verdict
		}
		Expect(ask(adds(team, "a", "730")).Decision).To(Equal(limits.Allow))
		version := read(ctx, team).Status.Spending.Reservations
		Expect(ask(adds(team, "a", "730")).Decision).To(Equal(limits.Allow))
		Expect(read(ctx, team).Status.Spending.Reservations).To(Equal(version))
		Expect(ask(adds(team, "b", "730")).Decision).To(Equal(limits.Deny))
		back, less := adds(team, "b", "730"), adds(team, "b", "730")
		back.Back, less.Before = true, decimal.NewFromInt(731)
		Expect(ask(back).Decision).To(Equal(limits.Allow))
		Expect(ask(less).Decision).To(Equal(limits.Allow))
		open := adds(team, "b", "730")
		open.BreakGlassBy = "olga"
		Expect(ask(open).LetInBy).To(Equal("olga"))
	})

	It("gives the room back once the Release counts itself, and not while that waits at a gate", func(ctx context.Context) {
		team := newTeam(ctx, limited("700", platformv1alpha1.EnforceDeny), once)
		spend(ctx, team.Name, "aws", "10", 60)
		gate := newGate()
		ask := func(component string) limits.Decision {
			verdict, err := gate.Ask(ctx, team.Name, team.Status.Namespace, adds(team, component, "730"))
			Expect(err).NotTo(HaveOccurred())
			return verdict.Decision
		}
		release(ctx, team, "waits", "73000", func(r *platformv1alpha1.Release) { r.Spec.Gate = &platformv1alpha1.Gate{Approvals: 1} })
		Expect(ask("a")).To(Equal(limits.Allow), "what waits keeps nobody out")
		release(ctx, team, "a", "730")
		Expect(ask("b")).To(Equal(limits.Deny), "the Release counts in place of the room that was kept")
		touched := read(ctx, team)
		touched.Spec.Spending.Limits[0].Amount = "1100"
		Expect(admin.Update(ctx, touched)).To(Succeed())
		Eventually(func() []platformv1alpha1.SpendingReservation { return read(ctx, team).Status.Spending.Reservations }).Should(BeEmpty())
		Expect(ask("b")).To(Equal(limits.Allow), "there is room for one more")
		Expect(ask("c")).To(Equal(limits.Deny))
	})

	It("holds to the Budgets of a home that has no Team, and to the stricter of both", func(ctx context.Context) {
		name := framework.Name("t")
		home := framework.TeamNamespace(name)
		Expect(admin.Create(ctx, home)).To(Succeed())
		team := framework.Team(name)
		team.Status.Namespace = home.Name
		spend(ctx, name, "aws", "10", 60)
		b := newBudget(team, "700", func(b *platformv1alpha1.Budget) {
			b.Spec.Enforcement, b.Spec.Period = platformv1alpha1.EnforceApproval, november
		})
		Expect(admin.Create(ctx, b)).To(Succeed())
		gate := newGate()
		first, err := gate.Ask(ctx, name, home.Name, adds(team, "a", "730"))
		Expect(err).NotTo(HaveOccurred())
		Expect(first.Decision).To(Equal(limits.Allow))
		Expect(read(ctx, b).Status.Reservations).To(HaveLen(1))
		second, err := gate.Ask(ctx, name, home.Name, adds(team, "b", "730"))
		Expect(err).NotTo(HaveOccurred())
		Expect(second.Decision).To(Equal(limits.RequireApproval))
		Expect(second.Message).To(ContainSubstring("raise spec.amount of Budget " + b.Name))
	})
})
