package policy_test

import (
	"context"
	"encoding/json"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// volume is a claim as a StatefulSet makes it.
func volume(namespace, name string, labels map[string]string) *unstructured.Unstructured {
	return object("v1", "PersistentVolumeClaim", namespace, name, labels, map[string]any{"spec": map[string]any{
		"accessModes": []any{"ReadWriteOnce"}, "resources": map[string]any{"requests": map[string]any{"storage": "1Gi"}}}})
}

// ofShop are the labels of a live claim of Component shop in the environment of the namespace work, with two aliases.
func ofShop(more ...string) map[string]string {
	labels := map[string]string{
		"app.kubernetes.io/name": "shop", "app.kubernetes.io/instance": "shop-prod", "app.kubernetes.io/part-of": "web",
		platformv1alpha1.LabelComponent: "shop", platformv1alpha1.LabelEnvironment: "prod",
		platformv1alpha1.LabelTeam: "web", platformv1alpha1.LabelCostCenter: "cc-1",
		"team": "web", "env": "shop-prod",
	}
	for i := 0; i < len(more); i += 2 {
		labels[more[i]] = more[i+1]
	}
	return labels
}

// relabel is a patch that gives an object these labels and no others.
func relabel(u *unstructured.Unstructured, labels map[string]string) client.Patch {
	GinkgoHelper()
	patch := map[string]any{}
	for key := range u.GetLabels() {
		patch[key] = nil
	}
	for key, value := range labels {
		patch[key] = value
	}
	raw, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": patch}})
	Expect(err).NotTo(HaveOccurred())
	return mergePatch(string(raw))
}

var _ = Describe("An applier, of a claim that a StatefulSet made", func() {
	const component, environment = platformv1alpha1.LabelComponent, platformv1alpha1.LabelEnvironment
	// Nobody takes the finalizer off that protects claims, so that each has a name of its own.
	bound := func(ctx context.Context, labels map[string]string) *unstructured.Unstructured {
		GinkgoHelper()
		claim := volume(work, "", labels)
		claim.SetGenerateName("data-shop-")
		return made(ctx, exempt(ctx), claim)
	}

	DescribeTable("sets the labels", func(ctx context.Context, before map[string]string) {
		claim := bound(ctx, before)
		applied := object("v1", "PersistentVolumeClaim", work, claim.GetName(), ofShop(), nil)
		applied.SetUID(claim.GetUID())
		Expect(applier.Apply(ctx, asApply(applied), owner, client.ForceOwnership)).To(Succeed())
		for key, value := range ofShop() {
			Expect(live(ctx, claim).GetLabels()).To(HaveKeyWithValue(key, value))
		}
		for key, value := range before {
			if _, set := ofShop()[key]; !set {
				Expect(live(ctx, claim).GetLabels()).To(HaveKeyWithValue(key, value))
			}
		}
		Expect(live(ctx, claim).Object["spec"]).To(Equal(claim.Object["spec"]))

		By("of a later Release, without an alias")
		applied.SetManagedFields(nil) // of the answer
		later := ofShop(platformv1alpha1.LabelCostCenter, "cc-2", platformv1alpha1.LabelTeam, "net", "team", "net")
		delete(later, "env")
		applied.SetLabels(later)
		Expect(applier.Apply(ctx, asApply(applied), owner, client.ForceOwnership)).To(Succeed())
		Expect(live(ctx, claim).GetLabels()).To(And(HaveKeyWithValue("team", "net"), Not(HaveKey("env"))))

		By("and takes them off again")
		kept := map[string]string{}
		for key, value := range before {
			if _, set := ofShop()[key]; !set {
				kept[key] = value
			}
		}
		Expect(applier.Patch(ctx, live(ctx, claim), relabel(live(ctx, claim), kept))).To(Succeed())
		Expect(live(ctx, claim).GetLabels()).To(HaveLen(len(kept)))
	},
		Entry("where it bears none", nil),
		Entry("where it bears those of its template", map[string]string{component: "shop", environment: "prod"}),
		Entry("where it was found", map[string]string{"app": "theirs", "team": "theirs", "app.kubernetes.io/name": "theirs"}),
	)

	It("takes all labels of Towpath off, and the aliases with them, and no other", func(ctx context.Context) {
		claim := bound(ctx, ofShop("app", "theirs"))
		for what, labels := range map[string]map[string]string{
			"one left":                    {component: "shop", "app": "theirs"},
			"another gone":                {},
			"another changed":             {"app": "forged"},
			"another added":               {"app": "theirs", "more": "forged"},
			"one of the common ones made": {"app": "theirs", "app.kubernetes.io/name": "forged"},
		} {
			Expect(applier.Patch(ctx, live(ctx, claim), relabel(claim, labels))).To(beDeniedBy("towpath-ownership"), what)
		}
		Expect(applier.Patch(ctx, live(ctx, claim), relabel(claim, map[string]string{"app": "theirs"}))).To(Succeed())
		Expect(live(ctx, claim).GetLabels()).To(Equal(map[string]string{"app": "theirs"}))

		By("and then has no more to say about it")
		Expect(admin.Patch(ctx, live(ctx, claim), mergePatch(`{"metadata":{"labels":{"app.kubernetes.io/name":"theirs","copy":"theirs"}}}`))).To(Succeed())
		for _, key := range []string{"app.kubernetes.io/name", "copy"} {
			Expect(applier.Patch(ctx, live(ctx, claim), mergePatch(`{"metadata":{"labels":{"`+key+`":null}}}`))).To(beDeniedBy("towpath-ownership"), key)
		}
		Expect(applier.Patch(ctx, live(ctx, claim), mergePatch(`{"metadata":{"labels":{"app.kubernetes.io/name":"forged"}}}`))).To(beDeniedBy("towpath-ownership"))
		Expect(applier.Patch(ctx, live(ctx, claim), mergePatch(`{"metadata":{"labels":{"app":null}}}`))).To(beDeniedBy("towpath-ownership"))
	})

	It("sets no labels but true ones", func(ctx context.Context) {
		claim := bound(ctx, map[string]string{"app": "theirs"})
		none := ofShop("app", "theirs")
		delete(none, component)
		for what, labels := range map[string]map[string]string{
			"of another environment":           ofShop("app", "theirs", environment, "dev"),
			"of no Component":                  none,
			"with an owner":                    ofShop("app", "theirs", ownerUID, "component-1"),
			"with an alias of nothing":         ofShop("app", "theirs", "velero.io/exclude-from-backup", "true"),
			"with an alias of another's label": ofShop("app", "theirs", "alias", "theirs"),
			"without another's label":          ofShop(),
			"with another's label changed":     ofShop("app", "forged"),
		} {
			Expect(applier.Patch(ctx, live(ctx, claim), relabel(claim, labels))).To(beDeniedBy("towpath-ownership"), what)
		}
		Expect(live(ctx, claim).GetLabels()).To(Equal(map[string]string{"app": "theirs"}))
		Expect(applier.Patch(ctx, live(ctx, claim), relabel(claim, ofShop("app", "theirs")))).To(Succeed())
	})

	It("sets none on one of another Component, or that a Release owns", func(ctx context.Context) {
		claim := bound(ctx, ofShop(component, "other"))
		Expect(applier.Patch(ctx, live(ctx, claim), relabel(claim, ofShop()))).To(beDeniedBy("towpath-ownership"))
		owned := made(ctx, exempt(ctx), volume(work, "owned", ofShop(ownerUID, "component-2")))
		for _, labels := range []map[string]string{ofShop(), ofShop(ownerUID, "component-1")} {
			Expect(applier.Patch(ctx, live(ctx, owned), relabel(owned, labels))).To(beDeniedBy("towpath-ownership"))
		}
	})

	It("changes and deletes nothing but labels", func(ctx context.Context) {
		claim := bound(ctx, map[string]string{component: "shop", environment: "prod"})
		for _, patch := range []string{
			`"annotations":{"mine":"yes"}`, `"finalizers":["example.com/mine"]`, `"finalizers":null`,
			`"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"mine","uid":"1"}]`,
		} {
			Expect(applier.Patch(ctx, live(ctx, claim), mergePatch(`{"metadata":{"labels":{"`+platformv1alpha1.LabelTeam+`":"web"},`+patch+`}}`))).
				To(beDeniedBy("towpath-ownership"), patch)
		}
		Expect(applier.Patch(ctx, live(ctx, claim), mergePatch(`{"spec":{"volumeName":"mine"}}`))).To(beDeniedBy("towpath-ownership"))
		Expect(applier.Delete(ctx, claim.DeepCopy())).To(beDeniedBy("towpath-ownership"))

		By("nor by owning it first")
		Expect(applier.Patch(ctx, live(ctx, claim), mergePatch(`{"metadata":{"labels":{"`+ownerUID+`":"component-1"}}}`))).To(beDeniedBy("towpath-ownership"))
		Expect(applier.Patch(ctx, live(ctx, claim), mergePatch(`{"metadata":{"labels":{"`+platformv1alpha1.LabelTeam+`":"web"}}}`))).To(Succeed())
	})

	It("makes none, and labels none elsewhere, nor anything else that nobody owns", func(ctx context.Context) {
		Expect(applier.Apply(ctx, asApply(volume(work, "data-shop-7", ofShop())), owner)).To(beDeniedBy("towpath-appliers"))
		theirs := made(ctx, admin, volume(other, "data-shop-0", nil))
		Expect(applier.Patch(ctx, live(ctx, theirs), relabel(theirs, ofShop()))).To(beDeniedBy("towpath-appliers"))
		foreign := made(ctx, admin, configMap(work, "foreign", nil))
		Expect(applier.Patch(ctx, live(ctx, foreign), relabel(foreign, ofShop()))).To(beDeniedBy("towpath-ownership"))
	})

	It("bears labels that nobody else sets or changes", func(ctx context.Context) {
		claim := bound(ctx, ofShop())
		for _, patch := range []string{`"` + platformv1alpha1.LabelTeam + `":"forged"`, `"` + component + `":null`} {
			Expect(tenant.Patch(ctx, live(ctx, claim), mergePatch(`{"metadata":{"labels":{`+patch+`}}}`))).To(beDeniedBy("towpath-labels"), patch)
		}
		Expect(tenant.Create(ctx, volume(work, "data-shop-8", ofShop()))).To(beDeniedBy("towpath-labels"))
		Expect(tenant.Patch(ctx, live(ctx, claim), mergePatch(`{"metadata":{"labels":{"mine":"yes"}}}`))).To(Succeed())
	})

	It("is judged at a bounded cost where it has many labels", func(ctx context.Context) {
		many := map[string]string{}
		for i := range 500 {
			many[fmt.Sprintf("example.com/label-%d", i)] = fmt.Sprintf("value-%d", i)
		}
		claim := bound(ctx, many)
		Expect(applier.Patch(ctx, live(ctx, claim), mergePatch(`{"metadata":{"labels":{"`+component+`":"shop","`+environment+`":"prod"}}}`))).To(Succeed())
	})
})
