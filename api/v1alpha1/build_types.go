package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// BuildResult is how a Build ended.
// +kubebuilder:validation:Enum=Succeeded;Failed;Cancelled
type BuildResult string

const (
	// BuildSucceeded has run all stages that its conditions let run, or was recorded so.
	BuildSucceeded BuildResult = "Succeeded"
	// BuildFailed has a stage that failed, or took too long.
	BuildFailed BuildResult = "Failed"
	// BuildCancelled was taken back by somebody, or by a newer commit.
	BuildCancelled BuildResult = "Cancelled"
)

// BuildCommit is the commit that a Build is of.
type BuildCommit struct {
	// sha of the commit, in hexadecimal, complete.
	// +required
	// +kubebuilder:validation:Pattern=`^([0-9a-f]{40}|[0-9a-f]{64})$`
	// +kubebuilder:validation:MinLength=40
	// +kubebuilder:validation:MaxLength=64
	SHA string `json:"sha,omitempty"`
	// committedAt is when the commit was made, as it says itself. Lead time is counted from here; a time after the Build was made, or before 2000, is
	// not believed. Default: unknown.
	// +optional
	CommittedAt *metav1.Time `json:"committedAt,omitempty"`
	// author of the commit, as it says itself: usually Name <address>. It is not verified. Default: unknown.
	// +optional
	// +kubebuilder:validation:MaxLength=254
	Author string `json:"author,omitempty"`
	// message of the commit, its first line. Default: none.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Message string `json:"message,omitempty"`
}

// BuildPullRequest is the request by which a commit came to its branch.
type BuildPullRequest struct {
	// number of it in its repository.
	// +required
	// +kubebuilder:validation:Minimum=1
	Number int64 `json:"number,omitempty"`
	// title of it. Default: none.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Title string `json:"title,omitempty"`
	// openedAt is when it was opened. Default: unknown.
	// +optional
	OpenedAt *metav1.Time `json:"openedAt,omitempty"`
	// mergedAt is when it was merged. Default: it is not, or unknown.
	// +optional
	MergedAt *metav1.Time `json:"mergedAt,omitempty"`
}

// CommitRange is what a Build brings that the newest one before it which had succeeded did not have.
type CommitRange struct {
	// from is the commit of that Build; what comes after it is new. Empty where none had succeeded, or its commit is on the branch no more.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	From string `json:"from,omitempty"`
	// count of new commits, at most 10000.
	// +required
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000
	Count *int32 `json:"count,omitempty"`
	// oldestCommittedAt is when the oldest of them was made. Absent where there is none.
	// +optional
	OldestCommittedAt *metav1.Time `json:"oldestCommittedAt,omitempty"`
}

// EvidenceType is what a piece of evidence shows.
// +kubebuilder:validation:Enum=SBOM;Signature;Scan;Provenance
type EvidenceType string

// The types of evidence.
const (
	EvidenceSBOM       EvidenceType = "SBOM"
	EvidenceSignature  EvidenceType = "Signature"
	EvidenceScan       EvidenceType = "Scan"
	EvidenceProvenance EvidenceType = "Provenance"
)

// Evidence is something that was found out of an image, and stands beside it.
type Evidence struct {
	// type of it.
	// +required
	Type EvidenceType `json:"type,omitempty"`
	// location is where it stands, such as an OCI artifact by its digest.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Location string `json:"location,omitempty"`
	// createdAt is when it was made. Default: unknown.
	// +optional
	CreatedAt *metav1.Time `json:"createdAt,omitempty"`
}

// BuildSpec is one commit that goes through the stages of a pipeline, or has gone through those of somebody else.
//
// +kubebuilder:validation:XValidation:rule="has(self.result) || !has(self.image)",message="image must be set only with result: it is what has been built elsewhere"
// +kubebuilder:validation:XValidation:rule="!has(self.result) || self.result != 'Succeeded' || has(self.image)",message="image must be set where result is Succeeded"
type BuildSpec struct {
	// component is the name of the Component, in the same namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:Pattern=`^[a-z]([-a-z0-9]*[a-z0-9])?$`
	Component string `json:"component,omitempty"`
	// commit that is built.
	// +required
	Commit BuildCommit `json:"commit,omitzero"`
	// branch that the commit is of. Default: none; the Component does not run it by itself.
	// +optional
	// +kubebuilder:validation:MaxLength=255
	Branch string `json:"branch,omitempty"`
	// tag that stands on the commit. Default: none.
	// +optional
	// +kubebuilder:validation:MaxLength=255
	Tag string `json:"tag,omitempty"`
	// pullRequest by which it came. Conditions and scripts of stages know its number, unless branch is that of the Component's source: what came there
	// is of no pull request any more. Default: none, or unknown.
	// +optional
	PullRequest *BuildPullRequest `json:"pullRequest,omitempty"`
	// commits are what it brings that the newest Build before it which had succeeded did not have. Default: unknown.
	// +optional
	Commits *CommitRange `json:"commits,omitempty"`
	// changedPaths are the files that the new commits change, the first 256 in their order. Conditions of stages know them, unless there are 256: then
	// there may be more, and what depends on them runs. Default: unknown.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=512
	ChangedPaths []string `json:"changedPaths,omitempty"`
	// result of a Build that was made elsewhere: nothing is run. Default: none, Towpath builds it.
	// +optional
	Result BuildResult `json:"result,omitempty"`
	// image that was built elsewhere, with tag or, better, digest.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.matches('^([a-zA-Z0-9]([-a-zA-Z0-9.]*[a-zA-Z0-9])?(:[0-9]+)?/)?[a-z0-9]+(([.]|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+(([.]|_|__|-+)[a-z0-9]+)*)*(:[a-zA-Z0-9_][-a-zA-Z0-9_.]{0,127})?(@[a-z0-9]+([+._-][a-z0-9]+)*:[0-9a-f]{32,})?$')",message="image must be [host[:port]/]path[:tag][@digest], such as registry.example/shop/checkout@sha256:…: the path in lower case, a digest complete"
	Image string `json:"image,omitempty"`
	// evidence that was made elsewhere. Default: none.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=4
	Evidence []Evidence `json:"evidence,omitempty"`
	// url is where whoever built it tells more, such as the run of a workflow. Default: none.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="self.startsWith('https://')",message="url must begin with https://"
	URL string `json:"url,omitempty"`
	// requestedBy is the user who records the Build, or asks for it: the very one who creates it, as the API server knows them.
	// Admission refuses any other. It is empty where Towpath heard of the commit itself: what a commit says of who wrote it is not verified, so that
	// nobody may approve such a version where authors may not.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	RequestedBy string `json:"requestedBy,omitempty"`
}

// StageState is how far a stage is.
// +kubebuilder:validation:Enum=Waiting;Running;Succeeded;Failed;Skipped;Cancelled
type StageState string

// The states of a stage.
const (
	StageWaiting   StageState = "Waiting"
	StageRunning   StageState = "Running"
	StageSucceeded StageState = "Succeeded"
	StageFailed    StageState = "Failed"
	// StageSkipped is left out by its condition.
	StageSkipped StageState = "Skipped"
	// StageCancelled does not run: what it needs failed, or the Build was taken back.
	StageCancelled StageState = "Cancelled"
)

// BuildStage is how one stage went; of a matrix, one run of it.
type BuildStage struct {
	// name of the stage, with a number behind it in a matrix.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	Name string `json:"name,omitempty"`
	// state of it.
	// +required
	State StageState `json:"state,omitempty"`
	// startedAt is when it began. Absent before.
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`
	// completedAt is when it ended. Absent before.
	// +optional
	CompletedAt *metav1.Time `json:"completedAt,omitempty"`
	// job is the name of the Job, in the workload namespace, whose pods hold the logs: towpath build logs shows them. Absent for other engines.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Job string `json:"job,omitempty"`
	// taskRun is the name of the TaskRun of Tekton, in the workload namespace, whose pods hold the logs: towpath build logs shows them.
	// Absent for other engines, and before Tekton has made it.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	TaskRun string `json:"taskRun,omitempty"`
	// image is what the stage says that it pushed: the repository of the Component with a digest. Absent where it pushed nothing.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Image string `json:"image,omitempty"`
	// evidence is what a standard stage that looks into the image says that it put beside it: the repository of the Component with a digest. Absent
	// for all others, and where it says nothing. What of it is so stands in evidence of the status.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Evidence string `json:"evidence,omitempty"`
	// message says why it failed, was left out, or does not run yet. It holds no line of a log.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

// BuildPlace is where the stages of a Build run.
type BuildPlace struct {
	// environment is the name of the Environment.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=30
	Environment string `json:"environment,omitempty"`
	// namespace is its workload namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`
	// template and revision are where the stages come from.
	// +optional
	// +kubebuilder:validation:MaxLength=40
	Template string `json:"template,omitempty"`
	// revision of the template.
	// +optional
	// +kubebuilder:validation:Minimum=1
	Revision int64 `json:"revision,omitempty"`
	// engine that runs them.
	// +optional
	Engine BuildEngine `json:"engine,omitempty"`
	// pipelineRun is the name of the PipelineRun of Tekton that runs them, there. It is deleted a day after the Build has ended. Absent for
	// other engines, and before it is made.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	PipelineRun string `json:"pipelineRun,omitempty"`
}

// BuildInputs are what the stages of a Build run with: taken from the Component when the Build begins, so that a change of the Component counts
// for the next Build, and not for the stages of this one that come later. They hold no secrets, but the name of one.
type BuildInputs struct {
	// repository is the address that the sources come from. Empty where there are none.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Repository string `json:"repository,omitempty"`
	// path of the Component in the repository. Empty for all of it.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Path string `json:"path,omitempty"`
	// branch is the one that is deployed, as the Component named it: conditions know it as component.branch. Empty for Builds that began with an
	// earlier version.
	// +optional
	// +kubebuilder:validation:MaxLength=255
	Branch string `json:"branch,omitempty"`
	// secret is the name of the Secret with the credentials of the repository, in the namespace of place. Empty for none.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Secret string `json:"secret,omitempty"`
	// image is where the stages push to, without a tag.
	// +optional
	// +kubebuilder:validation:MaxLength=255
	Image string `json:"image,omitempty"`
	// cache is the name of the volume, in the namespace of place, in which the stages find what those of Builds before them kept. Empty where the
	// platform keeps nothing, no stage asks for it, or the Build is not of the branch of the Component's source: what another branch brings must not come
	// into the image that is deployed.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Cache string `json:"cache,omitempty"`
	// parameters of the template, as the Component had them; the defaults of the revision's schema are laid under them each time, which gives the
	// same each time, since both never change. Absent for none.
	// +optional
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	Parameters *apiextensionsv1.JSON `json:"parameters,omitempty"`
}

// BuildStatus is what the controller found.
type BuildStatus struct {
	// observedGeneration is the generation that the status speaks of.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// conditions are Ready, which is True when the Build has ended well, and Stalled when it has failed; DigestKnown says of an image that was named
	// by its tag whether the registry told the digest, and EvidenceKnown whether it has what stages say they put beside the image.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// place is where the stages run, decided when the Build begins. Absent before, and of what was recorded.
	// +optional
	Place *BuildPlace `json:"place,omitempty"`
	// inputs are what the stages run with, taken from the Component when the Build begins; later changes of that count for the next Build. Absent
	// before, and of what was recorded.
	// +optional
	Inputs *BuildInputs `json:"inputs,omitempty"`
	// stages of the pipeline, in an order in which each stands behind what it needs.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=128
	Stages []BuildStage `json:"stages,omitempty"`
	// startedAt is when the first stage began, or the Build was recorded.
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`
	// completedAt is when it ended. Absent before.
	// +optional
	CompletedAt *metav1.Time `json:"completedAt,omitempty"`
	// result is how it ended. Absent before.
	// +optional
	Result BuildResult `json:"result,omitempty"`
	// image that was built: what the Component runs. By its digest where a stage wrote that, or who recorded the Build named it, or its registry told
	// it when the Build succeeded; then a tag stays before it. Absent before the Build has succeeded, and where conditions left out the standard stage
	// Image and no other stage pushed one: then the Component keeps the image that it has.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Image string `json:"image,omitempty"`
	// evidence is what stages, or who recorded the Build, say that there is beside the image, of which the registry said that it is there and names the
	// digest of the image. By whom it is signed is for classes to ask. At most one of each type. Absent before the Build has succeeded, and
	// where the condition EvidenceKnown says why.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=4
	Evidence []Evidence `json:"evidence,omitempty"`
}

// Build is one commit on its way through the stages of a golden path's pipeline to one image, or the record of one that was built
// elsewhere. Its spec never changes.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=bld,categories=towpath
// +kubebuilder:printcolumn:name="Component",type=string,JSONPath=`.spec.component`
// +kubebuilder:printcolumn:name="Branch",type=string,JSONPath=`.spec.branch`
// +kubebuilder:printcolumn:name="Commit",type=string,JSONPath=`.spec.commit.sha`,priority=1
// +kubebuilder:printcolumn:name="Result",type=string,JSONPath=`.status.result`
// +kubebuilder:printcolumn:name="Image",type=string,JSONPath=`.status.image`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.spec == oldSelf.spec",message="spec must not change: a Build is an immutable record; create another"
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$')",message="metadata.name must be a DNS label of at most 63 characters"
type Build struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard metadata of an object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// spec is the commit, and what was built of it elsewhere.
	// +required
	Spec BuildSpec `json:"spec,omitzero"`
	// status is written by the controller.
	// +optional
	Status BuildStatus `json:"status,omitzero"`
}

// BuildList is a list of Builds.
//
// +kubebuilder:object:root=true
type BuildList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Build `json:"items"`
}
