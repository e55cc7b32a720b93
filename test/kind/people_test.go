package kind

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// userKubeconfig is the kubeconfig of a user with a certificate of the cluster's own authority, asked for as users ask.
func userKubeconfig(ctx context.Context, user string) string {
	GinkgoHelper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	Expect(err).NotTo(HaveOccurred())
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: user}}, private)
	Expect(err).NotTo(HaveOccurred())
	der, err := x509.MarshalECPrivateKey(private)
	Expect(err).NotTo(HaveOccurred())

	seconds := int32((time.Hour).Seconds())
	csr := &certificatesv1.CertificateSigningRequest{
		ObjectMeta: metav1.ObjectMeta{Name: framework.Name("csr-")},
		Spec: certificatesv1.CertificateSigningRequestSpec{
			Request: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: request}), SignerName: certificatesv1.KubeAPIServerClientSignerName,
			Usages: []certificatesv1.KeyUsage{certificatesv1.UsageClientAuth}, ExpirationSeconds: &seconds,
		},
	}
	Expect(kind.Create(ctx, csr)).To(Succeed())
	DeferCleanup(func(ctx context.Context) { Expect(client.IgnoreNotFound(kind.Delete(ctx, csr))).To(Succeed()) })
	kind.kubectl(ctx, "certificate", "approve", csr.Name)
	Eventually(framework.Read(kind, csr)).WithContext(ctx).Should(HaveField("Status.Certificate", Not(BeEmpty())))
	Expect(kind.Get(ctx, client.ObjectKeyFromObject(csr), csr)).To(Succeed())

	config := clientcmdapi.NewConfig()
	config.Clusters["kind"] = &clientcmdapi.Cluster{Server: kind.config.Host, CertificateAuthorityData: kind.config.CAData}
	config.AuthInfos[user] = &clientcmdapi.AuthInfo{
		ClientCertificateData: csr.Status.Certificate, ClientKeyData: pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}),
	}
	config.Contexts["kind"] = &clientcmdapi.Context{Cluster: "kind", AuthInfo: user}
	config.CurrentContext = "kind"
	path := filepath.Join(GinkgoT().TempDir(), user+".kubeconfig")
	Expect(clientcmd.WriteToFile(*config, path)).To(Succeed())
	return path
}

var _ = Describe("People", func() {
	It("let a version in: not who asks for it, but a second one", func(ctx context.Context) {
		class := framework.Class(framework.Name("vault-"), platformv1alpha1.TierProduction)
		class.Spec.Gate = &platformv1alpha1.ClassGate{Gate: platformv1alpha1.Gate{Approvals: 1, AuthorApproval: platformv1alpha1.AuthorApprovalForbidden}}
		Expect(kind.Create(ctx, class)).To(Succeed())
		DeferCleanup(func(ctx context.Context) { Expect(kind.Delete(ctx, class)).To(Succeed()) })
		ada, ben := framework.Name("ada-"), framework.Name("ben-")
		t := newTeam(ctx,
			platformv1alpha1.TeamMember{Kind: platformv1alpha1.MemberUser, Name: ada, Role: platformv1alpha1.TeamOwner, Emails: []string{"ada@shop.example"}},
			platformv1alpha1.TeamMember{Kind: platformv1alpha1.MemberUser, Name: ben, Role: platformv1alpha1.TeamOwner, Emails: []string{"ben@shop.example"}})
		t.environment(ctx, "dev", "development")
		prod := t.environment(ctx, "prod", class.Name)
		asAda, asBen := userKubeconfig(ctx, ada), userKubeconfig(ctx, ben)

		web := t.component("web", "web-service", "1", small, "dev", "prod")
		web.Spec.RequestedBy = ada
		config, err := clientcmd.BuildConfigFromFlags("", asAda)
		Expect(err).NotTo(HaveOccurred())
		adasClient, err := client.New(config, client.Options{Scheme: kind.Scheme()})
		Expect(err).NotTo(HaveOccurred())
		Eventually(func() error { return adasClient.Create(ctx, web.DeepCopy()) }).WithContext(ctx).Should(Succeed(), "rights of members take a moment")
		Eventually(framework.Read(kind, web)).WithContext(ctx).Should(framework.HaveCondition(
			platformv1alpha1.ConditionPromoted, metav1.ConditionFalse, platformv1alpha1.ReasonWaitingForApproval, "web-prod-1"))

		out, err := kind.runAs(ctx, asAda, kind.towpathPath(), "approve", "web-prod-1", "-n", t.home)
		Expect(err).NotTo(HaveOccurred(), out)
		Consistently(framework.Read(kind, web)).WithContext(ctx).WithTimeout(5*time.Second).Should(framework.HaveCondition(
			platformv1alpha1.ConditionPromoted, metav1.ConditionFalse, platformv1alpha1.ReasonWaitingForApproval), "she asked for it herself")
		Expect(pods(ctx, prod, "web")).To(BeEmpty())

		out, err = kind.runAs(ctx, asBen, kind.towpathPath(), "approve", "web-prod-1", "-n", t.home)
		Expect(err).NotTo(HaveOccurred(), out)
		running(ctx, web)
		Eventually(imagesOf(prod, "web")).WithContext(ctx).Should(ConsistOf(image("1")))
		Expect(kind.Get(ctx, client.ObjectKeyFromObject(t.release("web-prod-1")), &platformv1alpha1.Release{})).To(Succeed())
	})

	It("bring what runs already onto a golden path, and off it again, without a restart", func(ctx context.Context) {
		t := newTeam(ctx)
		legacy := framework.Name("legacy-")
		manifest := filepath.Join("test", "kind", "testdata", "legacy.yaml")
		kind.kubectl(ctx, "create", "namespace", legacy)
		DeferCleanup(func(ctx context.Context) { kind.kubectl(ctx, "delete", "namespace", legacy, "--wait=false") })
		kind.kubectl(ctx, "apply", "-n", legacy, "-f", manifest)
		kind.kubectl(ctx, "rollout", "status", "-n", legacy, "deployment/shop", "--timeout=3m")
		before := identities(ctx, legacy)
		Expect(before).To(HaveLen(2))
		caller := call(ctx, legacy, address(legacy, "shop"))

		adopt := []string{"adopt", "deployment/shop", "-n", legacy, "--template", "web-service", "--home", t.home, "-e", "prod", "--class", "production"}
		Expect(kind.towpath(ctx, adopt...)).To(ContainSubstring("nothing restarts"))
		kind.kubectl(ctx, "annotate", "namespace", legacy, platformv1alpha1.AnnotationAdoptBy+"="+t.home+"/prod")
		for _, object := range []string{"deployment/shop", "service/shop"} {
			kind.kubectl(ctx, "-n", legacy, "annotate", object, platformv1alpha1.AnnotationAdoptBy+"=shop")
		}
		manifests := filepath.Join(GinkgoT().TempDir(), "shop.yaml")
		write(manifests, kind.towpathOutput(ctx, append(adopt, "-o", "yaml")...))
		kind.kubectl(ctx, "apply", "-f", manifests)
		shop := framework.Component(t.home, "shop", "web-service")
		Eventually(framework.Read(kind, shop)).WithContext(ctx).Should(framework.BeReady())
		Eventually(framework.Read(kind, t.release("shop-prod-1"))).WithContext(ctx).Should(HaveField("Spec.Cause", platformv1alpha1.CauseAdoption))
		Expect(identities(ctx, legacy)).To(Equal(before), "the same pods, started once")

		By("letting go")
		kind.towpath(ctx, "eject", "shop", "-n", t.home, "-o", filepath.Join(GinkgoT().TempDir(), "deploy"), "--yes")
		Eventually(framework.Gone(kind, shop)).WithContext(ctx).Should(BeTrue())
		Expect(identities(ctx, legacy)).To(Equal(before), "the same pods, started once")
		caller.hears(ctx, "version 1")
		caller.neverFailed(ctx)
	})
})

// identities are the pods of the legacy shop.
func identities(ctx context.Context, namespace string) map[string]int32 {
	GinkgoHelper()
	var list corev1.PodList
	Expect(kind.List(ctx, &list, client.InNamespace(namespace), client.MatchingLabels{"app": "shop"})).To(Succeed())
	return identitiesOf(list.Items)
}
