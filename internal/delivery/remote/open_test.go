package remote_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/towpath-dev/towpath/internal/delivery"
	"github.com/towpath-dev/towpath/internal/delivery/remote"
	"github.com/towpath-dev/towpath/internal/outbound"
)

func rulesOf(t testing.TB, allowed ...string) outbound.Rules {
	t.Helper()
	rules, err := outbound.NewRules(allowed...)
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

// hook has the server run a script before it takes a push.
func hook(t *testing.T, s *gitServer, script string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(s.dir, "hooks"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "hooks", "pre-receive"), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestOpen_RefusesAddresses(t *testing.T) {
	for url, words := range map[string]string{
		"http://git.example/a.git":               "must begin with https:// or ssh://",
		"git://git.example/a.git":                "must begin with https:// or ssh://",
		"file:///srv/a.git":                      "must begin with https:// or ssh://",
		"/srv/a.git":                             "must begin with https:// or ssh://",
		"ext::sh -c id":                          "must begin with https:// or ssh://",
		"":                                       "must begin with https:// or ssh://",
		"git@git.example:shop/deploy.git":        "written as ssh://git@git.example/shop/deploy.git",
		"ssh://git.example/a.git":                "must name the user, such as ssh://git@git.example/a.git",
		"ssh://-oProxyCommand=id@git.example/a":  "must have no password",
		"https://me:c4nary@git.example/a.git":    "must have no password",
		"https://c4nary@git.example/a.git":       "must have no password",
		"ssh://git:c4nary@git.example/a.git":     "must have no password",
		"https://git.example/a.git?token=c4nary": "no query",
		"https://git.example/a.git#x":            "no fragment",
		"https://git.example/../a.git":           "must have a path",
		"https://git.example/%2e%2e/a.git":       "must have a path",
		"ssh://git@git.example/a'; id #":         "must have a path",
		"ssh://git@git.example/-a":               "must have a path",
		"ssh://git@git.example/":                 "must have a path",
		"https://169.254.169.254/latest.git":     "never reached",
		"ssh://git@169.254.169.254/latest.git":   "never reached",
		"https://127.0.0.1/a.git":                "a loopback address",
		"ssh://git@[::1]:22/a.git":               "a loopback address",
		"https://10.0.0.1/a.git":                 "a private address",
		"https://2130706433/a.git":               "must be a name",
		"https://git.example:0/a.git":            "port",
	} {
		_, err := remote.NewPool(remote.Options{}).Open(remote.Source{URL: url, Branch: "main", Layout: layoutOf(t, delivery.DefaultLayout)})
		refused(t, err, remote.ReasonAddress, words)
		if err != nil && strings.Contains(err.Error(), "c4nary") {
			t.Errorf("%s: it shows the password: %v", url, err)
		}
	}
}

func TestCommit_ReachesNoNameThatLeadsInside(t *testing.T) {
	s := startGit(t)
	source := s.source(remote.Push)
	source.URL = strings.Replace(s.url, "127.0.0.1", "localhost", 1)
	r := open(t, remote.NewPool(remote.Options{PlainHTTP: true, Retry: quick}), source)
	_, err := r.Commit(t.Context(), releaseOf("checkout", 1), noon)
	refused(t, err, remote.ReasonAddress, "leads to a loopback address")
}

func TestOpen_RefusesBranches(t *testing.T) {
	for _, branch := range []string{"", "-x", "a..b", "a b", "a.lock", "refs/heads/main", "a//b", "/a", "a/", ".a", "a/.b", "a~1", "a:b", "a\nb", "@{-1}", strings.Repeat("a", 300)} {
		_, err := remote.NewPool(remote.Options{}).Open(remote.Source{URL: "https://git.example/a.git", Branch: branch, Layout: layoutOf(t, delivery.DefaultLayout)})
		refused(t, err, remote.ReasonInvalid, "must be the name of one")
	}
}

func TestOpen_WantsALayoutAndAMode(t *testing.T) {
	_, err := remote.NewPool(remote.Options{}).Open(remote.Source{URL: "https://git.example/a.git", Branch: "main"})
	refused(t, err, remote.ReasonInvalid, "layout")
	_, err = remote.NewPool(remote.Options{}).Open(remote.Source{URL: "https://git.example/a.git", Branch: "main", Mode: "Force", Layout: layoutOf(t, delivery.DefaultLayout)})
	refused(t, err, remote.ReasonInvalid, "Push or Propose")
}
