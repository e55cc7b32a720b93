package pipeline

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/cel-go/cel"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/towpath-dev/towpath/internal/expr"
)

// text is a string with expressions.
type text struct {
	at    *field.Path
	parts []part
}

// part is literal text, or an expression.
type part struct {
	literal string
	program *expr.Program
}

// text compiles a string with expressions.
func (c *compiler) text(source string, env *expr.Env, at *field.Path) *text {
	t := &text{at: at}
	scanned, err := expr.Scan(source)
	if err != nil {
		c.errs = append(c.errs, field.Invalid(at, source, err.Error()))
		return t
	}
	for _, piece := range scanned {
		if !piece.Expression {
			t.parts = append(t.parts, part{literal: piece.Text})
			continue
		}
		program := c.expression(piece.Text, env, at)
		if program == nil {
			continue
		}
		if !scalar(program.Type) {
			c.errs = append(c.errs, field.Invalid(at, source, fmt.Sprintf("${%s} gives %s, and must give a string, number or bool: convert it", piece.Text, typeName(program.Type))))
		}
		t.parts = append(t.parts, part{program: program})
	}
	return t
}

// condition compiles a string that must be one expression of type bool.
func (c *compiler) condition(source string, env *expr.Env, at *field.Path) *expr.Program {
	whole, err := expr.Whole(source)
	if err != nil {
		c.errs = append(c.errs, field.Invalid(at, source, err.Error()))
		return nil
	}
	program := c.expression(whole, env, at)
	if program != nil && program.Type.Kind() != cel.BoolKind && program.Type.Kind() != cel.DynKind {
		c.errs = append(c.errs, field.Invalid(at, source, "must give a bool, and gives "+typeName(program.Type)))
		return nil
	}
	return program
}

// expression compiles one expression, and notes what it reads.
func (c *compiler) expression(source string, env *expr.Env, at *field.Path) *expr.Program {
	program, err := env.Compile(source)
	if err != nil {
		c.errs = append(c.errs, field.Invalid(at, "${"+source+"}", err.Error()))
		return nil
	}
	c.reads.Insert(program.Paths...)
	return program
}

// scalar says whether a value of a type may stand inside a string.
func scalar(t *cel.Type) bool {
	switch t.Kind() {
	case cel.StringKind, cel.IntKind, cel.UintKind, cel.DoubleKind, cel.BoolKind, cel.DynKind, cel.AnyKind:
		return true
	}
	return false
}

// typeName shows a type as people know it: object types have names that nobody wrote.
func typeName(t *cel.Type) string {
	if t.Kind() == cel.StructKind {
		return "an object"
	}
	return t.String()
}

// value gives the string with the values of its expressions.
func (t *text) value(variables map[string]any, budget *expr.Budget) (string, error) {
	var b strings.Builder
	for _, p := range t.parts {
		if p.program == nil {
			b.WriteString(p.literal)
			continue
		}
		value, err := p.program.Eval(variables, budget)
		if err != nil {
			return "", &Error{Path: t.at.String(), Expression: p.program.Source, Err: err}
		}
		switch v := value.(type) {
		case string:
			b.WriteString(v)
		case bool:
			b.WriteString(strconv.FormatBool(v))
		case int64:
			b.WriteString(strconv.FormatInt(v, 10))
		case float64:
			b.WriteString(strconv.FormatFloat(v, 'g', -1, 64))
		default:
			return "", &Error{Path: t.at.String(), Expression: p.program.Source, Err: errors.New("it must give a string, number or bool")}
		}
	}
	return b.String(), nil
}

// Error says what of a pipeline cannot be planned for a Component, and why.
type Error struct {
	// Path is the place in the template, Expression its source; empty where there is none.
	Path, Expression string
	Err              error
}

// Error names the place, the expression and the cause.
func (e *Error) Error() string {
	if e.Expression == "" {
		return fmt.Sprintf("%s: %v", e.Path, e.Err)
	}
	return fmt.Sprintf("%s: ${%s}: %v", e.Path, e.Expression, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
