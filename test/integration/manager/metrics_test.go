package manager_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/webhookcert"
	"github.com/towpath-dev/towpath/test/framework"
)

var _ = Describe("Metrics", func() {
	It("are refused to who has no token", func(ctx context.Context) {
		status, _ := scrape(ctx, "")
		Expect(status).To(Equal(http.StatusUnauthorized))
	})

	It("are refused to a token that nobody gave out", func(ctx context.Context) {
		status, body := scrape(ctx, "forged")
		// controller-runtime answers 500 where it should answer 401; what counts is that it gives nothing.
		Expect(status).To(BeElementOf(http.StatusUnauthorized, http.StatusInternalServerError))
		Expect(body).NotTo(ContainSubstring("controller_runtime"))
	})

	It("are refused to a token without the right, and given once towpath-metrics-reader is bound to it", func(ctx context.Context) {
		name := framework.Name("scraper-")
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
		Expect(admin.Create(ctx, account)).To(Succeed())
		cfg, err := cluster.Plane.ServiceAccountConfig(ctx, account.Namespace, name)
		Expect(err).NotTo(HaveOccurred())

		status, body := scrape(ctx, cfg.BearerToken)
		Expect(status).To(Equal(http.StatusForbidden))
		Expect(body).NotTo(ContainSubstring("controller_runtime"))

		// Another one, because an answer is remembered for a while.
		reader := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name + "-bound"}}
		Expect(admin.Create(ctx, reader)).To(Succeed())
		Expect(admin.Create(ctx, &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: reader.Name},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "towpath-metrics-reader"},
			Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: reader.Namespace, Name: reader.Name}},
		})).To(Succeed())
		cfg, err = cluster.Plane.ServiceAccountConfig(ctx, reader.Namespace, reader.Name)
		Expect(err).NotTo(HaveOccurred())
		Eventually(ctx, func(ctx context.Context) int {
			status, body = scrape(ctx, cfg.BearerToken)
			return status
		}).Should(Equal(http.StatusOK))
		Expect(body).To(MatchRegexp(`controller_runtime_reconcile_total\{controller="component",result="success"\} \d+`))

		By("how everything is, which build runs, and when its certificate ends")
		Expect(body).To(MatchRegexp(`towpath_build_info\{commit="[^"]+",go_version="go1[^"]+",version="[^"]+"\} 1`))
		Expect(body).To(MatchRegexp(`towpath_webhook_certificate_expiration_timestamp_seconds \d`))
		class := framework.Class(framework.Name("c-"), platformv1alpha1.TierDevelopment)
		Expect(admin.Create(ctx, class)).To(Succeed())
		Eventually(ctx, func(ctx context.Context) string {
			_, body := scrape(ctx, cfg.BearerToken)
			return body
		}).Should(MatchRegexp(`towpath_conditions\{condition="Ready",kind="EnvironmentClass",reason="Accepted",status="True"\} [1-9]`))

		By("who follows which template")
		template := framework.Template(framework.Name("t-"), framework.ConfigMap("config"))
		template.Spec.Overrides = &platformv1alpha1.TemplateOverrides{Allow: []platformv1alpha1.OpenPath{{Resource: "config", Path: "metadata.annotations"}}}
		Expect(admin.Create(ctx, template)).To(Succeed())
		Eventually(ctx, func(ctx context.Context) string {
			_, body := scrape(ctx, cfg.BearerToken)
			return body
		}).Should(And(
			ContainSubstring(`towpath_template_components{maturity="Experimental",pinned="false",template="`+template.Name+`"} 0`),
			ContainSubstring(`towpath_template_overrides{path="metadata.annotations",resource="config",template="`+template.Name+`"} 0`)))
	})
})

// scrape asks for the metrics as a scraper in the cluster does: it trusts the authority of the webhooks
// alone, and expects the name of the Service.
func scrape(ctx context.Context, token string) (int, string) {
	GinkgoHelper()
	var configuration admissionregistrationv1.ValidatingWebhookConfiguration
	Expect(admin.Get(ctx, types.NamespacedName{Name: webhookcert.ConfigurationName}, &configuration)).To(Succeed())
	authorities := x509.NewCertPool()
	Expect(authorities.AppendCertsFromPEM(configuration.Webhooks[0].ClientConfig.CABundle)).To(BeTrue())
	scraper := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{
		RootCAs: authorities, ServerName: "towpath-metrics." + platformv1alpha1.SystemNamespace + ".svc", MinVersion: tls.VersionTLS12,
	}}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+cluster.MetricsAddress()+"/metrics", nil)
	Expect(err).NotTo(HaveOccurred())
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := scraper.Do(request)
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	Expect(err).NotTo(HaveOccurred())
	return answer.StatusCode, string(body)
}
