// Command backtest measures internal/forecast on series whose truth is known, and fails where it is not as good as
// docs/forecast.md promises.
package main

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// The report's seeds. Nothing is tuned on them: development uses 1001 to 1010 (-first 1001), the test 501.
const reportFirst, reportSeeds, reportEach = 2001, 20, 5

func main() {
	first := flag.Uint64("first", reportFirst, "the first seed; 2001 to 2020 are the report's, 1001 to 1010 for development")
	count := flag.Int("seeds", reportSeeds, "how many seeds")
	each := flag.Int("each", reportEach, "how many series of each family with each seed")
	models := flag.Bool("models", false, "show which models were chosen")
	flag.Parse()
	outcomes, err := evaluate(seeds(*first, *count), *each)
	if err == nil {
		fmt.Printf("Seeds %d to %d, %d series of %d days of each family with each seed.\n\n", *first, *first+uint64(*count)-1, *each, days)
		fmt.Println(report(outcomes))
		if *models {
			for i := range outcomes {
				fmt.Println(families[i].name, outcomes[i].forecastModels)
			}
		}
		err = verdict(outcomes)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func seeds(first uint64, count int) []uint64 {
	all := make([]uint64, count)
	for i := range all {
		all[i] = first + uint64(i)
	}
	return all
}

// total is the outcome of all families together.
func total(outcomes []outcome) outcome {
	var all outcome
	for i := range outcomes {
		one := outcomes[i]
		if families[i].heavyTails {
			one.anomalies = found{}
		}
		all.add(&one)
	}
	return all
}

// report is a table in Markdown, WAPE as percentages.
func report(outcomes []outcome) string {
	head := []string{"family"}
	for _, m := range methods {
		head = append(head, m.name)
	}
	head = append(head, "sums: "+methods[0].name, "sums: "+methods[1].name, "in the interval", "events", "false", "precision", "recall")
	rows := [][]string{head, make([]string, len(head))}
	for i := range outcomes {
		rows = append(rows, row(families[i].name, &outcomes[i]))
	}
	all := total(outcomes)
	rows = append(rows, row(everything, &all))
	var out strings.Builder
	for i, cells := range rows {
		for j, cell := range cells {
			fill := " "
			if i == 1 {
				fill = "-"
			}
			wide := 0
			for _, other := range rows {
				wide = max(wide, len(other[j]))
			}
			out.WriteString("|" + fill + cell + strings.Repeat(fill, wide-len(cell)+1))
		}
		out.WriteString("|\n")
	}
	return out.String()
}

func row(name string, o *outcome) []string {
	cells := []string{name}
	for _, s := range o.scores {
		cells = append(cells, fmt.Sprintf("%.2f", 100*s.byDay/o.actual))
	}
	for _, s := range o.scores[:2] {
		cells = append(cells, fmt.Sprintf("%.2f", 100*s.ofSums/o.actual))
	}
	a := o.anomalies
	return append(cells, percent(o.scores[0].inside, o.scores[0].asked), strconv.Itoa(a.events), strconv.Itoa(a.wrong),
		percent(a.right, a.right+a.wrong), percent(a.events-a.missed, a.events))
}

func percent(part, of int) string {
	if part == 0 {
		return "none"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(part)/float64(of))
}
