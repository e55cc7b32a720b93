package budget_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/controllers/budget"
	"github.com/towpath-dev/towpath/test/framework"
)

// owing is a Budget whose two alerts the receiver does not take.
func owing(ctx context.Context, hook *receiver) (*platformv1alpha1.Team, *platformv1alpha1.Budget) {
	GinkgoHelper()
	hook.answers(http.StatusServiceUnavailable)
	team := newTeam(ctx)
	Expect(admin.Create(ctx, secret(team, map[string]string{"url": hook.URL, "key": key}))).To(Succeed())
	spend(ctx, team.Name, "aws", "10", 60)
	b := newBudget(team, "250", told)
	Expect(admin.Create(ctx, b)).To(Succeed())
	Eventually(ctx, framework.Read(admin, b)).Should(framework.HaveCondition(
		platformv1alpha1.ConditionAlertsDelivered, metav1.ConditionFalse, platformv1alpha1.ReasonAlertsWaiting, "503"))
	return team, b
}

var _ = Describe("A Budget that is deleted", func() {
	It("goes at once where nothing is owed", func(ctx context.Context) {
		hook := newReceiver()
		team := newTeam(ctx)
		Expect(admin.Create(ctx, secret(team, map[string]string{"url": hook.URL, "key": key}))).To(Succeed())
		spend(ctx, team.Name, "aws", "10", 60)
		b := newBudget(team, "250", told)
		Expect(admin.Create(ctx, b)).To(Succeed())
		Eventually(hook.received).Should(HaveLen(2))
		Eventually(func() []string { return read(ctx, b).Finalizers }).Should(BeEmpty(), "nothing holds it once all is told")
		Expect(admin.Delete(ctx, b)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, b)).Should(BeTrue())
	})

	It("goes when what it owes is told", func(ctx context.Context) {
		hook := newReceiver()
		_, b := owing(ctx, hook)
		Expect(admin.Delete(ctx, b)).To(Succeed())
		Expect(read(ctx, b).DeletionTimestamp).NotTo(BeNil(), "it waits for its alerts")
		hook.answers(http.StatusOK)
		clock.SetTime(clock.Now().Add(2 * time.Minute))
		// It may have been looked at by itself, and be gone.
		Expect(client.IgnoreNotFound(admin.Patch(ctx, b, client.RawPatch(types.JSONPatchType,
			[]byte(`[{"op":"add","path":"/spec/thresholds/-","value":{"name":"x","percent":950}}]`))))).To(Succeed())
		Eventually(hook.received).Should(ConsistOf("Actual 50% of 250 USD", "Forecast 100% of 250 USD"))
		Eventually(ctx, framework.Gone(admin, b)).Should(BeTrue())
	})

	It("is tried once more before it goes, and not without end", func(ctx context.Context) {
		hook := newReceiver()
		_, b := owing(ctx, hook)
		Expect(admin.Delete(ctx, b)).To(Succeed())
		deleted := read(ctx, b).DeletionTimestamp
		Expect(deleted).NotTo(BeNil(), "it waits for its alerts")
		before, asked := clock.Now(), hook.requests()
		clock.SetTime(deleted.Add(budget.GiveUpAfter - 29*time.Second))
		DeferCleanup(func() { clock.SetTime(before) })
		touch(ctx, b)
		Eventually(hook.requests).Should(BeNumerically(">", asked))
		Consistently(hook.requests).WithTimeout(3*time.Second).Should(BeNumerically("<=", asked+2), "a receiver that fails is asked for each alert once")
	})

	It("goes after a time whose receivers are dead, and says what was given up", func(ctx context.Context) {
		hook := newReceiver()
		team, b := owing(ctx, hook)
		Expect(admin.Delete(ctx, b)).To(Succeed())
		deleted := read(ctx, b).DeletionTimestamp
		Expect(deleted).NotTo(BeNil(), "it waits for its alerts")
		before := clock.Now()
		clock.SetTime(deleted.Add(budget.GiveUpAfter))
		DeferCleanup(func() { clock.SetTime(before) })
		touch(ctx, b)
		Eventually(ctx, framework.Gone(admin, b)).Should(BeTrue())
		Eventually(func(g Gomega) {
			var list eventsv1.EventList
			g.Expect(admin.List(ctx, &list, client.InNamespace(team.Status.Namespace))).To(Succeed())
			g.Expect(list.Items).To(ContainElement(And(HaveField("Reason", "AlertsGivenUp"), HaveField("Type", "Warning"),
				HaveField("Note", ContainSubstring("2 alerts of Budget "+b.Name+" were given up")))))
		}).Should(Succeed())
	})

	It("goes with its namespace, whose Secret is gone", func(ctx context.Context) {
		hook := newReceiver()
		team, b := owing(ctx, hook)
		// As the controller of namespaces does, which does not run here.
		home := framework.TeamNamespace(team.Name)
		home.Name = team.Status.Namespace
		Expect(admin.Delete(ctx, home)).To(Succeed())
		Expect(admin.Delete(ctx, secret(team, nil))).To(Succeed())
		Expect(admin.Delete(ctx, b)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, b)).Should(BeTrue())
	})
})

var _ = Describe("Slow receivers", func() {
	It("of many Budgets of a team hold up neither the alerts nor the figures of another", func(ctx context.Context) {
		answers := make(chan struct{})
		slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-answers:
			case <-r.Context().Done():
			}
		}))
		DeferCleanup(slow.Close)
		DeferCleanup(func() { close(answers) })
		theirs := newTeam(ctx)
		Expect(admin.Create(ctx, secret(theirs, map[string]string{"url": slow.URL, "key": key}))).To(Succeed())
		spend(ctx, theirs.Name, "aws", "10", 60)
		var many []*platformv1alpha1.Budget
		for range 16 {
			b := newBudget(theirs, "250", told)
			Expect(admin.Create(ctx, b)).To(Succeed())
			many = append(many, b)
		}
		for _, b := range many {
			Eventually(ctx, framework.Read(admin, b)).WithTimeout(5*time.Second).Should(
				framework.HaveCondition(platformv1alpha1.ConditionAlertsDelivered, metav1.ConditionFalse, platformv1alpha1.ReasonAlertsWaiting),
				"the figures of each are there, while a request of others waits for its answer")
		}
		hook := newReceiver()
		team := newTeam(ctx)
		Expect(admin.Create(ctx, secret(team, map[string]string{"url": hook.URL, "key": key}))).To(Succeed())
		spend(ctx, team.Name, "aws", "10", 60)
		Expect(admin.Create(ctx, newBudget(team, "250", told))).To(Succeed())
		Eventually(hook.received).WithTimeout(5 * time.Second).Should(HaveLen(2))
	})
})
