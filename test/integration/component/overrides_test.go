package component_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

const (
	resources  = "spec.template.spec.containers[name=app].resources"
	isExpiring = platformv1alpha1.ConditionOverridesExpiring
)

// open publishes a template of a Deployment with open paths.
func open(ctx context.Context, paths ...string) *platformv1alpha1.ServiceTemplate {
	GinkgoHelper()
	t := web(framework.Name("open-"))
	t.Spec.Overrides = &platformv1alpha1.TemplateOverrides{}
	for _, path := range paths {
		t.Spec.Overrides.Allow = append(t.Spec.Overrides.Allow, platformv1alpha1.OpenPath{Resource: "deployment", Path: path})
	}
	return publish(ctx, t)
}

// override is an override of the Deployment, with a patch in YAML.
func override(patch, expires string) platformv1alpha1.Override {
	return platformv1alpha1.Override{Resource: "deployment", Patch: *framework.JSON(patch), Reason: "In-memory cache.", Expires: expires}
}

// onApp is a patch of the container app.
func onApp(fields string) string {
	return "spec: {template: {spec: {containers: [{name: app, " + fields + "}]}}}"
}

var moreMemory = onApp("resources: {limits: {memory: 2Gi}}")

// overriding is a Component with overrides.
func overriding(t *team, template string, environments []string, overrides ...platformv1alpha1.Override) *platformv1alpha1.Component {
	c := framework.Component(t.home, "shop", template, environments...)
	c.Spec.Overrides = overrides
	return c
}

// memory is the limit of the container app; empty where it has none.
func memory(t *team, environment string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		live, err := framework.Read(admin, deploymentOf(t.workload(environment), "shop"))(ctx)
		if err != nil {
			return "", err
		}
		limit, ok := live.Spec.Template.Spec.Containers[0].Resources.Limits[corev1.ResourceMemory]
		if !ok {
			return "", nil
		}
		return limit.String(), nil
	}
}

// inDays is a date that many days after the clock of the manager.
func inDays(days int) string { return now.Now().UTC().AddDate(0, 0, days).Format(time.DateOnly) }

var _ = Describe("An override", func() {
	It("of an open path reaches the objects of every environment, and is frozen in their Releases", func(ctx context.Context) {
		t := newTeam(ctx, "dev", "prod")
		component := deploy(ctx, overriding(t, open(ctx, resources).Name, []string{"dev", "prod"}, override(moreMemory, "")))
		settled(ctx, component)
		Expect(memory(t, "dev")(ctx)).To(Equal("2Gi"))
		Expect(memory(t, "prod")(ctx)).To(Equal("2Gi"))
		live := read(ctx, deploymentOf(t.workload("dev"), "shop"))
		Expect(live.Spec.Template.Spec.Containers).To(HaveLen(1), "the container is found by its name")
		Expect(live.Spec.Template.Spec.Containers[0].Ports).To(HaveLen(1), "what the template sets besides stays")
		frozen := read(ctx, t.release("shop", "prod", 1)).Spec.Overrides
		Expect(frozen).To(HaveLen(1))
		Expect(frozen[0].Reason).To(Equal("In-memory cache."))
		Expect(frozen[0].Merge).To(ConsistOf(platformv1alpha1.MergeRule{
			Path: "spec.template.spec.containers", Strategy: platformv1alpha1.MergeKeyed, Keys: []platformv1alpha1.MergeKey{{Name: "name"}},
		}))

		By("a new date and a new reason, which release nothing")
		change(ctx, component, func(c *platformv1alpha1.Component) {
			c.Spec.Overrides[0].Expires, c.Spec.Overrides[0].Reason = inDays(100), "Still."
		})
		settled(ctx, component)
		Consistently(ctx, exists(t.release("shop", "dev", 2))).WithTimeout(time.Second).Should(BeFalse())

		By("taking it out, which is a new version")
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Overrides = nil })
		Eventually(ctx, memory(t, "prod")).Should(BeEmpty())
		settled(ctx, component)
		Expect(read(ctx, t.release("shop", "dev", 2)).Spec.Cause).To(Equal(platformv1alpha1.CauseParameterChange))
	})

	It("of a custom kind is merged by the keys that its definition names", func(ctx context.Context) {
		crd, keyed := framework.CRD("override.example", "Gadget"), "map"
		spec := crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]
		text := apiextensionsv1.JSONSchemaProps{Type: "string"}
		spec.Properties["parts"] = apiextensionsv1.JSONSchemaProps{
			Type: "array", XListType: &keyed, XListMapKeys: []string{"id"},
			Items: &apiextensionsv1.JSONSchemaPropsOrArray{Schema: &apiextensionsv1.JSONSchemaProps{
				Type: "object", Required: []string{"id"}, Properties: map[string]apiextensionsv1.JSONSchemaProps{"id": text, "size": text},
			}},
		}
		Expect(admin.Create(ctx, crd)).To(Succeed())
		DeferCleanup(func(ctx context.Context) { Expect(admin.Delete(ctx, crd)).To(Succeed()) })
		template := framework.Template(framework.Name("gadget-"), framework.Resource("deployment", `
apiVersion: override.example/v1
kind: Gadget
metadata: {name: "${component.name}"}
spec: {parts: [{id: a, size: small}, {id: b, size: small}]}
`))
		template.Spec.Overrides = &platformv1alpha1.TemplateOverrides{Allow: []platformv1alpha1.OpenPath{{Resource: "deployment", Path: "spec.parts[id=*].size"}}}
		Eventually(ctx, func(ctx context.Context) error { return admin.Create(ctx, template.DeepCopy()) }).Should(Succeed(), "the schemas may come a moment later")
		DeferCleanup(func(ctx context.Context) { Expect(admin.Delete(ctx, template)).To(Succeed()) })
		Eventually(ctx, framework.Read(admin, template)).Should(framework.BeReady())
		t := newTeam(ctx, "dev")
		Expect(developer.Create(ctx, overriding(t, template.Name, []string{"dev"}, override("spec: {parts: [{id: b, color: red}]}", "")))).To(
			MatchError(ContainSubstring("the kind Gadget has no such field")))
		deploy(ctx, overriding(t, template.Name, []string{"dev"}, override("spec: {parts: [{id: b, size: big}]}", "")))
		// The applier has no right to the kind, so that the Release goes no further.
		Eventually(ctx, framework.Read(admin, t.release("shop", "dev", 1))).Should(HaveField("Spec.Overrides", ConsistOf(
			HaveField("Merge", ConsistOf(platformv1alpha1.MergeRule{
				Path: "spec.parts", Strategy: platformv1alpha1.MergeKeyed, Keys: []platformv1alpha1.MergeKey{{Name: "id"}},
			})))))
	})

	It("of anything else is refused at admission, with what is open", func(ctx context.Context) {
		t := newTeam(ctx)
		template := open(ctx, resources, "spec.minReadySeconds")
		err := developer.Create(ctx, overriding(t, template.Name, []string{"dev"}, override("spec: {replicas: 3, minReadySeconds: 5}", "")))
		Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%v", err)
		Expect(err).To(MatchError(And(
			ContainSubstring("spec.overrides[0].patch: Forbidden: sets what the template does not open: spec.replicas; "),
			ContainSubstring("open of resource deployment: %s, spec.minReadySeconds", resources),
		)))
	})

	DescribeTable("that would break out is refused at admission", func(ctx context.Context, patch, want string) {
		t := newTeam(ctx)
		template := open(ctx, resources, "spec.template.spec.containers[name=app]", "spec.template.spec.volumes", "spec.template.metadata.labels", "metadata.annotations")
		err := developer.Create(ctx, overriding(t, template.Name, []string{"dev"}, override(patch, "")))
		Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%v", err)
		Expect(err).To(MatchError(ContainSubstring(want)))
	},
		Entry("a $patch directive", onApp("resources: {$patch: replace}"), `holds the key "$patch"`),
		Entry("a host path", "spec: {template: {spec: {volumes: [{name: x, hostPath: {path: /}}]}}}", "volumes[name=x].hostPath.path, which is never open: it reaches the node"),
		Entry("a privileged container", onApp("securityContext: {privileged: true}"), "securityContext.privileged, which is never open"),
		Entry("the host's network", "spec: {template: {spec: {hostNetwork: true}}}", "hostNetwork, which is never open"),
		Entry("another name", "metadata: {name: other}", "metadata.name, which is never open"),
		Entry("another namespace", "metadata: {namespace: kube-system}", "metadata.namespace, which is never open"),
		Entry("another owner", "metadata: {annotations: {platform.towpath.dev/adopt-by: other}}", "Towpath sets it"),
		Entry("another team's label on pods", "spec: {template: {metadata: {labels: {platform.towpath.dev/team: other}}}}", "Towpath sets it"),
		Entry("null", onApp("securityContext: null"), "to null"),
		Entry("another kind", "kind: Secret", "kind, which is never open"),
	)

	It("that the guard refuses makes no Release, however wide the template opens", func(ctx context.Context) {
		t := newTeam(ctx, "dev")
		template := open(ctx, "spec.template.spec.containers[name=app].securityContext")
		component := deploy(ctx, overriding(t, template.Name, []string{"dev"}, override(onApp("securityContext: {allowPrivilegeEscalation: true}"), "")))
		Eventually(ctx, framework.Read(admin, component)).Should(framework.BeStalled(platformv1alpha1.ReasonRefused, "allowPrivilegeEscalation"))
		Expect(t.releases(ctx, "shop", "dev")).To(BeEmpty())
	})

	It("whose path a newer revision closes stops the next Release, and not what runs", func(ctx context.Context) {
		t := newTeam(ctx, "dev")
		template := open(ctx, resources)
		component := deploy(ctx, overriding(t, template.Name, []string{"dev"}, override(moreMemory, "")))
		settled(ctx, component)
		change(ctx, template, func(s *platformv1alpha1.ServiceTemplate) { s.Spec.Overrides = nil })
		Eventually(ctx, framework.Read(admin, component)).Should(framework.BeStalled(
			platformv1alpha1.ReasonOverrideRefused, "nothing of resource deployment is open"))
		Expect(memory(t, "dev")(ctx)).To(Equal("2Gi"))
		Expect(exists(t.release("shop", "dev", 2))(ctx)).To(BeFalse())

		By("taking it out, which goes on with the new revision")
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Overrides = nil })
		Eventually(ctx, memory(t, "dev")).Should(BeEmpty())
		settled(ctx, component)
	})

	It("that expires is warned of once, and stays in force or is dropped as the class says", func(ctx context.Context) {
		dropping := framework.Class(framework.Name("dropping-"), platformv1alpha1.TierProduction)
		dropping.Spec.DropExpiredOverrides = true
		Expect(admin.Create(ctx, dropping)).To(Succeed())
		t := newTeam(ctx, "dev")
		prod := framework.Environment(t.home, "prod", dropping.Name)
		Expect(admin.Create(ctx, prod)).To(Succeed())
		Eventually(ctx, framework.Read(admin, prod)).Should(framework.BeReady())

		start := now.Now()
		DeferCleanup(func() { now.SetTime(start) })
		day := start.UTC().Truncate(24*time.Hour).AddDate(0, 0, 60)
		// Two seconds before the warning: the pass that finds it is one that the controller asked for itself.
		now.SetTime(day.AddDate(0, 0, -14).Add(-2 * time.Second))
		component := deploy(ctx, overriding(t, open(ctx, resources).Name, []string{"dev", "prod"}, override(moreMemory, day.Format(time.DateOnly))))
		settled(ctx, component)
		Expect(meta.FindStatusCondition(read(ctx, component).Status.Conditions, isExpiring)).To(BeNil())
		now.SetTime(day.AddDate(0, 0, -14))
		touch(ctx, component)
		Eventually(ctx, framework.Read(admin, component)).Should(And(framework.BeReady(), framework.HaveCondition(
			isExpiring, yes, platformv1alpha1.ReasonOverrideExpiring, "spec.overrides[0] of resource deployment expires on "+day.Format(time.DateOnly)+", and then stays in force in dev, and is dropped in prod")))

		By("the day itself, which the controller waits for")
		now.SetTime(day.Add(-2 * time.Second))
		touch(ctx, component)
		Consistently(ctx, framework.Read(admin, component)).WithTimeout(time.Second).Should(framework.HaveCondition(
			isExpiring, yes, platformv1alpha1.ReasonOverrideExpiring))
		now.SetTime(day)
		Eventually(ctx, framework.Read(admin, component)).Should(framework.HaveCondition(
			isExpiring, yes, platformv1alpha1.ReasonOverrideExpired, "has expired on "+day.Format(time.DateOnly), "stays in force in dev, and is dropped in prod"))
		Eventually(ctx, framework.Read(admin, t.release("shop", "prod", 2))).Should(And(
			framework.BeReady(), HaveField("Spec.Cause", platformv1alpha1.CauseOverrideExpired), HaveField("Spec.Overrides", BeEmpty())))
		Expect(memory(t, "prod")(ctx)).To(BeEmpty())
		Expect(memory(t, "dev")(ctx)).To(Equal("2Gi"))
		settled(ctx, component)
		Expect(exists(t.release("shop", "dev", 2))(ctx)).To(BeFalse())
		Eventually(ctx, warningsOf(component)).Should(ConsistOf(platformv1alpha1.ReasonOverrideExpiring, platformv1alpha1.ReasonOverrideExpired))
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Overrides[0].Reason = "Still." })
		Expect(warned.all()).To(ContainElement(ContainSubstring("spec.overrides[0].expires: has expired on")))

		By("a later date, with which it comes back")
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Overrides[0].Expires = inDays(90) })
		Eventually(ctx, memory(t, "prod")).Should(Equal("2Gi"))
		settled(ctx, component)
		Expect(meta.FindStatusCondition(read(ctx, component).Status.Conditions, isExpiring)).To(BeNil())
	})
})

// touch changes an object in a way that means nothing, so that its controller looks at it.
func touch[T client.Object](ctx context.Context, object T) {
	GinkgoHelper()
	change(ctx, object, func(o T) {
		annotations := map[string]string{"suite/touched": time.Now().Format(time.RFC3339Nano)}
		for key, value := range o.GetAnnotations() {
			if key != "suite/touched" {
				annotations[key] = value
			}
		}
		o.SetAnnotations(annotations)
	})
}

// warningsOf are the reasons of the warning events about a Component.
func warningsOf(component *platformv1alpha1.Component) func(context.Context) ([]string, error) {
	return func(ctx context.Context) ([]string, error) {
		var list eventsv1.EventList
		err := admin.List(ctx, &list, client.InNamespace(component.Namespace))
		var reasons []string
		for i := range list.Items {
			if e := &list.Items[i]; e.Type == corev1.EventTypeWarning && e.Regarding.Kind == "Component" && e.Regarding.Name == component.Name {
				reasons = append(reasons, e.Reason)
			}
		}
		return reasons, err
	}
}
