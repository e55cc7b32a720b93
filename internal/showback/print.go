package showback

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/shopspring/decimal"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/cost"
	"github.com/towpath-dev/towpath/internal/spreadsheet"
)

// money is an amount as its currency is written.
func money(amount decimal.Decimal, currency string) string {
	return amount.StringFixed(cost.Digits(currency))
}

// shown are amounts rounded as their currency is written, such that they sum to the rounded sum: each is rounded down, and what
// that leaves goes to those that lost the most by it. So each is less than one of the last place away from what it is.
func shown(amounts []decimal.Decimal, currency string) []string {
	digits := cost.Digits(currency)
	unit := decimal.New(1, -digits)
	left := decimal.Sum(decimal.Zero, amounts...).Round(digits)
	rounded, order := make([]decimal.Decimal, len(amounts)), make([]int, len(amounts))
	for i, amount := range amounts {
		rounded[i], order[i] = amount.RoundFloor(digits), i
		left = left.Sub(rounded[i])
	}
	lost := func(i int) decimal.Decimal { return amounts[i].Sub(rounded[i]) }
	slices.SortStableFunc(order, func(a, b int) int { return lost(b).Cmp(lost(a)) })
	for _, i := range order {
		if left.LessThan(unit) {
			break
		}
		rounded[i], left = rounded[i].Add(unit), left.Sub(unit)
	}
	texts := make([]string, len(amounts))
	for i := range rounded {
		texts[i] = rounded[i].StringFixed(digits)
	}
	return texts
}

// printed is a line with its amounts as they are shown.
type printed struct {
	*Line

	effective, billed string
}

// linesOf are the lines of a currency.
func (r *Report) linesOf(currency string) []printed {
	var lines []printed
	var effective, billed []decimal.Decimal
	for i := range r.Lines {
		if line := &r.Lines[i]; line.Currency == currency {
			lines = append(lines, printed{Line: line})
			effective, billed = append(effective, line.Effective), append(billed, line.Billed)
		}
	}
	for i, text := range shown(effective, currency) {
		lines[i].effective = text
	}
	for i, text := range shown(billed, currency) {
		lines[i].billed = text
	}
	return lines
}

// signed is a change, with its sign.
func signed(amount *decimal.Decimal, currency string) string {
	if amount == nil {
		return "-"
	}
	text := money(*amount, currency)
	if amount.IsPositive() {
		text = "+" + text
	}
	return text
}

func percent(amount *decimal.Decimal) string {
	if amount == nil {
		return "-"
	}
	return amount.StringFixed(percentPlaces) + " %"
}

// title is how a line is called.
func (r *Report) title(line *Line) string {
	switch line.Kind {
	case platformv1alpha1.CostOwn:
		if line.Group != "" {
			return line.Group
		}
		return "(none)"
	case platformv1alpha1.CostOthers:
		return "(others)"
	case platformv1alpha1.CostIdle:
		return "(idle, the team's part)"
	}
	return "(shared, the team's part)"
}

// plain has no character that would steer a terminal: names come from bills, which others write.
func plain(text string) string {
	return strings.Map(func(letter rune) rune {
		if unicode.IsControl(letter) || unicode.Is(unicode.Cf, letter) {
			return '�'
		}
		return letter
	}, text)
}

// Table is the report for a terminal. Amounts are rounded for it, such that they sum to the total that is shown; JSON and CSV have them
// exactly.
func (r *Report) Table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "team %s, %s, by %s\n\n", plain(r.Team), plain(r.Month), plain(r.By))
	rows := [][]string{{strings.ToUpper(strings.Split(r.By, "=")[0]), "EFFECTIVE", "BILLED", "", "SHARE", "CHANGE"}}
	for _, t := range r.Totals {
		for _, line := range r.linesOf(t.Currency) {
			rows = append(rows, []string{plain(r.title(line.Line)), line.effective, line.billed, line.Currency, percent(line.Percent), signed(line.Change, line.Currency)})
		}
		rows = append(rows, []string{"all", money(t.All, t.Currency), money(t.Billed, t.Currency), t.Currency, "", signed(t.Change, t.Currency)})
	}
	b.WriteString(columns(rows, 3))
	for _, note := range r.Notes {
		b.WriteString("\n" + plain(note))
	}
	if len(r.Notes) > 0 {
		b.WriteString("\n")
	}
	if r.Hints != nil {
		b.WriteString("\nhints\n")
		for i := range r.Hints {
			b.WriteString("  " + plain(r.Hints[i].sentence()) + "\n")
		}
		if len(r.Hints) == 0 {
			b.WriteString("  none\n")
		}
	}
	return b.String()
}

// sentence is the hint in one line.
func (h *Hint) sentence() string {
	var where []string
	if h.Component != "" {
		where = append(where, h.Component)
	}
	if h.Environment != "" {
		where = append(where, "in "+h.Environment)
	}
	text := h.Text
	if len(where) > 0 {
		text = strings.Join(where, " ") + ": " + text
	}
	if h.Saves != nil {
		text += fmt.Sprintf(" (saves about %s %s a month)", money(*h.Saves, h.Currency), h.Currency)
	}
	return text
}

// columns sets a table, its second column and those after it to the right, but for the currency.
func columns(rows [][]string, currency int) string {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			space := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			switch i {
			case 0:
				line.WriteString(cell + space)
			case currency:
				line.WriteString(" " + cell + space)
			default:
				line.WriteString("  " + space + cell)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}

// CSV is the report for a spreadsheet, with exact amounts. A text that a spreadsheet would take for a formula begins with an
// apostrophe, and what would steer a terminal is replaced: names come from bills, which others write.
func (r *Report) CSV() (string, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	rows := [][]string{{"team", "month", "source", "state", "kind", strings.Split(r.By, "=")[0], "currency", "effective", "billed", "provisional", "percent", "before", "change"}}
	for i := range r.Lines {
		line := &r.Lines[i]
		rows = append(rows, []string{
			cell(r.Team), cell(r.Month), string(r.Source), string(r.State), string(line.Kind), cell(line.Group), line.Currency,
			line.Effective.String(), line.Billed.String(), line.Provisional.String(), number(line.Percent), number(line.Before), number(line.Change),
		})
	}
	if err := w.WriteAll(rows); err != nil {
		return "", err
	}
	return b.String(), nil
}

func number(amount *decimal.Decimal) string {
	if amount == nil {
		return ""
	}
	return amount.String()
}

// cell is a text as CSV has it: no formula, and nothing that steers the terminal on which it may be printed.
func cell(text string) string { return plain(spreadsheet.Text(text)) }

// Markdown is the report for a page or a comment.
func (r *Report) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "### Costs of team %s in %s\n\n| %s | effective | billed | share | change |\n|---|--:|--:|--:|--:|\n", escaped(r.Team), escaped(r.Month), escaped(strings.Replace(r.By, "=", " ", 1)))
	for _, t := range r.Totals {
		for _, line := range r.linesOf(t.Currency) {
			fmt.Fprintf(&b, "| %s | %s %s | %s | %s | %s |\n", escaped(r.title(line.Line)), line.effective, t.Currency, line.billed, percent(line.Percent), signed(line.Change, t.Currency))
		}
		fmt.Fprintf(&b, "| **all** | **%s %s** | **%s** | | %s |\n", money(t.All, t.Currency), t.Currency, money(t.Billed, t.Currency), signed(t.Change, t.Currency))
	}
	for i, note := range r.Notes {
		if i == 0 {
			b.WriteString("\n")
		}
		b.WriteString("- " + escaped(note) + "\n")
	}
	if r.Hints != nil {
		b.WriteString("\n#### Hints\n\n")
		for i := range r.Hints {
			b.WriteString("- " + escaped(r.Hints[i].sentence()) + "\n")
		}
		if len(r.Hints) == 0 {
			b.WriteString("None.\n")
		}
	}
	return b.String()
}

var marks = strings.NewReplacer(`\`, `\\`, "|", `\|`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", "&lt;", ">", "&gt;", "&", "&amp;", "!", `\!`, "#", `\#`, "@", "&#64;")

// escaped is a text without marks, links or mentions in Markdown.
func escaped(text string) string { return marks.Replace(plain(text)) }
