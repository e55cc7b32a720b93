// Package spending holds teams to the limits on money that their Team sets: it says in its status how they stand, keeps room for
// Releases that are being made, and tells when a threshold is crossed. Package budget does the same for Budgets, by what is here.
package spending

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/estimate"
	"github.com/towpath-dev/towpath/internal/forecast"
	"github.com/towpath-dev/towpath/internal/history"
	"github.com/towpath-dev/towpath/internal/spending"
)

// ErrNoHistory says that the manager keeps no history of costs.
var ErrNoHistory = errors.New("the manager keeps no history of daily costs: ask the platform team to set history in its configuration")

// recent is for how many days back a bill shows that bills are read.
const recent = 35

// Reader reads what is known of a team's cost.
type Reader struct {
	// Reader reads Releases, Environments and Components, from a cache.
	client.Reader
	// Store is the history of daily costs; nil where none is kept.
	Store history.Store
}

// Sources are those of the history that count for a team, and what they are. Bills come before estimates, which are only looked at
// where there are none: the two tell the same money.
type Sources struct {
	Names  []string
	Origin platformv1alpha1.CostOrigin
}

// SourcesOf finds the sources of a team. What the history has of one without a CostSource, as it may where a database is shared or restored,
// nobody reads on or could turn off: it counts in reports no more than here.
func (r *Reader) SourcesOf(ctx context.Context, team string, today forecast.Day) (Sources, error) {
	none := Sources{Origin: platformv1alpha1.CostFromNothing}
	if r.Store == nil {
		return none, nil
	}
	sums, err := r.Store.Sum(ctx, history.Query{
		From: history.Day(today - recent), To: history.Day(today + 1), Teams: []string{team}, GroupBy: []history.Dimension{history.BySource}, At: today.Time(),
	})
	if err != nil {
		return none, fmt.Errorf("reading the history of costs: %w", err)
	}
	var known platformv1alpha1.CostSourceList
	if err := r.List(ctx, &known, client.UnsafeDisableDeepCopy); err != nil {
		return none, fmt.Errorf("listing CostSources: %w", err)
	}
	counted := map[string]bool{}
	for i := range known.Items {
		counted[known.Items[i].Name] = known.Items[i].Spec.TeamCosts != platformv1alpha1.TeamCostsInformative
	}
	bills, estimated := map[string]bool{}, false
	for i := range sums {
		switch name := sums[i].Source; {
		case name == spending.EstimatesSource:
			estimated = true
		case counted[name]:
			bills[name] = true
		}
	}
	switch {
	case len(bills) > 0:
		return Sources{slices.Sorted(maps.Keys(bills)), platformv1alpha1.CostFromBills}, nil
	case estimated:
		return Sources{[]string{spending.EstimatesSource}, platformv1alpha1.CostFromEstimates}, nil
	}
	return none, nil
}

// SourcesFor finds the sources of a team for a scope. Where bills tell nothing of it, such as those that know no environments, the
// estimates do: nothing would be spent there for ever.
func (r *Reader) SourcesFor(ctx context.Context, team string, scope spending.Scope, today forecast.Day) (Sources, error) {
	sources, err := r.SourcesOf(ctx, team, today)
	if err != nil || sources.Origin != platformv1alpha1.CostFromBills || scope.Whole() || scope.Empty() || scope.Services != nil {
		return sources, err
	}
	estimates := Sources{[]string{spending.EstimatesSource}, platformv1alpha1.CostFromEstimates}
	for _, known := range []Sources{sources, estimates} {
		sums, err := r.Store.Sum(ctx, query(team, known, scope, today-recent, today+1, today))
		if err != nil {
			return sources, fmt.Errorf("reading the history of costs: %w", err)
		}
		if len(sums) > 0 {
			return known, nil
		}
	}
	return sources, nil
}

// Until is the first day that does not count. Estimates of today grow by the minute, and what runs today is counted by what it is
// estimated to cost: so a status changes from day to day, and not each time that it is looked at.
func (s Sources) Until(today forecast.Day) forecast.Day {
	if s.Origin == platformv1alpha1.CostFromEstimates {
		return today
	}
	return today + 1
}

// query selects what of a team a scope is about.
func query(team string, sources Sources, scope spending.Scope, from, to forecast.Day, today forecast.Day, by ...history.Dimension) history.Query {
	return history.Query{
		From: history.Day(from), To: history.Day(to), Sources: sources.Names, Teams: []string{team},
		Environments: scope.Environments, Components: scope.Components, Services: scope.Services, GroupBy: by,
		// The beginning of the day, and not the moment: figures change from day to day, and not while nobody looks.
		At: today.Time(),
	}
}

// Ledger reads the days of a scope in a currency, as far back as the history goes, and what it cost in others in a period.
func (r *Reader) Ledger(ctx context.Context, team string, sources Sources, scope spending.Scope, currency string, today forecast.Day) (spending.Ledger, error) {
	ledger := spending.Ledger{Source: sources.Origin}
	if len(sources.Names) == 0 || scope.Empty() {
		return ledger, nil
	}
	from := today - history.Keep
	sums, err := r.Store.Sum(ctx, query(team, sources, scope, from, sources.Until(today), today, history.ByDay, history.ByCategory))
	if err != nil {
		return ledger, fmt.Errorf("reading the history of costs: %w", err)
	}
	covered, err := r.Store.Sum(ctx, history.Query{
		From: history.Day(from), To: history.Day(sources.Until(today)), Sources: sources.Names, GroupBy: []history.Dimension{history.ByDay}, At: today.Time(),
	})
	if err != nil {
		return ledger, fmt.Errorf("reading the history of costs: %w", err)
	}
	ledger.Points = Points(sums, covered, currency)
	return ledger, nil
}

// Points are sums by day and category in a currency. A day of which the sources tell anything at all, and nothing of these, cost nothing;
// before the first that cost something there are none.
func Points(sums, covered []history.Sum, currency string) []forecast.Point {
	days := map[forecast.Day]*forecast.Point{}
	var first forecast.Day
	for i := range sums {
		s := &sums[i]
		if s.Currency != currency {
			continue
		}
		day := forecast.Day(s.Day)
		p := days[day]
		if p == nil {
			if p = (&forecast.Point{Day: day}); len(days) == 0 || day < first {
				first = day
			}
			days[day] = p
		}
		p.Provisional = p.Provisional || s.Provisional
		switch s.Category {
		case history.Purchase:
			p.Purchases = p.Purchases.Add(s.Effective)
		case history.Tax:
			p.Taxes = p.Taxes.Add(s.Effective)
		case history.Credit, history.Adjustment:
			p.Credits = p.Credits.Add(s.Effective)
		default:
			p.Usage = p.Usage.Add(s.Effective)
		}
	}
	if len(days) == 0 {
		return nil
	}
	for i := range covered {
		day := forecast.Day(covered[i].Day)
		if day < first {
			continue
		}
		p := days[day]
		if p == nil {
			p = &forecast.Point{Day: day}
			days[day] = p
		}
		p.Provisional = p.Provisional || covered[i].Provisional
	}
	points := make([]forecast.Point, 0, len(days))
	for _, p := range days {
		points = append(points, *p)
	}
	slices.SortFunc(points, func(a, b forecast.Point) int { return cmp.Compare(a.Day, b.Day) })
	return points
}

// Running lists the Releases of a home namespace with their estimates.
func (r *Reader) Running(ctx context.Context, home string) ([]spending.Running, error) {
	if home == "" {
		return nil, nil
	}
	var list platformv1alpha1.ReleaseList
	if err := r.List(ctx, &list, client.InNamespace(home), client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing Releases of namespace %s: %w", home, err)
	}
	running := make([]spending.Running, 0, len(list.Items))
	for i := range list.Items {
		if entry, ok := runningOf(&list.Items[i]); ok {
			running = append(running, entry)
		}
	}
	slices.SortFunc(running, func(a, b spending.Running) int { return cmp.Compare(a.Release, b.Release) }) // the cache gives them in any order
	return running, nil
}

// runningOf is a Release as it is counted; false for one that counts for nothing: it goes, never ran and never will, or waits at a gate, since
// the limits are asked when that opens. What is too dear and waits must not keep out what is not.
func runningOf(release *platformv1alpha1.Release) (spending.Running, bool) {
	entry := spending.Running{
		Place:   spending.Place{Component: release.Spec.Component.Name, Environment: release.Spec.Environment.Name},
		Release: release.Name, Number: release.Spec.Number, Pending: release.Status.AppliedAt == nil,
	}
	if !release.DeletionTimestamp.IsZero() || !release.Opened() || entry.Pending && release.Status.SupersededAt != nil {
		return entry, false
	}
	began := release.CreationTimestamp.Time
	if at := release.Status.AppliedAt; at != nil {
		began = at.Time
	}
	entry.Since = forecast.DayOf(began)
	if estimated := release.Cost(); estimated != nil {
		amount, err := estimate.Decimal(estimated.Monthly.Expected)
		entry.Known, entry.Monthly, entry.Currency = err == nil, amount, estimated.Currency
	}
	return entry, true
}

// Ran lists when the Releases of a home namespace began to run.
func (r *Reader) Ran(ctx context.Context, home string) ([]forecast.Release, error) {
	var list platformv1alpha1.ReleaseList
	if err := r.List(ctx, &list, client.InNamespace(home), client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing Releases of namespace %s: %w", home, err)
	}
	var ran []forecast.Release
	for i := range list.Items {
		if release := &list.Items[i]; release.Status.AppliedAt != nil {
			ran = append(ran, forecast.Release{
				Name: release.Name, Component: release.Spec.Component.Name, Environment: release.Spec.Environment.Name, At: release.Status.AppliedAt.UTC(),
			})
		}
	}
	slices.SortFunc(ran, func(a, b forecast.Release) int { return cmp.Compare(a.Name, b.Name) })
	return ran, nil
}

// Tiers are the environments of a home namespace by name, with their tiers.
func (r *Reader) Tiers(ctx context.Context, home string) (map[string]platformv1alpha1.Tier, error) {
	tiers := map[string]platformv1alpha1.Tier{}
	if home == "" {
		return tiers, nil
	}
	var list platformv1alpha1.EnvironmentList
	if err := r.List(ctx, &list, client.InNamespace(home), client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing Environments of namespace %s: %w", home, err)
	}
	for i := range list.Items {
		tiers[list.Items[i].Name] = list.Items[i].Status.Tier
	}
	return tiers, nil
}

// Book reads what is recorded of a limit.
func (r *Reader) Book(ctx context.Context, team string, limit spending.Limit, today forecast.Day) (spending.Book, error) {
	sources, err := r.SourcesFor(ctx, team, limit.Scope, today)
	if err != nil {
		return spending.Book{}, err
	}
	ledger, err := r.LedgerOf(ctx, team, sources, &limit, today)
	return spending.Book{Limit: limit, Ledger: ledger}, err
}

// LedgerOf reads the days of a limit, and where they are of bills and the limit can hold a change up, what was estimated of them too.
func (r *Reader) LedgerOf(ctx context.Context, team string, sources Sources, limit *spending.Limit, today forecast.Day) (spending.Ledger, error) {
	ledger, err := r.Ledger(ctx, team, sources, limit.Scope, limit.Currency, today)
	if err != nil || sources.Origin != platformv1alpha1.CostFromBills || !limit.Blocks() {
		return ledger, err
	}
	estimates := Sources{[]string{spending.EstimatesSource}, platformv1alpha1.CostFromEstimates}
	estimated, err := r.Ledger(ctx, team, estimates, limit.Scope, limit.Currency, today)
	ledger.Estimated = estimated.Points
	return ledger, err
}

// Again is after how long something is reckoned again: about ten minutes, spread by a fifth to both sides, so that not all of it is
// at once.
func Again(uid string, now time.Time) time.Duration {
	const every = 10 * time.Minute
	var sum uint32
	for _, b := range []byte(uid) {
		sum = sum*31 + uint32(b)
	}
	wait := every*4/5 + every*2/5*time.Duration(sum%1000)/1000
	midnight := now.UTC().Truncate(24 * time.Hour).Add(24*time.Hour + wait/10)
	return min(wait, midnight.Sub(now))
}

// Sums adds up what a scope cost from a day until another, by something.
func (r *Reader) Sums(ctx context.Context, team string, sources Sources, scope spending.Scope, from, to, today forecast.Day, by ...history.Dimension) ([]history.Sum, error) {
	if len(sources.Names) == 0 || scope.Empty() {
		return nil, nil
	}
	sums, err := r.Store.Sum(ctx, query(team, sources, scope, from, to, today, by...))
	if err != nil {
		return nil, fmt.Errorf("reading the history of costs: %w", err)
	}
	return sums, nil
}

// Coverage is how much of all cost in a currency carries a team, from a day until another.
func (r *Reader) Coverage(ctx context.Context, sources Sources, from, to forecast.Day, currency string) (history.Coverage, error) {
	if len(sources.Names) == 0 {
		return history.Coverage{}, nil
	}
	sums, err := r.Store.Sum(ctx, history.Query{
		From: history.Day(from), To: history.Day(to), Sources: sources.Names, Currencies: []string{currency},
		GroupBy: []history.Dimension{history.ByTeam, history.ByCategory},
	})
	if err != nil {
		return history.Coverage{}, fmt.Errorf("reading the history of costs: %w", err)
	}
	for _, coverage := range history.Covered(sums) {
		return coverage, nil
	}
	return history.Coverage{}, nil
}

// Parts are the days of the services or Components of a scope, of the last two months.
func (r *Reader) Parts(ctx context.Context, team string, sources Sources, scope spending.Scope, currency string, today forecast.Day, by history.Dimension) ([]forecast.Part, error) {
	const back = 75
	sums, err := r.Sums(ctx, team, sources, scope, today-back, sources.Until(today), today, history.ByDay, by)
	if err != nil {
		return nil, err
	}
	parts := map[string]*forecast.Part{}
	for i := range sums {
		s := &sums[i]
		if s.Currency != currency {
			continue
		}
		name := cmp.Or(s.Service, s.Component)
		if parts[name] == nil {
			parts[name] = &forecast.Part{Name: name}
		}
		parts[name].Points = append(parts[name].Points, forecast.Point{Day: forecast.Day(s.Day), Usage: s.Effective, Provisional: s.Provisional})
	}
	var all []forecast.Part
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		all = append(all, *parts[name])
	}
	return all, nil
}
