package supplychain

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// The kinds of artifacts that hold signatures and attestations, by the media type of what they hold.
const (
	// SimpleSigning is a payload with the digest of an image, whose signature stands beside it.
	SimpleSigning = "application/vnd.dev.cosign.simplesigning.v1+json"
	// Envelope is one of DSSE, with a statement of in-toto.
	Envelope = "application/vnd.dsse.envelope.v1+json"
	// bundle begins the types of Sigstore's bundles, which hold such an envelope.
	bundle = "application/vnd.dev.sigstore.bundle"
)

// SignatureAnnotation is where the signature of a SimpleSigning payload stands, in base64.
const SignatureAnnotation = "dev.cosignproject.cosign/signature"

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
	return mediaType == SimpleSigning || mediaType == Envelope || strings.HasPrefix(mediaType, bundle)
}

// Artifact is one signature or attestation as a registry has it.
type Artifact struct {
	// Digest of the content, MediaType of it, as the registry lists it.
	Digest, MediaType string
	Content           []byte
	// Signature in base64, where it does not stand in the content.
	Signature string
}

// Proof is something that is proven of an image.
type Proof struct {
	Type platformv1alpha1.ProofType
	// Keys are the names of all keys of the class that signed it, in the class's order: a class that comes to ask for another one of them
	// needs no new look at the registry.
	Keys []string
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

// Look looks at an artifact beside an image, by its digest as sha256:….
func (e *Evidence) Look(a *Artifact, digest string, keys Keys) {
	proof, rejected := read(a, digest, keys)
	switch {
	case rejected != nil:
		e.Add(rejected.Type, rejected.Why)
	case proof != nil:
		proof.Artifact = a.Digest
		e.Proofs = append(e.Proofs, *proof)
	}
}

// read looks at one artifact. What is signed by a key and says something that nobody asks for is neither a proof nor rejected.
func read(a *Artifact, digest string, keys Keys) (*Proof, *Rejection) {
	switch {
	case len(a.Content) > MaxArtifact:
		return nil, &Rejection{Why: fmt.Sprintf("one is larger than %d MiB", MaxArtifact>>20)}
	case a.MediaType == SimpleSigning:
		return readSimple(a, digest, keys)
	case a.MediaType == Envelope:
		return readEnvelope(a.Content, digest, keys)
	case strings.HasPrefix(a.MediaType, bundle):
		return readBundle(a.Content, digest, keys)
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

func readSimple(a *Artifact, digest string, keys Keys) (*Proof, *Rejection) {
	rejected := func(why string) (*Proof, *Rejection) { return nil, &Rejection{platformv1alpha1.ProofSignature, why} }
	signature, err := base64.StdEncoding.DecodeString(a.Signature)
	if err != nil || len(signature) == 0 {
		return rejected("a signature cannot be read")
	}
	made := keys.makers(a.Content, signature)
	if len(made) == 0 {
		return rejected("a signature was made by no key of the class")
	}
	key := made[0]
	var payload simple
	if err := json.Unmarshal(a.Content, &payload); err != nil || payload.Critical.Type != signedImage {
		return rejected("key " + key + " signed something that is no signature of an image")
	}
	if payload.Critical.Image.Digest != digest {
		return rejected("a signature by key " + key + " is of another image")
	}
	return &Proof{Type: platformv1alpha1.ProofSignature, Keys: made}, nil
}

// envelope is one of DSSE.
type envelope struct {
	PayloadType string `json:"payloadType"`
	Payload     []byte `json:"payload"`
	Signatures  []struct {
		Sig []byte `json:"sig"`
	} `json:"signatures"`
}

func readEnvelope(content []byte, digest string, keys Keys) (*Proof, *Rejection) {
	var e envelope
	if err := json.Unmarshal(content, &e); err != nil {
		return nil, &Rejection{Why: "an attestation cannot be read"}
	}
	return e.read(digest, keys)
}

func readBundle(content []byte, digest string, keys Keys) (*Proof, *Rejection) {
	var b struct {
		Material struct {
			Certificate json.RawMessage `json:"certificate"`
			Chain       json.RawMessage `json:"x509CertificateChain"`
		} `json:"verificationMaterial"`
		Envelope *envelope `json:"dsseEnvelope"`
	}
	switch err := json.Unmarshal(content, &b); {
	case err != nil:
		return nil, &Rejection{Why: "a bundle cannot be read"}
	case b.Envelope == nil:
		return nil, &Rejection{Why: "a bundle holds no DSSE envelope"}
	}
	proof, rejected := b.Envelope.read(digest, keys)
	if rejected != nil && (len(b.Material.Certificate) > 0 || len(b.Material.Chain) > 0) {
		rejected.Why += " (it has a certificate instead: signatures without a key are not verified)"
	}
	return proof, rejected
}

// read looks at the statement of an envelope. It is looked into before it is verified to tell what it would be, and believed only
// after.
func (e *envelope) read(digest string, keys Keys) (*Proof, *Rejection) {
	var s statement
	err := json.Unmarshal(e.Payload, &s)
	kind := proofType(s.PredicateType)
	rejected := func(why string) (*Proof, *Rejection) { return nil, &Rejection{kind, why} }
	made, key := e.makers(keys), ""
	if len(made) > 0 {
		key = made[0]
	}
	switch {
	case e.PayloadType != statementType:
		return rejected("an attestation holds no statement of in-toto")
	case key == "":
		return rejected("one was signed by no key of the class")
	case err != nil || !strings.HasPrefix(s.Type, "https://in-toto.io/Statement/"):
		return rejected("a statement by key " + key + " cannot be read")
	case !s.about(digest):
		return rejected("one by key " + key + " is of another image")
	case kind == "":
		return nil, nil
	}
	proof := &Proof{Type: kind, Keys: made}
	if why := s.predicate(proof); why != "" {
		return rejected("one by key " + key + " " + why)
	}
	return proof, nil
}

// makers are the keys of the class that signed an envelope, in the class's order.
func (e *envelope) makers(keys Keys) []string {
	found := map[string]bool{}
	signed := e.signed()
	for i := range e.Signatures[:min(len(e.Signatures), maxSignatures)] {
		for _, name := range keys.makers(signed, e.Signatures[i].Sig) {
			found[name] = true
		}
	}
	return keys.named(found)
}

// signed is what the signatures of an envelope are of: DSSE's encoding of its type and its payload.
func (e *envelope) signed() []byte {
	return append(fmt.Appendf(nil, "DSSEv1 %d %s %d ", len(e.PayloadType), e.PayloadType, len(e.Payload)), e.Payload...)
}
