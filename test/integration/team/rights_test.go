package team_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/towpath-dev/towpath/test/framework"
)

// published is what docs/rbac.md says: role → kind → verbs.
type published map[string]map[string][]string

var letters = map[rune]string{
	'g': "get", 'l': "list", 'w': "watch", 'c': "create", 'u': "update", 'p': "patch", 'd': "delete", 'D': "deletecollection",
}

// readPublished reads the table that docs/rbac_test.go makes from config/rbac.
func readPublished() published {
	GinkgoHelper()
	text, err := os.ReadFile("../../../docs/rbac.md")
	Expect(err).NotTo(HaveOccurred())
	_, after, _ := strings.Cut(string(text), "<!-- roles: begin -->\n")
	table, _, found := strings.Cut(after, "<!-- roles: end -->")
	Expect(found).To(BeTrue())
	rows := [][]string{}
	for line := range strings.Lines(table) {
		var cells []string
		for cell := range strings.SplitSeq(strings.Trim(strings.TrimSpace(line), "|"), "|") {
			cells = append(cells, strings.Trim(strings.TrimSpace(cell), "`"))
		}
		rows = append(rows, cells)
	}
	all := published{}
	for i, role := range rows[0][1:] {
		all[role] = map[string][]string{}
		for _, row := range rows[2:] {
			all[role][row[0]] = verbs(row[i+1])
		}
	}
	return all
}

// verbs are those of one cell: letters, then words.
func verbs(cell string) []string {
	var all []string
	for word := range strings.FieldsSeq(cell) {
		if word == "–" {
			continue
		}
		if strings.Trim(word, "glwcupdD") != "" {
			all = append(all, word)
			continue
		}
		for _, letter := range word {
			all = append(all, letters[letter])
		}
	}
	return all
}

// withheld are kinds that no role of people reaches, and every status.
var withheld = []string{
	"secrets", "configmaps", "serviceaccounts", "serviceaccounts/token", "pods/exec", "pods/portforward", "pods/ephemeralcontainers",
	"deployments.apps/scale", "roles.rbac.authorization.k8s.io", "rolebindings.rbac.authorization.k8s.io", "resourcequotas",
	"networkpolicies.networking.k8s.io", "components.platform.towpath.dev/status", "environments.platform.towpath.dev/status",
	"releases.platform.towpath.dev/status", "teams.platform.towpath.dev/status", "namespaces", "nodes",
	"clusterrolebindings.rbac.authorization.k8s.io", "validatingadmissionpolicybindings.admissionregistration.k8s.io",
}

// may asks the API server whether the user of a client may do something.
func may(ctx context.Context, c client.Client, namespace, kind, verb string) bool {
	GinkgoHelper()
	name, group, _ := strings.Cut(kind, ".")
	resource, sub, _ := strings.Cut(name, "/")
	if plain, after, ok := strings.Cut(group, "/"); ok {
		group, sub = plain, after
	}
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: namespace, Verb: verb, Group: group, Resource: resource, Subresource: sub},
	}}
	Expect(c.Create(ctx, review)).To(Succeed())
	return review.Status.Allowed
}

// askedVerbs are those that are asked for: the letters, and what gates ask for.
func askedVerbs() []string {
	return slices.Sorted(slices.Values(append(slices.Collect(maps.Values(letters)), "approve", "breakglass")))
}

// rightsIn asks for every kind and verb that is known, and returns what is allowed in a namespace, or in the cluster.
func rightsIn(ctx context.Context, c client.Client, kinds []string, namespace string) []string {
	GinkgoHelper()
	var allowed []string
	for _, kind := range slices.Concat(kinds, withheld) {
		for _, verb := range askedVerbs() {
			if may(ctx, c, namespace, kind, verb) {
				allowed = append(allowed, verb+" "+kind)
			}
		}
	}
	slices.Sort(allowed)
	return allowed
}

// of is what the page says that these roles may do.
func (p published) of(roles ...string) []string {
	allowed := map[string]bool{}
	for _, role := range roles {
		for kind, verbs := range p[role] {
			for _, verb := range verbs {
				allowed[verb+" "+kind] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(allowed))
}

var _ = Describe("The rights of people", func() {
	user := func(name string, groups ...string) client.Client {
		GinkgoHelper()
		c, err := cluster.UserClient(name, groups...)
		Expect(err).NotTo(HaveOccurred())
		return c
	}

	It("are what docs/rbac.md says, in the namespaces of their own team and nowhere else", func(ctx context.Context) {
		page := readPublished()
		kinds := slices.Sorted(maps.Keys(page["towpath-platform"]))
		Expect(len(kinds)).To(BeNumerically(">", 10))
		const everybody = "towpath-catalog-view"

		team, other := made(ctx, newTeam()), made(ctx, newTeam())
		own, foreign := withEnvironment(ctx, team, "dev"), withEnvironment(ctx, other, "dev")
		for _, m := range []struct {
			c    client.Client
			role string
		}{
			{user("olga-" + team.Name), "towpath-owner"},
			{user("dora-" + team.Name), "towpath-developer"},
			{user("somebody", "devs-"+team.Name), "towpath-developer"},
			{user("vera-" + team.Name), "towpath-viewer"},
		} {
			for _, namespace := range []string{team.Status.Namespace, own.Status.Namespace} {
				Eventually(ctx, func() []string { return rightsIn(ctx, m.c, kinds, namespace) }).Should(
					Equal(page.of(m.role, everybody)), "%s in %s", m.role, namespace)
			}
			for _, namespace := range []string{other.Status.Namespace, foreign.Status.Namespace, "towpath-appliers", "kube-system", "" /* the cluster */} {
				Expect(rightsIn(ctx, m.c, kinds, namespace)).To(Equal(page.of(everybody)), "%s in %q", m.role, namespace)
			}
		}
		Expect(rightsIn(ctx, user("stranger"), kinds, team.Status.Namespace)).To(Equal(page.of(everybody)))

		binding := &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: framework.Name("platform-")},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "towpath-platform"},
			Subjects:   []rbacv1.Subject{person("User", "petra")},
		}
		Expect(admin.Create(ctx, binding)).To(Succeed())
		DeferCleanup(func(ctx context.Context) error { return admin.Delete(ctx, binding) })
		Eventually(ctx, func() []string { return rightsIn(ctx, user("petra"), kinds, "") }).Should(Equal(page.of("towpath-platform", everybody)))
	})

	It("end with the membership", func(ctx context.Context) {
		team := made(ctx, newTeam())
		environment := withEnvironment(ctx, team, "dev")
		c := user("dora-" + team.Name)
		places := []string{team.Status.Namespace, environment.Status.Namespace}
		for _, namespace := range places {
			Eventually(ctx, func() bool { return may(ctx, c, namespace, "components.platform.towpath.dev", "create") }).Should(BeTrue())
		}
		Expect(admin.Patch(ctx, team, merge(`{"spec":{"members":[{"kind":"User","name":"olga","role":"Owner"}]}}`))).To(Succeed())
		for _, namespace := range places {
			Eventually(ctx, func() bool { return may(ctx, c, namespace, "components.platform.towpath.dev", "get") }).Should(BeFalse())
		}
	})

	It("are widened by a role that the platform labels", func(ctx context.Context) {
		team := made(ctx, newTeam())
		environment := withEnvironment(ctx, team, "dev")
		role := &rbacv1.ClusterRole{
			ObjectMeta: metav1.ObjectMeta{Name: framework.Name("wider-"), Labels: map[string]string{"platform.towpath.dev/aggregate-to-developer": "true"}},
			Rules:      []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"limitranges"}, Verbs: []string{"get"}}},
		}
		Expect(admin.Create(ctx, role)).To(Succeed())
		DeferCleanup(func(ctx context.Context) error { return admin.Delete(ctx, role) })
		for name, want := range map[string]bool{"olga-": true, "dora-": true, "vera-": false} {
			c := user(name + team.Name)
			if want {
				Eventually(ctx, func() bool { return may(ctx, c, environment.Status.Namespace, "limitranges", "get") }).Should(BeTrue(), name)
			}
			Expect(may(ctx, c, environment.Status.Namespace, "limitranges", "get")).To(Equal(want), fmt.Sprint(name, want))
		}
	})

	It("let owners approve, and neither developers nor owners break the glass", func(ctx context.Context) {
		home := made(ctx, newTeam()).Status.Namespace
		name := strings.TrimPrefix(home, "team-")
		olga, dora := user("olga-"+name), user("dora-"+name)
		const releases = "releases.platform.towpath.dev"
		Eventually(ctx, func() bool { return may(ctx, olga, home, releases, "approve") }).Should(BeTrue())
		Expect(may(ctx, dora, home, releases, "approve")).To(BeFalse())
		Expect(may(ctx, olga, home, releases, "breakglass")).To(BeFalse())
		Expect(may(ctx, olga, home, "approvals.platform.towpath.dev", "create")).To(BeTrue())
		Expect(may(ctx, olga, home, "approvals.platform.towpath.dev", "delete")).To(BeFalse())
		Expect(may(ctx, dora, home, "approvals.platform.towpath.dev", "create")).To(BeFalse())
	})

	It("let a developer do the work, and no more", func(ctx context.Context) {
		team := made(ctx, newTeam())
		environment := withEnvironment(ctx, team, "dev")
		dora, vera := user("dora-"+team.Name), user("vera-"+team.Name)
		component := framework.Component(team.Status.Namespace, "web", "no-such-template", "dev")
		Eventually(ctx, func() error { return dora.Create(ctx, component.DeepCopy(), client.DryRunAll) }).Should(Succeed())
		Expect(vera.Create(ctx, component.DeepCopy(), client.DryRunAll)).To(MatchError(ContainSubstring("forbidden")))
		Expect(dora.Patch(ctx, namespace(team.Status.Namespace), merge(`{"metadata":{"labels":{"a":"b"}}}`))).To(MatchError(ContainSubstring("forbidden")))
		more := member("User", "mallory", "Owner")
		team.Spec.Members = append(team.Spec.Members, more)
		Expect(dora.Update(ctx, team)).To(MatchError(ContainSubstring("forbidden")))
		grant := binding(environment.Status.Namespace, "more")
		grant.RoleRef = rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "towpath-owner"}
		grant.Subjects = []rbacv1.Subject{person("User", "mallory")}
		Expect(dora.Create(ctx, grant)).To(MatchError(ContainSubstring("forbidden")))
	})
})
