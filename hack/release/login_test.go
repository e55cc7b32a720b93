package release_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The workflow's token goes to GitHub's registry alone; any other is asked as whom its owner has set.
func TestWhoPushesAReleaseToWhichRegistry(t *testing.T) {
	folder := t.TempDir()
	asked := filepath.Join(folder, "asked")
	script := "#!/bin/sh\necho \"$*\" >'" + asked + "'\ncat >>'" + asked + "'\n"
	if err := os.WriteFile(filepath.Join(folder, "docker"), []byte(script), 0o755); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		env        []string
		asks, says string
	}{
		"GitHub's, as the workflow": {
			env: []string{"REPOSITORY=ghcr.io/fork/manager"}, asks: "login ghcr.io --username actor --password-stdin\ntoken\n",
		},
		"GitHub's, as somebody": {
			env:  []string{"REPOSITORY=ghcr.io/other/manager", "USERNAME=robot", "PASSWORD=secret"},
			asks: "login ghcr.io --username robot --password-stdin\nsecret\n",
		},
		"another": {
			env:  []string{"REPOSITORY=registry.example:5000/a/b", "USERNAME=robot", "PASSWORD=secret"},
			asks: "login registry.example:5000 --username robot --password-stdin\nsecret\n",
		},
		"another, with nothing set": {
			env:  []string{"REPOSITORY=registry.example/a/b", "USERNAME=", "PASSWORD="},
			says: "set the variable RELEASE_REGISTRY_USERNAME and the secret RELEASE_REGISTRY_PASSWORD",
		},
		"one whose name begins as GitHub's": {env: []string{"REPOSITORY=ghcr.io.example/a/b"}, says: "does not know the workflow"},
		"no password":                       {env: []string{"REPOSITORY=ghcr.io/a/b", "USERNAME=robot"}, says: "set the secret RELEASE_REGISTRY_PASSWORD"},
		"no user":                           {env: []string{"REPOSITORY=registry.example/a/b", "PASSWORD=secret"}, says: "set the variable RELEASE_REGISTRY_USERNAME"},
		"no repository":                     {says: "usage: "},
	} {
		if err := os.RemoveAll(asked); err != nil {
			t.Fatal(err)
		}
		call := exec.CommandContext(t.Context(), "./login.sh")
		call.Env = append([]string{"PATH=" + folder + ":" + os.Getenv("PATH"), "ACTOR=actor", "TOKEN=token"}, c.env...)
		out, err := call.CombinedOutput()
		got, _ := os.ReadFile(asked)
		if string(got) != c.asks || (err == nil) != (c.asks != "") || !strings.Contains(string(out), c.says) {
			t.Errorf("%s: docker is asked %q, and it says %s (%v)", what, got, out, err)
		}
	}
}

// What the workflow reads of a repository's settings is what the page tells owners to set.
func TestSettingsOfTheWorkflowAreDocumented(t *testing.T) {
	workflow, err := os.ReadFile("../../.github/workflows/release.yml")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/release.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, setting := range []string{"vars.RELEASE_REPOSITORY", "vars.RELEASE_REGISTRY_USERNAME", "secrets.RELEASE_REGISTRY_PASSWORD"} {
		_, name, _ := strings.Cut(setting, ".")
		if !strings.Contains(string(workflow), "${{ "+setting+" }}") || !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("%s is not read, or docs/release.md does not say what it is for", setting)
		}
	}
	if !strings.Contains(string(workflow), "RELEASE_URL: ${{ github.server_url }}/${{ github.repository }}/") || !strings.Contains(string(page), "`RELEASE_URL`") {
		t.Error("krew's manifest of a fork names files of others, or docs/release.md does not say of RELEASE_URL")
	}
}
