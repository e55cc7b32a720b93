package costsource

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	testingclock "k8s.io/utils/clock/testing"

	"github.com/towpath-dev/towpath/internal/cost/source"
	"github.com/towpath-dev/towpath/internal/history"
	"github.com/towpath-dev/towpath/internal/history/sqlstore"
)

func TestPruner_ForgetsWhatIsOlderThanIsKept(t *testing.T) {
	store, err := sqlstore.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "history.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	today := history.DayOf(now)
	ledger := source.NewLedger(0)
	if err := ledger.Cover("all", today-history.Keep-1, today, "USD", func(history.Day) time.Time { return time.Time{} }); err != nil {
		t.Fatal(err)
	}
	if err := store.Replace(t.Context(), history.Slice{Source: "bills", Period: "all"}, ledger.Figures("all")); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	clock := testingclock.NewFakeClock(now)
	go func() { done <- (&Pruner{History: store, Clock: clock}).Start(ctx) }()
	days := func() int64 {
		sums, err := store.Sum(t.Context(), history.Query{From: today - 2*history.Keep, To: today + 1, At: now})
		if err != nil || len(sums) == 0 {
			t.Fatal(sums, err)
		}
		return sums[0].Figures
	}
	await := func(want int64) {
		t.Helper()
		deadline := time.NewTimer(30 * time.Second)
		defer deadline.Stop()
		for days() != want {
			select {
			case <-deadline.C:
				t.Fatalf("%d days are left, and should %d", days(), want)
			case err := <-done:
				t.Fatalf("it ended: %v", err)
			default:
			}
		}
	}
	await(history.Keep + 1)
	clock.Step(pruneEvery)
	await(history.Keep)
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
