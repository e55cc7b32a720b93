package openapi

import (
	"fmt"
	"maps"
	"sync"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

// FromCRDs knows the kinds of CustomResourceDefinitions: every version that is served. A definition
// whose schema is not structural is reported when its kind is asked for.
func FromCRDs(crds ...*apiextensionsv1.CustomResourceDefinition) Source {
	source := make(definitions)
	for _, crd := range crds {
		for i := range crd.Spec.Versions {
			version := &crd.Spec.Versions[i]
			if !version.Served {
				continue
			}
			gvk := schema.GroupVersionKind{Group: crd.Spec.Group, Version: version.Name, Kind: crd.Spec.Names.Kind}
			namespaced := crd.Spec.Scope == apiextensionsv1.NamespaceScoped
			source[gvk] = sync.OnceValues(func() (*Kind, error) {
				schema, err := customSchema(version)
				if err != nil {
					return nil, fmt.Errorf("schema of %s in CustomResourceDefinition %s: %w", gvk, crd.Name, err)
				}
				return &Kind{Schema: schema, Namespaced: namespaced}, nil
			})
		}
	}
	return source
}

// definitions are kinds whose schemas are converted when they are first asked for.
type definitions map[schema.GroupVersionKind]func() (*Kind, error)

func (d definitions) Kind(gvk schema.GroupVersionKind) (*Kind, error) {
	kind, ok := d[gvk]
	if !ok {
		return nil, unknown(gvk)
	}
	return kind()
}

// customSchema converts the schema of a version to what the API server would publish for it: with
// apiVersion, kind and metadata, which a definition does not list.
func customSchema(version *apiextensionsv1.CustomResourceDefinitionVersion) (*spec.Schema, error) {
	if version.Schema == nil || version.Schema.OpenAPIV3Schema == nil {
		return nil, fmt.Errorf("version %s has no openAPIV3Schema", version.Name)
	}
	var internal apiextensions.JSONSchemaProps
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(version.Schema.OpenAPIV3Schema, &internal, nil); err != nil {
		return nil, err
	}
	structural, err := structuralschema.NewStructural(&internal)
	if err != nil {
		return nil, err
	}
	converted := structural.ToKubeOpenAPI()
	if err := addObjectFields(converted); err != nil {
		return nil, err
	}
	return converted, nil
}

// addObjectFields declares what every object has. The snapshot of Kubernetes lends the metadata.
func addObjectFields(object *spec.Schema) error {
	configMap, err := Kubernetes().Kind(schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"})
	if err != nil {
		return err
	}
	properties := maps.Clone(object.Properties)
	if properties == nil {
		properties = make(map[string]spec.Schema)
	}
	for _, field := range []string{"apiVersion", "kind", "metadata"} {
		properties[field] = configMap.Schema.Properties[field]
	}
	object.Properties = properties
	return nil
}
