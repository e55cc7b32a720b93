package render

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/validate/content"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/label"
)

// Labels returns every label of the objects of a Release. Pod templates bear them too, but for
// owner-uid: a pod is owned by what made it.
func Labels(in Input) map[string]string {
	labels := baseLabels(in)
	AddAliases(labels, in.LabelAliases)
	return labels
}

// baseLabels are the labels without aliases.
func baseLabels(in Input) map[string]string {
	return map[string]string{
		"app.kubernetes.io/name":          in.Component,
		"app.kubernetes.io/instance":      label.Value(in.Component + "-" + in.Environment.Name),
		"app.kubernetes.io/version":       label.Version(in.Image),
		"app.kubernetes.io/part-of":       label.Value(in.Team),
		"app.kubernetes.io/managed-by":    platformv1alpha1.ManagedBy,
		platformv1alpha1.LabelTeam:        label.Value(in.Team),
		platformv1alpha1.LabelComponent:   in.Component,
		platformv1alpha1.LabelEnvironment: in.Environment.Name,
		platformv1alpha1.LabelTier:        string(in.Environment.Tier),
		platformv1alpha1.LabelTemplate:    in.Template,
		platformv1alpha1.LabelCostCenter:  label.Value(in.CostCenter),
		platformv1alpha1.LabelOwnerUID:    string(in.OwnerUID),
	}
}

// AddAliases adds further labels with the values of others, as they are configured. One of a label that is
// not there is left out.
func AddAliases(labels, aliases map[string]string) {
	values := maps.Clone(labels) // an alias of an alias would depend on the order of the map
	for alias, of := range aliases {
		value, ok := values[of]
		if !ok {
			value, ok = values[platformv1alpha1.LabelPrefix+of]
		}
		if _, taken := values[alias]; ok && !taken {
			labels[alias] = value
		}
	}
}

// ReleaseLabels returns every label of the objects of a Release.
func ReleaseLabels(r *platformv1alpha1.Release) map[string]string {
	labels := Labels(inputOf(r))
	if r.Spec.Cause == platformv1alpha1.CauseAdoption {
		labels[platformv1alpha1.LabelAsFound] = "true"
	}
	return labels
}

// ClaimLabels returns the labels of the live claims of a Release's StatefulSets: those of its objects but for what says
// whose an object is, how it came, or what runs. A claim is not an object of a Release, and outlives images. One of a
// StatefulSet that is still as it was found bears those of Towpath's prefix alone.
func ClaimLabels(r *platformv1alpha1.Release) map[string]string {
	labels := baseLabels(inputOf(r))
	for _, key := range []string{"app.kubernetes.io/version", "app.kubernetes.io/managed-by", platformv1alpha1.LabelOwnerUID} {
		delete(labels, key)
	}
	AddAliases(labels, r.Spec.LabelAliases)
	if r.Spec.Cause == platformv1alpha1.CauseAdoption {
		return label.Own(labels)
	}
	return labels
}

// maxAliases is the most that a Release holds.
const maxAliases = 16

// CheckAliases says what is wrong with further labels as they are configured: each needs a key that
// Kubernetes accepts and that is not one of ours, and the name of a label whose value it repeats, in
// full or without Towpath's prefix. Rendering leaves out those that are wrong, silently.
func CheckAliases(aliases map[string]string) error {
	if len(aliases) > maxAliases {
		return fmt.Errorf("%d label aliases are given; at most %d are allowed", len(aliases), maxAliases)
	}
	known := Labels(Input{})
	for _, alias := range slices.Sorted(maps.Keys(aliases)) {
		if problems := content.IsLabelKey(alias); len(problems) > 0 {
			return fmt.Errorf("label alias %q: a label key %s", alias, strings.Join(problems, ", "))
		}
		if _, ours := known[alias]; ours || strings.HasPrefix(alias, platformv1alpha1.LabelPrefix) {
			return fmt.Errorf("label alias %q: the key is Towpath's own; choose another", alias)
		}
		of := aliases[alias]
		_, full := known[of]
		if _, short := known[platformv1alpha1.LabelPrefix+of]; !full && !short {
			return fmt.Errorf("label alias %q: Towpath has no label %q; it must be one of %s",
				alias, of, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
	}
	return nil
}

// setLabels sets the labels on an object, on every pod template in it, and on its claim templates.
func setLabels(object map[string]any, labels map[string]string) error {
	if err := addLabels(object, labels); err != nil {
		return err
	}
	onPods := maps.Clone(labels)
	delete(onPods, platformv1alpha1.LabelOwnerUID)
	spec, _ := object["spec"].(map[string]any)
	if spec == nil {
		return nil
	}
	if job, ok := spec["jobTemplate"].(map[string]any); ok {
		if err := addLabels(job, onPods); err != nil {
			return err
		}
		spec, _ = job["spec"].(map[string]any)
	}
	if pod, ok := spec["template"].(map[string]any); ok && isPodTemplate(pod) {
		if err := addLabels(pod, onPods); err != nil {
			return err
		}
	}
	claims, _ := spec["volumeClaimTemplates"].([]any)
	for _, claim := range claims {
		// Claim templates cannot change, so they bear only what never does.
		fixed := map[string]string{
			platformv1alpha1.LabelComponent: labels[platformv1alpha1.LabelComponent], platformv1alpha1.LabelEnvironment: labels[platformv1alpha1.LabelEnvironment],
		}
		if m, ok := claim.(map[string]any); ok {
			if err := addLabels(m, fixed); err != nil {
				return err
			}
		}
	}
	return nil
}

// isPodTemplate tells a pod template from other things by that name, in kinds that nobody knows.
func isPodTemplate(m map[string]any) bool {
	spec, _ := m["spec"].(map[string]any)
	_, ok := spec["containers"]
	return ok
}

// addLabels sets labels in the metadata of a map. What a template set of ours is overwritten; other
// keys of our prefix, which only an expression can have smuggled in, are an error.
func addLabels(m map[string]any, labels map[string]string) error {
	metadata, ok := m["metadata"].(map[string]any)
	if !ok {
		if m["metadata"] != nil {
			return errors.New("must be an object")
		}
		metadata = map[string]any{}
		m["metadata"] = metadata
	}
	existing, ok := metadata["labels"].(map[string]any)
	if !ok {
		if metadata["labels"] != nil {
			return errors.New("labels must be an object")
		}
		existing = map[string]any{}
		metadata["labels"] = existing
	}
	for key := range existing {
		if _, ours := labels[key]; !ours && strings.HasPrefix(key, platformv1alpha1.LabelPrefix) {
			return errors.New("labels must not hold " + key + ": the prefix is Towpath's own")
		}
	}
	for key, value := range labels {
		existing[key] = value
	}
	return nil
}
