package tenancy_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/prometheus"
	"github.com/towpath-dev/towpath/internal/promotion"
	"github.com/towpath-dev/towpath/test/framework"
)

// greedy answers as a Prometheus does that wants to get the credentials out, and keeps those that it got, by path.
type greedy struct {
	mu  sync.Mutex
	got map[string]string
}

func (g *greedy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	sent := r.Header.Get("Authorization")
	g.mu.Lock()
	g.got[r.URL.Path] = sent
	g.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	switch base, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/"); base {
	case "refuses":
		http.Error(w, sent, http.StatusUnauthorized)
	case "redirects":
		http.Redirect(w, r, "/taken?"+sent, http.StatusTemporaryRedirect)
	case "quotes":
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(w, `{"status":"error","errorType":"bad_data","error":"You sent %s."}`, sent)
	default:
		_, _ = fmt.Fprint(w, `{"status":"success","data":{"resultType":"scalar","result":[1,"0"]}}`)
	}
}

func (g *greedy) at(path string) func() string {
	return func() string {
		g.mu.Lock()
		defer g.mu.Unlock()
		if sent, ok := g.got[path]; ok {
			return "asked: " + sent
		}
		return "not asked"
	}
}

var _ = Describe("The credentials for Prometheus", func() {
	const canary = "pr0m-s3cr3t-canary"

	It("are for nobody but the address that they are bound to, and stand nowhere", func(ctx context.Context) {
		here, elsewhere := &greedy{got: map[string]string{}}, &greedy{got: map[string]string{}}
		right, wrong := httptest.NewTLSServer(here), httptest.NewServer(elsewhere)
		DeferCleanup(right.Close)
		DeferCleanup(wrong.Close)
		entry, err := json.Marshal(map[string]string{
			"address": right.URL, "bearerToken": canary, "ca": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: right.Certificate().Raw})),
		})
		Expect(err).NotTo(HaveOccurred())
		secret := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: platformv1alpha1.SystemNamespace, Name: prometheus.SecretName},
			Data:       map[string][]byte{"right": entry, "broken": []byte("bearerToken: *" + canary), "other": []byte("address: " + wrong.URL + "\ntenant: " + canary)},
		}
		Expect(admin.Create(ctx, secret)).To(Succeed())
		DeferCleanup(func(ctx context.Context) { Expect(admin.Delete(ctx, secret)).To(Succeed()) })
		By("whom RBAC keeps from it, the administrator being the control")
		for _, c := range []client.Client{mallory, greta} {
			Expect(c.Get(ctx, client.ObjectKeyFromObject(secret), &corev1.Secret{})).To(byRBAC().says)
		}
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(secret), &corev1.Secret{})).To(Succeed())

		watched := framework.Class(framework.Name("watched-"), platformv1alpha1.TierStaging)
		watched.Spec.Prometheus = &platformv1alpha1.PrometheusSource{Address: right.URL + "/quotes"}
		watched.Spec.Checks = []platformv1alpha1.Check{{Name: "errors", IntervalSeconds: 5, Prometheus: &platformv1alpha1.PrometheusCheck{
			Query: "errors", Comparison: platformv1alpha1.ComparisonLessThan, Threshold: "0.5",
		}}}
		Expect(admin.Create(ctx, watched)).To(Succeed())
		environment := framework.Environment(evil.home, framework.Name("e"), watched.Name)
		Expect(admin.Create(ctx, environment)).To(Succeed())
		DeferCleanup(func(ctx context.Context) { Expect(admin.Delete(ctx, environment)).To(Succeed()) })
		component := framework.Component(evil.home, framework.Name("c"), plain, environment.Name)
		Expect(mallory.Create(ctx, component)).To(Succeed())
		DeferCleanup(func(ctx context.Context) { Expect(admin.Delete(ctx, component)).To(Succeed()) })
		release := &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Namespace: evil.home, Name: promotion.ReleaseName(component.Name, environment.Name, 1)}}
		asking := func(address, says string) {
			GinkgoHelper()
			Expect(admin.Patch(ctx, watched, merge(fmt.Sprintf(`{"spec":{"prometheus":{"address":%q}}}`, address)))).To(Succeed())
			Eventually(ctx, framework.Read(admin, release)).Should(framework.HaveCondition(platformv1alpha1.ConditionReady, "False", platformv1alpha1.ReasonChecking, says))
		}
		asking(right.URL+"/quotes", "You sent Bearer [redacted]")
		asking(right.URL+"/refuses", "401 Unauthorized with what entry right of Secret")
		asking(right.URL+"/redirects", "redirect")
		Expect(here.at("/redirects/api/v1/query")()).To(Equal("asked: Bearer "+canary), "the control: it is sent where it belongs")
		Expect(here.at("/taken")()).To(Equal("not asked"))
		asking(wrong.URL, "entry other cannot be used: address is http://")
		asking(strings.Replace(wrong.URL, "127.0.0.1", "localhost", 1)+"/refuses", "401 Unauthorized, and no entry of Secret")
		Expect(elsewhere.at("/refuses/api/v1/query")()).To(Equal("asked: "), "it is asked, and gets nothing")
		Expect(elsewhere.at("/api/v1/query")()).To(Equal("not asked"))
		Expect(admin.Patch(ctx, watched, merge(fmt.Sprintf(`{"spec":{"prometheus":{"address":%q}}}`, right.URL+"/answers")))).To(Succeed())
		Eventually(ctx, framework.Read(admin, component)).Should(framework.BeReady())

		isNowhere(ctx, canary, map[string]string{
			"records and status": component.Name, "rendered objects": component.Name, "events": component.Name, "the manager's log": `"check"`,
			"the manager's metrics": `controller="check"`, "the audit log": prometheus.SecretName,
		})
		Expect(secret.Data["right"]).To(ContainSubstring(canary), "the control")
	})
})
