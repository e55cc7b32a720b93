package gitsource

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// ErrShallow says that a clone holds a part of the history alone, so that nobody can count in it.
var ErrShallow = errors.New("it is a shallow clone, which does not hold all commits: fetch them, such as by fetch-depth: 0 of actions/checkout, or git fetch --unshallow")

// Local says what a commit brings that another one did not have, by the clone in a directory: what Range says of a repository that is
// asked, but for what changed. Nothing but commits is read, so that a clone may leave out the rest. What it cannot know is an error,
// and no wrong number.
func Local(ctx context.Context, directory, head, from string) (Range, error) {
	// As a repository it could not be opened: go-git refuses those that leave something out.
	store := filesystem.NewStorage(osfs.New(filepath.Join(directory, ".git")), cache.NewObjectLRUDefault())
	defer func() { _ = store.Close() }() // it was read alone
	newest, err := object.GetCommit(store, plumbing.NewHash(head))
	if err != nil {
		return Range{}, fmt.Errorf("the commit %s cannot be read: %w", head, err)
	}
	out := Range{Head: Head{SHA: head}, Commit: describe(newest)}
	l := local{ctx: ctx, store: store, alone: from == "", newest: newest.Hash}
	if from != "" && from != head {
		if err := l.hide(from); errors.Is(err, plumbing.ErrObjectNotFound) {
			out.Forced = true
			return out, nil
		} else if err != nil {
			return out, err
		}
	}
	if l.hidden[newest.Hash] {
		out.Counted = true // it is older than the known one, and brings nothing
		return out, nil
	}
	h, err := walk(l.read, head, from)
	if err != nil {
		return out, err
	}
	out.Counted, out.Count, out.Oldest, out.Forced = h.counted, h.count, h.oldest, h.forced
	return out, nil
}

// local reads commits of a clone.
type local struct {
	ctx   context.Context
	store *filesystem.Storage
	// alone leaves out all but the newest.
	alone  bool
	newest plumbing.Hash
	// hidden are the known commit and all before it.
	hidden map[plumbing.Hash]bool
}

// hide finds the known commit and all before it. Its error is plumbing.ErrObjectNotFound where the clone does not have that.
func (l *local) hide(from string) error {
	shallow, err := l.store.Shallow()
	if err != nil {
		return fmt.Errorf("what the clone leaves out cannot be read: %w", err)
	}
	if len(shallow) > 0 {
		return ErrShallow
	}
	known := plumbing.NewHash(from)
	if _, err := object.GetCommit(l.store, known); err != nil {
		return err
	}
	l.hidden = map[plumbing.Hash]bool{known: true}
	for queue := []plumbing.Hash{known}; len(queue) > 0; {
		commit, err := l.commit(queue[len(queue)-1])
		if err != nil {
			return err
		}
		queue = queue[:len(queue)-1]
		for _, parent := range commit.ParentHashes {
			if !l.hidden[parent] {
				l.hidden[parent] = true
				queue = append(queue, parent)
			}
		}
	}
	return nil
}

// read is a reader.
func (l *local) read(hash plumbing.Hash) (*object.Commit, error) {
	if l.hidden[hash] || l.alone && hash != l.newest {
		return nil, plumbing.ErrObjectNotFound
	}
	return l.commit(hash)
}

// commit reads one that must be there.
func (l *local) commit(hash plumbing.Hash) (*object.Commit, error) {
	if err := l.ctx.Err(); err != nil {
		return nil, fmt.Errorf("the history is too long to be counted: %w", err)
	}
	commit, err := object.GetCommit(l.store, hash)
	if err != nil {
		return nil, fmt.Errorf("the clone lacks the commit %s: %v", hash, err) //nolint:errorlint // that it is not found must not count as known
	}
	return commit, nil
}
