package kind

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/shopspring/decimal"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/notify"
	"github.com/towpath-dev/towpath/test/framework"
)

const (
	// receiverNamespace and receiverName are where alerts go and the bill is: the manager's configuration in config/manager.yaml allows it.
	receiverNamespace, receiverName = "alerts", "receiver"
	receiverURL                     = "http://" + receiverName + "." + receiverNamespace + ".svc:8080"
	date                            = "2006-01-02"
)

// billed are the days of which the bill tells, 10 USD each: the last was three days ago, so that all are final.
func billed(today time.Time) []time.Time {
	var days []time.Time
	for back := 10; back >= 3; back-- {
		days = append(days, today.AddDate(0, 0, -back))
	}
	return days
}

// bill is one in FOCUS.
func bill(team string, days []time.Time) string {
	text := "BilledCost,EffectiveCost,BillingCurrency,ChargeCategory,ServiceName,ChargePeriodStart,BillingPeriodStart,ServiceProviderName,Tags\n"
	for _, day := range days {
		text += fmt.Sprintf("12,10,USD,Usage,Databases,%sT00:00:00Z,%s-01T00:00:00Z,Cloud,%s\n", day.Format(date), day.Format("2006-01"),
			`"{""team"":""`+team+`"",""component"":""orders""}"`)
	}
	return text
}

// startReceiver starts what takes alerts and hands out a bill.
func startReceiver(ctx context.Context, key, bill string) {
	GinkgoHelper()
	makeNamespace(ctx, receiverNamespace)
	meta := metav1.ObjectMeta{Namespace: receiverNamespace, Name: receiverName, Labels: map[string]string{"app": receiverName}}
	Expect(kind.Create(ctx, &corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{Selector: meta.Labels, Ports: []corev1.ServicePort{{Port: 8080}}}})).To(Succeed())
	Expect(kind.Create(ctx, &corev1.Pod{ObjectMeta: meta, Spec: corev1.PodSpec{Containers: []corev1.Container{{
		Name: receiverName, Image: image("1"), Args: []string{"receive"}, Env: []corev1.EnvVar{{Name: "KEY", Value: key}, {Name: "BILL", Value: bill}},
	}}}})).To(Succeed())
	// As soon as the node knows the Service: a bill that cannot be fetched is tried again a minute later.
	call(ctx, receiverNamespace, receiverURL+"/alerts")
	Expect(received(ctx)).To(BeEmpty())
}

// received are the alerts that the receiver got, each signed with its key.
func received(ctx context.Context) ([]notify.Alert, error) {
	raw, err := kind.clientset.CoreV1().Services(receiverNamespace).ProxyGet("http", receiverName, "8080", "/alerts", nil).DoRaw(ctx)
	if err != nil {
		return nil, err
	}
	var events []struct {
		Data notify.Alert `json:"data"`
	}
	err = json.Unmarshal(raw, &events)
	var alerts []notify.Alert
	for i := range events {
		alerts = append(alerts, events[i].Data)
	}
	return alerts, err
}

// is matches an amount, however many digits it is written with.
func is(amount string) OmegaMatcher {
	return WithTransform(func(a platformv1alpha1.Amount) (decimal.Decimal, error) { return decimal.NewFromString(string(a)) },
		WithTransform(func(d decimal.Decimal) bool { return d.Equal(decimal.RequireFromString(amount)) }, BeTrue()))
}

var _ = Describe("What a team spends", func() {
	It("is read from a bill, told to a receiver in the cluster, held to its limit by the forecast, and reported", func(ctx context.Context) {
		today := time.Now().UTC()
		days := billed(today)
		// One that is open for weeks, whatever day it is.
		period := platformv1alpha1.SpendingPeriod{Type: platformv1alpha1.PeriodCustom, From: days[0].Format(date), Until: today.AddDate(0, 0, 30).Format(date)}
		spec := framework.Team(framework.Name("t-"))
		spec.Spec.Spending = &platformv1alpha1.TeamSpending{Limits: []platformv1alpha1.SpendingLimit{{
			Name: "season", Amount: "1000", Currency: "USD", Period: period, Enforcement: platformv1alpha1.EnforceDeny,
		}}}
		t := makeTeam(ctx, spec)
		t.environment(ctx, "dev", "development")
		web := t.web(ctx, "web", "1", "dev")
		running(ctx, web)
		key := "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))
		startReceiver(ctx, key, bill(t.name, days))

		By("a bill")
		source := &platformv1alpha1.CostSource{ObjectMeta: metav1.ObjectMeta{Name: framework.Name("bill-")}, Spec: platformv1alpha1.CostSourceSpec{
			Type:  platformv1alpha1.CostSourceFOCUS,
			FOCUS: &platformv1alpha1.FOCUSSource{HTTP: &platformv1alpha1.FOCUSHTTP{URLs: []string{receiverURL + "/bill.csv"}}},
		}}
		Expect(kind.Create(ctx, source)).To(Succeed())
		DeferCleanup(func(ctx context.Context) {
			Expect(kind.Delete(ctx, source)).To(Succeed())
			Eventually(framework.Gone(kind, source)).WithContext(ctx).Should(BeTrue())
		})
		Eventually(framework.Read(kind, source)).WithContext(ctx).Should(framework.HaveCondition(
			platformv1alpha1.ConditionReady, metav1.ConditionTrue, platformv1alpha1.ReasonImported))

		By("a budget that is spent, and an alert")
		Expect(kind.Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: t.home, Name: platformv1alpha1.AlertSecret}, StringData: map[string]string{"url": receiverURL + "/alerts", "key": key},
		})).To(Succeed())
		budget := &platformv1alpha1.Budget{ObjectMeta: metav1.ObjectMeta{Namespace: t.home, Name: "season"}, Spec: platformv1alpha1.BudgetSpec{
			Amount: "100", Currency: "USD", Period: period,
			Thresholds: []platformv1alpha1.BudgetThreshold{
				{Name: "most", Percent: 80}, {Name: "all", Percent: 100}, {Name: "soon", Percent: 100, Basis: platformv1alpha1.BasisForecast},
			},
			Alerts: []platformv1alpha1.AlertTarget{{
				Name: "hook", Type: platformv1alpha1.AlertTargetWebhook,
				SecretRef:      platformv1alpha1.SecretKeyReference{Name: platformv1alpha1.AlertSecret, Key: "url"},
				SigningKeysRef: &platformv1alpha1.SecretKeyReference{Name: platformv1alpha1.AlertSecret, Key: "key"},
			}},
		}}
		Expect(kind.Create(ctx, budget)).To(Succeed())
		Eventually(framework.Read(kind, budget)).WithContext(ctx).Should(And(
			HaveField("Status.Source", platformv1alpha1.CostFromBills), HaveField("Status.Spent", is("80")),
			framework.HaveCondition(platformv1alpha1.ConditionAlertsDelivered, metav1.ConditionTrue, platformv1alpha1.ReasonAlertsDelivered)))
		Expect(received(ctx)).To(And(HaveLen(2), HaveEach(And(HaveField("Team", t.name), HaveField("Name", "season"))),
			ContainElement(And(HaveField("Threshold", "80% of 100 USD"), HaveField("Basis", notify.Actual), HaveField("Spent", HavePrefix("80")))),
			ContainElement(And(HaveField("Threshold", "100% of 100 USD"), HaveField("Basis", notify.Forecast)))))

		By("a Release that the limit does not hold")
		huge := t.component("huge", "web-service", "1", `{replicas: {min: 1, max: 1}, resources: {cpu: "60", memory: 32Mi}, shutdown: {delaySeconds: 2, drainSeconds: 20}}`, "dev")
		Expect(kind.Create(ctx, huge)).To(Succeed())
		Eventually(framework.Read(kind, huge)).WithContext(ctx).Should(framework.HaveCondition(
			platformv1alpha1.ConditionPromoted, metav1.ConditionFalse, platformv1alpha1.ReasonSpendingDenied,
			"limit season is 1000.00 USD", "the forecast is ", "It is not let in", "raise spec.spending.limits[season] of Team "+t.name))
		Expect(allPods(t.namespace(ctx, "dev"), "huge")(ctx)).To(BeEmpty())
		Expect(kind.towpath(ctx, "status", "-n", t.home, "huge")).To(ContainSubstring("limit season"))

		By("and one that it does")
		before := huge.DeepCopy()
		huge.Spec.Parameters = framework.JSON(small)
		Expect(kind.Patch(ctx, huge, client.MergeFrom(before))).To(Succeed())
		running(ctx, huge)
		Expect(received(ctx)).To(HaveLen(2), "nothing is told twice")

		By("the report")
		month := days[len(days)-1].Format("2006-01")
		var total int
		for _, day := range days {
			if day.Format("2006-01") == month {
				total += 10
			}
		}
		var report string
		Eventually(func(ctx context.Context) (err error) {
			report, err = kind.run(ctx, kind.towpathPath(), "cost", "report", "--team", t.name, "--month", month, "-o", "csv")
			return err
		}).WithContext(ctx).Should(Succeed(), "a bill is in the reports a minute after it was read")
		Expect(report).To(MatchRegexp(`orders,.*\b%d\b`, total))
		Expect(kind.towpath(ctx, "cost", "report", "--team", t.name, "--now")).To(And(ContainSubstring("web"), ContainSubstring("USD")))
	})
})
