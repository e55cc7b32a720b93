package build

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/towpath-dev/towpath/internal/apply"
	"github.com/towpath-dev/towpath/internal/environment"
	"github.com/towpath-dev/towpath/internal/pipeline/jobs"
)

// lookForPods is how long after one look at pods that are about to end comes the next; maxWaitForPods is for how long, beyond which a node
// is lost, or somebody holds them.
const lookForPods, maxWaitForPods = 2 * time.Second, 2 * time.Minute

// unended are pods whose volumes are in use.
var unended = fields.AndSelectors(
	fields.OneTermNotEqualSelector("status.phase", string(corev1.PodSucceeded)), fields.OneTermNotEqualSelector("status.phase", string(corev1.PodFailed)))

// cleanUp deletes what a Build leaves behind that ends. False where it has to wait for pods.
func (r *Reconciler) cleanUp(ctx context.Context, s *scope, all bool) (bool, error) {
	if err := r.clean(ctx, s.build, all); err != nil {
		return false, err
	}
	return r.freeVolume(ctx, s)
}

// inUse says whether a pod that has not ended uses a volume, also one that bears no labels of ours, such as a copy that somebody debugs.
func (r *Reconciler) inUse(ctx context.Context, claim types.NamespacedName) (bool, error) {
	const page = 500
	var pods corev1.PodList
	for next := ""; ; next = pods.Continue {
		if err := r.Live.List(ctx, &pods, client.InNamespace(claim.Namespace), client.MatchingFieldsSelector{Selector: unended},
			client.Limit(page), client.Continue(next)); err != nil {
			return false, fmt.Errorf("listing the pods of namespace %s: %w", claim.Namespace, err)
		}
		for i := range pods.Items {
			if slices.ContainsFunc(pods.Items[i].Spec.Volumes, func(v corev1.Volume) bool {
				return v.PersistentVolumeClaim != nil && v.PersistentVolumeClaim.ClaimName == claim.Name
			}) {
				return true, nil
			}
		}
		if pods.Continue == "" {
			return false, nil
		}
	}
}

// freeVolume lets the volume of a Build go, which clean has deleted: Kubernetes would keep it as long as pods name it, and those stay for a
// day after they have ended, for their logs. False where some have not ended yet: the Build ends once they have, or after a while without.
func (r *Reconciler) freeVolume(ctx context.Context, s *scope) (bool, error) {
	place := s.build.Status.Place
	claim := &metav1.PartialObjectMetadata{}
	claim.SetGroupVersionKind(apply.ClaimKind)
	key := types.NamespacedName{Namespace: place.Namespace, Name: jobs.ClaimName(s.build.Spec.Component, s.build.UID)}
	err := r.Live.Get(ctx, key, claim)
	if apierrors.IsNotFound(err) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading PersistentVolumeClaim %s: %w", key.Name, err)
	}
	if !ours(claim, s.build) || claim.DeletionTimestamp.IsZero() || !slices.Contains(claim.Finalizers, apply.KeepsClaims) {
		return true, nil
	}
	used, err := r.inUse(ctx, key)
	if err != nil {
		return false, err
	}
	if used {
		if s.now.Sub(claim.DeletionTimestamp.Time) > maxWaitForPods {
			return true, nil // it goes with its pods
		}
		s.lookAgain(lookForPods)
		return false, nil
	}
	err = r.Writer.FreeClaim(ctx, environment.ApplierUser(place.Namespace), claim)
	switch {
	case apierrors.IsConflict(err) && s.now.Sub(claim.DeletionTimestamp.Time) <= maxWaitForPods:
		s.lookAgain(lookForPods)
		return false, nil
	case err != nil && (apierrors.IsForbidden(err) || apply.Final(err) || s.now.Sub(claim.DeletionTimestamp.Time) > maxWaitForPods):
		ctrl.LoggerFrom(ctx).Info("Leaves a volume to Kubernetes, which keeps it as long as its pods are there", "claim", key.Name, "reason", err.Error())
		return true, nil
	}
	return err == nil, err
}
