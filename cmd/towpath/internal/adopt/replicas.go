package adopt

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// replicasPath is where a workload says how many pods it has.
const replicasPath = "spec.replicas"

// replicasOf is how many pods a workload asks for; not ok where it does not say.
func replicasOf(workload *unstructured.Unstructured) (count int64, ok bool) {
	if workload.GetKind() == "CronJob" {
		return 0, false
	}
	count, ok, err := unstructured.NestedInt64(workload.Object, "spec", "replicas")
	return count, ok && err == nil
}

// intendReplicas takes the number of pods that live as what is wanted, whoever owns it. An autoscaler that is gone,
// `kubectl scale` or nobody may: all the same these pods carry the load. Where one that stays sets it, the golden path
// leaves it alone, so that it counts for nothing.
func (f *fitter) intendReplicas() {
	count, ok := replicasOf(f.in.Workload)
	if !ok {
		return
	}
	spec, ok := f.intents[0]["spec"].(map[string]any)
	if !ok {
		spec = map[string]any{}
		f.intents[0]["spec"] = spec
	}
	spec["replicas"] = count
}

// farReplicas bounds what a wrong number of pods costs: an autoscaler that nobody asked for costs more.
const farReplicas = newCost - changedCost - 1

// distance is what another number of pods costs besides: few too many are better than many.
func distance(d *Difference) int {
	found, isCount := d.Found.(int64)
	golden, too := d.Golden.(int64)
	if d.Path != replicasPath || !isCount || !too {
		return 0
	}
	return int(min(max(found-golden, golden-found), farReplicas))
}

// scaled names that the first new version changes how many pods run: somebody must decide that.
func (f *fitter) scaled(best *outcome) {
	live, ok := replicasOf(f.in.Workload)
	if !ok {
		return
	}
	golden := best.objects[best.pairs[0].object].Object
	why := ""
	if count, set := replicasOf(golden); set && count != live {
		why = fmt.Sprintf("the first new version runs %d", count)
	} else if least, most, by := autoscaled(best, golden); !set && by != "" && (live < least || live > most) {
		why = fmt.Sprintf("%s of the golden path keeps between %d and %d", by, least, most)
	}
	if why == "" {
		return
	}
	if live == 0 {
		why = "no pod runs now, and the golden path does not say so: " + why + "; decide how many, and set the golden path's parameter"
	} else {
		why = "so many pods run now, and " + why + "; set the golden path's parameter for it, or have the golden path changed"
	}
	at := title(f.in.Workload)
	f.unmapped = slices.DeleteFunc(f.unmapped, func(u Unmapped) bool { return u.Object == at && u.Path == replicasPath })
	f.leave(f.in.Workload, replicasPath, live, why)
}

// autoscaled is between how many pods the golden path's autoscaler keeps a workload, and what that is; empty for none.
func autoscaled(best *outcome, workload *unstructured.Unstructured) (least, most int64, by string) {
	for i := range best.objects {
		o := best.objects[i].Object
		name, _, _ := unstructured.NestedString(o.Object, "spec", "scaleTargetRef", "name")
		if name != workload.GetName() {
			continue
		}
		switch o.GetKind() {
		case "HorizontalPodAutoscaler":
			return bound(o, "minReplicas", 1), bound(o, "maxReplicas", 0), title(o)
		case "ScaledObject":
			return bound(o, "minReplicaCount", 0), bound(o, "maxReplicaCount", 100), title(o)
		}
	}
	return 0, 0, ""
}

func bound(autoscaler *unstructured.Unstructured, field string, otherwise int64) int64 {
	if value, ok, err := unstructured.NestedInt64(autoscaler.Object, "spec", field); ok && err == nil {
		return value
	}
	return otherwise
}
