package tenancy_test

import (
	"context"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// claimed is a name by which a Component or an Environment reaches for what is not its own. What stops it is the
// controller, and a policy behind it whose own control is among the requests.
type claimed struct {
	what string
	// of builds what mallory makes. The target exists, and must stay as it is.
	of     func() client.Object
	target func() client.Object
	reason string
	texts  []string
	// control builds the same, and gives what was missing: it must become Ready.
	control func(ctx context.Context) client.Object
}

// environmentOf takes a namespace over.
func environmentOf(home, name, adopt string) *platformv1alpha1.Environment {
	e := framework.Environment(home, name, class)
	e.Spec.AdoptNamespace = adopt
	return e
}

// named is a Component of the lax golden path that makes a ConfigMap of a name.
func named(name string) *platformv1alpha1.Component {
	c := framework.Component(evil.home, framework.Name("c"), lax, "dev")
	c.Spec.Parameters = framework.JSON("name: " + name)
	return c
}

// adopts is a Component that takes a ConfigMap over.
func adopts(name string) *platformv1alpha1.Component {
	c := named("its-own")
	c.Spec.Environments[0].Adopt = &platformv1alpha1.Adoption{Objects: []platformv1alpha1.AdoptedObject{{Resource: "config", Name: name}}}
	return c
}

// free makes a namespace that mallory's Environment is allowed to take over.
func free(ctx context.Context) client.Object {
	GinkgoHelper()
	name, environment := framework.Name("free-"), framework.Name("e")
	n := namespace(name)
	n.Annotations = map[string]string{platformv1alpha1.AnnotationAdoptBy: evil.home + "/" + environment}
	Expect(admin.Create(ctx, n)).To(Succeed())
	return environmentOf(evil.home, environment, name)
}

func claims() []claimed {
	takes := func(what string, name func() string, reason string) claimed {
		return claimed{what: what, reason: reason, control: free, target: func() client.Object { return namespace(name()) },
			of: func() client.Object { return environmentOf(evil.home, framework.Name("e"), name()) }}
	}
	literal := func(name string) func() string { return func() string { return name } }
	return []claimed{
		takes("kube-system, by adoptNamespace", literal("kube-system"), platformv1alpha1.ReasonNamespaceTaken),
		takes("default, by adoptNamespace", literal("default"), platformv1alpha1.ReasonNamespaceTaken),
		takes("the manager's namespace, by adoptNamespace", literal(platformv1alpha1.SystemNamespace), platformv1alpha1.ReasonNamespaceTaken),
		takes("the appliers' namespace, by adoptNamespace", literal(platformv1alpha1.ApplierNamespace), platformv1alpha1.ReasonNamespaceTaken),
		takes("another team's home, by adoptNamespace", func() string { return victim.home }, platformv1alpha1.ReasonNamespaceTaken),
		takes("another team's workload namespace, by adoptNamespace", func() string { return victim.work }, platformv1alpha1.ReasonNamespaceTaken),
		takes("one's own home, by adoptNamespace", func() string { return evil.home }, platformv1alpha1.ReasonNamespaceTaken),
		takes("a namespace that nobody gave, by adoptNamespace", literal("kept-apart"), platformv1alpha1.ReasonConsentMissing),
		{what: "kube-system, by the names of team and environment", reason: platformv1alpha1.ReasonNamespaceTaken,
			target:  func() client.Object { return namespace("kube-system") },
			of:      func() client.Object { return environmentOf("team-kube", "system", "") },
			control: func(context.Context) client.Object { return environmentOf("team-kube", framework.Name("e"), "") }},
		{what: "a foreign object, by the name of what is rendered", reason: platformv1alpha1.ReasonReleaseFailed, texts: []string{"foreign"},
			target:  func() client.Object { return configMap(evil.work, "foreign", nil) },
			of:      func() client.Object { return named("foreign") },
			control: func(context.Context) client.Object { return named(framework.Name("free-")) }},
		{what: "another Component's object, by the name of what is rendered", reason: platformv1alpha1.ReasonReleaseFailed, texts: []string{"orders-config"},
			target:  func() client.Object { return configMap(evil.work, "orders-config", nil) },
			of:      func() client.Object { return named("orders-config") },
			control: func(context.Context) client.Object { return named(framework.Name("free-")) }},
		{what: "an object of another namespace, by a name that is a path", reason: platformv1alpha1.ReasonRenderFailed, texts: []string{"name"},
			target:  func() client.Object { return configMap("kube-system", "x", nil) },
			of:      func() client.Object { return named("../../kube-system/configmaps/x") },
			control: func(context.Context) client.Object { return named(framework.Name("free-")) }},
		{what: "a foreign object, by adopt", reason: platformv1alpha1.ReasonReleaseFailed, texts: []string{"foreign"},
			target: func() client.Object { return configMap(evil.work, "foreign", nil) },
			of:     func() client.Object { return adopts("foreign") },
			control: func(ctx context.Context) client.Object {
				given := configMap(evil.work, framework.Name("given-"), nil)
				c := adopts(given.Name)
				given.Annotations = map[string]string{platformv1alpha1.AnnotationAdoptBy: c.Name}
				Expect(mallory.Create(ctx, given)).To(Succeed())
				return c
			}},
		{what: "another Component's object, by adopt", reason: platformv1alpha1.ReasonReleaseFailed, texts: []string{"orders-config"},
			target: func() client.Object { return configMap(evil.work, "orders-config", nil) },
			of:     func() client.Object { return adopts("orders-config") },
			control: func(ctx context.Context) client.Object {
				given := configMap(evil.work, framework.Name("given-"), nil)
				c := adopts(given.Name)
				given.Annotations = map[string]string{platformv1alpha1.AnnotationAdoptBy: c.Name}
				Expect(mallory.Create(ctx, given)).To(Succeed())
				return c
			}},
	}
}

var _ = Describe("A name", func() {
	// makes has mallory make what the administrator lets her: the home of the team kube is hers for this.
	makes := func(ctx context.Context, o client.Object) {
		GinkgoHelper()
		Expect(mallory.Create(ctx, o)).To(Succeed())
		DeferCleanup(func(ctx context.Context) { Expect(client.IgnoreNotFound(admin.Delete(ctx, o))).To(Succeed()) })
	}
	for _, a := range claims() {
		It("does not reach "+a.what, func(ctx context.Context) {
			before := bytesOf(ctx, a.target())
			o := a.of()
			makes(ctx, o)
			Eventually(ctx, framework.Read(admin, o)).Should(framework.HaveCondition(platformv1alpha1.ConditionReady, "False", a.reason, a.texts...))
			Expect(bytesOf(ctx, a.target())).To(Equal(before))
			Expect(client.IgnoreNotFound(admin.Delete(ctx, o))).To(Succeed())
			Eventually(ctx, framework.Gone(admin, o)).Should(BeTrue())
			Expect(bytesOf(ctx, a.target())).To(Equal(before), "nor does its deletion")
		})
		It("reaches what is free, or was given: the control of "+a.what, func(ctx context.Context) {
			o := a.control(ctx)
			makes(ctx, o)
			Eventually(ctx, framework.Read(admin, o)).Should(framework.BeReady())
		})
	}
})

// misnamed are names that the kinds' own validation keeps out.
var _ = Describe("A reference", func() {
	for what, refer := range map[string]func(c *platformv1alpha1.Component, to string){
		"by uses": func(c *platformv1alpha1.Component, to string) { c.Spec.Uses = []platformv1alpha1.Use{{Component: to}} },
		"by the name of adopt": func(c *platformv1alpha1.Component, to string) {
			c.Spec.Environments[0].Adopt = &platformv1alpha1.Adoption{Objects: []platformv1alpha1.AdoptedObject{{Resource: "config", Name: to}}}
		},
	} {
		It("stays in its namespace: "+what, func(ctx context.Context) {
			c := framework.Component(evil.home, "refers", plain, "dev")
			refer(c, fmt.Sprintf("%s/orders", victim.home))
			Expect(mallory.Create(ctx, c)).To(MatchError(ContainSubstring("should match")))
			refer(c, "orders")
			Expect(mallory.Create(ctx, c, client.DryRunAll)).To(Succeed(), "the control")
		})
	}
	It("to a Component of another team by its plain name finds nothing there", func(ctx context.Context) {
		only := framework.Component(victim.home, framework.Name("only"), plain, "dev")
		Expect(admin.Create(ctx, only)).To(Succeed())
		DeferCleanup(func(ctx context.Context) { Expect(admin.Delete(ctx, only)).To(Succeed()) })
		for name, matcher := range map[string]OmegaMatcher{
			only.Name: framework.HaveCondition(platformv1alpha1.ConditionReady, "False", platformv1alpha1.ReasonWaitingForProvider),
			"orders":  framework.BeReady(), // the control: one's own
		} {
			c := framework.Component(evil.home, framework.Name("c"), plain, "dev")
			c.Spec.Uses = []platformv1alpha1.Use{{Component: name}}
			Expect(mallory.Create(ctx, c)).To(Succeed())
			DeferCleanup(func(ctx context.Context) { Expect(admin.Delete(ctx, c)).To(Succeed()) })
			Eventually(ctx, framework.Read(admin, c)).Should(matcher, name)
		}
	})
})
