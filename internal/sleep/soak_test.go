package sleep_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/sleep"
)

func TestSoaked(t *testing.T) {
	now := at(t, "2026-06-02T12:00:00Z")
	ago := func(d time.Duration) *metav1.Time { return new(metav1.NewTime(now.Add(-d))) }
	ready := func(status metav1.ConditionStatus, since time.Duration) []metav1.Condition {
		return []metav1.Condition{{Type: platformv1alpha1.ConditionReady, Status: status, LastTransitionTime: *ago(since)}}
	}
	for name, tc := range map[string]struct {
		status platformv1alpha1.ReleaseStatus
		want   time.Duration
	}{
		"it never slept":    {platformv1alpha1.ReleaseStatus{Conditions: ready(metav1.ConditionTrue, time.Hour)}, time.Hour},
		"it is not ready":   {platformv1alpha1.ReleaseStatus{Conditions: ready(metav1.ConditionFalse, time.Hour)}, 0},
		"it says nothing":   {platformv1alpha1.ReleaseStatus{}, 0},
		"it sleeps":         {platformv1alpha1.ReleaseStatus{Conditions: ready(metav1.ConditionTrue, 20*time.Hour), Sleep: &platformv1alpha1.ReleaseSleep{Since: ago(10 * time.Hour), SoakedSeconds: 36000}}, 10 * time.Hour},
		"it has woken":      {platformv1alpha1.ReleaseStatus{Conditions: ready(metav1.ConditionTrue, time.Hour), Sleep: &platformv1alpha1.ReleaseSleep{WokeAt: ago(2 * time.Hour), SoakedSeconds: 36000}}, 11 * time.Hour},
		"it is waking":      {platformv1alpha1.ReleaseStatus{Conditions: ready(metav1.ConditionFalse, time.Minute), Sleep: &platformv1alpha1.ReleaseSleep{WokeAt: ago(time.Minute), SoakedSeconds: 36000}}, 0},
		"it had no break":   {platformv1alpha1.ReleaseStatus{Conditions: ready(metav1.ConditionTrue, 20*time.Hour), Sleep: &platformv1alpha1.ReleaseSleep{WokeAt: ago(2 * time.Hour), SoakedSeconds: 3600}}, 3 * time.Hour},
		"the clock is late": {platformv1alpha1.ReleaseStatus{Conditions: ready(metav1.ConditionTrue, -time.Hour)}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if got := sleep.Soaked(&tc.status, now); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}
