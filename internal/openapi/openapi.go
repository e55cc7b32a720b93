// Package openapi knows the schemas and scopes of Kubernetes kinds: those of Kubernetes itself from
// an embedded snapshot, those of CustomResourceDefinitions from their files. The compiler of
// templates checks against them; they never change a byte of what is rendered.
//
// The package is pure. internal/openapi/live reads the same from an API server.
package openapi

import (
	"errors"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

// Kind is what is known of one kind. It is shared: do not change it.
type Kind struct {
	// Schema of the kind with every reference resolved; a recursive reference ends as an object
	// without properties. It is nil where only the scope is known, as it is for those kinds of the
	// embedded snapshot that a golden path may not make.
	Schema *spec.Schema
	// Namespaced is false for a cluster-scoped kind.
	Namespaced bool
}

// ErrUnknownKind is wrapped by the error of a Source that does not know a kind. Any other error
// means that the source could not say.
var ErrUnknownKind = errors.New("kind is not known")

// Source tells what is known of a kind. Implementations are safe for concurrent use.
type Source interface {
	// Kind returns what is known of a kind. The error wraps ErrUnknownKind when the source does not
	// have the kind.
	Kind(gvk schema.GroupVersionKind) (*Kind, error)
}

// Union asks several sources in turn. The first that knows a kind answers; an error other than
// ErrUnknownKind ends the search, since a later source could contradict the one that failed.
func Union(sources ...Source) Source {
	return union(sources)
}

type union []Source

func (u union) Kind(gvk schema.GroupVersionKind) (*Kind, error) {
	for _, source := range u {
		kind, err := source.Kind(gvk)
		if err == nil || !errors.Is(err, ErrUnknownKind) {
			return kind, err
		}
	}
	return nil, unknown(gvk)
}
