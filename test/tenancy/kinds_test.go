package tenancy_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// templated is what a golden path must not make, whatever a tenant gives it for parameters.
type templated struct {
	what, resource string
	// refused is what the compiler says.
	refused string
	// object is what would be applied.
	object string
	// next is the wall behind the compiler and the guard, whose own control is among the requests; empty for none:
	// the compiler and the guard alone keep the object out of its own namespace.
	next string
}

const ownerUID = `labels: {platform.towpath.dev/owner-uid: forged}`

var templateds = []templated{
	{what: "a ClusterRole", refused: "must not be templated", next: "towpath-appliers",
		resource: `{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: "${params.name}"}, rules: []}`,
		object:   `{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: stray, ` + ownerUID + `}, rules: []}`},
	{what: "a RoleBinding beyond the requester's rights", refused: "must not be templated",
		resource: `{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: x}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "${params.name}"}}`,
		object:   `{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: x, ` + ownerUID + `}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}}`},
	{what: "a webhook", refused: "must not be templated", next: "towpath-appliers",
		resource: `{apiVersion: admissionregistration.k8s.io/v1, kind: MutatingWebhookConfiguration, metadata: {name: "${params.name}"}}`,
		object:   `{apiVersion: admissionregistration.k8s.io/v1, kind: MutatingWebhookConfiguration, metadata: {name: stray, ` + ownerUID + `}}`},
	{what: "a CustomResourceDefinition", refused: "must not be templated", next: "towpath-appliers",
		resource: `{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: "${params.name}"}}`,
		object: `{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: strays.example.com, ` + ownerUID + `}, spec: {group: example.com, scope: Namespaced, ` +
			`names: {kind: Stray, plural: strays}, versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]}}`},
	{what: "a Namespace", refused: "cluster-scoped", next: "towpath-appliers",
		resource: `{apiVersion: v1, kind: Namespace, metadata: {name: "${params.name}"}}`,
		object:   `{apiVersion: v1, kind: Namespace, metadata: {name: stray}}`},
	{what: "a Secret", refused: "must not be templated",
		resource: `{apiVersion: v1, kind: Secret, metadata: {name: "${params.name}"}}`,
		object:   `{apiVersion: v1, kind: Secret, metadata: {name: stray, ` + ownerUID + `}}`},
	{what: "an Environment", refused: "must not be templated",
		resource: `{apiVersion: platform.towpath.dev/v1alpha1, kind: Environment, metadata: {name: "${params.name}"}, spec: {classRef: {name: x}}}`,
		object:   `{apiVersion: platform.towpath.dev/v1alpha1, kind: Environment, metadata: {name: stray, ` + ownerUID + `}, spec: {classRef: {name: x}}}`},
	{what: "a kind that a parameter names", refused: "must be a literal string", next: "towpath-appliers",
		resource: `{apiVersion: rbac.authorization.k8s.io/v1, kind: "${params.name}", metadata: {name: x}}`,
		object:   `{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: stray, ` + ownerUID + `}, rules: []}`},
	{what: "an object in kube-system", refused: "leave it out", next: "towpath-appliers",
		resource: `{apiVersion: v1, kind: ConfigMap, metadata: {name: x, namespace: kube-system}}`,
		object:   `{apiVersion: v1, kind: ConfigMap, metadata: {name: stray, namespace: kube-system, ` + ownerUID + `}}`},
	{what: "an object in a namespace that a parameter names", refused: "leave it out", next: "towpath-appliers",
		resource: `{apiVersion: v1, kind: ConfigMap, metadata: {name: x, namespace: "${params.name}"}}`,
		object:   `{apiVersion: v1, kind: ConfigMap, metadata: {name: stray, namespace: kube-system, ` + ownerUID + `}}`},
	{what: "an owner reference out", refused: "leave it out",
		resource: `{apiVersion: v1, kind: ConfigMap, metadata: {name: x, ownerReferences: [{apiVersion: v1, kind: Namespace, name: kube-system, uid: "${params.name}"}]}}`,
		object:   `{apiVersion: v1, kind: ConfigMap, metadata: {name: stray, ` + ownerUID + `, ownerReferences: [{apiVersion: v1, kind: Namespace, name: kube-system, uid: x}]}}`},
	{what: "a finalizer that nobody takes off", refused: "leave it out",
		resource: `{apiVersion: v1, kind: ConfigMap, metadata: {name: x, finalizers: ["${params.name}"]}}`,
		object:   `{apiVersion: v1, kind: ConfigMap, metadata: {name: stray, ` + ownerUID + `, finalizers: [example.com/stuck]}}`},
	{what: "a label of Towpath", refused: "Towpath sets it",
		resource: `{apiVersion: v1, kind: ConfigMap, metadata: {name: x, labels: {platform.towpath.dev/team: "${params.name}"}}}`,
		object:   `{apiVersion: v1, kind: ConfigMap, metadata: {name: stray, labels: {platform.towpath.dev/owner-uid: forged, platform.towpath.dev/team: other}}}`},
	{what: "EndpointSlices that lead others' traffic astray", refused: "must not be templated",
		resource: `{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: "${params.name}"}, addressType: IPv4, endpoints: []}`,
		object:   `{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: stray, ` + ownerUID + `}, addressType: IPv4, endpoints: []}`},
}

var _ = Describe("A golden path", func() {
	build := func(resource string) *platformv1alpha1.ServiceTemplate {
		t := framework.Template(framework.Name("hostile-"), framework.Resource("stray", resource))
		t.Spec.Parameters = framework.JSON(`{type: object, properties: {name: {type: string, default: stray}}}`)
		return t
	}
	for _, a := range templateds {
		It("cannot make "+a.what, func(ctx context.Context) {
			Expect(admin.Create(ctx, build(a.resource))).To(MatchError(ContainSubstring(a.refused)))

			By("not making a revision either where the webhook was passed by")
			unchecked := build(a.resource)
			unchecked.Labels = map[string]string{framework.LabelUnchecked: ""}
			Expect(admin.Create(ctx, unchecked)).To(Succeed(), "which is the webhook's control")
			DeferCleanup(func(ctx context.Context) { Expect(admin.Delete(ctx, unchecked)).To(Succeed()) })
			Eventually(ctx, framework.Read(admin, unchecked)).Should(framework.BeStalled(platformv1alpha1.ReasonCompileFailed, a.refused))
			var revisions platformv1alpha1.ServiceTemplateRevisionList
			Expect(admin.List(ctx, &revisions, client.MatchingLabels{platformv1alpha1.LabelTemplate: unchecked.Name})).To(Succeed())
			Expect(revisions.Items).To(BeEmpty())
		})

		It("would have it applied without compiler and guard, or meets the next wall: "+a.what, func(ctx context.Context) {
			stray := &unstructured.Unstructured{Object: object(a.object).Object}
			if stray.GetNamespace() == "" && a.next == "" {
				stray.SetNamespace(evil.work)
			}
			err := applier.Apply(ctx, client.ApplyConfigurationFromUnstructured(stray), client.FieldOwner("towpath-release"), client.DryRunAll)
			if a.next == "" {
				Expect(err).NotTo(HaveOccurred())
				return
			}
			Expect(err).To(byPolicy(a.next).says)
		})
	}

	It("is refused for that alone: the same with something harmless is made", func(ctx context.Context) {
		harmless := build(`{apiVersion: v1, kind: ConfigMap, metadata: {name: "${params.name}"}}`)
		Expect(admin.Create(ctx, harmless, client.DryRunAll)).To(Succeed())
	})
})
