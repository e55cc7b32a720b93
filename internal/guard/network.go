package guard

import (
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// service refuses the two ways in which a Service takes over traffic that is not its own.
func (c *check) service() {
	if c.gvk.GroupKind() != (schema.GroupKind{Kind: "Service"}) {
		return
	}
	spec := nested(c.object.Object, "spec")
	if kind, ok := spec["type"]; ok && text(kind) == string(corev1.ServiceTypeExternalName) {
		c.refuse("spec.type", RuleService, "ExternalName leads clients to any name, also to other teams' services; use a Service with a selector")
	}
	if name, ok := spec["externalName"]; ok && text(name) != "" {
		c.refuse("spec.externalName", RuleService, "%q: external names must not be set; use a Service with a selector", text(name))
	}
	if ips, ok := spec["externalIPs"]; ok && !empty(ips) {
		c.refuse("spec.externalIPs", RuleService, "external addresses take over traffic of the whole cluster; use type LoadBalancer, or a route of the gateway")
	}
}

// claims refuses what a claim could take from others: a volume by name or by its labels, or data of
// another namespace.
func (c *check) claims() {
	if c.gvk.GroupKind() == (schema.GroupKind{Kind: "PersistentVolumeClaim"}) {
		c.claim("spec", nested(c.object.Object, "spec"))
	}
	if c.gvk.GroupKind() == (schema.GroupKind{Group: "apps", Kind: "StatefulSet"}) {
		list, _ := nested(c.object.Object, "spec")["volumeClaimTemplates"].([]any)
		for i, item := range list {
			claim, _ := item.(map[string]any)
			c.claim("spec.volumeClaimTemplates["+strconv.Itoa(i)+"].spec", nested(claim, "spec"))
		}
	}
	for _, template := range c.templates() {
		volumes, _ := nested(template.object, "spec")["volumes"].([]any)
		for i, item := range volumes {
			volume, _ := item.(map[string]any)
			path := field(template.path, "spec") + ".volumes[" + strconv.Itoa(i) + "].ephemeral.volumeClaimTemplate.spec"
			c.claim(path, nested(volume, "ephemeral", "volumeClaimTemplate", "spec"))
		}
	}
}

func (c *check) claim(path string, spec map[string]any) {
	if name, ok := spec["volumeName"]; ok && text(name) != "" {
		c.refuse(path+".volumeName", RuleVolumeClaims, "%q: a claim must not choose its volume, which could hold data of others; name a storageClassName", text(name))
	}
	if selector, ok := spec["selector"]; ok && selects(selector) {
		c.refuse(path+".selector", RuleVolumeClaims, "a claim must not choose among the volumes of the cluster, which could hold data of others; take the selector out, and name a storageClassName")
	}
	namespace, ok := nested(spec, "dataSourceRef")["namespace"]
	if ok && text(namespace) != "" && text(namespace) != c.policy.Namespace {
		c.refuse(path+".dataSourceRef.namespace", RuleVolumeClaims, "%q: a claim must take its data from its own namespace; leave the field out", text(namespace))
	}
}

// selects tells a selector that chooses from one that is absent or empty.
func selects(value any) bool {
	selector, ok := value.(map[string]any)
	return value != nil && (!ok || len(selector) > 0)
}

// empty tells an absent or empty list.
func empty(value any) bool {
	list, ok := value.([]any)
	return value == nil || ok && len(list) == 0
}
