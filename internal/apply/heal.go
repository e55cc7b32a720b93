package apply

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/transport"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/brief"
)

const (
	// strippedOwner is who the API server says has written an object that is applied and has no managedFields: somebody
	// took them away.
	strippedOwner = "before-first-apply"
	// healOwner is the field manager under which a list is put right that an apply cannot merge into.
	healOwner = "towpath-heal"
)

// heal makes our fields ours alone again where strippedOwner or healOwner has them too: what two own is kept for ever,
// also when the template drops it. What only they have stays theirs. The error is an *ObjectError.
func (w *Writer) heal(ctx context.Context, user, namespace string, object platformv1alpha1.ReleaseObject, live *metav1.PartialObjectMetadata) error {
	entries, shared, err := alone(live.ManagedFields)
	if err != nil {
		return objectError(namespace, object, "healing the record of", err)
	}
	if !shared {
		return nil
	}
	_, err = w.patchJSON(ctx, user, namespace, object, "healing the record of", []operation{
		{Op: "replace", Path: "/metadata/resourceVersion", Value: live.ResourceVersion},
		{Op: "replace", Path: "/metadata/managedFields", Value: entries},
	})
	return err
}

// alone returns the entries of managedFields without what strippedOwner and healOwner share with us, and whether that
// is anything.
func alone(entries []metav1.ManagedFieldsEntry) (rest []metav1.ManagedFieldsEntry, shared bool, err error) {
	if !slices.ContainsFunc(entries, mayShare) {
		return entries, false, nil // nearly always, after each apply: what we own need not be read
	}
	own := &fieldpath.Set{}
	for i := range entries {
		if ours(&entries[i]) {
			if own, err = decode(&entries[i]); err != nil {
				return nil, false, err
			}
		}
	}
	for _, e := range entries {
		if !mayShare(e) {
			rest = append(rest, e)
			continue
		}
		fields, err := decode(&e)
		if err != nil {
			return nil, false, err
		}
		theirs := fields.Difference(own)
		shared = shared || !theirs.Equals(fields)
		if theirs.Empty() {
			continue
		}
		if e.FieldsV1, err = encode(theirs); err != nil {
			return nil, false, err
		}
		rest = append(rest, e)
	}
	return rest, shared, nil
}

// mayShare says that an entry is strippedOwner's or healOwner's.
func mayShare(e metav1.ManagedFieldsEntry) bool {
	return (e.Manager == strippedOwner || e.Manager == healOwner) && e.FieldsV1 != nil
}

// collision returns the list that an apply could not be merged into, because somebody changed the key of an item of
// ours: then that is another item, and what must be unique stands there twice. Lists within lists are left to people.
func collision(err error) (path []string, ok bool) {
	var status apierrors.APIStatus
	if !apierrors.IsInvalid(err) || !errors.As(err, &status) || status.Status().Details == nil {
		return nil, false
	}
	for _, cause := range status.Status().Details.Causes {
		list, item, nested := strings.Cut(cause.Field, "[")
		if cause.Type == metav1.CauseTypeFieldValueDuplicate && nested && !strings.Contains(item, "[") {
			return strings.Split(list, "."), true
		}
	}
	return nil, false
}

// replaceList puts our list in the place of the one that is there, items of others too.
func (w *Writer) replaceList(ctx context.Context, user string, path, list []string, object *unstructured.Unstructured) error {
	value, found, err := unstructured.NestedFieldNoCopy(object.Object, list...)
	if err != nil || !found {
		return err
	}
	body := map[string]any{}
	if err := unstructured.SetNestedField(body, value, list...); err != nil {
		return err
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	answer, err := w.client.Patch(types.MergePatchType).
		AbsPath(path...).
		Param("fieldManager", healOwner).
		SetHeader("Accept", brief.Accept).
		SetHeader(transport.ImpersonateUserHeader, user).
		Body(raw).
		Do(ctx).Raw()
	return brief.Read(answer, err, nil)
}
