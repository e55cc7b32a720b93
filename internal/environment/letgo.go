package environment

import (
	"encoding/json"
	"strings"

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

// Found returns the value of the annotation that keeps which labels a namespace bore when it was taken over.
func Found(labels map[string]string) (string, error) {
	found := map[string]string{}
	for key, value := range labels {
		if !strings.HasPrefix(key, platformv1alpha1.LabelPrefix) {
			found[key] = value
		}
	}
	raw, err := json.Marshal(found)
	return string(raw), err
}

// LettingGo returns the JSON merge patch that lets go of a namespace: every label that Towpath set goes, and of one that
// was taken over the label that was found comes back. The pod security of one that Towpath made stays, since pods that
// run there were made for it. The consent to be taken over goes too: it was for this once. ours are labels that Towpath is known to set, beside those that the namespace says it owns.
func LettingGo(uid types.UID, namespace metav1.Object, ours map[string]string) ([]byte, error) {
	var found map[string]string
	if raw := namespace.GetAnnotations()[platformv1alpha1.AnnotationFound]; raw != "" {
		if json.Unmarshal([]byte(raw), &found) != nil {
			found = nil // nobody but Towpath writes it, as long as its policies stand
		}
	}
	owned := ownedLabels(namespace.GetManagedFields())
	labels := map[string]any{}
	for key, value := range namespace.GetLabels() {
		known, set := ours[key]
		before, was := found[key]
		switch {
		case strings.HasPrefix(key, platformv1alpha1.LabelPrefix):
			labels[key] = nil
		case !owned[key] && (!set || known != value):
		case was:
			labels[key] = before
		case found != nil || !strings.HasPrefix(key, podSecurity):
			labels[key] = nil
		}
	}
	return json.Marshal(map[string]any{"metadata": map[string]any{
		"uid": uid, "labels": labels,
		"annotations": map[string]any{platformv1alpha1.AnnotationHome: nil, platformv1alpha1.AnnotationFound: nil, platformv1alpha1.AnnotationAdoptBy: nil},
	}})
}

// ownedLabels are the keys of the labels that Towpath set, by managedFields.
func ownedLabels(entries []metav1.ManagedFieldsEntry) map[string]bool {
	owned := map[string]bool{}
	for i := range entries {
		if !owners[entries[i].Manager] || entries[i].FieldsV1 == nil {
			continue
		}
		var fields struct {
			Metadata struct {
				Labels map[string]json.RawMessage `json:"f:labels"`
			} `json:"f:metadata"`
		}
		if json.Unmarshal(entries[i].FieldsV1.GetRawBytes(), &fields) != nil {
			continue
		}
		for field := range fields.Metadata.Labels {
			if key, ok := strings.CutPrefix(field, "f:"); ok {
				owned[key] = true
			}
		}
	}
	return owned
}
