package signtest

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"strings"
	"time"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/testing/ca"
	"github.com/sigstore/sigstore-go/pkg/tlog"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/towpath-dev/towpath/internal/supplychain"
)

// The issuer of tokens of GitHub Actions, and the workflow that signs in tests.
const (
	Issuer   = "https://token.actions.githubusercontent.com"
	Workflow = "https://github.com/shop/checkout/.github/workflows/release.yaml@refs/heads/main"
)

// Sigstore signs without keys, as Fulcio, Rekor and an authority for timestamps do it together, and without a network.
type Sigstore struct{ *ca.VirtualSigstore }

// NewSigstore makes one with certificates and logs of its own.
func NewSigstore() *Sigstore {
	made, err := ca.NewVirtualSigstore()
	check(err)
	return &Sigstore{made}
}

func check(err error) {
	if err != nil {
		panic(err) // what the test needs is not to be had
	}
}

// Root is its trusted root, with its log of certificates only where that is asked for: none of its certificates is in that.
func (s *Sigstore) Root(certificatesLogged bool) []byte {
	certificates := map[string]*root.TransparencyLog{}
	if certificatesLogged {
		certificates = named(s.CTLogs())
	}
	made, err := root.NewTrustedRoot(root.TrustedRootMediaType01, s.FulcioCertificateAuthorities(), certificates, s.TimestampingAuthorities(), named(s.RekorLogs()))
	check(err)
	content, err := json.Marshal(made)
	check(err)
	return content
}

// named gives logs the IDs by which entries name them.
func named(logs map[string]*root.TransparencyLog) map[string]*root.TransparencyLog {
	logs = maps.Clone(logs)
	for id, log := range logs {
		raw, err := hex.DecodeString(id)
		check(err)
		log.ID = raw
	}
	return logs
}

// Bundle has somebody state something of an image, five minutes from now by the log, in a bundle that some functions may change.
func (s *Sigstore) Bundle(subject, digest, predicateType, predicate string, change ...func(*protobundle.Bundle)) supplychain.Artifact {
	return s.BundleAt(time.Now().Add(5*time.Minute), subject, digest, predicateType, predicate, change...)
}

// BundleAt does so at a time by the log. Its certificates hold for ten minutes from now.
func (s *Sigstore) BundleAt(at time.Time, subject, digest, predicateType, predicate string, change ...func(*protobundle.Bundle)) supplychain.Artifact {
	entity, err := s.AttestAtTime(subject, Issuer, stated(digest, predicateType, predicate), at, true)
	check(err)
	return s.bundled(entity, change)
}

// BundleV2 has it in a log of Rekor's second version, which gives no time.
func (s *Sigstore) BundleV2(subject, digest, predicateType, predicate string, change ...func(*protobundle.Bundle)) supplychain.Artifact {
	entity, err := s.AttestHashedRekordV2(subject, Issuer, stated(digest, predicateType, predicate))
	check(err)
	return s.bundled(entity, change)
}

func stated(digest, predicateType, predicate string) []byte {
	_, sum, _ := strings.Cut(digest, ":")
	return fmt.Appendf(nil, `{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"image","digest":{"sha256":%q}}],"predicateType":%q,"predicate":%s}`, sum, predicateType, predicate)
}

func (s *Sigstore) bundled(entity verify.SignedEntity, change []func(*protobundle.Bundle)) supplychain.Artifact {
	signed, err := entity.SignatureContent()
	check(err)
	content, err := entity.VerificationContent()
	check(err)
	made := &protobundle.Bundle{MediaType: BundleType, VerificationMaterial: &protobundle.VerificationMaterial{
		Content:                   &protobundle.VerificationMaterial_Certificate{Certificate: &protocommon.X509Certificate{RawBytes: content.Certificate().Raw}},
		TlogEntries:               s.entries(entity),
		TimestampVerificationData: &protobundle.TimestampVerificationData{Rfc3161Timestamps: stamps(entity)},
	}}
	envelope := signed.EnvelopeContent().RawEnvelope()
	payload, err := envelope.DecodeB64Payload()
	check(err)
	made.Content = &protobundle.Bundle_DsseEnvelope{DsseEnvelope: &protodsse.Envelope{
		PayloadType: envelope.PayloadType, Payload: payload, Signatures: []*protodsse.Signature{{Sig: signed.Signature()}},
	}}
	for _, do := range change {
		do(made)
	}
	return Written(made)
}

// entries are those of the log, with its promises, which it keeps to itself otherwise.
func (s *Sigstore) entries(entity verify.SignedEntity) (all []*protorekor.TransparencyLogEntry) {
	logged, err := entity.TlogEntries()
	check(err)
	for _, entry := range logged {
		written := entry.TransparencyLogEntry()
		if !entry.IsRekorV2() {
			promise, err := s.RekorSignPayload(tlog.RekorPayload{
				Body: base64.StdEncoding.EncodeToString(written.CanonicalizedBody), IntegratedTime: written.IntegratedTime,
				LogIndex: written.LogIndex, LogID: hex.EncodeToString(written.LogId.KeyId),
			})
			check(err)
			written.InclusionPromise = &protorekor.InclusionPromise{SignedEntryTimestamp: promise}
			var of struct{ Kind, APIVersion string }
			check(json.Unmarshal(written.CanonicalizedBody, &of))
			written.KindVersion = &protorekor.KindVersion{Kind: of.Kind, Version: of.APIVersion}
		}
		all = append(all, written)
	}
	return all
}

func stamps(entity verify.SignedEntity) (all []*protocommon.RFC3161SignedTimestamp) {
	stamped, err := entity.Timestamps()
	check(err)
	for _, stamp := range stamped {
		all = append(all, &protocommon.RFC3161SignedTimestamp{SignedTimestamp: stamp})
	}
	return all
}

// Simple is a signature of an image as cosign puts it under a tag, with its certificate and what the log and the authority for timestamps
// say in annotations.
func (s *Sigstore) Simple(subject, digest string) supplychain.Artifact {
	message := fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":""},"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":null}`, digest)
	entity, err := s.Sign(subject, Issuer, message)
	check(err)
	signed, err := entity.SignatureContent()
	check(err)
	made := supplychain.Artifact{MediaType: supplychain.SimpleSigning, Content: message, Signature: base64.StdEncoding.EncodeToString(signed.Signature())}
	s.beside(&made, entity)
	return made
}

// Envelope states something of an image in an envelope as cosign puts it under a tag.
func (s *Sigstore) Envelope(subject, digest, predicateType, predicate string) supplychain.Artifact {
	entity, err := s.Attest(subject, Issuer, stated(digest, predicateType, predicate))
	check(err)
	signed, err := entity.SignatureContent()
	check(err)
	content, err := json.Marshal(signed.EnvelopeContent().RawEnvelope())
	check(err)
	made := supplychain.Artifact{MediaType: supplychain.Envelope, Content: content}
	s.beside(&made, entity)
	return made
}

// beside writes what stands in annotations.
func (s *Sigstore) beside(a *supplychain.Artifact, entity verify.SignedEntity) {
	content, err := entity.VerificationContent()
	check(err)
	a.Certificate = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: content.Certificate().Raw}))
	entry := s.entries(entity)[0]
	logged, err := json.Marshal(map[string]any{
		"SignedEntryTimestamp": entry.InclusionPromise.SignedEntryTimestamp,
		"Payload": map[string]any{
			"body": entry.CanonicalizedBody, "integratedTime": entry.IntegratedTime, "logIndex": entry.LogIndex, "logID": hex.EncodeToString(entry.LogId.KeyId),
		},
	})
	check(err)
	a.Logged = string(logged)
	stamped, err := json.Marshal(map[string]any{"SignedRFC3161Timestamp": stamps(entity)[0].SignedTimestamp})
	check(err)
	a.Stamped = string(stamped)
}

// RootWith is its trusted root with the authorities of another in place of its own.
func (s *Sigstore) RootWith(other *Sigstore) []byte {
	made, err := root.NewTrustedRoot(root.TrustedRootMediaType01, other.FulcioCertificateAuthorities(), nil, s.TimestampingAuthorities(), named(s.RekorLogs()))
	check(err)
	content, err := json.Marshal(made)
	check(err)
	return content
}

// Read reads a bundle that it made.
func Read(a supplychain.Artifact) *protobundle.Bundle {
	var read protobundle.Bundle
	check(protojson.Unmarshal(a.Content, &read))
	return &read
}

// Written writes a bundle.
func Written(b *protobundle.Bundle) supplychain.Artifact {
	content, err := protojson.Marshal(b)
	check(err)
	return supplychain.Artifact{MediaType: BundleType, Content: content}
}
