package build

import (
	"context"
	"fmt"
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/apply"
	"github.com/towpath-dev/towpath/internal/build"
	"github.com/towpath-dev/towpath/internal/environment"
	"github.com/towpath-dev/towpath/internal/index"
	"github.com/towpath-dev/towpath/internal/pipeline/jobs"
)

// delete lets a Build go once nothing is left of what it made.
func (r *Reconciler) delete(ctx context.Context, b *platformv1alpha1.Build) error {
	if !controllerutil.ContainsFinalizer(b, platformv1alpha1.Finalizer) {
		return nil
	}
	if err := r.clean(ctx, b, true); err != nil {
		return err
	}
	if err := r.dropCache(ctx, b); err != nil {
		return err
	}
	before := b.DeepCopy()
	controllerutil.RemoveFinalizer(b, platformv1alpha1.Finalizer)
	err := r.Patch(ctx, b, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if err == nil {
		r.writes.Wrote(client.ObjectKeyFromObject(b), b.ResourceVersion)
	}
	return client.IgnoreNotFound(err)
}

// clean deletes the volume of a Build, and its Jobs where they must not go on, or stay. Jobs that have ended stay else, for their logs. Names
// follow from the Build, so that one is found also which was made a moment before a manager died.
func (r *Reconciler) clean(ctx context.Context, b *platformv1alpha1.Build, all bool) error {
	if b.Status.Place == nil {
		return nil
	}
	mine := func(o client.Object) bool { return ours(o, b) }
	tekton := b.Status.Place.Engine == platformv1alpha1.EngineTekton
	if tekton && all {
		if err := r.stop(ctx, b); err != nil {
			return err
		}
	}
	for i := range b.Status.Stages {
		stage := &b.Status.Stages[i]
		if all && !tekton && stage.State != platformv1alpha1.StageSkipped && (b.DeletionTimestamp != nil || stage.CompletedAt == nil) {
			if err := r.remove(ctx, b, batchv1.SchemeGroupVersion.WithKind("Job"), jobs.Name(b.Spec.Component, b.UID, stage.Name), mine); err != nil {
				return err
			}
		}
	}
	return r.remove(ctx, b, claimKind, jobs.ClaimName(b.Spec.Component, b.UID), mine)
}

var claimKind = corev1.SchemeGroupVersion.WithKind("PersistentVolumeClaim")

// remove deletes an object of the workload namespace of a Build, where it is its.
func (r *Reconciler) remove(ctx context.Context, b *platformv1alpha1.Build, kind schema.GroupVersionKind, name string, mine func(client.Object) bool) error {
	place := b.Status.Place
	live := &metav1.PartialObjectMetadata{}
	live.SetGroupVersionKind(kind)
	err := r.Live.Get(ctx, types.NamespacedName{Namespace: place.Namespace, Name: name}, live)
	if apierrors.IsNotFound(err) || err == nil && (!mine(live) || !live.DeletionTimestamp.IsZero()) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading %s %s: %w", kind.Kind, name, err)
	}
	apiVersion, k := kind.ToAPIVersionAndKind()
	err = r.Writer.Delete(ctx, environment.ApplierUser(place.Namespace), place.Namespace, apply.Target{
		ReleaseObject: platformv1alpha1.ReleaseObject{APIVersion: apiVersion, Kind: k, Name: name}, UID: live.GetUID(),
	})
	if apierrors.IsForbidden(err) && r.gone(ctx, b) {
		ctrl.LoggerFrom(ctx).Info("Leaves what nobody may delete any more, since the Environment is gone", "kind", k, "object", name)
		return nil
	}
	return err
}

// dropCache deletes the volume of caches with the last Build that used it: so it goes with the Component, with whom all of its Builds go, and one of
// another size goes when those that used it are not kept any more.
func (r *Reconciler) dropCache(ctx context.Context, b *platformv1alpha1.Build) error {
	if b.Status.Place == nil || b.Status.Inputs == nil || b.Status.Inputs.Cache == "" {
		return nil
	}
	var list platformv1alpha1.BuildList
	if err := r.List(ctx, &list, client.InNamespace(b.Namespace), client.MatchingFields{index.BuildComponent: b.Spec.Component}, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing Builds: %w", err)
	}
	for i := range list.Items {
		other := &list.Items[i]
		used := other.Status.Place != nil && other.Status.Place.Namespace == b.Status.Place.Namespace &&
			other.Status.Inputs != nil && other.Status.Inputs.Cache == b.Status.Inputs.Cache
		if used && other.UID != b.UID && other.DeletionTimestamp.IsZero() {
			return nil
		}
	}
	return r.remove(ctx, b, claimKind, b.Status.Inputs.Cache, func(claim client.Object) bool {
		owner := claim.GetLabels()[platformv1alpha1.LabelOwnerUID]
		return slices.ContainsFunc(b.OwnerReferences, func(o metav1.OwnerReference) bool { return string(o.UID) == owner })
	})
}

// gone says whether the Environment of a Build is gone, and its applier with it.
func (r *Reconciler) gone(ctx context.Context, b *platformv1alpha1.Build) bool {
	var env platformv1alpha1.Environment
	err := r.Live.Get(ctx, types.NamespacedName{Namespace: b.Namespace, Name: b.Status.Place.Environment}, &env)
	return apierrors.IsNotFound(err)
}

// trim deletes a Build that has ended where enough newer ones are there, and nothing names it.
func (r *Reconciler) trim(ctx context.Context, s *scope) error {
	branch := ""
	if s.component != nil && s.component.Spec.Source != nil {
		branch = build.Branch(s.component.Spec.Source)
	}
	if !build.Superfluous(s.build, s.builds, branch, nil) {
		return nil
	}
	named := sets.New[string]()
	if s.component != nil {
		named.Insert(s.component.Status.Build)
		if newest := build.Newest(s.component, s.builds); newest != nil {
			named.Insert(newest.Name)
		}
		for i := range s.builds { // what polls the branch would make it again
			if known := s.component.Status.Source; known != nil && s.builds[i].Spec.Commit.SHA == known.Head {
				named.Insert(s.builds[i].Name)
			}
		}
	}
	var releases platformv1alpha1.ReleaseList
	if err := r.List(ctx, &releases, client.InNamespace(s.build.Namespace), client.MatchingFields{index.ReleaseComponent: s.build.Spec.Component},
		client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing Releases: %w", err)
	}
	for i := range releases.Items {
		named.Insert(releases.Items[i].Spec.Build)
	}
	if !build.Superfluous(s.build, s.builds, branch, named) {
		return nil
	}
	err := r.Delete(ctx, s.build, client.Preconditions{UID: &s.build.UID, ResourceVersion: &s.build.ResourceVersion})
	if apierrors.IsConflict(err) {
		return nil
	}
	return client.IgnoreNotFound(err)
}
