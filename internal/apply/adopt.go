package apply

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/transport"
	"k8s.io/client-go/util/csaupgrade"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// systemManagers write what Kubernetes itself needs on objects. That stays theirs.
var systemManagers = sets.New("kube-controller-manager", "kube-scheduler", "kubelet", "cloud-controller-manager")

// TakeOver makes the fields of an object Towpath's that people and tools wrote before it was taken over, so that
// the apply which follows removes what it does not name: two owners of a field would keep it for ever. Only
// the record of who owns what changes. live is the metadata of the object as it was just read; an object that
// changed since is a conflict. The error is an *ObjectError.
func (w *Writer) TakeOver(ctx context.Context, user, namespace string, object platformv1alpha1.ReleaseObject, live *metav1.PartialObjectMetadata) error {
	entries, err := taken(live)
	if err != nil {
		return objectError(namespace, object, "taking over the fields of", err)
	}
	return w.patchMetadata(ctx, user, namespace, object, "taking over the fields of", []operation{
		{Op: "replace", Path: "/metadata/resourceVersion", Value: live.ResourceVersion},
		{Op: "replace", Path: "/metadata/managedFields", Value: entries},
	})
}

// left are fields that an apply may leave out and that must stay as they are: the number of replicas would fall
// back to one, and what of a StatefulSet cannot change is not rendered for one that was found.
var left = fieldpath.NewSet(
	fieldpath.MakePathOrDie("spec", "replicas"), fieldpath.MakePathOrDie("spec", "serviceName"),
	fieldpath.MakePathOrDie("spec", "podManagementPolicy"), fieldpath.MakePathOrDie("spec", "volumeClaimTemplates"),
)

// taken returns the entries of managedFields with those of others in ours.
func taken(live *metav1.PartialObjectMetadata) ([]metav1.ManagedFieldsEntry, error) {
	live = live.DeepCopy()
	others := sets.New[string]()
	for i := range live.ManagedFields {
		e := &live.ManagedFields[i]
		if e.Subresource != "" || ours(e) || systemManagers.Has(e.Manager) {
			continue
		}
		e.Operation = metav1.ManagedFieldsOperationUpdate // the library moves no others
		others.Insert(e.Manager)
	}
	if err := csaupgrade.UpgradeManagedFields(live, others, FieldOwner); err != nil {
		return nil, err
	}
	for i := range live.ManagedFields {
		e := &live.ManagedFields[i]
		if !ours(e) {
			continue
		}
		var fields fieldpath.Set
		if err := fields.FromJSON(bytes.NewReader(e.FieldsV1.GetRawBytes())); err != nil {
			return nil, err
		}
		raw, err := fields.RecursiveDifference(left).ToJSON()
		if err != nil {
			return nil, err
		}
		e.FieldsV1 = metav1.NewFieldsV1(string(raw))
	}
	return live.ManagedFields, nil
}

// LetGo takes the labels and the field ownership of Towpath off an object, and changes nothing else. What is
// still as it was found keeps every label that is not of Towpath's prefix. labels are those that Towpath set. An object that is gone counts as let go. live and the error are as
// with TakeOver.
func (w *Writer) LetGo(ctx context.Context, user, namespace string, object platformv1alpha1.ReleaseObject, live *metav1.PartialObjectMetadata, labels map[string]string) error {
	patch := []operation{{Op: "replace", Path: "/metadata/resourceVersion", Value: live.ResourceVersion}}
	asFound := live.Labels[platformv1alpha1.LabelAsFound] != ""
	for _, key := range sets.List(sets.KeySet(live.Labels)) {
		ours := !asFound && labels[key] == live.Labels[key] && !stays(key)
		if ours || strings.HasPrefix(key, platformv1alpha1.LabelPrefix) {
			patch = append(patch, operation{Op: "remove", Path: "/metadata/labels/" + pointer.Replace(key)})
		}
	}
	entries := slices.DeleteFunc(slices.Clone(live.ManagedFields), func(e metav1.ManagedFieldsEntry) bool {
		return e.Manager == FieldOwner || e.Manager == handOverOwner
	})
	if len(entries) == 0 {
		entries = []metav1.ManagedFieldsEntry{{}} // an empty list means: as it is
	}
	patch = append(patch, operation{Op: "replace", Path: "/metadata/managedFields", Value: entries})
	err := w.patchMetadata(ctx, user, namespace, object, "letting go of", patch)
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
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

// patchMetadata sends a JSON patch as a user.
func (w *Writer) patchMetadata(ctx context.Context, user, namespace string, object platformv1alpha1.ReleaseObject, doing string, patch []operation) error {
	if err := w.standing(ctx); err != nil {
		return &UnguardedError{Err: err}
	}
	path, err := w.path(schema.FromAPIVersionAndKind(object.APIVersion, object.Kind), namespace, object.Name)
	if err != nil {
		return objectError(namespace, object, doing, err)
	}
	body, err := json.Marshal(patch)
	if err != nil {
		return objectError(namespace, object, doing, err)
	}
	answer, err := w.client.Patch(types.JSONPatchType).
		AbsPath(path...).
		Param("fieldManager", FieldOwner).
		SetHeader("Accept", metadataOnly).
		SetHeader(transport.ImpersonateUserHeader, user).
		Body(body).
		Do(ctx).Raw()
	if err != nil {
		return objectError(namespace, object, doing, statusError(answer, err))
	}
	return nil
}

func objectError(namespace string, object platformv1alpha1.ReleaseObject, doing string, err error) error {
	return &ObjectError{
		APIVersion: object.APIVersion, Kind: object.Kind, Namespace: namespace, Name: object.Name, Doing: doing, Err: err,
	}
}
