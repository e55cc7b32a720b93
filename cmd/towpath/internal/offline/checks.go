package offline

import (
	"k8s.io/apimachinery/pkg/util/validation/field"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/manifest"
	"github.com/towpath-dev/towpath/internal/check"
)

// lintClass compiles the checks of a class.
func (w *World) lintClass(class *platformv1alpha1.EnvironmentClass) {
	for _, document := range w.seen {
		if document.Object.GetKind() == "EnvironmentClass" && document.Object.GetName() == class.Name {
			w.lintChecks(document, class.Spec.Checks, field.NewPath("spec", "checks"))
		}
	}
}

// lintPath compiles the checks of each environment of a path, and warns of queries that the class does not let
// Components make.
func (w *World) lintPath(component *Component) {
	for i, step := range component.Spec.Environments {
		at := field.NewPath("spec", "environments").Index(i).Child("checks")
		w.lintChecks(component.document, step.Checks, at)
		environment := w.environments[key{component.Namespace, step.Name}]
		if environment == nil || w.classes[environment.Spec.ClassRef.Name] == nil {
			continue
		}
		class := w.classes[environment.Spec.ClassRef.Name]
		for j := range step.Checks {
			if why := check.MayAsk(class.Spec.Prometheus, platformv1alpha1.CheckOfComponent); step.Checks[j].Prometheus != nil && why != "" {
				w.report(component.document, at.Index(j).Child("prometheus").String(), Warning, "class %s %s: no Release can be made with it", class.Name, why)
			}
		}
	}
}

func (w *World) lintChecks(document *manifest.Document, checks []platformv1alpha1.Check, at *field.Path) {
	for i := range checks {
		for _, err := range check.ValidateOne(&checks[i], at.Index(i), w.kindsKnown()) {
			w.fieldError(document, err)
		}
	}
}
