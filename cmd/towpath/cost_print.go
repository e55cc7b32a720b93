package main

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/towpath-dev/towpath/internal/cost"
)

// costRow is a line of a table of costs.
type costRow struct {
	name    string
	figures [3]string
	mark    string
}

// costRows are a row for each Component in each environment, one for each of its objects that costs anything, and the total.
func costRows(report *costReport) []costRow {
	digits := cost.Digits(report.Total.Currency)
	row := func(name string, monthly cost.Range, parts []cost.Part) costRow {
		r := costRow{name: name, figures: [3]string{monthly.Min.StringFixed(digits), monthly.Expected.StringFixed(digits), monthly.Max.StringFixed(digits)}}
		if slices.ContainsFunc(parts, func(p cost.Part) bool { return p.PriceFrom == cost.DefaultList }) {
			r.mark = "*"
		}
		return r
	}
	var rows []costRow
	for i := range report.Items {
		item := &report.Items[i]
		rows = append(rows, row(fmt.Sprintf("%s in %s (%s)", item.Component, item.Environment, item.Tier), item.Estimate.Monthly, item.Estimate.Parts))
		for _, o := range item.Estimate.Objects {
			if len(o.Parts) > 0 {
				rows = append(rows, row("  "+o.Kind+"/"+o.Name, o.Monthly, o.Parts))
			}
		}
	}
	if len(report.Items) > 1 {
		rows = append(rows, row("all", report.Total.Monthly, report.Total.Parts))
	}
	return rows
}

// costNotes are what was assumed: of all that is shown first, then of some, with whose it is.
func costNotes(report *costReport) []string {
	// environments are those by assumption and Component.
	type key struct{ text, component string }
	environments, counts := map[key][]string{}, map[string]int{}
	var order []key
	for i := range report.Items {
		item := &report.Items[i]
		for _, text := range item.Estimate.AllAssumptions() {
			k := key{text, item.Component}
			if counts[text]++; environments[k] == nil {
				order = append(order, k)
			}
			environments[k] = append(environments[k], item.Environment)
		}
	}
	var all, some []string
	for _, k := range order {
		if counts[k.text] < len(report.Items) {
			some = append(some, fmt.Sprintf("%s in %s: %s", k.component, strings.Join(environments[k], ", "), k.text))
		} else if !slices.Contains(all, k.text) {
			all = append(all, k.text)
		}
	}
	return append(all, some...)
}

const defaultListMark = "* with prices of OpenCost's default list, which may not be yours: give --prices"

func costTable(report *costReport) string {
	head := costRow{name: report.Total.Currency + " A MONTH", figures: [3]string{"AT LEAST", "EXPECTED", "AT MOST"}}
	rows := append([]costRow{head}, costRows(report)...)
	var name int
	var widths [3]int
	for _, r := range rows {
		name = max(name, utf8.RuneCountInString(r.name))
		for i := range r.figures {
			widths[i] = max(widths[i], len(r.figures[i]))
		}
	}
	var b strings.Builder
	for _, r := range rows {
		line := fmt.Sprintf("%-*s  %*s  %*s  %*s %s", name, r.name, widths[0], r.figures[0], widths[1], r.figures[1], widths[2], r.figures[2], r.mark)
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	if slices.ContainsFunc(rows, func(r costRow) bool { return r.mark != "" }) {
		b.WriteString(defaultListMark + "\n")
	}
	if notes := costNotes(report); len(notes) > 0 {
		b.WriteString("\nassumed\n  " + strings.Join(notes, "\n  ") + "\n")
	}
	return b.String()
}

func costMarkdown(report *costReport) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %s a month | at least | expected | at most |\n|---|--:|--:|--:|\n", report.Total.Currency)
	marked := false
	for _, r := range costRows(report) {
		name := "**" + r.name + "**"
		if object, ok := strings.CutPrefix(r.name, "  "); ok {
			name = "`" + object + "`"
		}
		mark := ""
		if r.mark != "" {
			mark, marked = ` \*`, true
		}
		fmt.Fprintf(&b, "| %s%s | %s | %s | %s |\n", name, mark, r.figures[0], r.figures[1], r.figures[2])
	}
	if marked {
		b.WriteString("\n\\" + defaultListMark + "\n")
	}
	if notes := costNotes(report); len(notes) > 0 {
		b.WriteString("\n<details><summary>Assumed</summary>\n\n- " + strings.Join(notes, "\n- ") + "\n\n</details>\n")
	}
	return b.String()
}
