package adopt

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/typed"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/override"
)

// overrideLasts is for how long a proposed override holds: long enough to talk about a parameter, and not for ever.
const overrideLasts = 180 * 24 * time.Hour

// override keeps by overrides what was found, no parameter can say, and the golden path opens: path by path, where that
// brings the golden path nearer to what was found. What it sets aside is taken out of what could not be mapped.
func (f *fitter) override(best *outcome) *outcome {
	before := best
	targets := f.in.Compiled.Overridable()
	for _, p := range before.pairs {
		var kept *fieldpath.Set
		target := targets[p.resource]
		for _, open := range target.Open {
			set, from := f.wanted(before, p, target, open)
			if set == nil || set.Empty() {
				continue
			}
			if kept != nil {
				set = set.Union(kept)
			}
			if better := f.tryOverride(best, p, set, from); better != nil {
				best, kept = better, set
			}
		}
	}
	if best != before {
		f.settle(before, best)
	}
	return best
}

// wanted is what of a found object an open path lets an override set, and that the golden path has otherwise or not at
// all, with the object. What the API server fills in anyway is not asked for.
func (f *fitter) wanted(out *outcome, p pair, target override.Target, open override.Path) (*fieldpath.Set, *typed.TypedValue) {
	gvk := target.Kind
	found := f.asGolden(f.intents[p.found])
	convert := func(object any) *typed.TypedValue {
		fields, _ := object.(map[string]any)
		u := &unstructured.Unstructured{Object: fields}
		u.SetGroupVersionKind(gvk)
		value, err := converter(gvk).ObjectToTyped(u, typed.AllowDuplicates)
		if err != nil {
			return nil // a newer field than this tool knows: no override of that
		}
		return value
	}
	golden, wanted := convert(normal(gvk, out.objects[p.object].Object.Object)), convert(found)
	asked := convert(withoutDefaults("", runtime.DeepCopyJSON(found)))
	if golden == nil || wanted == nil || asked == nil {
		return nil, nil
	}
	differing, err := golden.Compare(wanted)
	if err != nil {
		return nil, nil
	}
	said, err := asked.ToFieldSet()
	if err != nil {
		return nil, nil
	}
	there, err := golden.ToFieldSet()
	if err != nil {
		return nil, nil
	}
	set, refused := fieldpath.NewSet(), fieldpath.NewSet()
	differing.Added.Leaves().Intersection(said).Union(differing.Modified.Leaves()).Iterate(func(place fieldpath.Path) {
		if place = slices.Clone(place); target.Settable(open, place) {
			set.Insert(place)
		} else {
			refused.Insert(place)
		}
	})
	return filter(set, func(place fieldpath.Path) bool {
		element := newElement(place, there)
		return element == nil || !holdsBelow(refused, element)
	}), wanted
}

// newElement is the element of a list around a place that is not there yet; nil where there is none. It comes whole or
// not at all: a volume without its source is another volume.
func newElement(place fieldpath.Path, there *fieldpath.Set) fieldpath.Path {
	for i := range place {
		if place[i].Key != nil && !holdsBelow(there, place[:i+1]) {
			return place[:i+1]
		}
	}
	return nil
}

// holdsBelow says whether a set has a place, or one below it.
func holdsBelow(set *fieldpath.Set, place fieldpath.Path) bool {
	found := false
	set.Iterate(func(p fieldpath.Path) { found = found || len(p) >= len(place) && p[:len(place)].Equals(place) })
	return found
}

func filter(set *fieldpath.Set, wanted func(fieldpath.Path) bool) *fieldpath.Set {
	kept := fieldpath.NewSet()
	set.Iterate(func(place fieldpath.Path) {
		if place = slices.Clone(place); wanted(place) {
			kept.Insert(place)
		}
	})
	return kept
}

// asGolden is an intent in which the container that runs the Component's image has the name of the golden path's.
func (f *fitter) asGolden(intent map[string]any) map[string]any {
	copied := runtime.DeepCopyJSON(intent)
	pods, _ := PodTemplate(&unstructured.Unstructured{Object: copied})
	spec, _ := pods["spec"].(map[string]any)
	containers, _ := spec["containers"].([]any)
	if f.main == "" || f.main != f.container.name && indexOf(containers, f.main) >= 0 {
		return copied // another one has that name already
	}
	if i := indexOf(containers, f.container.name); i >= 0 {
		containers[i].(map[string]any)["name"] = f.main
	}
	return copied
}

// tryOverride renders with an override that sets places as a found object has them; nil where that is refused, or not
// nearer to what was found.
func (f *fitter) tryOverride(best *outcome, p pair, set *fieldpath.Set, from *typed.TypedValue) *outcome {
	patch, ok := from.ExtractItems(set, typed.WithAppendKeyFields()).AsValue().Unstructured().(map[string]any)
	if !ok {
		return nil
	}
	raw, err := json.Marshal(patch)
	if err != nil {
		return nil
	}
	one := platformv1alpha1.Override{
		Resource: p.resource, Patch: apiextensionsv1.JSON{Raw: raw},
		Reason:  fmt.Sprintf("Found on adoption of %s in namespace %s; the golden path has no parameter for it.", title(f.found[p.found]), f.in.Place.Environment.Namespace),
		Expires: f.in.Now.Add(overrideLasts).UTC().Format(time.DateOnly),
	}
	was := f.overrides
	f.overrides = append(slices.DeleteFunc(slices.Clone(was), func(o platformv1alpha1.Override) bool { return o.Resource == p.resource }), one)
	better, err := f.evaluate(f.chosen)
	if err != nil || better.cost >= best.cost || !slices.Equal(better.pairs, best.pairs) {
		f.overrides = was
		return nil
	}
	return better
}

// freeze returns overrides as a Release holds them.
func freeze(in *Input, overrides []platformv1alpha1.Override) ([]platformv1alpha1.ReleaseOverride, error) {
	frozen, errs := override.Freeze(overrides, in.Compiled.Overridable(), in.Kinds, field.NewPath("spec", "overrides"))
	return frozen, errs.ToAggregate()
}

// settle notes what overrides keep, and takes it out of what could not be mapped.
func (f *fitter) settle(before, after *outcome) {
	var kept []Difference
	for i := range before.differences {
		d := &before.differences[i]
		if !slices.ContainsFunc(after.differences, func(left Difference) bool { return left.Object == d.Object && left.Path == d.Path }) {
			kept = append(kept, *d)
		}
	}
	about := func(u *Unmapped, differences []Difference) bool {
		return slices.ContainsFunc(differences, func(d Difference) bool {
			return d.Object == u.Object && (within(u.Path, d.Path) || within(d.Path, u.Path))
		})
	}
	f.kept = func(u *Unmapped) bool { return about(u, kept) && !about(u, after.differences) }
	names := map[string][]string{}
	var objects []string
	for i := range kept {
		if names[kept[i].Object] == nil {
			objects = append(objects, kept[i].Object)
		}
		names[kept[i].Object] = append(names[kept[i].Object], kept[i].Path)
	}
	for _, object := range objects {
		f.notes = append(f.notes, fmt.Sprintf("an override keeps what the golden path opens and no parameter says of %s: %s; it expires on %s: have the golden path take a parameter, or set another date",
			object, strings.Join(names[object], ", "), f.overrides[0].Expires))
	}
}

// within says whether a path is another one, or below it.
func within(path, of string) bool {
	rest, ok := strings.CutPrefix(path, of)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}
