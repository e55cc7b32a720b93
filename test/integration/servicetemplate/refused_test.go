package servicetemplate_test

import (
	"context"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/test/framework"
)

var _ = Describe("A template that does not compile", func() {
	DescribeTable("is refused with the path, the expression and what to do",
		func(ctx context.Context, edit func(*platformv1alpha1.ServiceTemplate), texts ...string) {
			st := configMap("one")
			edit(st)
			err := admin.Create(ctx, st)
			Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%v", err)
			for _, text := range texts {
				Expect(err).To(MatchError(ContainSubstring(text)))
			}

			By("being refused as a change too, which leaves what is there")
			good := created(ctx, configMap("one"))
			live := read(ctx, good)
			edit(live)
			Expect(apierrors.IsInvalid(admin.Update(ctx, live))).To(BeTrue())
			Expect(read(ctx, good).Generation).To(Equal(int64(1)))
		},
		Entry("an unknown variable", with(`{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {value: "${componet.name}"}}`),
			`spec.resources[config].object.data`, `${componet.name}`, `did you mean component`),
		Entry("an unknown parameter", with(`{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {value: "${params.sise}"}}`),
			`spec.resources[config].object.data`, `${params.sise}`, `sise`),
		Entry("a wrong type for the field", with(`
{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: {
  replicas: "${component.name}", selector: {matchLabels: {a: b}},
  template: {metadata: {labels: {a: b}}, spec: {containers: [{name: app, image: a}]}}}}`),
			`spec.resources[config].object.spec.replicas`, `${component.name}`, `an integer`),
		Entry("a wrong literal for the field", with(`
{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: {
  replicas: many, selector: {matchLabels: {a: b}},
  template: {metadata: {labels: {a: b}}, spec: {containers: [{name: app, image: a}]}}}}`),
			`spec.resources[config].object.spec.replicas`, `"many"`, `must be an integer`),
		Entry("an unknown field", with(`{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, dat: {}}`),
			`spec.resources[config].object.dat`, `the kind has no such field; did you mean data?`),
		Entry("a circle of references", func(st *platformv1alpha1.ServiceTemplate) {
			st.Spec.Resources = []platformv1alpha1.ResourceTemplate{
				framework.Resource("one", `{apiVersion: v1, kind: ConfigMap, metadata: {name: one}, data: {value: "${resources.two.metadata.name}"}}`),
				framework.Resource("two", `{apiVersion: v1, kind: ConfigMap, metadata: {name: two}, data: {value: "${resources.one.metadata.name}"}}`),
			}
		}, `spec.resources`, `one -> two -> one`, `must not refer to each other in a circle`),
		Entry("a cluster-scoped kind", with(`{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: a}, value: 1}`),
			`spec.resources[config].object.kind`, `PriorityClass`, `cluster-scoped`),
		Entry("a Namespace", with(`{apiVersion: v1, kind: Namespace, metadata: {name: a}}`),
			`spec.resources[config].object.kind`, `cluster-scoped`),
		Entry("a Secret", with(`{apiVersion: v1, kind: Secret, metadata: {name: a}}`),
			`spec.resources[config].object.kind`, `secretEnv`),
		Entry("a RoleBinding", with(`
{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: a}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: admin}}`),
			`spec.resources[config].object.kind`, `must not be templated`),
		Entry("a kind of Towpath", with(`{apiVersion: platform.towpath.dev/v1alpha1, kind: Environment, metadata: {name: a}, spec: {classRef: {name: a}}}`),
			`spec.resources[config].object.kind`, `must not be templated`),
		Entry("a kind that is not served", with(`{apiVersion: nowhere.example.com/v1, kind: Thing, metadata: {name: a}}`),
			`spec.resources[config].object.kind`, `does not serve nowhere.example.com/v1/Thing`, `in capabilities}`),
		Entry("a namespace of its own", with(`{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: kube-system}}`),
			`spec.resources[config].object.metadata.namespace`, `leave it out`),
		Entry("a label of Towpath's", with(`{apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: {platform.towpath.dev/team: other}}}`),
			`spec.resources[config].object.metadata.labels[platform.towpath.dev/team]`, `leave it out`),
		Entry("an expression that does not parse", with(`{apiVersion: v1, kind: ConfigMap, metadata: {name: "${component.}"}}`),
			`spec.resources[config].object.metadata.name`, `${component.}`),
		Entry("a default that its own schema refuses", func(st *platformv1alpha1.ServiceTemplate) {
			st.Spec.Parameters = framework.JSON(`{type: object, properties: {size: {type: integer, minimum: 3, default: 1}}}`)
		}, `spec.parameters`, `size`),
	)

	It("is refused with every error at once", func(ctx context.Context) {
		st := framework.Template(framework.Name("t-"),
			framework.Resource("one", `{apiVersion: v1, kind: ConfigMap, metadata: {name: one}, dat: {}}`),
			framework.Resource("two", `{apiVersion: v1, kind: Secret, metadata: {name: two}}`),
			framework.Resource("three", `{apiVersion: v1, kind: ConfigMap, metadata: {name: three}, data: {value: "${nothing}"}}`))
		err := admin.Create(ctx, st)
		Expect(err).To(MatchError(And(ContainSubstring("resources[one].object.dat"), ContainSubstring("resources[two].object.kind"),
			ContainSubstring("resources[three].object.data"))))
	})

	It("is refused where two resources have the same id", func(ctx context.Context) {
		st := framework.Template(framework.Name("t-"), framework.ConfigMap("config"), framework.ConfigMap("config"))
		Expect(admin.Create(ctx, st)).To(MatchError(And(ContainSubstring("Duplicate value"), ContainSubstring("config"))))
	})

	It("is stalled where the webhook did not see it, and serves once it is mended", func(ctx context.Context) {
		st := configMap("${nothing}")
		st.Labels = map[string]string{framework.LabelUnchecked: ""}
		Expect(admin.Create(ctx, st)).To(Succeed())
		Eventually(ctx, framework.Read(admin, st)).Should(
			framework.BeStalled("CompileFailed", "spec.resources[config].object.data", "${nothing}"))
		Expect(numbers(st)(ctx)).To(BeEmpty())
		Expect(read(ctx, st).Status.LatestRevision).To(BeNil())

		setContent(ctx, st, "one")
		awaitRevision(ctx, st, 1)
		Expect(condition.Of(read(ctx, st))).NotTo(ContainElement(HaveField("Type", "Stalled")))
	})

	It("leaves the last good revision serving, and says so however long the errors are", func(ctx context.Context) {
		st := configMap("one")
		st.Labels = map[string]string{framework.LabelUnchecked: ""}
		created(ctx, st)
		change(ctx, st, func(st *platformv1alpha1.ServiceTemplate) {
			st.Spec.Resources = nil
			for _, id := range strings.Split("abcdefghijklmnopqrstuvwxyz", "") {
				st.Spec.Resources = append(st.Spec.Resources, framework.Resource(id, `
{apiVersion: v1, kind: ConfigMap, metadata: {name: x-`+id+`}, data: {value: "${nothing.that.exists.anywhere + nothing.that.ever.did}"}}`))
			}
		})
		Eventually(ctx, framework.Read(admin, st)).Should(framework.BeStalled("CompileFailed", "spec.resources[a]", "Revision 1 keeps serving."))
		Expect(read(ctx, st).Status.LatestRevision).To(HaveField("Number", int64(1)))
		Expect(numbers(st)(ctx)).To(Equal([]int64{1}))
	})
})

var _ = Describe("A template of a kind that comes and goes", func() {
	It("is stalled when the kind goes, keeps its revision, and is ready when the kind comes back", func(ctx context.Context) {
		crd := framework.CRD(framework.Name("g")+".example.com", "Widget")
		made := crd.DeepCopy()
		Expect(admin.Create(ctx, made)).To(Succeed())
		st := framework.Template(framework.Name("t-"), widget(crd.Spec.Group))
		// The API server publishes the schema a moment after the kind.
		Eventually(ctx, func() error { return admin.Create(ctx, st) }).Should(Succeed())
		awaitRevision(ctx, st, 1)

		Expect(admin.Delete(ctx, made)).To(Succeed())
		Eventually(ctx, framework.Read(admin, st)).Should(
			framework.BeStalled("CompileFailed", "spec.resources[widget].object.kind", crd.Spec.Group+"/v1/Widget", "Revision 1 keeps serving."))
		Expect(read(ctx, st).Status.LatestRevision).To(HaveField("Number", int64(1)))

		Expect(admin.Create(ctx, crd)).To(Succeed())
		awaitRevision(ctx, st, 1)
		Expect(numbers(st)(ctx)).To(Equal([]int64{1}))
	})

	It("is stalled when the kind loses a field that it sets", func(ctx context.Context) {
		crd := framework.CRD(framework.Name("g")+".example.com", "Widget")
		Expect(admin.Create(ctx, crd)).To(Succeed())
		st := framework.Template(framework.Name("t-"), widget(crd.Spec.Group))
		Eventually(ctx, func() error { return admin.Create(ctx, st) }).Should(Succeed())
		awaitRevision(ctx, st, 1)

		Expect(admin.Patch(ctx, crd, client.RawPatch("application/json-patch+json",
			[]byte(`[{"op":"remove","path":"/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/color"}]`)))).To(Succeed())
		Eventually(ctx, framework.Read(admin, st)).Should(
			framework.BeStalled("CompileFailed", "spec.resources[widget].object.spec.color", "the kind has no such field"))
	})

	It("is accepted with a warning where includeWhen asks for the kind, and checked when it comes", func(ctx context.Context) {
		crd := framework.CRD(framework.Name("g")+".example.com", "Widget")
		optional := widget(crd.Spec.Group)
		optional.IncludeWhen = `${"` + crd.Spec.Group + `/v1/Widget" in capabilities}`
		st := framework.Template(framework.Name("t-"), content("one"), optional)

		heard := &warnings{}
		cfg := cluster.Plane.AdminConfig()
		cfg.WarningHandler = heard
		listener, err := client.New(cfg, client.Options{Scheme: admin.Scheme()})
		Expect(err).NotTo(HaveOccurred())
		Expect(listener.Create(ctx, st)).To(Succeed())
		Expect(heard.all()).To(ContainElement(And(ContainSubstring("spec.resources[widget].object.kind"), ContainSubstring("does not serve"))))
		awaitRevision(ctx, st, 1)
		Eventually(ctx, framework.Read(admin, st)).Should(
			HaveField("Status.Warnings", ConsistOf(ContainSubstring("does not serve "+crd.Spec.Group+"/v1/Widget"))))

		Expect(admin.Create(ctx, crd.DeepCopy())).To(Succeed())
		Eventually(ctx, framework.Read(admin, st)).Should(And(framework.BeReady(), HaveField("Status.Warnings", BeEmpty())))
		Expect(numbers(st)(ctx)).To(Equal([]int64{1}), "the content is the same")

		By("warning again when it goes")
		Expect(admin.Delete(ctx, crd)).To(Succeed())
		Eventually(ctx, framework.Read(admin, st)).Should(And(framework.BeReady(), HaveField("Status.Warnings", HaveLen(1))))
	})

	It("is stalled when the kind that it waited for turns out to be another", func(ctx context.Context) {
		crd := framework.CRD(framework.Name("g")+".example.com", "Widget")
		optional := framework.Resource("widget", `{apiVersion: `+crd.Spec.Group+`/v1, kind: Widget, metadata: {name: a}, spec: {colour: red}}`)
		optional.IncludeWhen = `${"` + crd.Spec.Group + `/v1/Widget" in capabilities}`
		st := created(ctx, framework.Template(framework.Name("t-"), content("one"), optional))
		Expect(admin.Create(ctx, crd)).To(Succeed())
		Eventually(ctx, framework.Read(admin, st)).Should(framework.BeStalled("CompileFailed", "spec.resources[widget].object.spec.colour", "color"))
	})
})

// with puts one object into the place of the resource of a template.
func with(object string) func(*platformv1alpha1.ServiceTemplate) {
	return func(st *platformv1alpha1.ServiceTemplate) {
		st.Spec.Resources = []platformv1alpha1.ResourceTemplate{framework.Resource("config", object)}
	}
}

// widget is a resource of framework.CRD's kind Widget.
func widget(group string) platformv1alpha1.ResourceTemplate {
	return framework.Resource("widget", `{apiVersion: `+group+`/v1, kind: Widget, metadata: {name: "${component.name}"}, spec: {color: red}}`)
}

// warnings collects the warnings in the answers of the API server.
type warnings struct {
	mu    sync.Mutex
	texts []string
}

// HandleWarningHeader implements rest.WarningHandler.
func (w *warnings) HandleWarningHeader(_ int, _ string, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.texts = append(w.texts, text)
}

func (w *warnings) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.texts
}
