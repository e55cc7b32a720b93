package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// GuardrailsName is the name of the ResourceQuota, the LimitRange and the NetworkPolicy that an Environment makes.
const GuardrailsName = "towpath-environment"

// Isolation is whom the pods of an environment may talk to.
// +kubebuilder:validation:Enum=Isolated;Team;Open
type Isolation string

// The kinds of isolation, strictest first.
const (
	// IsolationIsolated closes everything but DNS and what NetworkPolicies in the namespace declare, such as those of
	// golden paths.
	IsolationIsolated Isolation = "Isolated"
	// IsolationTeam opens it for the workload namespaces and the home of the same team, too.
	IsolationTeam Isolation = "Team"
	// IsolationOpen makes no NetworkPolicy.
	IsolationOpen Isolation = "Open"
)

// Guardrails are what bounds environments of a class. An Environment makes and keeps them in its workload namespace.
type Guardrails struct {
	// teams selects by the labels of Teams which of them may use the class. The label platform.towpath.dev/team is
	// always there and is the name of the team, also for a team without a Team, which has no other. An Environment
	// of another team is not made; one that is there already goes on. Default: every team.
	// +optional
	Teams *metav1.LabelSelector `json:"teams,omitempty"`
	// quota is the ceiling of each environment, in Kubernetes' quota resources: requests.cpu, requests.memory,
	// limits.memory, requests.nvidia.com/gpu, pods, count/deployments.apps, requests.storage and so on. limits.cpu must
	// not be in it: golden paths set none, and every pod without one would be refused. With limits on requests or
	// memory, a pod that sets none is refused: see containers. Default: no ceiling.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="!('limits.cpu' in self)",message="quota must not hold limits.cpu: golden paths set none, and every pod without one would be refused"
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) <= 253 && (k in ['cpu', 'memory', 'ephemeral-storage', 'requests.cpu', 'requests.memory', 'requests.ephemeral-storage', 'requests.storage', 'limits.memory', 'limits.ephemeral-storage', 'pods', 'services', 'services.loadbalancers', 'services.nodeports', 'secrets', 'configmaps', 'persistentvolumeclaims', 'replicationcontrollers', 'resourcequotas'] || k.matches('^(count/[a-z0-9.-]+|requests[.][a-z0-9.-]+/[A-Za-z0-9._-]+|[a-z0-9.-]+[.]storageclass[.]storage[.]k8s[.]io/(requests[.]storage|persistentvolumeclaims)|(requests[.])?hugepages-[A-Za-z0-9]+)$')))",message="quota must hold resources that Kubernetes counts, such as requests.cpu, limits.memory, pods, count/deployments.apps or requests.nvidia.com/gpu"
	Quota corev1.ResourceList `json:"quota,omitempty"`
	// surgePercent is how much more than the quota of processor, memory, ephemeral storage and pods there may be, so
	// that a roll-out has room for the new pods beside the old ones: the ResourceQuota is that much higher. Other
	// resources are not raised: storage, objects, devices. 0 to 100. Default: 25, as with Deployments.
	// +optional
	// +kubebuilder:default=25
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	SurgePercent *int32 `json:"surgePercent,omitempty"`
	// containers are defaults and bounds for the resources of each container, as a LimitRange. Default: none.
	// +optional
	Containers *ContainerLimits `json:"containers,omitempty"`
	// podSecurityVersion is the version of the Pod Security Standards that podSecurity means, such as v1.37: a later
	// Kubernetes then holds pods to no more than that. Towpath's own check, before it writes, is by the newest that it
	// knows. Default: latest.
	// +optional
	// +kubebuilder:validation:MaxLength=8
	// +kubebuilder:validation:Pattern=`^(latest|v1\.(0|[1-9][0-9]{0,2}))$`
	PodSecurityVersion string `json:"podSecurityVersion,omitempty"`
	// isolation is whom the pods may talk to, in both directions: Isolated, Team or Open. It takes a network that
	// enforces NetworkPolicies. These add up: what one of a golden path opens is open. Default: Open.
	// +optional
	Isolation Isolation `json:"isolation,omitempty"`
	// namespaceLabels are further labels of the workload namespace, such as those that choose a mesh. Those of Towpath,
	// of Kubernetes and app.kubernetes.io/ must not be among them. One that is taken out of the class goes from the
	// namespaces. Default: none.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=16
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) <= 317 && size(self[k]) <= 63)",message="namespaceLabels must have keys of at most 317 characters and values of at most 63"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.matches('^([^/]*[.])?(kubernetes|k8s)[.]io/') && !k.startsWith('platform.towpath.dev/'))",message="namespaceLabels must not hold labels of Kubernetes or Towpath: podSecurity, tier and team set these"
	NamespaceLabels map[string]string `json:"namespaceLabels,omitempty"`
	// namespaceAnnotations are further annotations of the workload namespace, such as those that a mesh, a backup or a
	// secret store reads. Those of Towpath, of Kubernetes and of kubectl must not be among them. One that is taken out of
	// the class goes from the namespaces. A namespace that was adopted gets back what it bore under these keys when it is
	// let go. Default: none.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=16
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) <= 317 && size(self[k]) <= 1024)",message="namespaceAnnotations must have keys of at most 317 characters and values of at most 1024"
	// +kubebuilder:validation:XValidation:rule="self.all(k, k.matches('^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'))",message="namespaceAnnotations must have keys that Kubernetes takes, such as example.com/owner"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.matches('^([^/]*[.])?(kubernetes|k8s)[.]io/') && !k.startsWith('platform.towpath.dev/'))",message="namespaceAnnotations must not hold annotations of Kubernetes or Towpath"
	NamespaceAnnotations map[string]string `json:"namespaceAnnotations,omitempty"`
	// allowedKinds are the kinds of objects that Components may have in environments of the class. A Component whose
	// template makes another is refused before anything of it is written, and on creation where that is known then. It
	// counts from the next Release of a Component on: what runs is kept as it is. It only narrows what Towpath allows,
	// and opens nothing. Default: every kind that Towpath allows.
	// +optional
	// +listType=map
	// +listMapKey=group
	// +listMapKey=kind
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	AllowedKinds []AllowedKind `json:"allowedKinds,omitempty"`
}

// AllowedKind is a kind of objects, in all of its versions.
type AllowedKind struct {
	// group of the kind, such as apps. Default: empty, which is Kubernetes' core group, that of Service and ConfigMap.
	// +optional
	// +kubebuilder:default=""
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$`
	Group string `json:"group,omitempty"`
	// kind is its name, such as Deployment.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z0-9]*$`
	Kind string `json:"kind,omitempty"`
}

// ContainerLimits are a LimitRange for containers.
// +kubebuilder:validation:XValidation:rule="!has(self.default) || !('cpu' in self.default)",fieldPath=".default",message="default must not hold cpu: it would set limits.cpu on every container; give it in defaultRequest"
// +kubebuilder:validation:XValidation:rule="!has(self.max) || !('cpu' in self.max)",fieldPath=".max",message="max must not hold cpu: it would set limits.cpu on every container; the quota bounds requests.cpu"
type ContainerLimits struct {
	// default is the limit of a container that sets none. Not of cpu.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=8
	Default corev1.ResourceList `json:"default,omitempty"`
	// defaultRequest is what a container requests that says nothing, neither a request nor a limit.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=8
	DefaultRequest corev1.ResourceList `json:"defaultRequest,omitempty"`
	// min is the least that a container must request.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=8
	Min corev1.ResourceList `json:"min,omitempty"`
	// max is the most that a container's limit may be. Not of cpu. A container without a limit gets this one.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=8
	Max corev1.ResourceList `json:"max,omitempty"`
}
