package gitsource_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/towpath-dev/towpath/internal/gitsource"
	"github.com/towpath-dev/towpath/internal/gitsource/gittest"
	"github.com/towpath-dev/towpath/internal/outbound"
)

const secret = "s3cr3t-t0ken"

// setting is a repository that is served, and a client that may reach it.
type setting struct {
	*gittest.Repository
	server *gittest.Server
	client *gitsource.Client
	source gitsource.Repository
}

func start(t *testing.T) *setting {
	t.Helper()
	root := t.TempDir()
	server, err := gittest.Start(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	repository, err := gittest.New(t.Context(), root, "checkout")
	if err != nil {
		t.Fatal(err)
	}
	rules, err := outbound.NewRules("127.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	return &setting{
		Repository: repository, server: server,
		client: &gitsource.Client{Rules: rules, PlainHTTP: true, Limits: gitsource.DefaultLimits()},
		source: gitsource.Repository{URL: server.URL("checkout"), Branch: "main"},
	}
}

func (s *setting) push(t *testing.T, c gittest.Change) string {
	t.Helper()
	sha, err := s.Push(t.Context(), "main", c)
	if err != nil {
		t.Fatal(err)
	}
	return sha
}

func (s *setting) git(t *testing.T, args ...string) string {
	t.Helper()
	out, err := s.Git(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (s *setting) look(t *testing.T, q gitsource.Question) gitsource.Range {
	t.Helper()
	r, err := s.client.Range(t.Context(), s.source, q)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var at = time.Date(2026, time.November, 20, 9, 14, 0, 0, time.UTC)

func files(names ...string) map[string]string {
	all := map[string]string{}
	for _, name := range names {
		all[name] = name + at.String()
	}
	return all
}

func TestHead_IsWhereTheBranchIs(t *testing.T) {
	s := start(t)
	sha := s.push(t, gittest.Change{Files: files("a"), Message: "First"})
	head, err := s.client.Head(t.Context(), s.source)
	if err != nil || head.SHA != sha || head.Tag != "" {
		t.Fatalf("it is %+v (%v), want %s", head, err, sha)
	}
	s.git(t, "tag", "v1")
	s.git(t, "tag", "-a", "-m", "annotated", "v2")
	s.git(t, "push", "--quiet", "--tags", "origin")
	if head, err = s.client.Head(t.Context(), s.source); err != nil || head.SHA != sha || head.Tag != "v2" {
		t.Errorf("with tags it is %+v (%v)", head, err)
	}
	if posts := s.server.Asked(http.MethodPost, "checkout"); posts != 0 {
		t.Errorf("it fetched %d times", posts)
	}
}

func TestRange_OfTheFirstCommitIsThatAlone(t *testing.T) {
	s := start(t)
	s.push(t, gittest.Change{Files: files("a"), Message: "First", At: at})
	sha := s.push(t, gittest.Change{Files: files("services/checkout/b"), Message: "Second (#12)\n\nWith a body.", Author: "Ada Lovelace <ada@shop.example>", At: at.Add(time.Hour)})
	r := s.look(t, gitsource.Question{})
	want := gitsource.Commit{SHA: sha, CommittedAt: at.Add(time.Hour), Author: "Ada Lovelace <ada@shop.example>", Message: "Second (#12)", PullRequest: 12}
	if r.SHA != sha || r.Commit != want || !r.Counted || r.Count != 1 || !r.Oldest.Equal(want.CommittedAt) || r.Forced || r.Compared {
		t.Errorf("it is %+v", r)
	}
	if r := s.look(t, gitsource.Question{Path: "services/checkout"}); r.Missing {
		t.Errorf("the path is missing: %+v", r)
	}
	for _, path := range []string{"services/orders", "a/b", "services/checkout/b/c"} {
		if r := s.look(t, gitsource.Question{Path: path}); !r.Missing {
			t.Errorf("the path %s is there: %+v", path, r)
		}
	}
}

func TestRange_CountsWhatIsNewAndNamesWhatChanged(t *testing.T) {
	s := start(t)
	from := s.push(t, gittest.Change{Files: files("a", "services/checkout/old", "services/checkout/same", "services/orders/x"), Message: "First", At: at})
	s.push(t, gittest.Change{Files: map[string]string{"services/checkout/old": "", "docs/b": "b"}, Message: "Second", At: at.Add(time.Hour)})
	s.git(t, "checkout", "--quiet", "-b", "feature", from)
	s.push(t, gittest.Change{Files: map[string]string{"services/checkout/deep/new": "n"}, Message: "On a branch", At: at.Add(-time.Hour)})
	s.git(t, "checkout", "--quiet", "main")
	s.git(t, "merge", "--quiet", "--no-ff", "-m", "Merge pull request #7 from shop/feature", "feature")
	sha := s.push(t, gittest.Change{Files: map[string]string{"services/orders/x": "other"}, Message: "Last", At: at.Add(2 * time.Hour)})

	r := s.look(t, gitsource.Question{From: from})
	if r.SHA != sha || !r.Counted || r.Count != 4 || !r.Oldest.Equal(at.Add(-time.Hour)) || r.Forced || !r.Compared || !r.Changed {
		t.Errorf("it is %+v", r)
	}
	if got := strings.Join(r.Paths, " "); got != "docs/b services/checkout/deep/new services/checkout/old services/orders/x" {
		t.Errorf("changed are %s", got)
	}
	if r = s.look(t, gitsource.Question{From: from, Path: "services/checkout"}); strings.Join(r.Paths, " ") != "services/checkout/deep/new services/checkout/old" || !r.Changed {
		t.Errorf("below the path changed %v", r.Paths)
	}
	if r = s.look(t, gitsource.Question{From: from, Path: "a"}); !r.Compared || r.Changed || len(r.Paths) != 0 || r.Missing {
		t.Errorf("of a file that is the same: %+v", r)
	}
	if r = s.look(t, gitsource.Question{From: sha}); !r.Counted || r.Count != 0 || r.Forced || !r.Compared || r.Changed {
		t.Errorf("since itself: %+v", r)
	}
}

// A server that leaves nothing out sends the content, too; what it says is the same.
func TestRange_AsksServersThatKnowNoFilters(t *testing.T) {
	s := start(t)
	from := s.push(t, gittest.Change{Files: files("a", "b/c"), Message: "First"})
	s.push(t, gittest.Change{Files: map[string]string{"b/c": "other"}, Message: "Second"})
	s.git(t, "-C", s.Bare(), "config", "uploadpack.allowFilter", "false")
	if r := s.look(t, gitsource.Question{From: from}); r.Count != 1 || !r.Compared || fmt.Sprint(r.Paths) != "[b/c]" {
		t.Errorf("it is %+v", r)
	}
}

func TestRange_SaysThatHistoryWasReplaced(t *testing.T) {
	s := start(t)
	base := s.push(t, gittest.Change{Files: files("a"), Message: "Base", At: at})
	from := s.push(t, gittest.Change{Files: files("b"), Message: "Gone", At: at.Add(time.Hour)})
	s.git(t, "reset", "--quiet", "--hard", base)
	s.push(t, gittest.Change{Files: files("c"), Message: "In its place", At: at.Add(2 * time.Hour)})
	sha := s.push(t, gittest.Change{Files: files("d"), Message: "And another", At: at.Add(3 * time.Hour)})
	if r := s.look(t, gitsource.Question{From: from}); r.SHA != sha || !r.Forced || r.Compared {
		t.Errorf("of a commit that the server still has: %+v", r)
	}
	s.git(t, "-C", s.Bare(), "reflog", "expire", "--expire=now", "--all")
	s.git(t, "-C", s.Bare(), "gc", "--quiet", "--prune=now")
	if r := s.look(t, gitsource.Question{From: from, Path: "d"}); r.SHA != sha || !r.Forced || r.Counted || r.Compared || r.Missing {
		t.Errorf("of one that it does not have: %+v", r)
	}
}
