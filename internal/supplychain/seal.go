package supplychain

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"iter"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"google.golang.org/protobuf/encoding/protojson"
)

// The types of the bundles that are made of what cosign puts beside an image by tags: without proofs of inclusion, which it does not have,
// where a log gave a promise; and such as hold a key.
const (
	promised = "application/vnd.dev.sigstore.bundle+json;version=0.1"
	keyed    = "application/vnd.dev.sigstore.bundle.v0.3+json"
)

// seal is what an artifact has signed, by whatever shape, as Sigstore's bundles have it: a message or an envelope, its signatures, and who
// says to have made them.
type seal struct {
	message    *protocommon.MessageSignature
	envelope   *protodsse.Envelope
	signatures [][]byte
	// mediaType and material are those of a bundle with a certificate; nil for none.
	mediaType string
	material  *protobundle.VerificationMaterial
	// broken says why a certificate, or what a log says of it, cannot be read.
	broken error
}

// sealMessage is that of a message with its signature, as cosign has it under a tag.
func sealMessage(a *Artifact, signed []byte) *seal {
	sum := sha256.Sum256(a.Content)
	s := &seal{
		message:    &protocommon.MessageSignature{MessageDigest: &protocommon.HashOutput{Algorithm: protocommon.HashAlgorithm_SHA2_256, Digest: sum[:]}},
		signatures: [][]byte{signed}, mediaType: promised,
	}
	s.material, s.broken = a.material()
	return s
}

// sealEnvelope is that of an envelope of DSSE. What it says of keys is only a hint, and left out.
func sealEnvelope(e *envelope) *seal {
	s := &seal{envelope: &protodsse.Envelope{PayloadType: e.PayloadType, Payload: e.Payload}, mediaType: promised}
	for i := range e.Signatures[:min(len(e.Signatures), maxSignatures)] {
		s.signatures = append(s.signatures, e.Signatures[i].Sig)
	}
	return s
}

// sealBundle is that of a bundle of Sigstore; nil for one that cannot be read, and why.
func sealBundle(content []byte) (*seal, string) {
	var b protobundle.Bundle
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(content, &b); err != nil {
		return nil, "a bundle cannot be read"
	}
	held := b.GetDsseEnvelope()
	if held == nil {
		return nil, "a bundle holds no DSSE envelope"
	}
	s := &seal{envelope: held, mediaType: b.MediaType, material: b.VerificationMaterial}
	for _, one := range held.Signatures[:min(len(held.Signatures), maxSignatures)] {
		s.signatures = append(s.signatures, one.GetSig())
	}
	return s, ""
}

// bundle puts a signature of it together with who may have made it.
func (s *seal) bundle(mediaType string, material *protobundle.VerificationMaterial, signed []byte) (*bundle.Bundle, error) {
	sealed := &protobundle.Bundle{MediaType: mediaType, VerificationMaterial: material}
	if s.message != nil {
		sealed.Content = &protobundle.Bundle_MessageSignature{MessageSignature: &protocommon.MessageSignature{MessageDigest: s.message.MessageDigest, Signature: signed}}
	} else {
		sealed.Content = &protobundle.Bundle_DsseEnvelope{DsseEnvelope: &protodsse.Envelope{
			PayloadType: s.envelope.PayloadType, Payload: s.envelope.Payload, Signatures: []*protodsse.Signature{{Sig: signed}},
		}}
	}
	return bundle.NewBundle(sealed)
}

// keyed are bundles as if by a key, one for each signature: a bundle has one alone.
func (s *seal) keyed() iter.Seq[*bundle.Bundle] {
	return func(yield func(*bundle.Bundle) bool) {
		material := &protobundle.VerificationMaterial{Content: &protobundle.VerificationMaterial_PublicKey{PublicKey: &protocommon.PublicKeyIdentifier{}}}
		for _, signed := range s.signatures {
			if sealed, err := s.bundle(keyed, material, signed); err == nil && !yield(sealed) {
				return
			}
		}
	}
}

// certified is the bundle with a certificate; nil for none.
func (s *seal) certified() (*bundle.Bundle, error) {
	switch {
	case s.broken != nil:
		return nil, s.broken
	case s.material.GetCertificate() == nil && s.material.GetX509CertificateChain() == nil:
		return nil, nil
	case len(s.signatures) != 1:
		return nil, errors.New("it must have one signature beside its certificate")
	}
	return s.bundle(s.mediaType, s.material, s.signatures[0])
}

// logged is what cosign writes of an entry of a log.
type logged struct {
	Promise []byte `json:"SignedEntryTimestamp"`
	Payload struct {
		Body     []byte `json:"body"`
		Time     int64  `json:"integratedTime"`
		LogIndex int64  `json:"logIndex"`
		LogID    string `json:"logID"`
	} `json:"Payload"`
}

// material is who says to have signed an artifact under a tag; nil where nobody says so.
func (a *Artifact) material() (*protobundle.VerificationMaterial, error) {
	if a.Certificate == "" {
		return nil, nil
	}
	block, _ := pem.Decode([]byte(a.Certificate))
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("its certificate is none in PEM")
	}
	made := &protobundle.VerificationMaterial{Content: &protobundle.VerificationMaterial_X509CertificateChain{
		X509CertificateChain: &protocommon.X509CertificateChain{Certificates: []*protocommon.X509Certificate{{RawBytes: block.Bytes}}},
	}}
	if a.Logged != "" {
		entry, err := a.entry()
		if err != nil {
			return nil, err
		}
		made.TlogEntries = []*protorekor.TransparencyLogEntry{entry}
	}
	if a.Stamped != "" {
		var stamp struct {
			Signed []byte `json:"SignedRFC3161Timestamp"`
		}
		if err := json.Unmarshal([]byte(a.Stamped), &stamp); err != nil {
			return nil, errors.New("its timestamp cannot be read")
		}
		made.TimestampVerificationData = &protobundle.TimestampVerificationData{Rfc3161Timestamps: []*protocommon.RFC3161SignedTimestamp{{SignedTimestamp: stamp.Signed}}}
	}
	return made, nil
}

// entry is that of a log.
func (a *Artifact) entry() (*protorekor.TransparencyLogEntry, error) {
	var l logged
	var of struct {
		Kind    string `json:"kind"`
		Version string `json:"apiVersion"`
	}
	if json.Unmarshal([]byte(a.Logged), &l) != nil || json.Unmarshal(l.Payload.Body, &of) != nil {
		return nil, errors.New("its entry of a transparency log cannot be read")
	}
	id, err := hex.DecodeString(l.Payload.LogID)
	if err != nil {
		return nil, errors.New("its entry of a transparency log does not name the log")
	}
	return &protorekor.TransparencyLogEntry{
		LogIndex: l.Payload.LogIndex, LogId: &protocommon.LogId{KeyId: id}, KindVersion: &protorekor.KindVersion{Kind: of.Kind, Version: of.Version},
		IntegratedTime: l.Payload.Time, InclusionPromise: &protorekor.InclusionPromise{SignedEntryTimestamp: l.Promise}, CanonicalizedBody: l.Payload.Body,
	}, nil
}

// decode reads a signature.
func (a *Artifact) decode() []byte {
	signed, err := base64.StdEncoding.DecodeString(a.Signature)
	if err != nil {
		return nil
	}
	return signed
}
