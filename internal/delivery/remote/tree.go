package remote

import (
	"cmp"
	"errors"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/towpath-dev/towpath/internal/delivery"
)

// change is what shall become of the directory of one Target. It says nothing of where the branch is, so it can be applied to
// any commit, again and again, with the same effect.
type change struct {
	target    delivery.Target
	directory string
	// remove leaves nothing; otherwise the files and the marker shall stand there.
	remove  bool
	files   []delivery.File
	marker  delivery.Marker
	message string
	// merged is by when what was proposed had been merged; zero where it was not.
	merged time.Time
}

// outcome is a tree in which a change has been made.
type outcome struct {
	tree plumbing.Hash
	// objects are those that a server may lack.
	objects []plumbing.Hash
	// changed is false where all is as it should be already.
	changed bool
}

// apply makes a change in a tree; in an empty one where its hash is zero. It writes what the marker says is Towpath's, and
// nothing else: whatever else stands where a file should, it refuses.
func (s *store) apply(root plumbing.Hash, c change) (outcome, error) {
	path := strings.Split(c.directory, "/")
	levels, err := s.descend(root, path)
	if err != nil {
		return outcome{}, err
	}
	leaf := levels[len(path)]
	old, err := s.markerIn(leaf, c.directory)
	if err != nil {
		return outcome{}, err
	}
	if c.remove {
		if old == nil || !old.Owns(c.target) {
			return outcome{tree: root}, nil
		}
		rest := without(leaf, append(slices.Clone(old.Files), delivery.MarkerName))
		return s.write(levels, path, rest, nil)
	}
	if err := s.checkPlace(levels, old, c); err != nil {
		return outcome{}, err
	}
	var stale []string
	if old != nil {
		stale = old.Files
	}
	next := without(leaf, append(slices.Clone(stale), delivery.MarkerName))
	marker, err := c.marker.Encode()
	if err != nil {
		return outcome{}, err
	}
	var made []plumbing.Hash
	for _, f := range append(slices.Clone(c.files), delivery.File{Name: delivery.MarkerName, Data: marker}) {
		if slices.ContainsFunc(next, func(e object.TreeEntry) bool { return e.Name == f.Name }) {
			return outcome{}, problem(ReasonOccupied, "%s/%s stands in the repository, and is not Towpath's: move it elsewhere, or give the object another name",
				c.directory, f.Name)
		}
		hash, err := s.addBlob(f.Data)
		if err != nil {
			return outcome{}, err
		}
		made = append(made, hash)
		next = append(next, object.TreeEntry{Name: f.Name, Mode: filemode.Regular, Hash: hash})
	}
	sort.Sort(object.TreeEntrySorter(next))
	if slices.Equal(next, leaf) {
		return outcome{tree: root}, nil
	}
	return s.write(levels, path, next, made)
}

// checkPlace refuses a directory that is somebody else's, lies within one, or holds one.
func (s *store) checkPlace(levels [][]object.TreeEntry, old *delivery.Marker, c change) error {
	if old != nil && !old.Owns(c.target) {
		return problem(ReasonOccupied, "the directory %s belongs to %s, not to %s (uid %s): give them different directories by the layout; "+
			"if the former is gone, delete its directory from the branch", c.directory, old.Owner(), c.target, c.target.Component.UID)
	}
	if old != nil && old.Release.UID != c.marker.Release.UID && old.Release.Number > c.marker.Release.Number {
		return problem(ReasonSuperseded, "the directory %s holds Release %.253q (number %d) already, which is newer than %s (number %d): nothing is to do, "+
			"unless the Releases were deleted by hand and are counted anew; then delete the directory from the branch",
			c.directory, old.Release.Name, old.Release.Number, c.marker.Release.Name, c.marker.Release.Number)
	}
	for _, level := range levels[:len(levels)-1] {
		if slices.ContainsFunc(level, isMarker) {
			return problem(ReasonOccupied, "the directory %s lies within the directory of another Component: two layouts for one branch must not nest", c.directory)
		}
	}
	found, err := s.holdsMarker(levels[len(levels)-1])
	if err != nil {
		return err
	}
	if found {
		return problem(ReasonOccupied, "the directory %s holds the directory of another Component: two layouts for one branch must not nest", c.directory)
	}
	return nil
}

func isMarker(e object.TreeEntry) bool { return e.Name == delivery.MarkerName }

// holdsMarker says whether there is a marker in any directory below. One that is there many times is looked into once.
func (s *store) holdsMarker(entries []object.TreeEntry) (bool, error) {
	seen := map[plumbing.Hash]bool{}
	for levels := [][]object.TreeEntry{entries}; len(levels) > 0; {
		level := levels[len(levels)-1]
		levels = levels[:len(levels)-1]
		for _, e := range level {
			if e.Mode != filemode.Dir || seen[e.Hash] {
				continue
			}
			seen[e.Hash] = true
			below, err := s.entries(e.Hash)
			if err != nil {
				return false, err
			}
			if slices.ContainsFunc(below, isMarker) {
				return true, nil
			}
			levels = append(levels, below)
		}
	}
	return false, nil
}

func without(entries []object.TreeEntry, names []string) []object.TreeEntry {
	return slices.DeleteFunc(slices.Clone(entries), func(e object.TreeEntry) bool {
		// A directory is never Towpath's, whatever its name.
		return e.Mode != filemode.Dir && slices.Contains(names, e.Name)
	})
}

// markerIn reads the marker of a directory; nil where it has none.
func (s *store) markerIn(entries []object.TreeEntry, directory string) (*delivery.Marker, error) {
	at := slices.IndexFunc(entries, isMarker)
	if at < 0 {
		return nil, nil
	}
	refuse := func(why string) error {
		return problem(ReasonOccupied, "the file %s/%s cannot be used: %s; restore it from the history of the branch, or delete the directory to have it written anew",
			directory, delivery.MarkerName, why)
	}
	if mode := entries[at].Mode; mode != filemode.Regular && mode != filemode.Executable && mode != filemode.Deprecated {
		return nil, refuse("it is no regular file")
	}
	data, err := s.blob(entries[at].Hash)
	if err != nil {
		return nil, err
	}
	marker, err := delivery.ParseMarker(data)
	if err != nil {
		return nil, refuse(err.Error())
	}
	return &marker, nil
}

// descend reads the trees along a path, from the root to the directory itself; those that do not exist are empty. Where a
// name on the way is a symbolic link, a submodule or a file, it refuses: a link could lead anywhere once it is checked out.
func (s *store) descend(root plumbing.Hash, path []string) ([][]object.TreeEntry, error) {
	levels := make([][]object.TreeEntry, len(path)+1)
	at := root
	for i := range levels {
		if at.IsZero() {
			break
		}
		entries, err := s.entries(at)
		if err != nil {
			return nil, err
		}
		levels[i] = entries
		if i == len(path) {
			break
		}
		at = plumbing.ZeroHash
		for _, e := range entries {
			if e.Name != path[i] {
				continue
			}
			if e.Mode != filemode.Dir {
				what := cmp.Or(map[filemode.FileMode]string{filemode.Symlink: "a symbolic link", filemode.Submodule: "a submodule"}[e.Mode], "a file")
				return nil, problem(ReasonOccupied, "%s is %s in the repository, where a directory should be: remove it, or choose another layout",
					strings.Join(path[:i+1], "/"), what)
			}
			at = e.Hash
		}
	}
	return levels, nil
}

func (s *store) entries(hash plumbing.Hash) ([]object.TreeEntry, error) {
	tree, err := object.GetTree(s.objects, hash)
	if err != nil {
		return nil, err
	}
	return tree.Entries, nil
}

// write stores the trees along a path, from the directory up to the root. Git knows no empty directory, so one that became
// empty goes, and those above it that held nothing else.
func (s *store) write(levels [][]object.TreeEntry, path []string, leaf []object.TreeEntry, made []plumbing.Hash) (outcome, error) {
	out := outcome{objects: made, changed: true}
	entries := leaf
	for i := len(path); ; i-- {
		if !sort.IsSorted(object.TreeEntrySorter(entries)) {
			return out, errors.New("a directory of the repository is not sorted as Git sorts it: let git fsck look at the repository")
		}
		var hash plumbing.Hash
		if len(entries) > 0 || i == 0 {
			var err error
			if hash, err = s.add((&object.Tree{Entries: entries}).Encode); err != nil {
				return out, err
			}
			out.objects = append(out.objects, hash)
		}
		if i == 0 {
			out.tree = hash
			return out, nil
		}
		entries = slices.DeleteFunc(slices.Clone(levels[i-1]), func(e object.TreeEntry) bool { return e.Name == path[i-1] })
		if !hash.IsZero() {
			entries = append(entries, object.TreeEntry{Name: path[i-1], Mode: filemode.Dir, Hash: hash})
			sort.Sort(object.TreeEntrySorter(entries))
		}
	}
}

// held is the marker of a directory in a commit; nil where it has none.
func (s *store) held(hash plumbing.Hash, directory string) (*delivery.Marker, error) {
	commit, err := s.commit(hash)
	if err != nil {
		return nil, err
	}
	path := strings.Split(directory, "/")
	levels, err := s.descend(commit.TreeHash, path)
	if err != nil {
		return nil, err
	}
	return s.markerIn(levels[len(path)], directory)
}

// directory is the hash of a directory in a tree; zero where there is none.
func (s *store) directory(root plumbing.Hash, directory string) (plumbing.Hash, error) {
	path := strings.Split(directory, "/")
	levels, err := s.descend(root, path)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	for _, e := range levels[len(path)-1] {
		if e.Name == path[len(path)-1] {
			return e.Hash, nil
		}
	}
	return plumbing.ZeroHash, nil
}
