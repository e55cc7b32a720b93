package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Cause says why a Release was made.
// +kubebuilder:validation:Enum=ImageChange;ParameterChange;TemplateRollout;ProviderChange;Promotion;Rollback;Adoption;OverrideExpired;Manual
type Cause string

// The causes.
const (
	// CauseImageChange: the image or commit of the Component changed (or is the first).
	CauseImageChange Cause = "ImageChange"
	// CauseParameterChange: parameters, environment variables or overrides changed.
	CauseParameterChange Cause = "ParameterChange"
	// CauseTemplateRollout: another revision of the template; the version is the same.
	CauseTemplateRollout Cause = "TemplateRollout"
	// CauseProviderChange: what a Component that it uses gives has changed; version and revision are the same.
	CauseProviderChange Cause = "ProviderChange"
	// CausePromotion: the version became Ready in the environment before.
	CausePromotion Cause = "Promotion"
	// CauseRollback: what ran before runs again, since the version failed or somebody asked for it.
	CauseRollback Cause = "Rollback"
	// CauseAdoption: objects that ran already are taken over as they were found.
	CauseAdoption Cause = "Adoption"
	// CauseOverrideExpired: an override expired, and the class of the environment drops those.
	CauseOverrideExpired Cause = "OverrideExpired"
	// CauseManual: the Release before was deleted by hand and is made again.
	CauseManual Cause = "Manual"
)

// ReleaseComponent is the Component of a Release, as it was.
type ReleaseComponent struct {
	// name of the Component.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	Name string `json:"name,omitempty"`
	// uid of the Component. It is the owner-uid of every object of the Release.
	// +required
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=36
	UID types.UID `json:"uid,omitempty"`
}

// ReleaseEnvironment is the Environment of a Release, as it was.
type ReleaseEnvironment struct {
	// name of the Environment.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=30
	Name string `json:"name,omitempty"`
	// uid of the Environment.
	// +required
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=36
	UID types.UID `json:"uid,omitempty"`
	// namespace is the workload namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`
	// class is the name of the EnvironmentClass.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Class string `json:"class,omitempty"`
	// tier of the class.
	// +required
	Tier Tier `json:"tier,omitempty"`
}

// ReleaseObject identifies one object that a Release makes.
type ReleaseObject struct {
	// resource is the id of the resource in the template.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Resource string `json:"resource,omitempty"`
	// apiVersion of the object.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	APIVersion string `json:"apiVersion,omitempty"`
	// kind of the object.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind,omitempty"`
	// name of the object, in the workload namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
}

// ReleaseRollback says what a Release brings back.
type ReleaseRollback struct {
	// from is the name of the Release whose place this one takes.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	From string `json:"from,omitempty"`
	// to is the name of the Release that this one repeats.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	To string `json:"to,omitempty"`
	// reason is why the one before failed. Empty where somebody asked for the rollback.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Reason string `json:"reason,omitempty"`
}

// ReleaseSpec is one version of one Component in one Environment, complete: with the
// ServiceTemplateRevision it renders to the same bytes at any time.
type ReleaseSpec struct {
	// number counts the Releases of a Component in one environment from 1. The Release with the
	// highest number is the one that runs.
	// +required
	// +kubebuilder:validation:Minimum=1
	Number int64 `json:"number,omitempty"`
	// component that the Release is of.
	// +required
	Component ReleaseComponent `json:"component,omitzero"`
	// environment that the Release runs in.
	// +required
	Environment ReleaseEnvironment `json:"environment,omitzero"`
	// template names the golden path.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	Template string `json:"template,omitempty"`
	// revision of the template that the Release is rendered from.
	// +required
	Revision RevisionReference `json:"revision,omitzero"`
	// version is the hash of what is promoted: image, commit, parameters, variables, uses and overrides, in
	// hexadecimal.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Version string `json:"version,omitempty"`
	// cause says why the Release was made.
	// +required
	Cause Cause `json:"cause,omitempty"`
	// image to run.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Image string `json:"image,omitempty"`
	// commit that the image was built from, where the Component names one.
	// +optional
	Commit *Commit `json:"commit,omitempty"`
	// build is the name of the Build that the image is of, in the same namespace. Absent where the Component named the image.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Build string `json:"build,omitempty"`
	// commits are what the Release brings to its environment: the commits since the one that ran there, where that Build and those before it
	// say which, else what that Build brings which the one before did not have.
	// +optional
	Commits *CommitRange `json:"commits,omitempty"`
	// requestedBy is the user who asked for the version, where the Component says so.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	RequestedBy string `json:"requestedBy,omitempty"`
	// requesters are other users who asked for what may be part of the version, since what ran there before came: their versions came
	// to no Release. Where the environment goes back behind this one, they are authors of what comes next. At most 128, the first
	// by name. Default: none.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=128
	// +kubebuilder:validation:items:MaxLength=512
	Requesters []string `json:"requesters,omitempty"`
	// gate is set where the gate of the environment was not open when the Release was made: it waits, and applies
	// nothing before status.openedAt is set. It says what was asked for then; what the class and the Component ask
	// for by now decides. Default: the Release never waits.
	// +optional
	Gate *Gate `json:"gate,omitempty"`
	// checks are what the Release must pass before it is Ready: those of the class and of the Component when it was made.
	// Default: none.
	// +optional
	// +listType=map
	// +listMapKey=origin
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Checks []ReleaseCheck `json:"checks,omitempty"`
	// soakSeconds is for how long the checks are measured on after the Release was Ready: the soak that the gate of the
	// next environment asked for when it was made. Default: 0.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2592000
	SoakSeconds int32 `json:"soakSeconds,omitempty"`
	// rollback is set where the cause is Rollback.
	// +optional
	Rollback *ReleaseRollback `json:"rollback,omitempty"`
	// parameters of the template, merged for this environment. The defaults of the revision's schema are
	// laid under them whenever the Release is rendered: both are immutable, so that gives the same each time.
	// +optional
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	Parameters *apiextensionsv1.JSON `json:"parameters,omitempty"`
	// env are the plain environment variables.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=128
	Env []EnvVar `json:"env,omitempty"`
	// secretEnv are the environment variables from Secrets.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=128
	SecretEnv []SecretEnvVar `json:"secretEnv,omitempty"`
	// capabilities are those optional APIs, as group/version/Kind, which the template asks for and
	// the cluster had when the Release was made.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=384
	Capabilities []string `json:"capabilities,omitempty"`
	// team is the value of the team label, frozen: a change of it reaches pods with the next Release.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Team string `json:"team,omitempty"`
	// costCenter is the value of the cost centre label, frozen.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	CostCenter string `json:"costCenter,omitempty"`
	// labelAliases are further label keys for cost tools, each with the Towpath label whose value it
	// repeats, as configured when the Release was made.
	// +optional
	// +kubebuilder:validation:MaxProperties=16
	LabelAliases map[string]string `json:"labelAliases,omitempty"`
	// podSecurity is the level that the pods must meet.
	// +required
	PodSecurity PodSecurityLevel `json:"podSecurity,omitempty"`
	// serviceAccountTokens says which tokens of ServiceAccounts the pods may get. Absent in a Release that was made
	// before Towpath asked: what it runs is not held to anything, so that an upgrade stops nothing.
	// +optional
	ServiceAccountTokens ServiceAccountTokens `json:"serviceAccountTokens,omitempty"`
	// allowedKinds are the kinds that the class allowed when the Release was made; none allows every one.
	// +optional
	// +listType=map
	// +listMapKey=group
	// +listMapKey=kind
	// +kubebuilder:validation:MaxItems=64
	AllowedKinds []AllowedKind `json:"allowedKinds,omitempty"`
	// uses are the Components that this one uses, with what they gave when the Release was made.
	// +optional
	// +listType=map
	// +listMapKey=component
	// +kubebuilder:validation:MaxItems=16
	Uses []ReleaseUse `json:"uses,omitempty"`
	// outputs are what those who use the Component get in this environment, once the Release was Ready.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	Outputs []ReleaseOutput `json:"outputs,omitempty"`
	// endpoint is where those who use the Component connect. Default: none.
	// +optional
	Endpoint *ReleaseEndpoint `json:"endpoint,omitempty"`
	// overrides set fields of the objects after the template was evaluated.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Overrides []ReleaseOverride `json:"overrides,omitempty"` //nolint:kubeapilinter // the required fields stand in Override, which is inlined
	// adopt names the objects that keep the names and the selector under which they were found. A Release with
	// the cause Adoption makes nothing else, and leaves them as they are.
	// +optional
	Adopt *Adoption `json:"adopt,omitempty"`
	// estimatedCost is what the Release was estimated to cost a month when it was made. Absent where it could not be estimated,
	// and in a Release that was made before Towpath did.
	// +optional
	EstimatedCost *ReleaseCost `json:"estimatedCost,omitempty"`
	// inventory lists every object that the Release makes. Deleting and pruning go by it alone.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=512
	Inventory []ReleaseObject `json:"inventory,omitempty"`
}

// ObjectHealth is how an object of a Release is.
// +kubebuilder:validation:Enum=Ready;Progressing;Failed;Missing
type ObjectHealth string

// The healths.
const (
	// ObjectReady: the object does what it should.
	ObjectReady ObjectHealth = "Ready"
	// ObjectProgressing: the object is on its way.
	ObjectProgressing ObjectHealth = "Progressing"
	// ObjectFailed: the object says that it will not get there by itself.
	ObjectFailed ObjectHealth = "Failed"
	// ObjectMissing: the object is not there.
	ObjectMissing ObjectHealth = "Missing"
)

// ReleaseObjectStatus is the state of one object of a Release.
type ReleaseObjectStatus struct {
	ReleaseObject `json:",inline"`
	// uid of the object, once it exists. An object of another UID is never touched.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=36
	UID types.UID `json:"uid,omitempty"`
	// applied is a hash of the fields that Towpath owns and of when it wrote them, taken from the
	// answer to its own write. Where it differs from the live object's, somebody changed a field of ours.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Applied string `json:"applied,omitempty"`
	// health of the object.
	// +required
	Health ObjectHealth `json:"health,omitempty"`
	// message says what the object waits for, or why it failed.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
	// awakeReplicas is the number of pods that a workload goes back to when its environment wakes. Absent while it is
	// awake, and where the number is not known: then it is the least that its autoscaler keeps.
	// +optional
	// +kubebuilder:validation:Minimum=0
	AwakeReplicas *int32 `json:"awakeReplicas,omitempty"`
}

// ReleaseStatus is the outcome.
type ReleaseStatus struct {
	// observedGeneration is the generation that the status speaks of.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// conditions are Ready, Applied, Delivered where that is by Git, Checked where there are checks, and Stalled when somebody must
	// act first.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// openedAt is when the gate of a Release that waited was open.
	// +optional
	OpenedAt *metav1.Time `json:"openedAt,omitempty"`
	// decisions are what people decided on a Release that waits or waited, oldest first, as far as it was counted.
	// +optional
	// +listType=map
	// +listMapKey=approval
	// +kubebuilder:validation:MaxItems=32
	Decisions []ReleaseDecision `json:"decisions,omitempty"`
	// proofs are those by which the images of a Release entered that its class asked for. Absent where it asked for none.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=256
	Proofs []ReleaseProof `json:"proofs,omitempty"`
	// appliedAt is when every object was applied for the first time.
	// +optional
	AppliedAt *metav1.Time `json:"appliedAt,omitempty"`
	// rolledOutAt is when every object was ready for the first time, and the checks began; of a Release that slept before it
	// had passed, for the first time since. Absent where there are no checks.
	// +optional
	RolledOutAt *metav1.Time `json:"rolledOutAt,omitempty"`
	// checks are what the checks found.
	// +optional
	// +listType=map
	// +listMapKey=origin
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Checks []ReleaseCheckStatus `json:"checks,omitempty"`
	// readyAt is when every object was ready, and every check had passed, for the first time. It stays when one fails later.
	// +optional
	ReadyAt *metav1.Time `json:"readyAt,omitempty"`
	// supersededAt is when a newer Release took this one's place.
	// +optional
	SupersededAt *metav1.Time `json:"supersededAt,omitempty"`
	// delivery is where the Release is in Git. Absent where Towpath applies it itself, and before the first commit.
	// +optional
	Delivery *ReleaseDelivery `json:"delivery,omitempty"`
	// sleep is what the sleep of the environment did to the Release. Absent where it never slept.
	// +optional
	Sleep *ReleaseSleep `json:"sleep,omitempty"`
	// objects are the objects of the inventory as they are.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=512
	Objects []ReleaseObjectStatus `json:"objects,omitempty"`
}

// Release is one version of one Component in one Environment: an immutable record. A newer Release
// supersedes it; nothing that ran is ever edited.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=rel,categories=towpath
// +kubebuilder:printcolumn:name="Component",type=string,JSONPath=`.spec.component.name`
// +kubebuilder:printcolumn:name="Environment",type=string,JSONPath=`.spec.environment.name`
// +kubebuilder:printcolumn:name="Image",type=string,JSONPath=`.spec.image`,priority=1
// +kubebuilder:printcolumn:name="Revision",type=integer,JSONPath=`.spec.revision.number`
// +kubebuilder:printcolumn:name="Cause",type=string,JSONPath=`.spec.cause`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Monthly Cost",type=string,JSONPath=`.spec.estimatedCost.monthly.expected`,priority=1
// +kubebuilder:printcolumn:name="Oldest Commit",type=date,JSONPath=`.spec.commits.oldestCommittedAt`,priority=1
// +kubebuilder:printcolumn:name="First Ready",type=date,JSONPath=`.status.readyAt`,priority=1
// +kubebuilder:printcolumn:name="Checked",type=string,JSONPath=`.status.conditions[?(@.type=="Checked")].status`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Release struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard metadata of an object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// spec is the record. It never changes: the policy towpath-records refuses that.
	// +required
	// +structType=atomic
	Spec ReleaseSpec `json:"spec,omitzero"`
	// status is written by the controller, which owns all of it: nobody can own a part of it by server-side apply.
	// +optional
	// +structType=atomic
	Status ReleaseStatus `json:"status,omitzero"`
}

// Opened says that the Release may run: it never had to wait for a gate, or the gate was open. One that is not
// has applied nothing.
func (r *Release) Opened() bool {
	return r.Spec.Gate == nil || r.Status.OpenedAt != nil
}

// ChecksFailed says that a check of the Release has failed.
func (r *Release) ChecksFailed() bool {
	return meta.IsStatusConditionFalse(r.Status.Conditions, ConditionChecked)
}

// Proven says that the Release was Ready at some time, and that none of its checks has failed since.
func (r *Release) Proven() bool {
	return r.Status.ReadyAt != nil && !r.ChecksFailed()
}

// Cost is what the Release was estimated to cost when it was made; nil where that is not known.
func (r *Release) Cost() *EstimatedCost {
	if r.Spec.EstimatedCost == nil {
		return nil
	}
	return &r.Spec.EstimatedCost.EstimatedCost
}

// ReleaseList is a list of Releases.
//
// +kubebuilder:object:root=true
type ReleaseList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Release `json:"items"`
}
