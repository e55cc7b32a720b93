package template

import (
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/override"
)

// Overridable are the resources of the template with what overrides may set. Do not change it.
func (t *Template) Overridable() override.Targets { return t.targets }

// open reads the paths that overrides may set.
func (c *compiler) open(at *field.Path) {
	c.template.targets = override.Targets{}
	byID := map[string]*source{}
	for i := range c.sources {
		s := &c.sources[i]
		byID[s.ID], c.template.targets[s.ID] = s, override.Target{Kind: s.gvk}
	}
	if c.spec.Overrides == nil {
		return
	}
	seen := map[platformv1alpha1.OpenPath]bool{}
	for i, allowed := range c.spec.Overrides.Allow {
		here := at.Index(i)
		s := byID[allowed.Resource]
		if s == nil {
			if !slices.Contains(c.broken, allowed.Resource) {
				c.errs = append(c.errs, field.NotSupported(here.Child("resource"), allowed.Resource, slices.Sorted(maps.Keys(byID))))
			}
			continue
		}
		path, err := override.ParsePath(allowed.Path)
		if err != nil {
			c.errs = append(c.errs, field.Invalid(here.Child("path"), allowed.Path, fmt.Sprintf("does not parse: %v", err)))
			continue
		}
		// Two ways to write the same path are the same path.
		if allowed.Path = path.String(); seen[allowed] {
			c.errs = append(c.errs, field.Duplicate(here, allowed.Path))
			continue
		}
		seen[allowed] = true
		if err := override.CheckPath(path, s.gvk, s.schema); err != nil {
			c.errs = append(c.errs, field.Invalid(here.Child("path"), allowed.Path, err.Error()))
			continue
		}
		target := c.template.targets[allowed.Resource]
		target.Open = append(target.Open, path)
		c.template.targets[allowed.Resource] = target
	}
}
