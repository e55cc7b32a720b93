package policy_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/controllers/costsource"
	"github.com/towpath-dev/towpath/internal/prometheus"
	"github.com/towpath-dev/towpath/internal/webhookcert"
)

var _ = Describe("The rights of an applier", func() {
	labels := map[string]string{ownerUID: "component-1"}

	It("are to write what golden paths make, in its namespace", func(ctx context.Context) {
		c := impersonate(narrow)
		own := configMap(narrow, "own", labels)
		Eventually(ctx, func() error { return c.Apply(ctx, asApply(own), owner) }).Should(Succeed())
		Expect(c.Apply(ctx, asApply(deployment(narrow, "own", labels, nil)), owner, client.DryRunAll)).To(Succeed())
		Expect(c.Delete(ctx, configMap(narrow, "own", nil))).To(Succeed())
	})

	It("are not to read, nor to write Secrets, rights, pods or quotas, nor to write elsewhere", func(ctx context.Context) {
		c := impersonate(narrow)
		Expect(c.Get(ctx, client.ObjectKey{Namespace: narrow, Name: "x"}, &corev1.ConfigMap{})).To(beForbiddenByRBAC())
		Expect(c.List(ctx, &corev1.SecretList{}, client.InNamespace(narrow))).To(beForbiddenByRBAC())
		meta := metav1.ObjectMeta{Namespace: narrow, Name: "x", Labels: labels}
		for _, o := range []client.Object{
			&corev1.Secret{ObjectMeta: meta}, &corev1.Pod{ObjectMeta: meta}, &corev1.ResourceQuota{ObjectMeta: meta}, &rbacv1.Role{ObjectMeta: meta},
			&rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"}},
			configMap(home, "x", labels), configMap("kube-system", "x", labels), configMap(other, "x", labels),
		} {
			Expect(c.Create(ctx, o)).To(beForbiddenByRBAC())
			Expect(admin.Create(ctx, o, client.DryRunAll)).NotTo(beForbiddenByRBAC())
		}
	})
})

var _ = Describe("The rights of the manager", func() {
	It("are not to write workloads, nor to read Secrets of others", func(ctx context.Context) {
		Expect(manager.Create(ctx, configMap(work, "x", nil))).To(beForbiddenByRBAC())
		Expect(manager.Create(ctx, deployment(work, "x", nil, nil))).To(beForbiddenByRBAC())
		Expect(manager.List(ctx, &corev1.SecretList{}, client.InNamespace(work))).To(beForbiddenByRBAC())
		Expect(manager.List(ctx, &corev1.SecretList{})).To(beForbiddenByRBAC())
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: platformv1alpha1.SystemNamespace, Name: "other"}}
		Expect(manager.Create(ctx, secret)).To(beForbiddenByRBAC())
	})

	It("are to read four Secrets of its own namespace, and to list the one with the certificate alone", func(ctx context.Context) {
		own := client.InNamespace(platformv1alpha1.SystemNamespace)
		named := func(name string) client.ListOption { return client.MatchingFields{metav1.ObjectNameField: name} }
		get := func(name string) error {
			return manager.Get(ctx, client.ObjectKey{Namespace: platformv1alpha1.SystemNamespace, Name: name}, &corev1.Secret{})
		}
		Expect(manager.List(ctx, &corev1.SecretList{}, own, named(webhookcert.SecretName))).To(Succeed())
		Expect(get(webhookcert.SecretName)).NotTo(beForbiddenByRBAC())
		for _, name := range []string{prometheus.SecretName, costsource.SecretName, "towpath-alerts"} {
			Expect(get(name)).NotTo(beForbiddenByRBAC())
		}
		Expect(manager.List(ctx, &corev1.SecretList{}, own, named(prometheus.SecretName))).To(beForbiddenByRBAC())
		Expect(manager.List(ctx, &corev1.SecretList{}, own)).To(beForbiddenByRBAC())
		Expect(get("other")).To(beForbiddenByRBAC())
		Expect(manager.Delete(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: platformv1alpha1.SystemNamespace, Name: prometheus.SecretName}})).To(beForbiddenByRBAC())
	})

	It("are to bind the two roles by apply, and no others", func(ctx context.Context) {
		// What the policy towpath-bindings would refuse as well is asked for in other words here.
		Expect(manager.Create(ctx, roleBinding(work, "another"))).To(beForbiddenByRBAC())
		Expect(manager.Apply(ctx, asApply(roleBinding(work, "another")), owner)).To(beForbiddenByRBAC())
		Expect(manager.Create(ctx, &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: platformv1alpha1.ApplierClusterRole},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: platformv1alpha1.ApplierClusterRole},
		})).To(beForbiddenByRBAC())
		Expect(manager.Patch(ctx, &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: platformv1alpha1.ApplierClusterRole}},
			mergePatch(`{"rules":[{"apiGroups":["*"],"resources":["*"],"verbs":["*"]}]}`))).To(beForbiddenByRBAC())
		Expect(manager.Apply(ctx, asApply(roleBinding(work, platformv1alpha1.ApplierClusterRole)), owner, client.ForceOwnership)).To(Succeed())
	})

	It("are to act as an applier, and as nobody else", func(ctx context.Context) {
		for _, as := range []rest.ImpersonationConfig{
			{UserName: "admin"}, {UserName: "system:serviceaccount:kube-system:default"}, {UserName: "system:serviceaccount:" + work + ":default"},
			{UserName: "system:serviceaccount:towpath-appliers:" + work, Groups: []string{"system:masters"}},
		} {
			cfg := rest.CopyConfig(managerConfig)
			cfg.Impersonate = as
			Expect(connect(cfg).Create(ctx, configMap(work, "x", nil))).To(
				And(beForbiddenByRBAC(), MatchError(ContainSubstring("impersonate"))), as.UserName)
		}
		Expect(applier.Create(ctx, configMap(work, "x", map[string]string{ownerUID: "component-1"}), client.DryRunAll)).To(Succeed())
	})
})

var _ = Describe("The rights of people", func() {
	It("are for everybody to read the catalog", func(ctx context.Context) {
		Expect(tenant.List(ctx, &platformv1alpha1.ServiceTemplateList{})).To(Succeed())
		Expect(tenant.List(ctx, &platformv1alpha1.EnvironmentClassList{})).To(Succeed())
		Expect(tenant.List(ctx, &platformv1alpha1.ReleaseList{}, client.InNamespace(home))).To(beForbiddenByRBAC())
	})

	It("are for an editor of a team namespace to write Components and Environments, and to read Releases", func(ctx context.Context) {
		editor := connect(user("edith"))
		// kube-controller-manager would aggregate the two into edit.
		for _, role := range []string{"towpath-edit", "towpath-view"} {
			binding := &rbacv1.RoleBinding{
				ObjectMeta: metav1.ObjectMeta{Name: role, Namespace: home},
				RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
				Subjects:   []rbacv1.Subject{{Kind: "User", APIGroup: rbacv1.GroupName, Name: "edith"}},
			}
			Expect(admin.Create(ctx, binding)).To(Succeed())
			DeferCleanup(func(ctx context.Context) error { return admin.Delete(ctx, binding) })
		}
		component := object(apiVersion, "Component", home, "mine", nil, map[string]any{"spec": componentSpec()})
		Eventually(ctx, func() error { return editor.Create(ctx, component.DeepCopy(), client.DryRunAll) }).Should(Succeed())
		Eventually(ctx, func() error {
			return editor.List(ctx, &platformv1alpha1.ReleaseList{}, client.InNamespace(home))
		}).Should(Succeed())
		Expect(editor.Create(ctx, release("x"))).To(beForbiddenByRBAC())
		Expect(editor.Patch(ctx, release("x"), mergePatch(`{"metadata":{"labels":{"a":"b"}}}`))).To(beForbiddenByRBAC())
		Expect(editor.Delete(ctx, release("x"))).To(beForbiddenByRBAC())
		Expect(editor.Status().Patch(ctx, component.DeepCopy(), mergePatch(`{"status":{"observedGeneration":1}}`))).To(beForbiddenByRBAC())
		Expect(editor.Create(ctx, object(apiVersion, "EnvironmentClass", "", "mine", nil, map[string]any{"spec": map[string]any{"tier": "Production"}}))).To(beForbiddenByRBAC())
	})
})

func componentSpec() map[string]any {
	return map[string]any{
		"templateRef": map[string]any{"name": "web-service"}, "image": "app:1",
		"environments": []any{map[string]any{"name": "prod"}},
	}
}
