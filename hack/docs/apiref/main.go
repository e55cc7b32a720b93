// Command apiref writes docs/reference/api.md: every field of every kind, as the definitions that are installed have it, and
// so as the types have it that these are made from.
//
//	go run ./hack/docs/apiref >docs/reference/api.md
package main

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/towpath-dev/towpath/config"
)

const intro = `# API

Every kind and field of ` + "`platform.towpath.dev/v1alpha1`" + `. Made from the definitions by ` + "`make generate`" + `: change the comments in
` + "`api/v1alpha1`" + ` instead. [Concepts](../concepts.md) says what the kinds are for, [conditions](../conditions.md) what their status
says.

A field is required where it says so; ` + "`[]`" + ` is each item of a list, ` + "`{}`" + ` each value of a map. Rules between fields stand
with the field that they are checked at.
`

func main() {
	out := bufio.NewWriter(os.Stdout)
	write(out, config.TypedCRDs())
	if err := out.Flush(); err != nil {
		fmt.Fprintln(os.Stderr, "apiref:", err)
		os.Exit(1)
	}
}

// same are parts that would repeat those of another kind.
var same = map[string]string{
	"ServiceTemplateRevision spec.template": "as `spec` of a [ServiceTemplate](#servicetemplate)",
}

func write(out io.Writer, crds []*apiextensionsv1.CustomResourceDefinition) {
	slices.SortFunc(crds, func(a, b *apiextensionsv1.CustomResourceDefinition) int {
		return strings.Compare(a.Spec.Names.Kind, b.Spec.Names.Kind)
	})
	say(out, "%s\n| kind | short | scope | what it is |\n|---|---|---|---|\n", intro)
	for _, crd := range crds {
		names := crd.Spec.Names
		first, _, _ := strings.Cut(strings.Join(strings.Fields(schema(crd).Description), " "), ". ")
		first = strings.TrimSuffix(first, ".")
		say(out, "| [%s](#%s) | %s | %s | %s |\n", names.Kind, strings.ToLower(names.Kind), strings.Join(quoted(names.ShortNames), ", "), crd.Spec.Scope, cell(first))
	}
	for _, crd := range crds {
		root := schema(crd)
		say(out, "\n## %s\n\n%s\n", crd.Spec.Names.Kind, escape(root.Description))
		rules(out, root)
		for _, part := range []string{"spec", "status"} {
			if properties, ok := root.Properties[part]; ok {
				say(out, "\n### %s %s\n\n%s\n", crd.Spec.Names.Kind, part, escape(properties.Description))
				rules(out, &properties)
				say(out, "\n| field | type | what it is |\n|---|---|---|\n")
				fields(out, crd.Spec.Names.Kind, part, &properties)
			}
		}
	}
}

func schema(crd *apiextensionsv1.CustomResourceDefinition) *apiextensionsv1.JSONSchemaProps {
	return crd.Spec.Versions[0].Schema.OpenAPIV3Schema
}

// rules writes what an object as a whole must be.
func rules(out io.Writer, s *apiextensionsv1.JSONSchemaProps) {
	if len(s.XValidations) == 0 {
		return
	}
	say(out, "\n")
	for _, rule := range s.XValidations {
		say(out, "- %s\n", escape(rule.Message))
	}
}

// fields writes a row for each field of an object, and for those below it.
func fields(out io.Writer, kind, path string, s *apiextensionsv1.JSONSchemaProps) {
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		field := s.Properties[name]
		at := path + "." + name
		if path == "spec" || path == "status" {
			at = name
		}
		text := describe(&field)
		if slices.Contains(s.Required, name) {
			text = strings.TrimSpace("**Required.** " + text)
		}
		other := same[kind+" "+path+"."+name]
		if other != "" {
			text += " " + other + "."
		}
		say(out, "| `%s` | %s | %s |\n", at, kindOf(&field), text)
		if other == "" {
			below(out, kind, at, &field)
		}
	}
}

// below writes the fields of what a field holds.
func below(out io.Writer, kind, path string, s *apiextensionsv1.JSONSchemaProps) {
	switch {
	case s.Items != nil && s.Items.Schema != nil:
		below(out, kind, path+"[]", s.Items.Schema)
	case s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil:
		below(out, kind, path+"{}", s.AdditionalProperties.Schema)
	default:
		fields(out, kind, path, s)
	}
}

// kindOf is the type of a field, and the values that it may have.
func kindOf(s *apiextensionsv1.JSONSchemaProps) string {
	switch {
	case s.XIntOrString:
		return "integer or string"
	case len(s.Enum) > 0:
		var values []string
		for _, value := range s.Enum {
			values = append(values, strings.Trim(string(value.Raw), `"`))
		}
		return "one of " + strings.Join(quoted(values), ", ")
	case s.Items != nil && s.Items.Schema != nil:
		return "list of " + kindOf(s.Items.Schema)
	case s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil:
		return "map of " + kindOf(s.AdditionalProperties.Schema)
	case s.Format != "":
		return s.Format
	case s.Type == "":
		return "anything"
	}
	return s.Type
}

// describe is what a field is, with its default, its bounds and its rules.
func describe(s *apiextensionsv1.JSONSchemaProps) string {
	parts := []string{cell(s.Description)}
	if s.Default != nil && !strings.Contains(s.Description, "Default:") {
		parts = append(parts, "Default: `"+string(s.Default.Raw)+"`.")
	}
	if limits := bounds(s); limits != "" {
		parts = append(parts, limits+".")
	}
	for _, rule := range s.XValidations {
		parts = append(parts, "Rule: "+cell(rule.Message)+".")
	}
	return strings.TrimSpace(strings.Join(parts, " "))
}

func bounds(s *apiextensionsv1.JSONSchemaProps) string {
	var limits []string
	add := func(what string, low, high any) {
		switch {
		case low != nil && high != nil:
			limits = append(limits, fmt.Sprintf("%v to %v%s", low, high, what))
		case low != nil:
			limits = append(limits, fmt.Sprintf("at least %v%s", low, what))
		case high != nil:
			limits = append(limits, fmt.Sprintf("at most %v%s", high, what))
		}
	}
	add("", number(s.Minimum), number(s.Maximum))
	add(" characters", number(s.MinLength), number(s.MaxLength))
	add(" items", number(s.MinItems), number(s.MaxItems))
	add(" entries", number(s.MinProperties), number(s.MaxProperties))
	if s.Pattern != "" {
		limits = append(limits, "matches `"+strings.ReplaceAll(s.Pattern, "|", `\|`)+"`")
	}
	if len(limits) == 0 {
		return ""
	}
	return strings.ToUpper(limits[0][:1]) + strings.Join(limits, "; ")[1:]
}

func number[T int64 | float64](n *T) any {
	if n == nil {
		return nil
	}
	return int64(*n)
}

func quoted(values []string) []string {
	out := make([]string, len(values))
	for i, value := range values {
		out[i] = "`" + value + "`"
	}
	return out
}

// escape keeps a comment from being read as markup.
func escape(text string) string {
	return strings.NewReplacer("<", "&lt;", ">", "&gt;", "*", `\*`, "{{", "{&#123;", "[", `\[`, "]", `\]`).Replace(text)
}

// cell is a comment in one row of a table.
func cell(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(escape(text)), " "), "|", `\|`)
}

// say writes to a buffer, whose error shows when it is flushed.
func say(out io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(out, format, args...) }
