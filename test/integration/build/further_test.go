package build_test

import (
	"context"
	"errors"
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

// recordedAs is what was built elsewhere, with that result.
func recordedAs(result platformv1alpha1.BuildResult) func(*platformv1alpha1.Build) {
	return func(b *platformv1alpha1.Build) {
		b.Spec.Result = result
		if result == platformv1alpha1.BuildSucceeded {
			b.Spec.Image = "registry.example/shop/checkout:1"
		}
	}
}

var _ = Describe("A changed pipeline", func() {
	It("restarts nothing, and counts for Builds that begin from then on", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("test")}})
		t.create(ctx, recordedAs(platformv1alpha1.BuildSucceeded))
		Eventually(ctx, framework.Read(admin, t.component)).Should(framework.BeReady())
		settings := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: t.workload, Name: "checkout-settings"}}
		before, err := framework.Read(admin, settings)(ctx)
		Expect(err).NotTo(HaveOccurred())
		running := t.create(ctx)
		t.job(ctx, running, "clone")

		live, err := framework.Read(admin, t.template)(ctx)
		Expect(err).NotTo(HaveOccurred())
		was := live.DeepCopy()
		live.Spec.Pipeline.Stages = []platformv1alpha1.Stage{stage("other")}
		Expect(admin.Patch(ctx, live, client.MergeFrom(was))).To(Succeed())
		Eventually(ctx, framework.Read(admin, t.component)).Should(HaveField("Status.Environments", ConsistOf(HaveField("Revision", BeEquivalentTo(2)))))
		Eventually(ctx, framework.Read(admin, t.component)).Should(framework.BeReady())
		after, err := framework.Read(admin, settings)(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(after.ResourceVersion).To(Equal(before.ResourceVersion), "the object is the same to the byte")

		t.succeeds(ctx, running, "clone", "test")
		Eventually(ctx, framework.Read(admin, running)).Should(And(framework.BeReady(), HaveField("Status.Place.Revision", BeEquivalentTo(1))))
		next := t.create(ctx)
		Eventually(ctx, framework.States(admin, next)).Should(Equal("clone=Running other=Waiting"))
	})
})

var _ = Describe("Builds that have ended", func() {
	It("are kept up to a number, and those that something names", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("test")}})
		named := t.create(ctx, recordedAs(platformv1alpha1.BuildSucceeded), func(b *platformv1alpha1.Build) { b.Name = "a-named" })
		Eventually(ctx, framework.Read(admin, t.component)).Should(And(HaveField("Status.Build", named.Name), framework.BeReady()))
		for range 24 {
			t.create(ctx, recordedAs(platformv1alpha1.BuildFailed))
		}
		all := func(ctx context.Context) ([]platformv1alpha1.Build, error) {
			var list platformv1alpha1.BuildList
			err := admin.List(ctx, &list, client.InNamespace(t.home))
			return list.Items, err
		}
		Eventually(ctx, all).Should(HaveLen(21))
		Expect(all(ctx)).To(ContainElement(HaveField("Name", named.Name)))
	})

	It("and those that run write nothing while nothing happens", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{Concurrency: platformv1alpha1.ConcurrencyQueue, Stages: []platformv1alpha1.Stage{stage("test")}})
		ended := t.create(ctx, recordedAs(platformv1alpha1.BuildFailed))
		running := t.create(ctx)
		waits := t.create(ctx)
		t.job(ctx, running, "clone")
		Eventually(ctx, framework.States(admin, running)).Should(HavePrefix("clone=Running"))
		Eventually(ctx, framework.Read(admin, waits)).Should(framework.HaveCondition(platformv1alpha1.ConditionReady, "False", platformv1alpha1.ReasonBuildQueued))
		Eventually(ctx, framework.Read(admin, ended)).Should(HaveField("Status.Result", platformv1alpha1.BuildFailed))
		versions := func(ctx context.Context) ([]string, error) {
			var list platformv1alpha1.BuildList
			if err := admin.List(ctx, &list, client.InNamespace(t.home)); err != nil {
				return nil, err
			}
			var all []string
			for i := range list.Items {
				all = append(all, list.Items[i].ResourceVersion)
			}
			return all, nil
		}
		Eventually(ctx, framework.Read(admin, running)).Should(HaveField("OwnerReferences", HaveLen(1)))
		first, err := versions(ctx)
		Expect(err).NotTo(HaveOccurred())
		Consistently(ctx, versions, "3s").Should(Equal(first))
	})
})

var _ = Describe("A full namespace", func() {
	It("has a stage wait, and go on once there is room", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("test")}})
		quota := &corev1.ResourceQuota{
			ObjectMeta: metav1.ObjectMeta{Namespace: t.workload, Name: "full"},
			Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{"count/jobs.batch": resource.MustParse("0")}},
		}
		Expect(admin.Create(ctx, quota)).To(Succeed())
		Eventually(ctx, framework.Read(admin, quota)).Should(HaveField("Status.Hard", Not(BeEmpty())))
		b := t.create(ctx)
		Eventually(ctx, framework.Read(admin, b)).Should(framework.HaveCondition(platformv1alpha1.ConditionReady, "False", platformv1alpha1.ReasonQuotaExceeded, "Stage clone waits: Quota full of namespace "+t.workload+" is used up"))
		Expect(framework.States(admin, b)(ctx)).To(Equal("clone=Waiting test=Waiting"))
		Expect(admin.Delete(ctx, quota)).To(Succeed())
		touch(ctx, b)
		t.succeeds(ctx, b, "clone", "test")
		Eventually(ctx, framework.Read(admin, b)).Should(framework.BeReady())
	})
})

var _ = Describe("A stage whose pod does not run", func() {
	It("says why", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("test")}})
		b := t.create(ctx)
		job := t.job(ctx, b, "clone")
		Eventually(ctx, func(ctx context.Context) error {
			var pods corev1.PodList
			if err := admin.List(ctx, &pods, client.InNamespace(t.workload), client.MatchingLabels{"batch.kubernetes.io/job-name": job.Name}); err != nil {
				return err
			}
			if len(pods.Items) != 1 {
				return errors.New("no pod yet")
			}
			before := pods.Items[0].DeepCopy()
			pods.Items[0].Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "stage", Image: "registry.example/git:1", State: corev1.ContainerState{
				Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "Back-off pulling image"},
			}}}
			return admin.Status().Patch(ctx, &pods.Items[0], client.MergeFrom(before))
		}).Should(Succeed(), "the kubelet cannot pull the image")
		later(ctx, b, time.Minute)
		Eventually(ctx, framework.Read(admin, b)).Should(framework.HaveCondition(platformv1alpha1.ConditionReady, "False", platformv1alpha1.ReasonBuilding,
			"Stage clone runs; 0 of 2 have ended. Stage clone: ", "registry.example/git:1"))
		t.succeeds(ctx, b, "clone", "test")
		Eventually(ctx, framework.Read(admin, b)).Should(And(framework.BeReady(), HaveField("Status.Stages", HaveEach(HaveField("Message", BeEmpty())))))
	})
})

var _ = Describe("A matrix", func() {
	It("runs side by side, each run with its values", func(ctx context.Context) {
		many := stage("test")
		many.Image, many.Matrix = "registry.example/golang:${matrix.go}", []platformv1alpha1.MatrixAxis{{Name: "go", Values: []string{"1.25", "1.26"}}}
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{many, stage("image", "test")}})
		b := t.create(ctx)
		t.succeeds(ctx, b, "clone")
		Eventually(ctx, framework.States(admin, b)).Should(Equal("clone=Succeeded test-1=Running test-2=Running image=Waiting"))
		Expect(t.job(ctx, b, "test-2").Spec.Template.Spec.Containers).To(ConsistOf(And(
			HaveField("Image", "registry.example/golang:1.26"), HaveField("Env", ContainElement(corev1.EnvVar{Name: "MATRIX_GO", Value: "1.26"})))))
		t.succeeds(ctx, b, "test-1", "test-2", "image")
		Eventually(ctx, framework.Read(admin, b)).Should(framework.BeReady())
	})
})

var _ = Describe("The end of the Environment of a Build", func() {
	It("cancels it", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("test")}})
		b := t.create(ctx)
		t.job(ctx, b, "clone")
		Expect(admin.Delete(ctx, framework.Environment(t.home, "dev", class))).To(Succeed())
		Eventually(ctx, framework.Read(admin, b)).Should(And(framework.BeStalled(platformv1alpha1.ReasonBuildCancelled, "Environment dev, in which it ran, is gone"),
			HaveField("Status.Result", platformv1alpha1.BuildCancelled)))
		Expect(admin.Delete(ctx, b)).To(Succeed())
		gone(ctx, b)
	})
})

var _ = Describe("A stage that pushed", func() {
	It("tells those after it the digest, and a stage that fails tells nothing", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("image"), stage("scan", "image")}})
		b := t.create(ctx)
		t.succeeds(ctx, b, "clone")
		t.ends(ctx, b, "image", corev1.PodSucceeded, digest)
		job := t.job(ctx, b, "scan")
		Expect(job.Spec.Template.Spec.Containers[0].Env).To(ContainElement(corev1.EnvVar{Name: "TOWPATH_BUILT_IMAGE", Value: "registry.example/shop/checkout@" + digest}))
		t.ends(ctx, b, "scan", corev1.PodFailed, digest)
		Eventually(ctx, framework.Read(admin, b)).Should(And(framework.BeStalled(platformv1alpha1.ReasonBuildFailed), HaveField("Status.Image", "")))
	})
})
