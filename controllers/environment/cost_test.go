package environment

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

func TestASumIsWrittenOnceItStaysAsItIs(t *testing.T) {
	var u unsettled
	key, begin := types.NamespacedName{Namespace: "shop", Name: "dev"}, time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	sum := func(n int32) *platformv1alpha1.CostSum { return &platformv1alpha1.CostSum{Releases: n} }
	for i := range int32(19) { // something comes each second
		if wait := u.wait(key, sum(i), begin.Add(time.Duration(i)*time.Second)); wait <= 0 || wait > settleCost {
			t.Fatalf("after %d s: %s", i, wait)
		}
	}
	if wait := u.wait(key, sum(18), begin.Add(20*time.Second)); wait != 0 {
		t.Errorf("it has stayed for two seconds: %s", wait)
	}
	if wait := u.wait(key, sum(19), begin.Add(20*time.Second)); wait != settleCost {
		t.Errorf("what comes after a write waits anew: %s", wait)
	}
}

func TestASumThatNeverStaysIsWrittenAllTheSame(t *testing.T) {
	var u unsettled
	key, begin, written := types.NamespacedName{Namespace: "shop", Name: "dev"}, time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC), 0
	for i := range int32(100) {
		if u.wait(key, &platformv1alpha1.CostSum{Releases: i}, begin.Add(time.Duration(i)*time.Second)) == 0 {
			written++
		}
	}
	if written != 4 {
		t.Errorf("written %d times in 100 s", written)
	}
}

func TestAnEnvironmentLooksAtWhatItReadsOfAReleaseAlone(t *testing.T) {
	gated := &platformv1alpha1.Release{Spec: platformv1alpha1.ReleaseSpec{Gate: &platformv1alpha1.Gate{}}}
	now := &metav1.Time{Time: time.Unix(1, 0)}
	for name, tt := range map[string]struct {
		change func(*platformv1alpha1.Release)
		want   bool
	}{
		"let in":     {func(r *platformv1alpha1.Release) { r.Status.OpenedAt = now }, true},
		"superseded": {func(r *platformv1alpha1.Release) { r.Status.SupersededAt = now }, true},
		"deleted":    {func(r *platformv1alpha1.Release) { r.DeletionTimestamp = now }, true},
		"asleep":     {func(r *platformv1alpha1.Release) { r.Status.Sleep = &platformv1alpha1.ReleaseSleep{} }, true},
		"applied":    {func(r *platformv1alpha1.Release) { r.Status.AppliedAt, r.Status.ReadyAt = now, now }, false},
	} {
		is := gated.DeepCopy()
		tt.change(is)
		if got := tellsEnvironment(gated, is); got != tt.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}
