package team

import (
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/cost"
	"github.com/towpath-dev/towpath/internal/estimate"
	"github.com/towpath-dev/towpath/internal/spending"
)

// checkSpending refuses limits that mean nothing, beyond what the definition refuses: a currency that is not known, days that are none.
func checkSpending(t *platformv1alpha1.Team) error {
	if t.Spec.Spending == nil {
		return nil
	}
	var errs field.ErrorList
	for i := range t.Spec.Spending.Limits {
		limit := &t.Spec.Spending.Limits[i]
		path := field.NewPath("spec", "spending", "limits").Key(limit.Name)
		if err := cost.CheckCurrency(limit.Currency); err != nil {
			errs = append(errs, field.Invalid(path.Child("currency"), limit.Currency, err.Error()))
		}
		if _, err := spending.PeriodOf(limit.Period, 0); err != nil {
			errs = append(errs, field.Invalid(path.Child("period"), limit.Period, err.Error()))
		}
		if amount, err := estimate.Decimal(limit.Amount); err != nil || !amount.IsPositive() {
			errs = append(errs, field.Invalid(path.Child("amount"), limit.Amount, "must be more than nothing, such as 5000"))
		}
	}
	if len(errs) > 0 {
		return apierrors.NewInvalid(platformv1alpha1.GroupVersion.WithKind("Team").GroupKind(), t.Name, errs)
	}
	return nil
}
