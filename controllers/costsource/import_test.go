package costsource

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testingclock "k8s.io/utils/clock/testing"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/cost/source"
	"github.com/towpath-dev/towpath/internal/history"
	"github.com/towpath-dev/towpath/internal/history/sqlstore"
)

// TestASummaryThatFailsIsMadeAgainWithoutAnImport has a history that does not answer once all was read. The reconciler has no
// client: an import would need one.
func TestASummaryThatFailsIsMadeAgainWithoutAnImport(t *testing.T) {
	for name, c := range map[string]struct {
		failures       int
		reason         source.Reason
		message        string
		want, wantText string
	}{
		"after one that went well": {0, "", "", platformv1alpha1.ReasonImported, "The source was read to the end, and tells of no day yet."},
		"after one that failed":    {2, source.BillInvalid, "a.csv: it is bad. Mend it.", "BillInvalid", "a.csv: it is bad. Mend it."},
		"while it cannot store":    {3, source.HistoryUnavailable, "it is full. Look at it.", "HistoryUnavailable", "it is full. Look at it."},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "history.db")
			store, err := sqlstore.OpenSQLite(t.Context(), file)
			if err != nil {
				t.Fatal(err)
			}
			cs := &platformv1alpha1.CostSource{ObjectMeta: metav1.ObjectMeta{Name: "cluster", UID: "a", Generation: 1}}
			cs.Spec.Type, cs.Spec.IntervalSeconds = platformv1alpha1.CostSourceOpenCost, 3600
			n := note{UID: "a", Generation: 1, Failures: c.failures, Reason: c.reason}
			state := history.State{LastAttempt: now.Add(-time.Second), Message: c.message, Cursor: n.String()}
			if err := store.SetState(t.Context(), "cluster", state); err != nil {
				t.Fatal(err)
			}
			if err := store.Close(); err != nil {
				t.Fatal(err)
			}
			r := &Reconciler{History: store, Clock: testingclock.NewFakePassiveClock(now)}
			s := &scope{source: cs, before: cs.DeepCopy()}
			var failure error
			if c.failures > 0 {
				failure = source.Fail(c.reason, errors.New(c.message), "")
			}
			if err := r.report(t.Context(), s, now, &state, &n, &source.Outcome{Rows: 7}, failure); err != nil {
				t.Fatal(err)
			}
			if ready := meta.FindStatusCondition(cs.Status.Conditions, "Ready"); ready == nil || ready.Reason != "HistoryUnavailable" || cs.Status.Rows != 7 {
				t.Fatalf("while the history does not answer: %+v", cs.Status)
			}

			again, err := sqlstore.OpenSQLite(t.Context(), file)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = again.Close() })
			r.History = again
			for range 2 {
				s = &scope{source: cs, before: cs.DeepCopy()}
				if err := r.run(t.Context(), s); err != nil {
					t.Fatal(err)
				}
				ready := meta.FindStatusCondition(cs.Status.Conditions, "Ready")
				if ready.Reason != c.want || ready.Message != c.wantText || cs.Status.Rows != 7 || s.wait <= 0 {
					t.Errorf("it says %+v, and waits %s", cs.Status, s.wait)
				}
			}
		})
	}
}
