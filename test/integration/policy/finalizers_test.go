package policy_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func environmentObject(name string) *unstructured.Unstructured {
	return object(apiVersion, "Environment", home, name, nil, map[string]any{"spec": map[string]any{"classRef": map[string]any{"name": "production"}}})
}

// Without it the namespace, the applier's account and the Releases would stay behind.
var _ = Describe("The finalizer", func() {
	for kind, build := range map[string]func() *unstructured.Unstructured{
		"Environment": func() *unstructured.Unstructured { return environmentObject("held") },
		"Component": func() *unstructured.Unstructured {
			return object(apiVersion, "Component", home, "held", nil, map[string]any{"spec": componentSpec()})
		},
		"Team": func() *unstructured.Unstructured {
			return object(apiVersion, "Team", "", "held", nil, map[string]any{"spec": map[string]any{"costCenter": "cc-1"}})
		},
	} {
		held := func(ctx context.Context, finalizers ...string) *unstructured.Unstructured {
			u := build()
			u.SetFinalizers(append([]string{finalizer}, finalizers...))
			made(ctx, admin, u)
			DeferCleanup(func(ctx context.Context) {
				Expect(client.IgnoreNotFound(manager.Patch(ctx, u.DeepCopy(), mergePatch(`{"metadata":{"finalizers":null}}`)))).To(Succeed())
			})
			return u
		}

		It("of a "+kind+" is there as soon as it is made, beside those of others, and nobody owns it", func(ctx context.Context) {
			u := build()
			u.SetFinalizers([]string{"example.com/other"})
			Expect(admin.Create(ctx, u, client.DryRunAll)).To(Succeed())
			Expect(u.GetFinalizers()).To(ConsistOf("example.com/other", finalizer))
			u = build()
			Expect(admin.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner("gitops"), client.DryRunAll)).To(Succeed())
			Expect(u.GetFinalizers()).To(ConsistOf(finalizer))
			for _, entry := range u.GetManagedFields() {
				Expect(entry.FieldsV1.GetRawString()).NotTo(ContainSubstring("finalizers"), "who applies it would see a difference")
			}
		})

		It("of a "+kind+" that is being deleted is taken off by the manager alone", func(ctx context.Context) {
			editor := editorOf(ctx, kind)
			u := held(ctx)
			Expect(editor.Delete(ctx, u.DeepCopy())).To(Succeed())
			for name, c := range map[string]client.Client{"an editor": editor, "an administrator": admin} {
				for _, patch := range []client.Patch{
					jsonPatch(`{"op":"remove","path":"/metadata/finalizers"}`),
					jsonPatch(`{"op":"remove","path":"/metadata/finalizers/0"}`),
					mergePatch(`{"metadata":{"finalizers":null}}`),
				} {
					Expect(c.Patch(ctx, u.DeepCopy(), patch)).To(beDeniedBy("towpath-finalizers"), name)
				}
				replaced := live(ctx, u)
				replaced.SetFinalizers(nil)
				Expect(c.Update(ctx, replaced)).To(beDeniedBy("towpath-finalizers"), name)
			}
			Expect(editor.Patch(ctx, u.DeepCopy(), mergePatch(`{"metadata":{"annotations":{"note":"seen"}}}`))).To(Succeed(), "the rest may change")
			Expect(manager.Patch(ctx, u.DeepCopy(), mergePatch(`{"metadata":{"finalizers":null}}`))).To(Succeed())
			Expect(apierrors.IsNotFound(admin.Get(ctx, client.ObjectKeyFromObject(u), u))).To(BeTrue())
		})

		It("of others on a "+kind+" that is being deleted is taken off by anybody", func(ctx context.Context) {
			u := held(ctx, "x.example.com/y")
			Expect(admin.Delete(ctx, u.DeepCopy())).To(Succeed())
			Expect(editorOf(ctx, kind).Patch(ctx, u.DeepCopy(), finalizersPatch([]string{finalizer}))).To(Succeed())
		})

		It("of a "+kind+" that is not being deleted may go, as with kubectl replace: the manager puts it back", func(ctx context.Context) {
			u := held(ctx)
			Expect(editorOf(ctx, kind).Patch(ctx, u.DeepCopy(), jsonPatch(`{"op":"remove","path":"/metadata/finalizers"}`))).To(Succeed())
			Expect(manager.Patch(ctx, u.DeepCopy(), finalizersPatch([]string{finalizer}))).To(Succeed())
		})
	}
})

// editorOf is somebody who may write a kind.
func editorOf(ctx context.Context, kind string) client.Client {
	GinkgoHelper()
	if kind == "Team" {
		return platform
	}
	return editorOfHome(ctx)
}

// editorOfHome is a user with the role edit, as it is aggregated, in the team's namespace.
func editorOfHome(ctx context.Context) client.Client {
	GinkgoHelper()
	const name = "edgar"
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "test-", Namespace: home},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "towpath-edit"},
		Subjects:   []rbacv1.Subject{{Kind: "User", APIGroup: rbacv1.GroupName, Name: name}},
	}
	Expect(admin.Create(ctx, binding)).To(Succeed())
	DeferCleanup(func(ctx context.Context) error { return admin.Delete(ctx, binding) })
	editor := connect(user(name))
	probe := object(apiVersion, "Component", home, "probe", nil, map[string]any{"spec": componentSpec()})
	Eventually(ctx, func() error { return editor.Create(ctx, probe.DeepCopy(), client.DryRunAll) }).Should(Succeed())
	return editor
}
