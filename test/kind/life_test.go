package kind

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

var _ = Describe("What a Component does", func() {
	It("runs a scheduled job", func(ctx context.Context) {
		t := newTeam(ctx)
		namespace := t.environment(ctx, "dev", "development")
		job := t.component("report", "scheduled-job", "1", `{schedule: "* * * * *", args: [job], resources: {cpu: 10m, memory: 32Mi}}`, "dev")
		Expect(kind.Create(ctx, job)).To(Succeed())
		running(ctx, job)
		var jobs batchv1.JobList
		Eventually(func(g Gomega) {
			g.Expect(kind.List(ctx, &jobs, client.InNamespace(namespace), client.MatchingLabels{platformv1alpha1.LabelComponent: "report"})).To(Succeed())
			g.Expect(jobs.Items).To(ContainElement(HaveField("Status.Succeeded", BeEquivalentTo(1))))
		}).WithContext(ctx).Should(Succeed(), "a minute begins")
		Expect(kind.kubectl(ctx, "logs", "-n", namespace, "-l", platformv1alpha1.LabelComponent+"=report", "--tail=-1")).To(ContainSubstring("the job is done"))
	})

	It("runs a worker that works through its queue", func(ctx context.Context) {
		t := newTeam(ctx)
		namespace := t.environment(ctx, "dev", "development")
		worker := t.component("mailer", "worker", "1", `{args: [worker], replicas: {min: 1, max: 1}, resources: {cpu: 10m, memory: 32Mi}}`, "dev")
		Expect(kind.Create(ctx, worker)).To(Succeed())
		running(ctx, worker)
		Eventually(func() string {
			return kind.kubectl(ctx, "logs", "-n", namespace, "deployment/mailer")
		}).WithContext(ctx).Should(ContainSubstring("worked"))
	})

	It("calls another Component that it uses", func(ctx context.Context) {
		t := newTeam(ctx)
		namespace := t.environment(ctx, "dev", "development")
		orders := t.web(ctx, "orders", "2", "dev")
		t.shop(ctx)
		caller := call(ctx, namespace, address(namespace, "shop")+"/call/BACKEND")
		caller.hears(ctx, "passed on: version 2")
		caller.neverFailed(ctx)

		By("what is used cannot go while it is used")
		Expect(kind.Delete(ctx, orders)).To(MatchError(ContainSubstring("it is used by shop")))
	})

	It("sleeps, and answers again once it is woken", func(ctx context.Context) {
		t := newTeam(ctx)
		namespace := t.environment(ctx, "dev", "development")
		web := t.web(ctx, "web", "1", "dev")
		running(ctx, web)

		kind.towpath(ctx, "env", "sleep", "dev", "-n", t.home)
		Eventually(allPods(namespace, "web")).WithContext(ctx).Should(BeEmpty())
		Eventually(framework.Read(kind, t.release("web-dev-1"))).WithContext(ctx).
			Should(framework.HaveCondition(platformv1alpha1.ConditionReady, metav1.ConditionTrue, platformv1alpha1.ReasonAsleep))

		kind.towpath(ctx, "env", "wake", "dev", "-n", t.home)
		Eventually(imagesOf(namespace, "web")).WithContext(ctx).Should(ConsistOf(image("1")))
		Eventually(framework.Read(kind, t.release("web-dev-1"))).WithContext(ctx).
			Should(framework.HaveCondition(platformv1alpha1.ConditionReady, metav1.ConditionTrue, platformv1alpha1.ReasonReady))
		call(ctx, namespace, address(namespace, "web")).hears(ctx, "version 1")
	})

	It("is shown in an environment of a pull request, of which nothing is left", func(ctx context.Context) {
		t := newTeam(ctx)
		t.environment(ctx, "dev", "development")
		running(ctx, t.web(ctx, "web", "1", "dev"))
		const url = "https://git.example/shop/web/pull/7"
		kind.towpath(ctx, "env", "preview", "-n", t.home, "--pr", url, "--component", "web", "--image", image("2"), "--wait", "--timeout=4m")

		var environments platformv1alpha1.EnvironmentList
		Expect(kind.List(ctx, &environments, client.InNamespace(t.home))).To(Succeed())
		var preview *platformv1alpha1.Environment
		for i := range environments.Items {
			if strings.HasPrefix(environments.Items[i].Name, "pr-7-") {
				preview = &environments.Items[i]
			}
		}
		Expect(preview).NotTo(BeNil())
		namespace := preview.Status.Namespace
		var services corev1.ServiceList
		Expect(kind.List(ctx, &services, client.InNamespace(namespace))).To(Succeed())
		Expect(services.Items).To(HaveLen(1))
		call(ctx, namespace, address(namespace, services.Items[0].Name)).hears(ctx, "version 2")
		Expect(named(ctx, preview.Name)).NotTo(BeEmpty(), "or this spec could not fail")

		kind.towpath(ctx, "env", "delete-preview", "-n", t.home, "--pr", url, "--wait", "--timeout=4m")
		Eventually(named).WithContext(ctx).WithArguments(preview.Name).Should(BeEmpty())
		running(ctx, framework.Component(t.home, "web", "web-service"))
	})
})

// withNetwork are the small parameters, and what the network is to let through.
func withNetwork(parameters string) string {
	return strings.TrimSuffix(small, "}") + ", network: " + parameters + "}"
}

// shop makes a web-service that uses the Component orders as "backend", by an egress that leads nowhere else, and waits
// until it runs.
func (t *team) shop(ctx context.Context, env ...platformv1alpha1.EnvVar) {
	GinkgoHelper()
	shop := t.component("shop", "web-service", "1", withNetwork(`{egress: Restricted}`), "dev")
	shop.Spec.Env = env
	shop.Spec.Uses = []platformv1alpha1.Use{{Component: "orders", As: "backend"}}
	Expect(kind.Create(ctx, shop)).To(Succeed())
	running(ctx, shop)
}
