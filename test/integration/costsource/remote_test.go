package costsource_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// openCost answers each day with what one namespace and nobody cost.
func openCost(namespace, cpu string) *httptest.Server {
	GinkgoHelper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer opencost-token" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Date", now.Now().Format(http.TimeFormat))
		day := r.URL.Query().Get("window")[:20]
		none := strings.Repeat("/__unallocated__", 6)
		_, _ = fmt.Fprintf(w, `{"code":200,"data":[{"%s%s":{"window":{"start":%q},"cpuCost":%s,"totalCost":%s},"__idle__":{"window":{"start":%q},"ramCost":1,"totalCost":1}}]}`,
			namespace, none, day, cpu, cpu, day)
	}))
	DeferCleanup(server.Close)
	return server
}

// entry puts a key into the Secret with credentials.
func entry(ctx context.Context, key, text string) {
	GinkgoHelper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: platformv1alpha1.SystemNamespace, Name: "towpath-costsources"}}
	Expect(client.IgnoreAlreadyExists(admin.Create(ctx, secret))).To(Succeed())
	data, err := json.Marshal(map[string]any{"stringData": map[string]string{key: text}})
	Expect(err).NotTo(HaveOccurred())
	Expect(admin.Patch(ctx, secret, merge(string(data)))).To(Succeed())
}

var _ = Describe("A CostSource of OpenCost", Serial, func() {
	It("allocates by labels and namespaces, with credentials of its address, and stands beside the bill", func(ctx context.Context) {
		workload := framework.TeamNamespace("shop")
		workload.Name = framework.Name("shop-prod-")
		Expect(admin.Create(ctx, workload)).To(Succeed())
		server := openCost(workload.Name, "2.5")
		source := &platformv1alpha1.CostSource{
			ObjectMeta: metav1.ObjectMeta{Name: framework.Name("cluster-")},
			Spec: platformv1alpha1.CostSourceSpec{
				Type: platformv1alpha1.CostSourceOpenCost, OpenCost: &platformv1alpha1.OpenCostSource{URL: server.URL}, BackfillDays: 5,
			},
		}
		Expect(admin.Create(ctx, source)).To(Succeed())
		Eventually(ctx, framework.Read(admin, source)).Should(framework.BeStalled("CredentialsRefused", "answers 401", "towpath-costsources"))

		entry(ctx, "opencost", fmt.Sprintf("address: %s\ninsecure: true\nbearerToken: opencost-token\n", server.URL))
		again(ctx, source)
		live := awaitImported(ctx, source)
		Expect(days(ctx, source.Name)).To(ContainElements("2026-11-24  USD 1", "2026-11-24 shop USD 2.5", "2026-11-29 shop USD 2.5"))
		Expect(live.Status.Covered).To(HaveValue(Equal(platformv1alpha1.CoveredDays{From: "2026-11-24", To: "2026-11-29", ProvisionalSince: "2026-11-27"})))
		Expect(live.Status.Reconciliation).To(BeEmpty())

		By("a bill of the same days")
		dir := GinkgoT().TempDir()
		bill(dir, "a.csv", charge(24, "shop", "10"), charge(25, "shop", "10"), charge(26, "shop", "10"), charge(28, "shop", "10"))
		billed := made(ctx, newSource(dir))
		Expect(billed.Status.Reconciliation).To(ConsistOf(platformv1alpha1.CostReconciliation{
			Currency: "USD", Days: 3, Billed: "30.00", Allocated: "10.50", Residual: "19.50",
		}))
		Expect(admin.Delete(ctx, source)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, source)).Should(BeTrue())
	})

	It("may not be at an address that gives out credentials", func(ctx context.Context) {
		source := &platformv1alpha1.CostSource{
			ObjectMeta: metav1.ObjectMeta{Name: framework.Name("cluster-")},
			Spec: platformv1alpha1.CostSourceSpec{
				Type: platformv1alpha1.CostSourceOpenCost, OpenCost: &platformv1alpha1.OpenCostSource{URL: "http://169.254.169.254/latest"},
			},
		}
		Expect(admin.Create(ctx, source)).To(Succeed())
		Eventually(ctx, framework.Read(admin, source)).Should(framework.BeStalled("SourceInvalid", "169.254.169.254", "never reached"))
		Expect(admin.Delete(ctx, source)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, source)).Should(BeTrue())
	})
})

var _ = Describe("A CostSource of Cost Explorer", func() {
	It("counts what its requests cost, and sends no more than it may", func(ctx context.Context) {
		var sent atomic.Int32
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/x-amz-json-1.1")
			var asked struct{ Filter map[string]any }
			_ = json.NewDecoder(r.Body).Decode(&asked)
			if sent.Add(1); asked.Filter["Not"] == nil {
				_, _ = fmt.Fprint(w, `{"ResultsByTime":[]}`)
				return
			}
			_, _ = fmt.Fprint(w, `{"ResultsByTime":[{"TimePeriod":{"Start":"2026-11-26","End":"2026-11-27"},"Total":{},"Groups":[{"Keys":["team$shop","Amazon S3"],`+
				`"Metrics":{"UnblendedCost":{"Amount":"3","Unit":"USD"},"NetAmortizedCost":{"Amount":"2","Unit":"USD"}}}],"Estimated":false}]}`)
		}))
		DeferCleanup(server.Close)
		key := framework.Name("aws-")
		entry(ctx, key, "accessKeyID: AKIDEXAMPLE\nsecretAccessKey: wJalrXUtnFEMI\n")
		source := made(ctx, &platformv1alpha1.CostSource{
			ObjectMeta: metav1.ObjectMeta{Name: framework.Name("aws-")},
			Spec: platformv1alpha1.CostSourceSpec{
				Type:            platformv1alpha1.CostSourceAWSCostExplorer,
				AWSCostExplorer: &platformv1alpha1.AWSCostExplorerSource{Endpoint: server.URL, CredentialsKey: key, MaxRequestsPerDay: 5},
			},
		})
		Expect(source.Status.RequestsToday).To(BeEquivalentTo(2))
		Expect(source.Status.RequestCostToday).To(Equal("0.02"))
		Expect(days(ctx, source.Name)).To(ConsistOf("2026-11-26 shop USD 2"))
		again(ctx, source)
		Eventually(ctx, func(ctx context.Context) int32 { return read(ctx, source).Status.RequestsToday }).Should(BeEquivalentTo(4))
		again(ctx, source)
		Eventually(ctx, framework.Read(admin, source)).Should(framework.HaveCondition("Ready", metav1.ConditionFalse, "RequestLimitReached", "5 requests were sent today"))
		Expect(sent.Load()).To(BeEquivalentTo(5))
		Expect(read(ctx, source).Status.NextAttempt.Time).To(BeTemporally("==", time.Date(2026, time.November, 30, 0, 0, 0, 0, time.UTC)))
		Expect(days(ctx, source.Name)).To(ConsistOf("2026-11-26 shop USD 2"))
	})
})
