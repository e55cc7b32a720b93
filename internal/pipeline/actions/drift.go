package actions

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// State is how a file of a repository differs from what it should be.
type State string

// The ways in which a file differs.
const (
	Missing State = "Missing"
	Changed State = "Changed"
	// Foreign is a workflow of somebody else, where ours should be.
	Foreign State = "Foreign"
	// Stale is a file that was generated once, and belongs to no workflow any more.
	Stale State = "Stale"
)

// Difference is a file that differs.
type Difference struct {
	Path  string
	State State
}

// Drift compares what a repository holds with the files that it should hold, by their paths in order. Of what it holds only generated
// files count: those below the folders of Components, and workflows that begin as ours do. Files of others are no business of ours.
func Drift(files, repository Files) []Difference {
	var differences []Difference
	for _, path := range slices.Sorted(maps.Keys(files)) {
		switch found, ok := repository[path]; {
		case !ok:
			differences = append(differences, Difference{path, Missing})
		case strings.HasPrefix(path, ".github/workflows/") && !generated(path, withoutReturns(found)):
			differences = append(differences, Difference{path, Foreign})
		case !bytes.Equal(withoutReturns(found), files[path]):
			differences = append(differences, Difference{path, Changed})
		}
	}
	for _, path := range slices.Sorted(maps.Keys(repository)) {
		if _, wanted := files[path]; !wanted && generated(path, repository[path]) {
			differences = append(differences, Difference{path, Stale})
		}
	}
	slices.SortFunc(differences, func(a, b Difference) int { return strings.Compare(a.Path, b.Path) })
	return differences
}

// DriftOf compares the files that a repository should hold for one Component with the hashes of the contents of those that it holds,
// by their paths: Git tells names and hashes without any content. What Drift calls Foreign is Changed here, since only content tells
// them apart. Of what the repository holds, the caller gives what stands at Workflow and below Folder of the Component.
func DriftOf(files Files, hashes map[string]string) []Difference {
	var differences []Difference
	for path, content := range files {
		found, ok := hashes[path]
		withReturns := bytes.ReplaceAll(content, []byte("\n"), []byte("\r\n"))
		switch {
		case !ok:
			differences = append(differences, Difference{path, Missing})
		case found != hash(content) && found != hash(withReturns):
			differences = append(differences, Difference{path, Changed})
		}
	}
	for path := range hashes {
		if _, wanted := files[path]; !wanted {
			differences = append(differences, Difference{path, Stale})
		}
	}
	slices.SortFunc(differences, func(a, b Difference) int { return strings.Compare(a.Path, b.Path) })
	return differences
}

// hash is how Git names a content.
func hash(content []byte) string { return plumbing.ComputeHash(plumbing.BlobObject, content).String() }

// withoutReturns takes the carriage returns away that Git puts into working trees of Windows.
func withoutReturns(content []byte) []byte {
	return bytes.ReplaceAll(content, []byte("\r\n"), []byte("\n"))
}

// Owner is the name of the Component that a path belongs to, by where it is; empty for none.
func Owner(path string) string {
	if rest, ok := strings.CutPrefix(path, ".github/towpath/"); ok {
		name, _, _ := strings.Cut(rest, "/")
		return name
	}
	rest, ok := strings.CutPrefix(path, ".github/workflows/towpath-")
	name, ended := strings.CutSuffix(rest, ".yaml")
	if !ok || !ended {
		return ""
	}
	return name
}

// generated says whether a file is one that Generate made once.
func generated(path string, content []byte) bool {
	if strings.HasPrefix(path, ".github/towpath/") {
		return strings.Count(path, "/") == 3
	}
	return strings.HasPrefix(path, ".github/workflows/towpath-") && bytes.HasPrefix(content, []byte("# Made by towpath pipeline sync for Component "))
}
