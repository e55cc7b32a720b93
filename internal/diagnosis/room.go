package diagnosis

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	resourcehelper "k8s.io/component-helpers/resource"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/lazyregexp"
)

// unscheduled says why no node takes a pod.
func unscheduled(pod *corev1.Pod) *Cause {
	c := condition(pod, corev1.PodScheduled)
	if c == nil || c.Status != corev1.ConditionFalse {
		return nil
	}
	if c.Reason == corev1.PodReasonSchedulingGated {
		return &Cause{
			Reason: platformv1alpha1.ReasonUnschedulable, depth: depthRoom,
			Message: fmt.Sprintf("Pod %s waits for its turn: %s", pod.Name, gates(pod)),
			Next:    "Wait: whoever set the gate takes it off",
		}
	}
	if c.Message == "" {
		return nil // the scheduler has not said why
	}
	// What follows says whom it would have to push out.
	lacking, _, _ := strings.Cut(c.Message, " preemption: ")
	lacking = strings.TrimRight(lacking, ". ")
	if strings.Contains(lacking, "persistentvolumeclaim") || strings.Contains(lacking, "PersistentVolumeClaim") || strings.Contains(lacking, "volume node affinity") ||
		strings.Contains(lacking, "persistent volumes to bind") {
		return &Cause{
			Reason: platformv1alpha1.ReasonVolumeUnavailable, depth: depthVolume,
			Message: fmt.Sprintf("Pod %s has no volume: %s", pod.Name, lacking),
			Next:    fmt.Sprintf("See what its claims wait for: kubectl -n %s describe pvc", pod.Namespace),
		}
	}
	return &Cause{
		Reason: platformv1alpha1.ReasonUnschedulable, depth: depthRoom,
		Message: fmt.Sprintf("No node takes pod %s, which asks for %s: %s", pod.Name, requests(pod), lacking),
		Next:    "Ask for less by parameters of the golden path, or have the platform team add nodes",
	}
}

func gates(pod *corev1.Pod) string {
	names := make([]string, 0, len(pod.Spec.SchedulingGates))
	for _, gate := range pod.Spec.SchedulingGates {
		names = append(names, gate.Name)
	}
	return "gate " + strings.Join(names, ", ")
}

// requests are what a pod asks a node for, in words.
func requests(pod *corev1.Pod) string {
	asked := resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{})
	words := func(name corev1.ResourceName, what string) string {
		q, ok := asked[name]
		if !ok {
			q = resource.Quantity{}
		}
		return q.String() + " " + what
	}
	return words(corev1.ResourceCPU, "CPU") + " and " + words(corev1.ResourceMemory, "memory")
}

// evicted says why the node ended a pod.
func evicted(pod *corev1.Pod) *Cause {
	return &Cause{
		Reason: platformv1alpha1.ReasonEvicted, depth: depthRoom,
		Message: fmt.Sprintf("Pod %s was evicted from its node: %s", pod.Name, strings.TrimRight(pod.Status.Message, ". ")),
		Next:    "Ask for as much as it needs by parameters of the golden path: what asks for less than it uses is evicted first",
	}
}

// unmounted says which volume a pod waits for.
func unmounted(pod *corev1.Pod, events []corev1.Event) *Cause {
	for _, status := range pod.Status.ContainerStatuses {
		if status.State.Waiting == nil || status.State.Waiting.Reason != "ContainerCreating" {
			return nil
		}
	}
	message := newest(events, "FailedMount", "FailedAttachVolume", "FailedMapVolume")
	if message == "" {
		return nil
	}
	if found := noVolumeSource().FindStringSubmatch(message); found != nil {
		kind := map[string]string{"secret": "Secret", "configmap": "ConfigMap"}[found[1]]
		cause := &Cause{
			Reason: platformv1alpha1.ReasonConfigurationMissing, depth: depthConfiguration,
			Message: fmt.Sprintf("%s %s does not exist in namespace %s, and pod %s mounts it", kind, found[2], pod.Namespace, pod.Name),
			Next:    "Make it: the pod is started as soon as it is there",
		}
		return cause
	}
	return &Cause{
		Reason: platformv1alpha1.ReasonVolumeUnavailable, depth: depthVolume,
		Message: fmt.Sprintf("A volume of pod %s cannot be mounted: %s", pod.Name, message),
		Next:    fmt.Sprintf("See its claims: kubectl -n %s describe pvc", pod.Namespace),
	}
}

// noVolumeSource is how pkg/volume/{secret,configmap} of Kubernetes end.
var noVolumeSource = lazyregexp.New(`(secret|configmap) "([^"]+)" not found$`)

// unhealthy says which probe does not pass.
func unhealthy(pod *corev1.Pod, events []corev1.Event) *Cause {
	for i := range pod.Status.ContainerStatuses {
		status := &pod.Status.ContainerStatuses[i]
		if status.State.Running == nil || status.Ready {
			continue
		}
		kind, probe := waitsFor(pod, status)
		if probe == nil {
			continue
		}
		cause := &Cause{
			Reason: platformv1alpha1.ReasonProbeFailed, depth: depthProbe, Container: status.Name,
			Message: fmt.Sprintf("Container %s runs, and its %s probe (%s) does not pass", status.Name, kind, describe(probe)),
			Next:    fmt.Sprintf("Have it answer there, or correct the probe by parameters of the golden path; what it says: kubectl -n %s logs %s -c %s", pod.Namespace, pod.Name, status.Name),
		}
		if said := probeSays(status.Name, kind, probe, events); said != "" {
			cause.Message += ": " + said
		}
		return cause
	}
	return nil
}

// waitsFor returns the probe that a container that runs has not passed.
func waitsFor(pod *corev1.Pod, status *corev1.ContainerStatus) (string, *corev1.Probe) {
	for i := range pod.Spec.Containers {
		c := &pod.Spec.Containers[i]
		switch {
		case c.Name != status.Name:
		case c.StartupProbe != nil && (status.Started == nil || !*status.Started):
			return "startup", c.StartupProbe
		default:
			return "readiness", c.ReadinessProbe
		}
	}
	return "", nil
}

// describe names what a probe asks.
func describe(probe *corev1.Probe) string {
	switch {
	case probe.HTTPGet != nil:
		return "GET " + probe.HTTPGet.Path + " on port " + probe.HTTPGet.Port.String()
	case probe.TCPSocket != nil:
		return "a connection to port " + probe.TCPSocket.Port.String()
	case probe.GRPC != nil:
		return fmt.Sprintf("gRPC health on port %d", probe.GRPC.Port)
	case probe.Exec != nil:
		return "a command"
	}
	return "of a kind not known"
}

// What the kubelet says of a probe that a process has no say in: of HTTP and gRPC the status, and of connections how they
// end. What else an event has may be what a command printed, or what a server sent.
var probeWords = lazyregexp.New(`HTTP probe failed with statuscode: \d+$|service unhealthy \(responded with "[A-Z_]+"\)$|failed to connect service\b|` +
	`connection refused$|connection reset by peer$|no such host$|i/o timeout$|context deadline exceeded\b|\bEOF$|server gave HTTP response to HTTPS client$`)

// probeSays is the newest that the kubelet says of a probe of a container, empty for nothing that can be passed on.
func probeSays(container, kind string, probe *corev1.Probe, events []corev1.Event) string {
	if probe.Exec != nil {
		return "" // it says what the command printed
	}
	events = slices.DeleteFunc(slices.Clone(events), func(e corev1.Event) bool {
		at := e.InvolvedObject.FieldPath
		return !strings.HasPrefix(strings.ToLower(e.Message), kind+" probe failed: ") || at != "" && at != "spec.containers{"+container+"}"
	})
	return probeWords().FindString(strings.TrimSpace(newest(events, "Unhealthy")))
}
