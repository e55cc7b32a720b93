package adopt

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/render"
	"github.com/towpath-dev/towpath/internal/template"
)

// pair says which rendered resource stands for which found object.
type pair struct {
	resource string
	// found and object are indexes: of the fitter's found objects, and of the rendered ones.
	found, object int
}

// outcome is what one set of parameters gives.
type outcome struct {
	objects     []render.Object
	pairs       []pair
	strangers   []int
	differences []Difference
	adoption    *platformv1alpha1.Adoption
	// cost is how far it is from what was found.
	cost int
}

// evaluate renders with parameters, and compares. An error means that the template takes no such parameters.
func (f *fitter) evaluate(chosen map[string]any) (*outcome, error) {
	resolved, errs := f.in.Compiled.ResolveParameters(f.parameters(chosen), nil)
	if len(errs) > 0 {
		return nil, &template.ParameterError{Errors: errs}
	}
	f.renders++
	in := f.in.Place
	in.Image, in.Parameters, in.Env, in.SecretEnv = f.container.image, resolved, f.container.env, f.container.secretEnv
	var err error
	if in.Overrides, err = freeze(&f.in, f.overrides); err != nil {
		return nil, err
	}
	objects, err := render.Render(f.in.Compiled, in)
	if err != nil {
		return nil, err
	}
	out := &outcome{objects: objects}
	f.pair(out)
	if in.Adopt, err = f.adoption(out); err != nil {
		return nil, err
	}
	if len(out.pairs) > 0 {
		// Again, with the names and the selector that were found, as the manager will.
		if out.objects, err = render.Render(f.in.Compiled, in); err != nil {
			return nil, err
		}
	}
	out.adoption = in.Adopt
	f.measure(out)
	return out, nil
}

// pair finds for each found object the resource that makes one object of its kind. Of several, one with the
// same name comes first, then the one that is nearest to the workload, then the one with the fewest differences.
func (f *fitter) pair(out *outcome) {
	made := map[string]int{}
	for i := range out.objects {
		made[out.objects[i].Resource]++
	}
	type candidate struct { // compared in this order
		pair
		otherName bool
		rank      int
		otherSort bool
		cost      int
	}
	var candidates []candidate
	for i, found := range f.found {
		if controller(found) != "" {
			continue
		}
		first := len(candidates)
		for j := range out.objects {
			o := out.objects[j]
			if made[o.Resource] == 1 && o.Object.GroupVersionKind().GroupKind() == found.GroupVersionKind().GroupKind() && canStand(found, o.Object) {
				candidates = append(candidates, candidate{pair: pair{o.Resource, i, j}, rank: f.ranks[i],
					otherName: o.Object.GetName() != found.GetName(), otherSort: headless(o.Object.Object) != headless(found.Object)})
			}
		}
		if len(candidates)-first < 2 && f.onlyOfKind(i) {
			continue
		}
		for c := first; c < len(candidates); c++ {
			candidates[c].cost = f.weights(f.compare(i, out.objects[candidates[c].object]))
		}
	}
	slices.SortStableFunc(candidates, func(a, b candidate) int {
		return cmp.Or(falseFirst(a.otherName, b.otherName), cmp.Compare(a.rank, b.rank), falseFirst(a.otherSort, b.otherSort), cmp.Compare(a.cost, b.cost))
	})
	takenFound, takenObject := map[int]bool{}, map[int]bool{}
	for _, c := range candidates {
		if !takenFound[c.found] && !takenObject[c.object] {
			takenFound[c.found], takenObject[c.object] = true, true
			out.pairs = append(out.pairs, c.pair)
		}
	}
	slices.SortFunc(out.pairs, func(a, b pair) int { return cmp.Compare(a.found, b.found) })
	for i := range f.found {
		if !takenFound[i] {
			out.strangers = append(out.strangers, i)
		}
	}
}

func falseFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

func (f *fitter) onlyOfKind(i int) bool {
	for j, other := range f.found {
		if j != i && other.GroupVersionKind().GroupKind() == f.found[i].GroupVersionKind().GroupKind() {
			return false
		}
	}
	return true
}

// adoption says which names and which selector stay as they were found.
func (f *fitter) adoption(out *outcome) (*platformv1alpha1.Adoption, error) {
	adoption := &platformv1alpha1.Adoption{}
	for _, p := range out.pairs {
		adoption.Objects = append(adoption.Objects, platformv1alpha1.AdoptedObject{Resource: p.resource, Name: f.found[p.found].GetName()})
		if p.found == 0 && len(f.podSelector) > 0 {
			own := selectorOf(out.objects[p.object].Object.Object)
			if !maps.Equal(own, f.podSelector) {
				adoption.PodSelector = f.podSelector
				if err := keepable(f.in.Workload, adoption, own); err != nil {
					return nil, err
				}
			}
		}
	}
	return adoption, nil
}

// measure compares every pair, and counts what is new and what nothing stands for.
func (f *fitter) measure(out *outcome) {
	paired := map[int]bool{}
	for _, p := range out.pairs {
		paired[p.object] = true
		found := f.compare(p.found, out.objects[p.object])
		out.differences = append(out.differences, found...)
	}
	out.cost = f.weights(out.differences) + strangerCost*len(out.strangers)
	for _, found := range f.found {
		out.cost += hostCost * len(unserved(found, out))
	}
	for i := range out.objects {
		if !paired[i] {
			out.cost += newCost // whatever is in it: a new object is no argument for a parameter of its own
		}
	}
}

// compare names the differences of one found object. That Towpath's labels come is none: everybody knows.
func (f *fitter) compare(i int, o render.Object) []Difference {
	golden := normal(o.Object.GroupVersionKind(), o.Object.Object)
	delete(golden, "status")
	metadata, _ := golden["metadata"].(map[string]any)
	kept := map[string]any{}
	for _, field := range []string{"labels", "annotations"} {
		if value, ok := metadata[field]; ok {
			kept[field] = value
		}
	}
	golden["metadata"] = kept
	intent := f.intents[i]
	if spec, ok := golden["spec"].(map[string]any); ok && o.Object.GetKind() == "StatefulSet" {
		for _, field := range render.FixedFields {
			if value, found, _ := unstructured.NestedFieldNoCopy(intent, "spec", field); found {
				spec[field] = value
			} else {
				delete(spec, field)
			}
		}
	}
	d := &differ{resource: o.Resource, object: title(f.found[i]), found: f.container.name, golden: f.main}
	d.maps("", withoutVersion(intent), withoutVersion(golden))
	ours := render.Labels(f.in.Place)
	return slices.DeleteFunc(d.out, func(d Difference) bool {
		return onlyLabels(&d, ours) && !replacesAlias(&d, f.in.Place.LabelAliases)
	})
}

// withoutVersion leaves out what a pair has in common by being one, or what only says the version of the API.
func withoutVersion(object map[string]any) map[string]any {
	copied := maps.Clone(object)
	delete(copied, "apiVersion")
	delete(copied, "kind")
	return copied
}

// onlyLabels says whether a difference is that Towpath's own labels come.
func onlyLabels(d *Difference, ours map[string]string) bool {
	if d.Kind == Removed {
		return false
	}
	for key := range ours {
		if strings.HasSuffix(d.Path, below("labels", key)) {
			return true
		}
	}
	labels, ok := d.Golden.(map[string]any)
	if nested, has := labels["labels"].(map[string]any); has && len(labels) == 1 {
		labels = nested
	}
	if d.Kind != Added || !ok {
		return false
	}
	for key := range labels {
		if _, known := ours[key]; !known {
			return false
		}
	}
	return len(labels) > 0
}

// replacesAlias says whether an alias takes the place of a label of the same key: some other tool may go by that.
func replacesAlias(d *Difference, aliases map[string]string) bool {
	if d.Kind != Changed {
		return false
	}
	for key := range aliases {
		if strings.HasSuffix(d.Path, below("labels", key)) {
			return true
		}
	}
	return false
}

// What differences cost. Losing a setting is worse than another value of it, and that is worse than a new one;
// an object that nothing stands for is worse than all differences within it, and one more is better not made, unless
// it serves a host name. Pods that nobody probes any more are worse than all that another probe has besides.
const (
	addedSeenCost = 1
	addedCost     = 2
	changedCost   = 4
	removedCost   = 6
	newCost       = 20
	probeCost     = 60
	hostCost      = 100
	strangerCost  = 1000
)

func (f *fitter) weights(differences []Difference) int {
	sum := 0
	for i := range differences {
		d := &differences[i]
		switch d.Kind {
		case Added:
			sum += f.added("", d.Golden)
		case Removed:
			sum += removedCost * leafCount(d.Found)
			if strings.HasSuffix(d.Path, "Probe") {
				sum += probeCost
			}
		default:
			sum += changedCost*max(leafCount(d.Found), leafCount(d.Golden)) + distance(d)
		}
	}
	return sum
}

// added counts what comes new. A setting that stands elsewhere in what was found is nearer to it: where only
// one probe asks for /healthz, the others had better ask for that too.
func (f *fitter) added(key string, value any) int {
	sum := 0
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			sum += f.added(name, member)
		}
	case []any:
		for _, item := range v {
			sum += f.added(key, item)
		}
	default:
		if f.seen[setting(key, value)] {
			return addedSeenCost
		}
		return addedCost
	}
	return max(sum, addedCost)
}

func setting(key string, value any) string { return fmt.Sprintf("%s=%T %v", key, value, value) }

// remember notes every setting of what was found.
func (f *fitter) remember(key string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			f.remember(name, member)
		}
	case []any:
		for _, item := range v {
			f.remember(key, item)
		}
	default:
		f.seen[setting(key, value)] = true
	}
}

func selectorOf(object map[string]any) map[string]string {
	spec, _ := object["spec"].(map[string]any)
	selector, _ := spec["selector"].(map[string]any)
	labels, _ := selector["matchLabels"].(map[string]any)
	out := map[string]string{}
	for key, value := range labels {
		out[key] = fmt.Sprint(value)
	}
	return out
}
