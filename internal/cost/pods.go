package cost

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	resourcehelper "k8s.io/component-helpers/resource"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// podOf reads from a pod template what decides what its pods cost. What the API server would fill in is filled in: a limit
// stands for a request that is missing.
func podOf(template map[string]any, path string) (*corev1.Pod, error) {
	spec := mapAt(template, "spec")
	pod := &corev1.Pod{}
	var err error
	if pod.Spec.Containers, err = containers(mapsAt(spec, "containers"), path+".containers"); err != nil {
		return nil, err
	}
	if pod.Spec.InitContainers, err = containers(mapsAt(spec, "initContainers"), path+".initContainers"); err != nil {
		return nil, err
	}
	if pod.Spec.Overhead, err = quantities(mapAt(spec, "overhead"), path+".overhead"); err != nil {
		return nil, err
	}
	if resources := mapAt(spec, "resources"); resources != nil {
		requirements, err := requests(resources, path+".resources")
		if err != nil {
			return nil, err
		}
		pod.Spec.Resources = &requirements
	}
	pod.Labels = textsAt(template, "metadata", "labels")
	pod.Spec.NodeSelector = textsAt(spec, "nodeSelector")
	if class := textAt(spec, "runtimeClassName"); class != "" {
		pod.Spec.RuntimeClassName = &class
	}
	return pod, nil
}

func containers(list []map[string]any, path string) ([]corev1.Container, error) {
	if len(list) == 0 {
		return nil, nil
	}
	found := make([]corev1.Container, len(list))
	for i, container := range list {
		found[i].Name = textAt(container, "name")
		if policy := corev1.ContainerRestartPolicy(textAt(container, "restartPolicy")); policy != "" {
			found[i].RestartPolicy = &policy
		}
		var err error
		if found[i].Resources, err = requests(mapAt(container, "resources"), fmt.Sprintf("%s[%d].resources", path, i)); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// requests reads what is requested. Limits stand in for requests that are missing, as the API server has it.
func requests(resources map[string]any, path string) (corev1.ResourceRequirements, error) {
	requested, err := quantities(mapAt(resources, "requests"), path+".requests")
	if err != nil {
		return corev1.ResourceRequirements{}, err
	}
	for name, value := range mapAt(resources, "limits") {
		if _, ok := requested[corev1.ResourceName(name)]; ok {
			continue
		}
		if requested == nil {
			requested = corev1.ResourceList{}
		}
		if requested[corev1.ResourceName(name)], err = quantityOf(value, path+".limits."+name); err != nil {
			return corev1.ResourceRequirements{}, err
		}
	}
	return corev1.ResourceRequirements{Requests: requested}, nil
}

// missing names the containers that run without a request of CPU or memory.
func missing(pod *corev1.Pod) []string {
	var texts []string
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		if r := pod.Spec.Resources; r != nil {
			if _, ok := r.Requests[name]; ok {
				continue
			}
		}
		var without []string
		for i := range pod.Spec.Containers {
			if _, ok := pod.Spec.Containers[i].Resources.Requests[name]; !ok {
				without = append(without, pod.Spec.Containers[i].Name)
			}
		}
		for i := range pod.Spec.InitContainers {
			c := &pod.Spec.InitContainers[i]
			if _, ok := c.Resources.Requests[name]; !ok && c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
				without = append(without, c.Name)
			}
		}
		if len(without) > 0 {
			texts = append(texts, fmt.Sprintf("%s requests no %s, which counts as none", strings.Join(without, ", "), name))
		}
	}
	return texts
}

// pods prices one pod of a template, whose spec is at a path: what it takes while it runs. The parts are of one pod all the
// time.
func (e *estimator) pods(o *Object, template map[string]any, path string) ([]Part, error) {
	pod, err := podOf(template, path)
	if err != nil {
		return nil, err
	}
	tier := e.in.Tier
	if own := platformv1alpha1.Tier(pod.Labels[platformv1alpha1.LabelTier]); own != "" {
		tier = own
	}
	scope := e.in.Prices.In(tier, pod.Spec.NodeSelector)
	o.Pool = scope.Pool
	o.Assumptions = append(o.Assumptions, missing(pod)...)
	if pod.Spec.RuntimeClassName != nil && pod.Spec.Overhead == nil {
		o.Assumptions = append(o.Assumptions, fmt.Sprintf("the overhead of the RuntimeClass %s is not known, and counts as none", *pod.Spec.RuntimeClassName))
	}
	var parts []Part
	for name, q := range resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{}) {
		switch {
		case q.IsZero():
		case name == corev1.ResourceCPU:
			parts = e.priced(parts, o, scope, Item{CPU, ""}, exactly(cores(q)))
		case name == corev1.ResourceMemory, strings.HasPrefix(string(name), corev1.ResourceHugePagesPrefix):
			parts = e.priced(parts, o, scope, Item{Memory, ""}, exactly(gib(q)))
		case strings.Contains(string(name), "/"):
			parts = e.extended(parts, o, scope, pod, string(name), pieces(q))
		}
	}
	if parts, err = e.claimed(parts, o, scope, mapAt(template, "spec")); err != nil {
		return nil, err
	}
	return e.ephemeral(parts, o, scope, template, path)
}

// ephemeral prices the volumes that each pod gets for itself, and that go with it.
func (e *estimator) ephemeral(parts []Part, o *Object, scope Scope, template map[string]any, path string) ([]Part, error) {
	for i, volume := range mapsAt(template, "spec", "volumes") {
		claim := mapAt(volume, "ephemeral", "volumeClaimTemplate")
		if claim == nil {
			continue
		}
		amount, class, err := volumeOf(mapAt(claim, "spec"), fmt.Sprintf("%s.volumes[%d].ephemeral.volumeClaimTemplate.spec", path, i))
		if err != nil {
			return nil, err
		}
		parts = e.priced(parts, o, scope, Item{Storage, class}, exactly(amount))
	}
	return parts, nil
}

// times has so many pods of so much of the time.
func times(parts []Part, pods Range) []Part {
	for i := range parts {
		p := &parts[i]
		p.Amount, p.Hourly = p.Amount.times(pods).round(), p.Hourly.times(pods).round()
	}
	return parts
}
