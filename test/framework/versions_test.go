package framework

import (
	"os/exec"
	"strings"
	"testing"
)

func TestMissingVersions(t *testing.T) {
	head, err := exec.CommandContext(t.Context(), "git", "rev-parse", "HEAD").Output()
	if err != nil {
		t.Fatal(err)
	}
	here, nowhere := Version{"here", strings.TrimSpace(string(head))}, Version{"nowhere", strings.Repeat("0", 40)}
	for variable, required := range map[string]bool{"": false, "1": true} {
		t.Setenv(HistoryVariable, variable)
		if why, _ := here.missing(t.Context()); why != "" {
			t.Errorf("of a commit that is there: %s", why)
		}
		why, got := nowhere.missing(t.Context())
		if !strings.Contains(why, "git fetch --unshallow") || got != required {
			t.Errorf("%s=%s: got %q, required: %t", HistoryVariable, variable, why, got)
		}
	}
}
