package template

import (
	"fmt"
	"slices"
	"strings"

	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/towpath-dev/towpath/internal/guard"
)

// checkNames refuses what would make two objects of the same kind and name: a list of objects whose
// name does not depend on the element, and two resources that write the name alike. Where one of the
// two may be left out it is a warning, since the other may be its alternative.
func (c *compiler) checkNames() {
	first := map[string]*source{}
	for i := range c.sources {
		s := &c.sources[i]
		metadata, _ := s.object["metadata"].(map[string]any)
		name, ok := metadata["name"].(string)
		if !ok {
			continue
		}
		at := s.path.Child("object", "metadata", "name")
		if s.ForEach != "" {
			if r := c.template.resource(s.ID); r != nil && !r.object.at("metadata", "name").uses("each") {
				c.errs = append(c.errs, field.Invalid(at, name, "the name must depend on each: all objects of the list would have the same name"))
			}
		}
		key := s.gvk.GroupKind().String() + " " + name
		other := first[key]
		if other == nil {
			first[key] = s
			continue
		}
		if s.IncludeWhen == "" && other.IncludeWhen == "" {
			c.errs = append(c.errs, field.Invalid(at, name, fmt.Sprintf("resource %s makes a %s of that name already: change one of the names", other.ID, s.gvk.Kind)))
			continue
		}
		c.warnings = append(c.warnings, fmt.Sprintf("%s: resource %s makes a %s of the same name: includeWhen must never include both", at, other.ID, s.gvk.Kind))
	}
}

// at returns the node at a path of keys, nil where there is none.
func (n *node) at(path ...string) *node {
	for _, key := range path {
		i := slices.Index(n.keys, key)
		if i < 0 {
			return nil
		}
		n = n.fields[i]
	}
	return n
}

// uses says whether a string uses a variable.
func (n *node) uses(variable string) bool {
	if n == nil {
		return false
	}
	if n.program != nil {
		return slices.Contains(n.program.Variables, variable)
	}
	return slices.ContainsFunc(n.parts, func(p part) bool {
		return p.program != nil && slices.Contains(p.program.Variables, variable)
	})
}

// unused warns of parameters that no expression reads: most often a name was misspelt, and a
// developer who sets it would wait for an effect.
func (c *compiler) unused() {
	if c.reads["params"] || c.template.parameters == nil {
		return
	}
	c.unusedBelow("params", c.template.parameters.structural, field.NewPath("spec", "parameters"))
}

func (c *compiler) unusedBelow(path string, s *structuralschema.Structural, at *field.Path) {
	names := make([]string, 0, len(s.Properties))
	for name := range s.Properties {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		below, here := path+"."+name, at.Child("properties").Key(name)
		if c.reads[below] {
			continue
		}
		deeper := false
		for read := range c.reads {
			deeper = deeper || strings.HasPrefix(read, below+".")
		}
		if !deeper {
			c.warnings = append(c.warnings, fmt.Sprintf("%s: no expression uses the parameter: use it, or take it out", here))
			continue
		}
		property := s.Properties[name]
		c.unusedBelow(below, &property, here)
	}
}

// tokens warns of pods that get a token of their account: whether that is refused is a matter of the class.
func (c *compiler) tokens() {
	for i := range c.sources {
		s := &c.sources[i]
		for _, path := range guard.Mounts(s.object) {
			c.warnings = append(c.warnings, fmt.Sprintf("%s.%s: must be false but for classes with serviceAccountTokens: Allowed: else pods get a token of the API server, and what is rendered is refused: set it to false",
				s.path.Child("object"), path))
		}
	}
}
