// Package duckdb_test has DuckDB read what towpath cost export writes: what a warehouse makes of it is what counts.
package duckdb_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"github.com/towpath-dev/towpath/internal/cost/export"
	"github.com/towpath-dev/towpath/internal/history"
)

// required is set where the test must not be skipped: make test-duckdb does.
const required = "TOWPATH_DUCKDB_REQUIRED"

// answer is what ask.mjs prints of a format.
type answer struct {
	Columns []string   `json:"columns"`
	Teams   [][]string `json:"teams"`
	Broken  [][]string `json:"broken"`
	Origins []string   `json:"origins"`
	Days    bool       `json:"days"`
}

func TestDuckDBReadsWhatIsExported(t *testing.T) {
	if _, err := os.Stat("node_modules"); err != nil {
		if os.Getenv(required) != "" {
			t.Fatal(err)
		}
		t.Skip("DuckDB is not here: make test-duckdb fetches it, with Node.js and npm, and runs this")
	}
	days := month()
	folder := t.TempDir()
	for format, open := range map[string]func(io.Writer) (export.Writer, error){"csv": export.NewCSV, "parquet": export.NewParquet} {
		write(t, filepath.Join(folder, "costs."+format), open, days)
	}
	node := exec.CommandContext(t.Context(), "node", "ask.mjs", folder)
	node.Stderr = os.Stderr
	out, err := node.Output()
	if err != nil {
		t.Fatalf("node: %v", err)
	}
	var answers map[string]answer
	if err := json.Unmarshal(out, &answers); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want := teams(days)
	for _, format := range []string{"csv", "parquet"} {
		got := answers[format]
		if diff := cmp.Diff(want, got.Teams); diff != "" {
			t.Errorf("%s: teams (-want +DuckDB):\n%s", format, diff)
		}
		if len(got.Broken) > 0 {
			t.Errorf("%s: ratios that do not sum to 1, or with several remainders: %v", format, got.Broken)
		}
		if len(got.Origins) != 2 || got.Origins[0] == "0" || got.Origins[1] == "0" || !got.Days {
			t.Errorf("%s: origin charges and remainders %v, the whole month: %t", format, got.Origins, got.Days)
		}
		if names := strings.Join(got.Columns, "\n"); !strings.Contains(names, "EffectiveCost DECIMAL(38,12)") || len(got.Columns) != len(export.Columns()) {
			t.Errorf("%s: columns\n%s", format, names)
		}
	}
}

// month are charges of three teams and of nobody, for each day of October.
func month() [][]export.Charge {
	r := rand.New(rand.NewPCG(7, 7)) //nolint:gosec // a test
	var days [][]export.Charge
	for day := history.Date(2026, 10, 1); day < history.Date(2026, 11, 1); day++ {
		var charges []export.Charge
		for _, team := range []string{"", "pay", "shop", "web"} {
			for n, service := range []string{"Compute", "Database, \"large\"", "Network\nÆrø"} {
				amount := decimal.New(1+r.Int64N(1e15), -12)
				if n == 2 {
					amount = amount.Neg()
				}
				charges = append(charges, export.Charge{
					Series: history.Series{Team: team, Service: service, Category: history.Usage, Currency: "USD"},
					Source: "aws", BillingFrom: history.Date(2026, 10, 1), BillingTo: history.Date(2026, 11, 1), From: day, To: day + 1,
					Billed: amount.Add(decimal.New(1, -12)), Effective: amount,
				})
			}
		}
		days = append(days, charges)
	}
	return days
}

func write(t *testing.T, name string, open func(io.Writer) (export.Writer, error), days [][]export.Charge) {
	t.Helper()
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	w, err := open(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, charges := range days {
		rows, err := export.Rows(charges)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write(rows); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

// teams are the sums that DuckDB should find.
func teams(days [][]export.Charge) [][]string {
	type sums struct {
		billed, effective decimal.Decimal
		rows              int
	}
	by := map[string]*sums{}
	for _, charges := range days {
		for i := range charges {
			c := &charges[i]
			if by[c.Team] == nil {
				by[c.Team] = &sums{}
			}
			s := by[c.Team]
			s.billed, s.effective, s.rows = s.billed.Add(c.Billed), s.effective.Add(c.Effective), s.rows+1
		}
	}
	var want [][]string
	for team, s := range by {
		want = append(want, []string{team, team, "USD", s.billed.StringFixed(12), s.effective.StringFixed(12), fmt.Sprint(s.rows)})
	}
	slices.SortFunc(want, func(a, b []string) int { return strings.Compare(a[0], b[0]) })
	return want
}
