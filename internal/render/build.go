package render

import (
	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/label"
)

// Building is what stands behind the name of a Component on the pods of its Builds.
const Building = ".build"

// BuildLabels returns every label of what a Build makes, and of its pods. They are those of a Release but for the names by which golden
// paths find the pods of a Component: the pods of a Build must get no traffic, and count for no autoscaler.
func BuildLabels(in Input, build string) map[string]string {
	labels := baseLabels(in)
	labels["app.kubernetes.io/name"] = in.Component + Building
	labels["app.kubernetes.io/instance"] = label.Value(in.Component + "-" + in.Environment.Name + Building)
	labels[platformv1alpha1.LabelComponent] = in.Component + Building
	labels[platformv1alpha1.LabelBuild] = build
	AddAliases(labels, in.LabelAliases)
	return labels
}

// BuildObject puts an object of a Build into the environment's namespace, and labels it.
func BuildObject(in Input, build string, object Object) (Object, error) {
	if err := finish(object.Object, in, BuildLabels(in, build)); err != nil {
		return Object{}, &Error{Resource: object.Resource, Path: "metadata", Err: err}
	}
	return object, nil
}
