package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// migrations make each version of the tables of the one before. One that was in a release is never changed; %ID% is the
// dialect's.
var migrations = [][]string{
	{
		`CREATE TABLE slices (
			id %ID%,
			source TEXT NOT NULL,
			period TEXT NOT NULL,
			part TEXT NOT NULL,
			UNIQUE (source, period, part))`,
		`CREATE TABLE series (
			id %ID%,
			team TEXT NOT NULL,
			environment TEXT NOT NULL,
			component TEXT NOT NULL,
			service TEXT NOT NULL,
			category TEXT NOT NULL,
			currency TEXT NOT NULL,
			unused INTEGER NOT NULL,
			UNIQUE (team, environment, component, service, category, currency, unused))`,
		// An amount is two integers: whole units, and what is left of it in units of 10^-12. So a database adds exactly, which
		// SQLite does with integers alone.
		`CREATE TABLE figures (
			slice BIGINT NOT NULL REFERENCES slices (id),
			series BIGINT NOT NULL REFERENCES series (id),
			day INTEGER NOT NULL,
			settles BIGINT NOT NULL,
			billed BIGINT NOT NULL,
			billed_rest BIGINT NOT NULL,
			effective BIGINT NOT NULL,
			effective_rest BIGINT NOT NULL)`,
		`CREATE INDEX figures_slice ON figures (slice)`,
		`CREATE INDEX figures_series_day ON figures (series, day)`,
		`CREATE INDEX figures_day ON figures (day)`,
		`CREATE TABLE sources (
			name TEXT PRIMARY KEY,
			attempt BIGINT NOT NULL,
			success BIGINT NOT NULL,
			message TEXT NOT NULL,
			position TEXT NOT NULL)`,
	},
}

// migrate makes the tables, or brings them up to date. Several managers may do it at once; all but one find it done.
func (s *Store) migrate(ctx context.Context) error {
	return s.write(ctx, "making its tables", func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)`); err != nil {
			return err
		}
		version := 0
		err := tx.QueryRowContext(ctx, `SELECT version FROM schema_version`).Scan(&version)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		switch {
		case version == len(migrations):
			return nil
		case version > len(migrations):
			return fmt.Errorf("its tables are of version %d, and this manager knows up to %d: run the newer manager, or restore a backup from before it",
				version, len(migrations))
		}
		for _, statements := range migrations[version:] {
			for _, statement := range statements {
				if _, err := tx.ExecContext(ctx, strings.ReplaceAll(statement, "%ID%", s.dialect.id)); err != nil {
					return err
				}
			}
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM schema_version`); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, s.dialect.parameters(`INSERT INTO schema_version (version) VALUES (?)`), len(migrations))
		return err
	})
}

// write runs a transaction that writes. One runs at a time: figures of a slice are replaced by one writer, whoever else tries.
func (s *Store) write(ctx context.Context, doing string, do func(*sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return s.failed(doing, err)
	}
	defer func() { _ = tx.Rollback() }()
	if s.dialect.lock != "" {
		if _, err := tx.ExecContext(ctx, s.dialect.lock); err != nil {
			return s.failed(doing, err)
		}
	}
	if err := do(tx); err != nil {
		return s.failed(doing, err)
	}
	return s.failed(doing, tx.Commit())
}
