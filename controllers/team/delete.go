package team

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/internal/environment"
	"github.com/towpath-dev/towpath/internal/team"
)

// finalize takes the Team away: it waits for the Environments, then lets go of the home namespace, or deletes it where
// the spec says so.
func (r *Reconciler) finalize(ctx context.Context, s *scope) error {
	if !controllerutil.ContainsFinalizer(s.team, platformv1alpha1.Finalizer) {
		return nil
	}
	waiting, err := r.leave(ctx, s)
	if err == nil && waiting == "" {
		controllerutil.RemoveFinalizer(s.team, platformv1alpha1.Finalizer)
		return client.IgnoreNotFound(r.patchMetadata(ctx, s))
	}
	if err != nil {
		waiting = fmt.Sprintf("Deleting failed, and is tried again: %v.", err)
	}
	s.team.Status.ObservedGeneration = s.team.Generation
	condition.Progressing(&s.team.Status.Conditions, s.team.Generation, platformv1alpha1.ReasonDeleting, waiting)
	if patchErr := r.patchStatus(ctx, s); patchErr != nil {
		return patchErr
	}
	return err
}

// leave lets go of everything, and says what it waits for; nothing when all is done. It finds the home past the cache
// and by its owner: the pass that made it may have been the last, with neither the status written nor the cache told.
func (r *Reconciler) leave(ctx context.Context, s *scope) (string, error) {
	var homes corev1.NamespaceList
	if err := r.Live.List(ctx, &homes, client.MatchingLabels{platformv1alpha1.LabelOwnerUID: string(s.team.UID)}); err != nil {
		return "", fmt.Errorf("listing namespaces: %w", err)
	}
	for i := range homes.Items {
		home := &homes.Items[i]
		s.team.Status.Namespace = home.Name
		left, err := environments(ctx, r.Live, s.team)
		if err != nil {
			return "", err
		}
		names := named(left)
		s.team.Status.Environments = int32(len(names)) //nolint:gosec // etcd holds fewer
		if len(names) > 0 {
			return fmt.Sprintf("Waiting for the Environments in namespace %s, which somebody must delete: %s.", home.Name, shown(names)), nil
		}
		if s.keeps(home) {
			if err := r.letGo(ctx, s, home); err != nil {
				return "", err
			}
			continue
		}
		if home.DeletionTimestamp.IsZero() {
			if err := client.IgnoreNotFound(r.Delete(ctx, home, client.Preconditions{UID: &home.UID})); err != nil {
				return "", fmt.Errorf("deleting namespace %s: %w", home.Name, err)
			}
		}
		return fmt.Sprintf("Waiting until namespace %s is gone, as spec.deletionPolicy: Delete asks for.", home.Name), nil
	}
	return "", nil
}

// keeps says whether the home outlives the Team. One that was taken over always does.
func (s *scope) keeps(home *corev1.Namespace) bool {
	_, found := home.Annotations[platformv1alpha1.AnnotationFound]
	return s.team.Spec.DeletionPolicy != platformv1alpha1.DeletionDelete || found ||
		home.Annotations[platformv1alpha1.AnnotationKeep] == "true"
}

// letGo takes the rights of the members and the labels of Towpath off the home, gives one that was taken over back the
// labels that it bore, but for those that made it a home, and leaves everything in it as it is.
func (r *Reconciler) letGo(ctx context.Context, s *scope, home *corev1.Namespace) error {
	for _, role := range append(slices.Clone(team.ClusterRoles), platformv1alpha1.AlertReaderClusterRole) {
		if err := r.bindings().Delete(ctx, home.Name, role); err != nil {
			return err
		}
	}
	patch, err := environment.LettingGo(home.UID, home, s.labels())
	if err != nil {
		return err
	}
	if err := client.IgnoreNotFound(r.Patch(ctx, home, client.RawPatch(types.MergePatchType, patch), fieldOwner)); err != nil {
		return fmt.Errorf("letting go of namespace %s: %w", home.Name, err)
	}
	return nil
}
