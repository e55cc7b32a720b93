package manager_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/api"
	prometheusv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/config/monitoring"
	"github.com/towpath-dev/towpath/hack/install"
	"github.com/towpath-dev/towpath/hack/prometheus"
	"github.com/towpath-dev/towpath/test/framework"
	"github.com/towpath-dev/towpath/test/framework/markdown"
)

// endpoint is what a ServiceMonitor says of how to scrape.
type endpoint struct {
	Scheme        string `json:"scheme"`
	Path          string `json:"path"`
	Authorization struct {
		Type        string                   `json:"type"`
		Credentials corev1.SecretKeySelector `json:"credentials"`
	} `json:"authorization"`
	TLSConfig struct {
		ServerName string `json:"serverName"`
		CA         struct {
			Secret corev1.SecretKeySelector `json:"secret"`
		} `json:"ca"`
	} `json:"tlsConfig"`
}

var _ = Describe("Monitoring", func() {
	It("has a Prometheus scrape as the ServiceMonitor says, and find all that alerts and dashboards ask for", func(ctx context.Context) {
		By("giving every metric something to count")
		template := framework.Template(framework.Name("t-"), framework.ConfigMap("config"))
		template.Spec.Overrides = &platformv1alpha1.TemplateOverrides{Allow: []platformv1alpha1.OpenPath{{Resource: "config", Path: "metadata.annotations"}}}
		team := framework.TeamNamespace(framework.Name("t"))
		class := framework.Class(framework.Name("c-"), platformv1alpha1.TierDevelopment)
		environment := framework.Environment(team.Name, "dev", class.Name)
		Expect(admin.Create(ctx, template)).To(Succeed())
		Expect(admin.Create(ctx, class)).To(Succeed())
		Expect(admin.Create(ctx, team)).To(Succeed())
		Expect(admin.Create(ctx, environment)).To(Succeed())
		Eventually(ctx, framework.Read(admin, environment)).Should(framework.BeReady())
		Eventually(ctx, framework.Read(admin, template)).Should(framework.BeReady())
		component := framework.Component(team.Name, "a", template.Name, "dev")
		Eventually(ctx, func() error { return admin.Create(ctx, component) }).Should(Succeed(), "the webhook asks the cache for the template")
		Eventually(ctx, framework.Read(admin, component)).Should(framework.BeReady())

		home := framework.TeamNamespace(billed)
		Expect(admin.Create(ctx, home)).To(Succeed())
		budget := &platformv1alpha1.Budget{ObjectMeta: metav1.ObjectMeta{Namespace: home.Name, Name: "all"}}
		budget.Spec.Amount, budget.Spec.Currency = "400", "EUR"
		Eventually(ctx, func() error { return admin.Create(ctx, budget) }).Should(Succeed(), "the webhook asks the cache for the home")
		Eventually(ctx, framework.Read(admin, budget)).Should(HaveField("Status.BurnRate", Not(BeEmpty())))

		server := prometheusAsTheOperatorStartsIt(ctx)
		Expect(server.Await(ctx, `up{job="towpath-metrics"} == 1`)).To(Succeed())
		Expect(server.Await(ctx, `towpath_template_environments{template="`+template.Name+`"} == 1`)).To(Succeed())

		Expect(server.Await(ctx, `towpath_budget_burn_rate{budget="all",team="`+billed+`"} == 5`)).To(Succeed())
		Expect(server.Await(ctx, `towpath_cost_month_to_date{team="`+billed+`",source="Bills"} >= 5`)).To(Succeed())

		By("asking for each metric and label")
		requests, err := api.NewClient(api.Config{Address: server.Address})
		Expect(err).NotTo(HaveOccurred())
		asked := prometheusv1.NewAPI(requests)
		series, _, err := asked.Series(ctx, []string{`{job="towpath-metrics"}`}, time.Now().Add(-time.Hour), time.Now())
		Expect(err).NotTo(HaveOccurred())
		labels := map[string][]string{}
		for _, one := range series {
			name := string(one[model.MetricNameLabel])
			for label := range one {
				labels[name] = append(labels[name], string(label))
			}
		}
		queries, err := monitoring.Queries()
		Expect(err).NotTo(HaveOccurred())
		Expect(queries).NotTo(BeEmpty())
		for _, query := range objectives() {
			queries = append(queries, monitoring.Query{Where: "docs/slo.md", PromQL: query})
		}
		for _, query := range queries {
			for _, metric := range monitoring.AskedBy(query.PromQL) {
				Expect(labels).To(HaveKey(metric.Metric), "%s asks for %s", query.Where, query.PromQL)
				for _, label := range metric.Labels {
					Expect(slices.Contains(labels[metric.Metric], label)).To(BeTrue(), "%s asks for label %s of %s", query.Where, label, metric.Metric)
				}
			}
		}

		By("asking for the objectives, each of which has a value")
		for _, block := range objectives() {
			Eventually(ctx, func(g Gomega) {
				// Webhooks are asked in between, and a controller has work, so that there is a rate.
				live, err := framework.Read(admin, component)(ctx)
				g.Expect(err).NotTo(HaveOccurred())
				before := live.DeepCopy()
				live.Annotations = map[string]string{"suite/nudge": framework.Name("n")}
				g.Expect(admin.Patch(ctx, live, client.MergeFrom(before))).To(Succeed())
				g.Expect(admin.Create(ctx, framework.Template(framework.Name("asked-"), framework.ConfigMap("config")), client.DryRunAll)).To(Succeed())
				value, _, err := asked.Query(ctx, block, time.Now())
				g.Expect(err).NotTo(HaveOccurred())
				vector, ok := value.(model.Vector)
				g.Expect(ok).To(BeTrue())
				g.Expect(vector).To(HaveLen(1), block)
				g.Expect(float64(vector[0].Value)).To(And(BeNumerically(">=", 0), BeNumerically("<=", 1)), block)
			}).Should(Succeed())
		}

		By("evaluating the alerts, none of which fires about a manager that is well")
		alerts, err := monitoring.Alerts()
		Expect(err).NotTo(HaveOccurred())
		Eventually(ctx, func(g Gomega) {
			result, err := asked.Rules(ctx, nil)
			g.Expect(err).NotTo(HaveOccurred())
			evaluated := 0
			for _, group := range result.Groups {
				for _, rule := range group.Rules {
					alert, ok := rule.(prometheusv1.AlertingRule)
					g.Expect(ok).To(BeTrue())
					g.Expect(alert.Health).To(BeEquivalentTo(prometheusv1.RuleHealthGood), "%s: %s", alert.Name, alert.LastError)
					g.Expect(alert.State).NotTo(Equal("firing"), alert.Name)
					evaluated++
				}
			}
			g.Expect(evaluated).To(Equal(len(alerts)))
		}).Should(Succeed())
	})
})

// objectives are the queries of docs/slo.md.
func objectives() []string {
	GinkgoHelper()
	page, err := os.ReadFile("../../../docs/slo.md")
	Expect(err).NotTo(HaveOccurred())
	var queries []string
	for _, block := range markdown.Blocks(string(page)) {
		if block.Language == "promql" {
			queries = append(queries, block.Text)
		}
	}
	Expect(len(queries)).To(BeNumerically(">=", 5), "does the test still see them?")
	return queries
}

// prometheusAsTheOperatorStartsIt applies config/monitoring/metrics, and starts a Prometheus that does what the operator has
// its own do by the ServiceMonitor: it reads the same keys of the same Secrets, and names the job after the Service.
func prometheusAsTheOperatorStartsIt(ctx context.Context) *prometheus.Server {
	GinkgoHelper()
	definition := framework.OpenCRD("monitoring.coreos.com", "ServiceMonitor")
	Expect(admin.Create(ctx, definition)).To(Succeed())
	Eventually(ctx, framework.Read(admin, definition)).Should(HaveField("Status.Conditions", ContainElement(And(
		HaveField("Type", apiextensionsv1.Established), HaveField("Status", apiextensionsv1.ConditionTrue)))))
	objects, err := install.Files(ctx, admin, "../../../config/monitoring/metrics")
	Expect(err).NotTo(HaveOccurred())
	i := slices.IndexFunc(objects, func(o *unstructured.Unstructured) bool { return o.GetKind() == "ServiceMonitor" })
	Expect(i).To(BeNumerically(">=", 0))
	var monitor struct {
		Spec struct {
			Endpoints []endpoint `json:"endpoints"`
		} `json:"spec"`
	}
	Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(objects[i].Object, &monitor)).To(Succeed())
	Expect(monitor.Spec.Endpoints).To(HaveLen(1))
	e := monitor.Spec.Endpoints[0]

	dir := GinkgoT().TempDir()
	write := func(name string, content []byte) {
		Expect(os.WriteFile(filepath.Join(dir, name), content, 0o600)).To(Succeed())
	}
	write("token", secretKey(ctx, e.Authorization.Credentials))
	write("ca.crt", secretKey(ctx, e.TLSConfig.CA.Secret))
	rules, err := monitoring.RuleFile()
	Expect(err).NotTo(HaveOccurred())
	write("rules.yaml", rules)
	configuration, err := yaml.Marshal(map[string]any{
		"global":     map[string]any{"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
		"rule_files": []string{"rules.yaml"},
		"scrape_configs": []any{map[string]any{
			"job_name": "towpath-metrics", "scheme": e.Scheme, "metrics_path": e.Path,
			"authorization":  map[string]any{"type": e.Authorization.Type, "credentials_file": "token"},
			"tls_config":     map[string]any{"ca_file": "ca.crt", "server_name": e.TLSConfig.ServerName},
			"static_configs": []any{map[string]any{"targets": []string{cluster.MetricsAddress()}}},
		}},
	})
	Expect(err).NotTo(HaveOccurred())
	server, err := prometheus.StartWith(ctx, dir, string(configuration))
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(server.Stop)
	return server
}

// secretKey waits for a key of a Secret: kube-controller-manager fills in tokens, and the manager its certificate.
func secretKey(ctx context.Context, key corev1.SecretKeySelector) []byte {
	GinkgoHelper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: platformv1alpha1.SystemNamespace, Name: key.Name}}
	Eventually(ctx, framework.Read(admin, secret)).Should(HaveField("Data", HaveKey(key.Key)))
	secret, err := framework.Read(admin, secret)(ctx)
	Expect(err).NotTo(HaveOccurred())
	return secret.Data[key.Key]
}
