// Package build decides which Build a Component runs. It is pure.
package build

import (
	"cmp"
	"strings"
	"time"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// earliest is the earliest time of a commit that is believed: no service that runs on Kubernetes was committed before, and a
// clock that was never set says 1970.
var earliest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// Branch is the branch that a source is of.
func Branch(source *platformv1alpha1.Source) string {
	return cmp.Or(source.Branch, "main")
}

// Further says whether a Build is of a tag or an open pull request, and not of a branch: what Towpath makes where a source asks for them.
func Further(b *platformv1alpha1.Build, branch string) bool {
	return b.Spec.Branch == "" && b.Spec.Tag != "" || Request(b, branch) != 0
}

// Name is the first name of a Build of a commit, whose hash is complete: where another one has it, something follows.
func Name(component, sha string) string { return component + "-" + sha[:12] }

// Engine is who builds a source.
func Engine(source *platformv1alpha1.Source) platformv1alpha1.BuildEngine {
	return cmp.Or(source.Engine, platformv1alpha1.EngineJobs)
}

// InCluster says whether an engine runs the stages of a Build in the cluster, and has nobody else record it.
func InCluster(engine platformv1alpha1.BuildEngine) bool {
	return engine == platformv1alpha1.EngineJobs || engine == platformv1alpha1.EngineTekton
}

// Environment is the name of the Environment in whose workload namespace Builds of a Component with a source run; empty where its path is.
func Environment(component *platformv1alpha1.Component) string {
	name := component.Spec.Source.Environment
	if name == "" && len(component.Spec.Environments) > 0 {
		name = component.Spec.Environments[0].Name
	}
	return name
}

// CommittedAt is when the commit of a Build was made, as far as that can be believed: whoever commits writes any time.
// False where it is not said, is before 2000, or after the Build was made.
func CommittedAt(build *platformv1alpha1.Build) (time.Time, bool) {
	at := build.Spec.Commit.CommittedAt
	if at == nil || at.Time.Before(earliest) || at.After(build.CreationTimestamp.Time) {
		return time.Time{}, false
	}
	return at.Time, true
}

// Newest is the Build whose image a Component runs that names none: of those of its branch which have succeeded, the one of the
// commit that the branch is at, where that is known, else the one of the latest commit. It is nil where there is none.
//
// Builds end, and are recorded, in another order than their commits were made, so that the order of the Builds says nothing. A
// branch that was forced back is at a commit that is not the latest.
func Newest(component *platformv1alpha1.Component, builds []platformv1alpha1.Build) *platformv1alpha1.Build {
	source := component.Spec.Source
	if source == nil {
		return nil
	}
	head := Head(component.Status.Source, source)
	var newest *platformv1alpha1.Build
	for i := range builds {
		build := &builds[i]
		if build.Namespace != component.Namespace || build.Spec.Component != component.Name || build.Spec.Branch != Branch(source) ||
			build.Status.Result != platformv1alpha1.BuildSucceeded || build.Status.Image == "" || !build.DeletionTimestamp.IsZero() {
			continue
		}
		if newest == nil || compare(build, newest, head) > 0 {
			newest = build
		}
	}
	return newest
}

// Head is the commit that the branch of a source was seen at last, by the status; empty where that is not known.
func Head(known *platformv1alpha1.SourceStatus, source *platformv1alpha1.Source) string {
	if known == nil || known.Repository != source.Repository || known.Branch != Branch(source) {
		return ""
	}
	return known.Head
}

// compare says which of two Builds is the newer one: greater than zero where a is.
func compare(a, b *platformv1alpha1.Build, head string) int {
	return cmp.Or(
		is(a.Spec.Commit.SHA == head)-is(b.Spec.Commit.SHA == head),
		when(a).Compare(when(b)),
		a.CreationTimestamp.Compare(b.CreationTimestamp.Time),
		strings.Compare(a.Name, b.Name),
	)
}

// when is by which time Builds are put into order.
func when(build *platformv1alpha1.Build) time.Time {
	if at, ok := CommittedAt(build); ok {
		return at
	}
	return build.CreationTimestamp.Time
}

func is(so bool) int {
	if so {
		return 1
	}
	return 0
}

// Commit is that of a Build as a Component and its Releases have it.
func Commit(build *platformv1alpha1.Build) *platformv1alpha1.Commit {
	commit := &platformv1alpha1.Commit{SHA: build.Spec.Commit.SHA, Author: build.Spec.Commit.Author}
	if _, ok := CommittedAt(build); ok {
		commit.CommittedAt = build.Spec.Commit.CommittedAt.DeepCopy()
	}
	return commit
}
