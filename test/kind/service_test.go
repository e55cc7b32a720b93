package kind

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

var _ = Describe("A web-service", func() {
	It("answers through its Service, and goes on from dev to prod", Label("smoke"), func(ctx context.Context) {
		t := newTeam(ctx)
		dev, prod := t.environment(ctx, "dev", "development"), t.environment(ctx, "prod", "production")
		web := t.web(ctx, "web", "1", "dev", "prod")
		running(ctx, web)
		for _, namespace := range []string{dev, prod} {
			caller := call(ctx, namespace, address(namespace, "web"))
			caller.hears(ctx, "version 1")
			caller.neverFailed(ctx)
		}
		Expect(kind.towpath(ctx, "status", "-n", t.home, "web")).To(And(
			ContainSubstring("Ready, promoted"), ContainSubstring("✔ prod"), ContainSubstring("✔ Deployment/web")))
		Expect(kind.towpath(ctx, "why", "-n", t.home, "web")).To(ContainSubstring("ready"))
	})

	It("changes its version without one request that fails", Label("smoke"), func(ctx context.Context) {
		t := newTeam(ctx)
		namespace := t.environment(ctx, "prod", "production")
		web := t.component("web", "web-service", "1", small, "prod")
		// As long as the golden path waits by default; the rest stays small.
		web.Spec.Environments[0].Parameters = framework.JSON(`{replicas: {min: 2, max: 2}, shutdown: {delaySeconds: 10, drainSeconds: 30}}`)
		Expect(kind.Create(ctx, web)).To(Succeed())
		running(ctx, web)

		caller := call(ctx, namespace, address(namespace, "web"))
		caller.hears(ctx, "version 1")
		for _, version := range []string{"2", "1"} {
			ship(ctx, web, version)
			running(ctx, web)
			Eventually(imagesOf(namespace, "web")).WithContext(ctx).Should(And(HaveLen(2), HaveEach(image(version))))
			caller.hears(ctx, "version "+version)
		}
		Eventually(allPods(namespace, "web")).WithContext(ctx).Should(HaveLen(2), "pods of before are gone, drained")
		caller.neverFailed(ctx)
		Expect(kind.Get(ctx, client.ObjectKeyFromObject(t.release("web-prod-2")), &platformv1alpha1.Release{})).To(Succeed())
	})
})
