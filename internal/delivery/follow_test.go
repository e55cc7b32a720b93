package delivery_test

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/json"
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

// delivered is when the commit abc was.
var delivered = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func TestRead_WhatFluxSays(t *testing.T) {
	const (
		fetched = `{status: {artifact: {revision: "main@sha1:abc", lastUpdateTime: "2026-11-30T12:00:01Z"}}}`
		newer   = `{status: {artifact: {revision: "main@sha1:def", lastUpdateTime: "2026-11-30T12:00:30Z"}}}`
		before  = `{status: {artifact: {revision: "main@sha1:123", lastUpdateTime: "2026-11-30T11:00:00Z"}}}`
		handled = `{metadata: {generation: 3}, status: {observedGeneration: 3, lastHandledReconcileAt: "2026-11-30T12:00:01Z", artifact: {revision: "main@sha1:def", lastUpdateTime: "2026-11-30T11:59:59Z"}}}`
		resumed = `{metadata: {generation: 4}, status: {observedGeneration: 3, lastHandledReconcileAt: "2026-11-30T12:00:01Z", artifact: {revision: "main@sha1:123", lastUpdateTime: "2026-11-30T11:00:00Z"}}}`
		denied  = `{kind: GitRepository, metadata: {namespace: flux, name: r}, status: {conditions: [{type: Ready, status: "False", reason: GitOperationFailed, message: denied}]}}`
		refused = `{kind: Kustomization, metadata: {namespace: flux, name: k}, status: {conditions: [{type: Ready, status: "False", reason: BuildFailed, message: refused, lastTransitionTime: "2026-11-30T12:00:02Z"}]}}`
		says    = "Kustomization flux/k says: BuildFailed: refused"
	)
	for name, tc := range map[string]struct{ repository, kustomization, revision, failure string }{
		"it has applied":                   {fetched, `{status: {lastAppliedRevision: "main@sha1:abc", conditions: [{type: Ready, status: "True"}]}}`, "main@sha1:abc", ""},
		"it is at it":                      {fetched, `{status: {conditions: [{type: Ready, status: "False", reason: DependencyNotReady}]}}`, "", ""},
		"it is refused":                    {fetched, refused, "", says},
		"it was refused what it had":       {before, refused, "", ""},
		"it has not tried the newest":      {newer, refused, "", ""},
		"it was asked, and had the newest": {handled, refused, "", says},
		"it was asked for this very one":   {strings.ReplaceAll(handled, "2026-11-30T12:00:01Z", delivery.FetchRequest("abc", delivered)), refused, "", says},
		"it was asked while suspended":     {resumed, refused, "", ""},
		"it has fetched nothing":           {`{}`, refused, "", ""},
		"it may not read":                  {denied, refused, "", "GitRepository flux/r says: GitOperationFailed: denied"},
		"the Kustomization is suspended":   {fetched, `{kind: Kustomization, metadata: {namespace: flux, name: k}, spec: {suspend: true}}`, "", "Kustomization flux/k is suspended, so nothing new is applied; resume it when it may be"},
		"and so may be what is fetched of": {`{kind: GitRepository, metadata: {namespace: flux, name: r}, spec: {suspend: true}}`, refused, "", "GitRepository flux/r is suspended, so nothing new is applied; resume it when it may be"},
	} {
		got := delivery.ReadFlux(read(t, tc.repository), read(t, tc.kustomization), "abc", delivered)
		if got.Revision != tc.revision || got.Failure != tc.failure || got.Suspended != strings.Contains(tc.failure, "suspended") {
			t.Errorf("%s: it is %+v", name, got)
		}
	}
}

func TestFetched_OnceAfterEachDelivery(t *testing.T) {
	for name, tc := range map[string]struct {
		repository string
		want       bool
	}{
		"never":                    {`{}`, false},
		"before":                   {`{status: {artifact: {revision: "main@sha1:123", lastUpdateTime: "2026-11-30T11:59:59Z"}}}`, false},
		"this very commit":         {`{status: {artifact: {revision: "main@sha1:abc", lastUpdateTime: "2026-11-30T11:59:59Z"}}}`, true},
		"in the same second":       {`{status: {artifact: {revision: "main@sha1:def", lastUpdateTime: "2026-11-30T12:00:00Z"}}}`, false},
		"after it":                 {`{status: {artifact: {revision: "main@sha1:def", lastUpdateTime: "2026-11-30T12:00:01Z"}}}`, true},
		"asked before":             {`{metadata: {annotations: {reconcile.fluxcd.io/requestedAt: "2026-11-30T11:59:59Z"}}}`, false},
		"asked for this one":       {`{metadata: {annotations: {reconcile.fluxcd.io/requestedAt: "` + delivery.FetchRequest("abc", delivered) + `"}}}`, true},
		"asked for another":        {`{metadata: {annotations: {reconcile.fluxcd.io/requestedAt: "` + delivery.FetchRequest("def", delivered) + `"}}}`, false},
		"asked since, by somebody": {`{metadata: {annotations: {reconcile.fluxcd.io/requestedAt: "2026-11-30T13:00:01.123456+01:00"}}}`, true},
		"asked by some word":       {`{metadata: {annotations: {reconcile.fluxcd.io/requestedAt: now}}}`, false},
	} {
		if got := delivery.Fetched(read(t, tc.repository), "abc", delivered); got != tc.want {
			t.Errorf("%s: it is %t", name, got)
		}
	}
}

func read(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{}
	var typed runtime.RawExtension
	if err := yaml.Unmarshal([]byte(text), &typed); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(typed.Raw, &o.Object); err != nil { // that of Kubernetes, which knows whole numbers
		t.Fatal(err)
	}
	return o
}
