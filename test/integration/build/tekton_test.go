package build_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// byTekton has Tekton build the Component.
func (t *team) byTekton(ctx context.Context) {
	GinkgoHelper()
	before := t.component.DeepCopy()
	t.component.Spec.Source.Engine = platformv1alpha1.EngineTekton
	Expect(admin.Patch(ctx, t.component, client.MergeFrom(before))).To(Succeed())
}

var _ = Describe("A Build by Tekton", func() {
	BeforeEach(installTekton)

	It("is one PipelineRun, whose tasks tell how the stages are, and gives the digest that was pushed", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("test"), stage("image", "test")}})
		t.byTekton(ctx)
		b := t.create(ctx)
		run := t.pipelineRun(ctx, b)
		Eventually(ctx, framework.States(admin, b)).Should(Equal("clone=Waiting test=Waiting image=Waiting"))
		run.begins(ctx)
		run.task(ctx, "clone")
		Eventually(ctx, framework.States(admin, b)).Should(Equal("clone=Running test=Waiting image=Waiting"))
		Eventually(ctx, framework.Read(admin, b)).Should(framework.HaveCondition(platformv1alpha1.ConditionReady, "False", platformv1alpha1.ReasonBuilding, "Stage clone runs; 0 of 3 have ended"))
		run.taskEnds(ctx, "clone", "True", "Succeeded")
		run.task(ctx, "test")
		Eventually(ctx, framework.States(admin, b)).Should(Equal("clone=Succeeded test=Running image=Waiting"))
		run.taskEnds(ctx, "test", "True", "Succeeded")
		run.passes(ctx, "image", result("image", "registry.example/shop/checkout@"+digest+"\n"))
		Eventually(ctx, framework.States(admin, b)).Should(Equal("clone=Succeeded test=Succeeded image=Succeeded"))
		// Nothing can go wrong any more, whatever becomes of the PipelineRun.
		run.ends(ctx, "True", "Succeeded")
		Eventually(ctx, framework.Read(admin, b)).Should(And(framework.BeReady(),
			HaveField("Status.Result", platformv1alpha1.BuildSucceeded), HaveField("Status.Image", "registry.example/shop/checkout@"+digest),
			HaveField("Status.Place.PipelineRun", run.name), HaveField("Status.Stages", HaveEach(And(
				HaveField("TaskRun", HavePrefix(run.name)), HaveField("StartedAt", Not(BeNil())), HaveField("CompletedAt", Not(BeNil())))))))
		Eventually(ctx, t.left).Should(BeEmpty(), "there are no Jobs, and the volume goes")
		Eventually(ctx, framework.Read(admin, t.component)).Should(And(HaveField("Status.Build", b.Name), framework.BeReady()))

		version := read(ctx, b).ResourceVersion
		Consistently(ctx, func(ctx context.Context) string { return read(ctx, b).ResourceVersion }, "2s").Should(Equal(version), "nothing is written while nothing happens")
		later(ctx, b, 24*time.Hour-time.Minute)
		Consistently(ctx, run.exists, "1s").Should(BeTrue(), "it stays for its logs")
		later(ctx, b, 3*time.Minute)
		Eventually(ctx, run.exists).Should(BeFalse(), "Tekton deletes none")
	})

	It("runs its pods without a token, an account and rights, and with the labels of costs, which Tekton copies", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("test")}})
		t.byTekton(ctx)
		b := t.create(ctx)
		run := t.pipelineRun(ctx, b)
		template, _, _ := unstructured.NestedMap(run.live(ctx).Object, "spec", "taskRunTemplate")
		Expect(template).To(And(HaveKeyWithValue("serviceAccountName", "default"), HaveKeyWithValue("podTemplate", And(
			HaveKeyWithValue("automountServiceAccountToken", false), HaveKeyWithValue("securityContext", HaveKeyWithValue("runAsNonRoot", true))))))
		labels := run.live(ctx).GetLabels()
		Expect(labels).To(And(HaveKeyWithValue(platformv1alpha1.LabelBuild, b.Name), HaveKeyWithValue(platformv1alpha1.LabelComponent, "checkout.build"), HaveKey(platformv1alpha1.LabelTeam)))

		assistant := func(labels, ofPods map[string]string) *appsv1.StatefulSet {
			return &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: t.workload, Name: "affinity-assistant-1", Labels: labels}, Spec: appsv1.StatefulSetSpec{
				Selector: &metav1.LabelSelector{MatchLabels: ofPods},
				Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: ofPods}, Spec: corev1.PodSpec{
					Containers: []corev1.Container{{Name: "affinity-assistant", Image: "registry.example/nop:1"}}}},
			}}
		}
		// Tekton makes such a one, which keeps the pods of a run on one node.
		with := func(key, value string) map[string]string {
			changed := maps.Clone(labels)
			changed[key] = value
			return changed
		}
		Expect(tekton().Create(ctx, assistant(labels, labels), client.DryRunAll)).To(Succeed())
		Expect(admin.Create(ctx, assistant(labels, labels), client.DryRunAll)).To(MatchError(Or(ContainSubstring("towpath-labels"), ContainSubstring("towpath-templates"))), "and nobody else")
		for _, forged := range []map[string]string{
			with(platformv1alpha1.LabelTeam, "other"), with(platformv1alpha1.LabelCostCenter, "other"), with(platformv1alpha1.LabelComponent, "checkout"),
		} {
			Expect(tekton().Create(ctx, assistant(forged, forged), client.DryRunAll)).To(MatchError(ContainSubstring("towpath-labels")), "%v", forged)
			Expect(tekton().Create(ctx, assistant(labels, forged), client.DryRunAll)).To(MatchError(ContainSubstring("towpath-templates")), "%v", forged)
		}
	})

	It("fails with the stage that fails, says why, and repeats nothing that a stage has printed", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("test"), stage("image", "test")}})
		t.byTekton(ctx)
		b := t.create(ctx)
		run := t.pipelineRun(ctx, b)
		run.begins(ctx)
		run.passes(ctx, "clone")
		run.task(ctx, "test")
		run.taskEnds(ctx, "test", "False", "Failed", exit(7))
		run.ends(ctx, "False", "Failed")
		Eventually(ctx, framework.Read(admin, b)).Should(And(framework.BeStalled(platformv1alpha1.ReasonBuildFailed, "Stage test failed: It ended with exit code 7"),
			HaveField("Status.Result", platformv1alpha1.BuildFailed), HaveField("Status.Image", "")))
		Expect(framework.States(admin, b)(ctx)).To(Equal("clone=Succeeded test=Failed image=Cancelled"))
		Expect(read(ctx, b).Status).NotTo(HaveField("Stages", ContainElement(HaveField("Message", ContainSubstring("hunter2")))))
		Eventually(ctx, t.left).Should(BeEmpty())
	})

	It("has succeeded with its last stage, though its PipelineRun is deleted then", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("test")}})
		t.byTekton(ctx)
		b := t.create(ctx)
		run := t.pipelineRun(ctx, b)
		run.begins(ctx)
		run.passes(ctx, "clone")
		run.passes(ctx, "test")
		Eventually(ctx, framework.States(admin, b)).Should(Equal("clone=Succeeded test=Succeeded"))
		Expect(client.IgnoreNotFound(admin.Delete(ctx, run.live(ctx)))).To(Succeed())
		Eventually(ctx, framework.Read(admin, b)).Should(And(framework.BeReady(), HaveField("Status.Result", platformv1alpha1.BuildSucceeded)))
	})

	It("believes no TaskRun that Tekton did not make", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("image")}})
		t.byTekton(ctx)
		b := t.create(ctx)
		run := t.pipelineRun(ctx, b)
		run.begins(ctx)
		run.passes(ctx, "clone")
		run.forged(ctx, "image")
		run.taskEnds(ctx, "image", "True", "Succeeded", result("image", digest))
		run.ends(ctx, "True", "Succeeded")
		Eventually(ctx, framework.Read(admin, b)).Should(framework.BeStalled(platformv1alpha1.ReasonBuildFailed, "not all of its stages have run"))
		Expect(read(ctx, b).Status.Image).To(BeEmpty())
	})

	It("is cancelled where a newer one takes its place, and keeps its PipelineRun for the logs", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("test")}})
		t.byTekton(ctx)
		old := t.create(ctx)
		run := t.pipelineRun(ctx, old)
		run.begins(ctx)
		run.task(ctx, "clone")
		Eventually(ctx, framework.States(admin, old)).Should(Equal("clone=Running test=Waiting"))
		newer := t.create(ctx)
		Eventually(ctx, framework.Read(admin, old)).Should(And(framework.BeStalled(platformv1alpha1.ReasonBuildCancelled, "Build "+newer.Name), HaveField("Status.Result", platformv1alpha1.BuildCancelled)))
		Expect(run.cancelled(ctx)).To(BeTrue())
		t.pipelineRun(ctx, newer)
	})

	It("fails when it takes longer than the pipeline may, and cancels its PipelineRun", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{TimeoutSeconds: 60, Stages: []platformv1alpha1.Stage{stage("test")}})
		t.byTekton(ctx)
		b := t.create(ctx)
		run := t.pipelineRun(ctx, b)
		later(ctx, b, 61*time.Second)
		Eventually(ctx, framework.Read(admin, b)).Should(framework.BeStalled(platformv1alpha1.ReasonBuildFailed, "did not end within 1m0s"))
		Expect(run.cancelled(ctx)).To(BeTrue())
	})

	It("takes its PipelineRun with it when it is deleted, and fails where somebody deletes that", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("test")}})
		t.byTekton(ctx)
		b := t.create(ctx)
		run := t.pipelineRun(ctx, b)
		run.begins(ctx)
		Expect(admin.Delete(ctx, b)).To(Succeed())
		gone(ctx, b)
		Eventually(ctx, run.exists).Should(BeFalse())
		Eventually(ctx, t.left).Should(BeEmpty())

		other := t.create(ctx)
		run = t.pipelineRun(ctx, other)
		Eventually(ctx, framework.Read(admin, other)).Should(HaveField("Status.Place.PipelineRun", run.name))
		Expect(admin.Delete(ctx, run.live(ctx))).To(Succeed())
		Eventually(ctx, framework.Read(admin, other)).Should(framework.BeStalled(platformv1alpha1.ReasonBuildFailed, "was deleted before it had ended"))
	})

	It("answers with its pods for no Job of a Build by Jobs, whatever labels they bear", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("image")}})
		b := t.create(ctx)
		t.succeeds(ctx, b, "clone")
		job := t.job(ctx, b, "image")
		labels := maps.Clone(job.Spec.Template.Labels)
		labels[batchv1.JobNameLabel] = job.Name
		// One that belongs to nobody would be the Job's by Kubernetes' own rules; those of Tekton belong to a TaskRun, in whose place this stands.
		owner := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: t.workload, Name: "owner"}}
		Expect(admin.Create(ctx, owner)).To(Succeed())
		// The first by name is the first that is listed.
		forged := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: t.workload, Name: "a-pod-of-tekton", Labels: labels}, Spec: *job.Spec.Template.Spec.DeepCopy()}
		forged.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(owner, corev1.SchemeGroupVersion.WithKind("ConfigMap"))}
		Expect(tekton().Create(ctx, forged)).To(Succeed())
		forged.Status.Phase = corev1.PodSucceeded
		forged.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "stage", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			Message: "sha256:" + strings.Repeat("ef", 32),
		}}}}
		Expect(admin.Status().Update(ctx, forged)).To(Succeed())
		Eventually(ctx, func(ctx context.Context) error {
			var pods corev1.PodList
			if err := admin.List(ctx, &pods, client.InNamespace(t.workload), client.MatchingLabels{batchv1.JobNameLabel: job.Name}); err != nil {
				return err
			}
			for i := range pods.Items {
				pod := &pods.Items[i]
				if pod.Name == forged.Name {
					continue
				}
				pod.Status.Phase = corev1.PodSucceeded
				pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "stage", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Message: digest}}}}
				return admin.Status().Update(ctx, pod)
			}
			return fmt.Errorf("Job %s has no pod yet", job.Name)
		}).Should(Succeed())
		Eventually(ctx, framework.Read(admin, b)).Should(And(framework.BeReady(), HaveField("Status.Image", "registry.example/shop/checkout@"+digest)))
	})

	It("ends as cancelled where somebody cancels its PipelineRun", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("test")}})
		t.byTekton(ctx)
		b := t.create(ctx)
		run := t.pipelineRun(ctx, b)
		run.begins(ctx)
		run.task(ctx, "clone")
		run.taskEnds(ctx, "clone", "False", "TaskRunCancelled")
		run.ends(ctx, "False", "Cancelled")
		Eventually(ctx, framework.Read(admin, b)).Should(framework.BeStalled(platformv1alpha1.ReasonBuildCancelled, "Somebody cancelled PipelineRun "+run.name))
	})

	It("goes on where a manager ended in the middle", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("test")}})
		t.byTekton(ctx)
		b := t.create(ctx)
		run := t.pipelineRun(ctx, b)
		run.begins(ctx)
		Expect(cluster.StopManager()).To(Succeed())
		for _, name := range []string{"clone", "test"} {
			run.task(ctx, name)
			run.taskEnds(ctx, name, "True", "Succeeded")
		}
		run.ends(ctx, "True", "Completed")
		Expect(cluster.StartManager(ctx)).To(Succeed())
		Eventually(ctx, framework.Read(admin, b)).Should(And(framework.BeReady(), HaveField("Status.Image", "registry.example/shop/checkout:"+b.Spec.Commit.SHA)))
	})

	It("waits while Tekton is not there, and neither it nor the manager minds when Tekton comes or goes", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("test")}})
		t.byTekton(ctx)
		removeTekton(ctx)
		b := t.create(ctx)
		missing := framework.HaveCondition(platformv1alpha1.ConditionReady, "False", platformv1alpha1.ReasonEngineNotInstalled, "have Tekton Pipelines installed")
		seen := func(ctx context.Context) (*platformv1alpha1.Build, error) {
			touch(ctx, b) // it looks again after half a minute by itself
			return framework.Read(admin, b)(ctx)
		}
		Eventually(ctx, seen).Should(And(missing, HaveField("Status.Place", BeNil())))
		jobs := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("test")}})
		other := jobs.create(ctx)
		jobs.succeeds(ctx, other, "clone", "test")
		Eventually(ctx, framework.Read(admin, other)).Should(framework.BeReady(), "others need none")

		installTekton(ctx)
		Eventually(ctx, seen).Should(HaveField("Status.Place.PipelineRun", Not(BeEmpty())))
		t.pipelineRun(ctx, b).begins(ctx)
		removeTekton(ctx)
		Eventually(ctx, seen).Should(Or(missing, framework.BeStalled(platformv1alpha1.ReasonBuildFailed, "was deleted before it had ended")))
		installTekton(ctx)
		Eventually(ctx, seen).Should(framework.BeStalled(platformv1alpha1.ReasonBuildFailed, "was deleted before it had ended"))
		again := t.create(ctx)
		run := t.pipelineRun(ctx, again)
		run.begins(ctx)
		run.task(ctx, "clone")
		Eventually(ctx, framework.States(admin, again)).Should(Equal("clone=Running test=Waiting"), "what comes back is watched")
	})
})
