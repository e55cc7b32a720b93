package remote_test

import (
	"testing"
	"time"

	"github.com/towpath-dev/towpath/internal/delivery/remote"
)

func TestPropose_MakesABranchOfItsOwn(t *testing.T) {
	s := startGit(t)
	s.write("main", map[string]string{"README.md": "mine"})
	r := s.open(remote.Propose)
	result := commit(t, r, releaseOf("checkout", 1))
	if result.State != remote.Proposed || result.Branch != "towpath/shop/prod/checkout-prod-1" || !result.Made || result.Commit != s.git("rev-parse", result.Branch) {
		t.Errorf("the result is %+v", result)
	}
	if s.count("main") != 1 || s.count(result.Branch) != 2 || s.git("merge-base", "main", result.Branch) != s.git("rev-parse", "main") {
		t.Error("the branch does not begin at main")
	}
	// Another Release has another branch, and holds nothing of this one.
	other := commit(t, r, releaseOf("basket", 1))
	same(t, s.files(other.Branch), "README.md", "shop/prod/basket/.towpath", "shop/prod/basket/deployment-basket.yaml")

	// While it waits it is left alone, also where main goes on elsewhere, and by whoever starts anew.
	s.write("main", map[string]string{"README.md": "mine, newer"})
	for _, again := range []*remote.Repository{r, s.open(remote.Propose)} {
		if got := commit(t, again, releaseOf("checkout", 1)); got.Made || got.State != remote.Proposed || got.Commit != result.Commit {
			t.Errorf("again the result is %+v", got)
		}
		if held, _, err := again.ReleaseAt(t.Context(), releaseOf("checkout", 1).Target); held != nil || err != nil {
			t.Errorf("main holds %v, %v", held, err)
		}
	}
	s.git("update-ref", "refs/heads/main", merge(t, s, "main", result.Branch))
	s.git("branch", "-D", result.Branch)
	if got := commit(t, r, releaseOf("checkout", 1)); got.Made || got.State != remote.Delivered || got.Branch != "main" {
		t.Errorf("merged, the result is %+v", got)
	}
	if held, _, err := r.ReleaseAt(t.Context(), releaseOf("checkout", 1).Target); held == nil || held.Number != 1 || err != nil {
		t.Errorf("main holds %v, %v", held, err)
	}
}

// merge does what a forge does where nothing conflicts, and returns the commit.
func merge(t *testing.T, s *gitServer, into, from string) string {
	t.Helper()
	work := t.TempDir()
	run(t, work, nil, "clone", "--quiet", s.dir, "work")
	work += "/work"
	run(t, work, nil, "checkout", "--quiet", into)
	run(t, work, nil, "merge", "--quiet", "--no-ff", "--no-edit", "origin/"+from)
	run(t, work, nil, "push", "--quiet", "origin", "HEAD:refs/merged/latest")
	return s.git("rev-parse", "refs/merged/latest")
}

// TestPropose_StaysMergeable has the Release before merged only after a newer one was proposed upon what was before both.
func TestPropose_StaysMergeable(t *testing.T) {
	s := startGit(t)
	s.write("main", map[string]string{"README.md": "mine"})
	r := s.open(remote.Propose)
	first := commit(t, r, releaseOf("checkout", 1, "old"))
	second := commit(t, r, releaseOf("checkout", 2))
	s.git("update-ref", "refs/heads/main", merge(t, s, "main", first.Branch))
	for _, again := range []*remote.Repository{s.open(remote.Propose), r} {
		got := commit(t, again, releaseOf("checkout", 2))
		if got.State != remote.Proposed || got.Made != (again != r) {
			t.Errorf("the result is %+v", got)
		}
	}
	if s.git("merge-base", "--is-ancestor", second.Commit, second.Branch); s.count(second.Branch) != 5 {
		t.Errorf("the branch has %d commits", s.count(second.Branch))
	}
	s.git("update-ref", "refs/heads/main", merge(t, s, "main", second.Branch))
	same(t, s.files("main"), "README.md", "shop/prod/checkout/.towpath", "shop/prod/checkout/deployment-checkout.yaml")
	if got := commit(t, r, releaseOf("checkout", 2)); got.State != remote.Delivered || got.Made {
		t.Errorf("the result is %+v", got)
	}
	// The older one cannot come back.
	_, err := r.Commit(t.Context(), releaseOf("checkout", 1, "old"), noon)
	refused(t, err, remote.ReasonSuperseded)
	s.git("fsck", "--strict", "--full")
}

// TestPropose_CanBeMergedAgainWhereAMergeWasReverted shows also that asking again and again makes no further commits.
func TestPropose_CanBeMergedAgainWhereAMergeWasReverted(t *testing.T) {
	for name, forgeDeletesBranches := range map[string]bool{"the branch stays": false, "the branch goes with the merge": true} {
		t.Run(name, func(t *testing.T) {
			s := startGit(t)
			s.write("main", map[string]string{"README.md": "mine"})
			r := s.open(remote.Propose)
			first := commit(t, r, releaseOf("checkout", 1))
			s.git("update-ref", "refs/heads/main", merge(t, s, "main", first.Branch))
			if forgeDeletesBranches {
				s.git("branch", "-D", first.Branch)
			}
			if got := commit(t, r, releaseOf("checkout", 1)); got.State != remote.Delivered {
				t.Errorf("merged, the result is %+v", got)
			}
			s.write("main", map[string]string{"shop/prod/checkout/.towpath": "", "shop/prod/checkout/deployment-checkout.yaml": ""})

			again := releaseOf("checkout", 1)
			again.LastDelivered = noon
			for i, r := range []*remote.Repository{r, r, s.open(remote.Propose)} {
				got, err := r.Commit(t.Context(), again, noon.Add(time.Duration(i+1)*time.Minute))
				if err != nil || got.State != remote.Proposed || got.Branch != first.Branch || got.Made != (i == 0) {
					t.Errorf("reverted, the result is %+v, %v", got, err)
				}
			}
			same(t, s.files("main"), "README.md")
			s.git("update-ref", "refs/heads/main", merge(t, s, "main", first.Branch))
			same(t, s.files("main"), "README.md", "shop/prod/checkout/.towpath", "shop/prod/checkout/deployment-checkout.yaml")
			if got, err := r.Commit(t.Context(), again, noon); err != nil || got.State != remote.Delivered || got.Made {
				t.Errorf("merged again, the result is %+v, %v", got, err)
			}
			s.git("fsck", "--strict", "--full")
		})
	}
}

// TestPropose_CanBeMergedAgainWhereNobodySawTheMerge has a merge reverted before anybody looked.
func TestPropose_CanBeMergedAgainWhereNobodySawTheMerge(t *testing.T) {
	for name, fastForward := range map[string]bool{"a merge": false, "a fast-forward": true} {
		t.Run(name, func(t *testing.T) {
			s := startGit(t)
			s.write("main", map[string]string{"README.md": "mine"})
			r := s.open(remote.Propose)
			first := commit(t, r, releaseOf("checkout", 1))
			// The branch that is followed goes on without it: nothing is proposed anew for that.
			if !fastForward {
				s.write("main", map[string]string{"README.md": "mine, newer"})
			}
			for _, again := range []*remote.Repository{r, r, s.open(remote.Propose)} {
				if got := commit(t, again, releaseOf("checkout", 1)); got.State != remote.Proposed || got.Commit != first.Commit {
					t.Errorf("before the merge, the result is %+v", got)
				}
			}
			into := first.Commit
			if !fastForward {
				into = merge(t, s, "main", first.Branch)
			}
			s.git("update-ref", "refs/heads/main", into)
			s.write("main", map[string]string{"shop/prod/checkout/.towpath": "", "shop/prod/checkout/deployment-checkout.yaml": ""})

			var second remote.Result
			for i, r := range []*remote.Repository{r, r, s.open(remote.Propose)} {
				got, err := r.Commit(t.Context(), releaseOf("checkout", 1), noon.Add(time.Duration(i+1)*time.Minute))
				if err != nil || got.State != remote.Proposed || got.Branch != first.Branch || got.Commit == first.Commit || i > 0 && got.Commit != second.Commit {
					t.Errorf("reverted, the result is %+v, %v", got, err)
				}
				second = got
			}
			same(t, s.files("main"), "README.md")
			s.git("update-ref", "refs/heads/main", merge(t, s, "main", first.Branch))
			same(t, s.files("main"), "README.md", "shop/prod/checkout/.towpath", "shop/prod/checkout/deployment-checkout.yaml")
			if got, err := r.Commit(t.Context(), releaseOf("checkout", 1), noon); err != nil || got.State != remote.Delivered || got.Made {
				t.Errorf("merged again, the result is %+v, %v", got, err)
			}
			s.git("fsck", "--strict", "--full")
		})
	}
}

// TestPropose_AnewWhereWhatWasSquashedWasReverted has a merge as another commit reverted before anybody looked: no history tells of that.
func TestPropose_AnewWhereWhatWasSquashedWasReverted(t *testing.T) {
	s := startGit(t)
	s.write("main", map[string]string{"README.md": "mine"})
	r := s.open(remote.Propose)
	first := commit(t, r, releaseOf("checkout", 1))
	s.write("main", map[string]string{"README.md": "mine, newer"})
	squashed := merge(t, s, "main", first.Branch)
	s.git("update-ref", "refs/heads/main", s.git("-c", "user.name=a", "-c", "user.email=a@shop.example", "commit-tree", squashed+"^{tree}", "-p", "main", "-m", "squashed"))
	s.git("update-ref", "-d", "refs/merged/latest")
	s.write("main", map[string]string{"README.md": "mine, newest"})
	s.write("main", map[string]string{"shop/prod/checkout/.towpath": "", "shop/prod/checkout/deployment-checkout.yaml": ""})

	var second remote.Result
	for i, r := range []*remote.Repository{r, r, s.open(remote.Propose)} {
		got, err := r.Commit(t.Context(), releaseOf("checkout", 1), noon.Add(time.Duration(i+1)*time.Minute))
		if err != nil || got.State != remote.Proposed || got.Branch != first.Branch || got.Commit == first.Commit || i > 0 && got.Commit != second.Commit {
			t.Errorf("reverted, the result of %d is %+v, %v", i, got, err)
		}
		second = got
	}
	same(t, s.files("main"), "README.md")
	// While it waits once more it is left alone.
	s.write("main", map[string]string{"README.md": "mine, newest of all"})
	if got := commit(t, s.open(remote.Propose), releaseOf("checkout", 1)); got.Commit != second.Commit {
		t.Errorf("while it waits, the result is %+v", got)
	}
	s.git("update-ref", "refs/heads/main", merge(t, s, "main", first.Branch))
	same(t, s.files("main"), "README.md", "shop/prod/checkout/.towpath", "shop/prod/checkout/deployment-checkout.yaml")
	s.git("fsck", "--strict", "--full")
}

// TestPropose_AnewWhereItsBranchWasDeleted is the way out where nobody can read what came since.
func TestPropose_AnewWhereItsBranchWasDeleted(t *testing.T) {
	s := startGit(t)
	s.write("main", map[string]string{"README.md": "mine"})
	r := s.open(remote.Propose)
	first := commit(t, r, releaseOf("checkout", 1))
	s.git("update-ref", "refs/heads/main", merge(t, s, "main", first.Branch))
	s.write("main", map[string]string{"shop/prod/checkout/.towpath": "", "shop/prod/checkout/deployment-checkout.yaml": ""})
	s.git("branch", "-D", first.Branch)
	if got := commit(t, r, releaseOf("checkout", 1)); got.State != remote.Proposed || !got.Made || got.Commit == first.Commit {
		t.Errorf("the result is %+v", got)
	}
	s.git("update-ref", "refs/heads/main", merge(t, s, "main", first.Branch))
	same(t, s.files("main"), "README.md", "shop/prod/checkout/.towpath", "shop/prod/checkout/deployment-checkout.yaml")
}

func TestWithdrawRemoval_DeletesTheBranchThatRemoves(t *testing.T) {
	s := startGit(t)
	commit(t, s.open(remote.Push), releaseOf("checkout", 1))
	r, target := s.open(remote.Propose), releaseOf("checkout", 1).Target
	removal, err := r.Remove(t.Context(), target, noon)
	if err != nil || removal.State != remote.Proposed {
		t.Fatalf("the result is %+v, %v", removal, err)
	}
	proposed := commit(t, r, releaseOf("checkout", 2))
	for range 2 {
		if err := r.WithdrawRemoval(t.Context(), target); err != nil {
			t.Fatal(err)
		}
		if got := s.git("for-each-ref", "--format=%(refname:short)", "refs/heads"); got != "main\n"+proposed.Branch {
			t.Errorf("there are %q", got)
		}
	}
	// A branch of that name that removes nothing is somebody's.
	s.git("branch", removal.Branch, "main")
	if err := r.WithdrawRemoval(t.Context(), target); err != nil {
		t.Fatal(err)
	}
	s.git("rev-parse", "--verify", removal.Branch)
}

func TestPropose_PutsBackWhatSomebodyPushedToItsBranch(t *testing.T) {
	s := startGit(t)
	s.write("main", map[string]string{"README.md": "mine"})
	r := s.open(remote.Propose)
	first := commit(t, r, releaseOf("checkout", 1))
	tree := s.git("rev-parse", first.Branch+":shop")
	s.write(first.Branch, map[string]string{"shop/prod/checkout/deployment-checkout.yaml": "kind: Other"})
	for i, again := range []*remote.Repository{s.open(remote.Propose), r} {
		if got := commit(t, again, releaseOf("checkout", 1)); got.Made != (i == 0) {
			t.Errorf("the result is %+v", got)
		}
	}
	if s.git("rev-parse", first.Branch+":shop") != tree {
		t.Error("the files are not as they were")
	}
	s.git("merge-base", "--is-ancestor", first.Commit, first.Branch)
}

func TestPropose_Removes(t *testing.T) {
	s := startGit(t)
	commit(t, s.open(remote.Push), releaseOf("checkout", 1))
	commit(t, s.open(remote.Push), releaseOf("basket", 1))
	got, err := s.open(remote.Propose).Remove(t.Context(), releaseOf("checkout", 1).Target, noon)
	if err != nil || got.State != remote.Proposed || got.Branch != "towpath/shop/prod/checkout-removal" {
		t.Errorf("the result is %+v, %v", got, err)
	}
	same(t, s.files(got.Branch), "shop/prod/basket/.towpath", "shop/prod/basket/deployment-basket.yaml")
}

func TestPropose_NeedsABranchToBeginAt(t *testing.T) {
	_, err := startGit(t).open(remote.Propose).Commit(t.Context(), releaseOf("checkout", 1), noon)
	refused(t, err, remote.ReasonNoBranch, "first commit")
}

func TestWithdraw_DeletesTheBranchOfARelease(t *testing.T) {
	s := startGit(t)
	s.write("main", map[string]string{"README.md": "mine"})
	r := s.open(remote.Propose)
	first := commit(t, r, releaseOf("checkout", 1))
	second := commit(t, r, releaseOf("checkout", 2))
	for range 2 {
		if err := r.Withdraw(t.Context(), releaseOf("checkout", 1)); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.git("for-each-ref", "--format=%(refname:short)", "refs/heads"); got != "main\n"+second.Branch {
		t.Errorf("there are %q", got)
	}
	// A branch that somebody else made is left to them.
	s.write(first.Branch, map[string]string{"README.md": "mine"})
	if err := r.Withdraw(t.Context(), releaseOf("checkout", 1)); err != nil {
		t.Fatal(err)
	}
	s.git("rev-parse", "--verify", first.Branch)
	// And one to which somebody pushed is not: the Release is superseded whoever wrote last.
	s.write(second.Branch, map[string]string{"shop/prod/checkout/note.txt": "mine"})
	if err := r.Withdraw(t.Context(), releaseOf("checkout", 2)); err != nil {
		t.Fatal(err)
	}
	if got := s.git("for-each-ref", "--format=%(refname:short)", "refs/heads"); got != "main\n"+first.Branch {
		t.Errorf("there are %q", got)
	}
}
