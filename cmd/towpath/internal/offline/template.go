package offline

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/manifest"
)

// Replace takes the ServiceTemplates of documents in place of those that the world has, and reports what is wrong with
// them. It returns their names.
func (w *World) Replace(ctx context.Context, documents []*manifest.Document) []string {
	var names []string
	for _, document := range documents {
		if document.Object.GetKind() != "ServiceTemplate" {
			continue
		}
		checked, errs := w.schemas.Check(ctx, document.Object)
		for _, err := range errs {
			w.fieldError(document, err)
		}
		if len(errs) > 0 {
			continue
		}
		w.index(document, checked, false)
		name := document.Object.GetName()
		if t := w.templates[name]; w.compile(t) == nil {
			w.brokenTemplate(t)
		}
		names = append(names, name)
	}
	return names
}

// Spec returns a template of the world, nil where it has none of the name.
func (w *World) Spec(name string) *platformv1alpha1.ServiceTemplateSpec {
	if t := w.templates[name]; t != nil {
		return t.spec
	}
	return nil
}

// Shipped says whether a template came with Towpath, and from none of the caller's files.
func (w *World) Shipped(name string) bool {
	t := w.templates[name]
	return t != nil && t.document.File == shippedFile
}

// Places are the environments of the Components of a template, and of the Releases of it, whether they render or not.
func (w *World) Places(name string) []Place {
	var places []Place
	for _, component := range w.components {
		if component.Spec.TemplateRef.Name != name {
			continue
		}
		for _, step := range component.Spec.Environments {
			places = append(places, Place{component.Namespace, component.Name, step.Name})
		}
	}
	for _, release := range w.releases {
		if release.Spec.Template == name {
			places = append(places, Place{release.Namespace, release.Spec.Component.Name, release.Spec.Environment.Name})
		}
	}
	return places
}

// Pinned returns the Components of a template that are pinned to a revision, as namespace/name at revision, sorted.
func (w *World) Pinned(name string) []string {
	var pinned []string
	for _, component := range w.components {
		if ref := component.Spec.TemplateRef; ref.Name == name && ref.Revision != nil {
			pinned = append(pinned, fmt.Sprintf("%s/%s at %d", component.Namespace, component.Name, *ref.Revision))
		}
	}
	slices.Sort(pinned)
	return pinned
}

// Unpin drops the Components that do not follow the newest revision of a template, or are of other ones.
func (w *World) Unpin(name string) {
	w.components = slices.DeleteFunc(w.components, func(c *Component) bool {
		return c.Spec.TemplateRef.Name != name || c.Spec.TemplateRef.Revision != nil
	})
}

// AddObjects takes objects of a cluster. source names them in findings.
func (w *World) AddObjects(ctx context.Context, source string, objects []*unstructured.Unstructured) {
	documents := make([]*manifest.Document, len(objects))
	for i, object := range objects {
		documents[i] = manifest.FromObject(source, object)
	}
	w.AddCRDs(documents)
	w.add(ctx, documents, false)
}

// Templates are the names of the golden paths that the world has, sorted.
func (w *World) Templates() []string { return slices.Sorted(maps.Keys(w.templates)) }

// Manifest is a golden path as a file of the caller's would have it: without what a cluster adds. Nil where the world has none
// of the name.
func (w *World) Manifest(name string) map[string]any {
	t := w.templates[name]
	if t == nil {
		return nil
	}
	object := t.document.Object
	metadata := map[string]any{"name": object.GetName()}
	if annotations := w.Annotations(name); len(annotations) > 0 {
		metadata["annotations"] = annotations
	}
	return map[string]any{
		"apiVersion": object.GetAPIVersion(), "kind": object.GetKind(), "metadata": metadata, "spec": object.Object["spec"],
	}
}

// Annotations are those of Towpath on a golden path.
func (w *World) Annotations(name string) map[string]string {
	found := map[string]string{}
	if t := w.templates[name]; t != nil {
		for key, value := range t.document.Object.GetAnnotations() {
			if strings.HasPrefix(key, platformv1alpha1.LabelPrefix) {
				found[key] = value
			}
		}
	}
	return found
}

// FindingsOf are the findings about one file.
func (w *World) FindingsOf(file string) []Finding {
	return slices.DeleteFunc(slices.Clone(w.Findings), func(f Finding) bool { return f.File != file })
}
