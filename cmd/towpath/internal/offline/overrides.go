package offline

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation/field"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/override"
)

// overrides are those of a Component, as a Release would hold them. What is refused is reported where the file says
// it. Every one of them is in force: whether one has expired depends on the day, and what is rendered must not.
func (w *World) overrides(component *Component, t *Template) ([]platformv1alpha1.ReleaseOverride, bool) {
	frozen, errs := override.Freeze(component.Spec.Overrides, t.compiled.Overridable(), w.kinds, field.NewPath("spec", "overrides"))
	for _, err := range errs {
		w.fieldError(component.document, err)
	}
	return frozen, len(errs) == 0
}

// lintOverrides warns of overrides that have expired.
func (w *World) lintOverrides(component *Component) {
	for i := range component.Spec.Overrides {
		if o := &component.Spec.Overrides[i]; !w.Now.IsZero() && override.Expired(o, w.Now) {
			w.report(component.document, fmt.Sprintf("spec.overrides[%d].expires", i), Warning,
				"%q: the override has expired; it is dropped in environments whose class says dropExpiredOverrides, and rendered here all the same: take it out, or set a later date", o.Expires)
		}
	}
}

// unknownKinds names the resources whose overrides were merged without the schema of their kind.
func (w *World) unknownKinds(component *Component, t *Template) []string {
	var missing []string
	for i := range component.Spec.Overrides {
		target := t.compiled.Overridable()[component.Spec.Overrides[i].Resource]
		if known, err := w.kinds.Kind(target.Kind); err != nil || known.Schema == nil {
			missing = append(missing, fmt.Sprintf("schema of %s, by which an override is merged (give --crds)", target.Kind.Kind))
		}
	}
	return missing
}
