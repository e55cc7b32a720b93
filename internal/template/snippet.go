package template

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation/field"
	apiservercel "k8s.io/apiserver/pkg/cel"
	"k8s.io/kube-openapi/pkg/validation/spec"

	"github.com/towpath-dev/towpath/internal/expr"
)

// Snippet is a compiled value with expressions that stands outside of templates. These know component, environment and
// release, and nothing of parameters or of other resources.
type Snippet struct {
	root *node
	at   *field.Path
}

// CompileSnippet compiles a value that stands at a path, and checks it against a schema; nil for none.
func CompileSnippet(value any, schema *spec.Schema, at *field.Path) (s *Snippet, errs field.ErrorList) {
	defer func() {
		if p := recover(); p != nil {
			s, errs = nil, field.ErrorList{field.Invalid(at, field.OmitValueType{}, fmt.Sprintf("compiling failed: %v", p))}
		}
	}()
	c := &compiler{template: &Template{}, reads: map[string]bool{}, objects: []*apiservercel.DeclType{componentType, connectionType, environmentType, releaseType}}
	c.types = apiservercel.NewDeclTypeProvider(c.objects...)
	var err error
	if c.env, err = expr.NewEnv([]expr.Variable{
		{Name: "component", Type: componentType.CelType()}, {Name: "environment", Type: environmentType.CelType()}, {Name: "release", Type: releaseType.CelType()},
	}, c.objects...); err != nil {
		return nil, field.ErrorList{field.InternalError(at, err)}
	}
	w := &walker{compiler: c, env: c.env, refs: map[string]bool{}, native: true}
	root := w.walk(value, schema, at, 0)
	if len(c.errs) > 0 {
		return nil, ordered(c.errs)
	}
	return &Snippet{root: root, at: at}, nil
}

// Evaluate gives the value for one set of variables. The error is an *EvalError.
func (s *Snippet) Evaluate(variables map[string]any) (value any, err error) {
	defer recovered(&err)
	e := &evaluator{variables: variables, budget: expr.NewBudget()}
	return e.value(s.root, s.at)
}
