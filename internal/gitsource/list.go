package gitsource

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/storage/memory"

	"github.com/towpath-dev/towpath/internal/gitwire"
)

// Listing is what stands at some paths of a branch.
type Listing struct {
	Head
	// Files are the hashes of their contents, as Git has them in hexadecimal, by their paths. What is no file, such as a symbolic link or
	// another repository, has an empty one.
	Files map[string]string
}

// maxListed is how many files are listed.
const maxListed = 4096

// List says which files a branch has at and below some paths, by the hashes of their contents: it reads names, and no content where
// the server can leave that out.
func (c *Client) List(ctx context.Context, r Repository, paths ...string) (Listing, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Limits.Timeout)
	defer cancel()
	place, t, err := c.transport(r)
	if err != nil {
		return Listing{}, err
	}
	out, err := c.list(ctx, place, t, r, paths)
	return out, place.explain(ctx, err, r.Credentials.secrets())
}

func (c *Client) list(ctx context.Context, p place, t transport, r Repository, paths []string) (Listing, error) {
	s, err := c.begin(ctx, t, r)
	if err != nil {
		return Listing{}, err
	}
	defer s.close()
	head, err := s.head(p, r.Branch)
	if err != nil {
		return Listing{}, err
	}
	store, err := s.fetch(ctx, order{want: plumbing.NewHash(head.SHA), depth: 1, filter: packp.FilterBlobNone()})
	if errors.Is(err, gitwire.ErrTooLarge) {
		return Listing{}, problem(RepositoryUnsupported, "%s has more files than are read, so nobody can say what it holds", p)
	}
	if err != nil {
		return Listing{}, err
	}
	l := &lister{ctx: ctx, store: store, files: map[string]string{}}
	for _, path := range paths {
		found, err := entry(store, head.SHA, path)
		if err != nil {
			return Listing{}, err
		}
		if found == nil {
			continue
		}
		err = l.add(path, found, 0)
		if err != nil && !errors.Is(err, errTooMany) {
			return Listing{}, err
		}
		if err != nil || len(l.files) > maxListed {
			return Listing{}, problem(RepositoryUnsupported, "%s has more than %d files at %s, where none but those of its workflow should be", p, maxListed, path)
		}
	}
	return Listing{Head: head, Files: l.files}, ctx.Err()
}

// maxVisited is how many entries are looked at to find files. A tree of a few kilobytes can have more than anybody could go through, where
// its directories are the same ones again and again.
const maxVisited = 4 * maxListed

var errTooMany = errors.New("there are more entries than are looked at")

// lister collects files below directories.
type lister struct {
	ctx     context.Context
	store   *memory.Storage
	files   map[string]string
	visited int
}

func (l *lister) add(path string, e *object.TreeEntry, level int) error {
	if err := l.ctx.Err(); err != nil {
		return err
	}
	if l.visited++; l.visited > maxVisited {
		return errTooMany
	}
	switch {
	case len(l.files) > maxListed:
		return nil
	case e.Mode.IsFile() && e.Mode != filemode.Symlink:
		l.files[path] = e.Hash.String()
		return nil
	case e.Mode != filemode.Dir || level == maxLevels:
		l.files[path] = ""
		return nil
	}
	tree, err := object.GetTree(l.store, e.Hash)
	if err != nil {
		return fmt.Errorf("the server did not send all of %.80q: %w", path, err)
	}
	for i := range tree.Entries {
		if err := l.add(path+"/"+tree.Entries[i].Name, &tree.Entries[i], level+1); err != nil {
			return err
		}
	}
	return nil
}
