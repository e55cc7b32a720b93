package spending_test

import (
	"strings"
	"testing"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/forecast"
	"github.com/towpath-dev/towpath/internal/spending"
)

// TestWhatCannotBeCountedHoldsUpWhatAddsCost has a Release of 50,000 a month run that no estimate in the limit's currency tells of.
func TestWhatCannotBeCountedHoldsUpWhatAddsCost(t *testing.T) {
	t.Parallel()
	euros, unknown := running("big", 1, "50000", today-40), running("big", 1, "0", today-40)
	euros.Currency, unknown.Known = "EUR", false
	billed, estimated := each("1", 60, 2), each("1", 60, 1)
	estimated.Source = platformv1alpha1.CostFromEstimates
	admit := func(enforcement platformv1alpha1.Enforcement, ledger spending.Ledger, runs spending.Running, c spending.Change) spending.Verdict {
		t.Helper()
		v, _, err := spending.Admit([]spending.Book{{Limit: monthly("10000", enforcement), Ledger: ledger}}, []spending.Running{runs}, nil, c, now)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for name, ledger := range map[string]spending.Ledger{"no history": {}, "bills": billed, "estimates": estimated} {
		for kind, runs := range map[string]spending.Running{"in euros": euros, "without an estimate": unknown} {
			t.Run(name+", "+kind, func(t *testing.T) {
				t.Parallel()
				for enforcement, want := range map[platformv1alpha1.Enforcement]spending.Decision{
					platformv1alpha1.EnforceAlert: spending.Allow, platformv1alpha1.EnforceApproval: spending.RequireApproval, platformv1alpha1.EnforceDeny: spending.Deny,
				} {
					v := admit(enforcement, ledger, runs, change("a", "0", "700"))
					if v.Decision != want || want != spending.Allow && !strings.Contains(v.Message, "monthly holds: big in prod. It ") {
						t.Errorf("%s: %s, want %s: %s", enforcement, v.Decision, want, v.Message)
					}
				}
				back := change("a", "0", "700")
				back.Back = true
				if v := admit(platformv1alpha1.EnforceDeny, ledger, runs, back); v.Decision != spending.Allow {
					t.Errorf("a rollback is held up: %s", v.Message)
				}
				if v := admit(platformv1alpha1.EnforceDeny, ledger, runs, change("a", "700", "600")); v.Decision != spending.Allow {
					t.Errorf("a reduction is held up: %s", v.Message)
				}
				// What runs at the change's own place is estimated anew, and counts.
				if v := admit(platformv1alpha1.EnforceDeny, ledger, runs, change("big", "50000", "50700")); v.Decision != spending.Deny || strings.Contains(v.Message, "no estimate") {
					t.Errorf("it adds to what is too much: %+v", v)
				}
				if v := admit(platformv1alpha1.EnforceDeny, ledger, runs, change("big", "100", "200")); v.Decision != spending.Allow {
					t.Errorf("its own place is known: %+v", v)
				}
				book := spending.Book{Limit: monthly("10000", platformv1alpha1.EnforceDeny), Ledger: ledger}
				if text, err := spending.Over(book, []spending.Running{runs}, change("a", "0", "700"), today); err != nil || !strings.HasSuffix(text, "big in prod: it will not be let in") {
					t.Errorf("who makes it is told %q, %v", text, err)
				}
			})
		}
	}
}

// TestALimitThatLiesAheadCounts has one over a year from tomorrow on.
func TestALimitThatLiesAheadCounts(t *testing.T) {
	t.Parallel()
	limit := func(from, until forecast.Day) spending.Limit {
		limit, err := spending.OfTeam("shop", &platformv1alpha1.SpendingLimit{Name: "ahead", Amount: "100", Currency: "USD", Period: platformv1alpha1.SpendingPeriod{
			Type: platformv1alpha1.PeriodCustom, From: from.String(), Until: until.String(),
		}}, nil, today)
		if err != nil {
			t.Fatal(err)
		}
		return limit
	}
	for name, ledger := range map[string]spending.Ledger{"no history": {}, "bills": each("0.01", 60, 2)} {
		book := spending.Book{Limit: limit(today+1, today+365), Ledger: ledger}
		v, _, err := spending.Admit([]spending.Book{book}, nil, nil, change("a", "0", "73000"), now)
		if err != nil || v.Decision != spending.Deny {
			t.Errorf("%s: %+v, %v", name, v, err)
		}
		if text, err := spending.Over(book, nil, change("a", "0", "73000"), today); err != nil || text == "" {
			t.Errorf("%s: nobody is told before: %v", name, err)
		}
		if v, _, err = spending.Admit([]spending.Book{book}, nil, nil, change("a", "0", "7.30"), now); err != nil || v.Decision != spending.Allow {
			t.Errorf("%s: what fits: %+v, %v", name, v, err)
		}
	}
	over := spending.Book{Limit: limit(today-10, today-1)}
	if v, _, err := spending.Admit([]spending.Book{over}, nil, nil, change("a", "0", "73000"), now); err != nil || v.Decision != spending.Allow {
		t.Errorf("one that is over: %+v, %v", v, err)
	}
}
