package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ServiceTemplateSpec is a golden path: typed parameters and the objects made from them.
//
// +kubebuilder:validation:XValidation:rule="!has(self.replacedBy) || has(self.maturity) && self.maturity == 'Deprecated'",message="replacedBy needs maturity: Deprecated"
type ServiceTemplateSpec struct {
	// summary says in one sentence what the golden path is for. `kubectl get` shows it.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Summary string `json:"summary,omitempty"`

	// parameters is the schema of Component.spec.parameters: an OpenAPI v3 structural schema in
	// the dialect of CustomResourceDefinitions, with defaults and x-kubernetes-validations. Its
	// root must be of type object. Names of properties must match ^[a-z][a-zA-Z0-9]*$.
	// Default: an object without properties, so the template takes no parameters.
	// +optional
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	Parameters *apiextensionsv1.JSON `json:"parameters,omitempty"`

	// resources are the objects that one Component becomes in one environment. They are applied
	// in the order that their references to each other (resources.<id>) ask for; what is
	// independent is applied at once.
	// +required
	// +listType=map
	// +listMapKey=id
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Resources []ResourceTemplate `json:"resources,omitempty"`

	// outputs are what a Component of this golden path tells those who use it. Default: none.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	Outputs []TemplateOutput `json:"outputs,omitempty"`

	// endpoint is where those who use a Component of this golden path connect: their network policy is opened
	// for exactly that. Default: none, nothing can be called.
	// +optional
	Endpoint *TemplateEndpoint `json:"endpoint,omitempty"`

	// maturity says how far the golden path may be relied on. Whoever applies a Component of a Deprecated one gets a
	// warning, and goes on being served. An Experimental one may change in any way, also a breaking one, from a revision
	// that was never anything else: what was promised once is not taken back by the change that breaks it. Changing it
	// makes no new revision. Default: Stable.
	// +optional
	Maturity Maturity `json:"maturity,omitempty"`

	// replacedBy names the ServiceTemplate to use in place of this one; only with maturity Deprecated. Changing it
	// makes no new revision. Default: none.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	ReplacedBy string `json:"replacedBy,omitempty"`

	// overrides says which fields Components may set to values of their own. Default: none.
	// +optional
	Overrides *TemplateOverrides `json:"overrides,omitempty"`

	// pipeline is how a commit of a Component with a source becomes an image. Default: none, Builds are recorded.
	// +optional
	Pipeline *Pipeline `json:"pipeline,omitempty"`

	// rollout says how a new revision reaches Components that run already. Changing it makes no new revision.
	// Default: at once, to all that are not pinned.
	// +optional
	Rollout *TemplateRollout `json:"rollout,omitempty"`
}

// Maturity of a golden path.
//
// +kubebuilder:validation:Enum=Experimental;Stable;Deprecated
type Maturity string

const (
	// MaturityExperimental may change in any way.
	MaturityExperimental Maturity = "Experimental"
	// MaturityStable may be relied on.
	MaturityStable Maturity = "Stable"
	// MaturityDeprecated serves those who use it, and should not be used for anything new.
	MaturityDeprecated Maturity = "Deprecated"
)

// ChangeLevel says what a change of a template means to Components that run.
//
// +kubebuilder:validation:Enum=Safe;Risky;Breaking
type ChangeLevel string

const (
	// ChangeSafe changes objects in place, and restarts nothing.
	ChangeSafe ChangeLevel = "Safe"
	// ChangeRisky restarts pods, deletes objects, or changes what Components get that said nothing.
	ChangeRisky ChangeLevel = "Risky"
	// ChangeBreaking may keep a Component from getting the revision at all.
	ChangeBreaking ChangeLevel = "Breaking"
)

// TemplateChange is one difference between a revision and the one before.
type TemplateChange struct {
	// level is what it means.
	// +required
	Level ChangeLevel `json:"level,omitempty"`
	// path is where, in the spec of the ServiceTemplate.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Path string `json:"path,omitempty"`
	// message says what changed, and what follows.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

// ResourceTemplate makes one object, or with forEach one object for each element of a list.
type ResourceTemplate struct {
	// id names the resource inside the template. Other resources refer to it as resources.<id>.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z][a-zA-Z0-9]*$`
	ID string `json:"id,omitempty"`

	// object is the Kubernetes object. Any string in it may hold CEL expressions as ${…}: a string
	// that is one whole ${…} keeps the type of the expression's value, optional.none() removes the
	// key, and $${ is a literal ${. apiVersion and kind must be literals. The object must be of a
	// namespaced kind, must not be a Secret or of the group rbac.authorization.k8s.io, and must
	// not name a namespace: Towpath sets that, and the labels.
	// +required
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	Object apiextensionsv1.JSON `json:"object,omitzero"`

	// includeWhen is one ${…} of type bool; the resource is left out where it is false.
	// Default: always included.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	IncludeWhen string `json:"includeWhen,omitempty"`

	// forEach is one ${…} that gives a list of at most 100 elements. The resource is made once for
	// each; `each` is the element. The names of the objects must differ from element to element.
	// Default: the resource is made once.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	ForEach string `json:"forEach,omitempty"`

	// readyWhen is one ${…} of type bool about the live object, which is `self`. The pod template,
	// volumeClaimTemplates and data of the live object are not visible to it.
	// Default: the kind's own readiness, as kstatus defines it.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	ReadyWhen string `json:"readyWhen,omitempty"`
}

// ServiceTemplateStatus is what the controller found.
type ServiceTemplateStatus struct {
	// observedGeneration is the generation that the status speaks of.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions are Ready, and Stalled when the template does not compile.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// latestRevision is the newest revision that compiled: the one that Components without a pin
	// follow. Absent until the first one did.
	// +optional
	LatestRevision *RevisionReference `json:"latestRevision,omitempty"`

	// warnings are findings of the compiler that do not stop the template, such as a kind that the
	// cluster does not serve yet.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=1024
	Warnings []string `json:"warnings,omitempty"`

	// changes are what the newest revision changes from the one before, or what a refused spec would change, what
	// means most first. Absent where there is nothing before, or nothing changed.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Changes []TemplateChange `json:"changes,omitempty"`

	// rollout is how far the newest revision is. Absent where spec.rollout has no waves.
	// +optional
	Rollout *TemplateRolloutStatus `json:"rollout,omitempty"`

	// impact is what the newest revision does to those who follow the template, where spec.rollout has no waves: everybody
	// gets it at once. It is counted once for each revision, from what ran before it, and stands until the next one is
	// counted. Absent for the first revision, until it is counted, and where spec.rollout has waves: see rollout.impact.
	// +optional
	Impact *RevisionImpact `json:"impact,omitempty"`
}

// RevisionReference names one ServiceTemplateRevision.
type RevisionReference struct {
	// name of the ServiceTemplateRevision, <template>-<number>.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
	// number counts the revisions of one template from 1.
	// +required
	// +kubebuilder:validation:Minimum=1
	Number int64 `json:"number,omitempty"`
}

// ServiceTemplate is a golden path that a platform team offers: the schema of its parameters and
// the objects that a Component becomes. It is compiled when it is admitted, and each content that
// compiles becomes a numbered, immutable ServiceTemplateRevision.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=stpl,categories=towpath
// +kubebuilder:printcolumn:name="Revision",type=integer,JSONPath=`.status.latestRevision.number`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Summary",type=string,JSONPath=`.spec.summary`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$')",message="metadata.name must be a DNS-1035 label of at most 40 characters"
type ServiceTemplate struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard metadata of an object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// spec is the golden path.
	// +required
	Spec ServiceTemplateSpec `json:"spec,omitzero"`
	// status is written by the controller.
	// +optional
	Status ServiceTemplateStatus `json:"status,omitzero"`
}

// ServiceTemplateList is a list of ServiceTemplates.
//
// +kubebuilder:object:root=true
type ServiceTemplateList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ServiceTemplate `json:"items"`
}

// ServiceTemplateRevisionSpec is the snapshot.
type ServiceTemplateRevisionSpec struct {
	// templateName is the name of the ServiceTemplate.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	TemplateName string `json:"templateName,omitempty"`
	// number counts the revisions of one template from 1. A number is never used again.
	// +required
	// +kubebuilder:validation:Minimum=1
	Number int64 `json:"number,omitempty"`
	// hash is the SHA-256 of the template's content in canonical JSON, in hexadecimal: the same content is the same
	// revision. maturity, replacedBy and rollout are about the template, and no part of it.
	// +required
	// +kubebuilder:validation:Pattern=`^[0-9a-f]{64}$`
	// +kubebuilder:validation:MinLength=64
	// +kubebuilder:validation:MaxLength=64
	Hash string `json:"hash,omitempty"`
	// template is the spec of the ServiceTemplate as it was.
	// +required
	Template ServiceTemplateSpec `json:"template,omitzero"`
}

// ServiceTemplateRevisionStatus is what the controller found.
type ServiceTemplateRevisionStatus struct {
	// maturity is how far the revision was promised to be relied on: Experimental where the template was nothing else
	// while this was its newest revision, else Stable. From Experimental a breaking change needs no leave. Absent until
	// the controller has looked, which counts as Stable.
	// +optional
	Maturity Maturity `json:"maturity,omitempty"`
	// observedGeneration is the generation that the status speaks of.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// conditions are Ready, which is True from the start since only what compiled becomes a revision.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// ServiceTemplateRevision is an immutable, numbered snapshot of a ServiceTemplate that compiled.
// It is kept while a Release refers to it, also when its template is gone.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=strev,categories=towpath
// +kubebuilder:printcolumn:name="Template",type=string,JSONPath=`.spec.templateName`
// +kubebuilder:printcolumn:name="Number",type=integer,JSONPath=`.spec.number`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.spec == oldSelf.spec",message="spec must not change: a revision is an immutable record"
type ServiceTemplateRevision struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard metadata of an object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// spec is the snapshot.
	// +required
	Spec ServiceTemplateRevisionSpec `json:"spec,omitzero"`
	// status is written by the controller.
	// +optional
	Status ServiceTemplateRevisionStatus `json:"status,omitzero"`
}

// ServiceTemplateRevisionList is a list of ServiceTemplateRevisions.
//
// +kubebuilder:object:root=true
type ServiceTemplateRevisionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ServiceTemplateRevision `json:"items"`
}
