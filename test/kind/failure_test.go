package kind

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

var _ = Describe("A version that fails", func() {
	DescribeTable("is told by its cause",
		func(ctx context.Context, version, reason string, texts ...string) {
			t := newTeam(ctx)
			t.environment(ctx, "dev", "development")
			web := t.web(ctx, "web", version, "dev")
			Eventually(framework.Read(kind, t.release("web-dev-1"))).WithContext(ctx).
				Should(framework.HaveCondition(platformv1alpha1.ConditionReady, metav1.ConditionFalse, reason, texts...))
			Eventually(framework.Read(kind, web)).WithContext(ctx).
				Should(framework.HaveCondition(platformv1alpha1.ConditionReady, metav1.ConditionFalse, "", texts...))

			why, err := kind.run(ctx, kind.towpathPath(), "why", "web", "-n", t.home)
			Expect(err).To(HaveOccurred(), "exit code 1 says that it is not ready")
			Expect(why).To(And(ContainSubstring("web is not ready in dev: "+reason), ContainSubstring("docs/runbooks/"+reason+".md")))
			if version == "crash" {
				Expect(why).To(ContainSubstring("cannot reach the database"), "what the container logged")
			}
		},
		Entry("an image that nobody has", "absent", platformv1alpha1.ReasonImagePullFailed, image("absent")),
		Entry("a container that ends with an error", Label("smoke"), "crash", platformv1alpha1.ReasonCrashLoop, "exit code 3"),
		Entry("a probe that is not answered", "unready", platformv1alpha1.ReasonProbeFailed),
		Entry("a container that needs more memory than it may have", "memory", platformv1alpha1.ReasonOutOfMemory),
	)

	It("is rolled back by itself, and no caller sees it", func(ctx context.Context) {
		class := framework.Class(framework.Name("careful-"), platformv1alpha1.TierProduction)
		class.Spec.Rollback = &platformv1alpha1.RollbackPolicy{Mode: platformv1alpha1.RollbackAutomatic}
		Expect(kind.Create(ctx, class)).To(Succeed())
		// After the team, whose environment is of this class.
		DeferCleanup(func(ctx context.Context) { Expect(kind.Delete(ctx, class)).To(Succeed()) })
		t := newTeam(ctx)
		namespace := t.environment(ctx, "prod", class.Name)
		web := t.web(ctx, "web", "1", "prod")
		running(ctx, web)
		caller := call(ctx, namespace, address(namespace, "web"))

		ship(ctx, web, "crash")
		Eventually(framework.Read(kind, t.release("web-prod-3"))).WithContext(ctx).Should(And(
			framework.BeReady(), HaveField("Spec.Cause", platformv1alpha1.CauseRollback), HaveField("Spec.Image", image("1"))))
		Eventually(framework.Read(kind, web)).WithContext(ctx).Should(framework.HaveCondition(
			platformv1alpha1.ConditionPromoted, metav1.ConditionFalse, platformv1alpha1.ReasonRolledBack, "CrashLoop"))
		Eventually(imagesOf(namespace, "web")).WithContext(ctx).Should(ConsistOf(image("1")))
		caller.hears(ctx, "version 1")
		caller.neverFailed(ctx)
	})
})
