package adopt

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// controller returns the kind and name of what writes an object; empty where nothing does.
func controller(object *unstructured.Unstructured) string {
	if owner := metav1.GetControllerOfNoCopy(object); owner != nil {
		return owner.Kind + "/" + owner.Name
	}
	return ""
}

// owned refuses a workload that another controller writes: what the golden path sets would be set back at once. Of
// what belongs to it, such an object is left to its owner, and said to be.
func (f *fitter) owned() error {
	if owner := controller(f.in.Workload); owner != "" {
		return &Refusal{
			Err:  fmt.Errorf("%s belongs to %s, which writes it, and would set back whatever the golden path sets", title(f.in.Workload), owner),
			Next: fmt.Sprintf("make a Component without adopt in the place of %s, and delete that once the Component is Ready; or have it leave the workload alone, which takes its owner reference off, and adopt that then", owner),
		}
	}
	for _, object := range f.in.Others {
		if owner := controller(object); owner != "" {
			f.leave(object, "metadata.ownerReferences", nil, "it belongs to "+owner+", which writes it, and is left to that: beside it the golden path makes an object of its own, if it has one; take "+owner+" away before the first new version")
		}
	}
	return nil
}

// tied notes what others go on to decide about the end of the objects that are taken over.
func (f *fitter) tied(best *outcome) {
	for _, p := range best.pairs {
		object := f.found[p.found]
		var owners []string
		for _, owner := range object.GetOwnerReferences() {
			owners = append(owners, owner.Kind+"/"+owner.Name)
		}
		if len(owners) > 0 {
			f.notes = append(f.notes, fmt.Sprintf("%s has owners, and keeps them: %s; once these are deleted, Kubernetes deletes it too", title(object), strings.Join(owners, ", ")))
		}
		if finalizers := object.GetFinalizers(); len(finalizers) > 0 {
			f.notes = append(f.notes, fmt.Sprintf("%s has finalizers, and keeps them: %s; whoever set these must take them off before it is gone, should it ever be deleted", title(object), strings.Join(finalizers, ", ")))
		}
	}
}

// Claims are the names of the claims of a StatefulSet, without the number of the pod that each belongs to; none of
// another object.
func Claims(object *unstructured.Unstructured) []string {
	if object.GetKind() != "StatefulSet" {
		return nil
	}
	var names []string
	templates, _, _ := unstructured.NestedSlice(object.Object, "spec", "volumeClaimTemplates")
	for _, claim := range templates {
		template, _ := claim.(map[string]any)
		if name, _, _ := unstructured.NestedString(template, "metadata", "name"); name != "" {
			names = append(names, name+"-"+object.GetName())
		}
	}
	return names
}
