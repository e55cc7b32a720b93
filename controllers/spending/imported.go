package spending

import (
	"context"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// Imported passes a CostSource that has just been read to the end, that counts for teams or not as it did not before, or that is gone: what
// rests on bills is reckoned at once then, and not when its time comes.
func Imported() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(event.CreateEvent) bool { return false },
		UpdateFunc: func(e event.UpdateEvent) bool {
			before, ok := e.ObjectOld.(*platformv1alpha1.CostSource)
			after, too := e.ObjectNew.(*platformv1alpha1.CostSource)
			return ok && too && (!before.Status.LastSuccess.Equal(after.Status.LastSuccess) || before.Spec.TeamCosts != after.Spec.TeamCosts)
		},
		DeleteFunc:  func(event.DeleteEvent) bool { return true },
		GenericFunc: func(event.GenericEvent) bool { return false },
	}
}

// limitedTeams maps a CostSource to the Teams that have limits.
func (r *Reconciler) limitedTeams(ctx context.Context, _ client.Object) []ctrl.Request {
	var list platformv1alpha1.TeamList
	if err := r.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Listing Teams failed")
		return nil
	}
	var requests []ctrl.Request
	for i := range list.Items {
		if list.Items[i].Spec.Spending != nil {
			requests = append(requests, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
		}
	}
	return requests
}
