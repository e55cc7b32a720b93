package release_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

var _ = Describe("A workload whose pods do not start", func() {
	It("says which Secret is missing, and the command that makes it", func(ctx context.Context) {
		p := newPlace(ctx)
		component, _ := p.settle(ctx, web())
		change(ctx, component, func(c *platformv1alpha1.Component) {
			c.Spec.Image = "registry.example/shop:2-broken" // no node takes it, and so no simulated kubelet
			c.Spec.SecretEnv = []platformv1alpha1.SecretEnvVar{{Name: "KEY", SecretKeyRef: platformv1alpha1.SecretKeyReference{Name: "payments", Key: "api-key"}}}
		})
		var pending *corev1.Pod
		Eventually(ctx, func(ctx context.Context) (*corev1.Pod, error) {
			var pods corev1.PodList
			err := admin.List(ctx, &pods, client.InNamespace(p.namespace))
			for i := range pods.Items {
				if pods.Items[i].Spec.NodeName == "" {
					pending = &pods.Items[i]
				}
			}
			return pending, err
		}).ShouldNot(BeNil())

		By("what a kubelet says of a container that takes a variable from a Secret that is not there")
		before := pending.DeepCopy()
		pending.Status.ContainerStatuses = []corev1.ContainerStatus{{
			Name: "app", Image: pending.Spec.Containers[0].Image,
			State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CreateContainerConfigError", Message: `secret "payments" not found`}},
		}}
		Expect(admin.Status().Patch(ctx, pending, client.MergeFrom(before))).To(Succeed())
		Eventually(ctx, framework.Read(admin, p.release(2))).Should(framework.HaveCondition(isReady, no, platformv1alpha1.ReasonProgressing,
			". Secret payments does not exist in namespace "+p.namespace, // a sentence of its own after what is not ready
			"kubectl -n "+p.namespace+" create secret generic payments --from-literal=api-key=…"))
		Eventually(ctx, framework.Read(admin, component)).Should(framework.HaveCondition(isReady, no, platformv1alpha1.ReasonProgressing, "create secret generic payments"))

		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Image = "registry.example/shop:3" })
		Eventually(ctx, framework.Read(admin, component)).Should(framework.BeReady())
		p.quiet(ctx)
	})
})
