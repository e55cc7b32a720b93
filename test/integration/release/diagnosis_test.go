package release_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

var _ = Describe("A workload whose pods do not start", func() {
	const brokenImage = "registry.example/shop:2-broken"
	// broken gives the Component an image that no node takes, and so no simulated kubelet, and returns its pod.
	broken := func(ctx context.Context, p *place, component *platformv1alpha1.Component) *corev1.Pod {
		GinkgoHelper()
		change(ctx, component, func(c *platformv1alpha1.Component) {
			c.Spec.Image = brokenImage
			c.Spec.SecretEnv = []platformv1alpha1.SecretEnvVar{{Name: "KEY", SecretKeyRef: platformv1alpha1.SecretKeyReference{Name: "payments", Key: "api-key"}}}
		})
		var pending *corev1.Pod
		Eventually(ctx, func(ctx context.Context) (*corev1.Pod, error) {
			var pods corev1.PodList
			err := admin.List(ctx, &pods, client.InNamespace(p.namespace))
			for i := range pods.Items {
				if pods.Items[i].Spec.NodeName == "" && pods.Items[i].Spec.Containers[0].Image == brokenImage {
					pending = &pods.Items[i]
				}
			}
			return pending, err
		}).ShouldNot(BeNil())
		return pending
	}
	// kubelet has its container be what a kubelet says.
	kubelet := func(ctx context.Context, pod *corev1.Pod, status corev1.ContainerStatus) {
		GinkgoHelper()
		before := pod.DeepCopy()
		status.Name, status.Image = "app", pod.Spec.Containers[0].Image
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{status}
		Expect(admin.Status().Patch(ctx, pod, client.MergeFrom(before))).To(Succeed())
	}

	It("says which Secret is missing, and the command that makes it", func(ctx context.Context) {
		p := newPlace(ctx)
		component, _ := p.settle(ctx, web())
		kubelet(ctx, broken(ctx, p, component), corev1.ContainerStatus{
			State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CreateContainerConfigError", Message: `secret "payments" not found`}},
		})
		Eventually(ctx, framework.Read(admin, p.release(2))).Should(framework.HaveCondition(isReady, no, platformv1alpha1.ReasonConfigurationMissing,
			". Secret payments does not exist in namespace "+p.namespace, // a sentence of its own after what is not ready
			"kubectl -n "+p.namespace+" create secret generic payments --from-literal=api-key=…"))
		Eventually(ctx, framework.Read(admin, component)).Should(framework.HaveCondition(isReady, no, platformv1alpha1.ReasonProgressing, "create secret generic payments"))

		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Image = "registry.example/shop:3" })
		Eventually(ctx, framework.Read(admin, component)).Should(framework.BeReady())
		p.quiet(ctx)
	})

	It("stalls on a container that ends again and again, long before the deadline of the roll-out", func(ctx context.Context) {
		p := newPlace(ctx)
		component, _ := p.settle(ctx, web())
		pod := broken(ctx, p, component)
		kubelet(ctx, pod, corev1.ContainerStatus{
			RestartCount:         4,
			State:                corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "back-off 1m20s"}},
			LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 3, Reason: "Error", Message: "password=hunter2"}},
		})
		Eventually(ctx, framework.Read(admin, p.release(2))).Should(framework.BeStalled(platformv1alpha1.ReasonCrashLoop,
			"Container app ended with exit code 3, and was started again 4 times", "kubectl -n "+p.namespace+" logs "+pod.Name))
		Eventually(ctx, framework.Read(admin, component)).Should(framework.BeStalled(platformv1alpha1.ReasonReleaseFailed, "exit code 3"))
		Expect(read(ctx, p.release(2)).Status).NotTo(WithTransform(func(s platformv1alpha1.ReleaseStatus) string { return fmt.Sprintf("%+v", s) },
			ContainSubstring("hunter2")), "what a process said is nobody's but the team's")

		By("a correction")
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Image = "registry.example/shop:3" })
		Eventually(ctx, framework.Read(admin, component)).Should(framework.BeReady(), "the pods of the version before say nothing of this one")
		p.quiet(ctx)
	})

	It("finds the cause behind many pods of the version before, which come first by name", func(ctx context.Context) {
		p := newPlace(ctx)
		component, _ := p.settle(ctx, web())
		cfg, err := cluster.Plane.ServiceAccountConfig(ctx, "kube-system", "replicaset-controller")
		Expect(err).NotTo(HaveOccurred())
		controller, err := client.New(cfg, client.Options{Scheme: admin.Scheme(), Mapper: admin.RESTMapper()})
		Expect(err).NotTo(HaveOccurred())
		var running corev1.PodList
		Expect(admin.List(ctx, &running, client.InNamespace(p.namespace))).To(Succeed())
		old := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Labels: running.Items[0].Labels}, Spec: running.Items[0].Spec}
		old.Labels["pod-template-hash"], old.Spec.NodeName = "before", ""
		old.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: "example.com/never"}}
		for i := range 260 {
			one := old.DeepCopy()
			one.Name = fmt.Sprintf("a-%d", i)
			Expect(controller.Create(ctx, one)).To(Succeed())
		}
		last := time.Now()
		Eventually(func() time.Duration { return time.Since(last) }).Should(BeNumerically(">", time.Second), "times of objects are of whole seconds")
		kubelet(ctx, broken(ctx, p, component), corev1.ContainerStatus{
			State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CreateContainerConfigError", Message: `secret "payments" not found`}},
		})
		Eventually(ctx, framework.Read(admin, p.release(2))).Should(framework.HaveCondition(isReady, no, platformv1alpha1.ReasonConfigurationMissing, "Secret payments does not exist"))
	})

	It("looks at every workload that is not ready, and not at the first alone", func(ctx context.Context) {
		p := newPlace(ctx)
		deployment := func(id, image string) platformv1alpha1.ResourceTemplate {
			return framework.Resource(id, `
apiVersion: apps/v1
kind: Deployment
metadata: {name: "${component.name}-`+id+`"}
spec:
  selector: {matchLabels: {example.com/one: `+id+`}}
  template:
    metadata: {labels: {example.com/one: `+id+`}}
    spec:
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      automountServiceAccountToken: false
      nodeSelector: {suite/node: none}
      containers:
      - {name: app, image: `+image+`, securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}
`)
		}
		p.deploy(ctx, deployment("first", "registry.example/first:1-broken"), deployment("second", "registry.example/second:1-broken"))
		var pods corev1.PodList
		Eventually(ctx, func(ctx context.Context) ([]corev1.Pod, error) {
			err := admin.List(ctx, &pods, client.InNamespace(p.namespace), client.MatchingLabels{"example.com/one": "second"})
			return pods.Items, err
		}).Should(HaveLen(1))
		kubelet(ctx, &pods.Items[0], corev1.ContainerStatus{
			State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "manifest unknown"}},
		})
		Eventually(ctx, framework.Read(admin, p.release(1))).Should(framework.BeStalled(platformv1alpha1.ReasonImagePullFailed, "Deployment shop-second", "second:1-broken cannot be pulled"))
	})

	It("says which quota is used up, where only events tell", func(ctx context.Context) {
		p := newPlace(ctx)
		quota := &corev1.ResourceQuota{
			ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: "compute"},
			Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("0")}},
		}
		Expect(admin.Create(ctx, quota)).To(Succeed())
		Eventually(ctx, framework.Read(admin, quota)).Should(HaveField("Status.Hard", HaveKey(corev1.ResourcePods)))
		component, _ := p.deploy(ctx, framework.Resource("store", `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: "${component.name}"}
spec:
  serviceName: "${component.name}"
  selector: {matchLabels: {app.kubernetes.io/name: "${component.name}"}}
  template:
    spec:
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      automountServiceAccountToken: false
      containers:
      - {name: app, image: "${release.image}", securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}
`))
		Eventually(ctx, framework.Read(admin, p.release(1))).Should(framework.HaveCondition(isReady, no, platformv1alpha1.ReasonQuotaExceeded,
			"StatefulSet shop: 0 of 1 replicas", "Quota compute of namespace "+p.namespace+" is used up: 0 of 0 pods used, 1 more is asked for"))
		Expect(read(ctx, component)).NotTo(framework.BeReady())

		By("more room")
		change(ctx, quota, func(q *corev1.ResourceQuota) { q.Spec.Hard[corev1.ResourcePods] = resource.MustParse("5") })
		Eventually(ctx, framework.Read(admin, component)).WithTimeout(2*time.Minute).Should(framework.BeReady(), "Kubernetes tries again with growing pauses")
	})
})
