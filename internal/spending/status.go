package spending

import (
	"time"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/internal/estimate"
	"github.com/towpath-dev/towpath/internal/forecast"
	"github.com/towpath-dev/towpath/internal/notify"
)

// ForecastStatus is the forecast as status keeps it; nil where nothing is known.
func ForecastStatus(f *Figures) *platformv1alpha1.SpendingForecast {
	if f.Unknown() {
		return nil
	}
	s := &platformv1alpha1.SpendingForecast{Amount: estimate.Amount(f.Expected), Basis: f.Basis, Note: condition.Clip(f.Note, 1024)}
	if f.HasInterval {
		s.Low, s.High = estimate.Amount(f.Low), estimate.Amount(f.High)
	}
	if !f.Added.IsZero() {
		s.Added = estimate.Amount(f.Added)
	}
	if !f.Reserved.IsZero() {
		s.Reserved = estimate.Amount(f.Reserved)
	}
	return s
}

// Unknown says that nothing is known that could be forecast from: no day, and nothing that runs.
func (f *Figures) Unknown() bool {
	return !f.Outlook.HasTotal() && f.Added.IsZero() && f.Reserved.IsZero() && f.Outlook.Spent.IsZero()
}

// ObserveAll says how figures stand to thresholds, and how the period before does, where it is lately over. That is left out for what was
// made since: who sets up a limit need not hear of what was before.
func ObserveAll(f *Figures, ledger Ledger, thresholds []Threshold, subject Subject, made time.Time, today forecast.Day) ([]notify.Observation, error) {
	if f.Unknown() {
		return nil, nil
	}
	all, err := Observe(f, thresholds, subject)
	if err != nil {
		return nil, err
	}
	before, ok := Closing(&f.Limit, today)
	if !ok || forecast.DayOf(made) >= before.Until {
		return all, nil
	}
	limit := f.Limit
	limit.Period = before
	closing, err := Reckon(limit, ledger, nil, nil, nil, today)
	if err != nil {
		return nil, err
	}
	var actual []Threshold
	for _, t := range thresholds {
		if t.Basis == platformv1alpha1.BasisActual {
			actual = append(actual, t)
		}
	}
	late, err := Observe(&closing, actual, subject)
	return append(all, late...), err
}
