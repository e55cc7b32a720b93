package pipeline

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
	apiservercel "k8s.io/apiserver/pkg/cel"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/expr"
	"github.com/towpath-dev/towpath/internal/lazyregexp"
)

const (
	// Clone is the name of the step with which engines fetch the sources: no stage bears it.
	Clone = "clone"
	// maxCombinations is how many runs the matrix of one stage may make.
	maxCombinations = 32
	// maxSteps is how many runs all stages may have together. With the one that fetches the sources they are 128.
	maxSteps = 127
)

// Compiled is a pipeline whose expressions are ready to be evaluated. It is immutable and safe for concurrent use.
type Compiled struct {
	concurrency platformv1alpha1.PipelineConcurrency
	timeout     int32
	// stages in an order in which each stands behind what it needs.
	stages []*stage
	reads  []string
}

// stage is one compiled stage.
type stage struct {
	*platformv1alpha1.Stage
	image *text
	args  []*text
	env   []*text
	// secrets are the names of the Secrets of secretEnv, in its order.
	secrets []*text
	when    *expr.Program
	// runs are the combinations of the matrix: one without values where there is none.
	runs []map[string]string
}

// compiler is the state of one Compile.
type compiler struct {
	errs  field.ErrorList
	reads sets.Set[string]
	// params is the type of the parameters, nil where nothing is known of them.
	params *apiservercel.DeclType
}

// componentType is what expressions know of the Component.
var componentType = apiservercel.NewObjectType("@PipelineComponent", map[string]*apiservercel.DeclField{
	"name":       apiservercel.NewDeclField("name", apiservercel.StringType, true, nil, nil),
	"namespace":  apiservercel.NewDeclField("namespace", apiservercel.StringType, true, nil, nil),
	"team":       apiservercel.NewDeclField("team", apiservercel.StringType, true, nil, nil),
	"repository": apiservercel.NewDeclField("repository", apiservercel.StringType, true, nil, nil),
	"path":       apiservercel.NewDeclField("path", apiservercel.StringType, true, nil, nil),
	"branch":     apiservercel.NewDeclField("branch", apiservercel.StringType, true, nil, nil),
})

// The variables that only conditions know.
const (
	varBranch       = "build.branch"
	varTag          = "build.tag"
	varPullRequest  = "build.pullRequest"
	varChangedPaths = "build.changedPaths"
)

// Compile compiles a pipeline that stands at a path. params is the type of the variable params, nil where nothing is known of it.
func Compile(p *platformv1alpha1.Pipeline, params *apiservercel.DeclType, at *field.Path) (*Compiled, field.ErrorList) {
	c := &compiler{params: params, reads: sets.New[string]()}
	compiled := &Compiled{concurrency: p.Concurrency, timeout: p.TimeoutSeconds}
	known, seen, steps := map[string]*stage{}, map[string]string{}, 0
	var all []*stage
	for i := range p.Stages {
		here := at.Child("stages").Key(p.Stages[i].Name)
		if known[p.Stages[i].Name] != nil {
			c.errs = append(c.errs, field.Duplicate(here.Child("name"), p.Stages[i].Name))
			continue
		}
		s := c.stage(&p.Stages[i], here)
		known[s.Name], all = s, append(all, s)
		steps += len(s.runs)
		for _, name := range s.steps() {
			if other, taken := seen[name]; taken {
				c.errs = append(c.errs, field.Invalid(here.Child("name"), s.Name, fmt.Sprintf("a run of it would be named %s, as one of stage %s: choose another name", name, other)))
			}
			seen[name] = s.Name
		}
	}
	if steps > maxSteps {
		c.errs = append(c.errs, field.Invalid(at.Child("stages"), field.OmitValueType{}, fmt.Sprintf("the stages with all combinations of their matrices are %d runs, at most %d are allowed: take values out of a matrix", steps, maxSteps)))
	}
	for _, s := range all {
		c.needs(s, known, at.Child("stages").Key(s.Name).Child("needs"))
	}
	if len(c.errs) == 0 {
		compiled.stages = c.order(all, known, at.Child("stages"))
	}
	if len(c.errs) > 0 {
		return nil, c.errs
	}
	compiled.reads = sets.List(c.reads)
	return compiled, nil
}

// Reads are the paths that expressions of the pipeline read, such as params.port, sorted.
func (c *Compiled) Reads() []string { return c.reads }

// stage compiles one stage.
func (c *compiler) stage(given *platformv1alpha1.Stage, at *field.Path) *stage {
	s := &stage{Stage: given, runs: c.matrix(given.Matrix, at.Child("matrix"))}
	c.kind(given, at)
	c.names(given, at)
	plain, err := c.environment(given.Matrix, false)
	if err == nil && given.When != "" {
		var conditions *expr.Env
		if conditions, err = c.environment(nil, true); err == nil {
			s.when = c.condition(given.When, conditions, at.Child("when"))
		}
	}
	if err != nil {
		c.errs = append(c.errs, field.InternalError(at, err))
		return s
	}
	if given.Image != "" {
		s.image = c.text(given.Image, plain, at.Child("image"))
	}
	for i, arg := range given.Args {
		s.args = append(s.args, c.text(arg, plain, at.Child("args").Index(i)))
	}
	for _, e := range given.Env {
		s.env = append(s.env, c.text(e.Value, plain, at.Child("env").Key(e.Name).Child("value")))
	}
	if s.secrets, err = c.secrets(given.SecretEnv, at.Child("secretEnv")); err != nil {
		c.errs = append(c.errs, field.InternalError(at, err))
	}
	c.paths(given.Artifacts, at.Child("artifacts"))
	c.paths(given.Cache, at.Child("cache"))
	return s
}

// secrets compiles the names of Secrets. They know nothing of a matrix: what a stage is given must not differ between its runs, of which some engines
// make one job.
func (c *compiler) secrets(given []platformv1alpha1.SecretEnvVar, at *field.Path) ([]*text, error) {
	if len(given) == 0 {
		return nil, nil
	}
	env, err := c.environment(nil, false)
	if err != nil {
		return nil, err
	}
	names := make([]*text, len(given))
	for i, e := range given {
		names[i] = c.text(e.SecretKeyRef.Name, env, at.Key(e.Name).Child("secretKeyRef", "name"))
	}
	return names, nil
}

// kind checks what a stage runs, as the definition of ServiceTemplate does.
func (c *compiler) kind(s *platformv1alpha1.Stage, at *field.Path) {
	switch own := s.Script != "" || len(s.Args) > 0; {
	case s.Name == Clone:
		c.errs = append(c.errs, field.Invalid(at.Child("name"), s.Name, "is the name of the step that fetches the sources: choose another"))
	case s.Standard != "" && s.Standard != platformv1alpha1.StageTest && own:
		c.errs = append(c.errs, field.Invalid(at, field.OmitValueType{}, "of the standard stages only Test takes a script or args"))
	case s.Standard != "" && s.Standard != platformv1alpha1.StageTest:
	case s.Image == "":
		c.errs = append(c.errs, field.Required(at.Child("image"), "name the image in which the stage runs"))
	case !own || s.Script != "" && len(s.Args) > 0:
		c.errs = append(c.errs, field.Invalid(at, field.OmitValueType{}, "must have either script or args"))
	}
}

// names checks the names of the environment variables: each must be there once, whatever its value comes from.
func (c *compiler) names(s *platformv1alpha1.Stage, at *field.Path) {
	seen := sets.New[string]()
	for _, axis := range s.Matrix {
		seen.Insert(matrixVariable(axis.Name))
	}
	check := func(name string, here *field.Path) {
		switch {
		case strings.HasPrefix(name, ownPrefix):
			c.errs = append(c.errs, field.Invalid(here, name, "names that begin with "+ownPrefix+" are Towpath's own: choose another"))
		case name == "HOME" || strings.HasPrefix(name, "GIT_CONFIG_"):
			c.errs = append(c.errs, field.Invalid(here, name, "is set by Towpath for all stages: set it in the script, by export"))
		case seen.Has(name):
			c.errs = append(c.errs, field.Duplicate(here, name))
		}
		seen.Insert(name)
	}
	for _, e := range s.Env {
		check(e.Name, at.Child("env").Key(e.Name).Child("name"))
	}
	for _, e := range s.SecretEnv {
		check(e.Name, at.Child("secretEnv").Key(e.Name).Child("name"))
	}
}

// ownPrefix begins the names of the environment variables that Towpath sets.
const ownPrefix = "TOWPATH_"

func matrixVariable(axis string) string { return "MATRIX_" + strings.ToUpper(axis) }

// matrix gives the combinations of a matrix, the last axis changing first.
func (c *compiler) matrix(axes []platformv1alpha1.MatrixAxis, at *field.Path) []map[string]string {
	runs := []map[string]string{{}}
	seen := sets.New[string]()
	for _, axis := range axes {
		if name := matrixVariable(axis.Name); seen.Has(name) {
			c.errs = append(c.errs, field.Invalid(at.Key(axis.Name).Child("name"), axis.Name, "another axis has the variable "+name+" too: choose another name"))
		} else {
			seen.Insert(name)
		}
		if n := len(runs) * len(axis.Values); n == 0 || n > maxCombinations {
			c.errs = append(c.errs, field.Invalid(at, field.OmitValueType{}, fmt.Sprintf("must have from 1 to %d combinations, and has more or none: take values out, or make two stages", maxCombinations)))
			return runs[:1]
		}
		var next []map[string]string
		for _, run := range runs {
			for _, value := range axis.Values {
				combined := map[string]string{axis.Name: value}
				for name, before := range run {
					combined[name] = before
				}
				next = append(next, combined)
			}
		}
		runs = next
	}
	return runs
}

// steps are the names of the runs of a stage.
func (s *stage) steps() []string {
	if len(s.Matrix) == 0 {
		return []string{s.Name}
	}
	names := make([]string, len(s.runs))
	for i := range s.runs {
		names[i] = fmt.Sprintf("%s-%d", s.Name, i+1)
	}
	return names
}

// pathPattern is what paths are made of: nothing that any shell, engine or pattern gives a meaning.
var pathPattern = lazyregexp.New(`^[A-Za-z0-9_.@+][-A-Za-z0-9_.@+/]*$`)

// paths checks that paths stay below the sources.
func (c *compiler) paths(paths []string, at *field.Path) {
	for i, path := range paths {
		outside := slices.ContainsFunc(strings.Split(path, "/"), func(element string) bool { return element == "" || element == "." || element == ".." })
		if outside || !pathPattern().MatchString(path) {
			c.errs = append(c.errs, field.Invalid(at.Index(i), path, "must be a path below the sources, such as build/reports: of letters, digits and _.@+-/, relative, without . and .. and patterns"))
		}
	}
}

// needs checks that what a stage needs is there.
func (c *compiler) needs(s *stage, known map[string]*stage, at *field.Path) {
	for i, name := range s.Needs {
		if known[name] != nil {
			continue
		}
		names := make([]string, 0, len(known))
		for other := range known {
			names = append(names, other)
		}
		slices.Sort(names)
		message := "no such stage"
		if near := expr.Nearest(name, names); near != "" {
			message += "; did you mean " + near + "?"
		} else {
			message += "; there are " + strings.Join(names, ", ")
		}
		c.errs = append(c.errs, field.Invalid(at.Index(i), name, message))
	}
}

// order puts each stage behind what it needs, else in the order given, and reports a circle.
func (c *compiler) order(all []*stage, known map[string]*stage, at *field.Path) []*stage {
	var ordered []*stage
	done := sets.New[string]()
	for len(ordered) < len(all) {
		next := slices.IndexFunc(all, func(s *stage) bool { return !done.Has(s.Name) && done.HasAll(s.Needs...) })
		if next < 0 {
			c.errs = append(c.errs, field.Invalid(at, circle(all, known, done), "stages must not need each other in a circle: take one of these needs out"))
			return nil
		}
		done.Insert(all[next].Name)
		ordered = append(ordered, all[next])
	}
	return ordered
}

// circle names one of the circles among the stages that are not done.
func circle(all []*stage, known map[string]*stage, done sets.Set[string]) string {
	at := all[slices.IndexFunc(all, func(s *stage) bool { return !done.Has(s.Name) })]
	path := []string{at.Name}
	for {
		at = known[at.Needs[slices.IndexFunc(at.Needs, func(name string) bool { return !done.Has(name) })]]
		if first := slices.Index(path, at.Name); first >= 0 {
			return strings.Join(append(path[first:], at.Name), " -> ")
		}
		path = append(path, at.Name)
	}
}

// environment is what the expressions of a stage know: its matrix, or, in conditions, the Build.
func (c *compiler) environment(axes []platformv1alpha1.MatrixAxis, condition bool) (*expr.Env, error) {
	params, objects := cel.DynType, []*apiservercel.DeclType{componentType}
	if c.params != nil {
		params, objects = c.params.CelType(), append(objects, c.params)
	}
	variables := []expr.Variable{{Name: "params", Type: params}, {Name: "component", Type: componentType.CelType()}}
	for _, axis := range axes {
		variables = append(variables, expr.Variable{Name: "matrix." + axis.Name, Type: cel.StringType})
	}
	if condition {
		variables = append(variables,
			expr.Variable{Name: varBranch, Type: cel.StringType}, expr.Variable{Name: varTag, Type: cel.StringType},
			expr.Variable{Name: varPullRequest, Type: cel.IntType}, expr.Variable{Name: varChangedPaths, Type: cel.ListType(cel.StringType)})
	}
	return expr.NewEnv(variables, objects...)
}
