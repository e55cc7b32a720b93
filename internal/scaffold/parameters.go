package scaffold

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

const (
	// maxSetting bounds the text of one setting, and maxDepth its path.
	maxSetting = 4096
	maxDepth   = 16
)

var keyPattern = regexp.MustCompile(`^[a-zA-Z0-9_][-a-zA-Z0-9_]{0,62}$`)

// schemaOf reads the schema of a golden path's parameters.
func schemaOf(spec *platformv1alpha1.ServiceTemplateSpec) (*apiextensionsv1.JSONSchemaProps, error) {
	schema := &apiextensionsv1.JSONSchemaProps{}
	if spec.Parameters == nil {
		return schema, nil
	}
	err := json.Unmarshal(spec.Parameters.Raw, schema)
	return schema, err
}

// Settings reads path=value of a command line into parameters. A value is YAML: 8080 is a number, "8080" a text, and so is what no YAML is.
func Settings(settings []string) (map[string]any, error) {
	parameters := map[string]any{}
	for _, setting := range settings {
		path, text, found := strings.Cut(setting, "=")
		keys := strings.Split(path, ".")
		if !found || len(keys) > maxDepth || slices.ContainsFunc(keys, func(key string) bool { return !keyPattern.MatchString(key) }) {
			return nil, fmt.Errorf("--set %q: must be a parameter, an equals sign and a value, such as replicas.min=2", setting)
		}
		if len(text) > maxSetting {
			return nil, fmt.Errorf("--set %s: must have at most %d characters", path, maxSetting)
		}
		if err := put(parameters, keys, valueOf(text), path); err != nil {
			return nil, err
		}
	}
	return parameters, nil
}

// valueOf reads YAML. What is none, such as @daily, is the text that it looks like: the golden path says whether it takes that.
func valueOf(text string) any {
	raw, err := yaml.YAMLToJSON([]byte(text))
	if err != nil || text == "" {
		return text
	}
	var value any
	if utiljson.Unmarshal(raw, &value) != nil {
		return text
	}
	return value
}

func put(into map[string]any, keys []string, value any, path string) error {
	for _, key := range keys[:len(keys)-1] {
		below, isMap := into[key].(map[string]any)
		if into[key] != nil && !isMap {
			return fmt.Errorf("--set %s: %s is set to a value already", path, key)
		}
		if below == nil {
			below = map[string]any{}
			into[key] = below
		}
		into = below
	}
	last := keys[len(keys)-1]
	if _, set := into[last]; set {
		return fmt.Errorf("--set %s: is set twice", path)
	}
	into[last] = value
	return nil
}

// Fill adds what the golden path requires and nobody told: values of an example where it has one, else the first that the
// schema names. It returns the paths that it filled, for whoever must look at them.
func Fill(spec *platformv1alpha1.ServiceTemplateSpec, parameters, example map[string]any) ([]string, error) {
	schema, err := schemaOf(spec)
	if err != nil {
		return nil, fmt.Errorf("the parameters of the golden path are no schema: %w", err)
	}
	return fill(schema, parameters, example, ""), nil
}

func fill(schema *apiextensionsv1.JSONSchemaProps, parameters, example map[string]any, at string) []string {
	var filled []string
	for _, name := range schema.Required {
		property := schema.Properties[name]
		if _, given := parameters[name]; given || property.Default != nil {
			continue
		}
		if value, known := example[name]; known {
			parameters[name] = value
		} else {
			parameters[name] = placeholder(&property, maxDepth)
		}
		filled = append(filled, at+name)
	}
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		below, isMap := parameters[name].(map[string]any)
		if isMap && !slices.Contains(filled, at+name) {
			property := schema.Properties[name]
			inExample, _ := example[name].(map[string]any)
			filled = append(filled, fill(&property, below, inExample, at+name+".")...)
		}
	}
	return filled
}

// placeholder is a value that the schema takes, as far as its plain bounds say; rules and patterns are for the check.
func placeholder(schema *apiextensionsv1.JSONSchemaProps, depth int) any {
	for _, raw := range append([]apiextensionsv1.JSON{deref(schema.Default), deref(schema.Example)}, schema.Enum...) {
		var value any
		if len(raw.Raw) > 0 && utiljson.Unmarshal(raw.Raw, &value) == nil {
			return value
		}
	}
	switch {
	case schema.Type == "integer", schema.Type == "number", schema.XIntOrString:
		if schema.Minimum != nil {
			return int64(*schema.Minimum)
		}
		return int64(1)
	case schema.Type == "boolean":
		return false
	case schema.Type == "array":
		items := []any{}
		if schema.MinItems != nil && schema.Items != nil && schema.Items.Schema != nil && depth > 0 {
			for range min(*schema.MinItems, 16) {
				items = append(items, placeholder(schema.Items.Schema, depth-1))
			}
		}
		return items
	case schema.Type == "object":
		value := map[string]any{}
		if depth > 0 {
			for _, name := range schema.Required {
				if property := schema.Properties[name]; property.Default == nil {
					value[name] = placeholder(&property, depth-1)
				}
			}
		}
		return value
	}
	return "change-me"
}

func deref(value *apiextensionsv1.JSON) apiextensionsv1.JSON {
	if value == nil {
		return apiextensionsv1.JSON{}
	}
	return *value
}
