package policy_test

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

var _ = Describe("A workload namespace", func() {
	It("is not made by people; the home of a team is", func(ctx context.Context) {
		for key, value := range map[string]string{ownerUID: "x", platformv1alpha1.LabelEnvironment: "prod", "app.kubernetes.io/managed-by": "towpath"} {
			Expect(platform.Create(ctx, namespace("forged", map[string]string{key: value}))).To(beDeniedBy("towpath-namespaces"), key)
		}
		labels := map[string]string{platformv1alpha1.LabelTeam: "books", platformv1alpha1.LabelCostCenter: "cc-2", "app.kubernetes.io/managed-by": "terraform"}
		Expect(platform.Create(ctx, namespace("team-books", labels), client.DryRunAll)).To(Succeed())
	})

	It("keeps its labels and its pod security whoever writes; others may be added", func(ctx context.Context) {
		for _, label := range []string{
			`"` + ownerUID + `":null`, `"` + ownerUID + `":"x"`, `"` + platformv1alpha1.LabelTeam + `":"other"`,
			`"` + platformv1alpha1.LabelPrefix + `x":"y"`, `"app.kubernetes.io/managed-by":"helm"`,
			`"pod-security.kubernetes.io/enforce":"privileged"`, `"pod-security.kubernetes.io/enforce":null`,
		} {
			patch := mergePatch(`{"metadata":{"labels":{` + label + `}}}`)
			for _, c := range []client.Client{platform, admin} {
				Expect(c.Patch(ctx, namespace(work, nil), patch)).To(beDeniedBy("towpath-namespaces"), label)
			}
			Expect(platform.Status().Patch(ctx, namespace(work, nil), patch)).To(Or(beDeniedBy("towpath-namespaces"), Succeed()))
		}
		Expect(platform.Patch(ctx, namespace(work, nil), mergePatch(`{"metadata":{"labels":{"istio-injection":"enabled"},"annotations":{"a":"b"}}}`))).To(Succeed())
		labels := live(ctx, object("v1", "Namespace", "", work, nil, nil)).GetLabels()
		for key, value := range workloadLabels() {
			Expect(labels).To(HaveKeyWithValue(key, value))
		}
	})

	It("is not made out of another namespace by labels, while the home of a team may change its team", func(ctx context.Context) {
		for _, label := range []string{`"` + ownerUID + `":"x"`, `"` + platformv1alpha1.LabelEnvironment + `":"prod"`, `"app.kubernetes.io/managed-by":"towpath"`} {
			Expect(platform.Patch(ctx, namespace(home, nil), mergePatch(`{"metadata":{"labels":{`+label+`}}}`))).To(beDeniedBy("towpath-namespaces"), label)
		}
		Expect(platform.Patch(ctx, namespace(home, nil), mergePatch(`{"metadata":{"labels":{"`+platformv1alpha1.LabelCostCenter+`":"cc-9","pod-security.kubernetes.io/enforce":"baseline"}}}`))).To(Succeed())
	})

	It("is not moved to a team by who may change namespaces, but by who may update that Team, and the Team before", func(ctx context.Context) {
		team := func(name string) client.Patch {
			return mergePatch(`{"metadata":{"labels":{"` + platformv1alpha1.LabelTeam + `":` + name + `}}}`)
		}
		label := map[string]string{platformv1alpha1.LabelTeam: "shop", platformv1alpha1.LabelCostCenter: "cc-1"}
		Expect(provisioner.Create(ctx, namespace("team-new", label))).To(beDeniedBy("towpath-namespaces"))
		for _, name := range []string{`"own"`, `"other"`, `null`} {
			Expect(provisioner.Patch(ctx, namespace(home, nil), team(name))).To(beDeniedBy("towpath-namespaces"), name)
			Expect(provisioner.Status().Patch(ctx, namespace(home, nil), team(name))).To(Or(beDeniedBy("towpath-namespaces"), Succeed()), name)
		}
		Expect(provisioner.Patch(ctx, namespace(home, nil), mergePatch(`{"metadata":{"labels":{"`+platformv1alpha1.LabelCostCenter+`":"cc-other"}}}`))).
			To(beDeniedBy("towpath-namespaces"))
		Expect(live(ctx, object("v1", "Namespace", "", home, nil, nil)).GetLabels()).To(HaveKeyWithValue(platformv1alpha1.LabelTeam, "shop"))
		Expect(provisioner.Patch(ctx, namespace(home, nil), mergePatch(`{"metadata":{"labels":{"istio-injection":"enabled"}}}`), client.DryRunAll)).To(Succeed())

		By("doing the same with the Team's rights")
		label[platformv1alpha1.LabelTeam] = "own"
		Expect(provisioner.Create(ctx, namespace("team-new", label), client.DryRunAll)).To(Succeed())
		for _, name := range []string{`"own"`, `null`} {
			Expect(platform.Patch(ctx, namespace(home, nil), team(name), client.DryRunAll)).To(Succeed(), name)
		}
	})

	It("is not given to a Team as its home by who may make namespaces, but by who may update that Team", func(ctx context.Context) {
		given := func(name, to string) *unstructured.Unstructured {
			u := object("v1", "Namespace", "", name, nil, nil)
			u.SetAnnotations(map[string]string{platformv1alpha1.AnnotationAdoptBy: to})
			return u
		}
		patch := func(to string) client.Patch {
			return mergePatch(`{"metadata":{"annotations":{"` + platformv1alpha1.AnnotationAdoptBy + `":"` + to + `"}}}`)
		}
		Expect(admin.Create(ctx, namespace("team-squat", nil))).To(Succeed())
		Expect(provisioner.Create(ctx, given("team-shop-early", "shop-early"))).To(And(
			beDeniedBy("towpath-namespaces"), MatchError(ContainSubstring("must be allowed to update that Team"))))
		Expect(provisioner.Patch(ctx, namespace("team-squat", nil), patch("squat"))).To(beDeniedBy("towpath-namespaces"))
		Expect(provisioner.Patch(ctx, namespace("team-squat", nil), patch("team-shop/prod"), client.DryRunAll)).To(Succeed(), "an Environment, which names the namespace itself")
		Expect(provisioner.Create(ctx, given("team-own", "own"), client.DryRunAll)).To(Succeed())

		By("what somebody gave who may, and others leave as it is or take back")
		Expect(platform.Patch(ctx, namespace("team-squat", nil), patch("squat"))).To(Succeed())
		Expect(provisioner.Patch(ctx, namespace("team-squat", nil), mergePatch(`{"metadata":{"labels":{"a":"b"}}}`))).To(Succeed())
		Expect(provisioner.Patch(ctx, namespace("team-squat", nil), patch("other"))).To(beDeniedBy("towpath-namespaces"))
		Expect(provisioner.Patch(ctx, namespace("team-squat", nil), patch(""))).To(Succeed())
	})

	It("is deleted by people", func(ctx context.Context) {
		Expect(platform.Delete(ctx, namespace(work, nil), client.DryRunAll)).To(Succeed())
	})
})

var _ = Describe("The manager", func() {
	It("makes workload namespaces alone", func(ctx context.Context) {
		for _, missing := range []string{ownerUID, "app.kubernetes.io/managed-by"} {
			labels := workloadLabels()
			delete(labels, missing)
			Expect(manager.Create(ctx, namespace("shop-new", labels))).To(beDeniedBy("towpath-namespaces"), missing)
		}
		Expect(manager.Create(ctx, namespace("shop-new", workloadLabels()), client.DryRunAll)).To(Succeed())
	})

	It("changes and deletes workload namespaces alone", func(ctx context.Context) {
		patch := mergePatch(`{"metadata":{"labels":{"` + platformv1alpha1.LabelTier + `":"Staging"}}}`)
		for _, name := range []string{home, "default", "kube-system", platformv1alpha1.SystemNamespace, platformv1alpha1.ApplierNamespace} {
			Expect(manager.Patch(ctx, namespace(name, nil), patch)).To(beDeniedBy("towpath-namespaces"), name)
			// Kubernetes itself protects two of them, and says so first.
			Expect(manager.Delete(ctx, namespace(name, nil))).To(Or(beDeniedBy("towpath-namespaces"), MatchError(ContainSubstring("may not be deleted"))), name)
			adopted := object("v1", "Namespace", "", name, workloadLabels(), nil)
			Expect(manager.Apply(ctx, asApply(adopted), owner, client.ForceOwnership)).To(beDeniedBy("towpath-namespaces"), name)
		}
		Expect(manager.Patch(ctx, namespace(work, nil), patch, client.DryRunAll)).To(Succeed())
		Expect(manager.Delete(ctx, namespace(work, nil), client.DryRunAll)).To(Succeed())
	})

	It("takes over a namespace that it was given, and lets go of that alone", func(ctx context.Context) {
		const environment = "team-shop/prod"
		adopted := func(name string) *unstructured.Unstructured {
			u := object("v1", "Namespace", "", name, workloadLabels(), nil)
			u.SetAnnotations(map[string]string{platformv1alpha1.AnnotationHome: environment})
			return u
		}
		take := func(name string, opts ...client.ApplyOption) error {
			return manager.Apply(ctx, asApply(adopted(name)), append(opts, owner, client.ForceOwnership)...)
		}
		give := func(name, by string) {
			GinkgoHelper()
			patch := mergePatch(`{"metadata":{"annotations":{"` + platformv1alpha1.AnnotationAdoptBy + `":"` + by + `"}}}`)
			Expect(admin.Patch(ctx, namespace(name, nil), patch)).To(Succeed())
		}
		none := `{"metadata":{"labels":{`
		for key := range workloadLabels() {
			if !strings.HasPrefix(key, "pod-security") {
				none += `"` + key + `":null,`
			}
		}
		letGo := mergePatch(strings.TrimSuffix(none, ",") + `}}}`)
		Expect(admin.Create(ctx, namespace("legacy", nil))).To(Succeed())
		Expect(take("legacy")).To(beDeniedBy("towpath-namespaces"), "to nobody")
		give("legacy", "team-shop/other")
		Expect(take("legacy")).To(beDeniedBy("towpath-namespaces"), "to another")
		for _, name := range []string{home, "default", "kube-system", platformv1alpha1.SystemNamespace} {
			give(name, environment)
			Expect(take(name)).To(beDeniedBy("towpath-namespaces"), name)
			give(name, "")
		}
		give("legacy", environment)
		Expect(take("legacy")).To(Succeed())
		Expect(manager.Patch(ctx, namespace("legacy", nil), letGo)).To(Succeed())

		part := mergePatch(`{"metadata":{"labels":{"` + ownerUID + `":null,"app.kubernetes.io/managed-by":null}}}`)
		Expect(manager.Patch(ctx, namespace(work, nil), part)).To(beDeniedBy("towpath-namespaces"), "with some labels left")
	})

	It("takes over the home of a team for the Team of that name, keeps it as that, and lets go of it", func(ctx context.Context) {
		const name = "team-novels"
		labels := map[string]string{
			"app.kubernetes.io/managed-by": "towpath", ownerUID: "team-1", platformv1alpha1.LabelTeam: "novels", platformv1alpha1.LabelCostCenter: "cc-2",
		}
		take := func(name, team string, opts ...client.ApplyOption) error {
			intent := object("v1", "Namespace", "", name, labels, nil)
			more := intent.GetLabels()
			more[platformv1alpha1.LabelTeam] = team
			intent.SetLabels(more)
			return manager.Apply(ctx, asApply(intent), append(opts, owner, client.ForceOwnership)...)
		}
		Expect(admin.Create(ctx, namespace(name, nil))).To(Succeed())
		give := func(name, team string) {
			GinkgoHelper()
			patch := mergePatch(`{"metadata":{"annotations":{"` + platformv1alpha1.AnnotationAdoptBy + `":` + team + `}}}`)
			Expect(admin.Patch(ctx, namespace(name, nil), patch)).To(Succeed())
		}
		Expect(take(name, "novels")).To(beDeniedBy("towpath-namespaces"), "which nobody gave")
		Expect(admin.Patch(ctx, namespace(name, nil), mergePatch(`{"metadata":{"labels":{"`+platformv1alpha1.LabelTeam+`":"novels"}}}`))).To(Succeed())
		Expect(take(name, "novels")).To(beDeniedBy("towpath-namespaces"), "which bears the label alone")
		give(name, `"other"`)
		Expect(take(name, "other")).To(beDeniedBy("towpath-namespaces"), "which is another team's")
		for _, reserved := range []string{"default", "kube-system", platformv1alpha1.SystemNamespace} {
			give(reserved, `"novels"`)
			Expect(take(reserved, "novels")).To(beDeniedBy("towpath-namespaces"), reserved)
			give(reserved, "null")
		}
		give(work, `"shop"`)
		Expect(take(work, "shop")).To(beDeniedBy("towpath-namespaces"), "an Environment's")
		give(work, "null")
		give(name, `"novels"`)
		Expect(take(name, "novels")).To(Succeed())

		for what, patch := range map[string]string{
			"another team": `"` + platformv1alpha1.LabelTeam + `":"shop"`, "no team": `"` + platformv1alpha1.LabelTeam + `":null`,
			"an environment": `"` + platformv1alpha1.LabelEnvironment + `":"prod"`, "another owner": `"` + ownerUID + `":"team-2"`,
		} {
			for _, c := range []client.Client{manager, admin, platform} {
				Expect(c.Patch(ctx, namespace(name, nil), mergePatch(`{"metadata":{"labels":{`+patch+`}}}`))).To(beDeniedBy("towpath-namespaces"), what)
			}
		}
		Expect(manager.Patch(ctx, namespace(work, nil), mergePatch(`{"metadata":{"labels":{"`+platformv1alpha1.LabelTeam+`":"novels"}}}`))).
			To(beDeniedBy("towpath-namespaces"), "a workload namespace of another team")

		none := `"app.kubernetes.io/managed-by":null,"` + ownerUID + `":null,"` + platformv1alpha1.LabelTeam + `":null,"` + platformv1alpha1.LabelCostCenter + `":null`
		Expect(manager.Patch(ctx, namespace(name, nil), mergePatch(`{"metadata":{"labels":{`+none+`}}}`))).To(Succeed())
	})

	It("binds the three roles of members to people, in namespaces of Towpath", func(ctx context.Context) {
		const role = platformv1alpha1.DeveloperClusterRole
		ofMembers := func(namespace string, subjects ...any) *unstructured.Unstructured {
			b := roleBinding(namespace, role)
			b.Object["subjects"] = subjects
			return b
		}
		person := func(kind, name string) map[string]any {
			return map[string]any{"kind": kind, "apiGroup": "rbac.authorization.k8s.io", "name": name}
		}
		ada := person("User", "ada")
		for _, role := range []string{platformv1alpha1.OwnerClusterRole, role, platformv1alpha1.ViewerClusterRole} {
			b := roleBinding(work, role)
			b.Object["subjects"] = []any{ada, person("Group", "devs"), person("User", "system:serviceaccount:ci:deployer")}
			Expect(manager.Apply(ctx, asApply(b), owner, client.ForceOwnership)).To(Succeed(), role)
		}
		for what, subjects := range map[string][]any{
			"nobody":                     {},
			"everybody":                  {ada, person("Group", "system:authenticated")},
			"every service account":      {person("Group", "system:serviceaccounts")},
			"a component of Kubernetes":  {person("User", "system:kube-scheduler")},
			"an account of Kubernetes":   {person("User", "system:serviceaccount:kube-system:default")},
			"an applier":                 {person("User", "system:serviceaccount:towpath-appliers:"+work)},
			"an applier by its own kind": {subject("ServiceAccount", platformv1alpha1.ApplierNamespace, work)},
		} {
			Expect(manager.Apply(ctx, asApply(ofMembers(work, subjects...)), owner, client.ForceOwnership)).To(beDeniedBy("towpath-bindings"), what)
		}
		for _, namespace := range []string{home, "kube-system", platformv1alpha1.ApplierNamespace} {
			Expect(manager.Apply(ctx, asApply(ofMembers(namespace, ada)), owner, client.ForceOwnership)).To(beDeniedBy("towpath-bindings"), namespace)
		}

		By("not binding appliers in the home of a Team")
		labels := map[string]string{"app.kubernetes.io/managed-by": "towpath", ownerUID: "team-3", platformv1alpha1.LabelTeam: "toys"}
		Expect(manager.Create(ctx, namespace("team-toys", labels))).To(Succeed())
		Eventually(ctx, func() error {
			return manager.Apply(ctx, asApply(ofMembers("team-toys", ada)), owner, client.ForceOwnership)
		}).Should(Succeed())
		Expect(manager.Apply(ctx, asApply(roleBinding("team-toys", platformv1alpha1.ApplierClusterRole)), owner)).To(beDeniedBy("towpath-bindings"))
	})

	It("binds who reads where alerts go to the manager alone, in the homes of Teams", func(ctx context.Context) {
		const role = platformv1alpha1.AlertReaderClusterRole
		ofAlerts := func(namespace string, subjects ...any) *unstructured.Unstructured {
			b := roleBinding(namespace, role)
			b.Object["subjects"] = subjects
			return b
		}
		self := subject("ServiceAccount", platformv1alpha1.SystemNamespace, platformv1alpha1.ManagerAccount)
		labels := map[string]string{"app.kubernetes.io/managed-by": "towpath", ownerUID: "team-4", platformv1alpha1.LabelTeam: "games"}
		Expect(manager.Create(ctx, namespace("team-games", labels))).To(Succeed())
		Eventually(ctx, func() error {
			return manager.Apply(ctx, asApply(ofAlerts("team-games", self)), owner, client.ForceOwnership)
		}).Should(Succeed(), "the policy may not see the namespace yet")
		for what, subjects := range map[string][]any{
			"nobody": {}, "two": {self, subject("ServiceAccount", "team-games", "default")}, "a pod of the team": {subject("ServiceAccount", "team-games", "default")},
			"another account beside it": {subject("ServiceAccount", platformv1alpha1.SystemNamespace, "default")},
			"a person":                  {map[string]any{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "ada"}},
		} {
			Expect(manager.Apply(ctx, asApply(ofAlerts("team-games", subjects...)), owner, client.ForceOwnership)).To(beDeniedBy("towpath-bindings"), what)
		}
		for _, namespace := range []string{work, home, "kube-system", platformv1alpha1.SystemNamespace} {
			Expect(manager.Apply(ctx, asApply(ofAlerts(namespace, self)), owner, client.ForceOwnership)).To(beDeniedBy("towpath-bindings"), namespace)
		}
	})

	It("binds who reads credentials of repositories to the manager alone, in workload namespaces", func(ctx context.Context) {
		ofSources := func(namespace string, subjects ...any) *unstructured.Unstructured {
			b := roleBinding(namespace, platformv1alpha1.GitReaderClusterRole)
			b.Object["subjects"] = subjects
			return b
		}
		self := subject("ServiceAccount", platformv1alpha1.SystemNamespace, platformv1alpha1.ManagerAccount)
		Expect(manager.Apply(ctx, asApply(ofSources(work, self)), owner, client.ForceOwnership)).To(Succeed())
		for what, subjects := range map[string][]any{
			"nobody": {}, "two": {self, subject("ServiceAccount", work, "default")}, "a pod of the team": {subject("ServiceAccount", work, "default")},
			"the applier": {subject("ServiceAccount", platformv1alpha1.ApplierNamespace, work)},
		} {
			Expect(manager.Apply(ctx, asApply(ofSources(work, subjects...)), owner, client.ForceOwnership)).To(beDeniedBy("towpath-bindings"), what)
		}
		for _, namespace := range []string{home, "kube-system", platformv1alpha1.SystemNamespace} {
			Expect(manager.Apply(ctx, asApply(ofSources(namespace, self)), owner, client.ForceOwnership)).To(beDeniedBy("towpath-bindings"), namespace)
		}
	})

	It("writes guardrails under their name in workload namespaces, for their owner alone", func(ctx context.Context) {
		ours := map[string]string{ownerUID: "environment-1"}
		for kind, apiVersion := range map[string]string{"ResourceQuota": "v1", "LimitRange": "v1", "NetworkPolicy": "networking.k8s.io/v1"} {
			build := func(namespace, name string, labels map[string]string) *unstructured.Unstructured {
				spec := map[string]any{"ResourceQuota": map[string]any{"hard": map[string]any{"pods": "1"}},
					"LimitRange": map[string]any{"limits": []any{map[string]any{"type": "Container", "min": map[string]any{"cpu": "1m"}}}}, "NetworkPolicy": map[string]any{"podSelector": map[string]any{}}}[kind]
				return object(apiVersion, kind, namespace, name, labels, map[string]any{"spec": spec})
			}
			apply := func(u *unstructured.Unstructured) error {
				return manager.Apply(ctx, asApply(u), owner, client.ForceOwnership)
			}
			Expect(apply(build(work, platformv1alpha1.GuardrailsName, ours))).To(Succeed(), kind)
			Expect(apply(build(work, platformv1alpha1.GuardrailsName, map[string]string{ownerUID: "other"}))).To(beDeniedBy("towpath-guardrails"), kind)
			for _, namespace := range []string{home, "kube-system", platformv1alpha1.SystemNamespace} {
				Expect(apply(build(namespace, platformv1alpha1.GuardrailsName, ours))).To(beDeniedBy("towpath-guardrails"), kind)
				made(ctx, admin, build(namespace, platformv1alpha1.GuardrailsName, nil))
				Expect(manager.Delete(ctx, build(namespace, platformv1alpha1.GuardrailsName, nil))).To(beDeniedBy("towpath-guardrails"), kind)
			}
			Expect(apply(build(work, "another", ours))).To(beForbiddenByRBAC(), kind)
			Expect(manager.Delete(ctx, build(work, platformv1alpha1.GuardrailsName, nil))).To(Succeed(), kind)
		}
	})

	It("does not give a workload namespace another owner", func(ctx context.Context) {
		for _, label := range []string{`"` + ownerUID + `":"environment-2"`, `"` + ownerUID + `":null`, `"app.kubernetes.io/managed-by":null`} {
			Expect(manager.Patch(ctx, namespace(work, nil), mergePatch(`{"metadata":{"labels":{`+label+`}}}`))).To(beDeniedBy("towpath-namespaces"), label)
		}
	})

	It("binds an applier in the workload namespace of its name alone, and to nothing but its two roles", func(ctx context.Context) {
		role := platformv1alpha1.ApplierClusterRole
		good := roleBinding(work, role)
		Expect(manager.Apply(ctx, asApply(good), owner, client.ForceOwnership)).To(Succeed())
		for what, subjects := range map[string][]any{
			"nobody":                        {},
			"a user":                        {map[string]any{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": work}},
			"a group":                       {map[string]any{"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "system:authenticated"}},
			"the applier of another":        {subject("ServiceAccount", platformv1alpha1.ApplierNamespace, other)},
			"an account of the namespace":   {subject("ServiceAccount", work, work)},
			"the applier and somebody else": {subject("ServiceAccount", platformv1alpha1.ApplierNamespace, work), subject("ServiceAccount", work, "default")},
		} {
			bad := roleBinding(work, role)
			bad.Object["subjects"] = subjects
			Expect(manager.Apply(ctx, asApply(bad), owner, client.ForceOwnership)).To(beDeniedBy("towpath-bindings"), what)
		}
		for what, bad := range map[string]*unstructured.Unstructured{
			"the home of a team": roleBinding(home, role), "kube-system": roleBinding("kube-system", role), "the appliers' namespace": roleBinding(platformv1alpha1.ApplierNamespace, role),
		} {
			Expect(manager.Apply(ctx, asApply(bad), owner)).To(beDeniedBy("towpath-bindings"), what)
		}
		// The role of a binding that exists is immutable, so these are new.
		Expect(manager.Create(ctx, namespace("shop-unbound", workloadLabels()))).To(Succeed())
		Eventually(ctx, func() error {
			return manager.Apply(ctx, asApply(roleBinding("shop-unbound", role)), owner, client.DryRunAll)
		}).Should(Succeed())
		for _, c := range []struct {
			kind, name string
			refusal    OmegaMatcher
		}{
			{"ClusterRole", platformv1alpha1.ApplierExtraClusterRole, beDeniedBy("towpath-bindings")},
			// RBAC itself forbids to give what one does not hold, and says so first.
			{"ClusterRole", "cluster-admin", beForbiddenByRBAC()},
			{"Role", role, Or(beForbiddenByRBAC(), MatchError(ContainSubstring("not found")))},
		} {
			bad := roleBinding("shop-unbound", role)
			bad.Object["roleRef"] = map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": c.kind, "name": c.name}
			Expect(manager.Apply(ctx, asApply(bad), owner)).To(c.refusal, c.name)
		}
	})

	It("neither adopts nor deletes an account that no Environment owns", func(ctx context.Context) {
		foreign := made(ctx, admin, object("v1", "ServiceAccount", platformv1alpha1.ApplierNamespace, "foreign", nil, nil))
		Expect(manager.Apply(ctx, asApply(account("foreign", "environment-1")), owner, client.ForceOwnership)).To(beDeniedBy("towpath-accounts"))
		Expect(manager.Delete(ctx, foreign.DeepCopy())).To(beDeniedBy("towpath-accounts"))
		Expect(manager.Apply(ctx, asApply(account(work, "environment-2")), owner, client.ForceOwnership)).To(beDeniedBy("towpath-accounts"))
		Expect(manager.Apply(ctx, asApply(account("new", "environment-1")), owner)).To(Succeed())
		Expect(manager.Delete(ctx, account("new", ""))).To(Succeed())
	})
})
