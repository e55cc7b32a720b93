package team_test

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

var _ = Describe("A Team that is refused", func() {
	DescribeTable("has a member who is no valid subject, and says which, where and why",
		func(ctx context.Context, m platformv1alpha1.TeamMember, texts ...string) {
			team := framework.Team(framework.Name("t"), member("User", "ada", "Owner"), m)
			err := admin.Create(ctx, team)
			Expect(err).To(MatchError(ContainSubstring("spec.members[1]")))
			for _, text := range texts {
				Expect(err).To(MatchError(ContainSubstring(text)))
			}
			team.Spec.Members[1] = member("Group", "devs", "Viewer")
			Expect(admin.Create(ctx, team, client.DryRunAll)).To(Succeed())
		},
		Entry("everybody who is signed in", member("Group", "system:authenticated", "Viewer"), ".name", "system:authenticated", "Kubernetes' own"),
		Entry("the masters", member("Group", "system:masters", "Owner"), ".name", "system:masters"),
		Entry("all service accounts", member("Group", "system:serviceaccounts:ci", "Viewer"), ".name", "system:serviceaccounts:ci"),
		Entry("somebody anonymous", member("User", "system:anonymous", "Viewer"), ".name", "system:anonymous"),
		Entry("half a service account", member("User", "system:serviceaccount:ci", "Viewer"), ".name", "system:serviceaccount:ci"),
		Entry("an account of Kubernetes", member("User", "system:serviceaccount:kube-system:default", "Viewer"), ".name", "system:serviceaccount:kube-system:default"),
		Entry("an applier", member("User", "system:serviceaccount:towpath-appliers:shop-dev", "Viewer"), ".name", "system:serviceaccount:towpath-appliers:shop-dev"),
		Entry("nobody", member("User", "", "Viewer"), ".name"),
		Entry("a name with white space around it", member("User", "ada ", "Viewer"), ".name", `"ada "`),
		Entry("a name of two lines", member("User", "ada\nbob", "Viewer"), ".name"),
		Entry("a name that is too long", member("User", strings.Repeat("x", 254), "Viewer"), ".name", "253"),
		Entry("a service account by its kind", member("ServiceAccount", "ci", "Viewer"), ".kind", `"ServiceAccount"`),
		Entry("a role that does not exist", member("User", "bob", "Admin"), ".role", `"Admin"`),
		Entry("the same twice", member("User", "ada", "Viewer"), "Duplicate value", `"name":"ada"`),
		Entry("a group with e-mails", platformv1alpha1.TeamMember{Kind: "Group", Name: "devs", Role: "Viewer", Emails: []string{"a@shop.example"}}, ".emails", "must be those of a User"),
		Entry("an e-mail that is none", platformv1alpha1.TeamMember{Kind: "User", Name: "bob", Role: "Viewer", Emails: []string{"bob"}}, ".emails[0]", `"bob"`),
	)

	DescribeTable("has a name that could be taken for something else",
		func(ctx context.Context, name, text string) {
			Expect(admin.Create(ctx, framework.Team(name))).To(MatchError(ContainSubstring(text)))
		},
		Entry("team", "team", "must not be team, kube or towpath"),
		Entry("a home", "team-shop", "must not be team, kube or towpath"),
		Entry("Kubernetes' own", "kube", "must not be team, kube or towpath"),
		Entry("Towpath's own", "towpath-x", "must not be team, kube or towpath"),
		Entry("no label", "a.b", "DNS-1123 label of at most 58 characters"),
		Entry("too long", strings.Repeat("x", 59), "DNS-1123 label of at most 58 characters"),
	)

	It("has a cost centre that is no label, an alert without a Secret, or a deletion policy that does not exist", func(ctx context.Context) {
		for text, change := range map[string]func(*platformv1alpha1.Team){
			"spec.costCenter":          func(t *platformv1alpha1.Team) { t.Spec.CostCenter = "research & development" },
			"spec.alerts[0].secretRef": func(t *platformv1alpha1.Team) { t.Spec.Alerts = []platformv1alpha1.AlertTarget{{Name: "chat"}} },
			"spec.deletionPolicy":      func(t *platformv1alpha1.Team) { t.Spec.DeletionPolicy = "Forget" },
			"spec.contacts[0].address": func(t *platformv1alpha1.Team) { t.Spec.Contacts = []platformv1alpha1.TeamContact{{Name: "on-call"}} },
			"spec.adoptNamespace":      func(t *platformv1alpha1.Team) { t.Spec.AdoptNamespace = "Legacy" },
			"spec.alerts[1]: Duplicate value": func(t *platformv1alpha1.Team) {
				target := platformv1alpha1.AlertTarget{Name: "chat", SecretRef: platformv1alpha1.SecretKeyReference{Name: "alerts", Key: "url"}}
				t.Spec.Alerts = []platformv1alpha1.AlertTarget{target, target}
			},
		} {
			team := framework.Team(framework.Name("t"))
			change(team)
			Expect(admin.Create(ctx, team, client.DryRunAll)).To(MatchError(ContainSubstring(text)))
		}
		fine := framework.Team(framework.Name("t"))
		fine.Spec.Alerts = []platformv1alpha1.AlertTarget{{Name: "chat", SecretRef: platformv1alpha1.SecretKeyReference{Name: "alerts", Key: "url"}}}
		fine.Spec.Contacts = []platformv1alpha1.TeamContact{{Name: "on-call", Address: "https://pager.shop.example"}}
		made(ctx, fine)
		Expect(admin.Patch(ctx, fine, merge(`{"spec":{"adoptNamespace":"another"}}`))).To(MatchError(ContainSubstring("adoptNamespace must not change: make another Team")))
	})
})

var _ = Describe("A home that a Team cannot have", func() {
	It("is one that nobody gave to it; and it proceeds when somebody does", func(ctx context.Context) {
		team := newTeam()
		foreign := namespace("team-" + team.Name)
		Expect(admin.Create(ctx, foreign)).To(Succeed())
		Expect(admin.Create(ctx, team)).To(Succeed())
		Eventually(ctx, framework.Read(admin, team)).Should(framework.BeStalled("ConsentMissing", foreign.Name, "kubectl annotate namespace"))
		Expect(read(ctx, team).Status.Namespace).To(BeEmpty())
		Expect(read(ctx, foreign).Labels).NotTo(HaveKey("platform.towpath.dev/owner-uid"))
		Expect(framework.Gone(admin, binding(foreign.Name, "towpath-owner"))(ctx)).To(BeTrue())
		Expect(admin.Patch(ctx, foreign, merge(`{"metadata":{"annotations":{"platform.towpath.dev/adopt-by":"`+team.Name+`"}}}`))).To(Succeed())
		awaitReady(ctx, team)
	})

	It("is another team's, an Environment's, or Kubernetes' own; and each is left as it is", func(ctx context.Context) {
		owner := made(ctx, newTeam())
		environment := withEnvironment(ctx, owner, "dev")
		byHand := framework.TeamNamespace(framework.Name("t"))
		Expect(admin.Create(ctx, byHand)).To(Succeed())
		for _, name := range []string{owner.Status.Namespace, environment.Status.Namespace, byHand.Name, "kube-public", "towpath-appliers", "default"} {
			before := read(ctx, namespace(name))
			thief := newTeam()
			thief.Spec.AdoptNamespace = name
			Expect(admin.Create(ctx, thief)).To(Succeed())
			Eventually(ctx, framework.Read(admin, thief)).Should(framework.BeStalled("NamespaceTaken", name))
			Expect(read(ctx, namespace(name)).Labels).To(Equal(before.Labels))
			for _, role := range roles {
				live, err := framework.Read(admin, binding(name, role))(ctx)
				if err == nil {
					Expect(live.Subjects).NotTo(ContainElement(HaveField("Name", HaveSuffix(thief.Name))))
				}
			}
		}
	})

	It("is never that of another team by the names of team and environment", func(ctx context.Context) {
		name := framework.Name("t")
		first, second := made(ctx, framework.Team(name)), made(ctx, framework.Team(name+"-b"))
		one, two := withEnvironment(ctx, first, "b-c"), withEnvironment(ctx, second, "c")
		Expect(one.Status.Namespace).NotTo(Equal(two.Status.Namespace))
		Expect(read(ctx, namespace(two.Status.Namespace)).Labels).To(HaveKeyWithValue("platform.towpath.dev/team", name+"-b"))
	})

	It("is never as long as a namespace must not be", func(ctx context.Context) {
		team := made(ctx, framework.Team(framework.Name("t")+strings.Repeat("x", 52)))
		Expect(team.Name).To(HaveLen(58))
		Expect(validation.IsDNS1123Label(team.Status.Namespace)).To(BeEmpty())
	})
})
