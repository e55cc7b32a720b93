package pipeline

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/towpath-dev/towpath/internal/lazyregexp"
)

// What GitHub Actions allows less of than the other engines. It stands here, and not with that engine, since whoever writes a template is told
// of it before a Component chooses the engine.

// GitHubJob is how long GitHub lets a job run on its own runners.
const GitHubJob = 6 * time.Hour

var (
	// gitHubSecret are the names that a secret of a repository may have.
	gitHubSecret = lazyregexp.New(`^[A-Za-z_][A-Za-z0-9_]*$`)
	// hostVariables are what bash, docker and the runner itself read: a stage's value for them would not reach its container alone.
	hostVariables = []string{"PATH", "BASH_ENV", "BASHOPTS", "SHELLOPTS", "ENV", "IFS", "HOME", "POSIXLY_CORRECT", "NODE_OPTIONS", "TMPDIR"}
	hostPrefixes  = []string{"LD_", "GITHUB_", "RUNNER_", "ACTIONS_", "DOCKER_", "BASH_FUNC_"}
)

// GitHubVariable says why a stage there can have no variable of a name.
func GitHubVariable(name string) error {
	taken := slices.Contains(hostVariables, name) || slices.ContainsFunc(hostPrefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
	if taken && name != "GITHUB_TOKEN" && name != "DOCKER_AUTH_CONFIG" {
		return fmt.Errorf("the environment variable %s is read by the runner of GitHub Actions itself: set it in the script, or choose another name", name)
	}
	if !strings.HasPrefix(name, ownPrefix) && strings.HasPrefix(strings.ToUpper(name), ownPrefix) {
		return fmt.Errorf("the environment variable %s differs from one of Towpath's own in case alone, which GitHub takes for the same: choose another name", name)
	}
	return nil
}

// GitHubVariables says which names of a stage's variables differ in case alone: GitHub refuses a workflow with both.
func GitHubVariables(names []string) error {
	seen := map[string]string{}
	for _, name := range names {
		other, there := seen[strings.ToUpper(name)]
		if there && other != name {
			return fmt.Errorf("the environment variables %s and %s differ in case alone, which GitHub takes for the same, and refuses the workflow: set one of them in the script", other, name)
		}
		seen[strings.ToUpper(name)] = name
	}
	return nil
}

// GitHubSecret says why a key of a Secret is no name of a secret of a repository.
func GitHubSecret(key string) error {
	if !gitHubSecret().MatchString(key) || strings.HasPrefix(strings.ToUpper(key), "GITHUB_") {
		return fmt.Errorf("%q must be the name of a secret of the repository: letters, digits and _, not beginning with a digit or GITHUB_; choose a key that is one", key)
	}
	return nil
}
