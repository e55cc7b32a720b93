package v1alpha1

import corev1 "k8s.io/api/core/v1"

// Lifetime bounds how long environments of a class live. It counts from the creation of the Environment. Where the end
// of one that is there comes nearer, since the class or the Environment changed, there is still time to warn: a quarter
// of the lifetime or of its age, whichever is more, at most a day.
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="!has(self.defaultSeconds) || !has(self.maxSeconds) || self.defaultSeconds <= self.maxSeconds",fieldPath=".defaultSeconds",message="defaultSeconds must not exceed maxSeconds"
type Lifetime struct {
	// defaultSeconds is how long an environment lives that says nothing. A minute to a year. Default: maxSeconds.
	// +optional
	// +kubebuilder:validation:Minimum=60
	// +kubebuilder:validation:Maximum=31536000
	DefaultSeconds int32 `json:"defaultSeconds,omitempty"`
	// maxSeconds is the most that an environment may ask for. A minute to a year. Default: the most that
	// spec.lifetimeSeconds of an Environment may say.
	// +optional
	// +kubebuilder:validation:Minimum=60
	// +kubebuilder:validation:Maximum=31536000
	MaxSeconds int32 `json:"maxSeconds,omitempty"`
}

// TeamLimits bound the environments of a class that one team has, all together. An Environment beyond them is not made;
// of several that are new, the oldest goes first. What is there already goes on when they are lowered.
type TeamLimits struct {
	// maxPerTeam is how many environments of the class a team may have. 1 to 1000. Default: no bound.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	MaxPerTeam int32 `json:"maxPerTeam,omitempty"`
	// teamQuota is what the ceilings of all environments of the class that a team has may add up to, in the resources
	// of quota. The ceiling of one is the quota of the class as spec.quota of the Environment lowers it, without the
	// surge; one that has no ceiling of a resource in teamQuota is not made. Default: no bound.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="!('limits.cpu' in self)",message="teamQuota must not hold limits.cpu: no environment has a ceiling of it"
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) <= 253 && (k in ['cpu', 'memory', 'ephemeral-storage', 'requests.cpu', 'requests.memory', 'requests.ephemeral-storage', 'requests.storage', 'limits.memory', 'limits.ephemeral-storage', 'pods', 'services', 'services.loadbalancers', 'services.nodeports', 'secrets', 'configmaps', 'persistentvolumeclaims', 'replicationcontrollers', 'resourcequotas'] || k.matches('^(count/[a-z0-9.-]+|requests[.][a-z0-9.-]+/[A-Za-z0-9._-]+|[a-z0-9.-]+[.]storageclass[.]storage[.]k8s[.]io/(requests[.]storage|persistentvolumeclaims)|(requests[.])?hugepages-[A-Za-z0-9]+)$')))",message="teamQuota must hold resources that Kubernetes counts, such as requests.cpu, limits.memory, pods, count/deployments.apps or requests.nvidia.com/gpu"
	TeamQuota corev1.ResourceList `json:"teamQuota,omitempty"`
}

// SourceReference says which change an environment was made for. Nothing is read from there.
type SourceReference struct {
	// pullRequest is the pull request, or merge request, that the environment shows.
	// +required
	PullRequest PullRequest `json:"pullRequest,omitzero"`
}

// PullRequest is a change under review.
type PullRequest struct {
	// number of the pull request in its repository.
	// +required
	// +kubebuilder:validation:Minimum=1
	Number int32 `json:"number,omitempty"`
	// url of the pull request, for people and tools to follow, by http or https, without credentials, query or
	// fragment. Default: unknown.
	// +optional
	// +kubebuilder:validation:MinLength=10
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="self.matches('^https?://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?/[A-Za-z0-9._~!$&*+,;=:@%/-]+$')",message="url must be http:// or https:// with a host and a path, without credentials, query or fragment, such as https://git.example/shop/checkout/pull/7"
	URL string `json:"url,omitempty"`
}
