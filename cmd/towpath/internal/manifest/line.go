package manifest

import (
	"strconv"
	"strings"

	yamlv3 "go.yaml.in/yaml/v3"
)

// LineOf returns the line of a field, or of the nearest field above it that the file has.
func (d *Document) LineOf(path string) int {
	node := d.node
	line := d.Line
	for _, step := range steps(path) {
		key, value := entry(node, step)
		if value == nil {
			break
		}
		// A key's line is where people look: its value may be a block that begins further down.
		node, line = value, d.offset+key.Line
	}
	return line
}

// steps takes a field path apart: spec.environments[1].parameters, metadata.labels[a.b/c].
func steps(path string) []string {
	var found []string
	for path != "" {
		if rest, ok := strings.CutPrefix(path, "["); ok {
			inner, after, closed := strings.Cut(rest, "]")
			if !closed {
				break
			}
			found = append(found, strings.Trim(inner, `"'`))
			path = strings.TrimPrefix(after, ".")
			continue
		}
		end := strings.IndexAny(path, ".[")
		if end < 0 {
			return append(found, path)
		}
		found = append(found, path[:end])
		path = strings.TrimPrefix(path[end:], ".")
	}
	return found
}

// child returns the value under a key or an index.
func child(node *yamlv3.Node, step string) *yamlv3.Node {
	_, value := entry(node, step)
	return value
}

// entry returns a key and its value; an item of a list is its own key.
func entry(node *yamlv3.Node, step string) (key, value *yamlv3.Node) {
	if node != nil && node.Kind == yamlv3.AliasNode {
		node = node.Alias
	}
	if node == nil {
		return nil, nil
	}
	switch node.Kind {
	case yamlv3.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == step {
				return node.Content[i], node.Content[i+1]
			}
		}
	case yamlv3.SequenceNode:
		if index, err := strconv.Atoi(step); err == nil && index >= 0 && index < len(node.Content) {
			return node.Content[index], node.Content[index]
		}
		// Lists of named items are also addressed by name.
		for _, item := range node.Content {
			for _, key := range []string{"name", "id"} {
				if named := child(item, key); named != nil && named.Value == step {
					return item, item
				}
			}
		}
	}
	return nil, nil
}
