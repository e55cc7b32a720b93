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
	c.combinations(path, old, new)
	c.forms(path, old, new)
	c.properties(path, old, new)
	if new.Items != nil && new.Items.Schema != nil {
		items := anything()
		if old.Items != nil && old.Items.Schema != nil {
			items = old.Items.Schema
		}
		c.schema(path+"[]", items, new.Items.Schema)
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
		if slices.Contains(new.Required, name) && is.Default == nil {
			switch {
			case !slices.Contains(old.Required, name):
				c.breaking(at, "required now, without a default")
			case was.Default != nil:
				c.breaking(at, "required, and without a default now: was %s; a Component that does not set it cannot get the revision", defaultOf(&was))
			}
			was.Default = nil // to be without one is more than to have another
		}
		c.schema(at, &was, &is)
	}
	for _, name := range slices.Sorted(maps.Keys(new.Properties)) {
		if _, ok := old.Properties[name]; !ok {
			c.property(path, name, old, new)
		}
	}
	for _, name := range without(new.Required, old.Required) {
		_, had := old.Properties[name]
		if _, has := new.Properties[name]; !had && !has {
			c.breaking(path+"."+name, "required now, and the schema has no default for it")
		}
	}
}

// property is a field that an object names anew. Where any name was accepted, Components may have it already.
func (c *comparison) property(path, name string, old, new *props) {
	at, is := path+"."+name, new.Properties[name]
	if slices.Contains(new.Required, name) && is.Default == nil && !slices.Contains(old.Required, name) {
		c.breaking(at, "new, and required without a default")
		return
	}
	said := len(c.changes)
	if accepted := others(old); accepted != nil {
		c.schema(at, accepted, &is)
	}
	if len(c.changes) == said {
		c.safe(at, "new")
	}
}

// anything is the schema that accepts any value.
func anything() *props {
	yes := true
	return &props{XPreserveUnknownFields: &yes}
}

// others is the schema of the fields that a schema does not name; nil where it accepts none.
func others(p *props) *props {
	switch {
	case p.AdditionalProperties != nil && p.AdditionalProperties.Schema != nil:
		return p.AdditionalProperties.Schema
	case p.AdditionalProperties != nil && p.AdditionalProperties.Allows, p.XPreserveUnknownFields != nil && *p.XPreserveUnknownFields:
		return anything()
	}
	return nil
}

// additional compares what else an object accepts.
func (c *comparison) additional(path string, old, new *props) {
	was, is := others(old), others(new)
	switch {
	case text(was) == text(is), was == nil && kind(old) != kind(new): // which is said already
	case was == nil:
		c.safe(path, "widened: keys of the user's choice are accepted")
	case is == nil && old.AdditionalProperties == nil:
		c.breaking(path, "narrowed: fields that the schema does not name are not kept any more")
	case is == nil:
		c.breaking(path, "narrowed: keys of the user's choice are not accepted any more")
	default:
		c.schema(path+"[*]", was, is)
	}
}

// combinations compares what a value must meet besides: all of some schemas, any, one or none of them. Whether another
// one accepts the same is not told; that less has to be met is.
func (c *comparison) combinations(path string, old, new *props) {
	texts := func(list []props) []string {
		all := make([]string, 0, len(list))
		for i := range list {
			all = append(all, text(&list[i]))
		}
		return all
	}
	const unknown = "another %s: was %s, is %s; whether it accepts what the old one did cannot be told"
	compare := func(name string, was, is []string, wider bool) {
		switch come, gone := without(is, was), without(was, is); {
		case len(come) == 0 && len(gone) == 0 && len(was) == len(is):
		case len(is) == 0 || wider && len(was) > 0 || name == "allOf" && len(come) == 0:
			c.safe(path, "widened: %s %s", name, shown(was, is))
		case len(was) == 0:
			c.breaking(path, "narrowed: %s is new: %s; whether all Components meet it cannot be told", name, strings.Join(is, ", "))
		default:
			c.breaking(path, unknown, name, strings.Join(was, ", "), strings.Join(is, ", "))
		}
	}
	compare("allOf", texts(old.AllOf), texts(new.AllOf), false)
	anyOf := texts(old.AnyOf)
	compare("anyOf", anyOf, texts(new.AnyOf), len(without(anyOf, texts(new.AnyOf))) == 0)
	compare("oneOf", texts(old.OneOf), texts(new.OneOf), false)
	not := func(p *props) []props {
		if p.Not == nil {
			return nil
		}
		return []props{*p.Not}
	}
	compare("not", texts(not(old)), texts(not(new)), false)
}

func shown(was, is []string) string {
	name := func(list []string) string {
		if len(list) == 0 {
			return "none"
		}
		return strings.Join(list, ", ")
	}
	return "was " + name(was) + ", is " + name(is)
}

// forms compares what lists and objects are taken for: items of a set must differ, those of a map by their keys, and
// an embedded resource must have an apiVersion and a kind.
func (c *comparison) forms(path string, old, new *props) {
	form := func(p *props) string {
		switch {
		case p.XListType == nil || *p.XListType == "atomic":
			return ""
		case *p.XListType == "map":
			return "map by " + strings.Join(p.XListMapKeys, ", ")
		}
		return *p.XListType
	}
	switch was, is := form(old), form(new); {
	case was == is:
	case is == "":
		c.safe(path, "widened: items need not differ any more: was a %s", was)
	case was == "":
		c.breaking(path, "narrowed: items must differ: is a %s", is)
	default:
		c.breaking(path, "items must differ in another way: was a %s, is a %s", was, is)
	}
	switch {
	case new.XEmbeddedResource && !old.XEmbeddedResource:
		c.breaking(path, "narrowed: must be an object of Kubernetes, with apiVersion and kind")
	case old.XEmbeddedResource && !new.XEmbeddedResource:
		c.safe(path, "widened: need not be an object of Kubernetes any more")
	}
}

// defaults compares what a field is where a Component says nothing.
func (c *comparison) defaults(path string, old, new *props) {
	was, is := defaultOf(old), defaultOf(new)
	if was == is {
		return
	}
	c.risky(path, "another default: was %s, is %s; Components that do not set it change", was, is)
}

func defaultOf(p *props) string {
	if p.Default == nil {
		return "none"
	}
	var v any
	if json.Unmarshal(p.Default.Raw, &v) != nil {
		return string(p.Default.Raw)
	}
	return text(v)
}
