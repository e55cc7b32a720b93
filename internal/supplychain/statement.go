package supplychain

import (
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

// predicate looks whether the predicate is what its type says, and when a scan ended. why is what is wrong with it.
func (s *statement) predicate(kind platformv1alpha1.ProofType) (at time.Time, why string) {
	var p struct {
		SPDX      string `json:"spdxVersion"`
		CycloneDX string `json:"bomFormat"`
		Metadata  struct {
			Started  string `json:"scanStartedOn"`
			Finished string `json:"scanFinishedOn"`
		} `json:"metadata"`
	}
	switch kind {
	case platformv1alpha1.ProofSBOM:
		if err := json.Unmarshal(s.Predicate, &struct {
			SPDX      *string `json:"spdxVersion"`
			CycloneDX *string `json:"bomFormat"`
		}{&p.SPDX, &p.CycloneDX}); err != nil || p.SPDX == "" && p.CycloneDX != "CycloneDX" {
			return at, "holds neither SPDX nor CycloneDX as JSON"
		}
	case platformv1alpha1.ProofProvenance:
		var any map[string]json.RawMessage
		if err := json.Unmarshal(s.Predicate, &any); err != nil || len(any) == 0 {
			return at, "says nothing of how the image was built"
		}
	case platformv1alpha1.ProofScan:
		if err := json.Unmarshal(s.Predicate, &p); err != nil {
			return at, "cannot be read"
		}
		when := p.Metadata.Finished
		if when == "" {
			when = p.Metadata.Started
		}
		var err error
		if at, err = time.Parse(time.RFC3339, when); err != nil {
			return at, "does not state in metadata.scanFinishedOn when the scan ended"
		}
		at = at.UTC() // proofs are compared, and each text with an offset has a location of its own
	}
	return at, ""
}
