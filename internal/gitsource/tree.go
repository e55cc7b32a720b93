package gitsource

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/memory"

	"github.com/towpath-dev/towpath/internal/gittext"
)

const (
	// maxLevels is how deep directories are compared; what is below counts as a change of the directory.
	maxLevels = 64
	// maxCompared is how many entries are compared: directories that hold the same one twice have more than anybody could look at.
	maxCompared = 1 << 20
)

// compare finds what differs between the head and the known commit below a path.
func compare(ctx context.Context, store *memory.Storage, out *Range, q Question, known bool) error {
	after, err := entry(store, out.SHA, q.Path)
	if err != nil {
		return err
	}
	out.Missing = after == nil && q.Path != ""
	if q.From == out.SHA {
		out.Compared = true
		return nil
	}
	if !known {
		return nil
	}
	before, err := entry(store, q.From, q.Path)
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		return nil // the server left it out
	}
	if err != nil {
		return err
	}
	d := &difference{ctx: ctx, store: store, left: maxCompared}
	if err := d.entries(q.Path, before, after, 0); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil || d.left <= 0 {
		return err // what changed is not known
	}
	slices.Sort(d.paths)
	out.Compared, out.Changed = true, d.changed
	out.Paths = slices.Compact(d.paths)
	out.Paths = out.Paths[:min(len(out.Paths), MaxPaths)]
	return nil
}

// entry is what a commit has at a path; nil for nothing.
func entry(store *memory.Storage, sha, path string) (*object.TreeEntry, error) {
	commit, err := object.GetCommit(store, plumbing.NewHash(sha))
	if err != nil {
		return nil, fmt.Errorf("the server did not send the commit %s: %w", sha, err)
	}
	found := &object.TreeEntry{Mode: filemode.Dir, Hash: commit.TreeHash}
	if path == "" {
		return found, nil
	}
	for name := range strings.SplitSeq(path, "/") {
		if found.Mode != filemode.Dir {
			return nil, nil
		}
		tree, err := object.GetTree(store, found.Hash)
		if err != nil {
			return nil, fmt.Errorf("the server did not send all of the commit %s: %w", sha, err)
		}
		at := slices.IndexFunc(tree.Entries, func(e object.TreeEntry) bool { return e.Name == name })
		if at < 0 {
			return nil, nil
		}
		found = &tree.Entries[at]
	}
	return found, nil
}

// difference collects files that differ. It looks at names alone, and into no directory that is the same.
type difference struct {
	ctx   context.Context //nolint:containedctx // of one comparison
	store *memory.Storage
	// left is how many entries are still compared.
	left    int
	changed bool
	paths   []string
}

func (d *difference) entries(path string, before, after *object.TreeEntry, level int) error {
	if before != nil && after != nil && before.Hash == after.Hash && before.Mode == after.Mode {
		return nil
	}
	d.changed = true
	wasDir, isDir := before != nil && before.Mode == filemode.Dir, after != nil && after.Mode == filemode.Dir
	if before != nil && !wasDir || after != nil && !isDir || level == maxLevels {
		if shown, ok := gittext.File(path); ok {
			d.paths = append(d.paths, shown)
		}
	}
	// One more than are named are enough: they come in their order, but for those that a sign was replaced in.
	if (!wasDir && !isDir) || level == maxLevels || len(d.paths) > MaxPaths {
		return nil
	}
	if d.over() {
		return nil
	}
	old, err := d.list(before, wasDir)
	if err != nil {
		return err
	}
	current, err := d.list(after, isDir)
	if err != nil {
		return err
	}
	d.left -= len(old) + len(current)
	names := slices.Concat(slices.Collect(maps.Keys(old)), slices.Collect(maps.Keys(current)))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		below := name
		if path != "" {
			below = path + "/" + name
		}
		if err := d.entries(below, old[name], current[name], level+1); err != nil {
			return err
		}
	}
	return nil
}

// over says that no more may be looked at.
func (d *difference) over() bool { return d.left <= 0 || d.ctx.Err() != nil }

// list are the entries of a directory by name.
func (d *difference) list(e *object.TreeEntry, isDir bool) (map[string]*object.TreeEntry, error) {
	if !isDir {
		return nil, nil
	}
	tree, err := object.GetTree(d.store, e.Hash)
	if err != nil {
		return nil, fmt.Errorf("the server did not send all directories: %w", err)
	}
	out := make(map[string]*object.TreeEntry, len(tree.Entries))
	for i := range tree.Entries {
		out[tree.Entries[i].Name] = &tree.Entries[i]
	}
	return out, nil
}
