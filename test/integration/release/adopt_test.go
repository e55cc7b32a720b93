package release_test

import (
	"context"
	"maps"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// legacy is what ran before Towpath came: a Deployment and a Service whose names and selector are its own.
const legacy = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: legacy-web, labels: {run: legacy}}
spec:
  replicas: 2
  selector: {matchLabels: {run: legacy, app.kubernetes.io/name: old}}
  template:
    metadata: {labels: {run: legacy, app.kubernetes.io/name: old}}
    spec:
      securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
      automountServiceAccountToken: false
      containers:
      - name: main
        image: registry.example/shop:1.0.0
        env: [{name: OLD, value: setting}]
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
---
apiVersion: v1
kind: Service
metadata: {name: legacy-service}
spec:
  selector: {run: legacy, app.kubernetes.io/name: old}
  ports: [{name: http, port: 80}]
`

// found makes what ran before, in a namespace of its own, and waits until its pods run.
func found(ctx context.Context) string {
	GinkgoHelper()
	return foundAs(ctx, legacy)
}

// foundAs does so of other objects of these names.
func foundAs(ctx context.Context, objects string) string {
	GinkgoHelper()
	namespace := framework.Name("legacy-")
	Expect(admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})).To(Succeed())
	for _, text := range strings.Split(objects, "---\n") {
		object := &unstructured.Unstructured{}
		Expect(yaml.Unmarshal([]byte(text), &object.Object)).To(Succeed())
		object.SetNamespace(namespace)
		Expect(admin.Create(ctx, object, client.FieldOwner("kubectl-client-side-apply"))).To(Succeed())
	}
	deployment := &deploymentType{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "legacy-web"}}
	Eventually(ctx, framework.Read(admin, deployment)).Should(HaveField("Status.AvailableReplicas", BeNumerically("==", 2)))
	return namespace
}

// adopting is a place whose environment takes over a namespace, which was allowed.
func adopting(ctx context.Context, namespace string) (*place, *platformv1alpha1.Environment) {
	GinkgoHelper()
	p := &place{team: framework.Name("t"), namespace: namespace}
	home := framework.TeamNamespace(p.team)
	p.home = home.Name
	Expect(admin.Create(ctx, home)).To(Succeed())
	environment := framework.Environment(p.home, "dev", class)
	environment.Spec.AdoptNamespace = namespace
	Expect(admin.Create(ctx, environment)).To(Succeed())
	allow(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, p.home+"/dev")
	Eventually(ctx, framework.Read(admin, environment)).Should(framework.BeReady())
	return p, environment
}

// allow gives the consent to be taken over.
func allow(ctx context.Context, object client.Object, by string) {
	GinkgoHelper()
	patch := `{"metadata":{"annotations":{"` + platformv1alpha1.AnnotationAdoptBy + `":"` + by + `"}}}`
	Expect(admin.Patch(ctx, object, client.RawPatch(types.MergePatchType, []byte(patch)))).To(Succeed())
}

// adopt makes a Component that takes the legacy objects over.
func (p *place) adopt(ctx context.Context, resources ...platformv1alpha1.ResourceTemplate) (*platformv1alpha1.Component, *platformv1alpha1.ServiceTemplate) {
	GinkgoHelper()
	template := framework.Template(framework.Name("template-"), resources...)
	Expect(admin.Create(ctx, template)).To(Succeed())
	Eventually(ctx, framework.Read(admin, template)).Should(framework.BeReady())
	component := framework.Component(p.home, "shop", template.Name, "dev")
	component.Spec.Environments[0].Adopt = &platformv1alpha1.Adoption{
		Objects:     []platformv1alpha1.AdoptedObject{{Resource: "web", Name: "legacy-web"}, {Resource: "service", Name: "legacy-service"}},
		PodSelector: map[string]string{"run": "legacy", "app.kubernetes.io/name": "old"},
	}
	Expect(admin.Create(ctx, component)).To(Succeed())
	DeferCleanup(func(ctx context.Context) {
		for _, object := range []client.Object{component, template} {
			Expect(client.IgnoreNotFound(admin.Delete(ctx, object))).To(Succeed())
		}
	})
	return component, template
}

// pods are the UIDs of the pods of a namespace that are not being deleted.
func pods(ctx context.Context, namespace string) []types.UID {
	GinkgoHelper()
	var list corev1.PodList
	Expect(admin.List(ctx, &list, client.InNamespace(namespace))).To(Succeed())
	var uids []types.UID
	for i := range list.Items {
		if list.Items[i].DeletionTimestamp.IsZero() {
			uids = append(uids, list.Items[i].UID)
		}
	}
	return slices.Sorted(slices.Values(uids))
}

// ours are the labels and annotations of Towpath on an object.
func ours(object client.Object) []string {
	var keys []string
	for _, on := range []map[string]string{object.GetLabels(), object.GetAnnotations()} {
		for key, value := range on {
			if strings.HasPrefix(key, platformv1alpha1.LabelPrefix) || value == platformv1alpha1.ManagedBy {
				keys = append(keys, key)
			}
		}
	}
	return keys
}

var _ = Describe("What runs already", func() {
	It("is taken over as it was found, gets the golden path with the next version, and can leave", func(ctx context.Context) {
		namespace := found(ctx)
		p, environment := adopting(ctx, namespace)
		web := func() *deploymentType {
			return &deploymentType{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "legacy-web"}}
		}
		front := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "legacy-service"}}
		running := pods(ctx, namespace)
		Expect(running).To(HaveLen(2))

		By("not without consent")
		component, template := p.adopt(ctx, webOf(2), service(), framework.ConfigMap("config"))
		Eventually(ctx, framework.Read(admin, p.release(1))).Should(framework.BeStalled(platformv1alpha1.ReasonConsentMissing,
			"kubectl -n "+namespace+" annotate", platformv1alpha1.AnnotationAdoptBy+"=shop"))
		Expect(ours(read(ctx, web()))).To(BeEmpty())

		By("with it, and changing nothing but metadata")
		allow(ctx, web(), "shop")
		allow(ctx, front, "shop")
		before := read(ctx, web()) // to a Deployment, another annotation is another generation
		Expect(p.ready(ctx, 1).Spec.Cause).To(Equal(platformv1alpha1.CauseAdoption))
		after := read(ctx, web())
		Expect(after.UID).To(Equal(before.UID))
		Expect(after.Generation).To(Equal(before.Generation))
		Expect(after.Spec).To(Equal(before.Spec))
		Expect(after.Labels).To(HaveKeyWithValue(platformv1alpha1.LabelOwnerUID, string(component.UID)))
		Expect(pods(ctx, namespace)).To(Equal(running))
		Expect(framework.Gone(admin, p.configMap("shop-config"))(ctx)).To(BeTrue(), "the golden path comes later")

		By("a new revision of the template waits for a new version")
		reviseTo(ctx, template, webOf(2), service(), framework.ConfigMap("config"), framework.ConfigMap("extra"))
		Eventually(ctx, framework.Read(admin, template)).Should(HaveField("Status.LatestRevision.Number", BeNumerically("==", 2)))
		Consistently(ctx, framework.Gone(admin, p.release(2))).Should(BeTrue(), "it would restart the pods")

		By("the Service leads to the pods from before, until those of the golden path are ready")
		serving := read(ctx, front).Spec
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Image = "registry.example/shop:2-broken" })
		Eventually(ctx, framework.Read(admin, web())).Should(HaveField("Spec.Template.Spec.Containers", ConsistOf(HaveField("Image", "registry.example/shop:2-broken"))))
		Consistently(ctx, framework.Read(admin, front)).Should(HaveField("Spec", serving))
		Expect(read(ctx, p.release(2)).Status.AppliedAt).To(BeNil(), "it is not all there")

		By("the next version brings the golden path, and nothing is left of what others set")
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Image = "registry.example/shop:2.0.0" })
		Expect(p.ready(ctx, 3).Spec.Revision.Number).To(BeNumerically("==", 2))
		Expect(read(ctx, front).Spec.Ports).To(HaveLen(3), "the template's")
		after = read(ctx, web())
		Expect(after.UID).To(Equal(before.UID))
		Expect(after.Spec.Selector).To(Equal(before.Spec.Selector))
		Expect(after.Spec.Template.Spec.Containers).To(ConsistOf(And(
			HaveField("Name", "app"), HaveField("Image", "registry.example/shop:2.0.0"), HaveField("Env", BeEmpty()))))
		Expect(after.Spec.Template.Labels).To(And(
			HaveKeyWithValue("app.kubernetes.io/name", "old"), HaveKeyWithValue("run", "legacy"), HaveKeyWithValue(platformv1alpha1.LabelComponent, "shop")))
		Expect(after.Labels).NotTo(HaveKey(platformv1alpha1.LabelAsFound))
		Expect(after.Annotations).NotTo(HaveKey(platformv1alpha1.AnnotationAdoptBy))
		Expect(read(ctx, front).Spec.Selector).To(Equal(before.Spec.Selector.MatchLabels), "pods from before are served until the last is gone")
		Expect(read(ctx, p.configMap("shop-extra")).Labels).To(HaveKey(platformv1alpha1.LabelOwnerUID))

		By("leaving, without touching a pod")
		p.quiet(ctx)
		before, running = read(ctx, web()), pods(ctx, namespace)
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.DeletionPolicy = platformv1alpha1.DeletionOrphan })
		Expect(admin.Delete(ctx, component)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, component)).Should(BeTrue())
		after = read(ctx, web())
		Expect(after.UID).To(Equal(before.UID))
		Expect(after.Generation).To(Equal(before.Generation))
		Expect(pods(ctx, namespace)).To(Equal(running))
		for _, object := range []client.Object{after, read(ctx, front), read(ctx, p.configMap("shop-config"))} {
			Expect(ours(object)).To(BeEmpty(), object.GetName())
			Expect(object.GetManagedFields()).NotTo(ContainElement(HaveField("Manager", "towpath-release")), object.GetName())
		}

		By("the namespace too, when its environment goes")
		Expect(admin.Delete(ctx, environment)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, environment)).Should(BeTrue())
		left := read(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})
		Expect(left.DeletionTimestamp).To(BeNil())
		Expect(slices.Collect(maps.Keys(left.Labels))).To(ConsistOf("kubernetes.io/metadata.name"))
		var bindings rbacv1.RoleBindingList
		Expect(admin.List(ctx, &bindings, client.InNamespace(namespace))).To(Succeed())
		Expect(bindings.Items).To(BeEmpty())
		Expect(read(ctx, web()).UID).To(Equal(before.UID))
	})

	It("is let go with the environment that took its namespace over, and waits for nobody's version", func(ctx context.Context) {
		namespace := found(ctx)
		p, environment := adopting(ctx, namespace)
		web := &deploymentType{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "legacy-web"}}
		component, _ := p.adopt(ctx, webOf(2), service())
		Eventually(ctx, framework.Read(admin, p.release(1))).Should(framework.BeStalled(platformv1alpha1.ReasonConsentMissing))
		By("a version that comes before the consent, and is rolled out after it")
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Image = "registry.example/shop:1-broken" })
		Consistently(ctx, framework.Gone(admin, p.release(2))).Should(BeTrue(), "it waits until what runs is taken over")
		allow(ctx, web, "shop")
		allow(ctx, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "legacy-service"}}, "shop")
		Eventually(ctx, framework.Read(admin, p.release(2))).Should(HaveField("Spec.Cause", platformv1alpha1.CauseImageChange))
		p.quiet(ctx)
		running := pods(ctx, namespace)

		Expect(admin.Delete(ctx, environment)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, environment)).Should(BeTrue())
		Expect(ours(read(ctx, web))).To(BeEmpty())
		Expect(pods(ctx, namespace)).To(Equal(running))
	})

	It("is asked again once it was let go of as it was found", func(ctx context.Context) {
		p, _, component := takenOver(ctx, webOf(2), service())
		deleteComponent(ctx, component, nil)
		for _, object := range []client.Object{read(ctx, legacyWeb(p.namespace)), read(ctx, legacyService(p.namespace))} {
			Expect(ours(object)).To(BeEmpty(), object.GetName())
		}
		p.adopt(ctx, webOf(2), service())
		Eventually(ctx, framework.Read(admin, p.release(1))).Should(framework.BeStalled(platformv1alpha1.ReasonConsentMissing))
	})

	It("is not taken over where the golden path would not find its pods", func(ctx context.Context) {
		namespace := found(ctx)
		p, _ := adopting(ctx, namespace)
		allow(ctx, legacyWeb(namespace), "shop")
		allow(ctx, legacyService(namespace), "shop")
		template := framework.Template(framework.Name("template-"), webOf(2), service())
		Expect(admin.Create(ctx, template)).To(Succeed())
		Eventually(ctx, framework.Read(admin, template)).Should(framework.BeReady())
		component := framework.Component(p.home, "shop", template.Name, "dev")
		component.Spec.Environments[0].Adopt = &platformv1alpha1.Adoption{
			Objects:     []platformv1alpha1.AdoptedObject{{Resource: "web", Name: "legacy-web"}},
			PodSelector: map[string]string{"run": "legacy"},
		}
		Expect(admin.Create(ctx, component)).To(Succeed())
		Eventually(ctx, framework.Read(admin, p.release(1))).Should(framework.BeStalled(platformv1alpha1.ReasonApplyFailed,
			`{"matchLabels":{"app.kubernetes.io/name":"old","run":"legacy"}}`, `would by {"matchLabels":{"run":"legacy"}}`,
			`delete Component shop and make it again, with podSelector {"app.kubernetes.io/name":"old","run":"legacy"} in adopt`))
		Expect(ours(read(ctx, legacyWeb(namespace)))).To(ConsistOf(platformv1alpha1.AnnotationAdoptBy))

		By("doing as it says")
		running := pods(ctx, namespace)
		deleteComponent(ctx, component, nil)
		p.adopt(ctx, webOf(2), service())
		p.ready(ctx, 1)
		Expect(pods(ctx, namespace)).To(Equal(running))
	})

	It("is not taken over where it is not there", func(ctx context.Context) {
		p := newPlace(ctx)
		p.adopt(ctx, webOf(2), service())
		Eventually(ctx, framework.Read(admin, p.release(1))).Should(framework.HaveCondition(isReady, no, platformv1alpha1.ReasonObjectNotFound, "legacy-web in namespace "+p.namespace,
			"Make it, or delete Component shop and make it again without it in adopt."))
		Expect(framework.Gone(admin, &deploymentType{ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: "legacy-web"}})(ctx)).To(BeTrue())
	})
})
