package remote_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/towpath-dev/towpath/internal/delivery"
	"github.com/towpath-dev/towpath/internal/delivery/remote"
)

func commit(t *testing.T, r *remote.Repository, release delivery.Release) remote.Result {
	t.Helper()
	result, err := r.Commit(t.Context(), release, noon)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// refused asks for an error with a reason, of which the message has these words.
func refused(t *testing.T, err error, reason remote.Reason, words ...string) {
	t.Helper()
	if remote.ReasonOf(err) != reason {
		t.Errorf("the reason is %q, want %q: %v", remote.ReasonOf(err), reason, err)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("there are\n%q, want\n%q", got, want)
	}
}

func TestCommit_MakesOneCommitForARelease(t *testing.T) {
	s := startGit(t)
	s.write("main", map[string]string{"README.md": "mine"})
	r := s.open(remote.Push)
	result := commit(t, r, releaseOf("checkout", 1, "settings"))
	if !result.Made || result.State != remote.Delivered || result.Attempts != 1 || result.Commit != s.git("rev-parse", "main") {
		t.Errorf("the result is %+v", result)
	}
	same(t, s.files("main"), "README.md", "shop/prod/checkout/.towpath", "shop/prod/checkout/configmap-settings.yaml", "shop/prod/checkout/deployment-checkout.yaml")
	if got := s.git("log", "-1", "--format=%an <%ae> %cI%n%(trailers)", "main"); got != `Towpath <towpath@platform.example> 2026-11-30T12:00:00+00:00
Towpath-Component: team-shop/checkout
Towpath-Environment: prod
Towpath-Release: checkout-prod-1
Towpath-Release-UID: uid-of-checkout-prod-1
Towpath-Image: registry.example/checkout:1
Authored-by: ada@shop.example
Approved-by: lin@shop.example` {
		t.Errorf("git shows\n%s", got)
	}
	if s.count("main") != 2 {
		t.Errorf("there are %d commits", s.count("main"))
	}
	s.check("main")
}

func TestCommit_BeginsAnEmptyRepository(t *testing.T) {
	s := startGit(t)
	r := s.open(remote.Push)
	if head, err := r.Head(t.Context()); head != "" || err != nil {
		t.Errorf("the head is %q, %v", head, err)
	}
	commit(t, r, releaseOf("checkout", 1))
	if s.count("main") != 1 {
		t.Error("there is more than one commit")
	}
	s.check("main")
}

func TestCommit_OfTheSameReleaseAgainDoesNothing(t *testing.T) {
	s := startGit(t)
	r := s.open(remote.Push)
	first := commit(t, r, releaseOf("checkout", 1, "settings"))
	// Whoever starts anew, after a crash, knows nothing of it.
	for _, again := range []*remote.Repository{r, s.open(remote.Push)} {
		result := commit(t, again, releaseOf("checkout", 1, "settings"))
		if result.Made || result.State != remote.Delivered || result.Commit != first.Commit {
			t.Errorf("the result is %+v", result)
		}
	}
	if s.pushes.Load() != 1 {
		t.Errorf("there were %d pushes", s.pushes.Load())
	}
}

func TestCommit_PutsBackWhatSomebodyChanged(t *testing.T) {
	s := startGit(t)
	r := s.open(remote.Push)
	commit(t, r, releaseOf("checkout", 1, "settings"))
	before := s.git("rev-parse", "main:shop")
	s.write("main", map[string]string{"shop/prod/checkout/deployment-checkout.yaml": "kind: Other", "shop/prod/checkout/configmap-settings.yaml": ""})
	if result := commit(t, r, releaseOf("checkout", 1, "settings")); !result.Made {
		t.Error("it made no commit")
	}
	if s.git("rev-parse", "main:shop") != before {
		t.Error("the files are not as they were")
	}
	s.check("main")
}

func TestCommit_RemovesItsOwnFilesAlone(t *testing.T) {
	s := startGit(t)
	r := s.open(remote.Push)
	commit(t, r, releaseOf("checkout", 1, "old", "settings"))
	commit(t, r, releaseOf("basket", 1))
	s.write("main", map[string]string{"shop/prod/checkout/configmap-old-notes.yaml": "mine", "shop/prod/checkout/notes/why.txt": "mine"})
	commit(t, r, releaseOf("checkout", 2, "settings"))
	same(t, s.files("main"), "shop/prod/basket/.towpath", "shop/prod/basket/deployment-basket.yaml",
		"shop/prod/checkout/.towpath", "shop/prod/checkout/configmap-old-notes.yaml", "shop/prod/checkout/configmap-settings.yaml",
		"shop/prod/checkout/deployment-checkout.yaml", "shop/prod/checkout/notes/why.txt")

	result, err := r.Remove(t.Context(), releaseOf("checkout", 2).Target, noon)
	if err != nil || !result.Made {
		t.Fatalf("removing says %+v, %v", result, err)
	}
	same(t, s.files("main"), "shop/prod/basket/.towpath", "shop/prod/basket/deployment-basket.yaml",
		"shop/prod/checkout/configmap-old-notes.yaml", "shop/prod/checkout/notes/why.txt")
	if result, err := r.Remove(t.Context(), releaseOf("checkout", 2).Target, noon); err != nil || result.Made {
		t.Errorf("removing again says %+v, %v", result, err)
	}
	if _, err := r.Remove(t.Context(), releaseOf("basket", 2).Target, noon); err != nil {
		t.Error(err)
	}
	same(t, s.files("main"), "shop/prod/checkout/configmap-old-notes.yaml", "shop/prod/checkout/notes/why.txt")
	s.check("main")
}

func TestCommit_NeverTakesWhatIsSomebodyElses(t *testing.T) {
	other := releaseOf("checkout", 1)
	other.Component.UID = "another"
	nested := layoutOf(t, "{team}/{environment}/{component}/{tier}")
	for name, c := range map[string]struct {
		files   map[string]string
		release delivery.Release
		layout  delivery.Layout
		words   string
	}{
		"a file":               {files: map[string]string{"shop/prod/basket/deployment-basket.yaml": "mine"}, release: releaseOf("basket", 1), words: "is not Towpath's"},
		"a directory":          {files: map[string]string{"shop/prod/basket/deployment-basket.yaml/a": "mine"}, release: releaseOf("basket", 1), words: "is not Towpath's"},
		"a file on the way":    {files: map[string]string{"shop": "mine"}, release: releaseOf("basket", 1), words: "shop is a file"},
		"a link on the way":    {files: map[string]string{"shop": "->/etc"}, release: releaseOf("basket", 1), words: "shop is a symbolic link"},
		"a link in its place":  {files: map[string]string{"shop/prod/basket": "->../../other"}, release: releaseOf("basket", 1), words: "a symbolic link"},
		"a marker that lies":   {files: map[string]string{"shop/prod/basket/.towpath": `{"apiVersion":"delivery.platform.towpath.dev/v1","component":{"uid":"uid-of-basket"},"environment":{"uid":"uid-of-prod"},"release":{"uid":"x"},"files":["../../../README.md"]}`}, release: releaseOf("basket", 1), words: "no name of a file"},
		"a marker of no sense": {files: map[string]string{"shop/prod/basket/.towpath": "{"}, release: releaseOf("basket", 1), words: "cannot be used"},
		"a marker that leads":  {files: map[string]string{"shop/prod/basket/.towpath": "->../../../README.md"}, release: releaseOf("basket", 1), words: "no regular file"},
		"another Component":    {release: other, words: "belongs to Component"},
		"a Component around":   {release: releaseOf("checkout", 1), layout: nested, words: "lies within"},
	} {
		t.Run(name, func(t *testing.T) {
			s := startGit(t)
			pool := poolOf(t, quick)
			s.write("main", map[string]string{"README.md": "mine"})
			commit(t, open(t, pool, s.source(remote.Push)), releaseOf("checkout", 1))
			if c.files != nil {
				s.write("main", map[string]string{"shop": ""})
				s.write("main", c.files)
			}
			before := s.git("rev-parse", "main")
			source := s.source(remote.Push)
			if c.layout.String() != "" {
				source.Layout = c.layout
			}
			_, err := open(t, pool, source).Commit(t.Context(), c.release, noon)
			refused(t, err, remote.ReasonOccupied, c.words)
			if s.git("rev-parse", "main") != before {
				t.Error("it was written")
			}
		})
	}
}

func TestCommit_NeverGoesBackByItself(t *testing.T) {
	s := startGit(t)
	r := s.open(remote.Push)
	commit(t, r, releaseOf("checkout", 2))
	_, err := r.Commit(t.Context(), releaseOf("checkout", 1), noon)
	refused(t, err, remote.ReasonSuperseded, "checkout-prod-2", "number 2")
}

func TestReleaseAt_SaysWhatTheBranchHolds(t *testing.T) {
	s := startGit(t)
	r := s.open(remote.Push)
	target := releaseOf("checkout", 1).Target
	if held, at, err := r.ReleaseAt(t.Context(), target); held != nil || at != "" || err != nil {
		t.Errorf("an empty repository holds %v at %q, %v", held, at, err)
	}
	commit(t, r, releaseOf("checkout", 1))
	result := commit(t, r, releaseOf("checkout", 2))
	for _, reader := range []*remote.Repository{r, s.open(remote.Push)} {
		held, at, err := reader.ReleaseAt(t.Context(), target)
		if err != nil || held == nil || held.Name != "checkout-prod-2" || held.UID != "uid-of-checkout-prod-2" || held.Number != 2 || at != result.Commit {
			t.Errorf("it holds %v at %q, %v", held, at, err)
		}
		if head, err := reader.Head(t.Context()); err != nil || head != result.Commit {
			t.Errorf("the head is %q, %v", head, err)
		}
	}
	target.Component.UID = "another"
	if held, _, err := r.ReleaseAt(t.Context(), target); held != nil || err != nil {
		t.Errorf("of another Component it holds %v, %v", held, err)
	}
}

func TestCommit_SaysWhichBranchThereIsNot(t *testing.T) {
	s := startGit(t)
	s.write("trunk", map[string]string{"README.md": "mine"})
	_, err := s.open(remote.Push).Commit(t.Context(), releaseOf("checkout", 1), noon)
	refused(t, err, remote.ReasonNoBranch, "has no branch main")
	if strings.Contains(s.git("branch", "--list"), "main") {
		t.Error("it made the branch")
	}
}
