// Package census counts who follows which golden path and how far: what a platform team reads to decide which
// standard to widen, and which one to retire. It is pure.
package census

import (
	"cmp"
	"slices"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/override"
)

// Template is how one golden path is used.
type Template struct {
	Name string `json:"name"`
	// Maturity of the template, Stable where it does not say; empty where the template is gone.
	Maturity platformv1alpha1.Maturity `json:"maturity,omitempty"`
	// ReplacedBy is what a deprecated one should be replaced by.
	ReplacedBy string `json:"replacedBy,omitempty"`
	// Latest is the number of the newest revision, 0 where that is not known.
	Latest int64 `json:"latest,omitempty"`
	// Components of the template, and how many of these are pinned to a revision.
	Components int `json:"components"`
	Pinned     int `json:"pinned"`
	// Environments in which one of them runs, and in how many of these with the newest revision.
	Environments int `json:"environments"`
	OnLatest     int `json:"onLatest"`
	// Revisions that run, the newest first.
	Revisions []Revision `json:"revisions"`
	// Overriding is how many Components leave the path in some place, and Overrides in which.
	Overriding int        `json:"overriding"`
	Overrides  []Override `json:"overrides"`
}

// open are the paths that a template opens, by resource.
type open map[string][]override.Path

// Share of the environments that run the newest revision, from 0 to 1; 1 where there is no environment.
func (t *Template) Share() float64 {
	if t.Environments == 0 {
		return 1
	}
	return float64(t.OnLatest) / float64(t.Environments)
}

// Revision is in how many environments one revision runs.
type Revision struct {
	Number       int64 `json:"number"`
	Environments int   `json:"environments"`
}

// Override is how many Components override one path that the template opens.
type Override struct {
	// Resource is the id of the resource in the template; empty with NotOpen.
	Resource string `json:"resource,omitempty"`
	// Path is the open path, with [*] for any element of a list, or NotOpen.
	Path       string `json:"path"`
	Components int    `json:"components"`
}

// NotOpen stands for all that Components override though the template does not open it, or not any more: how many
// paths there are is for the template to say, and not for those who use it.
const NotOpen = "not open"

// Count counts the Components of each template, sorted by name. A template that nobody uses is in it; so is one that
// is gone and still used.
func Count(templates []platformv1alpha1.ServiceTemplate, components []platformv1alpha1.Component) []Template {
	byName, opened := map[string]*Template{}, map[string]open{}
	of := func(name string) *Template {
		if byName[name] == nil {
			byName[name] = &Template{Name: name, Revisions: []Revision{}, Overrides: []Override{}}
		}
		return byName[name]
	}
	for i := range templates {
		st := &templates[i]
		t := of(st.Name)
		t.Maturity, t.ReplacedBy = cmp.Or(st.Spec.Maturity, platformv1alpha1.MaturityStable), st.Spec.ReplacedBy
		if latest := st.Status.LatestRevision; latest != nil {
			t.Latest = latest.Number
		}
		opened[st.Name] = t.opens(st.Spec.Overrides)
	}
	for i := range components {
		name := components[i].Spec.TemplateRef.Name
		of(name).add(&components[i], opened[name])
	}
	all := make([]Template, 0, len(byName))
	for _, t := range byName {
		slices.SortFunc(t.Revisions, func(a, b Revision) int { return cmp.Compare(b.Number, a.Number) })
		slices.SortFunc(t.Overrides, func(a, b Override) int {
			return cmp.Or(cmp.Compare(b.Components, a.Components), cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Path, b.Path))
		})
		all = append(all, *t)
	}
	slices.SortFunc(all, func(a, b Template) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// opens reads what the template opens. Each of it is counted, also where nobody overrides it: that can be closed.
func (t *Template) opens(overrides *platformv1alpha1.TemplateOverrides) open {
	paths := open{}
	if overrides == nil {
		return paths
	}
	for _, allowed := range overrides.Allow {
		if path, err := override.ParsePath(allowed.Path); err == nil {
			paths[allowed.Resource] = append(paths[allowed.Resource], path)
			t.overridden(Override{Resource: allowed.Resource, Path: path.Shape()})
		}
	}
	return paths
}

// overridden adds to the count of a path.
func (t *Template) overridden(o Override) {
	for i := range t.Overrides {
		if known := &t.Overrides[i]; known.Resource == o.Resource && known.Path == o.Path {
			known.Components += o.Components
			return
		}
	}
	t.Overrides = append(t.Overrides, o)
}

// leaves counts each path once that a Component overrides.
func (t *Template) leaves(component *platformv1alpha1.Component, paths open) {
	if len(component.Spec.Overrides) == 0 {
		return
	}
	t.Overriding++
	places := map[Override]bool{}
	for i := range component.Spec.Overrides {
		o := &component.Spec.Overrides[i]
		used := override.Used(paths[o.Resource], o.Patch)
		for _, path := range used {
			places[Override{Resource: o.Resource, Path: path.Shape(), Components: 1}] = true
		}
		if len(used) == 0 {
			places[Override{Path: NotOpen, Components: 1}] = true
		}
	}
	for place := range places {
		t.overridden(place)
	}
}

func (t *Template) add(component *platformv1alpha1.Component, paths open) {
	t.Components++
	t.leaves(component, paths)
	if component.Spec.TemplateRef.Revision != nil {
		t.Pinned++
	}
	for _, environment := range component.Status.Environments {
		if environment.Release == "" {
			continue // nothing runs there yet
		}
		t.Environments++
		if environment.Revision == t.Latest {
			t.OnLatest++
		}
		i := slices.IndexFunc(t.Revisions, func(r Revision) bool { return r.Number == environment.Revision })
		if i < 0 {
			t.Revisions = append(t.Revisions, Revision{Number: environment.Revision})
			i = len(t.Revisions) - 1
		}
		t.Revisions[i].Environments++
	}
}
