package manifest

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// Plain returns an object as somebody without Towpath would keep it: without what the API server fills in, and
// without Towpath's labels and annotations in its metadata. Selectors and pod templates stay to the letter, since
// any change there restarts pods. set are the labels that Towpath gives objects, those of aliases among them: other
// values are the owner's, and so is everything without our prefix on an object that is as it was found.
func Plain(object *unstructured.Unstructured, set, aliases map[string]string) *unstructured.Unstructured {
	plain := object.DeepCopy()
	delete(plain.Object, "status")
	metadata := map[string]any{"name": object.GetName(), "namespace": object.GetNamespace()}
	_, asFound := object.GetLabels()[platformv1alpha1.LabelAsFound]
	if labels := without(object.GetLabels(), func(key, value string) bool {
		_, alias := aliases[key]
		ours := (alias || key == "app.kubernetes.io/managed-by") && value == set[key]
		return ours && !asFound || strings.HasPrefix(key, platformv1alpha1.LabelPrefix)
	}); len(labels) > 0 {
		metadata["labels"] = labels
	}
	if annotations := without(object.GetAnnotations(), func(key, _ string) bool {
		return strings.HasPrefix(key, platformv1alpha1.LabelPrefix) || strings.HasPrefix(key, "kubectl.kubernetes.io/last-applied") ||
			strings.HasPrefix(key, "deployment.kubernetes.io/")
	}); len(annotations) > 0 {
		metadata["annotations"] = annotations
	}
	plain.Object["metadata"] = metadata
	if spec, ok := plain.Object["spec"].(map[string]any); ok && object.GetKind() == "Service" {
		if spec["clusterIP"] != "None" {
			delete(spec, "clusterIP")
			delete(spec, "clusterIPs")
		}
		for _, allocated := range []string{"ipFamilies", "ipFamilyPolicy"} {
			delete(spec, allocated)
		}
	}
	return plain
}

func without(values map[string]string, leave func(key, value string) bool) map[string]any {
	kept := map[string]any{}
	for key, value := range values {
		if !leave(key, value) {
			kept[key] = value
		}
	}
	return kept
}
