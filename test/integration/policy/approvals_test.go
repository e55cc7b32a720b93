package policy_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// approval is one that a user makes of a Release.
func approval(name, approver, releaseName, uid string) *unstructured.Unstructured {
	return object(apiVersion, "Approval", home, name, nil, map[string]any{"spec": map[string]any{
		"approver": approver, "decision": "Approve", "releaseRef": map[string]any{"name": releaseName, "uid": uid},
	}})
}

// grantRules gives a user rules in the team's namespace.
func grantRules(ctx context.Context, user string, rules ...rbacv1.PolicyRule) {
	GinkgoHelper()
	name := "test-" + user
	for _, o := range []client.Object{
		&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: home, Name: name}, Rules: rules},
		&rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: home, Name: name},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: user}},
		},
	} {
		Expect(admin.Create(ctx, o)).To(Succeed())
		DeferCleanup(func(ctx context.Context) { Expect(admin.Delete(ctx, o)).To(Succeed()) })
	}
}

func rule(resource string, verbs ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{platformv1alpha1.GroupVersion.Group}, Resources: []string{resource}, Verbs: verbs}
}

// asUser connects a user with a certificate.
func asUser(name string) (client.Client, *rest.Config) {
	cfg := user(name)
	return connect(cfg), cfg
}

var _ = Describe("An Approval", func() {
	It("speaks for the one who creates it, and for nobody else", func(ctx context.Context) {
		bob, cfg := asUser("bob")
		grantRules(ctx, "bob", rule("approvals", "create", "get"), rule("releases", "approve"))
		Eventually(ctx, func() error { return bob.Create(ctx, approval("own", "bob", "checkout-prod-1", "u"), client.DryRunAll) }).Should(Succeed(), "the right takes a moment")
		for _, other := range []string{"eve", "Bob", "bob ", "system:serviceaccount:team-shop:bob", managerName} {
			Expect(bob.Create(ctx, approval("forged", other, "checkout-prod-1", "u"))).To(beDeniedBy("towpath-approvals"), other)
			Expect(bob.Apply(ctx, asApply(approval("forged", other, "checkout-prod-1", "u")), owner)).NotTo(Succeed(), other)
		}
		Expect(admin.Create(ctx, approval("forged", "bob", "checkout-prod-1", "u"))).To(beDeniedBy("towpath-approvals"), "an administrator speaks for themselves too")

		By("somebody who may impersonate, and does not have the right itself")
		Expect(manager.Create(ctx, approval("forged", managerName, "checkout-prod-1", "u"))).To(beForbiddenByRBAC())
		impersonating := rest.CopyConfig(cfg)
		impersonating.Impersonate.UserName = "eve"
		Expect(connect(impersonating).Create(ctx, approval("forged", "eve", "checkout-prod-1", "u"))).NotTo(Succeed())
	})

	It("needs the verb approve on the Release that it names", func(ctx context.Context) {
		carol, _ := asUser("carol")
		grantRules(ctx, "carol", rule("approvals", "create"), rule("releases", "get", "list", "watch", "create", "update", "patch", "delete"))
		Eventually(ctx, func() error { return carol.Create(ctx, approval("no-verb", "carol", "checkout-prod-1", "u")) }).Should(beDeniedBy("towpath-approvals"))
		limited := rule("releases", "approve")
		limited.ResourceNames = []string{"checkout-prod-1"}
		dave, _ := asUser("dave")
		grantRules(ctx, "dave", rule("approvals", "create"), limited)
		Eventually(ctx, func() error {
			return dave.Create(ctx, approval("named", "dave", "checkout-prod-1", "u"), client.DryRunAll)
		}).Should(Succeed())
		Expect(dave.Create(ctx, approval("named", "dave", "checkout-prod-2", "u"))).To(beDeniedBy("towpath-approvals"))

		By("a role of people that edits all that a team writes")
		edits, _ := asUser("edith")
		grantRules(ctx, "edith", rule("components", "create", "update", "patch", "delete"), rule("environments", "create", "update", "patch", "delete"))
		Expect(edits.Create(ctx, approval("no-right", "edith", "checkout-prod-1", "u"))).To(beForbiddenByRBAC())
	})

	It("breaks the glass only with the verb for that, and a reason", func(ctx context.Context) {
		breaks := func(user, reason string) *unstructured.Unstructured {
			u := approval("glass-"+user, user, "checkout-prod-1", "u")
			Expect(unstructured.SetNestedField(u.Object, "BreakGlass", "spec", "decision")).To(Succeed())
			if reason != "" {
				Expect(unstructured.SetNestedField(u.Object, reason, "spec", "reason")).To(Succeed())
			}
			return u
		}
		ivan, _ := asUser("ivan")
		grantRules(ctx, "ivan", rule("approvals", "create"), rule("releases", "approve"))
		Eventually(ctx, func() error {
			return ivan.Create(ctx, approval("plain", "ivan", "checkout-prod-1", "u"), client.DryRunAll)
		}).Should(Succeed())
		Expect(ivan.Create(ctx, breaks("ivan", "The cart is down."))).To(beDeniedBy("towpath-approvals"))
		jana, _ := asUser("jana")
		grantRules(ctx, "jana", rule("approvals", "create"), rule("releases", "breakglass"))
		Eventually(ctx, func() error { return jana.Create(ctx, breaks("jana", "The cart is down."), client.DryRunAll) }).Should(Succeed())
		Expect(jana.Create(ctx, breaks("jana", ""))).To(MatchError(ContainSubstring("reason must be set")))
		Expect(jana.Create(ctx, approval("plain", "jana", "checkout-prod-1", "u"))).To(beDeniedBy("towpath-approvals"), "to break the glass approves nothing")
	})

	It("never changes, and bears the time at which it was made", func(ctx context.Context) {
		frank, _ := asUser("frank")
		grantRules(ctx, "frank", rule("approvals", "create", "get", "update", "patch"), rule("releases", "approve"))
		mine := approval("frank-1", "frank", "checkout-prod-1", "u")
		old := metav1.Date(2020, 1, 1, 0, 0, 0, 0, metav1.Now().Location())
		mine.SetCreationTimestamp(old)
		Eventually(ctx, func() error { return frank.Create(ctx, mine.DeepCopy()) }).Should(Succeed())
		DeferCleanup(func(ctx context.Context) { Expect(admin.Delete(ctx, mine)).To(Succeed()) })
		Expect(live(ctx, mine).GetCreationTimestamp().Time).To(BeTemporally(">", old.Time), "nobody dates it back")
		back := mergePatch(`{"metadata":{"creationTimestamp":"2020-01-01T00:00:00Z"}}`)
		_ = frank.Patch(ctx, mine.DeepCopy(), back)
		Expect(live(ctx, mine).GetCreationTimestamp().Time).To(BeTemporally(">", old.Time))
		for _, change := range []string{
			`{"spec":{"decision":"Reject"}}`, `{"spec":{"reason":"other"}}`, `{"spec":{"approver":"eve"}}`,
			`{"spec":{"releaseRef":{"uid":"other"}}}`, `{"spec":{"releaseRef":{"name":"checkout-prod-2"}}}`,
		} {
			for _, c := range []client.Client{frank, admin} {
				Expect(c.Patch(ctx, mine.DeepCopy(), mergePatch(change))).To(MatchError(ContainSubstring("spec must not change")), change)
			}
		}
		Expect(admin.Patch(ctx, mine.DeepCopy(), mergePatch(`{"metadata":{"annotations":{"note":"seen"}}}`))).To(Succeed())

		By("its definition without the rule")
		crd := object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "approvals.platform.towpath.dev", nil, nil)
		before := live(ctx, crd)
		DeferCleanup(func(ctx context.Context) {
			restored := live(ctx, crd)
			restored.Object["spec"] = before.Object["spec"]
			Expect(admin.Update(ctx, restored)).To(Succeed())
		})
		Expect(admin.Patch(ctx, crd.DeepCopy(), client.RawPatch("application/json-patch+json",
			[]byte(`[{"op":"remove","path":"/spec/versions/0/schema/openAPIV3Schema/x-kubernetes-validations"}]`)))).To(Succeed())
		Eventually(ctx, func() error { return admin.Patch(ctx, mine.DeepCopy(), mergePatch(`{"spec":{"reason":"other"}}`)) }).Should(beDeniedBy("towpath-approvals"))
	})
})

var _ = Describe("requestedBy of a Component", func() {
	It("is the user who changes the spec", func(ctx context.Context) {
		component := func(name, by string) *unstructured.Unstructured {
			spec := map[string]any{"templateRef": map[string]any{"name": "web"}, "image": "app:1", "environments": []any{map[string]any{"name": "dev"}}}
			if by != "" {
				spec["requestedBy"] = by
			}
			return object(apiVersion, "Component", home, name, nil, map[string]any{"spec": spec})
		}
		gina, _ := asUser("gina")
		hugo, _ := asUser("hugo")
		for _, name := range []string{"gina", "hugo"} {
			grantRules(ctx, name, rule("components", "create", "get", "update", "patch"))
		}
		Eventually(ctx, func() error { return gina.Create(ctx, component("canary", "gina"), client.DryRunAll) }).Should(Succeed())
		Eventually(ctx, func() error { return hugo.Create(ctx, component("canary", "hugo"), client.DryRunAll) }).Should(Succeed())
		Expect(gina.Create(ctx, component("forged", "hugo"))).To(beDeniedBy("towpath-requesters"))
		mine := made(ctx, gina, component("requested", "gina"))
		Expect(hugo.Patch(ctx, mine.DeepCopy(), mergePatch(`{"spec":{"image":"app:2"}}`))).To(beDeniedBy("towpath-requesters"), "gina did not ask for that")
		Expect(hugo.Patch(ctx, mine.DeepCopy(), mergePatch(`{"metadata":{"annotations":{"note":"seen"}}}`))).To(Succeed())
		Expect(manager.Patch(ctx, mine.DeepCopy(), mergePatch(`{"metadata":{"finalizers":["`+finalizer+`"]}}`))).To(Succeed(), "the manager changes no spec")
		Expect(manager.Patch(ctx, mine.DeepCopy(), mergePatch(`{"metadata":{"finalizers":null}}`))).To(Succeed())
		Expect(hugo.Patch(ctx, mine.DeepCopy(), mergePatch(`{"spec":{"image":"app:2","requestedBy":"hugo"}}`))).To(Succeed())
		Expect(gina.Patch(ctx, mine.DeepCopy(), mergePatch(`{"spec":{"image":"app:3","requestedBy":null}}`))).To(Succeed())
	})
})
