package budget_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/notify"
	"github.com/towpath-dev/towpath/test/framework"
)

// key is a signing key; nothing secret.
var key = "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))

// receiver is a server that takes alerts as a webhook.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	got    []string
	status int
	// asked is how many requests there were, taken or not.
	asked int
}

func newReceiver() *receiver {
	r := &receiver{status: http.StatusNoContent}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.asked++
		if err == nil && r.status/100 == 2 {
			var event struct {
				Data notify.Alert `json:"data"`
			}
			if json.Unmarshal(body, &event) == nil && request.Header.Get("webhook-signature") != "" {
				r.got = append(r.got, string(event.Data.Basis)+" "+event.Data.Threshold)
			}
		}
		w.WriteHeader(r.status)
	}))
	DeferCleanup(r.Close)
	return r
}

func (r *receiver) answers(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

func (r *receiver) requests() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked
}

func (r *receiver) received() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string{}, r.got...)
}

// targets is one target.
func targets(kind platformv1alpha1.AlertTargetType, signed bool) []platformv1alpha1.AlertTarget {
	target := platformv1alpha1.AlertTarget{
		Name: "hook", Type: kind, SecretRef: platformv1alpha1.SecretKeyReference{Name: platformv1alpha1.AlertSecret, Key: "url"},
	}
	if signed {
		target.SigningKeysRef = &platformv1alpha1.SecretKeyReference{Name: platformv1alpha1.AlertSecret, Key: "key"}
	}
	return []platformv1alpha1.AlertTarget{target}
}

func told(b *platformv1alpha1.Budget) {
	b.Spec.Alerts = targets(platformv1alpha1.AlertTargetWebhook, true)
	b.Spec.Thresholds = []platformv1alpha1.BudgetThreshold{{Name: "half", Percent: 50}, {Name: "all", Percent: 100, Basis: platformv1alpha1.BasisForecast}}
}

// touch changes the spec of a Budget so that it is looked at, and nothing else. One that is gone needs no look.
func touch(ctx context.Context, b *platformv1alpha1.Budget) {
	GinkgoHelper()
	Eventually(func() error {
		fresh := &platformv1alpha1.Budget{}
		if err := admin.Get(ctx, client.ObjectKeyFromObject(b), fresh); err != nil {
			return client.IgnoreNotFound(err)
		}
		before := fresh.DeepCopy()
		fresh.Spec.Thresholds = append(fresh.Spec.Thresholds, platformv1alpha1.BudgetThreshold{Name: framework.Name("x"), Percent: int32(900 + len(fresh.Spec.Thresholds))})
		return client.IgnoreNotFound(admin.Patch(ctx, fresh, client.MergeFrom(before)))
	}).Should(Succeed())
}

// overLimit makes a Team that is over a limit, of which one receiver of its own and one of the platform are told.
func overLimit(ctx context.Context, hook, platform *receiver) *platformv1alpha1.Team {
	GinkgoHelper()
	team := newTeam(ctx)
	Expect(admin.Create(ctx, secret(team, map[string]string{"url": hook.URL, "key": key}))).To(Succeed())
	theirs := secret(team, map[string]string{"url": platform.URL, "key": key})
	theirs.Namespace = platformv1alpha1.SystemNamespace
	Expect(admin.Create(ctx, theirs)).To(Succeed())
	DeferCleanup(func(ctx context.Context) error { return admin.Delete(ctx, theirs) })
	spend(ctx, team.Name, "aws", "10", 60)
	team = read(ctx, team)
	limited("140", platformv1alpha1.EnforceDeny)(team)
	team.Spec.Alerts = targets(platformv1alpha1.AlertTargetWebhook, true)
	team.Spec.Spending.Alerts = targets(platformv1alpha1.AlertTargetWebhook, true)
	Expect(admin.Update(ctx, team)).To(Succeed())
	return team
}

var _ = Describe("An alert", func() {
	const half, forecast = "Actual 50% of 250 USD", "Forecast 100% of 250 USD"

	It("comes once for each threshold and period, also after a restart", func(ctx context.Context) {
		hook := newReceiver()
		team := newTeam(ctx)
		Expect(admin.Create(ctx, secret(team, map[string]string{"url": hook.URL + "/secret-path", "key": key}))).To(Succeed())
		spend(ctx, team.Name, "aws", "10", 60)
		b := newBudget(team, "250", told)
		Expect(admin.Create(ctx, b)).To(Succeed())
		Eventually(hook.received).Should(ConsistOf(half, forecast))
		Eventually(ctx, framework.Read(admin, b)).Should(framework.HaveCondition(
			platformv1alpha1.ConditionAlertsDelivered, metav1.ConditionTrue, platformv1alpha1.ReasonAlertsDelivered))
		Expect(cluster.StopManager()).To(Succeed())
		Expect(cluster.StartManager(ctx)).To(Succeed())
		touch(ctx, b)
		Eventually(func() int64 { b := read(ctx, b); return b.Generation - b.Status.ObservedGeneration }).Should(BeZero())
		Consistently(hook.received).Should(HaveLen(2))
		text, err := json.Marshal(read(ctx, b).Status)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(text)).NotTo(Or(ContainSubstring("secret-path"), ContainSubstring(key)))
	})

	It("that was decided and not sent when the manager ended is sent when it is back", func(ctx context.Context) {
		hook := newReceiver()
		hook.answers(http.StatusServiceUnavailable)
		team := newTeam(ctx)
		Expect(admin.Create(ctx, secret(team, map[string]string{"url": hook.URL, "key": key}))).To(Succeed())
		spend(ctx, team.Name, "aws", "10", 60)
		b := newBudget(team, "250", told)
		Expect(admin.Create(ctx, b)).To(Succeed())
		Eventually(ctx, framework.Read(admin, b)).Should(framework.HaveCondition(
			platformv1alpha1.ConditionAlertsDelivered, metav1.ConditionFalse, platformv1alpha1.ReasonAlertsWaiting, "2 wait for hook"))
		Expect(cluster.StopManager()).To(Succeed())
		// As it stands after the decision was written, and before the first attempt.
		fresh := read(ctx, b)
		before := fresh.DeepCopy()
		for i := range fresh.Status.Alerts.Outbox {
			d := &fresh.Status.Alerts.Outbox[i].Deliveries[0]
			*d = platformv1alpha1.AlertDelivery{Target: d.Target, Progress: "Pending"}
		}
		Expect(cluster.ManagerClient.Status().Patch(ctx, fresh, client.MergeFrom(before))).To(Succeed())
		hook.answers(http.StatusOK)
		Expect(cluster.StartManager(ctx)).To(Succeed())
		Eventually(hook.received).Should(ConsistOf(half, forecast))
		Consistently(hook.received).Should(HaveLen(2))
	})

	It("is tried again until the receiver takes it", func(ctx context.Context) {
		hook := newReceiver()
		hook.answers(http.StatusInternalServerError)
		team := newTeam(ctx)
		Expect(admin.Create(ctx, secret(team, map[string]string{"url": hook.URL, "key": key}))).To(Succeed())
		spend(ctx, team.Name, "aws", "10", 60)
		b := newBudget(team, "250", told)
		Expect(admin.Create(ctx, b)).To(Succeed())
		Eventually(ctx, framework.Read(admin, b)).Should(framework.HaveCondition(
			platformv1alpha1.ConditionAlertsDelivered, metav1.ConditionFalse, platformv1alpha1.ReasonAlertsWaiting, "500"))
		Expect(hook.received()).To(BeEmpty())
		hook.answers(http.StatusOK)
		clock.SetTime(clock.Now().Add(2 * time.Minute))
		touch(ctx, b)
		Eventually(hook.received).Should(ConsistOf(half, forecast))
		Eventually(ctx, framework.Read(admin, b)).Should(framework.HaveCondition(
			platformv1alpha1.ConditionAlertsDelivered, metav1.ConditionTrue, platformv1alpha1.ReasonAlertsDelivered))
	})

	DescribeTable("is not sent to an address inside, and says so without the URL", func(ctx context.Context, url, says string) {
		team := newTeam(ctx)
		Expect(admin.Create(ctx, secret(team, map[string]string{"url": url, "key": key}))).To(Succeed())
		spend(ctx, team.Name, "aws", "10", 60)
		b := newBudget(team, "250", told)
		Expect(admin.Create(ctx, b)).To(Succeed())
		Eventually(ctx, framework.Read(admin, b)).Should(framework.HaveCondition(
			platformv1alpha1.ConditionAlertsDelivered, metav1.ConditionFalse, platformv1alpha1.ReasonAlertsWaiting, says))
		text, err := json.Marshal(read(ctx, b).Status)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(text)).NotTo(ContainSubstring("hidden"))
	},
		Entry("one that gives out credentials", "http://169.254.169.254/hidden", "never reached"),
		Entry("a private one", "https://10.96.0.1/hidden", "leads to a private address"),
	)

	It("waits while its Secret is missing or may not be read, and says what to do", func(ctx context.Context) {
		team := newTeam(ctx)
		spend(ctx, team.Name, "aws", "10", 60)
		b := newBudget(team, "250", told)
		Expect(admin.Create(ctx, b)).To(Succeed())
		Eventually(ctx, framework.Read(admin, b)).Should(framework.HaveCondition(
			platformv1alpha1.ConditionAlertsDelivered, metav1.ConditionFalse, platformv1alpha1.ReasonAlertsWaiting, "Secret towpath-alerts is not in namespace "+team.Status.Namespace))
		other := newBudget(team, "250", told, func(b *platformv1alpha1.Budget) { b.Spec.Alerts[0].SecretRef.Name = "database" })
		Expect(admin.Create(ctx, other)).To(Succeed())
		Eventually(ctx, framework.Read(admin, other)).Should(framework.HaveCondition(
			platformv1alpha1.ConditionAlertsDelivered, metav1.ConditionFalse, platformv1alpha1.ReasonAlertsWaiting, "the manager may not read Secret database"))
		hook := newReceiver()
		Expect(admin.Create(ctx, secret(team, map[string]string{"url": hook.URL, "key": key}))).To(Succeed())
		touch(ctx, b)
		Eventually(hook.received).Should(ConsistOf(half, forecast))
	})

	It("of a limit of a Team goes to the team and to the platform", func(ctx context.Context) {
		hook, platform := newReceiver(), newReceiver()
		overLimit(ctx, hook, platform)
		for _, r := range []*receiver{hook, platform} {
			Eventually(r.received).Should(ConsistOf("Actual 80% of 140 USD", "Actual 100% of 140 USD", "Forecast 100% of 140 USD"))
		}
	})

	It("that stands when the limits of a Team are removed is ended, and what nobody can be told is said", func(ctx context.Context) {
		hook, platform := newReceiver(), newReceiver()
		platform.answers(http.StatusServiceUnavailable)
		team := overLimit(ctx, hook, platform)
		alerts := []string{"Actual 80% of 140 USD", "Actual 100% of 140 USD", "Forecast 100% of 140 USD"}
		Eventually(hook.received).Should(ConsistOf(alerts))
		hook.answers(http.StatusServiceUnavailable)
		team = read(ctx, team)
		team.Spec.Spending = nil
		Expect(admin.Update(ctx, team)).To(Succeed())
		Eventually(func(g Gomega) {
			status := read(ctx, team).Status.Spending
			g.Expect(status).NotTo(BeNil(), "the ends are owed")
			g.Expect(status.Limits).To(BeEmpty())
			g.Expect(status.Alerts.Outbox).To(ContainElement(HaveField("Alert.Status", "Resolved")))
		}).Should(Succeed())
		Eventually(func(g Gomega) {
			var list eventsv1.EventList
			g.Expect(admin.List(ctx, &list)).To(Succeed())
			g.Expect(list.Items).To(ContainElement(And(HaveField("Reason", "AlertsGivenUp"), HaveField("Regarding.Name", team.Name),
				HaveField("Note", And(ContainSubstring("3 alerts that were owed to targets which are gone"), ContainSubstring("3 alerts stood"))))))
		}).Should(Succeed())
		hook.answers(http.StatusNoContent)
		before := clock.Now()
		clock.SetTime(before.Add(time.Hour))
		DeferCleanup(func() { clock.SetTime(before) })
		team = read(ctx, team)
		team.Spec.Contacts = []platformv1alpha1.TeamContact{{Name: "chat", Address: "https://chat.example/shop"}}
		Expect(admin.Update(ctx, team)).To(Succeed(), "a change has it looked at now, and not at its next attempt")
		Eventually(hook.received).Should(ConsistOf(append(alerts, alerts...)))
		Eventually(func() *platformv1alpha1.TeamSpendingStatus { return read(ctx, team).Status.Spending }).Should(BeNil())
	})
})
