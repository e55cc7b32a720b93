package main

import (
	"fmt"
	"regexp"
	"strings"

	"sigs.k8s.io/yaml"
)

// place is a field that is a value of the chart: where it is, and what stands there in the template.
type place struct {
	path []string
	// value is an expression that gives the field.
	value string
	// form says how it is written.
	form form
	// optional says that the field is left out where the value is empty.
	optional bool
}

// form is how a value is written: as text in quotes, as a number, as YAML of several lines, or as further members of a list.
type form int

const (
	text form = iota
	number
	block
	// members are YAML of further members of a list, after those that are there.
	members
)

// mark stands in a field until the text is made.
const mark = "towpath-place-"

var marked = regexp.MustCompile(`(?m)^( *)(?:(- )?([A-Za-z]+): |- )` + mark + `(\d+)$`)

// filled is the template of an object with places.
func filled(object map[string]any, places []place) (string, error) {
	for i, p := range places {
		if !put(object, p, p.path, fmt.Sprint(mark, i)) {
			return "", fmt.Errorf("there is no place for %s", strings.Join(p.path, "."))
		}
	}
	raw, err := yaml.Marshal(object)
	if err != nil {
		return "", err
	}
	found := 0
	template := marked.ReplaceAllStringFunc(literal(string(raw)), func(line string) string {
		found++
		m := marked.FindStringSubmatch(line)
		var i int
		_, _ = fmt.Sscan(m[4], &i)
		return fill(places[i], m[1]+m[2], m[3])
	})
	if found != len(places) {
		return "", fmt.Errorf("%d of %d places were found again", found, len(places))
	}
	return template, nil
}

// fill is the text of a field: lead is what stands before its key.
func fill(p place, lead, key string) string {
	if p.form == members {
		return fmt.Sprintf("{{- with %s }}\n{{ toYaml . | indent %d }}\n{{- end }}", p.value, len(lead))
	}
	value, filled := p.value, lead+key+": "
	if p.optional {
		value = "."
	}
	switch p.form {
	case block:
		filled = fmt.Sprintf("%s%s:\n{{ %s | toYaml | indent %d }}", lead, key, value, len(lead)+2)
	case number:
		filled += fmt.Sprintf("{{ %s }}", value)
	default:
		filled += fmt.Sprintf("{{ %s | quote }}", value)
	}
	if p.optional {
		filled = fmt.Sprintf("{{- with %s }}\n%s\n{{- end }}", p.value, filled)
	}
	return filled
}

// put sets a field. A list on the way stands for that one of its members which has the next field, or for its only one.
func put(at any, p place, path []string, value string) bool {
	switch node := at.(type) {
	case map[string]any:
		if len(path) == 1 && p.form == members {
			list, is := node[path[0]].([]any)
			node[path[0]] = append(list, value)
			return is
		}
		if len(path) == 1 {
			node[path[0]] = value
			return true
		}
		return put(node[path[0]], p, path[1:], value)
	case []any:
		for _, member := range node {
			m, _ := member.(map[string]any)
			if _, has := m[path[0]]; has || len(node) == 1 {
				return put(member, p, path, value)
			}
		}
	}
	return false
}
