package release_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// compiled is a folder with a go that compiles nothing and writes down that it was asked to.
func compiled(t *testing.T) (folder, asked string) {
	t.Helper()
	folder = t.TempDir()
	asked = filepath.Join(folder, "asked")
	script := "#!/bin/sh\ncase \"$*\" in *build*|*run*) echo \"$*\" >>'" + asked + "'; exit 1;; esac\necho amd64\n"
	if err := os.WriteFile(filepath.Join(folder, "go"), []byte(script), 0o755); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	return folder, asked
}

// release calls make with a go that compiles nothing.
func release(t *testing.T, arguments ...string) (out string, compiles bool) {
	t.Helper()
	folder, asked := compiled(t)
	call := exec.CommandContext(t.Context(), "make", append([]string{"-C", "../..", "VERSION=v1.2.3", "DATE=2026-01-02T03:04:05+02:00"}, arguments...)...)
	call.Env = append(os.Environ(), "PATH="+folder+":"+os.Getenv("PATH"), "MAKEFLAGS=")
	text, err := call.CombinedOutput()
	if err == nil {
		t.Errorf("make %q passes with a compiler that compiles nothing\n%s", arguments, text)
	}
	_, err = os.Stat(asked)
	return string(text), err == nil
}

// What cannot be is said at once, with what to write instead: it cost the time that compiling takes.
func TestReleaseThatCannotBeFailsBeforeItCompiles(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		t.Skipf("make is not here: %v", err)
	}
	absent := filepath.Join(t.TempDir(), "absent.pem")
	for _, c := range []struct {
		argument, want string
	}{
		{"PLATFORMS=linux/amd64,linux/riscv64", `PLATFORMS: "linux/riscv64" is no platform that there is a release for: write some of linux/amd64 linux/arm64, with commas`},
		{"PLATFORMS=windows/amd64", `PLATFORMS: "windows/amd64"`},
		{"PLATFORMS=linux/amd64 linux/arm64", "write commas, and no spaces"},
		{"PLATFORMS=linux/amd64,linux/amd64", "stands there twice"},
		{"PLATFORMS=", "PLATFORMS is empty: write some of linux/amd64"},
		{"CLI_PLATFORMS=plan9/386", `CLI_PLATFORMS: "plan9/386" is no platform that there is a release for: write some of linux/amd64 linux/arm64 darwin/amd64`},
		{"CLI_PLATFORMS=linux/amd64,darwin/arm64", "with spaces between them"},
		{"PUSH=1", "write REPOSITORY=registry.example/towpath/manager too"},
		{"REPOSITORY=https://registry.example/towpath", "without https://"},
		{"REPOSITORY=registry.example/Towpath/manager", "in small letters"},
		{"REPOSITORY=towpath/manager", "is no repository of images: write it as registry.example/towpath/manager"},
		{"VERSION=v1.2.3+build.5", "write v1.2.3-build.5"},
		{"DATE=unknown", "write it as DATE=2026-01-02T03:04:05Z"},
		{"RELEASE_URL=http://mirror.example/towpath/", "as https://github.com/OWNER/towpath/releases/download/v1.2.3"},
		{"KEY=" + absent, "is no file that can be read"},
	} {
		for _, target := range []string{"release-image", "release-files"} {
			out, compiles := release(t, "-j2", target, c.argument)
			if compiles || !strings.Contains(out, c.want) {
				t.Errorf("make %s %s: compiles %t, and says\n%s", target, c.argument, compiles, out)
			}
		}
	}
}

// Nothing is refused that can be.
func TestReleaseThatCanBeIsCompiled(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		t.Skipf("make is not here: %v", err)
	}
	for _, arguments := range [][]string{
		{"release-image"},
		{"release-files", "REPOSITORY=localhost:5000/a/b_c.d-e", "PUSH=1", "CLI_PLATFORMS=linux/amd64 windows/arm64"},
		{"release-files", "REPOSITORY=registry.example/towpath/manager", "PLATFORMS=linux/arm64", "RELEASE_URL=https://mirror.example/towpath/v1.2.3"},
		{"release-image", "VERSION=v1.2.3-rc.1", "DATE=2026-01-02T03:04:05Z"},
	} {
		if out, compiles := release(t, arguments...); !compiles {
			t.Errorf("make %q does not compile\n%s", arguments, out)
		}
	}
}
