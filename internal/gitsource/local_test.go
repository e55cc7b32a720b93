package gitsource_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/towpath-dev/towpath/internal/gitsource"
	"github.com/towpath-dev/towpath/internal/gitsource/gittest"
)

// clone clones the repository as it is, and returns the directory.
func (s *setting) clone(t *testing.T, args ...string) string {
	t.Helper()
	directory := filepath.Join(t.TempDir(), "clone")
	s.git(t, append(append([]string{"clone", "--quiet", "--no-local"}, args...), "file://"+s.Bare(), directory)...)
	return directory
}

func TestLocal_SaysWhatTheServerWould(t *testing.T) {
	s := start(t)
	first := s.push(t, gittest.Change{Files: files("a"), Message: "first", At: at.Add(-3 * time.Hour)})
	s.push(t, gittest.Change{Files: files("b"), Message: "second", At: at.Add(-2 * time.Hour)})
	second := s.push(t, gittest.Change{Files: files("c"), Message: "Merge pull request #12 from shop/fix", Author: "Ada <ada@shop.example>", At: at})
	for name, args := range map[string][]string{"all of it": nil, "without files": {"--filter=blob:none"}, "commits alone": {"--filter=tree:0", "--no-checkout"}} {
		directory := s.clone(t, args...)
		for _, from := range []string{"", first, second} {
			want := s.look(t, gitsource.Question{From: from})
			got, err := gitsource.Local(t.Context(), directory, second, from)
			if err != nil || got.Commit != want.Commit || got.Counted != want.Counted || got.Count != want.Count || !got.Oldest.Equal(want.Oldest) || got.Forced != want.Forced {
				t.Errorf("%s, since %q: %+v, %v, want %+v", name, from, got, err, want)
			}
		}
		// Of an older commit that is built after a newer one.
		if got, err := gitsource.Local(t.Context(), directory, first, second); err != nil || !got.Counted || got.Count != 0 || !got.Oldest.IsZero() {
			t.Errorf("%s, backwards: %+v, %v", name, got, err)
		}
	}
}

func TestLocal_CountsWhatIsNewOfBranchesThatWereMerged(t *testing.T) {
	s := start(t)
	first := s.push(t, gittest.Change{Files: files("a"), Message: "first", At: at.Add(-9 * time.Hour)})
	base := s.push(t, gittest.Change{Files: files("b"), Message: "base", At: at.Add(-8 * time.Hour)})
	directory := s.clone(t)
	git := func(args ...string) string {
		return strings.TrimSpace(s.git(t, append([]string{"-C", directory, "-c", "user.name=a", "-c", "user.email=a@shop.example"}, args...)...))
	}
	git("checkout", "--quiet", "-b", "side", first)
	git("commit", "--quiet", "--allow-empty", "--message", "on the side")
	git("checkout", "--quiet", "main")
	git("merge", "--quiet", "--no-ff", "--no-edit", "side")
	got, err := gitsource.Local(t.Context(), directory, git("rev-parse", "HEAD"), base)
	if err != nil || !got.Counted || got.Count != 2 || got.Forced {
		t.Errorf("the merge and what it merged are new: %+v, %v", got, err)
	}
}

func TestLocal_DoesNotCountWhatItDoesNotHave(t *testing.T) {
	s := start(t)
	first := s.push(t, gittest.Change{Files: files("a"), Message: "first"})
	second := s.push(t, gittest.Change{Files: files("b"), Message: "second"})
	shallow := s.clone(t, "--depth=1")
	if got, err := gitsource.Local(t.Context(), shallow, second, first); !errors.Is(err, gitsource.ErrShallow) || got.Counted || got.Commit.Message != "second" {
		t.Errorf("a shallow clone: %+v, %v", got, err)
	}
	// Where nothing was built before, the newest counts alone: that is there.
	if got, err := gitsource.Local(t.Context(), shallow, second, ""); err != nil || !got.Counted || got.Count != 1 {
		t.Errorf("a shallow clone, of the first Build: %+v, %v", got, err)
	}
	whole := s.clone(t)
	if got, err := gitsource.Local(t.Context(), whole, second, strings.Repeat("ab", 20)); err != nil || got.Counted || !got.Forced {
		t.Errorf("since what is there no more: %+v, %v", got, err)
	}
	for _, directory := range []string{t.TempDir(), whole} {
		if got, err := gitsource.Local(t.Context(), directory, strings.Repeat("cd", 20), first); err == nil || got.Counted {
			t.Errorf("a commit that is not there: %+v, %v", got, err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := gitsource.Local(ended, whole, second, first); !errors.Is(err, context.Canceled) || got.Counted {
		t.Errorf("without the time for it: %+v, %v", got, err)
	}
}
