package gitsource_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/towpath-dev/towpath/internal/gitsource"
	"github.com/towpath-dev/towpath/internal/gitsource/gittest"
)

// objectsOf runs commands of git that make objects which no checkout has.
func objectsOf(t *testing.T, bare string) func(stdin string, args ...string) string {
	return func(stdin string, args ...string) string {
		t.Helper()
		command := exec.CommandContext(t.Context(), "git", append([]string{"--git-dir", bare}, args...)...)
		command.Stdin = strings.NewReader(stdin)
		command.Env = []string{"PATH=/usr/bin:/bin", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b"}
		out, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v: %s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
}

// TestRange_OfDirectoriesThatHoldTheSameOneTwice has 2^50 directories in 50 objects, none of which has a file.
func TestRange_OfDirectoriesThatHoldTheSameOneTwice(t *testing.T) {
	s := start(t)
	first := s.push(t, gittest.Change{Files: files("a"), Message: "First"})
	git := objectsOf(t, s.Bare())
	tree := git("", "mktree")
	for range 50 {
		tree = git(fmt.Sprintf("040000 tree %s\tx\n040000 tree %s\ty\n", tree, tree), "mktree")
	}
	head := git("", "commit-tree", tree, "-p", first, "-m", "Wide")
	git("", "update-ref", "refs/heads/main", head)

	s.client.Limits.Timeout = time.Minute
	began := time.Now()
	got := s.look(t, gitsource.Question{From: first})
	if got.SHA != head || got.Compared || got.Paths != nil {
		t.Errorf("%+v: nobody has looked at all of it", got)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
}

// TestList_OfDirectoriesThatHoldTheSameOneAgain has 100^5 directories in six objects, none of which has a file.
func TestList_OfDirectoriesThatHoldTheSameOneAgain(t *testing.T) {
	s := start(t)
	first := s.push(t, gittest.Change{Files: files("a"), Message: "First"})
	git := objectsOf(t, s.Bare())
	tree := git("", "mktree")
	for range 5 {
		entries := ""
		for i := range 100 {
			entries += fmt.Sprintf("040000 tree %s\td%02d\n", tree, i)
		}
		tree = git(entries, "mktree")
	}
	tree = git(fmt.Sprintf("040000 tree %s\tdir\n", tree), "mktree")
	git("", "update-ref", "refs/heads/main", git("", "commit-tree", tree, "-p", first, "-m", "Wide"))

	s.client.Limits.Timeout = time.Minute
	_, err := s.client.List(t.Context(), s.source, "dir")
	problem(t, err, gitsource.RepositoryUnsupported, "more than 4096 files")
}
