package policy_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// ways are all requests by which an applier could change or adopt an object that exists. Each gets
// the object as it is.
var ways = map[string]func(ctx context.Context, u *unstructured.Unstructured) error{
	// Without conflict: it would merge into what is there, silently.
	"an apply without force": func(ctx context.Context, u *unstructured.Unstructured) error {
		merged := intent(u)
		merged.Object["data"] = map[string]any{"another": "value"}
		return applier.Apply(ctx, asApply(merged), owner)
	},
	"an apply by force": func(ctx context.Context, u *unstructured.Unstructured) error {
		return applier.Apply(ctx, asApply(intent(u)), owner, client.ForceOwnership)
	},
	"an update": func(ctx context.Context, u *unstructured.Unstructured) error {
		changed := u.DeepCopy()
		changed.SetLabels(map[string]string{ownerUID: "component-1"})
		_ = unstructured.SetNestedField(changed.Object, "taken", "data", "key")
		return applier.Update(ctx, changed)
	},
	"a merge patch of the data": func(ctx context.Context, u *unstructured.Unstructured) error {
		return applier.Patch(ctx, u.DeepCopy(), mergePatch(`{"data":{"key":"taken"}}`))
	},
	"a merge patch that adopts": func(ctx context.Context, u *unstructured.Unstructured) error {
		return applier.Patch(ctx, u.DeepCopy(), mergePatch(`{"metadata":{"labels":{"`+ownerUID+`":"component-1"}}}`))
	},
	"a JSON patch that adopts": func(ctx context.Context, u *unstructured.Unstructured) error {
		return applier.Patch(ctx, u.DeepCopy(), client.RawPatch("application/json-patch+json",
			[]byte(`[{"op":"add","path":"/metadata/labels","value":{"`+ownerUID+`":"component-1"}}]`)))
	},
	"a delete": func(ctx context.Context, u *unstructured.Unstructured) error {
		uid := u.GetUID()
		return applier.Delete(ctx, u.DeepCopy(), client.Preconditions{UID: &uid})
	},
}

// intent is what a Release would apply.
func intent(u *unstructured.Unstructured) *unstructured.Unstructured {
	applied := configMap(u.GetNamespace(), u.GetName(), map[string]string{ownerUID: "component-1"})
	_ = unstructured.SetNestedField(applied.Object, "taken", "data", "key")
	return applied
}

var _ = Describe("An applier", func() {
	for way, attempt := range ways {
		It("neither changes nor adopts a foreign object by "+way, func(ctx context.Context) {
			foreign := made(ctx, admin, configMap(work, "foreign", nil))
			before := live(ctx, foreign)
			Expect(attempt(ctx, before)).To(beDeniedBy("towpath-ownership"))
			Expect(live(ctx, foreign)).To(Equal(before))
		})

		// What adopts an object without labels would take over one with another owner too, but for
		// the patch that leaves the labels alone: an applier is trusted with what Towpath owns.
		if way == "a merge patch of the data" || way == "a delete" {
			continue
		}
		It("does not take over another owner's object by "+way, func(ctx context.Context) {
			foreign := made(ctx, applier, configMap(work, "of-another", map[string]string{ownerUID: "component-2"}))
			before := live(ctx, foreign)
			refusal := beDeniedBy("towpath-ownership")
			if way == "an apply without force" {
				// The label itself is in conflict, which the API server finds first.
				refusal = WithTransform(apierrors.IsConflict, BeTrue())
			}
			Expect(attempt(ctx, before)).To(refusal)
			Expect(live(ctx, foreign)).To(Equal(before))
		})
	}

	for way, attempt := range ways {
		It("does the same to its own object by "+way, func(ctx context.Context) {
			own := made(ctx, applier, configMap(work, "own", map[string]string{ownerUID: "component-1"}))
			Expect(attempt(ctx, live(ctx, own))).To(Succeed())
		})
	}

	It("disowns its object with all labels of Towpath, and changing nothing else, or not at all", func(ctx context.Context) {
		own := made(ctx, applier, configMap(work, "own", map[string]string{ownerUID: "component-1", platformv1alpha1.LabelComponent: "shop"}))
		all := `"labels":{"` + ownerUID + `":null,"` + platformv1alpha1.LabelComponent + `":null}`
		for what, patch := range map[string]string{
			"one label":            `{"metadata":{"labels":{"` + ownerUID + `":null}}}`,
			"the content with all": `{"metadata":{` + all + `},"data":{"key":"changed"}}`,
		} {
			Expect(applier.Patch(ctx, own.DeepCopy(), mergePatch(patch))).To(beDeniedBy("towpath-ownership"), what)
		}
		Expect(applier.Patch(ctx, own.DeepCopy(), mergePatch(`{"metadata":{`+all+`}}`))).To(Succeed())
	})

	It("takes over what it was given, for the Component that was named, and changing nothing else", func(ctx context.Context) {
		labels := map[string]string{ownerUID: "component-1", platformv1alpha1.LabelComponent: "shop", platformv1alpha1.LabelAsFound: "true"}
		given := func(name, to string, labels map[string]string) *unstructured.Unstructured {
			foreign := configMap(work, name, labels)
			foreign.SetAnnotations(map[string]string{platformv1alpha1.AnnotationAdoptBy: to})
			return foreign
		}
		take := func(name string, labels map[string]string) *unstructured.Unstructured {
			return object("v1", "ConfigMap", work, name, labels, nil)
		}
		for what, foreign := range map[string]*unstructured.Unstructured{
			"to nobody":         configMap(work, "given", nil),
			"to another":        given("given", "other", nil),
			"to no name":        given("given", "", nil),
			"by another of us":  given("given", "shop", map[string]string{ownerUID: "component-2"}),
			"with its own mark": given("given", "none", nil),
		} {
			maker := admin
			if len(foreign.GetLabels()) > 0 {
				maker = applier // nobody else may label it
			}
			Expect(maker.Create(ctx, foreign)).To(Succeed(), what)
			Expect(applier.Apply(ctx, asApply(take("given", labels)), owner, client.ForceOwnership)).To(beDeniedBy("towpath-ownership"), what)
			Expect(admin.Delete(ctx, foreign)).To(Succeed())
		}
		foreign := made(ctx, admin, given("given", "shop", nil))
		content := take("given", labels)
		Expect(unstructured.SetNestedField(content.Object, "taken", "data", "key")).To(Succeed())
		Expect(applier.Apply(ctx, asApply(content), owner, client.ForceOwnership)).To(beDeniedBy("towpath-ownership"), "with content")
		inFull := map[string]string{ownerUID: "component-1", platformv1alpha1.LabelComponent: "shop"}
		Expect(applier.Apply(ctx, asApply(take("given", inFull)), owner, client.ForceOwnership)).To(beDeniedBy("towpath-ownership"), "without the mark")
		Expect(applier.Delete(ctx, foreign.DeepCopy())).To(beDeniedBy("towpath-ownership"), "a delete")
		Expect(applier.Apply(ctx, asApply(take("given", labels)), owner, client.ForceOwnership)).To(Succeed())
		Expect(live(ctx, foreign).Object["data"]).To(Equal(foreign.Object["data"]))
	})

	DescribeTable("takes over and disowns an object without changing what stands outside of its spec",
		func(ctx context.Context, foreign func() *unstructured.Unstructured, patches ...string) {
			given := foreign()
			given.SetAnnotations(map[string]string{platformv1alpha1.AnnotationAdoptBy: "shop"})
			made(ctx, admin, given)
			take := `"labels":{"` + ownerUID + `":"component-1","` + platformv1alpha1.LabelComponent + `":"shop","` + platformv1alpha1.LabelAsFound + `":"true"}`
			none := `"labels":{"` + ownerUID + `":null,"` + platformv1alpha1.LabelComponent + `":null,"` + platformv1alpha1.LabelAsFound + `":null}`
			for _, metadata := range []string{take, none} {
				for _, patch := range patches {
					Expect(applier.Patch(ctx, live(ctx, given), mergePatch(`{"metadata":{`+metadata+`},`+patch+`}`))).To(beDeniedBy("towpath-ownership"), patch)
				}
				Expect(applier.Patch(ctx, live(ctx, given), mergePatch(`{"metadata":{`+metadata+`}}`))).To(Succeed())
			}
		},
		Entry("of a ServiceAccount", func() *unstructured.Unstructured {
			return object("v1", "ServiceAccount", work, "given", nil, map[string]any{"automountServiceAccountToken": false})
		}, `"automountServiceAccountToken":true`, `"automountServiceAccountToken":null`, `"imagePullSecrets":[{"name":"theirs"}]`, `"secrets":[{"name":"theirs"}]`),
		Entry("of a Role", func() *unstructured.Unstructured {
			return object("rbac.authorization.k8s.io/v1", "Role", work, "given", nil, map[string]any{"rules": []any{}})
		}, `"rules":[{"apiGroups":[""],"resources":["pods"],"verbs":["get"]}]`),
		Entry("of a RoleBinding", func() *unstructured.Unstructured {
			binding := roleBinding(work, "view")
			binding.SetName("given")
			binding.SetLabels(nil)
			return binding
		}, `"subjects":[{"kind":"ServiceAccount","namespace":"`+work+`","name":"default"}]`),
		Entry("of a ConfigMap", func() *unstructured.Unstructured { return configMap(work, "given", nil) },
			`"immutable":true`, `"data":{"key":"taken"}`, `"binaryData":{"key2":"dGFrZW4="}`),
	)

	It("creates an object only with an owner", func(ctx context.Context) {
		Expect(applier.Apply(ctx, asApply(configMap(work, "unowned", nil)), owner)).To(beDeniedBy("towpath-appliers"))
		Expect(applier.Apply(ctx, asApply(configMap(work, "unowned", map[string]string{ownerUID: ""})), owner)).To(beDeniedBy("towpath-appliers"))
		DeferCleanup(func(ctx context.Context) error { return admin.Delete(ctx, configMap(work, "owned", nil)) })
		Expect(applier.Apply(ctx, asApply(configMap(work, "owned", map[string]string{ownerUID: "component-1"})), owner)).To(Succeed())
	})

	It("writes in the namespace of its name alone", func(ctx context.Context) {
		labels := map[string]string{ownerUID: "component-1"}
		for _, namespace := range []string{other, home, "default", "kube-system"} {
			Expect(applier.Apply(ctx, asApply(configMap(namespace, "stray", labels)), owner)).To(beDeniedBy("towpath-appliers"), namespace)
		}
		theirs := made(ctx, impersonate(other), configMap(other, "theirs", labels))
		Expect(applier.Delete(ctx, theirs.DeepCopy())).To(beDeniedBy("towpath-appliers"))
		Expect(impersonate(other).Apply(ctx, asApply(configMap(other, "theirs", labels)), owner, client.ForceOwnership)).To(Succeed())
	})

	It("writes nothing that is cluster-scoped", func(ctx context.Context) {
		stray := object("scheduling.k8s.io/v1", "PriorityClass", "", "stray", map[string]string{ownerUID: "component-1"}, map[string]any{"value": int64(1)})
		Expect(applier.Create(ctx, stray.DeepCopy())).To(beDeniedBy("towpath-appliers"))
		Expect(admin.Create(ctx, stray, client.DryRunAll)).To(Succeed())
	})

	It("writes no subresource", func(ctx context.Context) {
		own := made(ctx, applier, deployment(work, "scaled", map[string]string{ownerUID: "component-1"}, nil))
		patch := mergePatch(`{"spec":{"replicas":2}}`)
		Expect(applier.SubResource("scale").Patch(ctx, own.DeepCopy(), patch)).To(beDeniedBy("towpath-appliers"))
		Expect(tenant.SubResource("scale").Patch(ctx, own.DeepCopy(), patch)).To(Succeed())
	})

	It("takes over foreign objects once the policy is not bound: the policy is what stops it", func(ctx context.Context) {
		binding := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: "towpath-ownership"}}
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(binding), binding)).To(Succeed())
		again := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: binding.Name, Labels: binding.Labels}, Spec: binding.Spec}
		foreign := made(ctx, admin, configMap(work, "unguarded", nil))
		Expect(admin.Delete(ctx, binding)).To(Succeed())
		DeferCleanup(func(ctx context.Context) {
			Expect(admin.Create(ctx, again)).To(Succeed())
			guarded := configMap(work, "guarded", nil)
			Expect(admin.Create(ctx, guarded)).To(Succeed())
			Eventually(ctx, func() error { return applier.Delete(ctx, guarded.DeepCopy(), client.DryRunAll) }).Should(beDeniedBy("towpath-ownership"))
			Expect(admin.Delete(ctx, guarded)).To(Succeed())
		})
		Eventually(ctx, func() error { return applier.Apply(ctx, asApply(intent(foreign)), owner, client.ForceOwnership) }).Should(Succeed())
		Expect(live(ctx, foreign).GetLabels()).To(HaveKeyWithValue(ownerUID, "component-1"))
	})
})
