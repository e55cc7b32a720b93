package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"github.com/towpath-dev/towpath/hack/postgres"
	"github.com/towpath-dev/towpath/internal/history"
	"github.com/towpath-dev/towpath/internal/history/sqlstore"
)

// opener opens the same store each time.
type opener func(context.Context) (*sqlstore.Store, error)

// databases runs a test with each kind of database, an empty one each.
func databases(t *testing.T, test func(t *testing.T, open opener)) {
	readDatabases(t, func(t *testing.T, open, _ opener) { test(t, open) })
}

// readDatabases runs a test with each kind of database, and with what opens it to read alone.
func readDatabases(t *testing.T, test func(t *testing.T, open, read opener)) {
	t.Run("SQLite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "history file ?#%.db")
		test(t, func(ctx context.Context) (*sqlstore.Store, error) { return sqlstore.OpenSQLite(ctx, path) },
			func(ctx context.Context) (*sqlstore.Store, error) { return sqlstore.OpenSQLiteToRead(ctx, path) })
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		address := postgresAddress(t)
		name := fmt.Sprintf("test_%d", rand.Uint64()) //nolint:gosec // a name
		db, err := sql.Open("pgx", address)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		if _, err := db.ExecContext(t.Context(), "CREATE DATABASE "+name); err != nil {
			t.Fatal(err)
		}
		address = strings.Replace(address, "/postgres?", "/"+name+"?", 1)
		test(t, func(ctx context.Context) (*sqlstore.Store, error) { return sqlstore.OpenPostgreSQL(ctx, address) },
			func(ctx context.Context) (*sqlstore.Store, error) { return sqlstore.OpenPostgreSQLToRead(ctx, address) })
	})
}

var server struct {
	once sync.Once
	*postgres.Server
	err error
}

func postgresAddress(t *testing.T) string {
	t.Helper()
	server.once.Do(func() { server.Server, server.err = postgres.Start(context.Background()) })
	if errors.Is(server.err, postgres.ErrAbsent) && os.Getenv("TOWPATH_TOOLS_REQUIRED") == "" {
		t.Skip(server.err)
	}
	if server.err != nil {
		t.Fatal(server.err)
	}
	return server.Address()
}

func TestMain(m *testing.M) {
	code := m.Run()
	if server.Server != nil {
		if err := server.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

func opened(t *testing.T, open opener) *sqlstore.Store {
	t.Helper()
	store, err := open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

var (
	first = history.Date(2026, time.November, 1)
	noon  = time.Date(2026, time.November, 3, 12, 0, 0, 0, time.UTC)
)

// figure costs an amount on a day of November.
func figure(day int, amount string, change ...func(*history.Figure)) history.Figure {
	d := decimal.RequireFromString(amount)
	f := history.Figure{
		Day: first + history.Day(day-1), Billed: d.Mul(decimal.NewFromInt(2)), Effective: d,
		Series: history.Series{Team: "shop", Environment: "prod", Component: "checkout", Service: "Compute", Category: history.Usage, Currency: "USD"},
	}
	for _, c := range change {
		c(&f)
	}
	return f
}

func team(name string) func(*history.Figure) {
	return func(f *history.Figure) {
		if f.Team = name; name == "" {
			f.Environment, f.Component = "", ""
		}
	}
}
func currency(code string) func(*history.Figure) {
	return func(f *history.Figure) { f.Currency = code }
}
func category(c history.Category) func(*history.Figure) {
	return func(f *history.Figure) { f.Category = c }
}
func settles(at time.Time) func(*history.Figure) { return func(f *history.Figure) { f.Settles = at } }

func all(figures ...history.Figure) iter.Seq2[history.Figure, error] {
	return func(yield func(history.Figure, error) bool) {
		for _, f := range figures {
			if !yield(f, nil) {
				return
			}
		}
	}
}

func replace(t *testing.T, store history.Store, slice history.Slice, figures ...history.Figure) {
	t.Helper()
	if err := store.Replace(t.Context(), slice, all(figures...)); err != nil {
		t.Fatal(err)
	}
}

// sums are what a query gives, a line each.
func sums(t *testing.T, store history.Store, query history.Query) string {
	t.Helper()
	if query.To == 0 {
		query.To = first + 1000
	}
	found, err := store.Sum(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, s := range found {
		var words []string
		if s.Day != 0 {
			words = append(words, s.Day.String())
		}
		for _, word := range []string{s.Source, s.Team, s.Environment, s.Component, s.Service, string(s.Category), s.Currency, s.Billed.String(), s.Effective.String()} {
			if word != "" {
				words = append(words, word)
			}
		}
		if s.Unused {
			words = append(words, "unused")
		}
		if s.Provisional {
			words = append(words, "provisional", s.ProvisionalEffective.String())
		}
		fmt.Fprintf(&b, "%s (%d)\n", strings.Join(words, " "), s.Figures)
	}
	return b.String()
}

func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: %s", what, diff)
	}
}

func TestReplace_TakesThePlaceOfASlice(t *testing.T) {
	databases(t, func(t *testing.T, open opener) {
		store := opened(t, open)
		october, november := history.Slice{Source: "aws", Period: "2026-10"}, history.Slice{Source: "aws", Period: "2026-11"}
		replace(t, store, november, figure(1, "1"), figure(2, "2"))
		replace(t, store, november, figure(1, "1"), figure(2, "2"))
		expect(t, "twice", sums(t, store, history.Query{}), "USD 6 3 (2)\n")
		replace(t, store, october, figure(1, "10"))
		replace(t, store, history.Slice{Source: "aws", Period: "2026-11", Part: "b"}, figure(1, "100"))
		replace(t, store, history.Slice{Source: "azure", Period: "2026-11"}, figure(1, "1000"))
		expect(t, "others beside it", sums(t, store, history.Query{}), "USD 2226 1113 (5)\n")
		replace(t, store, november, figure(3, "0.5"))
		expect(t, "corrected", sums(t, store, history.Query{GroupBy: []history.Dimension{history.ByDay}}),
			"2026-11-01 USD 2220 1110 (3)\n2026-11-03 USD 1 0.5 (1)\n")
		replace(t, store, november)
		expect(t, "emptied", sums(t, store, history.Query{}), "USD 2220 1110 (3)\n")
		slices, err := store.Slices(t.Context(), "aws")
		if err != nil {
			t.Fatal(err)
		}
		expect(t, "slices", fmt.Sprint(slices), "[aws 2026-10 aws 2026-11 b]")
		// It is there for the next manager.
		expect(t, "opened again", sums(t, opened(t, open), history.Query{}), "USD 2220 1110 (3)\n")
	})
}

func TestReplace_ChangesNothingWhereItFails(t *testing.T) {
	databases(t, func(t *testing.T, open opener) {
		store := opened(t, open)
		slice := history.Slice{Source: "aws", Period: "2026-11"}
		replace(t, store, slice, figure(1, "1"))
		broken := errors.New("broken")
		many := func(yield func(history.Figure, error) bool) {
			for i := range 1000 {
				if !yield(figure(1, "7", team(fmt.Sprint("team-", i))), nil) {
					return
				}
			}
			yield(history.Figure{}, broken)
		}
		if err := store.Replace(t.Context(), slice, many); !errors.Is(err, broken) {
			t.Errorf("a sequence that fails: %v", err)
		}
		for what, f := range map[string]history.Figure{
			"no category":         figure(1, "1", category("")),
			"no currency":         figure(1, "1", currency("")),
			"no team but a place": {Series: history.Series{Component: "a", Category: history.Usage, Currency: "USD"}},
			"too much":            figure(1, "1e19"),
		} {
			if err := store.Replace(t.Context(), slice, all(figure(2, "3"), f)); err == nil {
				t.Errorf("%s is stored", what)
			}
		}
		if err := store.Replace(t.Context(), history.Slice{Source: "aws"}, all()); err == nil {
			t.Error("a slice without a period is stored")
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := store.Replace(ctx, slice, all(figure(2, "3"))); !errors.Is(err, context.Canceled) {
			t.Errorf("a context that has ended: %v", err)
		}
		expect(t, "after all", sums(t, store, history.Query{}), "USD 2 1 (1)\n")
	})
}

func TestSum_GroupsAndFilters(t *testing.T) {
	databases(t, func(t *testing.T, open opener) {
		store := opened(t, open)
		other := func(f *history.Figure) { f.Environment, f.Component, f.Service = "dev", "Zebra", "Storage" }
		replace(t, store, history.Slice{Source: "aws", Period: "2026-11"},
			figure(1, "1.000000000001"), figure(2, "2"), figure(2, "-0.5", category(history.Credit)), figure(2, "4", other), figure(3, "8", settles(noon)),
			figure(3, "16", currency("EUR")), figure(3, "32", team("")), figure(3, "64", team("bank"), settles(history.Never)),
			figure(3, "128", func(f *history.Figure) { f.Unused = true }))
		replace(t, store, history.Slice{Source: "opencost", Period: "2026-11-02"}, figure(2, "256"))
		for _, tc := range []struct {
			what  string
			query history.Query
			want  string
		}{
			{"currencies are never added", history.Query{At: noon}, "EUR 32 16 (1)\nUSD 989.000000000002 494.500000000001 provisional 64 (9)\n"},
			{"what settles later is provisional", history.Query{At: noon.Add(-time.Second), Teams: []string{"shop"}, Sources: []string{"aws"}, Currencies: []string{"USD"},
				GroupBy: []history.Dimension{history.ByDay}}, "2026-11-01 USD 2.000000000002 1.000000000001 (1)\n2026-11-02 USD 11 5.5 (3)\n2026-11-03 USD 272 136 provisional 8 (2)\n"},
			{"by team", history.Query{GroupBy: []history.Dimension{history.ByTeam}, Currencies: []string{"USD"}, Sources: []string{"aws"}, At: noon},
				"USD 64 32 (1)\nbank USD 128 64 provisional 64 (1)\nshop USD 285.000000000002 142.500000000001 (6)\n"},
			{"nobody's", history.Query{Teams: []string{""}}, "USD 64 32 (1)\n"},
			{"days, the last one left out", history.Query{From: first + 1, To: first + 2, Sources: []string{"aws"}}, "USD 11 5.5 (3)\n"},
			{"everything", history.Query{From: first + 1, To: first + 2, Sources: []string{"aws"}, Teams: []string{"shop", "bank"}, Categories: []history.Category{history.Usage, history.Credit},
				GroupBy: []history.Dimension{history.ByDay, history.BySource, history.ByTeam, history.ByEnvironment, history.ByComponent, history.ByService, history.ByCategory, history.ByUnused}},
				"2026-11-02 aws shop dev Zebra Storage Usage USD 8 4 (1)\n2026-11-02 aws shop prod checkout Compute Credit USD -1 -0.5 (1)\n2026-11-02 aws shop prod checkout Compute Usage USD 4 2 (1)\n"},
			{"by component, in the order of bytes", history.Query{Sources: []string{"aws"}, Currencies: []string{"USD"}, Teams: []string{"shop"}, GroupBy: []history.Dimension{history.ByComponent}, At: noon},
				"Zebra USD 8 4 (1)\ncheckout USD 277.000000000002 138.500000000001 (5)\n"},
			{"unused", history.Query{Currencies: []string{"USD"}, Teams: []string{"shop"}, GroupBy: []history.Dimension{history.ByUnused}, Sources: []string{"aws"}, From: first + 2, At: noon},
				"USD 16 8 (1)\nUSD 256 128 unused (1)\n"},
			{"nothing", history.Query{Teams: []string{"'; DROP TABLE figures; --"}}, ""},
		} {
			expect(t, tc.what, sums(t, store, tc.query), tc.want)
		}
		if _, err := store.Sum(t.Context(), history.Query{GroupBy: []history.Dimension{"1; DROP TABLE figures"}}); err == nil {
			t.Error("it groups by what is no dimension")
		}
		found, err := store.Sum(t.Context(), history.Query{To: first + 100, Sources: []string{"aws"}, GroupBy: []history.Dimension{history.ByTeam, history.ByCategory}})
		if err != nil {
			t.Fatal(err)
		}
		var covered []string
		for _, c := range history.Covered(found) {
			share, _ := c.Share()
			covered = append(covered, fmt.Sprintf("%s %s of %s, %s", c.Currency, c.Covered, c.Effective, share.Round(3)))
		}
		expect(t, "coverage", strings.Join(covered, "; "), "EUR 16 of 16, 1; USD 207.000000000001 of 239.000000000001, 0.866")
	})
}

// TestSum_IsExact draws amounts with as many places as are kept, and adds them as decimals too.
func TestSum_IsExact(t *testing.T) {
	databases(t, func(t *testing.T, open opener) {
		store := opened(t, open)
		random := rand.New(rand.NewPCG(3, 3))
		var want decimal.Decimal
		for slice := range 5 {
			var figures []history.Figure
			for range 500 {
				d := decimal.New(random.Int64N(1e17)-5e16, -random.Int32N(history.Places+1))
				want = want.Add(d)
				figures = append(figures, figure(1+random.IntN(28), d.String(), team(fmt.Sprint("team-", random.IntN(9)))))
			}
			replace(t, store, history.Slice{Source: "a", Period: fmt.Sprint(slice)}, figures...)
		}
		found, err := store.Sum(t.Context(), history.Query{To: first + 100})
		if err != nil || len(found) != 1 || !found[0].Effective.Equal(want) {
			t.Errorf("%v, %v, want %s", found, err, want)
		}
	})
}

// TestReplace_AtOnce has two managers replace the same slices at the same time: each slice is what one of them wrote.
func TestReplace_AtOnce(t *testing.T) {
	databases(t, func(t *testing.T, open opener) {
		stores := []*sqlstore.Store{opened(t, open), opened(t, open)}
		var group sync.WaitGroup
		for writer := range 6 {
			group.Go(func() {
				for n := range 5 {
					var figures []history.Figure
					for i := range 50 {
						figures = append(figures, figure(1, fmt.Sprint(writer+1), team(fmt.Sprint("team-", (i*7+writer+n)%60))))
					}
					slice := history.Slice{Source: "a", Period: fmt.Sprint(n % 2)}
					if err := stores[writer%2].Replace(t.Context(), slice, all(figures...)); err != nil {
						t.Error(err)
					}
					found, err := stores[writer%2].Sum(t.Context(), history.Query{To: first + 100, GroupBy: []history.Dimension{history.BySource}})
					if err != nil || len(found) != 1 || found[0].Figures%50 != 0 {
						t.Errorf("half of a slice is there: %v, %v", found, err)
					}
				}
			})
		}
		group.Wait()
		expect(t, "figures", strings.SplitN(sums(t, stores[0], history.Query{}), "(", 2)[1], "100)\n")
	})
}

func TestOpen_AtOnce(t *testing.T) {
	databases(t, func(t *testing.T, open opener) {
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				store, err := open(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				if err := store.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
	})
}

func TestPruneAndForget(t *testing.T) {
	databases(t, func(t *testing.T, open opener) {
		store := opened(t, open)
		replace(t, store, history.Slice{Source: "aws", Period: "old"}, figure(1, "1", team("gone")))
		replace(t, store, history.Slice{Source: "aws", Period: "both"}, figure(1, "2"), figure(2, "4"))
		replace(t, store, history.Slice{Source: "azure", Period: "new"}, figure(2, "8"))
		count, err := store.Prune(t.Context(), first+1)
		if err != nil || count != 2 {
			t.Errorf("%d figures are forgotten: %v", count, err)
		}
		expect(t, "pruned", sums(t, store, history.Query{GroupBy: []history.Dimension{history.BySource}}), "aws USD 8 4 (1)\nazure USD 16 8 (1)\n")
		slices, err := store.Slices(t.Context(), "aws")
		if err != nil || len(slices) != 1 {
			t.Errorf("slices %v, %v", slices, err)
		}
		if err := store.SetState(t.Context(), "aws", history.State{Cursor: "x"}); err != nil {
			t.Fatal(err)
		}
		if err := store.Forget(t.Context(), "aws"); err != nil {
			t.Fatal(err)
		}
		expect(t, "forgotten", sums(t, store, history.Query{}), "USD 16 8 (1)\n")
		if state, err := store.State(t.Context(), "aws"); err != nil || state != (history.State{}) {
			t.Errorf("the state is %v, %v", state, err)
		}
	})
}

func TestState(t *testing.T) {
	databases(t, func(t *testing.T, open opener) {
		store := opened(t, open)
		for _, want := range []history.State{
			{LastAttempt: noon, Message: "throttled"},
			{LastAttempt: noon.Add(time.Hour), LastSuccess: noon.Add(time.Hour), Cursor: `{"a":"ü"}`},
		} {
			if err := store.SetState(t.Context(), "aws", want); err != nil {
				t.Fatal(err)
			}
			got, err := opened(t, open).State(t.Context(), "aws")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		}
	})
}

// TestOpen_OfNewerTables refuses what a newer manager made.
func TestOpen_OfNewerTables(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	store, err := sqlstore.OpenSQLite(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(t.Context(), `UPDATE schema_version SET version = 99`); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlstore.OpenSQLite(t.Context(), path); err == nil || !strings.Contains(err.Error(), "version 99") {
		t.Errorf("it says %v", err)
	}
}

func TestOpenSQLite_SaysWhatIsWrongWithAFile(t *testing.T) {
	dir := t.TempDir()
	junk := filepath.Join(dir, "junk.db")
	if err := os.WriteFile(junk, []byte(strings.Repeat("no database at all\n", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		junk:                                 "restore it from a backup, or move it away",
		dir:                                  "must be a file, but is a folder",
		filepath.Join(dir, "absent", "a.db"): "a folder on a volume that the manager may write to",
	} {
		_, err := sqlstore.OpenSQLite(t.Context(), path)
		if err == nil || !strings.Contains(err.Error(), want) || errors.Is(err, history.ErrDamaged) != (path == junk) {
			t.Errorf("%s: it says %v", path, err)
		}
	}
}

// TestSum_OfAFileThatIsDamagedLater writes over the middle of a file.
func TestSum_OfAFileThatIsDamagedLater(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	store, err := sqlstore.OpenSQLite(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	var figures []history.Figure
	for i := range 3000 {
		figures = append(figures, figure(1+i%28, "1", team(fmt.Sprint("team-", i))))
	}
	replace(t, store, history.Slice{Source: "a", Period: "b"}, figures...)
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 5 * 4096; i < len(text); i++ {
		text[i] = 0xa5
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	store, err = sqlstore.OpenSQLite(t.Context(), path)
	if err == nil {
		defer func() { _ = store.Close() }()
		_, err = store.Sum(t.Context(), history.Query{To: first + 1000, GroupBy: []history.Dimension{history.ByTeam}})
	}
	if !errors.Is(err, history.ErrDamaged) {
		t.Errorf("it says %v", err)
	}
}

func TestOpenPostgreSQL_KeepsItsPasswordToItself(t *testing.T) {
	for _, address := range []string{"postgres://towpath:s3cr3t@127.0.0.1:1/x?sslmode=disable&connect_timeout=1", "postgres://towpath:s3cr3t@[::x/"} {
		_, err := sqlstore.OpenPostgreSQL(t.Context(), address)
		if err == nil || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("it says %v", err)
		}
	}
}
