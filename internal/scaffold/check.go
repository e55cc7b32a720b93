package scaffold

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

var (
	namePattern        = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$`)
	environmentPattern = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,28}[a-z0-9])?$`)
	namespacePattern   = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	imagePattern       = regexp.MustCompile(`^([a-zA-Z0-9]([-a-zA-Z0-9.]*[a-zA-Z0-9])?(:[0-9]+)?/)?[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*(:[a-zA-Z0-9_][-a-zA-Z0-9_.]{0,127})?(@sha256:[0-9a-f]{64})?$`)
	modulePattern      = regexp.MustCompile(`^[a-z0-9]([-a-zA-Z0-9._~]*[a-zA-Z0-9])?(/[a-zA-Z0-9]([-a-zA-Z0-9._~]*[a-zA-Z0-9])?)*$`)
	actionPattern      = regexp.MustCompile(`^[A-Za-z0-9][-A-Za-z0-9]*/[A-Za-z0-9][-A-Za-z0-9_.]*@([0-9a-f]{40}|[0-9a-f]{64})$`)
	releasePattern     = regexp.MustCompile(`^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$`)
	repositoryPattern  = regexp.MustCompile(`^(https://|ssh://([-A-Za-z0-9._]+@)?)[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)+/?$`)
)

// usableActions are those that the CI job has a place for.
var usableActions = []string{"actions/checkout", "actions/setup-go"}

// check holds every value that reaches a file to the form that it may have.
func (in *Input) check() error {
	// First, since the module's path is made of it where nobody names one.
	if in.Repository != "" && (len(in.Repository) > 512 || !repositoryPattern.MatchString(in.Repository)) {
		return fmt.Errorf("--repository %q: must be https:// or ssh:// with a host and a path, without a password or token, such as https://git.example/shop/checkout or ssh://git@git.example/shop/checkout",
			withoutCredentials(in.Repository))
	}
	for _, value := range []struct {
		what, value string
		pattern     *regexp.Regexp
		empty       bool
		rule        string
	}{
		{"the name", in.Name, namePattern, false, "must be lower case letters, digits and hyphens, at most 40, beginning with a letter, such as checkout"},
		{"the template", in.Template, namePattern, false, "must be the name of a ServiceTemplate, such as web-service"},
		{"--namespace", in.Namespace, namespacePattern, true, "must be the name of a namespace, such as team-shop"},
		{"--team", in.Team, namespacePattern, false, "must be the name of a team, such as shop"},
		{"--image", in.Image, imagePattern, false, "must be [host[:port]/]path[:tag][@digest], such as registry.example/shop/checkout:0.1.0"},
		{"--build-image", in.BuildImage, imagePattern, in.Language == None, "must be an image, such as docker.io/library/golang:1.26"},
		{"--run-image", in.RunImage, imagePattern, in.Language == None, "must be an image, such as gcr.io/distroless/static-debian12:nonroot"},
		{"--module", in.Module, modulePattern, in.Language == None, "must be the path of a Go module, such as git.example/shop/checkout"},
	} {
		if value.value == "" && value.empty {
			continue
		}
		if len(value.value) > 512 || !value.pattern.MatchString(value.value) {
			return fmt.Errorf("%s %q: %s", value.what, value.value, value.rule)
		}
	}
	engines := []platformv1alpha1.BuildEngine{platformv1alpha1.EngineJobs, platformv1alpha1.EngineTekton, platformv1alpha1.EngineGitHubActions}
	switch {
	case in.Engine != "" && !slices.Contains(engines, in.Engine):
		return fmt.Errorf("--engine %q: must be one of %v", in.Engine, engines)
	case in.Engine == platformv1alpha1.EngineGitHubActions && in.Repository == "":
		return errors.New("--config: a workflow is written for a repository: name it with --repository")
	case in.Engine != "" && in.Repository == "":
		return fmt.Errorf("--engine %s: what is built comes from a repository: name it with --repository", in.Engine)
	}
	if !slices.Contains(Languages, in.Language) {
		return fmt.Errorf("--language %q: must be one of %v", in.Language, Languages)
	}
	return errors.Join(in.checkPath(), in.checkActions())
}

// withoutCredentials is an address as a message may show it: what stands before its host, or behind its path, may be a token.
func withoutCredentials(address string) string {
	scheme, rest, found := strings.Cut(address, "://")
	if found {
		scheme += "://"
	} else {
		scheme, rest = "", address
	}
	if at := strings.LastIndex(rest, "@"); at >= 0 {
		rest = "[redacted]" + rest[at:]
	}
	if query := strings.IndexAny(rest, "?#"); query >= 0 {
		rest = rest[:query+1] + "[redacted]"
	}
	return scheme + rest
}

// ModuleOf is the path of the Go module in a repository.
func ModuleOf(repository string) string {
	_, place, _ := strings.Cut(repository, "://")
	host, path, _ := strings.Cut(place, "/")
	host = host[strings.LastIndex(host, "@")+1:]
	host, _, _ = strings.Cut(host, ":")
	return host + "/" + strings.TrimSuffix(path, "/")
}

// browsable is the repository where a browser may be sent there; empty for any other.
func (in *Input) browsable() string {
	if strings.HasPrefix(in.Repository, "https://") {
		return in.Repository
	}
	return ""
}

func (in *Input) checkPath() error {
	if len(in.Environments) == 0 {
		return errors.New("--environment: must name at least one environment, such as dev")
	}
	for i, name := range in.Environments {
		if !environmentPattern.MatchString(name) {
			return fmt.Errorf("--environment %q: must be lower case letters, digits and hyphens, at most 30, beginning with a letter, such as dev", name)
		}
		if slices.Contains(in.Environments[:i], name) {
			return fmt.Errorf("--environment %q: stands twice in the path", name)
		}
	}
	return nil
}

// checkActions takes actions by digest alone: whoever may move a tag could change what runs with the repository's rights.
func (in *Input) checkActions() error {
	for _, action := range in.Actions {
		if !actionPattern.MatchString(action) {
			return fmt.Errorf("--action %q: must be owner/repository@ and the commit in 40 hexadecimal digits", action)
		}
		if name, _, _ := strings.Cut(action, "@"); !slices.Contains(usableActions, name) {
			return fmt.Errorf("--action %q: must be one of %s: the job uses no other", action, strings.Join(usableActions, ", "))
		}
	}
	return nil
}
