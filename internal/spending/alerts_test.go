package spending_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	testclock "k8s.io/utils/clock/testing"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/notify"
	"github.com/towpath-dev/towpath/internal/notify/send"
	"github.com/towpath-dev/towpath/internal/outbound"
	"github.com/towpath-dev/towpath/internal/spending"
)

var subject = spending.Subject{UID: "u", Team: "shop", Namespace: "team-shop", Name: "monthly"}

func TestThresholdsAreObserved(t *testing.T) {
	t.Parallel()
	limit := monthly("280", "")
	f := reckon(t, limit, each("10", 60, 2)) // 140 are spent, and 300 expected
	b := &platformv1alpha1.Budget{}
	thresholds, err := spending.BudgetThresholds(b, &limit)
	if err != nil {
		t.Fatal(err)
	}
	seen, err := spending.Observe(&f, thresholds, subject)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]notify.Level{}
	for _, o := range seen {
		got[string(o.Alert.Basis)+" "+o.Alert.Threshold] = o.Level
	}
	want := map[string]notify.Level{
		"Actual 50% of 280 USD": notify.Over, "Actual 80% of 280 USD": notify.Under, "Actual 100% of 280 USD": notify.Under,
		"Forecast 100% of 280 USD": notify.Over,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	b.Spec.Thresholds = []platformv1alpha1.BudgetThreshold{{Name: "a", Amount: "139.99"}, {Name: "b", Percent: 110, Basis: platformv1alpha1.BasisForecast}}
	if thresholds, err = spending.BudgetThresholds(b, &limit); err != nil || thresholds[0].Shown != "139.99 USD" || !thresholds[1].Amount.Equal(money("308")) {
		t.Errorf("%v %+v", err, thresholds)
	}
}

func TestAnAnomalyIsToldInMoneyOfItsCurrency(t *testing.T) {
	t.Parallel()
	limit := monthly("280", "")
	anomalies := []platformv1alpha1.CostAnomaly{{Kind: "Step", From: limit.Period.From.String(), Actual: "46.1", Expected: "36.4567"}}
	seen := spending.ObserveAnomalies(anomalies, &limit, subject, limit.Period.From)
	if want := "Step since " + anomalies[0].From + ": 46.10 USD in place of 36.46 USD"; len(seen) != 1 || seen[0].Alert.Title != want {
		t.Errorf("got %+v, want the title %q", seen, want)
	}
}

func TestAStateComesBackFromStatus(t *testing.T) {
	t.Parallel()
	limit := monthly("280", "")
	f := reckon(t, limit, each("10", 60, 2))
	seen, err := spending.Observe(&f, spending.TeamThresholds(&limit), subject)
	if err != nil {
		t.Fatal(err)
	}
	rules := spending.AlertRules()
	state := notify.State{}.Advance(seen, []string{"a", "b"}, rules, now)
	if len(state.Outbox) != 1 {
		t.Fatalf("%+v", state)
	}
	batch := notify.Batch{Target: "a", Revision: "7", Alerts: []notify.Alert{state.Outbox[0].Alert}}
	state.Outbox = notify.Record(state.Outbox, batch, notify.Result{Failed: 1}, errFull, rules, now)
	back := spending.NotifyState(spending.AlertState(state), "team-shop", "monthly")
	if diff := cmp.Diff(state, back); diff != "" {
		t.Error(diff)
	}
	if spending.AlertState(notify.State{}) != nil {
		t.Error("nothing is written as something")
	}
}

type full struct{}

func (full) Error() string { return "full" }

var errFull error = full{}

func TestAnAlertOfAThresholdThatIsGoneIsTakenBack(t *testing.T) {
	t.Parallel()
	rules := spending.AlertRules()
	observe := func(amount string) []notify.Observation {
		limit := monthly(amount, "")
		f := reckon(t, limit, each("10", 60, 2))
		seen, err := spending.Observe(&f, spending.TeamThresholds(&limit), subject)
		if err != nil {
			t.Fatal(err)
		}
		return seen
	}
	state := notify.State{}.Advance(observe("140"), []string{"a"}, rules, now)
	fired := len(state.Outbox)
	later := now.Add(time.Minute)
	raised := observe("9000")
	state = state.Advance(append(raised, spending.Withdrawn(state.Fired, raised, subject, later)...), []string{"a"}, rules, later)
	resolved := 0
	for _, item := range state.Outbox {
		if item.Alert.Status == notify.Resolved {
			resolved++
		}
	}
	if fired != 3 || resolved != 3 {
		t.Errorf("%d fired and %d were taken back", fired, resolved)
	}
	again := spending.Withdrawn(state.Fired, raised, subject, later)
	if len(again) != 0 {
		t.Errorf("they are taken back twice: %+v", again)
	}
}

// TestTheEndOfAThresholdIsKnownToAlertmanager raises the amount of a limit, and of a Budget: Alertmanager tells by all labels which alert
// ends.
func TestTheEndOfAThresholdIsKnownToAlertmanager(t *testing.T) {
	t.Parallel()
	for name, subject := range map[string]spending.Subject{
		"Budget": subject,
		"Team":   {UID: "u/prod", Team: "shop", Name: "shop", Labels: map[string]string{"limit": "prod"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			observe := func(amount string) []notify.Observation {
				limit := monthly(amount, "")
				f := reckon(t, limit, each("10", 60, 2))
				seen, err := spending.Observe(&f, spending.TeamThresholds(&limit), subject)
				if err != nil {
					t.Fatal(err)
				}
				return seen
			}
			rules, later := spending.AlertRules(), now.Add(time.Minute)
			state := notify.State{}.Advance(observe("140"), []string{"am"}, rules, now)
			state = spending.NotifyState(spending.AlertState(state), subject.Namespace, subject.Name)
			raised := observe("9000")
			common := spending.Subject{Team: subject.Team, Namespace: subject.Namespace, Name: subject.Name}
			state = state.Advance(append(raised, spending.Withdrawn(state.Fired, raised, common, later)...), []string{"am"}, rules, later)
			var alerts []notify.Alert
			for _, item := range state.Outbox {
				alerts = append(alerts, item.Alert)
			}
			began, ended := labelsByThreshold(t, alerts)
			if len(began) != 3 || began["100% of 140 USD/Actual"]["team"] != "shop" {
				t.Errorf("these began: %v", began)
			}
			if diff := cmp.Diff(began, ended); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// labelsByThreshold are the labels that Alertmanager gets of alerts that begin and of those that end.
func labelsByThreshold(t *testing.T, alerts []notify.Alert) (began, ended map[string]map[string]string) {
	t.Helper()
	began, ended = map[string]map[string]string{}, map[string]map[string]string{}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var posted []struct {
			Labels map[string]string `json:"labels"`
			EndsAt time.Time         `json:"endsAt"`
		}
		if err := json.NewDecoder(r.Body).Decode(&posted); err != nil {
			t.Error(err)
		}
		for _, p := range posted {
			into := began
			if p.EndsAt.Before(now.AddDate(0, 0, 1)) {
				into = ended
			}
			into[p.Labels["threshold"]+"/"+p.Labels["basis"]] = p.Labels
		}
	}))
	t.Cleanup(server.Close)
	allowed, err := outbound.NewRules("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	sender := send.New(send.Options{Rules: allowed, Clock: testclock.NewFakePassiveClock(now)})
	if _, err := sender.Deliver(t.Context(), send.Target{Key: "am", Name: "am", Kind: notify.Alertmanager, URL: send.Secret(server.URL)}, alerts); err != nil {
		t.Fatal(err)
	}
	return began, ended
}
