package environment

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/internal/index"
)

// finalize takes the Environment away: first the Releases in it, then the namespace, then the
// service account that wrote there.
func (r *Reconciler) finalize(ctx context.Context, s *scope) (ctrl.Result, error) {
	if !controllerutil.ContainsFinalizer(s.environment, platformv1alpha1.Finalizer) {
		return ctrl.Result{}, nil
	}
	waiting, err := r.emptyEnvironment(ctx, s)
	if err == nil && waiting == "" {
		controllerutil.RemoveFinalizer(s.environment, platformv1alpha1.Finalizer)
		return ctrl.Result{}, client.IgnoreNotFound(r.patchMetadata(ctx, s))
	}
	if err != nil {
		waiting = fmt.Sprintf("Deleting failed, and is tried again: %v.", err)
	}
	s.environment.Status.ObservedGeneration = s.environment.Generation
	condition.Progressing(&s.environment.Status.Conditions, s.environment.Generation, platformv1alpha1.ReasonDeleting, waiting)
	if patchErr := r.patchStatus(ctx, s); patchErr != nil {
		return ctrl.Result{}, patchErr
	}
	return ctrl.Result{}, err
}

// emptyEnvironment deletes what is left, in order, and says what it waits for; nothing when all is gone.
func (r *Reconciler) emptyEnvironment(ctx context.Context, s *scope) (string, error) {
	var releases platformv1alpha1.ReleaseList
	if err := r.List(ctx, &releases, client.InNamespace(s.environment.Namespace),
		client.MatchingFields{index.ReleaseEnvironment: string(s.environment.UID)}); err != nil {
		return "", fmt.Errorf("listing Releases: %w", err)
	}
	for i := range releases.Items {
		release := &releases.Items[i]
		if release.DeletionTimestamp.IsZero() {
			if err := client.IgnoreNotFound(r.Delete(ctx, release, client.Preconditions{UID: &release.UID})); err != nil {
				return "", fmt.Errorf("deleting Release %s: %w", release.Name, err)
			}
		}
	}
	if len(releases.Items) > 0 {
		return fmt.Sprintf("Waiting until the objects of %d Releases are gone.", len(releases.Items)), nil
	}
	return r.deleteMade(ctx, s)
}

// deleteMade deletes the namespace, or lets go of one that is kept, then the account that wrote there. It finds them past the cache and
// by their owner: the pass that made them may have been the last, with neither the status written nor the
// cache told.
func (r *Reconciler) deleteMade(ctx context.Context, s *scope) (string, error) {
	owned := client.MatchingLabels{platformv1alpha1.LabelOwnerUID: string(s.environment.UID)}
	var namespaces corev1.NamespaceList
	if err := r.Live.List(ctx, &namespaces, owned); err != nil {
		return "", fmt.Errorf("listing namespaces: %w", err)
	}
	var left []string
	for i := range namespaces.Items {
		namespace := &namespaces.Items[i]
		if s.keeps(namespace) {
			if err := r.letGo(ctx, s, namespace); err != nil {
				return "", err
			}
			continue
		}
		left = append(left, namespace.Name)
		if namespace.DeletionTimestamp.IsZero() {
			if err := client.IgnoreNotFound(r.Delete(ctx, namespace, client.Preconditions{UID: &namespace.UID})); err != nil {
				return "", fmt.Errorf("deleting namespace %s: %w", namespace.Name, err)
			}
		}
	}
	if len(left) > 0 {
		return fmt.Sprintf("Waiting until namespace %s is gone.", left[0]), nil
	}
	var accounts corev1.ServiceAccountList
	if err := r.Live.List(ctx, &accounts, owned, client.InNamespace(platformv1alpha1.ApplierNamespace)); err != nil {
		return "", fmt.Errorf("listing service accounts: %w", err)
	}
	for i := range accounts.Items {
		account := &accounts.Items[i]
		if err := client.IgnoreNotFound(r.Delete(ctx, account, client.Preconditions{UID: &account.UID})); err != nil {
			return "", fmt.Errorf("deleting service account %s: %w", account.Name, err)
		}
	}
	return "", nil
}
