package release

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/apply"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/internal/environment"
)

// finalize ends a Release that is being deleted.
//
// Where a newer Release runs, that one prunes and lets this one go. Where the Component still wants
// the environment, the Component controller makes a new Release, which then does the same: deleting
// a Release by hand interrupts nothing. Else everything of the inventory goes, or is let go where the Component or
// the Environment says so, and where nothing but what was found has ever been Ready. The newest Release goes first,
// and the event of its end wakes the one before.
func (r *Reconciler) finalize(ctx context.Context, s *scope) (ctrl.Result, error) {
	if len(s.release.Finalizers) == 0 || s.successor != nil || s.wanted || s.waits {
		return ctrl.Result{}, nil
	}
	var gone bool
	var err error
	reason, message := platformv1alpha1.ReasonDeleting, "Deleting the objects of the Release."
	switch {
	case s.git != nil, s.unknownDelivery && s.orphan:
		gone, message, err = r.undeliver(ctx, s)
	case s.unknownDelivery: // what follows the files, which stay, would make the objects again
		reason, message = platformv1alpha1.ReasonClassNotFound, fmt.Sprintf(
			"EnvironmentClass %s, which delivers by Git, does not exist: nothing tells where the files of the Release are, and nothing is deleted. "+
				"Make it again, or set spec.deletionPolicy of the Component to Orphan to leave all as it is.", s.release.Spec.Environment.Class)
	case s.orphan || s.unproven || adopts(s.release): // one that only took over has made nothing, and so deletes nothing
		if gone, err = r.removeObjects(ctx, s.release, checkJobs(s.release)); err == nil && gone {
			err = r.letAllGo(ctx, s.release)
		}
	default:
		gone, err = r.remove(ctx, s.release, nil)
	}
	if err == nil && gone {
		for _, o := range s.release.Spec.Inventory {
			r.children.writes.Forget(inventoryKey(s.release, o))
			r.claims.forget(inventoryKey(s.release, o))
		}
		err = r.letGo(ctx, s, s.release)
		return ctrl.Result{RequeueAfter: s.requeueAfter}, err
	}
	if err != nil {
		message = fmt.Sprintf("Deleting the objects of the Release failed, and is tried again: %v.", err)
	}
	condition.Progressing(&s.release.Status.Conditions, s.release.Generation, reason, message)
	if patchErr := r.patchStatus(ctx, s); patchErr != nil {
		return ctrl.Result{}, patchErr
	}
	s.lookAgain(retryUnlisted)
	return ctrl.Result{RequeueAfter: s.requeueAfter}, err
}

// remove deletes the inventory of a Release but for the objects to keep, by UID, and says whether all is gone.
// What is still as it was found is let go: Towpath did not make it.
func (r *Reconciler) remove(ctx context.Context, release *platformv1alpha1.Release, keep map[childKey]bool) (gone bool, err error) {
	leftover := checkJobs(release)
	for _, o := range release.Spec.Inventory {
		if !keep[inventoryKey(release, o)] {
			leftover = append(leftover, o)
		}
	}
	return r.removeObjects(ctx, release, leftover)
}

// checkJobs are the Jobs that the checks of a Release ran or run: their names stand in the status before they exist.
func checkJobs(release *platformv1alpha1.Release) []platformv1alpha1.ReleaseObject {
	var jobs []platformv1alpha1.ReleaseObject
	for _, c := range release.Status.Checks {
		if c.Job != "" {
			jobs = append(jobs, platformv1alpha1.ReleaseObject{Resource: c.Name, APIVersion: "batch/v1", Kind: "Job", Name: c.Job})
		}
	}
	return jobs
}

// removeObjects deletes objects of a Release, by UID, and says whether all are gone.
func (r *Reconciler) removeObjects(ctx context.Context, release *platformv1alpha1.Release, leftover []platformv1alpha1.ReleaseObject) (gone bool, err error) {
	namespace := release.Spec.Environment.Namespace
	if len(leftover) == 0 {
		return true, nil
	}
	if ended, err := r.namespaceEnded(ctx, namespace); err != nil || ended {
		return ended, err
	}
	gone = true
	for _, o := range leftover {
		live, err := r.find(ctx, release, o)
		if err != nil {
			return false, err
		}
		if live == nil {
			continue
		}
		if live.Labels[platformv1alpha1.LabelAsFound] != "" {
			if !live.DeletionTimestamp.IsZero() {
				continue // by somebody else, and nobody's business here
			}
			if err := r.Writer.LetGo(ctx, environment.ApplierUser(namespace), namespace, o, live, nil); err != nil {
				return false, err
			}
			continue
		}
		gone = false
		if !live.DeletionTimestamp.IsZero() {
			continue
		}
		target := apply.Target{ReleaseObject: o, UID: live.UID}
		if err := r.Writer.Delete(ctx, environment.ApplierUser(namespace), namespace, target); err != nil {
			return false, err
		}
	}
	return gone, nil
}

// find reads an object of an inventory past the cache, and returns it only where it is ours: deleting
// on the word of a stale cache could leave an object behind, or hit another's.
func (r *Reconciler) find(ctx context.Context, release *platformv1alpha1.Release, o platformv1alpha1.ReleaseObject) (*metav1.PartialObjectMetadata, error) {
	live, err := r.read(ctx, release, o)
	if err != nil || live == nil || live.Labels[platformv1alpha1.LabelOwnerUID] != string(release.Spec.Component.UID) {
		return nil, err
	}
	return live, nil
}

// read reads the metadata of an object of an inventory past the cache; nil where there is none.
func (r *Reconciler) read(ctx context.Context, release *platformv1alpha1.Release, o platformv1alpha1.ReleaseObject) (*metav1.PartialObjectMetadata, error) {
	live := &metav1.PartialObjectMetadata{}
	live.SetGroupVersionKind(gvkOf(o))
	err := r.Live.Get(ctx, types.NamespacedName{Namespace: release.Spec.Environment.Namespace, Name: o.Name}, live)
	switch {
	case apierrors.IsNotFound(err) || apply.KindUnavailable(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading %s %s: %w", o.Kind, o.Name, err)
	}
	return live, nil
}

// namespaceEnded says whether a namespace is gone or going: then so is everything in it.
func (r *Reconciler) namespaceEnded(ctx context.Context, name string) (bool, error) {
	namespace, err := r.namespace(ctx, name)
	return err == nil && (namespace == nil || !namespace.DeletionTimestamp.IsZero()), err
}

// namespace reads the metadata of a namespace from the cache; nil where there is none.
func (r *Reconciler) namespace(ctx context.Context, name string) (*metav1.PartialObjectMetadata, error) {
	namespace := &metav1.PartialObjectMetadata{}
	namespace.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	if err := r.Get(ctx, types.NamespacedName{Name: name}, namespace); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	return namespace, nil
}
