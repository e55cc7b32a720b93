package template

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"k8s.io/apimachinery/pkg/util/validation/field"
	apiservercel "k8s.io/apiserver/pkg/cel"
	"k8s.io/kube-openapi/pkg/validation/spec"

	"github.com/towpath-dev/towpath/internal/expr"
	"github.com/towpath-dev/towpath/internal/openapi"
)

// defaulted says whether the API server fills in a required field. Kubernetes' own kinds publish the
// zero value of Go as the default of every required number and string; nobody fills these in.
func (w *walker) defaulted(s *spec.Schema, name string) bool {
	switch d := s.Properties[name].Default.(type) {
	case nil:
		return false
	case string:
		return d != "" || !w.native
	case float64:
		return d != 0 || !w.native
	case int64:
		return d != 0 || !w.native
	}
	return true
}

// native says whether the kinds of a group come from Kubernetes itself.
func native(group string) bool {
	return !strings.Contains(group, ".") || slices.Contains([]string{"networking.k8s.io", "resource.k8s.io", "coordination.k8s.io"}, group)
}

// unknownField says that a field does not exist, and which one may have been meant.
func unknownField(s *spec.Schema, name string) string {
	var known []string
	for n := range s.Properties {
		known = append(known, n)
	}
	slices.Sort(known)
	if near := expr.Nearest(name, known); near != "" {
		return fmt.Sprintf("the kind has no such field; did you mean %s?", near)
	}
	return "the kind has no such field"
}

// describe names what a schema takes.
func describe(s *spec.Schema) string {
	switch {
	case s.Type.Contains("object"):
		return "an object"
	case s.Type.Contains("array"):
		return "a list"
	case s.Type.Contains("integer"):
		return "an integer"
	case s.Type.Contains("number"):
		return "a number"
	case s.Type.Contains("boolean"):
		return "a bool"
	}
	return "a string"
}

// checkLiteral checks a value without expressions.
func (w *walker) checkLiteral(value any, s *spec.Schema, at *field.Path) {
	if s == nil || value == nil {
		return
	}
	if !openapi.Fits(s, value) {
		w.errs = append(w.errs, field.Invalid(at, value, "must be "+describe(s)))
		return
	}
	if len(s.Enum) > 0 && !slices.Contains(s.Enum, value) {
		var names []string
		for _, e := range s.Enum {
			names = append(names, fmt.Sprint(e))
		}
		w.errs = append(w.errs, field.NotSupported(at, fmt.Sprint(value), names))
	}
}

// scalar says whether a value of a type may stand inside a longer string.
func scalar(t *cel.Type) bool {
	switch t.Kind() {
	case cel.StringKind, cel.IntKind, cel.UintKind, cel.DoubleKind, cel.BoolKind, cel.DynKind, cel.AnyKind:
		return true
	}
	return false
}

// unfit says why a value of a type cannot stand in a field, or nothing. What shows only in
// evaluation passes: the API server has the last word.
//
// cel-go's own assignability does not do: it refuses dyn for string, a list of dyn for a list of
// objects, and an optional for its element.
func (c *compiler) unfit(t *cel.Type, s *spec.Schema) string {
	if s == nil || openapi.Free(s) || t == nil {
		return ""
	}
	if isOptional(t) {
		return c.unfit(t.Parameters()[0], s)
	}
	wrong := fmt.Sprintf("the field takes %s, and the expression gives %s", describe(s), typeName(t))
	switch t.Kind() {
	case cel.DynKind, cel.AnyKind, cel.NullTypeKind, cel.TypeParamKind:
		return ""
	case cel.StringKind, cel.BytesKind, cel.TimestampKind, cel.DurationKind:
		return unless(s.Type.Contains("string"), wrong+conversion(s))
	case cel.IntKind, cel.UintKind:
		return unless(s.Type.Contains("integer") || s.Type.Contains("number"), wrong+conversion(s))
	case cel.DoubleKind:
		return unless(s.Type.Contains("number"), wrong+conversion(s))
	case cel.BoolKind:
		return unless(s.Type.Contains("boolean"), wrong+conversion(s))
	case cel.ListKind:
		if !s.Type.Contains("array") {
			return wrong
		}
		return inside("in its elements, ", c.unfit(t.Parameters()[0], openapi.Items(s)))
	case cel.MapKind:
		if !s.Type.Contains("object") {
			return wrong
		}
		if s.AdditionalProperties == nil {
			return "" // the keys show only in evaluation
		}
		return inside("in its values, ", c.unfit(t.Parameters()[1], s.AdditionalProperties.Schema))
	case cel.StructKind:
		if !s.Type.Contains("object") {
			return wrong
		}
		return c.unfitFields(t, s)
	case cel.OpaqueKind:
		return unless(s.Type.Contains("string"), wrong) // quantities, addresses and the like become strings
	}
	return wrong
}

// unfitFields checks the fields of an object type against those of a kind.
func (c *compiler) unfitFields(t *cel.Type, s *spec.Schema) string {
	object, ok := c.types.FindDeclType(t.TypeName())
	if !ok {
		return ""
	}
	for _, name := range sortedFields(object) {
		below, known := openapi.Property(s, name)
		if !known {
			return fmt.Sprintf("the expression gives an object with the field %s: %s", name, unknownField(s, name))
		}
		if why := c.unfit(object.Fields[name].Type.CelType(), below); why != "" {
			return "in " + name + ", " + why
		}
	}
	return ""
}

// inside says where the reason lies, when there is one.
func inside(where, why string) string {
	if why == "" {
		return ""
	}
	return where + why
}

func unless(fits bool, why string) string {
	if fits {
		return ""
	}
	return why
}

// conversion names the function that makes the value fit.
func conversion(s *spec.Schema) string {
	switch {
	case s.Type.Contains("string"):
		return ": write string(…)"
	case s.Type.Contains("integer"):
		return ": write int(…)"
	}
	return ""
}

// typeName shows a type as people know it: an object type has a name that no template can write.
func typeName(t *cel.Type) string {
	if isObject(t) {
		return "an object"
	}
	return t.String()
}

func sortedFields(t *apiservercel.DeclType) []string {
	names := make([]string, 0, len(t.Fields))
	for name := range t.Fields {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
