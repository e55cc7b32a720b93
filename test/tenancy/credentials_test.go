package tenancy_test

import (
	"context"

	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

const applierUser = "system:serviceaccount:" + platformv1alpha1.ApplierNamespace + ":"

// Who attacks. They are functions since tables are built before there is a cluster.
func byMallory() client.Client { return mallory }
func byGreta() client.Client   { return greta }
func byApplier() client.Client { return applier }
func byManager() client.Client { return fooled }

func account(namespace, name string) *corev1.ServiceAccount {
	return &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
}

// credentials are attempts to write as an applier or as the manager.
func credentials() []attack {
	token := func(namespace, name func() string) func(context.Context, client.Client) error {
		return func(ctx context.Context, c client.Client) error {
			return c.SubResource("token").Create(ctx, account(namespace(), name()), &authenticationv1.TokenRequest{})
		}
	}
	appliers := func() string { return platformv1alpha1.ApplierNamespace }
	ofEvil := func() string { return evil.work }
	ofVictim := func() string { return victim.work }
	applierOf := func(name func() string) func() client.Object {
		return func() client.Object { return account(platformv1alpha1.ApplierNamespace, name()) }
	}
	// An impersonator's control is the administrator's impersonation of the same.
	owned := func(namespace string) *corev1.ConfigMap {
		return configMap(namespace, "minted", map[string]string{platformv1alpha1.LabelOwnerUID: "forged"})
	}
	as := func(user func() string, do func(context.Context, client.Client) error) (attempt func(context.Context, client.Client) error, control func(context.Context) error) {
		return func(ctx context.Context, _ client.Client) error { return do(ctx, impersonating("mallory", user())) },
			func(ctx context.Context) error {
				return do(ctx, client.NewDryRunClient(impersonating("root", user(), "system:masters")))
			}
	}
	asApplier, withApplier := as(func() string { return applierUser + evil.work }, func(ctx context.Context, c client.Client) error {
		return c.Create(ctx, owned(evil.work))
	})
	asTheirs, withTheirs := as(func() string { return applierUser + victim.work }, func(ctx context.Context, c client.Client) error {
		return c.Create(ctx, owned(victim.work))
	})
	asManager, withManager := as(func() string { return framework.ManagerUser }, func(ctx context.Context, c client.Client) error {
		return c.Patch(ctx, evil.release.DeepCopy(), merge(`{"metadata":{"labels":{"`+platformv1alpha1.LabelTeam+`":"other"}}}`))
	})
	return []attack{
		{what: "a token of one's own applier", by: byMallory, do: token(appliers, ofEvil), wall: byRBAC(), target: applierOf(ofEvil)},
		{what: "a token of another team's applier", by: byMallory, do: token(appliers, ofVictim), wall: byRBAC(), target: applierOf(ofVictim)},
		{what: "a token of the manager", by: byGreta, wall: byRBAC(),
			do: token(func() string { return platformv1alpha1.SystemNamespace }, func() string { return "towpath-manager" }),
			target: func() client.Object {
				return account(platformv1alpha1.SystemNamespace, "towpath-manager")
			}},
		{what: "a Secret that Kubernetes fills with an applier's token", by: byGreta, wall: byRBAC(),
			do:     func(ctx context.Context, c client.Client) error { return c.Create(ctx, tokenSecret()) },
			target: func() client.Object { return tokenSecret() }},
		{what: "impersonation of one's own applier", by: byMallory, do: asApplier, control: withApplier, wall: byRBAC(),
			target: func() client.Object { return owned(evil.work) }},
		{what: "impersonation of another team's applier", by: byMallory, do: asTheirs, control: withTheirs, wall: byRBAC(),
			target: func() client.Object { return owned(victim.work) }},
		{what: "impersonation of the manager", by: byMallory, do: asManager, control: withManager, wall: byRBAC(),
			target: func() client.Object { return evil.release }},
		// The account of that name in one's own namespace is another one: admission takes the pod's namespace.
		{what: "a pod that runs as an applier", by: byGreta, wall: byContent("error looking up service account"), target: func() client.Object { return podOf("runner") },
			do: func(ctx context.Context, c client.Client) error {
				pod := podOf("runner")
				pod.Spec.ServiceAccountName = evil.work
				return c.Create(ctx, pod)
			},
			control: func(ctx context.Context) error {
				pod := podOf("runner")
				Eventually(ctx, framework.Read(admin, account(evil.work, "default"))).ShouldNot(BeNil())
				pod.Spec.ServiceAccountName = "default"
				return greta.Create(ctx, pod, client.DryRunAll)
			}},
	}
}

func tokenSecret() *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: platformv1alpha1.ApplierNamespace, Name: "minted",
			Annotations: map[string]string{corev1.ServiceAccountNameKey: evil.work},
		},
		Type: corev1.SecretTypeServiceAccountToken,
	}
}

// podOf is a pod of mallory's workload namespace that pod security lets in.
func podOf(name string) *corev1.Pod {
	yes, no := true, false
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: evil.work, Name: name},
		Spec: corev1.PodSpec{
			AutomountServiceAccountToken: &no,
			SecurityContext:              &corev1.PodSecurityContext{RunAsNonRoot: &yes, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
			Containers: []corev1.Container{{Name: "app", Image: "app:1", SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: &no, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			}}},
		},
	}
}

// rights are attempts to get, or to give, more rights than one has.
func rights() []attack {
	binding := func(namespace, kind, role string, subject rbacv1.Subject) *rbacv1.RoleBinding {
		return &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "more"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: role}, Subjects: []rbacv1.Subject{subject},
		}
	}
	me := rbacv1.Subject{Kind: "User", APIGroup: rbacv1.GroupName, Name: "mallory"}
	create := func(what string, by func() client.Client, o func() client.Object) attack {
		return attack{what: what, by: by, wall: byRBAC(), target: o,
			do: func(ctx context.Context, c client.Client) error { return c.Create(ctx, o()) }}
	}
	patch := func(what string, by func() client.Client, o func() client.Object, text string) attack {
		return attack{what: what, by: by, wall: byRBAC(), target: o,
			do: func(ctx context.Context, c client.Client) error { return c.Patch(ctx, o(), merge(text)) }}
	}
	return []attack{
		create("a RoleBinding to cluster-admin in one's own workload namespace", byMallory, func() client.Object {
			return binding(evil.work, "ClusterRole", "cluster-admin", me)
		}),
		create("a RoleBinding to the role of the manager in one's own home", byMallory, func() client.Object {
			return binding(evil.home, "ClusterRole", "towpath-manager", me)
		}),
		create("a RoleBinding in another team's workload namespace", byGreta, func() client.Object {
			return binding(victim.work, "ClusterRole", "view", me)
		}),
		create("a RoleBinding in the appliers' namespace", byGreta, func() client.Object {
			return binding(platformv1alpha1.ApplierNamespace, "ClusterRole", "edit", me)
		}),
		create("a ClusterRole that widens every applier by the label of aggregation", byGreta, func() client.Object {
			return &rbacv1.ClusterRole{
				ObjectMeta: metav1.ObjectMeta{Name: "wider", Labels: map[string]string{"platform.towpath.dev/aggregate-to-applier": "true"}},
				Rules:      []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"create"}}},
			}
		}),
		create("a golden path of one's own", byGreta, func() client.Object {
			return framework.Template("mine", framework.ConfigMap("config"))
		}),
		create("an environment class of one's own, without pod security", byGreta, func() client.Object {
			c := framework.Class("mine", platformv1alpha1.TierDevelopment)
			c.Spec.PodSecurity = platformv1alpha1.PodSecurityPrivileged
			return c
		}),
		create("a Component in another team's home", byGreta, func() client.Object {
			return framework.Component(victim.home, "intruder", plain, "dev")
		}),
		patch("another image of another team's Component", byGreta, func() client.Object { return victim.component.DeepCopy() },
			`{"spec":{"image":"registry.example/evil:1"}}`),
		patch("the team's label on one's own home", byMallory, func() client.Object { return namespace(evil.home) },
			`{"metadata":{"labels":{"`+platformv1alpha1.LabelTeam+`":"other"}}}`),
		patch("another team's consent to give its workload namespace away", byGreta, func() client.Object { return namespace(victim.work) },
			`{"metadata":{"annotations":{"`+platformv1alpha1.AnnotationAdoptBy+`":"x/y"}}}`),
		// The policy stops the administrator too; the manager may, and shows that the request is fine.
		{what: "the pod security of one's own workload namespace, by a developer", by: byMallory, wall: byRBAC(),
			target: func() client.Object { return namespace(evil.work) },
			do: func(ctx context.Context, c client.Client) error {
				return c.Patch(ctx, namespace(evil.work), merge(`{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"privileged"}}}`))
			},
			control: func(ctx context.Context) error {
				return fooled.Patch(ctx, namespace(evil.work), merge(`{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"privileged"}}}`), client.DryRunAll)
			}},
		patch("a policy's binding", byGreta, func() client.Object {
			return object(`{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingAdmissionPolicyBinding, metadata: {name: towpath-labels}}`)
		}, `{"spec":{"validationActions":["Audit"]}}`),
	}
}
