package focus_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"github.com/towpath-dev/towpath/internal/cost/source"
	"github.com/towpath-dev/towpath/internal/cost/source/focus"
)

var update = flag.Bool("update", false, "write the golden files anew")

// options know the teams shop and bank.
func options() focus.Options {
	return focus.Options{Attribution: source.DefaultAttribution("shop", "bank")}
}

// write makes files in a folder, each a second older than the one before.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// readAll reads the bills of a location.
func readAll(dir string, options focus.Options) ([]*focus.Import, []focus.Bill, error) {
	ctx := context.Background()
	location, err := focus.Open(ctx, dir)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = location.Close() }()
	bills, err := focus.Bills(ctx, location, options.Limits)
	if err != nil {
		return nil, nil, err
	}
	var all []*focus.Import
	for _, bill := range bills {
		one, err := focus.Read(ctx, location, bill, options)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, one)
	}
	return all, bills, nil
}

// read reads the one file of a folder.
func read(t *testing.T, name, text string, options focus.Options) (*focus.Import, error) {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, map[string]string{name: text})
	all, _, err := readAll(dir, options)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// lines are the figures of an import as text.
func lines(i *focus.Import) string {
	var b strings.Builder
	for _, period := range i.Ledger.Periods() {
		for f, err := range i.Ledger.Figures(period) {
			if err != nil {
				panic(err)
			}
			unused := ""
			if f.Unused {
				unused = " unused"
			}
			fmt.Fprintf(&b, "%s %s team=%s environment=%s component=%s %q %s%s %s billed=%s effective=%s settles=%s\n", period, f.Day, f.Team,
				f.Environment, f.Component, f.Service, f.Category, unused, f.Currency, f.Billed, f.Effective, f.Settles.Format(time.DateOnly))
		}
	}
	return b.String()
}

const head = "BilledCost,EffectiveCost,BillingCurrency,ChargeCategory,ServiceName,ChargePeriodStart,BillingPeriodStart,ServiceProviderName,Tags\n"

// bill is a file of rows, each with what differs from an ordinary one.
func bill(rows ...map[string]string) string {
	names := strings.Split(strings.TrimSpace(head), ",")
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.Write(names)
	for _, row := range rows {
		cells := make([]string, len(names))
		for i, name := range names {
			cells[i] = map[string]string{
				"BilledCost": "1.5", "EffectiveCost": "1.25", "BillingCurrency": "USD", "ChargeCategory": "Usage", "ServiceName": "Compute",
				"ChargePeriodStart": "2026-11-03T00:00:00Z", "BillingPeriodStart": "2026-11-01T00:00:00Z", "ServiceProviderName": "AWS", "Tags": `{"team":"shop"}`,
			}[name]
			if value, ok := row[name]; ok {
				cells[i] = value
			}
		}
		_ = w.Write(cells)
	}
	w.Flush()
	return b.String()
}

func packed(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return b.String()
}

// TestRead_Golden reads bills as providers export them, with what is odd in them.
func TestRead_Golden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.csv")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got, err := read(t, "bill.csv", string(text), options())
			if err != nil {
				t.Fatal(err)
			}
			result := lines(got) + fmt.Sprintf("rows %d, untagged %d, bad tags %d %v, unknown teams %v, without amount %d, long %d, corrections %d, providers %q\n",
				got.Report.Rows, got.Report.Untagged, got.Report.BadTags, got.Report.FirstBadTags, got.Report.UnknownTeams, got.Report.NoAmount,
				got.Report.Long, got.Report.Corrections, got.Report.Providers)
			golden := strings.TrimSuffix(file, ".csv") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(result), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), result); diff != "" {
				t.Error(diff)
			}
			// The same, packed.
			zipped, err := read(t, "bill.csv.gz", packed(string(text)), options())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(lines(got), lines(zipped)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRead_RefusesWhatIsNoBill(t *testing.T) {
	good := bill(map[string]string{}, map[string]string{"EffectiveCost": "2"})
	small := options()
	small.Limits = focus.Limits{Bytes: 1 << 20, Groups: 2}
	for name, tc := range map[string]struct {
		file, text string
		options    focus.Options
		is         error
		says       []string
	}{
		"a file that is empty":               {"a.csv", "", options(), focus.ErrIncomplete, []string{"a.csv", "no header"}},
		"columns that are missing":           {"a.csv", "BilledCost,Tags\n1,\n", options(), nil, []string{"BillingCurrency, BillingPeriodStart, ChargeCategory, ChargePeriodStart, EffectiveCost, ServiceName, ServiceProviderName or ProviderName"}},
		"columns twice":                      {"a.csv", "Tags," + head, options(), nil, []string{"more than once: Tags"}},
		"semicolons":                         {"a.csv", strings.ReplaceAll(good, ",", ";"), options(), nil, []string{"separated by commas"}},
		"a row cut off":                      {"a.csv", good[:len(good)-20], options(), focus.ErrIncomplete, []string{"a.csv, row 2", "ends in the middle"}},
		"a last row without its end":         {"a.csv", strings.TrimSuffix(good, "\n"), options(), focus.ErrIncomplete, []string{"row 2", "line break"}},
		"a row of fewer cells":               {"a.csv", good + "1,2,USD\n", options(), nil, []string{"row 3", "3 cells", "header has 9"}},
		"a quote within a cell":              {"a.csv", good + strings.Replace(strings.SplitAfter(good, "\n")[1], "Compute", `5" "disk`, 1), options(), nil, []string{"row 3", "quote"}},
		"gzip cut off":                       {"a.csv.gz", packed(good)[:len(packed(good))-9], options(), focus.ErrIncomplete, []string{"a.csv.gz", "fetch it again"}},
		"gzip that is damaged":               {"a.csv.gz", damage(packed(good)), options(), focus.ErrIncomplete, []string{"checksum"}},
		"a zip archive":                      {"a.csv", "PK\x03\x04....", options(), nil, []string{"zip archive", "unpack"}},
		"UTF-16":                             {"a.csv", "\xff\xfeB\x00", options(), nil, []string{"UTF-16"}},
		"a currency that is not known":       {"a.csv", bill(map[string]string{}, map[string]string{"BillingCurrency": "Credits"}), options(), nil, []string{"row 2, column BillingCurrency", `"Credits"`, "ISO 4217"}},
		"no currency":                        {"a.csv", bill(map[string]string{"BillingCurrency": "NULL"}), options(), nil, []string{"row 1, column BillingCurrency", "absent"}},
		"a category that is not known":       {"a.csv", bill(map[string]string{"ChargeCategory": "Refunds"}), options(), nil, []string{"row 1, column ChargeCategory", `"Refunds"`, "Adjustment"}},
		"an amount that is a word":           {"a.csv", bill(map[string]string{"BilledCost": "free"}), options(), nil, []string{"row 1, column BilledCost", `"free"`, "decimal number"}},
		"an amount that may be either":       {"a.csv", bill(map[string]string{"EffectiveCost": "1,234"}), options(), nil, []string{"row 1, column EffectiveCost", "thousands"}},
		"an amount of a gigabyte":            {"a.csv", bill(map[string]string{"EffectiveCost": "1e999999999"}), options(), nil, []string{"row 1, column EffectiveCost"}},
		"a date that may be either":          {"a.csv", bill(map[string]string{"ChargePeriodStart": "1/11/2026"}), options(), nil, []string{"row 1, column ChargePeriodStart", "either way"}},
		"no date":                            {"a.csv", bill(map[string]string{"BillingPeriodStart": ""}), options(), nil, []string{"row 1, column BillingPeriodStart", "absent"}},
		"a year that is none":                {"a.csv", bill(map[string]string{"ChargePeriodStart": "0001-01-01T00:00:00Z"}), options(), nil, []string{"year 1 "}},
		"a cell of 10 MB":                    {"a.csv", bill(map[string]string{"ServiceName": strings.Repeat("x", 10<<20)}), options(), focus.ErrLimit, []string{"row 1", "bytes"}},
		"a cell of 2 MB":                     {"a.csv", bill(map[string]string{"Tags": strings.Repeat("x", 2<<20)}), options(), focus.ErrLimit, []string{"row 1", "cell 9"}},
		"a quote that is not closed":         {"a.csv", good + `1,"` + strings.Repeat("x,1\n", 2<<20), options(), focus.ErrLimit, []string{"row 3", "quote"}},
		"more bytes than allowed":            {"a.csv", head + strings.Repeat("\n", 2<<20), small, focus.ErrLimit, []string{"unpacked"}},
		"a bomb":                             {"a.csv.gz", packed(head + strings.Repeat("\n", 80<<20)), options(), focus.ErrLimit, []string{"250 times"}},
		"more sums than allowed":             {"a.csv", bill(map[string]string{"ServiceName": "a"}, map[string]string{"ServiceName": "b"}, map[string]string{"ServiceName": "c"}), small, nil, []string{"row 3", "more than 2"}},
		"Parquet that is cut off":            {"a.parquet", "PAR1\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", options(), focus.ErrIncomplete, []string{"does not end so"}},
		"Parquet that describes too much":    {"a.parquet", "PAR1....\xff\xff\xff\x7fPAR1", options(), focus.ErrIncomplete, []string{"describes more"}},
		"a charge that ends before it began": {"a.csv", strings.Replace(bill(map[string]string{"Tags": "2026-11-02"}), "Tags", "ChargePeriodEnd", 1), options(), nil, []string{"row 1, column ChargePeriodEnd", "before"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := read(t, tc.file, tc.text, tc.options)
			if err == nil {
				t.Fatalf("it is read: %s", lines(got))
			}
			if tc.is != nil && !errors.Is(err, tc.is) {
				t.Errorf("%v is not %v", err, tc.is)
			}
			for _, part := range tc.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%v does not say %q", err, part)
				}
			}
			if len(err.Error()) > 500 {
				t.Errorf("a message of %d bytes", len(err.Error()))
			}
		})
	}
}

func damage(text string) string {
	b := []byte(text)
	b[len(b)-6] ^= 0x55
	return string(b)
}

// TestRead_OfACutFile cuts a bill at each place: none is taken for the whole but those after a row.
func TestRead_OfACutFile(t *testing.T) {
	parts := []map[string]string{{}, {"Tags": "{\"team\":\"shop\",\n\"a\":\"b\"}"}, {}}
	rows := map[int]int64{}
	for n := range parts {
		rows[len(bill(parts[:n]...))] = int64(n)
	}
	text := bill(parts...)
	zipped := packed(text)
	for cut := range len(text) {
		got, err := read(t, "a.csv", text[:cut], options())
		want, whole := rows[cut]
		switch {
		case whole && (err != nil || got.Report.Rows != want):
			t.Errorf("cut at %d after a row: %v", cut, err)
		case !whole && err == nil:
			t.Errorf("cut at %d, it is read: %s", cut, lines(got))
		}
	}
	for cut := range len(zipped) {
		if got, err := read(t, "a.csv.gz", zipped[:cut], options()); err == nil {
			t.Errorf("cut at %d, it is read: %s", cut, lines(got))
		}
	}
}

// TestRead_OfAFileThatChanges holds a file that is not the one that was listed as incomplete.
func TestRead_OfAFileThatChanges(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.csv": bill(map[string]string{})})
	location, err := focus.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = location.Close() })
	bills, err := focus.Bills(t.Context(), location, focus.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, map[string]string{"a.csv": bill(map[string]string{}, map[string]string{})})
	if _, err := focus.Read(t.Context(), location, bills[0], options()); !errors.Is(err, focus.ErrIncomplete) {
		t.Errorf("it says %v", err)
	}
}

func TestRead_EndsWithItsContext(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.csv": bill(map[string]string{})})
	location, err := focus.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = location.Close() })
	bills, err := focus.Bills(t.Context(), location, focus.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := focus.Read(ctx, location, bills[0], options()); !errors.Is(err, context.Canceled) {
		t.Errorf("it says %v", err)
	}
}

// TestRead_IsTheSameHoweverItIsSplit draws bills, and reads each whole, again, shuffled, and in two files.
func TestRead_IsTheSameHoweverItIsSplit(t *testing.T) {
	for seed := range uint64(30) {
		random := rand.New(rand.NewPCG(seed, 1))
		rows := make([]map[string]string, random.IntN(60)+2)
		for i := range rows {
			rows[i] = map[string]string{
				"BilledCost":         decimal.New(random.Int64N(1e15)-5e14, -5-random.Int32N(15)).String(),
				"EffectiveCost":      decimal.New(random.Int64N(1e15)-5e14, -5-random.Int32N(15)).String(),
				"BillingCurrency":    []string{"USD", "EUR", "jpy"}[random.IntN(3)],
				"ServiceName":        []string{"Compute", "Storage"}[random.IntN(2)],
				"ChargeCategory":     []string{"Usage", "Credit", "Tax"}[random.IntN(3)],
				"ChargePeriodStart":  fmt.Sprintf("2026-11-%02dT%02d:00:00Z", random.IntN(5)+1, random.IntN(24)),
				"BillingPeriodStart": []string{"2026-11-01", "2026-12-01"}[random.IntN(2)],
				"Tags":               []string{`{"team":"shop"}`, `{"team":"Bank","environment":"prod"}`, `{"team":"gone"}`, "", "{"}[random.IntN(5)],
			}
		}
		whole := bill(rows...)
		first, err := read(t, "a.csv", whole, options())
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		random.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
		n := random.IntN(len(rows))
		dir := t.TempDir()
		write(t, dir, map[string]string{"part-1.csv": bill(rows[:n]...), "part-2.csv.gz": packed(bill(rows[n:]...))})
		both, _, err := readAll(dir, options())
		if err != nil || len(both) != 1 {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if diff := cmp.Diff(lines(first), lines(both[0])); diff != "" {
			t.Errorf("seed %d: %s", seed, diff)
		}
		first.Report.Files, both[0].Report.Files = 0, 0
		first.Report.FirstBadTags, both[0].Report.FirstBadTags = nil, nil
		if diff := cmp.Diff(first.Report, both[0].Report); diff != "" {
			t.Errorf("seed %d: %s", seed, diff)
		}
	}
}
