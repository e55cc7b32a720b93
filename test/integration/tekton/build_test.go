package tekton_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

const (
	digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	// slow is for what Tekton does after a time of its own.
	slow = 60 * time.Second
)

var _ = Describe("A Build that Tekton's own controller runs", func() {
	It("has its stages in order, in restricted pods without a token, and brings its image to a Release", func(ctx context.Context) {
		publish := stage("publish", "image")
		publish.When = "${build.tag != ''}"
		notify := stage("notify", "publish")
		t := begin(ctx, stage("test"), stage("lint"), platformv1alpha1.Stage{Standard: platformv1alpha1.StageImage, Name: "image", Needs: []string{"test", "lint"}}, publish, notify)
		b := t.create(ctx)
		clone := t.pod(ctx, b, "clone")
		restricted(clone)
		Expect(clone.Labels).To(And(HaveKeyWithValue(platformv1alpha1.LabelBuild, b.Name), HaveKeyWithValue(platformv1alpha1.LabelComponent, "checkout.build"), HaveKey(platformv1alpha1.LabelCostCenter)))
		Consistently(ctx, func(ctx context.Context) ([]corev1.Pod, error) { return t.pods(ctx, b, "") }, "2s").Should(HaveLen(1), "nothing begins before the sources are there")
		Eventually(ctx, framework.States(admin, b)).Should(Equal("clone=Running test=Waiting lint=Waiting image=Waiting publish=Skipped notify=Waiting"))
		t.succeeds(ctx, b, "clone", "lint")
		Consistently(ctx, func(ctx context.Context) ([]corev1.Pod, error) { return t.pods(ctx, b, "image") }, "2s").Should(BeEmpty(), "it needs both")
		t.succeeds(ctx, b, "test")
		t.ends(ctx, b, "image", 0, "image="+digest)
		after := t.pod(ctx, b, "notify")
		restricted(after)
		Expect(after.Spec.Containers).To(HaveExactElements(HaveField("Env", ContainElement(corev1.EnvVar{Name: "TOWPATH_BUILT_IMAGE", Value: "registry.example/shop/checkout@" + digest}))))
		t.succeeds(ctx, b, "notify")
		Eventually(ctx, framework.Read(admin, b)).Should(And(framework.BeReady(),
			HaveField("Status.Result", platformv1alpha1.BuildSucceeded), HaveField("Status.Image", "registry.example/shop/checkout@"+digest),
			HaveField("Status.Stages", HaveLen(6))))
		Eventually(ctx, framework.Read(admin, t.component)).Should(And(HaveField("Status.Build", b.Name), framework.BeReady()))
		config := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: t.workload, Name: "checkout-settings"}}
		Expect(framework.Read(admin, config)(ctx)).To(HaveField("Data", HaveKeyWithValue("image", "registry.example/shop/checkout@"+digest)))

		By("leaving no volume, and no placeholder of Tekton")
		Eventually(ctx, func(ctx context.Context) ([]corev1.PersistentVolumeClaim, error) {
			var claims corev1.PersistentVolumeClaimList
			err := admin.List(ctx, &claims, client.InNamespace(t.workload))
			return claims.Items, err
		}).Should(BeEmpty())
		Eventually(ctx, func(ctx context.Context) ([]appsv1.StatefulSet, error) {
			var list appsv1.StatefulSetList
			err := admin.List(ctx, &list, client.InNamespace(t.workload))
			return list.Items, err
		}).Should(BeEmpty())
	})

	It("fails with a stage that fails, and begins no other", func(ctx context.Context) {
		t := begin(ctx, stage("test"), stage("image", "test"))
		b := t.create(ctx)
		t.succeeds(ctx, b, "clone")
		t.ends(ctx, b, "test", 7)
		Eventually(ctx, framework.Read(admin, b)).Should(framework.BeStalled(platformv1alpha1.ReasonBuildFailed, "Stage test failed: It ended with exit code 7"))
		Expect(framework.States(admin, b)(ctx)).To(Equal("clone=Succeeded test=Failed image=Cancelled"))
		Expect(t.pods(ctx, b, "image")).To(BeEmpty())
	})

	It("tries a stage again as often as it says", func(ctx context.Context) {
		again := stage("test")
		again.Retries = 1
		t := begin(ctx, again)
		b := t.create(ctx)
		t.succeeds(ctx, b, "clone")
		t.ends(ctx, b, "test", 1)
		t.ends(ctx, b, "test", 0)
		Expect(t.pods(ctx, b, "test")).To(HaveLen(2))
		Eventually(ctx, framework.Read(admin, b)).Should(framework.BeReady())
	})

	It("ends a stage that takes too long", func(ctx context.Context) {
		long := stage("test")
		long.TimeoutSeconds = 10
		t := begin(ctx, long)
		b := t.create(ctx)
		t.succeeds(ctx, b, "clone")
		t.starts(ctx, b, "test")
		Eventually(ctx, framework.Read(admin, b)).WithTimeout(slow).Should(framework.BeStalled(platformv1alpha1.ReasonBuildFailed, "Stage test failed: It took longer than 10 seconds"))
	})

	It("is cancelled where a newer one overtakes it, with its pods", func(ctx context.Context) {
		t := begin(ctx, stage("test"))
		first := t.create(ctx)
		t.starts(ctx, first, "clone")
		second := t.create(ctx)
		Eventually(ctx, framework.Read(admin, first)).WithTimeout(slow).Should(HaveField("Status.Result", platformv1alpha1.BuildCancelled))
		Eventually(ctx, func(ctx context.Context) ([]corev1.Pod, error) { return t.pods(ctx, first, "") }).Should(BeEmpty(), "Tekton deletes what it cancels")
		Expect(framework.States(admin, first)(ctx)).To(Equal("clone=Cancelled test=Cancelled"))
		t.succeeds(ctx, second, "clone", "test")
		Eventually(ctx, framework.Read(admin, second)).Should(framework.BeReady())
	})

	It("goes with everything when it is deleted", func(ctx context.Context) {
		t := begin(ctx, stage("test"))
		b := t.create(ctx)
		t.starts(ctx, b, "clone")
		Expect(admin.Delete(ctx, b)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, b)).WithTimeout(slow).Should(BeTrue())
		Eventually(ctx, func(ctx context.Context) bool { _, err := t.run(ctx, b); return gone(err) }).Should(BeTrue())
		Eventually(ctx, func(ctx context.Context) ([]corev1.Pod, error) { return t.pods(ctx, b, "") }).Should(BeEmpty())
	})

	It("waits for room in the quota, and says so", func(ctx context.Context) {
		t := begin(ctx, stage("test"))
		quota := &corev1.ResourceQuota{
			ObjectMeta: metav1.ObjectMeta{Namespace: t.workload, Name: "full"},
			Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("0")}},
		}
		Expect(admin.Create(ctx, quota)).To(Succeed())
		Eventually(ctx, framework.Read(admin, quota)).Should(HaveField("Status.Hard", Not(BeEmpty())))
		b := t.create(ctx)
		Eventually(ctx, framework.Read(admin, b)).Should(HaveField("Status.Stages", ContainElement(And(HaveField("Name", "clone"), HaveField("Message", ContainSubstring("room in the quota"))))))
		Expect(admin.Delete(ctx, quota)).To(Succeed())
		Eventually(ctx, func(ctx context.Context) ([]corev1.Pod, error) { return t.pods(ctx, b, "clone") }).WithTimeout(100*time.Second).Should(HaveLen(1), "Tekton tries again after a minute")
		t.succeeds(ctx, b, "clone", "test")
		Eventually(ctx, framework.Read(admin, b)).Should(framework.BeReady())
	})

	It("tells where an image cannot be pulled, and where a Secret is missing", func(ctx context.Context) {
		secret := stage("deploy", "test")
		secret.SecretEnv = []platformv1alpha1.SecretEnvVar{{Name: "TOKEN", SecretKeyRef: platformv1alpha1.SecretKeyReference{Name: "none", Key: "token"}}}
		t := begin(ctx, stage("test"), secret)
		for _, tc := range []struct{ stage, reason, want string }{
			{"test", "ImagePullBackOff", "Stage test failed: Its image cannot be pulled"},
			{"deploy", "CreateContainerConfigError", "Stage deploy failed: Its container cannot be made: a Secret that it names"},
		} {
			b := t.create(ctx)
			t.succeeds(ctx, b, "clone")
			if tc.stage == "deploy" {
				t.succeeds(ctx, b, "test")
			}
			tell(ctx, t.pod(ctx, b, tc.stage), corev1.PodPending, corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: tc.reason, Message: "the registry said hunter2"}})
			Eventually(ctx, framework.Read(admin, b)).WithTimeout(slow).Should(framework.BeStalled(platformv1alpha1.ReasonBuildFailed, tc.want))
		}
	})

	It("tells where Tekton cannot ask the registry for the entry point of an image", func(ctx context.Context) {
		plain := stage("test")
		plain.Script, plain.Args, plain.Image = "", []string{"--version"}, "registry.invalid/tool:1"
		t := begin(ctx, plain)
		b := t.create(ctx)
		t.succeeds(ctx, b, "clone")
		Eventually(ctx, framework.Read(admin, b)).WithTimeout(slow).Should(framework.BeStalled(platformv1alpha1.ReasonBuildFailed, "Stage test failed: Its pod cannot be made", "the stage has args alone"))
	})

	It("fails where Tekton's admission refuses its PipelineRun, with what that says", Serial, func(ctx context.Context) {
		setFlag(ctx, "disable-inline-spec", "pipelinerun")
		DeferCleanup(func(ctx context.Context) { setFlag(ctx, "disable-inline-spec", "") })
		t := begin(ctx, stage("test"))
		b := t.create(ctx)
		Eventually(ctx, framework.Read(admin, b)).WithTimeout(slow).Should(framework.BeStalled(platformv1alpha1.ReasonBuildFailed, "validation.webhook.pipeline.tekton.dev", "pipelineSpec"))
	})

	It("needs set-security-context, where pods are held to the restricted level, and says so", Serial, func(ctx context.Context) {
		setFlag(ctx, "set-security-context", "false")
		DeferCleanup(func(ctx context.Context) { setFlag(ctx, "set-security-context", "true") })
		t := begin(ctx, stage("test"))
		b := t.create(ctx)
		Eventually(ctx, framework.Read(admin, b)).WithTimeout(slow).Should(framework.BeStalled(platformv1alpha1.ReasonBuildFailed, "set-security-context to \"true\" in ConfigMap feature-flags"))
	})
})

// restricted says that a pod of Tekton's is what the guard lets through, with the containers that Tekton adds.
func restricted(pod *corev1.Pod) {
	GinkgoHelper()
	Expect(pod.Spec.AutomountServiceAccountToken).To(HaveValue(BeFalse()))
	Expect(pod.Spec.ServiceAccountName).To(Equal("default"))
	Expect(pod.Spec.SecurityContext).To(HaveValue(And(HaveField("RunAsNonRoot", HaveValue(BeTrue())), HaveField("RunAsUser", HaveValue(BeEquivalentTo(65532))))))
	for _, volume := range pod.Spec.Volumes {
		Expect(volume.Projected).To(BeNil(), "no token")
		Expect(volume.HostPath).To(BeNil())
	}
	names := []string{}
	for _, c := range append(append([]corev1.Container{}, pod.Spec.InitContainers...), pod.Spec.Containers...) {
		names = append(names, c.Name)
		Expect(c.SecurityContext).To(HaveValue(And(HaveField("AllowPrivilegeEscalation", HaveValue(BeFalse())), HaveField("Capabilities.Drop", ConsistOf(corev1.Capability("ALL"))))), c.Name)
	}
	Expect(names).To(Equal([]string{"prepare", "step-stage"}), "no script is placed by Tekton, and no folder made")
}
