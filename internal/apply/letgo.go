package apply

import (
	"context"
	"encoding/json"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/transport"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/brief"
)

// nextOwner gets the fields of an object that is let go. It is as whom `kubectl apply --server-side` writes unless it
// is told otherwise: whoever applies the manifests next meets no conflict, and removes what he no longer names.
const nextOwner = "kubectl"

// LetGo takes the labels of Towpath off an object, hands its fields over to whoever applies it next, and changes nothing
// else. What is still as it was found keeps every label that is not of Towpath's prefix. The consent to be taken over goes
// too, since it was for this once. labels are those that Towpath
// set. An object that is gone counts as let go. live is the metadata of the object as it was just read; one that changed
// since is a conflict. The error is an *ObjectError.
func (w *Writer) LetGo(ctx context.Context, user, namespace string, object platformv1alpha1.ReleaseObject, live *metav1.PartialObjectMetadata, labels map[string]string) error {
	const doing = "letting go of"
	patch, err := lettingGo(live, labels)
	if err != nil {
		return objectError(namespace, object, doing, err)
	}
	_, err = w.patchJSON(ctx, user, namespace, object, doing, patch)
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// LettingGo returns the JSON patch that LetGo sends, for whoever writes with rights of his own. It wakes an object that
// sleeps.
func LettingGo(live *metav1.PartialObjectMetadata, labels map[string]string) ([]byte, error) {
	patch, err := lettingGo(live, labels)
	if err != nil {
		return nil, err
	}
	return json.Marshal(append(patch, waking(live.Kind, live)...))
}

// lettingGo is what LetGo changes of an object.
func lettingGo(live *metav1.PartialObjectMetadata, labels map[string]string) ([]operation, error) {
	patch := []operation{{Op: "replace", Path: "/metadata/resourceVersion", Value: live.ResourceVersion}}
	asFound := live.Labels[platformv1alpha1.LabelAsFound] != ""
	removed := sets.New[string]()
	for _, key := range sets.List(sets.KeySet(live.Labels)) {
		ours := !asFound && labels[key] == live.Labels[key] && !stays(key)
		if ours || strings.HasPrefix(key, platformv1alpha1.LabelPrefix) {
			patch = append(patch, operation{Op: "remove", Path: "/metadata/labels/" + pointer.Replace(key)})
			removed.Insert(key)
		}
	}
	if _, consented := live.Annotations[platformv1alpha1.AnnotationAdoptBy]; consented {
		patch = append(patch, operation{Op: "remove", Path: "/metadata/annotations/" + pointer.Replace(platformv1alpha1.AnnotationAdoptBy)})
	}
	entries, err := handedOn(live.ManagedFields, removed)
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 {
		entries = []metav1.ManagedFieldsEntry{{}} // an empty list means: as it is
	}
	return append(patch, operation{Op: "replace", Path: "/metadata/managedFields", Value: entries}), nil
}

// handedOn returns the entries of managedFields with what Towpath owns as the next owner's, but for what is taken off. A
// number of replicas that Towpath sets passes too, as the manifests name it. One that waits for an autoscaler becomes
// nobody's: the manifests leave it out, and it would fall back to one. So does that of a workload that sleeps, since
// either may be so.
func handedOn(managed []metav1.ManagedFieldsEntry, removed sets.Set[string]) ([]metav1.ManagedFieldsEntry, error) {
	var entries []metav1.ManagedFieldsEntry
	var mine, next *metav1.ManagedFieldsEntry
	for i := range managed {
		e := managed[i].DeepCopy()
		switch {
		case ours(e):
			mine = e
		case e.Manager == FieldOwner || e.Manager == handOverOwner:
		case e.Manager == nextOwner && e.Operation == metav1.ManagedFieldsOperationApply && e.Subresource == "" && e.FieldsV1 != nil:
			next = e
		default:
			entries = append(entries, *e)
		}
	}
	if mine == nil || next != nil && next.APIVersion != mine.APIVersion { // an applier has one entry, of one version
		if next != nil {
			entries = append(entries, *next)
		}
		return entries, nil
	}
	fields, err := decode(mine)
	if err != nil {
		return nil, err
	}
	asleep := Asleep(managed)
	fields = filter(fields, func(path fieldpath.Path) bool {
		switch {
		case name(path, 0) != "metadata":
			return !asleep || name(path, 0) != "spec" || name(path, 1) != "replicas"
		case name(path, 1) == "annotations":
			return name(path, 2) != platformv1alpha1.AnnotationAdoptBy && name(path, 2) != platformv1alpha1.AnnotationAwake
		}
		return name(path, 1) != "labels" || !removed.Has(name(path, 2))
	})
	if next != nil {
		others, err := decode(next)
		if err != nil {
			return nil, err
		}
		fields = fields.Union(others)
	}
	if fields.Empty() {
		return entries, nil
	}
	mine.Manager = nextOwner
	if mine.FieldsV1, err = encode(fields); err != nil {
		return nil, err
	}
	return append(entries, *mine), nil
}

// stays says whether a label of Towpath says something true also of an object that is nobody's.
func stays(key string) bool {
	switch key {
	case "app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/version", "app.kubernetes.io/part-of":
		return true
	}
	return false
}

// operation is one of a JSON patch.
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

// pointer escapes a key for the path of a JSON patch.
var pointer = strings.NewReplacer("~", "~0", "/", "~1")

// patchJSON sends a JSON patch as a user, and returns the resource version that the object then has.
func (w *Writer) patchJSON(ctx context.Context, user, namespace string, object platformv1alpha1.ReleaseObject, doing string, patch []operation) (string, error) {
	if err := w.standing(ctx); err != nil {
		return "", &UnguardedError{Err: err}
	}
	path, err := w.path(schema.FromAPIVersionAndKind(object.APIVersion, object.Kind), namespace, object.Name)
	if err != nil {
		return "", objectError(namespace, object, doing, err)
	}
	body, err := json.Marshal(patch)
	if err != nil {
		return "", objectError(namespace, object, doing, err)
	}
	answer, err := w.client.Patch(types.JSONPatchType).
		AbsPath(path...).
		Param("fieldManager", FieldOwner).
		SetHeader("Accept", brief.Accept).
		SetHeader(transport.ImpersonateUserHeader, user).
		Body(body).
		Do(ctx).Raw()
	var patched metav1.PartialObjectMetadata
	if err := brief.Read(answer, err, &patched); err != nil {
		return "", objectError(namespace, object, doing, err)
	}
	return patched.ResourceVersion, nil
}

func objectError(namespace string, object platformv1alpha1.ReleaseObject, doing string, err error) error {
	return &ObjectError{
		APIVersion: object.APIVersion, Kind: object.Kind, Namespace: namespace, Name: object.Name, Doing: doing, Err: err,
	}
}
