package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Comparison is how a value is held against a threshold.
// +kubebuilder:validation:Enum=LessThan;LessThanOrEqual;GreaterThan;GreaterThanOrEqual;Equal;NotEqual
type Comparison string

// The comparisons: the value of the query stands on the left.
const (
	ComparisonLessThan           Comparison = "LessThan"
	ComparisonLessThanOrEqual    Comparison = "LessThanOrEqual"
	ComparisonGreaterThan        Comparison = "GreaterThan"
	ComparisonGreaterThanOrEqual Comparison = "GreaterThanOrEqual"
	ComparisonEqual              Comparison = "Equal"
	ComparisonNotEqual           Comparison = "NotEqual"
)

// PrometheusCheck asks a Prometheus, and succeeds where every series of the answer compares with the threshold as it
// should. An answer without a series, or with NaN, says nothing: it is neither a success nor a failure.
type PrometheusCheck struct {
	// query in PromQL, evaluated at the time of the measurement. ${…} is an expression as in templates, of component,
	// environment and release.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	Query string `json:"query,omitempty"`
	// comparison that the value must meet: LessThan succeeds where the value is less than the threshold.
	// +required
	Comparison Comparison `json:"comparison,omitempty"`
	// threshold as a decimal number, such as "0.01" or "-3".
	// +required
	// +kubebuilder:validation:Pattern=`^-?[0-9]+([.][0-9]+)?$`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	Threshold string `json:"threshold,omitempty"`
}

// JobCheck runs a Job in the workload namespace, and succeeds where that completes.
type JobCheck struct {
	// spec of the Job, as in batch/v1, of at most 16 KiB. ${…} is an expression as in templates, of component,
	// environment and release. It is held to what a rendered object is: pod security, tokens of ServiceAccounts, our
	// labels; that of a Component to the strictest, Restricted and no token, whatever the class allows. Its pods are none of the Component's: no Service, policy or autoscaler finds them. Where it does not say,
	// it tries once (backoffLimit: 0), restarts nothing and mounts no token. timeoutSeconds of the check bounds it, and
	// an hour after its end it is deleted: it must not set activeDeadlineSeconds and ttlSecondsAfterFinished.
	// +required
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	Spec *apiextensionsv1.JSON `json:"spec,omitempty"`
}

// Check verifies a Release where it runs: from when all of its objects are ready, and on during the soak that the gate of the
// next environment asks for. The Release is Ready when all of its checks have passed, goes no further before, and has
// failed for good when one of them failed. A rollback is not checked: what it brings back was Ready once.
// +kubebuilder:validation:XValidation:rule="has(self.prometheus) != has(self.job)",message="a check must have either prometheus or job"
// +kubebuilder:validation:XValidation:rule="!has(self.job) || !has(self.count) || self.count == 1 || has(self.intervalSeconds)",message="a job that runs more than once must have intervalSeconds"
// +kubebuilder:validation:XValidation:rule="!has(self.prometheus) || !has(self.timeoutSeconds) || self.timeoutSeconds <= 60",message="timeoutSeconds of a query must be at most 60"
type Check struct {
	// name of the check, unique in its list.
	// +required
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	Name string `json:"name,omitempty"`
	// delaySeconds is how long the first measurement waits, from when all objects are ready: a rate over five minutes
	// needs these to say something of the version. Default: 0.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=3600
	DelaySeconds int32 `json:"delaySeconds,omitempty"`
	// intervalSeconds is how long after a measurement the next is made. Default: 60. During the soak a query goes on
	// being measured at it, and a Job only where it is set.
	// +optional
	// +kubebuilder:validation:Minimum=5
	// +kubebuilder:validation:Maximum=3600
	IntervalSeconds int32 `json:"intervalSeconds,omitempty"`
	// count is how many measurements must succeed before the check has passed. Default: 1.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	Count int32 `json:"count,omitempty"`
	// failureLimit is how many measurements may fail, over the whole time, before the check has. Default: 0, and the
	// first failure is one too many.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	FailureLimit int32 `json:"failureLimit,omitempty"`
	// inconclusiveLimit is how many measurements may say nothing, one after the other, before the check has failed: an
	// answer without a value, or no answer; a Job that cannot be made, or that somebody deleted or suspended. Default:
	// none. The Release waits, goes no further, and says why; it does not fail because Prometheus is away.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	InconclusiveLimit int32 `json:"inconclusiveLimit,omitempty"`
	// timeoutSeconds bounds one measurement. A Job that takes longer has failed, a query said nothing. Default: 10 for a
	// query, which may have at most 60, and 600 for a Job, whose pods must find a node within it too.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=3600
	TimeoutSeconds int32 `json:"timeoutSeconds,omitempty"`
	// prometheus makes the check a query, of the Prometheus that the class names.
	// +optional
	Prometheus *PrometheusCheck `json:"prometheus,omitempty"`
	// job makes the check a Job.
	// +optional
	Job *JobCheck `json:"job,omitempty"`
}

// ComponentQueries says whether Components may ask the Prometheus of a class.
// +kubebuilder:validation:Enum=Forbidden;Allowed
type ComponentQueries string

// Whether they may.
const (
	// ComponentQueriesForbidden: only checks of the class ask it.
	ComponentQueriesForbidden ComponentQueries = "Forbidden"
	// ComponentQueriesAllowed: checks of Components do too.
	ComponentQueriesAllowed ComponentQueries = "Allowed"
)

// PrometheusSource is where the checks of a class ask.
type PrometheusSource struct {
	// address of the Prometheus, or of what answers as one: http:// or https://, without user, query or fragment. The
	// manager asks it, follows no redirect, and takes no more than 1 MiB of an answer. What the address asks for, such as a
	// token, stands in the Secret towpath-prometheus of towpath-system, in the entry for this address.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^https?://[^\s/?#@]+(/[^\s?#]*)?$`
	Address string `json:"address,omitempty"`
	// componentQueries says whether checks of Components may ask it. Who writes a query learns by its outcome, and by
	// the value in the status, whatever this Prometheus knows of anybody: allow it where a proxy before it limits that, or
	// where all may know it. Default: Forbidden.
	// +optional
	ComponentQueries ComponentQueries `json:"componentQueries,omitempty"`
}

// CheckOrigin says who asks for a check.
// +kubebuilder:validation:Enum=Class;Component
type CheckOrigin string

// Who asks.
const (
	// CheckOfClass: the class of the environment does.
	CheckOfClass CheckOrigin = "Class"
	// CheckOfComponent: the Component does.
	CheckOfComponent CheckOrigin = "Component"
)

// ReleaseCheck is a check of a Release, with the values of its expressions.
type ReleaseCheck struct {
	// origin says who asks for the check.
	// +required
	Origin CheckOrigin `json:"origin,omitempty"`
	Check  `json:",inline"`
}

// CheckState is how far a check is.
// +kubebuilder:validation:Enum=Running;Passed;Failed
type CheckState string

// The states.
const (
	// CheckRunning: it has neither passed nor failed.
	CheckRunning CheckState = "Running"
	// CheckPassed: it has succeeded as often as it must. It is measured on during the soak, and may still fail.
	CheckPassed CheckState = "Passed"
	// CheckFailed: it has failed more often than it may.
	CheckFailed CheckState = "Failed"
)

// ReleaseCheckStatus is what a check of a Release found.
type ReleaseCheckStatus struct {
	// origin of the check.
	// +required
	Origin CheckOrigin `json:"origin,omitempty"`
	// name of the check.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	Name string `json:"name,omitempty"`
	// state of the check.
	// +required
	State CheckState `json:"state,omitempty"`
	// succeeded is how many measurements succeeded.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Succeeded int32 `json:"succeeded,omitempty"`
	// failed is how many measurements failed.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Failed int32 `json:"failed,omitempty"`
	// inconclusive is how many of the last measurements said nothing, one after the other.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Inconclusive int32 `json:"inconclusive,omitempty"`
	// measuredAt is when the last measurement was done.
	// +optional
	MeasuredAt *metav1.Time `json:"measuredAt,omitempty"`
	// message says what the last measurement found.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Message string `json:"message,omitempty"`
	// job is the name of the last Job that the check ran or runs, in the workload namespace. There is at most one.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Job string `json:"job,omitempty"`
	// startedAt is when the Job was begun; it may have been made later, where that could not be done at once, and its
	// time counts from then. Absent where none runs.
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`
	// runs is how many Jobs the check has begun.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Runs int32 `json:"runs,omitempty"`
}
