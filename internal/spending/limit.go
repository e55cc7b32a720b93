package spending

import (
	"fmt"
	"slices"
	"time"

	"github.com/shopspring/decimal"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/cost"
	"github.com/towpath-dev/towpath/internal/estimate"
	"github.com/towpath-dev/towpath/internal/forecast"
)

// Place is where something runs.
type Place struct{ Component, Environment string }

// String is the place as messages name it.
func (p Place) String() string { return p.Component + " in " + p.Environment }

// Scope is what a limit is about. A list that is nil selects all, and one without entries nothing.
type Scope struct{ Environments, Components, Services []string }

// Holds says whether what runs at a place is in the scope. Of one by services nobody knows.
func (s Scope) Holds(p Place) bool {
	return s.Services == nil && within(s.Environments, p.Environment) && within(s.Components, p.Component)
}

// Empty says that nothing can be in it.
func (s Scope) Empty() bool {
	return s.Environments != nil && len(s.Environments) == 0 || s.Components != nil && len(s.Components) == 0
}

// Whole says that everything of the team is in it.
func (s Scope) Whole() bool {
	return s.Environments == nil && s.Components == nil && s.Services == nil
}

func within(names []string, name string) bool {
	return names == nil || slices.Contains(names, name)
}

// Limit is a limit with the period that it is in.
type Limit struct {
	// Title is how messages call it, such as team shop's limit monthly.
	Title string
	// Raise is what to do where it is too low.
	Raise string
	// Name tells it from the other limits of its kind.
	Name     string
	Amount   decimal.Decimal
	Currency string
	Type     platformv1alpha1.PeriodType
	Period   forecast.Period
	Scope    Scope
	// Enforcement says what becomes of a change that breaks it.
	Enforcement platformv1alpha1.Enforcement
}

// PeriodName is the period as messages, alerts and status name it: 2026-11, 2026-Q4, 2026, or 2026-11-16/2027-01-15.
func (l *Limit) PeriodName() string { return PeriodName(l.Type, l.Period) }

// Blocks says whether the limit may hold up a change.
func (l *Limit) Blocks() bool { return l.Enforcement != platformv1alpha1.EnforceAlert }

// ended says that the period is over. One that lies ahead counts already: what begins to run before it will run in it.
func (l *Limit) ended(today forecast.Day) bool { return l.Period.Until <= today }

// PeriodOf is the period of a limit on a day. A Custom one is the same on every day, also before and after it.
func PeriodOf(p platformv1alpha1.SpendingPeriod, today forecast.Day) (forecast.Period, error) {
	switch p.Type {
	case platformv1alpha1.PeriodQuarterly:
		return forecast.Quarter(today), nil
	case platformv1alpha1.PeriodYearly:
		return forecast.Year(today), nil
	case platformv1alpha1.PeriodCustom:
		from, err := dayOf(p.From)
		if err != nil {
			return forecast.Period{}, fmt.Errorf("period.from: %w", err)
		}
		until, err := dayOf(p.Until)
		if err != nil {
			return forecast.Period{}, fmt.Errorf("period.until: %w", err)
		}
		period := forecast.Period{From: from, Until: until + 1}
		if days := period.Days(); days == 0 || days > MostDays {
			return forecast.Period{}, fmt.Errorf("period.until: %s must be from the day of period.from, %s, to %d days later", p.Until, p.From, MostDays-1)
		}
		return period, nil
	default:
		return forecast.Month(today), nil
	}
}

// MostDays is how long a Custom period may be: a year, so that the history has all of it, and the days after it in which bills are
// corrected. Of a longer one the first days would be forgotten while it lasts, and what is spent would fall.
const MostDays = 366

// next is the limit for the period after its own; false for one that comes once.
func (l Limit) next() (Limit, bool, error) {
	if l.Type == platformv1alpha1.PeriodCustom {
		return l, false, nil
	}
	var err error
	l.Period, err = PeriodOf(platformv1alpha1.SpendingPeriod{Type: l.Type}, l.Period.Until)
	return l, true, err
}

func dayOf(text string) (forecast.Day, error) {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return 0, fmt.Errorf("%q must be a day of the calendar, such as 2026-11-16", text)
	}
	return forecast.DayOf(t), nil
}

// PeriodName names a period of a type.
func PeriodName(kind platformv1alpha1.PeriodType, p forecast.Period) string {
	from := p.From.Time()
	switch kind {
	case platformv1alpha1.PeriodQuarterly:
		return fmt.Sprintf("%d-Q%d", from.Year(), (int(from.Month())+2)/3)
	case platformv1alpha1.PeriodYearly:
		return from.Format("2006")
	case platformv1alpha1.PeriodCustom:
		return fmt.Sprintf("%s/%s", p.From, p.Until-1)
	default:
		return from.Format("2006-01")
	}
}

// limitOf reads the parts that all limits have.
func limitOf(amount platformv1alpha1.Amount, currency string, period platformv1alpha1.SpendingPeriod, enforcement platformv1alpha1.Enforcement, today forecast.Day) (Limit, error) {
	l := Limit{Currency: currency, Type: period.Type, Enforcement: enforcement}
	var err error
	if l.Amount, err = estimate.Decimal(amount); err != nil {
		return l, fmt.Errorf("amount: %w", err)
	}
	if !l.Amount.IsPositive() {
		return l, fmt.Errorf("amount: %s must be more than nothing", amount)
	}
	if err := cost.CheckCurrency(currency); err != nil {
		return l, err
	}
	l.Period, err = PeriodOf(period, today)
	return l, err
}

// OfTeam is a limit of a Team. Tiers of environments are those that the team has now, by name.
func OfTeam(team string, spec *platformv1alpha1.SpendingLimit, tiers map[string]platformv1alpha1.Tier, today forecast.Day) (Limit, error) {
	enforcement := spec.Enforcement
	if enforcement == "" {
		enforcement = platformv1alpha1.EnforceDeny
	}
	l, err := limitOf(spec.Amount, spec.Currency, spec.Period, enforcement, today)
	l.Name = spec.Name
	l.Title = fmt.Sprintf("team %s's limit %s", team, spec.Name)
	l.Raise = fmt.Sprintf("ask the platform team to raise spec.spending.limits[%s] of Team %s", spec.Name, team)
	l.Scope.Environments = slices.Clone(spec.Environments)
	if len(spec.Environments) == 0 {
		l.Scope.Environments = nil
	}
	if len(spec.Tiers) > 0 {
		names := []string{}
		for name, tier := range tiers {
			if slices.Contains(spec.Tiers, tier) && within(l.Scope.Environments, name) {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		l.Scope.Environments = names
	}
	return l, err
}

// OfBudget is the limit that a Budget is. Components are those that its selector selects now; they count only where it has one.
func OfBudget(b *platformv1alpha1.Budget, selected []string, today forecast.Day) (Limit, error) {
	enforcement := b.Spec.Enforcement
	if enforcement == "" {
		enforcement = platformv1alpha1.EnforceAlert
	}
	l, err := limitOf(b.Spec.Amount, b.Spec.Currency, b.Spec.Period, enforcement, today)
	l.Name = b.Name
	l.Title = fmt.Sprintf("Budget %s/%s", b.Namespace, b.Name)
	l.Raise = fmt.Sprintf("raise spec.amount of Budget %s in namespace %s", b.Name, b.Namespace)
	scope := &b.Spec.Scope
	if len(scope.Environments) > 0 {
		l.Scope.Environments = slices.Clone(scope.Environments)
	}
	if len(scope.Services) > 0 {
		l.Scope.Services = slices.Clone(scope.Services)
	}
	if len(scope.Components) > 0 || scope.ComponentSelector != nil {
		names := append(slices.Clone(scope.Components), selected...)
		slices.Sort(names)
		l.Scope.Components = append([]string{}, slices.Compact(names)...)
	}
	return l, err
}

// Money writes an amount as people of a currency do, such as 212.40 USD.
func Money(amount decimal.Decimal, currency string) string {
	return amount.StringFixed(cost.Digits(currency)) + " " + currency
}

// EstimatesSource is the source of the history that tells what Releases were estimated to cost while they ran.
const EstimatesSource = estimate.Source
