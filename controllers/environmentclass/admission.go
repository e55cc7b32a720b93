package environmentclass

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/freeze"
	"github.com/towpath-dev/towpath/internal/index"
)

// shown is how many Environments a refusal names.
const shown = 10

// Validator refuses an EnvironmentClass with a freeze that cannot be, and to delete one that Environments use. Everything
// else is the definition's to refuse.
type Validator struct {
	// Reader reads Environments, from a cache. One that it does not show yet says ClassNotFound, and goes on.
	Reader client.Reader
}

var _ admission.Validator[*platformv1alpha1.EnvironmentClass] = &Validator{}

// SetupWithManager adds the webhook to the manager's server.
func (v *Validator) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewWebhookManagedBy(mgr, &platformv1alpha1.EnvironmentClass{}).WithValidator(v).Complete()
}

// ValidateCreate refuses a class with a freeze that cannot be read, never opens or never closes.
func (v *Validator) ValidateCreate(_ context.Context, class *platformv1alpha1.EnvironmentClass) (admission.Warnings, error) {
	return nil, validate(class)
}

// ValidateUpdate refuses such a freeze where freezes change: one that is there already shows in the condition, and keeps
// nobody from changing something else. A class that changes otherwise breaks nothing.
func (v *Validator) ValidateUpdate(_ context.Context, before, class *platformv1alpha1.EnvironmentClass) (admission.Warnings, error) {
	if equality.Semantic.DeepEqual(before.Spec.Freezes, class.Spec.Freezes) {
		return nil, nil
	}
	return nil, validate(class)
}

func validate(class *platformv1alpha1.EnvironmentClass) error {
	var errs field.ErrorList
	for i := range class.Spec.Freezes {
		window := &class.Spec.Freezes[i]
		at := field.NewPath("spec", "freezes").Key(window.Name)
		if err := freeze.Check(window); err != nil {
			if invalid, ok := errors.AsType[*freeze.Error](err); ok {
				at = at.Child(invalid.Field)
			}
			errs = append(errs, field.Invalid(at, field.OmitValueType{}, err.Error()))
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return apierrors.NewInvalid(platformv1alpha1.GroupVersion.WithKind("EnvironmentClass").GroupKind(), class.Name, errs)
}

// ValidateDelete refuses to delete a class that is used.
func (v *Validator) ValidateDelete(ctx context.Context, class *platformv1alpha1.EnvironmentClass) (admission.Warnings, error) {
	var list platformv1alpha1.EnvironmentList
	if err := v.Reader.List(ctx, &list, client.MatchingFields{index.EnvironmentClass: class.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, apierrors.NewInternalError(fmt.Errorf("listing Environments: %w", err))
	}
	if len(list.Items) == 0 {
		return nil, nil
	}
	names := make([]string, 0, len(list.Items))
	for i := range list.Items {
		names = append(names, client.ObjectKeyFromObject(&list.Items[i]).String())
	}
	slices.Sort(names)
	more := ""
	if left := len(names) - shown; left > 0 {
		names, more = names[:shown], fmt.Sprintf(" and %d more", left)
	}
	return nil, apierrors.NewForbidden(platformv1alpha1.GroupVersion.WithResource("environmentclasses").GroupResource(), class.Name, fmt.Errorf(
		"%s%s use it: delete these Environments first, or change the class", strings.Join(names, ", "), more))
}
