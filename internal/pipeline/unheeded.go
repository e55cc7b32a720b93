package pipeline

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// Unheeded says which settings of the pipeline have no effect, or another one, in an engine that a Component may choose, and what an engine
// refuses; each with its path below the pipeline, for whoever writes the template. They are no mistakes: the others heed them.
func (c *Compiled) Unheeded() []string {
	var all []string
	say := func(at *field.Path, format string, args ...any) {
		all = append(all, at.String()+": "+fmt.Sprintf(format, args...))
	}
	for _, s := range c.stages {
		at := field.NewPath("stages").Key(s.Name)
		if len(s.Cache) > 0 {
			say(at.Child("cache"), "has no effect for Components with source.engine Tekton, which places pods by the volume of the sources alone: there, each Build begins with empty paths")
		}
		if s.Resources != nil {
			say(at.Child("resources"), "has no effect for Components with source.engine GitHubActions: a stage has what its runner has, by pipeline.actions.runsOn of the platform's settings")
		}
		if c.blind(s) {
			say(at, "finds no TOWPATH_BUILT_IMAGE for Components with source.engine Tekton, which passes on only what a standard stage Image has pushed: there, it has TOWPATH_IMAGE, the image by its tag")
		}
		c.refused(s, at, say)
		if longest := min(time.Duration(s.Retries+1)*seconds(s.TimeoutSeconds, defaultStageTimeout), seconds(c.timeout, defaultTimeout)); longest > GitHubJob {
			say(at.Child("timeoutSeconds"), "has less effect for Components with source.engine GitHubActions: with all of its tries the stage may take %s, and GitHub ends a job after %s", longest, GitHubJob)
		}
	}
	return all
}

// refused says what of the variables of a stage GitHub Actions cannot have, for which towpath pipeline sync fails.
func (c *Compiled) refused(s *stage, at *field.Path, say func(at *field.Path, format string, args ...any)) {
	const refuses = "is refused for Components with source.engine GitHubActions, by towpath pipeline sync: %v"
	var names []string
	for _, axis := range s.Matrix {
		names = append(names, matrixVariable(axis.Name))
	}
	for _, e := range s.Env {
		names = append(names, e.Name)
		if err := GitHubVariable(e.Name); err != nil {
			say(at.Child("env").Key(e.Name), refuses, err)
		}
	}
	for _, e := range s.SecretEnv {
		names = append(names, e.Name)
		if err := GitHubVariable(e.Name); err != nil {
			say(at.Child("secretEnv").Key(e.Name), refuses, err)
		}
		if err := GitHubSecret(e.SecretKeyRef.Key); err != nil {
			say(at.Child("secretEnv").Key(e.Name).Child("secretKeyRef", "key"), refuses, err)
		}
	}
	if err := GitHubVariables(names); err != nil {
		say(at, refuses, err)
	}
}

// blind says whether a stage works on the image that was pushed, and only stages of one's own before it can have pushed one. A result that is
// referred to and not there fails a PipelineRun, and of the standard stage alone it is certain that it writes one.
func (c *Compiled) blind(s *stage) bool {
	reads := evidence[s.Standard] != "" || strings.Contains(strings.Join(append([]string{s.Script}, s.Args...), "\n"), "TOWPATH_BUILT_IMAGE")
	if !reads {
		return false
	}
	before, own := map[string]bool{}, false
	needed := func(names []string) {
		for _, name := range names {
			before[name] = true
		}
	}
	needed(s.Needs)
	for i := len(c.stages) - 1; i >= 0; i-- { // what is needed stands before
		other := c.stages[i]
		if !before[other.Name] {
			continue
		}
		if other.Standard == platformv1alpha1.StageImage {
			return false
		}
		own = own || evidence[other.Standard] == ""
		needed(other.Needs)
	}
	return own
}
