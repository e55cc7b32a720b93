package component_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/preview"
	"github.com/towpath-dev/towpath/test/framework"
)

var _ = Describe("An environment of a pull request that expires", func() {
	It("takes its copies along and everything that was made, and those who list it wait and write nothing", func(ctx context.Context) {
		class := framework.Class(framework.Name("preview-"), platformv1alpha1.TierPreview)
		class.Spec.Lifetime = &platformv1alpha1.Lifetime{DefaultSeconds: 86400}
		Expect(admin.Create(ctx, class)).To(Succeed())
		t := newTeam(ctx, "dev")
		pr := platformv1alpha1.PullRequest{Number: 7, URL: "https://git.example/" + t.name + "/pull/7"}
		environment := preview.Environment(t.home, class.Name, pr, "shop")

		orders := deploy(ctx, framework.Component(t.home, "orders", publish(ctx, database(framework.Name("database-"))).Name, "dev"))
		shop := deploy(ctx, using(framework.Component(t.home, "shop", publish(ctx, consumer(framework.Name("consumer-"))).Name, "dev"), "orders"))
		settled(ctx, orders)
		settled(ctx, shop)
		By("a Component of the team that lists the environment by hand")
		listing := deploy(ctx, framework.Component(t.home, "listing", publish(ctx, light(framework.Name("light-"))).Name, "dev", environment.Name))
		Eventually(ctx, framework.Read(admin, listing)).Should(framework.HaveCondition(isReady, no, platformv1alpha1.ReasonEnvironmentNotFound))
		Eventually(ctx, framework.Read(admin, t.release("listing", "dev", 1))).Should(framework.BeReady())
		before, err := cluster.Everything(ctx)
		Expect(err).NotTo(HaveOccurred())

		By("its life, with copies that use each other")
		Expect(admin.Create(ctx, environment)).To(Succeed())
		var copies []*platformv1alpha1.Component
		for _, original := range []*platformv1alpha1.Component{orders, shop} {
			copied := preview.Copy(original, environment, func(name string) string { return preview.ComponentName(pr, "shop", name) }, preview.Changes{Image: "registry.example/pr:7"})
			copies = append(copies, deploy(ctx, copied))
		}
		for _, copied := range copies {
			settled(ctx, copied)
		}
		settled(ctx, listing)
		live := read(ctx, environment)
		Expect(read(ctx, configMapOf(live.Status.Namespace, preview.ComponentName(pr, "shop", "orders")+"-config")).Data).To(HaveKeyWithValue("image", "registry.example/pr:7"))
		during, err := cluster.Everything(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(during.Without(before)).To(And(
			ContainElement(HavePrefix("namespaces. /"+live.Status.Namespace+" ")), ContainElement(HavePrefix("serviceaccounts. towpath-appliers/"+live.Status.Namespace+" ")),
			ContainElement(HavePrefix("rolebindings.rbac.authorization.k8s.io "+live.Status.Namespace+"/")), ContainElement(HavePrefix("components.platform.towpath.dev "+t.home+"/shop-pr-7-"))))

		By("its end")
		start := now.Now()
		DeferCleanup(func() { now.SetTime(start) })
		now.SetTime(live.Status.ExpiresAt.Time)
		touch(ctx, environment)
		for _, object := range []client.Object{live, copies[0], copies[1]} {
			Eventually(ctx, framework.Gone(admin, object)).Should(BeTrue(), object.GetName())
		}
		Eventually(ctx, func(ctx context.Context) ([]string, error) {
			after, err := cluster.Everything(ctx)
			return after.Without(before), err
		}).Should(BeEmpty(), "something was left behind")

		By("the one that lists it, which runs on in dev")
		Eventually(ctx, framework.Read(admin, listing)).Should(framework.HaveCondition(isReady, no, platformv1alpha1.ReasonEnvironmentNotFound, environment.Name, "take it out of spec.environments"))
		Expect(read(ctx, t.release("listing", "dev", 1))).To(framework.BeReady())
		quiet := time.Now()
		Consistently(ctx, func() (framework.Audit, error) {
			log, err := cluster.Audit()
			return log.ByTowpath().Since(quiet).About(t.home, environment.Name, live.Status.Namespace), err
		}).Should(BeEmpty())
		change(ctx, listing, func(c *platformv1alpha1.Component) { c.Spec.Environments = c.Spec.Environments[:1] })
		settled(ctx, listing)
	})
})
