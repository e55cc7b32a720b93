package diagnosis_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/diagnosis"
)

func TestFind_AnImageErrorIsWhatTheRegistrySays(t *testing.T) {
	const missing, access, away, limit = "the registry does not have it", "the registry refuses access", "the registry cannot be reached", "refuses so many requests"
	for said, c := range map[string]struct{ image, what string }{
		`failed to resolve reference: unexpected status from HEAD request to registry.example/v2/shop/app/manifests/a4291bc: 403 Forbidden`: {"registry.example/shop/app:a4291bc", access},
		`unexpected status code [manifests a4291bc]: 403`:        {"registry.example/shop/app:a4291bc", access},
		`manifest for registry.example/shop/app:1.429 not found`: {"registry.example/shop/app:1.429", missing},
		`manifests/429: not found`:                               {"registry.example/shop/app:429", missing},
		`unexpected status [manifests 500]: 404`:                 {"registry.example/shop/app:500", missing},
		`httpReadSeeker: failed open: Get "https://s3.example/b?X-Amz-Signature=4f403a&X=1": dial tcp: i/o timeout`: {"app:1", away},
		`fetching blob: 503 from https://s3.example/b?X-Amz-Signature=4f403a`:                                       {"app:1", away},
		`repository shop/geofence-denied: manifest unknown`:                                                         {"registry.example/shop/geofence-denied:1", missing},
		`docker.io/library/forbidden:1: not found`:                                                                  {"docker.io/library/forbidden:1", missing},
		`sha256:4034296500 : not found`:                                                                             {"app@sha256:4034296500", missing},
		`429: slow down`:                                                                                            {"app:1", limit},
		`error pulling image (status: 429)`:                                                                         {"app:1", limit},
		`Error: port 5000 of 10.0.0.1 answers nothing`:                                                              {"app:1", ": Error: port 5000 of 10.0.0.1 answers nothing"},
		`Get s3.example/b?X-Amz-Signature=4f403a: broken pipe`:                                                      {"app:1", ": Get s3.example/b"},
		`layer 3 of 403 is odd`:                                                                                     {"app:1", "odd"},
	} {
		got := diagnosis.Find(of(pod(waiting("ImagePullBackOff", said), func(p *corev1.Pod) { p.Spec.Containers[0].Image = c.image })))
		if got == nil || got.Reason != platformv1alpha1.ReasonImagePullFailed || !strings.Contains(got.Message, "Image "+c.image+" cannot be pulled") || !strings.Contains(got.Message, c.what) {
			t.Errorf("%s: got %+v, want %q", said, got, c.what)
		}
	}
	got := diagnosis.Find(of(pod(waiting("ImagePullBackOff", `Get "https://me:hunter2@s3.example/b?X-Amz-Signature=hunter2": strange`))))
	if got == nil || strings.Contains(got.Message, "hunter2") || !strings.Contains(got.Message, `Get "https://s3.example/b": strange`) {
		t.Errorf("got %+v, with what lets in whoever reads it", got)
	}
}

func TestTake_KeepsTheNewestVersionOfManyPods(t *testing.T) {
	named := func(name string, change ...func(*corev1.Pod)) corev1.Pod {
		return pod(append(change, func(p *corev1.Pod) { p.Name = name })...)
	}
	old := func(p *corev1.Pod) {
		p.Labels["pod-template-hash"], p.OwnerReferences[0].Name, p.CreationTimestamp = "4a1", "checkout-4a1", metav1.NewTime(noon.Add(-time.Hour))
	}
	e := of()
	for page := range 40 {
		var pods []corev1.Pod
		for i := range 50 {
			name := fmt.Sprintf("checkout-4a1-%d-%d", page, i)
			pods = append(pods, named(name, old, ready), named(name+"-bad", old, ended(1, "Error", 9)), named(name+"-other", func(p *corev1.Pod) { p.OwnerReferences[0].Name = "worker-1" }))
		}
		e.Take(pods)
	}
	e.Take([]corev1.Pod{named("checkout-5f9-a", ready), named("checkout-5f9-b", waiting("ImagePullBackOff", "not found")), named("checkout-5f9-c", ready)})
	e.Take(nil)
	if len(e.Pods) > 60 {
		t.Errorf("%d pods are kept", len(e.Pods))
	}
	if got := diagnosis.Find(e); got == nil || got.Reason != platformv1alpha1.ReasonImagePullFailed || got.Pod != "checkout-5f9-b" {
		t.Errorf("got %+v", got)
	}

	works := diagnosis.Evidence{Kind: "Deployment", Namespace: "shop-dev", Name: "checkout"}
	works.Take([]corev1.Pod{named("a", ready, func(p *corev1.Pod) { p.CreationTimestamp = metav1.NewTime(noon.Add(time.Hour)) })})
	works.Take([]corev1.Pod{named("b", old, ended(1, "Error", 9))})
	if got := diagnosis.Find(works); got != nil {
		t.Errorf("the version before has %+v", got)
	}
}

func TestFind_AContainerThatRunsAgain(t *testing.T) {
	// again is a container that ran for before, ended, and runs since ago, or waits where that is 0.
	again := func(restarts int32, before, ago time.Duration) diagnosis.Evidence {
		end := noon.Add(-ago - 20*time.Second)
		e := of(pod(running, func(p *corev1.Pod) {
			status := &p.Status.ContainerStatuses[0]
			status.RestartCount = restarts
			status.State.Running.StartedAt = metav1.NewTime(noon.Add(-ago))
			if ago == 0 {
				status.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}
			}
			status.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{
				ExitCode: 1, Reason: "Error", StartedAt: metav1.NewTime(end.Add(-before)), FinishedAt: metav1.NewTime(end),
			}
		}))
		e.Now = noon
		return e
	}
	const crash, probe = platformv1alpha1.ReasonCrashLoop, platformv1alpha1.ReasonProbeFailed
	for name, c := range map[string]struct {
		evidence diagnosis.Evidence
		reason   string
		final    bool
	}{
		"for two weeks after a bad hour":               {again(3, 5*time.Second, 300*time.Hour), probe, false},
		"for two weeks after two months":               {again(3, 1500*time.Hour, 300*time.Hour), probe, false},
		"slowly, after it ended early three times":     {again(3, 5*time.Second, 3*time.Minute), probe, false},
		"just now, the third time after it ended":      {again(3, 5*time.Second, 3*time.Second), crash, false},
		"just now, after it ended four times":          {again(4, 5*time.Second, 3*time.Second), crash, true},
		"for as long as before, by a liveness probe":   {again(9, 4*time.Minute, 5*time.Minute), crash, true},
		"not at all: it ended four times":              {again(3, 5*time.Second, 0), crash, true},
		"not at all: it ended three times":             {again(2, 5*time.Second, 0), crash, false},
		"not at all: it ended after two months of use": {again(9, 1500*time.Hour, 0), crash, false},
	} {
		if got := diagnosis.Find(c.evidence); got == nil || got.Reason != c.reason || got.Final != c.final {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}
