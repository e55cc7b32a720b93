package policy_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

var forged = map[string]string{platformv1alpha1.LabelTeam: "other"}

var _ = Describe("Labels in a workload namespace", func() {
	It("are not set by a tenant, nor by an administrator", func(ctx context.Context) {
		for _, c := range []client.Client{tenant, admin} {
			Expect(c.Create(ctx, configMap(work, "forged", forged))).To(beDeniedBy("towpath-labels"))
			Expect(c.Apply(ctx, asApply(configMap(work, "forged", forged)), owner)).To(beDeniedBy("towpath-labels"))
		}
		Expect(tenant.Create(ctx, configMap(work, "plain", map[string]string{"team": "other"}), client.DryRunAll)).To(Succeed())
	})

	It("are set by anybody elsewhere", func(ctx context.Context) {
		Expect(tenant.Create(ctx, configMap("default", "free", forged), client.DryRunAll)).To(Succeed())
		Expect(tenant.Create(ctx, configMap(home, "free", forged), client.DryRunAll)).To(Succeed())
	})

	It("of aggregation are set on cluster roles by the platform team", func(ctx context.Context) {
		for _, label := range []string{"platform.towpath.dev/aggregate-to-applier", "platform.towpath.dev/aggregate-to-manager"} {
			role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "aggregated", Labels: map[string]string{label: "true"}}}
			Expect(admin.Create(ctx, role, client.DryRunAll)).To(Succeed())
		}
	})

	It("are neither changed, removed nor added by a tenant, who may change the rest", func(ctx context.Context) {
		own := made(ctx, applier, configMap(work, "labelled", map[string]string{ownerUID: "component-1", platformv1alpha1.LabelTeam: "shop"}))
		for _, patch := range []string{
			`{"metadata":{"labels":{"` + platformv1alpha1.LabelTeam + `":"other"}}}`,
			`{"metadata":{"labels":{"` + ownerUID + `":null}}}`,
			`{"metadata":{"labels":{"` + platformv1alpha1.LabelTier + `":"Production"}}}`,
			`{"metadata":{"labels":null}}`,
		} {
			Expect(tenant.Patch(ctx, own.DeepCopy(), mergePatch(patch))).To(beDeniedBy("towpath-labels"), patch)
		}
		Expect(tenant.Patch(ctx, own.DeepCopy(), mergePatch(`{"metadata":{"labels":{"mine":"yes"}},"data":{"key":"changed"}}`))).To(Succeed())
		Expect(tenant.Delete(ctx, own.DeepCopy())).To(Succeed(), "deletes are not concerned")
	})

	It("are not changed through a subresource", func(ctx context.Context) {
		pod := object("v1", "Pod", work, "labelled", map[string]string{platformv1alpha1.LabelTeam: "shop"}, map[string]any{"spec": map[string]any{
			"securityContext": map[string]any{"runAsNonRoot": true, "seccompProfile": map[string]any{"type": "RuntimeDefault"}},
			"containers": []any{map[string]any{"name": "app", "image": "app:1", "securityContext": map[string]any{
				"allowPrivilegeEscalation": false, "capabilities": map[string]any{"drop": []any{"ALL"}}}}},
		}})
		made(ctx, kubernetesController(ctx), pod)
		Expect(admin.Status().Patch(ctx, pod.DeepCopy(), mergePatch(`{"metadata":{"labels":{"`+platformv1alpha1.LabelTeam+`":"other"}}}`))).To(beDeniedBy("towpath-labels"))
		Expect(admin.Status().Patch(ctx, pod.DeepCopy(), mergePatch(`{"status":{"message":"fine"}}`))).To(Succeed())
	})

	It("are copied by the controllers of Kubernetes, and by the operator that is listed", func(ctx context.Context) {
		slice := object("discovery.k8s.io/v1", "EndpointSlice", work, "copied", map[string]string{ownerUID: "component-1"},
			map[string]any{"addressType": "IPv4", "endpoints": []any{}})
		endpointSlices := connect(user("system:serviceaccount:kube-system:endpointslice-controller", "system:serviceaccounts", "system:serviceaccounts:kube-system"))
		Expect(endpointSlices.Create(ctx, slice.DeepCopy(), client.DryRunAll)).To(Succeed())
		for name, expected := range map[string]OmegaMatcher{
			"system:kube-controller-manager":           Succeed(),
			"system:serviceaccount:keda:keda-operator": Succeed(),
			"system:serviceaccount:keda:other":         beDeniedBy("towpath-labels"),
		} {
			c := connect(user(name))
			grantConfigMaps(ctx, name)
			Eventually(ctx, func() error { return c.Create(ctx, configMap(work, "copied", forged), client.DryRunAll) }).Should(expected, name)
		}
	})

	It("are not set by accounts whose names only look alike", func(ctx context.Context) {
		for _, name := range []string{"system:serviceaccount:kube-system-2:x", "system:serviceaccount:towpath-appliers-2:x", "system:serviceaccount:towpath-system:other", "towpath-manager"} {
			grantConfigMaps(ctx, name)
			c := connect(user(name))
			Eventually(ctx, func() error { return c.Create(ctx, configMap(work, "forged", forged)) }).Should(beDeniedBy("towpath-labels"), name)
		}
	})
})

var _ = Describe("Labels in templates in a workload namespace", func() {
	templates := map[string]func(labels map[string]any) *unstructured.Unstructured{
		"the pods of a Deployment": func(labels map[string]any) *unstructured.Unstructured {
			d := deployment(work, "templated", nil, nil)
			labels["app"] = "templated"
			_ = unstructured.SetNestedField(d.Object, labels, "spec", "template", "metadata", "labels")
			return d
		},
		"the pods of a Job": func(labels map[string]any) *unstructured.Unstructured {
			return object("batch/v1", "Job", work, "templated", nil, map[string]any{"spec": map[string]any{"template": job(labels)}})
		},
		"the jobs of a CronJob": func(labels map[string]any) *unstructured.Unstructured {
			return object("batch/v1", "CronJob", work, "templated", nil, map[string]any{"spec": map[string]any{"schedule": "@daily",
				"jobTemplate": map[string]any{"metadata": map[string]any{"labels": labels}, "spec": map[string]any{"template": job(nil)}}}})
		},
		"the pods of a CronJob": func(labels map[string]any) *unstructured.Unstructured {
			return object("batch/v1", "CronJob", work, "templated", nil, map[string]any{"spec": map[string]any{"schedule": "@daily",
				"jobTemplate": map[string]any{"spec": map[string]any{"template": job(labels)}}}})
		},
		"the claims of a StatefulSet": func(labels map[string]any) *unstructured.Unstructured {
			return object("apps/v1", "StatefulSet", work, "templated", nil, map[string]any{"spec": map[string]any{
				"selector": map[string]any{"matchLabels": map[string]any{"app": "a"}}, "template": podTemplate(map[string]any{"app": "a"}),
				"volumeClaimTemplates": []any{map[string]any{"metadata": map[string]any{"name": "data", "labels": labels}, "spec": map[string]any{
					"accessModes": []any{"ReadWriteOnce"}, "resources": map[string]any{"requests": map[string]any{"storage": "1Gi"}}}}},
			}})
		},
	}
	for what, build := range templates {
		It("are not set by a tenant on "+what, func(ctx context.Context) {
			// A Job without labels gets those of its pods before admission, so that either policy may be first.
			Expect(tenant.Create(ctx, build(map[string]any{platformv1alpha1.LabelTeam: "other"}))).To(Or(beDeniedBy("towpath-templates"), beDeniedBy("towpath-labels")))
			Expect(tenant.Create(ctx, build(map[string]any{"team": "other"}), client.DryRunAll)).To(Succeed())
		})
	}

	It("are neither changed, removed nor added on what Towpath made, while the rest may be changed", func(ctx context.Context) {
		own := made(ctx, applier, deployment(work, "ours", map[string]string{ownerUID: "component-1"}, map[string]string{platformv1alpha1.LabelTeam: "shop"}))
		const head, tail = `{"spec":{"template":{"metadata":{"labels":{"`, `}}}}}`
		for _, label := range []string{platformv1alpha1.LabelTeam + `":"other"`, platformv1alpha1.LabelTeam + `":null`, platformv1alpha1.LabelTier + `":"Production"`} {
			Expect(tenant.Patch(ctx, own.DeepCopy(), mergePatch(head+label+tail))).To(beDeniedBy("towpath-templates"), label)
		}
		Expect(tenant.Patch(ctx, own.DeepCopy(), mergePatch(head+`mine":"yes"`+tail))).To(Succeed())
		Expect(tenant.Patch(ctx, own.DeepCopy(), mergePatch(`{"spec":{"replicas":3}}`))).To(Succeed())
		Expect(tenant.SubResource("scale").Patch(ctx, own.DeepCopy(), mergePatch(`{"spec":{"replicas":4}}`))).To(Succeed())
	})
})

func job(labels map[string]any) map[string]any {
	template := podTemplate(labels)
	_ = unstructured.SetNestedField(template, "Never", "spec", "restartPolicy")
	return template
}

// kubernetesController is a controller of Kubernetes that may make pods.
func kubernetesController(_ context.Context) client.Client {
	GinkgoHelper()
	return connect(user("system:serviceaccount:kube-system:replicaset-controller", "system:serviceaccounts", "system:serviceaccounts:kube-system"))
}

func grantConfigMaps(ctx context.Context, userName string) {
	GinkgoHelper()
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "test-", Namespace: work},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "test-tenant"},
		Subjects:   []rbacv1.Subject{{Kind: "User", APIGroup: rbacv1.GroupName, Name: userName}},
	}
	Expect(admin.Create(ctx, binding)).To(Succeed())
	DeferCleanup(func(ctx context.Context) error { return admin.Delete(ctx, binding) })
}
