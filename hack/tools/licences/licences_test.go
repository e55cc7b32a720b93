package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// never is a licence that is not on the list, as tools know it by its address.
const never = "http://www.gnu.org/licenses/gpl-3.0-standalone.html\n"

// written makes files in a folder of the test.
func written(t *testing.T, files map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	for name, content := range files {
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// apache is a licence that is on the list: our own, given by somebody else.
func apache(t *testing.T, owner string) string {
	t.Helper()
	content, err := os.ReadFile("../../../LICENSE")
	if err != nil {
		t.Fatal(err)
	}
	return "Copyright (c) " + owner + "\n\n" + string(content)
}

// program is one that links module a everywhere, with a package that has its licence from others, and module w on windows alone.
func program(t *testing.T) map[string]string {
	t.Helper()
	return map[string]string{
		"go.mod": "module example.test/main\n\ngo 1.26.0\n\nrequire (\n\texample.test/a v1.2.3\n\texample.test/w v0.1.0\n\tgolang.org/x/sys v0.1.0\n)\n" +
			"\nreplace (\n\texample.test/a => ./a\n\texample.test/w => ./w\n\tgolang.org/x/sys => ./sys\n)\n",
		"cmd/main.go":           "package main\n\nimport (\n\t_ \"example.test/a/forked\"\n\t_ \"golang.org/x/sys\"\n)\n\nfunc main() {}\n",
		"cmd/main_windows.go":   "package main\n\nimport _ \"example.test/w\"\n",
		"a/go.mod":              "module example.test/a\n\ngo 1.26.0\n",
		"a/a.go":                "package a\n",
		"a/LICENSE":             apache(t, "A"),
		"a/NOTICE.txt":          "A was made by somebody\r\nelse.\r\n",
		"a/forked/forked.go":    "package forked\n\nimport _ \"example.test/a\"\n",
		"a/forked/LICENSE":      apache(t, "those who were forked"),
		"a/forked/license.go":   "package forked\n",
		"a/not/linked/LICENSE":  never,
		"a/not/linked/other.go": "package linked\n",
		"sys/go.mod":            "module golang.org/x/sys\n\ngo 1.26.0\n",
		"sys/sys.go":            "package sys\n",
		"sys/LICENSE":           apache(t, "2009 The Go Authors."),
		"w/go.mod":              "module example.test/w\n\ngo 1.26.0\n",
		"w/w.go":                "package w\n",
		"w/LICENSE":             apache(t, "A") + "\n",
	}
}

func given(folder string, platforms ...string) options {
	return options{folder: folder, packages: []string{"./cmd"}, platforms: platforms}
}

// A licence that is not allowed is found on the one platform that links it, and in a folder of a part.
func TestLicencesOfEachPlatformAreChecked(t *testing.T) {
	if err := run(given(written(t, program(t)), "linux/amd64", "darwin/arm64", "windows/amd64")); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		"w/LICENSE":        "example.test/w@v0.1.0: LICENSE is GPL",
		"a/forked/LICENSE": "example.test/a@v1.2.3: forked/LICENSE is GPL",
	} {
		files := program(t)
		files[file] = never
		folder := written(t, files)
		if err := run(given(folder, "linux/amd64", "windows/arm64")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", file, err)
		}
		if err := run(given(folder, "linux/amd64")); (err == nil) != (file == "w/LICENSE") {
			t.Errorf("%s, on linux: %v", file, err)
		}
	}
	files := program(t)
	delete(files, "a/LICENSE")
	if err := run(given(written(t, files), "linux/amd64")); err == nil || !strings.Contains(err.Error(), "example.test/a@v1.2.3: it has no licence") {
		t.Errorf("a module without a licence of its own: %v", err)
	}
}

// What is passed on is of what is linked on that platform, each text once, with NOTICE, and the same wherever it is made.
func TestTextsOfEachPlatformAreWritten(t *testing.T) {
	texts := func() (linux, windows string) {
		o := given(written(t, program(t)), "linux/amd64", "windows/amd64")
		o.texts = filepath.Join(o.folder, "out", "%", "texts.txt")
		if err := run(o); err != nil {
			t.Fatal(err)
		}
		read := func(platform string) string {
			content, err := os.ReadFile(filepath.Join(o.folder, "out", platform, "texts.txt"))
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(content), o.folder) {
				t.Errorf("it says where it was made:\n%s", content)
			}
			return string(content)
		}
		return read("linux-amd64"), read("windows-amd64")
	}
	linux, windows := texts()
	if againLinux, againWindows := texts(); againLinux != linux || againWindows != windows {
		t.Error("it is not the same twice")
	}
	for _, want := range []string{
		"cmd for linux/amd64", "\nGo's standard library go1.", "2009 The Go Authors.",
		"\nexample.test/a@v1.2.3: LICENSE\n", "\nexample.test/a@v1.2.3: NOTICE.txt\n", "\nA was made by somebody\nelse.\n",
		"\nexample.test/a@v1.2.3: forked/LICENSE\n", "those who were forked",
	} {
		if !strings.Contains(linux, want) {
			t.Errorf("there is no %q in\n%s", want, linux)
		}
	}
	for _, no := range []string{"example.test/w", "not/linked", "license.go", "gnu.org"} {
		if strings.Contains(linux, no) {
			t.Errorf("there is %q in\n%s", no, linux)
		}
	}
	if !strings.Contains(windows, "\nexample.test/a@v1.2.3: LICENSE\nexample.test/w@v0.1.0: LICENSE\n") || strings.Count(windows, "Copyright (c) A\n") != 1 {
		t.Errorf("the text that two modules share is not there once:\n%s", windows)
	}
}

func TestPlatformsShareNoFile(t *testing.T) {
	o := given(written(t, program(t)), "linux/amd64", "windows/amd64")
	o.texts = filepath.Join(o.folder, "texts.txt")
	if err := run(o); err == nil || !strings.Contains(err.Error(), "write % where the platform stands") {
		t.Error(err)
	}
	if err := run(given(o.folder, "linux")); err == nil || !strings.Contains(err.Error(), "write one as linux/amd64") {
		t.Error(err)
	}
}

// Distributions package Go without it, and it must come along all the same.
func TestLicenceOfGoIsFound(t *testing.T) {
	modules := []module{{name: "golang.org/x/sys@v0.1.0", folder: written(t, map[string]string{"LICENSE": "of a module"})}}
	for want, root := range map[string]string{"of Go": written(t, map[string]string{"LICENSE": "of Go"}), "of a module": t.TempDir()} {
		if got, err := licenceOfGo(root, modules); err != nil || string(got) != want {
			t.Errorf("want the licence %q, got %q: %v", want, got, err)
		}
	}
	if got, err := licenceOfGo(t.TempDir(), nil); err == nil || !strings.Contains(err.Error(), "use one of go.dev/dl") {
		t.Errorf("there is no licence of Go, and found is %q: %v", got, err)
	}
}
