package uninstall

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/apply"
	"github.com/towpath-dev/towpath/internal/environment"
	"github.com/towpath-dev/towpath/internal/render"
)

// letGo takes the labels of Towpath off what is kept, so that it is nobody's and a later installation can be given it:
// the owner that it names is gone. Pods are left alone, and no spec changes, but of what sleeps: that wakes.
func (u *uninstaller) letGo(ctx context.Context) error {
	made, err := u.made(ctx)
	if err != nil {
		return err
	}
	objects, namespaces := 0, 0
	for _, kind := range made.kinds {
		err := each(ctx, u, kind, func(object *metav1.PartialObjectMetadata) error {
			labels := made.labels[ownerOf(object.Labels)]
			if labels == nil {
				return nil
			}
			objects++
			return u.poll(ctx, func(ctx context.Context) error {
				return u.letGoOne(ctx, object, types.JSONPatchType, func() ([]byte, error) { return apply.LettingGo(object, labels) })
			})
		}, client.HasLabels{platformv1alpha1.LabelOwnerUID})
		if err != nil {
			return err
		}
	}
	claims, err := u.letClaimsGo(ctx, made)
	if err != nil {
		return err
	}
	err = each(ctx, u, schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}, func(object *metav1.PartialObjectMetadata) error {
		namespaces++
		ours := map[string]string{"app.kubernetes.io/managed-by": platformv1alpha1.ManagedBy}
		return u.poll(ctx, func(ctx context.Context) error {
			return u.letGoOne(ctx, object, types.MergePatchType, func() ([]byte, error) {
				return environment.LettingGo(object.UID, object, ours)
			})
		})
	}, client.HasLabels{platformv1alpha1.LabelOwnerUID})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(u.Progress, "    %d objects and %d namespaces bear no owner any more\n", objects+claims, namespaces)
	return err
}

// letClaimsGo does so for the live claims of StatefulSets, which bear labels and no owner.
func (u *uninstaller) letClaimsGo(ctx context.Context, made *made) (count int, err error) {
	err = each(ctx, u, apply.ClaimKind, func(claim *metav1.PartialObjectMetadata) error {
		labels := made.claims[claimant{claim.Namespace, claim.Labels[platformv1alpha1.LabelComponent]}]
		if labels == nil || claim.Labels[platformv1alpha1.LabelOwnerUID] != "" {
			return nil
		}
		count++
		return u.poll(ctx, func(ctx context.Context) error {
			return u.letGoOne(ctx, claim, types.JSONPatchType, func() ([]byte, error) { return apply.LettingGo(claim, labels) })
		})
	}, client.HasLabels{platformv1alpha1.LabelComponent})
	return count, err
}

// claimant is a Component in a workload namespace.
type claimant struct{ namespace, component string }

// owner is whose an object is: a Component's, in an environment.
type owner struct{ uid, environment string }

func ownerOf(labels map[string]string) owner {
	return owner{labels[platformv1alpha1.LabelOwnerUID], labels[platformv1alpha1.LabelEnvironment]}
}

// made is what Releases say of what they made.
type made struct {
	kinds []schema.GroupVersionKind
	// labels are those of the newest Release of each owner.
	labels map[owner]map[string]string
	// claims are those of its live claims.
	claims map[claimant]map[string]string
}

// made reads all Releases, those of the past too: what only these listed may still be there.
func (u *uninstaller) made(ctx context.Context) (*made, error) {
	m := &made{labels: map[owner]map[string]string{}, claims: map[claimant]map[string]string{}}
	known := map[schema.GroupVersionKind]bool{}
	newest := map[owner]int64{}
	more := ""
	for {
		var list platformv1alpha1.ReleaseList
		err := u.List(ctx, &list, client.Limit(pageSize), client.Continue(more))
		if unserved(err) {
			return m, nil // an earlier run has come so far
		}
		if err != nil {
			return nil, fmt.Errorf("listing Releases: %w", err)
		}
		for i := range list.Items {
			release := &list.Items[i]
			if !release.Opened() {
				continue // it has made nothing
			}
			labels := render.ReleaseLabels(release)
			if whose := ownerOf(labels); release.Spec.Number >= newest[whose] {
				newest[whose], m.labels[whose] = release.Spec.Number, labels
				m.claims[claimant{release.Spec.Environment.Namespace, release.Spec.Component.Name}] = render.ClaimLabels(release)
			}
			for _, o := range release.Spec.Inventory {
				kind := schema.FromAPIVersionAndKind(o.APIVersion, o.Kind)
				if !known[kind] {
					known[kind], m.kinds = true, append(m.kinds, kind)
				}
			}
		}
		if more = list.Continue; more == "" {
			return m, nil
		}
	}
}

// letGoOne is tried again: an API server acts on removed policies for a moment, and others write too.
func (u *uninstaller) letGoOne(ctx context.Context, object *metav1.PartialObjectMetadata, patchType types.PatchType, how func() ([]byte, error)) error {
	patch, err := how()
	if err != nil {
		return err
	}
	answer := object.DeepCopy()
	err = u.Patch(ctx, answer, client.RawPatch(patchType, patch))
	if err == nil || apierrors.IsNotFound(err) {
		return nil
	}
	// A label that is gone since then is no conflict but makes the patch invalid, so whatever it was, look anew.
	if apierrors.IsNotFound(u.Get(ctx, client.ObjectKeyFromObject(object), object)) {
		return nil
	}
	return fmt.Errorf("%s %s: %w", object.Kind, client.ObjectKeyFromObject(object), err)
}
