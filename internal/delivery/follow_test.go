package delivery_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/towpath-dev/towpath/internal/delivery"
)

func TestFollowers_OfTwoComponentsNeverMeet(t *testing.T) {
	follower := func(namespace, component string) delivery.Follower {
		return delivery.Follower{Target: delivery.Target{Component: delivery.Component{Name: component}, Environment: delivery.Environment{Namespace: namespace}}}
	}
	a, b := follower("shop-prod", "a-b"), follower("shop-prod-a", "b")
	if a.Name() == b.Name() {
		t.Errorf("both are named %s", a.Name())
	}
	long := follower("shop-production-in-a-region-far-away", "a-component-with-a-name-of-forty-letters")
	if got := len(long.Name()); got > 63 {
		t.Errorf("%s has %d characters", long.Name(), got)
	}
}

func TestHolds_LeavesAloneWhatOthersAdd(t *testing.T) {
	want := map[string]any{"a": "b", "list": []any{"x", map[string]any{"y": "z"}}}
	for name, tc := range map[string]struct {
		live any
		want bool
	}{
		"the same":         {map[string]any{"a": "b", "list": []any{"x", map[string]any{"y": "z"}}}, true},
		"more fields":      {map[string]any{"a": "b", "c": int64(1), "list": []any{"x", map[string]any{"y": "z", "more": true}}}, true},
		"another value":    {map[string]any{"a": "c", "list": []any{"x", map[string]any{"y": "z"}}}, false},
		"a longer list":    {map[string]any{"a": "b", "list": []any{"x", "w", map[string]any{"y": "z"}}}, false},
		"nothing":          {nil, false},
		"something else":   {"text", false},
		"a field is gone":  {map[string]any{"list": []any{"x", map[string]any{"y": "z"}}}, false},
		"a list is a text": {map[string]any{"a": "b", "list": "x"}, false},
	} {
		if got := delivery.Holds(tc.live, want); got != tc.want {
			t.Errorf("%s: it is %t", name, got)
		}
	}
}

func TestRead_WhatArgoCDAndFluxSay(t *testing.T) {
	for name, tc := range map[string]struct {
		read              func(*unstructured.Unstructured) delivery.Followed
		status            string
		revision, failure string
	}{
		"Argo CD has applied":   {delivery.ReadApplication, `{operationState: {phase: Succeeded, syncResult: {revision: abc}}, sync: {revision: def}}`, "abc", ""},
		"Argo CD has not begun": {delivery.ReadApplication, `{}`, "", ""},
		"Argo CD is refused":    {delivery.ReadApplication, `{operationState: {phase: Failed, message: refused}}`, "", "refused"},
		"Argo CD cannot read":   {delivery.ReadApplication, `{conditions: [{type: ComparisonError, message: no such path}]}`, "", "ComparisonError: no such path"},
		"Flux has applied":      {delivery.ReadFlux, `{lastAppliedRevision: "main@sha1:abc", conditions: [{type: Ready, status: "True"}]}`, "main@sha1:abc", ""},
		"Flux is at it":         {delivery.ReadFlux, `{conditions: [{type: Ready, status: "False", reason: DependencyNotReady}]}`, "", ""},
		"Flux is refused":       {delivery.ReadFlux, `{conditions: [{type: Ready, status: "False", reason: BuildFailed, message: refused}]}`, "", "BuildFailed: refused"},
	} {
		var status map[string]any
		if err := yaml.Unmarshal([]byte(tc.status), &status); err != nil {
			t.Fatal(err)
		}
		got := tc.read(&unstructured.Unstructured{Object: map[string]any{"status": status}})
		if got.Revision != tc.revision || got.Failure != tc.failure {
			t.Errorf("%s: it is %+v", name, got)
		}
	}
}
