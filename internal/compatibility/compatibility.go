// Package compatibility tells what a change of a template means to the Components that are made of it, before any
// of them sees it. It is pure and compares two templates as they are written; what becomes of a given Component only
// rendering tells.
//
// The rules for parameters are those for APIs: a value that was accepted must go on being accepted, and mean the same
// (Kubernetes' API changes guide, on compatibility). Those for objects are what the API server lets be changed, and
// what controllers of workloads do about it.
package compatibility

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// Change is one difference between two templates, and what it means.
type Change struct {
	// Level is how much it means.
	Level platformv1alpha1.ChangeLevel
	// Path is where in the spec of the ServiceTemplate.
	Path string
	// Message says what changed, and what follows.
	Message string
}

func (c Change) String() string { return fmt.Sprintf("%s: %s: %s", c.Level, c.Path, c.Message) }

// Compare returns what changed from one template to another, what means most first. It expects that both compile.
func Compare(before, after *platformv1alpha1.ServiceTemplateSpec) ([]Change, error) {
	c := &comparison{}
	old, err := schema(before)
	if err != nil {
		return nil, err
	}
	new, err := schema(after)
	if err != nil {
		return nil, err
	}
	c.schema("parameters", old, new)
	if err := c.resources(before.Resources, after.Resources); err != nil {
		return nil, err
	}
	c.outputs(before, after)
	c.overrides(before.Overrides, after.Overrides)
	if text(before.Pipeline) != text(after.Pipeline) {
		c.safe("pipeline", "changed: it counts for Builds that begin from now on, and nothing that runs is touched")
	}
	slices.SortStableFunc(c.changes, func(a, b Change) int {
		return cmp.Or(cmp.Compare(weight[b.Level], weight[a.Level]), cmp.Compare(a.Path, b.Path))
	})
	return c.changes, nil
}

// Highest returns the level of the change that means most; Safe for none.
func Highest(changes []Change) platformv1alpha1.ChangeLevel {
	highest := platformv1alpha1.ChangeSafe
	for _, c := range changes {
		if weight[c.Level] > weight[highest] {
			highest = c.Level
		}
	}
	return highest
}

var weight = map[platformv1alpha1.ChangeLevel]int{
	platformv1alpha1.ChangeSafe: 0, platformv1alpha1.ChangeRisky: 1, platformv1alpha1.ChangeBreaking: 2,
}

type comparison struct {
	changes []Change
}

func (c *comparison) add(level platformv1alpha1.ChangeLevel, path, format string, args ...any) {
	c.changes = append(c.changes, Change{Level: level, Path: path, Message: fmt.Sprintf(format, args...)})
}

func (c *comparison) breaking(path, format string, args ...any) {
	c.add(platformv1alpha1.ChangeBreaking, path, format, args...)
}

func (c *comparison) risky(path, format string, args ...any) {
	c.add(platformv1alpha1.ChangeRisky, path, format, args...)
}

func (c *comparison) safe(path, format string, args ...any) {
	c.add(platformv1alpha1.ChangeSafe, path, format, args...)
}

// schema reads the schema of a template's parameters.
func schema(spec *platformv1alpha1.ServiceTemplateSpec) (*apiextensionsv1.JSONSchemaProps, error) {
	props := &apiextensionsv1.JSONSchemaProps{Type: "object"}
	if spec.Parameters == nil || len(spec.Parameters.Raw) == 0 {
		return props, nil
	}
	if err := json.Unmarshal(spec.Parameters.Raw, props); err != nil {
		return nil, fmt.Errorf("reading the schema of the parameters: %w", err)
	}
	return props, nil
}

// outputs compares what Components tell those who use them.
func (c *comparison) outputs(before, after *platformv1alpha1.ServiceTemplateSpec) {
	for _, old := range before.Outputs {
		path := "outputs[" + old.Name + "]"
		i := slices.IndexFunc(after.Outputs, func(o platformv1alpha1.TemplateOutput) bool { return o.Name == old.Name })
		switch {
		case i < 0:
			c.breaking(path, "removed: Components that use one of this template lose it")
		case text(old) != text(after.Outputs[i]):
			c.risky(path, "changed: Components that use one of this template are rolled out again where its value differs")
		}
	}
	for _, new := range after.Outputs {
		if !slices.ContainsFunc(before.Outputs, func(o platformv1alpha1.TemplateOutput) bool { return o.Name == new.Name }) {
			c.safe("outputs["+new.Name+"]", "added")
		}
	}
	switch {
	case before.Endpoint != nil && after.Endpoint == nil:
		c.breaking("endpoint", "removed: the network policies of those who use a Component of this template are closed")
	case before.Endpoint == nil && after.Endpoint != nil:
		c.safe("endpoint", "added")
	case text(before.Endpoint) != text(after.Endpoint):
		c.risky("endpoint", "changed: Components that use one of this template are rolled out again where it differs")
	}
}

// overrides compares which fields Components may set.
func (c *comparison) overrides(before, after *platformv1alpha1.TemplateOverrides) {
	open := func(o *platformv1alpha1.TemplateOverrides) []string {
		var all []string
		if o != nil {
			for _, allow := range o.Allow {
				all = append(all, allow.Resource+" "+allow.Path)
			}
		}
		return all
	}
	was, is := open(before), open(after)
	for _, path := range without(was, is) {
		c.breaking("overrides", "%s is not open any more: a Component that overrides it cannot get the revision", path)
	}
	for _, path := range without(is, was) {
		c.safe("overrides", "%s is open", path)
	}
}

// text is a value in canonical JSON.
func text(value any) string {
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(raw)
}
