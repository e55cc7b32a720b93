package showback

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/shopspring/decimal"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// By is what a report is grouped by.
type By struct {
	// Dimension is environment, component, service or label.
	Dimension Dimension
	// Label is the key of the label.
	Label string
}

// Dimension is a kind of By.
type Dimension string

// The dimensions.
const (
	ByEnvironment Dimension = "environment"
	ByComponent   Dimension = "component"
	ByService     Dimension = "service"
	ByLabel       Dimension = "label"
)

// ParseBy reads what to group by, as environment or label=KEY.
func ParseBy(text string) (By, error) {
	name, key, labelled := strings.Cut(text, "=")
	switch dimension := Dimension(name); {
	case dimension == ByLabel && labelled && key != "":
		return By{Dimension: ByLabel, Label: key}, nil
	case !labelled && (dimension == ByEnvironment || dimension == ByComponent || dimension == ByService):
		return By{Dimension: dimension}, nil
	}
	return By{}, fmt.Errorf("--by %q: must be environment, component, service or label=KEY", text)
}

// String is it as ParseBy reads it.
func (b By) String() string {
	if b.Dimension == ByLabel {
		return string(ByLabel) + "=" + b.Label
	}
	return string(b.Dimension)
}

// Line is what one group cost.
type Line struct {
	Kind platformv1alpha1.CostKind `json:"kind"`
	// Group is the name of the environment, component or service, or the label's value; empty for what has none, and in
	// lines of other kinds than Own.
	Group    string `json:"group,omitempty"`
	Currency string `json:"currency"`
	// Billed, Effective and Provisional are as in a CostReport.
	Billed      decimal.Decimal `json:"billed"`
	Effective   decimal.Decimal `json:"effective"`
	Provisional decimal.Decimal `json:"provisional"`
	// Percent is the part of the team's total of the currency; nil where that is not more than nothing.
	Percent *decimal.Decimal `json:"percent,omitempty"`
	// Before is what it cost in the month before, in proportion to as many days as this month has figures of where it is
	// not over yet; nil where that month has no report.
	Before *decimal.Decimal `json:"before,omitempty"`
	// Change is Effective less Before.
	Change *decimal.Decimal `json:"change,omitempty"`
}

// Total is what a team cost in a currency.
type Total struct {
	Currency string `json:"currency"`
	// Own is what the team itself used, Idle and Shared its part of what is no team's, and All the three together.
	Own         decimal.Decimal  `json:"own"`
	Idle        decimal.Decimal  `json:"idle"`
	Shared      decimal.Decimal  `json:"shared"`
	All         decimal.Decimal  `json:"all"`
	Billed      decimal.Decimal  `json:"billed"`
	Provisional decimal.Decimal  `json:"provisional"`
	Before      *decimal.Decimal `json:"before,omitempty"`
	Change      *decimal.Decimal `json:"change,omitempty"`
}

// Report is what people read. Fields are only ever added within a version.
type Report struct {
	APIVersion string                            `json:"apiVersion"`
	Kind       string                            `json:"kind"`
	Team       string                            `json:"team"`
	Namespace  string                            `json:"namespace"`
	Month      string                            `json:"month"`
	By         string                            `json:"by"`
	Source     platformv1alpha1.CostReportSource `json:"source"`
	State      platformv1alpha1.CostReportState  `json:"state"`
	FirstDay   string                            `json:"firstDay"`
	LastDay    string                            `json:"lastDay"`
	Coverage   []platformv1alpha1.CostCoverage   `json:"coverage,omitempty"`
	Lines      []Line                            `json:"lines"`
	Totals     []Total                           `json:"totals"`
	// Notes are what must be known to read the figures.
	Notes []string `json:"notes,omitempty"`
	// Hints are how to spend less; nil where nobody asked.
	Hints []Hint `json:"hints,omitempty"`
}

// Hint is one way to spend less.
type Hint struct {
	// Kind is Rightsize, Sleep, Preview or Idle.
	Kind string `json:"kind"`
	// Environment and Component that it is about, where it is about one.
	Environment string `json:"environment,omitempty"`
	Component   string `json:"component,omitempty"`
	// Text says what to do, and from what it follows.
	Text string `json:"text"`
	// Saves is what it may save a month; nil where that is not known.
	Saves    *decimal.Decimal `json:"saves,omitempty"`
	Currency string           `json:"currency,omitempty"`
}

// Input is what a report is made of.
type Input struct {
	Report *platformv1alpha1.CostReport
	// Before is the report of the month before; nil for none.
	Before *platformv1alpha1.CostReport
	By     By
	// Labels are the labels of the Components that there are, by name.
	Labels map[string]map[string]string
}

// lineKey is what one line is about.
type lineKey struct {
	kind            platformv1alpha1.CostKind
	group, currency string
}

// Of makes a report. It fails where an amount of a CostReport is none, which the API server does not let in.
func Of(in Input) (*Report, error) {
	content := &in.Report.Report
	report := &Report{
		Team: content.Team, Namespace: in.Report.Namespace, Month: in.Report.Name, By: in.By.String(), Source: content.Source, State: content.State,
		FirstDay: content.FirstDay, LastDay: content.LastDay, Coverage: content.Coverage, Lines: []Line{}, Totals: []Total{},
	}
	lines, err := grouped(in.Report, in.By, in.Labels)
	if err != nil {
		return nil, err
	}
	var before map[lineKey]amounts
	part := decimal.NewFromInt(1)
	if in.Before != nil {
		if before, err = grouped(in.Before, in.By, in.Labels); err != nil {
			return nil, err
		}
		if part, err = comparableShare(in.Report, in.Before); err != nil {
			return nil, err
		}
		for key := range before {
			if _, ok := lines[key]; !ok {
				lines[key] = amounts{}
			}
		}
	}
	for key, sum := range lines {
		line := Line{Kind: key.kind, Group: key.group, Currency: key.currency, Billed: sum.billed, Effective: sum.effective, Provisional: sum.provisional}
		if in.Before != nil {
			was := before[key].effective.Mul(part).Round(comparePlaces)
			change := sum.effective.Sub(was)
			line.Before, line.Change = &was, &change
		}
		report.Lines = append(report.Lines, line)
	}
	slices.SortFunc(report.Lines, compareLines)
	report.total()
	report.note(content, in.Before, part)
	return report, nil
}

// comparePlaces is how exact a comparison with a part of the month before is.
const comparePlaces = 4

// grouped sums the rows of a CostReport up by what a report is grouped by.
func grouped(from *platformv1alpha1.CostReport, by By, labels map[string]map[string]string) (map[lineKey]amounts, error) {
	lines := map[lineKey]amounts{}
	for i := range from.Report.Rows {
		row := &from.Report.Rows[i]
		key := lineKey{kind: row.Kind, currency: row.Currency}
		if row.Kind == platformv1alpha1.CostOwn {
			key.group = groupOf(row, by, labels)
		}
		sum, err := amountsOf(row)
		if err != nil {
			return nil, fmt.Errorf("CostReport %s/%s: report.rows[%d]: %w", from.Namespace, from.Name, i, err)
		}
		all := lines[key]
		all.add(sum)
		lines[key] = all
	}
	return lines, nil
}

func groupOf(row *platformv1alpha1.CostReportRow, by By, labels map[string]map[string]string) string {
	switch by.Dimension {
	case ByEnvironment:
		return row.Environment
	case ByComponent:
		return row.Component
	case ByService:
		return row.Service
	}
	return labels[row.Component][by.Label]
}

func amountsOf(row *platformv1alpha1.CostReportRow) (amounts, error) {
	var sum amounts
	for _, field := range []struct {
		name string
		text platformv1alpha1.Amount
		to   *decimal.Decimal
	}{{"billed", row.Billed, &sum.billed}, {"effective", row.Effective, &sum.effective}, {"provisional", cmp.Or(row.Provisional, "0"), &sum.provisional}} {
		amount, err := decimal.NewFromString(string(field.text))
		if err != nil {
			return sum, fmt.Errorf("%s: %q is no amount", field.name, field.text)
		}
		*field.to = amount
	}
	return sum, nil
}

// comparableShare is which part of the month before is to be compared with this one: 1 where this one has figures to its end, else
// as many days as it has, of those that the month before has.
func comparableShare(this, before *platformv1alpha1.CostReport) (decimal.Decimal, error) {
	one := decimal.NewFromInt(1)
	days, whole, err := daysOf(this)
	if err != nil || days >= whole {
		return one, err
	}
	had, _, err := daysOf(before)
	if err != nil || had <= days {
		return one, err
	}
	return decimal.NewFromInt(int64(days)).DivRound(decimal.NewFromInt(int64(had)), partPlaces), nil
}

const partPlaces = 16

// Elapsed is which part of its month a report has figures of, more than nothing.
func Elapsed(r *platformv1alpha1.CostReport) (decimal.Decimal, error) {
	days, whole, err := daysOf(r)
	if err != nil {
		return decimal.Zero, err
	}
	return decimal.NewFromInt(int64(min(max(days, 1), whole))).DivRound(decimal.NewFromInt(int64(whole)), partPlaces), nil
}

// daysOf is up to which day of its month a report has figures, and how many days the month has.
func daysOf(r *platformv1alpha1.CostReport) (days, whole int, err error) {
	month, err := ParseMonth(r.Name)
	if err != nil {
		return 0, 0, fmt.Errorf("CostReport %s/%s: its name: %w", r.Namespace, r.Name, err)
	}
	var y, m, d int
	if _, err := fmt.Sscanf(r.Report.LastDay, "%d-%d-%d", &y, &m, &d); err != nil {
		return 0, 0, fmt.Errorf("CostReport %s/%s: report.lastDay: %q is no day", r.Namespace, r.Name, r.Report.LastDay)
	}
	return d, month.Days(), nil
}

var kindOrder = map[platformv1alpha1.CostKind]int{
	platformv1alpha1.CostOwn: 0, platformv1alpha1.CostOthers: 1, platformv1alpha1.CostIdle: 2, platformv1alpha1.CostShared: 3,
}

// compareLines orders by currency, then Own, Others, Idle and Shared, the dearest first.
func compareLines(a, b Line) int {
	return cmp.Or(strings.Compare(a.Currency, b.Currency), cmp.Compare(kindOrder[a.Kind], kindOrder[b.Kind]),
		b.Effective.Cmp(a.Effective), strings.Compare(a.Group, b.Group))
}

// total sums the lines up, and says which part of it each is.
func (r *Report) total() {
	at := map[string]int{}
	for i := range r.Lines {
		line := &r.Lines[i]
		n, ok := at[line.Currency]
		if !ok {
			n = len(r.Totals)
			at[line.Currency] = n
			r.Totals = append(r.Totals, Total{Currency: line.Currency})
		}
		t := &r.Totals[n]
		switch line.Kind {
		case platformv1alpha1.CostIdle:
			t.Idle = t.Idle.Add(line.Effective)
		case platformv1alpha1.CostShared:
			t.Shared = t.Shared.Add(line.Effective)
		default:
			t.Own = t.Own.Add(line.Effective)
		}
		t.All, t.Billed, t.Provisional = t.All.Add(line.Effective), t.Billed.Add(line.Billed), t.Provisional.Add(line.Provisional)
		if line.Before != nil {
			before := line.Before.Add(orNothing(t.Before))
			change := t.All.Sub(before)
			t.Before, t.Change = &before, &change
		}
	}
	for i := range r.Lines {
		line := &r.Lines[i]
		if all := r.Totals[at[line.Currency]].All; all.IsPositive() {
			percent := line.Effective.Mul(hundred).DivRound(all, percentPlaces)
			line.Percent = &percent
		}
	}
}

const percentPlaces = 1

func orNothing(amount *decimal.Decimal) decimal.Decimal {
	if amount == nil {
		return decimal.Zero
	}
	return *amount
}

// note says what must be known to read the figures.
func (r *Report) note(content *platformv1alpha1.CostReportContent, before *platformv1alpha1.CostReport, part decimal.Decimal) {
	if content.Source == platformv1alpha1.CostsFromEstimates {
		r.Notes = append(r.Notes, "estimated: what runs, by the list of prices; no bill of the month names the team")
	}
	if content.State == platformv1alpha1.CostsProvisional {
		r.Notes = append(r.Notes, fmt.Sprintf("not final: figures of %s to %s; %s may still change", content.FirstDay, content.LastDay, r.provisional()))
	}
	for _, c := range content.Coverage {
		r.Notes = append(r.Notes, fmt.Sprintf("%s %% of all %s in the bill carries the name of a team; idle and shared are the team's part of the rest", c.Percent, c.Currency))
	}
	switch {
	case before == nil:
		r.Notes = append(r.Notes, "there is no report of the month before to compare with")
	case before.Report.Source != content.Source:
		r.Notes = append(r.Notes, fmt.Sprintf("compared with %s, whose figures are from %s", before.Name, strings.ToLower(string(before.Report.Source))))
	}
	if before != nil && !part.Equal(decimal.NewFromInt(1)) {
		r.Notes = append(r.Notes, fmt.Sprintf("compared with %s %% of %s: as many days", part.Mul(hundred).StringFixed(percentPlaces), before.Name))
	}
	if content.Combined > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("others are the %d least rows together, which a report does not keep apart", content.Combined))
	}
}

// provisional is how much may still change.
func (r *Report) provisional() string {
	var parts []string
	for i := range r.Totals {
		if t := &r.Totals[i]; !t.Provisional.IsZero() {
			parts = append(parts, money(t.Provisional, t.Currency)+" "+t.Currency)
		}
	}
	if len(parts) == 0 {
		return "days that are to come or missing are not in it, and bills"
	}
	return strings.Join(parts, ", ") + " of it"
}
