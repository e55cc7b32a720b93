package offline

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/manifest"
)

// tiers are tried in turn where nobody tells the tier of an environment: a template may decide by it.
var tiers = []platformv1alpha1.Tier{
	platformv1alpha1.TierDevelopment, platformv1alpha1.TierStaging, platformv1alpha1.TierProduction, platformv1alpha1.TierPreview,
}

// Lint checks everything in the caller's files beyond the schemas: templates compile, references
// lead somewhere, parameters fit, and each Component renders to objects that the guard lets through,
// with and without the optional APIs that its template asks for.
func (w *World) Lint() {
	for _, name := range slices.Sorted(maps.Keys(w.templates)) {
		w.lintTemplate(w.templates[name])
	}
	for _, environment := range w.environments {
		w.lintEnvironment(environment)
	}
	for _, class := range w.classes {
		w.lintClass(class)
	}
	for _, component := range w.components {
		w.lintComponent(component)
	}
	w.Sort()
}

func (w *World) lintTemplate(t *Template) {
	if w.seen[documentID(t.document)] != t.document {
		return // it ships with Towpath, and is not what was asked about
	}
	w.compile(t)
	w.brokenTemplate(t)
	for _, warning := range t.warnings {
		path, message, found := strings.Cut(warning, ": ")
		if !found || strings.Contains(path, " ") {
			path, message = "", warning
		}
		w.report(t.document, path, Warning, "%s", message)
	}
}

func documentID(document *manifest.Document) string {
	return document.Object.GroupVersionKind().GroupKind().String() + " " + document.Object.GetNamespace() + "/" + document.Object.GetName()
}

func (w *World) lintEnvironment(environment *platformv1alpha1.Environment) {
	name := environment.Spec.ClassRef.Name
	if w.classes[name] != nil {
		return
	}
	for _, document := range w.seen {
		if document.Object.GetKind() == "Environment" && document.Object.GetName() == environment.Name && document.Object.GetNamespace() == environment.Namespace {
			w.report(document, "spec.classRef.name", Warning, "%q: neither the files nor the catalogue have such an EnvironmentClass; they have %s",
				name, orNone(slices.Sorted(maps.Keys(w.classes))))
		}
	}
}

func (w *World) lintComponent(component *Component) {
	var nearby []string
	for known := range w.environments {
		if known.namespace == component.Namespace {
			nearby = append(nearby, known.name)
		}
	}
	slices.Sort(nearby)
	for i, step := range component.Spec.Environments {
		if len(nearby) > 0 && !slices.Contains(nearby, step.Name) {
			w.report(component.document, fmt.Sprintf("spec.environments[%d].name", i), Warning,
				"%q: the files have no such Environment in namespace %s; they have %s", step.Name, component.Namespace, strings.Join(nearby, ", "))
		}
	}
	w.lintPath(component)
	t, err := w.templateOf(component)
	if err != nil {
		w.fieldError(component.document, err)
		return
	}
	if w.compile(t) == nil {
		w.report(component.document, "spec.templateRef.name", Error, "%q does not compile: see its own findings", t.Name)
		w.brokenTemplate(t)
		return
	}
	w.lintOverrides(component)
	overrides, fine := w.overrides(component, t)
	if !w.checkUses(component) || !fine {
		return
	}
	for i, step := range component.Spec.Environments {
		parameters, ok := w.resolve(component, i, t.compiled)
		_, missing := w.used(component, step.Name, &Settings{})
		for _, what := range missing {
			w.report(component.document, "spec.uses", Warning, "what it becomes in %s is not checked, for lack of %s", step.Name, what)
		}
		if ok && len(missing) == 0 {
			w.lintRendering(component, i, t, parameters, overrides)
		}
	}
}

func (w *World) lintRendering(component *Component, index int, t *Template, parameters map[string]any, overrides []platformv1alpha1.ReleaseOverride) {
	name := component.Spec.Environments[index].Name
	tried := tiers
	if found := w.placeOf(component, name, &Settings{}); !slices.ContainsFunc(found.assumed, func(what string) bool { return strings.HasPrefix(what, "tier") }) {
		tried = []platformv1alpha1.Tier{found.Tier}
	}
	for _, tier := range tried {
		for _, capabilities := range [][]string{nil, t.compiled.Capabilities()} {
			settings := &Settings{Tier: tier, Capabilities: capabilities}
			at := w.placeOf(component, name, settings)
			in := w.input(component, at, t, parameters, settings)
			in.Overrides = overrides
			in.Uses, _ = w.used(component, name, settings)
			if _, ok := w.render(component.document, fmt.Sprintf("spec.environments[%d]", index), t, in, at); !ok {
				return
			}
			if len(t.compiled.Capabilities()) == 0 {
				break
			}
		}
	}
}
