package gitsource_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/towpath-dev/towpath/internal/gitsource"
	"github.com/towpath-dev/towpath/internal/gitsource/gittest"
)

// branch commits a file to a branch.
func (s *setting) branch(t *testing.T, branch, file string) string {
	t.Helper()
	sha, err := s.Push(t.Context(), branch, gittest.Change{Files: map[string]string{file: branch}, Message: file})
	if err != nil {
		t.Fatal(err)
	}
	return sha
}

func TestReferences_TellsThePullRequestsOfTheRepositoryFromThoseOfForks(t *testing.T) {
	s := start(t)
	base := s.branch(t, "main", "a")
	fix := s.branch(t, "fix", "b")
	s.branch(t, "other", "c")
	lab := s.branch(t, "lab/x", "d")
	s.git(t, "checkout", "--quiet", "-B", "fork", base)
	fork := s.branch(t, "gone", "e")
	s.git(t, "push", "--quiet", "origin", ":refs/heads/gone") // the commit of a fork is on no branch of the repository
	s.git(t, "checkout", "--quiet", "-B", "main", base)
	head := s.branch(t, "main", "f")
	for ref, sha := range map[string]string{
		"refs/pull/7/head": fix, "refs/pull/5/head": fix, "refs/pull/8/head": fork, "refs/pull/9/head": head, "refs/merge-requests/3/head": lab,
		"refs/pull/7/merge": lab, "refs/pull/x/head": lab, "refs/pull/07/head": lab, "refs/pull/-1/head": lab, "refs/pull/1/2/head": lab,
	} {
		s.git(t, "push", "--quiet", "origin", sha+":"+ref)
	}
	s.git(t, "push", "--quiet", "origin", base+":refs/tags/v1")
	s.git(t, "tag", "-a", "-m", "x", "v2", fix)
	s.git(t, "push", "--quiet", "origin", "v2")
	got, err := s.client.References(t.Context(), s.source)
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprint([]gitsource.Request{{Number: 3, SHA: lab, Branch: "lab/x"}, {Number: 7, SHA: fix, Branch: "fix"}}); fmt.Sprint(got.Requests) != want || got.SHA != head {
		t.Errorf("the requests are %v, want %s", got.Requests, want)
	}
	if want := fmt.Sprint([]gitsource.Tag{{Name: "v1", SHA: base}, {Name: "v2", SHA: fix}}); fmt.Sprint(got.Tags) != want {
		t.Errorf("the tags are %v, want %s", got.Tags, want)
	}
}

func TestRange_OfACommitComparesItWithWhereItLeftTheBranch(t *testing.T) {
	s := start(t)
	s.branch(t, "main", "services/checkout/a")
	base := s.branch(t, "main", "services/orders/a")
	s.branch(t, "fix", "services/checkout/b")
	fix := s.branch(t, "fix", "services/checkout/c")
	s.git(t, "checkout", "--quiet", "-B", "main", base)
	head := s.branch(t, "main", "services/orders/later")
	ask := func(q gitsource.Question) gitsource.Range {
		t.Helper()
		got, err := s.client.Range(t.Context(), s.source, q)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	got := ask(gitsource.Question{Commit: fix, From: head})
	if got.SHA != fix || got.Commit.SHA != fix || got.Count != 2 || fmt.Sprint(got.Paths) != "[services/checkout/b services/checkout/c]" {
		t.Errorf("it is %+v", got)
	}
	if got = ask(gitsource.Question{Commit: fix, From: head, Path: "services/orders"}); !got.Compared || got.Changed {
		t.Errorf("of another directory it is %+v: what came to the branch since is none of it", got)
	}
	if ask(gitsource.Question{Commit: head}).SHA != head {
		t.Error("without what is known, it is another commit")
	}
}

func TestRange_SaysWhatIsNoCommit(t *testing.T) {
	s := start(t)
	s.branch(t, "main", "a")
	tree := s.git(t, "rev-parse", "HEAD^{tree}")
	s.git(t, "push", "--quiet", "origin", tree+":refs/tags/tree")
	if _, err := s.client.Range(t.Context(), s.source, gitsource.Question{Commit: tree}); !errors.Is(err, gitsource.ErrNoCommit) {
		t.Errorf("of a tag on a tree it says %v", err)
	}
}
