// Package policy_test shows on a real API server that the walls hold: the RBAC of config/rbac and the
// admission policies of config/policy. Each rule is shown with its control: the same request passes
// once what the rule asks for is given.
package policy_test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/config"
)

const (
	home  = "team-shop"
	work  = "shop-prod"
	other = "shop-dev"
	// narrow is a workload namespace whose applier has the shipped rights and no more.
	narrow = "shop-narrow"

	managerName = "system:serviceaccount:towpath-system:towpath-manager"
	ownerUID    = platformv1alpha1.LabelOwnerUID
	finalizer   = platformv1alpha1.Finalizer
)

var (
	environment *envtest.Environment
	scheme      = runtime.NewScheme()

	admin, manager, tenant, platform client.Client
	// provisioner may change every namespace, and the Team own alone.
	provisioner client.Client
	// applier writes as the account of work, as the manager does: by impersonation.
	applier client.Client
	// managerConfig is what the manager connects with.
	managerConfig *rest.Config
)

func TestPolicy(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(20 * time.Second)
	SetDefaultEventuallyPollingInterval(50 * time.Millisecond)
	RunSpecs(t, "Walls")
}

var _ = BeforeSuite(func(ctx context.Context) {
	Expect(clientgoscheme.AddToScheme(scheme)).To(Succeed())
	Expect(platformv1alpha1.AddToScheme(scheme)).To(Succeed())
	environment = &envtest.Environment{
		BinaryAssetsDirectory: cmp.Or(os.Getenv("KUBEBUILDER_ASSETS"), filepath.Join("..", "..", "..", "bin", "kube", "current")),
		CRDs:                  config.TypedCRDs(),
	}
	adminConfig, err := environment.Start()
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() error { return environment.Stop() })
	admin = connect(adminConfig)

	for _, objects := range [][]*unstructured.Unstructured{config.Namespaces(), config.RBAC(), config.Policies()} {
		for _, object := range objects {
			Expect(admin.Create(ctx, object)).To(Succeed(), object.GetName())
		}
	}
	managerConfig = user(managerName, "system:serviceaccounts", "system:serviceaccounts:towpath-system")
	manager = connect(managerConfig)
	tenant = connect(user("ada", "developers"))
	platform = connect(user("petra", "platform-team"))
	provisioner = connect(user("pablo"))
	applier = impersonate(work)

	Expect(admin.Create(ctx, namespace(home, map[string]string{platformv1alpha1.LabelTeam: "shop", platformv1alpha1.LabelCostCenter: "cc-1"}))).To(Succeed())
	for _, name := range []string{work, other, narrow} {
		makeWorkload(ctx, name)
	}
	grantMore(ctx)
	awaitPolicies(ctx)
})

func connect(cfg *rest.Config) client.Client {
	GinkgoHelper()
	options := client.Options{Scheme: scheme}
	if admin != nil {
		options.Mapper = admin.RESTMapper() // an identity that may do nothing cannot discover either
	}
	c, err := client.New(cfg, options)
	Expect(err).NotTo(HaveOccurred())
	return c
}

// user returns the configuration of a user with a certificate.
func user(name string, groups ...string) *rest.Config {
	GinkgoHelper()
	u, err := environment.AddUser(envtest.User{Name: name, Groups: append(groups, "system:authenticated")}, nil)
	Expect(err).NotTo(HaveOccurred())
	return u.Config()
}

// impersonate returns a client of the manager that writes as the applier of a namespace.
func impersonate(namespace string) client.Client {
	GinkgoHelper()
	cfg := rest.CopyConfig(managerConfig)
	cfg.Impersonate.UserName = "system:serviceaccount:towpath-appliers:" + namespace
	return connect(cfg)
}

// workloadLabels are those that the environment controller sets.
func workloadLabels() map[string]string {
	return map[string]string{
		"app.kubernetes.io/managed-by":       "towpath",
		platformv1alpha1.LabelTeam:           "shop",
		platformv1alpha1.LabelEnvironment:    "prod",
		platformv1alpha1.LabelTier:           "Production",
		platformv1alpha1.LabelCostCenter:     "cc-1",
		ownerUID:                             "environment-1",
		"pod-security.kubernetes.io/enforce": "restricted",
	}
}

func namespace(name string, labels map[string]string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
}

// makeWorkload makes what an Environment makes, in its order and with the manager's rights.
func makeWorkload(ctx context.Context, name string) {
	GinkgoHelper()
	// Rights and policies take a moment after they are written.
	Eventually(ctx, func() error { return manager.Create(ctx, namespace(name, workloadLabels())) }).Should(Succeed())
	Eventually(ctx, func() error { return manager.Apply(ctx, asApply(account(name, "environment-1")), owner) }).Should(Succeed())
	for _, role := range []string{platformv1alpha1.ApplierClusterRole, platformv1alpha1.ApplierExtraClusterRole} {
		Eventually(ctx, func() error { return manager.Apply(ctx, asApply(roleBinding(name, role)), owner) }).Should(Succeed())
	}
}

const owner = client.FieldOwner("towpath-test")

func account(name, uid string) *unstructured.Unstructured {
	return object("v1", "ServiceAccount", platformv1alpha1.ApplierNamespace, name, map[string]string{ownerUID: uid}, nil)
}

func roleBinding(namespace, role string) *unstructured.Unstructured {
	binding := object("rbac.authorization.k8s.io/v1", "RoleBinding", namespace, role, map[string]string{ownerUID: "environment-1"}, nil)
	binding.Object["roleRef"] = map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
	binding.Object["subjects"] = []any{subject("ServiceAccount", platformv1alpha1.ApplierNamespace, namespace)}
	return binding
}

func subject(kind, namespace, name string) map[string]any {
	s := map[string]any{"kind": kind, "name": name}
	if namespace != "" {
		s["namespace"] = namespace
	}
	return s
}

// grantMore gives the people their roles, and the applier of work more than it should have in all of
// the namespaces, so that the policies are what stops it.
func grantMore(ctx context.Context) {
	GinkgoHelper()
	all := []string{"get", "create", "update", "patch", "delete"}
	grants := map[string][]rbacv1.PolicyRule{
		"test-applier": {
			{APIGroups: []string{""}, Resources: []string{"configmaps", "persistentvolumeclaims", "serviceaccounts"}, Verbs: all},
			{APIGroups: []string{"rbac.authorization.k8s.io"}, Resources: []string{"roles", "rolebindings"}, Verbs: []string{"get", "create", "update", "patch", "delete", "escalate"}},
			{APIGroups: []string{"rbac.authorization.k8s.io"}, Resources: []string{"clusterroles"}, Verbs: []string{"bind"}},
			{APIGroups: []string{"scheduling.k8s.io"}, Resources: []string{"priorityclasses"}, Verbs: all},
			{APIGroups: []string{"apps"}, Resources: []string{"deployments", "deployments/scale"}, Verbs: all},
		},
		"test-tenant": {
			{APIGroups: []string{""}, Resources: []string{"configmaps", "persistentvolumeclaims", "pods", "podtemplates", "replicationcontrollers"}, Verbs: all},
			{APIGroups: []string{"apps"}, Resources: []string{"daemonsets", "deployments", "deployments/scale", "replicasets", "statefulsets"}, Verbs: all},
			{APIGroups: []string{"batch"}, Resources: []string{"cronjobs", "jobs"}, Verbs: all},
			{APIGroups: []string{"resource.k8s.io"}, Resources: []string{"resourceclaimtemplates"}, Verbs: all},
		},
		"test-platform": {
			{APIGroups: []string{""}, Resources: []string{"namespaces", "namespaces/status"}, Verbs: all},
			{APIGroups: []string{"platform.towpath.dev"}, Resources: []string{"teams"}, Verbs: all},
		},
		// Who makes namespaces for others, and answers for no team.
		"test-provisioner": {
			{APIGroups: []string{""}, Resources: []string{"namespaces", "namespaces/status"}, Verbs: all},
			{APIGroups: []string{"platform.towpath.dev"}, Resources: []string{"teams"}, ResourceNames: []string{"own"}, Verbs: []string{"update"}},
		},
	}
	subjects := map[string]rbacv1.Subject{
		"test-applier":     {Kind: "ServiceAccount", Namespace: platformv1alpha1.ApplierNamespace, Name: work},
		"test-tenant":      {Kind: "User", APIGroup: rbacv1.GroupName, Name: "ada"},
		"test-platform":    {Kind: "User", APIGroup: rbacv1.GroupName, Name: "petra"},
		"test-provisioner": {Kind: "User", APIGroup: rbacv1.GroupName, Name: "pablo"},
	}
	for name, rules := range grants {
		Expect(admin.Create(ctx, &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: rules})).To(Succeed())
		Expect(admin.Create(ctx, &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
			Subjects:   []rbacv1.Subject{subjects[name]},
		})).To(Succeed())
	}
}

// awaitPolicies waits until each policy refuses what it should; dry runs leave nothing behind.
func awaitPolicies(ctx context.Context) {
	GinkgoHelper()
	forged := map[string]string{ownerUID: "x"}
	deployment := deployment(work, "canary", nil, forged)
	for name, attempt := range map[string]func() error{
		"towpath-appliers":   func() error { return applier.Create(ctx, configMap(other, "canary", forged), client.DryRunAll) },
		"towpath-labels":     func() error { return tenant.Create(ctx, configMap(work, "canary", forged), client.DryRunAll) },
		"towpath-templates":  func() error { return tenant.Create(ctx, deployment.DeepCopy(), client.DryRunAll) },
		"towpath-namespaces": func() error { return platform.Create(ctx, namespace("canary", forged), client.DryRunAll) },
		"towpath-bindings": func() error {
			return manager.Apply(ctx, asApply(roleBinding(home, platformv1alpha1.ApplierClusterRole)), owner, client.DryRunAll)
		},
		"towpath-accounts": func() error {
			unlabelled := object("v1", "ServiceAccount", platformv1alpha1.ApplierNamespace, "canary", nil, nil)
			return manager.Apply(ctx, asApply(unlabelled), owner, client.DryRunAll)
		},
		"towpath-guardrails": func() error {
			return manager.Apply(ctx, asApply(object("v1", "ResourceQuota", home, platformv1alpha1.GuardrailsName, forged, nil)), owner, client.DryRunAll)
		},
		"towpath-approvals": func() error { return admin.Create(ctx, approval("canary", "nobody", "r", "u"), client.DryRunAll) },
		"towpath-requesters": func() error {
			return admin.Create(ctx, object(apiVersion, "Component", home, "canary", nil, map[string]any{"spec": map[string]any{
				"templateRef": map[string]any{"name": "web"}, "image": "app:1", "environments": []any{map[string]any{"name": "dev"}}, "requestedBy": "nobody",
			}}), client.DryRunAll)
		},
		"towpath-records": func() error { return admin.Create(ctx, release("canary"), client.DryRunAll) },
		"towpath-costreports": func() error {
			return admin.Create(ctx, object(apiVersion, "CostReport", home, "2026-10", nil, map[string]any{"report": map[string]any{
				"team": "x", "source": "Bills", "state": "Settled", "firstDay": "2026-10-01", "lastDay": "2026-10-31",
			}}), client.DryRunAll)
		},
	} {
		Eventually(ctx, attempt).Should(beDeniedBy(name), name)
	}
	foreign := configMap(work, "canary", nil)
	Expect(admin.Create(ctx, foreign)).To(Succeed())
	Eventually(ctx, func() error { return applier.Delete(ctx, foreign, client.DryRunAll) }).Should(beDeniedBy("towpath-ownership"))
	Expect(admin.Delete(ctx, foreign)).To(Succeed())

	going := environmentObject("canary")
	going.SetFinalizers([]string{finalizer})
	Expect(admin.Create(ctx, going)).To(Succeed())
	Expect(admin.Delete(ctx, going.DeepCopy())).To(Succeed())
	letGo := mergePatch(`{"metadata":{"finalizers":null}}`)
	Eventually(ctx, func() error { return admin.Patch(ctx, going.DeepCopy(), letGo, client.DryRunAll) }).Should(beDeniedBy("towpath-finalizers"))
	Expect(manager.Patch(ctx, going, letGo)).To(Succeed())
}

// object builds any object; content is added at its root.
func object(apiVersion, kind, namespace, name string, labels map[string]string, content map[string]any) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": apiVersion, "kind": kind}}
	for key, value := range content {
		u.Object[key] = value
	}
	u.SetName(name)
	u.SetNamespace(namespace)
	if labels != nil {
		u.SetLabels(labels)
	}
	return u
}

func configMap(namespace, name string, labels map[string]string) *unstructured.Unstructured {
	return object("v1", "ConfigMap", namespace, name, labels, map[string]any{"data": map[string]any{"key": "value"}})
}

// deployment is a minimal Deployment; templateLabels are added to its pods.
func deployment(namespace, name string, labels, templateLabels map[string]string) *unstructured.Unstructured {
	onPods := map[string]any{"app": name}
	for key, value := range templateLabels {
		onPods[key] = value
	}
	return object("apps/v1", "Deployment", namespace, name, labels, map[string]any{"spec": map[string]any{
		"selector": map[string]any{"matchLabels": map[string]any{"app": name}},
		"template": podTemplate(onPods),
	}})
}

func podTemplate(labels map[string]any) map[string]any {
	return map[string]any{
		"metadata": map[string]any{"labels": labels},
		"spec":     map[string]any{"containers": []any{map[string]any{"name": "app", "image": "app:1"}}},
	}
}

// asApply is what server-side apply takes.
func asApply(u *unstructured.Unstructured) runtime.ApplyConfiguration {
	return client.ApplyConfigurationFromUnstructured(u)
}

// beDeniedBy matches the refusal of one admission policy.
func beDeniedBy(policy string) OmegaMatcher {
	return WithTransform(func(err error) string {
		if err == nil {
			return "not denied"
		}
		return err.Error()
	}, ContainSubstring("ValidatingAdmissionPolicy '%s'", policy))
}

// beForbiddenByRBAC matches a refusal that no policy gave.
func beForbiddenByRBAC() OmegaMatcher {
	return WithTransform(func(err error) string {
		switch {
		case err == nil:
			return "not forbidden"
		case !apierrors.IsForbidden(err):
			return fmt.Sprintf("another error: %v", err)
		case strings.Contains(err.Error(), "ValidatingAdmissionPolicy"):
			return fmt.Sprintf("a policy, not RBAC: %v", err)
		}
		return "forbidden by RBAC"
	}, Equal("forbidden by RBAC"))
}

// live reads an object past all rights.
func live(ctx context.Context, like *unstructured.Unstructured) *unstructured.Unstructured {
	GinkgoHelper()
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(like.GroupVersionKind())
	Expect(admin.Get(ctx, client.ObjectKeyFromObject(like), u)).To(Succeed())
	return u
}

// made creates an object with full rights of its writer, and deletes it after the spec.
func made(ctx context.Context, c client.Client, u *unstructured.Unstructured) *unstructured.Unstructured {
	GinkgoHelper()
	Expect(c.Create(ctx, u)).To(Succeed())
	DeferCleanup(func(ctx context.Context) {
		if u.GetKind() != "Namespace" { // envtest has no controller that would empty it
			// Nobody would carry out what a Job or a ReplicationController is deleted with by default.
			_ = admin.Delete(ctx, u, client.PropagationPolicy(metav1.DeletePropagationBackground))
		}
	})
	return u
}

// mergePatch is a patch of literals.
func mergePatch(text string) client.Patch {
	return client.RawPatch("application/merge-patch+json", []byte(text))
}
