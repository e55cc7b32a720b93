package servicetemplate_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/template"
	"github.com/towpath-dev/towpath/test/framework"
)

var _ = Describe("A template that compiles", func() {
	It("becomes revision 1, and its next content revision 2", func(ctx context.Context) {
		st := created(ctx, configMap("one"))
		first := read(ctx, revision(st, 1))
		Expect(first).To(framework.HaveCondition("Ready", metav1.ConditionTrue, "Compiled"))
		Expect(first.Spec.Hash).To(MatchRegexp("^[0-9a-f]{64}$"))
		Expect(first.Spec.Template).To(Equal(template.Content(&read(ctx, st).Spec)), "all but what is said about the template")
		Expect(read(ctx, st)).To(framework.HaveCondition("Ready", metav1.ConditionTrue, "Compiled", "Compiled as revision 1."))

		setContent(ctx, st, "two")
		awaitRevision(ctx, st, 2)
		Expect(read(ctx, revision(st, 2)).Spec.Hash).NotTo(Equal(first.Spec.Hash))
		Expect(read(ctx, revision(st, 1)).Spec).To(Equal(first.Spec))
	})

	It("becomes no new revision while its content is the same", func(ctx context.Context) {
		st := created(ctx, configMap("one"))
		start := time.Now()
		By("writing the same with its keys in another order, and a label")
		change(ctx, st, func(st *platformv1alpha1.ServiceTemplate) {
			st.Labels = map[string]string{"touched": "1"}
			st.Spec.Resources = []platformv1alpha1.ResourceTemplate{framework.Resource("config", `
data: {value: one}
metadata: {name: "${component.name}"}
kind: ConfigMap
apiVersion: v1
`)}
		})
		By("restarting the manager")
		Expect(cluster.StopManager()).To(Succeed())
		Expect(cluster.StartManager(ctx)).To(Succeed())
		// Both have woken the template by now: a revision, or any other write, would show within two seconds.
		Consistently(ctx, func(g Gomega) {
			log, err := cluster.Audit()
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(log.ByTowpath().Since(start).About(st.Name, st.Name+"-1", st.Name+"-2")).To(BeEmpty())
		}).Should(Succeed())
		Expect(numbers(st)(ctx)).To(Equal([]int64{1}))
	})

	It("becomes a new revision also when it goes back to older content: numbers only go up", func(ctx context.Context) {
		st := created(ctx, configMap("one"))
		setContent(ctx, st, "two")
		awaitRevision(ctx, st, 2)
		setContent(ctx, st, "one")
		awaitRevision(ctx, st, 3)
		Expect(read(ctx, revision(st, 3)).Spec.Hash).To(Equal(read(ctx, revision(st, 1)).Spec.Hash))
	})

	It("gets another number where somebody deleted its newest revision", func(ctx context.Context) {
		st := created(ctx, configMap("one"))
		setContent(ctx, st, "two")
		awaitRevision(ctx, st, 2)
		Expect(admin.Delete(ctx, revision(st, 2))).To(Succeed())
		awaitRevision(ctx, st, 3)
		Expect(numbers(st)(ctx)).To(Equal([]int64{1, 3}))
	})

	It("may have a name of forty characters", func(ctx context.Context) {
		st := configMap("one")
		st.Name = framework.Name("t-") + strings.Repeat("x", 33)
		created(ctx, st)
	})

	It("keeps each content apart when it changes quickly", func(ctx context.Context) {
		st := created(ctx, configMap("0"))
		for i := range 5 {
			setContent(ctx, st, fmt.Sprint(i+1))
		}
		last := read(ctx, st)
		Eventually(ctx, framework.Read(admin, st)).Should(And(framework.BeReady(), HaveField("Generation", last.Generation)))
		hashes := map[string]int64{}
		found, err := numbers(st)(ctx)
		Expect(err).NotTo(HaveOccurred())
		for _, number := range found {
			hash := read(ctx, revision(st, number)).Spec.Hash
			Expect(hashes).NotTo(HaveKey(hash), "the same content became two revisions")
			hashes[hash] = number
		}
		Expect(read(ctx, revision(st, found[len(found)-1])).Spec.Template).To(Equal(template.Content(&last.Spec)))
	})
})

var _ = Describe("A revision", func() {
	It("is kept while a Release refers to it, also when its template is gone, and goes after it", func(ctx context.Context) {
		st := created(ctx, configMap("one"))
		release := makeRelease(ctx, st, 1)
		setContent(ctx, st, "two")
		awaitRevision(ctx, st, 2)
		Expect(admin.Delete(ctx, st)).To(Succeed())
		Eventually(ctx, numbers(st)).Should(Equal([]int64{1}), "nobody refers to revision 2")
		// Revision 2 is gone since a moment: had the Release not held it, revision 1 would be too.
		Consistently(ctx, numbers(st)).Should(Equal([]int64{1}))

		Expect(admin.Patch(ctx, release, merge(`{"metadata":{"finalizers":null}}`))).To(Succeed())
		_ = admin.Delete(ctx, release) // the Release controller does so too, for its Component is unknown
		Eventually(ctx, framework.Gone(admin, release)).Should(BeTrue())
		Eventually(ctx, numbers(st)).Should(BeEmpty())
	})

	It("is kept while a Component is pinned to it, and goes when the pin does", func(ctx context.Context) {
		st := created(ctx, configMap("one"))
		first, second := pinned(ctx, st, 1), pinned(ctx, st, 1)
		setContent(ctx, st, "two")
		awaitRevision(ctx, st, 2)
		Expect(admin.Delete(ctx, st)).To(Succeed())
		Eventually(ctx, numbers(st)).Should(Equal([]int64{1}), "nobody refers to revision 2")
		// Revision 2 is gone since a moment: had the Components not held it, revision 1 would be too.
		Consistently(ctx, numbers(st)).Should(Equal([]int64{1}))

		By("deleting one Component, and unpinning the other")
		Expect(admin.Delete(ctx, first)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, first)).Should(BeTrue())
		Expect(numbers(st)(ctx)).To(Equal([]int64{1}))
		Expect(admin.Patch(ctx, second, merge(`{"spec":{"templateRef":{"revision":null}}}`))).To(Succeed())
		Eventually(ctx, numbers(st)).Should(BeEmpty())
	})

	It("goes with the last Component that was pinned to it", func(ctx context.Context) {
		st := created(ctx, configMap("one"))
		component := pinned(ctx, st, 1)
		Expect(admin.Delete(ctx, st)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, st)).Should(BeTrue())
		Expect(admin.Delete(ctx, component)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, component)).Should(BeTrue())
		Eventually(ctx, numbers(st)).Should(BeEmpty())
	})

	It("goes when ten newer ones are there, unless a Release refers to it", func(ctx context.Context) {
		st := created(ctx, configMap("1"))
		release := makeRelease(ctx, st, 1)
		for number := int64(2); number <= 12; number++ {
			setContent(ctx, st, fmt.Sprint(number))
			awaitRevision(ctx, st, number)
		}
		Eventually(ctx, numbers(st)).Should(Equal([]int64{1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}))

		Expect(admin.Patch(ctx, release, merge(`{"metadata":{"finalizers":null}}`))).To(Succeed())
		_ = admin.Delete(ctx, release) // the Release controller does so too, for its Component is unknown
		Eventually(ctx, numbers(st)).Should(Equal([]int64{3, 4, 5, 6, 7, 8, 9, 10, 11, 12}))
	})

	It("counts on where a template of the same name comes again while an older one is still used", func(ctx context.Context) {
		st := created(ctx, configMap("one"))
		makeRelease(ctx, st, 1)
		Expect(admin.Delete(ctx, st)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, st)).Should(BeTrue())
		again := framework.Template(st.Name, content("two"))
		Expect(admin.Create(ctx, again)).To(Succeed())
		awaitRevision(ctx, again, 2)
	})

	DescribeTable("never changes",
		func(ctx context.Context, patch string) {
			st := configMap("one")
			st.Spec.Parameters = framework.JSON(`{type: object, properties: {size: {type: integer, default: 1}}}`)
			created(ctx, st)
			Expect(admin.Patch(ctx, revision(st, 1), merge(patch))).To(MatchError(ContainSubstring("must not change")))
			err := cluster.ManagerClient.Patch(ctx, revision(st, 1), merge(patch))
			Expect(apierrors.IsForbidden(err)).To(BeTrue(), "the manager has no right to: %v", err)
		},
		Entry("its number", `{"spec":{"number":7}}`),
		Entry("its hash", `{"spec":{"hash":"`+strings.Repeat("0", 64)+`"}}`),
		Entry("its parameters, which the schema does not know", `{"spec":{"template":{"parameters":{"properties":{"size":{"default":2}}}}}}`),
		Entry("its objects, which the schema does not know",
			`{"spec":{"template":{"resources":[{"id":"config","object":{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"other"}}}]}}}`),
	)
})

var _ = Describe("A Release", func() {
	DescribeTable("never changes",
		func(ctx context.Context, patch string) {
			release := makeRelease(ctx, configMap("one"), 1)
			Expect(admin.Patch(ctx, release, merge(patch))).To(MatchError(ContainSubstring("must not change")))
			Expect(cluster.ManagerClient.Patch(ctx, release, merge(patch))).To(MatchError(ContainSubstring("must not change")))
		},
		Entry("its image", `{"spec":{"image":"registry.example/other:1"}}`),
		Entry("its parameters, which the schema does not know", `{"spec":{"parameters":{"size":2}}}`),
		Entry("a parameter deep inside", `{"spec":{"parameters":{"nested":{"deep":false}}}}`),
		Entry("its inventory", `{"spec":{"inventory":[{"resource":"config","apiVersion":"v1","kind":"ConfigMap","name":"other"}]}}`),
	)
})

// pinned makes a Component that is pinned to a revision, in an environment that does not exist.
func pinned(ctx context.Context, st *platformv1alpha1.ServiceTemplate, number int64) *platformv1alpha1.Component {
	GinkgoHelper()
	component := framework.Component("default", framework.Name("c-"), st.Name, "nowhere")
	component.Spec.TemplateRef.Revision = ptr.To(number)
	Expect(admin.Create(ctx, component)).To(Succeed())
	Eventually(ctx, framework.Read(admin, component)).Should(
		framework.HaveCondition("Ready", metav1.ConditionFalse, "EnvironmentNotFound"))
	return component
}

// makeRelease makes a Release that refers to a revision, as the manager's identity since nobody else may.
// It is held by a finalizer of the suite's, for the Release controller lets one go whose Component is
// unknown. It is let go after the spec.
func makeRelease(ctx context.Context, st *platformv1alpha1.ServiceTemplate, number int64) *platformv1alpha1.Release {
	GinkgoHelper()
	release := &platformv1alpha1.Release{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: framework.Name("release-"), Finalizers: []string{"test.towpath.dev/hold"}},
		Spec: platformv1alpha1.ReleaseSpec{
			Number:    1,
			Component: platformv1alpha1.ReleaseComponent{Name: "unknown", UID: "unknown"},
			Environment: platformv1alpha1.ReleaseEnvironment{
				Name: "unknown", UID: "unknown", Namespace: "unknown", Class: "unknown", Tier: platformv1alpha1.TierDevelopment,
			},
			Template: st.Name, Revision: platformv1alpha1.RevisionReference{Name: fmt.Sprintf("%s-%d", st.Name, number), Number: number},
			Version: "1", Cause: platformv1alpha1.CauseManual, Image: "registry.example/unknown:1",
			Parameters: framework.JSON(`{size: 1, nested: {deep: true}}`),
			Team:       "unknown", CostCenter: "unknown", PodSecurity: platformv1alpha1.PodSecurityRestricted,
			Inventory: []platformv1alpha1.ReleaseObject{{Resource: "config", APIVersion: "v1", Kind: "ConfigMap", Name: "config"}},
		},
	}
	Expect(cluster.ManagerClient.Create(ctx, release)).To(Succeed())
	DeferCleanup(func(ctx context.Context) {
		_ = admin.Patch(ctx, release, merge(`{"metadata":{"finalizers":null}}`))
	})
	return release
}
