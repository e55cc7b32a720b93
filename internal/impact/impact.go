// Package impact says what another revision of a template does to the objects of one Component in one environment. It
// is pure.
package impact

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/towpath-dev/towpath/internal/compatibility"
	"github.com/towpath-dev/towpath/internal/render"
)

// Change is what becomes of one object.
type Change struct {
	// Resource is the id of the resource in the template.
	Resource string
	// Kind and Name of the object.
	Kind, Name string
	Action     Action
	// Restarts says that pods restart, or end with their object.
	Restarts bool
	// Refused is the first field that the API server does not let be changed in an object that exists; empty for none.
	Refused string
	// Fields that change.
	Fields []Field
}

// Action is what becomes of an object.
type Action string

// The actions.
const (
	Added   Action = "added"
	Removed Action = "removed"
	Changed Action = "changed"
)

// Field is one field that differs. A value that is not there is nil.
type Field struct {
	Path string `json:"path"`
	Old  any    `json:"old,omitempty"`
	New  any    `json:"new,omitempty"`
	Had  bool   `json:"-"`
	Has  bool   `json:"-"`
}

// Compare returns what changes from objects to others: in the order of the former, then what comes anew.
func Compare(before, after []render.Object) []Change {
	var changes []Change
	for _, old := range before {
		new := find(after, old)
		if new == nil {
			changes = append(changes, Change{
				Resource: old.Resource, Kind: old.Object.GetKind(), Name: old.Object.GetName(), Action: Removed,
				Restarts: compatibility.HasPods(old.Object.GetAPIVersion(), old.Object.GetKind()),
			})
			continue
		}
		fields := differences(old.Object.Object, new.Object.Object)
		if len(fields) == 0 {
			continue
		}
		change := Change{Resource: new.Resource, Kind: new.Object.GetKind(), Name: new.Object.GetName(), Action: Changed, Fields: fields}
		for _, f := range fields {
			apiVersion, kind := new.Object.GetAPIVersion(), new.Object.GetKind()
			if change.Refused == "" && compatibility.Fixed(old.Object.Object, new.Object.Object, f.Path) {
				change.Refused = f.Path
			}
			change.Restarts = change.Restarts || compatibility.Restarts(apiVersion, kind, f.Path)
		}
		changes = append(changes, change)
	}
	for _, new := range after {
		if find(before, new) == nil {
			changes = append(changes, Change{Resource: new.Resource, Kind: new.Object.GetKind(), Name: new.Object.GetName(), Action: Added})
		}
	}
	return changes
}

// find returns the object of the same kind and name, nil where there is none.
func find(list []render.Object, o render.Object) *render.Object {
	for i := range list {
		if l := list[i].Object; l.GroupVersionKind() == o.Object.GroupVersionKind() && l.GetName() == o.Object.GetName() {
			return &list[i]
		}
	}
	return nil
}

// differences returns the fields that differ, sorted by path. Items of lists are paired by their name, else the list
// is one value.
func differences(old, new map[string]any) []Field {
	var fields []Field
	walk("", old, new, true, true, &fields)
	return fields
}

func walk(path string, old, new any, had, has bool, fields *[]Field) {
	a, okA := old.(map[string]any)
	b, okB := new.(map[string]any)
	if okA && okB {
		keys := map[string]bool{}
		for k := range a {
			keys[k] = true
		}
		for k := range b {
			keys[k] = true
		}
		for _, k := range slices.Sorted(maps.Keys(keys)) {
			was, h := a[k]
			is, n := b[k]
			walk(below(path, k), was, is, h, n, fields)
		}
		return
	}
	if namedA, ok := byName(old); ok {
		if namedB, ok := byName(new); ok {
			for _, k := range slices.Sorted(maps.Keys(merged(namedA, namedB))) {
				was, h := namedA[k]
				is, n := namedB[k]
				walk(path+"[name="+k+"]", was, is, h, n, fields)
			}
			return
		}
	}
	if had != has || !reflect.DeepEqual(old, new) {
		*fields = append(*fields, Field{Path: path, Old: old, New: new, Had: had, Has: has})
	}
}

func merged(a, b map[string]any) map[string]any {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// byName takes a list whose items all have a name of their own as a map.
func byName(value any) (map[string]any, bool) {
	list, ok := value.([]any)
	if !ok || len(list) == 0 {
		return nil, false
	}
	items := map[string]any{}
	for _, item := range list {
		m, ok := item.(map[string]any)
		if !ok {
			return nil, false
		}
		name, ok := m["name"].(string)
		if _, twice := items[name]; !ok || twice {
			return nil, false
		}
		items[name] = m
	}
	return items, true
}

func below(path, key string) string {
	switch {
	case strings.ContainsAny(key, "./"):
		return fmt.Sprintf("%s[%s]", path, key)
	case path == "":
		return key
	}
	return path + "." + key
}
