package pipeline

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/expr"
)

// Defaults of what the API server fills in, for templates that did not come through it.
const (
	defaultTimeout, defaultStageTimeout = 3600, 1800
	// maxValue is how long an image, an argument or a value may be with the values of its expressions.
	maxValue = 8192
	// maxChangedPaths is how many changed paths a Build holds: where there are that many, there may be more.
	maxChangedPaths = 256
)

// Plan gives what one Build runs. The error is an *Error where the template does not fit the input.
func (c *Compiled) Plan(in Input) (plan Plan, err error) {
	defer func() {
		// The libraries of expressions must not end the manager.
		if p := recover(); p != nil {
			plan, err = Plan{}, fmt.Errorf("planning the pipeline failed: %v", p)
		}
	}()
	plan = Plan{
		Concurrency: cmp.Or(c.concurrency, platformv1alpha1.ConcurrencyNewestWins), Timeout: seconds(c.timeout, defaultTimeout),
	}
	for name, value := range map[string]string{"commit": in.Build.SHA, "branch": in.Build.Branch, "tag": in.Build.Tag} {
		if strings.ContainsRune(value, 0) {
			return Plan{}, &Error{Path: name, Err: errors.New("must not hold a NUL character: no environment variable can")}
		}
	}
	budget := expr.NewBudget()
	names := map[string][]string{}
	for _, s := range c.stages {
		steps, err := s.plan(&in, names, budget)
		if err != nil {
			return Plan{}, err
		}
		names[s.Name] = s.steps()
		if steps[0].Skipped {
			// What needs it waits for what it would have waited for: else a stage that is left out would let others run where, before
			// it, something failed.
			names[s.Name] = append(names[s.Name], steps[0].Needs...)
		}
		plan.Steps = append(plan.Steps, steps...)
	}
	return plan, nil
}

// plan gives the steps of one stage. names are those of the steps of the stages before.
func (s *stage) plan(in *Input, names map[string][]string, budget *expr.Budget) ([]Step, error) {
	at := field.NewPath("spec", "pipeline", "stages").Key(s.Name)
	variables := in.variables()
	runs, err := s.wanted(in, variables, budget, at.Child("when"))
	if err != nil {
		return nil, err
	}
	var needs []string
	for _, name := range s.Needs {
		needs = append(needs, names[name]...)
	}
	steps := make([]Step, 0, len(s.runs))
	for i, name := range s.steps() {
		step := Step{
			Name: name, Stage: s.Name, Standard: s.Standard, Needs: needs, Skipped: !runs, Script: s.Script,
			Resources: s.Resources.DeepCopy(),
			Timeout:   seconds(s.TimeoutSeconds, defaultStageTimeout), Retries: s.Retries,
			Artifacts: slices.Clone(s.Artifacts), Cache: slices.Clone(s.Cache), When: s.When,
		}
		if err := s.fill(&step, in, s.runs[i], variables, budget, at); err != nil {
			return nil, err
		}
		steps = append(steps, step)
	}
	return steps, nil
}

// wanted evaluates the condition of a stage. Where it depends on which paths changed, and that is not known, the stage runs.
func (s *stage) wanted(in *Input, variables map[string]any, budget *expr.Budget, at *field.Path) (bool, error) {
	if s.when == nil {
		return true, nil
	}
	value, err := s.when.Eval(variables, budget)
	if errors.Is(err, expr.ErrUnknown) && !in.Build.pathsKnown() {
		return true, nil
	}
	if err != nil {
		return false, &Error{Path: at.String(), Expression: s.when.Source, Err: err}
	}
	runs, ok := value.(bool)
	if !ok {
		return false, &Error{Path: at.String(), Expression: s.when.Source, Err: errors.New("it must give a bool")}
	}
	return runs, nil
}

// pathsKnown says whether all paths that changed are known.
func (b *Build) pathsKnown() bool {
	return b.ChangedPaths != nil && len(b.ChangedPaths) < maxChangedPaths
}

// fill gives a step what depends on the values of expressions.
func (s *stage) fill(step *Step, in *Input, run map[string]string, variables map[string]any, budget *expr.Budget, at *field.Path) (err error) {
	for axis, value := range run {
		variables["matrix."+axis] = value
		step.Env = append(step.Env, platformv1alpha1.EnvVar{Name: matrixVariable(axis), Value: value})
	}
	if s.image != nil {
		if step.Image, err = s.image.value(variables, budget); err != nil {
			return err
		}
	}
	for _, arg := range s.args {
		value, err := arg.value(variables, budget)
		if err != nil {
			return err
		}
		step.Args = append(step.Args, value)
	}
	for i, e := range s.env {
		value, err := e.value(variables, budget)
		if err != nil {
			return err
		}
		step.Env = append(step.Env, platformv1alpha1.EnvVar{Name: s.Env[i].Name, Value: value})
	}
	for i, name := range s.secrets {
		if err := step.secret(&s.SecretEnv[i], name, variables, budget); err != nil {
			return err
		}
	}
	if err := step.standard(in, at); err != nil {
		return err
	}
	step.Env = append(step.Env, in.own(step)...)
	slices.SortFunc(step.Env, func(a, b platformv1alpha1.EnvVar) int { return cmp.Compare(a.Name, b.Name) })
	return step.bounded(at)
}

// secret gives a step a variable from a Secret. One whose name gives nothing is left out: the parameters name none.
func (step *Step) secret(e *platformv1alpha1.SecretEnvVar, name *text, variables map[string]any, budget *expr.Budget) error {
	value, err := name.value(variables, budget)
	if err != nil || value == "" {
		return err
	}
	if problems := validation.IsDNS1123Subdomain(value); len(problems) > 0 {
		return &Error{Path: name.at.String(), Err: fmt.Errorf("%q must be the name of a Secret, or nothing for none: %s", value, strings.Join(problems, "; "))}
	}
	given := *e
	given.SecretKeyRef.Name = value
	step.SecretEnv = append(step.SecretEnv, given)
	return nil
}

// bounded refuses what no engine takes.
func (step *Step) bounded(at *field.Path) error {
	if step.Image == "" && step.Skipped {
		return nil
	}
	if step.Image == "" || strings.ContainsFunc(step.Image, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return &Error{Path: at.Child("image").String(), Err: fmt.Errorf("%q is no image: write [host/]path[:tag][@digest]", step.Image)}
	}
	values := append([]string{step.Image}, step.Args...)
	for _, e := range step.Env {
		values = append(values, e.Value)
	}
	for _, value := range values {
		if len(value) > maxValue || strings.ContainsRune(value, 0) {
			return &Error{Path: at.String(), Err: fmt.Errorf("an image, an argument or a value of a variable must have at most %d bytes with the values of its expressions, and no NUL character", maxValue)}
		}
	}
	return nil
}

// variables are the values that expressions know.
func (in *Input) variables() map[string]any {
	parameters := in.Parameters
	if parameters == nil {
		parameters = map[string]any{}
	}
	var changed = expr.Unknown
	if in.Build.pathsKnown() {
		paths := make([]any, len(in.Build.ChangedPaths))
		for i, path := range in.Build.ChangedPaths {
			paths[i] = path
		}
		changed = paths
	}
	return map[string]any{
		"params": parameters,
		"component": map[string]any{
			"name": in.Component.Name, "namespace": in.Component.Namespace, "team": in.Component.Team,
			"repository": in.Component.Repository, "path": in.Component.Path, "branch": in.Component.Branch,
		},
		varBranch: in.Build.Branch, varTag: in.Build.Tag, varPullRequest: in.Build.PullRequest, varChangedPaths: changed,
	}
}

// Reference is the image that the pipeline pushes, by the commit as its tag; empty where there is none. What a pull request or a tag brings has a
// tag of its own: the commit may come to the branch as it is, and be built there with other conditions.
func (in *Input) Reference() string {
	if in.Image == "" || in.Build.SHA == "" {
		return in.Image
	}
	before := ""
	switch b := &in.Build; {
	case b.PullRequest != 0:
		before = "pr-" + strconv.FormatInt(b.PullRequest, 10) + "-"
	case b.Branch == "" && b.Tag != "":
		before = "tag-"
	}
	return in.Image + ":" + before + in.Build.SHA
}

// own are the variables that Towpath sets.
func (in *Input) own(step *Step) []platformv1alpha1.EnvVar {
	number := ""
	if in.Build.PullRequest != 0 {
		number = strconv.FormatInt(in.Build.PullRequest, 10)
	}
	all := []platformv1alpha1.EnvVar{
		{Name: "TOWPATH_COMMIT", Value: in.Build.SHA}, {Name: "TOWPATH_BRANCH", Value: in.Build.Branch}, {Name: "TOWPATH_TAG", Value: in.Build.Tag},
		{Name: "TOWPATH_PULL_REQUEST", Value: number}, {Name: "TOWPATH_IMAGE", Value: in.Reference()},
	}
	switch step.Standard {
	case platformv1alpha1.StageImage:
		all = append(all, platformv1alpha1.EnvVar{Name: "TOWPATH_BUILDKITD", Value: in.Standard.Buildkitd})
	case platformv1alpha1.StageProvenance:
		started := ""
		if !in.Run.StartedAt.IsZero() {
			started = in.Run.StartedAt.UTC().Format(time.RFC3339)
		}
		all = append(all,
			platformv1alpha1.EnvVar{Name: "TOWPATH_REPOSITORY", Value: in.Component.Repository}, platformv1alpha1.EnvVar{Name: "TOWPATH_PATH", Value: in.Component.Path},
			platformv1alpha1.EnvVar{Name: "TOWPATH_PIPELINE", Value: in.Run.Pipeline}, platformv1alpha1.EnvVar{Name: "TOWPATH_INVOCATION", Value: in.Run.Invocation},
			platformv1alpha1.EnvVar{Name: "TOWPATH_STARTED", Value: started}, platformv1alpha1.EnvVar{Name: "TOWPATH_BUILDER", Value: Builder})
	}
	return all
}

func seconds(given, byDefault int32) time.Duration {
	return time.Duration(cmp.Or(given, byDefault)) * time.Second
}
