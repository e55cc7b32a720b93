package expr

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	apiservercel "k8s.io/apiserver/pkg/cel"

	"github.com/towpath-dev/towpath/internal/lazyregexp"
)

// names are the identifiers, functions and field paths in an expression as written.
type names struct {
	idents, functions map[string]bool
	// selects are the paths of field selections by the id of their node.
	selects map[int64][]string
}

func namesOf(a *ast.AST) names {
	n := names{idents: map[string]bool{}, functions: map[string]bool{}, selects: map[int64][]string{}}
	ast.PreOrderVisit(a.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		switch e.Kind() {
		case ast.IdentKind:
			n.idents[e.AsIdent()] = true
		case ast.CallKind:
			n.functions[e.AsCall().FunctionName()] = true
		}
		if path, ok := selectPath(e); ok && len(path) > 1 {
			n.selects[e.ID()] = path
		}
	}))
	return n
}

var (
	undeclared     = lazyregexp.New(`^undeclared reference to '([^']*)' \(in container ''\)$`)
	undefinedField = lazyregexp.New(`^undefined field '([^']*)'$`)
	noOverload     = lazyregexp.New(`^found no matching overload for '([^']*)' applied to '(.*)'$`)
)

// explain turns the findings of the type check into sentences that say what to do.
func (e *Env) explain(issues *cel.Issues, used names) error {
	var messages, known []string
	for _, issue := range issues.Errors() {
		if message := e.explainOne(issue, used); !slices.Contains(known, message) {
			known = append(known, message)
			messages = append(messages, message+at(issue.Location))
		}
	}
	if len(messages) > 3 {
		messages = append(messages[:3], fmt.Sprintf("and %d more", len(messages)-3))
	}
	return errors.New(strings.Join(messages, "; "))
}

// at says where in an expression something is, counted from 1, and nothing where that is not known.
func at(place common.Location) string {
	if place == nil || place.Line() < 1 || place.Column() < 0 {
		return ""
	}
	return fmt.Sprintf(" (line %d, column %d of the expression)", place.Line(), place.Column()+1)
}

func (e *Env) explainOne(issue *cel.Error, used names) string {
	message := oneLine(issue.Message)
	if found := undeclared().FindStringSubmatch(message); found != nil {
		if used.functions[found[1]] && !used.idents[found[1]] {
			return fmt.Sprintf("there is no function %s: use one of CEL's or Kubernetes' functions", found[1])
		}
		return e.unknownVariable(found[1], used)
	}
	if found := undefinedField().FindStringSubmatch(message); found != nil {
		return e.unknownField(found[1], used.selects[issue.ExprID])
	}
	if found := noOverload().FindStringSubmatch(message); found != nil {
		return fmt.Sprintf("%s does not work on %s: convert the operands to types that fit", operator(found[1]), objectTypes().ReplaceAllString(found[2], "object"))
	}
	return objectTypes().ReplaceAllString(message, "object")
}

// objectTypes are the names of object types, which begin with a character that no name in an
// expression can have. They would say nothing to the reader.
var objectTypes = lazyregexp.New(`@[a-zA-Z][a-zA-Z0-9_.@]*`)

func (e *Env) unknownVariable(name string, used names) string {
	var members []string
	for variable := range e.variables {
		if rest, ok := strings.CutPrefix(variable, name+"."); ok {
			members = append(members, rest)
		}
	}
	slices.Sort(members)
	// A dotted name such as resources.deployment: name is only its first half.
	var asked []string
	for _, path := range used.selects {
		if path[0] == name && !slices.Contains(asked, path[1]) && !slices.Contains(members, path[1]) {
			asked = append(asked, path[1])
		}
	}
	slices.Sort(asked)
	switch {
	case len(members) > 0 && len(asked) > 0:
		return fmt.Sprintf("there is no %s.%s here: use one of %s%s", name, asked[0], strings.Join(members, ", "), didYouMean(asked[0], members))
	case len(members) > 0:
		return fmt.Sprintf("%s cannot be used as a whole: use %s.<id> with one of %s", name, name, strings.Join(members, ", "))
	}
	switch name {
	case "each":
		return "there is no variable each here: it exists in the object of a resource with forEach"
	case "self":
		return "there is no variable self here: it exists in readyWhen, where it is the live object"
	}
	return fmt.Sprintf("there is no variable %s here: use one of %s%s", name, strings.Join(e.known(), ", "), didYouMean(name, e.known()))
}

// known lists the variables; the many of resources.<id> are one.
func (e *Env) known() []string {
	var known []string
	for name := range e.variables {
		if head, _, dotted := strings.Cut(name, "."); dotted {
			name = head + ".<id>"
		}
		if !slices.Contains(known, name) {
			known = append(known, name)
		}
	}
	slices.Sort(known)
	return known
}

func (e *Env) unknownField(field string, path []string) string {
	fields := e.fieldsAt(path)
	if len(fields) == 0 {
		return fmt.Sprintf("there is no field %s: correct its name", field)
	}
	parent := strings.Join(path[:len(path)-1], ".")
	return fmt.Sprintf("%s has no field %s: use one of %s%s", parent, field, strings.Join(fields, ", "), didYouMean(field, fields))
}

// fieldsAt lists the fields of what the path but for its last name leads to.
func (e *Env) fieldsAt(path []string) []string {
	for n := len(path) - 1; n > 0; n-- {
		t, ok := e.variables[strings.Join(path[:n], ".")]
		if !ok {
			continue
		}
		object := e.objectType(t)
		for _, name := range path[n : len(path)-1] {
			object = memberType(object, name)
		}
		if object == nil {
			return nil
		}
		fields := map[string]bool{}
		for name := range object.Fields {
			fields[name] = true
		}
		return sortedNames(fields)
	}
	return nil
}

// objectType returns the object type of a variable, nil for any other; an optional is what is in it.
func (e *Env) objectType(t *cel.Type) *apiservercel.DeclType {
	if t.Kind() == types.OpaqueKind && len(t.Parameters()) == 1 {
		t = t.Parameters()[0]
	}
	if t.Kind() != types.StructKind {
		return nil
	}
	object, _ := e.objects.FindDeclType(t.TypeName())
	return object
}

func memberType(t *apiservercel.DeclType, name string) *apiservercel.DeclType {
	switch {
	case t == nil:
		return nil
	case t.IsMap():
		return t.ElemType
	}
	if field, ok := t.Fields[name]; ok {
		return field.Type
	}
	return nil
}

// operator shows _+_ as +.
func operator(name string) string {
	if plain := strings.Trim(name, "_@"); plain != "" {
		return plain
	}
	return name
}

func didYouMean(name string, known []string) string {
	if nearest := Nearest(name, known); nearest != "" {
		return fmt.Sprintf(" (did you mean %s?)", nearest)
	}
	return ""
}

// Nearest returns the known name that is most like the given one, or "" when none is near: at most
// half of its letters, and no more than three, may differ.
func Nearest(name string, known []string) string {
	best, distance := "", min(3, len(name)/2)+1
	if len(name) > 64 {
		return ""
	}
	for _, candidate := range known {
		if len(candidate) > 64 {
			continue
		}
		if d := editDistance(strings.ToLower(name), strings.ToLower(candidate)); d < distance {
			best, distance = candidate, d
		}
	}
	return best
}

// editDistance counts the letters to add, drop or change to make one word of another.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			diagonal, row[j] = row[j], min(row[j]+1, row[j-1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
