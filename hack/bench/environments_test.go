package main

import (
	"strings"
	"testing"
)

func TestEveryTeamHasItsShareOfTheEnvironments(t *testing.T) {
	const teams, all = 3, 7
	seen, share := map[string]bool{}, map[string]int{}
	for i := range all {
		e := placeEnvironment(i, &options{teams: teams})
		if key := e.Namespace + "/" + e.Name; seen[key] {
			t.Errorf("%s is there twice", key)
		} else {
			seen[key] = true
		}
		share[e.Namespace]++
	}
	for i := range teams {
		if n := share["team-"+place(i).Name]; n < all/teams || n > all/teams+1 {
			t.Errorf("team %d has %d", i, n)
		}
	}
}

func TestTheTableOfEnvironmentsHasTheFigures(t *testing.T) {
	r := environmentsResult{PeakMiB: 120, RestartWrites: 3, Phases: []*phase{{
		Name: "Environments", Count: 1000, Seconds: 42, RequestsPerInstance: 12.5,
		Requests: []requestCount{{request{"APPLY", "resourcequotas"}, 1000}, {request{"GET", "configmaps"}, 1}},
	}}}
	got := r.table()
	for _, want := range []string{"1000 Environments", "42.0 s", "12.50", "120 MiB", "it wrote 3 times", "1000  APPLY  resourcequotas"} {
		if !strings.Contains(got, want) {
			t.Errorf("the table lacks %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "configmaps") {
		t.Errorf("what does not grow with the Environments only hides the rest:\n%s", got)
	}
}
