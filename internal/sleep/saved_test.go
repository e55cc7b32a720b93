package sleep_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/sleep"
)

func container(cpu, memory string) corev1.Container {
	return corev1.Container{Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory),
	}}}
}

func amount(pods int64, cpu, memory string) platformv1alpha1.SleepAmount {
	return platformv1alpha1.SleepAmount{Pods: pods, CPU: resource.MustParse(cpu), Memory: resource.MustParse(memory)}
}

func TestRequests(t *testing.T) {
	sidecar := container("50m", "64Mi")
	always := corev1.ContainerRestartPolicyAlways
	sidecar.RestartPolicy = &always
	for name, tc := range map[string]struct {
		pod  corev1.PodSpec
		want platformv1alpha1.SleepAmount
	}{
		"two containers":              {corev1.PodSpec{Containers: []corev1.Container{container("100m", "128Mi"), container("200m", "1Gi")}}, amount(1, "300m", "1152Mi")},
		"a sidecar":                   {corev1.PodSpec{Containers: []corev1.Container{container("100m", "128Mi")}, InitContainers: []corev1.Container{sidecar}}, amount(1, "150m", "192Mi")},
		"an init container that asks": {corev1.PodSpec{Containers: []corev1.Container{container("100m", "128Mi")}, InitContainers: []corev1.Container{container("1", "64Mi")}}, amount(1, "1", "128Mi")},
		"nothing":                     {corev1.PodSpec{Containers: []corev1.Container{{}}}, amount(1, "0", "0")},
	} {
		t.Run(name, func(t *testing.T) {
			got := sleep.Requests(&tc.pod)
			if got.Pods != tc.want.Pods || got.CPU.Cmp(tc.want.CPU) != 0 || got.Memory.Cmp(tc.want.Memory) != 0 {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

func TestAccount(t *testing.T) {
	now := at(t, "2026-06-01T20:00:00Z")
	status := &platformv1alpha1.EnvironmentSleepStatus{}
	sleep.Account(status, amount(3, "1500m", "6Gi"), now)
	if status.Saved != nil || status.Saving == nil || !status.Saving.Since.Time.Equal(now) {
		t.Fatalf("it falls asleep with %+v", status)
	}
	before := status.DeepCopy()
	sleep.Account(status, amount(3, "1.5", "6144Mi"), now.Add(time.Hour))
	if !status.Saving.Since.Equal(before.Saving.Since) || status.Saved != nil {
		t.Fatalf("nothing changed, and it says %+v", status)
	}
	sleep.Account(status, amount(4, "2", "8Gi"), now.Add(90*time.Minute)) // a Release in the night
	if *status.Saved != (platformv1alpha1.SleepSaved{PodHours: "4.500", CPUHours: "2.250", MemoryGiBHours: "9.000"}) {
		t.Fatalf("after 90 minutes it saved %+v", status.Saved)
	}
	sleep.Account(status, platformv1alpha1.SleepAmount{}, now.Add(12*time.Hour+time.Second))
	if *status.Saved != (platformv1alpha1.SleepSaved{PodHours: "46.501", CPUHours: "23.250", MemoryGiBHours: "93.002"}) || status.Saving != nil {
		t.Fatalf("in the morning it saved %+v, and saves %+v", status.Saved, status.Saving)
	}
	sleep.Account(status, platformv1alpha1.SleepAmount{}, now.Add(20*time.Hour))
	if status.Saved.PodHours != "46.501" {
		t.Errorf("by day it saved %+v", status.Saved)
	}
}
