// Package pipeline compiles the pipeline of a golden path, and plans what one Build runs: which steps, in which order, with which values.
// Engines make objects or files of a Plan: packages jobs, tekton and actions below this one. It is pure.
package pipeline

import (
	"time"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// Input is all that a plan depends on: the same input gives the same plan.
type Input struct {
	// Component that is built.
	Component Component
	// Parameters of the Component, with the defaults of the template's schema.
	Parameters map[string]any
	// Build is what differs from commit to commit. Nothing of it comes into a script, an argument, an image or a value of a variable
	// of the template: conditions know a part of it, and scripts find it in environment variables.
	Build Build
	// Image is where the pipeline pushes to, without a tag.
	Image string
	// Standard are the images and settings of the standard stages, by the platform's configuration.
	Standard Standard
	// Run is what provenance tells of the run besides. It is empty for engines that run elsewhere: they tell it themselves.
	Run Run
}

// Run is one run of a pipeline.
type Run struct {
	// Pipeline is the revision of the golden path that says the stages, such as web-service-7.
	Pipeline string
	// Invocation is the Build, as namespace/name/uid.
	Invocation string
	// StartedAt is when it began; the zero time where that is not known.
	StartedAt time.Time
}

// Builder is the platform that runs stages in a cluster, to those who read provenance.
const Builder = "https://towpath.dev/pipeline"

// Component is what a plan knows of the Component.
type Component struct {
	// Name and Namespace are those of the Component; Team is that of its namespace.
	Name, Namespace, Team string
	// Repository is its address, Path its directory there; both empty where there is none.
	Repository, Path string
	// Branch is the one that is deployed: conditions tell by it what is on that branch from what is not.
	Branch string
}

// Build is what differs from commit to commit. All of it is written by whoever may push, and hostile.
type Build struct {
	SHA, Branch, Tag string
	// PullRequest is its number; 0 for none.
	PullRequest int64
	// ChangedPaths are the files that changed; nil where that is not known.
	ChangedPaths []string
}

// Standard are the images and settings of the standard stages. A stage whose image is empty cannot be used.
type Standard struct {
	// Clone is the image that fetches the sources: it needs git and /bin/sh.
	Clone string
	// PlainHTTP allows repositories by http://.
	PlainHTTP bool
	// Images of the standard stages. Test has none: it runs what the stage says.
	Images map[platformv1alpha1.StandardStage]string
	// Buildkitd is the address of the platform's buildkitd, such as tcp://buildkitd.buildkit:1234.
	Buildkitd string
}

// Plan is what one Build runs.
type Plan struct {
	// Steps in an order in which each stands behind what it needs; what is independent, in the template's order.
	Steps []Step
	// Concurrency says what becomes of it where another Build of the Component runs.
	Concurrency platformv1alpha1.PipelineConcurrency
	// Timeout is how long all of it may take.
	Timeout time.Duration
}

// Step is one run of a stage: of a matrix one combination.
type Step struct {
	// Name is that of the stage, in a matrix with -1, -2 and so on behind it.
	Name string
	// Stage is the name of the stage, and Standard which of the standard ones it is, if any.
	Stage    string
	Standard platformv1alpha1.StandardStage
	// Needs are the names of the steps that must have succeeded or been skipped before. Where one is skipped, what that needs is among them.
	Needs []string
	// Skipped says that its condition leaves it out.
	Skipped bool
	// Image of the container.
	Image string
	// Script is run by /bin/sh -e; where it is empty, Args go to the image's entry point.
	Script string
	Args   []string
	// Env are the plain variables: those of the stage, those of its matrix, and those that begin with TOWPATH_. Sorted by name.
	Env []platformv1alpha1.EnvVar
	// SecretEnv are the variables from Secrets.
	SecretEnv []platformv1alpha1.SecretEnvVar
	// Resources that it asks for; nil for what the namespace gives.
	Resources *platformv1alpha1.StageResources
	// Timeout of one try.
	Timeout time.Duration
	// Retries after the first try.
	Retries int32
	// Artifacts and Cache are paths relative to the sources.
	Artifacts, Cache []string
	// When is the condition as the template has it, for engines that evaluate it themselves; empty for none.
	When string
}
