package costsource

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/history"
)

var now = time.Date(2026, time.November, 29, 12, 0, 0, 0, time.UTC)

func TestNext(t *testing.T) {
	cs := &platformv1alpha1.CostSource{
		ObjectMeta: metav1.ObjectMeta{UID: "a", Generation: 2}, Spec: platformv1alpha1.CostSourceSpec{IntervalSeconds: 3600},
	}
	state := &history.State{LastAttempt: now}
	for name, c := range map[string]struct {
		note note
		from time.Duration
		to   time.Duration
	}{
		"after one that went well":          {note{Generation: 2}, time.Hour, 66 * time.Minute},
		"another spec":                      {note{Generation: 1}, 0, 0},
		"after a failure":                   {note{Generation: 2, Failures: 1}, time.Minute, time.Minute},
		"after three":                       {note{Generation: 2, Failures: 3}, 4 * time.Minute, 4 * time.Minute},
		"after very many":                   {note{Generation: 2, Failures: 1 << 20}, time.Hour, time.Hour},
		"where the source says when":        {note{Generation: 2, Failures: 1, NotBefore: now.Add(9 * time.Hour).Unix()}, 9 * time.Hour, 9 * time.Hour},
		"where it does, with another spec":  {note{Generation: 1, Failures: 1, NotBefore: now.Add(9 * time.Hour).Unix()}, 0, 0},
		"where it said so and that is over": {note{Generation: 2, Failures: 2, NotBefore: now.Add(time.Second).Unix()}, 2 * time.Minute, 2 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			if wait := next(cs, state, &c.note).Sub(now); wait < c.from || wait > c.to {
				t.Errorf("it waits %s", wait)
			}
		})
	}
	if !next(cs, &history.State{}, &note{}).IsZero() {
		t.Error("one that was never read waits")
	}
}

func TestDueAt_AtOnceWhereTheLastImportIsStillToCome(t *testing.T) {
	cs := &platformv1alpha1.CostSource{ObjectMeta: metav1.ObjectMeta{UID: "a", Generation: 2}, Spec: platformv1alpha1.CostSourceSpec{IntervalSeconds: 3600}}
	for last, want := range map[time.Duration]bool{-2 * time.Hour: true, -time.Minute: false, time.Minute: false, 6 * time.Minute: true, 9000 * time.Hour: true} {
		state := &history.State{LastAttempt: now.Add(last)}
		for name, n := range map[string]note{"well": {Generation: 2}, "with a time": {Generation: 2, NotBefore: now.Add(last).Unix()}} {
			if got := !dueAt(cs, state, &n, now).After(now); got != want {
				t.Errorf("%s, last read after %s: due %t", name, last, got)
			}
		}
	}
}

func TestJittered_SpreadsSourcesAndStaysTheSame(t *testing.T) {
	seen := map[time.Duration]bool{}
	for _, uid := range []types.UID{"6f1c2d3e", "0a1c2d3e", "77aa12bc", "e0e0e0e0"} {
		wait := jittered(uid, time.Hour)
		if wait < time.Hour || wait > 66*time.Minute || wait != jittered(uid, time.Hour) {
			t.Errorf("%s waits %s", uid, wait)
		}
		seen[wait] = true
	}
	if len(seen) < 3 {
		t.Errorf("they come at once: %v", seen)
	}
}

func TestReconciled_ComparesFinalDaysThatAllTellOf(t *testing.T) {
	sum := func(day history.Day, source, currency, amount string, open bool) history.Sum {
		return history.Sum{
			Day: day, Source: source, Series: history.Series{Currency: currency}, Effective: decimal.RequireFromString(amount), Provisional: open,
		}
	}
	sums := []history.Sum{
		sum(1, "aws", "USD", "10.004", false), sum(1, "a", "USD", "2", false), sum(1, "b", "USD", "3", false),
		sum(2, "aws", "USD", "10", false), sum(2, "a", "USD", "2", false), // b does not tell of it
		sum(3, "aws", "USD", "10", true), sum(3, "a", "USD", "2", false), sum(3, "b", "USD", "3", false),
		sum(4, "aws", "USD", "10", false), sum(4, "a", "USD", "2", false), sum(4, "b", "USD", "3", true),
		sum(5, "a", "USD", "2", false), sum(5, "b", "USD", "3", false),
		sum(6, "aws", "EUR", "7", false), sum(6, "a", "EUR", "8", false), sum(6, "b", "EUR", "1", false),
	}
	want := []platformv1alpha1.CostReconciliation{
		{Currency: "EUR", Days: 1, Billed: "7.00", Allocated: "9.00", Residual: "-2.00"},
		{Currency: "USD", Days: 1, Billed: "10.00", Allocated: "5.00", Residual: "5.00"},
	}
	if diff := cmp.Diff(want, reconciled(sums, "aws", 2)); diff != "" {
		t.Error(diff)
	}
}

func TestMissing_SaysSinceWhenAndWhyThereIsNoResidual(t *testing.T) {
	sum := func(day history.Day, name, currency string) history.Sum {
		return history.Sum{Day: day, Source: name, Series: history.Series{Currency: currency}, Effective: decimal.NewFromInt(1)}
	}
	both := []history.Sum{sum(1, "aws", "USD"), sum(1, "a", "USD"), sum(2, "aws", "USD"), sum(2, "a", "USD")}
	if got := missing(both, "aws", []string{"a"}); len(got) > 0 {
		t.Errorf("all tell of all days: %q", got)
	}
	got := missing(append(both, sum(3, "aws", "USD"), sum(4, "aws", "USD"), sum(4, "b", "EUR")), "aws", []string{"c", "b", "a"})
	want := []string{"There is no residual in USD since 1970-01-02: CostSource a does not tell of these days; look at its conditions, and whether it is suspended; " +
		"CostSource b tells in EUR; give one of both spec.conversions; CostSource c tells of no day; look at its conditions, or delete it."}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	open := sum(3, "a", "USD")
	open.Provisional = true
	if got := missing(append(both, sum(3, "aws", "USD"), open), "aws", []string{"a"}); len(got) > 0 {
		t.Errorf("a day that is not final yet is no reason: %q", got)
	}
	// It takes the place of what was said before, and has room.
	if diff := cmp.Diff([]string{"1", "2", "3", "4", "5", "6", "7", want[0]}, warned([]string{"1", "2", "3", "4", "5", "6", "7", noResidual + "before", "8"}, want)); diff != "" {
		t.Error(diff)
	}
}

func TestConversions_AreOfCurrenciesThatExist(t *testing.T) {
	good, err := conversionsOf([]platformv1alpha1.CurrencyConversion{{From: "EUR", To: "USD", Rate: "1.0825"}})
	if err != nil || good["EUR"].To != "USD" || good["EUR"].Rate.String() != "1.0825" {
		t.Errorf("got %v, %v", good, err)
	}
	if _, err := conversionsOf([]platformv1alpha1.CurrencyConversion{{From: "ABC", To: "USD", Rate: "1"}}); err == nil {
		t.Error("a currency that does not exist is converted")
	}
}
