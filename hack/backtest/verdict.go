package main

import (
	"errors"
	"fmt"
)

// What anomalies must reach on all families together.
const leastPrecision, leastRecall = 0.9, 0.8

// everything is all families together.
const everything = "all"

// verdict is an error with all that is not as good as it must be.
func verdict(outcomes []outcome) error {
	var errs []error
	beats := func(name string, o *outcome) {
		chosen, naive := &o.scores[0], &o.scores[1]
		if chosen.byDay >= naive.byDay {
			errs = append(errs, fmt.Errorf("%s: by day, the chosen forecast is no better than seasonal naive: %.4f against %.4f", name, chosen.byDay/o.actual, naive.byDay/o.actual))
		}
		// Of sums there are too few in a family for small differences to mean something.
		if name == everything && chosen.ofSums >= naive.ofSums {
			errs = append(errs, fmt.Errorf("%s: of sums, the chosen forecast is no better than seasonal naive: %.4f against %.4f", name, chosen.ofSums/o.actual, naive.ofSums/o.actual))
		}
	}
	for i := range outcomes {
		beats(families[i].name, &outcomes[i])
	}
	all := total(outcomes)
	beats(everything, &all)
	a := all.anomalies
	if precision := float64(a.right) / float64(max(1, a.right+a.wrong)); precision < leastPrecision {
		errs = append(errs, fmt.Errorf("precision of anomalies is %.3f, and must be at least %.1f", precision, leastPrecision))
	}
	if recall := float64(a.events-a.missed) / float64(max(1, a.events)); recall < leastRecall {
		errs = append(errs, fmt.Errorf("recall of anomalies is %.3f, and must be at least %.1f", recall, leastRecall))
	}
	return errors.Join(errs...)
}
