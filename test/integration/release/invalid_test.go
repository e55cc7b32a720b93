package release_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// divided is a ConfigMap that cannot be rendered while the parameter key has four letters, as its default has.
func divided() platformv1alpha1.ResourceTemplate {
	return framework.Resource("divided", `
apiVersion: v1
kind: ConfigMap
metadata: {name: "${component.name}-divided"}
data: {share: "${string(10 / (size(params.key) - 4))}"}
`)
}

// triedAgain is how many passes over Components ended so that another is to follow, with an error or without.
func triedAgain() (float64, error) {
	families, err := metrics.Registry.Gather()
	sum := 0.0
	for _, family := range families {
		if family.GetName() != "controller_runtime_reconcile_total" {
			continue
		}
		for _, metric := range family.GetMetric() {
			labels := map[string]string{}
			for _, label := range metric.GetLabel() {
				labels[label.GetName()] = label.GetValue()
			}
			if labels["controller"] == "component" && labels["result"] != "success" {
				sum += metric.GetCounter().GetValue()
			}
		}
	}
	return sum, err
}

var _ = Describe("A Component that cannot be rendered", Serial, func() {
	It("is told so once, and is not tried again until its spec changes", func(ctx context.Context) {
		p := newPlace(ctx)
		component, _ := p.deploy(ctx, divided())
		Eventually(ctx, framework.Read(admin, component)).Should(framework.BeStalled(platformv1alpha1.ReasonRenderFailed, "divi"))
		told := p.quiet(ctx)
		tries, err := triedAgain()
		Expect(err).NotTo(HaveOccurred())
		Consistently(ctx, triedAgain, "5s").Should(Equal(tries), "nothing changed")
		Expect(p.writes()).To(HaveLen(len(told)), "nothing changed")

		By("a change that is none of the spec")
		change(ctx, component, func(c *platformv1alpha1.Component) {
			c.Annotations = map[string]string{"example.com/note": "looked at"}
		})
		Consistently(ctx, triedAgain, "2s").Should(Equal(tries), "the spec is as it was")
		Expect(p.writes()).To(HaveLen(len(told)), "the spec is as it was")

		By("a spec that can be rendered")
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Parameters = framework.JSON(`{key: seven77}`) })
		p.ready(ctx, 1)
		Expect(read(ctx, p.configMap("shop-divided")).Data).To(Equal(map[string]string{"share": "3"}))
	})
})
