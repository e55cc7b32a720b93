package policy_test

import (
	"context"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// Kubernetes makes claims from ephemeral volumes of pods and from ResourceClaimTemplates, with the labels
// that stand there.
var _ = Describe("Labels of claims that pods make, in a workload namespace", func() {
	forgedClaim := map[string]any{ownerUID: "component-1", platformv1alpha1.LabelTeam: "forged"}
	selector := map[string]any{"matchLabels": map[string]any{"app": "a"}}
	claims := map[string]func(labels map[string]any) *unstructured.Unstructured{
		"Pod": func(labels map[string]any) *unstructured.Unstructured { return pod("claiming", labels) },
		"PodTemplate": func(labels map[string]any) *unstructured.Unstructured {
			return object("v1", "PodTemplate", work, "claiming", nil, map[string]any{"template": claiming(labels)})
		},
		"ReplicationController": func(labels map[string]any) *unstructured.Unstructured {
			return object("v1", "ReplicationController", work, "claiming", nil, map[string]any{"spec": map[string]any{
				"selector": map[string]any{"app": "a"}, "template": claiming(labels)}})
		},
		"Job": func(labels map[string]any) *unstructured.Unstructured {
			return object("batch/v1", "Job", work, "claiming", nil, map[string]any{"spec": map[string]any{"template": claimingJob(labels)}})
		},
		"CronJob": func(labels map[string]any) *unstructured.Unstructured {
			return object("batch/v1", "CronJob", work, "claiming", nil, map[string]any{"spec": map[string]any{"schedule": "@daily",
				"jobTemplate": map[string]any{"spec": map[string]any{"template": claimingJob(labels)}}}})
		},
		"ResourceClaimTemplate": func(labels map[string]any) *unstructured.Unstructured {
			return object("resource.k8s.io/v1", "ResourceClaimTemplate", work, "claiming", nil, map[string]any{"spec": map[string]any{
				"metadata": map[string]any{"labels": labels}, "spec": map[string]any{}}})
		},
	}
	for _, kind := range []string{"DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"} {
		claims[kind] = func(labels map[string]any) *unstructured.Unstructured {
			return object("apps/v1", kind, work, "claiming", nil, map[string]any{"spec": map[string]any{"selector": selector, "template": claiming(labels)}})
		}
	}

	for kind, build := range claims {
		It("are not set by a tenant, nor by an administrator, with a "+kind, func(ctx context.Context) {
			for _, c := range []client.Client{tenant, admin} {
				Expect(c.Create(ctx, build(forgedClaim), client.DryRunAll)).To(beDeniedBy("towpath-templates"))
				Expect(c.Create(ctx, build(map[string]any{"team": "forged"}), client.DryRunAll)).To(Succeed())
			}
		})

		It("do not keep anybody from changing the rest of a "+kind+" that has them already", func(ctx context.Context) {
			own := made(ctx, exempt(ctx), build(forgedClaim))
			Expect(tenant.Patch(ctx, own.DeepCopy(), mergePatch(`{"metadata":{"labels":{"mine":"yes"}}}`))).To(Succeed())
		})
	}

	It("are neither added nor changed on what is there, but may be taken out", func(ctx context.Context) {
		own := made(ctx, exempt(ctx), claims["Deployment"](forgedClaim))
		const volumes, labels = "/spec/template/spec/volumes", "/ephemeral/volumeClaimTemplate/metadata/labels"
		team := labels + "/platform.towpath.dev~1team"
		for _, change := range []string{
			`{"op":"replace","path":"` + volumes + "/0" + team + `","value":"other"}`,
			`{"op":"add","path":"` + volumes + "/0" + labels + `/platform.towpath.dev~1tier","value":"Production"}`,
			`{"op":"replace","path":"` + volumes + `/0/name","value":"renamed"}`,
			`{"op":"add","path":"` + volumes + `/0","value":` + encode(ephemeral("more", map[string]any{platformv1alpha1.LabelTeam: "forged"})) + `}`,
		} {
			Expect(tenant.Patch(ctx, own.DeepCopy(), jsonPatch(change))).To(beDeniedBy("towpath-templates"), change)
		}
		for _, change := range []string{
			`{"op":"add","path":"/spec/replicas","value":3}`,
			`{"op":"add","path":"` + volumes + `/0","value":{"name":"before","emptyDir":{}}}`,
			`{"op":"add","path":"` + volumes + `/0","value":` + encode(ephemeral("more", map[string]any{"team": "mine"})) + `}`,
			`{"op":"remove","path":"` + volumes + "/2" + team + `"}`,
			`{"op":"remove","path":"` + volumes + `/2"}`,
		} {
			Expect(tenant.Patch(ctx, own, jsonPatch(change))).To(Succeed(), change)
		}
	})

	It("are set by the appliers and by the controllers of Kubernetes, which make pods of templates", func(ctx context.Context) {
		ours := claims["Deployment"](forgedClaim)
		ours.SetLabels(map[string]string{ownerUID: "component-1"})
		Expect(applier.Create(ctx, ours, client.DryRunAll)).To(Succeed())
		Expect(kubernetesController(ctx).Create(ctx, pod("claiming", forgedClaim), client.DryRunAll)).To(Succeed())
	})

	It("are checked at a bounded cost where there are many volumes", func(ctx context.Context) {
		many := func(labels map[string]any) *unstructured.Unstructured {
			var volumes []any
			for i := range 300 {
				volumes = append(volumes, ephemeral(fmt.Sprintf("data-%d", i), labels))
			}
			u := claims["Deployment"](nil)
			_ = unstructured.SetNestedSlice(u.Object, volumes, "spec", "template", "spec", "volumes")
			return u
		}
		plain := map[string]any{}
		for i := range 20 {
			plain[fmt.Sprintf("example.com/label-%d", i)] = "value"
		}
		own := made(ctx, tenant, many(plain))
		Expect(tenant.Patch(ctx, own, mergePatch(`{"spec":{"replicas":3}}`))).To(Succeed())
		Expect(admin.Delete(ctx, own)).To(Succeed())
		own = made(ctx, exempt(ctx), many(forgedClaim))
		Expect(tenant.Patch(ctx, own, mergePatch(`{"spec":{"replicas":3}}`))).To(Succeed())
	})
})

// ephemeral is a volume whose claim is made with the pod.
func ephemeral(name string, labels map[string]any) map[string]any {
	return map[string]any{"name": name, "ephemeral": map[string]any{"volumeClaimTemplate": map[string]any{
		"metadata": map[string]any{"labels": labels},
		"spec": map[string]any{"accessModes": []any{"ReadWriteOnce"},
			"resources": map[string]any{"requests": map[string]any{"storage": "1Gi"}}},
	}}}
}

// claiming is a template of pods that each make a claim with these labels.
func claiming(labels map[string]any) map[string]any {
	template := podTemplate(map[string]any{"app": "a"})
	_ = unstructured.SetNestedSlice(template, []any{ephemeral("data", labels)}, "spec", "volumes")
	return template
}

func claimingJob(labels map[string]any) map[string]any {
	template := claiming(labels)
	_ = unstructured.SetNestedField(template, "Never", "spec", "restartPolicy")
	return template
}

// pod is one that the restricted level admits, and that makes a claim with these labels.
func pod(name string, labels map[string]any) *unstructured.Unstructured {
	return object("v1", "Pod", work, name, nil, map[string]any{"spec": map[string]any{
		"securityContext": map[string]any{"runAsNonRoot": true, "seccompProfile": map[string]any{"type": "RuntimeDefault"}},
		"containers": []any{map[string]any{"name": "app", "image": "app:1", "securityContext": map[string]any{
			"allowPrivilegeEscalation": false, "capabilities": map[string]any{"drop": []any{"ALL"}}}}},
		"volumes": []any{ephemeral("data", labels)},
	}})
}

// exempt is an identity of Kubernetes that no policy about labels concerns, with the rights of a tenant.
func exempt(ctx context.Context) client.Client {
	GinkgoHelper()
	const name = "system:kube-controller-manager"
	grantConfigMaps(ctx, name)
	c := connect(user(name))
	Eventually(ctx, func() error { return c.Create(ctx, configMap(work, "granted", nil), client.DryRunAll) }).Should(Succeed())
	return c
}

func jsonPatch(operation string) client.Patch {
	return client.RawPatch(types.JSONPatchType, []byte("["+operation+"]"))
}
