package policy_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/towpath-dev/towpath/config"
)

// Nobody serves the webhooks here: what is asked of them fails, and what passes was not asked.
var _ = Describe("The webhooks", Ordered, func() {
	component := object(apiVersion, "Component", home, "hooked", nil, map[string]any{"spec": componentSpec()})
	template := object(apiVersion, "ServiceTemplate", "", "hooked", nil, map[string]any{"spec": map[string]any{
		"summary": "A service.", "resources": []any{map[string]any{"id": "settings", "object": map[string]any{"kind": "ConfigMap"}}}}})
	beAsked := MatchError(ContainSubstring("failed calling webhook"))

	BeforeAll(func(ctx context.Context) {
		for _, u := range []*unstructured.Unstructured{component, template} {
			u.SetFinalizers([]string{finalizer})
			Expect(admin.Create(ctx, u)).To(Succeed())
		}
		configuration := config.WebhookConfiguration()[0]
		Expect(admin.Create(ctx, configuration)).To(Succeed())
		DeferCleanup(func(ctx context.Context) {
			Expect(admin.Delete(ctx, configuration)).To(Succeed())
			Eventually(ctx, func() error { return admin.Create(ctx, renamed(component), client.DryRunAll) }).Should(Succeed())
			Eventually(ctx, func() error { return admin.Create(ctx, renamed(template), client.DryRunAll) }).Should(Succeed())
		})
		Eventually(ctx, func() error { return admin.Create(ctx, renamed(component), client.DryRunAll) }).ShouldNot(Succeed())
		Eventually(ctx, func() error { return admin.Create(ctx, renamed(template), client.DryRunAll) }).ShouldNot(Succeed())
	})

	It("are asked about what is new and about every change of a spec", func(ctx context.Context) {
		for u, change := range map[*unstructured.Unstructured]string{component: `{"spec":{"image":"app:2"}}`, template: `{"spec":{"summary":"Another."}}`} {
			Expect(admin.Create(ctx, renamed(u))).To(Or(beAsked, MatchError(ContainSubstring("side effects"))))
			Expect(admin.Patch(ctx, u.DeepCopy(), mergePatch(change))).To(beAsked)
		}
	})

	It("are not asked about metadata and status", func(ctx context.Context) {
		for _, u := range []*unstructured.Unstructured{component, template} {
			Expect(admin.Patch(ctx, u.DeepCopy(), mergePatch(`{"metadata":{"annotations":{"a":"b"}}}`))).To(Succeed())
			Expect(manager.Status().Patch(ctx, u.DeepCopy(), mergePatch(`{"status":{"observedGeneration":1}}`))).To(Succeed())
		}
	})

	It("do not hold up a deletion", func(ctx context.Context) {
		for u, change := range map[*unstructured.Unstructured]string{component: `{"spec":{"image":"app:3"}}`, template: `{"spec":{"summary":"A third."}}`} {
			Expect(admin.Delete(ctx, u.DeepCopy())).To(Succeed())
			Expect(admin.Patch(ctx, u.DeepCopy(), mergePatch(change))).To(Succeed())
			lets := admin
			if u == component {
				lets = manager // a policy keeps others from it
			}
			Expect(lets.Patch(ctx, u.DeepCopy(), mergePatch(`{"metadata":{"finalizers":null}}`))).To(Succeed())
		}
	})
})

// renamed is the object as another one that does not exist yet.
func renamed(u *unstructured.Unstructured) *unstructured.Unstructured {
	return object(u.GetAPIVersion(), u.GetKind(), u.GetNamespace(), "new", nil, map[string]any{"spec": u.DeepCopy().Object["spec"]})
}
