package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"math"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"github.com/towpath-dev/towpath/internal/history"
)

// Replace has figures take the place of what a slice held.
func (s *Store) Replace(ctx context.Context, slice history.Slice, figures iter.Seq2[history.Figure, error]) error {
	if slice.Source == "" || slice.Period == "" {
		return fmt.Errorf("the slice %q must have a source and a period", slice)
	}
	return s.write(ctx, "replacing "+slice.String(), func(tx *sql.Tx) error {
		id, err := s.emptied(ctx, tx, slice)
		if err != nil {
			return err
		}
		w := &writer{store: s, tx: tx, slice: id, series: map[history.Series]int64{}}
		for figure, err := range figures {
			if err != nil {
				return err
			}
			if err := w.add(ctx, figure); err != nil {
				return err
			}
		}
		if err := w.flush(ctx); err != nil {
			return err
		}
		if w.count > 0 {
			return nil
		}
		_, err = tx.ExecContext(ctx, s.dialect.parameters(`DELETE FROM slices WHERE id = ?`), id)
		return err
	})
}

// emptied is the number of a slice, which has no figures then.
func (s *Store) emptied(ctx context.Context, tx *sql.Tx, slice history.Slice) (int64, error) {
	var id int64
	err := tx.QueryRowContext(ctx, s.dialect.parameters(`SELECT id FROM slices WHERE source = ? AND period = ? AND part = ?`),
		slice.Source, slice.Period, slice.Part).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		err = tx.QueryRowContext(ctx, s.dialect.parameters(`INSERT INTO slices (source, period, part) VALUES (?, ?, ?) RETURNING id`),
			slice.Source, slice.Period, slice.Part).Scan(&id)
		return id, err
	}
	if err != nil {
		return 0, err
	}
	_, err = tx.ExecContext(ctx, s.dialect.parameters(`DELETE FROM figures WHERE slice = ?`), id)
	return id, err
}

// writer writes many figures with one statement.
type writer struct {
	store  *Store
	tx     *sql.Tx
	slice  int64
	series map[history.Series]int64
	values []any
	full   *sql.Stmt
	count  int64
}

const (
	figureColumns = 8
	// batch is how many figures a statement writes: as many as gain anything.
	batch = 200
	// maxSeries is how many series are remembered at once.
	maxSeries = 1 << 17
)

func (w *writer) add(ctx context.Context, f history.Figure) error {
	if err := f.Check(); err != nil {
		return err
	}
	id, err := w.seriesOf(ctx, f.Series)
	if err != nil {
		return err
	}
	billed, billedRest, err := split(f.Billed)
	if err != nil {
		return err
	}
	effective, effectiveRest, err := split(f.Effective)
	if err != nil {
		return err
	}
	w.values = append(w.values, w.slice, id, int64(f.Day), seconds(f.Settles), billed, billedRest, effective, effectiveRest)
	w.count++
	if len(w.values) == batch*figureColumns {
		return w.flush(ctx)
	}
	return nil
}

func (w *writer) flush(ctx context.Context) error {
	rows := len(w.values) / figureColumns
	if rows == 0 {
		return nil
	}
	defer func() { w.values = w.values[:0] }()
	if rows < batch {
		_, err := w.tx.ExecContext(ctx, w.insert(rows), w.values...)
		return err
	}
	if w.full == nil {
		statement, err := w.tx.PrepareContext(ctx, w.insert(rows))
		if err != nil {
			return err
		}
		w.full = statement
	}
	_, err := w.full.ExecContext(ctx, w.values...)
	return err
}

func (w *writer) insert(rows int) string {
	return w.store.dialect.parameters(`INSERT INTO figures (slice, series, day, settles, billed, billed_rest, effective, effective_rest) VALUES ` +
		strings.TrimSuffix(strings.Repeat("(?,?,?,?,?,?,?,?),", rows), ","))
}

// seriesOf is the number of a series.
func (w *writer) seriesOf(ctx context.Context, series history.Series) (int64, error) {
	if id, ok := w.series[series]; ok {
		return id, nil
	}
	unused := 0
	if series.Unused {
		unused = 1
	}
	values := []any{series.Team, series.Environment, series.Component, series.Service, string(series.Category), series.Currency, unused}
	var id int64
	err := w.tx.QueryRowContext(ctx, w.store.dialect.parameters(`SELECT id FROM series WHERE team = ? AND environment = ? AND component = ? AND service = ?
		AND category = ? AND currency = ? AND unused = ?`), values...).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		err = w.tx.QueryRowContext(ctx, w.store.dialect.parameters(`INSERT INTO series (team, environment, component, service, category, currency, unused)
			VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id`), values...).Scan(&id)
	}
	if err != nil {
		return 0, err
	}
	if len(w.series) >= maxSeries {
		clear(w.series)
	}
	w.series[series] = id
	return id, nil
}

// split makes two integers of an amount: whole units, and the rest in units of 10^-12.
func split(d decimal.Decimal) (whole, rest int64, err error) {
	d = d.RoundBank(history.Places)
	units := d.Truncate(0)
	// Half of what fits, so that a sum says that it is too large before it is wrong.
	if units.Abs().GreaterThan(decimal.NewFromInt(math.MaxInt64 / 2)) {
		return 0, 0, fmt.Errorf("the amount %s is too large", d)
	}
	return units.IntPart(), d.Sub(units).Shift(history.Places).IntPart(), nil
}

func join(whole, rest int64) decimal.Decimal {
	return decimal.NewFromInt(whole).Add(decimal.New(rest, -history.Places))
}

// seconds is a time as it is stored; 0 is none.
func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func moment(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}
