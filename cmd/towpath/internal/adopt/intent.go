package adopt

import (
	"bytes"
	"fmt"
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

// Managers returns the field managers of people and tools that own fields of an object, in order of the record.
func Managers(object *unstructured.Unstructured) []string {
	var names []string
	for _, entry := range object.GetManagedFields() {
		if ofPeople(&entry) {
			names = append(names, entry.Manager)
		}
	}
	return names
}

func ofPeople(entry *metav1.ManagedFieldsEntry) bool {
	return entry.Subresource == "" && entry.FieldsV1 != nil && !system[entry.Manager]
}

// intentOf returns what people and tools asked for: the fields that they own, without status and without what
// the API server and controllers keep in metadata. An object without a record of owners is taken whole.
func intentOf(object *unstructured.Unstructured) (map[string]any, error) {
	owned, err := extract(object)
	if err != nil {
		return nil, err
	}
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

// extract takes the fields of people's managers out of an object.
func extract(object *unstructured.Unstructured) (map[string]any, error) {
	owned := fieldpath.NewSet()
	for _, entry := range object.GetManagedFields() {
		if !ofPeople(&entry) {
			continue
		}
		var set fieldpath.Set
		if err := set.FromJSON(bytes.NewReader(entry.FieldsV1.GetRawBytes())); err != nil {
			return nil, fmt.Errorf("metadata.managedFields: of %s: %w", entry.Manager, err)
		}
		owned = owned.Union(&set)
	}
	if owned.Empty() {
		return object.DeepCopy().Object, nil
	}
	value, err := converter(object.GroupVersionKind()).ObjectToTyped(object, typed.AllowDuplicates)
	if err != nil {
		// A newer field than this tool knows: the whole object is the next best.
		return object.DeepCopy().Object, nil //nolint:nilerr // said above
	}
	fields, ok := value.ExtractItems(owned.Leaves(), typed.WithAppendKeyFields()).AsValue().Unstructured().(map[string]any)
	if !ok {
		return nil, fmt.Errorf("its managers own nothing of it")
	}
	return fields, nil
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
	for _, prefix := range []string{platformv1alpha1.LabelPrefix, "kubectl.kubernetes.io/last-applied", "deployment.kubernetes.io/",
		"meta.helm.sh/", "autoscaling.alpha.kubernetes.io/"} {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return key == "app.kubernetes.io/managed-by"
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
