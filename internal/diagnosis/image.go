package diagnosis

import (
	"fmt"
	"regexp"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/lazyregexp"
)

// pullError is one kind of answer to a pull.
type pullError struct {
	// words are expressions of what registries, container runtimes and the kubelet say of it, in lower case.
	words string
	// codes are the HTTP statuses of a registry that says no more.
	codes      string
	what, next string
	// passing says that it may pass by itself.
	passing bool
}

// pullErrors are what registries and container runtimes say, by what helps. The first whose words fit counts, and where
// none do, the first whose codes fit: a status says less than what stands beside it.
var pullErrors = compile(
	pullError{
		words: `no match for platform|no matching manifest|exec format`,
		what:  "the image is not built for the processor of the node", next: "Build it for that platform too",
	},
	pullError{
		words: `toomanyrequests|too many requests|rate limit`, codes: `429`,
		what: "the registry refuses so many requests", next: "Wait, or pull with an account, or from a mirror", passing: true,
	},
	pullError{
		words: `unauthorized|authentication required|authorization failed|forbidden|denied|no basic auth credentials`, codes: `401|403`,
		what: "the registry refuses access, or has no such repository", next: "Correct the name; or have the platform team let the cluster pull from there",
	},
	pullError{
		words: `not found|manifest unknown|name unknown|does not exist`, codes: `404`,
		what: "the registry does not have it", next: "Push it, or correct the image of the Component",
	},
	pullError{
		words: `no such host|i/o timeout|connection refused|connection reset|dial tcp|timed out|deadline exceeded|tls|x509|eof|unavailable|registryunavailable|internal server error|bad gateway|gateway timeout`,
		codes: `500|502|503|504`,
		what:  "the registry cannot be reached", next: "See whether the registry works; this is for the platform team", passing: true,
	},
	pullError{
		words: `signature|signaturevalidationfailed`,
		what:  "its signature is refused", next: "Sign it as the platform team asks",
	},
	pullError{
		words: `invalid reference format|couldn't parse image|invalidimagename`,
		what:  "this is no name of an image", next: "Correct the image of the Component",
	},
	pullError{
		words: `no space left`,
		what:  "the disk of the node is full", next: "This is for the platform team", passing: true,
	},
	pullError{
		words: `never pull|errimageneverpull`,
		what:  "the node does not have it, and may not pull it", next: "Correct the image, or the template's imagePullPolicy",
	},
)

// pullPattern is a pullError with its expressions compiled.
type pullPattern struct {
	pullError
	wordsFit, codesFit *regexp.Regexp
}

// compile has words count only as whole ones, and codes only where a status stands in a sentence: names hold words, and
// tags and digests hold digits. It does so when they are first asked for, as lazyregexp.
func compile(known ...pullError) func() []pullPattern {
	return sync.OnceValue(func() []pullPattern { return compiled(known) })
}

func compiled(known []pullError) []pullPattern {
	patterns := make([]pullPattern, len(known))
	for i, k := range known {
		patterns[i] = pullPattern{pullError: k, wordsFit: regexp.MustCompile(`(?:^|[^\w-])(?:` + k.words + `)(?:$|[^\w-])`)}
		if k.codes != "" {
			patterns[i].codesFit = regexp.MustCompile(`(?:^|: |=|\(|status |code |http )(?:` + k.codes + `)(?:$|[\s):;,])`)
		}
	}
	return patterns
}

// recognize finds what an answer to a pull means, nil for one that is not known.
func recognize(said string) *pullError {
	known := pullErrors()
	for i := range known {
		if known[i].wordsFit.MatchString(said) {
			return &known[i].pullError
		}
	}
	for i := range known {
		if codes := known[i].codesFit; codes != nil && codes.MatchString(said) {
			return &known[i].pullError
		}
	}
	return nil
}

// addresses are URLs, in four parts: the second is a password, and the fourth may be one: registries redirect to
// addresses that are signed.
var addresses = lazyregexp.New(`(https?://)([^\s"'/@]*@)?([^\s"'?]*[^\s"'?:,.])(\?[^\s"']*[^\s"':,.])?`)

// answer is what was said to a pull, without names and addresses that must not decide what it means.
func answer(image string, waiting *corev1.ContainerStateWaiting) string {
	said := addresses().ReplaceAllString(waiting.Message, "")
	path, tag := parts(image)
	for _, name := range []string{image, path, tag} {
		if name != "" {
			said = regexp.MustCompile(`(^|[^\w.-])`+regexp.QuoteMeta(name)+`($|[^\w.-])`).ReplaceAllString(said, "${1}…${2}")
		}
	}
	return strings.ToLower(said + " " + waiting.Reason)
}

// parts are the path of an image in its registry, and its tag.
func parts(image string) (path, tag string) {
	name, _, _ := strings.Cut(image, "@")
	if colon := strings.LastIndex(name, ":"); colon > strings.LastIndex(name, "/") {
		name, tag = name[:colon], name[colon+1:]
	}
	host, rest, found := strings.Cut(name, "/")
	if found && (strings.ContainsAny(host, ".:") || host == "localhost") {
		return rest, tag
	}
	return name, tag
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
	if known := recognize(answer(image, waiting)); known != nil {
		cause.Message = fmt.Sprintf("Image %s cannot be pulled: %s", image, known.what)
		// ErrImagePull is from the first try, before anything was tried twice.
		cause.Next, cause.Final = known.next, !known.passing && waiting.Reason != "ErrImagePull"
		return cause
	}
	cause.Message = fmt.Sprintf("Image %s cannot be pulled", image)
	if said := lastPart(addresses().ReplaceAllString(waiting.Message, "$1$3")); said != "" && !strings.HasPrefix(said, "Back-off pulling image") {
		cause.Message += ": " + said
	}
	cause.Next = fmt.Sprintf("See what the node says: kubectl -n %s describe pod %s", pod.Namespace, pod.Name)
	return cause
}
