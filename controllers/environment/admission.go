package environment

import (
	"context"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/guardrails"
	"github.com/towpath-dev/towpath/internal/sleep"
)

// Validator refuses an Environment with a window of sleep or a quota that cannot be. What depends on the class stays a condition: the
// class may change, or come later. Everything else is the definition's to refuse.
type Validator struct{}

var _ admission.Validator[*platformv1alpha1.Environment] = &Validator{}

// SetupWithManager adds the webhook to the manager's server.
func (v *Validator) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewWebhookManagedBy(mgr, &platformv1alpha1.Environment{}).WithValidator(v).Complete()
}

// ValidateCreate refuses an Environment with a window of sleep that cannot be read, never opens or never closes, or with a quota
// that the API server would refuse.
func (v *Validator) ValidateCreate(_ context.Context, e *platformv1alpha1.Environment) (admission.Warnings, error) {
	return nil, validate(&platformv1alpha1.Environment{}, e)
}

// ValidateUpdate refuses these where they change: what is there already shows in conditions, and keeps nobody from changing
// something else.
func (v *Validator) ValidateUpdate(_ context.Context, before, e *platformv1alpha1.Environment) (admission.Warnings, error) {
	if !e.DeletionTimestamp.IsZero() {
		return nil, nil
	}
	return nil, validate(before, e)
}

func validate(before, e *platformv1alpha1.Environment) error {
	var errs field.ErrorList
	if now := e.Spec.Sleep; now != nil && (before.Spec.Sleep == nil || !equality.Semantic.DeepEqual(before.Spec.Sleep.Windows, now.Windows)) {
		errs = sleep.Validate(now.Windows, field.NewPath("spec", "sleep", "windows"))
	}
	if !equality.Semantic.DeepEqual(before.Spec.Quota, e.Spec.Quota) {
		errs = append(errs, guardrails.ValidateQuota(e.Spec.Quota, field.NewPath("spec", "quota"))...)
	}
	if len(errs) > 0 {
		return apierrors.NewInvalid(platformv1alpha1.GroupVersion.WithKind("Environment").GroupKind(), e.Name, errs)
	}
	return nil
}

// ValidateDelete refuses nothing: no webhook asks about deletions.
func (v *Validator) ValidateDelete(context.Context, *platformv1alpha1.Environment) (admission.Warnings, error) {
	return nil, nil
}
