package costrecord_test

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/controllers/costrecord"
	"github.com/towpath-dev/towpath/internal/estimate"
	"github.com/towpath-dev/towpath/internal/history"
	"github.com/towpath-dev/towpath/internal/history/sqlstore"
)

// TestRecord_MakesUpForAHistoryThatWasLost begins with an empty one beside a Release that runs since ten days, at 730 a month: 24 a day.
func TestRecord_MakesUpForAHistoryThatWasLost(t *testing.T) {
	now := time.Date(2026, time.November, 16, 12, 0, 0, 0, time.UTC)
	store, err := sqlstore.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "history.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	applied := metav1.NewTime(now.AddDate(0, 0, -10))
	release := &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: "checkout-prod-1"}}
	release.Spec.Team, release.Spec.Component.Name, release.Spec.Environment.Name = "shop", "checkout", "prod"
	release.Spec.EstimatedCost = &platformv1alpha1.ReleaseCost{EstimatedCost: platformv1alpha1.EstimatedCost{
		Currency: "USD", Monthly: platformv1alpha1.AmountRange{Min: "730", Expected: "730", Max: "730"},
	}}
	release.Status.AppliedAt = &applied
	scheme := runtime.NewScheme()
	if err := platformv1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	r := &costrecord.Recorder{
		Reader: fake.NewClientBuilder().WithScheme(scheme).WithObjects(release).Build(), History: store, Clock: testclock.NewFakeClock(now), Currency: "USD",
	}
	for range 2 { // a second time changes nothing
		if err := r.Record(t.Context()); err != nil {
			t.Fatal(err)
		}
		sums, err := store.Sum(t.Context(), history.Query{
			From: history.DayOf(now) - 31, To: history.DayOf(now) + 1, Sources: []string{estimate.Source}, GroupBy: []history.Dimension{history.ByDay},
		})
		if err != nil {
			t.Fatal(err)
		}
		var days []string
		for i := range sums {
			days = append(days, sums[i].Effective.String())
		}
		// Half of the first day, nine whole ones, and today until noon; nothing of the days before, on which nothing is known to have run.
		want := append(append([]string{"12"}, slices.Repeat([]string{"24"}, 9)...), "12")
		if !slices.Equal(days, want) {
			t.Errorf("got %v, want %v", days, want)
		}
	}
}
