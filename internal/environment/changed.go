package environment

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// MoreThanCosts is for whoever watches Environments, and does not care for OnlyCosts.
func MoreThanCosts() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		was, okWas := e.ObjectOld.(*platformv1alpha1.Environment)
		is, okIs := e.ObjectNew.(*platformv1alpha1.Environment)
		return !okWas || !okIs || !OnlyCosts(was, is)
	}}
}

// OnlyCosts says that an Environment changed in nothing but what it is estimated to cost. That is written each time that something
// comes or goes in it, and whatever runs in it need not look up for that.
func OnlyCosts(was, is *platformv1alpha1.Environment) bool {
	if was.ResourceVersion == is.ResourceVersion {
		return false // nothing changed: it is to be looked at all the same
	}
	if was.UID != is.UID || was.Generation != is.Generation || !was.DeletionTimestamp.Equal(is.DeletionTimestamp) ||
		!maps.Equal(was.Labels, is.Labels) || !maps.Equal(was.Annotations, is.Annotations) || !slices.Equal(was.Finalizers, is.Finalizers) {
		return false
	}
	a, b := was.Status, is.Status
	a.EstimatedCost, b.EstimatedCost = nil, nil
	return !equality.Semantic.DeepEqual(was.Status.EstimatedCost, is.Status.EstimatedCost) && equality.Semantic.DeepEqual(a, b)
}
