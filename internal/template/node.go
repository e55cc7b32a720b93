package template

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kube-openapi/pkg/validation/spec"

	"github.com/towpath-dev/towpath/internal/expr"
	"github.com/towpath-dev/towpath/internal/openapi"
)

// maxDepth is how deep an object of a template may be nested.
const maxDepth = 64

// node is one compiled value of an object. Exactly one of its parts is used: program for a whole
// expression, parts for a string with expressions inside, keys and fields for a map, items for a
// list, and literal for what holds no expression.
type node struct {
	literal any
	program *expr.Program
	parts   []part
	keys    []string
	fields  []*node
	isMap   bool
	items   []*node
	isList  bool
}

// part is a piece of a string: literal text or an expression.
type part struct {
	text    string
	program *expr.Program
}

// walker compiles an object, and checks it against the schema of its kind on the way.
type walker struct {
	*compiler
	env  *expr.Env
	refs map[string]bool
	// native says that the kind comes from Kubernetes itself.
	native bool
}

// walk compiles one value. schema is nil where nothing is known about it.
func (w *walker) walk(value any, s *spec.Schema, at *field.Path, depth int) *node {
	if depth > maxDepth {
		w.errs = append(w.errs, field.Invalid(at, field.OmitValueType{}, fmt.Sprintf("must not be nested deeper than %d levels", maxDepth)))
		return &node{}
	}
	if s != nil && openapi.Free(s) {
		s = nil
	}
	switch v := value.(type) {
	case map[string]any:
		return w.walkMap(v, s, at, depth)
	case []any:
		return w.walkList(v, s, at, depth)
	case string:
		return w.walkString(v, s, at)
	default:
		w.checkLiteral(v, s, at)
		return &node{literal: v}
	}
}

func (w *walker) walkMap(m map[string]any, s *spec.Schema, at *field.Path, depth int) *node {
	if s != nil && !s.Type.Contains("object") {
		w.errs = append(w.errs, field.Invalid(at, field.OmitValueType{}, "must be "+describe(s)+", is an object"))
		s = nil
	}
	n := &node{isMap: true}
	for _, key := range sortedKeys(m) {
		here := child(at, key)
		if strings.Contains(key, "${") {
			w.errs = append(w.errs, field.Invalid(here, key, "a key must not hold an expression: write the whole map as one ${…}"))
			continue
		}
		below, known := openapi.Property(s, key)
		if !known {
			w.errs = append(w.errs, field.Invalid(here, field.OmitValueType{}, unknownField(s, key)))
		}
		n.keys = append(n.keys, key)
		n.fields = append(n.fields, w.walk(m[key], below, here, depth+1))
	}
	if s == nil {
		return n
	}
	for _, name := range s.Required {
		if _, ok := m[name]; !ok && !w.defaulted(s, name) {
			w.errs = append(w.errs, field.Required(at.Child(name), "the kind requires the field"))
		}
	}
	return n
}

func (w *walker) walkList(list []any, s *spec.Schema, at *field.Path, depth int) *node {
	if s != nil && !s.Type.Contains("array") {
		w.errs = append(w.errs, field.Invalid(at, field.OmitValueType{}, "must be "+describe(s)+", is a list"))
		s = nil
	}
	n := &node{isList: true}
	for i, item := range list {
		n.items = append(n.items, w.walk(item, openapi.Items(s), at.Index(i), depth+1))
	}
	return n
}

func (w *walker) walkString(text string, s *spec.Schema, at *field.Path) *node {
	scanned, err := expr.Scan(text)
	if err != nil {
		w.errs = append(w.errs, field.Invalid(at, text, err.Error()))
		return &node{}
	}
	if len(scanned) == 1 && scanned[0].Expression {
		program := w.compile(at, scanned[0].Text, w.env, w.refs)
		if program != nil {
			if why := w.unfit(program.Type, s); why != "" {
				w.errs = append(w.errs, field.Invalid(at, text, why))
			}
		}
		return &node{program: program}
	}
	n := &node{}
	literal := true
	var plain strings.Builder
	for _, piece := range scanned {
		if !piece.Expression {
			plain.WriteString(piece.Text)
			n.parts = append(n.parts, part{text: piece.Text})
			continue
		}
		literal = false
		program := w.compile(at, piece.Text, w.env, w.refs)
		if program != nil && !scalar(program.Type) {
			next := "convert it, or make it the whole string"
			if isOptional(program.Type) {
				next = "add .orValue(…)"
			}
			w.errs = append(w.errs, field.Invalid(at, text, fmt.Sprintf(
				"${%s} gives %s, and only a string, number or bool can stand inside a longer string: %s", piece.Text, typeName(program.Type), next)))
		}
		n.parts = append(n.parts, part{program: program})
	}
	if literal {
		w.checkLiteral(plain.String(), s, at)
		return &node{literal: plain.String()}
	}
	if s != nil && !s.Type.Contains("string") {
		w.errs = append(w.errs, field.Invalid(at, text, "must be "+describe(s)+", is a string: write one whole ${…} to keep the type of its value"))
	}
	return n
}

// child is the position of a value, for errors, with keys that are no plain names in brackets.
func child(at *field.Path, key string) *field.Path {
	if strings.ContainsAny(key, "./[]") {
		return at.Key(key)
	}
	return at.Child(key)
}

// evaluator evaluates the nodes of one resource.
type evaluator struct {
	resource  string
	variables map[string]any
	budget    *expr.Budget
}

// value returns the value of a node, which may be expr.Absent.
func (e *evaluator) value(n *node, at *field.Path) (any, error) {
	switch {
	case n.program != nil:
		return e.eval(n.program, at)
	case n.parts != nil:
		return e.text(n.parts, at)
	case n.isMap:
		out := make(map[string]any, len(n.keys))
		for i, key := range n.keys {
			v, err := e.value(n.fields[i], child(at, key))
			if err != nil {
				return nil, err
			}
			if v != expr.Absent {
				out[key] = v
			}
		}
		return out, nil
	case n.isList:
		out := make([]any, 0, len(n.items))
		for i, item := range n.items {
			v, err := e.value(item, at.Index(i))
			if err != nil {
				return nil, err
			}
			if v != expr.Absent {
				out = append(out, v)
			}
		}
		return out, nil
	default:
		return n.literal, nil
	}
}

func (e *evaluator) eval(program *expr.Program, at *field.Path) (any, error) {
	v, err := program.Eval(e.variables, e.budget)
	if err != nil {
		return nil, &EvalError{Resource: e.resource, Path: at.String(), Expression: program.Source, Err: err}
	}
	return v, nil
}

// text puts a string together. A value that is absent is an error: nobody wants its place empty.
func (e *evaluator) text(parts []part, at *field.Path) (any, error) {
	var b strings.Builder
	for _, p := range parts {
		if p.program == nil {
			b.WriteString(p.text)
			continue
		}
		v, err := e.eval(p.program, at)
		if err != nil {
			return nil, err
		}
		text, ok := asText(v)
		if !ok {
			return nil, &EvalError{Resource: e.resource, Path: at.String(), Expression: p.program.Source,
				Err: fmt.Errorf("it gives %s, and only a string, number or bool can stand inside a longer string", kindOf(v))}
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

// kindOf names the kind of a value as people know it.
func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	case string:
		return "a string"
	case bool:
		return "a bool"
	case int64:
		return "an integer"
	case float64:
		return "a number"
	}
	if v == expr.Absent {
		return "no value"
	}
	return fmt.Sprintf("%T", v)
}
