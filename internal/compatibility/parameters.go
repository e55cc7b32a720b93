package compatibility

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

type props = apiextensionsv1.JSONSchemaProps

// schema compares two schemas of one value: what was accepted must be accepted.
func (c *comparison) schema(path string, old, new *props) {
	if !c.types(path, old, new) {
		return
	}
	c.bounds(path, old, new)
	c.values(path, old, new)
	c.rules(path, old, new)
	c.properties(path, old, new)
	if old.Items != nil && old.Items.Schema != nil && new.Items != nil && new.Items.Schema != nil {
		c.schema(path+"[]", old.Items.Schema, new.Items.Schema)
	}
	c.additional(path, old, new)
	if old.Nullable && !new.Nullable {
		c.breaking(path, "null is not accepted any more")
	}
	c.defaults(path, old, new)
}

// types compares types, and says whether more is worth comparing.
func (c *comparison) types(path string, old, new *props) bool {
	was, is := kind(old), kind(new)
	switch {
	case was == is:
		return true
	case was == "integer" && is == "number", was == "integer" && is == "integer or string", was == "string" && is == "integer or string", is == "anything":
		c.safe(path, "accepts more: was %s, is %s", was, is)
		return true
	}
	c.breaking(path, "another type: was %s, is %s", was, is)
	return false
}

func kind(p *props) string {
	switch {
	case p.XIntOrString:
		return "integer or string"
	case p.Type == "" && p.XPreserveUnknownFields != nil && *p.XPreserveUnknownFields:
		return "anything"
	}
	return p.Type
}

// bounds compares limits. A limit that comes is as one that gets narrower.
func (c *comparison) bounds(path string, old, new *props) {
	lower := func(name string, old, new *float64) {
		switch {
		case new != nil && (old == nil || *new > *old):
			c.breaking(path, "narrowed: %s %s", name, was(old, new))
		case old != nil && (new == nil || *new < *old):
			c.safe(path, "widened: %s %s", name, was(old, new))
		}
	}
	upper := func(name string, old, new *float64) {
		switch {
		case new != nil && (old == nil || *new < *old):
			c.breaking(path, "narrowed: %s %s", name, was(old, new))
		case old != nil && (new == nil || *new > *old):
			c.safe(path, "widened: %s %s", name, was(old, new))
		}
	}
	lower("minimum", old.Minimum, new.Minimum)
	upper("maximum", old.Maximum, new.Maximum)
	lower("minLength", float(old.MinLength), float(new.MinLength))
	upper("maxLength", float(old.MaxLength), float(new.MaxLength))
	lower("minItems", float(old.MinItems), float(new.MinItems))
	upper("maxItems", float(old.MaxItems), float(new.MaxItems))
	lower("minProperties", float(old.MinProperties), float(new.MinProperties))
	upper("maxProperties", float(old.MaxProperties), float(new.MaxProperties))
	for name, changed := range map[string]bool{
		"exclusiveMinimum": !old.ExclusiveMinimum && new.ExclusiveMinimum,
		"exclusiveMaximum": !old.ExclusiveMaximum && new.ExclusiveMaximum,
		"uniqueItems":      !old.UniqueItems && new.UniqueItems,
	} {
		if changed {
			c.breaking(path, "narrowed: %s", name)
		}
	}
	if text(old.MultipleOf) != text(new.MultipleOf) && new.MultipleOf != nil {
		c.breaking(path, "narrowed: multipleOf %s", was(old.MultipleOf, new.MultipleOf))
	}
}

func float(i *int64) *float64 {
	if i == nil {
		return nil
	}
	f := float64(*i)
	return &f
}

func was[T any](old, new *T) string {
	name := func(v *T) string {
		if v == nil {
			return "none"
		}
		return fmt.Sprint(*v)
	}
	return "was " + name(old) + ", is " + name(new)
}

// values compares which values are accepted by name or form.
func (c *comparison) values(path string, old, new *props) {
	names := func(values []apiextensionsv1.JSON) []string {
		all := make([]string, 0, len(values))
		for _, v := range values {
			all = append(all, string(v.Raw))
		}
		return all
	}
	was, is := names(old.Enum), names(new.Enum)
	switch {
	case len(is) > 0 && len(was) == 0:
		c.breaking(path, "narrowed: accepts only %s", strings.Join(is, ", "))
	case len(is) > 0:
		if gone := without(was, is); len(gone) > 0 {
			c.breaking(path, "narrowed: %s is not accepted any more", strings.Join(gone, ", "))
		}
		if come := without(is, was); len(come) > 0 {
			c.safe(path, "accepts %s too", strings.Join(come, ", "))
		}
	case len(was) > 0:
		c.safe(path, "widened: accepts other values than %s", strings.Join(was, ", "))
	}
	if old.Pattern != new.Pattern {
		if new.Pattern == "" {
			c.safe(path, "widened: pattern %s is gone", old.Pattern)
		} else {
			c.breaking(path, "another pattern: was %q, is %q; whether it accepts what the old one did cannot be told", old.Pattern, new.Pattern)
		}
	}
	if old.Format != new.Format && new.Format != "" {
		c.breaking(path, "another format: was %q, is %q", old.Format, new.Format)
	}
}

// without returns what is in a list and not in another.
func without(list, other []string) []string {
	var rest []string
	for _, v := range list {
		if !slices.Contains(other, v) {
			rest = append(rest, v)
		}
	}
	return rest
}

// rules compares x-kubernetes-validations.
func (c *comparison) rules(path string, old, new *props) {
	texts := func(p *props) []string {
		all := make([]string, 0, len(p.XValidations))
		for _, v := range p.XValidations {
			all = append(all, v.Rule)
		}
		return all
	}
	was, is := texts(old), texts(new)
	for _, rule := range without(is, was) {
		c.breaking(path, "a rule that is new: %s; whether all Components meet it cannot be told", rule)
	}
	for _, rule := range without(was, is) {
		c.safe(path, "a rule is gone: %s", rule)
	}
}

// properties compares the fields of an object.
func (c *comparison) properties(path string, old, new *props) {
	for _, name := range slices.Sorted(maps.Keys(old.Properties)) {
		at := path + "." + name
		was := old.Properties[name]
		is, ok := new.Properties[name]
		if !ok {
			c.breaking(at, "removed")
			continue
		}
		c.schema(at, &was, &is)
		if slices.Contains(new.Required, name) && !slices.Contains(old.Required, name) && is.Default == nil {
			c.breaking(at, "required now, without a default")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(new.Properties)) {
		if _, ok := old.Properties[name]; ok {
			continue
		}
		is := new.Properties[name]
		if slices.Contains(new.Required, name) && is.Default == nil {
			c.breaking(path+"."+name, "new, and required without a default")
		} else {
			c.safe(path+"."+name, "new")
		}
	}
}

// additional compares what else an object accepts.
func (c *comparison) additional(path string, old, new *props) {
	open := func(p *props) bool {
		return p.AdditionalProperties != nil && (p.AdditionalProperties.Allows || p.AdditionalProperties.Schema != nil)
	}
	unknown := func(p *props) bool { return p.XPreserveUnknownFields != nil && *p.XPreserveUnknownFields }
	switch {
	case open(old) && !open(new) && !unknown(new):
		c.breaking(path, "narrowed: keys of the user's choice are not accepted any more")
	case unknown(old) && !unknown(new) && !open(new):
		c.breaking(path, "narrowed: fields that the schema does not name are not kept any more")
	case open(old) && open(new) && old.AdditionalProperties.Schema != nil && new.AdditionalProperties.Schema != nil:
		c.schema(path+"[*]", old.AdditionalProperties.Schema, new.AdditionalProperties.Schema)
	}
}

// defaults compares what a field is where a Component says nothing.
func (c *comparison) defaults(path string, old, new *props) {
	value := func(p *props) string {
		if p.Default == nil {
			return "none"
		}
		var v any
		if json.Unmarshal(p.Default.Raw, &v) != nil {
			return string(p.Default.Raw)
		}
		return text(v)
	}
	was, is := value(old), value(new)
	if was == is {
		return
	}
	c.risky(path, "another default: was %s, is %s; Components that do not set it change", was, is)
}
