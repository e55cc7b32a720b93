package offline

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/render"
	"github.com/towpath-dev/towpath/internal/uses"
)

// component returns a Component of the files; nil where they have none of that name.
func (w *World) component(namespace, name string) *Component {
	for _, component := range w.components {
		if component.Namespace == namespace && component.Name == name {
			return component
		}
	}
	return nil
}

// checkUses reports uses that the controller would refuse.
func (w *World) checkUses(component *Component) bool {
	err := uses.Check(component.Name, component.Spec.Uses)
	if err == nil {
		circle := uses.Cycle(component.Name, func(name string) []string {
			var names []string
			if found := w.component(component.Namespace, name); found != nil {
				for _, use := range found.Spec.Uses {
					names = append(names, use.Component)
				}
			}
			return names
		})
		if circle != nil {
			err = fmt.Errorf("components must not use each other in a circle: %s", strings.Join(circle, " -> "))
		}
	}
	if err != nil {
		w.report(component.document, "spec.uses", Error, "%v", err)
	}
	return err == nil
}

// used finds what the Components give that one uses in an environment. What the files do not tell is named in
// missing, and left out. The uses must have been checked.
func (w *World) used(component *Component, environment string, settings *Settings) (given []platformv1alpha1.ReleaseUse, missing []string) {
	for _, use := range component.Spec.Uses {
		alias := uses.Alias(use)
		provided, err := w.provided(component.Namespace, use.Component, environment, settings)
		if err != nil {
			missing = append(missing, fmt.Sprintf("what %s gives as %s (%v)", use.Component, alias, err))
			continue
		}
		provided.Component, provided.As = use.Component, alias
		given = append(given, *provided)
	}
	slices.SortFunc(given, func(a, b platformv1alpha1.ReleaseUse) int { return cmp.Compare(a.As, b.As) })
	return given, missing
}

// provided is what a Component of the files gives in an environment.
func (w *World) provided(namespace, name, environment string, settings *Settings) (*platformv1alpha1.ReleaseUse, error) {
	provider := w.component(namespace, name)
	if provider == nil {
		return nil, fmt.Errorf("add the file of Component %s", name)
	}
	if !w.checkUses(provider) {
		return nil, errors.New("its uses are wrong")
	}
	index := slices.IndexFunc(provider.Spec.Environments, func(e platformv1alpha1.PathEnvironment) bool { return e.Name == environment })
	if index < 0 {
		return nil, fmt.Errorf("it does not run in %s", environment)
	}
	t, problem := w.templateOf(provider)
	if problem != nil || w.compile(t) == nil {
		return nil, errors.New("its template is not at hand")
	}
	parameters, ok := w.resolve(provider, index, t.compiled)
	if !ok {
		return nil, errors.New("its parameters are wrong")
	}
	in := w.input(provider, w.placeOf(provider, environment, settings), t, parameters, settings)
	if in.Overrides, ok = w.overrides(provider, t); !ok {
		return nil, errors.New("its overrides are wrong")
	}
	in.Uses, _ = w.used(provider, environment, settings)
	provided, err := render.Provide(t.compiled, in)
	if err != nil {
		return nil, err
	}
	return &platformv1alpha1.ReleaseUse{Outputs: provided.Outputs, Endpoint: provided.Endpoint}, nil
}
