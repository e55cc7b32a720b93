package build_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/manager"
	"github.com/towpath-dev/towpath/internal/pipeline/jobs"
	"github.com/towpath-dev/towpath/test/framework"
)

var _ = Describe("The cache of a stage", func() {
	cached := func() platformv1alpha1.Pipeline {
		with := stage("test")
		with.Cache = []string{".cache/go"}
		return platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{with, stage("other", "test")}}
	}
	// mounts are the paths in a pod at which the cache is.
	mounts := func(pod corev1.PodSpec) []string {
		var all []string
		for _, m := range pod.Containers[0].VolumeMounts {
			if m.Name == "caches" {
				all = append(all, m.MountPath+" "+m.SubPath)
			}
		}
		return all
	}

	It("is on a volume that Builds of the branch share, and that goes with the Component", func(ctx context.Context) {
		t := begin(ctx, cached())
		b := t.create(ctx)
		t.succeeds(ctx, b, "clone")
		Expect(mounts(t.job(ctx, b, "test").Spec.Template.Spec)).To(Equal([]string{"/towpath/sources/.cache/go .cache/go"}))
		t.succeeds(ctx, b, "test")
		Expect(mounts(t.job(ctx, b, "other").Spec.Template.Spec)).To(BeEmpty())
		t.succeeds(ctx, b, "other")
		Eventually(ctx, framework.Read(admin, b)).Should(framework.BeReady())
		kept := read(ctx, b).Status.Inputs.Cache
		claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: t.workload, Name: kept}}
		first, err := framework.Read(admin, claim)(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(first.Spec.Resources.Requests.Storage().String()).To(Equal("2Gi"))

		next := t.create(ctx)
		t.succeeds(ctx, next, "clone", "test", "other")
		Eventually(ctx, framework.Read(admin, next)).Should(And(framework.BeReady(), HaveField("Status.Inputs.Cache", kept)))
		Expect(admin.Delete(ctx, b)).To(Succeed())
		gone(ctx, b)
		Expect(framework.Read(admin, claim)(ctx)).To(And(HaveField("UID", first.UID), HaveField("DeletionTimestamp", BeNil())))

		Expect(admin.Delete(ctx, t.component)).To(Succeed())
		gone(ctx, next)
		Eventually(ctx, t.left).Should(BeEmpty())
	})

	It("is done without while its volume is being deleted, which pods that have ended may hold for a day", func(ctx context.Context) {
		t := begin(ctx, cached())
		b := t.create(ctx)
		t.succeeds(ctx, b, "clone", "test", "other")
		Eventually(ctx, framework.Read(admin, b)).Should(framework.BeReady())
		claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: t.workload, Name: read(ctx, b).Status.Inputs.Cache}}
		holds := func(ctx context.Context, finalizers string) {
			Expect(admin.Patch(ctx, claim, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":`+finalizers+`}}`)))).To(Succeed())
		}
		holds(ctx, `["example.com/held"]`)
		DeferCleanup(func(ctx context.Context) { holds(ctx, "null") })
		Expect(admin.Delete(ctx, claim)).To(Succeed())

		next := t.create(ctx)
		t.succeeds(ctx, next, "clone")
		Expect(mounts(t.job(ctx, next, "test").Spec.Template.Spec)).To(BeEmpty())
		t.succeeds(ctx, next, "test", "other")
		Eventually(ctx, framework.Read(admin, next)).Should(And(framework.BeReady(), HaveField("Status.Inputs.Cache", "")))
	})

	It("is another one once the platform changes its size, while a Build that runs goes on with the volumes that it has", func(ctx context.Context) {
		t := begin(ctx, cached())
		b := t.create(ctx)
		t.succeeds(ctx, b, "clone")
		t.job(ctx, b, "test")
		kept := read(ctx, b).Status.Inputs.Cache
		was := cluster.Configure
		configure := func(ctx context.Context, with func(*manager.Configuration)) {
			GinkgoHelper()
			Expect(cluster.StopManager()).To(Succeed())
			cluster.Configure = with
			Expect(cluster.StartManager(ctx)).To(Succeed())
		}
		DeferCleanup(func(ctx context.Context) { configure(ctx, was) })
		configure(ctx, func(c *manager.Configuration) {
			was(c)
			c.Pipeline.Workspace.Size, c.Pipeline.Cache.Size = "3Gi", "4Gi"
		})
		t.succeeds(ctx, b, "test", "other")
		Eventually(ctx, framework.Read(admin, b)).Should(And(framework.BeReady(), HaveField("Status.Inputs.Cache", kept)))

		next := t.create(ctx)
		t.job(ctx, next, "clone")
		cache := read(ctx, next).Status.Inputs.Cache
		Expect(cache).NotTo(Equal(kept), "what is there cannot be made smaller")
		size := func(name string) string {
			claim, err := framework.Read(admin, &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: t.workload, Name: name}})(ctx)
			Expect(err).NotTo(HaveOccurred())
			return claim.Spec.Resources.Requests.Storage().String()
		}
		Expect([]string{size(kept), size(cache), size(jobs.ClaimName("checkout", next.UID))}).To(Equal([]string{"2Gi", "4Gi", "3Gi"}))
		t.succeeds(ctx, next, "clone", "test", "other")
		Eventually(ctx, framework.Read(admin, next)).Should(framework.BeReady())
		Expect(admin.Delete(ctx, b)).To(Succeed())
		gone(ctx, b)
		old := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: t.workload, Name: kept}}
		Eventually(ctx, framework.Gone(admin, old)).Should(BeTrue(), "it goes with the last Build that used it")
		Expect(size(cache)).To(Equal("4Gi"))
	})

	It("is not for other branches", func(ctx context.Context) {
		t := begin(ctx, cached())
		b := t.create(ctx, func(b *platformv1alpha1.Build) { b.Spec.Branch = "feature" })
		t.succeeds(ctx, b, "clone")
		Expect(mounts(t.job(ctx, b, "test").Spec.Template.Spec)).To(BeEmpty())
		t.succeeds(ctx, b, "test", "other")
		Eventually(ctx, framework.Read(admin, b)).Should(And(framework.BeReady(), HaveField("Status.Inputs.Cache", "")))
	})
})
