package sqlstore_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/towpath-dev/towpath/internal/history"
	"github.com/towpath-dev/towpath/internal/history/sqlstore"
)

func TestToRead_NothingIsWritten(t *testing.T) {
	readDatabases(t, func(t *testing.T, open, read opener) {
		if _, err := read(t.Context()); err == nil {
			t.Error("what is not there is opened, or made")
		}
		writer := opened(t, open)
		slice := history.Slice{Source: "aws", Period: "2026-11"}
		if err := writer.Replace(t.Context(), slice, all(figure(1, "10"))); err != nil {
			t.Fatal(err)
		}
		reader := opened(t, read) // beside one that writes
		sums, err := reader.Sum(t.Context(), history.Query{From: first, To: first + 30})
		if err != nil || len(sums) != 1 || sums[0].Effective.String() != "10" {
			t.Errorf("it reads %v, %v", sums, err)
		}
		for name, write := range map[string]error{
			"a slice":  reader.Replace(t.Context(), slice, all(figure(1, "99"))),
			"a state":  reader.SetState(t.Context(), "aws", history.State{Cursor: "x"}),
			"a source": reader.Forget(t.Context(), "aws"),
		} {
			if write == nil {
				t.Errorf("%s was written", name)
			}
		}
		sums, err = writer.Sum(t.Context(), history.Query{From: first, To: first + 30})
		if err != nil || len(sums) != 1 || sums[0].Effective.String() != "10" {
			t.Errorf("there is %v, %v", sums, err)
		}
	})
}

// TestToRead_ACopyAndAnOlderOne reads a copy in a folder that cannot be written, and refuses tables of another version as they are.
func TestToRead_ACopyAndAnOlderOne(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "history.db")
	writer, err := sqlstore.OpenSQLite(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	mustChmod := func(name string, mode os.FileMode) {
		t.Helper()
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	mustChmod(path, 0o400)
	mustChmod(dir, 0o500)
	// Root writes there all the same, but not through a link that leads nowhere.
	if err := os.Symlink(filepath.Join("none", "none"), path+"-shm"); err != nil && !os.IsPermission(err) {
		t.Fatal(err)
	}
	reader, err := sqlstore.OpenSQLiteToRead(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := reader.Close(); err != nil {
		t.Error(err)
	}
	mustChmod(dir, 0o700)
	mustChmod(path, 0o600)
	if err := os.Remove(path + "-shm"); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "UPDATE schema_version SET version = 0"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err = sqlstore.OpenSQLiteToRead(t.Context(), path); err == nil || !strings.Contains(err.Error(), "use the towpath of the manager's release") {
		t.Errorf("it says %v", err)
	}
}

// TestToRead_ACopyWithALog copies a history beside which a manager still wrote: its newest days are in the log alone. A link that leads
// nowhere, in the place of the file that SQLite makes there, is what root, too, cannot write.
func TestToRead_ACopyWithALog(t *testing.T) {
	from, to := filepath.Join(t.TempDir(), "history.db"), filepath.Join(t.TempDir(), "history.db")
	writer, err := sqlstore.OpenSQLite(t.Context(), from)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = writer.Close() }()
	if err := writer.Replace(t.Context(), history.Slice{Source: "aws", Period: "2026-11"}, all(figure(1, "10"))); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(from + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to+suffix, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join("none", "none"), to+"-shm"); err != nil {
		t.Fatal(err)
	}
	if reader, err := sqlstore.OpenSQLiteToRead(t.Context(), to); err == nil || !strings.Contains(err.Error(), "copy both to a folder that can be written") {
		t.Errorf("it says %v", err)
		if reader != nil {
			_ = reader.Close()
		}
	}
	reader, err := sqlstore.OpenSQLiteToRead(t.Context(), from)
	if err != nil {
		t.Fatal(err)
	}
	if err := reader.Close(); err != nil {
		t.Error(err)
	}
}
