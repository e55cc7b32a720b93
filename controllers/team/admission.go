package team

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// Validator refuses to delete a Team that has Environments. Everything else is the definition's to refuse.
type Validator struct {
	// Reader reads Environments, from a cache. What it does not show yet the finalizer waits for.
	Reader client.Reader
}

var _ admission.Validator[*platformv1alpha1.Team] = &Validator{}

// SetupWithManager adds the webhook to the manager's server.
func (v *Validator) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewWebhookManagedBy(mgr, &platformv1alpha1.Team{}).WithValidator(v).Complete()
}

// ValidateCreate allows every Team that the definition allows.
func (v *Validator) ValidateCreate(context.Context, *platformv1alpha1.Team) (admission.Warnings, error) {
	return nil, nil
}

// ValidateUpdate allows every change that the definition allows.
func (v *Validator) ValidateUpdate(context.Context, *platformv1alpha1.Team, *platformv1alpha1.Team) (admission.Warnings, error) {
	return nil, nil
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
