package main

import (
	"strings"
	"testing"

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
	l := newLatencies()
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
	alone := &fairnessPart{Name: partAlone, All: sample{P50Seconds: 0.1, P99Seconds: 0.2}}
	bare := &fairnessPart{Name: partBareAlone, All: sample{P50Seconds: 0.01, P99Seconds: 0.02}}
	burst := &fairnessPart{Name: partBurst, Seconds: 90, All: sample{Count: 7, P50Seconds: 0.15, P99Seconds: 0.35}, Created: sample{P99Seconds: 0.11},
		Applied: &sample{P99Seconds: 0.22}, CPUCores: map[string]float64{"etcd": 0.5}}
	created := &fairnessPart{Name: partBareCreated, All: sample{P50Seconds: 0.03, P99Seconds: 0.09}}
	r := fairnessResult{Burst: 5000, Invalid: 1000, Parts: []*fairnessPart{alone, bare, burst, created}}
	for _, p := range r.Parts {
		p.compare(r.Parts)
	}
	for _, want := range []string{"1.50 1.75 ", "3.00 4.50 ", "0.350 s", "0.000 0.220", "etcd 0.50", "90.0 s", "burst of 5000, 1000 invalid"} {
		if got := r.table(); !strings.Contains(got, want) {
			t.Errorf("the table lacks %q:\n%s", want, got)
		}
	}
}

func TestTheQuietTeamGoesOnUntilTheOthersAreDone(t *testing.T) {
	over := make(chan struct{})
	enough := until(over)
	if enough(1000) {
		t.Error("it ends while others go on")
	}
	close(over)
	if enough(0) || !enough(1) {
		t.Error("it ends with the others, and not before it made something")
	}
}
