package remote_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/towpath-dev/towpath/internal/delivery/remote"
)

// fill gives a repository so many files, each of so many bytes, in directories of ten.
func (s *gitServer) fill(n, size int) {
	s.t.Helper()
	files := map[string]string{}
	for i := range n {
		files[fmt.Sprintf("others/team-%d/prod/service-%d/file-%d.yaml", i/1000, i/10, i)] = fmt.Sprintf("n: %d\n%s", i, strings.Repeat("x", size))
	}
	s.write("main", files)
	s.git("repack", "-a", "-d", "-q")
}

// TestCommit_ToALargeRepository has 10,000 files of 4 KiB: 40 MiB that must not stay in memory.
func TestCommit_ToALargeRepository(t *testing.T) {
	s := startGit(t)
	s.fill(10000, 4096)
	r := s.open(remote.Push)
	before := inUse()
	commit(t, r, releaseOf("checkout", 1))
	if grown := int64(inUse()) - int64(before); grown > 16<<20 {
		t.Errorf("it keeps %d MiB", grown>>20)
	}
	s.write("main", map[string]string{"others/team-1/prod/service-100/file-1000.yaml": "newer"})
	commit(t, r, releaseOf("checkout", 2))
	// More commits than what they leave behind is kept for.
	for n := range int64(70) {
		commit(t, r, releaseOf("checkout", 3+n))
	}
	if n := len(s.files("main")); n != 10002 {
		t.Errorf("there are %d files", n)
	}
	if n := s.count("main"); n != 74 {
		t.Errorf("there are %d commits", n)
	}
	s.check("main")
	runtime.KeepAlive(r)
}

func inUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkCommit measures a commit to a repository of 10,000 files over HTTP, with the server's part in it: the first one of a
// manager, which has to read the newest commit; one after another; and one after somebody else's.
func BenchmarkCommit(b *testing.B) {
	s := startGit(b)
	s.fill(10000, 1024)
	number := int64(0)
	next := func(r *remote.Repository) {
		number++
		if _, err := r.Commit(b.Context(), releaseOf("checkout", number, "settings"), noon); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			next(s.open(remote.Push))
		}
	})
	b.Run("next", func(b *testing.B) {
		r := s.open(remote.Push)
		next(r)
		for b.Loop() {
			next(r)
		}
	})
	b.Run("after-another", func(b *testing.B) {
		r := s.open(remote.Push)
		next(r)
		for b.Loop() {
			b.StopTimer()
			s.write("main", map[string]string{fmt.Sprintf("others/team-1/prod/service-100/note-%d.yaml", number): "mine"})
			b.StartTimer()
			next(r)
		}
	})
}
