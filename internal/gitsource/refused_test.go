package gitsource_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/towpath-dev/towpath/internal/gitsource"
	"github.com/towpath-dev/towpath/internal/gitsource/gittest"
	"github.com/towpath-dev/towpath/internal/outbound"
)

// problem is what an error says, which must be a Problem of a reason, and hold no credential.
func problem(t *testing.T, err error, reason gitsource.Reason, texts ...string) {
	t.Helper()
	p := gitsource.ProblemOf(err)
	if p == nil || p.Reason != reason {
		t.Errorf("it is %v, want %s", err, reason)
		return
	}
	for _, text := range texts {
		if !strings.Contains(p.Message, text) {
			t.Errorf("it says %q, and not %q", p.Message, text)
		}
	}
	if strings.Contains(err.Error(), secret) {
		t.Errorf("it shows the password: %v", err)
	}
}

func TestHead_SaysWhoIsRefused(t *testing.T) {
	s := start(t)
	sha := s.push(t, gittest.Change{Files: files("a"), Message: "First"})
	s.server.SetPassword(secret)
	_, err := s.client.Head(t.Context(), s.source)
	problem(t, err, gitsource.CredentialsMissing, "spec.source.secretRef")
	s.source.Credentials = gitsource.Credentials{Username: gittest.Username, Password: secret + "-old"}
	_, err = s.client.Head(t.Context(), s.source)
	problem(t, err, gitsource.CredentialsRefused, "401", "expired")
	s.source.Credentials.Password = secret
	if head, err := s.client.Head(t.Context(), s.source); err != nil || head.SHA != sha {
		t.Errorf("it is %+v (%v)", head, err)
	}
	s.server.Before(func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusForbidden); return true })
	_, err = s.client.Head(t.Context(), s.source)
	problem(t, err, gitsource.CredentialsRefused, "403")
	s.server.Before(nil)
	s.source.Branch = "master"
	_, err = s.client.Head(t.Context(), s.source)
	problem(t, err, gitsource.BranchNotFound, `"master"`)
	s.source.URL = s.server.URL("nothing")
	_, err = s.client.Head(t.Context(), s.source)
	problem(t, err, gitsource.RepositoryNotFound)
}

func TestCredentials_DoNotPrint(t *testing.T) {
	r := gitsource.Repository{URL: "https://git.example/a", Credentials: gitsource.Credentials{Username: "u", Password: secret, Identity: []byte(secret)}}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{string(text), fmt.Sprint(r), fmt.Sprintf("%+v", r), fmt.Sprintf("%#v", r), fmt.Sprintf("%x", r.Credentials), fmt.Sprintf("%v", &r)} {
		if strings.Contains(shown, secret) || strings.Contains(shown, fmt.Sprintf("%x", secret)) {
			t.Errorf("it shows %s", shown)
		}
	}
}

// A server inside could be reached by another that sends there, and would get the credentials.
func TestHead_FollowsNoRedirect(t *testing.T) {
	s := start(t)
	s.push(t, gittest.Change{Files: files("a"), Message: "First"})
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect is followed") }))
	t.Cleanup(inside.Close)
	s.source.Credentials = gitsource.Credentials{Username: gittest.Username, Password: secret}
	s.server.Before(func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, inside.URL+"/?token="+secret, http.StatusMovedPermanently)
		return true
	})
	_, err := s.client.Head(t.Context(), s.source)
	problem(t, err, gitsource.AddressRefused, "redirects are not followed")
}

func TestHead_RefusesAddresses(t *testing.T) {
	client := &gitsource.Client{Limits: gitsource.DefaultLimits()}
	for url, text := range map[string]string{
		"http://git.example/a":                             "sources.plainHTTP",
		"file:///etc/passwd":                               "must begin with https://",
		"/etc/passwd":                                      "must begin with https://",
		"git://git.example/a":                              "must begin with https://",
		"ext::sh -c reboot":                                "must be",
		"https://u:" + secret + "@git.example/a":           "no password",
		"https://git.example/a?x=" + secret:                "neither ? nor #",
		"https://git.example/a#b":                          "neither ? nor #",
		"https://git.example/../a":                         "no part begins with a dot",
		"https://git.example/a/--upload-pack=x":            "no part begins with a dot or a hyphen",
		"ssh://git@git.example/a'$(reboot)'":               "letters, digits",
		"ssh://-oProxyCommand=x@git.example/a":             "user",
		"https://169.254.169.254/latest":                   "never reached",
		"https://[fd00:ec2::254]/a":                        "never reached",
		"https://127.0.0.1/a":                              "loopback",
		"https://10.1.2.3/a":                               "ask the platform team",
		"ssh://git@10.1.2.3/a":                             "ask the platform team",
		"https://2130706433/a":                             "its host",
		"https://git.example:0/a":                          "port",
		"https://git.example/" + strings.Repeat("a", 1100): "must have a path",
	} {
		_, err := client.Head(t.Context(), gitsource.Repository{URL: url, Branch: "main"})
		problem(t, err, gitsource.AddressRefused, text)
	}
	for _, branch := range []string{"", "a..b", "a b", "a~1", "/a", "a/", "a\x00", "a:b", strings.Repeat("x", 256)} {
		_, err := client.Head(t.Context(), gitsource.Repository{URL: "https://git.example/a", Branch: branch})
		problem(t, err, gitsource.BranchNotFound)
	}
	rules, err := outbound.NewRules("git.inside")
	if err != nil {
		t.Fatal(err)
	}
	client.Rules = rules
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	_, err = client.Head(ctx, gitsource.Repository{URL: "https://git.inside/a", Branch: "main"})
	problem(t, err, gitsource.NotReachable)
}

func TestHead_TellsAPageFromARepository(t *testing.T) {
	s := start(t)
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		reason gitsource.Reason
	}{
		"a page":            {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>" + secret)) }, gitsource.RepositoryNotFound},
		"an error":          {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, gitsource.NotReachable},
		"too many requests": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) }, gitsource.NotReachable},
		"nonsense":          {advertised(func(w http.ResponseWriter) { _, _ = w.Write([]byte("zzzz" + secret)) }), gitsource.NotReachable},
		"nothing":           {advertised(func(http.ResponseWriter) {}), gitsource.NotReachable},
		"a dropped answer": {advertised(func(w http.ResponseWriter) {
			_, _ = w.Write([]byte("001e# service=git-upload-pack\n0000"))
			panic(http.ErrAbortHandler)
		}), gitsource.NotReachable},
		"a list without end": {advertised(endless), gitsource.RepositoryUnsupported},
	} {
		t.Run(name, func(t *testing.T) {
			s.source.Credentials = gitsource.Credentials{Username: "u", Password: secret}
			s.client.Limits.Refs = 1 << 20
			s.server.Before(func(w http.ResponseWriter, r *http.Request) bool { c.answer(w, r); return true })
			_, err := s.client.Head(t.Context(), s.source)
			problem(t, err, c.reason)
		})
	}
}

func advertised(write func(http.ResponseWriter)) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
		write(w)
	}
}

// endless lists branches until nobody reads any more.
func endless(w http.ResponseWriter) {
	_, _ = w.Write([]byte("001e# service=git-upload-pack\n0000"))
	line := func(text string) error { _, err := fmt.Fprintf(w, "%04x%s", len(text)+4, text); return err }
	err := line(strings.Repeat("1", 40) + " refs/heads/main\x00shallow\n")
	for n := 0; err == nil; n++ {
		err = line(fmt.Sprintf("%s refs/heads/b%d\n", strings.Repeat("1", 40), n))
	}
}

func TestHead_EndsInTime(t *testing.T) {
	s := start(t)
	s.client.Limits.Timeout = 300 * time.Millisecond
	stuck := make(chan struct{})
	s.server.Before(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-stuck
		return true
	})
	defer close(stuck)
	_, err := s.client.Head(t.Context(), s.source)
	problem(t, err, gitsource.NotReachable, "in time")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = s.client.Head(ctx, s.source); !errors.Is(err, context.Canceled) {
		t.Errorf("when it is cancelled it says %v", err)
	}
}

// What is too large is left out, and the commit is known all the same.
func TestRange_IsBounded(t *testing.T) {
	s := start(t)
	from := s.push(t, gittest.Change{Files: files("a"), Message: "First"})
	noise := make([]byte, 3<<20)
	_, _ = rand.Read(noise)
	sha := s.push(t, gittest.Change{Files: map[string]string{"large": string(noise), "zeros": strings.Repeat("0", 40<<20)}, Message: "Large", At: at})
	r := s.look(t, gitsource.Question{From: from})
	if r.SHA != sha || r.Count != 1 || fmt.Sprint(r.Paths) != "[large zeros]" {
		t.Errorf("without content it is %+v", r)
	}
	s.git(t, "-C", s.Bare(), "config", "uploadpack.allowFilter", "false")
	s.client.Limits.Pack = 1 << 20
	if r = s.look(t, gitsource.Question{From: from}); r.SHA != sha || r.Counted || r.Compared || r.Forced {
		t.Errorf("with a pack that is too large it is %+v", r)
	}
	s.client.Limits = gitsource.DefaultLimits()
	s.client.Limits.Objects = 20 << 20
	if r = s.look(t, gitsource.Question{From: from, Path: "a"}); r.SHA != sha || r.Counted || r.Compared || r.Missing {
		t.Errorf("with objects that are too large it is %+v", r)
	}
}

func TestRange_NoticesADroppedConnection(t *testing.T) {
	s := start(t)
	s.push(t, gittest.Change{Files: files("a"), Message: "First"})
	s.server.Before(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost {
			return false
		}
		w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
		_, _ = w.Write([]byte("0008NAK\n"))
		panic(http.ErrAbortHandler)
	})
	_, err := s.client.Range(t.Context(), s.source, gitsource.Question{})
	problem(t, err, gitsource.NotReachable)
	s.server.Before(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost {
			return false
		}
		w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
		return true // an answer with nothing in it
	})
	_, err = s.client.Range(t.Context(), s.source, gitsource.Question{})
	problem(t, err, gitsource.NotReachable)
}

func TestRange_ShowsHostileTextAsText(t *testing.T) {
	s := start(t)
	from := s.push(t, gittest.Change{Files: files("a"), Message: "First"})
	sha := s.push(t, gittest.Change{
		Files:   map[string]string{"$(reboot)": "x", "a\nb": "x", "${{ github.token }}": "x", "--flag": "x"},
		Message: "$(reboot) \x1b[2J'\"`id`\nMore", Author: "Eve\u202e <e@\u200bx>", At: time.Unix(0, 0),
	})
	if _, err := s.Git(t.Context(), "push", "--quiet", "origin", "HEAD:refs/heads/$(reboot)`id`;x"); err != nil {
		t.Fatal(err)
	}
	s.source.Branch = "$(reboot)`id`;x"
	r := s.look(t, gitsource.Question{From: from})
	if r.SHA != sha || r.Commit.Message != "$(reboot) [2J'\"`id`" || r.Commit.Author != "Eve <e@x>" || !r.Oldest.IsZero() {
		t.Errorf("it is %+v", r)
	}
	if got := fmt.Sprintf("%q", r.Paths); got != `["$(reboot)" "${{ github.token }}" "--flag" "a�b"]` {
		t.Errorf("changed are %s", got)
	}
}

func TestRange_NamesOnlySoManyFiles(t *testing.T) {
	s := start(t)
	from := s.push(t, gittest.Change{Files: files("a"), Message: "First"})
	many := map[string]string{}
	for n := range 400 {
		many[fmt.Sprintf("d%d/f%03d", n%7, n)] = "x"
	}
	s.push(t, gittest.Change{Files: many, Message: "Many"})
	if r := s.look(t, gitsource.Question{From: from}); len(r.Paths) != gitsource.MaxPaths || !r.Changed || r.Paths[0] != "d0/f000" {
		t.Errorf("it names %d files, from %.1q", len(r.Paths), r.Paths)
	}
}
