package template

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/towpath-dev/towpath/internal/expr"
)

// maxElements is how many objects a resource with forEach may make.
const maxElements = 100

// EvalError says which expression of a template failed, and where.
type EvalError struct {
	// Resource is the id of the resource, empty for outputs and the endpoint; Path is the place in it,
	// Expression its source.
	Resource, Path, Expression string
	Err                        error
}

// Error names the place, the expression and the cause.
func (e *EvalError) Error() string {
	place := e.Path
	if e.Resource != "" {
		place = "resource " + e.Resource + ": " + e.Path
	}
	if e.Expression == "" {
		return fmt.Sprintf("%s: %v", place, e.Err)
	}
	return fmt.Sprintf("%s: ${%s}: %v", place, e.Expression, e.Err)
}

// Unwrap returns the cause.
func (e *EvalError) Unwrap() error { return e.Err }

// Evaluated is one object as its template gives it, before labels and namespace.
type Evaluated struct {
	Resource string
	Wave     int
	Object   map[string]any
}

// Evaluate gives the objects of a template for one set of variables, in the order of their waves and
// then of the template. finish is called with each object as it is done, and may change it: what
// others see as resources.<id> is the changed one. The error is an *EvalError, or that of finish.
func (t *Template) Evaluate(variables map[string]any, finish func(Evaluated) error) error {
	return t.EvaluateWithin(expr.NewBudget(), variables, finish)
}

// EvaluateWithin is Evaluate at the expense of a budget.
func (t *Template) EvaluateWithin(budget *expr.Budget, variables map[string]any, finish func(Evaluated) error) (err error) {
	defer recovered(&err)
	_, err = t.evaluateAll(budget, variables, finish)
	return err
}

// recovered turns a panic of a library into an error, as in Compile.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("evaluating the template failed: %v", p)
	}
}

// evaluateAll gives the objects, and returns the evaluator that knows them.
func (t *Template) evaluateAll(budget *expr.Budget, variables map[string]any, finish func(Evaluated) error) (*evaluator, error) {
	e := &evaluator{variables: make(map[string]any, len(variables)+len(t.resources)), budget: budget}
	for name, value := range variables {
		e.variables[name] = value
	}
	for _, r := range t.resources {
		if err := e.evaluate(r, finish); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// evaluate gives the objects of one resource, and makes them known to the others.
func (e *evaluator) evaluate(r *resource, finish func(Evaluated) error) error {
	e.resource = r.id
	if r.includeWhen != nil {
		include, err := e.eval(r.includeWhen, field.NewPath("includeWhen"))
		if err != nil {
			return err
		}
		if wanted, ok := include.(bool); !ok {
			return &EvalError{Resource: r.id, Path: "includeWhen", Expression: r.includeWhen.Source, Err: fmt.Errorf("it must give a bool, and gives %s", kindOf(include))}
		} else if !wanted {
			e.variables[variablePrefix+r.id] = expr.None
			return nil
		}
	}
	elements := []any{nil}
	if r.forEach != nil {
		list, err := e.eval(r.forEach, field.NewPath("forEach"))
		if err != nil {
			return err
		}
		var ok bool
		if elements, ok = list.([]any); !ok {
			return &EvalError{Resource: r.id, Path: "forEach", Expression: r.forEach.Source, Err: fmt.Errorf("it must give a list, and gives %s", kindOf(list))}
		}
		if len(elements) > maxElements {
			return &EvalError{Resource: r.id, Path: "forEach", Expression: r.forEach.Source, Err: fmt.Errorf(
				"it gives %d elements, at most %d are allowed: bound the parameter with maxItems", len(elements), maxElements)}
		}
	}
	made := make([]any, 0, len(elements))
	for _, element := range elements {
		if r.forEach != nil {
			e.variables["each"] = element
		}
		value, err := e.value(r.object, field.NewPath("object"))
		if err != nil {
			return err
		}
		object, ok := value.(map[string]any)
		if !ok {
			return &EvalError{Resource: r.id, Path: "object", Err: fmt.Errorf("it must be an object, and is %s", kindOf(value))}
		}
		if err := finish(Evaluated{Resource: r.id, Wave: r.wave, Object: object}); err != nil {
			return err
		}
		made = append(made, object)
	}
	delete(e.variables, "each")
	var result any = made
	if r.forEach == nil {
		result = made[0]
	}
	if r.includeWhen != nil {
		result = expr.Some(result)
	}
	e.variables[variablePrefix+r.id] = result
	return nil
}
