package build_test

import (
	"context"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/revision"
	"github.com/towpath-dev/towpath/test/framework"
)

// change changes the Component of a spec.
func (t *team) change(ctx context.Context, do func(*platformv1alpha1.Component)) {
	GinkgoHelper()
	live, err := framework.Read(admin, t.component)(ctx)
	Expect(err).NotTo(HaveOccurred())
	before := live.DeepCopy()
	do(live)
	Expect(admin.Patch(ctx, live, client.MergeFrom(before))).To(Succeed())
}

var _ = Describe("A Build that runs", func() {
	It("goes on with what its Component said when it began", func(ctx context.Context) {
		typed := stage("image", "test")
		typed.Image = "registry.example/shell:${params.version}"
		typed.Env = []platformv1alpha1.EnvVar{{Name: "DEPLOYED", Value: "${component.branch}"}}
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("test"), typed}})
		t.change(ctx, func(c *platformv1alpha1.Component) {
			c.Spec.Parameters, c.Spec.Source.Path = framework.JSON(`{version: "1.25"}`), "services/checkout"
			c.Spec.Source.SecretRef = &platformv1alpha1.SourceSecretReference{Name: "git"}
		})
		b := t.create(ctx)
		t.job(ctx, b, "clone")

		t.change(ctx, func(c *platformv1alpha1.Component) {
			c.Spec.Parameters, c.Spec.Source.Path = framework.JSON(`{version: "2.0"}`), "elsewhere"
			c.Spec.Source.Repository, c.Spec.Source.Image = "https://evil.example/shop/checkout", "registry.example/shop/other"
			c.Spec.Source.SecretRef, c.Spec.Source.Branch = nil, "other"
		})
		t.succeeds(ctx, b, "clone", "test")
		container := t.job(ctx, b, "image").Spec.Template.Spec.Containers[0]
		Expect(container.Image).To(Equal("registry.example/shell:1.25"))
		Expect(container.WorkingDir).To(HaveSuffix("/services/checkout"))
		Expect(container.Env).To(ContainElement(corev1.EnvVar{Name: "TOWPATH_IMAGE", Value: "registry.example/shop/checkout:" + b.Spec.Commit.SHA}))
		Expect(container.Env).To(ContainElement(corev1.EnvVar{Name: "DEPLOYED", Value: "main"}))
		t.ends(ctx, b, "image", corev1.PodSucceeded, digest)
		Eventually(ctx, framework.Read(admin, b)).Should(And(framework.BeReady(),
			HaveField("Status.Image", "registry.example/shop/checkout@"+digest),
			HaveField("Status.Inputs", HaveValue(And(HaveField("Repository", "https://git.example/shop/checkout"), HaveField("Secret", "git"), HaveField("Branch", "main"))))))

		next := t.create(ctx)
		clone := t.job(ctx, next, "clone").Spec.Template.Spec
		Expect(clone.Containers[0].Env).To(ContainElement(corev1.EnvVar{Name: "TOWPATH_REPOSITORY", Value: "https://evil.example/shop/checkout"}))
		Expect(clone.Volumes).NotTo(ContainElement(HaveField("Name", "credentials")))
	})

	It("takes what it runs with from nobody else", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("test")}})
		b := t.create(ctx)
		t.job(ctx, b, "clone")
		live := read(ctx, b)
		before := live.DeepCopy()
		live.Status.Inputs.Secret = "of-somebody-else"
		Expect(admin.Status().Patch(ctx, live, client.MergeFrom(before))).To(MatchError(ContainSubstring("is written by Towpath alone")), "an administrator of the cluster may not either")
	})

	It("ends as it began where the Component is given to another engine meanwhile", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("test")}})
		b := t.create(ctx)
		t.job(ctx, b, "clone")
		t.change(ctx, func(c *platformv1alpha1.Component) { c.Spec.Source.Engine = platformv1alpha1.EngineExternal })
		t.succeeds(ctx, b, "clone", "test")
		Eventually(ctx, framework.Read(admin, b)).Should(And(framework.BeReady(), HaveField("Status.Place.Engine", platformv1alpha1.EngineJobs)))
	})

	It("keeps its revision until it has ended", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("test")}})
		b := t.create(ctx)
		t.job(ctx, b, "clone")
		for i := range 11 { // the ten newest are kept in any case
			live, err := framework.Read(admin, t.template)(ctx)
			Expect(err).NotTo(HaveOccurred())
			before := live.DeepCopy()
			live.Spec.Pipeline.Stages = []platformv1alpha1.Stage{stage(fmt.Sprintf("other%d", i))}
			Expect(admin.Patch(ctx, live, client.MergeFrom(before))).To(Succeed())
			Eventually(ctx, framework.Read(admin, t.template)).Should(HaveField("Status.LatestRevision.Number", BeEquivalentTo(i+2)))
		}
		gone := func(number int64) func(context.Context) bool {
			return func(ctx context.Context) bool {
				key := types.NamespacedName{Name: revision.Name(t.template.Name, number)}
				return apierrors.IsNotFound(admin.Get(ctx, key, &platformv1alpha1.ServiceTemplateRevision{}))
			}
		}
		Eventually(ctx, gone(2)).Should(BeTrue(), "nothing refers to revision 2")
		Expect(gone(1)(ctx)).To(BeFalse(), "the Build runs revision 1")
		t.succeeds(ctx, b, "clone", "test")
		Eventually(ctx, framework.Read(admin, b)).Should(framework.BeReady())
		Eventually(ctx, gone(1)).Should(BeTrue(), "the Build has ended")
	})
})
