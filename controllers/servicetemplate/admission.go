package servicetemplate

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/compatibility"
	"github.com/towpath-dev/towpath/internal/index"
	"github.com/towpath-dev/towpath/internal/openapi"
	"github.com/towpath-dev/towpath/internal/template"
)

// Validator refuses ServiceTemplates that do not compile, and changes that could break the Components that use them.
type Validator struct {
	// Reader reads revisions and Components, from a cache. What it does not show yet the controller refuses.
	Reader client.Reader
	// Kinds tells the schemas of the kinds that the cluster serves.
	Kinds openapi.Source
}

var _ admission.Validator[*platformv1alpha1.ServiceTemplate] = &Validator{}

// SetupWithManager adds the webhook to the manager's server.
func (v *Validator) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewWebhookManagedBy(mgr, &platformv1alpha1.ServiceTemplate{}).WithValidator(v).Complete()
}

// ValidateCreate compiles a new template.
func (v *Validator) ValidateCreate(ctx context.Context, st *platformv1alpha1.ServiceTemplate) (admission.Warnings, error) {
	return v.validate(ctx, st)
}

// ValidateUpdate compiles a changed template. One that is being deleted may change as it likes.
func (v *Validator) ValidateUpdate(ctx context.Context, _, st *platformv1alpha1.ServiceTemplate) (admission.Warnings, error) {
	if !st.DeletionTimestamp.IsZero() {
		return nil, nil
	}
	return v.validate(ctx, st)
}

// ValidateDelete allows every deletion: revisions outlive their template as long as they are used.
func (v *Validator) ValidateDelete(context.Context, *platformv1alpha1.ServiceTemplate) (admission.Warnings, error) {
	return nil, nil
}

func (v *Validator) validate(ctx context.Context, st *platformv1alpha1.ServiceTemplate) (admission.Warnings, error) {
	_, warnings, errs := template.Compile(&st.Spec, v.Kinds)
	if unavailable := schemasUnavailable(errs); unavailable != nil {
		return warnings, apierrors.NewInternalError(unavailable)
	}
	if len(errs) > 0 {
		return warnings, apierrors.NewInvalid(platformv1alpha1.GroupVersion.WithKind("ServiceTemplate").GroupKind(), st.Name, errs)
	}
	refused, err := v.compare(ctx, st)
	if err != nil {
		return warnings, apierrors.NewInternalError(err)
	}
	if refused != "" {
		return warnings, apierrors.NewForbidden(platformv1alpha1.GroupVersion.WithResource("servicetemplates").GroupResource(), st.Name, errors.New(refused))
	}
	return warnings, nil
}

// compare says why a template must not follow the newest revision of its name; empty where it may.
func (v *Validator) compare(ctx context.Context, st *platformv1alpha1.ServiceTemplate) (string, error) {
	var list platformv1alpha1.ServiceTemplateRevisionList
	if err := v.Reader.List(ctx, &list, client.MatchingFields{index.RevisionTemplate: st.Name}); err != nil {
		return "", fmt.Errorf("listing revisions: %w", err)
	}
	latest := (&scope{revisions: list.Items}).latest()
	if latest == nil {
		return "", nil
	}
	changes, err := compatibility.Compare(&latest.Spec.Template, &st.Spec)
	if err != nil {
		return "", err
	}
	return refusal(ctx, v.Reader, st, latest, changes)
}
