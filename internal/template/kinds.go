package template

import (
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/label"
)

// forbidden says why a template must not make objects of a kind, or nothing. The guard says it
// again before each write; here a platform engineer hears it at once.
func forbidden(gvk schema.GroupVersionKind) string {
	switch gvk.Group {
	case "rbac.authorization.k8s.io":
		return "must not be templated: rights are given by the platform team, not by golden paths"
	case "apiextensions.k8s.io", "admissionregistration.k8s.io", "apiregistration.k8s.io", "certificates.k8s.io":
		return "must not be templated: it changes the cluster for everybody"
	case platformv1alpha1.GroupVersion.Group:
		return "must not be templated: Towpath's own objects are written by people"
	case "":
		switch gvk.Kind {
		case "Secret":
			return "must not be templated: make the Secret in the environment's namespace, and name it in the Component's secretEnv"
		case "Namespace", "Node", "PersistentVolume":
			return "is cluster-scoped: a template must only make objects of namespaced kinds"
		case "Endpoints", "Binding", "Event", "Pod", "ReplicationController":
			return "must not be templated: use a Deployment, StatefulSet or Job, and a Service"
		}
	case "tekton.dev":
		switch gvk.Kind {
		case "PipelineRun", "TaskRun":
			return "must not be templated: write the stages of Builds into spec.pipeline"
		}
	case "discovery.k8s.io":
		return "must not be templated: use a Service with a selector"
	}
	return ""
}

// metadataFields are the fields of metadata that a template may set.
var metadataFields = []string{"name", "labels", "annotations"}

// checkMetadata checks the metadata of an object and of the pod templates in it.
func (c *compiler) checkMetadata(s *source) {
	at := s.path.Child("object", "metadata")
	metadata, ok := s.object["metadata"].(map[string]any)
	if !ok {
		c.errs = append(c.errs, field.Required(at.Child("name"), "every object needs a name, such as ${component.name}"))
		return
	}
	if name, ok := metadata["name"].(string); !ok || name == "" {
		c.errs = append(c.errs, field.Required(at.Child("name"), "every object needs a name, such as ${component.name}"))
	}
	for _, key := range sortedKeys(metadata) {
		if key == "namespace" {
			c.errs = append(c.errs, field.Forbidden(at.Child(key), "Towpath puts every object into the environment's namespace: leave it out"))
		} else if !slices.Contains(metadataFields, key) {
			c.errs = append(c.errs, field.Forbidden(at.Child(key), "a template may set name, labels and annotations: leave it out"))
		}
	}
	c.checkReserved(metadata, at)
	if len(s.object) > 0 && s.object["status"] != nil {
		c.errs = append(c.errs, field.Forbidden(s.path.Child("object", "status"), "status is written by controllers: leave it out"))
	}
	for _, place := range [][]string{{"spec", "template"}, {"spec", "jobTemplate"}, {"spec", "jobTemplate", "spec", "template"}} {
		nested, path := any(s.object), s.path.Child("object")
		for _, step := range place {
			m, _ := nested.(map[string]any)
			nested, path = m[step], path.Child(step)
		}
		if m, ok := nested.(map[string]any); ok {
			if metadata, ok := m["metadata"].(map[string]any); ok {
				c.checkReserved(metadata, path.Child("metadata"))
			}
		}
	}
}

// checkReserved refuses labels and annotations that Towpath sets itself.
func (c *compiler) checkReserved(metadata map[string]any, at *field.Path) {
	for _, place := range []string{"labels", "annotations"} {
		values, ok := metadata[place].(map[string]any)
		if !ok {
			continue
		}
		for _, key := range sortedKeys(values) {
			if label.Reserved(key) && (place != "annotations" || key != platformv1alpha1.AnnotationTypicalDuration) {
				c.errs = append(c.errs, field.Forbidden(at.Child(place).Key(key), "Towpath sets it on every object: leave it out"))
			}
		}
	}
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
