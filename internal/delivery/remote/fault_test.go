package remote_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/towpath-dev/towpath/internal/delivery"
	"github.com/towpath-dev/towpath/internal/delivery/remote"
)

// TestCommit_LosesNoneOfMany has two managers, who know nothing of each other, and somebody who pushes by hand in between.
func TestCommit_LosesNoneOfMany(t *testing.T) {
	const managers, each = 2, 25
	s := startGit(t)
	s.write("main", map[string]string{"README.md": "mine"})
	var wait sync.WaitGroup
	for m := range managers {
		r := open(t, poolOf(t, remote.Retry{Attempts: 100, First: 5 * time.Millisecond, Longest: 50 * time.Millisecond}), s.source(remote.Push))
		for i := range each {
			wait.Go(func() {
				result, err := r.Commit(t.Context(), releaseOf(fmt.Sprintf("service-%d-%d", m, i), 1, "settings"), noon)
				if err != nil || !result.Made {
					t.Errorf("%d-%d: %+v, %v", m, i, result, err)
				}
			})
		}
	}
	wait.Wait()
	if n := s.count("main"); n != 1+managers*each {
		t.Errorf("there are %d commits", n)
	}
	uids := map[string]bool{}
	for uid := range strings.Lines(s.git("log", "--format=%(trailers:key=Towpath-Release-UID,valueonly,separator=)", "main")) {
		uids[strings.TrimSpace(uid)] = true
	}
	delete(uids, "")
	if len(uids) != managers*each {
		t.Errorf("the history has %d Releases", len(uids))
	}
	if n := len(s.files("main")); n != 1+3*managers*each {
		t.Errorf("there are %d files", n)
	}
	s.check("main")
}

// pushing says whether a request is a push.
func pushing(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "git-receive-pack")
}

// hangUp closes the connection without another word.
func hangUp(w http.ResponseWriter) {
	connection, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		_ = connection.Close()
	}
}

func TestCommit_SurvivesAConnectionThatBreaks(t *testing.T) {
	for name, fault := range map[string]func(w http.ResponseWriter, r *http.Request, git http.Handler){
		"before the push": func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { hangUp(w) },
		"amid the push": func(w http.ResponseWriter, r *http.Request, git http.Handler) {
			half, _ := io.ReadAll(io.LimitReader(r.Body, 200))
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(half)), 200
			git.ServeHTTP(httptest.NewRecorder(), r)
			hangUp(w)
		},
		"after it landed": func(w http.ResponseWriter, r *http.Request, git http.Handler) {
			git.ServeHTTP(httptest.NewRecorder(), r)
			hangUp(w)
		},
		"amid the answer": func(w http.ResponseWriter, r *http.Request, git http.Handler) {
			answer := httptest.NewRecorder()
			git.ServeHTTP(answer, r)
			w.Header().Set("Content-Type", answer.Header().Get("Content-Type"))
			_, _ = w.Write(answer.Body.Bytes()[:answer.Body.Len()/2])
			_ = http.NewResponseController(w).Flush()
			hangUp(w)
		},
		"with an empty answer": func(w http.ResponseWriter, r *http.Request, git http.Handler) {
			answer := httptest.NewRecorder()
			git.ServeHTTP(answer, r)
			w.Header().Set("Content-Type", answer.Header().Get("Content-Type"))
		},
		"with an empty answer to nothing": func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			w.Header().Set("Content-Type", "application/x-git-receive-pack-result")
		},
		"with a gateway's words": func(w http.ResponseWriter, r *http.Request, git http.Handler) {
			git.ServeHTTP(httptest.NewRecorder(), r)
			http.Error(w, "bad gateway", http.StatusBadGateway)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := startGit(t)
			s.write("main", map[string]string{"README.md": "mine"})
			var times atomic.Int32
			s.intercept(func(w http.ResponseWriter, r *http.Request, git http.Handler) {
				if pushing(r) && times.Add(1) <= 2 {
					fault(w, r, git)
					return
				}
				git.ServeHTTP(w, r)
			})
			result := commit(t, s.open(remote.Push), releaseOf("checkout", 1))
			if !result.Made || result.Commit != s.git("rev-parse", "main") || result.Attempts < 2 {
				t.Errorf("the result is %+v", result)
			}
			if n := s.count("main"); n != 2 {
				t.Errorf("there are %d commits", n)
			}
			s.check("main")
		})
	}
}

// TestCommit_ThatNobodyHeardOfIsNotMadeTwice breaks the connection for good after the push has landed: the caller sees an error,
// and comes again later.
func TestCommit_ThatNobodyHeardOfIsNotMadeTwice(t *testing.T) {
	s := startGit(t)
	s.write("main", map[string]string{"README.md": "mine"})
	var away atomic.Bool
	s.intercept(func(w http.ResponseWriter, r *http.Request, git http.Handler) {
		if away.Load() {
			hangUp(w)
			return
		}
		if pushing(r) {
			git.ServeHTTP(httptest.NewRecorder(), r)
			away.Store(true)
			hangUp(w)
			return
		}
		git.ServeHTTP(w, r)
	})
	r := s.open(remote.Push)
	result, err := r.Commit(t.Context(), releaseOf("checkout", 1), noon)
	if err == nil || remote.ReasonOf(err) != "" || !strings.Contains(err.Error(), "in 6 attempts") || result.Attempts != 6 {
		t.Errorf("it says %+v, %v", result, err)
	}
	s.between.Store(nil)
	s.write("main", map[string]string{"README.md": "mine, newer"})
	for _, again := range []*remote.Repository{r, s.open(remote.Push)} {
		if result := commit(t, again, releaseOf("checkout", 1)); result.Made {
			t.Errorf("it was made again: %+v", result)
		}
	}
	if n := s.count("main"); n != 3 {
		t.Errorf("there are %d commits", n)
	}
}

// TestCommit_IsOvertaken has somebody push between our look and our push, several times.
func TestCommit_IsOvertaken(t *testing.T) {
	s := startGit(t)
	s.write("main", map[string]string{"README.md": "mine"})
	var times atomic.Int32
	s.intercept(func(w http.ResponseWriter, r *http.Request, git http.Handler) {
		if n := times.Load(); pushing(r) && n < 3 {
			times.Add(1)
			s.write("main", map[string]string{fmt.Sprintf("shop/prod/notes-%d.txt", n): "mine"})
		}
		git.ServeHTTP(w, r)
	})
	result := commit(t, s.open(remote.Push), releaseOf("checkout", 1))
	if result.Attempts != 4 || s.count("main") != 5 || len(s.files("main")) != 6 {
		t.Errorf("the result is %+v, with %d commits and %q", result, s.count("main"), s.files("main"))
	}
	s.check("main")
}

func TestCommit_FollowsAForcedPush(t *testing.T) {
	s := startGit(t)
	s.write("main", map[string]string{"README.md": "mine"})
	seed := s.git("rev-parse", "main")
	r := s.open(remote.Push)
	commit(t, r, releaseOf("checkout", 1))
	commit(t, r, releaseOf("basket", 1))
	s.git("update-ref", "refs/heads/main", seed)
	s.git("reflog", "expire", "--expire=now", "--all")
	s.git("gc", "--quiet", "--prune=now")
	if held, _, err := r.ReleaseAt(t.Context(), releaseOf("checkout", 1).Target); held != nil || err != nil {
		t.Errorf("it still says %v, %v", held, err)
	}
	for _, name := range []string{"checkout", "basket"} {
		if result := commit(t, r, releaseOf(name, 1)); !result.Made {
			t.Errorf("%s is not replayed", name)
		}
	}
	if s.count("main") != 3 || s.git("rev-parse", "main~2") != seed {
		t.Error("the history is another")
	}
	// Also to a branch that has nothing in common with the one before.
	s.git("update-ref", "-d", "refs/heads/main")
	s.write("main", map[string]string{"other.md": "mine"})
	commit(t, r, releaseOf("checkout", 2))
	same(t, s.files("main"), "other.md", "shop/prod/checkout/.towpath", "shop/prod/checkout/deployment-checkout.yaml")
	s.check("main")
}

func TestCommit_EndsWithItsContext(t *testing.T) {
	s := startGit(t)
	reached, release := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(release) })
	s.intercept(func(_ http.ResponseWriter, _ *http.Request, _ http.Handler) {
		reached <- struct{}{}
		<-release
	})
	r := s.open(remote.Push)
	ctx, cancel := context.WithCancel(t.Context())
	first, second := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := r.Commit(ctx, releaseOf("checkout", 1), noon)
		first <- err
	}()
	<-reached
	// The second one waits for its turn.
	go func() {
		_, err := r.Commit(ctx, releaseOf("basket", 1), noon)
		second <- err
	}()
	cancel()
	for _, done := range []chan error{first, second} {
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("it says %v", err)
		}
	}
}

func TestCommit_SaysWhatToDoAboutCredentials(t *testing.T) {
	s := startGit(t)
	for name, c := range map[string]struct {
		credentials remote.Credentials
		words       []string
	}{
		"expired": {remote.Credentials{Username: user, Password: "expired-" + secret}, []string{"401", "expired", "new token"}},
		"none":    {remote.Credentials{}, []string{"none are set"}},
		"bearer":  {remote.Credentials{Password: secret}, []string{"401"}},
	} {
		t.Run(name, func(t *testing.T) {
			source := s.source(remote.Push)
			source.Credentials = c.credentials
			r := open(t, poolOf(t, quick), source)
			result, err := r.Commit(t.Context(), releaseOf("checkout", 1), noon)
			refused(t, err, remote.ReasonCredentials, c.words...)
			if result.Attempts != 1 {
				t.Errorf("it tried %d times", result.Attempts)
			}
			if _, err := r.Head(t.Context()); remote.ReasonOf(err) != remote.ReasonCredentials {
				t.Errorf("reading says %v", err)
			}
			for _, text := range []string{err.Error(), fmt.Sprintf("%v %+v %#v %s %q", source, source, source, source.Credentials, source.Credentials),
				fmt.Sprintf("%v %+v %#v", r, r, *r)} {
				if strings.Contains(text, secret) || strings.Contains(text, "c4nary") {
					t.Errorf("it shows the password: %s", text)
				}
			}
		})
	}
}

func TestCommit_SaysWhatTheServerAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter, r *http.Request)
		reason remote.Reason
		words  string
	}{
		"forbidden": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, remote.ReasonCredentials, "right to write"},
		"not there": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }, remote.ReasonNotFound, "does not exist"},
		"moved": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://metadata.example/"+secret, http.StatusMovedPermanently)
		}, remote.ReasonAddress, "https://metadata.example)"},
		"a page":      {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }, remote.ReasonNotFound, "not Git's protocol"},
		"away":        {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }, "", "503"},
		"its secrets": {func(w http.ResponseWriter, _ *http.Request) { pkt(w, "ERR you said "+secret) }, "", "[hidden]"},
		"garbage":     {func(w http.ResponseWriter, _ *http.Request) { pkt(w, strings.Repeat("\x1b]0;x\x07", 200)) }, "", "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			s := startGit(t)
			s.intercept(func(w http.ResponseWriter, r *http.Request, _ http.Handler) { c.answer(w, r) })
			_, err := s.open(remote.Push).Commit(t.Context(), releaseOf("checkout", 1), noon)
			if err == nil {
				t.Fatal("it says nothing")
			}
			refused(t, err, c.reason, c.words)
			if text := err.Error(); strings.Contains(text, "c4nary") || strings.Contains(text, "\x1b") || len(text) > 1500 {
				t.Errorf("it says %q", text)
			}
		})
	}
}

// pkt answers as a server that speaks Git's protocol, with one line.
func pkt(w http.ResponseWriter, line string) {
	w.Header().Set("Content-Type", "application/x-git-receive-pack-advertisement")
	_, _ = fmt.Fprintf(w, "%04x%s", len(line)+4, line)
}

func TestCommit_IsDeclined(t *testing.T) {
	s := startGit(t)
	s.write("main", map[string]string{"README.md": "mine"})
	hook(t, s, "echo \"main is protected ($GIT_PUSH_OPTION_COUNT)\" >&2; exit 1")
	_, err := s.open(remote.Push).Commit(t.Context(), releaseOf("checkout", 1), noon)
	refused(t, err, remote.ReasonDeclined, "pre-receive hook declined", "main is protected", "pull requests")
	if s.count("main") != 1 || s.pushes.Load() != 2 {
		t.Errorf("there are %d commits after %d pushes", s.count("main"), s.pushes.Load())
	}
}

// TestCommit_ThatIsTooLarge asks for less than the repository has.
func TestCommit_ThatIsTooLarge(t *testing.T) {
	s := startGit(t)
	s.write("main", map[string]string{"README.md": strings.Repeat("a", 1<<20)})
	// The second one is more than what is sent, and less than what that becomes.
	for _, limit := range []int64{64, 1 << 19} {
		options := remote.Options{Rules: rulesOf(t, "127.0.0.0/8"), PlainHTTP: true, Retry: quick, MaxFetch: limit}
		_, err := open(t, remote.NewPool(options), s.source(remote.Push)).Commit(t.Context(), releaseOf("checkout", 1), noon)
		refused(t, err, remote.ReasonTooLarge, "for deliveries alone")
	}
}

func TestCommit_RefusesWhatCannotBeDelivered(t *testing.T) {
	s := startGit(t)
	r := s.open(remote.Push)
	withSecret := releaseOf("checkout", 1)
	withSecret.Objects = append(withSecret.Objects, object("v1", "Secret", "key", nil))
	outside := releaseOf("checkout", 1)
	outside.Team = "../.."
	for _, release := range []delivery.Release{withSecret, outside, {}} {
		_, err := r.Commit(t.Context(), release, noon)
		refused(t, err, remote.ReasonInvalid)
	}
	if s.pushes.Load() != 0 {
		t.Error("something was pushed")
	}
}
