package component

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/cost"
	"github.com/towpath-dev/towpath/internal/estimate"
	"github.com/towpath-dev/towpath/internal/expr"
	"github.com/towpath-dev/towpath/internal/override"
	"github.com/towpath-dev/towpath/internal/render"
	"github.com/towpath-dev/towpath/internal/spending"
	"github.com/towpath-dev/towpath/internal/template"
)

// adviceCost is what the expressions of a golden path may cost in all environments together while admission waits for them: 50 ms
// on a machine that has nothing else to do. The ones that ship cost a few thousand in each.
const adviceCost = 200_000

// costs tells what a change is estimated to cost a month in each environment of the path, once it has come there. It is advice:
// where it cannot be told, or only at length, nothing is said, and the Component is admitted all the same. before is nil for a new
// Component.
func (v *Validator) costs(ctx context.Context, before, component *platformv1alpha1.Component, compiled *template.Template) admission.Warnings {
	if before != nil && sameVersion(&before.Spec, &component.Spec) {
		return nil
	}
	var warnings admission.Warnings
	budget := expr.NewBudgetOf(adviceCost)
	for i := range component.Spec.Environments {
		step := &component.Spec.Environments[i]
		told, err := v.costIn(ctx, before, component, step, compiled, budget)
		if err != nil {
			ctrl.LoggerFrom(ctx).V(1).Info("What a change costs cannot be told", "environment", step.Name, "why", err.Error())
		}
		if errors.Is(err, expr.ErrBudget) || ctx.Err() != nil {
			break // the next one would take as long
		}
		warnings = append(warnings, told...)
	}
	return warnings
}

// sameVersion says that a change is about the way of versions alone, or about what costs nothing.
func sameVersion(a, b *platformv1alpha1.ComponentSpec) bool {
	if !equality.Semantic.DeepEqual(a.Parameters, b.Parameters) || !equality.Semantic.DeepEqual(a.Overrides, b.Overrides) || !equality.Semantic.DeepEqual(a.TemplateRef, b.TemplateRef) {
		return false
	}
	return slices.EqualFunc(a.Environments, b.Environments, func(a, b platformv1alpha1.PathEnvironment) bool {
		return a.Name == b.Name && equality.Semantic.DeepEqual(a.Parameters, b.Parameters)
	})
}

// costIn tells what a change costs in one environment, and over which limits that is; nothing where it costs what is there already,
// or cannot be rendered yet.
func (v *Validator) costIn(ctx context.Context, before, component *platformv1alpha1.Component, step *platformv1alpha1.PathEnvironment, compiled *template.Template, budget *expr.Budget) ([]string, error) {
	var environment platformv1alpha1.Environment
	err := v.Reader.Get(ctx, types.NamespacedName{Namespace: component.Namespace, Name: step.Name}, &environment, client.UnsafeDisableDeepCopy)
	if err != nil || environment.Status.Namespace == "" {
		return nil, client.IgnoreNotFound(err)
	}
	var class platformv1alpha1.EnvironmentClass
	if err := v.Reader.Get(ctx, types.NamespacedName{Name: environment.Spec.ClassRef.Name}, &class, client.UnsafeDisableDeepCopy); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	current, err := v.currentIn(ctx, before, step.Name)
	if err != nil || current == nil && len(component.Spec.Uses) > 0 {
		return nil, err // what it uses gives is not known before its first Release
	}
	next, err := v.sketch(component, step, &environment, current, compiled)
	if err != nil {
		return nil, err
	}
	objects, err := render.ReleaseWithin(budget, compiled, next)
	if err != nil {
		return nil, err
	}
	estimated, err := v.Estimator.Of(render.Plain(objects), next.Spec.Environment.Tier, plan(&class, &environment))
	if err != nil {
		return nil, err
	}
	change := spending.Change{
		Place: spending.Place{Component: component.Name, Environment: step.Name}, Namespace: component.Namespace, Tier: environment.Status.Tier,
	}
	text, err := costWarning(&change, current, &estimated.EstimatedCost)
	if err != nil || text == "" {
		return nil, err
	}
	over, err := v.Limits.Look(ctx, environment.Status.Team, component.Namespace, change)
	for i := range over {
		over[i] = fmt.Sprintf("%s: %s", change.Place, over[i])
	}
	return append([]string{text}, over...), err
}

// currentIn is the Release that runs in an environment; nil for none.
func (v *Validator) currentIn(ctx context.Context, component *platformv1alpha1.Component, environment string) (*platformv1alpha1.Release, error) {
	if component == nil {
		return nil, nil
	}
	i := slices.IndexFunc(component.Status.Environments, func(e platformv1alpha1.ComponentEnvironmentStatus) bool {
		return e.Name == environment && e.Release != ""
	})
	if i < 0 {
		return nil, nil
	}
	var release platformv1alpha1.Release
	err := v.Reader.Get(ctx, types.NamespacedName{Namespace: component.Namespace, Name: component.Status.Environments[i].Release}, &release)
	if err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	return &release, nil
}

// sketch is a Release as the change would have it, as far as that matters for what it costs.
func (v *Validator) sketch(component *platformv1alpha1.Component, step *platformv1alpha1.PathEnvironment,
	environment *platformv1alpha1.Environment, current *platformv1alpha1.Release, compiled *template.Template) (*platformv1alpha1.Release, error) {
	base, err := template.DecodeParameters(component.Spec.Parameters)
	if err != nil {
		return nil, err
	}
	over, err := template.DecodeParameters(step.Parameters)
	if err != nil {
		return nil, err
	}
	sketched := &platformv1alpha1.Release{}
	if current != nil {
		current.DeepCopyInto(sketched)
	}
	sketched.Namespace = component.Namespace
	spec, status := &sketched.Spec, &environment.Status
	spec.Cause, spec.Adopt = platformv1alpha1.CauseParameterChange, nil
	spec.Component = platformv1alpha1.ReleaseComponent{Name: component.Name, UID: component.UID}
	spec.Environment = platformv1alpha1.ReleaseEnvironment{
		Name: step.Name, UID: environment.UID, Namespace: status.Namespace, Class: environment.Spec.ClassRef.Name, Tier: status.Tier,
	}
	spec.Template, spec.Team, spec.CostCenter = component.Spec.TemplateRef.Name, status.Team, status.CostCenter
	spec.Env, spec.SecretEnv = component.Spec.Env, component.Spec.SecretEnv
	if component.Spec.Image != "" {
		spec.Image, spec.Commit = component.Spec.Image, component.Spec.Commit
	}
	if spec.Parameters, err = template.EncodeParameters(template.MergeParameters(base, over)); err != nil {
		return nil, err
	}
	frozen, errs := override.Freeze(inForce(component, environment, v.Clock.Now()), compiled.Overridable(), v.Kinds, overridesPath)
	spec.Overrides = frozen
	return sketched, errs.ToAggregate()
}

// costWarning fills in what a change costs, and says it; nothing where that is below the least that is shown of the currency.
func costWarning(change *spending.Change, current *platformv1alpha1.Release, next *platformv1alpha1.EstimatedCost) (string, error) {
	var err error
	if change.After, err = estimate.Decimal(next.Monthly.Expected); err != nil {
		return "", err
	}
	if current != nil {
		known := current.Cost()
		if known == nil || known.Currency != next.Currency {
			return "", nil
		}
		if change.Before, err = estimate.Decimal(known.Monthly.Expected); err != nil {
			return "", err
		}
	}
	change.Currency = next.Currency
	digits := cost.Digits(next.Currency)
	raises := change.Raises().Round(digits)
	if raises.IsZero() {
		return "", nil
	}
	sign, by := "", ""
	if raises.IsPositive() {
		sign = "+"
	}
	if next.PricesFrom == platformv1alpha1.PricesOfDefaultList {
		by = " by OpenCost's default prices"
	}
	return fmt.Sprintf("%s: %s%s %s a month, %s in all, as estimated%s",
		change.Place, sign, raises.StringFixed(digits), next.Currency, change.After.StringFixed(digits), by), nil
}
