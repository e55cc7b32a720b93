package supplychain

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sigstore/sigstore-go/pkg/verify"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// The kinds of artifacts that hold signatures and attestations, by the media type of what they hold.
const (
	// SimpleSigning is a payload with the digest of an image, whose signature stands beside it.
	SimpleSigning = "application/vnd.dev.cosign.simplesigning.v1+json"
	// Envelope is one of DSSE, with a statement of in-toto.
	Envelope = "application/vnd.dsse.envelope.v1+json"
	// bundled begins the types of Sigstore's bundles, which hold such an envelope.
	bundled = "application/vnd.dev.sigstore.bundle"
)

// SignatureAnnotation is where the signature of a SimpleSigning payload stands, in base64; the others are where cosign puts what belongs to
// a signature without a key.
const (
	SignatureAnnotation   = "dev.cosignproject.cosign/signature"
	CertificateAnnotation = "dev.sigstore.cosign/certificate"
	LoggedAnnotation      = "dev.sigstore.cosign/bundle"
	StampedAnnotation     = "dev.sigstore.cosign/rfc3161timestamp"
)

const (
	// MaxArtifact is how many bytes an artifact may have. Lists of what is in an image are the largest.
	MaxArtifact = 16 << 20
	// maxSignatures is how many signatures of an envelope are looked at, maxSubjects how many images of a statement.
	maxSignatures, maxSubjects = 16, 1024
	// maxRejections is how many artifacts that prove nothing are told of.
	maxRejections = 8
	// statementType is the type of what an envelope holds.
	statementType = "application/vnd.in-toto+json"
	// signedImage is the type of a SimpleSigning payload.
	signedImage = "cosign container image signature"
)

// Reads says whether artifacts of a media type are looked at.
func Reads(mediaType string) bool {
	return mediaType == SimpleSigning || mediaType == Envelope || strings.HasPrefix(mediaType, bundled)
}

// Artifact is one signature or attestation as a registry has it.
type Artifact struct {
	// Digest of the content, MediaType of it, as the registry lists it.
	Digest, MediaType string
	Content           []byte
	// Signature in base64, where it does not stand in the content.
	Signature string
	// Certificate in PEM, Logged what a transparency log says and Stamped what an authority for timestamps does, as cosign writes them
	// beside what was signed without a key; empty where they do not, or stand in the content.
	Certificate, Logged, Stamped string
}

// Proof is something that is proven of an image.
type Proof struct {
	Type platformv1alpha1.ProofType
	// By are all of the class who signed it: a class that comes to ask for another one of them needs no new look at the registry.
	By
	// Artifact is the digest of what holds it.
	Artifact string
	// At is when a scan ended, Found what it found; nil where that cannot be told.
	At    time.Time
	Found *Findings
}

// Evidence is what the artifacts beside an image say of it.
type Evidence struct {
	Proofs []Proof
	// Rejected says of artifacts why they prove nothing.
	Rejected []Rejection
	// Incomplete says why not all that is beside the image was read; empty where it was. Which scan is the newest cannot be told then.
	Incomplete string
}

// Rejection says why an artifact proves nothing.
type Rejection struct {
	// Type that it would prove, where that is known.
	Type platformv1alpha1.ProofType
	Why  string
}

// Add tells of an artifact that proves nothing.
func (e *Evidence) Add(kind platformv1alpha1.ProofType, why string) {
	if len(e.Rejected) < maxRejections {
		e.Rejected = append(e.Rejected, Rejection{kind, why})
	}
}

// Newest drops scans than which there is a newer one by the same keys: no class ever asks for them. One that states a time in the future has all
// others stay, since it does not count before that.
func (e *Evidence) Newest(now time.Time) {
	older := func(p *Proof) bool {
		return p.Type == platformv1alpha1.ProofScan && slices.ContainsFunc(e.Proofs, func(other Proof) bool {
			return other.Type == p.Type && other.At.After(p.At) && !other.At.After(now.Add(skew)) && other.Equal(&p.By)
		})
	}
	kept := make([]Proof, 0, len(e.Proofs))
	for i := range e.Proofs {
		if !older(&e.Proofs[i]) {
			kept = append(kept, e.Proofs[i])
		}
	}
	e.Proofs = kept
}

// Has says whether a proof is among those that are known.
func (e *Evidence) Has(p *Proof) bool {
	return slices.ContainsFunc(e.Proofs, func(own Proof) bool { return own.Type == p.Type && own.Artifact == p.Artifact && own.Equal(&p.By) })
}

// Findings are how many findings are kept of all scans.
func (e *Evidence) Findings() int {
	n := 0
	for i := range e.Proofs {
		n += e.Proofs[i].Found.Len()
	}
	return n
}

// Look looks at an artifact beside an image, by its digest as sha256:….
func (e *Evidence) Look(a *Artifact, digest string, by Signers) {
	defer func() {
		if recover() != nil { // what strangers put into a registry goes through the code of many, and must not end the manager
			e.Add("", "one cannot be read")
		}
	}()
	proof, rejected := read(a, digest, by.read())
	switch {
	case rejected != nil:
		e.Add(rejected.Type, rejected.Why)
	case proof != nil:
		proof.Artifact = a.Digest
		e.Proofs = append(e.Proofs, *proof)
	}
}

// read looks at one artifact. What says something that nobody asks for is neither a proof nor rejected.
func read(a *Artifact, digest string, by *signers) (*Proof, *Rejection) {
	switch {
	case len(a.Content) > MaxArtifact:
		return nil, &Rejection{Why: fmt.Sprintf("one is larger than %d MiB", MaxArtifact>>20)}
	case a.MediaType == SimpleSigning:
		return readSimple(a, digest, by)
	case a.MediaType == Envelope:
		return readEnvelope(a, digest, by)
	case strings.HasPrefix(a.MediaType, bundled):
		return readBundle(a.Content, digest, by)
	}
	return nil, nil
}

// simple is a SimpleSigning payload.
type simple struct {
	Critical struct {
		Image struct {
			Digest string `json:"docker-manifest-digest"`
		} `json:"image"`
		Type string `json:"type"`
	} `json:"critical"`
}

func readSimple(a *Artifact, digest string, by *signers) (*Proof, *Rejection) {
	rejected := func(why string) (*Proof, *Rejection) { return nil, &Rejection{platformv1alpha1.ProofSignature, why} }
	signature := a.decode()
	if len(signature) == 0 {
		return rejected("a signature cannot be read")
	}
	made, why := by.made(sealMessage(a, signature), func() verify.ArtifactPolicyOption { return verify.WithArtifact(bytes.NewReader(a.Content)) })
	if made.None() {
		return rejected(why)
	}
	var payload simple
	if err := json.Unmarshal(a.Content, &payload); err != nil || payload.Critical.Type != signedImage {
		return rejected(made.first() + " signed something that is no signature of an image")
	}
	if payload.Critical.Image.Digest != digest {
		return rejected("a signature by " + made.first() + " is of another image")
	}
	return &Proof{Type: platformv1alpha1.ProofSignature, By: made}, nil
}

// envelope is one of DSSE.
type envelope struct {
	PayloadType string `json:"payloadType"`
	Payload     []byte `json:"payload"`
	Signatures  []struct {
		Sig []byte `json:"sig"`
	} `json:"signatures"`
}

func readEnvelope(a *Artifact, digest string, by *signers) (*Proof, *Rejection) {
	var e envelope
	if err := json.Unmarshal(a.Content, &e); err != nil {
		return nil, &Rejection{Why: "an attestation cannot be read"}
	}
	sealed := sealEnvelope(&e)
	sealed.material, sealed.broken = a.material()
	return sealed.statement(digest, by)
}

func readBundle(content []byte, digest string, by *signers) (*Proof, *Rejection) {
	sealed, why := sealBundle(content)
	if sealed == nil {
		return nil, &Rejection{Why: why}
	}
	return sealed.statement(digest, by)
}

// statement looks at that of an envelope. It is looked into before it is verified to tell what it would be, and believed only after.
func (s *seal) statement(digest string, by *signers) (*Proof, *Rejection) {
	var stated statement
	err := json.Unmarshal(s.envelope.Payload, &stated)
	kind := proofType(stated.PredicateType)
	rejected := func(why string) (*Proof, *Rejection) { return nil, &Rejection{kind, why} }
	switch {
	case s.envelope.PayloadType != statementType:
		return rejected("an attestation holds no statement of in-toto")
	case err == nil && kind == "":
		return nil, nil // whoever signed it, nobody asks for it
	}
	about := stated.about(digest)
	made, why := by.made(s, func() verify.ArtifactPolicyOption {
		if sum, err := hex.DecodeString(strings.TrimPrefix(digest, "sha256:")); about && err == nil {
			return verify.WithArtifactDigest("sha256", sum)
		}
		return verify.WithoutArtifactUnsafe() // it is refused below, and whoever signed it is told
	})
	switch {
	case made.None():
		return rejected(why)
	case err != nil || !strings.HasPrefix(stated.Type, "https://in-toto.io/Statement/"):
		return rejected("a statement by " + made.first() + " cannot be read")
	case !about:
		return rejected("one by " + made.first() + " is of another image")
	}
	proof := &Proof{Type: kind, By: made}
	if why := stated.predicate(proof); why != "" {
		return rejected("one by " + made.first() + " " + why)
	}
	return proof, nil
}
