package tenancy_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// What stands in a tenant's file is a value, whatever it looks like.
var _ = Describe("A value of a tenant", func() {
	// rendered makes the Component, and returns the ConfigMap that comes of it.
	rendered := func(ctx context.Context, c *platformv1alpha1.Component) *corev1.ConfigMap {
		GinkgoHelper()
		Expect(mallory.Create(ctx, c)).To(Succeed())
		DeferCleanup(func(ctx context.Context) { Expect(admin.Delete(ctx, c)).To(Succeed()) })
		made := configMap(evil.work, c.Name, nil)
		Eventually(ctx, func(ctx context.Context) error { return admin.Get(ctx, client.ObjectKeyFromObject(made), made) }).Should(Succeed())
		return made
	}
	build := func(parameters string) *platformv1alpha1.Component {
		c := framework.Component(evil.home, framework.Name("c"), lax, "dev")
		c.Spec.Parameters = framework.JSON("name: " + c.Name + parameters)
		return c
	}

	It("is no expression, be it a parameter or an environment variable, where the golden path's own is one", func(ctx context.Context) {
		const expression = "${component.namespace}"
		c := build("\ntext: '" + expression + "'")
		c.Spec.Env = []platformv1alpha1.EnvVar{{Name: "A", Value: expression}}
		made := rendered(ctx, c)
		Expect(made.Data).To(HaveKeyWithValue("text", expression))
		Expect(made.Data).To(HaveKeyWithValue("env", "A="+expression))
		Expect(made.Name).To(Equal(c.Name), "the control: ${params.name} stands in the golden path")
	})

	It("is not taken over from labels and annotations of the Component, where the team's are", func(ctx context.Context) {
		c := build("")
		c.Labels = map[string]string{platformv1alpha1.LabelTeam: "other", platformv1alpha1.LabelOwnerUID: "other", platformv1alpha1.LabelCostCenter: "other"}
		c.Annotations = map[string]string{platformv1alpha1.AnnotationHome: "other/other", platformv1alpha1.AnnotationAdoptBy: "other", platformv1alpha1.AnnotationKeep: "true"}
		made := rendered(ctx, c)
		Expect(made.Labels).To(And(
			HaveKeyWithValue(platformv1alpha1.LabelTeam, evil.name), HaveKeyWithValue(platformv1alpha1.LabelCostCenter, "cc-"+evil.name),
			HaveKeyWithValue(platformv1alpha1.LabelOwnerUID, string(c.UID))))
		Expect(made.Annotations).To(BeEmpty())
	})

	for what, put := range map[string]struct {
		hostile, harmless func(*platformv1alpha1.Component)
		refused           string
	}{
		"of the image": {
			func(c *platformv1alpha1.Component) { c.Spec.Image = "app:1\nhostNetwork: true" },
			func(c *platformv1alpha1.Component) { c.Spec.Image = "app:1" }, "image must be",
		},
		"of a variable's name": {
			func(c *platformv1alpha1.Component) { c.Spec.Env = []platformv1alpha1.EnvVar{{Name: "A=B", Value: "c"}} },
			func(c *platformv1alpha1.Component) { c.Spec.Env = []platformv1alpha1.EnvVar{{Name: "A_B", Value: "c"}} }, "should match",
		},
		"of a Secret's key": {
			func(c *platformv1alpha1.Component) { c.Spec.SecretEnv = secretEnv("../../etc") },
			func(c *platformv1alpha1.Component) { c.Spec.SecretEnv = secretEnv("etc") }, "should match",
		},
		"of a selector": {
			func(c *platformv1alpha1.Component) {
				c.Spec.Environments[0].Adopt = selecting(platformv1alpha1.LabelComponent)
			},
			func(c *platformv1alpha1.Component) { c.Spec.Environments[0].Adopt = selecting("app") }, "podSelector must not hold labels of the prefix",
		},
	} {
		It("is held to its form: "+what, func(ctx context.Context) {
			c := build("")
			put.hostile(c)
			Expect(mallory.Create(ctx, c)).To(MatchError(ContainSubstring(put.refused)))
			c = build("")
			put.harmless(c)
			Expect(mallory.Create(ctx, c, client.DryRunAll)).To(Succeed(), "the control")
		})
	}
})

func secretEnv(key string) []platformv1alpha1.SecretEnvVar {
	return []platformv1alpha1.SecretEnvVar{{Name: "A", SecretKeyRef: platformv1alpha1.SecretKeyReference{Name: "b", Key: key}}}
}

func selecting(label string) *platformv1alpha1.Adoption {
	return &platformv1alpha1.Adoption{
		Objects: []platformv1alpha1.AdoptedObject{{Resource: "config", Name: "foreign"}}, PodSelector: map[string]string{label: "orders"},
	}
}

// Without nodes an exec never succeeds; what answers tells how far it came.
var _ = Describe("A command in a pod", func() {
	It("is refused to an applier that has the right, before anybody looks for the pod's node", func(ctx context.Context) {
		exec := func(as string, groups ...string) error {
			cfg, err := cluster.Plane.UserConfig(as, groups...)
			Expect(err).NotTo(HaveOccurred())
			if len(groups) > 0 { // the administrator, as the applier
				cfg.Impersonate.UserName = applierUser + evil.work
			}
			kube, err := kubernetes.NewForConfig(cfg)
			Expect(err).NotTo(HaveOccurred())
			return kube.CoreV1().RESTClient().Post().Namespace(evil.work).Resource("pods").Name("lasting").SubResource("exec").
				Param("command", "id").Param("stdout", "true").Do(ctx).Error()
		}
		Expect(exec("root", "system:masters")).To(byPolicy("towpath-appliers").says)
		Expect(exec("greta")).To(MatchError(ContainSubstring("does not have a host assigned")), "the control: a tenant comes further")
	})
})
