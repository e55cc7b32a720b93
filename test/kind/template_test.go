package kind

import (
	"context"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// server makes a Deployment of the app, which is started in this mode.
func server(mode string) platformv1alpha1.ResourceTemplate {
	return framework.Resource("deployment", fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: "${component.name}"}
spec:
  replicas: 1
  strategy: {rollingUpdate: {maxUnavailable: 0}}
  selector: {matchLabels: {app: "${component.name}"}}
  template:
    metadata: {labels: {app: "${component.name}"}}
    spec:
      automountServiceAccountToken: false
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: app
        image: "${release.image}"
        args: [%s]
        readinessProbe: {httpGet: {path: /readyz, port: 8080}, periodSeconds: 2}
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
`, mode))
}

var _ = Describe("A golden path", func() {
	It("is rolled out in waves, and halts in the one whose pods fail", func(ctx context.Context) {
		template := framework.Template(framework.Name("waves-"), server("serve"))
		template.Spec.Rollout = &platformv1alpha1.TemplateRollout{
			MaxFailures: ptr.To(int32(1)),
			Waves: []platformv1alpha1.RolloutWave{
				{Tiers: []platformv1alpha1.Tier{platformv1alpha1.TierDevelopment}, Percent: 100},
				{Tiers: []platformv1alpha1.Tier{platformv1alpha1.TierProduction}, Percent: 100},
			},
		}
		Expect(kind.Create(ctx, template)).To(Succeed())
		DeferCleanup(func(ctx context.Context) { Expect(kind.Delete(ctx, template)).To(Succeed()) })
		Eventually(framework.Read(kind, template)).WithContext(ctx).Should(framework.BeReady())
		t := newTeam(ctx)
		t.environment(ctx, "dev", "development")
		prod := t.environment(ctx, "prod", "production")
		web := framework.Component(t.home, "web", template.Name, "dev", "prod")
		web.Spec.Image = image("1")
		Expect(kind.Create(ctx, web)).To(Succeed())
		running(ctx, web)
		next := func(mode string) {
			GinkgoHelper()
			live := &platformv1alpha1.ServiceTemplate{}
			Expect(kind.Get(ctx, client.ObjectKeyFromObject(template), live)).To(Succeed())
			before := live.DeepCopy()
			live.Spec.Resources = []platformv1alpha1.ResourceTemplate{server(mode)}
			Expect(kind.Patch(ctx, live, client.MergeFrom(before))).To(Succeed())
		}
		isAt := func(state platformv1alpha1.RolloutState, revision int) OmegaMatcher {
			return HaveField("Status.Rollout", HaveValue(And(HaveField("State", state), HaveField("Revision", BeEquivalentTo(revision)))))
		}
		runs := func(revision int) {
			GinkgoHelper()
			Eventually(framework.Read(kind, web)).WithContext(ctx).Should(And(framework.BeReady(),
				HaveField("Status.Environments", And(HaveLen(2), HaveEach(HaveField("Revision", BeEquivalentTo(revision)))))))
		}
		runs(1)

		By("a change that works")
		next("worker")
		Eventually(framework.Read(kind, template)).WithContext(ctx).Should(isAt(platformv1alpha1.RolloutComplete, 2))
		runs(2)

		By("a change whose pods crash, which production never sees")
		Eventually(allPods(prod, "web")).WithContext(ctx).Should(HaveLen(1))
		seen, err := allPods(prod, "web")(ctx)
		Expect(err).NotTo(HaveOccurred())
		next("no-such-mode")
		Eventually(framework.Read(kind, template)).WithContext(ctx).Should(And(isAt(platformv1alpha1.RolloutHalted, 3), HaveField("Status.Rollout.Wave", BeEquivalentTo(1))))
		Expect(kind.towpath(ctx, "rollout", "status", template.Name)).To(And(ContainSubstring("revision 3 is Halted"), ContainSubstring("exit code 1")))
		runs(2)
		Expect(allPods(prod, "web")(ctx)).To(Equal(seen))
	})
})
