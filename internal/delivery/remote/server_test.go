package remote_test

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/towpath-dev/towpath/internal/delivery"
	"github.com/towpath-dev/towpath/internal/delivery/remote"
	"github.com/towpath-dev/towpath/internal/outbound"
)

const (
	user   = "towpath"
	secret = "c4nary-s3cret/+&"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// gitServer is git http-backend behind HTTP with basic authentication, and one bare repository.
type gitServer struct {
	t testing.TB
	// dir is the repository.
	dir string
	url string
	// between is asked before each request reaches Git; it may answer itself.
	between atomic.Pointer[func(w http.ResponseWriter, r *http.Request, git http.Handler)]
	pushes  atomic.Int32
}

// gitEnv keeps the settings of whoever runs the tests out of them.
func gitEnv() []string {
	return append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=Somebody", "GIT_AUTHOR_EMAIL=somebody@else.example", "GIT_COMMITTER_NAME=Somebody", "GIT_COMMITTER_EMAIL=somebody@else.example")
}

func startGit(t testing.TB) *gitServer {
	t.Helper()
	path, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatalf("git is not installed: %v", err)
	}
	backend := filepath.Join(strings.TrimSpace(string(path)), "git-http-backend")
	if _, err := os.Stat(backend); err != nil {
		t.Fatalf("git http-backend is not installed: %v", err)
	}
	root := t.TempDir()
	s := &gitServer{t: t, dir: filepath.Join(root, "deploy.git")}
	run(t, root, nil, "init", "--quiet", "--bare", "--initial-branch=main", s.dir)
	s.git("config", "gc.auto", "0")
	s.git("config", "receive.autogc", "false")
	handler := &cgi.Handler{Path: backend, Root: "/", Stderr: os.Stderr, Env: append(gitEnv(), "GIT_PROJECT_ROOT="+root, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER="+user)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name, password, _ := r.BasicAuth(); name != user || password != secret {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "who are you, "+password+"?", http.StatusUnauthorized)
			return
		}
		// git http-backend waits for ever for the rest of a body that was cut, so it gets none of that.
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "git-receive-pack") {
			s.pushes.Add(1)
		}
		if between := s.between.Load(); between != nil {
			(*between)(w, r, handler)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s.url = server.URL + "/deploy.git"
	return s
}

func (s *gitServer) intercept(f func(w http.ResponseWriter, r *http.Request, git http.Handler)) {
	s.between.Store(&f)
}

func run(t testing.TB, dir string, input []byte, args ...string) string {
	t.Helper()
	command := exec.Command("git", args...)
	command.Dir, command.Env, command.Stdin = dir, gitEnv(), bytes.NewReader(input)
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func (s *gitServer) git(args ...string) string {
	s.t.Helper()
	return run(s.t, s.dir, nil, args...)
}

// write commits files to a branch as somebody else does; a file of which the text begins with "->" is a symbolic link, and an
// empty text takes the file away.
func (s *gitServer) write(branch string, files map[string]string) {
	s.t.Helper()
	var b bytes.Buffer
	fmt.Fprintf(&b, "commit refs/heads/%s\ncommitter Somebody <somebody@else.example> %d +0000\ndata 4\nseed\n", branch, noon.Add(-time.Hour).Unix())
	if exec.Command("git", "-C", s.dir, "rev-parse", "--verify", "--quiet", branch).Run() == nil {
		fmt.Fprintf(&b, "from refs/heads/%s^0\n", branch)
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		text := files[name]
		if text == "" {
			fmt.Fprintf(&b, "D %s\n", name)
			continue
		}
		mode := "100644"
		if to, link := strings.CutPrefix(text, "->"); link {
			mode, text = "120000", to
		}
		fmt.Fprintf(&b, "M %s inline %s\ndata %d\n%s\n", mode, name, len(text), text)
	}
	run(s.t, s.dir, b.Bytes(), "fast-import", "--quiet", "--force")
}

// files lists what a branch holds.
func (s *gitServer) files(branch string) []string {
	s.t.Helper()
	return strings.Fields(s.git("ls-tree", "-r", "--name-only", branch))
}

// count is the number of commits of a branch.
func (s *gitServer) count(branch string) int {
	s.t.Helper()
	n, err := strconv.Atoi(s.git("rev-list", "--count", branch))
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// check lets Git itself judge the repository, and that its history is a line.
func (s *gitServer) check(branch string) {
	s.t.Helper()
	s.git("fsck", "--strict", "--full")
	if merges := s.git("rev-list", "--merges", branch); merges != "" {
		s.t.Errorf("the history has merges: %s", merges)
	}
}

var quick = remote.Retry{Attempts: 6, First: time.Millisecond, Longest: 20 * time.Millisecond}

func poolOf(t testing.TB, retry remote.Retry) *remote.Pool {
	t.Helper()
	rules, err := outbound.NewRules("127.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	return remote.NewPool(remote.Options{Rules: rules, PlainHTTP: true, Retry: retry, Name: "Towpath", Email: "towpath@platform.example"})
}

func layoutOf(t testing.TB, pattern string) delivery.Layout {
	t.Helper()
	layout, err := delivery.ParseLayout(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return layout
}

// source is the branch main of the server, with credentials that it knows.
func (s *gitServer) source(mode remote.Mode) remote.Source {
	return remote.Source{URL: s.url, Branch: "main", Mode: mode, Layout: layoutOf(s.t, delivery.DefaultLayout),
		Credentials: remote.Credentials{Username: user, Password: secret}}
}

func (s *gitServer) open(mode remote.Mode) *remote.Repository {
	return open(s.t, poolOf(s.t, quick), s.source(mode))
}

func open(t testing.TB, pool *remote.Pool, source remote.Source) *remote.Repository {
	t.Helper()
	repository, err := pool.Open(source)
	if err != nil {
		t.Fatal(err)
	}
	return repository
}

// releaseOf is a Release of a Component in the environment prod, with a Deployment and those other objects that are named.
func releaseOf(component string, number int64, configMaps ...string) delivery.Release {
	name := fmt.Sprintf("%s-prod-%d", component, number)
	r := delivery.Release{
		Target: delivery.Target{Team: "shop", Component: delivery.Component{Namespace: "team-shop", Name: component, UID: "uid-of-" + component},
			Environment: delivery.Environment{Name: "prod", UID: "uid-of-prod", Namespace: "shop-prod", Class: "production", Tier: "Production"}},
		Name: name, UID: "uid-of-" + name, Number: number, Cause: "ImageChange", Image: fmt.Sprintf("registry.example/%s:%d", component, number),
		Authors: []string{"ada@shop.example"}, Approvers: []string{"lin@shop.example"},
		Objects: []*unstructured.Unstructured{object("apps/v1", "Deployment", component, map[string]any{"spec": map[string]any{"replicas": number}})},
	}
	for _, c := range configMaps {
		r.Objects = append(r.Objects, object("v1", "ConfigMap", c, map[string]any{"data": map[string]any{"release": name}}))
	}
	return r
}

func object(apiVersion, kind, name string, more map[string]any) *unstructured.Unstructured {
	o := map[string]any{"apiVersion": apiVersion, "kind": kind, "metadata": map[string]any{"name": name, "namespace": "shop-prod"}}
	maps.Copy(o, more)
	return &unstructured.Unstructured{Object: o}
}
