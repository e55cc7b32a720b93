package apply

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/openapi"
)

// systemManagers write what Kubernetes itself needs on objects. That stays theirs.
var systemManagers = sets.New("kube-controller-manager", "kube-scheduler", "kubelet", "cloud-controller-manager")

// TakeOver makes the fields of an object Towpath's that people and tools wrote before it was taken over, and those that
// nobody owns, so that the apply which follows removes what it does not name: two owners of a field would keep it for
// ever, and so would none. Only the record of who owns what changes. live is the object as it was just read; one that
// changed since is a conflict. The error is an *ObjectError.
func (w *Writer) TakeOver(ctx context.Context, user, namespace string, object platformv1alpha1.ReleaseObject, live *unstructured.Unstructured) error {
	const doing = "taking over the fields of"
	there, err := w.fieldsOf(live)
	if err != nil {
		return objectError(namespace, object, doing, err)
	}
	entries, err := taken(live, there)
	if err != nil {
		return objectError(namespace, object, doing, err)
	}
	_, err = w.patchJSON(ctx, user, namespace, object, doing, []operation{
		{Op: "replace", Path: "/metadata/resourceVersion", Value: live.GetResourceVersion()},
		{Op: "replace", Path: "/metadata/managedFields", Value: entries},
	})
	return err
}

// Retarget gives ports of a Service that is ours, by their place in it, other target ports, and changes nothing else. It
// returns the resource version that the Service then has. live is the Service as it was just read; one that changed
// since is a conflict. The error is an *ObjectError.
func (w *Writer) Retarget(ctx context.Context, user, namespace string, object platformv1alpha1.ReleaseObject, live metav1.Object, targets map[int]int32) (string, error) {
	patch := []operation{{Op: "replace", Path: "/metadata/resourceVersion", Value: live.GetResourceVersion()}}
	for _, place := range slices.Sorted(maps.Keys(targets)) {
		patch = append(patch, operation{Op: "replace", Path: fmt.Sprintf("/spec/ports/%d/targetPort", place), Value: targets[place]})
	}
	return w.patchJSON(ctx, user, namespace, object, "pointing to numbers the ports of", patch)
}

// fieldsOf are all fields of an object, by the schema that the API server has of it: that says by which keys it tells
// the items of a list apart.
func (w *Writer) fieldsOf(live *unstructured.Unstructured) (*fieldpath.Set, error) {
	gvk := live.GroupVersionKind()
	kind, err := w.kinds.Kind(gvk)
	if err != nil && !errors.Is(err, openapi.ErrUnknownKind) {
		return nil, err
	}
	converter := managedfields.NewDeducedTypeConverter()
	if err == nil && kind.Schema != nil {
		root := *kind.Schema
		root.Extensions = spec.Extensions{}
		for key, value := range kind.Schema.Extensions {
			root.Extensions[key] = value
		}
		root.Extensions["x-kubernetes-group-version-kind"] = []any{map[string]any{"group": gvk.Group, "version": gvk.Version, "kind": gvk.Kind}}
		if converter, err = managedfields.NewTypeConverter(map[string]*spec.Schema{"root": &root}, false); err != nil {
			return nil, fmt.Errorf("reading the schema of %s: %w", gvk, err)
		}
	}
	typed, err := converter.ObjectToTyped(live)
	if err != nil {
		return nil, err
	}
	return typed.ToFieldSet()
}

// left are fields that an apply may leave out and that must stay as they are: the number of replicas would fall
// back to one, and what of a StatefulSet cannot change is not rendered for one that was found.
var left = fieldpath.NewSet(
	fieldpath.MakePathOrDie("spec", "replicas"), fieldpath.MakePathOrDie("spec", "serviceName"),
	fieldpath.MakePathOrDie("spec", "podManagementPolicy"), fieldpath.MakePathOrDie("spec", "volumeClaimTemplates"),
)

// taken returns the entries of managedFields with what others wrote in ours, and what nobody owns of the fields that
// are there. Finalizers, ownerReferences and the status stay with those who wrote them.
func taken(live *unstructured.Unstructured, there *fieldpath.Set) ([]metav1.ManagedFieldsEntry, error) {
	mine := metav1.ManagedFieldsEntry{
		Manager: FieldOwner, Operation: metav1.ManagedFieldsOperationApply, APIVersion: live.GetAPIVersion(), FieldsType: "FieldsV1",
	}
	own, others := &fieldpath.Set{}, &fieldpath.Set{}
	var entries []metav1.ManagedFieldsEntry
	for _, e := range live.GetManagedFields() {
		if e.FieldsV1 == nil {
			entries = append(entries, e)
			continue
		}
		fields, err := decode(&e)
		if err != nil {
			return nil, err
		}
		switch {
		case ours(&e):
			mine.Time, own = e.Time, own.Union(fields)
			continue
		case e.Subresource == "" && !systemManagers.Has(e.Manager):
			if e.APIVersion == mine.APIVersion { // else its fields have other names, and are found as those of nobody
				own = own.Union(filter(fields, ofContent))
			}
			fields = filter(fields, func(path fieldpath.Path) bool { return !ofContent(path) })
			if fields.Empty() {
				continue
			}
			if e.FieldsV1, err = encode(fields); err != nil {
				return nil, err
			}
		}
		others = others.Union(fields)
		entries = append(entries, e)
	}
	if kind := live.GetKind(); kind != "PersistentVolumeClaim" && kind != "Job" { // what those were made with cannot change
		own = own.Union(filter(there, claimable).Difference(others))
	}
	var err error
	mine.FieldsV1, err = encode(own.RecursiveDifference(left))
	return append(entries, mine), err
}

// ofContent says whether a field is one that people and tools say what an object is with: not one by which controllers
// keep it, or report on it.
func ofContent(path fieldpath.Path) bool {
	switch name(path, 0) {
	case "metadata":
		return name(path, 1) == "labels" || name(path, 1) == "annotations"
	case "status", "apiVersion", "kind", "":
		return false
	}
	return true
}

// allocated are fields of a Service that the API server gives, and nobody owns.
var allocated = sets.New("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "healthCheckNodePort", "nodePort")

// claimable says whether a field that nobody owns becomes Towpath's.
func claimable(path fieldpath.Path) bool {
	if name(path, 0) == "metadata" {
		return ofContent(path) && strings.HasPrefix(name(path, 2), platformv1alpha1.LabelPrefix)
	}
	return ofContent(path) && !allocated.Has(name(path, 1)) && !allocated.Has(name(path, len(path)-1))
}

// name is the name of the field at a depth of a path, and empty where there is none.
func name(path fieldpath.Path, depth int) string {
	if depth < 0 || depth >= len(path) || path[depth].FieldName == nil {
		return ""
	}
	return *path[depth].FieldName
}

// filter returns the fields of a set that a function wants.
func filter(fields *fieldpath.Set, wanted func(fieldpath.Path) bool) *fieldpath.Set {
	kept := fieldpath.NewSet()
	fields.Iterate(func(path fieldpath.Path) {
		if wanted(path) {
			kept.Insert(path.Copy())
		}
	})
	return kept
}

// decode reads the fields of an entry of managedFields.
func decode(e *metav1.ManagedFieldsEntry) (*fieldpath.Set, error) {
	fields := &fieldpath.Set{}
	err := fields.FromJSON(bytes.NewReader(e.FieldsV1.GetRawBytes()))
	return fields, err
}

// encode writes them.
func encode(fields *fieldpath.Set) (*metav1.FieldsV1, error) {
	raw, err := fields.ToJSON()
	if err != nil {
		return nil, err
	}
	return metav1.NewFieldsV1(string(raw)), nil
}
