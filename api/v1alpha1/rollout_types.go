package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// TemplateRollout is how a new revision reaches Components.
type TemplateRollout struct {
	// waves are who gets a new revision in which order: a wave begins when everybody in those before runs the
	// revision, Ready, and has done so for their soak. Who is in no wave gets the revision after the last one. Within
	// a Component the order of its path holds too: no environment gets a revision that the one before it has not had
	// Ready. A pinned Component is in no wave. Default: one wave with everybody.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Waves []RolloutWave `json:"waves,omitempty"`

	// maxFailures is how many environments may fail at the new revision before the roll-out halts. One that fails
	// goes back to the revision that it had. One whose version was never Ready there with a revision before does not
	// count. Only with waves. Default: 1, the first failure halts it.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	MaxFailures *int32 `json:"maxFailures,omitempty"`

	// control is what a person asks of the roll-out that is under way. It is for one revision, and counts for nothing
	// with any other. Default: nothing.
	// +optional
	Control *RolloutControl `json:"control,omitempty"`

	// allowBreaking lets one breaking change pass: one that Components could fail at, such as a parameter that is
	// removed, or a field that the API server does not let be changed. Without it such a change is refused where
	// Components use the template, and the revision before keeps serving. Default: none.
	// +optional
	AllowBreaking *BreakingAllowance `json:"allowBreaking,omitempty"`
}

// RolloutWave is one step of a roll-out.
type RolloutWave struct {
	// tiers of the environments in the wave. Default: all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=4
	Tiers []Tier `json:"tiers,omitempty"`

	// percent of these environments that have the revision when the wave is done, those of earlier waves included.
	// Who goes first is chosen by a hash of the Component and the environment, so that it is the same at each
	// roll-out.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	Percent int32 `json:"percent,omitempty"`

	// soakSeconds is for how long all of the wave must have been Ready before the next one begins. Default: 0.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2592000
	SoakSeconds int32 `json:"soakSeconds,omitempty"`
}

// RolloutAction is what a person may ask of a roll-out.
//
// +kubebuilder:validation:Enum=Resume;Skip;Abort
type RolloutAction string

const (
	// RolloutResume goes on with a roll-out that halted: who failed is tried again.
	RolloutResume RolloutAction = "Resume"
	// RolloutSkip goes on to the next wave, whoever is not Ready yet and however long the soak still is. It does not
	// help a roll-out that halted: that needs Resume, or more maxFailures.
	RolloutSkip RolloutAction = "Skip"
	// RolloutAbort brings everybody back to the revision before.
	RolloutAbort RolloutAction = "Abort"
)

// RolloutControl is what a person asks of one roll-out.
//
// +kubebuilder:validation:XValidation:rule="self.action != 'Skip' || has(self.wave)",message="Skip needs wave: the number of the wave to skip"
type RolloutControl struct {
	// revision is the one that is being rolled out.
	// +required
	// +kubebuilder:validation:Minimum=1
	Revision int64 `json:"revision,omitempty"`

	// action is what to do.
	// +required
	Action RolloutAction `json:"action,omitempty"`

	// wave is the number of the wave to skip, from 1: as status.rollout.wave has it, so one more than there are waves skips who
	// is in none. Only with Skip.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=17
	Wave int32 `json:"wave,omitempty"`

	// attempt tells one Resume from the next: a higher number resumes again. Only with Resume. Default: 1.
	// +optional
	// +kubebuilder:validation:Minimum=1
	Attempt int32 `json:"attempt,omitempty"`
}

// RolloutState is how far a roll-out is.
//
// +kubebuilder:validation:Enum=Progressing;Halted;Aborted;Complete
type RolloutState string

const (
	// RolloutProgressing goes from wave to wave.
	RolloutProgressing RolloutState = "Progressing"
	// RolloutHalted waits for a person: too many failed.
	RolloutHalted RolloutState = "Halted"
	// RolloutAborted brings, or has brought, everybody back.
	RolloutAborted RolloutState = "Aborted"
	// RolloutComplete has reached everybody.
	RolloutComplete RolloutState = "Complete"
)

// TemplateRolloutStatus is how far the newest revision is rolled out.
type TemplateRolloutStatus struct {
	// revision that is rolled out.
	// +required
	// +kubebuilder:validation:Minimum=1
	Revision int64 `json:"revision,omitempty"`

	// fromRevision is the newest one that everybody had got before; 0 where there was none.
	// +optional
	// +kubebuilder:validation:Minimum=0
	FromRevision int64 `json:"fromRevision,omitempty"`

	// state is how far it is.
	// +required
	State RolloutState `json:"state,omitempty"`

	// wave that is under way, from 1.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=17
	Wave int32 `json:"wave,omitempty"`

	// members is how many environments of Components are in this wave and those before, but for those that are broken.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Members int32 `json:"members,omitempty"`
	// ready is how many of the members run the revision and are Ready.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Ready int32 `json:"ready,omitempty"`

	// readySince is when all of them were Ready: the soak counts from then. Absent while they are not.
	// +optional
	ReadySince *metav1.Time `json:"readySince,omitempty"`

	// failures are the environments that failed at the revision, at most 50 of them.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=50
	Failures []RolloutFailure `json:"failures,omitempty"`
	// failed is how many environments failed at the revision.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Failed int32 `json:"failed,omitempty"`

	// brokenEnvironments are environments that the roll-out does not wait for, and that do not halt it: what runs there fails,
	// and its version was never Ready there with a revision before, so that this one is not to blame; or one before it on its
	// path is broken or failed, and keeps the revision from it. At most 50 of them.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=50
	BrokenEnvironments []RolloutFailure `json:"brokenEnvironments,omitempty"`
	// broken is how many environments in this wave and those before are such. They are no members.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Broken int32 `json:"broken,omitempty"`

	// attempt is the last Resume that was heard.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Attempt int32 `json:"attempt,omitempty"`
	// resumedAt is when that was heard: who failed before is tried again.
	// +optional
	ResumedAt *metav1.Time `json:"resumedAt,omitempty"`

	// message says what it waits for.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`

	// impact is what the revision does to those who follow the template, counted once when the roll-out begins. Absent
	// until it is counted, and again once the roll-out is complete.
	// +optional
	Impact *RolloutImpact `json:"impact,omitempty"`
}

// RolloutImpact is what a revision does to those who follow the template.
type RolloutImpact struct {
	ImpactCount `json:",inline"`

	// pinned is how many Components stay at another revision.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Pinned int32 `json:"pinned,omitempty"`

	// tiers are the same figures for the environments of each tier.
	// +optional
	// +listType=map
	// +listMapKey=tier
	// +kubebuilder:validation:MaxItems=4
	Tiers []TierImpact `json:"tiers,omitempty"`

	// resources are what becomes of the objects, by the resource of the template that makes them: at most 64. Environments
	// that cannot get the revision are left out, since nothing changes there.
	// +optional
	// +listType=map
	// +listMapKey=resource
	// +listMapKey=kind
	// +kubebuilder:validation:MaxItems=64
	Resources []ResourceImpact `json:"resources,omitempty"`

	// blocked are environments that cannot get the revision, at most 20 of them.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	Blocked []RolloutFailure `json:"blocked,omitempty"`
}

// ResourceImpact is what a revision does to the objects of one resource of the template.
type ResourceImpact struct {
	// resource is its id in the template.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Resource string `json:"resource,omitempty"`
	// kind of the objects.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind,omitempty"`
	// added is how many of them come anew.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Added int32 `json:"added,omitempty"`
	// changed is how many change.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Changed int32 `json:"changed,omitempty"`
	// removed is how many go.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Removed int32 `json:"removed,omitempty"`
	// restarting is of how many pods restart, or end.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Restarting int32 `json:"restarting,omitempty"`
	// fields are the paths that change in at least one of them, sorted: at most 10. `towpath diff` has all, with their values.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=10
	// +kubebuilder:validation:items:MaxLength=256
	Fields []string `json:"fields,omitempty"`
}

// RevisionImpact is what the newest revision does to those who follow the template.
type RevisionImpact struct {
	// revision that was counted.
	// +required
	// +kubebuilder:validation:Minimum=1
	Revision      int64 `json:"revision,omitempty"`
	RolloutImpact `json:",inline"`
}

// TierImpact is what a revision does in environments of one tier.
type TierImpact struct {
	// tier of the environments.
	// +required
	Tier        Tier `json:"tier,omitempty"`
	ImpactCount `json:",inline"`
}

// ImpactCount counts environments of Components by what a revision does there.
type ImpactCount struct {
	// following is in how many environments a Component follows the template, and runs.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Following int32 `json:"following,omitempty"`
	// changed is in how many of these objects change.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Changed int32 `json:"changed,omitempty"`
	// restarting is in how many of these pods restart, or end.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Restarting int32 `json:"restarting,omitempty"`
	// cannot is how many cannot get the revision: it does not render there, is refused, or changes what the API server
	// does not let be changed.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Cannot int32 `json:"cannot,omitempty"`
}

// RolloutFailure is one environment in which something is wrong, and what.
type RolloutFailure struct {
	// namespace of the Component.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`
	// component is its name.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Component string `json:"component,omitempty"`
	// environment is the one in which it is.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Environment string `json:"environment,omitempty"`
	// message says why.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

// BreakingAllowance is the leave for one breaking change. It is used up by that change: it names the revision that
// the change starts from.
type BreakingAllowance struct {
	// fromRevision is the newest revision before the change. With any other the allowance counts for nothing.
	// +required
	// +kubebuilder:validation:Minimum=1
	FromRevision int64 `json:"fromRevision,omitempty"`

	// reason says why, for those whose Components break. It stands in the message of Ready as long as the leave is there and
	// the revision that it let pass is the newest, and in the event of that.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Reason string `json:"reason,omitempty"`
}
