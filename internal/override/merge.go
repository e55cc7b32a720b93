package override

import (
	"fmt"
	"maps"
	"slices"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/schema"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
	"sigs.k8s.io/structured-merge-diff/v6/value"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// Apply merges an override of a Release into an object that was made from its target. It checks again that
// everything it sets is open, and that nothing else of the object changes. The error is a *Refusal.
func Apply(object map[string]any, o *platformv1alpha1.ReleaseOverride, target Target) error {
	patch, err := decode(o.Patch)
	if err != nil {
		return err
	}
	m := newMerger(o.Merge)
	typedPatch, err := m.typed(patch)
	if err != nil {
		return err
	}
	if _, err := check(typedPatch, o.Resource, target); err != nil {
		return err
	}
	before, err := typed.AsTyped(value.NewValueInterface(object), m.schema, m.root, typed.AllowDuplicates)
	if err != nil {
		return refuse("does not fit what the template makes: %v", err)
	}
	after, err := before.Merge(typedPatch)
	if err != nil {
		return refuse("cannot be merged: %v", err)
	}
	changes, err := before.Compare(after)
	if err != nil {
		return refuse("cannot be compared: %v", err)
	}
	if err := checkChanges(changes, o.Resource, target); err != nil {
		return err
	}
	merged, ok := after.AsValue().Unstructured().(map[string]any)
	if !ok {
		return refuse("gives no object")
	}
	// Others hold the map itself.
	merged = maps.Clone(merged)
	clear(object)
	maps.Copy(object, merged)
	return nil
}

// check says which leaves of a patch are not open, and returns what it sets.
func check(patch *typed.TypedValue, resource string, target Target) (*fieldpath.Set, error) {
	all, err := patch.ToFieldSet()
	if err != nil {
		return nil, refuse("cannot be read: %v", err)
	}
	leaves := fieldpath.NewSet()
	var refused []string
	var why error
	all.Leaves().Iterate(func(place fieldpath.Path) {
		place = slices.Clone(place)
		if reason := closed(target.Kind.GroupKind(), place); reason != "" {
			why = &Refusal{closed: true, message: fmt.Sprintf("sets %s, which is never open: %s", show(place), reason)}
			return
		}
		if names(place) && slices.ContainsFunc(target.Open, func(p Path) bool { return p.along(place[:len(place)-1]) }) {
			return // it says which element is meant
		}
		if !target.open(place) {
			refused = append(refused, show(place))
			return
		}
		leaves.Insert(place)
	})
	switch {
	case why != nil:
		return nil, why
	case len(refused) > 0:
		slices.Sort(refused)
		return nil, &Refusal{closed: true, message: fmt.Sprintf(
			"sets what the template does not open: %s; %s. Set only what is open, or ask the platform team to open more in spec.overrides.allow of the ServiceTemplate",
			shorten(slices.Compact(refused)), target.opened(resource))}
	case leaves.Empty():
		return nil, refuse("sets nothing: write the fields that differ, or take the override out")
	}
	return leaves, nil
}

// checkChanges says what a merge changed though it is not open: an element that the template does not make, of
// which only a part is open.
func checkChanges(changes *typed.Comparison, resource string, target Target) error {
	var refused []string
	changed := changes.Added.Union(changes.Modified)
	changed.Leaves().Iterate(func(place fieldpath.Path) {
		if !target.open(place) {
			refused = append(refused, show(place))
		}
	})
	changes.Removed.Leaves().Iterate(func(place fieldpath.Path) {
		// An empty map or list is a leaf until something is in it.
		filled := false
		changed.Iterate(func(c fieldpath.Path) {
			filled = filled || len(c) > len(place) && c[:len(place)].Equals(place)
		})
		if !filled && !target.open(place) {
			refused = append(refused, show(place))
		}
	})
	if len(refused) == 0 {
		return nil
	}
	slices.Sort(refused)
	return &Refusal{closed: true, message: fmt.Sprintf(
		"adds or changes what is not open: %s; %s. Where the template makes no such element, the override cannot add it unless the template opens whole elements",
		shorten(slices.Compact(refused)), target.opened(resource))}
}

// names says whether a place is a key by which an element is selected.
func names(place fieldpath.Path) bool {
	n := len(place)
	if n < 2 || place[n-1].FieldName == nil || place[n-2].Key == nil {
		return false
	}
	return slices.ContainsFunc(*place[n-2].Key, func(f value.Field) bool { return f.Name == *place[n-1].FieldName })
}

func showAll(set *fieldpath.Set) string {
	var paths []string
	set.Iterate(func(place fieldpath.Path) { paths = append(paths, show(place)) })
	slices.Sort(paths)
	return shorten(paths)
}

// The names of the types of what has no rule: lists are atomic, maps are merged field by field.
const (
	anything = "anything"
	whole    = "whole"
)

// merger merges objects of one type, which is made from rules.
type merger struct {
	schema *schema.Schema
	root   schema.TypeRef
	err    error
}

func newMerger(rules []platformv1alpha1.MergeRule) *merger {
	root := &node{}
	m := &merger{}
	for i := range rules {
		path, err := ParsePath(rules[i].Path)
		if err != nil {
			m.err = refuse("has a merge rule whose path %q cannot be read: %v", rules[i].Path, err)
			return m
		}
		root.below(path).rule = &rules[i]
	}
	scalar := schema.Untyped
	anythingRef, wholeRef := reference(anything), reference(whole)
	m.schema = &schema.Schema{Types: []schema.TypeDef{
		{Name: anything, Atom: schema.Atom{
			Scalar: &scalar,
			List:   &schema.List{ElementType: wholeRef, ElementRelationship: schema.Atomic},
			Map:    &schema.Map{ElementType: anythingRef, ElementRelationship: schema.Separable},
		}},
		{Name: whole, Atom: schema.Atom{
			Scalar: &scalar,
			List:   &schema.List{ElementType: wholeRef, ElementRelationship: schema.Atomic},
			Map:    &schema.Map{ElementType: wholeRef, ElementRelationship: schema.Atomic},
		}},
	}}
	m.root = root.typeOf()
	return m
}

// typed reads a patch. What says one thing twice is refused.
func (m *merger) typed(patch map[string]any) (*typed.TypedValue, error) {
	if m.err != nil {
		return nil, m.err
	}
	v, err := typed.AsTyped(value.NewValueInterface(patch), m.schema, m.root)
	if err != nil {
		return nil, refuse("cannot be read: %v", err)
	}
	return v, nil
}

func reference(name string) schema.TypeRef { return schema.TypeRef{NamedType: &name} }

// node is a place in the type of an object.
type node struct {
	fields map[string]*node
	item   *node
	rule   *platformv1alpha1.MergeRule
}

// below is the node at a path, made where it is missing.
func (n *node) below(path Path) *node {
	for _, step := range path {
		if step.element() {
			if n.item == nil {
				n.item = &node{}
			}
			n = n.item
			continue
		}
		if n.fields == nil {
			n.fields = map[string]*node{}
		}
		if n.fields[step.Field] == nil {
			n.fields[step.Field] = &node{}
		}
		n = n.fields[step.Field]
	}
	return n
}

// typeOf is the type of a node.
func (n *node) typeOf() schema.TypeRef {
	switch {
	case n.rule != nil && n.rule.Strategy == platformv1alpha1.MergeKeyed:
		return schema.TypeRef{Inlined: schema.Atom{List: &schema.List{
			ElementType: n.itemType(), ElementRelationship: schema.Associative, Keys: keyNames(n.rule),
		}}}
	case n.rule != nil && n.rule.Strategy == platformv1alpha1.MergeSet:
		scalar := schema.Untyped
		return schema.TypeRef{Inlined: schema.Atom{List: &schema.List{
			ElementType: schema.TypeRef{Inlined: schema.Atom{Scalar: &scalar}}, ElementRelationship: schema.Associative,
		}}}
	case n.rule != nil:
		return schema.TypeRef{Inlined: schema.Atom{Map: &schema.Map{ElementType: reference(whole), ElementRelationship: schema.Atomic}}}
	case len(n.fields) > 0:
		return schema.TypeRef{Inlined: schema.Atom{Map: n.fieldTypes()}}
	}
	return reference(anything)
}

func (n *node) fieldTypes() *schema.Map {
	m := &schema.Map{ElementType: reference(anything), ElementRelationship: schema.Separable}
	for _, name := range slices.Sorted(maps.Keys(n.fields)) {
		m.Fields = append(m.Fields, schema.StructField{Name: name, Type: n.fields[name].typeOf()})
	}
	return m
}

// itemType is the type of the elements of a keyed list: objects whose keys may have defaults.
func (n *node) itemType() schema.TypeRef {
	item := n.item
	if item == nil {
		item = &node{}
	}
	fields := item.fieldTypes()
	scalar := schema.Untyped
	for _, key := range n.rule.Keys {
		if key.Default == "" {
			continue
		}
		fields.Fields = append(fields.Fields, schema.StructField{
			Name: key.Name, Type: schema.TypeRef{Inlined: schema.Atom{Scalar: &scalar}}, Default: key.Default,
		})
	}
	return schema.TypeRef{Inlined: schema.Atom{Map: fields}}
}
