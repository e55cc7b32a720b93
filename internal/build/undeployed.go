package build

import (
	"k8s.io/utils/ptr"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// maxCommits is how many commits a range counts at most: as many as the API takes, and as gitsource counts.
const maxCommits = 10000

// Undeployed are the commits that a Build brings to where another commit runs: what it brought itself, and what those before it did that never ran there.
// Each Build says from which other one its own count, so they are followed back to the commit that runs. Where nothing runs, or they do not
// lead there, since one of them is kept no more or the branch was forced elsewhere, it is what the Build brought itself; nil where that is not known.
func Undeployed(b *platformv1alpha1.Build, all []platformv1alpha1.Build, runs string) *platformv1alpha1.CommitRange {
	own := b.Spec.Commits
	if own == nil || own.Count == nil || runs == "" || runs == b.Spec.Commit.SHA {
		return own.DeepCopy()
	}
	sum, seen := own.DeepCopy(), map[string]bool{b.Spec.Commit.SHA: true}
	for sum.From != runs {
		if sum.From == "" || seen[sum.From] {
			return own.DeepCopy()
		}
		seen[sum.From] = true
		before := gave(b, all, sum.From)
		if before == nil {
			return own.DeepCopy()
		}
		sum = joined(before.Spec.Commits, sum)
	}
	return sum
}

// gave is the Build of a commit, of the Component and branch of another one, that gave an image and says what it brought; the last one of several.
func gave(of *platformv1alpha1.Build, all []platformv1alpha1.Build, sha string) *platformv1alpha1.Build {
	var found *platformv1alpha1.Build
	for i := range all {
		b := &all[i]
		if b.Spec.Commit.SHA == sha && b.Spec.Component == of.Spec.Component && b.Spec.Branch == of.Spec.Branch && Gave(b) &&
			b.Spec.Commits != nil && b.Spec.Commits.Count != nil && (found == nil || Made(b, found) > 0) {
			found = b
		}
	}
	return found
}

// joined is a range with the one right before it.
func joined(before, after *platformv1alpha1.CommitRange) *platformv1alpha1.CommitRange {
	oldest := after.OldestCommittedAt
	if before.OldestCommittedAt != nil && (oldest == nil || before.OldestCommittedAt.Before(oldest)) {
		oldest = before.OldestCommittedAt
	}
	return &platformv1alpha1.CommitRange{From: before.From, Count: ptr.To(min(*before.Count+*after.Count, maxCommits)), OldestCommittedAt: oldest.DeepCopy()}
}
