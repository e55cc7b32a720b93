// Package build_test shows on a real cluster how a Build goes through the stages of its pipeline. There are no nodes: the suite says how
// each pod ends, as a kubelet would, and the Job controller of Kubernetes does the rest.
package build_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/manager"
	"github.com/towpath-dev/towpath/internal/pipeline/jobs"
	"github.com/towpath-dev/towpath/test/framework"
)

// patience is how long a Build waits until its registry may be asked.
const patience = time.Minute

// class is that of every environment.
const class = "suite-development"

var (
	cluster *framework.Cluster
	admin   client.Client
	// now is the manager's clock. It stands still until a spec sets it.
	now = testingclock.NewFakePassiveClock(time.Now())
)

func TestBuild(t *testing.T) {
	RegisterFailHandler(Fail)
	framework.SetTimeouts()
	RunSpecs(t, "Build")
}

var _ = BeforeSuite(func(ctx context.Context) {
	var err error
	cluster, err = framework.Start(ctx, framework.Options{Log: GinkgoWriter, Clock: now})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(cluster.Stop()).To(Succeed()) })
	cluster.Configure = func(c *manager.Configuration) {
		c.Pipeline.Images.Clone, c.Pipeline.Cache.Size = "registry.example/git:1", "2Gi"
		c.Pipeline.Buildkitd = "tcp://buildkitd.example:1234"
	}
	admin = cluster.Client
	Expect(cluster.StartManager(ctx)).To(Succeed())
	Expect(admin.Create(ctx, framework.Class(class, platformv1alpha1.TierDevelopment))).To(Succeed())
})

// team is the home of the Component of a spec, and its environment.
type team struct {
	home, workload string
	component      *platformv1alpha1.Component
	template       *platformv1alpha1.ServiceTemplate
	builds         int
}

// stage runs a script.
func stage(name string, needs ...string) platformv1alpha1.Stage {
	return platformv1alpha1.Stage{Name: name, Image: "registry.example/shell:1", Script: "true", Needs: needs}
}

// begin makes a team, an environment, a template with a pipeline of these stages, and a Component that is built by it.
// change is what else of the template is another.
func begin(ctx context.Context, pipeline platformv1alpha1.Pipeline, change ...func(*platformv1alpha1.ServiceTemplate)) *team {
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
	t.template = framework.Template(framework.Name("built-"), framework.ConfigMap("settings"))
	t.template.Spec.Parameters = framework.JSON(`{type: object, properties: {version: {type: string, default: "1.26"}}}`)
	t.template.Spec.Pipeline = &pipeline
	for _, do := range change {
		do(t.template)
	}
	Expect(admin.Create(ctx, t.template)).To(Succeed())
	Eventually(ctx, framework.Read(admin, t.template)).Should(framework.BeReady())
	t.component = framework.Component(t.home, "checkout", t.template.Name, "dev")
	t.component.Spec.Image = ""
	t.component.Spec.Source = &platformv1alpha1.Source{
		Repository: "https://git.example/shop/checkout", Trigger: platformv1alpha1.TriggerNone, Image: "registry.example/shop/checkout",
	}
	Expect(admin.Create(ctx, t.component)).To(Succeed())
	return t
}

// build is one of a commit of its own.
func (t *team) build(change ...func(*platformv1alpha1.Build)) *platformv1alpha1.Build {
	t.builds++
	b := &platformv1alpha1.Build{
		ObjectMeta: metav1.ObjectMeta{Namespace: t.home, Name: fmt.Sprintf("checkout-%d", t.builds)},
		Spec: platformv1alpha1.BuildSpec{
			Component: "checkout", Branch: "main", Commit: platformv1alpha1.BuildCommit{SHA: fmt.Sprintf("%040x", t.builds)},
		},
	}
	for _, do := range change {
		do(b)
	}
	return b
}

// create makes a Build.
func (t *team) create(ctx context.Context, change ...func(*platformv1alpha1.Build)) *platformv1alpha1.Build {
	GinkgoHelper()
	b := t.build(change...)
	Expect(admin.Create(ctx, b)).To(Succeed())
	return b
}

// read is a Build as it is.
func read(ctx context.Context, b *platformv1alpha1.Build) *platformv1alpha1.Build {
	GinkgoHelper()
	live, err := framework.Read(admin, b)(ctx)
	Expect(err).NotTo(HaveOccurred())
	return live
}

// job is the Job of a stage.
func (t *team) job(ctx context.Context, b *platformv1alpha1.Build, stage string) *batchv1.Job {
	GinkgoHelper()
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: t.workload, Name: jobs.Name("checkout", b.UID, stage)}}
	Eventually(ctx, func(ctx context.Context) error { return admin.Get(ctx, client.ObjectKeyFromObject(job), job) }).Should(Succeed(), "the Job of stage "+stage)
	return job
}

// left are the Jobs and claims of Builds in the environment.
func (t *team) left(ctx context.Context) ([]string, error) {
	var names []string
	var all batchv1.JobList
	if err := admin.List(ctx, &all, client.InNamespace(t.workload), client.HasLabels{platformv1alpha1.LabelBuild}); err != nil {
		return nil, err
	}
	for i := range all.Items {
		if all.Items[i].DeletionTimestamp.IsZero() {
			names = append(names, "Job "+all.Items[i].Name)
		}
	}
	var claims corev1.PersistentVolumeClaimList
	if err := admin.List(ctx, &claims, client.InNamespace(t.workload)); err != nil {
		return nil, err
	}
	for i := range claims.Items {
		if claims.Items[i].DeletionTimestamp.IsZero() {
			names = append(names, "claim "+claims.Items[i].Name)
		}
	}
	return names, nil
}

// ends says that the pod of a stage has ended, and what it wrote to its file of results.
func (t *team) ends(ctx context.Context, b *platformv1alpha1.Build, stage string, phase corev1.PodPhase, wrote string) {
	GinkgoHelper()
	job := t.job(ctx, b, stage)
	Eventually(ctx, func(ctx context.Context) error {
		var pods corev1.PodList
		if err := admin.List(ctx, &pods, client.InNamespace(t.workload), client.MatchingLabels{batchv1.JobNameLabel: job.Name}); err != nil {
			return err
		}
		for i := range pods.Items {
			pod := &pods.Items[i]
			if pod.Status.Phase != corev1.PodPending || !pod.DeletionTimestamp.IsZero() {
				continue
			}
			before := pod.DeepCopy()
			code := int32(0)
			if phase == corev1.PodFailed {
				code = 1
			}
			pod.Status.Phase = phase
			pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
				Name: "stage", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Message: wrote}},
			}}
			return admin.Status().Patch(ctx, pod, client.MergeFrom(before))
		}
		return fmt.Errorf("no pod of Job %s waits", job.Name)
	}).Should(Succeed(), "a pod of stage "+stage)
}

func (t *team) succeeds(ctx context.Context, b *platformv1alpha1.Build, stages ...string) {
	GinkgoHelper()
	for _, stage := range stages {
		t.ends(ctx, b, stage, corev1.PodSucceeded, "")
	}
}
