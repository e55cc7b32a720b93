package cli_test

import (
	"context"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/gitsource/gittest"
	"github.com/towpath-dev/towpath/test/framework"
)

var _ = Describe("A Build", func() {
	It("is recorded once, whoever repeats the step", func(ctx context.Context) {
		home := framework.TeamNamespace(framework.Name("t"))
		Expect(cluster.Client.Create(ctx, home)).To(Succeed())
		sha := strings.Repeat("3f2a9c1d", 5)
		args := []string{"build", "record", "checkout", "-n", home.Name, "--commit", sha, "--branch", "main", "--image", "registry.example/checkout:1",
			"--committed-at", "2026-11-20T10:14:00+01:00", "--author", "Ada <ada@shop.example>", "--message", "Fix $(rm -rf /) `now`\n\nmore",
			"--pull-request", "7", "--pull-request-title", "${{ secrets.X }}", "--opened-at", "2026-11-19T09:00:00Z", "--tag", "", "--sbom", "registry.example/checkout@sha256:abc"}
		code, out, stderr := towpath(ctx, args...)
		Expect(code).To(BeZero(), stderr)
		Expect(out).To(Equal("build checkout-3f2a9c1d3f2a of checkout recorded: registry.example/checkout:1\n"))
		build := &platformv1alpha1.Build{ObjectMeta: metav1.ObjectMeta{Namespace: home.Name, Name: "checkout-3f2a9c1d3f2a"}}
		live, err := framework.Read(cluster.Client, build)(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(live.Spec.RequestedBy).To(Equal("kubernetes-admin"))
		Expect(live.Spec.Commit.Message).To(Equal("Fix $(rm -rf /) `now`"))
		Expect(live.Spec.Commit.CommittedAt.UTC().Format("15:04")).To(Equal("09:14"))
		Expect(live.Spec.PullRequest.Title).To(Equal("${{ secrets.X }}"))
		Expect(live.Spec.Evidence).To(ConsistOf(platformv1alpha1.Evidence{Type: platformv1alpha1.EvidenceSBOM, Location: "registry.example/checkout@sha256:abc"}))

		By("repeating the step")
		code, out, stderr = towpath(ctx, args...)
		Expect(code).To(BeZero(), stderr)
		Expect(out).To(ContainSubstring("build checkout-3f2a9c1d3f2a of checkout is recorded already"))

		By("building the commit once more")
		args[10] = "registry.example/checkout:2"
		code, out, stderr = towpath(ctx, args...)
		Expect(code).To(BeZero(), stderr)
		Expect(out).To(ContainSubstring("build checkout-3f2a9c1d3f2a-2 of checkout recorded: registry.example/checkout:2"))

		By("one that failed")
		code, out, stderr = towpath(ctx, "build", "record", "checkout", "-n", home.Name, "--commit", strings.Repeat("a", 40), "--result", "Failed", "--url", "https://ci.example/7")
		Expect(code).To(BeZero(), stderr)
		Expect(out).To(Equal("build checkout-aaaaaaaaaaaa of checkout recorded: failed\n"))
		code, _, stderr = towpath(ctx, "build", "logs", "checkout-aaaaaaaaaaaa", "-n", home.Name)
		Expect(code).To(Equal(1))
		Expect(stderr).To(And(ContainSubstring("has run nothing in the cluster"), ContainSubstring("next: open https://ci.example/7")))

		By("showing what a stage that Tekton ran has logged")
		failed := &platformv1alpha1.Build{ObjectMeta: metav1.ObjectMeta{Namespace: home.Name, Name: "checkout-aaaaaaaaaaaa"}}
		live, err = framework.Read(cluster.Client, failed)(ctx)
		Expect(err).NotTo(HaveOccurred())
		before := live.DeepCopy()
		live.Status.Place = &platformv1alpha1.BuildPlace{Environment: "dev", Namespace: metav1.NamespaceDefault, Engine: platformv1alpha1.EngineTekton}
		live.Status.Stages = []platformv1alpha1.BuildStage{
			{Name: "clone", State: platformv1alpha1.StageSucceeded, TaskRun: "checkout-pipeline-1-clone"},
			{Name: "test", State: platformv1alpha1.StageFailed, TaskRun: "checkout-pipeline-1-test"},
		}
		Expect(cluster.ManagerClient.Status().Patch(ctx, live, client.MergeFrom(before))).To(Succeed())
		Expect(cluster.Client.Create(ctx, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: "checkout-pipeline-1-test-pod", Labels: map[string]string{"tekton.dev/taskRun": "checkout-pipeline-1-test"}},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "step-stage", Image: "registry.example/shell:1"}}},
		})).To(Succeed())
		code, out, stderr = towpath(ctx, "build", "logs", "checkout-aaaaaaaaaaaa", "-n", home.Name)
		Expect(code).To(BeZero(), stderr)
		Expect(out).To(Equal("== test: failed\npod checkout-pipeline-1-test-pod has logged nothing that is there\n"), "its pod runs nowhere here")
		code, out, stderr = towpath(ctx, "build", "logs", "checkout-aaaaaaaaaaaa", "clone", "-n", home.Name)
		Expect(code).To(BeZero(), stderr)
		Expect(out).To(ContainSubstring("its pods are gone: TaskRun checkout-pipeline-1-clone in default"))

		By("an image that is none")
		code, _, stderr = towpath(ctx, "build", "record", "checkout", "-n", home.Name, "--commit", strings.Repeat("b", 40), "--image", "Registry/UPPER case")
		Expect(code).NotTo(BeZero())
		Expect(stderr).To(ContainSubstring("image must be [host[:port]/]path"))

		By("one that is not there")
		code, _, stderr = towpath(ctx, "build", "logs", "no-such", "-n", home.Name)
		Expect(code).To(Equal(1))
		Expect(stderr).To(And(ContainSubstring("build no-such does not exist in namespace "+home.Name), ContainSubstring("get builds")))
	})

	It("tells what is new since the Build before, by a clone of all of the history", func(ctx context.Context) {
		home := framework.TeamNamespace(framework.Name("t"))
		Expect(cluster.Client.Create(ctx, home)).To(Succeed())
		root := GinkgoT().TempDir()
		repository, err := gittest.New(ctx, root, "checkout")
		Expect(err).NotTo(HaveOccurred())
		var shas []string
		for _, message := range []string{"first", "second", "Add a cart $(id) (#12)"} {
			sha, err := repository.Push(ctx, "main", gittest.Change{Message: message})
			Expect(err).NotTo(HaveOccurred())
			shas = append(shas, sha)
		}
		clone := filepath.Join(root, "clone")
		_, err = repository.Git(ctx, "clone", "--quiet", "--no-local", "--filter=blob:none", "file://"+repository.Bare(), clone)
		Expect(err).NotTo(HaveOccurred())
		record := func(sha string) *platformv1alpha1.Build {
			GinkgoHelper()
			code, _, stderr := towpath(ctx, "build", "record", "checkout", "-n", home.Name, "--commit", sha, "--branch", "main", "--image", "registry.example/checkout:"+sha[:8], "--repository", clone)
			Expect(code).To(BeZero(), stderr)
			Expect(stderr).To(BeEmpty())
			live, err := framework.Read(cluster.Client, &platformv1alpha1.Build{ObjectMeta: metav1.ObjectMeta{Namespace: home.Name, Name: "checkout-" + sha[:12]}})(ctx)
			Expect(err).NotTo(HaveOccurred())
			return live
		}
		Expect(record(shas[0]).Spec.Commits.Count).To(HaveValue(BeEquivalentTo(1)))
		third := record(shas[2])
		Expect(third.Spec.Commits).To(HaveValue(And(HaveField("From", shas[0]), HaveField("Count", HaveValue(BeEquivalentTo(2))), HaveField("OldestCommittedAt", Not(BeNil())))))
		Expect(third.Spec.PullRequest).To(HaveValue(HaveField("Number", BeEquivalentTo(12))))
		Expect(record(shas[0]).Spec.Commits.From).To(BeEmpty(), "the same Build recorded again changes nothing")
	})
})
