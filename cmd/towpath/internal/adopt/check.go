package adopt

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/render"
	"github.com/towpath-dev/towpath/internal/template"
)

// Check renders a Component as it would be in the environment, and says why it cannot take the workload over: a
// selector cannot change, so the golden path must come to the very one that was found. A Component that has other
// environments already has other parameters than those that were fitted.
func Check(in Input, component *platformv1alpha1.Component) error {
	i := slices.IndexFunc(component.Spec.Environments, func(e platformv1alpha1.PathEnvironment) bool { return e.Name == in.Place.Environment.Name })
	if i < 0 || component.Spec.Environments[i].Adopt == nil {
		return fmt.Errorf("component %s takes nothing over in environment %s", component.Name, in.Place.Environment.Name)
	}
	step := component.Spec.Environments[i]
	base, err := template.DecodeParameters(component.Spec.Parameters)
	if err != nil {
		return err
	}
	over, err := template.DecodeParameters(step.Parameters)
	if err != nil {
		return err
	}
	resolved, errs := in.Compiled.ResolveParameters(template.MergeParameters(base, over), nil)
	if len(errs) > 0 {
		return &template.ParameterError{Errors: errs}
	}
	place := in.Place
	place.Image, place.Parameters, place.Env, place.SecretEnv, place.Adopt = component.Spec.Image, resolved, component.Spec.Env, component.Spec.SecretEnv, step.Adopt
	if place.Overrides, err = freeze(&in, component.Spec.Overrides); err != nil {
		return err
	}
	objects, err := render.Render(in.Compiled, place)
	if err == nil {
		err = render.CheckFound(objects, step.Adopt)
	}
	if err != nil {
		return err
	}
	workload := in.Workload
	for _, o := range objects {
		if o.Object.GetName() != workload.GetName() || o.Object.GroupVersionKind().GroupKind() != workload.GroupVersionKind().GroupKind() {
			continue
		}
		if wanted, found := selectorOf(o.Object.Object), selectorOf(workload.Object); !maps.Equal(wanted, found) {
			return unfit(workload, wanted, found)
		}
		return nil
	}
	return fmt.Errorf("component %s makes no %s", component.Name, title(workload))
}

// errSelector is why no parameter helps.
var errSelector = errors.New("a selector cannot change")

func unfit(workload *unstructured.Unstructured, wanted, found map[string]string) error {
	return fmt.Errorf("%s selects its pods by %s, and the Component would by %s: %w",
		title(workload), labels.Set(found), labels.Set(wanted), errSelector)
}

// keepable says why a selector cannot be kept: what bears Towpath's own labels must select by what the template does.
func keepable(workload *unstructured.Unstructured, adoption *platformv1alpha1.Adoption, own map[string]string) error {
	for key := range adoption.PodSelector {
		if strings.HasPrefix(key, platformv1alpha1.LabelPrefix) {
			return fmt.Errorf("%w, and a Component keeps none that holds labels of Towpath besides others; make the Component beside the workload, and delete that once it runs",
				unfit(workload, own, adoption.PodSelector))
		}
	}
	return nil
}
