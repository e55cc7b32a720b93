package diagnosis

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// pullErrors are what registries and container runtimes say, by what helps. The first that fits counts.
var pullErrors = []struct {
	texts      []string
	what, next string
	// passing says that it may pass by itself.
	passing bool
}{
	{
		texts: []string{"no match for platform", "no matching manifest", "exec format"},
		what:  "the image is not built for the processor of the node", next: "Build it for that platform too",
	},
	{
		texts: []string{"toomanyrequests", "429", "rate limit"},
		what:  "the registry refuses so many requests", next: "Wait, or pull with an account, or from a mirror", passing: true,
	},
	{
		texts: []string{"unauthorized", "authentication required", "authorization failed", "401", "403", "forbidden", "denied", "no basic auth credentials"},
		what:  "the registry refuses access, or has no such repository", next: "Correct the name; or have the platform team let the cluster pull from there",
	},
	{
		texts: []string{"not found", "manifest unknown", "name unknown", "does not exist", "404"},
		what:  "the registry does not have it", next: "Push it, or correct the image of the Component",
	},
	{
		texts: []string{"no such host", "i/o timeout", "connection refused", "dial tcp", "timed out", "tls:", "x509", "eof", "unavailable", "500", "502", "503"},
		what:  "the registry cannot be reached", next: "See whether the registry works; this is for the platform team", passing: true,
	},
	{
		texts: []string{"signature"},
		what:  "its signature is refused", next: "Sign it as the platform team asks",
	},
	{
		texts: []string{"invalid reference format", "couldn't parse image", "invalidimagename"},
		what:  "this is no name of an image", next: "Correct the image of the Component",
	},
	{
		texts: []string{"no space left"},
		what:  "the disk of the node is full", next: "This is for the platform team", passing: true,
	},
	{
		texts: []string{"never pull", "errimageneverpull"},
		what:  "the node does not have it, and may not pull it", next: "Correct the image, or the template's imagePullPolicy",
	},
}

// imageMissing says why an image cannot be pulled.
func imageMissing(pod *corev1.Pod, status *corev1.ContainerStatus, waiting *corev1.ContainerStateWaiting) *Cause {
	image := status.Image
	for i := range pod.Spec.Containers {
		if c := &pod.Spec.Containers[i]; c.Name == status.Name {
			image = c.Image // the status may have it shortened, or resolved
		}
	}
	for i := range pod.Spec.InitContainers {
		if c := &pod.Spec.InitContainers[i]; c.Name == status.Name {
			image = c.Image
		}
	}
	cause := &Cause{Reason: platformv1alpha1.ReasonImagePullFailed, depth: depthImage}
	// The name of the image stands in the message, and must not decide.
	text := strings.ToLower(waiting.Reason + " " + strings.ReplaceAll(waiting.Message, image, ""))
	first := waiting.Reason == "ErrImagePull" // nothing was tried twice yet
	for _, known := range pullErrors {
		for _, part := range known.texts {
			if strings.Contains(text, part) {
				cause.Message = fmt.Sprintf("Image %s cannot be pulled: %s", image, known.what)
				cause.Next, cause.Final = known.next, !known.passing && !first
				return cause
			}
		}
	}
	cause.Message = fmt.Sprintf("Image %s cannot be pulled", image)
	if said := lastPart(waiting.Message); said != "" && !strings.HasPrefix(said, "Back-off pulling image") {
		cause.Message += ": " + said
	}
	cause.Next = fmt.Sprintf("See what the node says: kubectl -n %s describe pod %s", pod.Namespace, pod.Name)
	return cause
}
