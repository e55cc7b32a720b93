// Package impact says what a change of a golden path does to the Components that follow it, before any of them sees
// it: it compares what each renders to now with what it would render to. It is pure.
package impact

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/offline"
	"github.com/towpath-dev/towpath/internal/compatibility"
	"github.com/towpath-dev/towpath/internal/render"
)

// Kind of a Report, in the version cli.platform.towpath.dev/v1alpha1.
const Kind = "Diff"

// Report is what `towpath diff -o json` prints.
type Report struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	// Template is its name.
	Template string `json:"template"`
	// Changes are those of the template, what means most first.
	Changes []platformv1alpha1.TemplateChange `json:"changes"`
	// Allowed says that the template allows a breaking change from the newest revision.
	Allowed bool `json:"breakingAllowed,omitempty"`
	// Following is in how many environments a Component follows the template, Changed in how many of these something
	// changes, Restarting in how many pods restart.
	Following  int `json:"following"`
	Changed    int `json:"changed"`
	Restarting int `json:"restarting"`
	// Pinned are the Components that stay at a revision, and do not change.
	Pinned []string `json:"pinned,omitempty"`
	// Cannot are the Components that cannot get the change, and why.
	Cannot []string `json:"cannot,omitempty"`
	// Objects are what changes, grouped by what they have in common.
	Objects []Group `json:"objects"`
}

// Group is the objects of one resource of the template that change in the same way.
type Group struct {
	Resource string `json:"resource"`
	// ObjectKind is the kind of the objects.
	ObjectKind string `json:"kind"`
	Action     Action `json:"action"`
	// Restarts says that pods restart, or end with their object, Refused that the API server refuses the change of an object that exists.
	Restarts bool `json:"restarts,omitempty"`
	Refused  bool `json:"refused,omitempty"`
	// Fields that change, with the values of the first place.
	Fields []Field `json:"fields,omitempty"`
	// Places are where, as namespace/component in environment.
	Places []string `json:"places"`
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

// Compare compares what was rendered before and after. A place that after lacks is one of cannot, and is left out.
func Compare(before, after []offline.Result) *Report {
	report := &Report{Objects: []Group{}, Changes: []platformv1alpha1.TemplateChange{}, Following: len(before)}
	groups := map[string]*Group{}
	for i := range before {
		place := placeOf(&before[i])
		j := slices.IndexFunc(after, func(r offline.Result) bool { return placeOf(&r) == place })
		if j < 0 {
			continue
		}
		changed, restarts := compare(groups, place, before[i].Objects, after[j].Objects)
		if changed {
			report.Changed++
		}
		if restarts {
			report.Restarting++
		}
	}
	for _, id := range slices.Sorted(maps.Keys(groups)) {
		report.Objects = append(report.Objects, *groups[id])
	}
	slices.SortStableFunc(report.Objects, func(a, b Group) int {
		return cmp.Or(cmp.Compare(a.Resource, b.Resource), cmp.Compare(len(b.Places), len(a.Places)))
	})
	return report
}

func placeOf(r *offline.Result) string {
	return r.Namespace + "/" + r.Component + " in " + r.Environment
}

// compare puts what differs in one place into the groups.
func compare(groups map[string]*Group, place string, before, after []render.Object) (changed, restarts bool) {
	find := func(list []render.Object, o render.Object) *render.Object {
		for i := range list {
			if l := list[i].Object; l.GroupVersionKind() == o.Object.GroupVersionKind() && l.GetName() == o.Object.GetName() {
				return &list[i]
			}
		}
		return nil
	}
	add := func(group Group) {
		paths := make([]string, len(group.Fields))
		for i, f := range group.Fields {
			paths[i] = f.Path
		}
		id := strings.Join([]string{group.Resource, group.ObjectKind, string(group.Action), strings.Join(paths, "\n")}, "\x00")
		known := groups[id]
		if known == nil {
			known = &group
			groups[id] = known
		}
		known.Places = append(known.Places, place)
		changed = true
		restarts = restarts || group.Restarts
	}
	for _, old := range before {
		new := find(after, old)
		if new == nil {
			add(Group{Resource: old.Resource, ObjectKind: old.Object.GetKind(), Action: Removed, Restarts: compatibility.HasPods(old.Object.GetAPIVersion(), old.Object.GetKind())})
			continue
		}
		fields := differences(old.Object.Object, new.Object.Object)
		if len(fields) == 0 {
			continue
		}
		group := Group{Resource: new.Resource, ObjectKind: new.Object.GetKind(), Action: Changed, Fields: fields}
		for _, f := range fields {
			apiVersion, kind := new.Object.GetAPIVersion(), new.Object.GetKind()
			group.Refused = group.Refused || compatibility.Fixed(apiVersion, kind, f.Path)
			group.Restarts = group.Restarts || compatibility.Restarts(apiVersion, kind, f.Path)
		}
		add(group)
	}
	for _, new := range after {
		if find(before, new) == nil {
			add(Group{Resource: new.Resource, ObjectKind: new.Object.GetKind(), Action: Added})
		}
	}
	return changed, restarts
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
