// Command bench-cost measures how fast bills are read, and in how much memory.
//
//	go run ./hack/bench-cost [-rows 1000000] [-runs 3] [-dir FOLDER] [-cpuprofile FILE]
//
// It makes a bill of FOCUS 1.4 with all mandatory columns, Tags and ResourceId, in CSV, CSV with gzip and Parquet, and has a process
// of its own read each, as the manager would: with sums by day, team, environment, component and service, which are stored in SQLite.
// It fails where a figure is worse than wanted.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strings"
	"time"

	"github.com/towpath-dev/towpath/internal/cost/source"
	"github.com/towpath-dev/towpath/internal/cost/source/focus"
	"github.com/towpath-dev/towpath/internal/history"
	"github.com/towpath-dev/towpath/internal/history/sqlstore"
)

// What is wanted of each format.
const (
	wantedRows   = 200_000
	wantedMemory = 200
)

func main() {
	rows := flag.Int("rows", 1_000_000, "rows of the bill")
	runs := flag.Int("runs", 3, "how often each is read; the median counts")
	dir := flag.String("dir", "", "where the bills are made, or are from the last time; else in a folder that is deleted")
	profile := flag.String("cpuprofile", "", "write a profile of each reader to FILE-<format>")
	child := flag.String("child", "", "read this bill: what the other processes do")
	flag.Parse()
	run := func() error { return measure(*rows, *runs, *dir, *profile) }
	if *child != "" {
		run = func() error { return read(*child, *profile) }
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// result is what a child says.
type result struct {
	Rows    int64
	Groups  int
	Read    time.Duration
	Stored  time.Duration
	PeakMiB float64
}

func measure(rows, runs int, dir, profile string) error {
	if dir == "" {
		temporary, err := os.MkdirTemp("", "bench-cost-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(temporary) }()
		dir = temporary
	}
	if err := bills(rows, dir); err != nil {
		return err
	}
	fmt.Printf("%d rows, median of %d runs; wanted: %d rows/s, at most %d MiB\n\n", rows, runs, wantedRows, wantedMemory)
	fmt.Println("| format | size | rows/s | with storing | peak memory | sums |")
	fmt.Println("|---|---|---|---|---|---|")
	var missed []string
	for _, format := range []string{"csv", "gzip", "parquet"} {
		r, err := median(filepath.Join(dir, format), runs, suffixed(profile, format))
		if err != nil {
			return fmt.Errorf("%s: %w", format, err)
		}
		if r.Rows != int64(rows) {
			return fmt.Errorf("%s: %d rows were read, not %d", format, r.Rows, rows)
		}
		size, err := sizeOf(filepath.Join(dir, format))
		if err != nil {
			return err
		}
		speed := float64(r.Rows) / r.Read.Seconds()
		both := float64(r.Rows) / (r.Read + r.Stored).Seconds()
		fmt.Printf("| %s | %d MiB | %.0f | %.0f | %.0f MiB | %d |\n", format, size>>20, speed, both, r.PeakMiB, r.Groups)
		if speed < wantedRows || r.PeakMiB > wantedMemory {
			missed = append(missed, format)
		}
	}
	if len(missed) > 0 {
		return fmt.Errorf("not reached by %s", strings.Join(missed, ", "))
	}
	return nil
}

func suffixed(profile, format string) string {
	if profile == "" {
		return ""
	}
	return profile + "-" + format
}

// bills makes them, unless they are there.
func bills(rows int, dir string) error {
	names := map[string]string{"csv": "bill.csv", "gzip": "bill.csv.gz", "parquet": "bill.parquet"}
	done := filepath.Join(dir, fmt.Sprintf("made-%d", rows))
	if _, err := os.Stat(done); err == nil {
		return nil
	}
	paths := map[string]string{}
	for format, name := range names {
		if err := os.MkdirAll(filepath.Join(dir, format), 0o755); err != nil {
			return err
		}
		paths[format] = filepath.Join(dir, format, name)
	}
	if err := generate(rows, paths["csv"], paths["gzip"], paths["parquet"]); err != nil {
		return err
	}
	return os.WriteFile(done, nil, 0o600)
}

func sizeOf(dir string) (int64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	var size int64
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			return 0, err
		}
		size += info.Size()
	}
	return size, nil
}

// median runs children in turn, and has the one whose reading took the middle time, with the most memory of all.
func median(dir string, runs int, profile string) (result, error) {
	var all []result
	for range runs {
		arguments := []string{"-child", dir}
		if profile != "" {
			arguments = append(arguments, "-cpuprofile", profile)
		}
		command := exec.Command(os.Args[0], arguments...)
		command.Stderr = os.Stderr
		out, err := command.Output()
		if err != nil {
			return result{}, err
		}
		var r result
		if err := json.Unmarshal(out, &r); err != nil {
			return result{}, err
		}
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b result) int { return int(a.Read - b.Read) })
	middle := all[len(all)/2]
	for _, r := range all {
		middle.PeakMiB = max(middle.PeakMiB, r.PeakMiB)
	}
	return middle, nil
}

// read is what a child does.
func read(dir, profile string) (err error) {
	if profile != "" {
		file, err := os.Create(profile)
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(file); err != nil {
			return err
		}
		defer func() { pprof.StopCPUProfile(); _ = file.Close() }()
	}
	ctx := context.Background()
	var teams []string
	for i := range 45 {
		teams = append(teams, fmt.Sprintf("team-%02d", i))
	}
	begin := time.Now()
	location, err := focus.Open(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, location.Close()) }()
	found, err := focus.Bills(ctx, location, focus.Limits{})
	if err != nil {
		return err
	}
	imported, err := focus.Read(ctx, location, found[0], focus.Options{Attribution: source.DefaultAttribution(teams...)})
	if err != nil {
		return err
	}
	r := result{Rows: imported.Report.Rows, Groups: imported.Ledger.Groups(), Read: time.Since(begin)}
	temporary, err := os.MkdirTemp("", "bench-cost-store-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temporary)) }()
	store, err := sqlstore.OpenSQLite(ctx, filepath.Join(temporary, "history.db"))
	if err != nil {
		return err
	}
	begin = time.Now()
	for _, period := range imported.Ledger.Periods() {
		if err := store.Replace(ctx, history.Slice{Source: "bench", Period: period}, imported.Ledger.Figures(period)); err != nil {
			return errors.Join(err, store.Close())
		}
	}
	r.Stored = time.Since(begin)
	if err := store.Close(); err != nil {
		return err
	}
	if r.PeakMiB, err = peak(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// peak is the most memory that this process had. What wait reports of a child counts its parent's memory in.
func peak() (float64, error) {
	file, err := os.Open("/proc/self/status")
	if err != nil {
		return 0, err
	}
	defer func() { _ = file.Close() }()
	for scanner := bufio.NewScanner(file); scanner.Scan(); {
		var kib float64
		if n, _ := fmt.Sscanf(scanner.Text(), "VmHWM: %f kB", &kib); n == 1 {
			return kib / 1024, nil
		}
	}
	return 0, errors.New("/proc/self/status has no VmHWM")
}
