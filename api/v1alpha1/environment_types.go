package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Tier is how near an environment is to the users.
// +kubebuilder:validation:Enum=Development;Staging;Production;Preview
type Tier string

// The tiers.
const (
	TierDevelopment Tier = "Development"
	TierStaging     Tier = "Staging"
	TierProduction  Tier = "Production"
	TierPreview     Tier = "Preview"
)

// PodSecurityLevel is a level of the Pod Security Standards.
// +kubebuilder:validation:Enum=Restricted;Baseline;Privileged
type PodSecurityLevel string

// The levels, strictest first.
const (
	PodSecurityRestricted PodSecurityLevel = "Restricted"
	PodSecurityBaseline   PodSecurityLevel = "Baseline"
	PodSecurityPrivileged PodSecurityLevel = "Privileged"
)

// ServiceAccountTokens says which tokens of ServiceAccounts pods may get.
// +kubebuilder:validation:Enum=Forbidden;AudienceBound;Allowed
type ServiceAccountTokens string

// What pods may get, strictest first.
const (
	TokensForbidden     ServiceAccountTokens = "Forbidden"
	TokensAudienceBound ServiceAccountTokens = "AudienceBound"
	TokensAllowed       ServiceAccountTokens = "Allowed"
)

// EnvironmentClassSpec is the platform's contract for environments of one kind.
// +kubebuilder:validation:XValidation:rule="has(self.prometheus) || !has(self.checks) || !self.checks.exists(c, has(c.prometheus))",message="a class with checks that query must have prometheus"
// +kubebuilder:validation:XValidation:rule="(has(self.delivery) && has(self.delivery.mode) ? self.delivery.mode : 'Direct') == (has(oldSelf.delivery) && has(oldSelf.delivery.mode) ? oldSelf.delivery.mode : 'Direct')",message="delivery.mode must not change: make another EnvironmentClass"
// +kubebuilder:validation:XValidation:rule="!has(self.sleep) || !has(self.delivery) || !has(self.delivery.mode) || self.delivery.mode == 'Direct'",message="a class must not have sleep where delivery.mode is Git: what applies the files would wake what sleeps"
type EnvironmentClassSpec struct {
	// tier of the environments of this class. It stands in the label platform.towpath.dev/tier of
	// every object, and templates see it as environment.tier. It must not change.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="tier must not change: make another EnvironmentClass"
	Tier Tier `json:"tier,omitempty"`

	// podSecurity is the level that pods must meet: enforced by the label
	// pod-security.kubernetes.io/enforce on the workload namespace, and checked by Towpath before
	// anything is written. Default: Restricted.
	// +optional
	// +kubebuilder:default=Restricted
	PodSecurity PodSecurityLevel `json:"podSecurity,omitempty"`

	// serviceAccountTokens says which tokens of ServiceAccounts pods may get; a token lets whoever gets into a pod act
	// as its account. Forbidden: none; pod templates and ServiceAccounts must say automountServiceAccountToken: false.
	// AudienceBound: projected ones for an audience that is not the API server, as workload identity needs them, and of
	// an account that the Component makes. Allowed: what the template states, also an account of others; a Component
	// cannot override it. Changing it counts from the next Release of a Component on. Default: Forbidden.
	// +optional
	// +kubebuilder:default=Forbidden
	ServiceAccountTokens ServiceAccountTokens `json:"serviceAccountTokens,omitempty"`

	// dropExpiredOverrides says what becomes of an override of a Component that has expired. True: the next
	// version is released without it, with the cause OverrideExpired. False: it stays in force, and the
	// condition OverridesExpiring of the Component says so. Default: false.
	// +optional
	DropExpiredOverrides bool `json:"dropExpiredOverrides,omitempty"` //nolint:kubeapilinter // the name is a yes-or-no question

	// gate is the least that a version needs to enter an environment of this class. Components may ask for more.
	// Default: nothing but to be Ready in the environment before.
	// +optional
	Gate *ClassGate `json:"gate,omitempty"`

	// supplyChain is what images must prove before a new version that has them enters environments of this class: by
	// whom they were signed, and what is known of them. Default: nothing.
	// +optional
	SupplyChain *SupplyChain `json:"supplyChain,omitempty"`

	// rollback says what becomes of a Release that fails before it was ever Ready. Default: it stays as it is.
	// +optional
	Rollback *RollbackPolicy `json:"rollback,omitempty"`

	// checks are the least that Releases must pass in environments of this class. Components may add to them. They count
	// from the next Release of a Component on. Default: none.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	Checks []Check `json:"checks,omitempty"`

	// prometheus is where checks with a query ask. Changing it counts at once. Default: none, and there can be none.
	// +optional
	Prometheus *PrometheusSource `json:"prometheus,omitempty"`

	// freezes are times in which nothing new enters environments of this class, and neither an Environment in which a
	// Component runs nor that Component may be deleted. A window that cannot be read counts as open, and the class is
	// not Ready. Default: none.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Freezes []FreezeWindow `json:"freezes,omitempty"`

	// lifetime bounds how long environments of the class live; what is in one goes with it. Default: until somebody
	// deletes it, unless the Environment itself says lifetimeSeconds.
	// +optional
	Lifetime *Lifetime `json:"lifetime,omitempty"`

	TeamLimits `json:",inline"`

	// sleep says when environments of this class sleep. Default: never, but for what their own spec.sleep says.
	// +optional
	Sleep *ClassSleep `json:"sleep,omitempty"`

	// delivery says who applies the objects of Releases. Default: Towpath itself.
	// +optional
	Delivery *Delivery `json:"delivery,omitempty"`

	Guardrails `json:",inline"`
}

// EnvironmentClassStatus is what the controller found.
type EnvironmentClassStatus struct {
	// observedGeneration is the generation that the status speaks of.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// conditions are Ready, and Stalled when somebody must act first.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// EnvironmentClass is a kind of environment that the platform team offers.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=envclass,categories=towpath
// +kubebuilder:printcolumn:name="Tier",type=string,JSONPath=`.spec.tier`
// +kubebuilder:printcolumn:name="Pod Security",type=string,JSONPath=`.spec.podSecurity`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63",message="metadata.name must be at most 63 characters"
type EnvironmentClass struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard metadata of an object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// spec is the contract.
	// +required
	Spec EnvironmentClassSpec `json:"spec,omitzero"`
	// status is written by the controller.
	// +optional
	Status EnvironmentClassStatus `json:"status,omitzero"`
}

// EnvironmentClassList is a list of EnvironmentClasses.
//
// +kubebuilder:object:root=true
type EnvironmentClassList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []EnvironmentClass `json:"items"`
}

// ClassReference names an EnvironmentClass.
type ClassReference struct {
	// name of the EnvironmentClass.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`
}

// EnvironmentSpec is a place to run.
// +kubebuilder:validation:XValidation:rule="has(self.adoptNamespace) == has(oldSelf.adoptNamespace) && (!has(self.adoptNamespace) || self.adoptNamespace == oldSelf.adoptNamespace)",message="adoptNamespace must not change: make another Environment"
// +kubebuilder:validation:XValidation:rule="has(self.sourceRef) == has(oldSelf.sourceRef) && (!has(self.sourceRef) || self.sourceRef == oldSelf.sourceRef)",message="sourceRef must not change: make another Environment"
type EnvironmentSpec struct {
	// classRef names the EnvironmentClass that the environment is made to. It must not change: make
	// another Environment, and put it into the path of the Components that should move.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="classRef must not change: make another Environment"
	ClassRef ClassReference `json:"classRef,omitzero"`

	// adoptNamespace is the name of a namespace that exists already, and becomes the workload namespace in place
	// of a new one. The namespace must bear the annotation platform.towpath.dev/adopt-by with the Environment as
	// namespace/name, so that nobody takes what is another's. It is kept, with all that Towpath did not make,
	// when the Environment is deleted. Default: a new namespace <team>-<environment>.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	AdoptNamespace string `json:"adoptNamespace,omitempty"`

	// quota lowers the ceiling that the class sets, resource by resource, and may bound further ones. Where it asks for
	// more than the class allows, the class's holds, and the condition WithinLimits says so. Default: the quota of the
	// class. Amounts have no exponent: Kubernetes' parser would take hours for some.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=30
	// +kubebuilder:validation:XValidation:rule="self.all(k, type(self[k]) == int || size(self[k]) <= 64 && !self[k].contains('e'))",message="an amount must have at most 64 characters, and no exponent, such as 250m or 2Gi"
	// +kubebuilder:validation:XValidation:rule="self.all(k, type(self[k]) == int || !self[k].contains('E') || self[k].endsWith('E') || self[k].endsWith('Ei'))",message="an amount must have at most 64 characters, and no exponent, such as 250m or 2Gi"
	// +kubebuilder:validation:XValidation:rule="!('limits.cpu' in self)",message="quota must not hold limits.cpu: golden paths set none, and every pod without one would be refused"
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) <= 253 && (k in ['cpu', 'memory', 'ephemeral-storage', 'requests.cpu', 'requests.memory', 'requests.ephemeral-storage', 'requests.storage', 'limits.memory', 'limits.ephemeral-storage', 'pods', 'services', 'services.loadbalancers', 'services.nodeports', 'secrets', 'configmaps', 'persistentvolumeclaims', 'replicationcontrollers', 'resourcequotas'] || k.matches('^(count/[a-z0-9.-]+|requests[.][a-z0-9.-]+/[A-Za-z0-9._-]+|[a-z0-9.-]+[.]storageclass[.]storage[.]k8s[.]io/(requests[.]storage|persistentvolumeclaims)|(requests[.])?hugepages-[A-Za-z0-9]+)$')))",message="quota must hold resources that Kubernetes counts, such as requests.cpu, limits.memory, pods, count/deployments.apps or requests.nvidia.com/gpu"
	Quota corev1.ResourceList `json:"quota,omitempty"`

	// lifetimeSeconds is for how long the environment lives, from its creation on; then Towpath deletes the Environment
	// with everything in it. Before that the condition Expiring says so, and a higher value puts the end off. Where it is
	// more than the class allows, the class's maximum holds, and the condition WithinLimits says so. A minute to a year.
	// Default: what the class says, else until somebody deletes it.
	// +optional
	// +kubebuilder:validation:Minimum=60
	// +kubebuilder:validation:Maximum=31536000
	LifetimeSeconds int32 `json:"lifetimeSeconds,omitempty"`

	// sourceRef is the change that the environment was made for. It must not change. Default: none.
	// +optional
	SourceRef *SourceReference `json:"sourceRef,omitempty"`

	// sleep has the environment sleep more than its class does, where that allows it. Default: no more.
	// +optional
	Sleep *EnvironmentSleep `json:"sleep,omitempty"`

	// wakeUntil keeps the environment awake until a time, whatever windows say, such as 2026-11-20T22:00:00Z; for no
	// longer than the class allows, from when it is written. One that has passed does nothing. Default: none.
	// +optional
	WakeUntil *metav1.Time `json:"wakeUntil,omitempty"`
}

// EnvironmentStatus is what the controller made.
type EnvironmentStatus struct {
	// observedGeneration is the generation that the status speaks of.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// conditions are Ready, Stalled when somebody must act first, WithinLimits where something bounds the environment,
	// Expiring when its end is near, and Asleep where something may have the environment sleep.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// namespace is the workload namespace of the environment. Absent until it was made.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`
	// observedClass is the class that the fields below are of. While the class is another one, or has changed since, no
	// Release is made or let into the environment: they would go by what the class said before.
	// +optional
	ObservedClass *ObservedClass `json:"observedClass,omitempty"`
	// tier is the tier of the class.
	// +optional
	Tier Tier `json:"tier,omitempty"`
	// podSecurity is the level that the class asks for.
	// +optional
	PodSecurity PodSecurityLevel `json:"podSecurity,omitempty"`
	// serviceAccountTokens is what the class says of tokens.
	// +optional
	ServiceAccountTokens ServiceAccountTokens `json:"serviceAccountTokens,omitempty"`
	// allowedKinds are the kinds that the class allows; none allows every one.
	// +optional
	// +listType=map
	// +listMapKey=group
	// +listMapKey=kind
	// +kubebuilder:validation:MaxItems=64
	AllowedKinds []AllowedKind `json:"allowedKinds,omitempty"`
	// dropExpiredOverrides is what the class says of overrides that have expired.
	// +optional
	DropExpiredOverrides bool `json:"dropExpiredOverrides,omitempty"` //nolint:kubeapilinter // as in the class
	// gate is the least that the class asks of a version.
	// +optional
	Gate *ClassGate `json:"gate,omitempty"`
	// rollback is what the class says of Releases that fail.
	// +optional
	Rollback *RollbackPolicy `json:"rollback,omitempty"`
	// freezes are those of the class.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Freezes []FreezeWindow `json:"freezes,omitempty"`
	// sleep is whether the environment sleeps. Absent where nothing ever had it sleep.
	// +optional
	Sleep *EnvironmentSleepStatus `json:"sleep,omitempty"`
	// team is the team of the namespace that the Environment is in.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Team string `json:"team,omitempty"`
	// costCenter is the cost centre of that team.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	CostCenter string `json:"costCenter,omitempty"`
	// expiresAt is when the environment ends, and is deleted with everything in it. Absent where it has no end.
	// +optional
	ExpiresAt *metav1.Time `json:"expiresAt,omitempty"`
	// ceiling is the quota that holds, without the surge: that of the class as spec.quota lowers it, and no more than
	// teamQuota of the class leaves. It is what counts against teamQuota. Absent where the class has no teamQuota.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	Ceiling corev1.ResourceList `json:"ceiling,omitempty"`
	// estimatedCost is what the Releases that run in the environment are estimated to cost a month. It follows them within 30
	// seconds. Absent while nothing runs.
	// +optional
	EstimatedCost *CostSum `json:"estimatedCost,omitempty"`
}

// ObservedClass tells one state of an EnvironmentClass from another.
type ObservedClass struct {
	// uid of the EnvironmentClass.
	// +required
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=36
	UID types.UID `json:"uid,omitempty"`
	// generation of the EnvironmentClass.
	// +required
	// +kubebuilder:validation:Minimum=1
	Generation int64 `json:"generation,omitempty"`
}

// Observed says whether the status speaks of a class as it is.
func (e *Environment) Observed(class *EnvironmentClass) bool {
	seen := e.Status.ObservedClass
	return seen != nil && seen.UID == class.UID && seen.Generation == class.Generation
}

// Environment is a place where Components of one team run. It owns one workload namespace, made to
// its class; deleting the Environment deletes that namespace, after the Releases in it, unless the
// namespace was adopted or bears the annotation platform.towpath.dev/keep: "true".
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=env,categories=towpath
// +kubebuilder:printcolumn:name="Class",type=string,JSONPath=`.spec.classRef.name`
// +kubebuilder:printcolumn:name="Namespace",type=string,JSONPath=`.status.namespace`
// +kubebuilder:printcolumn:name="Sleep",type=string,JSONPath=`.status.sleep.state`
// +kubebuilder:printcolumn:name="Until",type=string,JSONPath=`.status.sleep.until`,priority=1
// +kubebuilder:printcolumn:name="Saved Pod Hours",type=string,JSONPath=`.status.sleep.saved.podHours`,priority=1
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Monthly Cost",type=string,JSONPath=`.status.estimatedCost.monthly.expected`,priority=1
// +kubebuilder:printcolumn:name="Expires",type=string,JSONPath=`.status.expiresAt`
// +kubebuilder:printcolumn:name="Source",type=string,JSONPath=`.spec.sourceRef.pullRequest.url`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]{0,28}[a-z0-9])?$')",message="metadata.name must be a DNS-1035 label of at most 30 characters"
type Environment struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard metadata of an object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// spec is what the developer asks for.
	// +required
	Spec EnvironmentSpec `json:"spec,omitzero"`
	// status is written by the controller.
	// +optional
	Status EnvironmentStatus `json:"status,omitzero"`
}

// EnvironmentList is a list of Environments.
//
// +kubebuilder:object:root=true
type EnvironmentList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Environment `json:"items"`
}
