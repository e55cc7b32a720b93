package supplychain_test

import (
	"context"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/supplychain/signtest"
	"github.com/towpath-dev/towpath/test/framework"
)

// waitsFor matches a Component that is Ready, and whose version waits.
func waitsFor(reason string, texts ...string) OmegaMatcher {
	return And(framework.BeReady(), framework.HaveCondition(platformv1alpha1.ConditionPromoted, metav1.ConditionFalse, reason, texts...))
}

// promoted matches a Component whose version runs everywhere.
func promoted() OmegaMatcher {
	return framework.HaveCondition(platformv1alpha1.ConditionPromoted, metav1.ConditionTrue, platformv1alpha1.ReasonPromoted)
}

var signed = platformv1alpha1.RequiredProof{Type: platformv1alpha1.ProofSignature}

var _ = Describe("A class that asks for a signature", func() {
	It("keeps an image without one out until somebody signs it", func(ctx context.Context) {
		image, env := image(), environment(ctx, signed)
		c := component(ctx, image, env)
		Eventually(ctx, framework.Read(admin, c)).Should(waitsFor(platformv1alpha1.ReasonProofMissing,
			"lets only proven images into "+env, "Image "+image+" lacks Signature (there is none)", "cosign sign --key KEY "+image))
		Expect(signtest.Tag(image, "sig", other.Simple(digest(image)))).To(Succeed())
		Eventually(ctx, framework.Read(admin, c)).Should(waitsFor(platformv1alpha1.ReasonProofMissing, "one was signed by no key of the class"))
		Expect(signtest.Tag(image, "sig", ci.Simple(digest(image)))).To(Succeed())
		Eventually(ctx, framework.Read(admin, c)).Should(promoted())
		Expect(framework.Read(admin, release(c, 1))(ctx)).To(HaveField("Status.Proofs", ConsistOf(And(
			HaveField("Image", image), HaveField("Type", platformv1alpha1.ProofSignature), HaveField("Key", "ci"), HaveField("Artifact", HavePrefix("sha256:"))))))
	})

	It("takes no signature of another image", func(ctx context.Context) {
		image, env := image(), environment(ctx, signed)
		Expect(signtest.Tag(image, "sig", ci.Simple("sha256:"+strings.Repeat("a", 64)))).To(Succeed())
		c := component(ctx, image, env)
		Eventually(ctx, framework.Read(admin, c)).Should(waitsFor(platformv1alpha1.ReasonProofMissing, "a signature by key ci is of another image"))
	})

	It("asks for a digest", func(ctx context.Context) {
		env := environment(ctx, signed)
		c := component(ctx, host+"/shop/app:1.0", env)
		Eventually(ctx, framework.Read(admin, c)).Should(waitsFor(platformv1alpha1.ReasonDigestMissing, host+"/shop/app:1.0 needs a digest"))
	})

	It("looks at the containers beside, but for those that the class exempts", func(ctx context.Context) {
		image, env := image(), environment(ctx, signed)
		Expect(signtest.Refer(image, ci.Bundle(digest(image), signtest.Sign, "{}"))).To(Succeed())
		c := component(ctx, image, env, func(c *platformv1alpha1.Component) { c.Spec.TemplateRef.Name = "meshed" })
		Eventually(ctx, framework.Read(admin, c)).Should(waitsFor(platformv1alpha1.ReasonDigestMissing, host+"/mesh/proxy:1 needs a digest"))
		changeClass(ctx, env, func(s *platformv1alpha1.SupplyChain) { s.ExemptImages = []string{host + "/mesh/*"} })
		Eventually(ctx, framework.Read(admin, c)).Should(promoted())
	})

	It("waits for a registry that does not answer, repeats nothing of what it says, and asks no more once it knows", func(ctx context.Context) {
		image, env := image(), environment(ctx, signed)
		Expect(signtest.Tag(image, "sig", ci.Simple(digest(image)))).To(Succeed())
		away.Store(true)
		DeferCleanup(func() { away.Store(false) })
		c := component(ctx, image, env)
		Eventually(ctx, framework.Read(admin, c)).Should(And(
			waitsFor(platformv1alpha1.ReasonProofUnknown, "cannot be told, and is asked again", "it answers with status 503"),
			Not(framework.HaveCondition(platformv1alpha1.ConditionPromoted, metav1.ConditionFalse, platformv1alpha1.ReasonProofUnknown, "s3cr3t"))))
		away.Store(false)
		Eventually(ctx, framework.Read(admin, c)).Should(promoted())
		before := questions(image)()
		Expect(before).To(BeNumerically(">", 0))
		change(ctx, c, func(c *platformv1alpha1.Component) { c.Annotations = map[string]string{"suite/nudge": "1"} })
		change(ctx, c, func(c *platformv1alpha1.Component) { c.Spec.Env = []platformv1alpha1.EnvVar{{Name: "A", Value: "1"}} })
		Eventually(ctx, framework.Read(admin, c)).Should(And(promoted(), HaveField("Status.Environments", ConsistOf(HaveField("Release", release(c, 2).Name)))))
		Consistently(questions(image), "1s").Should(Equal(before), "what is known of a digest does not change")
	})
})

var _ = Describe("A class that asks for more than a signature", func() {
	It("names each proof that is missing, and lets in what has them all", func(ctx context.Context) {
		image, env := image(), environment(ctx, signed, platformv1alpha1.RequiredProof{Type: platformv1alpha1.ProofSBOM},
			platformv1alpha1.RequiredProof{Type: platformv1alpha1.ProofProvenance}, platformv1alpha1.RequiredProof{Type: platformv1alpha1.ProofScan, MaxAgeSeconds: 3600})
		Expect(signtest.Tag(image, "sig", ci.Simple(digest(image)))).To(Succeed())
		Expect(signtest.Tag(image, "att", ci.Envelope(digest(image), signtest.SPDX, `{"spdxVersion":"SPDX-2.3"}`))).To(Succeed())
		Expect(signtest.Refer(image, other.Bundle(digest(image), signtest.SLSA, `{"buildDefinition":{}}`))).To(Succeed())
		c := component(ctx, image, env)
		Eventually(ctx, framework.Read(admin, c)).Should(waitsFor(platformv1alpha1.ReasonProofMissing,
			"lacks Provenance (one was signed by no key of the class), Scan (there is none)", "cosign attest --key KEY --type slsaprovenance1"))
		Expect(signtest.Refer(image, ci.Bundle(digest(image), signtest.SLSA, `{"buildDefinition":{}}`))).To(Succeed())
		Expect(signtest.Tag(image, "att", ci.Envelope(digest(image), signtest.Vuln, signtest.Scanned(time.Now().Add(-2*time.Hour))))).To(Succeed())
		Eventually(ctx, framework.Read(admin, c)).Should(waitsFor(platformv1alpha1.ReasonProofMissing, "lacks Scan (the newest is of ", "may be no older than 1h0m0s"))
		Expect(signtest.Refer(image, ci.Bundle(digest(image), signtest.Vuln, signtest.Scanned(time.Now())))).To(Succeed())
		Eventually(ctx, framework.Read(admin, c)).Should(promoted())
		Expect(framework.Read(admin, release(c, 1))(ctx)).To(HaveField("Status.Proofs", ConsistOf(
			HaveField("Type", platformv1alpha1.ProofSignature), HaveField("Type", platformv1alpha1.ProofSBOM), HaveField("Type", platformv1alpha1.ProofProvenance),
			And(HaveField("Type", platformv1alpha1.ProofScan), HaveField("MadeAt", Not(BeNil()))))))
	})

	It("lets no older scan count where a newer one is not read", func(ctx context.Context) {
		image := image()
		env := environment(ctx, platformv1alpha1.RequiredProof{Type: platformv1alpha1.ProofScan, MaxSeverity: platformv1alpha1.SeverityMedium})
		Expect(signtest.Tag(image, "att", ci.Envelope(digest(image), signtest.Vuln, signtest.Found(`{"matches":[]}`, time.Now().Add(-time.Hour))))).To(Succeed())
		hidden := ci.Bundle(digest(image), signtest.Vuln, signtest.Found(`{"matches":[{"vulnerability":{"id":"CVE-2026-1","severity":"Critical"}}],"x":"`+strings.Repeat("x", 16<<20)+`"}`, time.Now()))
		Expect(signtest.Refer(image, hidden)).To(Succeed())
		c := component(ctx, image, env)
		Eventually(ctx, framework.Read(admin, c)).Should(waitsFor(platformv1alpha1.ReasonProofMissing,
			"not all that is beside the image was read", "which is more than is read", "Take from its registry"))
	})

	It("lets a version come back whose scan is too old by now, and not enter anew", func(ctx context.Context) {
		first, second := image(), image()
		env := environment(ctx, platformv1alpha1.RequiredProof{Type: platformv1alpha1.ProofScan, MaxAgeSeconds: 86400})
		Expect(signtest.Tag(first, "att", ci.Envelope(digest(first), signtest.Vuln, signtest.Scanned(time.Now().Add(-2*time.Hour))))).To(Succeed())
		Expect(signtest.Tag(second, "att", ci.Envelope(digest(second), signtest.Vuln, signtest.Scanned(time.Now())))).To(Succeed())
		c := component(ctx, first, env)
		Eventually(ctx, framework.Read(admin, c)).Should(promoted())
		Eventually(ctx, framework.Read(admin, release(c, 1))).Should(framework.BeReady())
		changeClass(ctx, env, func(s *platformv1alpha1.SupplyChain) { s.Proofs[0].MaxAgeSeconds = 3600 })
		change(ctx, c, func(c *platformv1alpha1.Component) { c.Spec.Image = second })
		Eventually(ctx, framework.Read(admin, c)).Should(And(promoted(), HaveField("Status.Environments", ConsistOf(HaveField("Image", second)))))
		change(ctx, c, func(c *platformv1alpha1.Component) { c.Spec.Environments[0].RollbackTo = 1 })
		Eventually(ctx, framework.Read(admin, c)).Should(HaveField("Status.Environments", ConsistOf(HaveField("Image", first))))
		change(ctx, c, func(c *platformv1alpha1.Component) {
			c.Spec.Environments[0].RollbackTo, c.Spec.Image, c.Spec.Env = 0, first, []platformv1alpha1.EnvVar{{Name: "A", Value: "1"}}
		})
		Eventually(ctx, framework.Read(admin, c)).Should(waitsFor(platformv1alpha1.ReasonProofMissing, "lacks Scan"))
	})
})

var _ = Describe("A class that bounds what a scan may have found", func() {
	const found = `{"matches":[{"vulnerability":{"id":"CVE-2026-1","severity":"High"},"artifact":{"name":"openssl","version":"3.0.1"}}]}`
	scanned := platformv1alpha1.RequiredProof{Type: platformv1alpha1.ProofScan, MaxSeverity: platformv1alpha1.SeverityMedium}

	It("names image, vulnerability and package, and lets it in once the class ignores that", func(ctx context.Context) {
		image, env := image(), environment(ctx, scanned)
		Expect(signtest.Refer(image, ci.Bundle(digest(image), signtest.Vuln, signtest.Found(found, time.Now())))).To(Succeed())
		c := component(ctx, image, env)
		Eventually(ctx, framework.Read(admin, c)).Should(waitsFor(platformv1alpha1.ReasonProofMissing,
			"Image "+image+" lacks Scan", "found High CVE-2026-1 in openssl 3.0.1, and may find nothing worse than Medium", "ignore of the proof Scan"))
		ignore := []platformv1alpha1.IgnoredVulnerability{{Vulnerability: "CVE-2026-1", Package: "zlib", Expires: "2099-01-01", Reason: "It is not reached."}}
		changeClass(ctx, env, func(s *platformv1alpha1.SupplyChain) { s.Proofs[0].Ignore = ignore })
		Consistently(ctx, framework.Read(admin, c), "500ms").Should(waitsFor(platformv1alpha1.ReasonProofMissing, "CVE-2026-1 in openssl"))
		ignore[0].Package = "openssl"
		changeClass(ctx, env, func(s *platformv1alpha1.SupplyChain) { s.Proofs[0].Ignore = ignore })
		Eventually(ctx, framework.Read(admin, c)).Should(promoted())
		Expect(framework.Read(admin, release(c, 1))(ctx)).To(HaveField("Status.Proofs", ConsistOf(HaveField("Type", platformv1alpha1.ProofScan))))
	})

	It("takes the newest scan, and no other's ignoring", func(ctx context.Context) {
		image, env := image(), environment(ctx, scanned)
		Expect(signtest.Refer(image, ci.Bundle(digest(image), signtest.Vuln, signtest.Found(`{"matches":[]}`, time.Now().Add(-time.Hour))))).To(Succeed())
		Expect(signtest.Refer(image, ci.Bundle(digest(image), signtest.Vuln, signtest.Found(`{"matches":[],"ignoredMatches":`+
			`[{"vulnerability":{"id":"CVE-2026-1","severity":"High"},"artifact":{"name":"openssl","version":"3.0.1"},"appliedIgnoreRules":[{"vulnerability":"CVE-2026-1"}]}]}`, time.Now())))).To(Succeed())
		c := component(ctx, image, env)
		Eventually(ctx, framework.Read(admin, c)).Should(waitsFor(platformv1alpha1.ReasonProofMissing, "High CVE-2026-1 in openssl 3.0.1"))
		Expect(signtest.Refer(image, ci.Bundle(digest(image), signtest.Vuln, signtest.Found(`{"matches":[]}`, time.Now().Add(time.Second))))).To(Succeed())
		Eventually(ctx, framework.Read(admin, c)).Should(promoted())
	})
})

var _ = Describe("A class that lists who may sign without a key", func() {
	It("names who signed in their place, and lets in what they sign themselves", func(ctx context.Context) {
		image, env := image(), environment(ctx, signed, platformv1alpha1.RequiredProof{Type: platformv1alpha1.ProofSBOM})
		changeClass(ctx, env, func(s *platformv1alpha1.SupplyChain) {
			s.Keys, s.Identities = nil, []platformv1alpha1.SupplyChainIdentity{{Name: "release", Issuer: signtest.Issuer, Subject: signtest.Workflow}}
		})
		const fork = "https://github.com/evil/checkout/.github/workflows/release.yaml@refs/heads/main"
		Expect(signtest.Refer(image, sigstore.Bundle(fork, digest(image), signtest.Sign, "{}"))).To(Succeed())
		c := component(ctx, image, env)
		Eventually(ctx, framework.Read(admin, c)).Should(waitsFor(platformv1alpha1.ReasonProofMissing,
			"lacks Signature (one was signed by "+fork+" of issuer "+signtest.Issuer+", which is no identity of the class), SBOM (there is none)", "Bring it as an identity of the class with: cosign sign --yes "+image))
		Expect(signtest.Tag(image, "sig", sigstore.Simple(signtest.Workflow, digest(image)))).To(Succeed())
		Expect(signtest.Refer(image, sigstore.Bundle(signtest.Workflow, digest(image), signtest.SPDX, `{"spdxVersion":"SPDX-2.3"}`))).To(Succeed())
		Eventually(ctx, framework.Read(admin, c)).Should(promoted())
		Expect(framework.Read(admin, release(c, 1))(ctx)).To(HaveField("Status.Proofs", And(HaveLen(2), HaveEach(And(
			HaveField("Image", image), HaveField("Key", ""), HaveField("Identity", "release"), HaveField("Artifact", HavePrefix("sha256:")))))))
	})

	It("is refused where it lists nobody, or not all of who they are", func(ctx context.Context) {
		class := framework.Class(framework.Name("keyless-"), platformv1alpha1.TierProduction)
		class.Spec.SupplyChain = &platformv1alpha1.SupplyChain{Proofs: []platformv1alpha1.RequiredProof{signed}}
		chain := class.Spec.SupplyChain
		Expect(admin.Create(ctx, class, client.DryRunAll)).To(MatchError(ContainSubstring("supplyChain must have keys, identities or both")))
		chain.Identities = []platformv1alpha1.SupplyChainIdentity{{Name: "release", Issuer: signtest.Issuer}}
		Expect(admin.Create(ctx, class, client.DryRunAll)).To(MatchError(ContainSubstring("must have subject or subjectRegexp, and not both")))
		chain.Identities[0].Subject, chain.Identities[0].SubjectRegexp = signtest.Workflow, ".*"
		Expect(admin.Create(ctx, class, client.DryRunAll)).To(MatchError(ContainSubstring("must have subject or subjectRegexp, and not both")))
		chain.Identities[0].Subject, chain.Identities[0].SubjectRegexp = "", "("
		Expect(admin.Create(ctx, class, client.DryRunAll)).To(MatchError(ContainSubstring("spec.supplyChain.identities[release].subjectRegexp")))
		chain.Identities[0].SubjectRegexp, chain.Identities[0].Issuer = "https://github[.]com/shop/.*", "http://issuer.example"
		Expect(admin.Create(ctx, class, client.DryRunAll)).To(MatchError(ContainSubstring("issuer must begin with https://")))
		chain.Identities[0].Issuer, chain.Proofs[0].Identities = signtest.Issuer, []string{"other"}
		Expect(admin.Create(ctx, class, client.DryRunAll)).To(MatchError(ContainSubstring("identities of a proof must name identities of supplyChain")))
		chain.Proofs[0].Identities = nil
		chain.Proofs[0].Keys = []string{"ci"}
		Expect(admin.Create(ctx, class, client.DryRunAll)).To(MatchError(ContainSubstring("keys of a proof must name keys of supplyChain")))
		chain.Proofs[0].Keys = nil
		Expect(admin.Create(ctx, class, client.DryRunAll)).To(Succeed())
	})
})

var _ = Describe("A rollback to what entered before the class asked", func() {
	// asking has the class ask of all images, of which it exempted one before.
	asking := func(ctx context.Context, env string) {
		GinkgoHelper()
		changeClass(ctx, env, func(s *platformv1alpha1.SupplyChain) { s.ExemptImages = nil })
	}
	exempting := func(ctx context.Context, images string) string {
		GinkgoHelper()
		env := environment(ctx, signed)
		changeClass(ctx, env, func(s *platformv1alpha1.SupplyChain) { s.ExemptImages = []string{images} })
		return env
	}
	runs := func(image string) OmegaMatcher {
		return HaveField("Status.Environments", ConsistOf(HaveField("Image", image)))
	}

	It("brings no tag back, which may be somebody's other image by now", func(ctx context.Context) {
		second, tag := image(), host+"/old/app:1"
		Expect(signtest.Tag(second, "sig", ci.Simple(digest(second)))).To(Succeed())
		env := exempting(ctx, host+"/old/*")
		c := component(ctx, tag, env)
		Eventually(ctx, framework.Read(admin, c)).Should(And(promoted(), runs(tag)))
		Eventually(ctx, framework.Read(admin, release(c, 1))).Should(framework.BeReady())
		change(ctx, c, func(c *platformv1alpha1.Component) { c.Spec.Image = second })
		Eventually(ctx, framework.Read(admin, c)).Should(And(promoted(), runs(second)))
		asking(ctx, env)
		change(ctx, c, func(c *platformv1alpha1.Component) { c.Spec.Environments[0].RollbackTo = 1 })
		Eventually(ctx, framework.Read(admin, c)).Should(waitsFor(platformv1alpha1.ReasonDigestMissing, tag+" needs a digest"))
		Expect(framework.Read(admin, c)(ctx)).To(runs(second))
	})

	It("brings back with it the containers beside that ran then", func(ctx context.Context) {
		first, second := image(), image()
		for _, image := range []string{first, second} {
			Expect(signtest.Tag(image, "sig", ci.Simple(digest(image)))).To(Succeed())
		}
		env := exempting(ctx, host+"/mesh/*")
		c := component(ctx, first, env, func(c *platformv1alpha1.Component) { c.Spec.TemplateRef.Name = "meshed" })
		Eventually(ctx, framework.Read(admin, c)).Should(And(promoted(), runs(first)))
		Eventually(ctx, framework.Read(admin, release(c, 1))).Should(framework.BeReady())
		change(ctx, c, func(c *platformv1alpha1.Component) { c.Spec.Image = second })
		Eventually(ctx, framework.Read(admin, c)).Should(And(promoted(), runs(second)))
		asking(ctx, env)
		change(ctx, c, func(c *platformv1alpha1.Component) { c.Spec.Environments[0].RollbackTo = 1 })
		Eventually(ctx, framework.Read(admin, c)).Should(runs(first))
	})
})

var _ = Describe("A class with keys", func() {
	It("is refused where a key cannot be read, or a proof names one that is not there", func(ctx context.Context) {
		class := framework.Class(framework.Name("broken-"), platformv1alpha1.TierProduction)
		class.Spec.SupplyChain = &platformv1alpha1.SupplyChain{
			Keys:   []platformv1alpha1.SupplyChainKey{{Name: "ci", PublicKey: "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"}},
			Proofs: []platformv1alpha1.RequiredProof{signed},
		}
		Expect(admin.Create(ctx, class.DeepCopy())).To(MatchError(ContainSubstring("spec.supplyChain.keys[ci].publicKey")))
		class.Spec.SupplyChain.Keys[0].PublicKey = ci.Public()
		class.Spec.SupplyChain.Proofs[0].Keys = []string{"cd"}
		Expect(admin.Create(ctx, class.DeepCopy())).To(MatchError(ContainSubstring("keys of a proof must name keys of supplyChain")))
		class.Spec.SupplyChain.Proofs[0].Keys, class.Spec.SupplyChain.Proofs[0].MaxAgeSeconds = nil, 3600
		Expect(admin.Create(ctx, class.DeepCopy())).To(MatchError(ContainSubstring("maxAgeSeconds must be set of a Scan alone")))
		class.Spec.SupplyChain.Proofs[0].MaxAgeSeconds, class.Spec.SupplyChain.Proofs[0].MaxSeverity = 0, platformv1alpha1.SeverityHigh
		Expect(admin.Create(ctx, class.DeepCopy())).To(MatchError(ContainSubstring("maxSeverity must be set of a Scan alone")))
		class.Spec.SupplyChain.Proofs[0] = platformv1alpha1.RequiredProof{Type: platformv1alpha1.ProofScan, Ignore: []platformv1alpha1.IgnoredVulnerability{
			{Vulnerability: "CVE-2026-1", Expires: "2027-13-01", Reason: "It is not reached."},
		}}
		Expect(admin.Create(ctx, class.DeepCopy())).To(MatchError(ContainSubstring("ignore[0].expires")))
		class.Spec.SupplyChain.Proofs[0].Ignore[0].Expires = "2027-01-01"
		Expect(admin.Create(ctx, class.DeepCopy())).To(MatchError(ContainSubstring("ignore must be set with maxSeverity alone")))
		scan := &class.Spec.SupplyChain.Proofs[0]
		scan.MaxSeverity = platformv1alpha1.SeverityMedium
		again := scan.Ignore[0]
		again.Package = "openssl"
		scan.Ignore = append(scan.Ignore, again)
		Expect(admin.Create(ctx, class.DeepCopy(), client.DryRunAll)).To(Succeed(), "a vulnerability may be ignored in each package by itself")
		scan.Ignore = append(scan.Ignore, again)
		Expect(admin.Create(ctx, class.DeepCopy(), client.DryRunAll)).To(MatchError(ContainSubstring("ignore[2]: Duplicate value")))
	})
})
