package override

import (
	"slices"

	"k8s.io/kube-openapi/pkg/validation/spec"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/openapi"
)

// ruleOf is how server-side apply merges a list or map of a schema; nil where lists are replaced and maps are
// merged field by field. The path is not set.
func ruleOf(s *spec.Schema) *platformv1alpha1.MergeRule {
	if atomicMap(s) {
		return &platformv1alpha1.MergeRule{Strategy: platformv1alpha1.MergeAtomic}
	}
	if !s.Type.Contains("array") {
		return nil
	}
	switch kind, _ := s.Extensions.GetString("x-kubernetes-list-type"); kind {
	case "set":
		return &platformv1alpha1.MergeRule{Strategy: platformv1alpha1.MergeSet}
	case "map":
		rule := &platformv1alpha1.MergeRule{Strategy: platformv1alpha1.MergeKeyed}
		for _, name := range mapKeys(s) {
			key := platformv1alpha1.MergeKey{Name: name}
			if field, ok := property(openapi.Items(s), name); ok && field != nil {
				key.Default, _ = field.Default.(string)
			}
			rule.Keys = append(rule.Keys, key)
		}
		if len(rule.Keys) > 0 {
			return rule
		}
	}
	return nil
}

// mapKeys are the keys by which the elements of a list are told apart. A document that was read has them as any
// values, a definition that was converted as strings.
func mapKeys(s *spec.Schema) []string {
	if names, ok := s.Extensions["x-kubernetes-list-map-keys"].([]string); ok {
		return names
	}
	names, _ := s.Extensions.GetStringSlice("x-kubernetes-list-map-keys")
	return names
}

// atomicMap says whether a map is replaced as a whole.
func atomicMap(s *spec.Schema) bool {
	kind, _ := s.Extensions.GetString("x-kubernetes-map-type")
	return kind == "atomic"
}

// property is the schema of a field, nil where nothing is known of it, and whether there may be such a field.
func property(s *spec.Schema, name string) (*spec.Schema, bool) {
	p, ok := openapi.Property(s, name)
	return p, ok || openapi.Free(s)
}

// misfit says what a schema takes in place of a value, or nothing where it takes that.
func misfit(v any, s *spec.Schema) string {
	if s == nil || openapi.Free(s) {
		return ""
	}
	if openapi.Fits(s, v) {
		return ""
	}
	return s.Type[0]
}

// keyNames are the keys of an element, in order.
func keyNames(rule *platformv1alpha1.MergeRule) []string {
	names := make([]string, len(rule.Keys))
	for i, key := range rule.Keys {
		names[i] = key.Name
	}
	return slices.Clip(names)
}
