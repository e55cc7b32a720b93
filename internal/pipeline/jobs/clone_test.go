package jobs_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/towpath-dev/towpath/internal/gitsource/gittest"
	"github.com/towpath-dev/towpath/internal/pipeline"
	"github.com/towpath-dev/towpath/internal/pipeline/jobs"
)

// fetch runs the step that fetches the sources of a branch.
func fetch(t *testing.T, repository, sha, branch string, env ...string) (dir, out string, err error) {
	t.Helper()
	return fetchBuild(t, repository, pipeline.Build{SHA: sha, Branch: branch}, env...)
}

// fetchBuild runs the step that fetches the sources by a real shell and a real git, and returns the directory of the sources.
func fetchBuild(t *testing.T, repository string, build pipeline.Build, env ...string) (dir, out string, err error) {
	t.Helper()
	in := &pipeline.Input{
		Component: pipeline.Component{Name: "checkout", Repository: repository}, Build: build,
		Standard: pipeline.Standard{Clone: "git:1", PlainHTTP: true},
	}
	plan, err := jobs.WithClone(pipeline.Plan{}, in)
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	command := exec.CommandContext(t.Context(), "/bin/sh", "-ec", plan.Steps[0].Script)
	command.Dir = dir
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	for _, e := range plan.Steps[0].Env {
		command.Env = append(command.Env, e.Name+"="+e.Value)
	}
	command.Env = append(command.Env, env...)
	text, err := command.CombinedOutput()
	return dir, string(text), err
}

func repository(t *testing.T) (server *gittest.Server, sha string) {
	t.Helper()
	server, err := gittest.Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	r, err := gittest.New(t.Context(), server.Root, "checkout")
	if err != nil {
		t.Fatal(err)
	}
	sha, err = r.Push(t.Context(), "main", gittest.Change{Files: map[string]string{"main.go": "package main"}, Message: "First"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Push(t.Context(), "main", gittest.Change{Files: map[string]string{"main.go": "package later"}, Message: "Second"}); err != nil {
		t.Fatal(err)
	}
	server.SetPassword("s3cr3t")
	return server, sha
}

func TestClone_FetchesTheCommitByTheCredentials(t *testing.T) {
	server, sha := repository(t)
	url := server.URL("checkout")
	dir, out, err := fetch(t, url, sha, "main", "GIT_USERNAME="+gittest.Username, "GIT_PASSWORD=s3cr3t", "GIT_CREDENTIALS_FOR=https://other.example/ "+server.Server.URL+"/")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "main.go")); err != nil || string(text) != "package main" {
		t.Errorf("%s (%v)", text, err)
	}
	if _, out, err := fetch(t, url, sha, "main", "GIT_USERNAME="+gittest.Username, "GIT_PASSWORD=old"); err == nil || strings.Contains(out, "old@") {
		t.Errorf("with a password that is old: %v, %s", err, out)
	}
}

func TestClone_FetchesATagWhereTheServerGivesNoCommitByItsHash(t *testing.T) {
	server, sha := repository(t)
	bare := filepath.Join(server.Root, "checkout.git")
	for _, args := range [][]string{{"tag", "v1/$(touch${IFS}pwned)", sha}, {"config", "uploadpack.hideRefs", "refs/heads"}} {
		if out, err := exec.CommandContext(t.Context(), "git", append([]string{"-C", bare, "-c", "safe.directory=*"}, args...)...).CombinedOutput(); err != nil { //nolint:gosec // of a test
			t.Fatalf("%v: %s", err, out)
		}
	}
	dir, out, err := fetchBuild(t, server.URL("checkout"), pipeline.Build{SHA: sha, Tag: "v1/$(touch${IFS}pwned)"},
		"GIT_USERNAME="+gittest.Username, "GIT_PASSWORD=s3cr3t", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=protocol.version", "GIT_CONFIG_VALUE_0=0")
	if text, read := os.ReadFile(filepath.Join(dir, "main.go")); err != nil || read != nil || string(text) != "package main" {
		t.Errorf("%v: %s", err, out)
	}
	if _, err := os.Stat(filepath.Join(dir, "pwned")); err == nil {
		t.Error("the name of the tag was run")
	}
}

func TestClone_SendsCredentialsNowhereElse(t *testing.T) {
	server, sha := repository(t)
	sent := ""
	server.Before(func(_ http.ResponseWriter, r *http.Request) bool {
		sent += r.Header.Get("Authorization")
		return false
	})
	for _, meant := range []string{"https://git.example/shop", server.URL("checkout")[:len(server.URL("checkout"))-1], server.Server.URL + "/check", "*"} {
		_, out, err := fetch(t, server.URL("checkout"), sha, "main", "GIT_USERNAME="+gittest.Username, "GIT_PASSWORD=s3cr3t", "GIT_CREDENTIALS_FOR="+meant)
		if err == nil || sent != "" || !strings.Contains(out, "is not for this repository") {
			t.Errorf("for %s: %v, sent %q: %s", meant, err, sent, out)
		}
	}
	for _, resolved := range []string{"/shop/../checkout", "/shop/%2e%2e/checkout", "/shop/./../checkout", "/shop/.%2E/checkout", "/shop/..?x=y", "/shop/..#f"} {
		_, out, err := fetch(t, server.URL("checkout"), sha, "main", "GIT_USERNAME="+gittest.Username, "GIT_PASSWORD=s3cr3t",
			"GIT_CREDENTIALS_FOR="+server.Server.URL+"/shop/", "TOWPATH_REPOSITORY="+server.Server.URL+resolved)
		if err == nil || sent != "" || !strings.Contains(out, "is not for this repository") {
			t.Errorf("of %s: %v, sent %q: %s", resolved, err, sent, out)
		}
	}
	elsewhere := ""
	other, err := gittest.Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Close)
	other.Before(func(_ http.ResponseWriter, r *http.Request) bool {
		elsewhere += r.URL.Path
		return false
	})
	server.Before(func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, other.Server.URL+r.URL.Path, http.StatusFound)
		return true
	})
	if _, out, err := fetch(t, server.URL("checkout"), sha, "main", "GIT_USERNAME="+gittest.Username, "GIT_PASSWORD=s3cr3t"); err == nil || elsewhere != "" {
		t.Errorf("of a redirect: %v, it asked for %s: %s", err, elsewhere, out)
	}
}

func TestClone_TakesNothingOfOthersForAnOptionOrACommand(t *testing.T) {
	server, sha := repository(t)
	for _, branch := range []string{"--upload-pack=touch pwned", "$(touch pwned)", "`touch pwned`", "'; touch pwned; '", "a\ntouch pwned"} {
		dir, out, err := fetch(t, server.URL("none"), sha, branch, "GIT_USERNAME="+gittest.Username, "GIT_PASSWORD=s3cr3t")
		if _, there := os.Stat(filepath.Join(dir, "pwned")); err == nil || there == nil {
			t.Errorf("of branch %q: %v, %s", branch, err, out)
		}
		dir, out, err = fetchBuild(t, server.URL("none"), pipeline.Build{SHA: sha, Tag: branch}, "GIT_USERNAME="+gittest.Username, "GIT_PASSWORD=s3cr3t")
		if _, there := os.Stat(filepath.Join(dir, "pwned")); err == nil || there == nil {
			t.Errorf("of tag %q: %v, %s", branch, err, out)
		}
	}
}

func TestWithClone_RefusesPlainHTTPUnlessThePlatformAllowsIt(t *testing.T) {
	in := &pipeline.Input{Component: pipeline.Component{Repository: "http://git.example/checkout"}, Standard: pipeline.Standard{Clone: "git:1"}}
	if _, err := jobs.WithClone(pipeline.Plan{}, in); err == nil || !strings.Contains(err.Error(), "sources.plainHTTP") {
		t.Error(err)
	}
}

func TestWithClone_RefusesAddressesThatGitResolves(t *testing.T) {
	for _, repository := range []string{"https://git.example/shop/../other/secret", "https://git.example/shop/%2e%2e/other", "ssh://-oProxyCommand=id/x"} {
		in := &pipeline.Input{Component: pipeline.Component{Repository: repository}, Standard: pipeline.Standard{Clone: "git:1"}}
		if _, err := jobs.WithClone(pipeline.Plan{}, in); err == nil || !strings.Contains(err.Error(), "spec.source.repository must") {
			t.Errorf("%s: %v", repository, err)
		}
	}
}
