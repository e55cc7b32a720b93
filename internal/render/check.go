package render

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/label"
)

// Besides is what stands behind the name of a Component on the pods of its checks. No Component has a name with a dot.
const Besides = ".check"

// CheckVariables are the values of the variables that the checks of a Release use.
func CheckVariables(r *platformv1alpha1.Release) map[string]any {
	all := variables(inputOf(r))
	return map[string]any{"component": all["component"], "environment": all["environment"], "release": all["release"]}
}

// CheckLabels returns every label of the Job of a check and of its pods. They are those of the Release but for the names
// by which golden paths find the pods of a Component: the pods of a check must get no traffic, and count for no
// autoscaler.
func CheckLabels(r *platformv1alpha1.Release, check string) map[string]string {
	in := inputOf(r)
	labels := baseLabels(in)
	labels["app.kubernetes.io/name"] = in.Component + Besides
	labels["app.kubernetes.io/instance"] = label.Value(in.Component + "-" + in.Environment.Name + Besides)
	labels[platformv1alpha1.LabelComponent] = in.Component + Besides
	labels[platformv1alpha1.LabelCheck] = check
	AddAliases(labels, in.LabelAliases)
	return labels
}

// CheckJob makes the Job of a check of its name and spec.
func CheckJob(r *platformv1alpha1.Release, check, name string, spec map[string]any) (Object, error) {
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "batch/v1", "kind": "Job", "metadata": map[string]any{"name": name}, "spec": spec,
	}}
	resource := "check-" + check
	if err := finish(object, inputOf(r), CheckLabels(r, check)); err != nil {
		return Object{}, &Error{Resource: resource, Path: "metadata", Err: err}
	}
	return Object{Resource: resource, Object: object}, nil
}
