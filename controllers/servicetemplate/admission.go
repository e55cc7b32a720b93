package servicetemplate

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/openapi"
	"github.com/towpath-dev/towpath/internal/template"
)

// Validator refuses ServiceTemplates that do not compile.
type Validator struct {
	// Kinds tells the schemas of the kinds that the cluster serves.
	Kinds openapi.Source
}

var _ admission.Validator[*platformv1alpha1.ServiceTemplate] = &Validator{}

// SetupWithManager adds the webhook to the manager's server.
func (v *Validator) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewWebhookManagedBy(mgr, &platformv1alpha1.ServiceTemplate{}).WithValidator(v).Complete()
}

// ValidateCreate compiles a new template.
func (v *Validator) ValidateCreate(_ context.Context, st *platformv1alpha1.ServiceTemplate) (admission.Warnings, error) {
	return v.validate(st)
}

// ValidateUpdate compiles a changed template. One that is being deleted may change as it likes.
func (v *Validator) ValidateUpdate(_ context.Context, _, st *platformv1alpha1.ServiceTemplate) (admission.Warnings, error) {
	if !st.DeletionTimestamp.IsZero() {
		return nil, nil
	}
	return v.validate(st)
}

// ValidateDelete allows every deletion: revisions outlive their template as long as they are used.
func (v *Validator) ValidateDelete(context.Context, *platformv1alpha1.ServiceTemplate) (admission.Warnings, error) {
	return nil, nil
}

func (v *Validator) validate(st *platformv1alpha1.ServiceTemplate) (admission.Warnings, error) {
	_, warnings, errs := template.Compile(&st.Spec, v.Kinds)
	if unavailable := schemasUnavailable(errs); unavailable != nil {
		return warnings, apierrors.NewInternalError(unavailable)
	}
	if len(errs) > 0 {
		return warnings, apierrors.NewInvalid(platformv1alpha1.GroupVersion.WithKind("ServiceTemplate").GroupKind(), st.Name, errs)
	}
	return warnings, nil
}
