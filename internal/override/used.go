package override

import (
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// Used returns those of the open paths at which a patch sets something. It needs no schema: an open path says itself
// where lists are, and by which keys. A patch that cannot be read uses none.
func Used(open []Path, patch apiextensionsv1.JSON) []Path {
	content, err := decode(patch)
	if err != nil {
		return nil
	}
	var used []Path
	for _, path := range open {
		if path.leads(content) {
			used = append(used, path)
		}
	}
	return used
}

// leads says whether the path leads to anything in a value.
func (p Path) leads(v any) bool {
	if len(p) == 0 {
		return true
	}
	if !p[0].element() {
		fields, _ := v.(map[string]any)
		below, ok := fields[p[0].Field]
		return ok && p[1:].leads(below)
	}
	items, _ := v.([]any)
	return slices.ContainsFunc(items, func(item any) bool { return p[0].selects(item) && p[1:].leads(item) })
}

// selects says whether a step leads to an item of a list.
func (s Step) selects(item any) bool {
	fields, _ := item.(map[string]any)
	return !slices.ContainsFunc(s.Keys, func(key Key) bool {
		got, ok := fields[key.Name]
		return !ok || !key.Any && text(value.NewValueInterface(got)) != key.Value
	})
}

// Shape is the path with [*] in place of what selects elements: paths to different elements of one list have one shape.
func (p Path) Shape() string {
	shape := slices.Clone(p)
	for i := range shape {
		shape[i].Keys = nil
	}
	return shape.String()
}
