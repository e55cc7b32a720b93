package render

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	overrides "github.com/towpath-dev/towpath/internal/override"
	"github.com/towpath-dev/towpath/internal/template"
)

// OverrideError says which override cannot be applied, and why.
type OverrideError struct {
	// Index of the override in the list of the Component, and the id of its resource.
	Index    int
	Resource string
	Err      error
}

// Error names the override and the cause.
func (e *OverrideError) Error() string {
	return fmt.Sprintf("spec.overrides[%d] of resource %s: the patch %v", e.Index, e.Resource, e.Err)
}

// Unwrap returns the cause.
func (e *OverrideError) Unwrap() error { return e.Err }

// checkOverrides refuses overrides of what the template does not have. One of a resource that is only left out
// here is none of those.
func checkOverrides(t *template.Template, in Input) error {
	targets := t.Overridable()
	for i := range in.Overrides {
		if resource := in.Overrides[i].Resource; targets[resource].Kind.Empty() {
			return &OverrideError{Index: i, Resource: resource, Err: fmt.Errorf(
				"is for a resource that the template does not have; it has %s", strings.Join(slices.Sorted(maps.Keys(targets)), ", "))}
		}
	}
	return nil
}

// override merges the overrides of a resource into an object that was made from it: before labels and namespace
// are set, so that it can change neither, and before other resources see the object.
func override(t *template.Template, in Input, e template.Evaluated) error {
	for i := range in.Overrides {
		o := &in.Overrides[i]
		if o.Resource != e.Resource {
			continue
		}
		if err := overrides.Apply(e.Object, o, t.Overridable()[o.Resource]); err != nil {
			return &OverrideError{Index: i, Resource: o.Resource, Err: err}
		}
	}
	return nil
}
