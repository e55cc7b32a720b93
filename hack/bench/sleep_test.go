package main

import (
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestTheFirstEnvironmentsFallAsleepEachWithItsComponent(t *testing.T) {
	o := &options{teams: 3, sleepers: 4}
	for i := range 7 {
		want := environmentName
		if i < o.sleepers {
			want = sleepyClass
		}
		e := placeEnvironment(i, o)
		if got := e.Spec.ClassRef.Name; got != want {
			t.Errorf("Environment %d is of class %s, want %s", i, got, want)
		}
		if c := placeComponent(i, o); c.Namespace != e.Namespace || len(c.Spec.Environments) != 1 || c.Spec.Environments[0].Name != e.Name {
			t.Errorf("the Component of Environment %s/%s is in %s, and goes to %v", e.Namespace, e.Name, c.Namespace, c.Spec.Environments)
		}
	}
}

func TestADeploymentSleepsAndWakesOnce(t *testing.T) {
	for _, pods := range []bool{false, true} {
		n := &nights{options: &options{ready: pods}, made: newTally("run", 1), asleep: newTally("sleep", 1), awake: newTally("wake", 1)}
		look := func(replicas, running int32) (made, asleep, awake bool) {
			n.deployment(&appsv1.Deployment{
				ObjectMeta: metav1.ObjectMeta{Name: "shop"}, Spec: appsv1.DeploymentSpec{Replicas: &replicas},
				Status: appsv1.DeploymentStatus{Replicas: running, AvailableReplicas: running},
			})
			return n.made.has("/shop"), n.asleep.has("/shop"), n.awake.has("/shop")
		}
		running := int32(0) // as far as anybody says who counts pods
		if pods {
			if made, _, _ := look(1, 0); made {
				t.Error("it runs without its pod")
			}
			running = 1
		}
		if made, asleep, awake := look(1, running); !made || asleep || awake {
			t.Errorf("pods %v: when it runs it is %v, %v, %v", pods, made, asleep, awake)
		}
		if pods {
			if _, asleep, _ := look(0, 1); asleep {
				t.Error("it sleeps while its pod ends")
			}
		}
		if _, asleep, awake := look(0, 0); !asleep || awake {
			t.Errorf("pods %v: without pods it is %v, %v", pods, asleep, awake)
		}
		if _, _, awake := look(1, running); !awake {
			t.Errorf("pods %v: with its pods back it is not awake", pods)
		}
	}
}

func TestMostInASecond(t *testing.T) {
	start := time.Date(2026, 6, 1, 20, 0, 0, 0, time.UTC)
	var times []time.Time
	for _, ms := range []int{0, 900, 1100, 1800, 1899, 1900, 5000} {
		times = append(times, start.Add(time.Duration(ms)*time.Millisecond))
	}
	if got := mostInASecond(times); got != 4 {
		t.Errorf("got %d: those from 900 to 1899 lie within a second, and the next does not", got)
	}
	if got := nextMinute(start.Add(30 * time.Second)); !got.Equal(start.Add(time.Minute)) {
		t.Errorf("the next minute is %s", got)
	}
}

const durationsText = `apiserver_request_duration_seconds_bucket{component="apiserver",group="",resource="pods",verb="GET",le="0.05"} 90
apiserver_request_duration_seconds_bucket{component="apiserver",group="",resource="pods",verb="GET",le="0.1"} 98
apiserver_request_duration_seconds_bucket{component="apiserver",group="",resource="pods",verb="GET",le="+Inf"} 98
apiserver_request_duration_seconds_bucket{component="apiserver",group="apps",resource="deployments",verb="APPLY",le="0.05"} 0
apiserver_request_duration_seconds_bucket{component="apiserver",group="apps",resource="deployments",verb="APPLY",le="0.1"} 1
apiserver_request_duration_seconds_bucket{component="apiserver",group="apps",resource="deployments",verb="APPLY",le="+Inf"} 2
apiserver_request_duration_seconds_bucket{component="apiserver",group="apps",resource="deployments",verb="WATCH",le="+Inf"} 1000
apiserver_request_duration_seconds_bucket{component="apiserver",group="",resource="",verb="GET",le="+Inf"} 1000
`

func TestThePercentileIsThatOfAllRequests(t *testing.T) {
	b := parseBuckets([]byte(durationsText))
	for share, want := range map[float64]float64{0.5: 0.05, 0.9: 0.05, 0.95: 0.1, 0.99: 0.1, 1: 0.1} {
		if got := b.percentile(share); got != want {
			t.Errorf("%v of %v took at most %v, want %v", share, b, got, want)
		}
	}
	if got := (buckets{}).percentile(0.99); got != 0 {
		t.Errorf("without requests it is %v", got)
	}
}

func TestAProbeCountsWhatWasDueInTime(t *testing.T) {
	start := time.Date(2026, 6, 1, 20, 0, 0, 0, time.UTC)
	all := []answer{{"get", start.Add(-time.Second), 9}, {"get", start, 0.1}, {"list", start.Add(time.Second), 0.3}, {"get", start.Add(3 * time.Second), 9}}
	got, err := answersOf(all, start, start.Add(2*time.Second))
	if err != nil || got.Count != 2 || got.P99Seconds != 0.3 || got.ByRequest["get"] != 0.1 {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := answersOf(all, start.Add(time.Hour), start.Add(2*time.Hour)); err == nil {
		t.Error("a probe that asked nothing passes")
	}
}

func TestTheTableSaysWhatTheProbeSaw(t *testing.T) {
	a := &answers{sample: sample{Count: 600, P50Seconds: 0.004, P99Seconds: 0.123, MaxSeconds: 0.4}, ByRequest: map[string]float64{"create Component": 0.2}}
	r := environmentsResult{Quiet: a, Phases: []*phase{{Name: "fall asleep", Count: 500, Sleep: &sleepPhase{SpreadSeconds: 300, MostInASecond: 5, Probe: a, APIServerP99Seconds: 0.05}}}}
	got := r.table()
	for _, want := range []string{"nothing happens: p50 0.004 s, p99 0.123 s", "500 fall asleep: p50", "create Component 0.200", "at most 0.05 s", "over 300 s", "at most 5 in a second"} {
		if !strings.Contains(got, want) {
			t.Errorf("the table lacks %q:\n%s", want, got)
		}
	}
}
