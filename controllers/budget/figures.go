package budget

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/shopspring/decimal"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/internal/estimate"
	"github.com/towpath-dev/towpath/internal/forecast"
	"github.com/towpath-dev/towpath/internal/history"
	"github.com/towpath-dev/towpath/internal/notify"
	limits "github.com/towpath-dev/towpath/internal/spending"
)

const (
	// mostPoints, mostShares, mostChanges, mostAnomalies and mostCurrencies are how many of each the status holds.
	mostPoints, mostShares, mostChanges, mostAnomalies, mostCurrencies = 35, 20, 20, 10, 8
	// changesFor and anomaliesFor are for how many days back these are told.
	changesFor, anomaliesFor = 90, 35
	// leastPercent is by how much a day must differ to be told, and also by a tenth of what the Budget allows a day.
	leastPercent = 25
)

// mostOfADay is more than a day costs.
var mostOfADay = decimal.New(1, 14)

// describe puts the figures into the status.
func (r *Reconciler) describe(ctx context.Context, s *scope) error {
	status, f := &s.budget.Status, &s.figures
	status.Period, status.Source, status.Spent = s.limit.PeriodName(), f.Source, estimate.Amount(f.Spent())
	status.SpentPercent = percentOf(f.Spent(), s.limit.Amount)
	status.ProvisionalPercent = 0
	if f.Outlook.Provisional.IsPositive() && f.Spent().IsPositive() {
		status.ProvisionalPercent = min(100, int32(f.Outlook.Provisional.Mul(hundred).Div(f.Spent()).Ceil().IntPart())) //nolint:gosec // bounded
	}
	status.Forecast = limits.ForecastStatus(f)
	status.BurnRate = ""
	rate, known, err := forecast.BurnRate(s.ledger.Points, s.today)
	if err != nil {
		return err
	}
	if known {
		status.BurnRate = estimate.Amount(rate)
	}
	s.exhaustion()
	status.Daily = daily(s.ledger.Points, s.limit.Period)
	if err := r.shares(ctx, s); err != nil {
		return err
	}
	return r.explain(ctx, s)
}

var hundred = decimal.NewFromInt(100)

// percentOf is a part as a percentage, rounded down.
func percentOf(part, whole decimal.Decimal) int32 {
	percent := part.Mul(hundred).Div(whole).Floor()
	most := decimal.NewFromInt(9999)
	return int32(decimal.Min(most, decimal.Max(most.Neg(), percent)).IntPart()) //nolint:gosec // bounded
}

// exhaustion says when the amount is spent. What Releases add counts from today on, spread evenly.
func (s *scope) exhaustion() {
	status, f := &s.budget.Status, &s.figures
	status.ExhaustedOn, status.DaysUntilExhausted = "", nil
	more := f.Expected.Sub(f.Outlook.Total)
	if !f.Outlook.HasTotal() {
		more = f.Expected.Sub(f.Spent())
	}
	left := max(1, int64(s.limit.Period.Until-max(s.today, s.limit.Period.From)))
	o := f.Outlook
	if o.HasTotal() {
		o = o.Raised(more.DivRound(decimal.NewFromInt(left), estimate.Places), s.today)
	}
	day, ok := o.Exhausted(s.limit.Amount)
	if !ok {
		return
	}
	if day == s.today && f.Spent().GreaterThanOrEqual(s.limit.Amount) {
		day = s.reached()
	}
	days := int32(max(0, day-s.today)) //nolint:gosec // within a period
	status.ExhaustedOn, status.DaysUntilExhausted = day.String(), &days
}

// reached is the day on which the amount was spent.
func (s *scope) reached() forecast.Day {
	sum := decimal.Zero
	for i := range s.ledger.Points {
		p := &s.ledger.Points[i]
		if !s.limit.Period.Holds(p.Day) {
			continue
		}
		if sum = sum.Add(p.Total()); sum.GreaterThanOrEqual(s.limit.Amount) {
			return p.Day
		}
	}
	return s.today
}

// daily are the days of a period, or of a long one its weeks.
func daily(points []forecast.Point, period forecast.Period) []platformv1alpha1.CostPoint {
	step := forecast.Day(1)
	if period.Days() > mostPoints {
		step = 7
	}
	var out []platformv1alpha1.CostPoint
	var at forecast.Day
	var sum decimal.Decimal
	for i := range points {
		p := &points[i]
		if !period.Holds(p.Day) {
			continue
		}
		first := period.From + (p.Day-period.From)/step*step
		if len(out) == 0 || first != at {
			out = append(out, platformv1alpha1.CostPoint{Day: first.String(), State: platformv1alpha1.CostSettled})
			at, sum = first, decimal.Zero
		}
		last := &out[len(out)-1]
		sum = sum.Add(p.Total())
		last.Amount = estimate.Amount(sum)
		if p.Provisional {
			last.State = platformv1alpha1.CostProvisional
		}
	}
	return out[max(0, len(out)-mostPoints):]
}

// shares puts into the status what the parts cost.
func (r *Reconciler) shares(ctx context.Context, s *scope) error {
	status := &s.budget.Status
	status.ByEnvironment, status.ByComponent, status.ByService, status.OtherCurrencies, status.CoveragePercent = nil, nil, nil, nil, nil
	if len(s.sources.Names) == 0 {
		return nil
	}
	period := s.limit.Period
	for _, part := range []struct {
		by   history.Dimension
		into *[]platformv1alpha1.CostShare
	}{
		{history.ByEnvironment, &status.ByEnvironment}, {history.ByComponent, &status.ByComponent}, {history.ByService, &status.ByService},
	} {
		sums, err := r.Reader.Sums(ctx, s.team, s.sources, s.limit.Scope, period.From, min(period.Until, s.sources.Until(s.today)), s.today, part.by)
		if err != nil {
			return err
		}
		*part.into = shares(sums, part.by, s.limit.Currency)
		status.OtherCurrencies = others(sums, s.limit.Currency)
	}
	coverage, err := r.Reader.Coverage(ctx, s.sources, period.From, min(period.Until, s.sources.Until(s.today)), s.limit.Currency)
	if err != nil {
		return err
	}
	if share, ok := coverage.Share(); ok {
		percent := min(100, max(0, int32(share.Mul(hundred).Floor().IntPart()))) //nolint:gosec // bounded
		status.CoveragePercent = &percent
	}
	return nil
}

// nameOf is the part that a sum is of.
func nameOf(s *history.Sum, by history.Dimension) string {
	switch by {
	case history.ByEnvironment:
		return s.Environment
	case history.ByComponent:
		return s.Component
	default:
		return s.Service
	}
}

// shares are the dearest parts, and the others as one.
func shares(sums []history.Sum, by history.Dimension, currency string) []platformv1alpha1.CostShare {
	type part struct {
		name   string
		amount decimal.Decimal
	}
	var parts []part
	for i := range sums {
		if s := &sums[i]; s.Currency == currency {
			parts = append(parts, part{cmp.Or(nameOf(s, by), "(none)"), s.Effective})
		}
	}
	slices.SortStableFunc(parts, func(a, b part) int { return cmp.Or(b.amount.Cmp(a.amount), cmp.Compare(a.name, b.name)) })
	var out []platformv1alpha1.CostShare
	rest := decimal.Zero
	for i, p := range parts {
		if i >= mostShares {
			rest = rest.Add(p.amount)
			continue
		}
		out = append(out, platformv1alpha1.CostShare{Name: condition.Clip(p.name, 256), Amount: estimate.Amount(p.amount)})
	}
	if len(parts) > mostShares {
		out = append(out, platformv1alpha1.CostShare{Name: "(others)", Amount: estimate.Amount(rest)})
	}
	return out
}

// others are the amounts in other currencies.
func others(sums []history.Sum, currency string) []string {
	total := map[string]decimal.Decimal{}
	for i := range sums {
		if s := &sums[i]; s.Currency != currency {
			total[s.Currency] = total[s.Currency].Add(s.Effective)
		}
	}
	var out []string
	for code, amount := range total {
		out = append(out, string(estimate.Amount(amount))+" "+code)
	}
	slices.Sort(out)
	return out[:min(len(out), mostCurrencies)]
}

// explain puts into the status what Releases did to the daily cost, and what was out of the ordinary.
func (r *Reconciler) explain(ctx context.Context, s *scope) error {
	status := &s.budget.Status
	status.CostOfChange, status.Anomalies = nil, nil
	if len(s.ledger.Points) == 0 {
		return nil
	}
	ran, err := r.Reader.Ran(ctx, s.budget.Namespace)
	if err != nil {
		return err
	}
	ran = slices.DeleteFunc(ran, func(ran forecast.Release) bool {
		scope := s.limit.Scope
		scope.Services = nil
		return !scope.Holds(limits.Place{Component: ran.Component, Environment: ran.Environment})
	})
	day := s.limit.Amount.DivRound(decimal.NewFromInt(int64(s.limit.Period.Days())*10), estimate.Places)
	// By a Budget beyond all money nothing is out of the ordinary; what a day may differ by must still be an amount of money.
	least := forecast.Limits{Amount: decimal.Min(day, mostOfADay), Percent: leastPercent}
	changes, err := forecast.CostOfChange(s.ledger.Points, ran, s.today, least)
	if err != nil {
		return err
	}
	for _, c := range slices.Backward(changes) {
		if c.Day < s.today-changesFor || len(status.CostOfChange) == mostChanges {
			break
		}
		status.CostOfChange = append(status.CostOfChange, platformv1alpha1.CostChange{
			Day: c.Day.String(), Releases: named(c.Releases), Before: estimate.Amount(c.Before), After: estimate.Amount(c.After), Amount: estimate.Amount(c.Amount),
		})
	}
	return r.anomalies(ctx, s, ran, least)
}

func (r *Reconciler) anomalies(ctx context.Context, s *scope, ran []forecast.Release, least forecast.Limits) error {
	found, err := forecast.FindAnomalies(s.ledger.Points, s.today, least)
	if err != nil {
		return err
	}
	recent := slices.DeleteFunc(found.Found, func(a forecast.Anomaly) bool { return a.Until < s.today-anomaliesFor })
	if len(recent) == 0 {
		return nil
	}
	services, err := r.Reader.Parts(ctx, s.team, s.sources, s.limit.Scope, s.limit.Currency, s.today, history.ByService)
	if err != nil {
		return err
	}
	components, err := r.Reader.Parts(ctx, s.team, s.sources, s.limit.Scope, s.limit.Currency, s.today, history.ByComponent)
	if err != nil {
		return err
	}
	for _, a := range slices.Backward(recent) {
		if len(s.budget.Status.Anomalies) == mostAnomalies {
			break
		}
		s.budget.Status.Anomalies = append(s.budget.Status.Anomalies, platformv1alpha1.CostAnomaly{
			Kind: string(a.Kind), From: a.From.String(), Until: a.Until.String(), Expected: estimate.Amount(a.Expected), Actual: estimate.Amount(a.Actual),
			Cause: cause(forecast.NameCause(a, s.ledger.Points, services, components, ran)),
		})
	}
	return nil
}

// named are Releases as people look for them, at most eight.
func named(releases []forecast.Release) []string {
	var names []string
	for _, r := range releases[:min(len(releases), 8)] {
		names = append(names, fmt.Sprintf("%s in %s: %s", r.Component, r.Environment, r.Name))
	}
	return names
}

// cause says in a sentence what is likely behind an anomaly.
func cause(c forecast.Cause) string {
	var said []string
	if c.Service != "" {
		said = append(said, fmt.Sprintf("%d %% of it is service %s", c.ServicePercent, c.Service))
	}
	if c.Component != "" {
		said = append(said, fmt.Sprintf("%d %% of it is Component %s", c.ComponentPercent, c.Component))
	}
	if len(c.Releases) > 0 {
		said = append(said, "Releases of that time: "+strings.Join(named(c.Releases), ", "))
	}
	return condition.Clip(strings.Join(said, "; "), 1024)
}

// observe says what is to be told.
func (s *scope) observe(state notify.State) ([]notify.Observation, error) {
	b := s.budget
	thresholds, err := limits.BudgetThresholds(b, &s.limit)
	if err != nil {
		return nil, err
	}
	subject := limits.Subject{UID: string(b.UID), Team: s.team, Namespace: b.Namespace, Name: b.Name}
	seen, err := limits.ObserveAll(&s.figures, s.ledger, thresholds, subject, b.CreationTimestamp.Time, s.today)
	if err != nil {
		return nil, err
	}
	seen = append(seen, limits.ObserveAnomalies(b.Status.Anomalies, &s.limit, subject, s.today)...)
	return append(seen, limits.Withdrawn(state.Fired, seen, subject, s.now)...), nil
}

// within says whether the Budget holds, and will.
func (s *scope) within() {
	f, b := &s.figures, s.budget
	amount, currency := s.limit.Amount, s.limit.Currency
	set := func(kind string, status metav1.ConditionStatus, reason, message string) {
		condition.Set(&b.Status.Conditions, b.Generation, kind, status, reason, message)
	}
	spent := fmt.Sprintf("%s of %s are spent in %s.", limits.Money(f.Spent(), currency), limits.Money(amount, currency), s.limit.PeriodName())
	if f.Spent().GreaterThanOrEqual(amount) {
		set(platformv1alpha1.ConditionWithinBudget, metav1.ConditionFalse, platformv1alpha1.ReasonBudgetSpent, spent)
	} else {
		set(platformv1alpha1.ConditionWithinBudget, metav1.ConditionTrue, platformv1alpha1.ReasonWithinBudget, spent)
	}
	forecast := fmt.Sprintf("%s are expected in %s, of %s.", limits.Money(f.Expected, currency), s.limit.PeriodName(), limits.Money(amount, currency))
	switch {
	case f.Unknown():
		set(platformv1alpha1.ConditionForecastWithinBudget, metav1.ConditionUnknown, platformv1alpha1.ReasonForecastUnknown,
			"Nothing is recorded of any day, and nothing runs that has an estimate.")
	case f.Expected.GreaterThan(amount):
		set(platformv1alpha1.ConditionForecastWithinBudget, metav1.ConditionFalse, platformv1alpha1.ReasonForecastExceeded, forecast)
	default:
		set(platformv1alpha1.ConditionForecastWithinBudget, metav1.ConditionTrue, platformv1alpha1.ReasonWithinBudget, forecast)
	}
}

// summary is the message of Ready.
func (s *scope) summary() string {
	f := &s.figures
	currency := s.limit.Currency
	text := fmt.Sprintf("%s of %s are spent in %s", limits.Money(f.Spent(), currency), limits.Money(s.limit.Amount, currency), s.limit.PeriodName())
	if !f.Unknown() {
		text += fmt.Sprintf(", and %s are expected", limits.Money(f.Expected, currency))
	}
	switch f.Source {
	case platformv1alpha1.CostFromBills:
		text += ", by bills."
	case platformv1alpha1.CostFromEstimates:
		text += ", by estimates: no bill is read."
	default:
		text += "; nothing is recorded of any day yet."
	}
	if looser := s.looser(); looser != "" {
		text += " " + looser
	}
	if len(s.budget.Status.OtherCurrencies) > 0 {
		text += fmt.Sprintf(" Not counted, since nothing is converted: %s.", strings.Join(s.budget.Status.OtherCurrencies, ", "))
	}
	return text
}

// looser says by which limit of its Team the Budget is too wide to say anything; nothing where it is the stricter.
func (s *scope) looser() string {
	if s.owner == nil || s.owner.Spec.Spending == nil || !s.limit.Scope.Whole() {
		return ""
	}
	for i := range s.owner.Spec.Spending.Limits {
		spec := &s.owner.Spec.Spending.Limits[i]
		if len(spec.Environments) > 0 || len(spec.Tiers) > 0 || spec.Currency != s.limit.Currency {
			continue
		}
		limit, err := limits.OfTeam(s.owner.Name, spec, nil, s.today)
		if err == nil && limit.Period == s.limit.Period && limit.Amount.LessThan(s.limit.Amount) {
			return fmt.Sprintf("It is looser than team %s's limit %s of %s, which holds all the same: this Budget only informs.",
				s.owner.Name, spec.Name, limits.Money(limit.Amount, limit.Currency))
		}
	}
	return ""
}
