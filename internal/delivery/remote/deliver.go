package remote

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"

	"github.com/towpath-dev/towpath/internal/delivery"
)

// shipment is a change on its way to the server.
type shipment struct {
	change
	// own is the branch of the Release's own, for the mode Propose.
	own string
	at  time.Time
	// sent are the commits that were sent, of which it may not be known whether they arrived.
	sent map[plumbing.Hash]bool
	// declined counts refusals at the same commit.
	declined   int
	declinedAt plumbing.Hash
}

// deliver makes a change, and tries again while that may help. Each attempt looks first at what is there: so it makes no
// difference whether the one before arrived, was overtaken, or was undone by somebody.
func (r *Repository) deliver(ctx context.Context, own string, at time.Time, c change) (Result, error) {
	if r.mode == Propose {
		if err := checkBranch(own); err != nil {
			return Result{}, err
		}
	}
	s := &shipment{change: c, own: own, at: at.UTC().Truncate(time.Second), sent: map[plumbing.Hash]bool{}}
	for attempt := 1; ; attempt++ {
		result, err := r.attempt(ctx, s)
		result.Attempts = attempt
		if err == nil {
			return result, nil
		}
		if ctx.Err() != nil {
			return result, fmt.Errorf("the delivery to %s was cancelled; whether it arrived shows the next attempt: %w", r, ctx.Err())
		}
		if ReasonOf(err) != "" {
			return result, err
		}
		if attempt >= r.options.Retry.Attempts {
			return result, fmt.Errorf("the delivery to %s did not succeed in %d attempts, and will be tried again: %w", r, attempt, err)
		}
		timer := time.NewTimer(r.options.Retry.wait(attempt))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return result, ctx.Err()
		}
	}
}

// attempt makes a change where the branch is now. The turn is its own for as long as it takes, and nobody's while it waits for
// the next one.
func (r *Repository) attempt(ctx context.Context, c *shipment) (Result, error) {
	if err := r.branch.take(ctx); err != nil {
		return Result{}, err
	}
	defer r.branch.pass()
	s, err := begin(ctx, r.transport, writeService, r.hide)
	if err != nil {
		return Result{}, r.place.connecting(err, r.hide)
	}
	defer s.close()
	head, err := r.headOf(s)
	if err != nil {
		return Result{}, err
	}
	if err := r.branch.store.follow(ctx, head, r.fetch); err != nil {
		return Result{}, r.place.connecting(err, r.hide)
	}
	out, err := r.applyTo(head, c.change)
	if err != nil {
		return Result{}, err
	}
	if !out.changed {
		return Result{State: Delivered, Branch: r.name, Commit: head.String(), Made: c.sent[head]}, nil
	}
	if r.mode == Propose {
		return r.propose(ctx, s, c, head, out)
	}
	var parents []plumbing.Hash
	if !head.IsZero() {
		parents = []plumbing.Hash{head}
	}
	commit, err := r.send(ctx, s, c, r.name, head, parents, out)
	if err != nil {
		return Result{}, err
	}
	r.branch.store.pushed(commit)
	return Result{State: Delivered, Branch: r.name, Commit: commit.String(), Made: true}, nil
}

// applyTo makes a change in the tree of a commit; in an empty one where there is none.
func (r *Repository) applyTo(hash plumbing.Hash, c change) (outcome, error) {
	if hash.IsZero() {
		return r.branch.store.apply(plumbing.ZeroHash, c)
	}
	commit, err := r.branch.store.commit(hash)
	if err != nil {
		return outcome{}, err
	}
	return r.branch.store.apply(commit.TreeHash, c)
}

// propose puts a change on a branch of the Release's own, which begins at the head of the branch that is followed. Where that
// branch is there already and says what it should, it is left alone: a review may be under way. Where the directory has changed
// since on the branch that is followed, nobody could merge it, so the head of that is merged into it; nothing is ever forced. The
// same is done where it was merged and taken out again, also where nobody saw that it was: Git merges no commit a second time.
func (r *Repository) propose(ctx context.Context, s *session, c *shipment, head plumbing.Hash, onHead outcome) (Result, error) {
	if head.IsZero() {
		return Result{}, problem(ReasonNoBranch, "%s has no branch %s, to which a pull request could be opened: make it with a first commit", r.place, r.name)
	}
	store := r.branch.store
	tip := s.refs[plumbing.NewBranchReferenceName(c.own).String()]
	parents := []plumbing.Hash{head}
	if !tip.IsZero() {
		if err := store.borrow(ctx, tip, r.fetch); err != nil {
			return Result{}, r.place.connecting(err, r.hide)
		}
		current, err := r.proposed(tip, head, c.change, onHead)
		if err != nil {
			return Result{}, err
		}
		merged := false
		if current {
			if merged, err = r.merged(ctx, tip, head, c.directory); err != nil {
				return Result{}, r.place.connecting(err, r.hide)
			}
		}
		if current && !merged {
			return Result{State: Proposed, Branch: c.own, Commit: tip.String(), Made: c.sent[tip]}, nil
		}
		parents = []plumbing.Hash{tip, head}
	}
	commit, err := r.send(ctx, s, c, c.own, tip, parents, onHead)
	if err != nil {
		return Result{}, err
	}
	store.pushes++
	return Result{State: Proposed, Branch: c.own, Commit: commit.String(), Made: true}, nil
}

// proposed says whether the tip of the Release's own branch is what a pull request needs: the directory is as it should be, and
// on the branch that is followed it still is what the tip was made upon.
func (r *Repository) proposed(tip, head plumbing.Hash, c change, onHead outcome) (bool, error) {
	store := r.branch.store
	commit, err := store.commit(tip)
	if err != nil || !c.merged.IsZero() && !commit.Committer.When.After(c.merged) {
		return false, err
	}
	want, err := store.directory(onHead.tree, c.directory)
	if err != nil {
		return false, err
	}
	got, err := store.directory(commit.TreeHash, c.directory)
	if err != nil || got != want {
		return false, err
	}
	if len(commit.ParentHashes) == 0 {
		return false, nil
	}
	upon, err := store.commit(commit.ParentHashes[len(commit.ParentHashes)-1])
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	before, err := store.directory(upon.TreeHash, c.directory)
	if err != nil {
		return false, err
	}
	base, err := store.commit(head)
	if err != nil {
		return false, err
	}
	now, err := store.directory(base.TreeHash, c.directory)
	return err == nil && before == now, err
}

// merged says whether the branch that is followed has the tip of the Release's own branch in its history, though it does not hold the
// Release: somebody merged it and took it out again. What was merged as another commit, as by squashing or rebasing, shows by what the
// directory held since.
func (r *Repository) merged(ctx context.Context, tip, head plumbing.Hash, directory string) (bool, error) {
	commit, err := r.branch.store.commit(tip)
	if err != nil {
		return false, err
	}
	if n := len(commit.ParentHashes); r.branch.unmerged[tip] == head || n > 0 && commit.ParentHashes[n-1] == head {
		return false, nil
	}
	held, err := r.holds(ctx, head, tip)
	if err == nil && !held {
		held, err = r.undone(ctx, commit, head, directory)
	}
	if err != nil || held {
		return held, err
	}
	if r.branch.unmerged == nil || len(r.branch.unmerged) >= maxUnmerged {
		r.branch.unmerged = map[plumbing.Hash]plumbing.Hash{}
	}
	r.branch.unmerged[tip] = head
	return false, nil
}

// undone says whether the branch that is followed had a directory as a tip has it, since the commit upon which that was made. Where too much
// came since to be read, nobody can say.
func (r *Repository) undone(ctx context.Context, tip *object.Commit, head plumbing.Hash, directory string) (bool, error) {
	if len(tip.ParentHashes) == 0 {
		return false, nil
	}
	want, err := r.branch.store.directory(tip.TreeHash, directory)
	if err != nil {
		return false, err
	}
	since := newStore()
	err = r.fetch(ctx, since.objects, head, tip.ParentHashes[len(tip.ParentHashes)-1], 0)
	if ReasonOf(err) == ReasonTooLarge || errors.Is(err, errNothingInCommon) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	// What is merged into a branch as another commit is one of its own: the others are of branches that were merged.
	for at := head; ; {
		commit, err := since.commit(at)
		if err != nil {
			return false, nil //nolint:nilerr // it is before all that came since
		}
		// What is as it was before did not come, and is not what was proposed.
		if got, err := since.directory(commit.TreeHash, directory); err == nil && got == want {
			return true, nil
		}
		if len(commit.ParentHashes) == 0 {
			return false, nil
		}
		at = commit.ParentHashes[0]
	}
}

// send commits a tree, and asks the server to move a branch to it.
func (r *Repository) send(ctx context.Context, s *session, c *shipment, branch string, old plumbing.Hash, parents []plumbing.Hash, out outcome) (plumbing.Hash, error) {
	who := object.Signature{Name: r.options.Name, Email: r.options.Email, When: c.at}
	commit := &object.Commit{Author: who, Committer: who, Message: c.message, TreeHash: out.tree, ParentHashes: parents}
	hash, err := r.branch.store.add(commit.Encode)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	command := &packp.Command{Name: plumbing.NewBranchReferenceName(branch), Old: old, New: hash}
	c.sent[hash] = true
	err = s.push(ctx, r.branch.store.objects, command, append([]plumbing.Hash{hash}, out.objects...))
	declined, ok := errors.AsType[*declinedError](err)
	switch {
	case err == nil:
		return hash, nil
	case !ok:
		return plumbing.ZeroHash, r.place.connecting(err, r.hide)
	case declined.passing():
		return plumbing.ZeroHash, fmt.Errorf("%w: %w", errMoved, declined)
	}
	// Words differ from server to server. A refusal where nothing has moved in between is one.
	if c.declinedAt != old {
		c.declined, c.declinedAt = 0, old
	}
	if c.declined++; c.declined < 2 {
		return plumbing.ZeroHash, declined
	}
	return plumbing.ZeroHash, problem(ReasonDeclined, "%s does not let the branch %s be pushed (%s): let the owner of the credentials push to it, "+
		"or deliver by pull requests", r.place, branch, declined)
}

// Withdraw deletes the branch on which a Release was proposed, once it is superseded: merged later, it would bring back what is
// older. A branch of that name that does not hold the Release is left alone, and so is one that moves meanwhile.
func (r *Repository) Withdraw(ctx context.Context, release delivery.Release) error {
	directory, err := r.directory(release.Target)
	if err != nil {
		return err
	}
	return r.withdraw(ctx, branchOf(release), directory, func(held *delivery.Marker) bool { return held != nil && held.Release.UID == release.UID })
}

// WithdrawRemoval deletes the branch on which it was proposed to remove a Component, once the Component is to stay. One that does not remove it is
// left alone, and so is one that moves meanwhile.
func (r *Repository) WithdrawRemoval(ctx context.Context, target delivery.Target) error {
	directory, err := r.directory(target)
	if err != nil {
		return err
	}
	return r.withdraw(ctx, removalOf(target), directory, func(held *delivery.Marker) bool { return held == nil })
}

// withdraw deletes a branch of Towpath's where what it holds of a Component is what is to go.
func (r *Repository) withdraw(ctx context.Context, own, directory string, is func(*delivery.Marker) bool) error {
	if err := checkBranch(own); err != nil {
		return err
	}
	if err := r.branch.take(ctx); err != nil {
		return err
	}
	defer r.branch.pass()
	s, err := begin(ctx, r.transport, writeService, r.hide)
	if err != nil {
		return r.place.connecting(err, r.hide)
	}
	defer s.close()
	name := plumbing.NewBranchReferenceName(own)
	tip, found := s.refs[name.String()]
	if !found {
		return nil
	}
	store := r.branch.store
	if err := store.borrow(ctx, tip, r.fetch); err != nil {
		return r.place.connecting(err, r.hide)
	}
	held, err := store.held(tip, directory)
	if err != nil || !is(held) {
		return err
	}
	err = s.push(ctx, store.objects, &packp.Command{Name: name, Old: tip}, nil)
	if declined, ok := errors.AsType[*declinedError](err); ok {
		if declined.passing() {
			return fmt.Errorf("%w: %w", errMoved, declined)
		}
		return problem(ReasonDeclined, "%s does not let the branch %s be deleted (%s): delete it by hand, or let the owner of the credentials do it", r.place, own, declined)
	}
	return r.place.connecting(err, r.hide)
}
