package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The image is built of what .dockerignore lets through, which must be all that the manager is made of.
func TestTheImageGetsWhatTheManagerIsMadeOf(t *testing.T) {
	const module = "github.com/towpath-dev/towpath/"
	raw, err := os.ReadFile(filepath.Join("..", "..", ".dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	through := strings.Fields(string(raw))
	packages, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields(string(packages)) {
		if path, ours := strings.CutPrefix(name, module); ours {
			if folder, _, _ := strings.Cut(path, "/"); !slices.Contains(through, "!"+folder) {
				t.Errorf("%s is part of the manager, and .dockerignore keeps %s out", name, folder)
			}
		}
	}
}
