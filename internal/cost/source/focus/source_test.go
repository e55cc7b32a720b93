package focus_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"github.com/towpath-dev/towpath/internal/cost/source"
	"github.com/towpath-dev/towpath/internal/cost/source/focus"
	"github.com/towpath-dev/towpath/internal/history"
	"github.com/towpath-dev/towpath/internal/history/sqlstore"
)

var now = time.Date(2026, time.November, 29, 12, 0, 0, 0, time.UTC)

// place is a folder of bills, with a history into which they are read.
type place struct {
	t      *testing.T
	dir    string
	store  history.Store
	cursor string
	task   source.Task
}

func newPlace(t *testing.T) *place {
	t.Helper()
	store, err := sqlstore.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "history.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return &place{t: t, dir: t.TempDir(), store: store, task: source.Task{
		Source: "bills", Now: now, Backfill: 60, Settle: 48 * time.Hour, Attribution: source.DefaultAttribution("shop", "bank"),
	}}
}

// read imports, and goes on from there the next time.
func (p *place) read() (source.Outcome, error) {
	p.t.Helper()
	reader := &focus.Source{Place: p.dir, Open: func(ctx context.Context) (focus.Location, error) { return focus.Open(ctx, p.dir) }}
	p.task.Cursor = p.cursor
	outcome, err := reader.Import(p.t.Context(), p.store, p.task)
	p.cursor = outcome.Cursor
	return outcome, err
}

func (p *place) mustRead() source.Outcome {
	p.t.Helper()
	outcome, err := p.read()
	if err != nil {
		p.t.Fatal(err)
	}
	return outcome
}

// days are the sums by day as text.
func (p *place) days() string {
	p.t.Helper()
	sums, err := p.store.Sum(p.t.Context(), history.Query{
		From: history.DayOf(now) - 500, To: history.DayOf(now) + 1, GroupBy: []history.Dimension{history.ByDay, history.ByTeam}, At: now,
	})
	if err != nil {
		p.t.Fatal(err)
	}
	var b strings.Builder
	for _, sum := range sums {
		fmt.Fprintf(&b, "%s %s%s %s\n", sum.Day, sum.Team, sum.Currency, sum.Effective)
	}
	return b.String()
}

// cost is a row of a team for a day.
func cost(day, team, amount string) map[string]string {
	return map[string]string{
		"ChargePeriodStart": day + "T00:00:00Z", "BillingPeriodStart": day[:8] + "01T00:00:00Z", "BilledCost": amount, "EffectiveCost": amount,
		"Tags": `{"team":"` + team + `"}`,
	}
}

func TestSource_CountsEachBillOnceAndDaysWithoutCostAsZero(t *testing.T) {
	p := newPlace(t)
	write(t, p.dir, map[string]string{"2026-11/a.csv": bill(cost("2026-11-02", "shop", "1"), cost("2026-11-04", "nobody", "2"))})
	want := "2026-11-01 USD 0\n2026-11-02 shopUSD 1\n2026-11-03 USD 0\n2026-11-04 USD 2\n"
	outcome := p.mustRead()
	if diff := cmp.Diff(want, p.days()); diff != "" {
		t.Error(diff)
	}
	if outcome.Rows != 2 || !cmp.Equal(outcome.UnknownTeams, []string{"nobody"}) {
		t.Errorf("it says %+v", outcome)
	}

	if outcome := p.mustRead(); outcome.Rows != 0 || !cmp.Equal(outcome.UnknownTeams, []string{"nobody"}) {
		t.Errorf("what has not changed is read again, or its team forgotten: %+v", outcome)
	}
	p.cursor = "" // as after a crash before the cursor was stored
	p.mustRead()
	if diff := cmp.Diff(want, p.days()); diff != "" {
		t.Errorf("read twice: %s", diff)
	}

	write(t, p.dir, map[string]string{"2026-11/a.csv": bill(cost("2026-11-02", "shop", "7.5"))})
	p.mustRead()
	if diff := cmp.Diff("2026-11-01 USD 0\n2026-11-02 shopUSD 7.5\n", p.days()); diff != "" {
		t.Errorf("issued again: %s", diff)
	}

	p.task.Attribution = source.DefaultAttribution("shop", "nobody")
	write(t, p.dir, map[string]string{"2026-11/a.csv": bill(cost("2026-11-01", "nobody", "3"))})
	if outcome := p.mustRead(); len(outcome.UnknownTeams) > 0 {
		t.Errorf("the team exists now: %+v", outcome)
	}
	if diff := cmp.Diff("2026-11-01 nobodyUSD 3\n", p.days()); diff != "" {
		t.Errorf("the team exists now: %s", diff)
	}
}

func TestSource_CountsABillOnceWhosePeriodIsWrittenOtherwise(t *testing.T) {
	from := func(period string, row map[string]string) map[string]string {
		row["BillingPeriodStart"] = period
		return row
	}
	p := newPlace(t)
	write(t, p.dir, map[string]string{"x/a.csv": bill(cost("2026-10-05", "shop", "7"))})
	p.mustRead()
	write(t, p.dir, map[string]string{"x/a.csv": bill(from("2026-10-31T16:00:00Z", cost("2026-11-01", "shop", "100")))})
	p.mustRead()
	october := "2026-10-01 USD 0\n2026-10-02 USD 0\n2026-10-03 USD 0\n2026-10-04 USD 0\n2026-10-05 shopUSD 7\n"
	if diff := cmp.Diff(october+"2026-10-31 USD 0\n2026-11-01 shopUSD 100\n", p.days()); diff != "" {
		t.Errorf("the same file tells of another month: %s", diff)
	}

	write(t, p.dir, map[string]string{"x/a.csv": bill(cost("2026-11-01", "shop", "100"))})
	if outcome := p.mustRead(); len(outcome.Warnings) > 0 {
		t.Errorf("it warns %q", outcome.Warnings)
	}
	if diff := cmp.Diff(october+"2026-11-01 shopUSD 100\n", p.days()); diff != "" {
		t.Errorf("issued again with the period written otherwise: %s", diff)
	}

	write(t, p.dir, map[string]string{"x/a.csv": bill(from("2026-10-31T16:00:00Z", cost("2026-11-02", "shop", "5")))})
	p.cursor = "" // it is not known which days the history has of it
	if outcome := p.mustRead(); !strings.Contains(strings.Join(outcome.Warnings, " "), "bill x: an earlier issue told of the billing period 2026-11, and this one tells of 2026-10-31") {
		t.Errorf("it warns %q", outcome.Warnings)
	}
}

func TestSource_TakesBackWhatABillOfNoRowsSaidBefore(t *testing.T) {
	p := newPlace(t)
	write(t, p.dir, map[string]string{"x/a.csv": bill(cost("2026-10-01", "shop", "7"))})
	p.mustRead()
	write(t, p.dir, map[string]string{"x/a.csv": bill(cost("2026-11-01", "shop", "100"))})
	p.mustRead()
	write(t, p.dir, map[string]string{"x/a.csv": bill()})
	if outcome := p.mustRead(); !strings.Contains(strings.Join(outcome.Warnings, " "), "bill x: it has no rows any more, and what it said of 2026-11 no longer counts") {
		t.Errorf("it warns %q", outcome.Warnings)
	}
	if diff := cmp.Diff("2026-10-01 shopUSD 7\n", p.days()); diff != "" {
		t.Errorf("what an earlier issue told of another month stays: %s", diff)
	}
}

func TestSource_KeepsOtherBillsWhereOneIsWrong(t *testing.T) {
	p := newPlace(t)
	write(t, p.dir, map[string]string{
		"2026-10/a.csv": bill(cost("2026-10-01", "shop", "much")),
		"2026-11/a.csv": bill(cost("2026-11-01", "shop", "2")),
	})
	_, err := p.read()
	failure, ok := errors.AsType[*source.Failure](err)
	if !ok || failure.Reason != source.BillInvalid {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"2026-10/a.csv", "row 1", "column BilledCost", `"much"`, "have it issued again"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q lacks %q", err, want)
		}
	}
	if diff := cmp.Diff("2026-11-01 shopUSD 2\n", p.days()); diff != "" {
		t.Error(diff)
	}
	text := bill(cost("2026-10-01", "shop", "1"))
	write(t, p.dir, map[string]string{"2026-10/a.csv": text[:len(text)-4]})
	if _, err := p.read(); !errors.Is(err, focus.ErrIncomplete) || err.(*source.Failure).Reason != source.Incomplete { //nolint:errorlint // it is at the top
		t.Errorf("cut off: %v", err)
	}
	if diff := cmp.Diff("2026-11-01 shopUSD 2\n", p.days()); diff != "" {
		t.Error(diff)
	}
	write(t, p.dir, map[string]string{"2026-10/a.csv": text})
	p.mustRead()
	if diff := cmp.Diff("2026-10-01 shopUSD 1\n2026-11-01 shopUSD 2\n", p.days()); diff != "" {
		t.Error(diff)
	}
}

func TestSource_RefusesAnAmountThatNamesAnotherCurrency(t *testing.T) {
	p := newPlace(t)
	write(t, p.dir, map[string]string{"x/a.csv": bill(cost("2026-11-01", "shop", "$3"), cost("2026-11-01", "shop", "(€5)"))})
	_, err := p.read()
	if err == nil {
		t.Fatalf("the history has %s", p.days())
	}
	for _, want := range []string{"x/a.csv", "row 2", "column BilledCost", `"(€5)" is no amount in USD: it says €`, "in the currency that it names, or without sign and code"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q lacks %q", err, want)
		}
	}
}

func TestSource_MovesToAnotherPlaceWithoutCountingTwice(t *testing.T) {
	p := newPlace(t)
	write(t, p.dir, map[string]string{
		"2026-10/a.csv": bill(cost("2026-10-01", "shop", "1")), "2026-11/a.csv": bill(cost("2026-11-01", "shop", "2")),
	})
	p.mustRead()
	p.dir = t.TempDir()
	write(t, p.dir, map[string]string{"exports/november/a.csv": bill(cost("2026-11-01", "shop", "3")), "bad.csv": "x"})
	if _, err := p.read(); err == nil {
		t.Fatal("a bill that is none is read")
	}
	if diff := cmp.Diff("2026-10-01 shopUSD 1\n2026-11-01 shopUSD 3\n", p.days()); diff != "" {
		t.Errorf("while one bill is bad: %s", diff)
	}
	if err := os.Remove(filepath.Join(p.dir, "bad.csv")); err != nil {
		t.Fatal(err)
	}
	p.mustRead()
	if diff := cmp.Diff("2026-10-01 shopUSD 1\n2026-11-01 shopUSD 3\n", p.days()); diff != "" {
		t.Error(diff)
	}
}

// TestSource_WaitsForARunThatIsBeingUploaded has a second run come file by file: the first one counts until the second is whole.
func TestSource_WaitsForARunThatIsBeingUploaded(t *testing.T) {
	p := newPlace(t)
	at := func(name string, age time.Duration) {
		if err := os.Chtimes(filepath.Join(p.dir, name), now.Add(-age), now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	const first, second = "11/6f1c2d3e-0000-4000-8000-000000000001/", "11/0a1c2d3e-0000-4000-8000-000000000002/"
	write(t, p.dir, map[string]string{first + "0.csv": bill(cost("2026-11-01", "shop", "1")), first + "1.csv": bill(cost("2026-11-01", "shop", "2"))})
	at(first+"0.csv", time.Minute)
	at(first+"1.csv", time.Minute)
	p.mustRead() // nothing counts yet that it could take the place of
	if diff := cmp.Diff("2026-11-01 shopUSD 3\n", p.days()); diff != "" {
		t.Fatal(diff)
	}
	for _, step := range []struct {
		name  string
		write map[string]string
		ages  map[string]time.Duration
		want  string
		waits bool
	}{
		{"half of it", map[string]string{second + "0.csv": bill(cost("2026-11-01", "shop", "1"))},
			map[string]time.Duration{first + "0.csv": 24 * time.Hour, first + "1.csv": 24 * time.Hour, second + "0.csv": 9 * time.Minute}, "3", true},
		{"all of it", map[string]string{second + "1.csv": bill(cost("2026-11-01", "shop", "4"))},
			map[string]time.Duration{second + "1.csv": time.Minute, second + "0.csv": 12 * time.Minute}, "3", true},
		{"and no more for a while", nil, map[string]time.Duration{second + "1.csv": 10 * time.Minute}, "5", false},
		{"in place, by a clock that is ahead", map[string]string{second + "1.csv": bill(cost("2026-11-01", "shop", "5"))},
			map[string]time.Duration{second + "1.csv": -time.Minute}, "5", true},
		{"by a clock that is wrong", nil, map[string]time.Duration{second + "1.csv": -time.Hour}, "6", false},
	} {
		write(t, p.dir, step.write)
		for name, age := range step.ages {
			at(name, age)
		}
		_, err := p.read()
		failure, waits := errors.AsType[*source.Failure](err)
		if waits != step.waits || waits && (failure.Reason != source.Incomplete || !strings.Contains(err.Error(), "bill 11/*")) {
			t.Errorf("%s: %v", step.name, err)
		}
		if diff := cmp.Diff("2026-11-01 shopUSD "+step.want+"\n", p.days()); diff != "" {
			t.Errorf("%s: %s", step.name, diff)
		}
	}
}

// TestSource_WarnsOfABillThatIsThereTwice has a bill come again in another folder, with a correction: nothing tells by its name that it is
// the same one.
func TestSource_WarnsOfABillThatIsThereTwice(t *testing.T) {
	month := func(first int, amounts ...string) string {
		var rows []map[string]string
		for i, amount := range amounts {
			rows = append(rows, cost(fmt.Sprintf("2026-11-%02d", first+i), "shop", amount))
		}
		return bill(rows...)
	}
	for name, tc := range map[string]struct {
		other string
		warns bool
	}{
		"another issue":           {month(1, "1.1", "2.2", "3.3", "4.4", "5.5", "6.6", "7.7", "8.5"), true},
		"one with a day more":     {month(1, "1.1", "2.2", "3.3", "4.4", "5.5", "6.6", "7.7", "8.8", "9.9"), true},
		"the other days":          {month(9, "1.1", "2.2", "3.3", "4.4", "5.5", "6.6", "7.7", "8.8"), false},
		"another account":         {month(1, "1.2", "2.2", "3.4", "4.4", "5.6", "6.6", "7.8", "8.8"), false},
		"a flat fee, as it is in": {month(1, "1.1"), false},
	} {
		p := newPlace(t)
		write(t, p.dir, map[string]string{"first/a.csv": month(1, "1.1", "2.2", "3.3", "4.4", "5.5", "6.6", "7.7", "8.8"), "other/a.csv": tc.other})
		for range 2 { // the second time nothing is read
			outcome := p.mustRead()
			if warns := len(outcome.Warnings) > 0; warns != tc.warns || warns && !strings.Contains(outcome.Warnings[0], "bills first and other tell nearly the same figures of the billing period 2026-11") {
				t.Errorf("%s: it warns of %q", name, outcome.Warnings)
			}
		}
	}
}

// TestSource_WaitsNotForEver has files that are always new, as those are that a server makes when it is asked.
func TestSource_WaitsNotForEver(t *testing.T) {
	p := newPlace(t)
	for i, step := range []struct {
		after time.Duration
		want  string
		waits bool
	}{{0, "0", false}, {time.Hour, "0", true}, {59 * time.Minute, "0", true}, {time.Minute, "3", false}, {time.Hour, "3", true}} {
		p.task.Now = p.task.Now.Add(step.after)
		write(t, p.dir, map[string]string{"11/a.csv": bill(cost("2026-11-01", "shop", fmt.Sprint(i)))})
		if err := os.Chtimes(filepath.Join(p.dir, "11", "a.csv"), p.task.Now, p.task.Now); err != nil {
			t.Fatal(err)
		}
		if _, err := p.read(); step.waits != (err != nil) {
			t.Errorf("step %d: %v", i, err)
		}
		if diff := cmp.Diff("2026-11-01 shopUSD "+step.want+"\n", p.days()); diff != "" {
			t.Errorf("step %d: %s", i, diff)
		}
	}
}

func TestSource_SaysWhichFilesAreTakenForOlderRuns(t *testing.T) {
	p := newPlace(t)
	write(t, p.dir, map[string]string{
		"f_20261128T0401Z.csv": bill(cost("2026-11-01", "shop", "1")), "f_20261129T0401Z.csv": bill(cost("2026-11-01", "shop", "2")),
	})
	touch(t, p.dir, map[string]int{"f_20261128T0401Z.csv": 24, "f_20261129T0401Z.csv": 1})
	for range 2 {
		if outcome := p.mustRead(); len(outcome.Warnings) != 1 || !strings.Contains(outcome.Warnings[0], "1 files do not count, such as f_20261128T0401Z.csv") {
			t.Errorf("it warns of %q", outcome.Warnings)
		}
	}
	if diff := cmp.Diff("2026-11-01 shopUSD 2\n", p.days()); diff != "" {
		t.Error(diff)
	}
}

func TestSource_HasNoTextThatADatabaseDoesNotTake(t *testing.T) {
	p := newPlace(t)
	row := cost("2026-11-01", "shop", "1")
	row["ServiceName"], row["Tags"] = "Comp\x00ute \xff", `{"team":"sh\u0000op","component":"a\u0000b"}`
	write(t, p.dir, map[string]string{"a.csv": bill(row)})
	p.mustRead()
	sums, err := p.store.Sum(t.Context(), history.Query{
		From: history.DayOf(now) - 60, To: history.DayOf(now), At: now, GroupBy: []history.Dimension{history.ByTeam, history.ByComponent, history.ByService},
	})
	if err != nil || len(sums) != 1 {
		t.Fatal(sums, err)
	}
	if got := sums[0]; got.Team != "shop" || got.Component != "ab" || got.Service != "Compute \uFFFD" {
		t.Errorf("it holds %q", []string{got.Team, got.Component, got.Service})
	}
}

func TestSource_LeavesOutWhatIsOlderThanItMayBe(t *testing.T) {
	p := newPlace(t)
	p.task.Backfill = 30
	write(t, p.dir, map[string]string{
		"2026-09/a.csv": bill(cost("2026-09-10", "shop", "1")), "2026-11/a.csv": bill(cost("2026-11-01", "shop", "2")),
	})
	if outcome := p.mustRead(); len(outcome.Warnings) != 1 || !strings.Contains(outcome.Warnings[0], "the billing period 2026-09 ends before spec.backfillDays") {
		t.Errorf("it warns of %q", outcome.Warnings)
	}
	if diff := cmp.Diff("2026-11-01 shopUSD 2\n", p.days()); diff != "" {
		t.Error(diff)
	}
	p.task.Backfill = 90
	p.mustRead()
	if got := p.days(); !strings.Contains(got, "2026-09-10 shopUSD 1\n") {
		t.Errorf("with a longer backfill there is %s", got)
	}
}

func TestSource_ConvertsByATableAndNeverAddsCurrencies(t *testing.T) {
	p := newPlace(t)
	euro := cost("2026-11-01", "shop", "10")
	euro["BillingCurrency"] = "EUR"
	write(t, p.dir, map[string]string{"a.csv": bill(cost("2026-11-01", "shop", "1"), euro)})
	p.mustRead()
	if diff := cmp.Diff("2026-11-01 shopEUR 10\n2026-11-01 shopUSD 1\n", p.days()); diff != "" {
		t.Error(diff)
	}
	p.task.Conversions = source.Conversions{"EUR": {To: "USD", Rate: decimal.RequireFromString("1.0825")}}
	p.mustRead()
	if diff := cmp.Diff("2026-11-01 shopUSD 11.825\n", p.days()); diff != "" {
		t.Errorf("converted: %s", diff)
	}
}

func TestSource_SaysWhatIsWrongWithThePlace(t *testing.T) {
	p := newPlace(t)
	if _, err := p.read(); err == nil || err.(*source.Failure).Reason != source.SourceInvalid { //nolint:errorlint // it is at the top
		t.Errorf("an empty folder: %v", err)
	}
	p.dir = filepath.Join(p.dir, "absent")
	if _, err := p.read(); err == nil || err.(*source.Failure).Reason != source.SourceInvalid { //nolint:errorlint // it is at the top
		t.Errorf("no folder: %v", err)
	}
}
