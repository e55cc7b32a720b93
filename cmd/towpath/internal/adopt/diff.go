package adopt

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// DifferenceKind says what becomes of a field.
type DifferenceKind string

// The kinds.
const (
	// Changed: another value.
	Changed DifferenceKind = "changed"
	// Added: the golden path sets it, and it was not set.
	Added DifferenceKind = "added"
	// Removed: it was set, and the golden path does not set it.
	Removed DifferenceKind = "removed"
)

// Difference is one field, or one part of an object, in which the golden path is not what was found.
type Difference struct {
	// Resource of the template, and the kind and name of the found object.
	Resource, Object string
	// Path of the field.
	Path string
	Kind DifferenceKind
	// Found and Golden are the values; nil where there is none.
	Found, Golden any
}

// leafCount counts the values in a value.
func leafCount(value any) int {
	count := 0
	switch v := value.(type) {
	case map[string]any:
		for _, member := range v {
			count += leafCount(member)
		}
	case []any:
		for _, item := range v {
			count += leafCount(item)
		}
	case nil:
		return 0
	}
	return max(count, 1)
}

// differ compares what was found with the golden path.
type differ struct {
	resource, object string
	// found and golden are the names of the container that runs the Component's image, on both sides.
	found, golden string
	out           []Difference
}

func (d *differ) add(path string, kind DifferenceKind, found, golden any) {
	d.out = append(d.out, Difference{Resource: d.resource, Object: d.object, Path: path, Kind: kind, Found: found, Golden: golden})
}

func (d *differ) compare(path, key string, found, golden any) {
	switch f := found.(type) {
	case map[string]any:
		if g, ok := golden.(map[string]any); ok {
			d.maps(path, f, g)
			return
		}
	case []any:
		if g, ok := golden.([]any); ok {
			d.lists(path, key, f, g)
			return
		}
	}
	if !reflect.DeepEqual(found, golden) {
		d.add(path, Changed, found, golden)
	}
}

func (d *differ) maps(path string, found, golden map[string]any) {
	keys := map[string]bool{}
	for key := range found {
		keys[key] = true
	}
	for key := range golden {
		keys[key] = true
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		f, had := found[key]
		g, has := golden[key]
		here := below(path, key)
		switch {
		case had && has:
			d.compare(here, key, f, g)
		case has && (strings.Contains(here, "metadata.") || !isDefault(key, g)): // a default is there already
			d.add(here, Added, nil, g)
		case has:
		case !defaulted(here, key, f, found):
			d.removed(here, f)
		}
	}
}

// removed reports what the golden path does not set. Of a map that holds defaults too, only the rest is named.
func (d *differ) removed(path string, value any) {
	if m, ok := value.(map[string]any); ok {
		rest := map[string]any{}
		for key, member := range m {
			if !defaulted(below(path, key), key, member, m) {
				rest[key] = member
			}
		}
		if len(rest) == 0 && len(m) > 0 {
			return
		}
		value = rest
	}
	d.add(path, Removed, value, nil)
}

func below(path, key string) string {
	if strings.ContainsAny(key, "./") {
		return path + "[" + key + "]"
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// lists pairs the items by name, else by position.
func (d *differ) lists(path, key string, found, golden []any) {
	if !named(found) || !named(golden) {
		if scalars(found) || scalars(golden) {
			if !reflect.DeepEqual(found, golden) {
				d.add(path, Changed, found, golden)
			}
			return
		}
		for i := range max(len(found), len(golden)) {
			d.item(fmt.Sprintf("%s[%d]", path, i), at(found, i), at(golden, i))
		}
		return
	}
	var onlyGolden []any
	left := slices.Clone(found)
	if key == "containers" {
		i, j := indexOf(left, d.found), indexOf(golden, d.golden)
		if i >= 0 && j >= 0 {
			d.item(path+"[name="+d.found+"]", left[i], golden[j])
			left, golden = slices.Delete(left, i, i+1), slices.Delete(slices.Clone(golden), j, j+1)
		}
	}
	for _, item := range golden {
		i := indexOf(left, nameOf(item))
		if i < 0 {
			onlyGolden = append(onlyGolden, item)
			continue
		}
		d.item(path+"[name="+nameOf(item)+"]", left[i], item)
		left = slices.Delete(left, i, i+1)
	}
	for i := range max(len(left), len(onlyGolden)) {
		f, g := at(left, i), at(onlyGolden, i)
		// A container or port of another name is the same thing renamed; a variable or volume is not.
		if f != nil && g != nil && (key == "containers" || key == "ports") {
			d.item(path+"[name="+nameOf(f)+"]", f, g)
			continue
		}
		if f != nil {
			d.item(path+"[name="+nameOf(f)+"]", f, nil)
		}
		if g != nil {
			d.item(path+"[name="+nameOf(g)+"]", nil, g)
		}
	}
}

func (d *differ) item(path string, found, golden any) {
	switch {
	case found == nil:
		d.add(path, Added, nil, golden)
	case golden == nil:
		d.add(path, Removed, found, nil)
	default:
		d.compare(path, "", found, golden)
	}
}

func at(list []any, i int) any {
	if i < len(list) {
		return list[i]
	}
	return nil
}

func named(list []any) bool {
	return !slices.ContainsFunc(list, func(item any) bool { return nameOf(item) == "" })
}

// metrics are the members of a metric of an autoscaler that hold its name.
var metrics = []string{"resource", "containerResource"}

// nameOf is what tells an item of a list apart; empty where nothing does.
func nameOf(item any) string {
	object, _ := item.(map[string]any)
	name, _ := object["name"].(string)
	for _, member := range metrics {
		if of, ok := object[member].(map[string]any); ok && name == "" {
			name, _ = of["name"].(string)
		}
	}
	return name
}

func indexOf(list []any, name string) int {
	return slices.IndexFunc(list, func(item any) bool { return nameOf(item) == name })
}

func scalars(list []any) bool {
	return slices.ContainsFunc(list, func(item any) bool {
		_, isMap := item.(map[string]any)
		return !isMap
	})
}

// defaults are what the API server fills in where nobody says anything, by the end of the path. Tools that do
// not use server-side apply own these fields without having asked for them, and the golden path that leaves
// them out gets them again.
var defaults = map[string][]any{
	"restartPolicy": {"Always"}, "terminationGracePeriodSeconds": {int64(30)}, "dnsPolicy": {"ClusterFirst"}, "schedulerName": {"default-scheduler"},
	"enableServiceLinks": {true}, "terminationMessagePath": {"/dev/termination-log"}, "terminationMessagePolicy": {"File"},
	"imagePullPolicy": {"IfNotPresent", "Always"}, "protocol": {"TCP"}, "timeoutSeconds": {int64(1)}, "periodSeconds": {int64(10)},
	"successThreshold": {int64(1)}, "failureThreshold": {int64(3)}, "scheme": {"HTTP"}, "defaultMode": {int64(420)},
	"revisionHistoryLimit": {int64(10)}, "progressDeadlineSeconds": {int64(600)}, "minReplicas": {int64(1)},
	"podManagementPolicy": {"OrderedReady"}, "partition": {int64(0)}, "whenDeleted": {"Retain"}, "whenScaled": {"Retain"}, "volumeMode": {"Filesystem"},
	"sessionAffinity": {"None"}, "internalTrafficPolicy": {"Cluster"}, "externalTrafficPolicy": {"Cluster"}, "ipFamilyPolicy": {"SingleStack"},
	"concurrencyPolicy": {"Allow"}, "suspend": {false}, "successfulJobsHistoryLimit": {int64(3)}, "failedJobsHistoryLimit": {int64(1)},
	"backoffLimit": {int64(6)}, "completions": {int64(1)}, "parallelism": {int64(1)}, "completionMode": {"NonIndexed"}, "podReplacementPolicy": {"TerminatingOrFailed"},
	"maxSurge": {"25%"}, "maxUnavailable": {"25%"}, "type": {"RollingUpdate", "ClusterIP"}, "automountServiceAccountToken": {true},
}

// defaulted says whether a field that the golden path leaves out is none that anybody asked for: a default, or
// what a controller or the API server chose.
func defaulted(path, key string, value any, parent map[string]any) bool {
	switch {
	case strings.Contains(path, "metadata.") || strings.HasPrefix(path, "data"): // keys there mean nothing else
		return false
	case isDefault(key, value):
		return true
	case path == "spec.replicas": // an autoscaler's, and left as it is
		return true
	case path == "spec.clusterIP", path == "spec.clusterIPs", path == "spec.ipFamilies", key == "nodePort":
		return true
	case key == "serviceAccount", key == "serviceAccountName" && value == "default": // the former is another name of the latter
		return true
	case key == "targetPort" && reflect.DeepEqual(value, parent["port"]):
		return true
	case path == "spec.updateStrategy.rollingUpdate.maxUnavailable" && value == int64(1): // of a StatefulSet, from Kubernetes 1.35
		return true
	case path == "secrets": // of a ServiceAccount, kept by Kubernetes
		return true
	}
	members, ok := value.(map[string]any)
	if !ok {
		return false
	}
	for name, member := range members {
		if !defaulted(below(path, name), name, member, members) {
			return false
		}
	}
	return key != "emptyDir" // an empty one says what the volume is
}

// String shows a difference on one line.
func (d *Difference) String() string {
	switch d.Kind {
	case Added:
		return d.Path + ": added " + show(d.Golden)
	case Removed:
		return d.Path + ": removed, was " + show(d.Found)
	}
	return d.Path + ": " + show(d.Found) + " -> " + show(d.Golden)
}

// String shows the setting on one line.
func (u *Unmapped) String() string {
	if u.Value == nil {
		return u.Object + ": " + u.Path + ": " + u.Why
	}
	return u.Object + ": " + u.Path + ": " + show(u.Value) + ": " + u.Why
}

// maxShown is how much of a value a line shows.
const maxShown = 160

func show(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	if len(text) > maxShown {
		return strings.ToValidUTF8(string(text[:maxShown]), "") + "…"
	}
	return string(text)
}

func isDefault(key string, value any) bool {
	return slices.ContainsFunc(defaults[key], func(d any) bool { return reflect.DeepEqual(d, value) })
}
