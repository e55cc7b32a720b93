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
// +kubebuilder:validation:XValidation:rule="self.proofs.all(p, !has(p.keys) || p.keys.all(k, self.keys.exists(own, own.name == k)))",message="keys of a proof must name keys of supplyChain"
type SupplyChain struct {
	// keys are the public keys by which proofs may be signed.
	// +required
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	Keys []SupplyChainKey `json:"keys,omitempty"`
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

// RequiredProof is a proof that each image must have.
// +kubebuilder:validation:XValidation:rule="!has(self.maxAgeSeconds) || self.type == 'Scan'",message="maxAgeSeconds must be set of a Scan alone: no other proof tells its age"
type RequiredProof struct {
	// type of the proof.
	// +required
	Type ProofType `json:"type,omitempty"`
	// keys name the keys of supplyChain of which one must have signed the proof. Default: any of them.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=40
	Keys []string `json:"keys,omitempty"`
	// maxAgeSeconds is how long ago a Scan may have ended when a version enters, by the time that it states itself. What
	// runs already, and what is rolled back to, is not asked again. Default: any age.
	// +optional
	// +kubebuilder:validation:Minimum=3600
	// +kubebuilder:validation:Maximum=31536000
	MaxAgeSeconds int32 `json:"maxAgeSeconds,omitempty"`
}

// ReleaseProof is a proof by which an image of a Release entered.
type ReleaseProof struct {
	// image that is proven, with its digest.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Image string `json:"image,omitempty"`
	// type of the proof.
	// +required
	Type ProofType `json:"type,omitempty"`
	// key of the class that had signed it.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	Key string `json:"key,omitempty"`
	// artifact that holds it: its digest, in the repository of the image.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=80
	Artifact string `json:"artifact,omitempty"`
	// madeAt is when a Scan ended, by what it states.
	// +optional
	MadeAt *metav1.Time `json:"madeAt,omitempty"`
}
