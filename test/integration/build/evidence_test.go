package build_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http/httptest"
	"strings"

	registryserver "github.com/google/go-containerregistry/pkg/registry"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/supplychain"
	"github.com/towpath-dev/towpath/internal/supplychain/signtest"
	"github.com/towpath-dev/towpath/test/framework"
)

var _ = Describe("What stages put beside an image", Ordered, func() {
	var repository string
	signer := signtest.New()
	standard := func(name string, which platformv1alpha1.StandardStage, needs ...string) platformv1alpha1.Stage {
		return platformv1alpha1.Stage{Name: name, Standard: which, Image: "registry.example/tools:1", Needs: needs}
	}
	pipeline := platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{
		stage("image"), standard("sign", platformv1alpha1.StageSign, "image"), standard("sbom", platformv1alpha1.StageSBOM, "sign"),
	}}
	// place puts something beside an image, and returns where it is.
	place := func(image string, artifact supplychain.Artifact) string {
		GinkgoHelper()
		Expect(signtest.Refer(image, artifact)).To(Succeed())
		sum := sha256.Sum256(artifact.Content)
		return "sha256:" + hex.EncodeToString(sum[:])
	}
	team := func(ctx context.Context) (t *team, image, sum string) {
		GinkgoHelper()
		t = begin(ctx, pipeline)
		t.change(ctx, func(c *platformv1alpha1.Component) { c.Spec.Source.Image = repository })
		sum = push(repository + ":latest")
		return t, repository + "@" + sum, sum
	}
	found := func(kind platformv1alpha1.EvidenceType, digest string) OmegaMatcher {
		return And(HaveField("Type", kind), HaveField("Location", repository+"@"+digest))
	}

	BeforeAll(func(ctx context.Context) {
		server := httptest.NewServer(registryserver.New(registryserver.WithReferrersSupport(true)))
		DeferCleanup(server.CloseClientConnections)
		host := strings.TrimPrefix(server.URL, "http://")
		repository = host + "/shop/proven"
		restart(ctx, "Always", host)
		DeferCleanup(func(ctx context.Context) { restart(ctx, "Never") })
	})

	It("stands in the status of the Build once its registry has it, and is taken for no image", func(ctx context.Context) {
		t, image, sum := team(ctx)
		signature := place(image, signer.Bundle(sum, signtest.Sign, "{}"))
		sbom := place(image, signer.Bundle(sum, signtest.SPDX, `{"spdxVersion":"SPDX-2.3"}`))
		b := t.create(ctx)
		t.succeeds(ctx, b, "clone")
		t.ends(ctx, b, "image", corev1.PodSucceeded, sum)
		t.ends(ctx, b, "sign", corev1.PodSucceeded, signature)
		t.ends(ctx, b, "sbom", corev1.PodSucceeded, sbom)
		Eventually(ctx, framework.Read(admin, b)).Should(And(framework.BeReady(), HaveField("Status.Image", image),
			HaveField("Status.Evidence", ConsistOf(
				And(found(platformv1alpha1.EvidenceSignature, signature), HaveField("CreatedAt", Not(BeNil()))), found(platformv1alpha1.EvidenceSBOM, sbom))),
			HaveField("Status.Stages", ContainElement(And(HaveField("Name", "sign"), HaveField("Image", ""), HaveField("Evidence", repository+"@"+signature)))),
			framework.HaveCondition(platformv1alpha1.ConditionEvidenceKnown, "True", platformv1alpha1.ReasonEvidenceFound, "each names the digest")))
	})

	It("stands there for Tekton alike", func(ctx context.Context) {
		installTekton(ctx)
		t, image, sum := team(ctx)
		signature := place(image, signer.Bundle(sum, signtest.Sign, "{}"))
		t.byTekton(ctx)
		b := t.create(ctx)
		run := t.pipelineRun(ctx, b)
		run.begins(ctx)
		for _, stage := range []struct{ name, wrote string }{{"clone", ""}, {"image", sum}, {"sign", signature}, {"sbom", ""}} {
			run.task(ctx, stage.name)
			if stage.wrote == "" {
				run.taskEnds(ctx, stage.name, "True", "Succeeded")
			} else {
				run.taskEnds(ctx, stage.name, "True", "Succeeded", result("image", stage.wrote))
			}
		}
		run.ends(ctx, "True", "Succeeded")
		Eventually(ctx, framework.Read(admin, b)).Should(And(framework.BeReady(), HaveField("Status.Image", image),
			HaveField("Status.Evidence", ConsistOf(found(platformv1alpha1.EvidenceSignature, signature))),
			framework.HaveCondition(platformv1alpha1.ConditionEvidenceKnown, "True", platformv1alpha1.ReasonEvidenceFound)))
	})

	It("stands not there where it is of another image, of another type, or nowhere, and the Build succeeds all the same", func(ctx context.Context) {
		t, image, sum := team(ctx)
		other := place(image, signer.Bundle("sha256:"+strings.Repeat("a", 64), signtest.Sign, "{}"))
		b := t.create(ctx)
		t.succeeds(ctx, b, "clone")
		t.ends(ctx, b, "image", corev1.PodSucceeded, sum)
		t.ends(ctx, b, "sign", corev1.PodSucceeded, other)
		t.ends(ctx, b, "sbom", corev1.PodSucceeded, place(image, signer.Bundle(sum, signtest.SLSA, "{}")))
		Eventually(ctx, framework.Read(admin, b)).Should(And(framework.BeReady(), HaveField("Status.Image", image), HaveField("Status.Evidence", BeEmpty()),
			framework.HaveCondition(platformv1alpha1.ConditionEvidenceKnown, "False", platformv1alpha1.ReasonEvidenceUnknown,
				"it has no Signature "+other+" that names the digest of the image", "it has no SBOM sha256:")))
	})

	It("is looked for too where somebody recorded it, in the repository of the image alone", func(ctx context.Context) {
		t, image, sum := team(ctx)
		signature := place(image, signer.Bundle(sum, signtest.Sign, "{}"))
		b := t.create(ctx, succeededAs(image), func(b *platformv1alpha1.Build) {
			b.Spec.Evidence = []platformv1alpha1.Evidence{
				{Type: platformv1alpha1.EvidenceSignature, Location: repository + "@" + signature},
				{Type: platformv1alpha1.EvidenceSBOM, Location: "https://sboms.example/checkout"},
				{Type: platformv1alpha1.EvidenceScan, Location: "registry.example/other@" + signature},
			}
		})
		Eventually(ctx, framework.Read(admin, b)).Should(And(framework.BeReady(),
			HaveField("Status.Evidence", ConsistOf(found(platformv1alpha1.EvidenceSignature, signature))),
			framework.HaveCondition(platformv1alpha1.ConditionEvidenceKnown, "False", platformv1alpha1.ReasonEvidenceUnknown, "is not in the repository of the image")))
	})
})
