package main

import "testing"

// The short form of make backtest, with seeds that neither the report nor the development uses.
func TestForecastsAndAnomaliesAreGoodEnough(t *testing.T) {
	outcomes, err := evaluate(seeds(501, 1), 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := verdict(outcomes); err != nil {
		t.Errorf("%v\n%s", err, report(outcomes))
	}
}

func TestTheVerdictSeesWhatIsNotGoodEnough(t *testing.T) {
	good := make([]outcome, len(families))
	for i := range good {
		good[i].actual = 1
		good[i].scores[0].byDay, good[i].scores[0].ofSums = 0.1, 0.1
		good[i].scores[1].byDay, good[i].scores[1].ofSums = 0.2, 0.2
		good[i].anomalies = found{right: 9, wrong: 1, events: 10, missed: 2}
	}
	if err := verdict(good); err != nil {
		t.Fatal(err)
	}
	for name, worsen := range map[string]func(o *outcome){
		"days":      func(o *outcome) { o.scores[0].byDay = 0.2 },
		"sums":      func(o *outcome) { o.scores[0].ofSums = 2 },
		"precision": func(o *outcome) { o.anomalies.wrong = 30 },
		"recall":    func(o *outcome) { o.anomalies.missed = 10 },
	} {
		worse := append([]outcome{}, good...)
		worsen(&worse[3])
		if verdict(worse) == nil {
			t.Errorf("worse %s passed", name)
		}
	}
}

func TestGeneratedSeriesDependOnTheirSeedAlone(t *testing.T) {
	for family, r := range families {
		a, b := generate(r, family, 7, 1), generate(r, family, 7, 1)
		other := generate(r, family, 8, 1)
		same := true
		for i := range a.x {
			if a.x[i] < b.x[i] || a.x[i] > b.x[i] {
				t.Fatalf("%s: day %d differs between two runs", r.name, i)
			}
			same = same && !(a.x[i] < other.x[i]) && !(a.x[i] > other.x[i])
		}
		if same {
			t.Errorf("%s is the same with two seeds", r.name)
		}
	}
}
