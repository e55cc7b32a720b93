package render

import (
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// pausedReplicas has KEDA keep a number of pods, and scale nothing.
const pausedReplicas = "autoscaling.keda.sh/paused-replicas"

// sleepers are the kinds that sleep, and how each is put to sleep: it returns what the object goes back to.
var sleepers = map[schema.GroupKind]func(object map[string]any, replicas func() (int64, bool)) string{
	{Group: "apps", Kind: "Deployment"}:      stopPods,
	{Group: "apps", Kind: "StatefulSet"}:     stopSet,
	{Group: "batch", Kind: "CronJob"}:        suspend,
	{Group: "keda.sh", Kind: "ScaledObject"}: pause,
}

// Sleeps says whether objects of a kind sleep with their environment.
func Sleeps(kind schema.GroupKind) bool { return sleepers[kind] != nil }

// Sleep puts objects that were rendered to sleep: workloads have no pods, and CronJobs are suspended. Nothing that pods
// are made of changes, so that the same pods come back. replicas tells how many pods a workload runs whose number the
// template leaves to others, such as an autoscaler, as far as that is known.
func Sleep(objects []Object, replicas func(Object) (int64, bool)) {
	for i := range objects {
		o := &objects[i]
		put := sleepers[o.Object.GroupVersionKind().GroupKind()]
		if put == nil {
			continue
		}
		awake := put(o.Object.Object, func() (int64, bool) { return replicas(*o) })
		o.Awake = &awake
	}
}

// stopPods takes its pods from a workload.
func stopPods(object map[string]any, replicas func() (int64, bool)) string {
	awake := ""
	if set, found, err := unstructured.NestedInt64(object, "spec", "replicas"); found && err == nil {
		awake = strconv.FormatInt(set, 10)
	} else if running, known := replicas(); known {
		awake = strconv.FormatInt(running, 10)
	}
	_ = unstructured.SetNestedField(object, int64(0), "spec", "replicas") // a spec that is no object was refused before
	return awake
}

// stopSet does so for a StatefulSet, and keeps its claims: one whose policy deletes claims when it is scaled down would
// wake without its data.
func stopSet(object map[string]any, replicas func() (int64, bool)) string {
	const policy, scaled = "persistentVolumeClaimRetentionPolicy", "whenScaled"
	if when, _, _ := unstructured.NestedString(object, "spec", policy, scaled); when == "Delete" {
		_ = unstructured.SetNestedField(object, "Retain", "spec", policy, scaled)
	}
	return stopPods(object, replicas)
}

// suspend keeps a CronJob from starting anything. What it has started goes on to its end.
func suspend(object map[string]any, _ func() (int64, bool)) string {
	suspended, _, _ := unstructured.NestedBool(object, "spec", "suspend")
	_ = unstructured.SetNestedField(object, true, "spec", "suspend")
	return strconv.FormatBool(suspended)
}

// pause keeps KEDA from giving its target pods when something triggers it. An autoscaler of Kubernetes needs nothing:
// it leaves a target without pods alone.
func pause(object map[string]any, _ func() (int64, bool)) string {
	if _, paused, _ := unstructured.NestedString(object, "metadata", "annotations", pausedReplicas); paused {
		return "paused"
	}
	_ = unstructured.SetNestedField(object, "0", "metadata", "annotations", pausedReplicas)
	return "running"
}
