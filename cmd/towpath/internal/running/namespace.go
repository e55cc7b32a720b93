package running

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/adopt"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
	"github.com/towpath-dev/towpath/internal/guardrails"
	"github.com/towpath-dev/towpath/internal/label"
	"github.com/towpath-dev/towpath/internal/render"
)

// environmentOwner is the field owner of the manager where it keeps namespaces.
const environmentOwner = "towpath-environment"

// Namespace is what becomes of a namespace as its Environment takes it over.
type Namespace struct {
	Name string
	// Changes of its labels and annotations.
	Changes []adopt.Difference
	// Warnings of the API server, such as pods that the level of pod security would refuse.
	Warnings []string
	// Unchanged says that the dry run changed nothing but labels and annotations.
	Unchanged bool
	// Err says why there is no proof.
	Err error
}

// ProveNamespace compares a namespace with what its Environment makes of it, and has the API server do that without
// keeping it. Labels that only the manager may set are left out of the dry run.
func ProveNamespace(ctx context.Context, c client.Client, place render.Input, class *platformv1alpha1.EnvironmentClassSpec, environmentUID types.UID) (*Namespace, error) {
	name := place.Environment.Namespace
	live := &corev1.Namespace{}
	if err := c.Get(ctx, client.ObjectKey{Name: name}, live); err != nil {
		return nil, err
	}
	labels := namespaceLabels(place, class, environmentUID)
	annotations := map[string]string{platformv1alpha1.AnnotationHome: place.HomeNamespace + "/" + place.Environment.Name}
	guardrails.AddAnnotations(annotations, class)
	out := &Namespace{Name: name}
	out.compare("metadata.labels", live.Labels, labels)
	out.compare("metadata.annotations", live.Annotations, annotations)
	if len(out.Changes) == 0 {
		out.Unchanged = true
		return out, nil
	}
	maps.DeleteFunc(labels, func(key, _ string) bool {
		return strings.HasPrefix(key, platformv1alpha1.LabelPrefix) || key == "app.kubernetes.io/managed-by"
	})
	body, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name, "labels": labels}})
	if err != nil {
		return nil, err
	}
	after := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	out.Err = c.Patch(cluster.CollectWarnings(ctx, &out.Warnings), after, client.RawPatch(types.ApplyPatchType, body),
		client.DryRunAll, client.ForceOwnership, client.FieldOwner(environmentOwner))
	out.Unchanged = out.Err == nil && equality.Semantic.DeepEqual(live.Spec, after.Spec) && slices.Equal(live.Finalizers, after.Finalizers) &&
		untouched(live.Labels, after.Labels, labels) && untouched(live.Annotations, after.Annotations, nil)
	return out, nil
}

// namespaceLabels are the labels that the manager sets on the namespace of an Environment.
func namespaceLabels(place render.Input, class *platformv1alpha1.EnvironmentClassSpec, environmentUID types.UID) map[string]string {
	labels := map[string]string{
		"app.kubernetes.io/name":          place.Environment.Name,
		"app.kubernetes.io/instance":      place.Environment.Namespace,
		"app.kubernetes.io/managed-by":    platformv1alpha1.ManagedBy,
		"app.kubernetes.io/part-of":       label.Value(place.Team),
		platformv1alpha1.LabelTeam:        place.Team,
		platformv1alpha1.LabelEnvironment: place.Environment.Name,
		platformv1alpha1.LabelTier:        string(place.Environment.Tier),
		platformv1alpha1.LabelCostCenter:  place.CostCenter,
		platformv1alpha1.LabelOwnerUID:    cmp.Or(string(environmentUID), "(UID of the Environment)"),
	}
	render.AddAliases(labels, place.LabelAliases)
	guardrails.AddLabels(labels, class, class.PodSecurity)
	return labels
}

// compare adds what becomes of labels or annotations.
func (n *Namespace) compare(path string, live, wanted map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(wanted)) {
		change := adopt.Difference{Object: "Namespace/" + n.Name, Path: path + "[" + key + "]", Kind: adopt.Added, Golden: wanted[key]}
		if found, ok := live[key]; ok {
			if found == wanted[key] {
				continue
			}
			change.Kind, change.Found = adopt.Changed, found
		}
		n.Changes = append(n.Changes, change)
	}
}

// untouched says whether everything but the keys that are set is as before.
func untouched(before, after, set map[string]string) bool {
	without := func(values map[string]string) map[string]string {
		rest := maps.Clone(values)
		maps.DeleteFunc(rest, func(key, _ string) bool { _, ok := set[key]; return ok })
		return rest
	}
	return maps.Equal(without(before), without(after))
}
