// Package gittest serves real Git repositories to tests: bare ones in a directory, by git http-backend with a password.
package gittest

import (
	"context"
	"fmt"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Server serves the bare repositories below a directory.
type Server struct {
	*httptest.Server
	// Root is the directory.
	Root string

	mu       sync.Mutex
	password string
	asked    map[string]int
	before   func(http.ResponseWriter, *http.Request) bool
}

// Username is the one who may read.
const Username = "reader"

// Start serves a directory to everybody, until a password is set. It needs git.
func Start(root string) (*Server, error) {
	path, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		return nil, fmt.Errorf("git is needed: %w", err)
	}
	backend := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(path)), "git-http-backend"),
		Env:  append([]string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1"}, plainGit(root)...),
	}
	s := &Server{Root: root, asked: map[string]int{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		name, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), ".git/")
		s.asked[r.Method+" "+name]++
		password, before := s.password, s.before
		s.mu.Unlock()
		if before != nil && before(w, r) {
			return
		}
		user, given, _ := r.BasicAuth()
		if password != "" && (user != Username || given != password) {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		backend.ServeHTTP(w, r)
	}))
	return s, nil
}

// SetPassword has it demand one; none where it is empty.
func (s *Server) SetPassword(password string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.password = password
}

// Before is asked about each request first; it says whether it answered itself.
func (s *Server) Before(handler func(http.ResponseWriter, *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = handler
}

// Asked says how many requests of a method there were to a repository.
func (s *Server) Asked(method, name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[method+" "+name]
}

// URL is that of a repository.
func (s *Server) URL(name string) string { return s.Server.URL + "/" + name + ".git" }

// Repository is a bare one, with a working tree to commit from.
type Repository struct{ bare, work string }

// New makes an empty repository, which clients may ask for a part of, as forges let them.
func New(ctx context.Context, root, name string) (*Repository, error) {
	r := &Repository{bare: filepath.Join(root, name+".git"), work: filepath.Join(root, name+".work")}
	for _, args := range [][]string{
		{"init", "--quiet", "--bare", "--initial-branch=main", r.bare},
		{"-C", r.bare, "config", "uploadpack.allowFilter", "true"},
		{"init", "--quiet", "--initial-branch=main", r.work},
		{"-C", r.work, "remote", "add", "origin", r.bare},
	} {
		if _, err := r.run(ctx, nil, args...); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Change is a commit to make.
type Change struct {
	// Files are written by path; an empty content removes one.
	Files map[string]string
	// Message and Author (Name <address>) may be anything that Git takes.
	Message, Author string
	// At is when it is made; the zero time for a minute ago.
	At time.Time
}

// Push commits a change to a branch, and returns the commit.
func (r *Repository) Push(ctx context.Context, branch string, c Change) (string, error) {
	for path, content := range c.Files {
		full := filepath.Join(r.work, path)
		if content == "" {
			if err := os.Remove(full); err != nil {
				return "", err
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(full), 0o750); err != nil {
			return "", err
		}
		if err := os.WriteFile(full, []byte(content), 0o600); err != nil {
			return "", err
		}
	}
	if c.At.IsZero() {
		c.At = time.Now().Add(-time.Minute)
	}
	name, address, _ := strings.Cut(strings.TrimSuffix(c.Author, ">"), " <")
	when := "@" + strconv.FormatInt(c.At.Unix(), 10) + " +0000"
	env := []string{"GIT_AUTHOR_DATE=" + when, "GIT_COMMITTER_DATE=" + when}
	if name != "" {
		env = append(env, "GIT_AUTHOR_NAME="+name, "GIT_AUTHOR_EMAIL="+address)
	}
	if _, err := r.run(ctx, env, "-C", r.work, "add", "--all"); err != nil {
		return "", err
	}
	if _, err := r.run(ctx, env, "-C", r.work, "commit", "--quiet", "--allow-empty", "--allow-empty-message", "--no-verify", "-m", c.Message); err != nil {
		return "", err
	}
	if _, err := r.run(ctx, nil, "-C", r.work, "push", "--quiet", "--force", "origin", "HEAD:refs/heads/"+branch); err != nil {
		return "", err
	}
	return r.Git(ctx, "rev-parse", "HEAD")
}

// Git runs git in the working tree, and returns what it says.
func (r *Repository) Git(ctx context.Context, args ...string) (string, error) {
	return r.run(ctx, nil, append([]string{"-C", r.work}, args...)...)
}

// Bare is the directory of the bare repository.
func (r *Repository) Bare() string { return r.bare }

func (r *Repository) run(ctx context.Context, env []string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, "git", args...) //nolint:gosec // the arguments of a test
	command.Env = append(append(os.Environ(), plainGit(filepath.Dir(r.bare))...), env...)
	out, err := command.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// plainGit leaves out what the user of this machine has configured.
func plainGit(home string) []string {
	return []string{
		"HOME=" + home, "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@shop.example", "GIT_COMMITTER_NAME=Forge", "GIT_COMMITTER_EMAIL=forge@shop.example",
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*",
	}
}
