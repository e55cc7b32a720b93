package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TemplateReference names the golden path of a Component.
type TemplateReference struct {
	// name of the ServiceTemplate.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	Name string `json:"name,omitempty"`
	// revision pins the Component to one ServiceTemplateRevision. It enters an environment by the gate of that, as a version
	// does, and not during a freeze.
	// Default: absent, the Component follows the newest revision, environment by environment, without a gate.
	// +optional
	// +kubebuilder:validation:Minimum=1
	Revision *int64 `json:"revision,omitempty"`
}

// Commit is the change in version control that a version was built from.
type Commit struct {
	// sha of the commit, in hexadecimal.
	// +required
	// +kubebuilder:validation:Pattern=`^[0-9a-f]{7,64}$`
	// +kubebuilder:validation:MinLength=7
	// +kubebuilder:validation:MaxLength=64
	SHA string `json:"sha,omitempty"`
	// committedAt is when the commit was made, as it says itself. Lead time is counted from here; a time before 2000, or after the version
	// ran, is taken for unknown.
	// +optional
	CommittedAt *metav1.Time `json:"committedAt,omitempty"`
	// author of the commit, usually an e-mail address, alone or as Name <address>. A gate that forbids authors to approve
	// looks for it among the e-mails of the Team's members. It is what the Component says, and is not verified.
	// +optional
	// +kubebuilder:validation:MaxLength=254
	Author string `json:"author,omitempty"`
}

// EnvVar is one plain environment variable.
type EnvVar struct {
	// name of the variable.
	// +required
	// +kubebuilder:validation:Pattern=`^[A-Za-z_][A-Za-z0-9_]*$`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Name string `json:"name,omitempty"`
	// value of the variable. Default: empty. Secrets do not belong here: use secretEnv.
	// +optional
	// +kubebuilder:validation:MaxLength=8192
	Value string `json:"value,omitempty"`
}

// SecretEnvVar is one environment variable whose value stands in a Secret of the Environment.
type SecretEnvVar struct {
	// name of the variable.
	// +required
	// +kubebuilder:validation:Pattern=`^[A-Za-z_][A-Za-z0-9_]*$`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Name string `json:"name,omitempty"`
	// secretKeyRef names a key of a Secret in the workload namespace of each environment. Towpath
	// never reads it: the kubelet does.
	// +required
	SecretKeyRef SecretKeyReference `json:"secretKeyRef,omitzero"`
}

// SecretKeyReference names one key of a Secret.
type SecretKeyReference struct {
	// name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
	// key in the Secret's data.
	// +required
	// +kubebuilder:validation:Pattern=`^[-._a-zA-Z0-9]+$`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key,omitempty"`
}

// PathEnvironment is one step of a Component's path.
// +kubebuilder:validation:XValidation:rule="has(self.adopt) == has(oldSelf.adopt) && (!has(self.adopt) || self.adopt == oldSelf.adopt)",message="adopt must not change while the environment is in the path: names and selectors of what runs depend on it; take the environment out of the path and put it in again, or delete the Component where it has no other"
type PathEnvironment struct {
	// name of an Environment in the Component's namespace. It need not exist yet: the Component
	// waits for it.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=30
	// +kubebuilder:validation:Pattern=`^[a-z]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name,omitempty"`
	// parameters for this environment, merged over Component.spec.parameters by RFC 7396: null
	// deletes a key, lists are replaced. Default: none.
	// +optional
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	Parameters *apiextensionsv1.JSON `json:"parameters,omitempty"`
	// adopt names objects that run in the environment already. The first Release takes them over as they were
	// found, without waiting for the environment before: it adds labels and changes nothing else. The first
	// new version after that brings the golden path, in the order of the path as ever. Default: none, and
	// everything is made new.
	// +optional
	Adopt *Adoption `json:"adopt,omitempty"`
	// gate is what a version needs to enter the environment. It adds to what the environment's class asks for, and
	// takes nothing away. Default: what the class asks for.
	// +optional
	Gate *Gate `json:"gate,omitempty"`
	// checks are what a Release must pass in the environment, besides those of the environment's class: they add to
	// these, also where they have the name of one. They come with the next version, or with the next pinned revision, and
	// pass the gate with it: what makes a version again that runs there, such as a later revision, has the checks that came
	// with it. Queries need a class that allows them. Default: those of the class.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	Checks []Check `json:"checks,omitempty"`
	// promote is the name of the Release that may enter the environment where the gate is Manual. The next version
	// waits again. Default: none.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Promote string `json:"promote,omitempty"`
	// rollbackTo is the number of the Release of this environment that runs again, by a Release which repeats it. It
	// must have been Ready there. While it is set, nothing else enters the environment: neither versions nor
	// revisions. Default: none.
	// +optional
	// +kubebuilder:validation:Minimum=1
	RollbackTo int64 `json:"rollbackTo,omitempty"`
}

// ComponentSpec is a service and its path through the environments.
// +kubebuilder:validation:XValidation:rule="has(self.image) || has(self.source)",message="image must be set where there is no source to build it from"
// +kubebuilder:validation:XValidation:rule="has(self.image) || !has(self.commit)",message="commit must be set only with image: a Build knows its own"
// +kubebuilder:validation:XValidation:rule="!has(self.env) || !has(self.secretEnv) || self.secretEnv.all(s, !self.env.exists(e, e.name == s.name))",message="a name must not stand in both env and secretEnv"
type ComponentSpec struct {
	// templateRef names the golden path. The name must not change: a Component of another golden
	// path is another Component.
	// +required
	// +kubebuilder:validation:XValidation:rule="self.name == oldSelf.name",message="templateRef.name must not change: make another Component"
	TemplateRef TemplateReference `json:"templateRef,omitzero"`

	// image to run, with tag or digest: [host[:port]/]path[:tag][@digest], as the kubelet reads it. The path is in
	// lower case, and a digest is complete. Default: with source, that of the newest successful Build of its branch.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.matches('^([a-zA-Z0-9]([-a-zA-Z0-9.]*[a-zA-Z0-9])?(:[0-9]+)?/)?[a-z0-9]+(([.]|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+(([.]|_|__|-+)[a-z0-9]+)*)*(:[a-zA-Z0-9_][-a-zA-Z0-9_.]{0,127})?(@[a-z0-9]+([+._-][a-z0-9]+)*:[0-9a-f]{32,})?$')",message="image must be [host[:port]/]path[:tag][@digest], such as registry.example/shop/checkout:1.4.2: the path in lower case, a digest complete"
	Image string `json:"image,omitempty"`

	// commit that the image was built from. Default: that of the Build which the image is of, else unknown.
	// +optional
	Commit *Commit `json:"commit,omitempty"`

	// source is where the Component is built from. Default: none, image is built elsewhere.
	// +optional
	Source *Source `json:"source,omitempty"`

	// parameters of the template, checked against its schema. Default: the schema's defaults.
	// +optional
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	Parameters *apiextensionsv1.JSON `json:"parameters,omitempty"`

	// env are plain environment variables.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=128
	Env []EnvVar `json:"env,omitempty"`

	// secretEnv are environment variables whose values stand in Secrets.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=128
	SecretEnv []SecretEnvVar `json:"secretEnv,omitempty"`

	// uses are the Components of the same namespace that this one needs. They must not use each other in a
	// circle, and one that is used cannot be deleted. Default: none.
	// +optional
	// +listType=map
	// +listMapKey=component
	// +kubebuilder:validation:MaxItems=16
	Uses []Use `json:"uses,omitempty"`

	// overrides set fields of the golden path's objects to values of the Component's own, where the template opens
	// these. They are part of the version. Two overrides must not set the same field. Default: none.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Overrides []Override `json:"overrides,omitempty"`

	// requestedBy is the user who asks for this spec. Where it is set, admission requires it to be the very user who
	// writes a change of the spec. A gate that forbids authors to approve needs it. Default: unknown.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	RequestedBy string `json:"requestedBy,omitempty"`

	// environments is the path, in order. A version enters the first one, and goes to the next one
	// as soon as it is Ready in the one before, and the gate of the next one is open. Taking an environment out of the path deletes what
	// the Component runs there.
	// +required
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Environments []PathEnvironment `json:"environments,omitempty"`

	// revisionHistoryLimit is how many Releases of each environment are kept beside the one that runs, and as many that
	// never entered. Those that are still needed are kept beyond that: the newest that was Ready, what a rollback names or
	// brought back, the one where somebody rejected the version, and what still holds objects. Default: 10.
	// +optional
	// +kubebuilder:default=10
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	RevisionHistoryLimit *int32 `json:"revisionHistoryLimit,omitempty"`

	// deletionPolicy says what becomes of what the Component runs when it is deleted, or leaves an environment.
	// Delete: it is deleted. Orphan: it runs on, without the labels and the ownership of Towpath, and Towpath
	// ignores it from then on. Labels on pods stay, since taking them off would restart the pods.
	// +optional
	// +kubebuilder:default=Delete
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`
}

// ComponentEnvironmentStatus is the state of a Component in one environment.
type ComponentEnvironmentStatus struct {
	// name of the environment.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=30
	Name string `json:"name,omitempty"`
	// release is the name of the Release assigned to the environment. Absent before the first.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Release string `json:"release,omitempty"`
	// pending is the name of the Release that waits to take its place: the gate of the environment is not open.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Pending string `json:"pending,omitempty"`
	// image that the Release runs.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Image string `json:"image,omitempty"`
	// revision of the template that the Release was rendered from.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Revision int64 `json:"revision,omitempty"`
	// ready is the status of the Ready condition of that Release.
	// +optional
	Ready metav1.ConditionStatus `json:"ready,omitempty"`
	// estimatedCost is what the Release was estimated to cost a month, in the currency that it names.
	// +optional
	EstimatedCost *EstimatedCost `json:"estimatedCost,omitempty"`
	// reason is why it is not ready, or what the next version waits for.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Reason string `json:"reason,omitempty"`
	// message explains the reason.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	Message string `json:"message,omitempty"`
	// refusedRevision is the revision of the template with which the next Release could not be made, for that reason.
	// Absent where it could, or waits.
	// +optional
	// +kubebuilder:validation:Minimum=0
	RefusedRevision int64 `json:"refusedRevision,omitempty"`
	// requested is who asked for what is to come into the environment. Absent while that runs there, or has a Release there
	// that says it.
	// +optional
	Requested *RequestedVersion `json:"requested,omitempty"`
}

// AuthorKnowledge says whether it is known who asked for a change.
// +kubebuilder:validation:Enum=Unknown
type AuthorKnowledge string

// AuthorsUnknown says that somebody asked for a part of it who gave no name.
const AuthorsUnknown AuthorKnowledge = "Unknown"

// RequestedVersion is who asked for what is to come into an environment.
type RequestedVersion struct {
	// version is the hash of the version that was asked for last.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Version string `json:"version,omitempty"`
	// revision is the revision of the template that the Component is pinned to, where that was asked for with the version.
	// +optional
	// +kubebuilder:validation:Minimum=1
	Revision int64 `json:"revision,omitempty"`
	// checks is the hash of the Component's own checks of the environment that were asked for with these. Empty for none.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Checks string `json:"checks,omitempty"`
	// requester is the user that spec.requestedBy named with that version, or that revision. Its Releases name that user, whoever
	// changes something else of the Component in the meantime, such as where it is held. Empty where it named nobody: a name that
	// comes later is another's.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Requester string `json:"requester,omitempty"`
	// by are the users that spec.requestedBy named with each version, pinned revision and checks since those that run there. Each of
	// these is an author of the next Release, also where a version came to no Release, or that is gone. At most 128, the first by name; where there
	// are as many, it is not known whether these are all, and nobody may approve where authors may not.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=128
	// +kubebuilder:validation:items:MaxLength=512
	By []string `json:"by,omitempty"`
	// authors is Unknown where a change since what runs there came with no name in spec.requestedBy. Nobody may approve then where
	// authors may not, until the Component has asked for what runs there once more. Default: by are all of them. It is not set while
	// nothing runs there: nothing could take it back.
	// +optional
	Authors AuthorKnowledge `json:"authors,omitempty"`
}

// ComponentStatus is what the controller found and decided.
type ComponentStatus struct {
	// observedGeneration is the generation that the status speaks of.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// conditions are Ready, Promoted, Stalled when somebody must act first, OverridesExpiring when an
	// override has expired or soon will, and PipelineInStep where a workflow in the repository is compared with the golden path.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// environments is the path with what runs where, in the order of the path.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Environments []ComponentEnvironmentStatus `json:"environments,omitempty"`
	// source is what is known of the repository. Absent where there is none.
	// +optional
	Source *SourceStatus `json:"source,omitempty"`
	// build is the name of the Build whose image is to run. Absent where the Component names its image itself, or waits for the first.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Build string `json:"build,omitempty"`
	// estimatedCost is what the Component is estimated to cost a month in all environments. Absent while nothing runs.
	// +optional
	EstimatedCost *CostSum `json:"estimatedCost,omitempty"`
}

// Component is a service: a golden path, its parameters, an image, and the path through the
// environments that each version of it takes.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=comp,categories=towpath
// +kubebuilder:printcolumn:name="Template",type=string,JSONPath=`.spec.templateRef.name`
// +kubebuilder:printcolumn:name="Image",type=string,JSONPath=`.spec.image`,priority=1
// +kubebuilder:printcolumn:name="Monthly Cost",type=string,JSONPath=`.status.estimatedCost.monthly.expected`,priority=1
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Promoted",type=string,JSONPath=`.status.conditions[?(@.type=="Promoted")].status`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$')",message="metadata.name must be a DNS-1035 label of at most 40 characters"
type Component struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard metadata of an object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// spec is what the developer asks for.
	// +required
	Spec ComponentSpec `json:"spec,omitzero"`
	// status is written by the controller, which owns all of it: nobody can own a part of it by server-side apply.
	// +optional
	// +structType=atomic
	Status ComponentStatus `json:"status,omitzero"`
}

// ComponentList is a list of Components.
//
// +kubebuilder:object:root=true
type ComponentList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Component `json:"items"`
}
