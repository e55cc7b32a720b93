package spending_test

import (
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/forecast"
	"github.com/towpath-dev/towpath/internal/history"
	"github.com/towpath-dev/towpath/internal/spending"
)

func TestPeriods(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		period              platformv1alpha1.SpendingPeriod
		shown, from, before string
		wrong               string
	}{
		"none":      {platformv1alpha1.SpendingPeriod{}, "2026-11", "2026-11-01", "2026-12-01", ""},
		"monthly":   {platformv1alpha1.SpendingPeriod{Type: platformv1alpha1.PeriodMonthly}, "2026-11", "2026-11-01", "2026-12-01", ""},
		"quarterly": {platformv1alpha1.SpendingPeriod{Type: platformv1alpha1.PeriodQuarterly}, "2026-Q4", "2026-10-01", "2027-01-01", ""},
		"yearly":    {platformv1alpha1.SpendingPeriod{Type: platformv1alpha1.PeriodYearly}, "2026", "2026-01-01", "2027-01-01", ""},
		"custom": {
			platformv1alpha1.SpendingPeriod{Type: platformv1alpha1.PeriodCustom, From: "2026-11-16", Until: "2027-01-15"},
			"2026-11-16/2027-01-15", "2026-11-16", "2027-01-16", "",
		},
		"a day that is none": {platformv1alpha1.SpendingPeriod{Type: platformv1alpha1.PeriodCustom, From: "2026-02-30", Until: "2026-03-01"}, "", "", "", "period.from"},
		"too long":           {platformv1alpha1.SpendingPeriod{Type: platformv1alpha1.PeriodCustom, From: "2020-01-01", Until: "2030-01-01"}, "", "", "", "365 days later"},
		"longer than the history": {
			platformv1alpha1.SpendingPeriod{Type: platformv1alpha1.PeriodCustom, From: "2026-01-01", Until: "2027-06-30"}, "", "", "", "365 days later",
		},
		"a leap year": {
			platformv1alpha1.SpendingPeriod{Type: platformv1alpha1.PeriodCustom, From: "2028-01-01", Until: "2028-12-31"},
			"2028-01-01/2028-12-31", "2028-01-01", "2029-01-01", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := spending.PeriodOf(tc.period, today)
			if tc.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), tc.wrong) {
					t.Errorf("it says %v, want %s", err, tc.wrong)
				}
				return
			}
			if err != nil || p.From.String() != tc.from || p.Until.String() != tc.before || spending.PeriodName(tc.period.Type, p) != tc.shown {
				t.Errorf("%v: %s until %s is %s", err, p.From, p.Until, spending.PeriodName(tc.period.Type, p))
			}
		})
	}
}

// TestTheHistoryHasAllOfAPeriod holds the longest period to what is kept: what is forgotten while it lasts would make room.
func TestTheHistoryHasAllOfAPeriod(t *testing.T) {
	t.Parallel()
	const corrected = 30
	if spending.MostDays+corrected > history.Keep {
		t.Errorf("a period of %d days is longer than the %d days that are kept", spending.MostDays, history.Keep)
	}
}

func TestWhatALimitIsAbout(t *testing.T) {
	t.Parallel()
	tiers := map[string]platformv1alpha1.Tier{"prod": platformv1alpha1.TierProduction, "eu": platformv1alpha1.TierProduction, "dev": platformv1alpha1.TierDevelopment}
	spec := platformv1alpha1.SpendingLimit{Name: "x", Amount: "1", Currency: "USD", Tiers: []platformv1alpha1.Tier{platformv1alpha1.TierProduction}}
	l, err := spending.OfTeam("shop", &spec, tiers, today)
	if err != nil || !slices.Equal(l.Scope.Environments, []string{"eu", "prod"}) || l.Enforcement != platformv1alpha1.EnforceDeny {
		t.Errorf("%v %+v", err, l)
	}
	spec.Environments = []string{"dev"}
	if l, _ = spending.OfTeam("shop", &spec, tiers, today); !l.Scope.Empty() || l.Scope.Holds(spending.Place{Component: "a", Environment: "dev"}) {
		t.Errorf("no environment is both, and the scope is %+v", l.Scope)
	}
	b := &platformv1alpha1.Budget{ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: "b"}, Spec: platformv1alpha1.BudgetSpec{
		Amount: "10", Currency: "USD", Scope: platformv1alpha1.BudgetScope{Components: []string{"b", "a"}, ComponentSelector: &metav1.LabelSelector{}},
	}}
	if l, err = spending.OfBudget(b, []string{"c", "a"}, today); err != nil || !slices.Equal(l.Scope.Components, []string{"a", "b", "c"}) || l.Blocks() {
		t.Errorf("%v %+v", err, l)
	}
	b.Spec.Scope = platformv1alpha1.BudgetScope{Services: []string{"db"}}
	if l, _ = spending.OfBudget(b, nil, today); l.Scope.Holds(spending.Place{Component: "a", Environment: "dev"}) {
		t.Error("a change is held against a service, which nobody knows")
	}
	for currency, amount := range map[string]platformv1alpha1.Amount{"XXX": "1", "USD": "0", "EUR": "-1"} {
		spec := platformv1alpha1.SpendingLimit{Name: "x", Amount: amount, Currency: currency}
		if _, err := spending.OfTeam("shop", &spec, nil, today); err == nil {
			t.Errorf("%s %s is taken", amount, currency)
		}
	}
}

func TestTheEndOfAPeriodIsWatchedForAWeek(t *testing.T) {
	t.Parallel()
	for day, want := range map[string]string{"2026-12-01": "2026-11", "2026-12-07": "2026-11", "2026-12-08": ""} {
		p, err := spending.PeriodOf(platformv1alpha1.SpendingPeriod{Type: platformv1alpha1.PeriodCustom, From: day, Until: day}, today)
		if err != nil {
			t.Fatal(err)
		}
		l := spending.Limit{Type: platformv1alpha1.PeriodMonthly, Period: forecast.Month(p.From)}
		before, ok := spending.Closing(&l, p.From)
		if ok != (want != "") || ok && spending.PeriodName(l.Type, before) != want {
			t.Errorf("on %s: %v %v", day, before, ok)
		}
	}
}
