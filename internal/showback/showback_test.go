package showback_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/history"
	"github.com/towpath-dev/towpath/internal/showback"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing them")

var october = showback.Month{Year: 2026, Month: time.October}

// sum is one of the history, in dollars.
func sum(team, environment, component, service string, category history.Category, effective string) history.Sum {
	amount := decimal.RequireFromString(effective)
	return history.Sum{
		Series: history.Series{Team: team, Environment: environment, Component: component, Service: service, Category: category, Currency: "USD"},
		Billed: amount.Mul(decimal.RequireFromString("1.1")), Effective: amount, Figures: 31, Days: 31,
	}
}

func unused(s history.Sum) history.Sum {
	s.Unused = true
	return s
}

// book are the figures of a month that is over.
func book(month showback.Month, sums ...history.Sum) *showback.Book {
	return &showback.Book{
		Month: month, Now: month.Plus(1).End().Time(), Source: platformv1alpha1.CostsFromBills, First: month.Begin(), Last: month.End() - 1, Sums: sums,
	}
}

func shopBook(month showback.Month, factor string) *showback.Book {
	b := book(month,
		sum("shop", "prod", "checkout", "Compute", history.Usage, "120.125"),
		sum("shop", "prod", "checkout", "Database", history.Usage, "80"),
		sum("shop", "prod", "storefront", "Compute", history.Usage, "60.5"),
		sum("shop", "dev", "checkout", "Compute", history.Usage, "12.25"),
		sum("shop", "", "", "Support", history.Purchase, "27.125"),
		sum("shop", "prod", "", "=cmd()|' /C calc'!A0", history.Credit, "-5"),
		sum("pay", "prod", "ledger", "Compute", history.Usage, "100"),
		sum("", "", "", "Control plane", history.Usage, "73"),
		sum("", "", "", "Idle CPU", history.Usage, "40"),
		unused(sum("", "", "", "Savings plan", history.Usage, "10")),
		sum("", "", "", "VAT", history.Tax, "19.99"),
	)
	for i := range b.Sums {
		b.Sums[i].Effective = b.Sums[i].Effective.Mul(decimal.RequireFromString(factor))
	}
	return b
}

// reportOf is the CostReport of a team.
func reportOf(t *testing.T, b *showback.Book, team string) *platformv1alpha1.CostReport {
	t.Helper()
	content, err := showback.Open(b, nil).Report(team)
	if err != nil || content == nil {
		t.Fatalf("%v, %v", content, err)
	}
	return &platformv1alpha1.CostReport{ObjectMeta: metav1.ObjectMeta{Namespace: "team-" + team, Name: b.Month.String()}, Report: *content}
}

func shopReport(t *testing.T, by string) *showback.Report {
	t.Helper()
	parsed, err := showback.ParseBy(by)
	if err != nil {
		t.Fatal(err)
	}
	report, err := showback.Of(showback.Input{
		Report: reportOf(t, shopBook(october, "1"), "shop"), Before: reportOf(t, shopBook(october.Plus(-1), "0.9"), "shop"), By: parsed,
		Labels: map[string]map[string]string{"checkout": {"tier": "front|end"}, "storefront": {"tier": "front|end"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	report.APIVersion, report.Kind = "cli.platform.towpath.dev/v1alpha1", "CostReport"
	return report
}

func TestTheFormats(t *testing.T) {
	saves := decimal.RequireFromString("31.5")
	for _, by := range []string{"component", "service", "label=tier"} {
		report := shopReport(t, by)
		if by == "component" {
			report.Hints = []showback.Hint{{Kind: "Sleep", Environment: "dev", Text: "let it sleep at night", Saves: &saves, Currency: "USD"}}
		}
		text, err := report.CSV()
		if err != nil {
			t.Fatal(err)
		}
		data, err := json.MarshalIndent(report, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		name, _, _ := strings.Cut(by, "=")
		for ending, got := range map[string]string{"txt": report.Table(), "md": report.Markdown(), "csv": text, "json": string(data) + "\n"} {
			path := filepath.Join("testdata", name+"."+ending)
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", path, diff)
			}
		}
	}
}

func TestIdleAndSharedAreBorneInProportion(t *testing.T) {
	accounts := showback.Open(shopBook(october, "1"), nil)
	sums := map[platformv1alpha1.CostKind]decimal.Decimal{}
	for _, team := range accounts.Teams() {
		content, err := accounts.Report(team)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range content.Rows {
			sums[row.Kind] = sums[row.Kind].Add(decimal.RequireFromString(string(row.Effective)))
		}
		// 300 of 400 are shop's.
		if team == "shop" {
			var idle []string
			for _, row := range content.Rows {
				if row.Kind == platformv1alpha1.CostIdle {
					idle = append(idle, string(row.Commitment)+string(row.Effective))
				}
			}
			if diff := cmp.Diff([]string{"30", "Unused7.5"}, idle); diff != "" {
				t.Errorf("idle (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]platformv1alpha1.CostCoverage{{Currency: "USD", Percent: "76.48"}}, content.Coverage); diff != "" {
				t.Errorf("coverage (-want +got):\n%s", diff)
			}
		}
	}
	if !sums[platformv1alpha1.CostIdle].Equal(decimal.RequireFromString("50")) || !sums[platformv1alpha1.CostShared].Equal(decimal.RequireFromString("92.99")) {
		t.Errorf("the parts sum to %v", sums)
	}
}

func TestTheState(t *testing.T) {
	over := book(october, sum("shop", "", "", "Compute", history.Usage, "1"))
	runs := book(october, sum("shop", "", "", "Compute", history.Usage, "1"))
	runs.Now = october.Begin().Time().AddDate(0, 0, 12)
	open := book(october, sum("shop", "", "", "Compute", history.Usage, "1"))
	open.Sums[0].Provisional, open.Sums[0].ProvisionalEffective = true, decimal.RequireFromString("0.5")
	gaps := book(october, sum("shop", "", "", "Compute", history.Usage, "1"))
	gaps.Missing = true
	for name, c := range map[string]struct {
		book *showback.Book
		want platformv1alpha1.CostReportState
		part platformv1alpha1.Amount
	}{
		"over": {over, platformv1alpha1.CostsSettled, ""}, "runs": {runs, platformv1alpha1.CostsProvisional, ""}, "not final": {open, platformv1alpha1.CostsProvisional, "0.5"},
		"days are missing": {gaps, platformv1alpha1.CostsProvisional, ""},
	} {
		if got := reportOf(t, c.book, "shop"); got.Report.State != c.want || got.Report.Rows[0].Provisional != c.part {
			t.Errorf("%s: %+v", name, got.Report)
		}
	}
}

func TestDaysAreMissing(t *testing.T) {
	days := func(source string, from, to history.Day, without ...history.Day) []history.Sum {
		var all []history.Sum
		for day := from; day <= to; day++ {
			if !slices.Contains(without, day) {
				all = append(all, history.Sum{Source: source, Day: day})
			}
		}
		return all
	}
	first, last := october.Begin(), october.End()-1
	aws := days("aws", first, last)
	for name, c := range map[string]struct {
		days []history.Sum
		want bool
	}{
		"none":                        {aws, false},
		"none of both":                {append(days("opencost", first, last), aws...), false},
		"the last one":                {days("aws", first, last-1), true},
		"one between":                 {days("aws", first, last, first+9), true},
		"those of the other source":   {append(days("opencost", first, first+2), aws...), true},
		"before it began":             {append(days("opencost", first+9, last), aws...), false},
		"of one that does not count":  {append(days("beside", first, first+2), aws...), false},
		"in two currencies, the last": {append(days("aws", first, last-1), days("aws", first, last-1)...), true},
	} {
		if got := showback.Missing(october, c.days, []string{"aws", "opencost"}); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestAMonthThatRunsIsComparedWithAsManyDays(t *testing.T) {
	runs := book(october, sum("shop", "prod", "checkout", "Compute", history.Usage, "50"))
	runs.Now, runs.Last = october.Begin().Time().AddDate(0, 0, 15), october.Begin()+14
	before := book(october.Plus(-1), sum("shop", "prod", "checkout", "Compute", history.Usage, "90"))
	report, err := showback.Of(showback.Input{Report: reportOf(t, runs, "shop"), Before: reportOf(t, before, "shop"), By: showback.By{Dimension: showback.ByComponent}})
	if err != nil {
		t.Fatal(err)
	}
	// 15 of September's 30 days.
	if got := report.Lines[0].Change.String(); got != "5" {
		t.Errorf("the change is %s", got)
	}
	if !slices.Contains(report.Notes, "compared with 50.0 % of 2026-09: as many days") {
		t.Errorf("notes are %q", report.Notes)
	}
}

func TestEstimatesCountWhereNoBillNamesTheTeam(t *testing.T) {
	bills := book(october, sum("shop", "prod", "checkout", "Compute", history.Usage, "50"), sum("", "", "", "Support", history.Usage, "5"))
	estimates := book(october, sum("shop", "prod", "checkout", "Estimate", history.Usage, "9"), sum("new", "dev", "a", "Estimate", history.Usage, "7"))
	estimates.Source = platformv1alpha1.CostsFromEstimates
	for name, c := range map[string]struct {
		bills, estimates *showback.Book
		want             string
	}{
		"both":            {bills, estimates, "new Estimates 7; shop Bills 50 5"},
		"bills alone":     {bills, nil, "shop Bills 50 5"},
		"estimates alone": {nil, estimates, "new Estimates 7; shop Estimates 9"},
	} {
		accounts := showback.Open(c.bills, c.estimates)
		var all []string
		for _, team := range accounts.Teams() {
			content, err := accounts.Report(team)
			if err != nil || !accounts.Has(team) {
				t.Fatal(err)
			}
			line := team + " " + string(content.Source)
			for _, row := range content.Rows {
				line += " " + string(row.Effective)
			}
			all = append(all, line)
		}
		if got := strings.Join(all, "; "); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
		if got := len(accounts.Figures()); got != len(accounts.Teams()) {
			t.Errorf("%s: %d figures", name, got)
		}
	}
	if showback.Open(nil, nil) != nil {
		t.Error("there are accounts of nothing")
	}
	if got := showback.BillSources([]string{"aws", showback.EstimatesSource, "focus"}); strings.Join(got, " ") != "aws focus" {
		t.Errorf("bills are %v", got)
	}
}

func TestWhatOpenCostAllocatesIsTakenFromTheBill(t *testing.T) {
	on := func(source string, day history.Day, currency, amount string) history.Sum {
		s := sum("", "", "", "", history.Usage, amount)
		s.Source, s.Day, s.Currency, s.Billed = source, day, currency, s.Effective
		return s
	}
	first := october.Begin()
	days := []history.Sum{
		on("aws", first, "USD", "100"), on("aws", first+1, "EUR", "5"), on("beside", first+2, "USD", "9"),
		on("opencost", first, "USD", "60"), on("opencost", first+1, "USD", "61"), on("opencost", first+2, "USD", "62"), on("other", first, "USD", "1.5"),
	}
	got := showback.Allocated(days, []string{"aws", "opencost", "other"}, []string{"opencost", "other"})
	if len(got) != 1 || got[0].Effective.String() != "-61.5" || got[0].Billed.String() != "-61.5" || got[0].Currency != "USD" || got[0].Team != "" {
		t.Errorf("taken off is %+v", got)
	}
	if got := showback.Allocated(days, []string{"opencost"}, []string{"opencost"}); len(got) > 0 {
		t.Errorf("without a bill, %+v", got)
	}
}

// drawn is a book of a team with so many rows, in several currencies, credits among them, and others' figures beside.
func drawn(r *rand.Rand, rows int) *showback.Book {
	b := book(october)
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	seen := map[history.Series]bool{}
	for len(b.Sums) < rows {
		s := history.Series{
			Team: pick("shop", "shop", "shop", "pay", ""), Service: fmt.Sprintf("service %d", r.IntN(40)), Currency: pick("USD", "USD", "EUR", "JPY"),
			Category: history.Category(pick("Usage", "Usage", "Purchase", "Tax", "Credit")), Unused: r.IntN(10) == 0,
		}
		if s.Team != "" {
			s.Environment, s.Component = pick("", "dev", "prod"), pick("", "a", "b", "c", "d")
		}
		if seen[s] {
			continue
		}
		seen[s] = true
		amount := decimal.New(r.Int64N(1e15)-1e14, -history.Places)
		b.Sums = append(b.Sums, history.Sum{Series: s, Billed: amount.Add(decimal.New(1, -12)), Effective: amount, Days: r.Int64N(32)})
	}
	return b
}

func TestSumsByAnyGroupingEqualTheTotal(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a test
		b := drawn(r, 50+r.IntN(1500))
		// What the history holds: of the team, and of nobody.
		own, unowned := map[string]decimal.Decimal{}, map[string]decimal.Decimal{}
		for i := range b.Sums {
			switch s := &b.Sums[i]; s.Team {
			case "shop":
				own[s.Currency] = own[s.Currency].Add(s.Effective)
			case "":
				unowned[s.Currency] = unowned[s.Currency].Add(s.Effective)
			}
		}
		parts := map[string]decimal.Decimal{}
		for _, team := range []string{"shop", "pay"} {
			found := reportOf(t, b, team)
			if len(found.Report.Rows) > showback.MaxRows {
				t.Fatalf("seed %d: %d rows", seed, len(found.Report.Rows))
			}
			var totals []showback.Total
			for _, by := range []string{"environment", "component", "service", "label=tier"} {
				parsed, err := showback.ParseBy(by)
				if err != nil {
					t.Fatal(err)
				}
				report, err := showback.Of(showback.Input{Report: found, By: parsed, Labels: map[string]map[string]string{"a": {"tier": "x"}, "b": {"tier": "y"}}})
				if err != nil {
					t.Fatal(err)
				}
				sums := map[string]decimal.Decimal{}
				for i := range report.Lines {
					sums[report.Lines[i].Currency] = sums[report.Lines[i].Currency].Add(report.Lines[i].Effective)
				}
				for i := range report.Totals {
					total := &report.Totals[i]
					if !sums[total.Currency].Equal(total.All) || !total.Own.Add(total.Idle).Add(total.Shared).Equal(total.All) {
						t.Errorf("seed %d, by %s: lines sum to %s, total %+v", seed, by, sums[total.Currency], total)
					}
					if team == "shop" && !total.Own.Equal(own[total.Currency]) {
						t.Errorf("seed %d, by %s: own is %s, and the history has %s", seed, by, total.Own, own[total.Currency])
					}
				}
				if totals == nil {
					totals = report.Totals
					for i := range totals {
						parts[totals[i].Currency] = parts[totals[i].Currency].Add(totals[i].Idle).Add(totals[i].Shared)
					}
				} else if diff := cmp.Diff(totals, report.Totals); diff != "" {
					t.Errorf("seed %d, by %s: other totals (-component +this):\n%s", seed, by, diff)
				}
			}
		}
		for currency, want := range unowned {
			if !parts[currency].Equal(want) {
				t.Errorf("seed %d: the parts of what is no team's sum to %s %s, want %s", seed, parts[currency], currency, want)
			}
		}
	}
}

func TestAReportHolds300Rows(t *testing.T) {
	b := book(october)
	for i := range 400 {
		b.Sums = append(b.Sums, sum("shop", "prod", fmt.Sprintf("c%03d", i), "Compute", history.Usage, fmt.Sprint(1000-i)))
	}
	found := reportOf(t, b, "shop")
	rows := found.Report.Rows
	if len(rows) != showback.MaxRows || found.Report.Combined != 101 {
		t.Fatalf("%d rows, %d combined", len(rows), found.Report.Combined)
	}
	if rows[0].Component != "c000" || rows[298].Component != "c298" || rows[299].Kind != platformv1alpha1.CostOthers || rows[299].Effective != "65751" {
		t.Errorf("the rows are %+v, %+v, %+v", rows[0], rows[298], rows[299])
	}
}

func TestWhatIsShownSumsToWhatIsShown(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 9)) //nolint:gosec // a test
		report, err := showback.Of(showback.Input{Report: reportOf(t, drawn(r, 200), "shop"), By: showback.By{Dimension: showback.ByComponent}})
		if err != nil {
			t.Fatal(err)
		}
		sums := map[string]decimal.Decimal{}
		for line := range strings.Lines(report.Table()) {
			cells := strings.Fields(line)
			at := slices.IndexFunc(cells, func(cell string) bool { return cell == "USD" || cell == "EUR" || cell == "JPY" })
			if at < 3 || strings.Contains(line, "%  of all") || strings.Contains(line, " in the bill ") {
				continue
			}
			amount := decimal.RequireFromString(cells[at-2])
			if cells[0] == "all" {
				amount = amount.Neg()
			}
			sums[cells[at]] = sums[cells[at]].Add(amount)
		}
		if len(sums) == 0 {
			t.Fatal("no line was seen")
		}
		for currency, sum := range sums {
			if !sum.IsZero() {
				t.Errorf("seed %d: lines and total of %s differ by %s\n%s", seed, currency, sum, report.Table())
			}
		}
	}
}

func TestWhatASpreadsheetWouldRunIsText(t *testing.T) {
	for _, name := range []string{"=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\r=1", "＝1", "a\tb", "\x1b[31m=1", "\u202e=1"} {
		report, err := showback.Of(showback.Input{
			Report: reportOf(t, book(october, sum("shop", "prod", "a", name, history.Usage, "1")), "shop"), By: showback.By{Dimension: showback.ByService},
		})
		if err != nil {
			t.Fatal(err)
		}
		text, err := report.CSV()
		if err != nil {
			t.Fatal(err)
		}
		shown := strings.NewReplacer("\t", "�", "\r", "�", "\x1b", "�", "\u202e", "�").Replace(name)
		if formula := !strings.HasPrefix(name, "\x1b"); formula && !strings.Contains(text, "'"+shown) || !strings.Contains(text, shown) {
			t.Errorf("%q stands in %q", name, text)
		}
		if strings.ContainsAny(strings.ReplaceAll(report.Table()+report.Markdown()+text, "\n", ""), "\t\r\x1b\u202e") {
			t.Errorf("%q steers the terminal", name)
		}
	}
}

func TestMonthsAndGroupings(t *testing.T) {
	for text, want := range map[string]string{"2026-10": "", "2026-13": "month", "26-10": "month", "2026-10-01": "month", "": "month"} {
		month, err := showback.ParseMonth(text)
		if (err == nil) != (want == "") || err == nil && month.String() != text {
			t.Errorf("%q: %v, %v", text, month, err)
		}
	}
	if m := (showback.Month{Year: 2026, Month: time.January}); m.Plus(-1).String() != "2025-12" || m.Plus(13).String() != "2027-02" || m.Days() != 31 {
		t.Error("months do not count")
	}
	for _, text := range []string{"", "team", "label", "label=", "component=x", "Environment"} {
		if _, err := showback.ParseBy(text); err == nil || !strings.Contains(err.Error(), "must be environment, component, service or label=KEY") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
