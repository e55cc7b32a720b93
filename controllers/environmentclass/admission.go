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
	"github.com/towpath-dev/towpath/internal/check"
	"github.com/towpath-dev/towpath/internal/delivery"
	"github.com/towpath-dev/towpath/internal/freeze"
	"github.com/towpath-dev/towpath/internal/guardrails"
	"github.com/towpath-dev/towpath/internal/index"
	"github.com/towpath-dev/towpath/internal/openapi"
	"github.com/towpath-dev/towpath/internal/sleep"
	"github.com/towpath-dev/towpath/internal/supplychain"
	"github.com/towpath-dev/towpath/internal/window"
)

// shown is how many Environments a refusal names.
const shown = 10

// Validator refuses an EnvironmentClass with guardrails that the API server would refuse in an environment, a freeze or a window
// of sleep that cannot be, a path of delivery that cannot be or a check that does not compile, and to delete one that Environments use. Everything else is the definition's to refuse.
type Validator struct {
	// Kinds tells the schema of Jobs.
	Kinds openapi.Source
	// Reader reads Environments, from a cache. One that it does not show yet says ClassNotFound, and goes on.
	Reader client.Reader
	// TrustedRoot is by what signatures without a key are verified; nil for none.
	TrustedRoot *supplychain.Root
}

var _ admission.Validator[*platformv1alpha1.EnvironmentClass] = &Validator{}

// SetupWithManager adds the webhook to the manager's server.
func (v *Validator) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewWebhookManagedBy(mgr, &platformv1alpha1.EnvironmentClass{}).WithValidator(v).Complete()
}

// ValidateCreate refuses a class with guardrails that cannot be, with a freeze or a window of sleep that cannot be read, never
// opens or never closes, or with a check that does not compile.
func (v *Validator) ValidateCreate(_ context.Context, class *platformv1alpha1.EnvironmentClass) (admission.Warnings, error) {
	return warnings(class), v.validate(&platformv1alpha1.EnvironmentClass{}, class)
}

// ValidateUpdate refuses these where they change: what is there already shows in conditions, and keeps nobody from
// changing something else. A class that is being deleted may change as it likes.
func (v *Validator) ValidateUpdate(_ context.Context, before, class *platformv1alpha1.EnvironmentClass) (admission.Warnings, error) {
	if !class.DeletionTimestamp.IsZero() {
		return nil, nil
	}
	return warnings(class), v.validate(before, class)
}

// warnings says what a class asks for that will not come, or is better left. It may be meant, so nothing is refused.
func warnings(class *platformv1alpha1.EnvironmentClass) (out admission.Warnings) {
	git := class.ByGit()
	if git == nil {
		return nil
	}
	if strings.HasPrefix(git.URL, "http://") {
		out = append(out, "spec.delivery.git.url: http:// has credentials and Releases cross the network as they are, and anybody on the way may change them. Use https:// or ssh://.")
	}
	if r := git.Reconciler; r != nil && r.Type == platformv1alpha1.ReconcilerArgoCD && (r.Project == "" || r.Project == "default") {
		out = append(out, "spec.delivery.git.reconciler.project: the AppProject default lets everything be applied everywhere, and the policy of config/overlays/argocd refuses it "+
			"unless it names it: no Application is made then, and no Component gets ready. Name a project that allows the repository and the workload namespaces alone.")
	}
	return out
}

func (v *Validator) validate(before, class *platformv1alpha1.EnvironmentClass) error {
	var errs field.ErrorList
	if !equality.Semantic.DeepEqual(before.Spec.Freezes, class.Spec.Freezes) {
		errs = checkFreezes(class.Spec.Freezes)
	}
	if now := class.Spec.Sleep; now != nil && (before.Spec.Sleep == nil || !equality.Semantic.DeepEqual(before.Spec.Sleep.Windows, now.Windows)) {
		errs = append(errs, sleep.Validate(now.Windows, field.NewPath("spec", "sleep", "windows"))...)
	}
	if !equality.Semantic.DeepEqual(before.Spec.Guardrails, class.Spec.Guardrails) {
		errs = append(errs, guardrails.Validate(&class.Spec.Guardrails, field.NewPath("spec"))...)
	}
	if !equality.Semantic.DeepEqual(before.Spec.TeamQuota, class.Spec.TeamQuota) {
		errs = append(errs, guardrails.ValidateQuota(class.Spec.TeamQuota, field.NewPath("spec", "teamQuota"))...)
	}
	if !equality.Semantic.DeepEqual(before.Spec.SupplyChain, class.Spec.SupplyChain) {
		errs = append(errs, supplychain.Validate(class.Spec.SupplyChain, v.TrustedRoot, field.NewPath("spec", "supplyChain"))...)
	}
	if !equality.Semantic.DeepEqual(before.Spec.Checks, class.Spec.Checks) {
		errs = append(errs, check.Validate(class.Spec.Checks, field.NewPath("spec", "checks"), v.Kinds)...)
	}
	if !equality.Semantic.DeepEqual(before.Spec.Delivery, class.Spec.Delivery) {
		if err := wrongPath(class); err != nil {
			errs = append(errs, field.Invalid(field.NewPath("spec", "delivery", "git", "path"), class.Spec.Delivery.Git.Path, err.Error()))
		}
	}
	if slices.ContainsFunc(errs, func(err *field.Error) bool { return err.Type == field.ErrorTypeInternal }) {
		return apierrors.NewInternalError(errs.ToAggregate())
	}
	if len(errs) > 0 {
		return apierrors.NewInvalid(platformv1alpha1.GroupVersion.WithKind("EnvironmentClass").GroupKind(), class.Name, errs)
	}
	return nil
}

// wrongPath is what is wrong with the pattern of directories that a class delivers to; nil for nothing.
func wrongPath(class *platformv1alpha1.EnvironmentClass) error {
	git := class.ByGit()
	if git == nil {
		return nil
	}
	_, err := delivery.ParseLayout(git.Path)
	return err
}

func checkFreezes(freezes []platformv1alpha1.FreezeWindow) field.ErrorList {
	var errs field.ErrorList
	for _, wrong := range freeze.Check(freezes) {
		at := field.NewPath("spec", "freezes").Key(wrong.Name)
		if invalid, ok := errors.AsType[*window.Error](wrong.Err); ok {
			at = at.Child(invalid.Field)
		}
		errs = append(errs, field.Invalid(at, field.OmitValueType{}, wrong.Err.Error()))
	}
	return errs
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
