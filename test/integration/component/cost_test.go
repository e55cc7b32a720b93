package component_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	. "github.com/onsi/gomega/gstruct"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// settleCosts is longer than it takes an Environment to follow.
const settleCosts = time.Minute

// sized is a golden path whose pods request what a parameter says.
func sized(name string) *platformv1alpha1.ServiceTemplate {
	template := framework.Template(name, framework.Resource("deployment", `
apiVersion: apps/v1
kind: Deployment
metadata: {name: "${component.name}"}
spec:
  replicas: 2
  selector: {matchLabels: {app: "${component.name}"}}
  template:
    metadata: {labels: {app: "${component.name}"}}
    spec:
      automountServiceAccountToken: false
      securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: app
        image: "${release.image}"
        resources: {requests: {cpu: "${params.cpu}", memory: 1Gi}}
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
`))
	template.Spec.Parameters = framework.JSON(`{type: object, properties: {cpu: {type: string, default: "1"}}}`)
	return template
}

func costs(expected string) OmegaMatcher {
	return HaveField("Monthly.Expected", platformv1alpha1.Amount(expected))
}

var _ = Describe("What a Component costs", func() {
	It("is frozen in its Releases, told of a change, and summed up", func(ctx context.Context) {
		t := newTeam(ctx, "dev", "prod")
		template := publish(ctx, sized(framework.Name("sized-")))
		component := framework.Component(t.home, "shop", template.Name, "dev", "prod")
		component.Spec.Environments[1].Parameters = framework.JSON(`{cpu: "3"}`)
		Expect(developer.Create(ctx, component)).To(Succeed())
		// 2 × (1 × 0.031611 + 1 × 0.004237) × 730, and 2 × (3 × 0.031611 + 0.004237) × 730
		Expect(warned.all()).To(ContainElements(
			"shop in dev: +52.34 USD a month, 52.34 in all, as estimated by OpenCost's default prices",
			"shop in prod: +144.64 USD a month, 144.64 in all, as estimated by OpenCost's default prices"))

		settled(ctx, component)
		release := read(ctx, t.release("shop", "prod", 1))
		Expect(release.Spec.EstimatedCost).To(PointTo(And(costs("144.6422"), HaveField("PricesFrom", platformv1alpha1.PricesOfDefaultList))))
		Expect(read(ctx, component).Status).To(And(
			HaveField("EstimatedCost", PointTo(And(costs("196.9803"), HaveField("Releases", BeEquivalentTo(2)), HaveField("Unknown", BeZero())))),
			HaveField("Environments", ContainElement(And(HaveField("Name", "dev"), HaveField("EstimatedCost", PointTo(costs("52.3381")))))),
		))

		By("a change that costs more, and one that costs nothing")
		live := read(ctx, component)
		live.Spec.Parameters = framework.JSON(`{cpu: "2"}`)
		Expect(developer.Update(ctx, live)).To(Succeed())
		Expect(warned.all()).To(ContainElement("shop in dev: +46.15 USD a month, 98.49 in all, as estimated by OpenCost's default prices"))
		settled(ctx, component)
		before := len(warned.all())
		live = read(ctx, component)
		live.Spec.Image = "registry.example/shop:2.0.0"
		Expect(developer.Update(ctx, live)).To(Succeed())
		Expect(warned.all()[before:]).NotTo(ContainElement(ContainSubstring("a month")))
		settled(ctx, component)

		By("the environment, once no more changes come")
		Eventually(ctx, framework.Read(admin, t.environment("dev"))).WithTimeout(settleCosts).Should(
			HaveField("Status.EstimatedCost", PointTo(And(costs("98.4901"), HaveField("Releases", BeEquivalentTo(1))))))
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Environments = c.Spec.Environments[1:] })
		settled(ctx, component)
		Eventually(ctx, framework.Read(admin, t.environment("dev"))).WithTimeout(settleCosts).Should(HaveField("Status.EstimatedCost", BeNil()), "nothing runs there")
		Expect(read(ctx, component).Status.EstimatedCost).To(PointTo(HaveField("Releases", BeEquivalentTo(1))))
	})
})
