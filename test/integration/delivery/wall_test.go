package delivery_test

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/delivery"
	"github.com/towpath-dev/towpath/test/framework"
)

// follower is what Towpath makes to have the directory of a place followed.
func (p *place) follower(namespace string) delivery.Follower {
	return delivery.Follower{
		Target:    delivery.Target{Team: p.Team, Component: delivery.Component{Namespace: p.Home, Name: "shop"}, Environment: delivery.Environment{Name: "dev", Namespace: p.Namespace}},
		Namespace: namespace, URL: server.URL(p.Name), Branch: "main", Path: p.directory(), Project: "deliveries", Account: "deliverer", Secret: "deploy",
		Labels: map[string]string{
			"app.kubernetes.io/managed-by": platformv1alpha1.ManagedBy, platformv1alpha1.LabelTeam: p.Team, platformv1alpha1.LabelEnvironment: "dev",
			platformv1alpha1.LabelComponent: "shop", platformv1alpha1.LabelOwnerUID: "uid-of-" + p.Team,
		},
	}
}

// set changes one field of an object; nil takes it away.
func set(value any, path ...string) func(*unstructured.Unstructured) {
	return func(o *unstructured.Unstructured) {
		if value == nil {
			unstructured.RemoveNestedField(o.Object, path...)
			return
		}
		Expect(unstructured.SetNestedField(o.Object, value, path...)).To(Succeed())
	}
}

// label gives an object a label; an empty one takes it away.
func label(key, value string) func(*unstructured.Unstructured) {
	if value == "" {
		return set(nil, "metadata", "labels", key)
	}
	return set(value, "metadata", "labels", key)
}

// attempt is something that the manager may not write, and what the policy says of it.
type attempt struct {
	change func(*unstructured.Unstructured)
	says   string
}

// refused shows that the manager may make an object, and none of the attempts at one like it, be it a new one or what is there already.
func refused(ctx context.Context, good *unstructured.Unstructured, attempts map[string]attempt) {
	GinkgoHelper()
	manager := cluster.ManagerClient
	apply := func(o *unstructured.Unstructured, dryRun ...client.ApplyOption) error {
		return manager.Apply(ctx, client.ApplyConfigurationFromUnstructured(o), append(dryRun, client.FieldOwner("towpath-delivery"), client.ForceOwnership)...)
	}
	try := func(when string) {
		for name, a := range attempts {
			bad := good.DeepCopy()
			a.change(bad)
			Expect(apply(bad, client.DryRunAll)).To(MatchError(ContainSubstring(a.says)), "%s, %s", name, when)
		}
	}
	try("anew")
	Expect(apply(good.DeepCopy())).To(Succeed(), "what Towpath makes")
	DeferCleanup(func(ctx context.Context) {
		left := good.DeepCopy()
		Expect(client.IgnoreNotFound(admin.Patch(ctx, left, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))))).To(Succeed())
		Expect(client.IgnoreNotFound(admin.Delete(ctx, good))).To(Succeed())
	})
	Expect(apply(good.DeepCopy())).To(Succeed(), "it is there already")
	try("of what is there")
	Expect(admin.Get(ctx, client.ObjectKeyFromObject(good), good)).To(Succeed())
}

// foreign is an object of somebody else that is like one of Towpath's.
func foreign(ctx context.Context, like *unstructured.Unstructured) *unstructured.Unstructured {
	GinkgoHelper()
	o := object(like.GetAPIVersion(), like.GetKind())
	o.SetNamespace(like.GetNamespace())
	o.SetName(framework.Name("foreign-"))
	o.Object["spec"] = like.DeepCopy().Object["spec"]
	Expect(admin.Create(ctx, o)).To(Succeed())
	DeferCleanup(func(ctx context.Context) { Expect(client.IgnoreNotFound(admin.Delete(ctx, o))).To(Succeed()) })
	return o
}

// keep has a policy refuse to delete an object, until allow is called.
func keep(ctx context.Context, o *unstructured.Unstructured) (allow func(context.Context)) {
	GinkgoHelper()
	name := framework.Name("keep-")
	policy := &admissionregistrationv1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: admissionregistrationv1.ValidatingAdmissionPolicySpec{
		MatchConstraints: &admissionregistrationv1.MatchResources{ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{{
			ResourceNames: []string{o.GetName()},
			RuleWithOperations: admissionregistrationv1.RuleWithOperations{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Delete},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{o.GroupVersionKind().Group}, APIVersions: []string{"*"}, Resources: []string{"*"}},
			},
		}}},
		Validations: []admissionregistrationv1.Validation{{Expression: "false", Message: "kept by a test", Reason: new(metav1.StatusReasonForbidden)}},
	}}
	binding := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{
		PolicyName: name, ValidationActions: []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny},
	}}
	Expect(admin.Create(ctx, policy)).To(Succeed())
	Expect(admin.Create(ctx, binding)).To(Succeed())
	allow = func(ctx context.Context) {
		Expect(client.IgnoreNotFound(admin.Delete(ctx, binding))).To(Succeed())
		Expect(client.IgnoreNotFound(admin.Delete(ctx, policy))).To(Succeed())
	}
	DeferCleanup(allow)
	Eventually(ctx, func(ctx context.Context) error { return admin.Delete(ctx, o.DeepCopy(), client.DryRunAll) }).Should(
		MatchError(ContainSubstring("kept by a test")), "policies take a moment")
	return allow
}

var _ = Describe("What the manager may have a tool apply", Ordered, func() {
	BeforeAll(func(ctx context.Context) { installOverlays(ctx) })

	It("is of Argo CD one directory in one workload namespace, by a project of the platform team", func(ctx context.Context) {
		p := newPlace(ctx, nil)
		good := p.follower("argocd").Application()
		elsewhere, labels, project, source := "must be a workload namespace", "must bear Towpath's labels", "must be an AppProject", "one source, of repoURL"
		address, directory, plain := "spec.source.repoURL must be one", "must be a directory of the repository", "that Towpath writes, and nothing else"
		operation := "applies what the Application says, and nothing else"
		refused(ctx, good, map[string]attempt{
			"in kube-system":               {set("kube-system", "spec", "destination", "namespace"), elsewhere},
			"in the home of a Team":        {set(p.Home, "spec", "destination", "namespace"), elsewhere},
			"nowhere":                      {set(nil, "spec", "destination", "namespace"), elsewhere},
			"in another cluster":           {set("https://other.example", "spec", "destination", "server"), elsewhere},
			"in another cluster by a name": {set("other", "spec", "destination", "name"), elsewhere},
			"of the project for all":       {set("default", "spec", "project"), project},
			"of no project":                {set(nil, "spec", "project"), project},
			"of nobody":                    {label("app.kubernetes.io/managed-by", ""), labels},
			"of no Component":              {label(platformv1alpha1.LabelOwnerUID, ""), labels},
			"of a project not named":       {set("platform", "spec", "project"), project},
			"of a foreign repository":      {set("https://evil.example/deploy", "spec", "source", "repoURL"), address},
			"of a repository like ours":    {set("https://git.example/platform/deploy-evil", "spec", "source", "repoURL"), address},
			"of a server like ours":        {set("https://other.example.evil.example/deploy", "spec", "source", "repoURL"), address},
			"of a server behind ours":      {set("https://other.example@evil.example/deploy", "spec", "source", "repoURL"), address},
			"of one beside ours":           {set("https://git.example/platform/deploy/../evil", "spec", "source", "repoURL"), address},
			"of one beside ours, hidden":   {set("https://git.example/platform/deploy/%2e%2E/evil", "spec", "source", "repoURL"), address},
			"of what is above":             {set("../other", "spec", "source", "path"), directory},
			"of all of it":                 {set("", "spec", "source", "path"), directory},
			"of all of it, by a dot":       {set("./", "spec", "source", "path"), directory},
			"by a plugin":                  {set(map[string]any{"name": "evil"}, "spec", "source", "plugin"), source},
			"of several sources":           {set([]any{map[string]any{"repoURL": "https://evil.example/deploy"}}, "spec", "sources"), plain},
			"with what others ignore":      {set([]any{map[string]any{"kind": "Secret"}}, "spec", "ignoreDifferences"), plain},
			"with labels of the namespace": {set(map[string]any{"labels": map[string]any{"a": "b"}}, "spec", "syncPolicy", "managedNamespaceMetadata"), plain},
			"with a namespace made":        {set([]any{"CreateNamespace=true"}, "spec", "syncPolicy", "syncOptions"), plain},
			"with an empty directory":      {set(true, "spec", "syncPolicy", "automated", "allowEmpty"), plain},
			"of objects of its own":        {set(map[string]any{"sync": map[string]any{"manifests": []any{"{}"}}}, "operation"), operation},
			"of a source of its own":       {set(map[string]any{"sync": map[string]any{"source": map[string]any{"repoURL": "https://evil.example"}}}, "operation"), operation},
			"by force":                     {set(map[string]any{"sync": map[string]any{"syncOptions": []any{"Replace=true"}}}, "operation"), operation},
			"again and again":              {set(map[string]any{"retry": map[string]any{"limit": int64(-1)}}, "operation"), operation},
			"as if it were under way":      {set(map[string]any{"operationState": map[string]any{"phase": "Running"}}, "status"), "is Argo CD's"},
			"compared otherwise":           {set("IgnoreExtraneous", "metadata", "annotations", "argocd.argoproj.io/compare-options"), "and no other"},
			"told to others":               {set("evil", "metadata", "annotations", "notifications.argoproj.io/subscribe.on-sync.slack"), "and no other"},
		})
		other := good.DeepCopy()
		other.SetResourceVersion("")
		other.SetManagedFields(nil)
		label(platformv1alpha1.LabelOwnerUID, "another")(other)
		Expect(cluster.ManagerClient.Apply(ctx, client.ApplyConfigurationFromUnstructured(other), client.FieldOwner("towpath-delivery"), client.ForceOwnership)).To(
			MatchError(ContainSubstring("stay of the same Component")))

		theirs := foreign(ctx, good)
		Expect(cluster.ManagerClient.Delete(ctx, theirs)).To(MatchError(ContainSubstring("was not made by Towpath")))
		theirs.SetManagedFields(nil)
		theirs.SetLabels(good.GetLabels())
		Expect(cluster.ManagerClient.Apply(ctx, client.ApplyConfigurationFromUnstructured(theirs.DeepCopy()), client.FieldOwner("towpath-delivery"), client.ForceOwnership)).To(
			MatchError(ContainSubstring("was not made by Towpath")))
		Expect(cluster.ManagerClient.Delete(ctx, good)).To(Succeed())
	})

	It("leaves what people have added to an Application of Towpath's", func(ctx context.Context) {
		p := newPlace(ctx, nil)
		good := p.follower("argocd").Application()
		refused(ctx, good, nil)
		set(map[string]any{"recurse": true}, "spec", "source", "directory")(good)
		set([]any{map[string]any{"kind": "Deployment", "jsonPointers": []any{"/spec/replicas"}}}, "spec", "ignoreDifferences")(good)
		set(map[string]any{"limit": int64(3)}, "spec", "syncPolicy", "retry")(good)
		Expect(admin.Update(ctx, good)).To(Succeed())
		again := p.follower("argocd").Application()
		set("other-branch", "spec", "source", "targetRevision")(again)
		Expect(cluster.ManagerClient.Apply(ctx, client.ApplyConfigurationFromUnstructured(again), client.FieldOwner("towpath-delivery"), client.ForceOwnership)).To(Succeed())
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(good), good)).To(Succeed())
		Expect(good.Object["spec"]).To(HaveKeyWithValue("source", And(HaveKey("directory"), HaveKeyWithValue("targetRevision", "other-branch"))))
	})

	It("is of Flux one directory, as an account that has no rights over the cluster", func(ctx context.Context) {
		p := newPlace(ctx, nil)
		for name, role := range map[string]struct {
			name, namespace string
			rules           []rbacv1.PolicyRule
		}{
			"all-mighty": {name: "cluster-admin"},
			"everywhere": {name: "edit"},
			"deliverers": {namespace: "flux-system", rules: []rbacv1.PolicyRule{{APIGroups: []string{"kustomize.toolkit.fluxcd.io"}, Resources: []string{"kustomizations"}, Verbs: []string{"create"}}}},
			"posers":     {namespace: "flux-system", rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"serviceaccounts"}, Verbs: []string{"impersonate"}}}},
			"readers":    {namespace: platformv1alpha1.SystemNamespace, rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get"}}}},
			"writers":    {namespace: platformv1alpha1.SystemNamespace, rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"create"}}}},
			"users":      {rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"users"}, Verbs: []string{"impersonate"}}}},
		} {
			meta := metav1.ObjectMeta{Name: framework.Name(name), Namespace: role.namespace}
			ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: meta.Name}
			subjects := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: "flux-system", Name: name}}
			switch {
			case role.name != "":
				ref.Name = role.name
			case role.namespace != "":
				ref.Kind = "Role"
				Expect(admin.Create(ctx, &rbacv1.Role{ObjectMeta: meta, Rules: role.rules})).To(Succeed())
			default:
				Expect(admin.Create(ctx, &rbacv1.ClusterRole{ObjectMeta: meta, Rules: role.rules})).To(Succeed())
			}
			if role.namespace != "" {
				Expect(admin.Create(ctx, &rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: ref, Subjects: subjects})).To(Succeed())
				continue
			}
			Expect(admin.Create(ctx, &rbacv1.ClusterRoleBinding{ObjectMeta: meta, RoleRef: ref, Subjects: subjects})).To(Succeed())
		}
		good := p.follower("flux-system").Kustomization()
		account, files, plain := "must be an account of namespace flux-system", "from a directory of a GitRepository beside it", "applies the files as they stand"
		refused(ctx, good, map[string]attempt{
			"as Flux itself":                  {set(nil, "spec", "serviceAccountName"), account},
			"as who may do all":               {set("all-mighty", "spec", "serviceAccountName"), account},
			"as who may write in kube-system": {set("everywhere", "spec", "serviceAccountName"), account},
			"as who may write for Flux":       {set("deliverers", "spec", "serviceAccountName"), account},
			"as who may act as Flux":          {set("posers", "spec", "serviceAccountName"), account},
			"as who may act as anybody":       {set("users", "spec", "serviceAccountName"), account},
			"as who may read our Secrets":     {set("readers", "spec", "serviceAccountName"), account},
			"as who may run beside us":        {set("writers", "spec", "serviceAccountName"), account},
			"of all of it":                    {set("./", "spec", "path"), files},
			"of all of it, by default":        {set(nil, "spec", "path"), files},
			"patched, as before":              {set([]any{map[string]any{"kind": "Role"}}, "spec", "patchesStrategicMerge"), plain},
			"made ours by force":              {set(true, "spec", "force"), plain},
			"of an archive":                   {set("OCIRepository", "spec", "sourceRef", "kind"), files},
			"of a repository elsewhere":       {set("team-evil", "spec", "sourceRef", "namespace"), files},
			"of what is above":                {set("./../other", "spec", "path"), files},
			"in another cluster":              {set(map[string]any{"secretRef": map[string]any{"name": "other"}}, "spec", "kubeConfig"), plain},
			"with Secrets in it":              {set(map[string]any{"substituteFrom": []any{map[string]any{"kind": "Secret", "name": "deploy"}}}, "spec", "postBuild"), plain},
			"elsewhere":                       {set("kube-system", "spec", "targetNamespace"), plain},
			"of nobody":                       {label("app.kubernetes.io/managed-by", ""), "must bear Towpath's labels"},
		})
		Expect(cluster.ManagerClient.Delete(ctx, foreign(ctx, good))).To(MatchError(ContainSubstring("was not made by Towpath")))
		Expect(cluster.ManagerClient.Delete(ctx, good)).To(Succeed())
	})

	It("sends a Secret of Flux to no address but the platform's", func(ctx context.Context) {
		p := newPlace(ctx, nil)
		address := "spec.url must be one that the variable repositories of the policy towpath-delivery-repositories names"
		refused(ctx, p.follower("flux-system").GitRepository(), map[string]attempt{
			"a foreign one":          {set("https://evil.example/deploy", "spec", "url"), address},
			"a repository like ours": {set("https://git.example/platform/deploy-evil", "spec", "url"), address},
			"a server like ours":     {set("https://other.example.evil.example/deploy", "spec", "url"), address},
			"a server behind ours":   {set("https://other.example@evil.example/deploy", "spec", "url"), address},
			"one beside ours":        {set("https://git.example/platform/deploy/../evil", "spec", "url"), address},
			"by a proxy":             {set(map[string]any{"name": "proxy"}, "spec", "proxySecretRef"), "leads nowhere else"},
			"by its submodules":      {set(true, "spec", "recurseSubmodules"), "leads nowhere else"},
			"of nobody":              {label("app.kubernetes.io/managed-by", ""), "must bear the label"},
			"with an account":        {set("all-mighty", "spec", "serviceAccountName"), "leads nowhere else"},
		})
		moved := p.follower("flux-system").GitRepository()
		set(server.URL("another"), "spec", "url")(moved)
		Expect(cluster.ManagerClient.Apply(ctx, client.ApplyConfigurationFromUnstructured(moved), client.FieldOwner("towpath-delivery"), client.ForceOwnership)).To(
			MatchError(ContainSubstring("must not change")))
	})

	// The policies are installed once more as they are shipped, for one namespace.
	It("is nothing at all before the platform team names its repositories and projects", func(ctx context.Context) {
		p := newPlace(ctx, nil)
		const namespace = "shipped"
		Expect(client.IgnoreAlreadyExists(admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}))).To(Succeed())
		renamed := strings.NewReplacer("name: towpath-delivery", "name: shipped", "policyName: towpath-delivery", "policyName: shipped")
		for _, tool := range []string{"argocd", "flux"} {
			for _, object := range append(read(overlays+tool+"/role.yaml", renamed), read(overlays+tool+"/policy.yaml", renamed)...) {
				switch object.GetKind() {
				case "Role", "RoleBinding":
					object.SetNamespace(namespace)
					object.SetName(tool)
					if object.GetKind() == "RoleBinding" {
						set(tool, "roleRef", "name")(object)
					}
				case "ValidatingAdmissionPolicyBinding":
					set(map[string]any{"matchLabels": map[string]any{corev1.LabelMetadataName: namespace}}, "spec", "matchResources", "namespaceSelector")(object)
				}
				Expect(admin.Create(ctx, object)).To(Succeed())
				DeferCleanup(func(ctx context.Context) { Expect(client.IgnoreNotFound(admin.Delete(ctx, object))).To(Succeed()) })
			}
		}
		f := p.follower(namespace)
		for _, refused := range []struct {
			object *unstructured.Unstructured
			says   string
		}{
			{f.Application(), "the variable projects of the policy"},
			{f.GitRepository(), "the variable repositories of the policy"},
		} {
			Eventually(ctx, func(ctx context.Context) error {
				return cluster.ManagerClient.Apply(ctx, client.ApplyConfigurationFromUnstructured(refused.object.DeepCopy()), client.FieldOwner("towpath-delivery"), client.ForceOwnership, client.DryRunAll)
			}).Should(MatchError(And(ContainSubstring("shipped-"), ContainSubstring(refused.says), ContainSubstring("patch the policy"))), refused.object.GetKind())
		}
	})

	It("is not what people write, whom the policies do not judge", func(ctx context.Context) {
		o := object("argoproj.io/v1alpha1", "Application")
		o.SetNamespace("argocd")
		o.SetName(framework.Name("people-"))
		o.Object["spec"] = map[string]any{"project": "default"}
		Expect(admin.Create(ctx, o, client.DryRunAll)).To(Succeed())
	})
})
