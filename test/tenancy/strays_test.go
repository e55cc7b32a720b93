package tenancy_test

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

func revisionOf(template string) *platformv1alpha1.ServiceTemplateRevision {
	return framework.Revision(template, 1, framework.ConfigMap("config"))
}

// namespaces are attempts to change what a workload namespace is, with all rights in it: the API server takes a
// namespace for an object in itself, so that these reach it.
func namespaces() []attack {
	work := func() client.Object { return namespace(evil.work) }
	patch := func(what, labels string) attack {
		return attack{what: what, by: byGreta, wall: byPolicy("towpath-namespaces"), target: work,
			do: func(ctx context.Context, c client.Client) error {
				return c.Patch(ctx, work(), merge(`{"metadata":{"labels":{`+labels+`}}}`))
			}}
	}
	// With all rights in her home, greta may change that Namespace: whose home it is takes more.
	home := func(what string, labels func() string) attack {
		return attack{what: what, by: byGreta, wall: byPolicy("towpath-namespaces"), target: func() client.Object { return namespace(evil.home) },
			do: func(ctx context.Context, c client.Client) error {
				return c.Patch(ctx, namespace(evil.home), merge(`{"metadata":{"labels":{`+labels()+`}}}`))
			}}
	}
	team := `"` + platformv1alpha1.LabelTeam + `":`
	return []attack{
		home("one's home moved to another team", func() string { return team + `"` + victim.name + `"` }),
		home("one's home moved to a team that does not exist", func() string { return team + `"nobody"` }),
		home("one's home that is none any more", func() string { return team + `null` }),
		home("one's home at another's cost", func() string { return `"` + platformv1alpha1.LabelCostCenter + `":"cc-` + victim.name + `"` }),
		patch("no pod security in one's workload namespace", `"pod-security.kubernetes.io/enforce":"privileged"`),
		patch("a namespace that enforces no pod security", `"pod-security.kubernetes.io/enforce":null`),
		patch("another team of one's workload namespace", `"`+platformv1alpha1.LabelTeam+`":"other"`),
		patch("another owner of one's workload namespace", `"`+platformv1alpha1.LabelOwnerUID+`":"other"`),
		patch("a workload namespace that is none any more, where labels are free", `"app.kubernetes.io/managed-by":null`),
	}
}

// collisions are attempts to have an applier take what bears the name of something of ours.
func collisions() []attack {
	foreign := func() client.Object { return configMap(evil.work, "foreign", nil) }
	own := func() client.Object { return configMap(evil.work, "orders-config", nil) }
	apply := func(what string, of func() client.Object, owner func() types.UID, options ...client.ApplyOption) attack {
		return attack{what: what, by: byApplier, wall: byPolicy("towpath-ownership"), target: of,
			do: func(ctx context.Context, c client.Client) error {
				u := object(`{apiVersion: v1, kind: ConfigMap, data: {taken: "true"}}`)
				u.SetNamespace(evil.work)
				u.SetName(of().GetName())
				u.SetLabels(map[string]string{platformv1alpha1.LabelOwnerUID: string(owner())})
				return c.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), append(options, client.FieldOwner("towpath-release"))...)
			}}
	}
	mine := func() types.UID { return evil.component.UID }
	other := func() types.UID { return "another" }
	return []attack{
		apply("a rendered object of the name of a foreign one", foreign, mine),
		apply("a rendered object of the name of a foreign one, by force", foreign, mine, client.ForceOwnership),
		apply("a rendered object of the name of another Component's, by force", own, other, client.ForceOwnership),
		{what: "the deletion of a foreign object by a forged inventory", by: byApplier, wall: byPolicy("towpath-ownership"), target: foreign,
			do: func(ctx context.Context, c client.Client) error { return c.Delete(ctx, foreign()) }},
	}
}

// strays are what an applier writes that was given every right in the cluster: whatever is rendered, and whoever
// widened it.
func strays() []attack {
	forged := map[string]string{platformv1alpha1.LabelOwnerUID: "forged"}
	meta := func(namespace, name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: forged}
	}
	create := func(what string, o func() client.Object) attack {
		return attack{what: what, by: byApplier, wall: byPolicy("towpath-appliers"), target: o,
			do: func(ctx context.Context, c client.Client) error { return c.Create(ctx, o()) }}
	}
	patch := func(what string, of func() client.Object, text string) attack {
		return attack{what: what, by: byApplier, wall: byPolicy("towpath-appliers"), target: of,
			do: func(ctx context.Context, c client.Client) error { return c.Patch(ctx, of(), merge(text)) }}
	}
	in := func(what string, namespace func() string) attack {
		return create("a rendered object in "+what, func() client.Object { return configMap(namespace(), "stray", forged) })
	}
	work := func() client.Object { return namespace(evil.work) }
	return []attack{
		in("kube-system", func() string { return "kube-system" }),
		in("another team's workload namespace", func() string { return victim.work }),
		in("another team's home", func() string { return victim.home }),
		in("the appliers' namespace", func() string { return platformv1alpha1.ApplierNamespace }),
		create("a rendered ClusterRole", func() client.Object {
			return &rbacv1.ClusterRole{ObjectMeta: meta("", "stray"), Rules: []rbacv1.PolicyRule{{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}}}}
		}),
		create("a rendered ClusterRoleBinding", func() client.Object {
			return &rbacv1.ClusterRoleBinding{ObjectMeta: meta("", "stray"), RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
				Subjects: []rbacv1.Subject{{Kind: "User", APIGroup: rbacv1.GroupName, Name: "mallory"}}}
		}),
		create("a rendered webhook", func() client.Object {
			u := object(`{apiVersion: admissionregistration.k8s.io/v1, kind: MutatingWebhookConfiguration, metadata: {name: stray}, webhooks: []}`)
			u.SetLabels(forged)
			return u
		}),
		create("a rendered CustomResourceDefinition", func() client.Object {
			crd := framework.CRD("stray.example.com", "Stray")
			crd.Labels = forged
			return crd
		}),
		create("a rendered PersistentVolume", func() client.Object {
			u := object(`{apiVersion: v1, kind: PersistentVolume, metadata: {name: stray}, spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /}}}`)
			u.SetLabels(forged)
			return u
		}),
		// The API server takes a namespace for an object in itself.
		patch("its own namespace's annotations", work, `{"metadata":{"annotations":{"stray":"yes"}}}`),
		{what: "the deletion of its own namespace", by: byApplier, wall: byPolicy("towpath-appliers"), target: work,
			do: func(ctx context.Context, c client.Client) error { return c.Delete(ctx, work()) }},
		create("an object without an owner", func() client.Object { return configMap(evil.work, "unowned", nil) }),
		{what: "an eviction, which is a subresource", by: byApplier, wall: byPolicy("towpath-appliers"), target: func() client.Object { return podOf("lasting") },
			do: func(ctx context.Context, c client.Client) error {
				return c.SubResource("eviction").Create(ctx, podOf("lasting"), &policyv1.Eviction{})
			}},
		{what: "an ephemeral container, which is a subresource", by: byApplier, wall: byPolicy("towpath-appliers"), target: func() client.Object { return podOf("lasting") },
			do: func(ctx context.Context, c client.Client) error {
				return c.SubResource("ephemeralcontainers").Patch(ctx, podOf("lasting"), debugger(false))
			}},
		{what: "a privileged ephemeral container, by the tenant", by: byGreta, wall: byContent("violates PodSecurity"), target: func() client.Object { return podOf("lasting") },
			do: func(ctx context.Context, c client.Client) error {
				return c.SubResource("ephemeralcontainers").Patch(ctx, podOf("lasting"), debugger(true))
			},
			control: func(ctx context.Context) error {
				return greta.SubResource("ephemeralcontainers").Patch(ctx, podOf("lasting"), debugger(false), client.DryRunAll)
			}},
	}
}

// debugger adds an ephemeral container.
func debugger(privileged bool) client.Patch {
	security := `{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]}}`
	if privileged {
		security = `{"privileged":true}`
	}
	return client.RawPatch(types.StrategicMergePatchType, fmt.Appendf(nil,
		`{"spec":{"ephemeralContainers":[{"name":"debugger","image":"busybox:1","securityContext":%s}]}}`, security))
}

// managerFooled are what the manager would do if somebody found a way to have it do so.
func managerFooled() []attack {
	binding := func(namespace, role string) *rbacv1.RoleBinding {
		return &rbacv1.RoleBinding{
			TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "RoleBinding"},
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: role},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: platformv1alpha1.ApplierNamespace, Name: evil.work}},
		}
	}
	bind := func(what string, namespace func() string) attack {
		return attack{what: what, by: byManager, wall: byPolicy("towpath-bindings"),
			target: func() client.Object { return binding(namespace(), platformv1alpha1.ApplierClusterRole) },
			do: func(ctx context.Context, c client.Client) error {
				u := object(fmt.Sprintf(`{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {namespace: %[1]s, name: towpath-applier},
  roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: towpath-applier}, subjects: [{kind: ServiceAccount, namespace: towpath-appliers, name: %[2]s}]}`, namespace(), evil.work))
				return c.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner("towpath-environment"), client.ForceOwnership)
			}}
	}
	takes := func(what string, name func() string) attack {
		of := func() client.Object { return namespace(name()) }
		return attack{what: what, by: byManager, wall: byPolicy("towpath-namespaces"), target: of,
			do: func(ctx context.Context, c client.Client) error {
				return c.Patch(ctx, of(), merge(fmt.Sprintf(
					`{"metadata":{"labels":{%q:%q,"app.kubernetes.io/managed-by":"towpath"},"annotations":{%q:%q}}}`,
					platformv1alpha1.LabelOwnerUID, evil.environment.UID, platformv1alpha1.AnnotationHome, evil.home+"/dev")))
			}}
	}
	return []attack{
		bind("the manager's binding of one's applier in another team's workload namespace", func() string { return victim.work }),
		bind("the manager's binding of one's applier in kube-system", func() string { return "kube-system" }),
		takes("the manager's taking over of kube-system", func() string { return "kube-system" }),
		takes("the manager's taking over of another team's home", func() string { return victim.home }),
		takes("the manager's taking over of another team's workload namespace", func() string { return victim.work }),
		{what: "the manager's deletion of another team's home", by: byManager, wall: byPolicy("towpath-namespaces"),
			target: func() client.Object { return namespace(victim.home) },
			do:     func(ctx context.Context, c client.Client) error { return c.Delete(ctx, namespace(victim.home)) }},
		{what: "the manager's taking over of another team's applier", by: byManager, wall: byPolicy("towpath-accounts"),
			target: func() client.Object { return account(platformv1alpha1.ApplierNamespace, victim.work) },
			do: func(ctx context.Context, c client.Client) error {
				return c.Patch(ctx, account(platformv1alpha1.ApplierNamespace, victim.work), merge(fmt.Sprintf(
					`{"metadata":{"labels":{%q:%q}}}`, platformv1alpha1.LabelOwnerUID, evil.environment.UID)))
			}},
		{what: "the manager's reading of a Secret", by: byManager, wall: byRBAC(),
			target: func() client.Object {
				return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: victim.work, Name: "any"}}
			},
			do: func(ctx context.Context, c client.Client) error {
				return c.List(ctx, &corev1.SecretList{}, client.InNamespace(victim.work))
			}},
	}
}
