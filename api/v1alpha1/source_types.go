package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// BuildEngine is who carries out the stages of a golden path's pipeline.
// +kubebuilder:validation:Enum=Jobs;Tekton;GitHubActions;External
type BuildEngine string

const (
	// EngineJobs runs each stage as a Job, and needs no other software.
	EngineJobs BuildEngine = "Jobs"
	// EngineTekton runs all of them as one PipelineRun of Tekton Pipelines, which the cluster must have.
	EngineTekton BuildEngine = "Tekton"
	// EngineGitHubActions keeps a workflow file in the repository, and has its Builds recorded.
	EngineGitHubActions BuildEngine = "GitHubActions"
	// EngineExternal runs nothing: who builds records it.
	EngineExternal BuildEngine = "External"
)

// SourceTrigger says how Towpath hears of new commits.
// +kubebuilder:validation:Enum=Poll;Webhook;None
type SourceTrigger string

const (
	// TriggerPoll asks the repository at an interval, and hears of webhooks too.
	TriggerPoll SourceTrigger = "Poll"
	// TriggerWebhook hears of them when the repository tells, and asks once when the manager starts and when the source changes. Without
	// sources.webhookBindAddress in the manager's configuration nobody can tell.
	TriggerWebhook SourceTrigger = "Webhook"
	// TriggerNone makes no Builds: they are recorded, or made by hand.
	TriggerNone SourceTrigger = "None"
)

// SourcePullRequests says which pull requests are built.
// +kubebuilder:validation:Enum=None;SameRepository
type SourcePullRequests string

const (
	// PullRequestsNone builds none.
	PullRequestsNone SourcePullRequests = "None"
	// PullRequestsSameRepository builds those whose commits stand on a branch of the repository itself: whoever may push there made them. Those of
	// forks, which anybody may open, are never built in the cluster.
	PullRequestsSameRepository SourcePullRequests = "SameRepository"
)

// Source is where a Component is built from. Where the Component names no image, it runs that of the newest successful Build of
// its branch.
// +kubebuilder:validation:XValidation:rule="has(self.trigger) && self.trigger == 'None' || has(self.engine) && self.engine in ['GitHubActions', 'External'] || has(self.repository)",message="repository must be set where Towpath is to build"
type Source struct {
	// repository by its https:// or ssh:// address, without user and password. No part of its path begins with a dot or a hyphen. Default:
	// none, Builds are recorded.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="self.matches('^(https?://[^@[:space:]]+|ssh://([-a-zA-Z0-9._]+@)?[^@[:space:]]+)$')",message="repository must be an https:// or ssh:// address without a password, such as https://git.example/shop/checkout"
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z]+://([^/]*@)?([a-zA-Z0-9][-a-zA-Z0-9.]*|[[][0-9a-fA-F:.]+[]])(:[0-9]+)?(/[a-zA-Z0-9_~@+][-a-zA-Z0-9._~@+]*)+/?$')",message="repository must have a host that begins with a letter or a digit, and a path of letters, digits and ._~@+-, of which no part begins with a dot or a hyphen: no .., %, ? or #"
	Repository string `json:"repository,omitempty"`
	// branch whose commits are built and deployed: a name that git allows, without a hyphen at its beginning. Default: main.
	// +optional
	// +kubebuilder:default=main
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="!self.matches('[[:space:][:cntrl:]~^:?*[\\\\\\\\]|[.][.]|@[{]|//|^[-/]|[/.]$|[.]lock$')",message="branch must be a name that git allows to one, such as main or release/1.2"
	Branch string `json:"branch,omitempty"`
	// path of the Component in the repository: a commit that changes nothing under it makes no Build. Default: the whole repository.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('/') && !self.split('/').exists(p, p == '..' || p == '.' || p == '')",message="path must be relative, without . and .., such as services/checkout"
	Path string `json:"path,omitempty"`
	// tags are patterns of tags that are built too, once each: those that are set, or moved, after the repository was first asked with these
	// patterns. * stands for any text without a slash, ** for any text. What is built is not deployed by itself, and its image has another tag than that
	// of the branch. At most 1000 tags may match. Default: none; with engine GitHubActions, all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=128
	// +kubebuilder:validation:items:Pattern=`^[a-zA-Z0-9._/@*][-a-zA-Z0-9._/@*]*$`
	Tags []string `json:"tags,omitempty"`
	// pullRequests says which pull requests are built too: each new commit of one that is open, or comes, after the repository was first asked with
	// this. Their stages get the pipeline's secrets, but what is built is never deployed, and its image has a tag of its own. A new commit takes the
	// place of an older one of the same request; one of them runs at a time, beside what the branch brings. Default: None; with engine GitHubActions,
	// those into the branch, of forks without secrets, as GitHub has it.
	// +optional
	PullRequests SourcePullRequests `json:"pullRequests,omitempty"`
	// secretRef names the Secret with the credentials of the repository, in the workload namespace where Builds run: username and
	// password, or identity (a private SSH key) and known_hosts. Default: none, the repository is public.
	// +optional
	SecretRef *SourceSecretReference `json:"secretRef,omitempty"`
	// trigger says how Towpath hears of new commits. Default: Poll.
	// +optional
	// +kubebuilder:default=Poll
	Trigger SourceTrigger `json:"trigger,omitempty"`
	// intervalSeconds is how long after asking the repository it is asked again; a tenth more or less, so that not all are asked at once.
	// Default: 300.
	// +optional
	// +kubebuilder:default=300
	// +kubebuilder:validation:Minimum=30
	// +kubebuilder:validation:Maximum=86400
	IntervalSeconds int32 `json:"intervalSeconds,omitempty"`
	// engine carries out the stages of the golden path's pipeline. Default: Jobs.
	// +optional
	// +kubebuilder:default=Jobs
	Engine BuildEngine `json:"engine,omitempty"`
	// environment is the name of the Environment in whose workload namespace Builds run, under its quota, pod security and network
	// policies. Default: the first of the path.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=30
	// +kubebuilder:validation:Pattern=`^[a-z]([-a-z0-9]*[a-z0-9])?$`
	Environment string `json:"environment,omitempty"`
	// image is where the pipeline pushes to, without a tag: [host[:port]/]path. Scripts know it as TOWPATH_IMAGE, with the commit as
	// its tag, behind tag- where a tag is built, and behind pr-, its number and a hyphen where a pull request is. Required where a pipeline runs.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="self.matches('^([a-zA-Z0-9]([-a-zA-Z0-9.]*[a-zA-Z0-9])?(:[0-9]+)?/)?[a-z0-9]+(([.]|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+(([.]|_|__|-+)[a-z0-9]+)*)*$')",message="image must be [host[:port]/]path without tag and digest, such as registry.example/shop/checkout"
	Image string `json:"image,omitempty"`
}

// SourceSecretReference names a Secret with the credentials of a repository.
type SourceSecretReference struct {
	// name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
}

// PipelineState is how the workflow in a repository compares with the golden path.
// +kubebuilder:validation:Enum=InStep;Behind;Unknown
type PipelineState string

const (
	// PipelineInStep says that it is the one that the golden path makes.
	PipelineInStep PipelineState = "InStep"
	// PipelineBehind says that it is another, or there is none.
	PipelineBehind PipelineState = "Behind"
	// PipelineUnknown says that the golden path makes none for this Component.
	PipelineUnknown PipelineState = "Unknown"
)

// SourcePipelineStatus is how the workflow in a repository compares with the golden path.
type SourcePipelineStatus struct {
	// state is whether it is in step.
	// +required
	State PipelineState `json:"state,omitempty"`
	// revision of the ServiceTemplate that it was compared with: the one that the Component pins, else the newest. Absent where there is none.
	// +optional
	// +kubebuilder:validation:Minimum=1
	Revision int64 `json:"revision,omitempty"`
	// message says which files differ, or why that cannot be told. Absent where it is in step.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

// SourceSeen is what a repository had of tags and pull requests. Its texts are for machines: short hashes, by which one is known again.
type SourceSeen struct {
	// tags that match the patterns of the source, with their commits, and a hash of the patterns.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=8192
	Tags string `json:"tags,omitempty"`
	// pullRequests whose commit stands on a branch of the repository, with these commits.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=8192
	PullRequests string `json:"pullRequests,omitempty"`
	// message says why tags or pull requests are not built. Absent where they are.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

// SourceStatus is what Towpath knows of a Component's repository. It is written when something changes, and not each time that the
// repository is asked.
type SourceStatus struct {
	// repository and branch that the rest speaks of.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Repository string `json:"repository,omitempty"`
	// branch that the rest speaks of.
	// +optional
	// +kubebuilder:validation:MaxLength=255
	Branch string `json:"branch,omitempty"`
	// head is the commit that the branch was seen at last.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Head string `json:"head,omitempty"`
	// headSince is when it was first seen there.
	// +optional
	HeadSince *metav1.Time `json:"headSince,omitempty"`
	// seen is what the repository had of tags and pull requests when it was asked last, by which those that are new are known. Absent where neither
	// is built.
	// +optional
	Seen *SourceSeen `json:"seen,omitempty"`
	// reason is why the repository could not be asked. Absent where it could.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Reason string `json:"reason,omitempty"`
	// message explains the reason.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
	// pipeline is how the workflow in the repository compares with the golden path. Absent where the engine keeps none there, and where
	// pipeline.actions of the manager's configuration says nothing of workflows.
	// +optional
	Pipeline *SourcePipelineStatus `json:"pipeline,omitempty"`
}
