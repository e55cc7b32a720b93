// Package workflows_test has GitHub's own parser read the workflows that Towpath makes, which holds them to GitHub's schema.
package workflows_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// required is set where the tests must not be skipped: make test-workflows does.
const required = "TOWPATH_WORKFLOWS_REQUIRED"

func check(t *testing.T, files ...string) (string, error) {
	t.Helper()
	if _, err := os.Stat("node_modules"); err != nil {
		if os.Getenv(required) != "" {
			t.Fatal(err)
		}
		t.Skip("GitHub's parser is not here: make test-workflows fetches it, with Node.js and npm, and runs this")
	}
	out, err := exec.CommandContext(t.Context(), "node", append([]string{"check.mjs"}, files...)...).CombinedOutput()
	return string(out), err
}

func TestGitHubsParserReadsGeneratedWorkflows(t *testing.T) {
	files, err := filepath.Glob("../../internal/pipeline/actions/testdata/*/.github/workflows/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("%d workflows: %v", len(files), err)
	}
	files = append(files, "../../config/catalog/testdata/pipeline/workflow.yaml")
	if out, err := check(t, files...); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// A check that finds nothing in anything would show nothing.
func TestGitHubsParserRefusesWhatIsNoWorkflow(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(file, []byte("on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n    - run: ${{ nothing.x }}\n      stepz: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := check(t, file)
	if err == nil || !strings.Contains(out, "stepz") || !strings.Contains(out, "nothing") {
		t.Errorf("%v\n%s", err, out)
	}
}
