// Package showback says what teams cost in a month: it makes CostReports of the sums of the history, and of a CostReport the
// report that people read, by environment, component, service or any label. It is pure. Sums are exact: whatever a report is
// grouped by, its lines sum to the same totals, to the last place.
package showback

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/cost"
	"github.com/towpath-dev/towpath/internal/estimate"
	"github.com/towpath-dev/towpath/internal/history"
)

// EstimatesSource is the source of the history that holds estimated costs of what runs, rather than a bill.
const EstimatesSource = estimate.Source

const (
	// MaxRows is how many rows a CostReport holds.
	MaxRows = 300
	// maxService is how long the name of a service may be in it.
	maxService = 128
	// maxCurrencies is how many currencies it may have.
	maxCurrencies = 32
)

// GroupBy is by what the sums of a Book must be grouped.
var GroupBy = []history.Dimension{
	history.ByTeam, history.ByEnvironment, history.ByComponent, history.ByService, history.ByCategory, history.ByUnused,
}

// Book are the figures of a month, of all teams.
type Book struct {
	// Month of the figures, and Now the moment at which they are looked at.
	Month Month
	Now   time.Time
	// Source says whether they are of bills.
	Source platformv1alpha1.CostReportSource
	// First and Last are the days that there are figures of.
	First, Last history.Day
	// Missing is set where a source lacks days of the month, see Missing.
	Missing bool
	// Sums are by GroupBy.
	Sums []history.Sum
}

// BillSources are those of sources that are bills: all but the estimates, which tell the same money before it is billed.
func BillSources(found []string) []string {
	return slices.DeleteFunc(slices.Clone(found), func(source string) bool { return source == EstimatesSource })
}

// Missing says whether one of bills lacks a day of a month, from its first one in it on: what that cost is still to come, for a
// day without cost is told of too. days are sums by source and day.
func Missing(month Month, days []history.Sum, bills []string) bool {
	known := map[string]map[history.Day]bool{}
	for i := range days {
		source, day := days[i].Source, days[i].Day
		if day < month.Begin() || day >= month.End() || !slices.Contains(bills, source) {
			continue
		}
		if known[source] == nil {
			known[source] = map[history.Day]bool{}
		}
		known[source][day] = true
	}
	for _, of := range known {
		first := slices.Min(slices.Collect(maps.Keys(of)))
		if len(of) < int(month.End()-first) {
			return true
		}
	}
	return false
}

// Allocated takes from what is no team's in bills what OpenCost tells beside them, on the days and in the currencies that both
// tell of: it is the same money, in the bill as a whole, and in OpenCost by whom it is for. So the two sum to the bill, and what
// the bill has more stays nobody's; it is less than nothing where OpenCost's prices are above the bill's. days are sums by source
// and day.
func Allocated(days []history.Sum, bills, allocated []string) []history.Sum {
	type place struct {
		day      history.Day
		currency string
	}
	billed := map[place]bool{}
	for i := range days {
		if slices.Contains(bills, days[i].Source) && !slices.Contains(allocated, days[i].Source) {
			billed[place{days[i].Day, days[i].Currency}] = true
		}
	}
	taken := map[string]*history.Sum{}
	for i := range days {
		d := &days[i]
		if !slices.Contains(allocated, d.Source) || !billed[place{d.Day, d.Currency}] {
			continue
		}
		t := taken[d.Currency]
		if t == nil {
			t = &history.Sum{Series: history.Series{Category: history.Usage, Currency: d.Currency}}
			taken[d.Currency] = t
		}
		t.Billed, t.Effective = t.Billed.Sub(d.Billed), t.Effective.Sub(d.Effective)
	}
	sums := make([]history.Sum, 0, len(taken))
	for _, currency := range slices.Sorted(maps.Keys(taken)) {
		sums = append(sums, *taken[currency])
	}
	return sums
}

// rowKey is what one row of a report is about.
type rowKey struct {
	kind                            platformv1alpha1.CostKind
	environment, component, service string
	category                        history.Category
	unused                          bool
	currency                        string
}

// amounts are what a row sums up.
type amounts struct {
	billed, effective, provisional decimal.Decimal
	days                           int64
}

func (a *amounts) add(b amounts) {
	a.billed, a.effective, a.provisional = a.billed.Add(b.billed), a.effective.Add(b.effective), a.provisional.Add(b.provisional)
	a.days = max(a.days, b.days)
}

// keyed is a row.
type keyed struct {
	rowKey
	amounts
}

// Accounts are the figures of a month by team.
type Accounts struct {
	book *Book
	own  map[string][]keyed
	// parts are each team's of what is no team's.
	parts    map[string][]keyed
	coverage []platformv1alpha1.CostCoverage
	state    platformv1alpha1.CostReportState
	// estimates are those of teams that no bill names; nil for none.
	estimates *Accounts
}

// Open parts the books of a month by team: a team that no bill of the month names has what is estimated. Either may be nil.
func Open(bills, estimates *Book) *Accounts {
	if bills == nil {
		bills, estimates = estimates, nil
	}
	if bills == nil {
		return nil
	}
	a := open(bills)
	if estimates != nil {
		a.estimates = open(estimates)
	}
	return a
}

func open(book *Book) *Accounts {
	a := &Accounts{book: book, own: map[string][]keyed{}, parts: map[string][]keyed{}, state: platformv1alpha1.CostsSettled}
	if book.Missing || book.Now.Before(book.Month.End().Time()) {
		a.state = platformv1alpha1.CostsProvisional
	}
	sums := map[string]map[rowKey]*amounts{}
	for i := range book.Sums {
		s := &book.Sums[i]
		if s.Provisional {
			a.state = platformv1alpha1.CostsProvisional
		}
		rows := sums[s.Team]
		if rows == nil {
			rows = map[rowKey]*amounts{}
			sums[s.Team] = rows
		}
		key := keyOf(s)
		if rows[key] == nil {
			rows[key] = &amounts{}
		}
		rows[key].add(amounts{billed: s.Billed, effective: s.Effective, provisional: s.ProvisionalEffective, days: s.Days})
	}
	for team, rows := range sums {
		if team != "" {
			a.own[team] = sorted(rows)
		}
	}
	a.share(sorted(sums[""]))
	for _, c := range history.Covered(book.Sums) {
		if share, ok := c.Share(); ok {
			percent := decimal.Max(decimal.Zero, decimal.Min(hundred, share.Mul(hundred).Round(2)))
			a.coverage = append(a.coverage, platformv1alpha1.CostCoverage{Currency: c.Currency, Percent: percent.String()})
		}
	}
	slices.SortFunc(a.coverage, func(x, y platformv1alpha1.CostCoverage) int { return strings.Compare(x.Currency, y.Currency) })
	return a
}

var hundred = decimal.NewFromInt(100)

// keyOf is the row that a sum goes to. Of what no team has, only what it is for stays: the rest says nothing to the teams
// that bear it.
func keyOf(s *history.Sum) rowKey {
	key := rowKey{kind: platformv1alpha1.CostOwn, category: s.Category, unused: s.Unused, currency: s.Currency}
	switch {
	case s.Team != "":
		key.environment, key.component, key.service = s.Environment, s.Component, short(s.Service)
	case s.Unused || cost.IsIdle(s.Service):
		key.kind = platformv1alpha1.CostIdle
	default:
		key.kind = platformv1alpha1.CostShared
	}
	return key
}

// short cuts a name that is too long.
func short(name string) string {
	letters := []rune(strings.ToValidUTF8(name, "�"))
	if len(letters) <= maxService {
		return string(letters)
	}
	return string(letters[:maxService-1]) + "…"
}

// sorted are the rows by currency, the dearest first; what is as dear by its names.
func sorted(rows map[rowKey]*amounts) []keyed {
	list := make([]keyed, 0, len(rows))
	for key, sum := range rows {
		list = append(list, keyed{key, *sum})
	}
	slices.SortFunc(list, compareRows)
	return list
}

func compareRows(a, b keyed) int {
	return cmp.Or(
		strings.Compare(a.currency, b.currency), b.effective.Abs().Cmp(a.effective.Abs()),
		strings.Compare(a.environment, b.environment), strings.Compare(a.component, b.component), strings.Compare(a.service, b.service),
		cmp.Compare(a.category, b.category), cmp.Compare(fmt.Sprint(a.unused), fmt.Sprint(b.unused)), cmp.Compare(a.kind, b.kind),
	)
}

// share gives each team its part of what is no team's, in proportion to what it cost: of its usage and purchases, as far as
// that is more than nothing. The parts sum to the whole.
func (a *Accounts) share(rows []keyed) {
	teams := make([]string, 0, len(a.own))
	for team := range a.own {
		teams = append(teams, team)
	}
	slices.Sort(teams)
	for _, row := range rows {
		var bearers []string
		var weights []decimal.Decimal
		for _, team := range teams {
			if weight := weightOf(a.own[team], row.currency); weight.IsPositive() {
				bearers, weights = append(bearers, team), append(weights, weight)
			}
		}
		billed := cost.Split(row.billed, weights, history.Places)
		effective := cost.Split(row.effective, weights, history.Places)
		provisional := cost.Split(row.provisional, weights, history.Places)
		for i, team := range bearers {
			a.parts[team] = append(a.parts[team], keyed{row.rowKey, amounts{billed: billed[i], effective: effective[i], provisional: provisional[i]}})
		}
	}
}

func weightOf(rows []keyed, currency string) decimal.Decimal {
	var sum decimal.Decimal
	for i := range rows {
		if r := &rows[i]; r.currency == currency && (r.category == history.Usage || r.category == history.Purchase) {
			sum = sum.Add(r.effective)
		}
	}
	return sum
}

// Report is what a team cost; nil where there are no figures of it.
func (a *Accounts) Report(team string) (*platformv1alpha1.CostReportContent, error) {
	own := a.own[team]
	switch {
	case len(own) == 0 && a.estimates != nil:
		return a.estimates.Report(team)
	case len(own) == 0:
		return nil, nil
	}
	parts := a.parts[team]
	kept, combined, err := bounded(own, MaxRows-len(parts))
	if err != nil {
		return nil, fmt.Errorf("report of team %s for %s: %w", team, a.book.Month, err)
	}
	content := &platformv1alpha1.CostReportContent{
		Team: team, Source: a.book.Source, State: a.state, FirstDay: a.book.First.String(), LastDay: a.book.Last.String(),
		Combined: combined,
	}
	for _, row := range append(kept, parts...) {
		content.Rows = append(content.Rows, a.row(row))
	}
	currencies := map[string]bool{}
	for i := range content.Rows {
		currencies[content.Rows[i].Currency] = true
	}
	for _, c := range a.coverage {
		if currencies[c.Currency] {
			content.Coverage = append(content.Coverage, c)
		}
	}
	return content, nil
}

// Has says whether there are figures of a team.
func (a *Accounts) Has(team string) bool {
	return len(a.own[team]) > 0 || a.estimates != nil && a.estimates.Has(team)
}

// Figure is what an environment of a team cost in a currency, without the team's parts of what is no team's.
type Figure struct {
	Team, Environment, Currency string
	Source                      platformv1alpha1.CostReportSource
	Effective                   decimal.Decimal
}

// Figures are those of all teams, in no order.
func (a *Accounts) Figures() []Figure {
	sums := map[Figure]decimal.Decimal{}
	for team, rows := range a.own {
		for i := range rows {
			key := Figure{Team: team, Environment: rows[i].environment, Currency: rows[i].currency, Source: a.book.Source}
			sums[key] = sums[key].Add(rows[i].effective)
		}
	}
	figures := make([]Figure, 0, len(sums))
	for figure, sum := range sums {
		figure.Effective = sum
		figures = append(figures, figure)
	}
	if a.estimates != nil {
		for _, figure := range a.estimates.Figures() {
			if len(a.own[figure.Team]) == 0 {
				figures = append(figures, figure)
			}
		}
	}
	return figures
}

// Teams are those that there are figures of, by name.
func (a *Accounts) Teams() []string {
	teams := map[string]bool{}
	for team := range a.own {
		teams[team] = true
	}
	if a.estimates != nil {
		for team := range a.estimates.own {
			teams[team] = true
		}
	}
	return slices.Sorted(maps.Keys(teams))
}

// Unowned is what is no team's, by currency.
func (a *Accounts) Unowned() map[string]decimal.Decimal {
	sums := map[string]decimal.Decimal{}
	for i := range a.book.Sums {
		if s := &a.book.Sums[i]; s.Team == "" {
			sums[s.Currency] = sums[s.Currency].Add(s.Effective)
		}
	}
	return sums
}

// Coverage is how much of each currency's cost is some team's.
func (a *Accounts) Coverage() []platformv1alpha1.CostCoverage { return a.coverage }

// bounded keeps the dearest rows, at most so many in all, and sums the others up by currency, category and use. It says how
// many rows those were.
func bounded(rows []keyed, most int) (kept []keyed, combined int32, err error) {
	currencies, kinds := map[string]bool{}, map[rowKey]bool{}
	for i := range rows {
		currencies[rows[i].currency] = true
		kinds[othersKey(&rows[i])] = true
	}
	if len(currencies) > maxCurrencies {
		return nil, 0, fmt.Errorf("there are %d currencies, and may be %d", len(currencies), maxCurrencies)
	}
	if len(rows) <= most {
		return rows, 0, nil
	}
	room := most - len(kinds)
	if room < 0 {
		return nil, 0, fmt.Errorf("there are %d combinations of currency and category, and there is room for %d", len(kinds), most)
	}
	// What is dear is not comparable between currencies, so each has its share of the room by how many rows it has: the rank
	// of a row within its currency decides.
	order := make([]int, len(rows))
	rank, counts := make([]int, len(rows)), map[string]int{}
	for i := range rows {
		order[i], rank[i] = i, counts[rows[i].currency]
		counts[rows[i].currency]++
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(rank[a], rank[b]) })
	rest := map[rowKey]*amounts{}
	keep := make([]bool, len(rows))
	for _, i := range order[:room] {
		keep[i] = true
	}
	for i := range rows {
		if keep[i] {
			kept = append(kept, rows[i])
			continue
		}
		key := othersKey(&rows[i])
		if rest[key] == nil {
			rest[key] = &amounts{}
		}
		rest[key].add(rows[i].amounts)
		combined++
	}
	return append(kept, sorted(rest)...), combined, nil
}

func othersKey(row *keyed) rowKey {
	return rowKey{kind: platformv1alpha1.CostOthers, currency: row.currency, category: row.category, unused: row.unused}
}

func (a *Accounts) row(row keyed) platformv1alpha1.CostReportRow {
	r := platformv1alpha1.CostReportRow{
		Kind: row.kind, Environment: row.environment, Component: row.component, Service: row.service,
		Category: platformv1alpha1.CostCategory(row.category), Currency: row.currency,
		Billed: platformv1alpha1.Amount(row.billed.String()), Effective: platformv1alpha1.Amount(row.effective.String()),
	}
	if row.unused {
		r.Commitment = platformv1alpha1.CommitmentUnused
	}
	if !row.provisional.IsZero() {
		r.Provisional = platformv1alpha1.Amount(row.provisional.String())
	}
	if row.kind == platformv1alpha1.CostOwn {
		const longest = 31
		r.Days = int32(min(row.days, longest)) //nolint:gosec // at most 31
	}
	return r
}
