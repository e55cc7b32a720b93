package environment_test

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/test/framework"
)

var _ = Describe("An Environment that cannot be made", func() {
	It("waits for its class, and proceeds when that comes", func(ctx context.Context) {
		p := newPlace(ctx)
		class := framework.Class(framework.Name("late-"), platformv1alpha1.TierPreview)
		environment := framework.Environment(p.home, "dev", class.Name)
		Expect(admin.Create(ctx, environment)).To(Succeed())
		Eventually(ctx, framework.Read(admin, environment)).Should(
			framework.HaveCondition("Ready", metav1.ConditionFalse, "ClassNotFound", class.Name, "kubectl get environmentclasses"))
		Expect(condition.Of(read(ctx, environment))).NotTo(ContainElement(HaveField("Type", "Stalled")), "it mends itself")

		Expect(admin.Create(ctx, class)).To(Succeed())
		Expect(awaitReady(ctx, environment).Status.Tier).To(Equal(platformv1alpha1.TierPreview))
	})

	DescribeTable("says that its namespace is no team namespace",
		func(ctx context.Context, labels map[string]string, texts ...string) {
			p := newPlace(ctx)
			home := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: framework.Name("plain-"), Labels: labels}}
			Expect(admin.Create(ctx, home)).To(Succeed())
			environment := framework.Environment(home.Name, "dev", p.class.Name)
			Expect(admin.Create(ctx, environment)).To(Succeed())
			Eventually(ctx, framework.Read(admin, environment)).Should(framework.BeStalled("NotTeamNamespace", append(texts, home.Name)...))

			By("proceeding once it is labelled")
			home.Labels = map[string]string{platformv1alpha1.LabelTeam: framework.Name("t"), platformv1alpha1.LabelCostCenter: "cc-1"}
			Expect(admin.Update(ctx, home)).To(Succeed())
			awaitReady(ctx, environment)
		},
		Entry("when it has no labels", nil, "platform.towpath.dev/team", "platform.towpath.dev/cost-center"),
		Entry("when it lacks the cost centre", map[string]string{"platform.towpath.dev/team": "some"}, "platform.towpath.dev/cost-center"),
		Entry("when it lacks the team", map[string]string{"platform.towpath.dev/cost-center": "some"}, "platform.towpath.dev/team"),
		Entry("when its team cannot be part of a namespace's name",
			map[string]string{"platform.towpath.dev/team": "Shop_A.b", "platform.towpath.dev/cost-center": "some"}, "Shop_A.b", "DNS-1123"),
	)

	It("is stalled while its home bears another team, and keeps what it made", func(ctx context.Context) {
		p := newPlace(ctx)
		environment := p.ready(ctx, "dev")
		name, other := environment.Status.Namespace, framework.Name("t")
		Expect(admin.Patch(ctx, workload(p.home), merge(`{"metadata":{"labels":{"platform.towpath.dev/team":"`+other+`"}}}`))).To(Succeed())
		Eventually(ctx, framework.Read(admin, environment)).Should(framework.BeStalled("NotTeamNamespace", p.team, other))
		Expect(read(ctx, workload(name)).Labels).To(HaveKeyWithValue("platform.towpath.dev/team", p.team))

		Expect(admin.Patch(ctx, workload(p.home), merge(`{"metadata":{"labels":{"platform.towpath.dev/team":null}}}`))).To(Succeed())
		Eventually(ctx, framework.Read(admin, environment)).Should(framework.BeStalled("NotTeamNamespace", "must bear the labels"))

		Expect(admin.Patch(ctx, workload(p.home), merge(`{"metadata":{"labels":{"platform.towpath.dev/team":"`+p.team+`"}}}`))).To(Succeed())
		awaitReady(ctx, environment)
	})

	It("does not take over a namespace, and proceeds when the name is free", func(ctx context.Context) {
		p := newPlace(ctx)
		foreign := workload(p.team + "-dev")
		foreign.Labels = map[string]string{"owner": "somebody"}
		Expect(admin.Create(ctx, foreign)).To(Succeed())
		// The namespace controller and the publisher of the cluster's CA write there once.
		Eventually(ctx, framework.Read(admin, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: foreign.Name, Name: "default"}})).ShouldNot(BeNil())
		before := read(ctx, foreign)

		environment := framework.Environment(p.home, "dev", p.class.Name)
		Expect(admin.Create(ctx, environment)).To(Succeed())
		Eventually(ctx, framework.Read(admin, environment)).Should(framework.BeStalled("NamespaceTaken", foreign.Name, "another name, or ask the platform team whose it is", "make the environment anew with spec.adoptNamespace: "+foreign.Name))
		Expect(admin.Patch(ctx, foreign, merge(`{"metadata":{"labels":{"touched":"1"}}}`))).To(Succeed())
		Expect(admin.Patch(ctx, p.class, merge(`{"metadata":{"labels":{"touched":"1"}}}`))).To(Succeed())
		// The class has just woken the Environment: a pass that wrote would show within two seconds.
		Consistently(ctx, func() (framework.Audit, error) {
			log, err := cluster.Audit()
			return log.ByTowpath().About(foreign.Name).Succeeded(), err
		}).Should(BeEmpty())
		after := read(ctx, foreign)
		Expect(after.Labels).To(HaveKeyWithValue("owner", "somebody"))
		Expect(after.Annotations).To(Equal(before.Annotations))

		By("freeing the name")
		Expect(admin.Delete(ctx, foreign)).To(Succeed())
		awaitReady(ctx, environment)
		Expect(read(ctx, workload(foreign.Name)).UID).NotTo(Equal(foreign.UID))
	})

	It("leaves a foreign namespace behind when it is deleted", func(ctx context.Context) {
		p := newPlace(ctx)
		foreign := workload(p.team + "-dev")
		Expect(admin.Create(ctx, foreign)).To(Succeed())
		environment := framework.Environment(p.home, "dev", p.class.Name)
		Expect(admin.Create(ctx, environment)).To(Succeed())
		Eventually(ctx, framework.Read(admin, environment)).Should(framework.BeStalled("NamespaceTaken"))
		Expect(admin.Delete(ctx, environment)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, environment)).Should(BeTrue())
		Expect(read(ctx, foreign).DeletionTimestamp).To(BeNil())
	})

	It("does not take over an account, says so, and proceeds when it is gone", func(ctx context.Context) {
		p := newPlace(ctx)
		foreign := applier(p.team + "-dev")
		Expect(admin.Create(ctx, foreign)).To(Succeed())
		environment := framework.Environment(p.home, "dev", p.class.Name)
		Expect(admin.Create(ctx, environment)).To(Succeed())
		Eventually(ctx, framework.Read(admin, environment)).Should(framework.BeStalled("ObjectTaken", "towpath-appliers", foreign.Name))
		Expect(read(ctx, foreign).Labels).To(BeEmpty())
		Expect(admin.Delete(ctx, foreign)).To(Succeed())
		awaitReady(ctx, environment)
	})

	It("never meets an Environment of another team", func(ctx context.Context) {
		p := newPlace(ctx)
		// Joined with a hyphen, both are <a>-b-c.
		a, ab := p.team, p.team+"-b"
		other := framework.TeamNamespace(ab)
		Expect(admin.Create(ctx, other)).To(Succeed())
		first := framework.Environment(p.home, "b-c", p.class.Name)
		second := framework.Environment(other.Name, "c", p.class.Name)
		Expect(admin.Create(ctx, first)).To(Succeed())
		Expect(admin.Create(ctx, second)).To(Succeed())
		one, two := awaitReady(ctx, first), awaitReady(ctx, second)
		Expect(one.Status.Namespace).To(MatchRegexp("^" + a + "-b-c-[0-9a-f]{8}$"))
		Expect(two.Status.Namespace).To(Equal(ab + "-c"))
		Expect(read(ctx, workload(one.Status.Namespace)).Labels).To(HaveKeyWithValue("platform.towpath.dev/owner-uid", string(one.UID)))
		Expect(read(ctx, workload(two.Status.Namespace)).Labels).To(HaveKeyWithValue("platform.towpath.dev/owner-uid", string(two.UID)))
	})

	It("is fine with names at their limits", func(ctx context.Context) {
		p := newPlace(ctx)
		team := framework.Name("t") + strings.Repeat("x", 57)
		home := framework.TeamNamespace(team)
		home.Name = framework.Name("team-")
		home.Labels[platformv1alpha1.LabelCostCenter] = "c" + strings.Repeat("9", 62)
		Expect(admin.Create(ctx, home)).To(Succeed())
		environment := framework.Environment(home.Name, "e"+strings.Repeat("y", 29), p.class.Name)
		Expect(admin.Create(ctx, environment)).To(Succeed())
		Expect(awaitReady(ctx, environment).Status.Namespace).To(HaveLen(63))
	})
})

var _ = Describe("Deleting an Environment", func() {
	It("waits for its Releases, then takes away all that it made", func(ctx context.Context) {
		p := newPlace(ctx)
		environment := p.ready(ctx, "dev")
		name := environment.Status.Namespace
		space := read(ctx, workload(name))
		release := makeRelease(ctx, environment)

		Expect(admin.Delete(ctx, environment)).To(Succeed())
		Eventually(ctx, framework.Read(admin, environment)).Should(framework.HaveCondition("Ready", metav1.ConditionFalse, "Deleting", "1 Releases"))
		Eventually(ctx, framework.Read(admin, release)).Should(HaveField("DeletionTimestamp", Not(BeNil())))
		Expect(read(ctx, environment).Status.ObservedGeneration).To(Equal(read(ctx, environment).Generation))
		// The Release was deleted a moment ago: what would not wait for it would go on at once.
		Consistently(ctx, func(g Gomega) {
			g.Expect(read(ctx, workload(name)).DeletionTimestamp).To(BeNil())
			read(ctx, applier(name))
		}).Should(Succeed())

		By("letting the Release go")
		Expect(admin.Patch(ctx, release, merge(`{"metadata":{"finalizers":null}}`))).To(Succeed())
		Eventually(ctx, framework.Gone(admin, release)).Should(BeTrue())
		Eventually(ctx, framework.Gone(admin, environment)).Should(BeTrue())
		for _, object := range []client.Object{space, applier(name), binding(name, "towpath-applier"), binding(name, "towpath-applier-extra")} {
			Expect(framework.Gone(admin, object)(ctx)).To(BeTrue(), "%T", object)
		}
	})

	It("says that it waits for the namespace", func(ctx context.Context) {
		environment := newPlace(ctx).ready(ctx, "dev")
		held := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
			Namespace: environment.Status.Namespace, Name: "held", Finalizers: []string{"test.towpath.dev/hold"},
		}}
		Expect(admin.Create(ctx, held)).To(Succeed())
		Expect(admin.Delete(ctx, environment)).To(Succeed())
		Eventually(ctx, framework.Read(admin, environment)).Should(
			framework.HaveCondition("Ready", metav1.ConditionFalse, "Deleting", "Waiting until namespace "+environment.Status.Namespace))
		Expect(admin.Patch(ctx, held, merge(`{"metadata":{"finalizers":null}}`))).To(Succeed())
		Eventually(ctx, framework.Gone(admin, environment)).Should(BeTrue())
	})

	It("is at once done where nothing was made", func(ctx context.Context) {
		p := newPlace(ctx)
		environment := framework.Environment(p.home, "dev", "no-such-class")
		Expect(admin.Create(ctx, environment)).To(Succeed())
		Eventually(ctx, framework.Read(admin, environment)).Should(framework.HaveCondition("Ready", metav1.ConditionFalse, "ClassNotFound"))
		Expect(admin.Delete(ctx, environment)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, environment)).Should(BeTrue())
	})

	It("works where the namespace is gone already", func(ctx context.Context) {
		environment := newPlace(ctx).ready(ctx, "dev")
		name := environment.Status.Namespace
		space := read(ctx, workload(name))
		Expect(cluster.StopManager()).To(Succeed())
		Expect(admin.Delete(ctx, space)).To(Succeed())
		Expect(admin.Delete(ctx, environment)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, space)).Should(BeTrue())
		Expect(cluster.StartManager(ctx)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, environment)).Should(BeTrue())
		Expect(framework.Gone(admin, applier(name))(ctx)).To(BeTrue())
	})

	It("finds the namespace also where a crash kept it out of the status", func(ctx context.Context) {
		environment := newPlace(ctx).ready(ctx, "dev")
		name := environment.Status.Namespace
		space := read(ctx, workload(name))
		Expect(cluster.StopManager()).To(Succeed())
		Expect(cluster.ManagerClient.Status().Patch(ctx, environment, merge(`{"status":null}`))).To(Succeed())
		Expect(admin.Delete(ctx, environment)).To(Succeed())
		Expect(cluster.StartManager(ctx)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, environment)).Should(BeTrue())
		Expect(framework.Gone(admin, space)(ctx)).To(BeTrue())
		Expect(framework.Gone(admin, applier(name))(ctx)).To(BeTrue())
	})

	It("lets an Environment of the same name come again, with a namespace of its own", func(ctx context.Context) {
		p := newPlace(ctx)
		first := p.ready(ctx, "dev")
		space := read(ctx, workload(first.Status.Namespace))
		Expect(admin.Delete(ctx, first)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, first)).Should(BeTrue())
		second := p.ready(ctx, "dev")
		Expect(second.Status.Namespace).To(Equal(first.Status.Namespace))
		Expect(read(ctx, workload(second.Status.Namespace)).UID).NotTo(Equal(space.UID))
	})
})

// makeRelease makes a Release in an Environment, as the manager's identity since nobody else may. It is
// held by a finalizer of the suite's, for the Release controller lets one go whose Component is unknown.
func makeRelease(ctx context.Context, environment *platformv1alpha1.Environment) *platformv1alpha1.Release {
	GinkgoHelper()
	release := &platformv1alpha1.Release{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: environment.Namespace, Name: framework.Name("release-"), Finalizers: []string{"test.towpath.dev/hold"},
		},
		Spec: platformv1alpha1.ReleaseSpec{
			Number:    1,
			Component: platformv1alpha1.ReleaseComponent{Name: "unknown", UID: "unknown"},
			Environment: platformv1alpha1.ReleaseEnvironment{
				Name: environment.Name, UID: environment.UID, Namespace: environment.Status.Namespace,
				Class: environment.Spec.ClassRef.Name, Tier: environment.Status.Tier,
			},
			Template: "unknown", Revision: platformv1alpha1.RevisionReference{Name: "unknown-1", Number: 1},
			Version: "1", Cause: platformv1alpha1.CauseManual, Image: "registry.example/unknown:1",
			Team: environment.Status.Team, CostCenter: environment.Status.CostCenter, PodSecurity: environment.Status.PodSecurity,
			Inventory: []platformv1alpha1.ReleaseObject{{Resource: "config", APIVersion: "v1", Kind: "ConfigMap", Name: "config"}},
		},
	}
	Expect(cluster.ManagerClient.Create(ctx, release)).To(Succeed())
	return release
}
