package environment

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/freeze"
	"github.com/towpath-dev/towpath/internal/guardrails"
	"github.com/towpath-dev/towpath/internal/sleep"
)

// Validator refuses an Environment with a window of sleep or a quota that cannot be. What depends on the class stays a condition: the
// class may change, or come later. Everything else is the definition's to refuse.
//
// It also refuses to delete one where something runs and a freeze is open.
type Validator struct {
	// Reader reads Components and namespaces, from a cache.
	Reader client.Reader
	// Clock tells which freezes are open.
	Clock clock.PassiveClock
}

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

// ValidateDelete refuses to delete an Environment where a Component runs and a freeze is open, unless it goes with its
// namespace or is a preview: nothing changes there during the freeze, and another Environment of its name may have a class
// without.
func (v *Validator) ValidateDelete(ctx context.Context, e *platformv1alpha1.Environment) (admission.Warnings, error) {
	frozen := freeze.At(e.Status.Freezes, v.Clock.Now())
	if frozen == nil || !e.DeletionTimestamp.IsZero() || e.Status.Tier == platformv1alpha1.TierPreview {
		return nil, nil
	}
	names, err := v.running(ctx, e)
	if err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	if len(names) == 0 {
		return nil, nil
	}
	var home corev1.Namespace
	err = v.Reader.Get(ctx, types.NamespacedName{Name: e.Namespace}, &home)
	if client.IgnoreNotFound(err) != nil {
		return nil, apierrors.NewInternalError(fmt.Errorf("reading namespace %s: %w", e.Namespace, err))
	}
	if !home.DeletionTimestamp.IsZero() {
		return nil, nil
	}
	return nil, apierrors.NewForbidden(platformv1alpha1.GroupVersion.WithResource("environments").GroupResource(), e.Name, fmt.Errorf(
		"%s, and %s in it: delete it after that, or have the window taken out of class %s", frozen.Keeps(), phrase(names), e.Spec.ClassRef.Name))
}

// running names the Components of which something runs in an Environment, sorted.
func (v *Validator) running(ctx context.Context, e *platformv1alpha1.Environment) ([]string, error) {
	var components platformv1alpha1.ComponentList
	if err := v.Reader.List(ctx, &components, client.InNamespace(e.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing Components of namespace %s: %w", e.Namespace, err)
	}
	var names []string
	for i := range components.Items {
		runs := func(in platformv1alpha1.ComponentEnvironmentStatus) bool {
			return in.Name == e.Name && in.Release != ""
		}
		if slices.ContainsFunc(components.Items[i].Status.Environments, runs) {
			names = append(names, components.Items[i].Name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// maxNamed is how many Components a refusal names.
const maxNamed = 5

// phrase is a list of Components that run, as part of a sentence.
func phrase(names []string) string {
	switch more := len(names) - maxNamed; {
	case len(names) == 1:
		return names[0] + " runs"
	case more > 0:
		return fmt.Sprintf("%s and %d more run", strings.Join(names[:maxNamed], ", "), more)
	}
	return strings.Join(names, ", ") + " run"
}
