package notify_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/towpath-dev/towpath/internal/notify"
)

var begin = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// alert is one of a budget of shop for November.
func alert(basis notify.Basis, threshold string) notify.Alert {
	return notify.Alert{
		Key:      notify.Key{UID: "uid-1", Period: "2026-11", Threshold: threshold, Basis: basis},
		Severity: notify.Warning, Team: "shop", Namespace: "team-shop", Name: "monthly", Title: threshold + " of " + string(basis),
		EndsAt: begin.AddDate(0, 1, 0),
	}
}

// said are alerts in short.
func said(alerts []notify.Alert) string {
	var texts []string
	for _, a := range alerts {
		texts = append(texts, fmt.Sprintf("%s %s %s %d", a.Status, a.Basis, a.Threshold, a.Sequence))
	}
	return strings.Join(texts, ", ")
}

func TestLevelOf(t *testing.T) {
	for name, tc := range map[string]struct {
		amount, threshold string
		want              notify.Level
	}{
		"above":                     {"1000.01", "1000", notify.Over},
		"at it":                     {"1000", "1000.00", notify.Over},
		"a hair below":              {"999.999999999999999999", "1000", notify.Near},
		"at the margin":             {"950", "1000", notify.Near},
		"below the margin":          {"949.999999999999999999", "1000", notify.Under},
		"credits":                   {"-12.50", "1000", notify.Under},
		"a threshold of zero":       {"0", "0.00", notify.Over},
		"beyond what a float tells": {"90071992547409930.01", "90071992547409930.02", notify.Near},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := notify.LevelOf(tc.amount, tc.threshold, 5); err != nil || got != tc.want {
				t.Errorf("it is %s, %v, want %s", got, err, tc.want)
			}
		})
	}
	for _, amount := range []string{"", "1e999999999", "1/3", "0x10", "1_000", "1,000.00", "$5", "NaN", ".5", "5.", " 5", strings.Repeat("9", 31)} {
		if level, err := notify.LevelOf(amount, "5", 5); err == nil {
			t.Errorf("%q is %s", amount, level)
		}
		if level, err := notify.LevelOf("5", amount, 5); err == nil {
			t.Errorf("%q as a threshold is %s", amount, level)
		}
	}
	if _, err := notify.LevelOf("5", "-5", 5); err == nil {
		t.Error("a threshold may be negative")
	}
}

func TestDecide(t *testing.T) {
	type step struct {
		after time.Duration
		level notify.Level
		want  string
	}
	const day = 24 * time.Hour
	for name, tc := range map[string]struct {
		basis notify.Basis
		steps []step
	}{
		"what was spent alerts once in a period": {notify.Actual, []step{
			{0, notify.Under, ""}, {day, notify.Near, ""}, {day, notify.Over, "Firing Actual 80% 1"}, {day, notify.Over, ""},
			{day, notify.Near, ""}, {5 * day, notify.Over, ""},
		}},
		"what was spent alerts again where its end was told": {notify.Actual, []step{
			{0, notify.Over, "Firing Actual 80% 1"}, {time.Hour, notify.Under, "Resolved Actual 80% 1"}, {time.Hour, notify.Over, ""},
			{22 * time.Hour, notify.Over, "Firing Actual 80% 2"}, {day, notify.Over, ""},
		}},
		"a forecast alerts again after it fell": {notify.Forecast, []step{
			{0, notify.Over, "Firing Forecast 80% 1"}, {day, notify.Over, ""}, {day, notify.Under, "Resolved Forecast 80% 1"},
			{day, notify.Under, ""}, {day, notify.Over, "Firing Forecast 80% 2"}, {day, notify.Under, "Resolved Forecast 80% 2"},
		}},
		"a forecast that trembles makes no noise": {notify.Forecast, []step{
			{0, notify.Near, ""}, {day, notify.Over, "Firing Forecast 80% 1"}, {day, notify.Near, ""}, {day, notify.Over, ""}, {day, notify.Near, ""},
		}},
		"a forecast that rises again soon waits": {notify.Forecast, []step{
			{0, notify.Over, "Firing Forecast 80% 1"}, {time.Hour, notify.Under, "Resolved Forecast 80% 1"}, {time.Hour, notify.Over, ""},
			{21 * time.Hour, notify.Over, ""}, {time.Hour, notify.Over, "Firing Forecast 80% 2"}, {time.Hour, notify.Over, ""},
		}},
		"an anomaly alerts once": {notify.Anomaly, []step{
			{0, notify.Over, "Firing Anomaly 80% 1"}, {day, notify.Over, ""},
		}},
		"a bill that is corrected late alerts no second time": {notify.Actual, []step{
			{28 * day, notify.Over, "Firing Actual 80% 1"}, {30 * day, notify.Over, ""}, {12 * day, notify.Over, ""}, {300 * day, notify.Over, ""},
		}},
		"what comes long after the period is ignored": {notify.Actual, []step{{75 * day, notify.Over, ""}}},
	} {
		t.Run(name, func(t *testing.T) {
			var fired []notify.Fired
			now := begin
			for i, s := range tc.steps {
				now = now.Add(s.after)
				before, _ := json.Marshal(fired)
				next, alerts := notify.Decide(fired, []notify.Observation{{Level: s.level, Alert: alert(tc.basis, "80%")}}, notify.Defaults(), now)
				if got := said(alerts); got != s.want {
					t.Fatalf("step %d says %q, want %q", i, got, s.want)
				}
				if after, _ := json.Marshal(fired); string(after) != string(before) {
					t.Fatalf("step %d changed what it was given", i)
				}
				fired = throughJSON(t, next)
			}
		})
	}
}

func TestDecide_KeysAreApart(t *testing.T) {
	all := []notify.Observation{}
	for _, change := range []func(*notify.Alert){
		func(*notify.Alert) {}, func(a *notify.Alert) { a.Threshold = "100%" }, func(a *notify.Alert) { a.Basis = notify.Forecast },
		func(a *notify.Alert) { a.UID = "uid-2" }, func(a *notify.Alert) { a.Period = "2026-12" },
		func(a *notify.Alert) { a.Period, a.Threshold = "2026-1", "180%" },
	} {
		a := alert(notify.Actual, "80%")
		change(&a)
		all = append(all, notify.Observation{Level: notify.Over, Alert: a})
	}
	fired, alerts := notify.Decide(nil, append(all, all...), notify.Defaults(), begin)
	ids := map[string]bool{}
	for _, a := range alerts {
		ids[a.ID()] = true
		a.Status = notify.Resolved
		ids[a.ID()] = true
		a.Sequence++
		ids[a.ID()] = true
	}
	if len(alerts) != len(all) || len(ids) != 3*len(all) {
		t.Errorf("there are %d alerts and %d IDs: %s", len(alerts), len(ids), said(alerts))
	}
	// Of what nothing is known, nothing changes.
	next, alerts := notify.Decide(fired, nil, notify.Defaults(), begin.AddDate(0, 0, 20))
	if diff := cmp.Diff(fired, next); diff != "" || len(alerts) != 0 {
		t.Errorf("it says %s, and remembers\n%s", said(alerts), diff)
	}
	if next, _ := notify.Decide(fired, nil, notify.Defaults(), begin.AddDate(1, 0, 0)); len(next) != 0 {
		t.Errorf("a year later it remembers %v", next)
	}
}

// TestDecide_AnEndIsKnownByItsLabels holds what a receiver tells alerts by, though what is said of them changes.
func TestDecide_AnEndIsKnownByItsLabels(t *testing.T) {
	first, last := alert(notify.Forecast, "80%"), alert(notify.Forecast, "80%")
	first.Labels, first.Severity = map[string]string{"component": "checkout"}, notify.Critical
	last.Labels, last.Title, last.Spent = map[string]string{"component": "cart"}, "It fell.", "12.00"
	fired, began := notify.Decide(nil, []notify.Observation{{Level: notify.Over, Alert: first}}, notify.Defaults(), begin)
	first.Labels["component"] = "changed by the caller"
	_, ended := notify.Decide(fired, []notify.Observation{{Level: notify.Under, Alert: last}}, notify.Defaults(), begin.Add(time.Hour))
	if len(began) != 1 || len(ended) != 1 {
		t.Fatalf("it says %s, %s", said(began), said(ended))
	}
	want := began[0]
	want.Status, want.Title, want.Spent, want.EndsAt = notify.Resolved, "It fell.", "12.00", begin.Add(time.Hour)
	if diff := cmp.Diff(want, ended[0]); diff != "" || ended[0].Labels["component"] != "checkout" {
		t.Errorf("the end is another one:\n%s", diff)
	}
}

// throughJSON is what a restart leaves of a value.
func throughJSON[T any](t *testing.T, value T) T {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var back T
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(back)
	if err != nil || !slices.Equal(text, again) {
		t.Fatalf("it is not the same after a restart:\n%s\n%s", text, again)
	}
	return back
}
