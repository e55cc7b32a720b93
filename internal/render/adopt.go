package render

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/guard"
	"github.com/towpath-dev/towpath/internal/label"
)

// PodLabels are the labels that pods keep bearing since the workload that was taken over finds them by these.
// They stand even where Towpath's own app.kubernetes.io/name and instance would have another value.
func PodLabels(r *platformv1alpha1.Release) map[string]string {
	if r.Spec.Adopt == nil {
		return nil
	}
	return r.Spec.Adopt.PodSelector
}

// FixedFields of the spec of a StatefulSet cannot change. Of one that was taken over they stay as they were found,
// and are not rendered.
var FixedFields = []string{"serviceName", "podManagementPolicy", "volumeClaimTemplates"}

// identity is a kind and a name; within one namespace it tells one object from another, whatever its version.
type identity struct{ kind, name string }

// adopter gives rendered objects the names and selectors under which they were found.
type adopter struct {
	adoption *platformv1alpha1.Adoption
	// labels are Towpath's own.
	labels map[string]string
	// made counts the objects of each resource that is taken over.
	made map[string]int
	// names are the names that were found, by those that the template gives.
	names map[identity]string
}

func newAdopter(adoption *platformv1alpha1.Adoption, labels map[string]string) *adopter {
	return &adopter{adoption: adoption, labels: labels, made: map[string]int{}, names: map[identity]string{}}
}

// found returns the name that was found for a resource.
func (a *adopter) found(resource string) (string, bool) {
	if a.adoption == nil {
		return "", false
	}
	for _, o := range a.adoption.Objects {
		if o.Resource == resource {
			return o.Name, true
		}
	}
	return "", false
}

// rename gives an object the name that was found. It comes before other resources see the object, so that
// resources.<id>.metadata.name and outputs say the name that counts.
func (a *adopter) rename(resource string, object *unstructured.Unstructured) {
	name, ok := a.found(resource)
	if !ok {
		return
	}
	a.made[resource]++
	a.names[identity{object.GetKind(), object.GetName()}] = name
	object.SetName(name)
}

// finish makes the objects fit each other again, once all are there: references by name, and selectors.
func (a *adopter) finish(objects []Object) error {
	if a.adoption == nil {
		return nil
	}
	for _, o := range a.adoption.Objects {
		if n := a.made[o.Resource]; n > 1 {
			return notOne(o, n)
		}
	}
	for _, o := range objects {
		a.refer(o.Object.Object)
		if _, adopted := a.found(o.Resource); adopted && o.Object.GetKind() == "StatefulSet" {
			for _, field := range FixedFields {
				unstructured.RemoveNestedField(o.Object.Object, "spec", field)
			}
		}
	}
	if len(a.adoption.PodSelector) == 0 {
		return nil
	}
	return a.selectAsFound(objects)
}

// CheckFound says which object that is to be taken over has no resource that makes it. Once the golden path has been
// there, one that is not made any more is not wanted any more, and goes like everything else of older Releases.
func CheckFound(objects []Object, adoption *platformv1alpha1.Adoption) error {
	if adoption == nil {
		return nil
	}
	for _, found := range adoption.Objects {
		if !slices.ContainsFunc(objects, func(o Object) bool { return o.Resource == found.Resource }) {
			return notOne(found, 0)
		}
	}
	return nil
}

func notOne(o platformv1alpha1.AdoptedObject, made int) error {
	return &Error{Resource: o.Resource, Err: fmt.Errorf(
		"spec.environments[].adopt: %s is to stand for this resource, which makes %d objects here: only one that makes exactly one can be taken over; take it out of adopt, or change the parameters", o.Name, made)}
}

// refer replaces names in the references that Kubernetes' kinds, and those of the catalogue, have to each
// other. Other references must be written as resources.<id>.metadata.name.
func (a *adopter) refer(object map[string]any) {
	kind, _ := object["kind"].(string)
	spec, _ := object["spec"].(map[string]any)
	switch kind {
	case "HorizontalPodAutoscaler", "ScaledObject":
		if target, ok := spec["scaleTargetRef"].(map[string]any); ok {
			referred, _ := target["kind"].(string)
			if referred == "" {
				referred = "Deployment" // KEDA's default
			}
			a.replace(target, "name", referred)
		}
	case "HTTPRoute", "GRPCRoute":
		for _, rule := range items(spec["rules"]) {
			for _, backend := range items(rule["backendRefs"]) {
				a.replace(backend, "name", "Service")
			}
		}
	case "Ingress":
		a.referBackend(spec["defaultBackend"])
		for _, rule := range items(spec["rules"]) {
			http, _ := rule["http"].(map[string]any)
			for _, path := range items(http["paths"]) {
				a.referBackend(path["backend"])
			}
		}
	}
	a.replace(spec, "serviceName", "Service")
	if job, ok := spec["jobTemplate"].(map[string]any); ok {
		spec, _ = job["spec"].(map[string]any)
	}
	if pods, ok := spec["template"].(map[string]any); ok {
		podSpec, _ := pods["spec"].(map[string]any)
		a.referFromPods(podSpec)
	}
}

func (a *adopter) referBackend(backend any) {
	holder, _ := backend.(map[string]any)
	service, _ := holder["service"].(map[string]any)
	a.replace(service, "name", "Service")
}

func (a *adopter) referFromPods(spec map[string]any) {
	a.replace(spec, "serviceAccountName", "ServiceAccount")
	for _, volume := range items(spec["volumes"]) {
		config, _ := volume["configMap"].(map[string]any)
		a.replace(config, "name", "ConfigMap")
		claim, _ := volume["persistentVolumeClaim"].(map[string]any)
		a.replace(claim, "claimName", "PersistentVolumeClaim")
	}
	for _, list := range []string{"containers", "initContainers"} {
		for _, container := range items(spec[list]) {
			for _, from := range items(container["envFrom"]) {
				config, _ := from["configMapRef"].(map[string]any)
				a.replace(config, "name", "ConfigMap")
			}
			for _, env := range items(container["env"]) {
				from, _ := env["valueFrom"].(map[string]any)
				config, _ := from["configMapKeyRef"].(map[string]any)
				a.replace(config, "name", "ConfigMap")
			}
		}
	}
}

// replace puts the name that was found into a reference to an object of a kind.
func (a *adopter) replace(reference map[string]any, field, kind string) {
	name, _ := reference[field].(string)
	if found, ok := a.names[identity{kind, name}]; ok {
		reference[field] = found
	}
}

// selectAsFound gives the workload that was taken over the selector that it had, its pods the labels for it,
// and whatever selected the same pods as the template's workload the same selector. Network policies are left
// alone: they are for pods that the golden path made.
func (a *adopter) selectAsFound(objects []Object) error {
	found := make(map[string]any, len(a.adoption.PodSelector))
	for key, value := range a.adoption.PodSelector {
		found[key] = value
	}
	var templates []any
	for _, o := range objects {
		if _, adopted := a.found(o.Resource); !adopted {
			continue
		}
		spec, _ := o.Object.Object["spec"].(map[string]any)
		selector, ok := spec["selector"].(map[string]any)
		pods, isWorkload := spec["template"].(map[string]any)
		if !ok || !isWorkload {
			continue
		}
		templates = append(templates, selector["matchLabels"])
		spec["selector"] = map[string]any{"matchLabels": maps.Clone(found)}
		if err := a.addFound(pods); err != nil {
			return &Error{Resource: o.Resource, Path: "spec.template.metadata.labels", Err: err}
		}
	}
	for _, o := range objects {
		spec, _ := o.Object.Object["spec"].(map[string]any)
		switch o.Object.GetKind() {
		case "Service":
			if sameAsOne(spec["selector"], templates) {
				spec["selector"] = maps.Clone(found)
			}
		case "PodDisruptionBudget":
			selector, _ := spec["selector"].(map[string]any)
			if len(selector) == 1 && sameAsOne(selector["matchLabels"], templates) {
				spec["selector"] = map[string]any{"matchLabels": maps.Clone(found)}
			}
		}
	}
	return nil
}

// addFound adds the labels of the kept selector to a pod template.
func (a *adopter) addFound(pods map[string]any) error {
	metadata, _ := pods["metadata"].(map[string]any)
	labels, ok := metadata["labels"].(map[string]any)
	if !ok {
		return errors.New("must be an object")
	}
	for key, value := range a.adoption.PodSelector {
		if ours, taken := a.labels[key]; taken && ours != value && !guard.Replaceable(key) {
			return fmt.Errorf("spec.environments[].adopt.podSelector asks for %s=%s, but Towpath sets %s=%s, by which costs are told apart: it cannot take over a workload that selects by another value", key, value, key, ours)
		}
		labels[key] = value
	}
	return nil
}

func sameAsOne(selector any, others []any) bool {
	for _, other := range others {
		if selector != nil && equality.Semantic.DeepEqual(selector, other) {
			return true
		}
	}
	return false
}

// items returns the objects of a list.
func items(list any) []map[string]any {
	values, _ := list.([]any)
	objects := make([]map[string]any, 0, len(values))
	for _, value := range values {
		if object, ok := value.(map[string]any); ok {
			objects = append(objects, object)
		}
	}
	return objects
}

// asFound reduces rendered objects to what taking over adds to those that were found: labels, and the mark that
// all else is as it was.
func asFound(objects []Object, adoption *platformv1alpha1.Adoption) []Object {
	a := newAdopter(adoption, nil)
	var kept []Object
	for _, o := range objects {
		if _, ok := a.found(o.Resource); !ok {
			continue
		}
		bare := &unstructured.Unstructured{}
		bare.SetGroupVersionKind(o.Object.GroupVersionKind())
		bare.SetName(o.Object.GetName())
		bare.SetNamespace(o.Object.GetNamespace())
		labels := label.Own(o.Object.GetLabels())
		labels[platformv1alpha1.LabelAsFound] = "true"
		bare.SetLabels(labels)
		kept = append(kept, Object{Resource: o.Resource, Object: bare})
	}
	return kept
}
