package readiness

import "k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

// deployment is ready once its roll-out is complete and it has its minimum of replicas. kstatus
// asks for every replica at any time, so that one pod lost of a hundred would make it unready, and
// never calls a paused Deployment current.
func deployment(object map[string]any) outcome {
	if waiting, ok := unobserved(object); ok {
		return waiting
	}
	want := wanted(object)
	updated := count(object, "status", "updatedReplicas")
	available := count(object, "status", "availableReplicas")
	all := count(object, "status", "replicas")

	progress, _ := findCondition(object, "Progressing")
	if progress.reason == "ProgressDeadlineExceeded" {
		return failed("the roll-out exceeded its deadline of %d seconds: %d of %d replicas updated, %d available%s",
			count(object, "spec", "progressDeadlineSeconds"), updated, want, available, notCreated(object))
	}
	enough, _ := findCondition(object, "Available")
	complete := progress.reason == "NewReplicaSetAvailable" && all == updated
	if paused, _ := field(object, "spec", "paused").(bool); paused {
		if updated < want || all > updated {
			return progressing("paused with %d of %d replicas updated; resume it to go on", updated, want)
		}
		complete = true
	}
	switch {
	case complete && enough.status == "True":
		return ready("%d of %d replicas available", available, want)
	case updated < want:
		return progressing("%d of %d replicas updated%s", updated, want, notCreated(object))
	case all > updated:
		return progressing("%d of %d replicas updated, %d old to go", updated, want, all-updated)
	}
	return progressing("%d of %d replicas available%s", available, want, notCreated(object))
}

// NotCreated returns what the controller of a workload says of pods that the API server refuses: a quota, pod security,
// a missing account; empty where it says nothing. StatefulSets and Jobs say it in events only.
func NotCreated(live *unstructured.Unstructured) string {
	if failure, _ := findCondition(live.Object, "ReplicaFailure"); failure.status == "True" {
		return failure.message
	}
	return ""
}

func notCreated(object map[string]any) string {
	if why := NotCreated(&unstructured.Unstructured{Object: object}); why != "" {
		return ": " + why
	}
	return ""
}

// statefulSet is ready when every replica is updated and available. kstatus takes one that updates
// on delete for current always.
func statefulSet(object map[string]any) outcome {
	if waiting, ok := unobserved(object); ok {
		return waiting
	}
	want := wanted(object)
	updated := count(object, "status", "updatedReplicas")
	available := count(object, "status", "availableReplicas")
	all := count(object, "status", "replicas")
	mustUpdate := max(want-count(object, "spec", "updateStrategy", "rollingUpdate", "partition"), 0)
	if onDelete(object) {
		mustUpdate = 0
	}
	switch {
	case updated < mustUpdate:
		return progressing("%d of %d replicas updated, %d available", updated, mustUpdate, available)
	case available < want:
		return progressing("%d of %d replicas available", available, want)
	case all > want:
		return progressing("%d replicas wanted, %d more to go", want, all-want)
	}
	return ready("%d of %d replicas available", available, want)
}

// daemonSet is ready when every node that should run it does, in the newest version.
func daemonSet(object map[string]any) outcome {
	if waiting, ok := unobserved(object); ok {
		return waiting
	}
	want := count(object, "status", "desiredNumberScheduled")
	updated := count(object, "status", "updatedNumberScheduled")
	available := count(object, "status", "numberAvailable")
	switch {
	case updated < want && !onDelete(object):
		return progressing("%d of %d pods updated, %d available", updated, want, available)
	case available < want:
		return progressing("%d of %d pods available", available, want)
	}
	return ready("%d of %d pods available", available, want)
}

func replicaSet(object map[string]any) outcome {
	if waiting, ok := unobserved(object); ok {
		return waiting
	}
	want := wanted(object)
	available := count(object, "status", "availableReplicas")
	if all := count(object, "status", "replicas"); available < want || all > want {
		return progressing("%d of %d replicas available%s", available, want, notCreated(object))
	}
	return ready("%d of %d replicas available", available, want)
}

// job is ready when it completed. kstatus takes a running one for current.
func job(object map[string]any) outcome {
	if failure, _ := findCondition(object, "Failed"); failure.status == "True" {
		return failed("the job failed: %s: %s", failure.reason, failure.message)
	}
	if complete, _ := findCondition(object, "Complete"); complete.status == "True" {
		return ready("completed")
	}
	if suspended, _ := field(object, "spec", "suspend").(bool); suspended {
		return progressing("suspended, until a person or a queue lets it run")
	}
	parallelism, ok := number(object, "spec", "parallelism")
	if !ok {
		parallelism = 1
	}
	want, ok := number(object, "spec", "completions")
	if !ok {
		want = parallelism
	}
	return progressing("%d of %d completions, %d pods running, %d failed",
		count(object, "status", "succeeded"), want, count(object, "status", "active"), count(object, "status", "failed"))
}

// cronJob is ready as soon as it exists. How its last run went is not how the Release is, and the
// message must not change with every run.
func cronJob(object map[string]any) outcome {
	if suspended, _ := field(object, "spec", "suspend").(bool); suspended {
		return ready("suspended")
	}
	return ready("scheduled")
}

// unobserved tells that the controller of a workload has not looked at it at all.
func unobserved(object map[string]any) (outcome, bool) {
	if _, ok := number(object, "status", "observedGeneration"); ok {
		return outcome{}, false
	}
	return progressing("its controller has not seen it yet"), true
}

// wanted is spec.replicas with its default.
func wanted(object map[string]any) int64 {
	if replicas, ok := number(object, "spec", "replicas"); ok {
		return replicas
	}
	return 1
}

func onDelete(object map[string]any) bool {
	return text(object, "spec", "updateStrategy", "type") == "OnDelete"
}
