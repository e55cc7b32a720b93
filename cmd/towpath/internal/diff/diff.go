// Package diff says what a change of a golden path does to the Components that follow it, before any of them sees
// it: it compares what each renders to now with what it would render to. It is pure.
package diff

import (
	"cmp"
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
	// Cost is what the change is estimated to cost; nil where nobody follows the template.
	Cost *Cost `json:"cost,omitempty"`
	// Objects are what changes, grouped by what they have in common.
	Objects []Group `json:"objects"`
}

// Group is the objects of one resource of the template that change in the same way.
type Group struct {
	Resource string `json:"resource"`
	// ObjectKind is the kind of the objects.
	ObjectKind string        `json:"kind"`
	Action     impact.Action `json:"action"`
	// Restarts says that pods restart, or end with their object, Refused that the API server refuses the change of an object that exists.
	Restarts bool `json:"restarts,omitempty"`
	Refused  bool `json:"refused,omitempty"`
	// Fields that change, with the values of the first place.
	Fields []impact.Field `json:"fields,omitempty"`
	// Places are where, as namespace/component in environment.
	Places []string `json:"places"`
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
		changes := impact.Compare(before[i].Objects, after[j].Objects)
		if len(changes) > 0 {
			report.Changed++
		}
		if slices.ContainsFunc(changes, func(c impact.Change) bool { return c.Restarts }) {
			report.Restarting++
		}
		for _, change := range changes {
			group(groups, place, change)
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

// group puts what differs in one place into the groups.
func group(groups map[string]*Group, place string, change impact.Change) {
	paths := make([]string, len(change.Fields))
	for i, f := range change.Fields {
		paths[i] = f.Path
	}
	id := strings.Join([]string{change.Resource, change.Kind, string(change.Action), strings.Join(paths, "\n")}, "\x00")
	known := groups[id]
	if known == nil {
		known = &Group{
			Resource: change.Resource, ObjectKind: change.Kind, Action: change.Action,
			Restarts: change.Restarts, Refused: change.Refused != "", Fields: change.Fields,
		}
		groups[id] = known
	}
	known.Places = append(known.Places, place)
}
