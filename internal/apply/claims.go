package apply

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// ClaimKind is the kind of claims.
var ClaimKind = corev1.SchemeGroupVersion.WithKind("PersistentVolumeClaim")

// KeepsClaims is the finalizer by which Kubernetes keeps a claim while a pod names it that was placed on a node, be it one that has ended.
const KeepsClaims = "kubernetes.io/pvc-protection"

// Claim is a live claim as an object of a Release.
func Claim(name string) platformv1alpha1.ReleaseObject {
	version, kind := ClaimKind.ToAPIVersionAndKind()
	return platformv1alpha1.ReleaseObject{APIVersion: version, Kind: kind, Name: name}
}

// LabelClaim gives a live claim of a StatefulSet labels, where it does not have them, and takes those off it that
// Towpath set and that are not among them. It changes nothing else, and makes no claim. labels must hold no owner-uid:
// whoever bears that can be changed and deleted, and a claim holds data. claim is its metadata as it was just read; one
// that is gone or another one by now counts as labelled. The error is an *ObjectError, or an *UnguardedError.
func (w *Writer) LabelClaim(ctx context.Context, user string, claim *metav1.PartialObjectMetadata, labels map[string]string) error {
	const doing = "labelling"
	object := Claim(claim.Name)
	labelled, err := bears(claim, labels)
	if err != nil {
		return objectError(claim.Namespace, object, doing, err)
	}
	if labelled {
		return nil
	}
	if err := w.standing(ctx); err != nil {
		return &UnguardedError{Err: err}
	}
	path, err := w.path(ClaimKind, claim.Namespace, claim.Name)
	if err != nil {
		return objectError(claim.Namespace, object, doing, err)
	}
	body, err := json.Marshal(map[string]any{
		"apiVersion": object.APIVersion, "kind": object.Kind,
		"metadata": map[string]any{"name": claim.Name, "namespace": claim.Namespace, "uid": claim.UID, "labels": labels},
	})
	if err != nil {
		return objectError(claim.Namespace, object, doing, err)
	}
	err = w.patch(ctx, user, FieldOwner, path, body, nil)
	if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) { // a conflict is the UID: fields are taken by force
		return nil
	}
	return objectError(claim.Namespace, object, doing, err)
}

// FreeClaim lets a claim go that is being deleted, and that Kubernetes keeps because pods name it: it takes off the finalizer by which it
// does. The caller knows that all of them have ended. claim is its metadata as it was just read; one that is gone, not being deleted or not
// kept counts as let go. The error is an *ObjectError, a conflict in it where the claim has changed, or an *UnguardedError.
func (w *Writer) FreeClaim(ctx context.Context, user string, claim *metav1.PartialObjectMetadata) error {
	i := slices.Index(claim.Finalizers, KeepsClaims)
	if claim.DeletionTimestamp.IsZero() || i < 0 {
		return nil
	}
	_, err := w.patchJSON(ctx, user, claim.Namespace, Claim(claim.Name), "letting go", []operation{
		{Op: "replace", Path: "/metadata/resourceVersion", Value: claim.ResourceVersion},
		{Op: "remove", Path: "/metadata/finalizers/" + strconv.Itoa(i)},
	})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// bears says whether an object has these labels, and none that we set beside them.
func bears(live *metav1.PartialObjectMetadata, labels map[string]string) (bool, error) {
	for key, value := range labels {
		if has, ok := live.Labels[key]; !ok || has != value {
			return false, nil
		}
	}
	for i := range live.ManagedFields {
		if !ours(&live.ManagedFields[i]) {
			continue
		}
		own, err := decode(&live.ManagedFields[i])
		if err != nil {
			return false, err
		}
		dropped := filter(own, func(path fieldpath.Path) bool {
			_, wanted := labels[name(path, 2)]
			return name(path, 0) == "metadata" && name(path, 1) == "labels" && len(path) == 3 && !wanted
		})
		return dropped.Empty(), nil
	}
	return true, nil
}
