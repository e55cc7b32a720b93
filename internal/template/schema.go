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
)

const (
	intOrString = "x-kubernetes-int-or-string"
	keepUnknown = "x-kubernetes-preserve-unknown-fields"
)

// free says whether a schema allows anything: it names no type (quantities and int-or-strings do
// not), keeps unknown fields, or is an object of which nothing is known.
func free(s *spec.Schema) bool {
	for _, extension := range []string{intOrString, keepUnknown} {
		if on, ok := s.Extensions.GetBool(extension); ok && on {
			return true
		}
	}
	if len(s.Type) == 0 {
		return true
	}
	return s.Type.Contains("object") && len(s.Properties) == 0 && s.AdditionalProperties == nil
}

// property returns the schema of a field, nil where nothing is known, and whether the field exists.
func property(s *spec.Schema, name string) (*spec.Schema, bool) {
	if s == nil {
		return nil, true
	}
	if p, ok := s.Properties[name]; ok {
		return &p, true
	}
	if s.AdditionalProperties != nil && (s.AdditionalProperties.Allows || s.AdditionalProperties.Schema != nil) {
		return s.AdditionalProperties.Schema, true
	}
	return nil, false
}

func items(s *spec.Schema) *spec.Schema {
	if s == nil || s.Items == nil {
		return nil
	}
	return s.Items.Schema
}

// defaulted says whether the API server fills in a required field.
func defaulted(s *spec.Schema, name string) bool {
	p, ok := s.Properties[name]
	return ok && p.Default != nil
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
	fits := false
	switch v := value.(type) {
	case string:
		fits = s.Type.Contains("string")
	case bool:
		fits = s.Type.Contains("boolean")
	case int64:
		fits = s.Type.Contains("integer") || s.Type.Contains("number")
	case float64:
		fits = s.Type.Contains("number") || s.Type.Contains("integer") && v == float64(int64(v))
	}
	if !fits {
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
	case cel.StringKind, cel.IntKind, cel.UintKind, cel.DoubleKind, cel.BoolKind, cel.DynKind:
		return true
	}
	return optional(t) && scalar(t.Parameters()[0])
}

// optional says whether a type is optional_type(T).
func optional(t *cel.Type) bool {
	return t.Kind() == cel.OpaqueKind && t.TypeName() == "optional_type" && len(t.Parameters()) == 1
}

// unfit says why a value of a type cannot stand in a field, or nothing. What shows only in
// evaluation passes: the API server has the last word.
//
// cel-go's own assignability does not do: it refuses dyn for string, a list of dyn for a list of
// objects, and an optional for its element.
func unfit(t *cel.Type, s *spec.Schema) string {
	if s == nil || free(s) || t == nil {
		return ""
	}
	if optional(t) {
		return unfit(t.Parameters()[0], s)
	}
	wrong := fmt.Sprintf("the field takes %s, and the expression gives %s", describe(s), t)
	switch t.Kind() {
	case cel.DynKind, cel.AnyKind, cel.NullTypeKind, cel.TypeParamKind:
		return ""
	case cel.StringKind, cel.BytesKind, cel.TimestampKind, cel.DurationKind:
		return unless(s.Type.Contains("string"), wrong)
	case cel.IntKind, cel.UintKind:
		return unless(s.Type.Contains("integer") || s.Type.Contains("number"), wrong)
	case cel.DoubleKind:
		return unless(s.Type.Contains("number"), wrong)
	case cel.BoolKind:
		return unless(s.Type.Contains("boolean"), wrong)
	case cel.ListKind:
		if !s.Type.Contains("array") {
			return wrong
		}
		if why := unfit(t.Parameters()[0], items(s)); why != "" {
			return "in its elements, " + why
		}
		return ""
	case cel.MapKind:
		return unfitMap(t, s, wrong)
	case cel.StructKind:
		return unless(s.Type.Contains("object"), wrong)
	case cel.OpaqueKind:
		return unless(s.Type.Contains("string"), wrong) // quantities, addresses and the like become strings
	}
	return ""
}

func unfitMap(t *cel.Type, s *spec.Schema, wrong string) string {
	if !s.Type.Contains("object") {
		return wrong
	}
	if s.AdditionalProperties == nil || s.AdditionalProperties.Schema == nil {
		return ""
	}
	if why := unfit(t.Parameters()[1], s.AdditionalProperties.Schema); why != "" {
		return "in its values, " + why
	}
	return ""
}

func unless(fits bool, why string) string {
	if fits {
		return ""
	}
	return why
}

// unfitFields checks the fields of an object type against those of a kind.
func unfitFields(t *apiservercel.DeclType, s *spec.Schema) string {
	if t == nil || s == nil || free(s) || s.AdditionalProperties != nil {
		return ""
	}
	for _, name := range sortedFields(t) {
		below, known := property(s, name)
		if !known {
			return fmt.Sprintf("the expression gives an object with the field %s: %s", name, unknownField(s, name))
		}
		kind := t.Fields[name].Type
		why := unfit(kind.CelType(), below)
		if why == "" && kind.IsObject() {
			why = unfitFields(kind, below)
		}
		if why != "" {
			return name + ": " + strings.TrimPrefix(why, name+": ")
		}
	}
	return ""
}

func sortedFields(t *apiservercel.DeclType) []string {
	names := make([]string, 0, len(t.Fields))
	for name := range t.Fields {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
