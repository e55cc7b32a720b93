// Package signtest signs images for tests, and puts what it signed into registries as cosign does.
package signtest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/towpath-dev/towpath/internal/supplychain"
)

// The types of predicates.
const (
	SPDX      = "https://spdx.dev/Document"
	CycloneDX = "https://cyclonedx.org/bom"
	SLSA      = "https://slsa.dev/provenance/v1"
	Vuln      = "https://cosign.sigstore.dev/attestation/vuln/v1"
	Sign      = "https://sigstore.dev/cosign/sign/v1"
)

// BundleType is the type of the bundles that Attest makes.
const BundleType = "application/vnd.dev.sigstore.bundle.v0.3+json"

// Signer signs with a key of its own.
type Signer struct{ key crypto.Signer }

// New makes one with a key of ECDSA on P-256, as cosign's are.
func New() *Signer { return of(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }

// P384 makes one with a longer key of ECDSA, RSA and Ed25519 ones with keys of these kinds.
func P384() *Signer { return of(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)) }

// RSA makes one with a key of RSA.
func RSA() *Signer { return of(rsa.GenerateKey(rand.Reader, 2048)) }

// Ed25519 makes one with such a key.
func Ed25519() *Signer {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return of(key, err)
}

func of(key crypto.Signer, err error) *Signer {
	if err != nil {
		panic(err) // there is no randomness
	}
	return &Signer{key}
}

// Public is the public key in PEM.
func (s *Signer) Public() string {
	der, err := x509.MarshalPKIXPublicKey(s.key.Public())
	if err != nil {
		panic(err) // the key is of a kind that can be
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// Of signs a message.
func (s *Signer) Of(message []byte) []byte {
	hash, digest := crypto.SHA256, sha256.Sum256(message)
	to := digest[:]
	if _, ok := s.key.(ed25519.PrivateKey); ok {
		hash, to = 0, message
	}
	signature, err := s.key.Sign(rand.Reader, to, hash)
	if err != nil {
		panic(err)
	}
	return signature
}

// Simple is a signature of an image, by its digest.
func (s *Signer) Simple(digest string) supplychain.Artifact {
	content := fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":""},"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":null}`, digest)
	return supplychain.Artifact{MediaType: supplychain.SimpleSigning, Content: content, Signature: base64.StdEncoding.EncodeToString(s.Of(content))}
}

// Envelope states something of an image.
func (s *Signer) Envelope(digest, predicateType, predicate string) supplychain.Artifact {
	_, sum, _ := strings.Cut(digest, ":")
	payload := fmt.Appendf(nil, `{"_type":"https://in-toto.io/Statement/v0.1","subject":[{"name":"image","digest":{"sha256":%q}}],"predicateType":%q,"predicate":%s}`, sum, predicateType, predicate)
	const kind = "application/vnd.in-toto+json"
	signed := append(fmt.Appendf(nil, "DSSEv1 %d %s %d ", len(kind), kind, len(payload)), payload...)
	content, err := json.Marshal(map[string]any{"payloadType": kind, "payload": payload, "signatures": []any{map[string]any{"keyid": "", "sig": s.Of(signed)}}})
	if err != nil {
		panic(err)
	}
	return supplychain.Artifact{MediaType: supplychain.Envelope, Content: content}
}

// And states something of an image with another Signer.
func (s *Signer) And(other *Signer, digest, predicateType, predicate string) supplychain.Artifact {
	var e struct {
		PayloadType string           `json:"payloadType"`
		Payload     []byte           `json:"payload"`
		Signatures  []map[string]any `json:"signatures"`
	}
	if err := json.Unmarshal(s.Envelope(digest, predicateType, predicate).Content, &e); err != nil {
		panic(err)
	}
	signed := append(fmt.Appendf(nil, "DSSEv1 %d %s %d ", len(e.PayloadType), e.PayloadType, len(e.Payload)), e.Payload...)
	e.Signatures = append([]map[string]any{{"sig": other.Of(signed)}}, e.Signatures...)
	content, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	return supplychain.Artifact{MediaType: supplychain.Envelope, Content: content}
}

// Bundle states it in a bundle of Sigstore.
func (s *Signer) Bundle(digest, predicateType, predicate string) supplychain.Artifact {
	content := fmt.Appendf(nil, `{"mediaType":%q,"verificationMaterial":{"publicKey":{"hint":""}},"dsseEnvelope":%s}`, BundleType, s.Envelope(digest, predicateType, predicate).Content)
	return supplychain.Artifact{MediaType: BundleType, Content: content}
}

// Scanned is the predicate of a scan that ended at a time.
func Scanned(at time.Time) string { return Found("{}", at) }

// Found is that of one with a result.
func Found(result string, at time.Time) string {
	return fmt.Sprintf(`{"scanner":{"uri":"https://scanner.example","result":%s},"metadata":{"scanStartedOn":%q,"scanFinishedOn":%[2]q}}`, result, at.UTC().Format(time.RFC3339))
}

// Image puts an image of its own into a repository, and returns it by its digest.
func Image(repository string) (string, error) {
	image, err := random.Image(64, 1)
	if err != nil {
		return "", err
	}
	digest, err := image.Digest()
	if err != nil {
		return "", err
	}
	ref, err := name.NewDigest(repository + "@" + digest.String())
	if err != nil {
		return "", err
	}
	return ref.String(), remote.Write(ref, image)
}

// Tag puts artifacts under the tag that cosign derives from the digest of an image: sig for signatures, att for attestations. What was
// there stays.
func Tag(image, suffix string, artifacts ...supplychain.Artifact) error {
	ref, err := name.NewDigest(image)
	if err != nil {
		return err
	}
	tag := ref.Context().Tag(strings.Replace(ref.DigestStr(), ":", "-", 1) + "." + suffix)
	manifest, err := remote.Image(tag)
	if err != nil {
		manifest = mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	}
	if manifest, err = with(manifest, artifacts); err != nil {
		return err
	}
	return remote.Write(tag, manifest)
}

// Refer puts artifacts into a manifest that refers to an image, as OCI has it.
func Refer(image string, artifacts ...supplychain.Artifact) error {
	ref, err := name.NewDigest(image)
	if err != nil {
		return err
	}
	subject, err := remote.Head(ref)
	if err != nil {
		return err
	}
	manifest, err := with(mutate.MediaType(empty.Image, types.OCIManifestSchema1), artifacts)
	if err != nil {
		return err
	}
	referring, ok := mutate.Subject(mutate.ConfigMediaType(manifest, BundleType), v1.Descriptor{MediaType: subject.MediaType, Digest: subject.Digest, Size: subject.Size}).(v1.Image)
	if !ok {
		return fmt.Errorf("a manifest that refers to %s is no image", image)
	}
	digest, err := referring.Digest()
	if err != nil {
		return err
	}
	return remote.Write(ref.Context().Digest(digest.String()), referring)
}

func with(manifest v1.Image, artifacts []supplychain.Artifact) (v1.Image, error) {
	for _, a := range artifacts {
		added := mutate.Addendum{Layer: static.NewLayer(bytes.Clone(a.Content), types.MediaType(a.MediaType)), MediaType: types.MediaType(a.MediaType)}
		for annotation, value := range map[string]string{
			supplychain.SignatureAnnotation: a.Signature, supplychain.CertificateAnnotation: a.Certificate,
			supplychain.LoggedAnnotation: a.Logged, supplychain.StampedAnnotation: a.Stamped,
		} {
			if value == "" {
				continue
			}
			if added.Annotations == nil {
				added.Annotations = map[string]string{}
			}
			added.Annotations[annotation] = value
		}
		var err error
		if manifest, err = mutate.Append(manifest, added); err != nil {
			return nil, err
		}
	}
	return manifest, nil
}
