package focus_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/towpath-dev/towpath/internal/cost/source"
	"github.com/towpath-dev/towpath/internal/cost/source/focus"
	"github.com/towpath-dev/towpath/internal/history"
	"github.com/towpath-dev/towpath/internal/history/sqlstore"
)

// touch sets how many hours old files are.
func touch(t *testing.T, dir string, hours map[string]int) {
	t.Helper()
	for name, n := range hours {
		at := time.Date(2026, time.November, 29, 12, 0, 0, 0, time.UTC).Add(-time.Duration(n) * time.Hour)
		if err := os.Chtimes(filepath.Join(dir, name), at, at); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBills_AreFoldersAndTheNewestRunOfEach(t *testing.T) {
	const old, young = "6f1c2d3e-0000-4000-8000-000000000001", "0a1c2d3e-0000-4000-8000-000000000002"
	for name, tc := range map[string]struct {
		hours map[string]int
		want  map[string][]string
		older int
	}{
		"files beside each other are parts": {map[string]int{"a-1.csv": 1, "a-2.csv.gz": 2, "b.parquet": 3},
			map[string][]string{".": {"a-1.csv", "a-2.csv.gz", "b.parquet"}}, 0},
		"a folder for each month": {map[string]int{"billing_period=2026-10/p.csv": 1, "billing_period=2026-11/p.csv": 1},
			map[string][]string{"billing_period=2026-10": {"billing_period=2026-10/p.csv"}, "billing_period=2026-11": {"billing_period=2026-11/p.csv"}}, 0},
		"runs in folders": {map[string]int{"20261101-20261130/" + old + "/part_0.csv": 9, "20261101-20261130/" + old + "/part_1.csv": 9, "20261101-20261130/" + young + "/part_0.csv": 1},
			map[string][]string{"20261101-20261130/*": {"20261101-20261130/" + young + "/part_0.csv"}}, 2},
		"runs in names": {map[string]int{"focus_2026-11_20261128T0401.csv": 1, "focus_2026-11_20261129T0401.csv": 2, "focus_2026-10_20261101T0401.csv": 3},
			map[string][]string{".": {"focus_2026-10_20261101T0401.csv", "focus_2026-11_20261128T0401.csv"}}, 1},
		"runs in names, in other ways": {map[string]int{"a/f-2026-11-28T04:01:00Z.csv": 2, "a/f-2026-11-29T04:01:00Z.csv": 1, "b/202611280401.csv": 2, "b/202611290401.csv": 1,
			"c/2026-11-28_04-01-00.csv": 2, "c/2026-11-29_04-01-00.csv": 1, "d/20261101T0000Z-20261201T0000Z-20261128T0401Z.csv": 2, "d/20261101T0000Z-20261201T0000Z-20261129T0401Z.csv": 1},
			map[string][]string{"a": {"a/f-2026-11-29T04:01:00Z.csv"}, "b": {"b/202611290401.csv"}, "c": {"c/2026-11-29_04-01-00.csv"},
				"d": {"d/20261101T0000Z-20261201T0000Z-20261129T0401Z.csv"}}, 4},
		"from one day to another": {map[string]int{"2026-10-01_2026-10-31/a.csv": 2, "2026-12-01_2026-12-31/a.csv": 1, "2026-08-01-2026-08-31/a.csv": 3, "2026-07-01_07-31/a.csv": 4, "2026-05-01_05-31/a.csv": 4},
			map[string][]string{"2026-10-01_2026-10-31": {"2026-10-01_2026-10-31/a.csv"}, "2026-12-01_2026-12-31": {"2026-12-01_2026-12-31/a.csv"},
				"2026-08-01-2026-08-31": {"2026-08-01-2026-08-31/a.csv"}, "2026-07-01_07-31": {"2026-07-01_07-31/a.csv"}, "2026-05-01_05-31": {"2026-05-01_05-31/a.csv"}}, 0},
		"from one time to another": {map[string]int{"20261001T000000Z-20261101T000000Z.csv": 2, "20261101T000000Z-20261201T000000Z.csv": 1},
			map[string][]string{".": {"20261001T000000Z-20261101T000000Z.csv", "20261101T000000Z-20261201T000000Z.csv"}}, 0},
		"dates with numbers": {map[string]int{"2026-11-01_0001.csv": 1, "2026-11-01_0002.csv": 2, "20261101_0001.csv": 1, "20261101_0002.csv": 2, "20261101-000003.csv": 3},
			map[string][]string{".": {"2026-11-01_0001.csv", "2026-11-01_0002.csv", "20261101-000003.csv", "20261101_0001.csv", "20261101_0002.csv"}}, 0},
		"a UUID for each file": {map[string]int{"20261129_040100_00012_abcde_" + old + ".gz": 1, "20261129_040100_00012_abcde_" + young + ".gz": 1, "20261129_040100_00012_abcde_1a1c2d3e-0000-4000-8000-000000000003.gz": 3},
			map[string][]string{".": {"20261129_040100_00012_abcde_" + young + ".gz", "20261129_040100_00012_abcde_" + old + ".gz"}}, 1},
		"dates are no runs": {map[string]int{"20261001.csv": 1, "20261101.csv": 2},
			map[string][]string{".": {"20261001.csv", "20261101.csv"}}, 0},
		"what is no bill": {map[string]int{"a.csv": 1, "manifest.json": 1, "_temporary/b.csv": 1, ".c.csv": 1},
			map[string][]string{".": {"a.csv"}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			files := map[string]string{}
			for file := range tc.hours {
				files[file] = "x"
			}
			write(t, dir, files)
			touch(t, dir, tc.hours)
			location, err := focus.Open(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = location.Close() })
			bills, err := focus.Bills(t.Context(), location, focus.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			got, older := map[string][]string{}, 0
			for _, bill := range bills {
				older += len(bill.Older)
				slices.SortFunc(bill.Files, func(a, b focus.File) int { return strings.Compare(a.Path, b.Path) })
				for _, file := range bill.Files {
					got[bill.Name] = append(got[bill.Name], file.Path)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" || older != tc.older {
				t.Errorf("%d do not count: %s", older, diff)
			}
		})
	}
}

func TestBills_SaysWhatIsWrongWithALocation(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"notes.txt": "x"})
	for location, want := range map[string]string{
		dir:                          "none that ends in .csv",
		filepath.Join(dir, "absent"): "no such file",
		"s3://bills/focus":           "s3 has a package of its own",
	} {
		if _, _, err := readAll(location, options()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: it says %v", location, err)
		}
	}
	if _, _, err := readAll(t.TempDir(), options()); err != nil {
		t.Errorf("a folder in which nothing is yet: %v", err)
	}
}

// TestOpen_DoesNotLeaveItsFolder has a link in a folder of bills lead to a file elsewhere.
func TestOpen_DoesNotLeaveItsFolder(t *testing.T) {
	elsewhere, dir := t.TempDir(), t.TempDir()
	write(t, elsewhere, map[string]string{"secret.csv": bill(map[string]string{})})
	if err := os.Symlink(filepath.Join(elsewhere, "secret.csv"), filepath.Join(dir, "a.csv")); err != nil {
		t.Fatal(err)
	}
	if all, _, err := readAll(dir, options()); err == nil {
		t.Errorf("it is read: %s", lines(all[0]))
	}
}

func TestFingerprint_ChangesWithFilesAndTeams(t *testing.T) {
	at := time.Date(2026, time.November, 29, 0, 0, 0, 0, time.UTC)
	one := focus.Bill{Files: []focus.File{{Path: "a.csv", Size: 1, ModTime: at}}}
	attribution := source.DefaultAttribution("shop", "bank")
	if one.Fingerprint(attribution) != one.Fingerprint(source.DefaultAttribution("bank", "shop")) {
		t.Error("it changes with the order of teams")
	}
	all := map[string]bool{one.Fingerprint(attribution): true}
	for _, other := range []focus.Bill{
		{Files: []focus.File{{Path: "b.csv", Size: 1, ModTime: at}}},
		{Files: []focus.File{{Path: "a.csv", Size: 2, ModTime: at}}},
		{Files: []focus.File{{Path: "a.csv", Size: 1, ModTime: at.Add(1)}}},
		{},
	} {
		all[other.Fingerprint(attribution)] = true
	}
	all[one.Fingerprint(source.DefaultAttribution("shop"))] = true
	if len(all) != 6 {
		t.Errorf("%d fingerprints of 6 bills", len(all))
	}
}

// TestStore_CountsABillOnce stores a bill twice, then a corrected issue of it of fewer parts, and a later month that corrects it.
func TestStore_CountsABillOnce(t *testing.T) {
	store, err := sqlstore.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "history.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	dir := t.TempDir()
	month := map[string]string{"EffectiveCost": "10"}
	late := map[string]string{"EffectiveCost": "-3", "BillingPeriodStart": "2026-12-01"}
	for _, step := range []struct {
		name  string
		files map[string]string
		gone  string
		want  string
	}{
		{"once", map[string]string{"x/6f1c2d3e-0000-4000-8000-000000000001/0.csv": bill(month), "x/6f1c2d3e-0000-4000-8000-000000000001/1.csv": bill(month)}, "", "20"},
		{"twice", nil, "", "20"},
		{"issued again, in one part", map[string]string{"x/0a1c2d3e-0000-4000-8000-000000000002/0.csv": bill(map[string]string{"EffectiveCost": "15"})}, "", "15"},
		{"the next month, with a correction", map[string]string{"x/0a1c2d3e-0000-4000-8000-000000000002/1.csv": bill(late)}, "", "12"},
		{"one that cannot be read", map[string]string{"x/0a1c2d3e-0000-4000-8000-000000000002/2.csv": bill(month, month)[:200]}, "", "12"},
		{"deleted by the export", nil, "x", "12"},
	} {
		write(t, dir, step.files)
		if step.gone != "" {
			if err := os.RemoveAll(filepath.Join(dir, step.gone)); err != nil {
				t.Fatal(err)
			}
		}
		for i, at := range []string{"x/6f1c2d3e-0000-4000-8000-000000000001/0.csv", "x/6f1c2d3e-0000-4000-8000-000000000001/1.csv"} {
			if _, err := os.Stat(filepath.Join(dir, at)); err == nil {
				touch(t, dir, map[string]int{at: 100 + i})
			}
		}
		imports, bills, err := readAll(dir, options())
		if err != nil && !strings.Contains(step.name, "cannot") {
			t.Fatal(step.name, err)
		}
		for i, one := range imports {
			for _, period := range one.Ledger.Periods() {
				if err := store.Replace(t.Context(), history.Slice{Source: "aws", Period: period, Part: bills[i].Name}, one.Ledger.Figures(period)); err != nil {
					t.Fatal(step.name, err)
				}
			}
		}
		if got := total(t, store); got != step.want {
			t.Errorf("%s: %s, want %s", step.name, got, step.want)
		}
	}
}

func total(t *testing.T, store history.Store) string {
	t.Helper()
	sums, err := store.Sum(context.Background(), history.Query{To: 1 << 30})
	if err != nil || len(sums) != 1 {
		t.Fatal(sums, err)
	}
	return sums[0].Effective.String()
}
