package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ProofType is what is proven of an image.
// +kubebuilder:validation:Enum=Signature;SBOM;Provenance;Scan
type ProofType string

// The proofs. Each is signed, and stands beside the image in its registry, as cosign puts it there.
const (
	// ProofSignature: a signature of the image itself.
	ProofSignature ProofType = "Signature"
	// ProofSBOM: an attestation with a list of what is in the image, as SPDX or CycloneDX.
	ProofSBOM ProofType = "SBOM"
	// ProofProvenance: an attestation of where and from what the image was built, as SLSA has it.
	ProofProvenance ProofType = "Provenance"
	// ProofScan: an attestation that the image was scanned for vulnerabilities, and when.
	ProofScan ProofType = "Scan"
)

// SupplyChain is what images must prove before a new version that has them enters environments of a class. It is the class's
// alone to say: no Component, Environment or override loosens it.
// +kubebuilder:validation:XValidation:rule="has(self.keys) || has(self.identities)",message="supplyChain must have keys, identities or both: nothing could be proven otherwise"
// +kubebuilder:validation:XValidation:rule="self.proofs.all(p, !has(p.keys) || has(self.keys) && p.keys.all(k, self.keys.exists(own, own.name == k)))",message="keys of a proof must name keys of supplyChain"
// +kubebuilder:validation:XValidation:rule="self.proofs.all(p, !has(p.identities) || has(self.identities) && p.identities.all(i, self.identities.exists(own, own.name == i)))",message="identities of a proof must name identities of supplyChain"
type SupplyChain struct {
	// keys are the public keys by which proofs may be signed. Default: none, where there are identities.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	Keys []SupplyChainKey `json:"keys,omitempty"`
	// identities are those who may sign proofs without a key, by a certificate of Sigstore's Fulcio, such as a workflow of GitHub Actions. Whose
	// certificates and which logs are trusted stands in the manager's configuration, supplyChain.trustedRootFile; without that nothing
	// that needs an identity enters, and the class is not Ready. Each proof must be in a transparency log of it. Default: none.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	Identities []SupplyChainIdentity `json:"identities,omitempty"`
	// proofs are what each image must have. All of them are needed.
	// +required
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=4
	Proofs []RequiredProof `json:"proofs,omitempty"`
	// exemptImages are repositories of images that need no proof, such as registry.example/mesh/proxy, or with all below one,
	// registry.example/mesh/*. Whoever may push there, or name another image of it, passes unproven: list what the platform
	// itself injects, and nothing that tenants push to. Default: none.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=255
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9][a-z0-9._:-]*(/[a-z0-9][a-z0-9._-]*)+(/[*])?$`
	ExemptImages []string `json:"exemptImages,omitempty"`
}

// SupplyChainKey is a public key by which proofs may be signed.
type SupplyChainKey struct {
	// name of the key, unique in its list. Messages tell keys by it.
	// +required
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	Name string `json:"name,omitempty"`
	// publicKey in PEM, as cosign.pub has it: ECDSA on P-256, P-384 or P-521, Ed25519, or RSA of 2048 to 8192 bits. Nothing
	// that needs a key which cannot be read enters, and the class is not Ready.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	// +kubebuilder:validation:XValidation:rule="self.startsWith('-----BEGIN PUBLIC KEY-----')",message="publicKey must be a public key in PEM, which begins with -----BEGIN PUBLIC KEY-----"
	PublicKey string `json:"publicKey,omitempty"`
}

// SupplyChainIdentity is somebody who signs without a key: whoever an issuer of tokens told Fulcio they are.
// +kubebuilder:validation:XValidation:rule="has(self.subject) != has(self.subjectRegexp)",message="an identity must have subject or subjectRegexp, and not both"
type SupplyChainIdentity struct {
	// name of the identity, unique in its list. Messages tell identities by it.
	// +required
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	Name string `json:"name,omitempty"`
	// issuer of the token by which the certificate was given, exactly, such as https://token.actions.githubusercontent.com.
	// +required
	// +kubebuilder:validation:MinLength=9
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="self.startsWith('https://')",message="issuer must begin with https://"
	Issuer string `json:"issuer,omitempty"`
	// subject of the certificate, exactly: of a workflow of GitHub Actions its file and ref, such as
	// https://github.com/shop/checkout/.github/workflows/release.yaml@refs/heads/main.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Subject string `json:"subject,omitempty"`
	// subjectRegexp is a regular expression (RE2) that the whole subject must match, from its beginning to its end, such as
	// https://github\.com/shop/[^/]+/\.github/workflows/release\.yaml@refs/heads/main. Whoever the issuer gives such a subject to signs
	// for the class: name the organisation, the file and the ref.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	SubjectRegexp string `json:"subjectRegexp,omitempty"`
}

// Severity is how bad a vulnerability is, as scanners rate it.
// +kubebuilder:validation:Enum=Negligible;Low;Medium;High
type Severity string

// The severities up to which a Scan may find something. Above High there is Critical.
const (
	SeverityNegligible Severity = "Negligible"
	SeverityLow        Severity = "Low"
	SeverityMedium     Severity = "Medium"
	SeverityHigh       Severity = "High"
)

// RequiredProof is a proof that each image must have.
// +kubebuilder:validation:XValidation:rule="!has(self.maxSeverity) || self.type == 'Scan'",message="maxSeverity must be set of a Scan alone: no other proof finds vulnerabilities"
// +kubebuilder:validation:XValidation:rule="!has(self.ignore) || has(self.maxSeverity)",message="ignore must be set with maxSeverity alone: without it nothing that a Scan found keeps an image out"
// +kubebuilder:validation:XValidation:rule="!has(self.maxAgeSeconds) || self.type == 'Scan'",message="maxAgeSeconds must be set of a Scan alone: no other proof tells its age"
type RequiredProof struct {
	// type of the proof.
	// +required
	Type ProofType `json:"type,omitempty"`
	// keys name the keys of supplyChain of which one must have signed the proof, or one of identities. Default: none where identities are
	// set, and else whoever supplyChain lists.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=40
	Keys []string `json:"keys,omitempty"`
	// identities name those of supplyChain of which one must have signed the proof, or one of keys. Default: none where keys are set, and
	// else whoever supplyChain lists.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=40
	Identities []string `json:"identities,omitempty"`
	// maxAgeSeconds is how long ago a Scan may have ended when a version enters, by the time that it states itself. What
	// runs already, and what is rolled back to, is not asked again. Default: any age.
	// +optional
	// +kubebuilder:validation:Minimum=3600
	// +kubebuilder:validation:Maximum=31536000
	MaxAgeSeconds int32 `json:"maxAgeSeconds,omitempty"`
	// maxSeverity is the severity of the worst vulnerability that the newest Scan may have found when a version enters; one that is worse, and not in
	// ignore, keeps it out. It is read from the result of Grype or Trivy as JSON: a Scan with another one does not count then. A severity that
	// the scanner does not know counts as less than Negligible, one that nobody knows as Critical. Default: whatever a Scan found, it counts.
	// +optional
	MaxSeverity Severity `json:"maxSeverity,omitempty"`
	// ignore are vulnerabilities that keep no image out, each until a date, and each once for each package. What has entered stays when that comes. Default: none.
	// +optional
	// +listType=map
	// +listMapKey=vulnerability
	// +listMapKey=package
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Ignore []IgnoredVulnerability `json:"ignore,omitempty"`
}

// IgnoredVulnerability is a vulnerability that keeps no image out until a date.
type IgnoredVulnerability struct {
	// vulnerability as the scan names it, such as CVE-2026-1234 or GHSA-xxxx-xxxx-xxxx.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9][-A-Za-z0-9._:]*$`
	Vulnerability string `json:"vulnerability,omitempty"`
	// package in which alone it is ignored, as the scan names it, such as openssl. Default: "", in each.
	// +optional
	// +kubebuilder:default=""
	// +kubebuilder:validation:MinLength=0
	// +kubebuilder:validation:MaxLength=128
	Package string `json:"package,omitempty"`
	// expires is the date, as in 2027-03-01, from whose beginning in UTC it is not ignored any more.
	// +required
	// +kubebuilder:validation:Format=date
	// +kubebuilder:validation:MinLength=10
	// +kubebuilder:validation:MaxLength=10
	Expires string `json:"expires,omitempty"`
	// reason says why it does no harm, for those who read it later.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Reason string `json:"reason,omitempty"`
}

// ReleaseProof is a proof by which an image of a Release entered.
// +kubebuilder:validation:XValidation:rule="has(self.key) != has(self.identity)",message="a proof must have the key or the identity that signed it, and not both"
type ReleaseProof struct {
	// image that is proven, with its digest.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Image string `json:"image,omitempty"`
	// type of the proof.
	// +required
	Type ProofType `json:"type,omitempty"`
	// key of the class that had signed it. Default: none, where identity did.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	Key string `json:"key,omitempty"`
	// identity of the class that had signed it. Default: none, where key did.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	Identity string `json:"identity,omitempty"`
	// artifact that holds it: its digest, in the repository of the image.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=80
	Artifact string `json:"artifact,omitempty"`
	// madeAt is when a Scan ended, by what it states.
	// +optional
	MadeAt *metav1.Time `json:"madeAt,omitempty"`
}
