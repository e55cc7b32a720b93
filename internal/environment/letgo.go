package environment

import (
	"encoding/json"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/team"
)

// FieldOwner owns the fields of what an Environment makes.
const FieldOwner = "towpath-environment"

// owners are those of the labels of a workload namespace, and of the home of a Team.
var owners = map[string]bool{FieldOwner: true, team.FieldOwner: true}

// podSecurity is the prefix of the labels by which a namespace holds pods to a level.
const podSecurity = "pod-security.kubernetes.io/"

// Found returns the value of the annotation that keeps which labels, or annotations, a namespace bore when it was taken
// over.
func Found(values map[string]string) (string, error) {
	found := map[string]string{}
	for key, value := range values {
		if !strings.HasPrefix(key, platformv1alpha1.LabelPrefix) {
			found[key] = value
		}
	}
	raw, err := json.Marshal(found)
	return string(raw), err
}

// found reads what Found kept; nil where there is nothing, or nothing that can be read: nobody but Towpath writes it, as
// long as its policies stand.
func found(namespace metav1.Object, annotation string) map[string]string {
	var kept map[string]string
	if raw := namespace.GetAnnotations()[annotation]; raw != "" && json.Unmarshal([]byte(raw), &kept) != nil {
		return nil
	}
	return kept
}

// LettingGo returns the JSON merge patch that lets go of a namespace: every label and annotation that Towpath set goes, and
// of one that was taken over what was found comes back. The pod security of one that Towpath made stays, since pods that
// run there were made for it. The consent to be taken over goes too: it was for this once. ours are labels that Towpath is known to set, beside those that the namespace says it owns.
func LettingGo(uid types.UID, namespace metav1.Object, ours map[string]string) ([]byte, error) {
	bore := found(namespace, platformv1alpha1.AnnotationFound)
	owned, ownedAnnotations := ownedOf(namespace)
	labels := map[string]any{}
	for key, value := range namespace.GetLabels() {
		known, set := ours[key]
		before, was := bore[key]
		switch {
		case strings.HasPrefix(key, platformv1alpha1.LabelPrefix):
			labels[key] = nil
		case !owned[key] && (!set || known != value):
		case was:
			labels[key] = before
		case bore != nil || !strings.HasPrefix(key, podSecurity):
			labels[key] = nil
		}
	}
	annotations := map[string]any{}
	boreAnnotations := found(namespace, platformv1alpha1.AnnotationFoundAnnotations)
	for key := range ownedAnnotations {
		annotations[key] = nil
		if before, was := boreAnnotations[key]; was {
			annotations[key] = before
		}
	}
	for _, key := range []string{
		platformv1alpha1.AnnotationHome, platformv1alpha1.AnnotationFound, platformv1alpha1.AnnotationFoundAnnotations, platformv1alpha1.AnnotationAdoptBy,
	} {
		annotations[key] = nil
	}
	return json.Marshal(map[string]any{"metadata": map[string]any{"uid": uid, "labels": labels, "annotations": annotations}})
}

// Stale returns the JSON merge patch that takes away the labels and annotations that Towpath set on a namespace and that
// are none of these any more, such as those that its class had; nil where there are none. An apply alone leaves what came
// with the namespace, which is created by another kind of write.
func Stale(namespace metav1.Object, labels, annotations map[string]string) ([]byte, error) {
	ownedLabels, ownedAnnotations := ownedOf(namespace)
	delete(ownedLabels, corev1.LabelMetadataName) // the API server's own, which it counts as the creator's
	goneLabels, goneAnnotations := without(ownedLabels, labels), without(ownedAnnotations, annotations)
	if len(goneLabels)+len(goneAnnotations) == 0 {
		return nil, nil
	}
	return json.Marshal(map[string]any{"metadata": map[string]any{"uid": namespace.GetUID(), "labels": goneLabels, "annotations": goneAnnotations}})
}

// ownedOf are the labels and annotations of a namespace that Towpath set, and the annotation that says who may apply with its labels, whoever
// wrote that: nobody else may say so.
func ownedOf(namespace metav1.Object) (labels, annotations map[string]bool) {
	labels, annotations = ownedKeys(namespace.GetManagedFields())
	if _, there := namespace.GetAnnotations()[platformv1alpha1.AnnotationDeliveredBy]; there {
		annotations[platformv1alpha1.AnnotationDeliveredBy] = true
	}
	return labels, annotations
}

// without maps the keys that are owned and not wanted to null.
func without(owned map[string]bool, wanted map[string]string) map[string]any {
	gone := map[string]any{}
	for key := range owned {
		if _, ok := wanted[key]; !ok {
			gone[key] = nil
		}
	}
	return gone
}

// CacheTransform keeps of a namespace's managed fields those of its Environment alone, which Stale reads.
func CacheTransform(object any) (any, error) {
	namespace, ok := object.(metav1.Object)
	if !ok {
		return object, nil
	}
	namespace.SetManagedFields(slices.DeleteFunc(namespace.GetManagedFields(), func(entry metav1.ManagedFieldsEntry) bool {
		return entry.Manager != FieldOwner
	}))
	return object, nil
}

// ownedKeys are the keys of the labels and annotations that Towpath set, by managedFields.
func ownedKeys(entries []metav1.ManagedFieldsEntry) (labels, annotations map[string]bool) {
	labels, annotations = map[string]bool{}, map[string]bool{}
	for i := range entries {
		if !owners[entries[i].Manager] || entries[i].FieldsV1 == nil {
			continue
		}
		var fields struct {
			Metadata struct {
				Labels      map[string]json.RawMessage `json:"f:labels"`
				Annotations map[string]json.RawMessage `json:"f:annotations"`
			} `json:"f:metadata"`
		}
		if json.Unmarshal(entries[i].FieldsV1.GetRawBytes(), &fields) != nil {
			continue
		}
		addKeys(labels, fields.Metadata.Labels)
		addKeys(annotations, fields.Metadata.Annotations)
	}
	return labels, annotations
}

func addKeys(keys map[string]bool, fields map[string]json.RawMessage) {
	for field := range fields {
		if key, ok := strings.CutPrefix(field, "f:"); ok {
			keys[key] = true
		}
	}
}
