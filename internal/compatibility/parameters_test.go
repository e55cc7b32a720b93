package compatibility_test

import (
	"strings"
	"testing"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/compatibility"
)

// parametrized is a template whose parameters are an object with so much in its schema.
func parametrized(t *testing.T, schema string) *platformv1alpha1.ServiceTemplateSpec {
	t.Helper()
	return spec(t, "summary: x\nresources: []\nparameters: {type: object"+schema+"}\n")
}

// TestCompare_WhatSchemasAccept compares schemas in everything that is enforced besides types and bounds.
func TestCompare_WhatSchemasAccept(t *testing.T) {
	const safe, risky, breaking = platformv1alpha1.ChangeSafe, platformv1alpha1.ChangeRisky, platformv1alpha1.ChangeBreaking
	const (
		open  = ", x-kubernetes-preserve-unknown-fields: true"
		list  = ", properties: {l: {type: array, items: {type: object, properties: {k: {type: string, default: a}, v: {type: string, default: b}}}"
		text  = ", properties: {s: {type: string"
		tools = ", properties: {o: {type: object, x-kubernetes-preserve-unknown-fields: true"
	)
	for name, c := range map[string]struct {
		old, new string
		level    platformv1alpha1.ChangeLevel
		want     string // path: message; empty for no change
	}{
		"a value that must not be":     {text + "}}", text + ", not: {enum: [a]}}}", breaking, "parameters.s: narrowed: not is new: {"},
		"one that may be":              {text + ", not: {enum: [a]}}}", text + "}}", safe, "parameters.s: widened: not was {"},
		"another that must not be":     {text + ", not: {enum: [a]}}}", text + ", not: {enum: [b]}}}", breaking, "parameters.s: another not: was {"},
		"all of something":             {text + "}}", text + ", allOf: [{maxLength: 3}]}}", breaking, "parameters.s: narrowed: allOf is new"},
		"all of more":                  {text + ", allOf: [{maxLength: 3}]}}", text + ", allOf: [{maxLength: 3}, {minLength: 1}]}}", breaking, "parameters.s: another allOf"},
		"all of less":                  {text + ", allOf: [{maxLength: 3}, {minLength: 1}]}}", text + ", allOf: [{maxLength: 3}]}}", safe, "parameters.s: widened: allOf"},
		"any of something":             {text + "}}", text + ", anyOf: [{maxLength: 3}]}}", breaking, "parameters.s: narrowed: anyOf is new"},
		"any of more":                  {text + ", anyOf: [{maxLength: 3}]}}", text + ", anyOf: [{maxLength: 3}, {minLength: 9}]}}", safe, "parameters.s: widened: anyOf"},
		"any of less":                  {text + ", anyOf: [{maxLength: 3}, {minLength: 9}]}}", text + ", anyOf: [{maxLength: 3}]}}", breaking, "parameters.s: another anyOf"},
		"any of nothing":               {text + ", anyOf: [{maxLength: 3}]}}", text + "}}", safe, "parameters.s: widened: anyOf"},
		"one of less":                  {", oneOf: [{required: [a]}, {required: [b]}]", ", oneOf: [{required: [a]}]", breaking, "parameters: another oneOf"},
		"one of more":                  {", oneOf: [{required: [a]}]", ", oneOf: [{required: [a]}, {required: [b]}]", breaking, "parameters: another oneOf"},
		"one of the same":              {", oneOf: [{required: [a]}, {required: [b]}]", ", oneOf: [{required: [b]}, {required: [a]}]", safe, ""},
		"a set":                        {list + "}}", list + ", x-kubernetes-list-type: set}}", breaking, "parameters.l: narrowed: items must differ: is a set"},
		"a map":                        {list + ", x-kubernetes-list-type: atomic}}", list + ", x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [k]}}", breaking, "parameters.l: narrowed: items must differ: is a map by k"},
		"a map by another key":         {list + ", x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [k]}}", list + ", x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [v]}}", breaking, "parameters.l: items must differ in another way"},
		"no set any more":              {list + ", x-kubernetes-list-type: set}}", list + "}}", safe, "parameters.l: widened: items need not differ"},
		"any value to some":            {", additionalProperties: true", ", additionalProperties: {type: string}", breaking, "parameters[*]: another type: was anything, is string"},
		"unknown ones to some":         {open, ", additionalProperties: {type: string}", breaking, "parameters[*]: another type: was anything, is string"},
		"some to any value":            {", additionalProperties: {type: string}", ", additionalProperties: true", safe, "parameters[*]: accepts more: was string, is anything"},
		"unknown ones to any":          {open, ", additionalProperties: true", safe, ""},
		"unknown ones no more":         {open, "", breaking, "parameters: narrowed: fields that the schema does not name"},
		"unknown ones":                 {"", open, safe, "parameters: widened: keys of the user's choice"},
		"a name among unknown ones":    {open, open + ", properties: {a: {type: string}}", breaking, "parameters.a: another type: was anything, is string"},
		"any name among unknown ones":  {open, open + ", properties: {a: {x-kubernetes-preserve-unknown-fields: true}}", safe, "parameters.a: new"},
		"a name that fits the others":  {", additionalProperties: {type: string}", ", additionalProperties: {type: string}, properties: {a: {type: string}}", safe, "parameters.a: new"},
		"an unknown one is required":   {open, open + ", required: [a]", breaking, "parameters.a: required now, and the schema has no default"},
		"a default less":               {", properties: {a: {type: integer, default: 1}}", ", properties: {a: {type: integer}}", risky, "parameters.a: another default: was 1, is none"},
		"a default less, and required": {", required: [a], properties: {a: {type: integer, default: 1}}", ", required: [a], properties: {a: {type: integer}}", breaking, "parameters.a: required, and without a default now: was 1"},
		"an object of Kubernetes":      {tools + "}}", tools + ", x-kubernetes-embedded-resource: true}}", breaking, "parameters.o: narrowed: must be an object of Kubernetes"},
		"any object":                   {tools + ", x-kubernetes-embedded-resource: true}}", tools + "}}", safe, "parameters.o: widened: need not be an object of Kubernetes"},
	} {
		t.Run(name, func(t *testing.T) {
			changes, err := compatibility.Compare(parametrized(t, c.old), parametrized(t, c.new))
			if err != nil {
				t.Fatal(err)
			}
			if c.want == "" {
				if len(changes) > 0 {
					t.Errorf("got %v, want no changes", changes)
				}
				return
			}
			if len(changes) != 1 || changes[0].Level != c.level || !strings.HasPrefix(changes[0].Path+": "+changes[0].Message, c.want) {
				t.Errorf("got %v\nwant only %s %s", changes, c.level, c.want)
			}
		})
	}
}
