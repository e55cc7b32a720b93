package scaffold

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// maxComment bounds what a comment tells of a parameter.
const maxComment = 110

// Component makes component.yaml: what the developer told, and as comments what else the golden path takes.
func Component(in *Input) ([]byte, error) {
	metadata := map[string]any{"name": in.Name}
	if in.Namespace != "" {
		metadata["namespace"] = in.Namespace
	}
	if repository := in.browsable(); repository != "" {
		metadata["annotations"] = map[string]any{SourceLocation: "url:" + strings.TrimSuffix(repository, "/") + "/"}
	}
	path := make([]any, len(in.Environments))
	for i, name := range in.Environments {
		path[i] = map[string]any{"name": name}
	}
	var text strings.Builder
	text.WriteString("# What runs where. \"towpath lint component.yaml\" checks it, \"towpath render -f component.yaml\" shows what it becomes.\n")
	for _, part := range []map[string]any{
		{"apiVersion": platformv1alpha1.GroupVersion.String()}, {"kind": "Component"}, {"metadata": metadata},
	} {
		if err := write(&text, part, ""); err != nil {
			return nil, err
		}
	}
	text.WriteString("spec:\n")
	parts := []map[string]any{{"templateRef": map[string]any{"name": in.Template}}, in.runs()}
	if len(in.Parameters) > 0 {
		parts = append(parts, map[string]any{"parameters": in.Parameters})
	}
	for _, part := range parts {
		if err := write(&text, part, "  "); err != nil {
			return nil, err
		}
	}
	comments(&text, in)
	err := write(&text, map[string]any{"environments": path}, "  ")
	return []byte(text.String()), err
}

// runs says which image runs: the one that is named, or those that are built.
func (in *Input) runs() map[string]any {
	if in.Engine == "" {
		return map[string]any{"image": in.Image}
	}
	return map[string]any{"source": map[string]any{
		"repository": strings.TrimSuffix(in.Repository, "/"), "branch": "main", "engine": string(in.Engine), "image": pushedTo(in.Image),
	}}
}

// pushedTo is an image without tag and digest.
func pushedTo(image string) string {
	image, _, _ = strings.Cut(image, "@")
	if colon := strings.LastIndex(image, ":"); colon > strings.LastIndex(image, "/") {
		return image[:colon]
	}
	return image
}

// write adds YAML, further in.
func write(text *strings.Builder, value map[string]any, indent string) error {
	lines, err := yaml.Marshal(value)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(lines)) {
		text.WriteString(indent + line)
	}
	return nil
}

// comments list the parameters that the Component leaves to their defaults.
func comments(text *strings.Builder, in *Input) {
	schema, err := schemaOf(in.Spec)
	if err != nil {
		return // whoever checks the Component against the golden path says so
	}
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		if _, given := in.Parameters[name]; given {
			continue
		}
		property := schema.Properties[name]
		told := strings.Join(strings.Fields(property.Description), " ")
		if end := strings.Index(told, ". "); end > 0 {
			told = told[:end+1]
		}
		if cut := []rune(told); len(cut) > maxComment {
			told = string(cut[:maxComment-1]) + "…"
		}
		line := "  #   " + name
		if property.Default != nil && string(property.Default.Raw) != "{}" {
			line += " (" + strings.Join(strings.Fields(string(property.Default.Raw)), " ") + ")"
		}
		lines = append(lines, printable(strings.TrimRight(line+": "+told, " :"))+"\n")
	}
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(text, "  # parameters that %s has defaults for:\n%s", in.Template, strings.Join(lines, ""))
}

// printable takes out what would end a comment, or hide in it.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x2028 || r == 0x2029 || r == 0xfeff || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return -1
		}
		return r
	}, text)
}
