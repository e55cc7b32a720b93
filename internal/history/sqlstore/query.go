package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/towpath-dev/towpath/internal/history"
)

// dimensions are the columns by which sums can be grouped, in the order in which they are scanned.
var dimensions = []struct {
	by     history.Dimension
	column string
	none   string
}{
	{history.ByDay, "f.day", "0"},
	{history.BySource, "l.source", "''"},
	{history.ByTeam, "s.team", "''"},
	{history.ByEnvironment, "s.environment", "''"},
	{history.ByComponent, "s.component", "''"},
	{history.ByService, "s.service", "''"},
	{history.ByCategory, "s.category", "''"},
	{history.ByUnused, "s.unused", "0"},
}

// Sum adds up.
func (s *Store) Sum(ctx context.Context, query history.Query) ([]history.Sum, error) {
	statement, values, err := s.statement(query)
	if err != nil {
		return nil, err
	}
	rows, err := s.db.QueryContext(ctx, statement, values...)
	if err != nil {
		return nil, s.failed("adding up", err)
	}
	defer func() { _ = rows.Close() }()
	var sums []history.Sum
	for rows.Next() {
		var sum history.Sum
		var billed, billedRest, effective, effectiveRest, provisional, provisionalRest, open int64
		var unused int
		err := rows.Scan(&sum.Day, &sum.Source, &sum.Team, &sum.Environment, &sum.Component, &sum.Service, &sum.Category, &unused, &sum.Currency,
			&billed, &billedRest, &effective, &effectiveRest, &provisional, &provisionalRest, &open, &sum.Figures, &sum.Days)
		if err != nil {
			return nil, s.failed("adding up", err)
		}
		sum.Unused, sum.Provisional = unused != 0, open > 0
		sum.Billed, sum.Effective = join(billed, billedRest), join(effective, effectiveRest)
		sum.ProvisionalEffective = join(provisional, provisionalRest)
		sums = append(sums, sum)
	}
	return sums, s.failed("adding up", rows.Err())
}

// statement is a query in SQL. Values are parameters always.
func (s *Store) statement(query history.Query) (string, []any, error) {
	columns := make([]string, 0, len(dimensions)+1)
	grouped := map[history.Dimension]string{}
	for _, d := range dimensions {
		if slices.Contains(query.GroupBy, d.by) {
			grouped[d.by] = d.column
			columns = append(columns, d.column)
		} else {
			columns = append(columns, d.none)
		}
	}
	group := []string{"s.currency"}
	for _, by := range query.GroupBy {
		column, ok := grouped[by]
		if !ok {
			return "", nil, fmt.Errorf("sums cannot be grouped by %q", by)
		}
		group = append(group, column)
	}
	columns = append(columns, "s.currency")
	at := seconds(query.At)
	values := []any{at, at, at, int64(query.From), int64(query.To)}
	conditions := []string{"f.day >= ?", "f.day < ?"}
	for _, filter := range []struct {
		column string
		among  []string
	}{
		{"l.source", query.Sources}, {"s.team", query.Teams}, {"s.environment", query.Environments}, {"s.component", query.Components},
		{"s.service", query.Services}, {"s.category", texts(query.Categories)}, {"s.currency", query.Currencies},
	} {
		if len(filter.among) == 0 {
			continue
		}
		conditions = append(conditions, filter.column+" IN (?"+strings.Repeat(",?", len(filter.among)-1)+")")
		for _, value := range filter.among {
			values = append(values, value)
		}
	}
	// CAST: PostgreSQL adds integers to a numeric, which has no bounds.
	return s.dialect.parameters(`SELECT ` + strings.Join(columns, ", ") + `,
		CAST(SUM(f.billed) AS BIGINT), CAST(SUM(f.billed_rest) AS BIGINT),
		CAST(SUM(f.effective) AS BIGINT), CAST(SUM(f.effective_rest) AS BIGINT),
		CAST(SUM(CASE WHEN f.settles > CAST(? AS BIGINT) THEN f.effective ELSE 0 END) AS BIGINT),
		CAST(SUM(CASE WHEN f.settles > CAST(? AS BIGINT) THEN f.effective_rest ELSE 0 END) AS BIGINT),
		CAST(SUM(CASE WHEN f.settles > CAST(? AS BIGINT) THEN 1 ELSE 0 END) AS BIGINT), COUNT(*), COUNT(DISTINCT f.day)
		FROM figures f JOIN series s ON s.id = f.series JOIN slices l ON l.id = f.slice
		WHERE ` + strings.Join(conditions, " AND ") + `
		GROUP BY ` + strings.Join(group, ", ") + ` ORDER BY ` + s.ordered(group)), values, nil
}

// ordered sorts text by its bytes, whatever the database's language.
func (s *Store) ordered(columns []string) string {
	if !s.dialect.numbered {
		return strings.Join(columns, ", ")
	}
	sorted := make([]string, len(columns))
	for i, column := range columns {
		sorted[i] = column
		if column != "f.day" && column != "s.unused" {
			sorted[i] += ` COLLATE "C"`
		}
	}
	return strings.Join(sorted, ", ")
}

func texts(categories []history.Category) []string {
	var all []string
	for _, category := range categories {
		all = append(all, string(category))
	}
	return all
}

// Slices lists what a source has.
func (s *Store) Slices(ctx context.Context, source string) ([]history.Slice, error) {
	rows, err := s.db.QueryContext(ctx, s.dialect.parameters(`SELECT period, part FROM slices WHERE source = ?`), source)
	if err != nil {
		return nil, s.failed("listing slices", err)
	}
	defer func() { _ = rows.Close() }()
	var all []history.Slice
	for rows.Next() {
		slice := history.Slice{Source: source}
		if err := rows.Scan(&slice.Period, &slice.Part); err != nil {
			return nil, s.failed("listing slices", err)
		}
		all = append(all, slice)
	}
	slices.SortFunc(all, func(a, b history.Slice) int {
		if order := strings.Compare(a.Period, b.Period); order != 0 {
			return order
		}
		return strings.Compare(a.Part, b.Part)
	})
	return all, s.failed("listing slices", rows.Err())
}

// Prune forgets old days, and slices and series of which nothing is left.
func (s *Store) Prune(ctx context.Context, before history.Day) (int64, error) {
	var count int64
	err := s.write(ctx, "forgetting old days", func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, s.dialect.parameters(`DELETE FROM figures WHERE day < ?`), int64(before))
		if err != nil {
			return err
		}
		if count, err = result.RowsAffected(); err != nil {
			return err
		}
		return sweep(ctx, tx)
	})
	return count, err
}

// Forget forgets a source.
func (s *Store) Forget(ctx context.Context, source string) error {
	return s.write(ctx, "forgetting "+source, func(tx *sql.Tx) error {
		for _, statement := range []string{
			`DELETE FROM figures WHERE slice IN (SELECT id FROM slices WHERE source = ?)`,
			`DELETE FROM sources WHERE name = ?`,
		} {
			if _, err := tx.ExecContext(ctx, s.dialect.parameters(statement), source); err != nil {
				return err
			}
		}
		return sweep(ctx, tx)
	})
}

func sweep(ctx context.Context, tx *sql.Tx) error {
	for _, statement := range []string{
		`DELETE FROM slices WHERE NOT EXISTS (SELECT 1 FROM figures f WHERE f.slice = slices.id)`,
		`DELETE FROM series WHERE NOT EXISTS (SELECT 1 FROM figures f WHERE f.series = series.id)`,
	} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// State is what SetState stored.
func (s *Store) State(ctx context.Context, source string) (history.State, error) {
	var state history.State
	var attempt, success int64
	err := s.db.QueryRowContext(ctx, s.dialect.parameters(`SELECT attempt, success, message, position FROM sources WHERE name = ?`), source).
		Scan(&attempt, &success, &state.Message, &state.Cursor)
	if errors.Is(err, sql.ErrNoRows) {
		return history.State{}, nil
	}
	state.LastAttempt, state.LastSuccess = moment(attempt), moment(success)
	return state, s.failed("reading the state of "+source, err)
}

// SetState stores how far a source has come.
func (s *Store) SetState(ctx context.Context, source string, state history.State) error {
	return s.write(ctx, "storing the state of "+source, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, s.dialect.parameters(`INSERT INTO sources (name, attempt, success, message, position) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (name) DO UPDATE SET attempt = excluded.attempt, success = excluded.success, message = excluded.message, position = excluded.position`),
			source, seconds(state.LastAttempt), seconds(state.LastSuccess), state.Message, state.Cursor)
		return err
	})
}
