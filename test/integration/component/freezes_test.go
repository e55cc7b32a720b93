package component_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

var _ = Describe("A freeze that lets nobody break the glass", func() {
	It("holds also where another one that does closes later, until it closes itself", func(ctx context.Context) {
		const layout = "2006-01-02T15:04"
		start := now.Now()
		DeferCleanup(func() { now.SetTime(start) })
		after := func(hours int) string { return start.UTC().Add(time.Duration(hours) * time.Hour).Format(layout) }
		class := framework.Class(framework.Name("frozen-"), platformv1alpha1.TierProduction)
		class.Spec.Freezes = []platformv1alpha1.FreezeWindow{
			{Name: "audit", Reason: "The auditors are here.", From: after(24), Until: after(48), BreakGlass: platformv1alpha1.BreakGlassForbidden},
			{Name: "holiday", Reason: "All are away.", From: after(24), Until: after(96)},
		}
		Expect(admin.Create(ctx, class)).To(Succeed())
		t := newTeam(ctx)
		t.addGated(ctx, "prod", class.Name)
		Expect(admin.Create(ctx, &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: t.home, Name: "gus"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "towpath-breakglass"},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "gus"}},
		})).To(Succeed())
		gus, err := cluster.UserClient("gus")
		Expect(err).NotTo(HaveOccurred())
		template := publish(ctx, light(framework.Name("light-")))
		component := deploy(ctx, framework.Component(t.home, "shop", template.Name, "prod"))
		settled(ctx, component)

		now.SetTime(start.Add(25 * time.Hour))
		change(ctx, component, withImage("registry.example/shop:2.0.0"))
		held := waitsFor(platformv1alpha1.ReasonFrozen, "holiday (All are away)", "The freeze audit lets nobody break the glass until ")
		Eventually(ctx, framework.Read(admin, component)).Should(held)
		decide(ctx, gus, "gus", t.release("shop", "prod", 2), platformv1alpha1.DecisionBreakGlass, "The cart is down.")
		Eventually(ctx, framework.Read(admin, t.release("shop", "prod", 2))).Should(HaveField("Status.Decisions", HaveLen(1)))
		Consistently(ctx, framework.Read(admin, component), "2s").Should(held)
		Expect(read(ctx, t.configMap("prod", "shop-config")).Data).To(HaveKeyWithValue("image", "registry.example/shop:1.0.0"))

		By("its end, in the other")
		now.SetTime(start.Add(49 * time.Hour))
		nudge(ctx, component)
		settled(ctx, component)
		Expect(read(ctx, t.configMap("prod", "shop-config")).Data).To(HaveKeyWithValue("image", "registry.example/shop:2.0.0"))
		now.SetTime(start) // what runs there may be deleted again
	})
})
