package pipeline_test

import (
	"strings"
	"testing"
	"time"

	"github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/pipeline"
)

func states(stages []v1alpha1.BuildStage) string {
	all := make([]string, len(stages))
	for i := range stages {
		all[i] = stages[i].Name + "=" + string(stages[i].State)
	}
	return strings.Join(all, " ")
}

func TestAdvance(t *testing.T) {
	at := time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	skipped := script("skipped", "a")
	skipped.When = "${false}"
	plan := mustPlan(t, input(), script("a"), script("b"), skipped, script("c", "skipped", "b"), script("d", "c"))
	ok, failed := pipeline.Outcome{Succeeded: true, At: at}, pipeline.Outcome{Message: "it failed", At: at}
	for _, c := range []struct {
		name   string
		rounds []map[string]pipeline.Outcome
		want   string
		result v1alpha1.BuildResult
	}{
		{"begins what needs nothing", []map[string]pipeline.Outcome{{}}, "a=Running b=Running skipped=Skipped c=Waiting d=Waiting", ""},
		{"waits for what a skipped stage needs", []map[string]pipeline.Outcome{{}, {"b": ok}}, "a=Running b=Succeeded skipped=Skipped c=Waiting d=Waiting", ""},
		{"a skipped stage counts as succeeded", []map[string]pipeline.Outcome{{}, {"b": ok, "a": ok}}, "a=Succeeded b=Succeeded skipped=Skipped c=Running d=Waiting", ""},
		{"does not run where a stage failed before a skipped one", []map[string]pipeline.Outcome{{}, {"a": failed}}, "a=Failed b=Running skipped=Skipped c=Cancelled d=Cancelled", ""},
		{"waits for all", []map[string]pipeline.Outcome{{}, {"a": ok}}, "a=Succeeded b=Running skipped=Skipped c=Waiting d=Waiting", ""},
		{"all that need a failed one", []map[string]pipeline.Outcome{{}, {"b": failed}}, "a=Running b=Failed skipped=Skipped c=Cancelled d=Cancelled", ""},
		{"a failure ends when the others have", []map[string]pipeline.Outcome{{}, {"b": failed}, {"a": ok}}, "a=Succeeded b=Failed skipped=Skipped c=Cancelled d=Cancelled", v1alpha1.BuildFailed},
		{"to the end", []map[string]pipeline.Outcome{{}, {"a": ok, "b": ok}, {"c": ok}, {"d": ok}}, "a=Succeeded b=Succeeded skipped=Skipped c=Succeeded d=Succeeded", v1alpha1.BuildSucceeded},
		{"what has not begun cannot have ended", []map[string]pipeline.Outcome{{"d": failed}}, "a=Running b=Running skipped=Skipped c=Waiting d=Waiting", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			stages := pipeline.Begin(&plan)
			for _, ended := range c.rounds {
				pipeline.Advance(&plan, stages, ended, at)
			}
			if got := states(stages); got != c.want {
				t.Errorf("%s, must be %s", got, c.want)
			}
			if got := pipeline.Result(stages); got != c.result {
				t.Errorf("the result is %q", got)
			}
			again := append([]v1alpha1.BuildStage(nil), stages...)
			pipeline.Advance(&plan, again, nil, at.Add(time.Hour))
			if states(again) != states(stages) {
				t.Errorf("without news nothing changes, and it is %s", states(again))
			}
		})
	}
	stages := pipeline.Begin(&plan)
	pipeline.Advance(&plan, stages, nil, at)
	pipeline.Cancel(stages, "a newer one", at)
	if states(stages) != "a=Cancelled b=Cancelled skipped=Skipped c=Cancelled d=Cancelled" || pipeline.Result(stages) != v1alpha1.BuildCancelled {
		t.Error(states(stages))
	}
}

func TestReadResult(t *testing.T) {
	digest := "sha256:" + strings.Repeat("ab", 32)
	const image = "registry.example:5000/shop/checkout"
	for written, want := range map[string]string{
		digest:                              image + "@" + digest,
		" " + digest + "\n":                 image + "@" + digest,
		image + "@" + digest:                image + "@" + digest,
		image + ":1.2@" + digest:            image + "@" + digest,
		"":                                  "",
		image + ":1.2":                      "",
		"evil.example/x@" + digest:          "",
		image + "-other@" + digest:          "",
		image + "/other@" + digest:          "",
		image + ":a b@" + digest:            "",
		image + "@sha256:12":                "",
		digest + digest:                     "",
		"secret token":                      "",
		image + "@" + digest + "\nsecret":   "",
		strings.Repeat("x", 1<<16) + digest: "",
	} {
		got, ok := pipeline.ReadResult(written, image)
		if got != want || ok != (want != "") {
			t.Errorf("%.80q gives %q", written, got)
		}
	}
	if _, ok := pipeline.ReadResult(digest, ""); ok {
		t.Error("a Component without an image pushes nothing")
	}
}
