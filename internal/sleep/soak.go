package sleep

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// Soaked is for how long a Release has been Ready and awake without a break at a time. Nights do not count, and are no
// break: a soak that is longer than a day would never end else.
func Soaked(status *platformv1alpha1.ReleaseStatus, now time.Time) time.Duration {
	if s := status.Sleep; s != nil && s.Since != nil {
		return time.Duration(s.SoakedSeconds) * time.Second
	}
	since, ready := ReadySince(status)
	if !ready {
		return 0
	}
	return max(now.Sub(since), 0)
}

// ReadySince is since when a Release that is awake has been Ready, as if it had never slept in between; false where it
// is not.
func ReadySince(status *platformv1alpha1.ReleaseStatus) (time.Time, bool) {
	ready := meta.FindStatusCondition(status.Conditions, platformv1alpha1.ConditionReady)
	if ready == nil || ready.Status != metav1.ConditionTrue {
		return time.Time{}, false
	}
	since := ready.LastTransitionTime.Time
	if s := status.Sleep; s != nil {
		if s.WokeAt != nil && s.WokeAt.After(since) {
			since = s.WokeAt.Time
		}
		since = since.Add(-time.Duration(s.SoakedSeconds) * time.Second)
	}
	return since, true
}
