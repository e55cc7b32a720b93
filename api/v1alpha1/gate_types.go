package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// PromotionMode says who moves a version into an environment.
// +kubebuilder:validation:Enum=Automatic;Manual
type PromotionMode string

// The modes.
const (
	// PromotionAutomatic: a version goes on by itself, once all else is given.
	PromotionAutomatic PromotionMode = "Automatic"
	// PromotionManual: a version goes on when spec.environments[].promote of the Component names its Release.
	PromotionManual PromotionMode = "Manual"
)

// AuthorApproval says whether those who made a change may approve it.
// +kubebuilder:validation:Enum=Allowed;Forbidden
type AuthorApproval string

// Whether authors may approve.
const (
	// AuthorApprovalAllowed: an author's approval counts like any.
	AuthorApprovalAllowed AuthorApproval = "Allowed"
	// AuthorApprovalForbidden: it does not count.
	AuthorApprovalForbidden AuthorApproval = "Forbidden"
)

// Gate is what a version needs to enter an environment, besides being Ready in the one before. Where a class and a
// Component both ask for something, the stricter of the two holds, field by field. Revisions of the template, which
// have waves of their own, and rollbacks need none of it.
type Gate struct {
	// soakSeconds is for how long the version must have been Ready in the environment before and, where the class has a
	// requiredTier, in the last one before of that tier. It counts anew when the version becomes unready there. Without effect
	// on the first environment of a path. Default: 0.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2592000
	SoakSeconds int32 `json:"soakSeconds,omitempty"`
	// approvals is how many people must approve the Release, each by an Approval. Default: 0.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10
	Approvals int32 `json:"approvals,omitempty"`
	// authorApproval says whether the approval of somebody who made the change counts. Forbidden needs
	// spec.requestedBy of the Component: while it is not known who made a change, nobody's approval counts. Where the
	// Component is a Team's and names the author of its commit, that one counts as the members with this e-mail, and must
	// be one of them.
	// Default: Allowed.
	// +optional
	AuthorApproval AuthorApproval `json:"authorApproval,omitempty"`
	// promotion says whether a version goes on by itself. Manual: it waits until spec.environments[].promote of the
	// Component names its Release. Default: Automatic.
	// +optional
	Promotion PromotionMode `json:"promotion,omitempty"`
}

// ClassGate is the least that every Component needs to enter an environment of a class.
type ClassGate struct {
	Gate `json:",inline"`
	// requiredTier is a tier that must come before, in the path of each Component: a version must have been Ready in the last
	// of the environments before that are of it, besides in the one right before. A Component whose path lacks it gets no new
	// version here. Default: none.
	// +optional
	RequiredTier Tier `json:"requiredTier,omitempty"`
}

// RollbackMode says who rolls back a Release that fails.
// +kubebuilder:validation:Enum=Automatic;Manual
type RollbackMode string

// The modes.
const (
	// RollbackAutomatic: it goes back by itself.
	RollbackAutomatic RollbackMode = "Automatic"
	// RollbackManual: a person decides.
	RollbackManual RollbackMode = "Manual"
)

// RollbackPolicy says what becomes of a Release that fails before it was ever Ready, or that fails its checks.
type RollbackPolicy struct {
	// mode Automatic: the environment goes back to the newest Release that was Ready there, and what failed is not
	// tried again until the Component changes. Manual: it stays as it is.
	// +required
	Mode RollbackMode `json:"mode,omitempty"`
	// deadlineSeconds is for how long a Release may take to become Ready before it counts as failed, also where no
	// object of it says so. It ends when all objects are ready: checks have bounds of their own. Default: none, and a Release fails when one of its objects does.
	// +optional
	// +kubebuilder:validation:Minimum=10
	// +kubebuilder:validation:Maximum=86400
	DeadlineSeconds int32 `json:"deadlineSeconds,omitempty"`
}

// ReleaseDecision is what somebody decided on a Release, as it was counted.
type ReleaseDecision struct {
	// approval is the name of the Approval.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Approval string `json:"approval,omitempty"`
	// approver is the user who made it.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Approver string `json:"approver,omitempty"`
	// decision that was made.
	// +required
	Decision Decision `json:"decision,omitempty"`
	// reason that was given.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Reason string `json:"reason,omitempty"`
	// decidedAt is when the API server took it.
	// +optional
	DecidedAt *metav1.Time `json:"decidedAt,omitempty"`
}
