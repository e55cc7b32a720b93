package adopt

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/client-go/applyconfigurations"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/typed"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// system are the field managers of Kubernetes itself: what they set, nobody asked for.
var system = map[string]bool{
	"kube-controller-manager": true, "kube-scheduler": true, "kubelet": true, "cloud-controller-manager": true, "kube-apiserver": true,
}

// Managers returns the field managers of people and tools that own what an object says, in order of the record.
// One that owns metadata alone, such as kubectl-annotate, is none.
func Managers(object *unstructured.Unstructured) []string {
	var names []string
	for _, entry := range object.GetManagedFields() {
		if set, err := fieldsOf(&entry); err == nil && ofPeople(&entry) && !set.Empty() && !slices.Contains(names, entry.Manager) {
			names = append(names, entry.Manager)
		}
	}
	return names
}

// ofPeople says whether an entry is that of somebody who asked for something. Who scales an object asks for its
// replicas; other subresources are the status.
func ofPeople(entry *metav1.ManagedFieldsEntry) bool {
	return (entry.Subresource == "" || entry.Subresource == "scale") && !system[entry.Manager]
}

// fieldsOf returns the fields outside of metadata and status that an entry owns.
func fieldsOf(entry *metav1.ManagedFieldsEntry) (*fieldpath.Set, error) {
	set := &fieldpath.Set{}
	if entry.FieldsV1 == nil {
		return set, nil
	}
	if err := set.FromJSON(bytes.NewReader(entry.FieldsV1.GetRawBytes())); err != nil {
		return nil, fmt.Errorf("metadata.managedFields: of %s: %w", entry.Manager, err)
	}
	return set.RecursiveDifference(aside), nil
}

// aside are the fields in which managers tell no intent.
var aside = fieldpath.NewSet(fieldpath.MakePathOrDie("metadata"), fieldpath.MakePathOrDie("status"),
	fieldpath.MakePathOrDie("apiVersion"), fieldpath.MakePathOrDie("kind"))

// intentOf returns what people and tools asked for: the fields that they own, with labels and annotations, and
// without status and bookkeeping.
func intentOf(object *unstructured.Unstructured) (map[string]any, error) {
	owned, err := extract(object)
	if err != nil {
		return nil, err
	}
	owned["metadata"] = runtime.DeepCopyJSONValue(object.Object["metadata"])
	intent := normal(object.GroupVersionKind(), owned)
	delete(intent, "status")
	metadata, _ := intent["metadata"].(map[string]any)
	kept := map[string]any{}
	for _, field := range []string{"labels", "annotations"} {
		if values, ok := metadata[field].(map[string]any); ok && len(values) > 0 {
			for key := range values {
				if bookkeeping(key) {
					delete(values, key)
				}
			}
			if len(values) > 0 {
				kept[field] = values
			}
		}
	}
	intent["metadata"] = kept
	return intent, nil
}

// extract takes what people asked for out of an object. The record of owners tells that only where it is complete:
// of what Towpath let go of, say, nobody owns anything, and whoever changes the image then owns that alone. So where
// nobody owns a field that is no default, all counts but what Kubernetes' own controllers set.
func extract(object *unstructured.Unstructured) (map[string]any, error) {
	people, controllers := fieldpath.NewSet(), fieldpath.NewSet()
	for _, entry := range object.GetManagedFields() {
		set, err := fieldsOf(&entry)
		if err != nil {
			return nil, err
		}
		if ofPeople(&entry) {
			people = people.Union(set)
		} else {
			controllers = controllers.Union(set)
		}
	}
	value, err := converter(object.GroupVersionKind()).ObjectToTyped(object, typed.AllowDuplicates)
	if err != nil {
		// A newer field than this tool knows: the whole object is the next best.
		return object.DeepCopy().Object, nil //nolint:nilerr // said above
	}
	all, err := value.ToFieldSet()
	if err != nil {
		return nil, err
	}
	all = all.RecursiveDifference(aside)
	counts := people
	if people.Empty() || !complete(value, object.GroupVersionKind(), all.Leaves().Difference(people).Difference(controllers)) {
		counts = all.Difference(controllers.Difference(people))
	}
	fields, ok := value.ExtractItems(counts.Leaves(), typed.WithAppendKeyFields()).AsValue().Unstructured().(map[string]any)
	if !ok {
		fields = map[string]any{} // such as a ServiceAccount that has nothing but its name
	}
	fields["apiVersion"], fields["kind"] = object.GetAPIVersion(), object.GetKind()
	return fields, nil
}

// complete says whether the fields that nobody owns are defaults, all of them.
func complete(value *typed.TypedValue, gvk schema.GroupVersionKind, unowned *fieldpath.Set) bool {
	if unowned.Empty() {
		return true
	}
	rest, _ := value.ExtractItems(unowned, typed.WithAppendKeyFields()).AsValue().Unstructured().(map[string]any)
	rest, _ = withoutDefaults("", rest).(map[string]any)
	object := &unstructured.Unstructured{Object: rest}
	object.SetGroupVersionKind(gvk)
	left, err := converter(gvk).ObjectToTyped(object, typed.AllowDuplicates)
	if err != nil {
		return false
	}
	fields, err := left.ToFieldSet()
	return err == nil && fields.Intersection(unowned).Empty() // the keys of lists are owned, and are there to tell items apart
}

// withoutDefaults leaves out what the API server fills in; of an object that holds nothing else, nothing is left.
func withoutDefaults(path string, value any) any {
	switch v := value.(type) {
	case map[string]any:
		rest := map[string]any{}
		for key, member := range v {
			here := below(path, key)
			if defaulted(here, key, member, v) {
				continue
			}
			if member = withoutDefaults(here, member); member != nil {
				rest[key] = member
			}
		}
		if len(rest) == 0 && len(v) > 0 && path != "" {
			return nil
		}
		return rest
	case []any:
		rest := make([]any, 0, len(v))
		for _, item := range v {
			if item = withoutDefaults(path, item); item != nil {
				rest = append(rest, item)
			}
		}
		return rest
	}
	return value
}

// converter knows which lists of a kind are sets and maps, where it is one of Kubernetes' own.
func converter(gvk schema.GroupVersionKind) managedfields.TypeConverter {
	if scheme.Scheme.Recognizes(gvk) {
		return applyconfigurations.NewTypeConverter(scheme.Scheme)
	}
	return managedfields.NewDeducedTypeConverter()
}

// bookkeeping says whether a label or annotation is a tool's note about itself, or ours.
func bookkeeping(key string) bool {
	for _, prefix := range []string{platformv1alpha1.LabelPrefix, "kubectl.kubernetes.io/", "deployment.kubernetes.io/",
		"meta.helm.sh/", "autoscaling.alpha.kubernetes.io/", "argocd.argoproj.io/"} {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return key == "app.kubernetes.io/managed-by" || key == "kubernetes.io/change-cause"
}

// normal returns an object as Kubernetes' own types write it, so that 1000m is 1 on both sides. What the types
// write for nothing is taken out.
func normal(gvk schema.GroupVersionKind, object map[string]any) map[string]any {
	copied := runtime.DeepCopyJSON(object)
	value, err := scheme.Scheme.New(gvk)
	if err != nil {
		return copied
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(copied, value); err != nil {
		return copied
	}
	written, err := runtime.DefaultUnstructuredConverter.ToUnstructured(value)
	if err != nil {
		return copied
	}
	written["apiVersion"], written["kind"] = copied["apiVersion"], copied["kind"]
	prune(written)
	return written
}

// hollow are the fields that Kubernetes' types write though nobody set them.
var hollow = map[string]bool{
	"status": true, "resources": true, "strategy": true, "updateStrategy": true, "metadata": true, "loadBalancer": true,
	"securityContext": true, "template": true, "labels": true, "annotations": true,
}

func prune(value any) {
	switch v := value.(type) {
	case map[string]any:
		for key, member := range v {
			prune(member)
			if key == "targetPort" && member == int64(0) {
				delete(v, key)
			}
			if m, ok := member.(map[string]any); member == nil || ok && len(m) == 0 && hollow[key] {
				delete(v, key)
			}
		}
	case []any:
		for _, item := range v {
			prune(item)
		}
	}
}
