package export_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
	"github.com/shopspring/decimal"

	"github.com/towpath-dev/towpath/internal/cost/export"
	"github.com/towpath-dev/towpath/internal/cost/source"
	"github.com/towpath-dev/towpath/internal/cost/source/focus"
	"github.com/towpath-dev/towpath/internal/history"
)

// drawn are the charges of a day: of teams, of nobody, refunds, and some that cost nothing.
func drawn(r *rand.Rand, day history.Day) []export.Charge {
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	var charges []export.Charge
	for range 200 {
		s := history.Series{
			Team: pick("shop", "pay", ""), Service: pick("Compute", "Database, \"large\"", "Ærø\nnet"), Currency: pick("USD", "EUR"),
			Category: history.Category(pick("Usage", "Purchase", "Tax", "Credit", "Adjustment")), Unused: r.IntN(8) == 0,
		}
		if s.Team != "" {
			s.Environment, s.Component = pick("", "dev", "prod"), pick("", "checkout", "storefront")
		}
		c := export.Charge{
			Series: s, Source: pick("aws", "focus"), BillingFrom: history.Date(2026, 10, 1), BillingTo: history.Date(2026, 11, 1), From: day, To: day + 1,
			Billed: decimal.New(r.Int64N(2e15)-4e14, -12), Effective: decimal.New(r.Int64N(2e15)-4e14, -12), Provisional: r.IntN(3) == 0,
		}
		if r.IntN(10) == 0 {
			c.Effective = decimal.Zero
		}
		if r.IntN(20) == 0 {
			c.Billed, c.Effective = decimal.Zero, decimal.Zero
		}
		charges = append(charges, c)
	}
	return charges
}

// formats are the writers by the ending of their files.
var formats = map[string]func(*bytes.Buffer) (export.Writer, error){
	"csv":     func(b *bytes.Buffer) (export.Writer, error) { return export.NewCSV(b) },
	"parquet": func(b *bytes.Buffer) (export.Writer, error) { return export.NewParquet(b) },
}

// written is a file of charges, written day by day.
func written(t *testing.T, format string, days [][]export.Charge) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := formats[format](&b)
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
	return b.Bytes()
}

func TestOurReaderReadsTheSameSums(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test
	days := [][]export.Charge{drawn(r, history.Date(2026, 10, 1)), drawn(r, history.Date(2026, 10, 31))}
	want := map[string]string{}
	sums := map[string]decimal.Decimal{}
	for _, charges := range days {
		for i := range charges {
			c := &charges[i]
			for name, amount := range map[string]decimal.Decimal{"billed": c.Billed, "effective": c.Effective} {
				key := fmt.Sprint(c.From, c.Series, name)
				sums[key] = sums[key].Add(amount)
			}
		}
	}
	for key, amount := range sums {
		want[key] = amount.String()
	}
	for format := range formats {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "costs."+format), written(t, format, days), 0o600); err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for key, amount := range read(t, dir) {
			got[key] = amount.String()
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: the sums differ (-want +got):\n%s", format, diff)
		}
	}
}

// read are the sums of a bill, as the manager reads it.
func read(t *testing.T, dir string) map[string]decimal.Decimal {
	t.Helper()
	location, err := focus.Open(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = location.Close() }()
	options := focus.Options{Attribution: source.DefaultAttribution("shop", "pay")}
	bills, err := focus.Bills(t.Context(), location, options.Limits)
	if err != nil || len(bills) != 1 {
		t.Fatalf("%v, %v", bills, err)
	}
	found, err := focus.Read(t.Context(), location, bills[0], options)
	if err != nil {
		t.Fatal(err)
	}
	if found.Report.NoAmount > 0 || found.Report.BadTags > 0 || len(found.Report.UnknownTeams) > 0 || found.Report.Long > 0 {
		t.Errorf("the reader complains: %+v", found.Report)
	}
	sums := map[string]decimal.Decimal{}
	for _, period := range found.Ledger.Periods() {
		for figure, err := range found.Ledger.Figures(period) {
			if err != nil {
				t.Fatal(err)
			}
			sums[fmt.Sprint(figure.Day, figure.Series, "billed")] = figure.Billed
			sums[fmt.Sprint(figure.Day, figure.Series, "effective")] = figure.Effective
		}
	}
	return sums
}

func TestRatiosOfAnOriginSumToOne(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 3)) //nolint:gosec // a test
		rows, err := export.Rows(drawn(r, history.Date(2026, 10, 1)))
		if err != nil {
			t.Fatal(err)
		}
		sums, remainders := map[string]decimal.Decimal{}, map[string]int{}
		for i := range rows {
			if rows[i].Ratio.IsNegative() || rows[i].Ratio.GreaterThan(decimal.NewFromInt(1)) {
				t.Errorf("seed %d: the ratio of %+v is %s", seed, rows[i], rows[i].Ratio)
			}
			sums[rows[i].Origin] = sums[rows[i].Origin].Add(rows[i].Ratio)
			if rows[i].Team == "" {
				remainders[rows[i].Origin]++
			}
		}
		for origin, sum := range sums {
			if !sum.Equal(decimal.NewFromInt(1)) || remainders[origin] > 1 {
				t.Errorf("seed %d: the ratios of %s sum to %s, with %d remainders", seed, origin, sum, remainders[origin])
			}
		}
		if len(remainders) == 0 {
			t.Errorf("seed %d: there is no remainder", seed)
		}
	}
}

func TestTheRemainderIsARowOfItsOwn(t *testing.T) {
	charge := func(team, effective string) export.Charge {
		amount := decimal.RequireFromString(effective)
		return export.Charge{
			Series: history.Series{Team: team, Service: "Compute", Category: history.Usage, Currency: "USD"}, Source: "aws",
			BillingFrom: history.Date(2026, 10, 1), BillingTo: history.Date(2026, 11, 1), From: history.Date(2026, 10, 5), To: history.Date(2026, 10, 6),
			Billed: amount, Effective: amount,
		}
	}
	data := written(t, "csv", [][]export.Charge{{charge("", "1"), charge("shop", "6"), charge("pay", "3")}})
	records, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, record := range records[1:] {
		cell := func(name string) string { return record[slices.Index(records[0], name)] }
		got = append(got, strings.Join([]string{cell("SubAccountId"), cell("AllocatedResourceId"), cell("AllocatedMethodDetails"), cell("Tags")}, " "))
	}
	want := []string{
		`pay pay {"Elements":[{"AllocatedRatio":0.3,"UsageUnit":"USD","UsageQuantity":3}]} {"platform.towpath.dev/team":"pay"}`,
		`shop shop {"Elements":[{"AllocatedRatio":0.6,"UsageUnit":"USD","UsageQuantity":6}]} {"platform.towpath.dev/team":"shop"}`,
		`  {"Elements":[{"AllocatedRatio":0.1,"UsageUnit":"USD","UsageQuantity":1}]} `,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// mandatory are the columns that FOCUS 1.4 wants in each data set; those of notNull have a value in each row.
const (
	mandatory = `BilledCost EffectiveCost ListCost ContractedCost PricingQuantity BillingPeriodStart BillingPeriodEnd ChargePeriodStart ChargePeriodEnd
		BillingAccountId BillingCurrency ChargeCategory HostProviderName ServiceProviderName InvoiceIssuerName ServiceCategory ServiceName
		BillingAccountName ChargeClass ChargeDescription PricingUnit`
	nullable = `PricingQuantity BillingAccountName ChargeClass ChargeDescription PricingUnit`
)

func TestAllMandatoryColumnsAreThere(t *testing.T) {
	columns, all := export.Columns(), strings.Fields(mandatory)
	if len(all) != 21 {
		t.Fatalf("the test names %d", len(all))
	}
	for _, name := range append(all, "Tags", "ResourceId", "AllocatedMethodId", "AllocatedMethodDetails", "AllocatedResourceId") {
		if !slices.Contains(columns, name) {
			t.Errorf("%s is missing", name)
		}
	}
	r := rand.New(rand.NewPCG(4, 4)) //nolint:gosec // a test
	days := [][]export.Charge{drawn(r, history.Date(2026, 10, 1))}
	records, err := csv.NewReader(bytes.NewReader(written(t, "csv", days))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for n, name := range records[0] {
		if !slices.Contains(all, name) || slices.Contains(strings.Fields(nullable), name) {
			continue
		}
		for i, record := range records[1:] {
			if record[n] == "" {
				t.Errorf("row %d: %s is null", i+1, name)
			}
		}
	}
	data := written(t, "parquet", days)
	file, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, column := range file.Root().Columns() {
		found = append(found, column.Name())
	}
	if diff := cmp.Diff(columns, found); diff != "" {
		t.Errorf("Parquet has other columns (-CSV +Parquet):\n%s", diff)
	}
	own := regexp.MustCompile(`^x_[A-Z][A-Za-z]+$`)
	for _, name := range columns {
		if strings.HasPrefix(name, "x_") && !own.MatchString(name) {
			t.Errorf("%s is no name of an own column", name)
		}
	}
}

func TestWhatCannotBeExported(t *testing.T) {
	fine := drawn(rand.New(rand.NewPCG(1, 1)), history.Date(2026, 10, 1))[0] //nolint:gosec // a test
	for want, change := range map[string]func(*export.Charge){
		"a source":     func(c *export.Charge) { c.Source = "" },
		"must end":     func(c *export.Charge) { c.To = c.From },
		"too large":    func(c *export.Charge) { c.Effective = decimal.New(1, 26) },
		"the category": func(c *export.Charge) { c.Category = "Gift" },
	} {
		c := fine
		change(&c)
		if reflect.DeepEqual(c, fine) {
			t.Fatal("nothing changed")
		}
		if _, err := export.Rows([]export.Charge{c}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// TestNoNameIsAFormulaInCSV has a bill with a service that a spreadsheet would run, beside a refund: amounts stay numbers, and Parquet exact.
func TestNoNameIsAFormulaInCSV(t *testing.T) {
	const name = `=HYPERLINK("https://evil.example")`
	charge := export.Charge{
		Series: history.Series{Team: "shop", Service: name, Currency: "USD", Category: history.Credit}, Source: "aws",
		BillingFrom: history.Date(2026, 10, 1), BillingTo: history.Date(2026, 11, 1), From: history.Date(2026, 10, 1), To: history.Date(2026, 10, 2),
		Billed: decimal.RequireFromString("-1.5"), Effective: decimal.RequireFromString("-1.5"),
	}
	records, err := csv.NewReader(bytes.NewReader(written(t, "csv", [][]export.Charge{{charge}}))).ReadAll()
	if err != nil || len(records) != 2 {
		t.Fatalf("%v %v", records, err)
	}
	for i, column := range records[0] {
		cell := records[1][i]
		switch {
		case column == "ServiceName" && cell != "'"+name, strings.HasSuffix(column, "Cost") && cell != "-1.5", strings.HasPrefix(cell, "="):
			t.Errorf("%s is %s", column, cell)
		}
	}
	if raw := written(t, "parquet", [][]export.Charge{{charge}}); !bytes.Contains(raw, []byte(name)) || bytes.Contains(raw, []byte("'"+name)) {
		t.Error("Parquet has the name otherwise than it is")
	}
}
