package team_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// given is a namespace that whoever may change it gave to a Team.
func given(namespace *corev1.Namespace, team string) *corev1.Namespace {
	namespace.Annotations = map[string]string{platformv1alpha1.AnnotationAdoptBy: team}
	return namespace
}

func configMap(namespace, name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
}

var _ = Describe("Deleting a Team", func() {
	It("is refused while it has Environments, with their names", func(ctx context.Context) {
		team := made(ctx, newTeam())
		prod := withEnvironment(ctx, team, "prod")
		withEnvironment(ctx, team, "dev")
		Eventually(ctx, framework.Read(admin, team)).Should(HaveField("Status.Environments", int32(2)))
		for range 5 { // a cache gives them in another order each time
			Expect(admin.Delete(ctx, team)).To(MatchError(And(ContainSubstring(team.Status.Namespace+": dev, prod"), ContainSubstring("Delete these first"))))
		}
		Expect(read(ctx, team).DeletionTimestamp).To(BeNil())
		expectBindings(ctx, prod.Status.Namespace, members(team))
	})

	It("waits for the Environments where it slipped through, and its members keep their rights meanwhile", func(ctx context.Context) {
		team := made(ctx, newTeam())
		environment := withEnvironment(ctx, team, "dev")
		Expect(cluster.StopManager()).To(Succeed())
		Expect(admin.Delete(ctx, team)).To(Succeed(), "nobody is there to refuse it")
		Expect(cluster.StartManager(ctx)).To(Succeed())
		Eventually(ctx, framework.Read(admin, team)).Should(framework.HaveCondition("Ready", metav1.ConditionFalse, "Deleting", "dev", team.Status.Namespace))
		expectBindings(ctx, environment.Status.Namespace, members(team))
		Expect(admin.Patch(ctx, team.DeepCopy(), merge(`{"metadata":{"finalizers":null}}`))).To(MatchError(ContainSubstring("'towpath-finalizers'")))
		Expect(admin.Delete(ctx, environment)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, team)).Should(BeTrue())
		Expect(framework.Gone(admin, environment)(ctx)).To(BeTrue())
	})

	It("leaves the home with all that is in it, as nobody's, and takes the rights away", func(ctx context.Context) {
		team := made(ctx, newTeam())
		Expect(admin.Create(ctx, configMap(team.Status.Namespace, "data"))).To(Succeed())
		home := read(ctx, namespace(team.Status.Namespace))
		Expect(admin.Delete(ctx, team)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, team)).Should(BeTrue())
		left := read(ctx, home)
		Expect(left.UID).To(Equal(home.UID))
		Expect(left.DeletionTimestamp).To(BeNil())
		Expect(left.Labels).To(HaveLen(1), "the name, which Kubernetes sets: %v", left.Labels)
		read(ctx, configMap(home.Name, "data"))
		expectBindings(ctx, home.Name, nil)

		By("making the Team anew, which does not get it unasked")
		again := framework.Team(team.Name)
		Expect(admin.Create(ctx, again)).To(Succeed())
		Eventually(ctx, framework.Read(admin, again)).Should(framework.BeStalled("ConsentMissing", home.Name))
		Expect(admin.Patch(ctx, left, merge(`{"metadata":{"annotations":{"platform.towpath.dev/adopt-by":"`+team.Name+`"}}}`))).To(Succeed())
		awaitReady(ctx, again)
	})

	DescribeTable("deletes the home where the spec says so, but not one that was adopted or is to be kept",
		func(ctx context.Context, adopted, kept, gone bool) {
			team := newTeam()
			team.Spec.DeletionPolicy = platformv1alpha1.DeletionDelete
			if adopted {
				Expect(admin.Create(ctx, given(framework.TeamNamespace(team.Name), team.Name))).To(Succeed())
			}
			made(ctx, team)
			home := read(ctx, namespace("team-"+team.Name))
			Expect(admin.Create(ctx, configMap(home.Name, "data"))).To(Succeed())
			if kept {
				Expect(admin.Patch(ctx, home.DeepCopy(), merge(`{"metadata":{"annotations":{"platform.towpath.dev/keep":"true"}}}`))).To(Succeed())
			}
			Expect(admin.Delete(ctx, team)).To(Succeed())
			Eventually(ctx, framework.Gone(admin, team)).Should(BeTrue())
			Expect(framework.Gone(admin, home)(ctx)).To(Equal(gone))
			if !gone {
				read(ctx, configMap(home.Name, "data"))
			}
		},
		Entry("made", false, false, true),
		Entry("adopted", true, false, false),
		Entry("kept", false, true, false),
	)

	It("says that it waits for the home", func(ctx context.Context) {
		team := newTeam()
		team.Spec.DeletionPolicy = platformv1alpha1.DeletionDelete
		made(ctx, team)
		held := configMap("team-"+team.Name, "held")
		held.Finalizers = []string{"test.towpath.dev/hold"}
		Expect(admin.Create(ctx, held)).To(Succeed())
		Expect(admin.Delete(ctx, team)).To(Succeed())
		Eventually(ctx, framework.Read(admin, team)).Should(framework.HaveCondition("Ready", metav1.ConditionFalse, "Deleting", "Waiting until namespace team-"+team.Name))
		Expect(admin.Patch(ctx, held, merge(`{"metadata":{"finalizers":null}}`))).To(Succeed())
		Eventually(ctx, framework.Gone(admin, team)).Should(BeTrue())
	})

	It("gives a namespace that was adopted back the labels that it bore, but for those that made it a home", func(ctx context.Context) {
		team := framework.Team(framework.Name("t"))
		home := given(framework.TeamNamespace(team.Name), team.Name)
		home.Labels["owner"], home.Labels["app.kubernetes.io/managed-by"] = "somebody", "Helm"
		Expect(admin.Create(ctx, home)).To(Succeed())
		made(ctx, team)
		Expect(read(ctx, home).Labels).To(HaveKeyWithValue("app.kubernetes.io/managed-by", "towpath"))
		Expect(admin.Delete(ctx, team)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, team)).Should(BeTrue())
		left := read(ctx, home)
		Expect(left.Labels).To(Equal(map[string]string{
			"owner": "somebody", "app.kubernetes.io/managed-by": "Helm", "kubernetes.io/metadata.name": home.Name,
		}))
		Expect(left.Annotations).NotTo(HaveKey(platformv1alpha1.AnnotationFound))
	})

	It("is done where nothing was made", func(ctx context.Context) {
		team := newTeam()
		foreign := namespace("team-" + team.Name)
		Expect(admin.Create(ctx, foreign)).To(Succeed())
		Expect(admin.Create(ctx, team)).To(Succeed())
		Eventually(ctx, framework.Read(admin, team)).Should(framework.BeStalled("ConsentMissing"))
		Expect(admin.Delete(ctx, team)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, team)).Should(BeTrue())
		Expect(read(ctx, foreign).DeletionTimestamp).To(BeNil())
	})

	It("finds the home also where a crash kept it out of the status", func(ctx context.Context) {
		team := newTeam()
		team.Spec.DeletionPolicy = platformv1alpha1.DeletionDelete
		made(ctx, team)
		home := read(ctx, namespace("team-"+team.Name))
		Expect(cluster.StopManager()).To(Succeed())
		Expect(cluster.ManagerClient.Status().Patch(ctx, team.DeepCopy(), merge(`{"status":null}`))).To(Succeed())
		Expect(admin.Delete(ctx, team)).To(Succeed())
		Expect(cluster.StartManager(ctx)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, team)).Should(BeTrue())
		Expect(framework.Gone(admin, home)(ctx)).To(BeTrue())
	})

	It("lets go of what an Environment adopted together with the members' rights there", func(ctx context.Context) {
		team := made(ctx, newTeam())
		legacy := namespace(framework.Name("legacy-"))
		legacy.Annotations = map[string]string{platformv1alpha1.AnnotationAdoptBy: team.Status.Namespace + "/dev"}
		Expect(admin.Create(ctx, legacy)).To(Succeed())
		class := framework.Class(framework.Name("class-"), platformv1alpha1.TierDevelopment)
		Expect(admin.Create(ctx, class)).To(Succeed())
		environment := framework.Environment(team.Status.Namespace, "dev", class.Name)
		environment.Spec.AdoptNamespace = legacy.Name
		Expect(admin.Create(ctx, environment)).To(Succeed())
		awaitReady(ctx, environment)
		expectBindings(ctx, legacy.Name, members(team))
		Expect(admin.Delete(ctx, environment)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, environment)).Should(BeTrue())
		read(ctx, legacy)
		expectBindings(ctx, legacy.Name, nil)
		Eventually(ctx, func() error { return client.IgnoreNotFound(admin.Delete(ctx, team)) }).Should(Succeed())
	})
})
