package main

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

func TestPercentilesAreNearestRanks(t *testing.T) {
	var seconds []float64
	for i := 200; i > 0; i-- {
		seconds = append(seconds, float64(i))
	}
	if got, want := sampleOf(seconds), (sample{Count: 200, P50Seconds: 100, P99Seconds: 198, MaxSeconds: 200}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := sampleOf([]float64{0.12345}); got.P50Seconds != 0.123 || got.P99Seconds != 0.123 {
		t.Errorf("of one value they are %+v", got)
	}
}

func TestAComponentIsCompleteWithTheLastOfItsObjects(t *testing.T) {
	l := &latencies{kinds: map[types.NamespacedName]map[string]bool{}, complete: map[types.NamespacedName]time.Time{}, changed: make(chan struct{}, 1)}
	key := types.NamespacedName{Namespace: "team01-bench", Name: "service-00001"}
	object := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
		Namespace: key.Namespace, Name: "x", Labels: map[string]string{platformv1alpha1.LabelComponent: key.Name},
	}}
	for _, kind := range childKinds[1:] {
		l.child(kind.Kind, object)
		l.child(kind.Kind, object) // changed
	}
	if _, ok := l.at(key); ok {
		t.Fatal("it is complete without a ServiceAccount")
	}
	l.child("ServiceAccount", object)
	at, ok := l.at(key)
	if last, err := l.await(t.Context(), []types.NamespacedName{key}); !ok || err != nil || !last.Equal(at) {
		t.Errorf("at %v, %v; the last is %v, %v", at, ok, last, err)
	}
}

func TestTheTableOfFairnessHasTheFigures(t *testing.T) {
	r := fairnessResult{Burst: 5000, Invalid: 1000, BesideBurst: sample{P99Seconds: 0.4}, BurstRatio: 1.75, BurstSeconds: 90}
	for _, want := range []string{"beside 5000 at once ", "0.400 s", "1.75\n", "the burst took 90.0 s"} {
		if got := r.table(); !strings.Contains(got, want) {
			t.Errorf("the table lacks %q:\n%s", want, got)
		}
	}
}
