// Package preview says what the environment of a pull request is called and what runs in it. It is pure: the same pull
// request always gives the same names, and two never give one.
package preview

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/uses"
)

const (
	// hashLength is the number of hexadecimal digits that tell pull requests apart: 32 bits, and a clash is still seen by
	// the source that the Environment names.
	hashLength = 8
	// maxComponentName is that of the definition.
	maxComponentName = 40
	// maxNumber is the highest number of a pull request.
	maxNumber = 1<<31 - 1
	// maxLifetime is the longest of the definition.
	maxLifetime = 31536000 * time.Second
)

// pullRequest finds the number in the address of a pull request, as GitHub, GitLab, Bitbucket, Forgejo, Gitea, Azure DevOps and Gerrit
// write it. What follows the number is a view of it.
var pullRequest = regexp.MustCompile(`^(/.+?/(?:-/)?(?:pull|pulls|pull-requests|pullrequest|merge_requests|\+)/([1-9][0-9]*))(?:/.*)?$`)

// Parse reads a pull request: its address, or its number.
func Parse(text string) (platformv1alpha1.PullRequest, error) {
	number := func(digits string) (int32, error) {
		n, err := strconv.ParseInt(digits, 10, 32)
		if err != nil || n < 1 {
			return 0, fmt.Errorf("the number of a pull request must be between 1 and %d, not %s", maxNumber, digits)
		}
		return int32(n), nil
	}
	if !strings.Contains(text, "/") {
		digits := strings.TrimLeft(text, "#!")
		if _, err := strconv.ParseUint(digits, 10, 64); err != nil {
			return platformv1alpha1.PullRequest{}, fmt.Errorf("%q is neither the number nor the address of a pull request", text)
		}
		n, err := number(digits)
		return platformv1alpha1.PullRequest{Number: n}, err
	}
	address, err := url.Parse(text)
	if err != nil || address.Host == "" || address.Scheme != "https" && address.Scheme != "http" {
		return platformv1alpha1.PullRequest{}, fmt.Errorf("%q is no address of a pull request: it must begin with https:// or http://", redacted(text))
	}
	found := pullRequest.FindStringSubmatch(address.EscapedPath())
	if found == nil {
		return platformv1alpha1.PullRequest{}, fmt.Errorf("%s is no address of a pull request: it must end with its number, such as https://git.example/shop/checkout/pull/7", redacted(text))
	}
	n, err := number(found[2])
	if err != nil {
		return platformv1alpha1.PullRequest{}, err
	}
	return platformv1alpha1.PullRequest{Number: n, URL: address.Scheme + "://" + strings.ToLower(address.Host) + found[1]}, nil
}

// redacted is an address without what may be a credential.
func redacted(text string) string {
	text, _, _ = strings.Cut(text, "?")
	text, _, _ = strings.Cut(text, "#")
	return text[strings.LastIndex(text, "@")+1:]
}

// EnvironmentName is the name of the Environment of a pull request. Where only the number is known, the Component stands for
// the repository: numbers of two repositories must not meet.
func EnvironmentName(pr platformv1alpha1.PullRequest, component string) string {
	return "pr-" + strconv.Itoa(int(pr.Number)) + "-" + hash(identity(pr, component))
}

// ComponentName is the name of the copy of a Component in the environment of a pull request. root is the Component that
// the environment is named after.
func ComponentName(pr platformv1alpha1.PullRequest, root, component string) string {
	suffix := "-pr-" + strconv.Itoa(int(pr.Number)) + "-" + hash(identity(pr, root)+" "+component)
	if room := maxComponentName - len(suffix); len(component) > room {
		component = strings.TrimRight(component[:room], "-")
	}
	return component + suffix
}

// identity tells pull requests apart, also those of one number.
func identity(pr platformv1alpha1.PullRequest, component string) string {
	if pr.URL == "" {
		return "component " + component + " " + strconv.Itoa(int(pr.Number))
	}
	_, address, _ := strings.Cut(pr.URL, "://") // by whatever protocol it is read
	return address
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])[:hashLength]
}

// Environment is the one of a pull request.
func Environment(namespace, class string, pr platformv1alpha1.PullRequest, component string) *platformv1alpha1.Environment {
	return &platformv1alpha1.Environment{
		TypeMeta:   metav1.TypeMeta{APIVersion: platformv1alpha1.GroupVersion.String(), Kind: "Environment"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: EnvironmentName(pr, component)},
		Spec: platformv1alpha1.EnvironmentSpec{
			ClassRef: platformv1alpha1.ClassReference{Name: class}, SourceRef: &platformv1alpha1.SourceReference{PullRequest: pr},
		},
	}
}

// Changes are what a copy has of its own.
type Changes struct {
	// Image in place of the original's, with the commit that it was built from; empty leaves both.
	Image  string
	Commit *platformv1alpha1.Commit
	// RequestedBy is who asks, where the original says who does.
	RequestedBy string
}

// Copy is a Component as it is in the environment of a pull request: the original, with a path through that environment
// alone. What belongs to the original's own environments stays behind: their parameters, what they adopt, gates,
// promotions and rollbacks; and so do its labels and annotations, by which tools know it. name gives the names of copies.
func Copy(original *platformv1alpha1.Component, environment *platformv1alpha1.Environment, name func(string) string, changes Changes) *platformv1alpha1.Component {
	copied := &platformv1alpha1.Component{
		TypeMeta: metav1.TypeMeta{APIVersion: platformv1alpha1.GroupVersion.String(), Kind: "Component"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: original.Namespace, Name: name(original.Name),
			Labels: map[string]string{platformv1alpha1.LabelPreviewOf: original.Name},
			// It goes when the Environment does.
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: platformv1alpha1.GroupVersion.String(), Kind: "Environment", Name: environment.Name, UID: environment.UID,
			}},
		},
		Spec: *original.Spec.DeepCopy(),
	}
	spec := &copied.Spec
	spec.Environments = []platformv1alpha1.PathEnvironment{{Name: environment.Name}}
	spec.DeletionPolicy = platformv1alpha1.DeletionDelete
	switch {
	case changes.Image != "":
		spec.Image, spec.Commit = changes.Image, changes.Commit
	case spec.Image == "": // Builds are of the original alone
		for _, e := range original.Status.Environments {
			spec.Image = cmp.Or(spec.Image, e.Image)
		}
	}
	if spec.Image != "" {
		spec.Source = nil
	}
	if spec.RequestedBy != "" {
		spec.RequestedBy = changes.RequestedBy
	}
	for i := range spec.Uses {
		spec.Uses[i].As = uses.Alias(spec.Uses[i]) // it stays known by the name that it had
		spec.Uses[i].Component = name(spec.Uses[i].Component)
	}
	return copied
}

// CopiedInto says whether a Component is a copy of another in an environment, whichever one of that name it was.
func CopiedInto(c *platformv1alpha1.Component, environment string) bool {
	if c.Labels[platformv1alpha1.LabelPreviewOf] == "" {
		return false
	}
	for _, owner := range c.OwnerReferences {
		if owner.Kind == "Environment" && owner.Name == environment && strings.HasPrefix(owner.APIVersion, platformv1alpha1.GroupVersion.Group+"/") {
			return true
		}
	}
	return false
}

// Until is the lifetime with which an Environment lives for that much longer from now on, and when it ends then. most is
// what the class allows, zero for anything; clamped says that it is less than asked for.
func Until(createdAt, now time.Time, more, most time.Duration) (seconds int32, end time.Time, clamped bool) {
	if most == 0 || most > maxLifetime {
		most = maxLifetime
	}
	length := now.Add(more).Sub(createdAt)
	if whole := length.Truncate(time.Second); whole != length {
		length = whole + time.Second
	}
	length = max(length, time.Minute)
	if length > most {
		length, clamped = most, true
	}
	return int32(length / time.Second), createdAt.Add(length), clamped
}
