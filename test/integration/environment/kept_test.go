package environment_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// merge is a patch of literals.
func merge(text string) client.Patch { return client.RawPatch(types.MergePatchType, []byte(text)) }

var _ = Describe("What an Environment keeps", func() {
	DescribeTable("the labels and annotations of its namespace",
		func(ctx context.Context, by func() client.Client, patch, key, value string) {
			name := newPlace(ctx).ready(ctx, "dev").Status.Namespace
			Expect(by().Patch(ctx, workload(name), merge(patch))).To(Succeed())
			Eventually(ctx, framework.Read(admin, workload(name))).Should(HaveField("Labels", HaveKeyWithValue(key, value)))
			Eventually(ctx, framework.Read(admin, workload(name))).Should(HaveField("Annotations", HaveKey("platform.towpath.dev/home")))
		},
		// The policy towpath-namespaces denies these to everybody but the manager.
		Entry("when a label is changed", manager, `{"metadata":{"labels":{"platform.towpath.dev/tier":"Production"}}}`, "platform.towpath.dev/tier", "Development"),
		Entry("when the pod security is loosened", manager,
			`{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"privileged"}}}`, "pod-security.kubernetes.io/enforce", "restricted"),
		Entry("when the pod security is removed", manager,
			`{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":null}}}`, "pod-security.kubernetes.io/enforce", "restricted"),
		Entry("when the way home is removed", func() client.Client { return admin },
			`{"metadata":{"annotations":{"platform.towpath.dev/home":null}}}`, "platform.towpath.dev/environment", "dev"),
	)

	It("is not the labels that others add to the namespace", func(ctx context.Context) {
		p := newPlace(ctx)
		name := p.ready(ctx, "dev").Status.Namespace
		Expect(admin.Patch(ctx, workload(name), merge(`{"metadata":{"labels":{"istio-injection":"enabled"}}}`))).To(Succeed())
		Expect(admin.Patch(ctx, p.class, merge(`{"spec":{"podSecurity":"Baseline"}}`))).To(Succeed())
		Eventually(ctx, framework.Read(admin, workload(name))).Should(HaveField("Labels", And(
			HaveKeyWithValue("pod-security.kubernetes.io/enforce", "baseline"), HaveKeyWithValue("istio-injection", "enabled"))))
	})

	It("is the namespace that it has, also where one that is made now would be called otherwise", func(ctx context.Context) {
		p := newPlace(ctx)
		had := p.team + "-deadbeef" // as before names that end in a hash were told apart
		environment := framework.Environment(p.home, "deadbeef", p.class.Name)
		Expect(cluster.StopManager()).To(Succeed())
		Expect(admin.Create(ctx, environment)).To(Succeed())
		Expect(cluster.ManagerClient.Status().Patch(ctx, environment, merge(`{"status":{"namespace":"`+had+`","team":"`+p.team+`"}}`))).To(Succeed())
		Expect(cluster.StartManager(ctx)).To(Succeed())
		Expect(awaitReady(ctx, environment).Status.Namespace).To(Equal(had))
		Expect(read(ctx, workload(had)).Labels).To(HaveKeyWithValue(platformv1alpha1.LabelOwnerUID, string(environment.UID)))
	})

	It("is the namespace itself, made anew when it was deleted", func(ctx context.Context) {
		environment := newPlace(ctx).ready(ctx, "dev")
		name := environment.Status.Namespace
		before := read(ctx, workload(name))
		By("holding the namespace in its deletion")
		held := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: "held", Finalizers: []string{"test.towpath.dev/hold"}}}
		Expect(admin.Create(ctx, held)).To(Succeed())
		Expect(admin.Delete(ctx, before)).To(Succeed())
		Eventually(ctx, framework.Read(admin, environment)).Should(framework.HaveCondition("Ready", metav1.ConditionFalse, "NamespaceTerminating", name))

		By("letting it go")
		Expect(admin.Patch(ctx, held, merge(`{"metadata":{"finalizers":null}}`))).To(Succeed())
		Eventually(ctx, framework.Gone(admin, before)).Should(BeTrue())
		awaitReady(ctx, environment)
		Expect(read(ctx, workload(name)).UID).NotTo(Equal(before.UID))
		for _, role := range []string{"towpath-applier", "towpath-applier-extra"} {
			read(ctx, binding(name, role))
		}
	})

	DescribeTable("the account to write as",
		func(ctx context.Context, patch string) {
			name := newPlace(ctx).ready(ctx, "dev").Status.Namespace
			Expect(admin.Patch(ctx, applier(name), merge(patch))).To(Succeed())
			Eventually(ctx, framework.Read(admin, applier(name))).Should(And(
				HaveField("Labels", HaveKeyWithValue("platform.towpath.dev/environment", "dev")),
				HaveField("Annotations", HaveKey("platform.towpath.dev/home")),
				HaveField("AutomountServiceAccountToken", HaveValue(BeFalse()))))
		},
		Entry("when a label is changed", `{"metadata":{"labels":{"platform.towpath.dev/environment":"other"}}}`),
		Entry("when a label is removed", `{"metadata":{"labels":{"platform.towpath.dev/environment":null}}}`),
		Entry("when the way home is removed", `{"metadata":{"annotations":null}}`),
		Entry("when its token is mounted again", `{"automountServiceAccountToken":true}`),
	)

	It("is the account itself, made anew when it was deleted", func(ctx context.Context) {
		name := newPlace(ctx).ready(ctx, "dev").Status.Namespace
		before := read(ctx, applier(name))
		Expect(admin.Delete(ctx, before)).To(Succeed())
		Eventually(ctx, framework.Read(admin, applier(name))).Should(HaveField("UID", Not(Equal(before.UID))))
	})

	DescribeTable("its bindings",
		func(ctx context.Context, change func(ctx context.Context, live *rbacv1.RoleBinding)) {
			name := newPlace(ctx).ready(ctx, "dev").Status.Namespace
			for _, role := range []string{"towpath-applier", "towpath-applier-extra"} {
				change(ctx, read(ctx, binding(name, role)))
				Eventually(ctx, framework.Read(admin, binding(name, role))).Should(And(
					HaveField("RoleRef.Name", role),
					HaveField("Subjects", ConsistOf(rbacv1.Subject{Kind: "ServiceAccount", Namespace: "towpath-appliers", Name: name})),
					HaveField("Labels", HaveKeyWithValue("app.kubernetes.io/managed-by", "towpath")),
					HaveField("Annotations", HaveKey("platform.towpath.dev/home"))))
			}
		},
		Entry("when they are deleted", func(ctx context.Context, live *rbacv1.RoleBinding) {
			Expect(admin.Delete(ctx, live)).To(Succeed())
			Eventually(ctx, framework.Gone(admin, live)).Should(BeTrue())
		}),
		Entry("when somebody takes the account's place", func(ctx context.Context, live *rbacv1.RoleBinding) {
			live.Subjects = []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: "mallory"}}
			Expect(admin.Update(ctx, live)).To(Succeed())
		}),
		Entry("when somebody joins the account", func(ctx context.Context, live *rbacv1.RoleBinding) {
			live.Subjects = append(live.Subjects, rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: "User", Name: "mallory"})
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
			forged.RoleRef = rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"}
			forged.Subjects = live.Subjects
			Expect(admin.Create(ctx, forged)).To(Succeed())
			Expect(cluster.StartManager(ctx)).To(Succeed())
		}),
	)

	It("follows the team's cost centre", func(ctx context.Context) {
		p := newPlace(ctx)
		environment := p.ready(ctx, "dev")
		Expect(admin.Patch(ctx, workload(p.home), merge(`{"metadata":{"labels":{"platform.towpath.dev/cost-center":"cc-new"}}}`))).To(Succeed())
		for _, object := range []client.Object{
			workload(environment.Status.Namespace), applier(environment.Status.Namespace), binding(environment.Status.Namespace, "towpath-applier"),
		} {
			Eventually(ctx, framework.Read(admin, object)).Should(HaveField("GetLabels()", HaveKeyWithValue("platform.towpath.dev/cost-center", "cc-new")))
		}
		Eventually(ctx, framework.Read(admin, environment)).Should(HaveField("Status.CostCenter", "cc-new"))
	})

	It("writes nothing while nothing changes, also when it looks again at everything", func(ctx context.Context) {
		p := newPlace(ctx)
		environment := p.ready(ctx, "dev")
		name := environment.Status.Namespace
		quiet := func() (framework.Audit, error) {
			log, err := cluster.Audit()
			return log.ByTowpath().Since(time.Now().Add(-time.Second)).About(name, "dev", p.home, p.class.Name), err
		}
		// The first second after Ready may hold the last writes of the making.
		Eventually(ctx, quiet).Should(BeEmpty())
		start := time.Now()

		By("waking it by each of the things that it watches")
		touch := merge(`{"metadata":{"annotations":{"test.towpath.dev/touched":"1"}}}`)
		for _, object := range []client.Object{
			environment.DeepCopy(), p.class.DeepCopy(), workload(name), workload(p.home), applier(name),
			binding(name, "towpath-applier"), binding(name, "towpath-applier-extra"),
		} {
			Expect(admin.Patch(ctx, object, touch)).To(Succeed())
		}
		// Each of the events causes a pass within milliseconds: what it wrote would show within two seconds.
		Consistently(ctx, func() (framework.Audit, error) {
			log, err := cluster.Audit()
			return log.ByTowpath().Since(start).About(name, "dev", p.home, p.class.Name), err
		}).Should(BeEmpty())

		By("restarting the manager")
		Expect(cluster.StopManager()).To(Succeed())
		Expect(cluster.StartManager(ctx)).To(Succeed())
		// It is ready once its caches are, and then goes through every object that it finds in them.
		Consistently(ctx, func() (framework.Audit, error) {
			log, err := cluster.Audit()
			return log.ByTowpath().Since(start).About(name, "dev", p.home, p.class.Name), err
		}).Should(BeEmpty())
	})
})

func manager() client.Client { return cluster.ManagerClient }

var _ = Describe("What cannot change", func() {
	It("is the class of an Environment", func(ctx context.Context) {
		p := newPlace(ctx)
		environment := p.ready(ctx, "dev")
		err := admin.Patch(ctx, environment, merge(`{"spec":{"classRef":{"name":"another"}}}`))
		Expect(err).To(MatchError(ContainSubstring("classRef must not change: make another Environment")))
	})

	It("is the tier of a class", func(ctx context.Context) {
		p := newPlace(ctx)
		err := admin.Patch(ctx, p.class, merge(`{"spec":{"tier":"Production"}}`))
		Expect(err).To(MatchError(ContainSubstring("tier must not change: make another EnvironmentClass")))
	})
})

var _ = Describe("An EnvironmentClass", func() {
	It("is accepted as it is, with restricted pods by default", func(ctx context.Context) {
		class := &platformv1alpha1.EnvironmentClass{
			ObjectMeta: metav1.ObjectMeta{Name: framework.Name("class-")},
			Spec:       platformv1alpha1.EnvironmentClassSpec{Tier: platformv1alpha1.TierStaging},
		}
		Expect(admin.Create(ctx, class)).To(Succeed())
		Eventually(ctx, framework.Read(admin, class)).Should(framework.HaveCondition("Ready", metav1.ConditionTrue, "Accepted"))
		Expect(read(ctx, class).Spec.PodSecurity).To(Equal(platformv1alpha1.PodSecurityRestricted))
	})
})
