package label

import (
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
