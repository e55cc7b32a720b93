package supplychain

import (
	"cmp"
	"encoding/json"
	"strings"
	"time"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// statement is what an attestation states: a predicate of some images.
type statement struct {
	Type    string `json:"_type"`
	Subject []struct {
		Digest map[string]string `json:"digest"`
	} `json:"subject"`
	PredicateType string          `json:"predicateType"`
	Predicate     json.RawMessage `json:"predicate"`
}

// predicates are the types of predicates that prove something, each by what it begins with: versions follow.
var predicates = []struct {
	prefix string
	proves platformv1alpha1.ProofType
}{
	{"https://sigstore.dev/cosign/sign/", platformv1alpha1.ProofSignature},
	{"https://spdx.dev/Document", platformv1alpha1.ProofSBOM},
	{"https://cyclonedx.org/bom", platformv1alpha1.ProofSBOM},
	{"https://slsa.dev/provenance/", platformv1alpha1.ProofProvenance},
	{"https://cosign.sigstore.dev/attestation/vuln/", platformv1alpha1.ProofScan},
	{"https://in-toto.io/attestation/vulns/", platformv1alpha1.ProofScan},
}

// proofType is what a type of predicate proves; empty for nothing that is asked for.
func proofType(predicate string) platformv1alpha1.ProofType {
	for _, known := range predicates {
		rest, ok := strings.CutPrefix(predicate, known.prefix)
		if ok && (strings.HasSuffix(known.prefix, "/") || rest == "" || rest[0] == '/') {
			return known.proves
		}
	}
	return ""
}

// about says whether a statement is of an image, by its digest as sha256:….
func (s *statement) about(digest string) bool {
	algorithm, sum, _ := strings.Cut(digest, ":")
	for i := range s.Subject[:min(len(s.Subject), maxSubjects)] {
		if sum != "" && s.Subject[i].Digest[algorithm] == sum {
			return true
		}
	}
	return false
}

// predicate looks whether the predicate is what its type says, and takes from a scan when it ended and what it found. why is what is
// wrong with it.
func (s *statement) predicate(proof *Proof) (why string) {
	switch proof.Type {
	case platformv1alpha1.ProofSBOM:
		var p struct {
			SPDX      string `json:"spdxVersion"`
			CycloneDX string `json:"bomFormat"`
		}
		if err := json.Unmarshal(s.Predicate, &p); err != nil || p.SPDX == "" && p.CycloneDX != "CycloneDX" {
			return "holds neither SPDX nor CycloneDX as JSON"
		}
	case platformv1alpha1.ProofProvenance:
		var any map[string]json.RawMessage
		if err := json.Unmarshal(s.Predicate, &any); err != nil || len(any) == 0 {
			return "says nothing of how the image was built"
		}
	case platformv1alpha1.ProofScan:
		return s.scan(proof)
	}
	return ""
}

func (s *statement) scan(proof *Proof) (why string) {
	var p struct {
		Scanner struct {
			Result json.RawMessage `json:"result"`
		} `json:"scanner"`
		Metadata struct {
			Started  string `json:"scanStartedOn"`
			Finished string `json:"scanFinishedOn"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(s.Predicate, &p); err != nil {
		return "cannot be read"
	}
	var err error
	if proof.At, err = time.Parse(time.RFC3339, cmp.Or(p.Metadata.Finished, p.Metadata.Started)); err != nil {
		return "does not state in metadata.scanFinishedOn when the scan ended"
	}
	proof.Found = findings(p.Scanner.Result)
	return ""
}

// Stated is what an artifact says of an image, by its digest as sha256:…, whoever signed it; false where it says nothing of it that is
// known. It proves nothing.
func Stated(content []byte, digest string) (platformv1alpha1.ProofType, bool) {
	var a struct {
		simple
		envelope
		MediaType string    `json:"mediaType"`
		Bundled   *envelope `json:"dsseEnvelope"`
	}
	if len(content) > MaxArtifact || json.Unmarshal(content, &a) != nil {
		return "", false
	}
	if a.Critical.Type == signedImage {
		return platformv1alpha1.ProofSignature, a.Critical.Image.Digest == digest
	}
	e := a.envelope
	if strings.HasPrefix(a.MediaType, bundled) && a.Bundled != nil {
		e = *a.Bundled
	}
	var s statement
	if e.PayloadType != statementType || json.Unmarshal(e.Payload, &s) != nil {
		return "", false
	}
	kind := proofType(s.PredicateType)
	return kind, kind != "" && s.about(digest)
}
