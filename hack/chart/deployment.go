package main

import (
	"errors"
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

// form is how a value is written: as text in quotes, as a number, or as YAML of several lines.
type form int

const (
	text form = iota
	number
	block
)

// pod is where the pod's specification is.
var pod = []string{"spec", "template", "spec"}

// places of the manager's Deployment.
var places = []place{
	{path: []string{"spec", "replicas"}, value: ".Values.replicas", form: number},
	{path: []string{"spec", "template", "metadata", "annotations"}, form: block,
		value: `merge (dict "kubectl.kubernetes.io/default-container" "manager") .Values.podAnnotations`},
	{path: append(pod, "imagePullSecrets"), value: ".Values.imagePullSecrets", form: block, optional: true},
	{path: append(pod, "priorityClassName"), value: ".Values.priorityClassName", optional: true},
	{path: append(pod, "nodeSelector"), value: ".Values.nodeSelector", form: block, optional: true},
	{path: append(pod, "tolerations"), value: ".Values.tolerations", form: block, optional: true},
	{path: append(pod, "affinity"), value: ".Values.affinity", form: block, optional: true},
	{path: append(pod, "containers", "image"), value: `include "towpath.image" .`},
	{path: append(pod, "containers", "imagePullPolicy"), value: ".Values.image.pullPolicy", optional: true},
	{path: append(pod, "containers", "resources"), value: ".Values.resources", form: block, optional: true},
	{path: append(pod, "volumes", "configMap", "name"), value: `include "towpath.configurationName" .`},
}

// mark stands in a field until the text is made.
const mark = "towpath-place-"

var marked = regexp.MustCompile(`(?m)^( *(?:- )?)([A-Za-z]+): ` + mark + `(\d+)$`)

// deployment is the template of the manager's Deployment.
func deployment(object map[string]any) (string, error) {
	for i, p := range places {
		if !put(object, p.path, fmt.Sprint(mark, i)) {
			return "", fmt.Errorf("there is no place for %s", strings.Join(p.path, "."))
		}
	}
	raw, err := yaml.Marshal(object)
	if err != nil {
		return "", err
	}
	found := 0
	filled := marked.ReplaceAllStringFunc(literal(string(raw)), func(line string) string {
		found++
		m := marked.FindStringSubmatch(line)
		var i int
		_, _ = fmt.Sscan(m[3], &i)
		return fill(places[i], m[1], m[2])
	})
	if found != len(places) {
		return "", fmt.Errorf("%d of %d places were found again", found, len(places))
	}
	return filled, nil
}

// fill is the text of a field: lead is what stands before its key.
func fill(p place, lead, key string) string {
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
func put(at any, path []string, value string) bool {
	switch node := at.(type) {
	case map[string]any:
		if len(path) == 1 {
			node[path[0]] = value
			return true
		}
		return put(node[path[0]], path[1:], value)
	case []any:
		for _, member := range node {
			m, _ := member.(map[string]any)
			if _, has := m[path[0]]; has || len(node) == 1 {
				return put(member, path, value)
			}
		}
	}
	return false
}

// own are the parts of the manager's configuration that belong to the Deployment, with its ports and folders.
var own = []string{"apiVersion", "kind", "health", "metrics", "webhook"}

// configuration is the template of the manager's configuration: what belongs to the Deployment is as it is, everything else
// is a value.
func configuration(object map[string]any) (string, error) {
	metadata, _ := object["metadata"].(map[string]any)
	data, _ := object["data"].(map[string]any)
	content, _ := data["manager.yaml"].(string)
	var all map[string]any
	if err := yaml.Unmarshal([]byte(content), &all); err != nil || len(all) == 0 {
		return "", errors.Join(errors.New("it is not the manager's configuration"), err)
	}
	fixed := map[string]any{}
	for _, key := range own {
		fixed[key] = all[key]
	}
	parts, err := yaml.Marshal(fixed)
	if err != nil {
		return "", err
	}
	metadata["name"] = "towpath-configuration-name"
	delete(object, "data")
	head, err := yaml.Marshal(object)
	if err != nil {
		return "", err
	}
	named := strings.Replace(string(head), "towpath-configuration-name", `{{ include "towpath.configurationName" . }}`, 1)
	body := "    " + strings.ReplaceAll(strings.TrimSpace(literal(string(parts))), "\n", "\n    ")
	return named + "data:\n  manager.yaml: |\n" + body + "\n{{- with .Values.configuration }}\n{{ toYaml . | indent 4 }}\n{{- end }}\n", nil
}
