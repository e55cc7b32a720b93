package policy_test

import (
	"context"
	"encoding/json"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

const apiVersion = "platform.towpath.dev/v1alpha1"

func release(name string) *unstructured.Unstructured {
	record := object(apiVersion, "Release", home, name, map[string]string{platformv1alpha1.LabelComponent: "checkout"}, map[string]any{"spec": map[string]any{
		"number": int64(1), "component": map[string]any{"name": "checkout", "uid": "c"},
		"environment": map[string]any{"name": "prod", "uid": "e", "namespace": work, "class": "production", "tier": "Production"},
		"template":    "web-service", "revision": map[string]any{"name": "web-service-1", "number": int64(1)},
		"version": "1", "cause": "ImageChange", "image": "app:1", "team": "shop", "costCenter": "cc-1", "podSecurity": "Restricted",
		"parameters": map[string]any{"port": int64(8080)},
		"overrides":  []any{map[string]any{"resource": "settings", "patch": map[string]any{"data": map[string]any{"a": "b"}}, "reason": "x"}},
		"inventory":  []any{map[string]any{"resource": "settings", "apiVersion": "v1", "kind": "ConfigMap", "name": "checkout"}},
	}})
	record.SetFinalizers([]string{finalizer})
	return record
}

func revision(name string) *unstructured.Unstructured {
	record := object(apiVersion, "ServiceTemplateRevision", "", name, map[string]string{platformv1alpha1.LabelTemplate: "web-service"}, map[string]any{"spec": map[string]any{
		"templateName": "web-service", "number": int64(1), "hash": strings.Repeat("a", 64),
		"template": map[string]any{"summary": "A service.", "resources": []any{map[string]any{"id": "settings", "object": map[string]any{"data": map[string]any{"key": "value"}}}}},
	}})
	return record
}

var _ = Describe("A record", func() {
	for kind, c := range map[string]struct {
		build func(string) *unstructured.Unstructured
		// changes are patches of the spec; the last touch what the schema does not know.
		changes []string
	}{
		"Release": {release, []string{
			`{"spec":{"number":2}}`, `{"spec":{"image":"app:2"}}`, `{"spec":{"commit":{"sha":"abcdef0"}}}`, `{"spec":{"team":"other"}}`,
			`{"spec":{"env":[{"name":"A","value":"c"}]}}`, `{"spec":{"labelAliases":{"team":"x"}}}`, `{"spec":{"capabilities":["a"]}}`,
			`{"spec":{"inventory":[{"resource":"settings","apiVersion":"v1","kind":"ConfigMap","name":"other"}]}}`, `{"spec":{"overrides":null}}`,
			`{"spec":{"overrides":[{"resource":"settings","patch":{"data":{"a":"c"}},"reason":"x"}]}}`,
			`{"spec":{"parameters":{"port":9090}}}`, `{"spec":{"parameters":{"more":1}}}`, `{"spec":{"parameters":null}}`,
		}},
		"ServiceTemplateRevision": {revision, []string{`{"spec":{"number":2}}`,
			`{"spec":{"template":{"resources":[{"id":"settings","object":{"data":{"key":"other"}}}]}}}`}},
	} {
		record := func(ctx context.Context) *unstructured.Unstructured {
			u := made(ctx, manager, c.build("record"))
			if u.GetFinalizers() != nil {
				DeferCleanup(func(ctx context.Context) {
					// Runs before the deletion of made: the manager lets the record go.
					Expect(manager.Patch(ctx, u.DeepCopy(), mergePatch(`{"metadata":{"finalizers":null}}`))).To(Succeed())
				})
			}
			return u
		}

		It("of kind "+kind+" is made by the manager alone", func(ctx context.Context) {
			Expect(admin.Create(ctx, c.build("by-hand"))).To(beDeniedBy("towpath-records"))
			Expect(manager.Create(ctx, c.build("by-manager"), client.DryRunAll)).To(Succeed())
		})

		It("of kind "+kind+" never changes, not even by the manager", func(ctx context.Context) {
			u := record(ctx)
			byAdmin, byManager := beDeniedBy("towpath-records"), beDeniedBy("towpath-records")
			if kind == "ServiceTemplateRevision" { // whose definition has a rule of its own, which comes first
				byAdmin, byManager = MatchError(ContainSubstring("spec must not change")), beForbiddenByRBAC()
			}
			for _, change := range c.changes {
				Expect(admin.Patch(ctx, u.DeepCopy(), mergePatch(change))).To(byAdmin, change)
				Expect(manager.Patch(ctx, u.DeepCopy(), mergePatch(change))).To(byManager, change)
			}
			Expect(admin.Patch(ctx, u.DeepCopy(), mergePatch(`{"metadata":{"annotations":{"note":"seen"},"labels":{"mine":"yes"}}}`))).To(Succeed())
		})

		It("of kind "+kind+" keeps finalizer, labels and owners", func(ctx context.Context) {
			u := record(ctx)
			toggled := `{"metadata":{"finalizers":null}}`
			if u.GetFinalizers() == nil {
				toggled = `{"metadata":{"finalizers":["` + finalizer + `"]}}`
			}
			for _, change := range []string{
				toggled,
				`{"metadata":{"labels":null}}`, `{"metadata":{"labels":{"` + platformv1alpha1.LabelTeam + `":"other"}}}`,
				`{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"gone","uid":"u"}]}}`,
			} {
				Expect(admin.Patch(ctx, u.DeepCopy(), mergePatch(change))).To(beDeniedBy("towpath-records"), change)
			}
			// A finalizer of others, such as that of a deletion in the foreground, comes and goes.
			ours := u.GetFinalizers()
			for _, list := range [][]string{append([]string{"x.example.com/y"}, ours...), ours} {
				Expect(admin.Patch(ctx, u.DeepCopy(), finalizersPatch(list))).To(Succeed())
			}
		})

		It("of kind "+kind+" has its status written by the manager alone", func(ctx context.Context) {
			u := record(ctx)
			patch := mergePatch(`{"status":{"observedGeneration":1}}`)
			Expect(admin.Status().Patch(ctx, u.DeepCopy(), patch)).To(beDeniedBy("towpath-records"))
			Expect(manager.Status().Patch(ctx, u.DeepCopy(), patch)).To(Succeed())
		})
	}

	It("of kind ServiceTemplateRevision never changes where the definition has no rule of its own either", func(ctx context.Context) {
		u := made(ctx, manager, revision("record"))
		crd := object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "servicetemplaterevisions.platform.towpath.dev", nil, nil)
		before := live(ctx, crd)
		DeferCleanup(func(ctx context.Context) {
			restored := live(ctx, crd)
			restored.Object["spec"] = before.Object["spec"]
			Expect(admin.Update(ctx, restored)).To(Succeed())
		})
		Expect(admin.Patch(ctx, crd.DeepCopy(), client.RawPatch(types.JSONPatchType,
			[]byte(`[{"op":"remove","path":"/spec/versions/0/schema/openAPIV3Schema/x-kubernetes-validations"}]`)))).To(Succeed())
		for _, change := range []string{`{"spec":{"number":2}}`, `{"spec":{"template":{"resources":[{"id":"settings","object":{"data":{"key":"other"}}}]}}}`} {
			Eventually(ctx, func() error { return admin.Patch(ctx, u.DeepCopy(), mergePatch(change)) }).Should(beDeniedBy("towpath-records"), change)
		}
	})
})

// finalizersPatch replaces the finalizers.
func finalizersPatch(list []string) client.Patch {
	return mergePatch(encode(map[string]any{"metadata": map[string]any{"finalizers": list}}))
}

func encode(value any) string {
	GinkgoHelper()
	data, err := json.Marshal(value)
	Expect(err).NotTo(HaveOccurred())
	return string(data)
}
