package docs_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/cel-go/cel"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// healthChecks are the expressions that the guide gives to Flux.
func healthChecks(t *testing.T) (failed, current cel.Program) {
	t.Helper()
	// Flux gives an expression the parts of the object by their names.
	env, err := cel.NewEnv(cel.Variable("metadata", cel.DynType), cel.Variable("spec", cel.DynType), cel.Variable("status", cel.DynType))
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range fence.FindAllStringSubmatch(read(t, "guides/gitops.md"), -1) {
		if !strings.Contains(block[2], "healthCheckExprs:") {
			continue
		}
		var object struct {
			Spec struct {
				HealthCheckExprs []struct{ APIVersion, Kind, Failed, Current string }
			}
		}
		if err := yaml.Unmarshal([]byte(block[2]), &object); err != nil {
			t.Fatal(err)
		}
		check := object.Spec.HealthCheckExprs[0]
		if check.APIVersion != platformv1alpha1.GroupVersion.String() || check.Kind != "Component" {
			t.Errorf("the check is of %s %s", check.APIVersion, check.Kind)
		}
		programs := map[string]cel.Program{}
		for _, expression := range []string{check.Failed, check.Current} {
			ast, issues := env.Compile(expression)
			if issues.Err() != nil {
				t.Fatal(issues.Err())
			}
			if programs[expression], err = env.Program(ast); err != nil {
				t.Fatal(err)
			}
		}
		return programs[check.Failed], programs[check.Current]
	}
	t.Fatal("guides/gitops.md has no healthCheckExprs")
	return nil, nil
}

// Flux calls an object failed, current, or in progress, in this order; an expression that cannot be evaluated is not true.
func fluxSays(failed, current cel.Program, object map[string]any) string {
	holds := func(program cel.Program) bool {
		value, _, err := program.Eval(object)
		return err == nil && value.Value() == true
	}
	switch {
	case holds(failed):
		return "Failed"
	case holds(current):
		return "Current"
	}
	return "InProgress"
}

func TestTheExpressionsForFluxSayWhatTheTableSays(t *testing.T) {
	failed, current := healthChecks(t)
	object := func(generation int64, conditions []any) map[string]any {
		return map[string]any{
			"metadata": map[string]any{"generation": generation}, "spec": map[string]any{},
			"status": map[string]any{"observedGeneration": int64(1), "conditions": conditions},
		}
	}
	seen := 0
	for _, r := range rows(t) {
		if !slices.Contains([]string{"Current", "InProgress", "Failed"}, r.kstatus) {
			continue
		}
		seen++
		var conditions []any
		for condition := range strings.SplitSeq(r.conditions, ", ") {
			what, status, _ := strings.Cut(condition, "=")
			conditions = append(conditions, map[string]any{"type": what, "status": status, "reason": r.reason})
		}
		if got := fluxSays(failed, current, object(1, conditions)); got != r.kstatus {
			t.Errorf("%s %s %s: %s, want %s", r.kind, r.conditions, r.reason, got, r.kstatus)
		}
		if got := fluxSays(failed, current, object(2, conditions)); got != "InProgress" {
			t.Errorf("%s %s of an older generation: %s", r.kind, r.conditions, got)
		}
	}
	if seen < 50 {
		t.Errorf("the table has %d rows that count", seen)
	}
	// The gap that they close: kstatus calls these current.
	for _, status := range []map[string]any{nil, {}, {"observedGeneration": int64(1)}} {
		live := map[string]any{"metadata": map[string]any{"generation": int64(1)}}
		if status != nil {
			live["status"] = status
		}
		if got := fluxSays(failed, current, live); got != "InProgress" {
			t.Errorf("with the status %v: %s", status, got)
		}
	}
}

func TestTheGuideNamesHooksThatExist(t *testing.T) {
	var hooks []struct{ ID, Name, Entry, Language string }
	if err := yaml.Unmarshal([]byte(read(t, "../.pre-commit-hooks.yaml")), &hooks); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, hook := range hooks {
		ids = append(ids, hook.ID)
		if hook.Entry != "towpath lint" || hook.Name == "" || !slices.Contains([]string{"golang", "system"}, hook.Language) {
			t.Errorf("the hook %+v", hook)
		}
	}
	for _, page := range []string{"guides/gitops.md", "../internal/scaffold/files/pre-commit.yaml.tmpl"} {
		for line := range strings.Lines(read(t, page)) {
			if id, found := strings.CutPrefix(strings.TrimSpace(line), "- id: "); found && !slices.Contains(ids, id) {
				t.Errorf("%s names the hook %s; there are %v", page, id, ids)
			}
		}
	}
}
