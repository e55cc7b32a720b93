// Package environmentclass accepts EnvironmentClasses. The API server's validation of a class is complete but for guardrails, freezes
// and sleep, which the webhook checks; the status of a class says what is wrong with one that came past it.
package environmentclass

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/validation/field"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/internal/freeze"
	"github.com/towpath-dev/towpath/internal/guardrails"
	"github.com/towpath-dev/towpath/internal/sleep"
	"github.com/towpath-dev/towpath/internal/supplychain"
)

// Reconciler reconciles EnvironmentClasses.
type Reconciler struct {
	client.Client
	// TrustedRoot is by what signatures without a key are verified; nil for none.
	TrustedRoot *supplychain.Root
}

// +kubebuilder:rbac:groups=platform.towpath.dev,resources=environmentclasses,verbs=list;watch
// +kubebuilder:rbac:groups=platform.towpath.dev,resources=environmentclasses/status,verbs=patch

// SetupWithManager adds the controller to the manager.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		For(&platformv1alpha1.EnvironmentClass{}).
		WithOptions(controller.Options{ReconciliationTimeout: time.Minute}).
		Complete(r)
}

// Reconcile writes the status of one class.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	class := &platformv1alpha1.EnvironmentClass{}
	if err := r.Get(ctx, req.NamespacedName, class); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	before := class.DeepCopy()
	class.Status.ObservedGeneration = class.Generation
	freezes, sleeps := wrongFreezes(class.Spec.Freezes), sleep.Check(class.Spec.Sleep)
	walls := append(guardrails.Validate(&class.Spec.Guardrails, field.NewPath("spec")), guardrails.ValidateQuota(class.Spec.TeamQuota, field.NewPath("spec", "teamQuota"))...)
	chain := supplychain.Validate(class.Spec.SupplyChain, r.TrustedRoot, field.NewPath("spec", "supplyChain"))
	switch {
	case len(walls) > 0:
		condition.Stalled(&class.Status.Conditions, class.Generation, platformv1alpha1.ReasonGuardrailsInvalid,
			fmt.Sprintf("%v. No environment of the class can be made or kept so.", walls.ToAggregate()))
	case wrongPath(class) != nil:
		condition.Stalled(&class.Status.Conditions, class.Generation, platformv1alpha1.ReasonDeliveryInvalid,
			fmt.Sprintf("spec.delivery.git.path: %v. No Release is committed so.", wrongPath(class)))
	case freezes != "":
		condition.Stalled(&class.Status.Conditions, class.Generation, platformv1alpha1.ReasonFreezeInvalid, freezes)
	case len(chain) > 0:
		condition.Stalled(&class.Status.Conditions, class.Generation, platformv1alpha1.ReasonSupplyChainInvalid,
			fmt.Sprintf("%v. Nothing whose proofs need that enters environments of the class.", chain.ToAggregate()))
	case sleeps != nil:
		condition.Stalled(&class.Status.Conditions, class.Generation, platformv1alpha1.ReasonSleepInvalid,
			fmt.Sprintf("spec.sleep.windows%v. Such a window puts nothing to sleep.", sleeps))
	default:
		condition.Ready(&class.Status.Conditions, class.Generation, platformv1alpha1.ReasonAccepted, "Environments may use the class.")
	}
	if equality.Semantic.DeepEqual(before.Status, class.Status) {
		return ctrl.Result{}, nil
	}
	return ctrl.Result{}, client.IgnoreNotFound(r.Status().Patch(ctx, class, client.MergeFrom(before)))
}

// wrongFreezes says which windows cannot be read, never open or never close; nothing where all are well.
func wrongFreezes(windows []platformv1alpha1.FreezeWindow) string {
	var wrong []string
	for _, problem := range freeze.Check(windows) {
		wrong = append(wrong, fmt.Sprintf("spec.freezes[%s]: %v", problem.Name, problem.Err))
	}
	if len(wrong) == 0 {
		return ""
	}
	return strings.Join(wrong, "; ") + ". What cannot be read counts as open: nothing new enters environments of the class."
}
