package component_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/check"
	"github.com/towpath-dev/towpath/test/framework"
)

// waiting is a check by a Job whose pod waits until a node is there for the team; see (*team).giveNode.
func (t *team) waiting() platformv1alpha1.Check {
	c := smoke()
	c.IntervalSeconds = 5
	c.Job.Spec = framework.JSON(`{template: {spec: {
  nodeSelector: {"suite/checks": "` + t.name + `"},
  securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}},
  containers: [{name: smoke, image: registry.example/smoke:1, securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]}}}`)
	return c
}

// giveNode lets the pods of the team's waiting checks run.
func (t *team) giveNode(ctx context.Context) {
	GinkgoHelper()
	var nodes corev1.NodeList
	Expect(admin.List(ctx, &nodes)).To(Succeed())
	Expect(nodes.Items).NotTo(BeEmpty())
	node := &nodes.Items[0]
	before := node.DeepCopy()
	node.Labels["suite/checks"] = t.name
	Expect(admin.Patch(ctx, node, client.MergeFrom(before))).To(Succeed())
}

// job is the only Job of an environment.
func (t *team) job(ctx context.Context, environment string) *batchv1.Job {
	GinkgoHelper()
	Eventually(ctx, t.jobs(environment)).Should(HaveLen(1))
	jobs, err := t.jobs(environment)(ctx)
	Expect(err).NotTo(HaveOccurred())
	Expect(jobs).To(HaveLen(1))
	return &jobs[0]
}

// began says that the check of a Release began long ago, as one does that a manager left alone for as long.
func began(ctx context.Context, release *platformv1alpha1.Release, ago time.Duration) {
	GinkgoHelper()
	live := read(ctx, release)
	before := live.DeepCopy()
	Expect(live.Status.Checks).To(ConsistOf(HaveField("StartedAt", Not(BeNil()))))
	at := metav1.NewTime(time.Now().Add(-ago).Truncate(time.Second))
	live.Status.Checks[0].StartedAt = &at
	Expect(cluster.ManagerClient.Status().Patch(ctx, live, client.MergeFrom(before))).To(Succeed())
}

// withoutManager does something while no manager runs.
func withoutManager(ctx context.Context, do func()) {
	GinkgoHelper()
	Expect(cluster.StopManager()).To(Succeed())
	DeferCleanup(func(ctx context.Context) {
		if cluster.Ready(ctx) != nil {
			Expect(cluster.StartManager(ctx)).To(Succeed())
		}
	})
	do()
	Expect(cluster.StartManager(ctx)).To(Succeed())
}

// theCheck matches a Release by its only check.
func theCheck(how ...OmegaMatcher) OmegaMatcher {
	return HaveField("Status.Checks", ConsistOf(And(how...)))
}

var _ = Describe("The Job of a check", func() {
	var t *team
	var component *platformv1alpha1.Component
	var first *platformv1alpha1.Release

	// begin makes a Component whose check waits.
	begin := func(ctx context.Context, how func(*platformv1alpha1.Check)) {
		GinkgoHelper()
		t = newTeam(ctx)
		waits := t.waiting()
		if how != nil {
			how(&waits)
		}
		t.addGated(ctx, "stage", checked(ctx, nil, waits))
		component = deploy(ctx, framework.Component(t.home, "shop", publish(ctx, light(framework.Name("light-"))).Name, "stage"))
		first = t.release("shop", "stage", 1)
		Eventually(ctx, framework.Read(admin, first)).Should(theCheck(HaveField("Name", "smoke")))
	}

	It("that somebody deletes says nothing, and is run again with a time of its own", func(ctx context.Context) {
		begin(ctx, nil)
		old := t.job(ctx, "stage")
		Expect(admin.Delete(ctx, old, client.PropagationPolicy(metav1.DeletePropagationBackground))).To(Succeed())
		Eventually(ctx, framework.Read(admin, first)).Should(And(
			framework.HaveCondition(isReady, no, platformv1alpha1.ReasonChecking, "smoke (of the class) cannot say", "Job "+old.Name+" was deleted"),
			theCheck(HaveField("Inconclusive", BeEquivalentTo(1)), HaveField("Failed", BeZero()))))
		Eventually(ctx, framework.Read(admin, first)).Should(theCheck(HaveField("Runs", BeEquivalentTo(2)), HaveField("StartedAt", Not(BeNil()))))
		again := t.job(ctx, "stage")
		Expect(again.Name).NotTo(Equal(old.Name))
		t.giveNode(ctx)
		settled(ctx, component)
		Expect(read(ctx, first)).To(theCheck(HaveField("State", platformv1alpha1.CheckPassed), HaveField("Succeeded", BeEquivalentTo(1)),
			HaveField("Runs", BeEquivalentTo(2)), HaveField("Inconclusive", BeZero()), HaveField("Failed", BeZero())))
	})

	It("that somebody deletes again and again is run as often as inconclusiveLimit lets it", func(ctx context.Context) {
		begin(ctx, func(c *platformv1alpha1.Check) { c.InconclusiveLimit = 2 })
		for runs := 1; runs <= 2; runs++ {
			Eventually(ctx, framework.Read(admin, first)).Should(theCheck(HaveField("Runs", BeEquivalentTo(runs))))
			Expect(admin.Delete(ctx, t.job(ctx, "stage"), client.PropagationPolicy(metav1.DeletePropagationBackground))).To(Succeed())
		}
		Eventually(ctx, framework.Read(admin, first)).Should(And(framework.BeStalled(platformv1alpha1.ReasonChecksFailed, "was deleted"),
			theCheck(HaveField("State", platformv1alpha1.CheckFailed), HaveField("Runs", BeEquivalentTo(2)))))
		Consistently(ctx, t.jobs("stage"), "2s").Should(BeEmpty())
	})

	It("that is suspended says nothing once its time is over, and goes", func(ctx context.Context) {
		begin(ctx, func(c *platformv1alpha1.Check) { c.TimeoutSeconds, c.InconclusiveLimit = 1, 1 })
		suspended := t.job(ctx, "stage")
		before := suspended.DeepCopy()
		suspended.Spec.Suspend = ptr.To(true)
		Expect(admin.Patch(ctx, suspended, client.MergeFrom(before))).To(Succeed())
		if read(ctx, suspended).Status.Failed > 0 || len(read(ctx, suspended).Status.Conditions) > 0 && read(ctx, suspended).Status.Conditions[0].Type == batchv1.JobFailed {
			Skip("the machine is too busy: it ended first")
		}
		Eventually(ctx, framework.Read(admin, first)).WithTimeout(2 * time.Minute).Should(And(
			framework.BeStalled(platformv1alpha1.ReasonChecksFailed, "Job "+suspended.Name+" is suspended"), theCheck(HaveField("Failed", BeZero()))))
		Eventually(ctx, t.jobs("stage")).Should(BeEmpty())
	})

	It("that no node takes fails by its deadline, and says so", func(ctx context.Context) {
		begin(ctx, func(c *platformv1alpha1.Check) { c.TimeoutSeconds = 2 })
		Eventually(ctx, framework.Read(admin, first)).Should(And(framework.BeStalled(platformv1alpha1.ReasonChecksFailed, "DeadlineExceeded"),
			theCheck(HaveField("Failed", BeEquivalentTo(1)), HaveField("Runs", BeEquivalentTo(1)))))
	})

	It("that ended while the manager was away is counted, however long that was", func(ctx context.Context) {
		begin(ctx, nil)
		job := t.job(ctx, "stage")
		withoutManager(ctx, func() {
			t.giveNode(ctx)
			Eventually(ctx, framework.Read(admin, job)).Should(HaveField("Status.Conditions", ContainElement(HaveField("Type", batchv1.JobComplete))))
			began(ctx, first, 3*time.Hour)
		})
		settled(ctx, component)
		Expect(read(ctx, first)).To(theCheck(HaveField("State", platformv1alpha1.CheckPassed), HaveField("Runs", BeEquivalentTo(1)), HaveField("Succeeded", BeEquivalentTo(1))))
		Expect(t.job(ctx, "stage").UID).To(Equal(job.UID))
	})

	It("that was not made, or is gone, when a manager comes back after its time is made, and has all of it", func(ctx context.Context) {
		begin(ctx, nil)
		old := t.job(ctx, "stage")
		withoutManager(ctx, func() {
			Expect(admin.Delete(ctx, old, client.PropagationPolicy(metav1.DeletePropagationBackground))).To(Succeed())
			Eventually(ctx, framework.Gone(admin, old)).Should(BeTrue())
			began(ctx, first, 3*time.Hour)
		})
		made := t.job(ctx, "stage")
		Expect(made.Name).To(Equal(old.Name), "it is the same run")
		Consistently(ctx, framework.Read(admin, first), "3s").Should(theCheck(HaveField("State", platformv1alpha1.CheckRunning), HaveField("Failed", BeZero())))
		t.giveNode(ctx)
		settled(ctx, component)
		Expect(read(ctx, first)).To(theCheck(HaveField("Runs", BeEquivalentTo(1)), HaveField("Succeeded", BeEquivalentTo(1))))
	})

	It("goes with the version that it runs for, while it runs", func(ctx context.Context) {
		begin(ctx, nil)
		old := t.job(ctx, "stage")
		change(ctx, component, withImage("registry.example/shop:2.0.0"))
		Eventually(ctx, framework.Gone(admin, old)).Should(BeTrue())
		Eventually(ctx, framework.Read(admin, t.release("shop", "stage", 2))).Should(theCheck(HaveField("Runs", BeEquivalentTo(1))))
		next := t.job(ctx, "stage")
		Expect(next.Name).NotTo(Equal(old.Name))

		By("a Release that somebody deletes")
		Expect(admin.Delete(ctx, t.release("shop", "stage", 2))).To(Succeed())
		Eventually(ctx, framework.Gone(admin, next)).Should(BeTrue())
		Eventually(ctx, framework.Read(admin, t.release("shop", "stage", 3))).Should(theCheck(HaveField("Runs", BeEquivalentTo(1))))
		t.job(ctx, "stage")

		By("the end of the Component")
		Expect(admin.Delete(ctx, component)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, component)).Should(BeTrue())
		Expect(t.jobs("stage")(ctx)).To(BeEmpty())
	})

	It("goes with a version that is taken back, while it runs", func(ctx context.Context) {
		t = newTeam(ctx)
		broken := smoke() // of the class; only that of the broken version runs for long
		quick := t.waiting()
		quick.Name, quick.TimeoutSeconds = "quick", 3
		quick.Job.Spec = broken.Job.Spec
		t.addGated(ctx, "stage", checked(ctx, func(c *platformv1alpha1.EnvironmentClassSpec) {
			c.Rollback = &platformv1alpha1.RollbackPolicy{Mode: platformv1alpha1.RollbackAutomatic, DeadlineSeconds: 600}
		}, broken, quick))
		component = deploy(ctx, framework.Component(t.home, "shop", publish(ctx, light(framework.Name("light-"))).Name, "stage"))
		settled(ctx, component)
		change(ctx, component, withImage("registry.example/shop:2.0.0-broken"))
		second := t.release("shop", "stage", 2)
		Eventually(ctx, framework.Read(admin, second)).Should(HaveField("Status.Checks", ContainElement(And(HaveField("Name", "smoke"), HaveField("StartedAt", Not(BeNil()))))))
		Eventually(ctx, framework.Read(admin, t.release("shop", "stage", 3))).Should(And(framework.BeReady(), HaveField("Spec.Cause", platformv1alpha1.CauseRollback)))
		Eventually(ctx, t.jobs("stage")).Should(BeEmpty(), "what is brought back has no checks")
	})

	It("whose name is somebody else's leaves that alone, and is run under another", func(ctx context.Context) {
		var theirs *batchv1.Job
		begin(ctx, func(c *platformv1alpha1.Check) { c.DelaySeconds = 15 })
		live := read(ctx, first)
		theirs = &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: t.workload("stage"), Name: check.JobName(live, &live.Spec.Checks[0], 1)}}
		theirs.Spec = batchv1.JobSpec{Suspend: ptr.To(true), Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever,
			Containers: []corev1.Container{{Name: "theirs", Image: "registry.example/theirs:1"}}}}}
		Expect(admin.Create(ctx, theirs)).To(Succeed())
		DeferCleanup(func(ctx context.Context) {
			Expect(client.IgnoreNotFound(admin.Delete(ctx, theirs, client.PropagationPolicy(metav1.DeletePropagationBackground)))).To(Succeed())
		})
		theirs = read(ctx, theirs)
		t.giveNode(ctx)
		Eventually(ctx, framework.Read(admin, first)).Should(theCheck(HaveField("Inconclusive", BeEquivalentTo(1)), HaveField("Failed", BeZero()),
			HaveField("Message", ContainSubstring("Job "+theirs.Name+" cannot be made"))))
		settled(ctx, component)
		Expect(read(ctx, first)).To(theCheck(HaveField("Runs", BeEquivalentTo(2)), HaveField("Succeeded", BeEquivalentTo(1))))
		Expect(admin.Delete(ctx, component)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, component)).Should(BeTrue())
		Expect(t.jobs("stage")(ctx)).To(ConsistOf(And(HaveField("UID", theirs.UID), HaveField("Spec", theirs.Spec), HaveField("Labels", theirs.Labels))))
	})
})
