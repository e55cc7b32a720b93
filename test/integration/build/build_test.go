package build_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// digest is what a stage may write that it pushed.
var digest = "sha256:" + strings.Repeat("ab", 32)

var _ = Describe("A Build", func() {
	It("runs each stage once all that it needs have succeeded, and gives the digest that was pushed", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("image", "test", "lint"), stage("test"), stage("lint")}})
		b := t.create(ctx)
		Eventually(ctx, framework.States(admin, b)).Should(Equal("clone=Running test=Waiting lint=Waiting image=Waiting"))
		t.succeeds(ctx, b, "clone")
		Eventually(ctx, framework.States(admin, b)).Should(Equal("clone=Succeeded test=Running lint=Running image=Waiting"))
		t.succeeds(ctx, b, "test")
		Eventually(ctx, framework.States(admin, b)).Should(Equal("clone=Succeeded test=Succeeded lint=Running image=Waiting"))
		Expect(framework.Read(admin, b)(ctx)).To(framework.HaveCondition(platformv1alpha1.ConditionReady, "False", platformv1alpha1.ReasonBuilding, "Stage lint runs; 2 of 4 have ended"))
		t.succeeds(ctx, b, "lint")
		t.ends(ctx, b, "image", corev1.PodSucceeded, "registry.example/shop/checkout@"+digest+"\n")
		Eventually(ctx, framework.Read(admin, b)).Should(And(framework.BeReady(),
			HaveField("Status.Result", platformv1alpha1.BuildSucceeded), HaveField("Status.Image", "registry.example/shop/checkout@"+digest),
			HaveField("Status.CompletedAt", Not(BeNil()))))
		Eventually(ctx, t.left).Should(And(HaveLen(4), HaveEach(HavePrefix("Job "))), "the volume goes, and Jobs stay for their logs")
		Eventually(ctx, framework.Read(admin, t.component)).Should(And(HaveField("Status.Build", b.Name), framework.BeReady()))
	})

	It("runs its pods without a token, service links and rights, and with the labels of costs", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("test")}})
		b := t.create(ctx)
		job := t.job(ctx, b, "clone")
		pod := job.Spec.Template.Spec
		Expect(*pod.AutomountServiceAccountToken).To(BeFalse())
		Expect(*pod.EnableServiceLinks).To(BeFalse())
		Expect(*pod.SecurityContext.RunAsNonRoot).To(BeTrue())
		Expect(job.Spec.Template.Labels).To(And(HaveKeyWithValue(platformv1alpha1.LabelComponent, "checkout.build"),
			HaveKeyWithValue("app.kubernetes.io/name", "checkout.build"), HaveKeyWithValue(platformv1alpha1.LabelBuild, b.Name),
			HaveKey(platformv1alpha1.LabelTeam), HaveKey(platformv1alpha1.LabelCostCenter), Not(HaveKey(platformv1alpha1.LabelOwnerUID))))
		Expect(read(ctx, b).OwnerReferences).To(ConsistOf(HaveField("UID", t.component.UID)))
	})

	It("does not run what needs a stage that failed, and lets the others end", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("test"), stage("image", "test"), stage("scan", "image"), stage("lint")}})
		b := t.create(ctx)
		t.succeeds(ctx, b, "clone")
		t.ends(ctx, b, "test", corev1.PodFailed, "password=secret")
		Eventually(ctx, framework.States(admin, b)).Should(Equal("clone=Succeeded test=Failed image=Cancelled scan=Cancelled lint=Running"))
		t.succeeds(ctx, b, "lint")
		Eventually(ctx, framework.Read(admin, b)).Should(And(framework.BeStalled(platformv1alpha1.ReasonBuildFailed, "Stage test failed: It was tried 1 times"),
			HaveField("Status.Result", platformv1alpha1.BuildFailed), HaveField("Status.Image", "")))
		Expect(read(ctx, b).Status).NotTo(HaveField("Stages", ContainElement(HaveField("Message", ContainSubstring("secret")))))
	})

	It("tries a stage again as often as it may", func(ctx context.Context) {
		again := stage("test")
		again.Retries = 1
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{again}})
		b := t.create(ctx)
		t.succeeds(ctx, b, "clone")
		t.ends(ctx, b, "test", corev1.PodFailed, "")
		t.succeeds(ctx, b, "test") // another pod
		Eventually(ctx, framework.Read(admin, b)).Should(And(framework.BeReady(),
			HaveField("Status.Image", "registry.example/shop/checkout:"+b.Spec.Commit.SHA)), "no stage says what it pushed: the tag is taken")
	})

	It("leaves out a stage by its condition, and goes on as if it had succeeded", func(ctx context.Context) {
		left := stage("release", "test")
		left.When = "${build.tag != ''}"
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("test"), left, stage("image", "release")}})
		b := t.create(ctx)
		t.succeeds(ctx, b, "clone", "test", "image")
		Eventually(ctx, framework.Read(admin, b)).Should(framework.BeReady())
		Expect(framework.States(admin, b)(ctx)).To(Equal("clone=Succeeded test=Succeeded release=Skipped image=Succeeded"))
	})

	It("gives no image where its condition leaves the standard stage out, and the Component keeps what it runs", func(ctx context.Context) {
		tools := platformv1alpha1.Stage{
			Name: "image", Standard: platformv1alpha1.StageImage, Image: "registry.example/buildctl:1", Needs: []string{"test"}, When: "${build.tag == ''}",
		}
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("test"), tools}})
		first := t.create(ctx)
		t.succeeds(ctx, first, "clone", "test")
		t.ends(ctx, first, "image", corev1.PodSucceeded, digest)
		Eventually(ctx, framework.Read(admin, t.component)).Should(HaveField("Status.Build", first.Name))
		left := t.create(ctx, func(b *platformv1alpha1.Build) { b.Spec.Tag = "v1" })
		t.succeeds(ctx, left, "clone", "test")
		Eventually(ctx, framework.Read(admin, left)).Should(And(framework.BeReady(), HaveField("Status.Result", platformv1alpha1.BuildSucceeded),
			HaveField("Status.Image", ""), framework.HaveCondition(platformv1alpha1.ConditionReady, "True", platformv1alpha1.ReasonBuilt, "left out the standard stage Image")))
		last := t.create(ctx)
		t.succeeds(ctx, last, "clone", "test")
		t.ends(ctx, last, "image", corev1.PodSucceeded, digest)
		Eventually(ctx, framework.Read(admin, t.component)).Should(HaveField("Status.Build", last.Name), "it went past the one without an image")
	})

	It("takes nothing for an image that is not the Component's", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("image")}})
		b := t.create(ctx)
		t.succeeds(ctx, b, "clone")
		t.ends(ctx, b, "image", corev1.PodSucceeded, "registry.example/somebody/else@"+digest)
		Eventually(ctx, framework.Read(admin, b)).Should(And(framework.BeReady(), HaveField("Status.Image", "registry.example/shop/checkout:"+b.Spec.Commit.SHA)))
	})

	It("fails when it takes longer than the pipeline may, and ends its Jobs", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{TimeoutSeconds: 60, Stages: []platformv1alpha1.Stage{stage("test")}})
		b := t.create(ctx)
		t.job(ctx, b, "clone")
		later(ctx, b, 61*time.Second)
		Eventually(ctx, framework.Read(admin, b)).Should(framework.BeStalled(platformv1alpha1.ReasonBuildFailed, "did not end within 1m0s"))
		Expect(framework.States(admin, b)(ctx)).To(Equal("clone=Cancelled test=Cancelled"))
		Eventually(ctx, t.left).Should(BeEmpty())
	})

	It("fails where somebody deletes the Job of a stage", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("test")}})
		b := t.create(ctx)
		Eventually(ctx, framework.States(admin, b)).Should(HavePrefix("clone=Running"))
		Expect(admin.Delete(ctx, t.job(ctx, b, "clone"), client.PropagationPolicy("Background"))).To(Succeed())
		Eventually(ctx, framework.Read(admin, b)).Should(framework.BeStalled(platformv1alpha1.ReasonBuildFailed, "was deleted before it had ended"))
	})

	It("takes over what was built elsewhere", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("test")}})
		good := t.create(ctx, func(b *platformv1alpha1.Build) {
			b.Spec.Result, b.Spec.Image = platformv1alpha1.BuildSucceeded, "registry.example/shop/checkout:7"
		})
		Eventually(ctx, framework.Read(admin, good)).Should(And(framework.BeReady(), HaveField("Status.Image", "registry.example/shop/checkout:7"), HaveField("Status.Place", BeNil())))
		bad := t.create(ctx, func(b *platformv1alpha1.Build) {
			b.Spec.Result, b.Spec.URL = platformv1alpha1.BuildFailed, "https://ci.example/runs/7"
		})
		Eventually(ctx, framework.Read(admin, bad)).Should(framework.BeStalled(platformv1alpha1.ReasonBuildFailed, "see https://ci.example/runs/7"))
	})

	It("ends its Jobs when it is deleted, and goes with its Component", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("test")}})
		b := t.create(ctx)
		t.job(ctx, b, "clone")
		Expect(admin.Delete(ctx, b)).To(Succeed())
		gone(ctx, b)
		Eventually(ctx, t.left).Should(BeEmpty())
		c := t.create(ctx)
		t.job(ctx, c, "clone")
		Expect(admin.Delete(ctx, t.component)).To(Succeed())
		gone(ctx, c)
		Eventually(ctx, t.left).Should(BeEmpty())
	})

	It("goes on where a manager ended in the middle", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("test")}})
		b := t.create(ctx)
		t.job(ctx, b, "clone")
		Expect(cluster.StopManager()).To(Succeed())
		t.succeeds(ctx, b, "clone")
		Expect(cluster.StartManager(ctx)).To(Succeed())
		t.succeeds(ctx, b, "test")
		Eventually(ctx, framework.Read(admin, b)).Should(framework.BeReady())
	})
})

// gone waits until a Build is gone.
func gone(ctx context.Context, b *platformv1alpha1.Build) {
	GinkgoHelper()
	Eventually(ctx, func(ctx context.Context) bool {
		return apierrors.IsNotFound(admin.Get(ctx, client.ObjectKeyFromObject(b), &platformv1alpha1.Build{}))
	}).Should(BeTrue(), "Build "+b.Name+" must go")
}

// later moves the manager's clock until the spec ends, and has it look at a Build: a fake clock wakes nobody. The API server's goes on as it is.
func later(ctx context.Context, b *platformv1alpha1.Build, by time.Duration) {
	GinkgoHelper()
	before := now.Now()
	DeferCleanup(func() { now.SetTime(before) })
	now.SetTime(before.Add(by))
	touch(ctx, b)
}

// touch has the manager look at a Build.
func touch(ctx context.Context, b *platformv1alpha1.Build) {
	GinkgoHelper()
	live := read(ctx, b)
	before := live.DeepCopy()
	live.Annotations = map[string]string{"suite/touched": now.Now().String()}
	Expect(admin.Patch(ctx, live, client.MergeFrom(before))).To(Succeed())
}

var _ = Describe("Builds of one Component", func() {
	It("cancel the one before on the same branch", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("test")}})
		old := t.create(ctx)
		t.job(ctx, old, "clone")
		newer := t.create(ctx)
		Eventually(ctx, framework.Read(admin, old)).Should(And(framework.BeStalled(platformv1alpha1.ReasonBuildCancelled, "Build "+newer.Name+" is a later one, and takes its place"),
			HaveField("Status.Result", platformv1alpha1.BuildCancelled)))
		t.succeeds(ctx, newer, "clone", "test")
		Eventually(ctx, framework.Read(admin, newer)).Should(framework.BeReady())
	})

	It("are told of no pull request that was merged, and cancel each other all the same", func(ctx context.Context) {
		secret := stage("sign")
		secret.When = "${build.pullRequest == 0}"
		review := stage("review")
		review.When = "${build.pullRequest != 0}"
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{secret, review}})
		merged := func(number int64) func(*platformv1alpha1.Build) {
			return func(b *platformv1alpha1.Build) {
				b.Spec.Commit.Message = fmt.Sprintf("Add a cart (#%d)", number)
				b.Spec.PullRequest = &platformv1alpha1.BuildPullRequest{Number: number}
			}
		}
		old := t.create(ctx, merged(12))
		t.job(ctx, old, "clone")
		newer := t.create(ctx, merged(13))
		Eventually(ctx, framework.Read(admin, old)).Should(framework.BeStalled(platformv1alpha1.ReasonBuildCancelled, "Build "+newer.Name+" is a later one, and takes its place"))
		t.succeeds(ctx, newer, "clone")
		Expect(t.job(ctx, newer, "sign").Spec.Template.Spec.Containers[0].Env).To(ContainElement(corev1.EnvVar{Name: "TOWPATH_PULL_REQUEST"}))
		t.succeeds(ctx, newer, "sign")
		Eventually(ctx, framework.Read(admin, newer)).Should(framework.BeReady())
		Eventually(ctx, framework.States(admin, newer)).Should(ContainSubstring("review=Skipped"), "it is of no request")
	})

	It("wait for each other on different branches", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("test")}})
		old := t.create(ctx)
		t.job(ctx, old, "clone")
		other := t.create(ctx, func(b *platformv1alpha1.Build) { b.Spec.Branch = "feature" })
		Eventually(ctx, framework.Read(admin, other)).Should(framework.HaveCondition(platformv1alpha1.ConditionReady, "False", platformv1alpha1.ReasonBuildQueued, "Build "+old.Name))
		t.succeeds(ctx, old, "clone", "test")
		t.succeeds(ctx, other, "clone", "test")
		Eventually(ctx, framework.Read(admin, other)).Should(framework.BeReady())
	})

	It("run one after the other where the pipeline says Queue", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{Concurrency: platformv1alpha1.ConcurrencyQueue, Stages: []platformv1alpha1.Stage{stage("test")}})
		old := t.create(ctx)
		t.job(ctx, old, "clone")
		newer := t.create(ctx)
		Eventually(ctx, framework.Read(admin, newer)).Should(framework.HaveCondition(platformv1alpha1.ConditionReady, "False", platformv1alpha1.ReasonBuildQueued, "Build "+old.Name))
		t.succeeds(ctx, old, "clone", "test")
		Eventually(ctx, framework.Read(admin, old)).Should(framework.BeReady())
		t.succeeds(ctx, newer, "clone", "test")
		Eventually(ctx, framework.Read(admin, newer)).Should(framework.BeReady())
	})
})

var _ = Describe("What whoever pushes writes", func() {
	It("reaches a container as it is, in variables and nowhere else", func(ctx context.Context) {
		evil := "a';id;\"$(TOWPATH_COMMIT)`id`${{x}}$$\nb"
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("test")}})
		b := t.create(ctx, func(b *platformv1alpha1.Build) {
			b.Spec.Branch, b.Spec.Tag, b.Spec.Commit.Message, b.Spec.Commit.Author = evil, evil, evil, evil
			b.Spec.PullRequest = &platformv1alpha1.BuildPullRequest{Number: 7, Title: evil}
			b.Spec.ChangedPaths = []string{evil}
		})
		t.succeeds(ctx, b, "clone")
		job := t.job(ctx, b, "test")
		container := job.Spec.Template.Spec.Containers[0]
		kept := strings.ReplaceAll(evil, "$", "$$") // Kubernetes makes one of two
		Expect(container.Env).To(ContainElements(corev1.EnvVar{Name: "TOWPATH_BRANCH", Value: kept}, corev1.EnvVar{Name: "TOWPATH_TAG", Value: kept}))
		for _, e := range container.Env {
			if e.Name != "TOWPATH_BRANCH" && e.Name != "TOWPATH_TAG" {
				Expect(e.Value).NotTo(ContainSubstring("id;"))
			}
		}
		Expect(container.Command).To(Equal([]string{"/bin/sh", "-e", "-c", "true"}))
		t.succeeds(ctx, b, "test")
		Eventually(ctx, framework.Read(admin, b)).Should(framework.BeReady())
		Expect(job.Spec.BackoffLimit).To(Equal(ptr.To(int32(0))))
		Expect(job.Spec.PodFailurePolicy.Rules[0].Action).To(Equal(batchv1.PodFailurePolicyActionIgnore))
	})
})

var _ = Describe("A Build that cannot run", func() {
	It("says what is missing, and begins once that is there", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("test")}})
		orphan := t.create(ctx, func(b *platformv1alpha1.Build) { b.Spec.Component = "later" })
		Eventually(ctx, framework.Read(admin, orphan)).Should(framework.HaveCondition(platformv1alpha1.ConditionReady, "False", platformv1alpha1.ReasonComponentNotFound, "Component later does not exist"))
		component := framework.Component(t.home, "later", t.template.Name, "stage")
		component.Spec.Image, component.Spec.Source = "", t.component.Spec.Source.DeepCopy()
		Expect(admin.Create(ctx, component)).To(Succeed())
		Eventually(ctx, framework.Read(admin, orphan)).Should(framework.HaveCondition(platformv1alpha1.ConditionReady, "False", platformv1alpha1.ReasonEnvironmentNotFound, "Environment stage"))
		Expect(admin.Create(ctx, framework.Environment(t.home, "stage", class))).To(Succeed())
		Eventually(ctx, framework.States(admin, orphan)).Should(HavePrefix("clone=Running"))
	})

	It("fails where nobody configured a standard stage", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{{Name: "image", Standard: platformv1alpha1.StageImage}}})
		b := t.create(ctx)
		Eventually(ctx, framework.Read(admin, b)).Should(framework.BeStalled(platformv1alpha1.ReasonPipelineInvalid, "pipeline.images.image in the manager's configuration"))
	})

	It("waits for a record where another engine builds", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("test")}})
		live, err := framework.Read(admin, t.component)(ctx)
		Expect(err).NotTo(HaveOccurred())
		before := live.DeepCopy()
		live.Spec.Source.Engine = platformv1alpha1.EngineExternal
		Expect(admin.Patch(ctx, live, client.MergeFrom(before))).To(Succeed())
		b := t.create(ctx)
		Eventually(ctx, framework.Read(admin, b)).Should(framework.HaveCondition(platformv1alpha1.ConditionReady, "False", platformv1alpha1.ReasonWaitingForRecord, "towpath build record"))
	})

	It("is refused at admission of its template where the pipeline is wrong", func(ctx context.Context) {
		wrong := framework.Template(framework.Name("wrong-"), framework.ConfigMap("settings"))
		wrong.Spec.Pipeline = &platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("a", "b"), stage("b", "a")}}
		Expect(admin.Create(ctx, wrong)).To(MatchError(ContainSubstring(`"a -> b -> a"`)))
	})
})
