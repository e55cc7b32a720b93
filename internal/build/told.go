package build

import (
	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/pipeline"
)

// Request is the number of the pull request that a Build is of; 0 for none. A commit of the branch that the Component is built from is of
// none, whatever brought it there: the request that its Build records was merged, or is only what the message of the commit says.
func Request(b *platformv1alpha1.Build, branch string) int64 {
	if b.Spec.PullRequest == nil || b.Spec.Branch == branch {
		return 0
	}
	return b.Spec.PullRequest.Number
}

// Told is what conditions and scripts of the stages are told of a Build of a Component that is built from a branch.
func Told(b *platformv1alpha1.Build, branch string) pipeline.Build {
	return pipeline.Build{
		SHA: b.Spec.Commit.SHA, Branch: b.Spec.Branch, Tag: b.Spec.Tag, PullRequest: Request(b, branch), ChangedPaths: b.Spec.ChangedPaths,
	}
}
