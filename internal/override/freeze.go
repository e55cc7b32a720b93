package override

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/openapi"
)

// Freeze checks the overrides of a Component against a template, and returns them as a Release holds them. kinds
// tells the schemas of kinds; a kind that it does not know has lists only where the open paths say how they are
// merged. The errors say at which override something is wrong; one of type Internal says that kinds did not
// answer, and nothing about the override.
func Freeze(overrides []platformv1alpha1.Override, targets Targets, kinds openapi.Source, at *field.Path) ([]platformv1alpha1.ReleaseOverride, field.ErrorList) {
	var frozen []platformv1alpha1.ReleaseOverride
	var errs field.ErrorList
	set := map[string]*fieldpath.Set{}
	for i := range overrides {
		o, here := &overrides[i], at.Index(i)
		target, ok := targets[o.Resource]
		if !ok {
			errs = append(errs, field.NotSupported(here.Child("resource"), o.Resource, slices.Sorted(maps.Keys(targets))))
			continue
		}
		one, leaves, err := freeze(o, target, kinds)
		if internal := (*unanswered)(nil); errors.As(err, &internal) {
			errs = append(errs, field.InternalError(here, err))
			continue
		}
		if refused := (*Refusal)(nil); errors.As(err, &refused) && refused.closed {
			errs = append(errs, field.Forbidden(here.Child("patch"), err.Error()))
			continue
		}
		if err != nil {
			errs = append(errs, field.Invalid(here.Child("patch"), field.OmitValueType{}, err.Error()))
			continue
		}
		if before := set[o.Resource]; before != nil {
			if both := before.Intersection(leaves); !both.Empty() {
				errs = append(errs, field.Invalid(here.Child("patch"), field.OmitValueType{}, fmt.Sprintf(
					"sets %s, which another override sets already: say it once", showAll(both))))
				continue
			}
			leaves = leaves.Union(before)
		}
		set[o.Resource] = leaves
		frozen = append(frozen, *one)
	}
	return frozen, errs
}

// unanswered says that the schema of a kind could not be read.
type unanswered struct{ err error }

func (u *unanswered) Error() string { return u.err.Error() }

// Refusal says why an override is not taken.
type Refusal struct {
	message string
	// closed says that the override is well, but not allowed.
	closed bool
}

// Error is the reason, beginning with what the patch does.
func (r *Refusal) Error() string { return r.message }

func refuse(format string, args ...any) error { return &Refusal{message: fmt.Sprintf(format, args...)} }

// freeze checks one override, and returns with it what it sets.
func freeze(o *platformv1alpha1.Override, target Target, kinds openapi.Source) (*platformv1alpha1.ReleaseOverride, *fieldpath.Set, error) {
	patch, err := decode(o.Patch)
	if err != nil {
		return nil, nil, err
	}
	f := freezer{target: target}
	var known *spec.Schema
	if kinds != nil {
		kind, err := kinds.Kind(target.Kind)
		if err != nil && !errors.Is(err, openapi.ErrUnknownKind) {
			return nil, nil, &unanswered{fmt.Errorf("reading the schema of %s: %w", target.Kind.Kind, err)}
		}
		if err == nil {
			known = kind.Schema
		}
	}
	f.blind = known == nil
	if err := f.walk(patch, known, nil); err != nil {
		return nil, nil, err
	}
	slices.SortFunc(f.rules, func(a, b platformv1alpha1.MergeRule) int { return strings.Compare(a.Path, b.Path) })
	if len(f.rules) > maxRules {
		return nil, nil, refuse("holds %d lists and maps that are merged by rules, and at most %d are allowed: split it", len(f.rules), maxRules)
	}
	frozen := &platformv1alpha1.ReleaseOverride{Override: *o.DeepCopy(), Merge: f.rules}
	typed, err := newMerger(frozen.Merge).typed(patch)
	if err != nil {
		return nil, nil, err
	}
	leaves, err := check(typed, o.Resource, target)
	return frozen, leaves, err
}

// maxRules is what a Release holds.
const maxRules = 128

// freezer finds the rules by which the lists and maps of a patch are merged.
type freezer struct {
	target Target
	// blind says that nothing is known of the kind.
	blind bool
	// inside says that what is around is replaced as a whole: what is in it is checked, and needs no rules.
	inside bool
	rules  []platformv1alpha1.MergeRule
}

// walk goes through a patch beside the schema of the kind; s is nil where nothing is known.
func (f *freezer) walk(v any, s *spec.Schema, at Path) error {
	if takes := misfit(v, s); takes != "" {
		return refuse("sets %s to %s, and the field takes %s", at, kindOf(v), takes)
	}
	switch v := v.(type) {
	case map[string]any:
		if s != nil && atomicMap(s) && !f.inside {
			f.add(at, &platformv1alpha1.MergeRule{Strategy: platformv1alpha1.MergeAtomic})
			f.inside = true
			defer func() { f.inside = false }()
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			below, ok := property(s, name)
			here := append(slices.Clip(at), Step{Field: name})
			if !ok {
				return refuse("sets %s, and the kind %s has no such field", here, f.target.Kind.Kind)
			}
			if err := f.walk(v[name], below, here); err != nil {
				return err
			}
		}
	case []any:
		return f.list(v, s, at)
	}
	return nil
}

func (f *freezer) list(items []any, s *spec.Schema, at Path) error {
	var rule *platformv1alpha1.MergeRule
	switch {
	case f.inside:
	case s != nil:
		rule = ruleOf(s)
	case f.blind:
		var err error
		if rule, err = f.guess(at); err != nil {
			return err
		}
	}
	switch {
	case rule == nil && !f.inside:
		f.inside = true
		defer func() { f.inside = false }()
	case rule == nil:
	case len(items) == 0:
		return refuse("sets nothing in %s: an override adds to that list, and cannot empty it", at)
	default:
		f.add(at, rule)
	}
	element := append(slices.Clip(at), Step{})
	for _, item := range items {
		if _, ok := item.(map[string]any); !ok && rule != nil && rule.Strategy == platformv1alpha1.MergeKeyed {
			return refuse("holds in %s %s, and the list takes objects with %s", at, kindOf(item), strings.Join(keyNames(rule), ", "))
		}
		if err := f.walk(item, openapi.Items(s), element); err != nil {
			return err
		}
	}
	return nil
}

// guess says by the open paths how a list of a kind without schema is merged: by the keys that a path selects
// with, or as a whole, where a path ends at the list.
func (f *freezer) guess(at Path) (*platformv1alpha1.MergeRule, error) {
	for _, open := range f.target.Open {
		switch {
		case len(open) < len(at) || !sameShape(open[:len(at)], at):
		case len(open) == len(at):
			return nil, nil
		case open[len(at)].element() && len(open[len(at)].Keys) > 0:
			rule := &platformv1alpha1.MergeRule{Strategy: platformv1alpha1.MergeKeyed}
			for _, key := range open[len(at)].Keys {
				rule.Keys = append(rule.Keys, platformv1alpha1.MergeKey{Name: key.Name})
			}
			return rule, nil
		}
	}
	return nil, &Refusal{closed: true, message: fmt.Sprintf(
		"sets the list %s, and the schema of %s is not known here, so that nobody can say how the list is merged: the definition of the kind is missing, or the template must open the list itself (then it is replaced) or an element of it by its key, as [name=app]; %s",
		at, f.target.Kind.Kind, f.target.opened("it"))}
}

// sameShape says whether two paths lead through the same fields, and elements at the same places.
func sameShape(a, b Path) bool {
	for i := range a {
		if a[i].Field != b[i].Field {
			return false
		}
	}
	return true
}

// add notes a rule, once for each path.
func (f *freezer) add(at Path, rule *platformv1alpha1.MergeRule) {
	rule.Path = at.String()
	if !slices.ContainsFunc(f.rules, func(r platformv1alpha1.MergeRule) bool { return r.Path == rule.Path }) {
		f.rules = append(f.rules, *rule)
	}
}
