package guard

import (
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// templatePaths are the pod templates of Kubernetes' own kinds. They are looked at even where they
// hold no containers.
var templatePaths = map[schema.GroupKind][]string{
	{Kind: "PodTemplate"}:                {"template"},
	{Kind: "ReplicationController"}:      {"spec", "template"},
	{Group: "apps", Kind: "DaemonSet"}:   {"spec", "template"},
	{Group: "apps", Kind: "Deployment"}:  {"spec", "template"},
	{Group: "apps", Kind: "ReplicaSet"}:  {"spec", "template"},
	{Group: "apps", Kind: "StatefulSet"}: {"spec", "template"},
	{Group: "batch", Kind: "CronJob"}:    {"spec", "jobTemplate", "spec", "template"},
	{Group: "batch", Kind: "Job"}:        {"spec", "template"},
}

// podTemplate is one pod template of an object.
type podTemplate struct {
	path   string
	object map[string]any
	// labelled says that Towpath labels the template, so that the labels must be there. A custom
	// resource may hold templates that only its controller understands.
	labelled bool
}

// templates finds the pod templates of the object. In a kind that is not Kubernetes' own it is any
// object whose spec has containers, at any depth.
func (c *check) templates() []podTemplate {
	if !c.searched {
		c.found, c.searched = c.findTemplates(), true
	}
	return c.found
}

func (c *check) findTemplates() []podTemplate {
	if fields, ok := templatePaths[c.gvk.GroupKind()]; ok {
		return []podTemplate{{path: strings.Join(fields, "."), object: nested(c.object.Object, fields...), labelled: true}}
	}
	return findTemplates("", c.object.Object)
}

func findTemplates(path string, value any) []podTemplate {
	var found []podTemplate
	switch v := value.(type) {
	case map[string]any:
		if spec, ok := v["spec"].(map[string]any); ok && hasContainers(spec) {
			found = append(found, podTemplate{path: path, object: v, labelled: path == "spec.template"})
		} else if hasContainers(v) && path != "spec" && !strings.HasSuffix(path, ".spec") {
			// A pod specification without a template around it.
			found = append(found, podTemplate{path: path, object: map[string]any{"spec": v}})
		}
		for key, item := range v {
			if holds(item) {
				found = append(found, findTemplates(field(path, key), item)...)
			}
		}
	case []any:
		for i, item := range v {
			if holds(item) {
				found = append(found, findTemplates(path+"["+strconv.Itoa(i)+"]", item)...)
			}
		}
	}
	return found
}

// hasContainers tells a pod specification by its list of containers.
func hasContainers(spec map[string]any) bool {
	for _, key := range []string{"containers", "initContainers"} {
		list, _ := spec[key].([]any)
		for _, item := range list {
			if _, ok := item.(map[string]any); ok {
				return true
			}
		}
	}
	return false
}

// nested is unstructured.NestedMap without the copy: nil where a field is not there or not an object.
func nested(object map[string]any, fields ...string) map[string]any {
	for _, name := range fields {
		object, _ = object[name].(map[string]any)
	}
	return object
}
