package openapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/cel/openapi/resolver"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

// definitionPrefix begins every reference between the schemas of one document.
const definitionPrefix = "#/components/schemas/"

// Document is one group and version as an API server publishes it at /openapi/v3. It is a Source of
// the kinds that can be created there. Schemas are decoded when they are first asked for, without
// their descriptions.
type Document struct {
	definitions map[string]json.RawMessage
	scopes      map[schema.GroupVersionKind]bool
	roots       map[schema.GroupVersionKind]string

	mu    sync.Mutex
	kinds map[schema.GroupVersionKind]*Kind
}

// ParseDocument reads a document in JSON. It fails when data is not JSON or names no path and no
// schema at all, as an error page would.
func ParseDocument(data []byte) (*Document, error) {
	var raw struct {
		Paths map[string]struct {
			Post *struct {
				GVK schema.GroupVersionKind `json:"x-kubernetes-group-version-kind"`
			} `json:"post"`
		} `json:"paths"`
		Components struct {
			Schemas map[string]json.RawMessage `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, fmt.Errorf("OpenAPI document: %w", err)
	}
	if len(raw.Paths) == 0 && len(raw.Components.Schemas) == 0 {
		return nil, errors.New("OpenAPI document: it holds neither paths nor schemas")
	}
	document := newDocument(raw.Components.Schemas)
	for path, item := range raw.Paths {
		// A kind is what can be posted to its collection. A post below an object, such as an
		// eviction, is an action.
		if item.Post == nil || item.Post.GVK.Kind == "" || strings.HasSuffix(path, "}") || strings.Contains(path, "{name}") {
			continue
		}
		document.scopes[item.Post.GVK] = strings.Contains(path, "/namespaces/{namespace}/")
	}
	for name, definition := range raw.Components.Schemas {
		var head struct {
			GVKs []schema.GroupVersionKind `json:"x-kubernetes-group-version-kind"`
		}
		if err := json.Unmarshal(definition, &head); err != nil {
			return nil, fmt.Errorf("OpenAPI document: schema %s: %w", name, err)
		}
		for _, gvk := range head.GVKs {
			if _, ok := document.scopes[gvk]; ok {
				document.roots[gvk] = name
			}
		}
	}
	return document, nil
}

func newDocument(definitions map[string]json.RawMessage) *Document {
	return &Document{
		definitions: definitions,
		scopes:      make(map[schema.GroupVersionKind]bool),
		roots:       make(map[schema.GroupVersionKind]string),
		kinds:       make(map[schema.GroupVersionKind]*Kind),
	}
}

// Scopes tells of every kind that can be created whether it is namespaced. Do not change the map.
func (d *Document) Scopes() map[schema.GroupVersionKind]bool { return d.scopes }

// Root names the definition of a kind, or is empty.
func (d *Document) Root(gvk schema.GroupVersionKind) string { return d.roots[gvk] }

// Definitions are the schemas by name, as published. Do not change the map.
func (d *Document) Definitions() map[string]json.RawMessage { return d.definitions }

// Kind implements Source.
func (d *Document) Kind(gvk schema.GroupVersionKind) (*Kind, error) {
	namespaced, ok := d.scopes[gvk]
	if !ok {
		return nil, unknown(gvk)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if kind, ok := d.kinds[gvk]; ok {
		return kind, nil
	}
	kind := &Kind{Namespaced: namespaced}
	if root := d.roots[gvk]; root != "" {
		resolved, err := d.resolve(root)
		if err != nil {
			return nil, fmt.Errorf("schema of %s: %w", gvk, err)
		}
		kind.Schema = resolved
	}
	d.kinds[gvk] = kind
	return kind, nil
}

// resolve replaces every reference below a definition.
func (d *Document) resolve(root string) (*spec.Schema, error) {
	decoded := make(map[string]*spec.Schema)
	var failed error
	resolved, err := resolver.PopulateRefs(func(ref string) (*spec.Schema, bool) {
		name := strings.TrimPrefix(ref, definitionPrefix)
		if known, ok := decoded[name]; ok {
			return known, true
		}
		definition, ok := d.definitions[name]
		if !ok {
			return nil, false
		}
		parsed := &spec.Schema{}
		if err := json.Unmarshal(definition, parsed); err != nil {
			failed = errors.Join(failed, fmt.Errorf("definition %s: %w", name, err))
			return nil, false
		}
		dropDescriptions(parsed)
		decoded[name] = parsed
		return parsed, true
	}, definitionPrefix+root)
	if failed != nil {
		return nil, failed
	}
	return resolved, err
}

// dropDescriptions frees most of the memory that a schema holds; nothing reads them.
func dropDescriptions(s *spec.Schema) {
	s.Description, s.Title, s.Example = "", "", nil
	for name, property := range s.Properties {
		dropDescriptions(&property)
		s.Properties[name] = property
	}
	if s.Items != nil && s.Items.Schema != nil {
		dropDescriptions(s.Items.Schema)
	}
	if s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil {
		dropDescriptions(s.AdditionalProperties.Schema)
	}
	for _, alternatives := range [][]spec.Schema{s.AllOf, s.AnyOf, s.OneOf} {
		for i := range alternatives {
			dropDescriptions(&alternatives[i])
		}
	}
}

func unknown(gvk schema.GroupVersionKind) error {
	return fmt.Errorf("%s: %w", gvk, ErrUnknownKind)
}
