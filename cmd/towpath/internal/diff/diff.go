// Package diff says what a change of a golden path does to the Components that follow it, before any of them sees
// it: it compares what each renders to now with what it would render to. It is pure.
package diff

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/offline"
	"github.com/towpath-dev/towpath/internal/impact"
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
	// Allowed says that the template allows a breaking change from the newest revision. AllowedFrom is the one that it has to
	// be for that, where the files do not tell which one it is; 0 where it does not matter.
	Allowed     bool  `json:"breakingAllowed,omitempty"`
	AllowedFrom int64 `json:"breakingAllowedFrom,omitempty"`
	// Following is in how many environments a Component follows the template, Changed in how many of these something
	// changes, Restarting in how many pods restart, Refused how many cannot get the change, and Invalid in how many the
	// Component does not render as it is, so that nothing can be compared.
	Following  int `json:"following"`
	Changed    int `json:"changed"`
	Restarting int `json:"restarting"`
	Refused    int `json:"refused"`
	Invalid    int `json:"invalid,omitempty"`
	// Pinned are the Components that stay at a revision, and do not change.
	Pinned []string `json:"pinned,omitempty"`
	// Cannot says which Components cannot get the change, and why.
	Cannot []string `json:"cannot,omitempty"`
	// Already says what was wrong before the change, too.
	Already []string `json:"already,omitempty"`
	// Cost is what the change is estimated to cost; nil where nobody follows the template.
	Cost *Cost `json:"cost,omitempty"`
	// Objects are what changes, grouped by what they have in common.
	Objects []Group `json:"objects"`

	immovable map[string]bool // places in which the API server refuses the change
}

// maxVariants is how many groups differ in nothing but the values of their fields. What has others yet shares the last one.
const maxVariants = 5

// Group is the objects of one resource of the template that change in the same way.
type Group struct {
	Resource string `json:"resource"`
	// ObjectKind is the kind of the objects.
	ObjectKind string        `json:"kind"`
	Action     impact.Action `json:"action"`
	// Restarts says that pods restart, or end with their object, Refused that the API server refuses the change of an object that exists.
	Restarts bool `json:"restarts,omitempty"`
	Refused  bool `json:"refused,omitempty"`
	// Fields that change, with their values; OtherValues says that these are of the first place, and others have others.
	Fields      []impact.Field `json:"fields,omitempty"`
	OtherValues bool           `json:"otherValues,omitempty"`
	// Places are where, as namespace/component in environment.
	Places []string `json:"places"`
}

// Compare compares what was rendered before and after in those places in which the template is followed. One that is
// in neither is invalid as it is. One that after lacks cannot get the change; why is for the caller to say.
func Compare(places []Place, before, after []offline.Result) *Report {
	report := &Report{
		Objects: []Group{}, Changes: []platformv1alpha1.TemplateChange{}, Following: len(places), immovable: map[string]bool{},
	}
	was, is := byPlace(before), byPlace(after)
	groups := map[string]*variants{}
	for _, place := range places {
		old, new := was[place], is[place]
		switch {
		case old == nil && new == nil:
			report.Invalid++
		case old == nil:
			report.Changed++ // the change mends it, and there is nothing to compare
		case new == nil:
			report.Refused++
		default:
			report.compare(place, impact.Compare(old.Objects, new.Objects), groups)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(groups)) {
		report.Objects = append(report.Objects, groups[id].groups...)
	}
	slices.SortStableFunc(report.Objects, func(a, b Group) int {
		return cmp.Or(cmp.Compare(a.Resource, b.Resource), cmp.Compare(len(b.Places), len(a.Places)))
	})
	return report
}

// compare counts one place. One in which the API server refuses something stays as it is, and so nothing restarts there.
func (r *Report) compare(place Place, changes []impact.Change, groups map[string]*variants) {
	for _, change := range changes {
		group(groups, place.String(), change)
		if change.Refused == "" {
			continue
		}
		r.immovable[place.String()] = true
		r.Cannot = append(r.Cannot, fmt.Sprintf("%s: %s %s (resource %s): the API server does not let %s be changed",
			place, change.Kind, change.Name, change.Resource, change.Refused))
	}
	switch {
	case r.immovable[place.String()]:
		r.Refused++
	case len(changes) > 0:
		r.Changed++
		if slices.ContainsFunc(changes, func(c impact.Change) bool { return c.Restarts }) {
			r.Restarting++
		}
	}
}

// Gets says whether a place can get the change, where it renders with it.
func (r *Report) Gets(result offline.Result) bool { return !r.immovable[result.Place().String()] }

// Place is one environment of a Component.
type Place = offline.Place

func byPlace(results []offline.Result) map[Place]*offline.Result {
	found := map[Place]*offline.Result{}
	for i := range results {
		found[results[i].Place()] = &results[i]
	}
	return found
}

// variants are the groups of which the same fields change. values are those of each.
type variants struct {
	groups []Group
	values []string
}

// group puts what differs in one place into the groups.
func group(groups map[string]*variants, place string, change impact.Change) {
	paths := make([]string, len(change.Fields))
	values := make([]string, len(change.Fields))
	for i, f := range change.Fields {
		paths[i], values[i] = f.Path, fmt.Sprintf("%#v -> %#v", f.Old, f.New) // whole, and with sorted keys
	}
	id := strings.Join([]string{change.Resource, change.Kind, string(change.Action), strings.Join(paths, "\n")}, "\x00")
	known := groups[id]
	if known == nil {
		known = &variants{}
		groups[id] = known
	}
	value := strings.Join(values, "\n")
	i := slices.Index(known.values, value)
	switch {
	case i >= 0:
	case len(known.groups) == maxVariants:
		i = maxVariants - 1
		known.groups[i].OtherValues = true
	default:
		i = len(known.groups)
		known.values = append(known.values, value)
		known.groups = append(known.groups, Group{
			Resource: change.Resource, ObjectKind: change.Kind, Action: change.Action,
			Restarts: change.Restarts, Refused: change.Refused != "", Fields: change.Fields,
		})
	}
	known.groups[i].Places = append(known.groups[i].Places, place)
}
