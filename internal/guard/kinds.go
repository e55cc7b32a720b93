package guard

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// forbiddenGroups hold no kind that a golden path may make, with the reason.
var forbiddenGroups = map[string]string{
	platformv1alpha1.GroupVersion.Group: "a Component must not make objects of Towpath itself",
	"admissionregistration.k8s.io":      "admission is the platform team's",
	"apiextensions.k8s.io":              "the kinds of a cluster are the platform team's",
	"apiregistration.k8s.io":            "the APIs of a cluster are the platform team's",
	"authentication.k8s.io":             "it mints or reviews credentials",
	"authorization.k8s.io":              "it reviews rights",
	"certificates.k8s.io":               "it mints credentials",
	"coordination.k8s.io":               "a lease lets its holder act for a controller",
	"discovery.k8s.io":                  "endpoints are made from Services; written by hand they lead traffic astray",
	"events.k8s.io":                     "events are records of what happened",
	"flowcontrol.apiserver.k8s.io":      "the API server's fairness is the platform team's",
	"internal.apiserver.k8s.io":         "it is the API server's own",
	"metrics.k8s.io":                    "it is read-only",
	"node.k8s.io":                       "nodes are the platform team's",
	"rbac.authorization.k8s.io":         "rights are given by people, not by templates",
	"scheduling.k8s.io":                 "priorities are the platform team's",
	"storage.k8s.io":                    "storage classes are the platform team's",
	"storagemigration.k8s.io":           "it is the API server's own",
}

// forbiddenKinds are further kinds that a golden path may not make, with the reason.
var forbiddenKinds = map[schema.GroupKind]string{
	{Kind: "Binding"}:                           "it places pods past the scheduler",
	{Kind: "ComponentStatus"}:                   "it is read-only",
	{Kind: "Endpoints"}:                         "endpoints are made from Services; written by hand they lead traffic astray",
	{Kind: "Event"}:                             "events are records of what happened",
	{Kind: "LimitRange"}:                        "limits of a namespace belong to the Environment",
	{Kind: "Namespace"}:                         "namespaces belong to Environments",
	{Kind: "Node"}:                              "nodes are the platform team's",
	{Kind: "PersistentVolume"}:                  "volumes are provisioned from claims; make a PersistentVolumeClaim",
	{Kind: "Pod"}:                               "a bare pod is not replaced when its node fails; make a Deployment or a Job",
	{Kind: "ResourceQuota"}:                     "quotas of a namespace belong to the Environment",
	{Kind: "Secret"}:                            "a template is readable by all, and so is what is rendered; refer to a Secret by secretEnv",
	{Group: "apps", Kind: "ControllerRevision"}: "it is the record of a workload controller",
	{Group: "policy", Kind: "Eviction"}:         "it is an action, not an object",
	{Group: "autoscaling", Kind: "Scale"}:       "it is an action, not an object",
}

// kind checks apiVersion, kind and scope, and says whether there is any sense in looking further.
func (c *check) kind() bool {
	apiVersion, _ := c.object.Object["apiVersion"].(string)
	kind, _ := c.object.Object["kind"].(string)
	gv, err := schema.ParseGroupVersion(apiVersion)
	if err != nil || gv.Version == "" || kind == "" {
		c.refuse("apiVersion", RuleObject, "apiVersion %q and kind %q do not name a kind; write them as literals, such as apps/v1 and Deployment", apiVersion, kind)
		return false
	}
	c.gvk = gv.WithKind(kind)
	gk := c.gvk.GroupKind()
	if why, ok := forbiddenGroups[gk.Group]; ok {
		c.refuse("kind", RuleKind, "objects of the group %s must not be templated: %s; take the resource out of the template", gk.Group, why)
		return false
	}
	if why, ok := forbiddenKinds[gk]; ok {
		c.refuse("kind", RuleKind, "kind %s must not be templated: %s", kind, why)
		return false
	}
	if !Allowed(c.policy.AllowedKinds, gk) {
		c.refuse("kind", RuleClass, "%s", NotAllowed(c.policy.Class, c.policy.AllowedKinds, gk))
		return false
	}
	namespaced, known := false, false
	if c.policy.Namespaced != nil {
		namespaced, known = c.policy.Namespaced(gk)
	}
	switch {
	case !known:
		c.refuse("kind", RuleScope, "the cluster does not serve %s, so its scope is not known; install its CustomResourceDefinition, or leave the resource out with includeWhen on its capability", gk)
		return false
	case !namespaced:
		c.refuse("kind", RuleScope, "%s is cluster-scoped, and a Component must stay in its namespace; ask the platform team to make it apart from the template", gk)
		return false
	}
	return true
}

// Allowed says whether a class with these allowed kinds lets objects of a kind into its environments.
func Allowed(kinds []platformv1alpha1.AllowedKind, gk schema.GroupKind) bool {
	return len(kinds) == 0 || slices.Contains(kinds, platformv1alpha1.AllowedKind{Group: gk.Group, Kind: gk.Kind})
}

// NotAllowed says for people that a class does not allow a kind, and what it does.
func NotAllowed(class string, kinds []platformv1alpha1.AllowedKind, gk schema.GroupKind) string {
	names := make([]string, len(kinds))
	for i, kind := range kinds {
		names[i] = schema.GroupKind{Group: kind.Group, Kind: kind.Kind}.String()
	}
	slices.Sort(names)
	return fmt.Sprintf("class %s does not allow objects of kind %s, only %s; use a template without it, another environment, or ask the platform team to add it to allowedKinds of the class",
		class, gk, strings.Join(names, ", "))
}
