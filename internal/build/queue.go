package build

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/sets"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// Kept is how many finished Builds of a Component are kept, beside those that something names.
const Kept = 20

// Turn says whether the turn of a Build has come, or is past.
type Turn struct {
	// Overtaken is the newer Build that takes this one's place; empty for none.
	Overtaken string
	// Behind is the Build that must end before this one begins; empty for none.
	Behind string
}

// TurnOf finds the turn of a Build among all Builds of its Component, which is built from a branch. One runs at a time. With NewestWins, a
// Build of the same branch, tag and pull request which was made later takes the place of an earlier one; those that were merged into the
// branch make no difference. Builds of different branches wait for each other with either. Those of open pull requests have a place of their own, in
// which one runs at a time: what is deployed does not wait for them. Of one request only the newest matters, whatever the concurrency.
func TurnOf(b *platformv1alpha1.Build, all []platformv1alpha1.Build, branch string, concurrency platformv1alpha1.PipelineConcurrency) Turn {
	var turn Turn
	for i := range all {
		other := &all[i]
		if other.UID == b.UID || other.Spec.Component != b.Spec.Component || other.Spec.Result != "" || other.Status.Result != "" || !other.DeletionTimestamp.IsZero() {
			continue
		}
		request := Request(b, branch) != 0
		if request != (Request(other, branch) != 0) {
			continue
		}
		later := Made(other, b) > 0
		switch {
		case later && (request || concurrency != platformv1alpha1.ConcurrencyQueue) && line(other, branch) == line(b, branch):
			if turn.Overtaken == "" {
				turn.Overtaken = other.Name
			}
		case b.Status.Place == nil && (other.Status.Place != nil || !later):
			if turn.Behind == "" {
				turn.Behind = other.Name
			}
		}
	}
	return turn
}

// line is what Builds have in common of which only the newest matters.
func line(b *platformv1alpha1.Build, branch string) string {
	if number := Request(b, branch); number != 0 {
		return fmt.Sprintf("request %d", number) // the branch of a request may be called otherwise by now
	}
	return fmt.Sprintf("%q %q %d", b.Spec.Branch, b.Spec.Tag, Request(b, branch))
}

// Made compares when two Builds were made: greater than zero where a is the later one.
func Made(a, b *platformv1alpha1.Build) int {
	return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), strings.Compare(a.Name, b.Name))
}

// Recorded is the Build that records what was built elsewhere of the commit of another Build; nil for none.
func Recorded(b *platformv1alpha1.Build, all []platformv1alpha1.Build) *platformv1alpha1.Build {
	for i := range all {
		if other := &all[i]; other.Spec.Result != "" && other.Spec.Component == b.Spec.Component && other.Spec.Commit.SHA == b.Spec.Commit.SHA {
			return other
		}
	}
	return nil
}

// Superfluous says whether a finished Build may go: Kept others of its Component, which is built from a branch, were made later and have ended, and
// nothing names it. Those of open pull requests count by themselves: many of them leave what the branch brought.
func Superfluous(b *platformv1alpha1.Build, all []platformv1alpha1.Build, branch string, named sets.Set[string]) bool {
	if b.Status.Result == "" || named.Has(b.Name) {
		return false
	}
	ended := slices.DeleteFunc(slices.Clone(all), func(o platformv1alpha1.Build) bool {
		return o.Status.Result == "" || o.Spec.Component != b.Spec.Component || !o.DeletionTimestamp.IsZero() || Made(&o, b) <= 0 ||
			(Request(&o, branch) != 0) != (Request(b, branch) != 0)
	})
	return len(ended) >= Kept
}
