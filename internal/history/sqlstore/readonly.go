package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// OpenSQLiteToRead opens a file that is there, to read alone: whoever looks into the manager's history neither makes tables nor brings them
// up to date, nor leaves anything behind, and may have it on a medium that cannot be written.
func OpenSQLiteToRead(ctx context.Context, path string) (*Store, error) {
	if info, err := os.Stat(path); err != nil || info.IsDir() {
		return nil, errors.Join(fmt.Errorf("history %s: it must be a file that is there", path), err)
	}
	open := func(more url.Values) (*Store, error) {
		more.Add("mode", "ro")
		more["_pragma"] = []string{"busy_timeout(60000)", "query_only(ON)", "temp_store(MEMORY)", "cache_size(-8192)"}
		db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: url.PathEscape(path), RawQuery: more.Encode()}).String())
		if err != nil {
			return nil, fmt.Errorf("history %s: %w", path, err)
		}
		return openToRead(ctx, db, dialect{name: "history " + path, damaged: damagedSQLite})
	}
	store, err := open(url.Values{})
	if cannotOpen(err) {
		if log, statErr := os.Stat(path + "-wal"); statErr == nil && log.Size() > 0 {
			return nil, fmt.Errorf("history %s: its newest days stand in %s-wal, and are read only where a file can be made beside it: copy both to a folder that can be written", path, path)
		}
		// SQLite wants to make a file beside it for those who write. Where it cannot, and no log is there, nobody does.
		store, err = open(url.Values{"immutable": {"1"}})
	}
	return store, err
}

// cannotOpen says that SQLite cannot make the files that it wants beside the database.
func cannotOpen(err error) bool {
	found, ok := errors.AsType[*sqlite.Error](err)
	const kind = 0xff
	return ok && (found.Code()&kind == sqlite3.SQLITE_CANTOPEN || found.Code()&kind == sqlite3.SQLITE_READONLY)
}

// OpenPostgreSQLToRead opens a database by its address, to read alone: as somebody who may select and nothing else. Messages do not hold the
// address.
func OpenPostgreSQLToRead(ctx context.Context, address string) (*Store, error) {
	config, err := pgx.ParseConfig(address)
	if err != nil {
		return nil, errors.New("history: the address of PostgreSQL is none: it must be as postgres://user:password@host/database?sslmode=verify-full")
	}
	config.RuntimeParams["default_transaction_read_only"] = "on"
	return openToRead(ctx, stdlib.OpenDB(*config), dialect{name: "history in PostgreSQL", numbered: true, damaged: damagedPostgreSQL})
}

// openToRead looks whether the tables are of the version that is known here.
func openToRead(ctx context.Context, db *sql.DB, d dialect) (*Store, error) {
	db.SetMaxOpenConns(1)
	s := &Store{db: db, dialect: d}
	version := 0
	err := s.failed("reading the version of its tables", db.QueryRowContext(ctx, `SELECT version FROM schema_version`).Scan(&version))
	if err == nil && version != len(migrations) {
		err = fmt.Errorf("%s: its tables are of version %d, and this towpath reads version %d: use the towpath of the manager's release", d.name, version, len(migrations))
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}
