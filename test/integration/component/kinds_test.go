package component_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

var _ = Describe("A class that allows some kinds alone", func() {
	only := func(kinds ...platformv1alpha1.AllowedKind) func(*platformv1alpha1.EnvironmentClass) {
		return func(c *platformv1alpha1.EnvironmentClass) { c.Spec.AllowedKinds = kinds }
	}
	configMaps := platformv1alpha1.AllowedKind{Kind: "ConfigMap"}
	deployments := platformv1alpha1.AllowedKind{Group: "apps", Kind: "Deployment"}

	// place makes an environment prod of a class of its own.
	place := func(ctx context.Context, kinds ...platformv1alpha1.AllowedKind) (*team, *platformv1alpha1.EnvironmentClass) {
		GinkgoHelper()
		class := framework.Class(framework.Name("narrow-"), platformv1alpha1.TierProduction)
		only(kinds...)(class)
		Expect(admin.Create(ctx, class)).To(Succeed())
		t := newTeam(ctx)
		t.addGated(ctx, "prod", class.Name)
		return t, class
	}

	It("refuses a Component on creation that makes others, by kind, class and what is allowed", func(ctx context.Context) {
		t, class := place(ctx, configMaps)
		template := publish(ctx, web(framework.Name("web-"), framework.ConfigMap("config")))
		Eventually(ctx, func() error {
			return developer.Create(ctx, framework.Component(t.home, "shop", template.Name, "prod"))
		}).Should(MatchError(And(ContainSubstring("spec.environments[prod]"), ContainSubstring("resource deployment"),
			ContainSubstring("class "+class.Name+" does not allow objects of kind Deployment.apps, only ConfigMap"))))
	})

	It("stops nothing that runs when it becomes narrower, refuses the next version, and lets it in when it is wider", func(ctx context.Context) {
		t, class := place(ctx, configMaps, deployments)
		template := publish(ctx, web(framework.Name("web-"), framework.ConfigMap("config")))
		component := deploy(ctx, framework.Component(t.home, "shop", template.Name, "prod"))
		settled(ctx, component)
		Expect(read(ctx, t.release("shop", "prod", 1)).Spec.AllowedKinds).To(ConsistOf(configMaps, deployments))

		change(ctx, class, only(configMaps))
		Eventually(ctx, framework.Read(admin, t.environment("prod"))).Should(HaveField("Status.AllowedKinds", ConsistOf(configMaps)))
		Expect(admin.Delete(ctx, deploymentOf(t.workload("prod"), "shop"))).To(Succeed())
		Eventually(ctx, runs(t.workload("prod"), "shop")).Should(Equal(component.Spec.Image), "it is made again, as its Release says")

		By("the next version, of which admission only warns, since the Component was there before")
		image := component.Spec.Image
		change(ctx, component, withImage("registry.example/shop:2"))
		Expect(warned.all()).To(ContainElement(ContainSubstring("class " + class.Name + " does not allow objects of kind Deployment.apps")))
		Eventually(ctx, framework.Read(admin, component)).Should(framework.BeStalled(platformv1alpha1.ReasonRefused,
			"Deployment shop (resource deployment): kind", "class "+class.Name, "Deployment.apps", "only ConfigMap", "allowedKinds"))
		Expect(runs(t.workload("prod"), "shop")(ctx)).To(Equal(image))

		change(ctx, class, only())
		settled(ctx, component)
		Expect(runs(t.workload("prod"), "shop")(ctx)).To(Equal("registry.example/shop:2"))
		Expect(read(ctx, t.release("shop", "prod", 2)).Spec.AllowedKinds).To(BeEmpty())
	})

	It("refuses what only the parameters make when the Release would be made", func(ctx context.Context) {
		t, class := place(ctx, configMaps)
		optional := framework.Resource("deployment", string(web("any").Spec.Resources[0].Object.Raw))
		optional.IncludeWhen = "${params.port != 8081}"
		template := web(framework.Name("maybe-"), framework.ConfigMap("config"))
		template.Spec.Resources[0] = optional
		publish(ctx, template)
		component := framework.Component(t.home, "shop", template.Name, "prod")
		deploy(ctx, component)
		Eventually(ctx, framework.Read(admin, component)).Should(framework.BeStalled(platformv1alpha1.ReasonRefused, "class "+class.Name, "Deployment.apps"))
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Parameters = framework.JSON(`{port: 8081}`) })
		settled(ctx, component)
	})
})
