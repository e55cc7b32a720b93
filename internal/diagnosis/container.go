package diagnosis

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/lazyregexp"
)

const (
	// restartsThatTell is how often a container must have been started again, and ended again, before it is taken to go
	// on failing: one that waits for another service at its start comes up by then.
	restartsThatTell = 3
	// settled is how long a container runs until it is taken to stay: the kubelet forgets how often it ended after as long.
	settled = 10 * time.Minute
	// aLittle is by how much more than twice as long as before a container must run to have got further than it did.
	aLittle = 10 * time.Second
)

// What the kubelet says of waiting containers, in pkg/kubelet/images/types.go and pkg/kubelet/container/sync_result.go of
// Kubernetes.
var (
	imageReasons = []string{
		"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed",
	}
	startReasons = []string{"RunContainerError", "CreateContainerError", "CreatePodSandboxError"}
)

// Reasons of hooks. The message of a postStart hook holds its command and all that it printed, and is never passed on.
const (
	preStartReason  = "PreStartHookError"
	postStartReason = "PostStartHookError"
)

// ofContainer returns what keeps a container from running, nil where it runs or is just being started.
func ofContainer(pod *corev1.Pod, status *corev1.ContainerStatus, now time.Time) *Cause {
	waiting := status.State.Waiting
	switch {
	case waiting != nil && slices.Contains(imageReasons, waiting.Reason):
		return imageMissing(pod, status, waiting)
	case waiting != nil && waiting.Reason == "CreateContainerConfigError":
		return misconfigured(pod, status.Name, waiting.Message)
	case waiting != nil && slices.Contains(startReasons, waiting.Reason):
		return notStarted(pod, status.Name, waiting.Message)
	case waiting != nil && waiting.Reason == preStartReason:
		return notPrepared(pod, status.Name)
	case waiting != nil && waiting.Reason == postStartReason:
		return hookFailed(pod, status)
	}
	ended := status.State.Terminated
	if ended == nil {
		ended = status.LastTerminationState.Terminated
	}
	switch {
	case ended == nil, status.Ready:
		return nil
	case ended.Reason == "StartError" || ended.Reason == "ContainerCannotRun":
		// The runtime's words, and not the process's: it never ran.
		return notStarted(pod, status.Name, ended.Message)
	case ended.ExitCode == 0 && status.State.Terminated != nil && status.RestartCount == 0:
		return nil // an init container that is done
	case status.State.Running != nil && stays(status.State.Running, ended, now):
		return nil // that it ended once is not what keeps it from being ready now
	}
	return crashed(pod, status, ended)
}

// ran is how long a container ran that ended; 0 where that is not known.
func ran(ended *corev1.ContainerStateTerminated) time.Duration {
	return max(ended.FinishedAt.Sub(ended.StartedAt.Time), 0)
}

// stays says whether a container that was started again has got past where it ended before. One that ends again and
// again runs about as long each time.
func stays(running *corev1.ContainerStateRunning, before *corev1.ContainerStateTerminated, now time.Time) bool {
	return now.Sub(running.StartedAt.Time) > min(2*ran(before)+aLittle, settled)
}

// loops says whether a container ends again and again, so that waiting does not help. One that ran for long before is
// started again as if for the first time.
func loops(pod *corev1.Pod, status *corev1.ContainerStatus, ended *corev1.ContainerStateTerminated) bool {
	ends := status.RestartCount
	if status.State.Running == nil {
		ends++
	}
	return pod.Spec.RestartPolicy == corev1.RestartPolicyNever || ends > restartsThatTell && ran(ended) < settled
}

// noSecret and noKey are messages of pkg/kubelet/kubelet_pods.go of Kubernetes.
var (
	noSecret = lazyregexp.New(`^secret "([^"]+)" not found$`)
	noKey    = lazyregexp.New(`^couldn't find key (\S+) in Secret [^/]+/(\S+)$`)
)

// misconfigured says what a container's environment lacks.
func misconfigured(pod *corev1.Pod, container, message string) *Cause {
	cause := &Cause{Reason: platformv1alpha1.ReasonConfigurationMissing, depth: depthConfiguration}
	if found := noSecret().FindStringSubmatch(message); found != nil {
		cause.Message = fmt.Sprintf("Secret %s does not exist in namespace %s", found[1], pod.Namespace)
		cause.Next = "Make it: " + createSecret(pod, found[1])
		return cause
	}
	if found := noKey().FindStringSubmatch(message); found != nil {
		cause.Message = fmt.Sprintf("Secret %s in namespace %s has no key %s", found[2], pod.Namespace, found[1])
		cause.Next = fmt.Sprintf(`Add it: kubectl -n %s patch secret %s --type merge -p '{"stringData":{%q:"…"}}'`, pod.Namespace, found[2], found[1])
		return cause
	}
	if expandsSecret(pod, container) {
		message = "the kubelet's message is not shown, since the command or a path of a mount takes a value from a Secret"
	}
	cause.Message = fmt.Sprintf("Container %s cannot be configured: %s", container, message)
	cause.Next = "Make what is missing: the container is started as soon as it is there"
	return cause
}

// createSecret is the command that makes a Secret, with the keys that the pod takes from it.
func createSecret(pod *corev1.Pod, name string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "kubectl -n %s create secret generic %s", pod.Namespace, name)
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

// notStarted passes on what the container runtime says, but where that may repeat a command with values of Secrets in it.
func notStarted(pod *corev1.Pod, container, message string) *Cause {
	if expandsSecret(pod, container) {
		message = "the runtime's message is not shown, since the command takes a value from a Secret"
	}
	cause := &Cause{
		Reason: platformv1alpha1.ReasonContainerStartFailed, Final: true, depth: depthStart,
		Message: fmt.Sprintf("Container %s cannot be started: %s", container, lastPart(message)),
		Next:    "Correct the image, or the command that it is started with",
	}
	if strings.Contains(message, "executable file not found") || strings.Contains(message, "no such file or directory") {
		cause.Next = "The image has no such program: correct the image, or the command that it is started with"
	}
	return cause
}

// notPrepared is for hooks of the kubelet itself, which give a container its devices.
func notPrepared(pod *corev1.Pod, container string) *Cause {
	return &Cause{
		Reason: platformv1alpha1.ReasonContainerStartFailed, depth: depthStart,
		Message: fmt.Sprintf("Container %s cannot be started: its node could not prepare it", container),
		Next:    fmt.Sprintf("This is for the platform team; what the node says: kubectl -n %s describe pod %s", pod.Namespace, pod.Name),
	}
}

// hookFailed says that a container was ended because its postStart hook failed, and nothing of what that printed.
func hookFailed(pod *corev1.Pod, status *corev1.ContainerStatus) *Cause {
	return &Cause{
		Reason: platformv1alpha1.ReasonContainerStartFailed, Final: status.RestartCount >= restartsThatTell, Ended: true, depth: depthStart,
		Message: fmt.Sprintf("The postStart hook of container %s failed, so that the container was ended%s", status.Name, again(status)),
		Next:    fmt.Sprintf("Correct the hook; what it printed: kubectl -n %s describe pod %s", pod.Namespace, pod.Name),
	}
}

// expandsSecret says whether the kubelet puts the value of a Secret into a container's command, or into a path that it mounts.
func expandsSecret(pod *corev1.Pod, name string) bool {
	for _, container := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		if container.Name != name {
			continue
		}
		texts := slices.Concat(container.Command, container.Args)
		for _, mount := range container.VolumeMounts {
			texts = append(texts, mount.SubPathExpr)
		}
		if !strings.Contains(strings.Join(texts, " "), "$(") {
			continue
		}
		if len(container.EnvFrom) > 0 || slices.ContainsFunc(container.Env, func(e corev1.EnvVar) bool {
			return e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil
		}) {
			return true // also where another variable holds it, by way of this one
		}
	}
	return false
}

// crashed says how a container ended.
func crashed(pod *corev1.Pod, status *corev1.ContainerStatus, ended *corev1.ContainerStateTerminated) *Cause {
	often := loops(pod, status, ended)
	logs := fmt.Sprintf("kubectl -n %s logs %s -c %s", pod.Namespace, pod.Name, status.Name)
	if status.RestartCount > 0 {
		logs += " --previous"
	}
	if ended.Reason == "OOMKilled" {
		return &Cause{
			Reason: platformv1alpha1.ReasonOutOfMemory, Final: often, Ended: true, depth: depthEnd,
			Message: fmt.Sprintf("Container %s needed more memory than %s, and was killed%s", status.Name, limit(pod, status.Name), again(status)),
			Next:    "Give it more memory by a parameter of the golden path, or have it need less",
		}
	}
	meaning := exitCode(ended.ExitCode)
	if told := ended.ExitCode == 137 || ended.ExitCode == 143; told && hooked(pod, status.Name) {
		meaning = strings.TrimSuffix(meaning, ")") + "; or after its postStart hook failed)"
	}
	return &Cause{
		Reason: platformv1alpha1.ReasonCrashLoop, Final: often, Ended: true, depth: depthEnd,
		Message: fmt.Sprintf("Container %s ended with exit code %d%s%s", status.Name, ended.ExitCode, meaning, again(status)),
		Next:    "See what it said: " + logs,
	}
}

// again says how often a container was started again.
func again(status *corev1.ContainerStatus) string {
	if status.RestartCount == 0 {
		return ""
	}
	return fmt.Sprintf(", and was started again %d times", status.RestartCount)
}

// exitCode explains an exit code; those above 128 are a signal's by convention of the shell, and of Docker before
// the container runtimes.
func exitCode(code int32) string {
	switch code {
	case 0:
		return " (it ended by itself, and a service must go on running)"
	case 126:
		return " (the command cannot be executed)"
	case 127:
		return " (the command was not found)"
	case 132:
		return " (SIGILL: the image may be for another processor)"
	case 134:
		return " (SIGABRT: it gave up)"
	case 137:
		return " (SIGKILL: it did not end in time after a failed liveness probe, or the node ran out of memory)"
	case 139:
		return " (SIGSEGV: it touched memory that is not its own)"
	case 143:
		return " (SIGTERM: it was told to end, as after a failed liveness probe)"
	}
	return ""
}

// hooked says whether a container has a postStart hook: the kubelet ends it where that fails.
func hooked(pod *corev1.Pod, name string) bool {
	return slices.ContainsFunc(slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers), func(c corev1.Container) bool {
		return c.Name == name && c.Lifecycle != nil && c.Lifecycle.PostStart != nil
	})
}

// limit is a container's memory limit, in words.
func limit(pod *corev1.Pod, name string) string {
	for _, container := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		if memory, ok := container.Resources.Limits[corev1.ResourceMemory]; ok && container.Name == name {
			return "its limit of " + memory.String()
		}
	}
	return "there was"
}

// lastPart is what a chain of errors ends with: the frames before name functions of the runtime.
func lastPart(message string) string {
	for _, frame := range []string{"OCI runtime create failed: ", "unable to start container process: ", " desc = "} {
		if i := strings.LastIndex(message, frame); i >= 0 {
			message = message[i+len(frame):]
		}
	}
	return strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(message), ": unknown"))
}
