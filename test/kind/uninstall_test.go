package kind

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/towpath-dev/towpath/test/framework"
)

// Towpath goes and comes back in each of these, so that they run alone.
var _ = Describe("Uninstalling", Serial, Label("disruptive"), func() {
	It("leaves what Components run as it is, and nothing of Towpath beside it", func(ctx context.Context) {
		t := newTeam(ctx)
		namespace := t.environment(ctx, "dev", "development")
		running(ctx, t.web(ctx, "web", "1", "dev"))
		caller := call(ctx, namespace, address(namespace, "web"))
		before, err := pods(ctx, namespace, "web")
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func(ctx context.Context) {
			kind.install(ctx)
			for _, name := range []string{namespace, t.home} {
				Expect(client.IgnoreNotFound(kind.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}))).To(Succeed())
			}
		})

		kind.towpath(ctx, "uninstall", "--workloads=keep", "--yes")
		Eventually(named).WithContext(ctx).WithArguments("towpath").Should(
			HaveEach(Or(ContainSubstring(" "+namespace+"/"), HavePrefix("customresourcedefinitions."), HavePrefix("apiservices."))), "what stays is the Component's, and the kinds")
		after, err := pods(ctx, namespace, "web")
		Expect(err).NotTo(HaveOccurred())
		Expect(identitiesOf(after)).To(Equal(identitiesOf(before)), "the same pods, started once")
		caller.hears(ctx, "version 1")
		caller.neverFailed(ctx)
	})

	It("leaves nothing at all where the workloads are to go too", func(ctx context.Context) {
		t := newTeam(ctx)
		namespace := t.environment(ctx, "dev", "development")
		running(ctx, t.web(ctx, "web", "1", "dev"))
		Expect(named(ctx, t.name)).NotTo(BeEmpty(), "or this spec could not fail")
		DeferCleanup(func(ctx context.Context) { kind.install(ctx) })

		kind.towpath(ctx, "uninstall", "--workloads=delete", "--definitions=delete", "--yes")
		Eventually(named).WithContext(ctx).WithArguments("towpath").Should(BeEmpty())
		Eventually(named).WithContext(ctx).WithArguments(t.name).Should(BeEmpty())
		Expect(framework.Gone(kind, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})(ctx)).To(BeTrue())
	})
})

// named lists every object of the cluster, of whatever kind, in whose name or namespace the text stands. The node and what
// Kubernetes names after it do not count.
func named(ctx context.Context, text string) ([]string, error) {
	all, err := framework.ListEverything(ctx, kind.config)
	var found []string
	for object := range all {
		if strings.Contains(strings.ReplaceAll(object, kind.node, ""), text) {
			found = append(found, object)
		}
	}
	return found, err
}

// identitiesOf are pods by UID: how often their containers were started again.
func identitiesOf(list []corev1.Pod) map[string]int32 {
	found := map[string]int32{}
	for i := range list {
		for j := range list[i].Status.ContainerStatuses {
			found[string(list[i].UID)] += list[i].Status.ContainerStatuses[j].RestartCount
		}
	}
	return found
}
