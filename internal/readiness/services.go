package readiness

import "strings"

// service is ready at once, but for a load balancer, which clients cannot reach before it has an
// address; kstatus does not look at that.
func service(object map[string]any) outcome {
	if text(object, "spec", "type") != "LoadBalancer" {
		return ready("")
	}
	addresses, _ := field(object, "status", "loadBalancer", "ingress").([]any)
	if len(addresses) == 0 {
		return progressing("the load balancer has no address yet")
	}
	return ready("")
}

// claim is ready when it is bound. One that nobody provisions is waiting for its first pod (the
// binding mode WaitForFirstConsumer shows in nothing else), and must not hold up a Release whose
// first pod is a nightly job's. Where a pod does wait for it, that pod's workload is not ready.
func claim(object map[string]any) outcome {
	annotations, _ := field(object, "metadata", "annotations").(map[string]any)
	provisioner, _ := annotations["volume.kubernetes.io/storage-provisioner"].(string)
	switch phase := text(object, "status", "phase"); {
	case phase == "Bound":
		return ready("bound")
	case phase == "Lost":
		return failed("the volume %q of the claim is lost", text(object, "spec", "volumeName"))
	case provisioner != "":
		return progressing("%s is provisioning the volume", provisioner)
	case phase == "":
		return progressing("the claim has not been looked at yet")
	}
	return ready("not bound: waits for the first pod that uses it")
}

// autoscaler is ready unless it cannot scale its target at all. Without metrics it holds the
// replicas where they are: worth a message, but not worth holding up a Release, since the service
// runs and the metrics may be missing for the whole cluster.
func autoscaler(object map[string]any) outcome {
	if able, found := findCondition(object, "AbleToScale"); found && able.status == "False" {
		return progressing("cannot scale its target: %s: %s", able.reason, able.message)
	}
	active, found := findCondition(object, "ScalingActive")
	if found && active.status == "False" && active.reason != "ScalingDisabled" {
		return ready("not scaling: %s", active.reason)
	}
	return ready("")
}

// disruptionBudget is ready unless its controller cannot compute it. That it allows no disruption
// now says nothing about the Release.
func disruptionBudget(object map[string]any) outcome {
	if allowed, _ := findCondition(object, "DisruptionAllowed"); allowed.reason == "SyncFailed" {
		return progressing("the budget cannot be computed: %s", allowed.message)
	}
	return ready("")
}

// route is ready when each of its parents accepted it and resolved its references. kstatus knows
// nothing of routes.
func route(object map[string]any) outcome {
	wanted, _ := field(object, "spec", "parentRefs").([]any)
	parents, _ := field(object, "status", "parents").([]any)
	generation, _ := number(object, "metadata", "generation")
	accepted := 0
	for _, item := range parents {
		parent, _ := item.(map[string]any)
		gateway := text(parent, "parentRef", "name")
		acceptance, found := conditionIn(parent["conditions"], "Accepted")
		if !found || acceptance.stale(generation) {
			continue
		}
		if acceptance.status != "True" {
			explain := "gateway " + gateway + " does not accept the route: " + acceptance.reason + ": " + acceptance.message
			// A parent that is not there yet may come by itself; a refusal stays one.
			if acceptance.status == "Unknown" || acceptance.reason == "Pending" || strings.HasPrefix(acceptance.reason, "NoMatchingParent") {
				return progressing("%s", explain)
			}
			return failed("%s", explain)
		}
		resolved, found := conditionIn(parent["conditions"], "ResolvedRefs")
		if found && !resolved.stale(generation) && resolved.status != "True" {
			return progressing("gateway %s does not find what the route leads to: %s: %s", gateway, resolved.reason, resolved.message)
		}
		accepted++
	}
	if accepted == 0 || accepted < len(wanted) {
		return progressing("accepted by %d of %d gateways", accepted, max(len(wanted), 1))
	}
	return ready("accepted by %d of %d gateways", accepted, max(len(wanted), 1))
}
