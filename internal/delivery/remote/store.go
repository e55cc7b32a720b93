package remote

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/memory"

	"github.com/towpath-dev/towpath/internal/delivery"
)

// maxPushes is how many commits are made before what they left behind is thrown away.
const maxPushes = 64

// store holds one commit of a branch in memory: its trees and the markers, and no other file. A tree has the names and the
// hashes of the files, which is all that is needed to write a new one; so a repository costs memory by the number of its files,
// not by their size, and is never checked out.
type store struct {
	objects *memory.Storage
	// head is the commit that is here, as a whole but for the files.
	head plumbing.Hash
	// pushes counts what was added since.
	pushes int
}

func newStore() *store { return &store{objects: memory.NewStorage()} }

// errNothingInCommon says that a server does not know the commit that is here.
var errNothingInCommon = errors.New("the server does not know the commit that was read before")

// fetcher reads a commit of a server: of its history so many generations or, where another commit is here, what came since.
type fetcher func(ctx context.Context, into *memory.Storage, want, have plumbing.Hash, depth int64) error

// follow makes a commit the one that is here.
func (s *store) follow(ctx context.Context, head plumbing.Hash, fetch fetcher) error {
	if head == s.head {
		if s.pushes >= maxPushes {
			return s.keep(head, nil)
		}
		return nil
	}
	if head.IsZero() {
		*s = *newStore()
		return nil
	}
	if !s.head.IsZero() {
		// A server that knows the commit which is here gives what came since, history and all, because only so it leaves out what
		// both have in common. After a forced push that may be a lot; then the newest commit alone is less.
		fresh := memory.NewStorage()
		err := fetch(ctx, fresh, head, s.head, 0)
		if err == nil {
			err = s.keep(head, fresh)
		}
		if reason := ReasonOf(err); err == nil || ctx.Err() != nil || reason != "" && reason != ReasonTooLarge {
			return err
		}
	}
	fresh := memory.NewStorage()
	if err := fetch(ctx, fresh, head, plumbing.ZeroHash, 1); err != nil {
		return err
	}
	return s.keep(head, fresh)
}

// borrow makes another commit readable, with its parents, until the branch moves.
func (s *store) borrow(ctx context.Context, commit plumbing.Hash, fetch fetcher) error {
	if s.objects.HasEncodedObject(commit) == nil {
		return nil
	}
	fresh := memory.NewStorage()
	if err := fetch(ctx, fresh, commit, plumbing.ZeroHash, 2); err != nil {
		return err
	}
	if err := collect(s.objects, commit, fresh); err != nil {
		return err
	}
	borrowed, err := s.commit(commit)
	if err != nil {
		return err
	}
	for _, parent := range borrowed.ParentHashes {
		if err := collect(s.objects, parent, s.objects, fresh); err != nil && !errors.Is(err, plumbing.ErrObjectNotFound) {
			return err
		}
	}
	s.pushes++
	return nil
}

// keep throws away all but the trees and the markers of a commit, which are here already or in what was just read. Where one
// of them is missing, nothing changes.
func (s *store) keep(head plumbing.Hash, fresh *memory.Storage) error {
	next := memory.NewStorage()
	from := []*memory.Storage{s.objects}
	if fresh != nil {
		from = append(from, fresh)
	}
	if err := collect(next, head, from...); err != nil {
		return err
	}
	s.objects, s.head, s.pushes = next, head, 0
	return nil
}

// collect copies a commit with its trees and its markers, wherever they are.
func collect(into *memory.Storage, head plumbing.Hash, from ...*memory.Storage) error {
	take := func(hash plumbing.Hash) (plumbing.EncodedObject, error) {
		for _, objects := range from {
			if o, found := objects.Objects[hash]; found {
				_, err := into.SetEncodedObject(o)
				return o, err
			}
		}
		return nil, fmt.Errorf("the object %s: %w", hash, plumbing.ErrObjectNotFound)
	}
	o, err := take(head)
	if err != nil {
		return err
	}
	commit, err := object.DecodeCommit(into, o)
	if err != nil {
		return err
	}
	seen := map[plumbing.Hash]bool{}
	for trees := []plumbing.Hash{commit.TreeHash}; len(trees) > 0; {
		hash := trees[len(trees)-1]
		trees = trees[:len(trees)-1]
		if seen[hash] {
			continue
		}
		seen[hash] = true
		if o, err = take(hash); err != nil {
			return err
		}
		tree, err := object.DecodeTree(into, o)
		if err != nil {
			return err
		}
		for _, entry := range tree.Entries {
			switch {
			case entry.Mode == filemode.Dir:
				trees = append(trees, entry.Hash)
			case entry.Name == delivery.MarkerName && entry.Mode.IsFile() && entry.Mode != filemode.Symlink:
				if _, err := take(entry.Hash); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// pushed says that a commit made here is the branch's.
func (s *store) pushed(commit plumbing.Hash) { s.head, s.pushes = commit, s.pushes+1 }

func (s *store) commit(hash plumbing.Hash) (*object.Commit, error) {
	return object.GetCommit(s.objects, hash)
}

// add stores an object that was made here.
func (s *store) add(encode func(plumbing.EncodedObject) error) (plumbing.Hash, error) {
	o := s.objects.NewEncodedObject()
	if err := encode(o); err != nil {
		return plumbing.ZeroHash, err
	}
	return s.objects.SetEncodedObject(o)
}

func (s *store) addBlob(data []byte) (plumbing.Hash, error) {
	return s.add(func(o plumbing.EncodedObject) error {
		o.SetType(plumbing.BlobObject)
		w, err := o.Writer()
		if err != nil {
			return err
		}
		if _, err := w.Write(data); err != nil {
			return err
		}
		return w.Close()
	})
}

// blob reads a marker.
func (s *store) blob(hash plumbing.Hash) ([]byte, error) {
	o, err := s.objects.EncodedObject(plumbing.BlobObject, hash)
	if err != nil {
		return nil, err
	}
	r, err := o.Reader()
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	return io.ReadAll(io.LimitReader(r, delivery.MaxMarker+1))
}
