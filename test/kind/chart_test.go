package kind

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// test/integration/chart installs the chart where no manager runs; here one does.
var _ = Describe("The Helm chart", Serial, Label("disruptive"), func() {
	It("installs managers whose webhooks answer, leaves what people own when it goes, and comes back to it", func(ctx context.Context) {
		// What Helm applied is Helm's: it goes before Towpath is installed in the other way.
		restore := func(ctx context.Context) {
			kind.towpath(ctx, "uninstall", "--workloads=keep", "--definitions=delete", "--yes")
			kind.install(ctx)
		}
		DeferCleanup(restore)
		kind.towpath(ctx, "uninstall", "--workloads=delete", "--definitions=delete", "--yes")
		chart := filepath.Join(kind.root, "build", "chart", "towpath")
		kind.must(ctx, "make", "--no-print-directory", "chart", "VERSION=v0.0.0-kind")
		kind.kubectl(ctx, "create", "namespace", platformv1alpha1.SystemNamespace)
		install := func() {
			repository, tag, _ := strings.Cut(os.Getenv(managerVariable), ":")
			helm(ctx, "install", "towpath", chart, "--take-ownership", "--wait", "--timeout=5m",
				"--set", "image.repository="+repository+",image.tag="+tag)
		}
		install()
		catalog := func() error {
			_, err := kind.run(ctx, "make", "--no-print-directory", "catalog", "KUBECTL="+kind.kubectlPath())
			return err
		}
		Eventually(catalog).WithContext(ctx).Should(Succeed(), "the webhooks answer at their Service")

		t := newTeam(ctx)
		DeferCleanup(restore) // before the Team goes, whose kind may be gone
		namespace := t.environment(ctx, "dev", "development")
		web := t.web(ctx, "web", "1", "dev")
		running(ctx, web)
		wrong := t.component("wrong", "web-service", "1", `{replicas: {min: 3, max: 1}}`, "dev")
		Expect(kind.Create(ctx, wrong)).To(MatchError(ContainSubstring("must be at least replicas.min")), "the webhook looks at it")
		caller := call(ctx, namespace, address(namespace, "web"))
		before, err := pods(ctx, namespace, "web")
		Expect(err).NotTo(HaveOccurred())

		By("helm uninstall")
		helm(ctx, "uninstall", "towpath", "--wait")
		Eventually(func(ctx context.Context) ([]corev1.Pod, error) {
			var list corev1.PodList
			err := kind.List(ctx, &list, client.InNamespace(platformv1alpha1.SystemNamespace))
			return list.Items, err
		}).WithContext(ctx).Should(BeEmpty())
		Expect(kind.Get(ctx, client.ObjectKeyFromObject(web), &platformv1alpha1.Component{})).To(Succeed(), "kinds and objects stay")

		By("helm install over what stayed")
		install()
		ship(ctx, web, "1") // nothing new
		led(ctx)
		running(ctx, web)
		after, err := pods(ctx, namespace, "web")
		Expect(err).NotTo(HaveOccurred())
		Expect(identitiesOf(after)).To(Equal(identitiesOf(before)), "the same pods, started once")
		caller.neverFailed(ctx)

		By("taking all of it away, in the order that the notes of the chart say")
		kind.towpath(ctx, "uninstall", "--workloads=delete", "--definitions=delete", "--yes")
		helm(ctx, "uninstall", "towpath", "--wait", "--ignore-not-found")
		Eventually(named).WithContext(ctx).WithArguments("towpath").Should(BeEmpty())
		Expect(framework.Gone(kind, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})(ctx)).To(BeTrue())
	})
})

// helm runs the pinned Helm.
func helm(ctx context.Context, args ...string) string {
	GinkgoHelper()
	return kind.must(ctx, "go", append([]string{"-C", "hack/chart", "tool", "helm.sh/helm/v3/cmd/helm", "-n", platformv1alpha1.SystemNamespace}, args...)...)
}
