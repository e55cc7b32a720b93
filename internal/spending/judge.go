package spending

import (
	"fmt"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/estimate"
	"github.com/towpath-dev/towpath/internal/forecast"
)

// Change is a Release that is about to be made.
type Change struct {
	Place
	// Namespace and Release are those of the Release.
	Namespace, Release string
	Tier               platformv1alpha1.Tier
	// Back says that it brings back what ran before, or only takes over what runs: it is never held up.
	Back bool
	// Unknown says that the Release could not be estimated: no limit can let it in.
	Unknown bool
	// Before is what runs at the place now was estimated to cost a month, nothing where nothing runs, and After what the Release is, both
	// in Currency. Where there is no estimate, Currency is empty, and the change passes: nobody can say that it raises anything.
	Before, After decimal.Decimal
	Currency      string
	// ApprovedBy is who approved it in spite of its cost; empty for nobody. It opens what asks for an approval.
	ApprovedBy string
	// BreakGlassBy is who let it in against all limits; empty for nobody.
	BreakGlassBy string
}

// Raises is what the change adds a month; negative where it lowers.
func (c *Change) Raises() decimal.Decimal { return c.After.Sub(c.Before) }

// Free says that no limit has a say in the change.
func (c *Change) Free() bool {
	return c.Back || !c.Unknown && (c.Currency == "" || !c.Raises().IsPositive())
}

// Decision is what becomes of a change.
type Decision string

// The decisions, from the mildest.
const (
	Allow           Decision = "Allow"
	RequireApproval Decision = "RequireApproval"
	Deny            Decision = "Deny"
)

// Verdict is what the limits say of a change.
type Verdict struct {
	Decision Decision
	// Message says why, in whole sentences, with the next step. Empty where the change just passes.
	Message string
	// Limits are the titles of the limits that it breaks, also where somebody let it in.
	Limits []string
	// LetInBy is who let it in in spite of these.
	LetInBy string
}

// Judge says what becomes of a change, by the figures of all limits without it. The strictest of those that it breaks decides, and
// each is named.
func Judge(figures []Figures, change Change, today forecast.Day) Verdict {
	v := Verdict{Decision: Allow}
	if change.Free() {
		return v
	}
	var why []string
	for i := range figures {
		f := &figures[i]
		if !f.Limit.Blocks() || !f.Limit.Scope.Holds(change.Place) || f.Limit.ended(today) {
			continue
		}
		reason := f.breaks(&change, today)
		if reason == "" {
			continue
		}
		decision := RequireApproval
		if f.Limit.Enforcement == platformv1alpha1.EnforceDeny {
			decision = Deny
		}
		if v.Decision != Deny {
			v.Decision = decision
		}
		v.Limits = append(v.Limits, f.Limit.Title)
		why = append(why, reason)
	}
	if v.Decision == Allow {
		return v
	}
	v.Message = strings.Join(why, " ")
	if !change.Unknown {
		v.Message = fmt.Sprintf("%s adds %s a month. %s", change.Place, Money(change.Raises(), change.Currency), v.Message)
	}
	switch {
	case change.BreakGlassBy != "":
		v.Decision, v.LetInBy = Allow, change.BreakGlassBy
		v.Message += " " + change.BreakGlassBy + " let it in all the same."
	case v.Decision == RequireApproval && change.ApprovedBy != "":
		v.Decision, v.LetInBy = Allow, change.ApprovedBy
		v.Message += " " + change.ApprovedBy + " approved it."
	}
	return v
}

// breaks says how a change breaks a limit; nothing where it does not.
func (f *Figures) breaks(change *Change, today forecast.Day) string {
	l := &f.Limit
	waits := "It waits for an approval"
	if l.Enforcement == platformv1alpha1.EnforceDeny {
		waits = "It is not let in"
	}
	if change.Unknown {
		return fmt.Sprintf("What %s costs cannot be estimated, so nobody can say that %s holds. %s: correct the quantity that cannot be read or is too large; towpath cost -f with the Component's file names it, and so does the manager's log.",
			change.Place, l.Title, waits)
	}
	if change.Currency != l.Currency {
		return fmt.Sprintf("%s is in %s and estimates are in %s, so nobody can say that it holds: nothing is converted. %s. Ask the platform team to give prices and limits in one currency.",
			Sentence(l.Title), l.Currency, change.Currency, waits)
	}
	with := f.Expected.Add(f.more(change, today))
	if with.LessThanOrEqual(l.Amount) {
		if len(f.Uncounted) == 0 {
			return ""
		}
		return fmt.Sprintf("%s. %s: release these anew first, by a change that adds no cost such as another image, which estimates them.",
			f.uncounted(), waits)
	}
	interval := ""
	if f.HasInterval {
		interval = fmt.Sprintf(" (80 %% interval %s to %s)", Money(f.Low, l.Currency), Money(f.High, l.Currency))
	}
	next := ""
	if l.Type != platformv1alpha1.PeriodCustom {
		next = fmt.Sprintf(", wait for %s when the next period begins", day(l.Period.Until))
	}
	return fmt.Sprintf("%s is %s for %s, and the forecast is %s without it%s, and %s with it. %s: lower replicas or requests%s, or %s.",
		Sentence(l.Title), Money(l.Amount, l.Currency), l.PeriodName(), Money(f.Expected, l.Currency), interval, Money(with, l.Currency), waits, next, l.Raise)
}

// Over says by how much a change would bring the forecast over a limit, whatever that does about it: in the period that runs, or else in
// the next. Nothing where it holds, and where it is over or in another currency.
func Over(book Book, running []Running, change Change, today forecast.Day) (string, error) {
	if book.Limit.ended(today) || book.Limit.Currency != change.Currency {
		return "", nil
	}
	f, err := Reckon(book.Limit, book.Ledger, running, nil, &change, today)
	if err != nil {
		return "", err
	}
	if text := f.over(&change, today); text != "" {
		return text, nil
	}
	next, ok, err := book.Limit.next()
	if err != nil || !ok {
		return "", err
	}
	if f, err = Reckon(next, book.Ledger, running, nil, &change, today); err != nil {
		return "", err
	}
	return f.over(&change, next.Period.From), nil
}

func (f *Figures) over(change *Change, today forecast.Day) string {
	l := &f.Limit
	with := f.Expected.Add(f.more(change, today))
	follows := ""
	switch l.Enforcement {
	case platformv1alpha1.EnforceDeny:
		follows = ": it will not be let in"
	case platformv1alpha1.EnforceApproval:
		follows = ": it will wait for an approval"
	}
	if with.LessThanOrEqual(l.Amount) {
		if len(f.Uncounted) == 0 {
			return ""
		}
		return f.uncounted() + follows
	}
	percent := with.Sub(l.Amount).Mul(decimal.NewFromInt(100)).DivRound(l.Amount, 0)
	return fmt.Sprintf("%s is %s for %s, and the forecast with it is %s, %s %% over%s",
		l.Title, Money(l.Amount, l.Currency), l.PeriodName(), Money(with, l.Currency), percent, follows)
}

// uncounted says why nobody can say that the limit holds.
func (f *Figures) uncounted() string {
	return fmt.Sprintf("There is no estimate in %s of what runs or is to run at these places, so nobody can say that %s holds: %s",
		f.Limit.Currency, f.Limit.Title, shown(f.Uncounted))
}

// more is what a change adds in the rest of the period, from today on.
func (f *Figures) more(change *Change, today forecast.Day) decimal.Decimal {
	left := max(0, f.Limit.Period.Until-max(today, f.Limit.Period.From))
	return PerDay(change.Raises()).Mul(decimal.NewFromInt(int64(left)))
}

// day is a day as sentences name it, such as 1 December 2026.
func day(d forecast.Day) string { return d.Time().Format("2 January 2006") }

// Sentence is a text as the begin of a sentence.
func Sentence(text string) string {
	if text == "" {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// MostReservations is how many Releases may be in the making at once in a team.
const MostReservations = 64

// ReservedFor is for how long room is kept for a Release that does not come.
const ReservedFor = 10 * time.Minute

// Reservation keeps room for a Release that was admitted and is being made.
type Reservation struct {
	Place
	Namespace, Release string
	Tier               platformv1alpha1.Tier
	// Monthly is what it adds a month, in Currency.
	Monthly  decimal.Decimal
	Currency string
	At       time.Time
}

// Settle drops the reservations whose Release is there and was let in, since its estimate counts then, and those that are too old: their Release was
// not made. exists is asked with namespace and name.
func Settle(reserved []Reservation, exists func(namespace, release string) bool, now time.Time) []Reservation {
	var kept []Reservation
	for _, r := range reserved {
		if !exists(r.Namespace, r.Release) && now.Sub(r.At) < ReservedFor {
			kept = append(kept, r)
		}
	}
	return kept
}

// Reserve keeps room for a change, in place of what was kept for its place before. It fails where too many are kept already.
func Reserve(reserved []Reservation, change Change, now time.Time) ([]Reservation, error) {
	var kept []Reservation
	for _, r := range reserved {
		if r.Namespace != change.Namespace || r.Place != change.Place {
			kept = append(kept, r)
		}
	}
	if len(kept) >= MostReservations {
		return reserved, fmt.Errorf("%d Releases of the team are being made at once: %s waits until some of them are there", len(kept), change.Place)
	}
	return append(kept, Reservation{
		Place: change.Place, Namespace: change.Namespace, Release: change.Release, Tier: change.Tier,
		Monthly: change.Raises().Round(estimate.Places), Currency: change.Currency, At: now.UTC().Truncate(time.Second),
	}), nil
}

// Book is a limit with what is recorded of its days.
type Book struct {
	Limit  Limit
	Ledger Ledger
}

// Admit judges a change by all limits, and where it passes returns the reservations with its own. They must be written before the Release is
// made, in place of the very ones that were given: who writes second must ask again.
func Admit(books []Book, running []Running, reserved []Reservation, change Change, now time.Time) (Verdict, []Reservation, error) {
	today := forecast.DayOf(now)
	if change.Free() {
		return Verdict{Decision: Allow}, reserved, nil
	}
	exists := map[string]bool{}
	for _, r := range running {
		exists[change.Namespace+"/"+r.Release] = true
	}
	settled := Settle(reserved, func(namespace, release string) bool { return exists[namespace+"/"+release] }, now)
	var figures []Figures
	for _, b := range books {
		f, err := Reckon(b.Limit, b.Ledger, running, settled, &change, today)
		if err != nil {
			return Verdict{}, reserved, err
		}
		figures = append(figures, f)
	}
	v := Judge(figures, change, today)
	if v.Decision == Allow && v.LetInBy == "" {
		// Near the end of a period a raise of any size fits into what is left of it.
		var err error
		if v, err = judgeNext(books, running, settled, change, today); err != nil {
			return Verdict{}, reserved, err
		}
	}
	if change.Unknown {
		return v, reserved, nil // nobody knows how much room to keep
	}
	if v.Decision != Allow || exists[change.Namespace+"/"+change.Release] {
		return v, reserved, nil
	}
	for _, r := range settled {
		if r.Namespace == change.Namespace && r.Release == change.Release && r.Monthly.Equal(change.Raises().Round(estimate.Places)) && r.Currency == change.Currency {
			return v, reserved, nil // kept in a pass before
		}
	}
	next, err := Reserve(settled, change, now)
	return v, next, err
}

// judgeNext judges a change by the period after the one that runs, of the limits whose periods come again.
func judgeNext(books []Book, running []Running, reserved []Reservation, change Change, today forecast.Day) (Verdict, error) {
	var all Verdict
	for _, b := range books {
		next, ok, err := b.Limit.next()
		if err != nil {
			return Verdict{}, err
		}
		if !ok || !b.Limit.Blocks() || b.Limit.ended(today) {
			continue
		}
		f, err := Reckon(next, b.Ledger, running, reserved, &change, today)
		if err != nil {
			return Verdict{}, err
		}
		v := Judge([]Figures{f}, change, next.Period.From)
		if v.Message != "" && (all.Message == "" || v.Decision == Deny && all.Decision != Deny) {
			all = v
		}
	}
	if all.Decision == "" {
		all.Decision = Allow
	}
	return all, nil
}
