package environmentclass

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/index"
)

// shown is how many Environments a refusal names.
const shown = 10

// Validator refuses to delete an EnvironmentClass that Environments use. Everything else is the definition's to refuse.
type Validator struct {
	// Reader reads Environments, from a cache. One that it does not show yet says ClassNotFound, and goes on.
	Reader client.Reader
}

var _ admission.Validator[*platformv1alpha1.EnvironmentClass] = &Validator{}

// SetupWithManager adds the webhook to the manager's server.
func (v *Validator) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewWebhookManagedBy(mgr, &platformv1alpha1.EnvironmentClass{}).WithValidator(v).Complete()
}

// ValidateCreate allows every class that the definition allows.
func (v *Validator) ValidateCreate(context.Context, *platformv1alpha1.EnvironmentClass) (admission.Warnings, error) {
	return nil, nil
}

// ValidateUpdate allows every change that the definition allows: a class that changes breaks nothing.
func (v *Validator) ValidateUpdate(context.Context, *platformv1alpha1.EnvironmentClass, *platformv1alpha1.EnvironmentClass) (admission.Warnings, error) {
	return nil, nil
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
