package component

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/guard"
	"github.com/towpath-dev/towpath/internal/template"
)

// kinds refuses to bring a template into an environment whose class does not allow a kind that it makes whatever the
// parameters are; what depends on them is found when a Release is made. It only warns where the Component was so before:
// a class that became narrower must not keep people from changing something else.
func (v *Validator) kinds(ctx context.Context, compiled *template.Template, before, component *platformv1alpha1.Component) (admission.Warnings, field.ErrorList, error) {
	var warnings admission.Warnings
	var errs field.ErrorList
	for _, step := range component.Spec.Environments {
		var env platformv1alpha1.Environment
		if err := v.Reader.Get(ctx, types.NamespacedName{Namespace: component.Namespace, Name: step.Name}, &env, client.UnsafeDisableDeepCopy); err != nil {
			if client.IgnoreNotFound(err) == nil {
				continue // there is a warning of that already
			}
			return nil, nil, fmt.Errorf("reading Environment %s: %w", step.Name, err)
		}
		standing := before != nil && before.Spec.TemplateRef.Name == component.Spec.TemplateRef.Name && runsIn(before, step.Name)
		for _, problem := range disallowed(compiled, &env) {
			err := field.Forbidden(field.NewPath("spec", "environments").Key(step.Name), problem)
			if standing {
				warnings = append(warnings, err.Error())
			} else {
				errs = append(errs, err)
			}
		}
	}
	return warnings, errs, nil
}

// disallowed says of each kind that a template always makes why the class of an Environment does not allow it.
func disallowed(compiled *template.Template, env *platformv1alpha1.Environment) []string {
	var problems []string
	for kind, resource := range compiled.Always() {
		if !guard.Allowed(env.Status.AllowedKinds, kind) {
			problems = append(problems, fmt.Sprintf("resource %s of the template: %s", resource, guard.NotAllowed(env.Spec.ClassRef.Name, env.Status.AllowedKinds, kind)))
		}
	}
	slices.Sort(problems)
	return problems
}
