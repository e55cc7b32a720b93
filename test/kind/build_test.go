package kind

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// testScript is what the stage test does: by the file version.txt it fails, or takes long. Its first try always fails, and what it left
// on the volume is there at the second.
const testScript = `echo "tests $(git rev-parse HEAD) as $(id -u)"
test "$(git rev-parse HEAD)" = "$TOWPATH_COMMIT"
test ! -e /var/run/secrets/kubernetes.io
if env | grep -i 'git_password'; then exit 9; fi
case $(cat version.txt) in
broken) echo "version.txt says that it is broken"; exit 7 ;;
endless) echo "takes for ever"; sleep 3000 ;;
esac
if [ ! -e .tried ]; then touch .tried; echo "the first try fails"; exit 1; fi
echo "the second try succeeds"
`

// built makes the golden path of web-services with a pipeline of all standard stages, and one more.
func built(ctx context.Context) *platformv1alpha1.ServiceTemplate {
	GinkgoHelper()
	text, err := os.ReadFile(filepath.Join(kind.root, "config", "catalog", "web-service", "template.yaml"))
	Expect(err).NotTo(HaveOccurred())
	template := &platformv1alpha1.ServiceTemplate{}
	Expect(yaml.Unmarshal(text, template)).To(Succeed())
	template.Name = framework.Name("built-")
	key := []platformv1alpha1.SecretEnvVar{{Name: "COSIGN_PRIVATE_KEY", SecretKeyRef: platformv1alpha1.SecretKeyReference{Name: "signing", Key: "key"}}}
	standard := func(name string, stage platformv1alpha1.StandardStage, needs ...string) platformv1alpha1.Stage {
		return platformv1alpha1.Stage{Name: name, Standard: stage, Needs: needs}
	}
	test, sign, provenance := standard("test", platformv1alpha1.StageTest), standard("sign", platformv1alpha1.StageSign, "image"),
		standard("provenance", platformv1alpha1.StageProvenance, "image")
	test.Image, test.Script, test.Retries = forgeImage, testScript, 1
	sign.SecretEnv, provenance.SecretEnv = key, key
	template.Spec.Pipeline = &platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{
		test,
		// Ten seconds are what it may take.
		{Name: "lint", Image: forgeImage, TimeoutSeconds: 10, Script: `case $(cat version.txt) in slow) echo "lints, and lints"; sleep 300 ;; esac`},
		standard("image", platformv1alpha1.StageImage, "test", "lint"),
		standard("sbom", platformv1alpha1.StageSBOM, "image"), standard("scan", platformv1alpha1.StageScan, "image"), sign, provenance,
		{Name: "report", Image: forgeImage, Needs: []string{"sbom"}, Script: `cat sbom.spdx.json; grep -q "$TOWPATH_BUILT_IMAGE" sbom.spdx.json`},
	}}
	Expect(kind.Create(ctx, template)).To(Succeed())
	DeferCleanup(func(ctx context.Context) { Expect(kind.Delete(ctx, template)).To(Succeed()) })
	Eventually(framework.Read(kind, template)).WithContext(ctx).Should(framework.BeReady())
	return template
}

// buildOf returns a function for Eventually: the Build of a commit.
func (t *team) buildOf(sha string) func(context.Context) (*platformv1alpha1.Build, error) {
	return func(ctx context.Context) (*platformv1alpha1.Build, error) {
		var builds platformv1alpha1.BuildList
		err := kind.List(ctx, &builds, client.InNamespace(t.home))
		for i := range builds.Items {
			if b := &builds.Items[i]; b.Spec.Commit.SHA == sha {
				return b, err
			}
		}
		return &platformv1alpha1.Build{}, err
	}
}

// stageOf is a stage of a Build.
func stageOf(b *platformv1alpha1.Build, name string) platformv1alpha1.BuildStage {
	GinkgoHelper()
	i := slices.IndexFunc(b.Status.Stages, func(s platformv1alpha1.BuildStage) bool { return s.Name == name })
	Expect(i).To(BeNumerically(">=", 0), "stage %s of %s", name, b.Name)
	return b.Status.Stages[i]
}

// leftOf lists what Builds have in a namespace beside Jobs that have ended, and their pods.
func leftOf(ctx context.Context, namespace string) ([]string, error) {
	var left []string
	var claims corev1.PersistentVolumeClaimList
	if err := kind.List(ctx, &claims, client.InNamespace(namespace)); err != nil {
		return nil, err
	}
	for i := range claims.Items {
		left = append(left, "PersistentVolumeClaim "+claims.Items[i].Name)
	}
	var jobs batchv1.JobList
	if err := kind.List(ctx, &jobs, client.InNamespace(namespace)); err != nil {
		return nil, err
	}
	for i := range jobs.Items {
		if jobs.Items[i].Status.Active > 0 || jobs.Items[i].Status.Ready != nil && *jobs.Items[i].Status.Ready > 0 {
			left = append(left, "Job "+jobs.Items[i].Name)
		}
	}
	return left, nil
}

// What is real here: the Git server and the registry, clients of both in pods, the volume, the kubelet that fetches what was built. The tools
// of the standard stages are test/kind/forge.
var _ = Describe("What is pushed to a repository", Ordered, Label("build"), func() {
	var (
		t         *team
		namespace string
		shop      *platformv1alpha1.Component
		first     string
	)
	BeforeAll(func(ctx context.Context) {
		startForge(ctx)
		template := built(ctx)
		t = newTeam(ctx)
		namespace = t.environment(ctx, "dev", "development")
		credentials(ctx, namespace)
		Expect(kind.Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "signing"}, StringData: map[string]string{"key": "s3cr3t-signing-key"},
		})).To(Succeed())
		first = commit(ctx, "checkout", "Sell things: $(id) `id`", "version.txt=eins", "Dockerfile=FROM scratch")
		shop = framework.Component(t.home, "checkout", template.Name, "dev")
		shop.Spec.Image, shop.Spec.Parameters = "", framework.JSON(small)
		shop.Spec.Source = &platformv1alpha1.Source{
			Repository: "https://" + forgeHost + ":8443/checkout.git", SecretRef: &platformv1alpha1.SourceSecretReference{Name: "towpath-git"},
			IntervalSeconds: 30, Image: forgeHost + ":5000/shop/checkout",
		}
		Expect(kind.Create(ctx, shop)).To(Succeed())
	})

	It("is built in pods, stage by stage, and runs in dev by its digest with its commit", Label("smoke"), func(ctx context.Context) {
		Eventually(t.buildOf(first)).WithContext(ctx).WithTimeout(2 * patience).Should(HaveField("Status.Result", platformv1alpha1.BuildSucceeded))
		b, err := t.buildOf(first)(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(b.Spec.Commit).To(And(HaveField("Author", ContainSubstring("ada@shop.example")), HaveField("Message", "Sell things: $(id) `id`")))
		Expect(b.Status.Image).To(MatchRegexp("^" + forgeHost + ":5000/shop/checkout@sha256:[0-9a-f]{64}$"))
		for _, before := range [][2]string{
			{"clone", "test"}, {"clone", "lint"}, {"test", "image"}, {"lint", "image"}, {"image", "sbom"}, {"image", "scan"}, {"image", "sign"}, {"image", "provenance"}, {"sbom", "report"},
		} {
			ended, began := stageOf(b, before[0]), stageOf(b, before[1])
			Expect(began.StartedAt.Time).NotTo(BeTemporally("<", ended.CompletedAt.Time), "%s comes before %s", before[0], before[1])
			Expect(began.State).To(Equal(platformv1alpha1.StageSucceeded))
		}

		By("the logs of each stage, with both tries of the one that failed first")
		logs := kind.towpath(ctx, "build", "logs", "-n", t.home, b.Name)
		Expect(logs).To(And(ContainSubstring("tests "+first+" as 65532"), ContainSubstring("the first try fails"), ContainSubstring("the second try succeeds"),
			ContainSubstring("pushed "+forgeHost+":5000/shop/checkout:"+first), ContainSubstring("has no known vulnerability"), ContainSubstring(".sig"), ContainSubstring(".att")))
		Expect(logs).NotTo(Or(ContainSubstring(forgePassword), ContainSubstring("s3cr3t-signing-key")))
		Eventually(leftOf).WithContext(ctx).WithArguments(namespace).Should(BeEmpty(), "the volume goes with the Build")

		By("the Release")
		running(ctx, shop)
		release := t.release("checkout-dev-1")
		Expect(kind.Get(ctx, client.ObjectKeyFromObject(release), release)).To(Succeed())
		Expect(release.Spec.Image).To(Equal(b.Status.Image))
		Expect(release.Spec.Build).To(Equal(b.Name))
		Expect(release.Spec.Commit).To(And(Not(BeNil()), HaveField("SHA", first), HaveField("CommittedAt", HaveField("Time", BeTemporally("==", b.Spec.Commit.CommittedAt.Time)))))
		Eventually(imagesOf(namespace, "checkout")).WithContext(ctx).Should(ConsistOf(b.Status.Image))
		call(ctx, namespace, address(namespace, "checkout")).hears(ctx, "version eins")
	})

	It("takes the place of what runs, without one request that fails", func(ctx context.Context) {
		caller, began := call(ctx, namespace, address(namespace, "checkout")), time.Now()
		second := commit(ctx, "checkout", "Sell more", "version.txt=zwei")
		Eventually(t.buildOf(second)).WithContext(ctx).WithTimeout(2 * patience).Should(HaveField("Status.Result", platformv1alpha1.BuildSucceeded))
		b, err := t.buildOf(second)(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(b.Spec.Commits).To(And(HaveField("From", first), HaveField("Count", HaveValue(BeEquivalentTo(1)))))
		Expect(b.Spec.ChangedPaths).To(ConsistOf("version.txt"))
		caller.hears(ctx, "version zwei")
		caller.neverFailed(ctx)
		AddReportEntry("from a push to an answer", time.Since(began).Round(time.Second).String())
		running(ctx, shop)
	})

	It("is not deployed where a stage fails in each of its tries, and the log says why", func(ctx context.Context) {
		caller := call(ctx, namespace, address(namespace, "checkout"))
		broken := commit(ctx, "checkout", "Sell nothing", "version.txt=broken")
		Eventually(t.buildOf(broken)).WithContext(ctx).WithTimeout(2 * patience).Should(
			framework.BeStalled(platformv1alpha1.ReasonBuildFailed, "Stage test failed", "tried 2 times"))
		b, err := t.buildOf(broken)(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(stageOf(b, "image").State).To(Equal(platformv1alpha1.StageCancelled))
		Expect(stageOf(b, "lint").State).To(Equal(platformv1alpha1.StageSucceeded))
		logs := kind.towpath(ctx, "build", "logs", "-n", t.home, b.Name)
		Expect(strings.Count(logs, "version.txt says that it is broken")).To(Equal(2), logs)
		caller.hears(ctx, "version zwei")
		caller.neverFailed(ctx)
	})

	It("fails where a stage takes longer than it may, and its pod ends", func(ctx context.Context) {
		slow := commit(ctx, "checkout", "Sell slowly", "version.txt=slow")
		Eventually(t.buildOf(slow)).WithContext(ctx).WithTimeout(2 * patience).Should(
			framework.BeStalled(platformv1alpha1.ReasonBuildFailed, "Stage lint failed"))
		b, err := t.buildOf(slow)(ctx)
		Expect(err).NotTo(HaveOccurred())
		lint := stageOf(b, "lint")
		Expect(lint.CompletedAt.Sub(lint.StartedAt.Time)).To(And(BeNumerically(">=", 10*time.Second), BeNumerically("<", 2*time.Minute)))
		Eventually(leftOf).WithContext(ctx).WithArguments(namespace).Should(BeEmpty())
	})

	It("leaves no pod, Job or volume where its Build is deleted while it runs", func(ctx context.Context) {
		caller := call(ctx, namespace, address(namespace, "checkout"))
		endless := commit(ctx, "checkout", "Sell for ever", "version.txt=endless")
		var b *platformv1alpha1.Build
		Eventually(func(g Gomega) {
			var err error
			b, err = t.buildOf(endless)(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(b.Status.Stages).To(ContainElement(And(HaveField("Name", "test"), HaveField("State", platformv1alpha1.StageRunning))))
			g.Expect(kind.towpath(ctx, "build", "logs", "-n", t.home, b.Name, "test")).To(ContainSubstring("takes for ever"))
		}).WithContext(ctx).WithTimeout(2 * patience).Should(Succeed())
		before := shop.DeepCopy()
		shop.Spec.Source.Trigger = platformv1alpha1.TriggerNone // or what is the head of its branch would be built again
		Expect(kind.Patch(ctx, shop, client.MergeFrom(before))).To(Succeed())
		Expect(kind.Delete(ctx, b)).To(Succeed())
		Eventually(framework.Gone(kind, b)).WithContext(ctx).Should(BeTrue())
		Eventually(leftOf).WithContext(ctx).WithArguments(namespace).Should(BeEmpty())
		Eventually(func(ctx context.Context) ([]corev1.Pod, error) {
			var list corev1.PodList
			err := kind.List(ctx, &list, client.InNamespace(namespace), client.MatchingLabels{platformv1alpha1.LabelBuild: b.Name})
			return list.Items, err
		}).WithContext(ctx).Should(BeEmpty())
		caller.hears(ctx, "version zwei")
		caller.neverFailed(ctx)
	})
})
