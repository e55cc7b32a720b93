// Package sqlstore is the history in a database: in SQLite, a file on the manager's volume, or in PostgreSQL, which several managers
// share. Both have the same tables and statements; what differs is in dialect.
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver pgx
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/towpath-dev/towpath/internal/history"
)

// Store is a history.Store.
type Store struct {
	db      *sql.DB
	dialect dialect
}

var _ history.Store = &Store{}

// dialect is what SQLite and PostgreSQL do not have in common.
type dialect struct {
	// name is how messages call the database.
	name string
	// id is the type of a column that numbers its rows.
	id string
	// lock is a statement that makes other writers wait until the transaction ends; empty where each that writes does.
	lock string
	// numbered says that parameters are $1, $2, rather than ?.
	numbered bool
	// damaged says of an error that the database cannot be read.
	damaged func(error) bool
}

// OpenSQLite opens a file, or makes one. It must be on a volume that one manager has at a time.
func OpenSQLite(ctx context.Context, path string) (*Store, error) {
	if err := writable(path); err != nil {
		return nil, err
	}
	// A reader does not wait for a writer (WAL), and a writer waits for another one.
	options := url.Values{
		"_pragma": {"busy_timeout(60000)", "journal_mode(WAL)", "synchronous(NORMAL)", "foreign_keys(ON)", "temp_store(MEMORY)", "cache_size(-8192)"},
		"_txlock": {"immediate"},
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: url.PathEscape(path), RawQuery: options.Encode()}).String())
	if err != nil {
		return nil, fmt.Errorf("history %s: %w", path, err)
	}
	const connections = 4
	db.SetMaxOpenConns(connections)
	return open(ctx, db, dialect{name: "history " + path, id: "INTEGER PRIMARY KEY", damaged: damagedSQLite})
}

// OpenPostgreSQL opens a database by its address, as postgres://user:password@host/database?sslmode=verify-full. Messages do not
// hold it.
func OpenPostgreSQL(ctx context.Context, address string) (*Store, error) {
	db, err := sql.Open("pgx", address)
	if err != nil {
		return nil, errors.New("history: the address of PostgreSQL is none: it must be as postgres://user:password@host/database?sslmode=verify-full")
	}
	const connections = 4
	db.SetMaxOpenConns(connections)
	// The number is Towpath's: "towpath" on a telephone.
	return open(ctx, db, dialect{
		name: "history in PostgreSQL", id: "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", lock: "SELECT pg_advisory_xact_lock(8697284)",
		numbered: true, damaged: damagedPostgreSQL,
	})
}

func open(ctx context.Context, db *sql.DB, d dialect) (*Store, error) {
	s := &Store{db: db, dialect: d}
	err := s.migrate(ctx)
	// While another process turns to the write-ahead log, or leaves it, SQLite refuses at once, whatever it was told to wait.
	for try := 0; busy(err) && try < busyTries && ctx.Err() == nil; try++ {
		select {
		case <-ctx.Done():
		case <-time.After(busyPause):
			err = s.migrate(ctx)
		}
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// busyTries and busyPause are how often, and after how long, opening is tried again: for ten seconds.
const (
	busyTries = 200
	busyPause = 50 * time.Millisecond
)

// busy says that another process has the file of SQLite.
func busy(err error) bool {
	found, ok := errors.AsType[*sqlite.Error](err)
	const kind = 0xff
	return ok && found.Code()&kind == sqlite3.SQLITE_BUSY
}

// Close ends all connections.
func (s *Store) Close() error { return s.db.Close() }

// writable says what is wrong with the place of a file, which SQLite does not.
func writable(path string) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return fmt.Errorf("history %s: it must be a file, but is a folder: name a file in it", path)
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("history %s: %w", path, err)
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("history %s: %w; %s must be a folder on a volume that the manager may write to", path, err, filepath.Dir(path))
	}
	return file.Close()
}

// failed puts what is wrong into words. A database that is damaged is named as such, with what to do.
func (s *Store) failed(doing string, err error) error {
	if err == nil {
		return nil
	}
	if s.dialect.damaged(err) {
		return fmt.Errorf("%s: %s: %w: %w; restore it from a backup, or move it away: a new one is made, and sources fill it again as far back as they go",
			s.dialect.name, doing, history.ErrDamaged, err)
	}
	return fmt.Errorf("%s: %s: %w", s.dialect.name, doing, err)
}

func damagedSQLite(err error) bool {
	found, ok := errors.AsType[*sqlite.Error](err)
	// The low byte is the kind, the others are details.
	const kind = 0xff
	return ok && (found.Code()&kind == sqlite3.SQLITE_CORRUPT || found.Code()&kind == sqlite3.SQLITE_NOTADB)
}

func damagedPostgreSQL(err error) bool {
	found, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (found.Code == "XX001" || found.Code == "XX002")
}

// parameters puts parameters as the dialect has them: a statement is written with ?.
func (d dialect) parameters(statement string) string {
	if !d.numbered {
		return statement
	}
	var b strings.Builder
	for n := 1; ; n++ {
		before, after, ok := strings.Cut(statement, "?")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		fmt.Fprintf(&b, "$%d", n)
		statement = after
	}
}
