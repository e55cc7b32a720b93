package team

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// Validator refuses to delete a Team that has Environments, and limits on its spending that mean nothing. Everything else is the
// definition's to refuse.
type Validator struct {
	// Reader reads Environments, from a cache. What it does not show yet the finalizer waits for.
	Reader client.Reader
}

var _ admission.Validator[*platformv1alpha1.Team] = &Validator{}

// SetupWithManager adds the webhook to the manager's server.
func (v *Validator) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewWebhookManagedBy(mgr, &platformv1alpha1.Team{}).WithValidator(v).Complete()
}

// ValidateCreate refuses limits on spending that mean nothing.
func (v *Validator) ValidateCreate(_ context.Context, t *platformv1alpha1.Team) (admission.Warnings, error) {
	return nil, checkSpending(t)
}

// ValidateUpdate refuses these where they change: others can be changed beside them.
func (v *Validator) ValidateUpdate(_ context.Context, before, t *platformv1alpha1.Team) (admission.Warnings, error) {
	if !t.DeletionTimestamp.IsZero() || equality.Semantic.DeepEqual(before.Spec.Spending, t.Spec.Spending) {
		return nil, nil
	}
	return nil, checkSpending(t)
}

// ValidateDelete refuses to delete a Team that has Environments.
func (v *Validator) ValidateDelete(ctx context.Context, t *platformv1alpha1.Team) (admission.Warnings, error) {
	if !t.DeletionTimestamp.IsZero() {
		return nil, nil
	}
	names, err := environments(ctx, v.Reader, t)
	if err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	if len(names) == 0 {
		return nil, nil
	}
	return nil, apierrors.NewForbidden(platformv1alpha1.GroupVersion.WithResource("teams").GroupResource(), t.Name, fmt.Errorf(
		"it has Environments in namespace %s: %s. Delete these first, with what runs in them", t.Status.Namespace, shown(named(names))))
}
