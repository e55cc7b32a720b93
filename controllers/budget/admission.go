package budget

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/cost"
	"github.com/towpath-dev/towpath/internal/estimate"
	"github.com/towpath-dev/towpath/internal/forecast"
	limits "github.com/towpath-dev/towpath/internal/spending"
)

// Validator refuses a Budget that means nothing: an unknown currency, days that are none, a selector that cannot be read. It warns of what may be
// right later, such as an environment that does not exist.
type Validator struct {
	// Reader reads Environments and Components, from a cache.
	Reader client.Reader
	Clock  clock.PassiveClock
}

var _ admission.Validator[*platformv1alpha1.Budget] = &Validator{}

// SetupWithManager adds the webhook to the manager's server.
func (v *Validator) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewWebhookManagedBy(mgr, &platformv1alpha1.Budget{}).WithValidator(v).Complete()
}

// ValidateCreate refuses a Budget that means nothing.
func (v *Validator) ValidateCreate(ctx context.Context, b *platformv1alpha1.Budget) (admission.Warnings, error) {
	if errs := check(b); len(errs) > 0 {
		return nil, apierrors.NewInvalid(platformv1alpha1.GroupVersion.WithKind("Budget").GroupKind(), b.Name, errs)
	}
	return v.warn(ctx, b), nil
}

// ValidateUpdate refuses the same where the spec changes.
func (v *Validator) ValidateUpdate(ctx context.Context, before, b *platformv1alpha1.Budget) (admission.Warnings, error) {
	if !b.DeletionTimestamp.IsZero() || equality.Semantic.DeepEqual(before.Spec, b.Spec) {
		return nil, nil
	}
	return v.ValidateCreate(ctx, b)
}

// ValidateDelete allows everything: what the team must not take away stands in its Team.
func (v *Validator) ValidateDelete(context.Context, *platformv1alpha1.Budget) (admission.Warnings, error) {
	return nil, nil
}

// check says what of a Budget means nothing, beyond what its definition refuses.
func check(b *platformv1alpha1.Budget) field.ErrorList {
	spec := field.NewPath("spec")
	var errs field.ErrorList
	if err := cost.CheckCurrency(b.Spec.Currency); err != nil {
		errs = append(errs, field.Invalid(spec.Child("currency"), b.Spec.Currency, err.Error()))
	}
	if _, err := limits.PeriodOf(b.Spec.Period, 0); err != nil {
		errs = append(errs, field.Invalid(spec.Child("period"), b.Spec.Period, err.Error()))
	}
	amount, err := estimate.Decimal(b.Spec.Amount)
	if err != nil || !amount.IsPositive() {
		errs = append(errs, field.Invalid(spec.Child("amount"), b.Spec.Amount, "must be more than nothing, such as 5000"))
	}
	seen := map[string]string{}
	for i := range b.Spec.Thresholds {
		t := &b.Spec.Thresholds[i]
		basis := t.Basis
		if basis == "" {
			basis = platformv1alpha1.BasisActual
		}
		key := fmt.Sprintf("%s %d %s", basis, t.Percent, t.Amount)
		if other := seen[key]; other != "" {
			errs = append(errs, field.Invalid(spec.Child("thresholds").Key(t.Name), key, fmt.Sprintf("must differ from the threshold %s: both would be told at the same moment", other)))
		}
		seen[key] = t.Name
	}
	if s := b.Spec.Scope.ComponentSelector; s != nil {
		path := spec.Child("scope", "componentSelector")
		selector, err := metav1.LabelSelectorAsSelector(s)
		switch {
		case err != nil:
			errs = append(errs, field.Invalid(path, metav1.FormatLabelSelector(s), err.Error()))
		case selector.Empty():
			errs = append(errs, field.Invalid(path, "{}", "must select something: leave it out for all Components"))
		}
	}
	return errs
}

// warn says what of a Budget will do nothing for now.
func (v *Validator) warn(ctx context.Context, b *platformv1alpha1.Budget) admission.Warnings {
	var warnings admission.Warnings
	var environments platformv1alpha1.EnvironmentList
	if err := v.Reader.List(ctx, &environments, client.InNamespace(b.Namespace), client.UnsafeDisableDeepCopy); err == nil {
		for _, name := range b.Spec.Scope.Environments {
			if !slices.ContainsFunc(environments.Items, func(e platformv1alpha1.Environment) bool { return e.Name == name }) {
				warnings = append(warnings, fmt.Sprintf("spec.scope.environments: there is no Environment %s in namespace %s yet; only what it cost before counts", name, b.Namespace))
			}
		}
	}
	var components platformv1alpha1.ComponentList
	if err := v.Reader.List(ctx, &components, client.InNamespace(b.Namespace), client.UnsafeDisableDeepCopy); err == nil {
		for _, name := range b.Spec.Scope.Components {
			if !slices.ContainsFunc(components.Items, func(c platformv1alpha1.Component) bool { return c.Name == name }) {
				warnings = append(warnings, fmt.Sprintf("spec.scope.components: there is no Component %s in namespace %s yet; only what it cost before counts", name, b.Namespace))
			}
		}
	}
	today := forecast.DayOf(v.Clock.Now())
	if period, err := limits.PeriodOf(b.Spec.Period, today); err == nil && period.Until <= today {
		warnings = append(warnings, fmt.Sprintf("spec.period.until: %s is over: the Budget tells what was spent, and holds nothing up", b.Spec.Period.Until))
	}
	return warnings
}
