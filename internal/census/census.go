// Package census counts who follows which golden path and how far: what a platform team reads to decide which
// standard to widen, and which one to retire. It is pure.
package census

import (
	"cmp"
	"slices"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
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
}

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

// Count counts the Components of each template, sorted by name. A template that nobody uses is in it; so is one that
// is gone and still used.
func Count(templates []platformv1alpha1.ServiceTemplate, components []platformv1alpha1.Component) []Template {
	byName := map[string]*Template{}
	of := func(name string) *Template {
		if byName[name] == nil {
			byName[name] = &Template{Name: name, Revisions: []Revision{}}
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
	}
	for i := range components {
		of(components[i].Spec.TemplateRef.Name).add(&components[i])
	}
	all := make([]Template, 0, len(byName))
	for _, t := range byName {
		slices.SortFunc(t.Revisions, func(a, b Revision) int { return cmp.Compare(b.Number, a.Number) })
		all = append(all, *t)
	}
	slices.SortFunc(all, func(a, b Template) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

func (t *Template) add(component *platformv1alpha1.Component) {
	t.Components++
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
