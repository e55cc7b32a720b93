// Command backtest measures internal/forecast on series whose truth is known, and fails where it is not as good as
// docs/forecast.md promises.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
)

// The report's seeds. Nothing is tuned on them: to develop, use others (-first 1001).
const reportFirst, reportSeeds, reportEach = 1, 20, 5

func main() {
	first := flag.Uint64("first", reportFirst, "the first seed; 1 to 20 are the report's, 1001 and up for development")
	count := flag.Int("seeds", reportSeeds, "how many seeds")
	each := flag.Int("each", reportEach, "how many series of each family with each seed")
	models := flag.Bool("models", false, "show which models were chosen")
	flag.Parse()
	outcomes, err := evaluate(seeds(*first, *count), *each)
	if err == nil {
		fmt.Printf("Seeds %d to %d, %d series of %d days of each family with each seed.\n\n", *first, *first+uint64(*count)-1, *each, days)
		report(os.Stdout, outcomes)
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

func report(w io.Writer, outcomes []outcome) {
	table := tabwriter.NewWriter(w, 0, 0, 1, ' ', tabwriter.Debug)
	defer table.Flush()
	row := func(name string, o *outcome) {
		fmt.Fprintf(table, "| %s\t", name)
		for _, s := range o.scores {
			fmt.Fprintf(table, " %.2f\t", 100*s.byDay/o.actual)
		}
		for _, s := range o.scores[:2] {
			fmt.Fprintf(table, " %.2f\t", 100*s.ofSums/o.actual)
		}
		fmt.Fprintf(table, " %s\t", percent(o.scores[0].inside, o.scores[0].asked))
		a := o.anomalies
		fmt.Fprintf(table, " %d\t %d\t %s\t %s\t\n", a.events, a.wrong, percent(a.right, a.right+a.wrong), percent(a.events-a.missed, a.events))
	}
	fmt.Fprint(table, "| family\t")
	for _, m := range methods {
		fmt.Fprintf(table, " %s\t", m.name)
	}
	fmt.Fprint(table, " sums: chosen\t sums: SeasonalNaive\t in the interval\t events\t false\t precision\t recall\t\n")
	fmt.Fprint(table, "|---\t---\t---\t---\t---\t---\t---\t---\t---\t---\t---\t---\t---\t\n")
	for i := range outcomes {
		row(families[i].name, &outcomes[i])
	}
	all := total(outcomes)
	row("all", &all)
}

func percent(part, of int) string {
	if of == 0 {
		return "none"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(part)/float64(of))
}
