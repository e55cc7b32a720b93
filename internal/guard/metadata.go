package guard

import (
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// foreignMetadata are the fields of metadata that a template must not set, with the reason.
var foreignMetadata = map[string]string{
	"creationTimestamp":          "the API server sets it",
	"deletionGracePeriodSeconds": "the API server sets it",
	"deletionTimestamp":          "the API server sets it",
	"finalizers":                 "a finalizer without its controller keeps the object for ever",
	"generateName":               "names must be the same at every rendering; set metadata.name",
	"generation":                 "the API server sets it",
	"managedFields":              "the API server sets it",
	"ownerReferences":            "owners are found by label, and a false owner gets the object deleted",
	"resourceVersion":            "the API server sets it",
	"selfLink":                   "the API server sets it",
	"uid":                        "the API server sets it",
}

// foreignTemplateMetadata are those that a pod template must not set either, since they would be
// copied to the pods.
var foreignTemplateMetadata = []string{"finalizers", "generateName", "name", "namespace", "ownerReferences"}

// metadata checks everything of the metadata but labels and annotations, and the status.
func (c *check) metadata() {
	metadata, ok := c.object.Object["metadata"].(map[string]any)
	if !ok {
		c.refuse("metadata", RuleMetadata, "it must be an object with a name; set metadata.name")
		return
	}
	c.name(metadata)
	if namespace, _ := metadata["namespace"].(string); namespace != c.policy.Namespace || namespace == "" {
		c.refuse("metadata.namespace", RuleNamespace, "%q is not the namespace of the Environment, %q; leave metadata.namespace out of the template", text(metadata["namespace"]), c.policy.Namespace)
	}
	for field, why := range foreignMetadata {
		if _, ok := metadata[field]; ok {
			c.refuse("metadata."+field, RuleMetadata, "a template must not set it: %s; take it out", why)
		}
	}
	if _, ok := c.object.Object["status"]; ok {
		c.refuse("status", RuleStatus, "a template must not set status: the kind's controller does; take it out")
	}
}

func (c *check) name(metadata map[string]any) {
	name, _ := metadata["name"].(string)
	// The name becomes a part of a URL: this also keeps slashes and dots out of it.
	if problems := validation.IsDNS1123Subdomain(name); len(problems) > 0 {
		c.refuse("metadata.name", RuleName, "%q is not a valid name: %s; build it from ${component.name}", text(metadata["name"]), strings.Join(problems, ", "))
		return
	}
	c.usable = true
}

// text shows a value that should have been a string.
func text(value any) string {
	s, ok := value.(string)
	if !ok && value != nil {
		return "(not a string)"
	}
	const limit = 80
	if len(s) > limit {
		return strings.ToValidUTF8(s[:limit], "") + "…"
	}
	return s
}
