// Package dora tells how well a team delivers, from what its commits, Releases and Incidents say. It is pure: times are values.
package dora

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// LeadTime is how long the change that a Release brought took from its commit until it ran: until every object was ready and every
// check had passed for the first time. It is not known before that, where nobody said when the commit was made, and where its time is
// after that, or before 2000: a clock was wrong, and a lead time below nothing, or of half a century, would make a mean of many mean
// nothing.
//
// A Release that brings nothing that was committed has none: a rollback, a changed parameter or another revision of the template run
// a commit that was delivered before.
func LeadTime(r *platformv1alpha1.Release) (lead time.Duration, known bool) {
	if r.Spec.Commit == nil {
		return 0, false
	}
	return leadTime(r, r.Spec.Commit.CommittedAt)
}

// LongestLeadTime is the lead time of the oldest of the commits that a Release brought to its environment: the change that waited longest. It is at
// least that of the newest, which LeadTime tells, and what commits that come in large batches cost. It is known where that is, and Builds say
// which commits are new.
func LongestLeadTime(r *platformv1alpha1.Release) (lead time.Duration, known bool) {
	newest, known := LeadTime(r)
	if !known || r.Spec.Commits == nil {
		return 0, false
	}
	oldest, known := leadTime(r, r.Spec.Commits.OldestCommittedAt)
	return max(oldest, newest), known
}

// leadTime is how long it took from a time until a Release that brings something ran.
func leadTime(r *platformv1alpha1.Release, committed *metav1.Time) (lead time.Duration, known bool) {
	if r.Spec.Cause != platformv1alpha1.CauseImageChange && r.Spec.Cause != platformv1alpha1.CausePromotion {
		return 0, false
	}
	if committed == nil || r.Status.ReadyAt == nil {
		return 0, false
	}
	lead = r.Status.ReadyAt.Sub(committed.Time)
	return lead, lead >= 0 && !committed.Time.Before(earliest)
}

// earliest is before which no commit was made that is delivered now: what says so has no clock, or one that was never set.
var earliest = time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)
