package release_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// scaled is a Deployment whose pods an autoscaler counts, with that: it keeps two at least, and six of version 2.0.0.
func scaled() []platformv1alpha1.ResourceTemplate {
	return []platformv1alpha1.ResourceTemplate{webOf(0), framework.Resource("autoscaler", `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: "${component.name}"}
spec:
  minReplicas: "${release.image.endsWith(':2.0.0') ? 6 : 2}"
  maxReplicas: 8
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: "${component.name}"}
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}]
`)}
}

// set is a StatefulSet that deletes the claims of pods that it scales down.
func set() platformv1alpha1.ResourceTemplate {
	return framework.Resource("set", `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: "${component.name}-set"}
spec:
  replicas: 2
  serviceName: "${component.name}"
  podManagementPolicy: Parallel
  persistentVolumeClaimRetentionPolicy: {whenDeleted: Delete, whenScaled: Delete}
  selector: {matchLabels: {app.kubernetes.io/name: "${component.name}", part: set}}
  template:
    metadata: {labels: {part: set}}
    spec:
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      automountServiceAccountToken: false
      containers:
      - name: app
        image: "${release.image}"
        resources: {requests: {cpu: 250m, memory: 512Mi}}
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
`)
}

func nightly() platformv1alpha1.ResourceTemplate {
	return framework.Resource("nightly", `
apiVersion: batch/v1
kind: CronJob
metadata: {name: "${component.name}-nightly"}
spec:
  schedule: "0 3 1 1 *"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
          automountServiceAccountToken: false
          containers:
          - name: app
            image: "${release.image}"
            securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
`)
}

// asleep says whether the environment of a place is to sleep.
func (p *place) asleep(ctx context.Context, sleeps bool) {
	GinkgoHelper()
	environment := framework.Environment(p.home, "dev", "")
	change(ctx, environment, func(e *platformv1alpha1.Environment) {
		e.Spec.Sleep = nil
		if sleeps {
			e.Spec.Sleep = &platformv1alpha1.EnvironmentSleep{Mode: platformv1alpha1.SleepAlways}
		}
	})
	want := platformv1alpha1.StateAwake
	if sleeps {
		want = platformv1alpha1.StateAsleep
	}
	Eventually(ctx, framework.Read(admin, environment)).Should(HaveField("Status.Sleep.State", want))
}

func (p *place) statefulSet() *appsv1.StatefulSet {
	return &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: "shop-set"}}
}

func (p *place) cronJob() *batchv1.CronJob {
	return &batchv1.CronJob{ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: "shop-nightly"}}
}

// scale does what an autoscaler does: it writes the number of pods by the subresource for that.
func scale(ctx context.Context, object client.Object, replicas int32) {
	GinkgoHelper()
	body := &autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: replicas}}
	Expect(admin.SubResource("scale").Update(ctx, object, client.WithSubResourceBody(body))).To(Succeed())
}

func haveReplicas(n int) OmegaMatcher {
	return HaveField("Spec.Replicas", HaveValue(BeNumerically("==", n)))
}

// pods are those of the Component that are not on their way out.
func (p *place) pods(ctx context.Context) ([]string, error) {
	var list corev1.PodList
	err := admin.List(ctx, &list, client.InNamespace(p.namespace))
	var names []string
	for i := range list.Items {
		if list.Items[i].DeletionTimestamp == nil {
			names = append(names, list.Items[i].Name)
		}
	}
	return names, err
}

// since is since when the Release has been Ready.
func since(release *platformv1alpha1.Release) time.Time {
	return meta.FindStatusCondition(release.Status.Conditions, isReady).LastTransitionTime.Time
}

// watchWaking returns what gives the Environment as it was when it was first awake, from now on; nil until it is.
func (p *place) watchWaking(ctx context.Context) func() *platformv1alpha1.Environment {
	GinkgoHelper()
	c, err := client.NewWithWatch(cluster.Plane.AdminConfig(), client.Options{Scheme: admin.Scheme()})
	Expect(err).NotTo(HaveOccurred())
	var list platformv1alpha1.EnvironmentList
	Expect(admin.List(ctx, &list, client.InNamespace(p.home))).To(Succeed())
	events, err := c.Watch(ctx, &platformv1alpha1.EnvironmentList{}, client.InNamespace(p.home), &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: list.ResourceVersion}})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(events.Stop)
	var first *platformv1alpha1.Environment
	return func() *platformv1alpha1.Environment {
		for first == nil {
			select {
			case event := <-events.ResultChan():
				if e, ok := event.Object.(*platformv1alpha1.Environment); ok && e.Status.Sleep != nil && !e.Asleep() {
					first = e
				}
			default:
				return nil
			}
		}
		return first
	}
}

var _ = Describe("A Release in an environment that sleeps", func() {
	It("has no pods, starts nothing, and comes back exactly as it was, as the same Release", func(ctx context.Context) {
		p := newPlace(ctx)
		component, _ := p.settle(ctx, webOf(3), set(), nightly(), service())
		Eventually(ctx, framework.Read(admin, component)).Should(framework.BeReady())
		before := read(ctx, p.release(1))
		templates := func() []any {
			return []any{read(ctx, p.deployment()).Spec.Template, read(ctx, p.statefulSet()).Spec.Template, read(ctx, p.cronJob()).Spec.JobTemplate}
		}
		found := templates()

		p.asleep(ctx, true)
		Eventually(ctx, framework.Read(admin, p.release(1))).Should(And(framework.HaveCondition(isReady, metav1.ConditionTrue, platformv1alpha1.ReasonAsleep, "towpath env wake -n "+p.home+" dev"),
			HaveField("Status.Sleep.Since", Not(BeNil()))))
		Expect(read(ctx, p.deployment())).To(And(haveReplicas(0), HaveField("Annotations", HaveKeyWithValue(platformv1alpha1.AnnotationAwake, "3"))))
		Expect(read(ctx, p.statefulSet())).To(And(haveReplicas(0), HaveField("Spec.PersistentVolumeClaimRetentionPolicy.WhenScaled", appsv1.RetainPersistentVolumeClaimRetentionPolicyType)))
		Expect(read(ctx, p.cronJob())).To(HaveField("Spec.Suspend", HaveValue(BeTrue())))
		Eventually(ctx, p.pods).Should(BeEmpty())
		asleep := read(ctx, p.release(1))
		Expect(since(asleep)).To(Equal(since(before)), "it was Ready all the time")
		Expect(asleep.Status.Objects).To(ContainElement(And(HaveField("Kind", "Deployment"), HaveField("Health", platformv1alpha1.ObjectReady), HaveField("AwakeReplicas", HaveValue(BeNumerically("==", 3))))))
		Eventually(ctx, framework.Read(admin, component)).Should(framework.HaveCondition(isReady, metav1.ConditionTrue, platformv1alpha1.ReasonReady, "Asleep in dev"))
		environment := framework.Environment(p.home, "dev", "")
		Eventually(ctx, framework.Read(admin, environment)).Should(And(
			framework.HaveCondition(platformv1alpha1.ConditionAsleep, metav1.ConditionTrue, platformv1alpha1.ReasonAsleep, "towpath env wake -n "+p.home+" dev"),
			HaveField("Status.Sleep.Saving.Pods", BeNumerically("==", 5)), HaveField("Status.Sleep.Saving.CPU", WithTransform(milli, BeNumerically("==", 500)))))

		By("nothing is written while it sleeps, nor by another manager")
		written := len(p.quiet(ctx))
		Expect(cluster.StopManager()).To(Succeed())
		Expect(cluster.StartManager(ctx)).To(Succeed())
		Consistently(ctx, p.writes).Should(HaveLen(written))

		By("somebody scales it up, which is put back")
		scale(ctx, p.deployment(), 2)
		Eventually(ctx, framework.Read(admin, p.deployment())).Should(And(haveReplicas(0), HaveField("Annotations", HaveKeyWithValue(platformv1alpha1.AnnotationAwake, "3"))))
		change(ctx, p.cronJob(), func(c *batchv1.CronJob) { c.Spec.Suspend = new(false) })
		Eventually(ctx, framework.Read(admin, p.cronJob())).Should(HaveField("Spec.Suspend", HaveValue(BeTrue())))

		By("waking")
		firstAwake := p.watchWaking(ctx)
		p.asleep(ctx, false)
		Eventually(ctx, firstAwake).Should(HaveField("Status.Sleep", And(HaveField("State", platformv1alpha1.StateAwake), HaveField("Saving", BeNil()))), "one status says all of it")
		Eventually(ctx, framework.Read(admin, p.release(1))).Should(And(framework.HaveCondition(isReady, metav1.ConditionTrue, platformv1alpha1.ReasonReady), HaveField("Status.Sleep.WokeAt", Not(BeNil()))))
		Expect(read(ctx, p.deployment())).To(And(haveReplicas(3), HaveField("Status.AvailableReplicas", BeNumerically(">=", 2)), HaveField("Annotations", Not(HaveKey(platformv1alpha1.AnnotationAwake)))))
		Expect(read(ctx, p.statefulSet())).To(And(haveReplicas(2), HaveField("Spec.PersistentVolumeClaimRetentionPolicy.WhenScaled", appsv1.DeletePersistentVolumeClaimRetentionPolicyType)))
		Expect(read(ctx, p.cronJob())).To(HaveField("Spec.Suspend", HaveValue(BeFalse())))
		Expect(templates()).To(Equal(found), "the same pods come back")
		Expect(read(ctx, p.deployment()).Annotations).To(HaveKeyWithValue("deployment.kubernetes.io/revision", "1"))
		Expect(framework.Gone(admin, p.release(2))(ctx)).To(BeTrue(), "no Release was made")
		p.quiet(ctx)
		Eventually(ctx, framework.Read(admin, environment)).Should(And(HaveField("Status.Sleep.Saving", BeNil()), HaveField("Status.Sleep.Saved.PodHours", MatchRegexp(`^0[.][0-9]{3}$`))))
	})

	It("leaves the pods that it had to its autoscaler, also where a Release comes in between", func(ctx context.Context) {
		p := newPlace(ctx)
		component, _ := p.settle(ctx, scaled()...)
		scale(ctx, p.deployment(), 5)
		Eventually(ctx, framework.Read(admin, p.deployment())).Should(HaveField("Status.AvailableReplicas", BeNumerically("==", 5)))

		p.asleep(ctx, true)
		Eventually(ctx, framework.Read(admin, p.deployment())).Should(And(haveReplicas(0), HaveField("Annotations", HaveKeyWithValue(platformv1alpha1.AnnotationAwake, "5"))))
		autoscaler := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: "shop"}}
		Eventually(ctx, framework.Read(admin, autoscaler)).WithTimeout(time.Minute).Should(HaveField("Status.Conditions", ContainElement(And(
			HaveField("Type", autoscalingv2.ScalingActive), HaveField("Reason", "ScalingDisabled")))), "Kubernetes' own autoscaler leaves it alone")
		p.asleep(ctx, false)
		Eventually(ctx, framework.Read(admin, p.release(1))).Should(framework.HaveCondition(isReady, metav1.ConditionTrue, platformv1alpha1.ReasonReady))
		Expect(read(ctx, p.deployment())).To(haveReplicas(5))
		Consistently(ctx, framework.Read(admin, p.deployment())).Should(haveReplicas(5), "nobody's default sets it to one")

		By("a Release in the night, which asks for more pods at least")
		scale(ctx, p.deployment(), 4)
		Eventually(ctx, framework.Read(admin, p.deployment())).Should(haveReplicas(4))
		p.asleep(ctx, true)
		Eventually(ctx, framework.Read(admin, p.deployment())).Should(haveReplicas(0))
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Image = "registry.example/shop:2.0.0" })
		Eventually(ctx, framework.Read(admin, p.release(2))).Should(And(framework.HaveCondition(isReady, metav1.ConditionTrue, platformv1alpha1.ReasonAsleep, "will show when it wakes"), HaveField("Status.ReadyAt", BeNil())))
		Expect(read(ctx, p.deployment())).To(And(haveReplicas(0), HaveField("Annotations", HaveKeyWithValue(platformv1alpha1.AnnotationAwake, "4")),
			HaveField("Spec.Template.Spec.Containers", ContainElement(HaveField("Image", "registry.example/shop:2.0.0")))))
		By("somebody deletes the object, and takes off what it says")
		Expect(admin.Delete(ctx, p.deployment())).To(Succeed())
		Eventually(ctx, framework.Read(admin, p.deployment())).Should(And(haveReplicas(0), HaveField("Annotations", HaveKeyWithValue(platformv1alpha1.AnnotationAwake, "4"))))
		Expect(admin.Patch(ctx, p.deployment(), client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"`+platformv1alpha1.AnnotationAwake+`":null}}}`)))).To(Succeed())
		Eventually(ctx, framework.Read(admin, p.deployment())).Should(HaveField("Annotations", HaveKeyWithValue(platformv1alpha1.AnnotationAwake, "4")))
		p.asleep(ctx, false)
		Eventually(ctx, framework.Read(admin, p.release(2))).Should(And(framework.HaveCondition(isReady, metav1.ConditionTrue, platformv1alpha1.ReasonReady), HaveField("Status.ReadyAt", Not(BeNil()))))
		Expect(read(ctx, p.deployment())).To(haveReplicas(6))
	})

	It("goes when its Component is deleted, and wakes when it is let go", func(ctx context.Context) {
		p := newPlace(ctx)
		component, _ := p.settle(ctx, webOf(3), nightly())
		p.asleep(ctx, true)
		Eventually(ctx, framework.Read(admin, p.deployment())).Should(haveReplicas(0))
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.DeletionPolicy = platformv1alpha1.DeletionOrphan })
		Expect(admin.Delete(ctx, component)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, component)).Should(BeTrue())
		Expect(read(ctx, p.deployment())).To(And(haveReplicas(3), HaveField("Labels", Not(HaveKey(platformv1alpha1.LabelOwnerUID))), HaveField("Annotations", Not(HaveKey(platformv1alpha1.AnnotationAwake)))))
		Expect(read(ctx, p.cronJob())).To(HaveField("Spec.Suspend", HaveValue(BeFalse())))

		q := newPlace(ctx)
		component, _ = q.settle(ctx, webOf(3))
		q.asleep(ctx, true)
		Eventually(ctx, framework.Read(admin, q.deployment())).Should(haveReplicas(0))
		Expect(admin.Delete(ctx, component)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, component)).Should(BeTrue())
		Expect(framework.Gone(admin, q.deployment())(ctx)).To(BeTrue())
	})

	It("that only takes over leaves what it found as it is, and its first version sleeps", func(ctx context.Context) {
		namespace := found(ctx)
		p, _ := adopting(ctx, namespace)
		p.asleep(ctx, true)
		for _, object := range []client.Object{&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "legacy-web"}}, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "legacy-service"}}} {
			allow(ctx, object, "shop")
		}
		component, _ := p.adopt(ctx, web(), service())
		legacyWeb := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "legacy-web"}}
		Eventually(ctx, framework.Read(admin, p.release(1))).Should(framework.HaveCondition(isReady, metav1.ConditionTrue, platformv1alpha1.ReasonReady))
		Expect(read(ctx, legacyWeb)).To(haveReplicas(2))
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Image = "registry.example/shop:2.0.0" })
		Eventually(ctx, framework.Read(admin, p.release(2))).Should(framework.HaveCondition(isReady, metav1.ConditionTrue, platformv1alpha1.ReasonAsleep))
		Expect(read(ctx, legacyWeb)).To(haveReplicas(0))
		p.asleep(ctx, false)
		Eventually(ctx, framework.Read(admin, p.release(2))).Should(framework.HaveCondition(isReady, metav1.ConditionTrue, platformv1alpha1.ReasonReady))
		Expect(read(ctx, legacyWeb)).To(haveReplicas(1))
	})
})

func milli(q resource.Quantity) int64 { return q.MilliValue() }
