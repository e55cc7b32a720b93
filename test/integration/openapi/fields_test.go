package openapi_test

import (
	"fmt"
	"slices"

	"k8s.io/kube-openapi/pkg/validation/spec"

	"github.com/towpath-dev/towpath/internal/openapi"
)

// fieldsOf lists the paths of the fields of a kind with their types, so that two can be compared.
func fieldsOf(path string, kind *openapi.Kind, depth int) []string {
	var list []string
	walk(path, kind.Schema, depth, &list)
	slices.Sort(list)
	return list
}

func walk(path string, s *spec.Schema, depth int, list *[]string) {
	if depth == 0 {
		return
	}
	// How lists and maps are merged counts too: overrides go by it.
	*list = append(*list, fmt.Sprintf("%s %v %s %v %v %v %v %v", path, s.Type, s.Format, s.Enum, s.Default,
		s.Extensions["x-kubernetes-list-type"], s.Extensions["x-kubernetes-list-map-keys"], s.Extensions["x-kubernetes-map-type"]))
	for name, property := range s.Properties {
		walk(path+"."+name, &property, depth-1, list)
	}
	if s.Items != nil && s.Items.Schema != nil {
		walk(path+"[]", s.Items.Schema, depth-1, list)
	}
	if s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil {
		walk(path+"{}", s.AdditionalProperties.Schema, depth-1, list)
	}
}
