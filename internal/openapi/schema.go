package openapi

import "k8s.io/kube-openapi/pkg/validation/spec"

// Extensions of schemas that leave a value open.
const (
	intOrString = "x-kubernetes-int-or-string"
	keepUnknown = "x-kubernetes-preserve-unknown-fields"
)

// Free says whether a schema allows anything, so that nothing can be said about what is below it: it names no type
// (quantities and int-or-strings do not), keeps unknown fields, or is an object of which nothing is known.
func Free(s *spec.Schema) bool {
	for _, extension := range []string{intOrString, keepUnknown} {
		if on, ok := s.Extensions.GetBool(extension); ok && on {
			return true
		}
	}
	return len(s.Type) == 0 || s.Type.Contains("object") && len(s.Properties) == 0 && s.AdditionalProperties == nil
}

// Property returns the schema of a field, nil where nothing is known, and whether the schema has the field. Of nothing,
// everything may be a field.
func Property(s *spec.Schema, name string) (*spec.Schema, bool) {
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

// Items is the schema of the elements of a list, nil where it is not known.
func Items(s *spec.Schema) *spec.Schema {
	if s == nil || s.Items == nil {
		return nil
	}
	return s.Items.Schema
}

// Fits says whether a schema takes the type of a value, as JSON is decoded with whole numbers as int64. It does not look
// into objects and lists.
func Fits(s *spec.Schema, value any) bool {
	switch v := value.(type) {
	case map[string]any:
		return s.Type.Contains("object")
	case []any:
		return s.Type.Contains("array")
	case string:
		return s.Type.Contains("string")
	case bool:
		return s.Type.Contains("boolean")
	case int64:
		return s.Type.Contains("integer") || s.Type.Contains("number")
	case float64:
		return s.Type.Contains("number") || s.Type.Contains("integer") && v == float64(int64(v))
	}
	return false
}
