package label

import (
	"maps"
	"slices"
	"strings"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// common are the labels outside of Towpath's prefix that it sets on everything.
var common = []string{
	"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/version",
	"app.kubernetes.io/part-of", "app.kubernetes.io/managed-by",
}

// Reserved says whether a label or annotation is Towpath's to set.
func Reserved(key string) bool {
	return strings.HasPrefix(key, platformv1alpha1.LabelPrefix) || slices.Contains(common, key)
}

// Own returns those of a set of labels that are of Towpath's prefix: what is taken over gets these alone. Others may be
// there already, with values that other tools go by.
func Own(labels map[string]string) map[string]string {
	own := maps.Clone(labels)
	maps.DeleteFunc(own, func(key, _ string) bool { return !strings.HasPrefix(key, platformv1alpha1.LabelPrefix) })
	return own
}
