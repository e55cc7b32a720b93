package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Decision is what somebody decides on a Release that waits.
// +kubebuilder:validation:Enum=Approve;Reject;BreakGlass
type Decision string

// The decisions.
const (
	// DecisionApprove: as far as this person is concerned, the Release may go on.
	DecisionApprove Decision = "Approve"
	// DecisionReject: the version does not enter the environment, whoever approves.
	DecisionReject Decision = "Reject"
	// DecisionBreakGlass: the Release may enter during a freeze. It needs the verb breakglass, and a reason.
	DecisionBreakGlass Decision = "BreakGlass"
)

// ReleaseReference names one Release.
type ReleaseReference struct {
	// name of the Release.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
	// uid of the Release: an Approval never counts for another one of that name.
	// +required
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=36
	UID types.UID `json:"uid,omitempty"`
}

// ApprovalSpec is a decision.
// +kubebuilder:validation:XValidation:rule="self.decision != 'BreakGlass' || has(self.reason) && size(self.reason) > 0",message="reason must be set where the decision is BreakGlass"
type ApprovalSpec struct {
	// releaseRef is the Release that is decided on.
	// +required
	ReleaseRef ReleaseReference `json:"releaseRef,omitzero"`
	// approver is the name of the user who decides: the very one who creates the Approval, as the API server knows
	// them. Admission refuses any other.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Approver string `json:"approver,omitempty"`
	// decision that is made. Default: Approve.
	// +optional
	// +kubebuilder:default=Approve
	Decision Decision `json:"decision,omitempty"`
	// reason for it. Default: none.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Reason string `json:"reason,omitempty"`
}

// Approval says that somebody lets a Release that waits enter its environment, or does not. It is created and never
// changed. Whoever creates it needs the verb approve on that Release, or breakglass to let it in during a freeze, and can speak for nobody
// else.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:categories=towpath
// +kubebuilder:printcolumn:name="Release",type=string,JSONPath=`.spec.releaseRef.name`
// +kubebuilder:printcolumn:name="Approver",type=string,JSONPath=`.spec.approver`
// +kubebuilder:printcolumn:name="Decision",type=string,JSONPath=`.spec.decision`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.spec.reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.spec == oldSelf.spec",message="spec must not change: an Approval is an immutable record; create another"
type Approval struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard metadata of an object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// spec is the decision.
	// +required
	Spec ApprovalSpec `json:"spec,omitzero"`
}

// ApprovalList is a list of Approvals.
//
// +kubebuilder:object:root=true
type ApprovalList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Approval `json:"items"`
}
