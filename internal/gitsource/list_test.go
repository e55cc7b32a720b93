package gitsource_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/towpath-dev/towpath/internal/gitsource"
	"github.com/towpath-dev/towpath/internal/gitsource/gittest"
)

func TestList_NamesWhatStandsThereByItsContent(t *testing.T) {
	s := start(t)
	sha := s.push(t, gittest.Change{Files: map[string]string{
		".github/workflows/a.yaml": "a", ".github/towpath/checkout/test.sh": "test", ".github/towpath/checkout/deep/er": "x",
		".github/towpath/other/test.sh": "o", "main.go": "m",
	}})
	got, err := s.client.List(t.Context(), s.source, ".github/workflows/a.yaml", ".github/towpath/checkout", ".github/nothing", "main.go/no")
	if err != nil {
		t.Fatal(err)
	}
	hash := func(content string) string {
		return plumbing.ComputeHash(plumbing.BlobObject, []byte(content)).String()
	}
	want := map[string]string{
		".github/workflows/a.yaml": hash("a"), ".github/towpath/checkout/test.sh": hash("test"), ".github/towpath/checkout/deep/er": hash("x"),
	}
	if got.SHA != sha || !maps.Equal(got.Files, want) {
		t.Errorf("got %+v, want %s, %v", got, sha, want)
	}
}

func TestList_TakesALinkForNoFile(t *testing.T) {
	s := start(t)
	s.push(t, gittest.Change{Files: map[string]string{"a/b": "b"}})
	work := s.git(t, "rev-parse", "--show-toplevel")
	if err := os.Symlink("b", filepath.Join(work, "a", "link")); err != nil {
		t.Fatal(err)
	}
	s.push(t, gittest.Change{Files: map[string]string{"a/c": "c"}})
	got, err := s.client.List(t.Context(), s.source, "a")
	if err != nil {
		t.Fatal(err)
	}
	if names := slices.Sorted(maps.Keys(got.Files)); got.Files["a/link"] != "" || !slices.Equal(names, []string{"a/b", "a/c", "a/link"}) {
		t.Errorf("got %v", got.Files)
	}
}

func TestList_OfAServerThatKnowsNoFilters(t *testing.T) {
	s := start(t)
	s.push(t, gittest.Change{Files: map[string]string{"a": "1"}})
	s.git(t, "-C", s.Bare(), "config", "uploadpack.allowFilter", "false")
	got, err := s.client.List(t.Context(), s.source, "a")
	if err != nil || len(got.Files) != 1 {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestList_IsBounded(t *testing.T) {
	s := start(t)
	all := map[string]string{}
	for i := range 70 {
		for j := range 70 {
			all[filepath.Join("d", string(rune('0'+i)), string(rune('0'+j)))] = "same"
		}
	}
	s.push(t, gittest.Change{Files: all})
	_, err := s.client.List(t.Context(), s.source, "d")
	problem(t, err, gitsource.RepositoryUnsupported, "more than 4096 files")
	s.client.Limits.Pack = 200
	_, err = s.client.List(t.Context(), s.source, "d")
	problem(t, err, gitsource.RepositoryUnsupported, "more files than are read")
}
