package expr

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/ext"
	apiservercel "k8s.io/apiserver/pkg/cel"
	"k8s.io/apiserver/pkg/cel/library"
)

// baseEnv is what all environments share.
type baseEnv struct {
	env     *cel.Env
	planner *planner
}

// base makes the shared environment, once: it takes some 20 ms. It is that of Kubernetes 1.37
// (k8s.io/apiserver/pkg/cel/environment) without HomogeneousAggregateLiterals and without the
// authorizer, and with sorted maps.
var base = sync.OnceValues(func() (*baseEnv, error) {
	env, err := cel.NewEnv(
		cel.EagerlyValidateDeclarations(true),
		cel.DefaultUTCTimeZone(true),
		cel.CrossTypeNumericComparisons(true),
		cel.OptionalTypes(),
		cel.ParserExpressionSizeLimit(MaxSource),
		cel.ASTValidators(cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals(), cel.ValidateRegexLiterals()),
		library.URLs(), library.Regex(), library.Quantity(), boundedQuantities(), library.IP(), library.CIDR(), library.Format(),
		library.SemverLib(library.SemverVersion(1)),
		library.Lists(library.ListsVersion(1)),
		ext.Strings(ext.StringsVersion(2), ext.StringsMaxPrecision(maxPrecision)),
		ext.Sets(),
		ext.Lists(ext.ListsVersion(3), ext.ListsMaxRangeSize(maxRange)),
		ext.TwoVarComprehensions(),
		sortedLibrary(),
	)
	if err != nil {
		return nil, err
	}
	b := &baseEnv{env: env}
	b.planner, err = newPlanner(b)
	return b, err
})

// Variable is one that expressions may use.
type Variable struct {
	// Name is an identifier, or several joined by dots ("resources.deployment").
	Name string
	// Type of the variable.
	Type *cel.Type
}

// Env compiles expressions over a set of variables. It holds the types of the variables, so it
// should be dropped once everything is compiled: programs do not need it.
type Env struct {
	base      *baseEnv
	env       *cel.Env
	variables map[string]*cel.Type
	objects   *apiservercel.DeclTypeProvider
}

// NewEnv returns an environment with these variables. objects are the object types that occur in
// the types of the variables; their names must be no prefix of a dotted expression.
func NewEnv(variables []Variable, objects ...*apiservercel.DeclType) (*Env, error) {
	b, err := base()
	if err != nil {
		return nil, err
	}
	e := &Env{base: b, variables: map[string]*cel.Type{}, objects: apiservercel.NewDeclTypeProvider(objects...)}
	options, err := e.objects.EnvOptions(b.env.CELTypeProvider())
	if err != nil {
		return nil, err
	}
	for _, v := range variables {
		e.variables[v.Name] = v.Type
		options = append(options, cel.Variable(v.Name, v.Type))
	}
	e.env, err = b.env.Extend(options...)
	return e, err
}

// Compile parses, checks and plans an expression. The error says what is wrong and what to do; it
// does not repeat the expression. Compile never panics.
func (e *Env) Compile(source string) (p *Program, err error) {
	defer func() {
		if r := recover(); r != nil {
			p, err = nil, fmt.Errorf("internal error: %v", r)
		}
	}()
	if n := len([]rune(source)); n > MaxSource {
		return nil, fmt.Errorf("the expression has %d characters, at most %d are allowed: split it", n, MaxSource)
	}
	parsed, issues := e.env.Parse(source)
	if err := issues.Err(); err != nil {
		return nil, e.syntax(issues)
	}
	used := namesOf(parsed.NativeRep())
	sortIterations(parsed.NativeRep())
	typed, issues := e.env.Check(parsed)
	if issues.Err() != nil {
		return nil, e.explain(issues, used)
	}
	planned, err := e.base.planner.plan(typed.NativeRep())
	if err != nil {
		return nil, fmt.Errorf("%s: correct the expression", oneLine(err.Error()))
	}
	p = &Program{Source: source, Type: typed.OutputType(), step: planned, places: placesOf(typed.NativeRep().SourceInfo())}
	p.uses(typed.NativeRep(), e.variables)
	return p, nil
}

// uses finds what an expression reads. A variable of a comprehension that has the name of one of
// ours hides it: taking that for a use does no harm.
func (p *Program) uses(checked *ast.AST, variables map[string]*cel.Type) {
	p.members = members(checked)
	seen, loose, paths := map[string]bool{}, map[string]bool{}, map[string]bool{}
	tested := map[int64]bool{} // the identifiers in membership tests
	inner := map[int64]bool{}  // the operands of selections: not used as a whole
	ast.PreOrderVisit(checked.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if _, list, ok := membership(e); ok {
			tested[list.ID()] = true
		}
		path, ok := selectPath(e)
		if !ok {
			return
		}
		if e.Kind() == ast.SelectKind {
			inner[e.AsSelect().Operand().ID()] = true
		} else if e.Kind() == ast.CallKind {
			inner[e.AsCall().Args()[0].ID()] = true
		}
		if _, ours := variables[path[0]]; !ours {
			return
		}
		seen[path[0]] = true
		if !inner[e.ID()] {
			paths[strings.Join(path, ".")] = true
		}
		if e.Kind() == ast.IdentKind && !tested[e.ID()] {
			loose[path[0]] = true
		}
	}))
	p.Variables, p.Paths, p.loose = sortedNames(seen), sortedNames(paths), sortedNames(loose)
}

// selectPath returns a.b.c, a.?b.c or a[?]["b"] as its names, where a is an identifier. The checker
// has turned declared dotted names into one identifier, which stays one name here.
func selectPath(e ast.Expr) ([]string, bool) {
	switch e.Kind() {
	case ast.IdentKind:
		return []string{strings.TrimPrefix(e.AsIdent(), ".")}, true
	case ast.SelectKind:
		if path, ok := selectPath(e.AsSelect().Operand()); ok {
			return append(path, e.AsSelect().FieldName()), true
		}
	case ast.CallKind:
		call := e.AsCall()
		switch call.FunctionName() {
		case "_?._", "_[?_]", "_[_]":
			if len(call.Args()) == 2 && call.Args()[1].Kind() == ast.LiteralKind {
				name, isString := call.Args()[1].AsLiteral().Value().(string)
				if path, ok := selectPath(call.Args()[0]); ok && isString {
					return append(path, name), true
				}
			}
		}
	}
	return nil, false
}

// membership takes "literal" in variable apart.
func membership(e ast.Expr) (literal string, list ast.Expr, ok bool) {
	if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != "@in" || len(e.AsCall().Args()) != 2 {
		return "", nil, false
	}
	element, list := e.AsCall().Args()[0], e.AsCall().Args()[1]
	if element.Kind() != ast.LiteralKind || list.Kind() != ast.IdentKind {
		return "", nil, false
	}
	literal, ok = element.AsLiteral().Value().(string)
	return literal, list, ok
}

// members finds the string literals that an expression looks for in variables.
func members(checked *ast.AST) map[string][]string {
	var found map[string][]string
	ast.PreOrderVisit(checked.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		literal, list, ok := membership(e)
		if !ok {
			return
		}
		name := strings.TrimPrefix(list.AsIdent(), ".")
		if found == nil {
			found = map[string][]string{}
		}
		if !slices.Contains(found[name], literal) {
			found[name] = append(found[name], literal)
		}
	}))
	for _, literals := range found {
		slices.Sort(literals)
	}
	return found
}

func sortedNames(set map[string]bool) []string {
	names := make([]string, 0, len(set))
	for name := range set {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (e *Env) syntax(issues *cel.Issues) error {
	var messages []string
	for _, issue := range issues.Errors() {
		message := oneLine(strings.TrimPrefix(issue.Message, "Syntax error: "))
		if !slices.Contains(messages, message) {
			messages = append(messages, message)
		}
		if len(messages) == 2 {
			break // what follows the first errors is most often caused by them
		}
	}
	if len(messages) == 0 {
		return errors.New("is no CEL expression: correct it")
	}
	return fmt.Errorf("is no CEL expression (%s): correct it%s", strings.Join(messages, "; "), at(issues.Errors()[0].Location))
}

func oneLine(s string) string {
	return strings.Join(strings.Fields(s), " ")
}
