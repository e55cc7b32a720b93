package tekton_test

import (
	"context"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/pipeline/jobs"
	"github.com/towpath-dev/towpath/test/framework"
)

// team is the home of the Component of a spec, and its environment.
type team struct {
	home, workload string
	component      *platformv1alpha1.Component
	builds         int
}

// stage runs a script.
func stage(name string, needs ...string) platformv1alpha1.Stage {
	return platformv1alpha1.Stage{Name: name, Image: "registry.example/shell:1", Script: "true", Needs: needs}
}

// begin makes a team, an environment, a template with a pipeline of these stages, and a Component that Tekton builds by it.
func begin(ctx context.Context, stages ...platformv1alpha1.Stage) *team {
	GinkgoHelper()
	name := framework.Name("shop-")
	t := &team{home: "team-" + name}
	Expect(admin.Create(ctx, framework.TeamNamespace(name))).To(Succeed())
	environment := framework.Environment(t.home, "dev", class)
	Expect(admin.Create(ctx, environment)).To(Succeed())
	Eventually(ctx, framework.Read(admin, environment)).Should(framework.BeReady())
	live, err := framework.Read(admin, environment)(ctx)
	Expect(err).NotTo(HaveOccurred())
	t.workload = live.Status.Namespace
	template := framework.Template(framework.Name("built-"), framework.ConfigMap("settings"))
	template.Spec.Pipeline = &platformv1alpha1.Pipeline{Stages: stages}
	Expect(admin.Create(ctx, template)).To(Succeed())
	Eventually(ctx, framework.Read(admin, template)).Should(framework.BeReady())
	t.component = framework.Component(t.home, "checkout", template.Name, "dev")
	t.component.Spec.Image = ""
	t.component.Spec.Source = &platformv1alpha1.Source{
		Repository: "https://git.example/shop/checkout", Trigger: platformv1alpha1.TriggerNone, Image: "registry.example/shop/checkout", Engine: platformv1alpha1.EngineTekton,
	}
	Expect(admin.Create(ctx, t.component)).To(Succeed())
	return t
}

// create makes a Build of a commit of its own.
func (t *team) create(ctx context.Context) *platformv1alpha1.Build {
	GinkgoHelper()
	t.builds++
	b := &platformv1alpha1.Build{
		ObjectMeta: metav1.ObjectMeta{Namespace: t.home, Name: fmt.Sprintf("checkout-%d", t.builds)},
		Spec: platformv1alpha1.BuildSpec{
			Component: "checkout", Branch: "main", Commit: platformv1alpha1.BuildCommit{SHA: fmt.Sprintf("%040x", t.builds)},
		},
	}
	Expect(admin.Create(ctx, b)).To(Succeed())
	return b
}

// run is the PipelineRun of a Build.
func (t *team) run(ctx context.Context, b *platformv1alpha1.Build) (*unstructured.Unstructured, error) {
	run := &unstructured.Unstructured{}
	run.SetAPIVersion("tekton.dev/v1")
	run.SetKind("PipelineRun")
	return run, admin.Get(ctx, client.ObjectKey{Namespace: t.workload, Name: jobs.Name("checkout", b.UID, "pipeline")}, run)
}

// pods are those that Tekton made for a stage of a Build, as they are.
func (t *team) pods(ctx context.Context, b *platformv1alpha1.Build, stage string) ([]corev1.Pod, error) {
	var list corev1.PodList
	labels := client.MatchingLabels{"tekton.dev/pipelineRun": jobs.Name("checkout", b.UID, "pipeline")}
	if stage != "" {
		labels["tekton.dev/pipelineTask"] = stage
	}
	err := admin.List(ctx, &list, client.InNamespace(t.workload), labels, client.HasLabels{"tekton.dev/taskRun"})
	return list.Items, err
}

// pod is the one of a stage that waits for a kubelet.
func (t *team) pod(ctx context.Context, b *platformv1alpha1.Build, stage string) *corev1.Pod {
	GinkgoHelper()
	var found *corev1.Pod
	Eventually(ctx, func(ctx context.Context) error {
		pods, err := t.pods(ctx, b, stage)
		for i := range pods {
			if pods[i].Status.Phase == corev1.PodPending && pods[i].DeletionTimestamp.IsZero() {
				found = &pods[i]
				return err
			}
		}
		return fmt.Errorf("none of %d pods of stage %s waits: %w", len(pods), stage, err)
	}).Should(Succeed())
	return found
}

// tell is what the kubelet says of a pod.
func tell(ctx context.Context, pod *corev1.Pod, phase corev1.PodPhase, step corev1.ContainerState) {
	GinkgoHelper()
	before := pod.DeepCopy()
	pod.Status.Phase = phase
	pod.Status.ContainerStatuses = nil
	for _, c := range pod.Spec.Containers {
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{
			Name: c.Name, Image: c.Image, ImageID: c.Image, State: step, Ready: step.Running != nil, Started: ptr.To(step.Running != nil),
		})
	}
	Expect(admin.Status().Patch(ctx, pod, client.MergeFrom(before))).To(Succeed())
}

// starts has the pod of a stage run.
func (t *team) starts(ctx context.Context, b *platformv1alpha1.Build, stage string) *corev1.Pod {
	GinkgoHelper()
	pod := t.pod(ctx, b, stage)
	tell(ctx, pod, corev1.PodRunning, corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}})
	return pod
}

// ends has the pod of a stage run, and end with a code and with the results that its step wrote.
func (t *team) ends(ctx context.Context, b *platformv1alpha1.Build, stage string, code int32, results ...string) {
	GinkgoHelper()
	pod, phase, reason := t.starts(ctx, b, stage), corev1.PodSucceeded, "Completed"
	if code != 0 {
		phase, reason = corev1.PodFailed, "Error"
	}
	tell(ctx, pod, phase, corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
		ExitCode: code, Reason: reason, StartedAt: metav1.Now(), FinishedAt: metav1.Now(), Message: message(results...)}})
}

func (t *team) succeeds(ctx context.Context, b *platformv1alpha1.Build, stages ...string) {
	GinkgoHelper()
	for _, stage := range stages {
		t.ends(ctx, b, stage, 0)
	}
}

// gone says that an object is.
func gone(err error) bool { return apierrors.IsNotFound(err) }
