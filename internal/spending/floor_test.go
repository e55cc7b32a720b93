package spending_test

import (
	"strings"
	"testing"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/forecast"
	"github.com/towpath-dev/towpath/internal/spending"
)

// TestAWeakBillOpensNoLimitThatBlocks has a team whose Component costs 730 a month, 24 a day, since the first of November, and bills that tell
// less of it. The month costs 720, whatever they say.
func TestAWeakBillOpensNoLimitThatBlocks(t *testing.T) {
	t.Parallel()
	runs := running("a", 1, "730", today-15)
	estimated := each("24", 15, 1).Points
	untagged := each("24", 7, 9) // the first seven days of the month, and then nothing
	for day := today - 8; day < today-1; day++ {
		untagged.Points = append(untagged.Points, forecast.Point{Day: day})
	}
	for name, tc := range map[string]struct {
		ledger   spending.Ledger
		expected string
		by       platformv1alpha1.ForecastBasis
	}{
		"the tags were taken off":       {untagged, "720", platformv1alpha1.ForecastFromEstimates},
		"the bill lags by ten days":     {each("20", 5, 11), "720", platformv1alpha1.ForecastFromEstimates},
		"it tells of a bucket alone":    {each("1", 60, 2), "720", platformv1alpha1.ForecastFromEstimates},
		"it tells of more":              {each("30", 60, 2), "900", platformv1alpha1.ForecastFromBacktest},
		"it tells of all":               {each("24", 60, 2), "720", platformv1alpha1.ForecastFromBacktest},
		"the whole team is paid back":   {each("-24", 60, 2), "720", platformv1alpha1.ForecastFromEstimates},
		"a part of each day is missing": {each("23", 60, 2), "720", platformv1alpha1.ForecastFromEstimates},
	} {
		t.Run(name, func(t *testing.T) {
			tc.ledger.Estimated = estimated
			for _, enforcement := range []platformv1alpha1.Enforcement{platformv1alpha1.EnforceApproval, platformv1alpha1.EnforceDeny} {
				f := reckon(t, monthly("730", enforcement), tc.ledger, runs)
				if !f.Expected.Round(2).Equal(money(tc.expected)) || f.Basis != tc.by {
					t.Errorf("%s: expected %s by %s, want %s by %s: %s", enforcement, f.Expected, f.Basis, tc.expected, tc.by, f.Note)
				}
				if f.HasInterval == (tc.by == platformv1alpha1.ForecastFromEstimates) || strings.Contains(f.Note, "bills expect") == f.HasInterval {
					t.Errorf("%s: it does not say by what it is: %+v", enforcement, f)
				}
			}
		})
	}
	untagged.Estimated = estimated
	books := []spending.Book{{Limit: monthly("730", platformv1alpha1.EnforceDeny), Ledger: untagged}}
	v, _, err := spending.Admit(books, []spending.Running{runs}, nil, change("b", "0", "73"), now)
	if err != nil || v.Decision != spending.Deny || !strings.Contains(v.Message, "the forecast is 720.00 USD without it, and 756.00 USD with it") {
		t.Errorf("who takes the tags off is let through: %+v, %v", v, err)
	}
	if f := reckon(t, monthly("730", platformv1alpha1.EnforceAlert), untagged, runs); f.Basis == platformv1alpha1.ForecastFromEstimates {
		t.Errorf("what holds nothing up is by bills: %+v", f)
	}
}

// TestTheFloorCountsWhatWasReserved has room kept for a Release that is not there yet, and one that costs less take the place of another.
func TestTheFloorCountsWhatWasReservedAndWhatWasLowered(t *testing.T) {
	t.Parallel()
	ledger := each("1", 60, 2)
	ledger.Estimated = each("24", 15, 1).Points
	kept, err := spending.Reserve(nil, change("b", "0", "73"), now)
	if err != nil {
		t.Fatal(err)
	}
	runs := []spending.Running{running("a", 1, "730", today-15), running("a", 2, "365", today)}
	f, err := spending.Reckon(monthly("730", platformv1alpha1.EnforceDeny), ledger, runs, kept, nil, today)
	// 15 days of 24 were, and 15 days of 12 and 2.40 are to come.
	if err != nil || !f.Expected.Round(2).Equal(money("576")) {
		t.Errorf("expected %s, want 576: %v", f.Expected, err)
	}
}
