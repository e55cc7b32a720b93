package guard

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/label"
)

// labels checks that the labels of Towpath stand where they must, with their values, and that
// nothing of its prefix stands anywhere else: also not in metadata further down, which a controller
// copies to what it makes.
func (c *check) labels() {
	metadata, _ := c.object.Object["metadata"].(map[string]any)
	labels, _ := metadata["labels"].(map[string]any)
	wanted := c.policy.Labels
	if c.policy.AsFound {
		wanted = label.Own(wanted)
	}
	c.required("metadata.labels", labels, wanted, nil)
	for _, template := range c.templates() {
		if template.labelled && !c.policy.AsFound {
			metadata, _ := template.object["metadata"].(map[string]any)
			labels, _ := metadata["labels"].(map[string]any)
			c.required(template.path+".metadata.labels", labels, c.onPods(), c.policy.PodLabels)
		}
	}
	c.reserved("", c.object.Object)
}

// Replaceable says whether pod templates may bear another value of a label of Towpath, so that a workload
// which was taken over still finds its pods.
func Replaceable(key string) bool {
	return key == "app.kubernetes.io/name" || key == "app.kubernetes.io/instance"
}

// onPods are the labels that pod templates must bear.
func (c *check) onPods() map[string]string {
	labels := maps.Clone(c.policy.Labels)
	delete(labels, platformv1alpha1.LabelOwnerUID)
	return labels
}

// required checks that labels are there, with their values, or those that a few may have instead.
func (c *check) required(path string, labels map[string]any, wanted, instead map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(wanted)) {
		want := wanted[key]
		switch got, ok := labels[key]; {
		case !ok:
			c.refuse(field(path, key), RuleLabels, "the label is missing, and must be %q; do not build labels in a way that drops those of Towpath", want)
		case Replaceable(key) && instead[key] != "" && got == instead[key]:
		case got != want && !strings.HasPrefix(key, platformv1alpha1.LabelPrefix):
			// Those of the prefix are compared by reserved, wherever they stand.
			c.refuse(field(path, key), RuleLabels, "the label is %q and must be %q; take it out of the template: Towpath sets it", text(got), want)
		}
	}
}

// reserved walks the whole object for labels and annotations of Towpath's prefix.
func (c *check) reserved(path string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for key, item := range v {
			if !holds(item) {
				continue
			}
			inner := field(path, key)
			// Fields of that name which hold something else, such as the labels of a metric, are
			// strings without our prefix.
			if entries, ok := item.(map[string]any); ok {
				switch key {
				case "labels":
					c.reservedLabels(inner, entries)
				case "annotations":
					c.reservedAnnotations(inner, entries)
				}
			}
			c.reserved(inner, item)
		}
	case []any:
		for i, item := range v {
			if holds(item) {
				c.reserved(path+"["+strconv.Itoa(i)+"]", item)
			}
		}
	}
}

// holds says that a value may hold others: of those that do not, most of an object, no path is put together.
func holds(value any) bool {
	switch value.(type) {
	case map[string]any, []any:
		return true
	}
	return false
}

func (c *check) reservedLabels(path string, labels map[string]any) {
	for key, got := range labels {
		if !strings.HasPrefix(key, platformv1alpha1.LabelPrefix) {
			continue
		}
		want, ok := c.policy.Labels[key]
		switch {
		case !ok:
			c.refuse(field(path, key), RuleLabels, "labels of the prefix %s are Towpath's; take it out", platformv1alpha1.LabelPrefix)
		case got != want:
			c.refuse(field(path, key), RuleLabels, "the label is %q and must be %q; take it out of the template: Towpath sets it", text(got), want)
		case key == platformv1alpha1.LabelOwnerUID && path != "metadata.labels":
			c.refuse(field(path, key), RuleLabels, "the label stands on the object alone, since what is made from this metadata has another owner; take it out")
		}
	}
}

func (c *check) reservedAnnotations(path string, annotations map[string]any) {
	for key := range annotations {
		if strings.HasPrefix(key, platformv1alpha1.LabelPrefix) {
			c.refuse(field(path, key), RuleAnnotations, "annotations of the prefix %s are Towpath's; take it out", platformv1alpha1.LabelPrefix)
		}
	}
}

// field appends a key to a path; one that is not a plain identifier goes into brackets.
func field(path, key string) string {
	if strings.ContainsAny(key, "./[]") {
		return path + "[" + text(key) + "]"
	}
	if path == "" {
		return key
	}
	return path + "." + key
}
