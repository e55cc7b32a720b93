package v1alpha1

import corev1 "k8s.io/api/core/v1"

// StandardStage is a stage that Towpath brings along.
// +kubebuilder:validation:Enum=Test;Image;SBOM;Scan;Sign;Provenance
type StandardStage string

// The standard stages.
const (
	// StageTest runs a script of the repository.
	StageTest StandardStage = "Test"
	// StageImage builds and pushes the image, by a buildkitd that the platform runs.
	StageImage StandardStage = "Image"
	// StageSBOM lists what is in the image.
	StageSBOM StandardStage = "SBOM"
	// StageScan compares what is in the image with known vulnerabilities.
	StageScan StandardStage = "Scan"
	// StageSign signs the image.
	StageSign StandardStage = "Sign"
	// StageProvenance attests how the image was built.
	StageProvenance StandardStage = "Provenance"
)

// PipelineConcurrency says what becomes of a Build that begins while another of its Component runs.
// +kubebuilder:validation:Enum=NewestWins;Queue
type PipelineConcurrency string

const (
	// ConcurrencyNewestWins cancels what runs and what waits of the same branch, tag and pull request: only the newest commit matters.
	// Others wait until what is before them has ended.
	ConcurrencyNewestWins PipelineConcurrency = "NewestWins"
	// ConcurrencyQueue lets it wait until what is before it has ended.
	ConcurrencyQueue PipelineConcurrency = "Queue"
)

// Pipeline is how a commit becomes an image, stage by stage. Every engine carries out the same stages, with the same order,
// conditions and meaning of a failure.
type Pipeline struct {
	// stages of the pipeline. Each begins as soon as all that it needs have succeeded; what needs one that failed does not run. One
	// that is left out by its condition counts as succeeded. They must not need each other in a circle.
	// +required
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Stages []Stage `json:"stages,omitempty"`
	// concurrency says what becomes of a Build that begins while another of its Component runs. Default: NewestWins.
	// +optional
	// +kubebuilder:default=NewestWins
	Concurrency PipelineConcurrency `json:"concurrency,omitempty"`
	// timeoutSeconds is how long a Build may take from its beginning, waiting in the queue apart. Default: 3600.
	// +optional
	// +kubebuilder:default=3600
	// +kubebuilder:validation:Minimum=60
	// +kubebuilder:validation:Maximum=86400
	TimeoutSeconds int32 `json:"timeoutSeconds,omitempty"`
}

// Stage is one step of a Pipeline: a container that runs to its end.
// +kubebuilder:validation:XValidation:rule="has(self.standard) || has(self.image)",message="a stage must have an image, or be a standard one"
// +kubebuilder:validation:XValidation:rule="has(self.standard) || has(self.script) != has(self.args)",message="a stage must have either script or args"
// +kubebuilder:validation:XValidation:rule="!has(self.standard) || self.standard == 'Test' || !has(self.script) && !has(self.args)",message="of the standard stages only Test takes a script or args"
type Stage struct {
	// name of the stage, unique in the pipeline.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=30
	// +kubebuilder:validation:Pattern=`^[a-z]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name,omitempty"`
	// standard makes it a stage that Towpath brings along, with its image and arguments by the platform's configuration.
	// Default: none, the stage says itself what it runs.
	// +optional
	Standard StandardStage `json:"standard,omitempty"`
	// needs are the stages that must have succeeded before this one begins. Default: none, it begins at once.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=31
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=30
	Needs []string `json:"needs,omitempty"`
	// image of the container. ${…} is an expression as in resources, of params, component and, in a
	// matrix, matrix. A standard stage takes that of the
	// platform's configuration by default.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Image string `json:"image,omitempty"`
	// script is run by /bin/sh with -e in the directory of the Component in its repository. Nothing is put into it: ${…} is the shell's, and what differs from
	// commit to commit is in the environment variables TOWPATH_COMMIT, TOWPATH_BRANCH, TOWPATH_TAG, TOWPATH_PULL_REQUEST,
	// TOWPATH_IMAGE and, where a stage before it has pushed one, TOWPATH_BUILT_IMAGE. TOWPATH_RESULT is the file into which the stage that
	// pushes the image writes its digest; where the standard stage Image runs, it alone is believed.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=16384
	Script string `json:"script,omitempty"`
	// args of the image's entry point. ${…} is an expression of params, component and, in a matrix, matrix.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=4096
	Args []string `json:"args,omitempty"`
	// env are plain environment variables. ${…} in a value is an expression of params, component and, in a matrix, matrix. Names
	// must not begin with TOWPATH_.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:XValidation:rule="self.all(e, !e.name.startsWith('TOWPATH_'))",message="names that begin with TOWPATH_ are Towpath's own"
	Env []EnvVar `json:"env,omitempty"`
	// secretEnv are environment variables whose values stand in Secrets beside the Build: of the workload namespace for the
	// engines in the cluster, of the repository for GitHub Actions, where the key of the reference is its name. ${…} in
	// the name of a Secret is an expression of params and component; where it gives nothing, the variable is left out.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:XValidation:rule="self.all(e, !e.name.startsWith('TOWPATH_'))",message="names that begin with TOWPATH_ are Towpath's own"
	SecretEnv []SecretEnvVar `json:"secretEnv,omitempty"`
	// resources of the container: requests and limits. Default: those that the Environment's LimitRange gives.
	// +optional
	Resources *StageResources `json:"resources,omitempty"`
	// timeoutSeconds is how long one try may take. Default: 1800.
	// +optional
	// +kubebuilder:default=1800
	// +kubebuilder:validation:Minimum=10
	// +kubebuilder:validation:Maximum=86400
	TimeoutSeconds int32 `json:"timeoutSeconds,omitempty"`
	// retries is how often the stage is tried again when it fails. Default: 0.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=5
	Retries int32 `json:"retries,omitempty"`
	// artifacts are paths, relative to the sources, that later stages find again. Default: none.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	Artifacts []string `json:"artifacts,omitempty"`
	// cache are paths, relative to the sources, that the next Build of the Component finds again, if it can. What is there is a
	// help, and may be missing at any time. The engine GitHubActions keeps it, and Jobs where the platform gives a volume for it. Default: none.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	Cache []string `json:"cache,omitempty"`
	// when is one ${…} of type bool: the stage is left out where it is false. It knows build.branch, build.tag,
	// build.pullRequest (0 for none) and build.changedPaths beside params and component, whose component.branch is the one that is deployed: what
	// must be on it asks for build.branch == component.branch, since a tag, and another branch, has no pull request either. Default: it always runs.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	When string `json:"when,omitempty"`
	// matrix runs the stage once for each combination of the values, side by side; expressions know them as matrix.<name>, and scripts
	// as MATRIX_<NAME>. Default: it runs once.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=4
	Matrix []MatrixAxis `json:"matrix,omitempty"`
}

// MatrixAxis is one thing in which the runs of a stage differ.
type MatrixAxis struct {
	// name of it.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=30
	// +kubebuilder:validation:Pattern=`^[a-z][a-zA-Z0-9]*$`
	Name string `json:"name,omitempty"`
	// values that it takes. The combinations of a stage must be at most 32.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=128
	Values []string `json:"values,omitempty"`
}

// StageResources are what a stage asks for, and what it may take.
type StageResources struct {
	// requests are what it asks for.
	// +optional
	Requests corev1.ResourceList `json:"requests,omitempty"`
	// limits are what it may take.
	// +optional
	Limits corev1.ResourceList `json:"limits,omitempty"`
}
