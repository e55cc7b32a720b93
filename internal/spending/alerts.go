package spending

import (
	"fmt"
	"time"

	"github.com/shopspring/decimal"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/internal/estimate"
	"github.com/towpath-dev/towpath/internal/forecast"
	"github.com/towpath-dev/towpath/internal/notify"
)

const (
	// Margin is by how many percent a figure must fall below its threshold for the alert to be taken back.
	Margin = 5
	// late is for how many days after its end a period is still watched: its last days are billed later.
	late = 7
	// young is how old an anomaly may be when it is told first: who sets up a Budget need not hear of months ago.
	young = 14
)

// Threshold is a line whose crossing is told.
type Threshold struct {
	// Shown is the threshold as alerts name it. The limit stands in it, so that one that was raised alerts again.
	Shown  string
	Amount decimal.Decimal
	Basis  platformv1alpha1.ThresholdBasis
}

// percent is a threshold of so many percent of a limit.
func percent(l *Limit, of int64, basis platformv1alpha1.ThresholdBasis) Threshold {
	return Threshold{
		Shown:  fmt.Sprintf("%d%% of %s %s", of, l.Amount, l.Currency),
		Amount: l.Amount.Mul(decimal.NewFromInt(of)).Div(decimal.NewFromInt(100)), Basis: basis,
	}
}

// TeamThresholds are those of a limit of a Team.
func TeamThresholds(l *Limit) []Threshold {
	return []Threshold{
		percent(l, 80, platformv1alpha1.BasisActual), percent(l, 100, platformv1alpha1.BasisActual), percent(l, 100, platformv1alpha1.BasisForecast),
	}
}

// BudgetThresholds are those of a Budget, or the default ones.
func BudgetThresholds(b *platformv1alpha1.Budget, l *Limit) ([]Threshold, error) {
	if len(b.Spec.Thresholds) == 0 {
		return append([]Threshold{percent(l, 50, platformv1alpha1.BasisActual)}, TeamThresholds(l)...), nil
	}
	var all []Threshold
	for i := range b.Spec.Thresholds {
		spec := &b.Spec.Thresholds[i]
		basis := spec.Basis
		if basis == "" {
			basis = platformv1alpha1.BasisActual
		}
		if spec.Amount == "" {
			all = append(all, percent(l, int64(spec.Percent), basis))
			continue
		}
		amount, err := estimate.Decimal(spec.Amount)
		if err != nil {
			return nil, fmt.Errorf("spec.thresholds[%s].amount: %w", spec.Name, err)
		}
		all = append(all, Threshold{Shown: fmt.Sprintf("%s %s", amount, l.Currency), Amount: amount, Basis: basis})
	}
	return all, nil
}

// Subject is whose alerts they are.
type Subject struct {
	// UID is that of the Budget; of a limit of a Team, its UID with the name of the limit.
	UID, Team, Namespace, Name string
	Labels                     map[string]string
}

// Observe says how figures stand to thresholds.
func Observe(f *Figures, thresholds []Threshold, subject Subject) ([]notify.Observation, error) {
	var all []notify.Observation
	for _, t := range thresholds {
		amount := f.Spent()
		if t.Basis == platformv1alpha1.BasisForecast {
			amount = f.Expected
		}
		level, err := notify.LevelOf(plain(amount), plain(t.Amount), Margin)
		if err != nil {
			return nil, err
		}
		all = append(all, notify.Observation{Level: level, Alert: f.alert(&t, level, subject)})
	}
	return all, nil
}

// plain is an amount as alerts are compared.
func plain(amount decimal.Decimal) string { return amount.Round(estimate.Places).String() }

func (f *Figures) alert(t *Threshold, level notify.Level, subject Subject) notify.Alert {
	l := &f.Limit
	a := notify.Alert{
		Key:      notify.Key{UID: subject.UID, Period: l.PeriodName(), Threshold: t.Shown, Basis: notify.Basis(t.Basis)},
		Severity: notify.Warning, Team: subject.Team, Namespace: subject.Namespace, Name: subject.Name,
		Spent: plain(f.Spent()), Limit: plain(l.Amount), Currency: l.Currency, EndsAt: l.Period.Until.Time(), Labels: subject.Labels,
	}
	if f.Basis != platformv1alpha1.ForecastOver {
		a.Forecast = plain(f.Expected)
	}
	what := "the forecast of"
	if t.Basis == platformv1alpha1.BasisActual {
		what = "what is spent of"
		switch {
		case t.Amount.GreaterThanOrEqual(l.Amount):
			a.Severity = notify.Critical
		case t.Amount.Mul(decimal.NewFromInt(2)).LessThanOrEqual(l.Amount):
			a.Severity = notify.Info
		}
	}
	verb := "has reached"
	if level != notify.Over {
		verb = "is below"
	}
	a.Title = condition.Clip(fmt.Sprintf("%s %s %s %s in %s", Sentence(what), l.Title, verb, t.Shown, l.PeriodName()), 256)
	a.Text = condition.Clip(fmt.Sprintf("%s %s", origin(f.Source), f.Note), 512)
	return a
}

// origin says what figures are from.
func origin(source platformv1alpha1.CostOrigin) string {
	switch source {
	case platformv1alpha1.CostFromBills:
		return "From bills."
	case platformv1alpha1.CostFromEstimates:
		return "From estimates of what runs, since no bill is read."
	default:
		return "Nothing is recorded yet."
	}
}

// Closing is the period before the one of a day, where it is so lately over that its last days may still come in; false where it is not.
// A Custom period has none before it, and is watched by itself.
func Closing(l *Limit, today forecast.Day) (forecast.Period, bool) {
	if l.Type == platformv1alpha1.PeriodCustom || today-l.Period.From >= late {
		return forecast.Period{}, false
	}
	before, err := PeriodOf(platformv1alpha1.SpendingPeriod{Type: l.Type}, l.Period.From-1)
	return before, err == nil
}

// ObserveAnomalies tells those that began lately.
func ObserveAnomalies(anomalies []platformv1alpha1.CostAnomaly, l *Limit, subject Subject, today forecast.Day) []notify.Observation {
	var all []notify.Observation
	for i := range anomalies {
		a := &anomalies[i]
		from, err := dayOf(a.From)
		if err != nil || today-from > young {
			continue
		}
		all = append(all, notify.Observation{Level: notify.Over, Alert: notify.Alert{
			Key:      notify.Key{UID: subject.UID, Period: a.From, Threshold: "cost of " + l.Title, Basis: notify.Anomaly},
			Severity: notify.Warning, Team: subject.Team, Namespace: subject.Namespace, Name: subject.Name,
			Title: condition.Clip(fmt.Sprintf("%s since %s: %s in place of %s", a.Kind, a.From, moneyOf(a.Actual, l.Currency), moneyOf(a.Expected, l.Currency)), 256),
			Text:  condition.Clip(a.Cause, 512), Currency: l.Currency, EndsAt: (from + young + 1).Time(), Labels: subject.Labels,
		}})
	}
	return all
}

// moneyOf is an amount of a status as people read it.
func moneyOf(amount platformv1alpha1.Amount, currency string) string {
	value, err := estimate.Decimal(amount)
	if err != nil {
		return string(amount) + " " + currency
	}
	return Money(value, currency)
}

// Withdrawn takes back alerts of thresholds that are there no more: another amount was set, or they were removed. Of the subject it takes
// what all alerts of one object have in common: a receiver knows by these which alert ends.
func Withdrawn(fired []notify.Fired, observed []notify.Observation, subject Subject, now time.Time) []notify.Observation {
	seen := map[notify.Key]bool{}
	for i := range observed {
		seen[observed[i].Alert.Key] = true
	}
	var all []notify.Observation
	for i := range fired {
		f := &fired[i]
		if !f.Over || seen[f.Key] || f.Basis == notify.Anomaly || !now.Before(f.Until) {
			continue
		}
		all = append(all, notify.Observation{Level: notify.Under, Alert: notify.Alert{
			Key: f.Key, Severity: f.Severity, Team: subject.Team, Namespace: subject.Namespace, Name: subject.Name, EndsAt: f.Until,
			Title: condition.Clip("The threshold "+f.Threshold+" is there no more", 256),
		}})
	}
	return all
}
