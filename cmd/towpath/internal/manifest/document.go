// Package manifest reads YAML and JSON files into documents that know their lines, and checks
// documents of Towpath's kinds against the schemas that the cluster would check them against.
//
// Files come from anyone: sizes, depth and aliases are bounded before anything is expanded.
package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	yamlv3 "go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

// Limits of one document.
const (
	// MaxDocumentSize is twice what an API server takes.
	MaxDocumentSize = 3 << 20
	// maxNodes bounds a document after its aliases are expanded. A document of the largest size
	// holds fewer, unless it is made to be expensive.
	maxNodes = 200_000
	// maxDepth is far deeper than any Kubernetes object.
	maxDepth = 200
)

// Document is one YAML document of a file.
type Document struct {
	// File as it was named, and Line that the document begins at.
	File string
	Line int
	// Object that the document holds.
	Object *unstructured.Unstructured
	// node keeps the lines of fields.
	node *yamlv3.Node
	// offset is how many lines of the file come before the document's text.
	offset int
}

// FromObject is a document that was not read from a file, such as what ships with Towpath.
func FromObject(source string, object *unstructured.Unstructured) *Document {
	return &Document{File: source, Line: 1, Object: object}
}

// ID is the kind and name of the document, for people.
func (d *Document) ID() string {
	name := d.Object.GetName()
	if name == "" {
		name = "(no name)"
	}
	return d.Object.GetKind() + "/" + name
}

// Problem is a document that cannot be read.
type Problem struct {
	File    string
	Line    int
	Message string
}

// Parse splits a file into its documents. What cannot be read is a Problem, and does not keep the
// other documents of the file from being read.
func Parse(file string, data []byte) (documents []*Document, problems []Problem) {
	for _, part := range split(data) {
		document, err := parse(file, part)
		if err != nil {
			problems = append(problems, Problem{File: file, Line: part.line + err.line, Message: err.Error()})
			continue
		}
		if document != nil {
			documents = append(documents, items(document)...)
		}
	}
	return documents, problems
}

// part is the text between two separators; line counts from 1.
type part struct {
	text []byte
	line int
}

// split cuts a file at its lines of ---, so that one broken document does not hide the others.
func split(data []byte) []part {
	var parts []part
	start, startLine, line := 0, 1, 1
	for at := 0; at < len(data); line++ {
		end := len(data)
		if newline := bytes.IndexByte(data[at:], '\n'); newline >= 0 {
			end = at + newline + 1
		}
		text := bytes.TrimRight(data[at:end], " \t\r\n")
		if bytes.Equal(text, []byte("---")) || bytes.HasPrefix(text, []byte("--- ")) {
			parts = append(parts, part{data[start:at], startLine})
			// What follows the separator on its line belongs to the next document.
			start, startLine = at+len("---"), line
		}
		at = end
	}
	return append(parts, part{data[start:], startLine})
}

// parseError is an error at a line relative to the part.
type parseError struct {
	error
	line int
}

func parse(file string, from part) (*Document, *parseError) {
	if len(from.text) > MaxDocumentSize {
		return nil, &parseError{fmt.Errorf("the document has %d bytes and must have at most %d; split it", len(from.text), MaxDocumentSize), 0}
	}
	var root yamlv3.Node
	if err := yamlv3.Unmarshal(from.text, &root); err != nil {
		return nil, yamlError(err)
	}
	if len(root.Content) == 0 {
		return nil, nil
	}
	node := root.Content[0]
	budget := maxNodes
	if err := expand(node, 0, &budget, map[*yamlv3.Node]bool{}); err != nil {
		return nil, err
	}
	// The same conversion as kubectl's, so that yes, 0o17 and 1e3 mean what they mean to a cluster.
	converted, err := yaml.YAMLToJSONStrict(from.text)
	if err != nil {
		return nil, yamlError(err)
	}
	var value any
	if err := utiljson.Unmarshal(converted, &value); err != nil {
		return nil, &parseError{err, node.Line - 1}
	}
	object, ok := value.(map[string]any)
	if value == nil {
		return nil, nil
	}
	if !ok {
		return nil, &parseError{fmt.Errorf("the document is %s, and must be an object with apiVersion and kind", kindOf(value)), node.Line - 1}
	}
	return &Document{
		File: file, Line: from.line + node.Line - 1, Object: &unstructured.Unstructured{Object: object},
		node: node, offset: from.line - 1,
	}, nil
}

// expand counts the nodes of a document as if its aliases were expanded, and stops at the limit:
// nine aliases of nine aliases make a billion nodes from a few lines.
func expand(node *yamlv3.Node, depth int, budget *int, open map[*yamlv3.Node]bool) *parseError {
	if *budget--; *budget < 0 {
		return &parseError{fmt.Errorf("the document has more than %d values once its aliases are expanded; write it without anchors", maxNodes), node.Line - 1}
	}
	if depth > maxDepth {
		return &parseError{fmt.Errorf("the document is nested more than %d levels deep", maxDepth), node.Line - 1}
	}
	if node.Kind == yamlv3.AliasNode {
		if open[node.Alias] {
			return &parseError{fmt.Errorf("the anchor &%s contains itself", node.Value), node.Line - 1}
		}
		open[node.Alias] = true
		defer delete(open, node.Alias)
		return expand(node.Alias, depth+1, budget, open)
	}
	for _, child := range node.Content {
		if err := expand(child, depth+1, budget, open); err != nil {
			return err
		}
	}
	return nil
}

// yamlError takes the line out of a YAML library's error: "yaml: line 3: did not find …".
func yamlError(err error) *parseError {
	message := err.Error()
	for _, prefix := range []string{"error converting YAML to JSON: ", "yaml: "} {
		message = strings.TrimPrefix(message, prefix)
	}
	message = strings.TrimSpace(strings.TrimPrefix(message, "unmarshal errors:"))
	line := 1
	if n, scanErr := fmt.Sscanf(message, "line %d: ", &line); n == 1 && scanErr == nil {
		_, message, _ = strings.Cut(message, ": ")
	}
	return &parseError{errors.New("not readable as YAML: " + message), max(line, 1) - 1}
}

// items takes a List apart, as kubectl prints one.
func items(document *Document) []*Document {
	if document.Object.GetKind() != "List" || document.Object.GetAPIVersion() != "v1" {
		return []*Document{document}
	}
	list, _, _ := unstructured.NestedSlice(document.Object.Object, "items")
	var documents []*Document
	for i, item := range list {
		object, ok := item.(map[string]any)
		if !ok {
			continue
		}
		node := child(child(document.node, "items"), fmt.Sprint(i))
		line := document.Line
		if node != nil {
			line = document.offset + node.Line
		}
		documents = append(documents, &Document{
			File: document.File, Line: line, Object: &unstructured.Unstructured{Object: object}, node: node, offset: document.offset,
		})
	}
	return documents
}

func kindOf(value any) string {
	switch value.(type) {
	case []any:
		return "a list"
	case string:
		return "a text"
	default:
		return fmt.Sprintf("the value %v", value)
	}
}
