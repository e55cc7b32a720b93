package fault_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/fault/proxy"
	"github.com/towpath-dev/towpath/test/framework"
)

// only is a condition on the verb and the resource of a call.
func only(verb, resource string) func(*proxy.Call) bool {
	return func(c *proxy.Call) bool { return c.Verb == verb && c.Resource == resource }
}

// merge is a merge patch.
func merge(text string) client.Patch { return client.RawPatch(types.MergePatchType, []byte(text)) }

var _ = Describe("A Component", func() {
	DescribeTable("that is deleted while the manager is about to", func(ctx context.Context, call func(*proxy.Call) bool) {
		release := make(chan struct{})
		between.Forget()
		between.Inject(proxy.On(proxy.Nth(1, call), proxy.Hold(release)))
		create(ctx)
		Eventually(between.Calls).WithTimeout(patience).Should(ContainElement(HaveField("Injected()", true)))
		remove(ctx)
		held := between.Calls().Injected()
		close(release)
		departs(ctx)
		Expect(held).To(HaveLen(1))
		Expect(uids(ctx)).To(BeEmpty())
		expectForeignUntouched(ctx)
	},
		Entry("make its Release", only("create", "releases.platform.towpath.dev")),
		Entry("apply a child", only("patch", "deployments.apps")),
		Entry("say what came of it", only("update", "releases.platform.towpath.dev/status")),
	)

	It("that is made anew under its name while the manager is away gets all of its own", func(ctx context.Context) {
		create(ctx)
		clear(known)
		arrives(ctx, "1", func() state { return undisturbed.created })
		before := uids(ctx)
		old, err := framework.Read(admin, newComponent())(ctx)
		Expect(err).NotTo(HaveOccurred())

		between.Away()
		remove(ctx)
		Expect(cluster.ManagerClient.Patch(ctx, newComponent(), merge(`{"metadata":{"finalizers":null}}`))).To(Succeed())
		Eventually(ctx, framework.Gone(admin, old)).Should(BeTrue())
		create(ctx)
		Expect(uids(ctx)).To(Equal(before), "the manager must not have seen it, or this shows nothing")
		between.Back()

		Eventually(ctx, framework.Read(admin, newComponent())).WithTimeout(patience).Should(framework.BeReady())
		fresh, err := framework.Read(admin, newComponent())(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(fresh.UID).NotTo(Equal(old.UID))
		now := uids(ctx)
		Expect(now).To(HaveLen(len(before)))
		for name, uid := range now {
			Expect(before).To(HaveKey(name))
			Expect(uid).NotTo(Equal(before[name]), "%s is the old Component's", name)
		}
		settle()
		var releases platformv1alpha1.ReleaseList
		Expect(admin.List(ctx, &releases, client.InNamespace(home))).To(Succeed())
		Expect(releases.Items).To(HaveEach(HaveField("Spec.Component.UID", fresh.UID)))
		Expect(releases.Items).To(HaveLen(len(path)))
		expectForeignUntouched(ctx)

		remove(ctx)
		departs(ctx)
	})

	It("serves, changes and ends without its template", func(ctx context.Context) {
		inLongForm()
		other := webTemplate()
		other.Name = "fault-deleted"
		follow(ctx, other)
		outlives(ctx, func() { Expect(admin.Delete(ctx, other)).To(Succeed()) }, func() {
			Expect(gone(ctx, other)).To(BeTrue())
		})
	})

	It("serves, changes and ends with a template that broke", func(ctx context.Context) {
		other := webTemplate()
		other.Name = "fault-broken"
		follow(ctx, other)
		outlives(ctx, func() {
			// As one that an older Towpath let in.
			Expect(admin.Patch(ctx, other, merge(`{"metadata":{"labels":{"`+framework.LabelUnchecked+`":""}}}`))).To(Succeed())
			Expect(admin.Patch(ctx, other, merge(
				`{"spec":{"resources":[{"id":"web","object":{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"${nothing.like.this}"}}}]}}`))).To(Succeed())
		}, func() {
			Eventually(ctx, framework.Read(admin, other)).Should(
				framework.HaveCondition(platformv1alpha1.ConditionReady, metav1.ConditionFalse, platformv1alpha1.ReasonCompileFailed))
		})
	})
})

// outlives leads a Component through a life whose template is lost after its creation, with a manager that has just
// started and never saw it whole.
func outlives(ctx context.Context, lose, lost func()) {
	GinkgoHelper()
	create(ctx)
	arrives(ctx, "1", func() state { return undisturbed.created })
	before := uids(ctx)
	lose()
	manager.Kill()
	Eventually(manager.answers).Should(Succeed())
	lost()
	Expect(framework.Read(admin, newComponent())(ctx)).To(framework.BeReady())
	Expect(uids(ctx)).To(Equal(before))

	update(ctx)
	Eventually(ctx, framework.Read(admin, newComponent())).WithTimeout(patience).Should(And(
		HaveField("Spec.Image", image+"2"), framework.BeReady(),
		framework.HaveCondition(platformv1alpha1.ConditionPromoted, metav1.ConditionTrue, platformv1alpha1.ReasonPromoted)))
	remove(ctx)
	Eventually(ctx, framework.Gone(admin, newComponent())).WithTimeout(patience).Should(BeTrue())
	Eventually(ctx, childrenOf).Should(BeEmpty())
	expectForeignUntouched(ctx)
}

var _ = Describe("A child", func() {
	deployment := func() *appsv1.Deployment {
		return &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: workspaces[0], Name: "shop"}}
	}
	settings := func() *corev1.ConfigMap { return settingsOf(workspaces[0]) }

	It("that somebody edits while no manager runs is as it was once one does, and keeps what is theirs", func(ctx context.Context) {
		create(ctx)
		clear(known)
		arrives(ctx, "1", func() state { return undisturbed.created })
		before := uids(ctx)
		edit := func() {
			Expect(admin.Patch(ctx, settings(), merge(`{"metadata":{"annotations":{"example.com/note":"theirs"}},"data":{"image":"other","theirs":"kept"}}`))).To(Succeed())
			Expect(admin.Patch(ctx, deployment(), merge(`{"spec":{"replicas":3,"minReadySeconds":1}}`))).To(Succeed())
		}
		mended := func() {
			GinkgoHelper()
			Eventually(ctx, framework.Read(admin, settings())).Should(And(
				HaveField("Data", Equal(map[string]string{"image": image + "1", "theirs": "kept"})),
				HaveField("Annotations", HaveKeyWithValue("example.com/note", "theirs"))))
			Eventually(ctx, framework.Read(admin, deployment())).Should(And(
				HaveField("Spec.Replicas", HaveValue(BeEquivalentTo(1))), HaveField("Spec.MinReadySeconds", BeEquivalentTo(1))))
		}
		manager.end(ctx)
		edit()
		manager.run(ctx)
		mended()

		By("while one does, and each first write fails")
		between.Inject(proxy.On(proxy.First(writes), fails))
		edit()
		mended()
		Expect(between.Calls().Injected()).NotTo(BeEmpty())
		Eventually(ctx, framework.Read(admin, newComponent())).Should(framework.BeReady())
		Expect(uids(ctx)).To(Equal(before))
		expectForeignUntouched(ctx)
	})

	It("that an autoscaler scales keeps its pods, whatever happens", func(ctx context.Context) {
		scaled := framework.Template("fault-scaled", framework.Resource("web", scaledWeb), framework.Resource("scaler", `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: "${component.name}"}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: "${component.name}"}
  minReplicas: 2
  maxReplicas: 8
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}]
`))
		Expect(admin.Create(ctx, scaled)).To(Succeed())
		golden = scaled.Name
		DeferCleanup(func(ctx context.Context) {
			golden = template
			forget(ctx, scaled)
		})
		Eventually(ctx, framework.Read(admin, scaled)).Should(framework.BeReady())
		create(ctx)
		ready := func(tag string) {
			GinkgoHelper()
			Eventually(ctx, framework.Read(admin, newComponent())).WithTimeout(patience).Should(And(HaveField("Spec.Image", image+tag), framework.BeReady(),
				framework.HaveCondition(platformv1alpha1.ConditionPromoted, metav1.ConditionTrue, platformv1alpha1.ReasonPromoted)))
		}
		ready("1")
		Expect(framework.Read(admin, deployment())(ctx)).To(HaveField("Spec.Replicas", HaveValue(BeEquivalentTo(2))))

		By("scaling as the autoscaler does")
		scale := &autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: 5}}
		Expect(admin.SubResource("scale").Update(ctx, deployment(), client.WithSubResourceBody(scale))).To(Succeed())
		Eventually(ctx, framework.Read(admin, deployment())).Should(HaveField("Status.AvailableReplicas", BeEquivalentTo(5)))
		between.Inject(proxy.On(proxy.First(writes), proxy.LoseAnswer))
		manager.Kill()
		update(ctx)
		var fewest int32 = 5
		Eventually(ctx, func(ctx context.Context) (*platformv1alpha1.Component, error) {
			live, err := framework.Read(admin, deployment())(ctx)
			if err != nil {
				return nil, err
			}
			fewest = min(fewest, *live.Spec.Replicas)
			return framework.Read(admin, newComponent())(ctx)
		}).WithTimeout(patience).Should(And(HaveField("Spec.Image", image+"2"), framework.BeReady(),
			framework.HaveCondition(platformv1alpha1.ConditionPromoted, metav1.ConditionTrue, platformv1alpha1.ReasonPromoted)))
		Expect(between.Calls().Injected()).NotTo(BeEmpty())
		Expect(fewest).To(BeEquivalentTo(5))
		Expect(framework.Read(admin, deployment())(ctx)).To(HaveField("Spec.Replicas", HaveValue(BeEquivalentTo(5))))
		remove(ctx)
		Eventually(ctx, framework.Gone(admin, newComponent())).WithTimeout(patience).Should(BeTrue())
		Eventually(ctx, childrenOf).Should(BeEmpty())
	})
})

// settingsOf is the ConfigMap that stays.
func settingsOf(namespace string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "shop-settings"}}
}

const scaledWeb = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: "${component.name}"}
spec:
  selector: {matchLabels: {app.kubernetes.io/name: "${component.name}"}}
  template:
    spec:
      automountServiceAccountToken: false
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: app
        image: "${release.image}"
        env: "${component.env}"
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
`

var _ = Describe("A workload namespace that is being deleted", func() {
	It("does not hold its Component, and is made anew with all in it when it is gone", func(ctx context.Context) {
		environment := framework.Environment(home, "ending", class)
		Expect(admin.Create(ctx, environment)).To(Succeed())
		DeferCleanup(func(ctx context.Context) {
			Expect(client.IgnoreNotFound(admin.Delete(ctx, environment))).To(Succeed())
			Eventually(ctx, framework.Gone(admin, environment)).Should(BeTrue())
		})
		Eventually(ctx, framework.Read(admin, environment)).Should(framework.BeReady())
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: teamName + "-ending"}}
		component := func(name string) *platformv1alpha1.Component {
			c := framework.Component(home, name, template, "ending")
			c.Spec.Image = image + "1"
			return c
		}
		stays, goes := component("stays"), component("goes")
		for _, c := range []client.Object{stays, goes} {
			Expect(admin.Create(ctx, c)).To(Succeed())
			DeferCleanup(func(ctx context.Context) {
				Expect(client.IgnoreNotFound(admin.Delete(ctx, c))).To(Succeed())
				Eventually(ctx, framework.Gone(admin, c)).Should(BeTrue())
			})
			Eventually(ctx, framework.Read(admin, c)).Should(framework.BeReady())
		}
		By("something of others that keeps the namespace")
		held := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace.Name, Name: "held", Finalizers: []string{"example.com/held"}}}
		Expect(admin.Create(ctx, held)).To(Succeed())
		Expect(admin.Delete(ctx, namespace)).To(Succeed())
		Eventually(ctx, framework.Read(admin, held)).Should(HaveField("DeletionTimestamp", Not(BeNil())))
		manager.Kill()

		Eventually(ctx, func(ctx context.Context) error { return admin.Delete(ctx, goes) }).Should(Succeed())
		Eventually(ctx, framework.Gone(admin, goes)).Should(BeTrue(), "a namespace that is going counts as empty")
		Expect(framework.Read(admin, stays)(ctx)).NotTo(framework.BeReady())
		Expect(gone(ctx, held)).To(BeFalse(), "it is of others")

		Expect(admin.Patch(ctx, held, merge(`{"metadata":{"finalizers":null}}`))).To(Succeed())
		Eventually(ctx, framework.Read(admin, stays)).WithTimeout(time.Minute).Should(framework.BeReady())
		Eventually(ctx, framework.Read(admin, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace.Name, Name: "stays"}})).Should(
			HaveField("Status.AvailableReplicas", BeEquivalentTo(1)))
		Expect(gone(ctx, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace.Name, Name: "goes"}})).To(BeTrue())
		expectForeignUntouched(ctx)
	})
})
