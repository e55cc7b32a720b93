package build

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// ahead is by how much the clock of who commits may be before ours: such a commit was made now.
const ahead = 5 * time.Minute

// Believed is the time of a commit, nil where it cannot be true: whoever commits writes any time.
func Believed(when, now time.Time) *metav1.Time {
	now = now.UTC()
	if when.Before(earliest) || when.After(now.Add(ahead)) {
		return nil
	}
	if when.After(now) {
		when = now
	}
	return &metav1.Time{Time: when.UTC().Truncate(time.Second)}
}

// Brought are the commits that a Build brings which the one of a commit before it did not have; from is empty where none was before.
func Brought(from string, count int32, oldest, now time.Time) *platformv1alpha1.CommitRange {
	return &platformv1alpha1.CommitRange{From: from, Count: &count, OldestCommittedAt: Believed(oldest, now)}
}

// Gave says whether a Build has succeeded and given an image. What one without an image brings comes with the next that has one.
func Gave(b *platformv1alpha1.Build) bool {
	return b.Status.Result == platformv1alpha1.BuildSucceeded && b.Status.Image != ""
}

// Before is the Build from which on commits are new to a Build that is being recorded: that which was made last of those that gave an image to
// its Component and are of its branch; nil for none. Those of its own commit are not among them: a step of CI may be repeated.
func Before(b *platformv1alpha1.Build, all []platformv1alpha1.Build) *platformv1alpha1.Build {
	var last *platformv1alpha1.Build
	for i := range all {
		other := &all[i]
		// The controller reads what is recorded a moment later.
		gave := Gave(other) || other.Spec.Result == platformv1alpha1.BuildSucceeded
		if gave && other.Spec.Component == b.Spec.Component && other.Spec.Branch == b.Spec.Branch && other.Spec.Commit.SHA != b.Spec.Commit.SHA &&
			(last == nil || Made(other, last) > 0) {
			last = other
		}
	}
	return last
}
