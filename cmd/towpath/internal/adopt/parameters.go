package adopt

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/template"
)

// maxRenders bounds the search.
const maxRenders = 1500

// maxValues bounds how many values of a type are tried for one parameter, besides those that its place hints at.
const maxValues = 24

// leaf is a parameter that holds a value.
type leaf struct {
	path   string
	schema *apiextensionsv1.JSONSchemaProps
	// hints are values found where the template has the parameter, with their place.
	hints []hint
	// ofHosts says that the template has it for the host names of a route.
	ofHosts bool
	// places are how many fields of the template have it.
	places int
}

type hint struct {
	object int
	path   string
	value  any
	// whole says that the template has nothing but the parameter there.
	whole bool
}

// leavesOf lists the parameters of a template in order, but for those that no object depends on, such as those of the build: nothing that is
// found tells of them.
func leavesOf(spec *platformv1alpha1.ServiceTemplateSpec) ([]leaf, error) {
	if spec.Parameters == nil {
		return nil, nil
	}
	var schema apiextensionsv1.JSONSchemaProps
	if err := json.Unmarshal(spec.Parameters.Raw, &schema); err != nil {
		return nil, fmt.Errorf("spec.parameters of the golden path: %w", err)
	}
	var leaves []leaf
	collect("", &schema, &leaves)
	read := readBy(spec.Resources)
	return slices.DeleteFunc(leaves, func(l leaf) bool {
		top, _, _ := strings.Cut(l.path, ".")
		return read != nil && !read[top]
	}), nil
}

// aParameter is where an expression has parameters: which one, unless it takes all of them together.
var aParameter = regexp.MustCompile(`\bparams\b(?:\.\??([A-Za-z0-9]+))?`)

// readBy names the parameters, of the first level, that resources depend on; nil where that may be each.
func readBy(resources []platformv1alpha1.ResourceTemplate) map[string]bool {
	read := map[string]bool{}
	for i := range resources {
		r := &resources[i]
		for _, text := range []string{string(r.Object.Raw), r.IncludeWhen, r.ForEach} {
			for _, found := range aParameter.FindAllStringSubmatch(text, -1) {
				if found[1] == "" {
					return nil
				}
				read[found[1]] = true
			}
		}
	}
	return read
}

func collect(path string, schema *apiextensionsv1.JSONSchemaProps, leaves *[]leaf) {
	if schema.Type == "object" && len(schema.Properties) > 0 {
		for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
			property := schema.Properties[name]
			collect(strings.TrimPrefix(path+"."+name, "."), &property, leaves)
		}
		return
	}
	if path != "" {
		*leaves = append(*leaves, leaf{path: path, schema: schema})
	}
}

// parameters makes parameters of values by path.
func (f *fitter) parameters(chosen map[string]any) map[string]any {
	out := map[string]any{}
	for path, value := range chosen {
		at := out
		steps := strings.Split(path, ".")
		for _, step := range steps[:len(steps)-1] {
			next, ok := at[step].(map[string]any)
			if !ok {
				next = map[string]any{}
				at[step] = next
			}
			at = next
		}
		at[steps[len(steps)-1]] = value
	}
	return out
}

var wholeParameter = regexp.MustCompile(`^\$\{\s*(?:string\()?params\.([A-Za-z0-9.]+)\)?\s*\}$`)

// hint looks up, for each parameter, what was found where the template has it.
func (f *fitter) hint() {
	for r := range f.in.Spec.Resources {
		var object map[string]any
		if utiljson.Unmarshal(f.in.Spec.Resources[r].Object.Raw, &object) != nil {
			continue
		}
		f.hintHosts(object)
		scan(object, func(value any) {
			text, _ := value.(string)
			for i := range f.leaves {
				if mentions(text, f.leaves[i].path) {
					f.leaves[i].places++
				}
			}
		})
		kind, _ := object["kind"].(string)
		for i, found := range f.found {
			if found.GetKind() == kind {
				f.hints(i, "", object, f.intents[i])
			}
		}
	}
}

// hints walks a template's object and a found one together.
func (f *fitter) hints(object int, path string, golden, found any) {
	if found == nil {
		return
	}
	switch g := golden.(type) {
	case string:
		whole := wholeParameter.FindStringSubmatch(g)
		for i := range f.leaves {
			l := &f.leaves[i]
			if mentions(g, l.path) {
				l.hints = append(l.hints, hint{object: object, path: path, value: found, whole: len(whole) > 1 && whole[1] == l.path})
			}
		}
	case map[string]any:
		other, _ := found.(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(g)) {
			f.hints(object, below(path, key), g[key], other[key])
		}
	case []any:
		other, _ := found.([]any)
		for i, item := range g {
			j := -1
			if name := nameOf(item); name == f.main && strings.HasSuffix(path, ".containers") {
				j = indexOf(other, f.container.name)
			} else if name != "" {
				j = indexOf(other, name)
			}
			if j < 0 && i < len(other) {
				j = i
			}
			if j >= 0 {
				step := fmt.Sprintf("[%d]", j)
				if name := nameOf(other[j]); name != "" {
					step = "[name=" + name + "]"
				}
				f.hints(object, path+step, item, other[j])
			}
		}
	}
}

// mentions says whether an expression has a parameter, and not only one whose name begins alike.
func mentions(expression, path string) bool {
	_, rest, ok := strings.Cut(expression, "params."+path)
	return ok && (rest == "" || !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", rune(rest[0])))
}

// candidates are the values to try for a parameter, those that its place hints at first.
func (f *fitter) candidates(l *leaf, hintsOnly bool) []any {
	var out []any
	add := func(value any) {
		if value = fitting(l.schema, value); value == nil || slices.ContainsFunc(out, func(o any) bool { return reflect.DeepEqual(o, value) }) {
			return
		}
		out = append(out, value)
	}
	for _, h := range l.hints {
		scan(h.value, add)
		if h.path == replicasPath && h.value == int64(0) {
			add(int64(1)) // what comes nearest where a golden path does not take none
		}
	}
	for _, value := range l.schema.Enum {
		var v any
		if utiljson.Unmarshal(value.Raw, &v) == nil {
			add(v)
		}
	}
	if l.schema.Type == "boolean" {
		add(true)
		add(false)
	}
	// Of an enumeration or a switch, everything is tried by now. And a host name is none that stands elsewhere.
	if hintsOnly || l.ofHosts || len(l.schema.Enum) > 0 || l.schema.Type == "boolean" {
		return out
	}
	limit := len(out) + maxValues
	for _, intent := range f.intents {
		scan(intent["spec"], func(value any) {
			if len(out) < limit {
				add(value)
			}
		})
	}
	return out
}

// shifted is the value of a parameter that makes a number what was found, where the template adds something to it there,
// such as two phases that together are a grace period; nil for none. It is for parameters that stand in that one place, so
// that nothing else changes, and for numbers that somebody asked for.
func (f *fitter) shifted(best *outcome, l *leaf) any {
	if l.schema.Type != "integer" || l.places != 1 {
		return nil
	}
	now, ok := f.chosen[l.path].(int64)
	if !ok && (l.schema.Default == nil || utiljson.Unmarshal(l.schema.Default.Raw, &now) != nil) {
		return nil
	}
	for _, h := range l.hints {
		for i := range best.differences {
			d := &best.differences[i]
			found, isNumber := d.Found.(int64)
			golden, too := d.Golden.(int64)
			key := d.Path[strings.LastIndex(d.Path, ".")+1:]
			if isNumber && too && d.Path == h.path && d.Object == title(f.found[h.object]) && !isDefault(key, found) {
				return now + found - golden
			}
		}
	}
	return nil
}

// scan calls see with a value, and with all that it holds, in order.
func scan(value any, see func(any)) {
	see(value)
	switch v := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			scan(v[key], see)
		}
	case []any:
		for _, item := range v {
			scan(item, see)
		}
	}
}

// fitting returns the value as the type of the schema, nil where it is of another type.
func fitting(schema *apiextensionsv1.JSONSchemaProps, value any) any {
	switch v := value.(type) {
	case string:
		if n, err := strconv.ParseInt(v, 10, 64); err == nil && schema.Type == "integer" {
			return n
		}
		if schema.Type == "string" || schema.XIntOrString {
			return v
		}
	case int64:
		if schema.Type == "integer" || schema.Type == "number" || schema.XIntOrString {
			return v
		}
	case float64:
		if schema.Type == "number" {
			return v
		}
	case bool:
		if schema.Type == "boolean" {
			return v
		}
	case []any:
		if schema.Type == "array" && len(v) > 0 {
			return asItems(schema, v)
		}
	}
	return nil
}

// asItems is a list as the schema wants its items: of what refers to others by their names, such as pull secrets, a
// golden path may want the names alone.
func asItems(schema *apiextensionsv1.JSONSchemaProps, list []any) []any {
	if schema.Items == nil || schema.Items.Schema == nil || schema.Items.Schema.Type != "string" {
		return list
	}
	names := make([]any, len(list))
	for i, item := range list {
		reference, isObject := item.(map[string]any)
		name, isName := reference["name"].(string)
		if !isObject || !isName || len(reference) > 1 {
			return list
		}
		names[i] = name
	}
	return names
}

// search begins with the defaults, and takes each value that brings the golden path nearer to what was found,
// until none does.
func (f *fitter) search() (*outcome, error) {
	best, err := f.start()
	if err != nil {
		return nil, err
	}
	for improved := true; improved && f.renders < maxRenders; {
		improved = false
		for i := range f.leaves {
			if better := f.try(best, &f.leaves[i]); better != nil {
				best, improved = better, true
			}
		}
		if !improved {
			if better := f.tryPairs(best); better != nil {
				best, improved = better, true
			}
		}
	}
	return f.withoutRedundant(best), nil
}

// start gives the defaults; a parameter that must be given gets the first value that the template takes.
func (f *fitter) start() (*outcome, error) {
	best, err := f.evaluate(f.chosen)
	if err == nil {
		return best, nil
	}
	if errors.Is(err, errSelector) {
		return nil, err
	}
	for i := range f.leaves {
		if best := f.first(&f.leaves[i]); best != nil {
			return best, nil
		}
	}
	return nil, fmt.Errorf("the golden path takes no parameters that could be found: %w", err)
}

func (f *fitter) first(l *leaf) *outcome {
	for _, value := range f.candidates(l, false) {
		chosen := maps.Clone(f.chosen)
		chosen[l.path] = value
		if best, err := f.evaluate(chosen); err == nil {
			f.chosen = chosen
			return best
		}
	}
	return nil
}

// try looks for the best value of one parameter; nil where none is better.
func (f *fitter) try(best *outcome, l *leaf) *outcome {
	var found *outcome
	var with map[string]any
	values := f.candidates(l, false)
	if value := f.shifted(best, l); value != nil {
		values = append(values, value)
	}
	for _, value := range values {
		if f.renders >= maxRenders {
			break
		}
		chosen := maps.Clone(f.chosen)
		chosen[l.path] = value
		if reflect.DeepEqual(chosen, f.chosen) {
			continue
		}
		if out, err := f.evaluate(chosen); err == nil && out.cost < best.cost && (found == nil || out.cost < found.cost) {
			found, with = out, chosen
		}
	}
	if found != nil {
		f.chosen = with
	}
	return found
}

// tryPairs tries two parameters of one object together: a rule may tie them, such as min and max.
func (f *fitter) tryPairs(best *outcome) *outcome {
	for i := range f.leaves {
		for j := range f.leaves {
			a, b := &f.leaves[i], &f.leaves[j]
			if i >= j || parent(a.path) == "" || parent(a.path) != parent(b.path) || a.schema.Type != b.schema.Type {
				continue
			}
			values := append(f.candidates(a, true), f.candidates(b, true)...)
			for _, x := range values {
				for _, y := range values {
					if f.renders >= maxRenders {
						return nil
					}
					chosen := maps.Clone(f.chosen)
					chosen[a.path], chosen[b.path] = x, y
					if out, err := f.evaluate(chosen); err == nil && out.cost < best.cost {
						f.chosen = chosen
						return out
					}
				}
			}
		}
	}
	return nil
}

func parent(path string) string { return path[:max(strings.LastIndex(path, "."), 0)] }

// withoutRedundant leaves out parameters and variables that change nothing, such as a default or a variable
// that the golden path sets itself.
func (f *fitter) withoutRedundant(best *outcome) *outcome {
	for _, path := range slices.Sorted(maps.Keys(f.chosen)) {
		chosen := maps.Clone(f.chosen)
		delete(chosen, path)
		if out, err := f.evaluate(chosen); err == nil && out.cost <= best.cost {
			best, f.chosen = out, chosen
		}
	}
	for i := 0; i < len(f.container.env); {
		all := f.container.env
		f.container.env = slices.Delete(slices.Clone(all), i, i+1)
		out, err := f.evaluate(f.chosen)
		if err == nil && out.cost <= best.cost {
			best = out
			continue
		}
		f.container.env = all
		i++
	}
	return best
}

// refused names the values that stand where the template has a parameter, and that its schema does not take.
func (f *fitter) refused(best *outcome) {
	differs := map[string]bool{}
	for i := range best.differences {
		differs[best.differences[i].Object+" "+best.differences[i].Path] = true
	}
	for i := range f.leaves {
		l := &f.leaves[i]
		for _, h := range l.hints {
			value := fitting(l.schema, h.value)
			if !h.whole || value == nil || !differs[title(f.found[h.object])+" "+h.path] {
				continue
			}
			chosen := maps.Clone(f.chosen)
			chosen[l.path] = value
			_, errs := f.in.Compiled.ResolveParameters(f.parameters(chosen), nil)
			if len(errs) > 0 {
				f.leave(f.found[h.object], h.path, h.value, "parameter "+l.path+" does not take it: "+reason(&template.ParameterError{Errors: errs})+"; change the value, or have the golden path changed")
			}
		}
	}
}

// parameterFor is the parameter that the template has at a place that was found; empty for none.
func (f *fitter) parameterFor(object, path string) string {
	for i := range f.leaves {
		for _, h := range f.leaves[i].hints {
			if h.path == path && title(f.found[h.object]) == object {
				return f.leaves[i].path
			}
		}
	}
	return ""
}

func reason(err *template.ParameterError) string {
	var bodies []string
	for _, e := range err.Errors {
		bodies = append(bodies, e.ErrorBody())
	}
	return strings.Join(bodies, "; ")
}
