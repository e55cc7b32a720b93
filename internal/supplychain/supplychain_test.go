package supplychain_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/supplychain"
	"github.com/towpath-dev/towpath/internal/supplychain/signtest"
)

var (
	noon   = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	digest = "sha256:" + strings.Repeat("a", 64)
	beside = "sha256:" + strings.Repeat("b", 64)
)

// class asks for one kind of proof, with the keys ci and cd.
func class(ci, cd *signtest.Signer, need platformv1alpha1.RequiredProof) *platformv1alpha1.SupplyChain {
	return &platformv1alpha1.SupplyChain{
		Keys:   []platformv1alpha1.SupplyChainKey{{Name: "ci", PublicKey: ci.Public()}, {Name: "cd", PublicKey: cd.Public()}},
		Proofs: []platformv1alpha1.RequiredProof{need},
	}
}

func with(a supplychain.Artifact, change func(*supplychain.Artifact)) supplychain.Artifact {
	change(&a)
	return a
}

func replace(old, by string) func(*supplychain.Artifact) {
	return func(a *supplychain.Artifact) { a.Content = []byte(strings.Replace(string(a.Content), old, by, 1)) }
}

func TestJudge(t *testing.T) {
	ci, cd, other := signtest.New(), signtest.New(), signtest.New()
	signature := platformv1alpha1.RequiredProof{Type: platformv1alpha1.ProofSignature}
	sbom := platformv1alpha1.RequiredProof{Type: platformv1alpha1.ProofSBOM}
	provenance := platformv1alpha1.RequiredProof{Type: platformv1alpha1.ProofProvenance}
	scan := platformv1alpha1.RequiredProof{Type: platformv1alpha1.ProofScan, MaxAgeSeconds: 7 * 86400}
	scanned := func(ago time.Duration) supplychain.Artifact {
		return ci.Envelope(digest, signtest.Vuln, signtest.Scanned(noon.Add(-ago)))
	}
	const day = 24 * time.Hour
	for name, tc := range map[string]struct {
		need      platformv1alpha1.RequiredProof
		artifacts []supplychain.Artifact
		// want is what is said to be missing, empty for nothing.
		want string
	}{
		"nothing there":                          {signature, nil, "there is none"},
		"a signature":                            {signature, []supplychain.Artifact{ci.Simple(digest)}, ""},
		"a signature as a bundle":                {signature, []supplychain.Artifact{ci.Bundle(digest, signtest.Sign, "{}")}, ""},
		"a signature by nobody's key":            {signature, []supplychain.Artifact{other.Simple(digest)}, "by no key of the class"},
		"a good signature behind a bad one":      {signature, []supplychain.Artifact{other.Simple(digest), ci.Simple(digest)}, ""},
		"a signature of another image":           {signature, []supplychain.Artifact{ci.Simple(beside)}, "by key ci is of another image"},
		"a signature whose payload was changed":  {signature, []supplychain.Artifact{with(ci.Simple(beside), replace(beside, digest))}, "by no key of the class"},
		"a signature that is no base64":          {signature, []supplychain.Artifact{with(ci.Simple(digest), func(a *supplychain.Artifact) { a.Signature = "?" })}, "cannot be read"},
		"a statement passed off as a signature":  {signature, []supplychain.Artifact{with(ci.Simple(digest), replace("cosign container", "other"))}, "by no key"},
		"a signature by the key asked for":       {platformv1alpha1.RequiredProof{Type: platformv1alpha1.ProofSignature, Keys: []string{"cd"}}, []supplychain.Artifact{cd.Simple(digest)}, ""},
		"a signature by another key":             {platformv1alpha1.RequiredProof{Type: platformv1alpha1.ProofSignature, Keys: []string{"cd"}}, []supplychain.Artifact{ci.Simple(digest)}, "by key ci, and must be by key cd"},
		"an attestation in place of a signature": {signature, []supplychain.Artifact{ci.Envelope(digest, signtest.SPDX, `{"spdxVersion":"SPDX-2.3"}`)}, "there is none"},
		"SPDX":                                   {sbom, []supplychain.Artifact{ci.Envelope(digest, signtest.SPDX+"/v2.3", `{"spdxVersion":"SPDX-2.3"}`)}, ""},
		"CycloneDX":                              {sbom, []supplychain.Artifact{ci.Bundle(digest, signtest.CycloneDX, `{"bomFormat":"CycloneDX"}`)}, ""},
		"an empty SBOM":                          {sbom, []supplychain.Artifact{ci.Envelope(digest, signtest.SPDX, `{}`)}, "neither SPDX nor CycloneDX"},
		"a type that only begins like SPDX":      {sbom, []supplychain.Artifact{ci.Envelope(digest, signtest.SPDX+"ary", `{"spdxVersion":"SPDX-2.3"}`)}, "there is none"},
		"an SBOM of another image":               {sbom, []supplychain.Artifact{ci.Envelope(beside, signtest.SPDX, `{"spdxVersion":"SPDX-2.3"}`)}, "by key ci is of another image"},
		"an SBOM whose payload type changed":     {sbom, []supplychain.Artifact{with(ci.Envelope(digest, signtest.SPDX, `{"spdxVersion":"SPDX-2.3"}`), replace("vnd.in-toto", "vnd.other"))}, "an attestation holds no statement"},
		"an attestation that is no JSON":         {sbom, []supplychain.Artifact{{MediaType: supplychain.Envelope, Content: []byte("{")}}, "cannot be read"},
		"a bundle without an envelope":           {sbom, []supplychain.Artifact{{MediaType: signtest.BundleType, Content: []byte(`{"messageSignature":{}}`)}}, "holds no DSSE envelope"},
		"a bundle with a certificate":            {sbom, []supplychain.Artifact{with(other.Bundle(digest, signtest.SPDX, `{"spdxVersion":"SPDX-2.3"}`), replace(`{"publicKey":{"hint":""}}`, `{"certificate":{"rawBytes":"AAAA"}}`))}, "it has a certificate instead, and the class lists no identities"},
		"one that is too large":                  {sbom, []supplychain.Artifact{{MediaType: supplychain.Envelope, Content: make([]byte, supplychain.MaxArtifact+1)}}, "larger than 16 MiB"},
		"provenance":                             {provenance, []supplychain.Artifact{ci.Envelope(digest, signtest.SLSA, `{"buildDefinition":{}}`)}, ""},
		"empty provenance":                       {provenance, []supplychain.Artifact{ci.Envelope(digest, signtest.SLSA, `null`)}, "says nothing"},
		"a scan":                                 {scan, []supplychain.Artifact{scanned(6 * day)}, ""},
		"a scan of just now":                     {scan, []supplychain.Artifact{scanned(0)}, ""},
		"a scan just as old as may be":           {scan, []supplychain.Artifact{scanned(7 * day)}, ""},
		"a scan that is too old":                 {scan, []supplychain.Artifact{scanned(7*day + time.Second)}, "the newest is of 2026-11-23T11:59:59Z, and may be no older than 7 days"},
		"an old and a new scan":                  {scan, []supplychain.Artifact{scanned(30 * day), scanned(day), scanned(20 * day)}, ""},
		"a scan of the future":                   {scan, []supplychain.Artifact{scanned(-day)}, "a time in the future, 2026-12-01T12:00:00Z"},
		"a scan by a clock a little ahead":       {scan, []supplychain.Artifact{scanned(-time.Minute)}, ""},
		"a scan without a time":                  {scan, []supplychain.Artifact{ci.Envelope(digest, signtest.Vuln, `{"metadata":{}}`)}, "does not state in metadata.scanFinishedOn"},
		"a scan that is of any age":              {platformv1alpha1.RequiredProof{Type: platformv1alpha1.ProofScan}, []supplychain.Artifact{scanned(400 * day)}, ""},
		"something that nobody asked for":        {scan, []supplychain.Artifact{ci.Envelope(digest, "https://example.com/tests/v1", `{}`)}, "there is none"},
	} {
		t.Run(name, func(t *testing.T) {
			c := class(ci, cd, tc.need)
			var e supplychain.Evidence
			for i := range tc.artifacts {
				e.Look(&tc.artifacts[i], digest, supplychain.SignersOf(c, nil))
			}
			proofs, missing := supplychain.Judge(c, &e, noon, false)
			switch {
			case tc.want == "" && (len(missing) > 0 || len(proofs) != 1):
				t.Errorf("it lacks %v", missing)
			case tc.want != "" && (len(missing) != 1 || !strings.Contains(missing[0].Why, tc.want)):
				t.Errorf("it lacks %v, want %q", missing, tc.want)
			}
		})
	}
}

func TestJudge_ComesBackWithAnOldScan(t *testing.T) {
	ci := signtest.New()
	c := class(ci, ci, platformv1alpha1.RequiredProof{Type: platformv1alpha1.ProofScan, MaxAgeSeconds: 3600})
	var e supplychain.Evidence
	a := ci.Envelope(digest, signtest.Vuln, signtest.Scanned(noon.AddDate(-1, 0, 0)))
	e.Look(&a, digest, supplychain.SignersOf(c, nil))
	if _, missing := supplychain.Judge(c, &e, noon, true); len(missing) > 0 {
		t.Errorf("it lacks %v", missing)
	}
}

func TestKeys_OfEachKind(t *testing.T) {
	for name, signer := range map[string]*signtest.Signer{"P-256": signtest.New(), "P-384": signtest.P384(), "RSA": signtest.RSA(), "Ed25519": signtest.Ed25519()} {
		c := class(signer, signtest.New(), platformv1alpha1.RequiredProof{Type: platformv1alpha1.ProofSignature})
		var e supplychain.Evidence
		a := signer.Simple(digest)
		e.Look(&a, digest, supplychain.SignersOf(c, nil))
		if _, missing := supplychain.Judge(c, &e, noon, false); len(missing) > 0 {
			t.Errorf("%s: it lacks %v", name, missing)
		}
	}
}

func TestValidate(t *testing.T) {
	good := signtest.New().Public()
	for name, tc := range map[string]struct{ key, want string }{
		"a good one":     {good, ""},
		"blanks behind":  {good + "\n \n", ""},
		"two in one":     {good + good, "must be one public key"},
		"a private key":  {"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "must be a public key in PEM"},
		"no PEM":         {"ci", "must be a public key in PEM"},
		"no key in it":   {"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "what stands in the PEM cannot be read"},
		"a certificate":  {strings.ReplaceAll(good, "PUBLIC KEY", "CERTIFICATE"), "must be a public key in PEM"},
		"nothing at all": {"", "must be a public key in PEM"},
	} {
		c := &platformv1alpha1.SupplyChain{Keys: []platformv1alpha1.SupplyChainKey{{Name: "ci", PublicKey: tc.key}}}
		err := supplychain.Validate(c, nil, field.NewPath("spec")).ToAggregate()
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "spec.keys[ci].publicKey")) {
			t.Errorf("%s: it says %v, want %q", name, err, tc.want)
		}
	}
}

func TestImages(t *testing.T) {
	pod, err := supplychain.Object([]byte(`{"spec":{"jobTemplate":{"spec":{"template":{"spec":{
		"initContainers":[{"image":"a"}],"containers":[{"image":"c"},{"image":"b"},{"image":"c"},"x",{"image":1}],
		"ephemeralContainers":[{"image":"e"}],"volumes":[{"image":{"reference":"d"}},{"configMap":{"name":"image"}}]}}}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(supplychain.Images(pod), " "); got != "a b c d e" {
		t.Errorf("they are %s", got)
	}
}

func TestExempt(t *testing.T) {
	patterns := []string{"registry.example/mesh/proxy", "registry.example/tools/*"}
	for image, want := range map[string]bool{
		"registry.example/mesh/proxy:1": true, "registry.example/mesh/proxy@" + digest: true, "registry.example/mesh/proxy/x": false,
		"registry.example/tools/a/b:1": true, "registry.example/tools": false, "registry.example/toolsmith/a": false,
		"other.example/registry.example/tools/a": false, "registry.example/tools/../shop/a": false, "registry.example/Mesh/proxy": false,
	} {
		if got := supplychain.Exempt(image, patterns); got != want {
			t.Errorf("%s: it is %t", image, got)
		}
	}
}

func TestDigest(t *testing.T) {
	for image, want := range map[string]string{
		"registry.example/a@" + digest: digest, "registry.example/a:1@" + digest: digest, "registry.example/a:1": "", "a": "", "": "",
		"registry.example/a@sha256:abc": "", "registry.example/a@sha512:" + strings.Repeat("a", 128): "",
	} {
		if got := supplychain.Digest(image); got != want {
			t.Errorf("%s: it is %q", image, got)
		}
	}
}

// Whatever stands in a registry, it is read without a panic, and proves nothing that no key of the class has signed.
func FuzzLook(f *testing.F) {
	ci, other := signtest.New(), signtest.New()
	for _, a := range []supplychain.Artifact{
		other.Simple(digest), other.Envelope(digest, signtest.Vuln, signtest.Scanned(noon)), other.Bundle(digest, signtest.SPDX, `{"spdxVersion":"1"}`),
		ci.Simple(beside), ci.Envelope(beside, signtest.SLSA, `{"a":1}`), {MediaType: supplychain.Envelope, Content: []byte(`{"signatures":[null,{}],"payload":null}`)},
	} {
		f.Add(a.MediaType, a.Content, a.Signature)
	}
	keys := supplychain.SignersOf(class(ci, ci, platformv1alpha1.RequiredProof{Type: platformv1alpha1.ProofSignature}), nil)
	f.Fuzz(func(t *testing.T, mediaType string, content []byte, signature string) {
		var e supplychain.Evidence
		e.Look(&supplychain.Artifact{MediaType: mediaType, Content: content, Signature: signature}, digest, keys)
		if len(e.Proofs) > 0 {
			t.Errorf("it proves %v", e.Proofs)
		}
	})
}

// Keys are written by the platform team alone, and read without a panic all the same.
func FuzzReadKey(f *testing.F) {
	f.Add(signtest.New().Public())
	f.Add(signtest.Ed25519().Public())
	f.Add("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
	f.Fuzz(func(t *testing.T, text string) {
		if public, err := supplychain.ReadKey(text); (public == nil) == (err == nil) {
			t.Errorf("it gives %v, %v", public, err)
		}
	})
}

// The bundle was signed by sigstore-go v1.3.0 with a key that nobody has any more.
func TestLook_AtABundleBySigstoreGo(t *testing.T) {
	key, err := os.ReadFile("testdata/sigstore-go-key.pub")
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile("testdata/sigstore-go-bundle.json")
	if err != nil {
		t.Fatal(err)
	}
	c := &platformv1alpha1.SupplyChain{
		Keys:   []platformv1alpha1.SupplyChainKey{{Name: "ci", PublicKey: string(key)}},
		Proofs: []platformv1alpha1.RequiredProof{{Type: platformv1alpha1.ProofSignature}},
	}
	var e supplychain.Evidence
	e.Look(&supplychain.Artifact{MediaType: signtest.BundleType, Content: content}, "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef", supplychain.SignersOf(c, nil))
	if _, missing := supplychain.Judge(c, &e, noon, false); len(missing) > 0 {
		t.Errorf("it lacks %v", missing)
	}
}
