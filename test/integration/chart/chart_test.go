// Package chart_test installs Towpath by its Helm chart on a real API server, changes the installation, and takes it away.
package chart_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/config"
	"github.com/towpath-dev/towpath/hack/controlplane"
	"github.com/towpath-dev/towpath/test/framework"
)

func TestChart(t *testing.T) {
	RegisterFailHandler(Fail)
	framework.SetTimeouts()
	RunSpecs(t, "Chart")
}

var (
	plane *controlplane.ControlPlane
	admin client.Client
	chart string
	// authority is a certificate, as the manager fills one in.
	authority []byte
)

var _ = BeforeSuite(func(ctx context.Context) {
	var err error
	plane, err = controlplane.Start(ctx, controlplane.Options{})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func(ctx context.Context) { Expect(plane.Stop(ctx)).To(Succeed()) })
	kinds := runtime.NewScheme()
	Expect(clientgoscheme.AddToScheme(kinds)).To(Succeed())
	Expect(apiextensionsv1.AddToScheme(kinds)).To(Succeed())
	Expect(platformv1alpha1.AddToScheme(kinds)).To(Succeed())
	admin, err = client.New(plane.AdminConfig(), client.Options{Scheme: kinds})
	Expect(err).NotTo(HaveOccurred())
	authority = plane.AdminConfig().CAData
	Expect(authority).NotTo(BeEmpty())
	chart = filepath.Join(GinkgoT().TempDir(), "towpath")
	manifests := run(ctx, "../../../hack/tools", nil, "go", "tool", "sigs.k8s.io/kustomize/kustomize/v5", "build", "../../config/overlays/monitoring")
	run(ctx, "../../../hack/chart", strings.NewReader(manifests), "go", "run", ".", "-files", "../../config/chart", "-version", "v1.2.3", "-out", chart)
})

// run runs a command, and returns what it prints.
func run(ctx context.Context, dir string, in *strings.Reader, name string, args ...string) string {
	GinkgoHelper()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Stderr = dir, GinkgoWriter
	cmd.Env = append(os.Environ(), "KUBECONFIG="+plane.AdminKubeconfig())
	if in != nil {
		cmd.Stdin = in
	}
	out, err := cmd.Output()
	Expect(err).NotTo(HaveOccurred(), "%s %s", name, strings.Join(args, " "))
	return string(out)
}

// helm runs the pinned Helm on the cluster.
func helm(ctx context.Context, args ...string) string {
	GinkgoHelper()
	return run(ctx, "../../../hack/chart", nil, "go", append([]string{"tool", "helm.sh/helm/v3/cmd/helm", "-n", "towpath-system"}, args...)...)
}

var _ = Describe("The Helm chart", Ordered, func() {
	team := &platformv1alpha1.Team{ObjectMeta: metav1.ObjectMeta{Name: "stays"}, Spec: platformv1alpha1.TeamSpec{CostCenter: "cc-1"}}

	It("installs everything, into namespaces that it makes its own", func(ctx context.Context) {
		Expect(admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "towpath-system"}})).To(Succeed())
		notes := helm(ctx, "install", "towpath", chart, "--take-ownership", "--set", "image.repository=registry.example/towpath")
		Expect(notes).To(And(ContainSubstring("Towpath v1.2.3 is installed"), ContainSubstring(`"towpath uninstall" before "helm uninstall towpath"`)))
		Expect(framework.Read(admin, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "towpath-system"}})(ctx)).To(
			HaveField("Labels", HaveKeyWithValue("pod-security.kubernetes.io/enforce", "restricted")))
		deployment, err := framework.Read(admin, manager())(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(deployment.Spec.Template.Spec.Containers[0].Image).To(Equal("registry.example/towpath:v1.2.3"))
		for _, policy := range config.Policies() {
			Expect(admin.Get(ctx, client.ObjectKeyFromObject(policy), policy)).To(Succeed())
		}
	})

	It("leaves what the manager writes alone when it is upgraded", func(ctx context.Context) {
		By("standing in for the manager, which fills in certificates")
		hooks := webhooks()
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(hooks), hooks)).To(Succeed())
		for i := range hooks.Webhooks {
			hooks.Webhooks[i].ClientConfig.CABundle = authority
		}
		Expect(admin.Update(ctx, hooks)).To(Succeed())
		secret := certificate()
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(secret), secret)).To(Succeed())
		secret.Data = map[string][]byte{"tls.key": []byte("key")}
		Expect(admin.Update(ctx, secret)).To(Succeed())
		before, err := framework.Read(admin, manager())(ctx)
		Expect(err).NotTo(HaveOccurred())

		helm(ctx, "upgrade", "towpath", chart, "--set", "replicas=3,configuration.workers=8")
		Expect(framework.Read(admin, webhooks())(ctx)).To(HaveField("Webhooks", HaveEach(HaveField("ClientConfig.CABundle", Equal(authority)))))
		Expect(framework.Read(admin, certificate())(ctx)).To(HaveField("Data", HaveKey("tls.key")))
		after, err := framework.Read(admin, manager())(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(after.Spec.Replicas).To(HaveValue(BeEquivalentTo(3)))
		name := func(d *appsv1.Deployment) string { return d.Spec.Template.Spec.Volumes[0].ConfigMap.Name }
		Expect(name(after)).NotTo(Equal(name(before)), "pods roll with another configuration")
		Expect(framework.Read(admin, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "towpath-system", Name: name(after)}})(ctx)).To(
			HaveField("Data", HaveKeyWithValue("manager.yaml", ContainSubstring("workers: 8"))))
	})

	It("adds metrics and alerts once the cluster has the kinds of the Prometheus operator", func(ctx context.Context) {
		Expect(framework.Gone(admin, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "towpath-system", Name: "towpath-metrics-scraper"}})(ctx)).To(BeTrue())
		for _, kind := range []string{"ServiceMonitor", "PrometheusRule"} {
			definition := framework.OpenCRD("monitoring.coreos.com", kind)
			Expect(admin.Create(ctx, definition)).To(Succeed())
			Eventually(ctx, framework.Read(admin, definition)).Should(HaveField("Status.Conditions", ContainElement(And(
				HaveField("Type", apiextensionsv1.Established), HaveField("Status", apiextensionsv1.ConditionTrue)))))
		}
		helm(ctx, "upgrade", "towpath", chart, "--reuse-values", "--set", "monitoring.prometheusRule.labels.release=kube")
		for _, kind := range []string{"ServiceMonitor", "PrometheusRule"} {
			Expect(framework.Read(admin, operators(kind))(ctx)).To(HaveField("Object", HaveKey("spec")))
		}
		Expect(operatorsLabels(ctx, "PrometheusRule")).To(HaveKeyWithValue("release", "kube"))
		token := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "towpath-system", Name: "towpath-metrics-scraper"}}
		Eventually(ctx, framework.Read(admin, token)).Should(HaveField("Data", HaveKey("token")), "kube-controller-manager makes it")

		By("leaving the token alone when it is upgraded again")
		before, err := framework.Read(admin, token)(ctx)
		Expect(err).NotTo(HaveOccurred())
		helm(ctx, "upgrade", "towpath", chart, "--reuse-values", "--set", "monitoring.prometheusRule.enabled=false")
		Expect(framework.Read(admin, token)(ctx)).To(HaveField("Data", Equal(before.Data)))
		Eventually(ctx, framework.Gone(admin, operators("PrometheusRule"))).Should(BeTrue())
	})

	It("takes the manager away, and no object of anybody", func(ctx context.Context) {
		Expect(admin.Delete(ctx, webhooks())).To(Succeed(), "as no manager answers here")
		Eventually(ctx, func() error { return admin.Create(ctx, team.DeepCopy()) }).Should(Succeed(), "the API server goes on asking for a moment")
		helm(ctx, "uninstall", "towpath")
		Expect(framework.Read(admin, team)(ctx)).To(HaveField("Spec.CostCenter", "cc-1"))
		for _, namespace := range config.Namespaces() {
			Expect(admin.Get(ctx, client.ObjectKeyFromObject(namespace), namespace)).To(Succeed())
			Expect(namespace.GetDeletionTimestamp()).To(BeNil())
		}
		for _, object := range []client.Object{manager(), certificate(), &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "towpath-manager"}}, operators("ServiceMonitor")} {
			Eventually(ctx, framework.Gone(admin, object)).Should(BeTrue())
		}
		By("installing again over what stayed")
		helm(ctx, "install", "towpath", chart, "--take-ownership")
		Expect(framework.Read(admin, team)(ctx)).To(HaveField("Spec.CostCenter", "cc-1"))
	})
})

func manager() *appsv1.Deployment {
	return &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "towpath-system", Name: "towpath-manager"}}
}

// operators is an object of the Prometheus operator's kinds.
func operators(kind string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetAPIVersion("monitoring.coreos.com/v1")
	object.SetKind(kind)
	object.SetNamespace("towpath-system")
	object.SetName("towpath-manager")
	return object
}

func operatorsLabels(ctx context.Context, kind string) (map[string]string, error) {
	object, err := framework.Read(admin, operators(kind))(ctx)
	if err != nil {
		return nil, err
	}
	return object.GetLabels(), nil
}

func webhooks() *admissionregistrationv1.ValidatingWebhookConfiguration {
	return &admissionregistrationv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "towpath-validating"}}
}

func certificate() *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "towpath-system", Name: "towpath-webhook-cert"}}
}
