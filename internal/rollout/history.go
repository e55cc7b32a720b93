package rollout

import (
	"cmp"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// WentBack is why a place failed that runs the revision before again: what its Release said is gone.
const WentBack = "It failed at the revision, and went back."

// History is what a place has run.
type History struct {
	// Current is the revision that runs now; 0 where nothing does.
	Current int64
	// Back is the revision before the newest, which a place that failed goes back to: the last one with which the version that runs
	// was Ready here, so that nobody goes back to a revision that failed here too. Where there is none such, it is the last one
	// that was here; 0 where there was none.
	Back int64
	// Ready says that what runs is Ready.
	Ready bool
	// FailedAt is when the Release was made that failed at the newest revision with the version that runs; nil where
	// none did. Why says why.
	FailedAt *time.Time
	Why      string
	// Broken says what is wrong with what runs where that has nothing to do with the newest revision: it fails, and its
	// version was never Ready here with one before. Empty where that is not so.
	Broken string
}

// HistoryOf reads the history of a place from its Releases, oldest first, without those that are being deleted.
func HistoryOf(releases []*platformv1alpha1.Release, newest int64) History {
	var h History
	if len(releases) == 0 {
		return h
	}
	last := releases[len(releases)-1]
	if last.Status.SupersededAt != nil {
		return h // what took its place is gone, or not here yet
	}
	h.Current = last.Spec.Revision.Number
	h.Ready = meta.IsStatusConditionTrue(last.Status.Conditions, platformv1alpha1.ConditionReady) &&
		(!last.Asleep() || last.Status.Sleep.SoakedSeconds > 0) // what did not run shows nothing
	worked := int64(0) // the revision before at which the version that runs did
	for _, r := range releases {
		if r.Spec.Revision.Number < newest {
			h.Back = r.Spec.Revision.Number
			if ShowsVersion(r, last) {
				worked = r.Spec.Revision.Number
			}
		}
	}
	h.Back = cmp.Or(worked, h.Back)
	stalled := meta.IsStatusConditionTrue(last.Status.Conditions, platformv1alpha1.ConditionStalled) && !last.Proven()
	if worked == 0 {
		if stalled {
			h.Broken = meta.FindStatusCondition(last.Status.Conditions, platformv1alpha1.ConditionReady).Message
		}
		return h // nobody can tell whether the revision is to blame
	}
	for _, r := range releases {
		if r.Spec.Revision.Number != newest || r.Spec.Version != last.Spec.Version || r.Proven() {
			continue
		}
		switch {
		case r == last && stalled:
			h.Why = meta.FindStatusCondition(r.Status.Conditions, platformv1alpha1.ConditionReady).Message
		case r != last && h.Current < newest:
			h.Why = WentBack
		default:
			continue
		}
		at := r.CreationTimestamp.Time
		h.FailedAt = &at
	}
	return h
}

// ShowsVersion says that a Release was Ready with the version of another one, as the golden path makes it.
func ShowsVersion(r, of *platformv1alpha1.Release) bool {
	return r.Spec.Version == of.Spec.Version && r.Proven() && r.Spec.Cause != platformv1alpha1.CauseAdoption
}

// failedSince says whether a place failed after the roll-out was resumed for the last time.
func (h History) failedSince(status *platformv1alpha1.TemplateRolloutStatus) bool {
	return h.FailedAt != nil && (status == nil || status.ResumedAt == nil || !h.FailedAt.Before(status.ResumedAt.Time))
}

// Failed says why a place failed at the newest revision, as far as that counts; empty where it did not.
func (h History) Failed(status *platformv1alpha1.TemplateRolloutStatus) string {
	if !h.failedSince(status) {
		return ""
	}
	return h.Why
}
