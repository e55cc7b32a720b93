package compatibility

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/quantity"
)

// maxPaths bounds how many paths of one resource a message names.
const maxPaths = 5

// fixed are the fields that the API server does not let be changed, by kind: pkg/apis/{apps,batch,core}/validation of
// Kubernetes. What depends on values is in Fixed.
var fixed = map[string][]string{
	"apps/v1/Deployment":  {"spec.selector"},
	"apps/v1/ReplicaSet":  {"spec.selector"},
	"apps/v1/DaemonSet":   {"spec.selector"},
	"apps/v1/StatefulSet": {"spec.selector", "spec.serviceName", "spec.podManagementPolicy", "spec.volumeClaimTemplates"},
	"batch/v1/Job": {
		"spec.selector", "spec.template", "spec.completions", "spec.completionMode", "spec.podFailurePolicy", "spec.backoffLimitPerIndex",
		"spec.successPolicy", "spec.managedBy",
	},
	"v1/Service":               {"spec.clusterIP", "spec.clusterIPs"},
	"v1/PersistentVolumeClaim": {"spec.accessModes", "spec.storageClassName", "spec.volumeMode", "spec.volumeName", "spec.dataSource", "spec.dataSourceRef", "spec.selector"},
	"v1/Secret":                {"type"},
}

// sealed are the fields that the API server does not let be changed any more once an object is immutable.
var sealed = map[string][]string{
	"v1/ConfigMap": {"data", "binaryData", "immutable"},
	"v1/Secret":    {"data", "stringData", "immutable"},
}

// request is the field by which a claim asks for its size. It may grow where its class allows that, and never shrinks.
const request = "spec.resources.requests.storage"

// holdsData are the kinds of which another name is another's data.
var holdsData = []string{"apps/v1/StatefulSet", "v1/PersistentVolumeClaim"}

// pods is where workloads have their pod templates; to change one restarts the pods.
var pods = map[string]string{"apps/v1/Deployment": "spec.template", "apps/v1/DaemonSet": "spec.template", "apps/v1/StatefulSet": "spec.template"}

// resources compares the objects that a Component becomes.
func (c *comparison) resources(before, after []platformv1alpha1.ResourceTemplate) error {
	find := func(list []platformv1alpha1.ResourceTemplate, id string) *platformv1alpha1.ResourceTemplate {
		i := slices.IndexFunc(list, func(r platformv1alpha1.ResourceTemplate) bool { return r.ID == id })
		if i < 0 {
			return nil
		}
		return &list[i]
	}
	for i := range before {
		old := &before[i]
		new := find(after, old.ID)
		if new == nil {
			c.gone(old)
			continue
		}
		if err := c.resource(old, new); err != nil {
			return err
		}
	}
	for i := range after {
		if find(before, after[i].ID) == nil {
			c.safe("resources["+after[i].ID+"]", "added")
		}
	}
	return nil
}

func (c *comparison) gone(old *platformv1alpha1.ResourceTemplate) {
	path := "resources[" + old.ID + "]"
	object, err := parse(old)
	if err == nil && slices.Contains(holdsData, gvk(object)) {
		c.breaking(path, "removed: the objects are deleted, and what they hold may be")
		return
	}
	c.risky(path, "removed: the objects are deleted")
}

// resource compares one resource.
func (c *comparison) resource(old, new *platformv1alpha1.ResourceTemplate) error {
	path := "resources[" + old.ID + "]"
	was, err := parse(old)
	if err != nil {
		return err
	}
	is, err := parse(new)
	if err != nil {
		return err
	}
	if gvk(was) != gvk(is) {
		c.breaking(path, "another kind: was %s, is %s; the objects are deleted, and others made", gvk(was), gvk(is))
		return nil
	}
	if old.IncludeWhen != new.IncludeWhen {
		c.risky(path+".includeWhen", "changed: objects may come or go")
	}
	if old.ForEach != new.ForEach {
		c.risky(path+".forEach", "changed: objects may come or go")
	}
	if old.ReadyWhen != new.ReadyWhen {
		c.safe(path+".readyWhen", "changed")
	}
	c.object(path+".object", gvk(was), was, is)
	return nil
}

// object sorts the fields that differ by what their change does.
func (c *comparison) object(path, kind string, was, is map[string]any) {
	var immutable, restart, rest []string
	for _, at := range differences("", was, is) {
		switch {
		case at == "metadata.name":
			c.name(path, kind)
		case Fixed(was, is, at):
			immutable = append(immutable, at)
		case kind == "v1/PersistentVolumeClaim" && at == request:
			c.risky(path, "%s changes: a claim grows only where its class allows that, and never shrinks", at)
		case pods[kind] != "" && under(at, pods[kind]):
			restart = append(restart, at)
		default:
			rest = append(rest, at)
		}
	}
	if len(immutable) > 0 {
		c.breaking(path, "%s cannot be changed in objects that exist: the API server refuses it", list(immutable))
	}
	if len(restart) > 0 {
		c.risky(path, "%s: pods restart", list(restart))
	}
	if len(rest) > 0 {
		c.safe(path, "%s changes in place", list(rest))
	}
}

func (c *comparison) name(path, kind string) {
	if slices.Contains(holdsData, kind) {
		c.breaking(path+".metadata.name", "changed: new objects are made without the data of the old ones")
		return
	}
	c.risky(path+".metadata.name", "changed: new objects are made, and the old ones deleted")
}

func list(paths []string) string {
	more := ""
	if n := len(paths) - maxPaths; n > 0 {
		paths, more = paths[:maxPaths], fmt.Sprintf(" and %d more", n)
	}
	return strings.Join(paths, ", ") + more
}

// under says whether a path is another one or below it.
func under(path, root string) bool {
	rest, ok := strings.CutPrefix(path, root)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// differences returns the paths of the values that differ, sorted.
func differences(path string, was, is any) []string {
	a, ok := was.(map[string]any)
	b, same := is.(map[string]any)
	if !ok || !same {
		if text(was) == text(is) {
			return nil
		}
		return []string{path}
	}
	keys := map[string]bool{}
	for k := range a {
		keys[k] = true
	}
	for k := range b {
		keys[k] = true
	}
	var paths []string
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		at := k
		if path != "" {
			at = path + "." + k
		}
		old, had := a[k]
		new, has := b[k]
		if had != has {
			paths = append(paths, at)
			continue
		}
		paths = append(paths, differences(at, old, new)...)
	}
	return paths
}

func parse(r *platformv1alpha1.ResourceTemplate) (map[string]any, error) {
	var object map[string]any
	if err := json.Unmarshal(r.Object.Raw, &object); err != nil {
		return nil, fmt.Errorf("reading the object of resource %s: %w", r.ID, err)
	}
	return object, nil
}

func gvk(object map[string]any) string {
	return fmt.Sprintf("%v/%v", object["apiVersion"], object["kind"])
}

// Fixed says whether the API server refuses to change a field of an object that exists, by what the object was and is to be.
// An expression may be of any value: what could be refused counts as refused, but for the size of a claim.
func Fixed(was, is map[string]any, path string) bool {
	kind := gvk(was)
	in := func(fields []string) bool {
		return slices.ContainsFunc(fields, func(f string) bool { return under(path, f) })
	}
	switch {
	case in(fixed[kind]):
		return true
	case in(sealed[kind]):
		immutable, set := was["immutable"]
		return set && immutable != false
	case kind == "v1/PersistentVolumeClaim" && path == request:
		return shrinks(was, is)
	}
	return false
}

// shrinks says whether a claim asks for less than it did. What is no amount is for others to refuse.
func shrinks(was, is map[string]any) bool {
	size := func(object map[string]any) (resource.Quantity, error) {
		value, _, _ := unstructured.NestedFieldNoCopy(object, strings.Split(request, ".")...)
		return quantity.Parse(fmt.Sprint(value))
	}
	before, err := size(was)
	if err != nil {
		return false
	}
	after, err := size(is)
	return err == nil && after.Cmp(before) < 0
}

// Restarts says whether a change of a field restarts pods.
func Restarts(apiVersion, kind, path string) bool {
	root := pods[apiVersion+"/"+kind]
	return root != "" && under(path, root)
}

// HasPods says whether objects of a kind keep pods running.
func HasPods(apiVersion, kind string) bool { return pods[apiVersion+"/"+kind] != "" }
