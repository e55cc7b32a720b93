package actions

import (
	"bytes"
	"strings"

	yamlv3 "go.yaml.in/yaml/v3"
)

// The shape of a workflow, in the order in which people read it. Maps are written in the order of their keys.
type (
	workflow struct {
		Name        string            `yaml:"name"`
		On          triggers          `yaml:"on"`
		Permissions map[string]string `yaml:"permissions"`
		Concurrency concurrency       `yaml:"concurrency"`
		Env         map[string]string `yaml:"env"`
		Defaults    defaults          `yaml:"defaults"`
		Jobs        jobs              `yaml:"jobs"`
	}

	triggers struct {
		Push        push         `yaml:"push"`
		PullRequest *pullRequest `yaml:"pull_request,omitempty"`
	}

	push struct {
		Branches []string `yaml:"branches"`
		Tags     []string `yaml:"tags"`
		Paths    []string `yaml:"paths,omitempty"`
	}

	pullRequest struct {
		Branches []string `yaml:"branches"`
		Paths    []string `yaml:"paths,omitempty"`
	}

	concurrency struct {
		Group            string `yaml:"group"`
		CancelInProgress bool   `yaml:"cancel-in-progress"`
	}

	defaults struct {
		Run struct {
			Shell string `yaml:"shell"`
		} `yaml:"run"`
	}

	// jobs keeps the order of the pipeline.
	jobs []named

	named struct {
		id  string
		job *job
	}

	job struct {
		Name           string            `yaml:"name"`
		Needs          []string          `yaml:"needs,omitempty"`
		If             string            `yaml:"if,omitempty"`
		RunsOn         []string          `yaml:"runs-on,flow"`
		TimeoutMinutes int               `yaml:"timeout-minutes"`
		Permissions    map[string]string `yaml:"permissions"`
		Strategy       *strategy         `yaml:"strategy,omitempty"`
		Outputs        map[string]string `yaml:"outputs,omitempty"`
		Steps          []step            `yaml:"steps"`
	}

	strategy struct {
		FailFast bool   `yaml:"fail-fast"`
		Matrix   matrix `yaml:"matrix"`
	}

	matrix struct {
		Include []map[string]string `yaml:"include"`
	}

	step struct {
		Name string            `yaml:"name"`
		ID   string            `yaml:"id,omitempty"`
		If   string            `yaml:"if,omitempty"`
		Uses string            `yaml:"uses,omitempty"`
		With map[string]string `yaml:"with,omitempty"`
		Env  map[string]string `yaml:"env,omitempty"`
		Run  string            `yaml:"run,omitempty"`
	}
)

// MarshalYAML writes jobs as a map in their own order. Their names are texts, also where YAML has another meaning for one, such as true.
func (all jobs) MarshalYAML() (any, error) {
	node := &yamlv3.Node{Kind: yamlv3.MappingNode}
	for _, one := range all {
		value := &yamlv3.Node{}
		if err := value.Encode(one.job); err != nil {
			return nil, err
		}
		node.Content = append(node.Content, &yamlv3.Node{Kind: yamlv3.ScalarNode, Tag: "!!str", Value: one.id}, value)
	}
	return node, nil
}

// encode writes the file.
func (w *workflow) encode(header string) ([]byte, error) {
	var text bytes.Buffer
	text.WriteString(header)
	encoder := yamlv3.NewEncoder(&text)
	encoder.SetIndent(2)
	if err := encoder.Encode(w); err != nil {
		return nil, err
	}
	if err := encoder.Close(); err != nil {
		return nil, err
	}
	return text.Bytes(), nil
}

// literal has GitHub take a string for what it is, wherever it evaluates expressions: what begins one becomes an expression that
// gives just that.
func literal(s string) string { return strings.ReplaceAll(s, "${{", "${{ '${{' }}") }

// pattern has a filter of a trigger match just this name. Of the characters to which GitHub gives a meaning, no branch and no path of a
// Component holds any but these.
func pattern(name string) string {
	name = strings.ReplaceAll(name, "+", `\+`)
	if strings.HasPrefix(name, "!") {
		name = `\` + name
	}
	return name
}
