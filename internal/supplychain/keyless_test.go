package supplychain_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/supplychain"
	"github.com/towpath-dev/towpath/internal/supplychain/signtest"
)

const sbomOf = `{"spdxVersion":"SPDX-2.3"}`

func trusted(t testing.TB, content []byte) *supplychain.Root {
	t.Helper()
	read, err := supplychain.ReadRoot(content)
	if err != nil {
		t.Fatal(err)
	}
	return read
}

func workflow(change ...func(*platformv1alpha1.SupplyChainIdentity)) platformv1alpha1.SupplyChainIdentity {
	made := platformv1alpha1.SupplyChainIdentity{Name: "release", Issuer: signtest.Issuer, Subject: signtest.Workflow}
	for _, do := range change {
		do(&made)
	}
	return made
}

func matching(expression string) func(*platformv1alpha1.SupplyChainIdentity) {
	return func(i *platformv1alpha1.SupplyChainIdentity) { i.Subject, i.SubjectRegexp = "", expression }
}

func TestJudge_WithoutKeys(t *testing.T) {
	sigstore, foreign, ci := signtest.NewSigstore(), signtest.NewSigstore(), signtest.New()
	root := trusted(t, sigstore.Root(false))
	bundled := func(change ...func(*protobundle.Bundle)) supplychain.Artifact {
		return sigstore.Bundle(signtest.Workflow, digest, signtest.SPDX, sbomOf, change...)
	}
	by := func(subject string) supplychain.Artifact {
		return sigstore.Bundle(subject, digest, signtest.SPDX, sbomOf)
	}
	unlogged := func(b *protobundle.Bundle) { b.VerificationMaterial.TlogEntries = nil }
	unstamped := func(b *protobundle.Bundle) { b.VerificationMaterial.TimestampVerificationData = nil }
	const fork = "https://github.com/evil/checkout/.github/workflows/release.yaml@refs/heads/main"
	expression := `https://github\.com/shop/[^/]+/\.github/workflows/release\.yaml@refs/heads/main`
	for name, tc := range map[string]struct {
		identity platformv1alpha1.SupplyChainIdentity
		root     *supplychain.Root
		artifact supplychain.Artifact
		// want is what is said to be missing, empty for nothing.
		want string
	}{
		"a bundle by the identity":                 {workflow(), root, bundled(), ""},
		"by an expression":                         {workflow(matching(expression)), root, bundled(), ""},
		"with its time by the log alone":           {workflow(), root, bundled(unstamped), ""},
		"in a log without times, stamped":          {workflow(), root, sigstore.BundleV2(signtest.Workflow, digest, signtest.SPDX, sbomOf), ""},
		"in a log without times, and not stamped":  {workflow(), root, sigstore.BundleV2(signtest.Workflow, digest, signtest.SPDX, sbomOf, unstamped), "no trusted time"},
		"an envelope under a tag":                  {workflow(), root, sigstore.Envelope(signtest.Workflow, digest, signtest.SPDX, sbomOf), ""},
		"by somebody else":                         {workflow(), root, by(fork), "signed by " + fork + " of issuer " + signtest.Issuer + ", which is no identity of the class"},
		"by somebody else, and an expression":      {workflow(matching(expression)), root, by(fork), "signed by " + fork},
		"by whom the expression matches within":    {workflow(matching(expression)), root, by("https://evil.example/" + signtest.Workflow), "signed by https://evil.example/"},
		"by whom the expression matches at first":  {workflow(matching(expression)), root, by(signtest.Workflow + ".evil"), "no identity of the class"},
		"by a line of whom the expression matches": {workflow(matching("(?m)^" + expression + "$")), root, by("x\n" + signtest.Workflow), "no identity of the class"},
		"by either of an expression":               {workflow(matching("nobody|" + expression)), root, by("https://evil.example/" + signtest.Workflow), "no identity of the class"},
		"by another issuer":                        {workflow(func(i *platformv1alpha1.SupplyChainIdentity) { i.Issuer += ".evil" }), root, bundled(), "of issuer " + signtest.Issuer + ", which is no identity"},
		"of another image":                         {workflow(), root, sigstore.Bundle(signtest.Workflow, beside, signtest.SPDX, sbomOf), "by identity release is of another image"},
		"without an entry of a log":                {workflow(), root, bundled(unlogged), "has no entry of a transparency log"},
		"without a log and a time":                 {workflow(), root, bundled(unlogged, unstamped), "has no entry of a transparency log"},
		"in a foreign log by a foreign authority":  {workflow(), root, foreign.Bundle(signtest.Workflow, digest, signtest.SPDX, sbomOf), "no entry of a transparency log of the trusted root that holds"},
		"when the certificate held no more":        {workflow(), root, sigstore.BundleAt(time.Now().Add(time.Hour-time.Minute), signtest.Workflow, digest, signtest.SPDX, sbomOf), "outside certificate validity"},
		"with an authority that the root has not":  {workflow(), mixed(t, sigstore, foreign), bundled(), "certificate of no authority of the trusted root"},
		"in no log of certificates":                {workflow(), trusted(t, sigstore.Root(true)), bundled(), "signed certificate timestamp"},
		"with the certificate of another bundle":   {workflow(), root, bundled(func(b *protobundle.Bundle) { b.VerificationMaterial.Content = material(t, by(signtest.Workflow)) }), "certificate does not match"},
		"with a payload that was changed": {workflow(), root, bundled(func(b *protobundle.Bundle) {
			b.GetDsseEnvelope().Payload = bytes.Replace(b.GetDsseEnvelope().Payload, []byte("2.3"), []byte("2.2"), 1)
		}), "payload hash"},
		"with two signatures": {workflow(), root, bundled(func(b *protobundle.Bundle) {
			b.GetDsseEnvelope().Signatures = append(b.GetDsseEnvelope().Signatures, b.GetDsseEnvelope().Signatures[0])
		}), "must have one signature"},
		"by a key of nobody":  {workflow(), root, ci.Bundle(digest, signtest.SPDX, sbomOf), "one was signed by no identity of the class"},
		"without a root":      {workflow(), nil, bundled(), "the manager has no trusted root"},
		"a certificate alone": {workflow(), root, supplychain.Artifact{MediaType: signtest.BundleType, Content: []byte(`{"mediaType":"` + signtest.BundleType + `","verificationMaterial":{"certificate":{"rawBytes":"AAAA"}},"dsseEnvelope":{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"AAAA"}]}}`)}, "there is none"},
	} {
		t.Run(name, func(t *testing.T) {
			c := &platformv1alpha1.SupplyChain{
				Identities: []platformv1alpha1.SupplyChainIdentity{tc.identity}, Proofs: []platformv1alpha1.RequiredProof{{Type: platformv1alpha1.ProofSBOM}},
			}
			var e supplychain.Evidence
			e.Look(&tc.artifact, digest, supplychain.SignersOf(c, tc.root))
			proofs, missing := supplychain.Judge(c, &e, noon, false)
			switch {
			case tc.want == "" && (len(missing) > 0 || len(proofs) != 1 || fmt.Sprint(proofs[0].Identities) != "[release]" || len(proofs[0].Keys) > 0):
				t.Errorf("it lacks %v, by %v", missing, proofs)
			case tc.want != "" && (len(missing) != 1 || !strings.Contains(missing[0].Why, tc.want)):
				t.Errorf("it lacks %v, want %q", missing, tc.want)
			}
		})
	}
}

// mixed is the root of one with the authorities of another.
func mixed(t *testing.T, logs, authorities *signtest.Sigstore) *supplychain.Root {
	t.Helper()
	return trusted(t, logs.RootWith(authorities))
}

// material is that of a bundle.
func material(t *testing.T, a supplychain.Artifact) *protobundle.VerificationMaterial_Certificate {
	t.Helper()
	return signtest.Read(a).VerificationMaterial.Content.(*protobundle.VerificationMaterial_Certificate)
}

func TestJudge_SignatureWithoutKeys(t *testing.T) {
	sigstore := signtest.NewSigstore()
	c := &platformv1alpha1.SupplyChain{
		Identities: []platformv1alpha1.SupplyChainIdentity{workflow()}, Proofs: []platformv1alpha1.RequiredProof{{Type: platformv1alpha1.ProofSignature}},
	}
	signers := supplychain.SignersOf(c, trusted(t, sigstore.Root(false)))
	for name, tc := range map[string]struct {
		artifact supplychain.Artifact
		want     string
	}{
		"as cosign 3 has it":        {sigstore.Bundle(signtest.Workflow, digest, signtest.Sign, "{}"), ""},
		"as cosign 2 has it":        {sigstore.Simple(signtest.Workflow, digest), ""},
		"of another image":          {sigstore.Simple(signtest.Workflow, beside), "a signature by identity release is of another image"},
		"changed to be of this one": {with(sigstore.Simple(signtest.Workflow, beside), replace(beside, digest)), "that holds"},
		"without what the log says": {with(sigstore.Simple(signtest.Workflow, digest), func(a *supplychain.Artifact) { a.Logged = "" }), "has no entry of a transparency log"},
		"with what no log says":     {with(sigstore.Simple(signtest.Workflow, digest), func(a *supplychain.Artifact) { a.Logged = "{" }), "entry of a transparency log cannot be read"},
		"with another time by the log": {with(sigstore.Simple(signtest.Workflow, digest), func(a *supplychain.Artifact) {
			a.Logged = strings.Replace(a.Logged, `"integratedTime":1`, `"integratedTime":2`, 1)
		}), "that holds"},
		"without the certificate":       {with(sigstore.Simple(signtest.Workflow, digest), func(a *supplychain.Artifact) { a.Certificate = "" }), "by no identity of the class"},
		"with a certificate of nothing": {with(sigstore.Simple(signtest.Workflow, digest), func(a *supplychain.Artifact) { a.Certificate = "x" }), "its certificate is none in PEM"},
		"by somebody else":              {sigstore.Simple("mallory@shop.example", digest), "signed by mallory@shop.example of issuer"},
	} {
		t.Run(name, func(t *testing.T) {
			var e supplychain.Evidence
			e.Look(&tc.artifact, digest, signers)
			_, missing := supplychain.Judge(c, &e, noon, false)
			if tc.want == "" && len(missing) > 0 || tc.want != "" && (len(missing) != 1 || !strings.Contains(missing[0].Why, tc.want)) {
				t.Errorf("it lacks %v, want %q", missing, tc.want)
			}
		})
	}
}

func TestJudge_AsksForKeysOrIdentities(t *testing.T) {
	sigstore, ci := signtest.NewSigstore(), signtest.New()
	keyed, keyless := ci.Bundle(digest, signtest.Sign, "{}"), sigstore.Bundle(signtest.Workflow, digest, signtest.Sign, "{}")
	const signature = platformv1alpha1.ProofSignature
	for name, tc := range map[string]struct {
		need     platformv1alpha1.RequiredProof
		artifact supplychain.Artifact
		want     string
	}{
		"anybody, by the key":            {platformv1alpha1.RequiredProof{Type: signature}, keyed, ""},
		"anybody, by the identity":       {platformv1alpha1.RequiredProof{Type: signature}, keyless, ""},
		"the key, by the key":            {platformv1alpha1.RequiredProof{Type: signature, Keys: []string{"ci"}}, keyed, ""},
		"the key, by the identity":       {platformv1alpha1.RequiredProof{Type: signature, Keys: []string{"ci"}}, keyless, "signed by identity release, and must be by key ci"},
		"the identity, by the key":       {platformv1alpha1.RequiredProof{Type: signature, Identities: []string{"release"}}, keyed, "signed by key ci, and must be by identity release"},
		"the identity, by the identity":  {platformv1alpha1.RequiredProof{Type: signature, Identities: []string{"release"}}, keyless, ""},
		"either of them, by the other":   {platformv1alpha1.RequiredProof{Type: signature, Keys: []string{"ci"}, Identities: []string{"other"}}, keyless, "must be by key ci or identity other"},
		"either of them, by one of them": {platformv1alpha1.RequiredProof{Type: signature, Keys: []string{"ci"}, Identities: []string{"release"}}, keyless, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := &platformv1alpha1.SupplyChain{
				Keys:       []platformv1alpha1.SupplyChainKey{{Name: "ci", PublicKey: ci.Public()}},
				Identities: []platformv1alpha1.SupplyChainIdentity{workflow()}, Proofs: []platformv1alpha1.RequiredProof{tc.need},
			}
			var e supplychain.Evidence
			e.Look(&tc.artifact, digest, supplychain.SignersOf(c, trusted(t, sigstore.Root(false))))
			_, missing := supplychain.Judge(c, &e, noon, false)
			if tc.want == "" && len(missing) > 0 || tc.want != "" && (len(missing) != 1 || !strings.Contains(missing[0].Why, tc.want)) {
				t.Errorf("it lacks %v, want %q", missing, tc.want)
			}
		})
	}
}

func TestValidate_Identities(t *testing.T) {
	root := trusted(t, signtest.NewSigstore().Root(false))
	for name, tc := range map[string]struct {
		identity platformv1alpha1.SupplyChainIdentity
		root     *supplychain.Root
		want     string
	}{
		"a good one":                     {workflow(), root, ""},
		"an expression":                  {workflow(matching("https://github[.]com/shop/.*")), root, ""},
		"no expression":                  {workflow(matching("(")), root, "spec.identities[release].subjectRegexp"},
		"one that ends what is about it": {workflow(matching("a)|(?:b")), root, "must be a regular expression"},
		"a root that is not there":       {workflow(), nil, "supplyChain.trustedRootFile"},
	} {
		c := &platformv1alpha1.SupplyChain{Identities: []platformv1alpha1.SupplyChainIdentity{tc.identity}}
		err := supplychain.Validate(c, tc.root, field.NewPath("spec")).ToAggregate()
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: it says %v, want %q", name, err, tc.want)
		}
	}
}

func TestReadRoot(t *testing.T) {
	sigstore := signtest.NewSigstore()
	good := string(sigstore.Root(true))
	for name, tc := range map[string]struct{ content, want string }{
		"a good one":       {good, ""},
		"nothing":          {"", "must be a trusted root of Sigstore as JSON"},
		"no JSON":          {"{", "must be a trusted root of Sigstore as JSON"},
		"something else":   {"{}", "must be a trusted root of Sigstore as JSON"},
		"no authority":     {`{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}`, "must list an authority"},
		"no log":           {strings.Replace(good, `"tlogs":`, `"ctlogs":[],"unknown":`, 1), "must be a trusted root"},
		"one that is huge": {strings.Repeat(" ", supplychain.MaxRoot+1), "must have at most 1048576 bytes"},
	} {
		_, err := supplychain.ReadRoot([]byte(tc.content))
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: it says %v, want %q", name, err, tc.want)
		}
	}
	one, other := trusted(t, []byte(good)), trusted(t, signtest.NewSigstore().Root(false))
	c := &platformv1alpha1.SupplyChain{Identities: []platformv1alpha1.SupplyChainIdentity{workflow()}}
	if supplychain.SignersOf(c, one).ID == supplychain.SignersOf(c, other).ID || supplychain.SignersOf(c, one).ID != supplychain.SignersOf(c, trusted(t, []byte(good))).ID {
		t.Error("signers by one root are taken for those by another")
	}
}

// What was signed proves nothing once a byte of what counts is another one, wherever that stands.
func TestLook_TakesNoFlippedByte(t *testing.T) {
	sigstore, ci := signtest.NewSigstore(), signtest.New()
	c := class(ci, ci, platformv1alpha1.RequiredProof{Type: platformv1alpha1.ProofSBOM})
	c.Identities = []platformv1alpha1.SupplyChainIdentity{workflow()}
	signers := supplychain.SignersOf(c, trusted(t, sigstore.Root(false)))
	proves := func(a supplychain.Artifact) bool {
		var e supplychain.Evidence
		e.Look(&a, digest, signers)
		return len(e.Proofs) > 0
	}
	flip := func(of []byte, at int) { of[at] ^= 1 << (at % 8) }
	for name, make := range map[string]func() *protobundle.Bundle{
		"by a key": func() *protobundle.Bundle { return signtest.Read(ci.Bundle(digest, signtest.SPDX, sbomOf)) },
		"without a key": func() *protobundle.Bundle {
			return signtest.Read(sigstore.Bundle(signtest.Workflow, digest, signtest.SPDX, sbomOf))
		},
	} {
		sealed := make()
		if !proves(signtest.Written(sealed)) {
			t.Fatalf("%s: it proves nothing as it is", name)
		}
		parts := map[string][]byte{"payload": sealed.GetDsseEnvelope().Payload, "signature": sealed.GetDsseEnvelope().Signatures[0].Sig}
		if certificate := sealed.VerificationMaterial.GetCertificate(); certificate != nil {
			entry := sealed.VerificationMaterial.TlogEntries[0]
			parts["certificate"], parts["entry"], parts["promise"] = certificate.RawBytes, entry.CanonicalizedBody, entry.InclusionPromise.SignedEntryTimestamp
			parts["log"], parts["root hash"] = entry.LogId.KeyId, entry.InclusionProof.RootHash
		}
		for part, bytes := range parts {
			for at := range bytes {
				flip(bytes, at)
				if proves(signtest.Written(sealed)) {
					t.Errorf("%s: byte %d of its %s is another one, and it proves all the same", name, at, part)
				}
				flip(bytes, at)
			}
		}
	}
}

// Whatever stands in a bundle, or beside a signature, it is read without a panic, and proves nothing that nobody of the class has signed.
func FuzzLook_WithoutKeys(f *testing.F) {
	sigstore, foreign := signtest.NewSigstore(), signtest.NewSigstore()
	for _, a := range []supplychain.Artifact{
		foreign.Bundle(signtest.Workflow, digest, signtest.SPDX, sbomOf), foreign.BundleV2(signtest.Workflow, digest, signtest.SPDX, sbomOf),
		sigstore.Bundle("mallory@shop.example", digest, signtest.SPDX, sbomOf), sigstore.Bundle(signtest.Workflow, beside, signtest.SPDX, sbomOf),
		foreign.Simple(signtest.Workflow, digest), sigstore.Simple("mallory@shop.example", digest), foreign.Envelope(signtest.Workflow, digest, signtest.SPDX, sbomOf),
	} {
		f.Add(a.MediaType, a.Content, a.Signature, a.Certificate, a.Logged, a.Stamped)
	}
	c := &platformv1alpha1.SupplyChain{Identities: []platformv1alpha1.SupplyChainIdentity{workflow()}}
	signers := supplychain.SignersOf(c, trusted(f, sigstore.Root(false)))
	f.Fuzz(func(t *testing.T, mediaType string, content []byte, signature, certificate, logged, stamped string) {
		var e supplychain.Evidence
		e.Look(&supplychain.Artifact{
			MediaType: mediaType, Content: content, Signature: signature, Certificate: certificate, Logged: logged, Stamped: stamped,
		}, digest, signers)
		if len(e.Proofs) > 0 {
			t.Errorf("it proves %v", e.Proofs)
		}
	})
}

// FuzzReadRoot: the platform team writes it alone, and it is read without a panic all the same.
func FuzzReadRoot(f *testing.F) {
	f.Add(signtest.NewSigstore().Root(true))
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, content []byte) {
		if read, err := supplychain.ReadRoot(content); (read == nil) == (err == nil) {
			t.Errorf("it gives %v, %v", read, err)
		}
	})
}
