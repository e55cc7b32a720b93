package team_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// members matches who newTeam's members are, by role.
func members(team *platformv1alpha1.Team) map[string][]rbacv1.Subject {
	return map[string][]rbacv1.Subject{
		"towpath-owner":     {person("User", "olga-"+team.Name)},
		"towpath-developer": {person("Group", "devs-"+team.Name), person("User", "dora-"+team.Name)},
		"towpath-viewer":    {person("User", "vera-"+team.Name)},
	}
}

// expectBindings waits until a namespace has the bindings of these subjects, and no others of the roles.
func expectBindings(ctx context.Context, namespace string, want map[string][]rbacv1.Subject) {
	GinkgoHelper()
	for _, role := range roles {
		if len(want[role]) == 0 {
			Eventually(ctx, framework.Gone(admin, binding(namespace, role))).Should(BeTrue(), role)
			continue
		}
		Eventually(ctx, framework.Read(admin, binding(namespace, role))).Should(And(
			HaveField("RoleRef", rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role}),
			HaveField("Subjects", Equal(want[role])),
			HaveField("Labels", HaveKeyWithValue("app.kubernetes.io/managed-by", "towpath"))), role)
	}
}

var _ = Describe("What a Team makes", func() {
	It("is a labelled home namespace, and the rights of its members there", func(ctx context.Context) {
		team := made(ctx, newTeam())
		Expect(team.Status.Namespace).To(Equal("team-" + team.Name))
		Expect(team.Status.ObservedGeneration).To(Equal(team.Generation))
		Expect(team.Spec.DeletionPolicy).To(Equal(platformv1alpha1.DeletionOrphan))
		Expect(read(ctx, namespace(team.Status.Namespace)).Labels).To(And(
			HaveKeyWithValue("platform.towpath.dev/team", team.Name),
			HaveKeyWithValue("platform.towpath.dev/cost-center", "cc-"+team.Name),
			HaveKeyWithValue("platform.towpath.dev/owner-uid", string(team.UID)),
			HaveKeyWithValue("app.kubernetes.io/managed-by", "towpath"),
			HaveKeyWithValue("app.kubernetes.io/part-of", team.Name),
			Not(HaveKey("platform.towpath.dev/environment"))))
		expectBindings(ctx, team.Status.Namespace, members(team))
	})

	It("is a home in which Environments and their members' rights come to be", func(ctx context.Context) {
		team := made(ctx, newTeam())
		environment := withEnvironment(ctx, team, "dev")
		Expect(environment.Status.Team).To(Equal(team.Name))
		Expect(environment.Status.CostCenter).To(Equal("cc-" + team.Name))
		expectBindings(ctx, environment.Status.Namespace, members(team))
		Eventually(ctx, framework.Read(admin, team)).Should(HaveField("Status.Environments", int32(1)))
	})

	It("is a home without bindings where nobody is a member", func(ctx context.Context) {
		team := made(ctx, framework.Team(framework.Name("t")))
		environment := withEnvironment(ctx, team, "dev")
		expectBindings(ctx, team.Status.Namespace, nil)
		expectBindings(ctx, environment.Status.Namespace, nil)
	})

	It("follows the spec: members and their roles, and the cost centre", func(ctx context.Context) {
		team := made(ctx, newTeam())
		environment := withEnvironment(ctx, team, "dev")
		team.Spec.CostCenter = "cc-new"
		team.Spec.Members = []platformv1alpha1.TeamMember{
			member("User", "vera-"+team.Name, platformv1alpha1.TeamOwner),
			member("User", "system:serviceaccount:ci:"+team.Name, platformv1alpha1.TeamDeveloper),
		}
		Eventually(ctx, func() error {
			fresh := read(ctx, team)
			fresh.Spec = team.Spec
			return admin.Update(ctx, fresh)
		}).Should(Succeed())
		want := map[string][]rbacv1.Subject{
			"towpath-owner":     {person("User", "vera-"+team.Name)},
			"towpath-developer": {person("User", "system:serviceaccount:ci:"+team.Name)},
		}
		for _, name := range []string{team.Status.Namespace, environment.Status.Namespace} {
			expectBindings(ctx, name, want)
			Eventually(ctx, framework.Read(admin, namespace(name))).Should(HaveField("Labels", HaveKeyWithValue("platform.towpath.dev/cost-center", "cc-new")))
		}
		Eventually(ctx, framework.Read(admin, environment)).Should(HaveField("Status.CostCenter", "cc-new"))
	})
})

var _ = Describe("What a Team keeps", func() {
	It("is its home, made anew when it was deleted", func(ctx context.Context) {
		team := made(ctx, newTeam())
		home := read(ctx, namespace(team.Status.Namespace))
		Expect(admin.Delete(ctx, home)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, home)).Should(BeTrue())
		Eventually(ctx, framework.Read(admin, namespace(home.Name))).Should(HaveField("UID", Not(Equal(home.UID))))
		awaitReady(ctx, team)
		expectBindings(ctx, home.Name, members(team))
	})

	DescribeTable("the labels of its home, which nobody but the manager could change",
		func(ctx context.Context, key, value string) {
			team := made(ctx, newTeam())
			patch := merge(`{"metadata":{"labels":{"` + key + `":` + value + `}}}`)
			before := read(ctx, namespace(team.Status.Namespace)).Labels[key]
			Expect(admin.Patch(ctx, namespace(team.Status.Namespace), patch)).To(MatchError(ContainSubstring("'towpath-namespaces'")))
			if key == "platform.towpath.dev/cost-center" || key == "app.kubernetes.io/part-of" {
				Expect(cluster.ManagerClient.Patch(ctx, namespace(team.Status.Namespace), patch)).To(Succeed())
			} else {
				Expect(cluster.ManagerClient.Patch(ctx, namespace(team.Status.Namespace), patch)).To(MatchError(ContainSubstring("'towpath-namespaces'")))
			}
			Eventually(ctx, framework.Read(admin, namespace(team.Status.Namespace))).Should(HaveField("Labels", HaveKeyWithValue(key, before)))
		},
		Entry("the team, changed", "platform.towpath.dev/team", `"other"`),
		Entry("the team, removed", "platform.towpath.dev/team", `null`),
		Entry("the cost centre, changed", "platform.towpath.dev/cost-center", `"other"`),
		Entry("the cost centre, removed", "platform.towpath.dev/cost-center", `null`),
		Entry("the owner, changed", "platform.towpath.dev/owner-uid", `"other"`),
		Entry("who manages it, removed", "app.kubernetes.io/managed-by", `null`),
	)

	It("is not the labels and bindings of others", func(ctx context.Context) {
		team := made(ctx, newTeam())
		Expect(admin.Patch(ctx, namespace(team.Status.Namespace), merge(`{"metadata":{"labels":{"istio-injection":"enabled"}}}`))).To(Succeed())
		other := binding(team.Status.Namespace, "by-hand")
		other.RoleRef = rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"}
		other.Subjects = []rbacv1.Subject{person("User", "guest")}
		Expect(admin.Create(ctx, other)).To(Succeed())
		Expect(admin.Patch(ctx, team, merge(`{"spec":{"costCenter":"cc-2"}}`))).To(Succeed())
		Eventually(ctx, framework.Read(admin, namespace(team.Status.Namespace))).Should(HaveField("Labels", And(
			HaveKeyWithValue("platform.towpath.dev/cost-center", "cc-2"), HaveKeyWithValue("istio-injection", "enabled"))))
		Expect(read(ctx, other).Subjects).To(Equal(other.Subjects))
	})

	DescribeTable("the rights of its members, in the home and in workload namespaces",
		func(ctx context.Context, change func(ctx context.Context, live *rbacv1.RoleBinding)) {
			team := made(ctx, newTeam())
			environment := withEnvironment(ctx, team, "dev")
			for _, name := range []string{team.Status.Namespace, environment.Status.Namespace} {
				expectBindings(ctx, name, members(team))
				for _, role := range roles {
					change(ctx, read(ctx, binding(name, role)))
				}
				expectBindings(ctx, name, members(team))
			}
		},
		Entry("when they are deleted", func(ctx context.Context, live *rbacv1.RoleBinding) {
			Expect(admin.Delete(ctx, live)).To(Succeed())
			Eventually(ctx, framework.Gone(admin, live)).Should(BeTrue())
		}),
		Entry("when somebody joins", func(ctx context.Context, live *rbacv1.RoleBinding) {
			live.Subjects = append(live.Subjects, person("User", "mallory"))
			Expect(admin.Update(ctx, live)).To(Succeed())
		}),
		Entry("when somebody takes the members' place", func(ctx context.Context, live *rbacv1.RoleBinding) {
			live.Subjects = []rbacv1.Subject{person("User", "mallory")}
			Expect(admin.Update(ctx, live)).To(Succeed())
		}),
		Entry("when the label is gone by which Towpath sees them", func(ctx context.Context, live *rbacv1.RoleBinding) {
			delete(live.Labels, "app.kubernetes.io/managed-by")
			Expect(admin.Update(ctx, live)).To(Succeed())
		}),
		Entry("when they were made to give another role", func(ctx context.Context, live *rbacv1.RoleBinding) {
			// The manager may not win the race between deleting and making, so it stands still meanwhile.
			Expect(cluster.StopManager()).To(Succeed())
			Expect(admin.Delete(ctx, live)).To(Succeed())
			forged := binding(live.Namespace, live.Name)
			forged.RoleRef = rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"}
			forged.Subjects = []rbacv1.Subject{person("User", "mallory")}
			Expect(admin.Create(ctx, forged)).To(Succeed())
			Expect(cluster.StartManager(ctx)).To(Succeed())
		}),
	)

	It("writes nothing while nothing changes, also when it looks again at everything", func(ctx context.Context) {
		team := made(ctx, newTeam())
		environment := withEnvironment(ctx, team, "dev")
		Eventually(ctx, framework.Read(admin, team)).Should(HaveField("Status.Environments", int32(1)))
		names := []string{team.Name, team.Status.Namespace, environment.Status.Namespace}
		Eventually(ctx, func() (framework.Audit, error) {
			log, err := cluster.Audit()
			return log.ByTowpath().Since(time.Now().Add(-time.Second)).About(names...), err
		}).Should(BeEmpty())
		start := time.Now()
		touch := merge(`{"metadata":{"annotations":{"test.towpath.dev/touched":"1"}}}`)
		for _, object := range []client.Object{
			team.DeepCopy(), namespace(team.Status.Namespace), environment.DeepCopy(), binding(team.Status.Namespace, "towpath-owner"),
			binding(environment.Status.Namespace, "towpath-viewer"),
		} {
			Expect(admin.Patch(ctx, object, touch)).To(Succeed())
		}
		// Each of the events causes a pass within milliseconds: what it wrote would show within two seconds.
		quiet := func() (framework.Audit, error) {
			log, err := cluster.Audit()
			return log.ByTowpath().Since(start).About(names...), err
		}
		Consistently(ctx, quiet).Should(BeEmpty())
		Expect(cluster.StopManager()).To(Succeed())
		Expect(cluster.StartManager(ctx)).To(Succeed())
		Consistently(ctx, quiet).Should(BeEmpty())
	})
})

var _ = Describe("A home that bears the name of a team by hand", func() {
	It("works without a Team, gives the members of one nothing, and becomes its home once it was given to it", func(ctx context.Context) {
		name := framework.Name("t")
		home := framework.TeamNamespace(name)
		Expect(admin.Create(ctx, home)).To(Succeed())
		aside := framework.TeamNamespace(name)
		aside.Name = framework.Name("aside-")
		Expect(admin.Create(ctx, aside)).To(Succeed())
		early := withEnvironment(ctx, &platformv1alpha1.Team{Status: platformv1alpha1.TeamStatus{Namespace: home.Name}}, "dev")
		other := withEnvironment(ctx, &platformv1alpha1.Team{Status: platformv1alpha1.TeamStatus{Namespace: aside.Name}}, "prod")

		team := framework.Team(name, member("User", "olga-"+name, "Owner"), member("User", "vera-"+name, "Viewer"))
		team.Spec.CostCenter = "cc-of-the-team"
		Expect(admin.Create(ctx, team)).To(Succeed())
		Eventually(ctx, framework.Read(admin, team)).Should(framework.BeStalled("ConsentMissing", "kubectl annotate namespace "+home.Name+" platform.towpath.dev/adopt-by="+name))
		Expect(read(ctx, early).Status.CostCenter).To(Equal("cc-" + name))
		expectBindings(ctx, early.Status.Namespace, nil)
		Expect(admin.Patch(ctx, namespace(home.Name), merge(`{"metadata":{"annotations":{"platform.towpath.dev/adopt-by":"`+name+`"}}}`))).To(Succeed())
		awaitReady(ctx, team)
		want := map[string][]rbacv1.Subject{"towpath-owner": {person("User", "olga-"+name)}, "towpath-viewer": {person("User", "vera-"+name)}}
		expectBindings(ctx, home.Name, want)
		expectBindings(ctx, early.Status.Namespace, want)
		Eventually(ctx, framework.Read(admin, early)).Should(HaveField("Status.CostCenter", "cc-of-the-team"))
		Expect(read(ctx, early).UID).To(Equal(early.UID))
		expectBindings(ctx, other.Status.Namespace, nil)
		Expect(read(ctx, other).Status.CostCenter).To(Equal("cc-" + name))
	})

	It("may have any name, by adoptNamespace", func(ctx context.Context) {
		name := framework.Name("t")
		legacy := namespace(framework.Name("legacy-"))
		legacy.Labels = map[string]string{"owner": "somebody"}
		team := framework.Team(name)
		team.Spec.AdoptNamespace = legacy.Name
		Expect(admin.Create(ctx, team)).To(Succeed())
		Eventually(ctx, framework.Read(admin, team)).Should(framework.HaveCondition("Ready", metav1.ConditionFalse, "NamespaceNotFound", legacy.Name, "platform.towpath.dev/adopt-by="+name))
		Expect(admin.Create(ctx, legacy)).To(Succeed())
		Eventually(ctx, framework.Read(admin, team)).Should(framework.BeStalled("ConsentMissing", "kubectl annotate namespace "+legacy.Name+" platform.towpath.dev/adopt-by="+name))
		Expect(read(ctx, legacy).Labels).NotTo(HaveKey("platform.towpath.dev/owner-uid"))
		Expect(admin.Patch(ctx, namespace(legacy.Name), merge(`{"metadata":{"annotations":{"platform.towpath.dev/adopt-by":"`+name+`"}}}`))).To(Succeed())
		Expect(awaitReady(ctx, team).Status.Namespace).To(Equal(legacy.Name))
		Expect(read(ctx, legacy).Labels).To(And(HaveKeyWithValue("owner", "somebody"), HaveKeyWithValue("platform.towpath.dev/owner-uid", string(team.UID))))
		withEnvironment(ctx, read(ctx, team), "dev")
	})
})
