// Package diagnosis finds why a workload does not become ready: the first cause, and not the last symptom, with what
// to do about it. It is pure. It says nothing of what a process logged, and reads no values of Secrets.
//
// What it reads are the states and messages of the kubelet, the scheduler and the controllers of workloads. Their
// texts are no API: where one is not known, it is passed on as it is.
package diagnosis

import (
	"cmp"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Cause is why a workload is not ready.
type Cause struct {
	// Reason is one of the condition reasons of a Release, each with a runbook.
	Reason string
	// Message is one sentence that names what is concerned, without a full stop.
	Message string
	// Next is what helps: one sentence or command, without a full stop.
	Next string
	// Final says that waiting does not help: somebody must change something.
	Final bool
	// Pod and Container are where the cause shows; empty where there is no pod, or where it is no container's.
	Pod, Container string
	// Ended says that the container ran and ended: what it logged before tells more.
	Ended bool

	// depth orders the causes of several pods: what concerns the version itself goes before what concerns the room
	// for it.
	depth int
}

// Evidence is what is known of a workload.
type Evidence struct {
	// Kind, Namespace and Name of the workload.
	Kind, Namespace, Name string
	// NotCreated is the message of the workload's controller about pods that it cannot make; empty for none.
	NotCreated string
	// Pods that may be the workload's, ready ones too. Those of other workloads, and of older versions of it, are left
	// out.
	Pods []corev1.Pod
	// Events are warnings about the pods and about the workload, in any order; they may be missing.
	Events []corev1.Event
	// Now is when all of this was read: how long a container has run goes by it.
	Now time.Time
}

// maxTroubled is how many pods that are not ready are kept of one version of a workload: most have the same trouble.
const maxTroubled = 50

// Take adds pods that were read, one page of them say, and keeps what Find goes by: of each version of the workload the
// pod that was made last, and some of those that are not ready. However many pods there are, few are held.
func (e *Evidence) Take(pods []corev1.Pod) {
	all := slices.Concat(e.Pods, pods)
	last, troubled := map[string]int{}, map[string]int{}
	for i := range all {
		pod := &all[i]
		if j, ok := last[template(pod)]; e.counts(pod) && (!ok || later(pod, &all[j])) {
			last[template(pod)] = i
		}
	}
	kept := make([]corev1.Pod, 0, len(e.Pods)+maxTroubled)
	for i := range all {
		pod := &all[i]
		if !e.counts(pod) {
			continue
		}
		if !isReady(pod) {
			troubled[template(pod)]++
		}
		if last[template(pod)] == i || !isReady(pod) && troubled[template(pod)] <= maxTroubled {
			kept = append(kept, *pod)
		}
	}
	e.Pods = kept
}

// Depths of causes, the first one first.
const (
	depthImage = iota
	depthConfiguration
	depthStart
	depthEnd
	depthVolume
	depthRoom
	depthProbe
)

// Find returns the first cause, nil where nothing tells one.
func Find(e Evidence) *Cause {
	var causes []*Cause
	for _, pod := range e.current() {
		if isReady(pod) {
			continue
		}
		if cause := ofPod(pod, about(e.Events, "Pod", pod.Name), e.Now); cause != nil {
			cause.Pod = pod.Name
			causes = append(causes, cause)
		}
	}
	if len(causes) > 0 {
		return slices.MinFunc(causes, func(a, b *Cause) int {
			return cmp.Or(cmp.Compare(a.depth, b.depth), cmp.Compare(a.Pod, b.Pod))
		})
	}
	message := e.NotCreated
	if message == "" {
		message = newest(about(e.Events, e.Kind, e.Name), "FailedCreate")
	}
	if message != "" {
		return notCreated(e.Namespace, message)
	}
	return nil
}

// current returns the pods of the workload's newest version: those that are made from the same template as the pod
// that was made last. While a version is rolled out, what was wrong with the one before still shows in its pods.
func (e *Evidence) current() []*corev1.Pod {
	var pods []*corev1.Pod
	var last *corev1.Pod
	for i := range e.Pods {
		pod := &e.Pods[i]
		if !e.counts(pod) {
			continue
		}
		pods = append(pods, pod)
		if last == nil || later(pod, last) {
			last = pod
		}
	}
	return slices.DeleteFunc(pods, func(pod *corev1.Pod) bool { return template(pod) != template(last) })
}

// counts says whether a pod is the workload's, and stays.
func (e *Evidence) counts(pod *corev1.Pod) bool { return pod.DeletionTimestamp.IsZero() && e.owns(pod) }

// later says whether a pod was made after another one. Times are of whole seconds: of two that are the same, the
// version that works is the older one.
func later(pod, than *corev1.Pod) bool {
	if pod.CreationTimestamp.Equal(&than.CreationTimestamp) {
		return isReady(than) && !isReady(pod)
	}
	return than.CreationTimestamp.Before(&pod.CreationTimestamp)
}

// owns says whether a pod is the workload's: directly, or by a ReplicaSet or Job that is named after it.
func (e *Evidence) owns(pod *corev1.Pod) bool {
	owner := metav1.GetControllerOf(pod)
	if owner == nil {
		return true // nothing says otherwise
	}
	switch owner.Kind {
	case e.Kind:
		return owner.Name == e.Name
	case "ReplicaSet":
		return owner.Name == e.Name+"-"+pod.Labels[appsv1.DefaultDeploymentUniqueLabelKey]
	case "Job":
		return strings.HasPrefix(owner.Name, e.Name+"-")
	}
	return true
}

// template tells pods of one version of a workload from those of another.
func template(pod *corev1.Pod) string {
	return pod.Labels[appsv1.DefaultDeploymentUniqueLabelKey] + pod.Labels[appsv1.ControllerRevisionHashLabelKey]
}

// ofPod returns the first cause of one pod that is not ready.
func ofPod(pod *corev1.Pod, events []corev1.Event, now time.Time) *Cause {
	if pod.Status.Phase == corev1.PodFailed && pod.Status.Reason == "Evicted" {
		return evicted(pod)
	}
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if cause := ofContainer(pod, &status, now); cause != nil {
			cause.Container = status.Name
			return cause
		}
	}
	if cause := unscheduled(pod); cause != nil {
		return cause
	}
	if cause := unmounted(pod, events); cause != nil {
		return cause
	}
	return unhealthy(pod, events)
}

func isReady(pod *corev1.Pod) bool {
	if pod.Status.Phase == corev1.PodSucceeded {
		return true
	}
	c := condition(pod, corev1.PodReady)
	return c != nil && c.Status == corev1.ConditionTrue
}

func condition(pod *corev1.Pod, kind corev1.PodConditionType) *corev1.PodCondition {
	for i := range pod.Status.Conditions {
		if pod.Status.Conditions[i].Type == kind {
			return &pod.Status.Conditions[i]
		}
	}
	return nil
}

// about returns the events about one object.
func about(events []corev1.Event, kind, name string) []corev1.Event {
	var found []corev1.Event
	for i := range events {
		if o := &events[i].InvolvedObject; o.Kind == kind && o.Name == name {
			found = append(found, events[i])
		}
	}
	return found
}

// newest returns the message of the newest event of the given reasons, empty for none.
func newest(events []corev1.Event, reasons ...string) string {
	message, at := "", int64(-1)
	for i := range events {
		e := &events[i]
		last := max(e.LastTimestamp.Unix(), e.EventTime.Unix(), e.CreationTimestamp.Unix(), 0)
		if e.Series != nil {
			last = max(last, e.Series.LastObservedTime.Unix())
		}
		if slices.Contains(reasons, e.Reason) && last > at {
			message, at = e.Message, last
		}
	}
	return message
}
