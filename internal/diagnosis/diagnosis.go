// Package diagnosis finds in the state of pods why a workload does not become ready, and says what to do. It
// is pure, and reads neither logs nor the values of Secrets.
package diagnosis

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// What the kubelet says of a container whose environment it cannot put together.
const configError = "CreateContainerConfigError"

// The kubelet's messages, in pkg/kubelet/kubelet_pods.go of Kubernetes.
var (
	noSecret = regexp.MustCompile(`^secret "([^"]+)" not found$`)
	noKey    = regexp.MustCompile(`^couldn't find key (\S+) in Secret [^/]+/(\S+)$`)
)

// Pods returns the first cause that keeps pods from starting, in a sentence with the command that helps; nothing
// where it finds none.
func Pods(pods []corev1.Pod) string {
	for i := range pods {
		pod := &pods[i]
		if !pod.DeletionTimestamp.IsZero() {
			continue
		}
		for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
			waiting := status.State.Waiting
			if waiting == nil || waiting.Reason != configError {
				continue
			}
			if found := noSecret.FindStringSubmatch(waiting.Message); found != nil {
				return missingSecret(pod, found[1])
			}
			if found := noKey.FindStringSubmatch(waiting.Message); found != nil {
				return fmt.Sprintf(`Secret %s in namespace %s has no key %s. Add it: kubectl -n %s patch secret %s --type merge -p '{"stringData":{%q:"…"}}'`,
					found[2], pod.Namespace, found[1], pod.Namespace, found[2], found[1])
			}
			return fmt.Sprintf("Container %s cannot start: %s", status.Name, waiting.Message)
		}
	}
	return ""
}

// missingSecret says how to make a Secret, with the keys that the pod takes from it.
func missingSecret(pod *corev1.Pod, name string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Secret %s does not exist in namespace %s. Make it: kubectl -n %s create secret generic %s", name, pod.Namespace, pod.Namespace, name)
	for _, key := range keys(pod, name) {
		fmt.Fprintf(&b, " --from-literal=%s=…", key)
	}
	return b.String()
}

// keys are those that the pod's containers must have from a Secret, sorted.
func keys(pod *corev1.Pod, secret string) []string {
	var found []string
	for _, container := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		for _, e := range container.Env {
			if e.ValueFrom == nil || e.ValueFrom.SecretKeyRef == nil {
				continue
			}
			if ref := e.ValueFrom.SecretKeyRef; ref.Name == secret && (ref.Optional == nil || !*ref.Optional) {
				found = append(found, ref.Key)
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}
