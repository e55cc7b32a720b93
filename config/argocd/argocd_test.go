// Package argocd_test runs health.lua as Argo CD does.
package argocd_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"
	"sigs.k8s.io/yaml"

	"github.com/towpath-dev/towpath/config"
)

// health runs the script on an object, in an interpreter with the libraries that Argo CD opens: neither strings nor files.
func health(t *testing.T, object map[string]any) (status, message string) {
	t.Helper()
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	state.SetContext(ctx)
	for name, open := range map[string]lua.LGFunction{lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable} {
		if err := state.CallByParam(lua.P{Fn: state.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			t.Fatal(err)
		}
	}
	script, err := os.ReadFile("health.lua")
	if err != nil {
		t.Fatal(err)
	}
	state.SetGlobal("obj", value(state, object))
	if err := state.DoString(string(script)); err != nil {
		t.Fatal(err)
	}
	result, isTable := state.Get(-1).(*lua.LTable)
	if !isTable {
		t.Fatalf("the script returned a %s", state.Get(-1).Type())
	}
	return result.RawGetString("status").String(), result.RawGetString("message").String()
}

func value(state *lua.LState, of any) lua.LValue {
	switch of := of.(type) {
	case map[string]any:
		table := state.NewTable()
		for key, field := range of {
			table.RawSetString(key, value(state, field))
		}
		return table
	case []any:
		table := state.NewTable()
		for _, item := range of {
			table.Append(value(state, item))
		}
		return table
	case string:
		return lua.LString(of)
	case float64:
		return lua.LNumber(of)
	case bool:
		return lua.LBool(of)
	}
	return lua.LNil
}

func object(t *testing.T, text string) map[string]any {
	t.Helper()
	var found map[string]any
	if err := yaml.Unmarshal([]byte(text), &found); err != nil {
		t.Fatal(err)
	}
	return found
}

func TestHealth(t *testing.T) {
	for name, test := range map[string]struct{ object, status, message string }{
		"not seen": {`{kind: Component, metadata: {generation: 1}}`, "Progressing", "the manager of Towpath has not seen it yet"},
		"a status without conditions": {`{kind: Component, metadata: {generation: 1}, status: {observedGeneration: 1}}`,
			"Progressing", "the manager of Towpath has not seen it yet"},
		"conditions without Ready": {`{kind: Component, metadata: {generation: 1}, status: {observedGeneration: 1, conditions: []}}`,
			"Progressing", "the manager of Towpath has not said yet how it is"},
		"an older generation": {`{kind: Component, metadata: {generation: 2}, status: {observedGeneration: 1, conditions: [{type: Ready, status: "True", reason: Ready}]}}`,
			"Progressing", "the manager of Towpath has not seen its newest spec yet"},
		"being deleted": {`{kind: Component, metadata: {generation: 1, deletionTimestamp: "2026-11-20T09:14:00Z"}, status: {observedGeneration: 1, conditions: [{type: Ready, status: "True", reason: Ready}]}}`,
			"Progressing", "it is being deleted"},
		"ready": {`{kind: Component, metadata: {generation: 1}, status: {observedGeneration: 1, conditions: [{type: Promoted, status: "True", reason: Promoted}, {type: Ready, status: "True", reason: Ready, message: fine}]}}`,
			"Healthy", "Ready: fine"},
		"stalled": {`{kind: Component, metadata: {generation: 1}, status: {observedGeneration: 1, conditions: [{type: Ready, status: "False", reason: Refused, message: no}, {type: Stalled, status: "True", reason: Refused, message: hostPath}]}}`,
			"Degraded", "Refused: hostPath"},
		"stalled no more": {`{kind: Component, metadata: {generation: 1}, status: {observedGeneration: 1, conditions: [{type: Ready, status: "True", reason: Ready}, {type: Stalled, status: "False", reason: Ready}]}}`,
			"Healthy", "Ready"},
		"progressing": {`{kind: Component, metadata: {generation: 1}, status: {observedGeneration: 1, conditions: [{type: Ready, status: "False", reason: Progressing, message: 1 of 2 pods}]}}`,
			"Progressing", "Progressing: 1 of 2 pods"},
		"a Component that waits for an approval": {`{kind: Component, metadata: {generation: 1}, status: {observedGeneration: 1, conditions: [{type: Ready, status: "True", reason: Ready, message: fine}, {type: Promoted, status: "False", reason: WaitingForApproval, message: towpath approve checkout-prod-12}]}}`,
			"Healthy", "Ready: fine; the next version waits: WaitingForApproval: towpath approve checkout-prod-12"},
		"a Release that waits for an approval": {`{kind: Release, metadata: {generation: 1}, status: {observedGeneration: 1, conditions: [{type: Ready, status: "False", reason: WaitingForApproval, message: towpath approve checkout-prod-12}]}}`,
			"Suspended", "WaitingForApproval: towpath approve checkout-prod-12"},
		"a Release that soaks": {`{kind: Release, metadata: {generation: 1}, status: {observedGeneration: 1, conditions: [{type: Ready, status: "False", reason: Soaking}]}}`,
			"Progressing", "Soaking"},
		"an Environment that sleeps": {`{kind: Environment, metadata: {generation: 1}, status: {observedGeneration: 1, conditions: [{type: Ready, status: "True", reason: Ready}, {type: Asleep, status: "True", reason: Asleep}]}}`,
			"Healthy", "Ready"},
	} {
		if status, message := health(t, object(t, test.object)); status != test.status || message != test.message {
			t.Errorf("%s: %s, %q; want %s, %q", name, status, message, test.status, test.message)
		}
	}
}

// suspended are the reasons for which a Release waits for a person.
var suspended = []string{"WaitingForApproval", "WaitingForPromotion", "WaitingForSpendingApproval"}

// Each row of the table of conditions has the health that Argo CD's users expect from its kstatus.
func TestEveryConditionOfTheTableHasItsHealth(t *testing.T) {
	page, err := os.ReadFile("../../docs/conditions.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "\n## By kind\n")
	table, _, _ = strings.Cut(table, "\n## ")
	wanted := map[string]string{"Current": "Healthy", "InProgress": "Progressing", "Failed": "Degraded", "Terminating": "Progressing"}
	rows := 0
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 5 || wanted[strings.TrimSpace(cells[3])] == "" {
			continue
		}
		rows++
		kind, reason := strings.TrimSpace(cells[0]), strings.TrimSpace(cells[2])
		reason, _, _ = strings.Cut(strings.TrimPrefix(reason, "["), "]")
		var conditions []any
		for condition := range strings.SplitSeq(strings.TrimSpace(cells[1]), ", ") {
			what, status, _ := strings.Cut(condition, "=")
			conditions = append(conditions, map[string]any{"type": what, "status": status, "reason": reason})
		}
		live := map[string]any{
			"kind": kind, "metadata": map[string]any{"generation": 1.0},
			"status": map[string]any{"observedGeneration": 1.0, "conditions": conditions},
		}
		want := wanted[strings.TrimSpace(cells[3])]
		switch {
		case strings.TrimSpace(cells[3]) == "Terminating":
			live["metadata"].(map[string]any)["deletionTimestamp"] = "2026-11-20T09:14:00Z"
		case kind == "Release" && want == "Progressing" && slices.Contains(suspended, reason):
			want = "Suspended"
		}
		if got, message := health(t, live); got != want {
			t.Errorf("%s %s: %s (%s), want %s", kind, cells[1], got, message, want)
		}
	}
	if rows < 50 {
		t.Errorf("the table has %d rows that count", rows)
	}
}

// The kustomization has the script for every kind with conditions, and for no other.
func TestTheKustomizationCoversEveryKindWithConditions(t *testing.T) {
	text, err := os.ReadFile("kustomization.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var kustomization struct {
		ConfigMapGenerator []struct{ Files []string }
	}
	if err := yaml.Unmarshal(text, &kustomization); err != nil || len(kustomization.ConfigMapGenerator) != 1 {
		t.Fatalf("%v: %s", err, text)
	}
	var want []string
	for _, crd := range config.TypedCRDs() {
		if _, found := crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["status"].Properties["conditions"]; found {
			want = append(want, "resource.customizations.health."+crd.Spec.Group+"_"+crd.Spec.Names.Kind+"=health.lua")
		}
	}
	slices.Sort(want)
	if got := kustomization.ConfigMapGenerator[0].Files; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
