package send_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"k8s.io/utils/clock"

	testprometheus "github.com/towpath-dev/towpath/hack/prometheus"
	"github.com/towpath-dev/towpath/internal/notify"
	"github.com/towpath-dev/towpath/internal/notify/send"
)

// notification is what Alertmanager tells its receivers.
type notification struct {
	Status string
	Alerts []struct {
		Status              string
		Labels, Annotations map[string]string
		StartsAt, EndsAt    time.Time
		GeneratorURL        string
	}
}

// TestAlertmanager_Real sends an alert, and its end, to one that runs, and waits for what that tells its receiver.
func TestAlertmanager_Real(t *testing.T) {
	if err := testprometheus.HasAlertmanager(); err != nil {
		if os.Getenv("TOWPATH_TOOLS_REQUIRED") != "" {
			t.Fatal(err)
		}
		t.Skipf("a real Alertmanager is not asked: %v", err)
	}
	told := make(chan notification, 10)
	pager := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var n notification
		if err := json.NewDecoder(r.Body).Decode(&n); err != nil {
			t.Error(err)
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		told <- n
	}))
	t.Cleanup(pager.Close)
	address, stop, err := testprometheus.StartAlertmanager(t.Context(), t.TempDir(), pager.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	next := func() notification {
		select {
		case n := <-told:
			return n
		case <-time.After(time.Minute):
			t.Fatal("Alertmanager tells nothing")
			return notification{}
		}
	}
	s, _ := sender(t, func(o *send.Options) { o.Clock = clock.RealClock{} })
	target := send.Target{Key: "am", Name: "am", Kind: notify.Alertmanager, URL: send.Secret(address)}
	rules, begin := notify.Defaults(), time.Now().Add(-time.Minute)
	observation := notify.Observation{Level: notify.Over, Alert: alert("80%")}
	observation.Alert.Basis, observation.Alert.EndsAt = notify.Forecast, begin.AddDate(0, 1, 0)
	observation.Alert.Labels = map[string]string{"app.kubernetes.io/name": "checkout"}

	state := notify.State{}
	for _, want := range []struct {
		level  notify.Level
		status string
	}{{notify.Over, "firing"}, {notify.Under, "resolved"}} {
		observation.Level = want.level
		state = state.Advance([]notify.Observation{observation}, []string{"am"}, rules, begin)
		batches, _ := notify.Plan(state.Outbox, []notify.Destination{{Name: "am", Kind: notify.Alertmanager}}, rules, begin)
		if len(batches) != 1 {
			t.Fatalf("there are %d batches", len(batches))
		}
		result, err := s.Deliver(t.Context(), target, batches[0].Alerts)
		if err != nil {
			t.Fatal(err)
		}
		state.Outbox = notify.Record(state.Outbox, batches[0], result, err, rules, begin)
		got := next()
		if got.Status != want.status || len(got.Alerts) != 1 {
			t.Fatalf("it tells %+v, want %s", got, want.status)
		}
		a := got.Alerts[0]
		if a.Labels["alertname"] != "TowpathBudget" || a.Labels["team"] != "shop" || a.Labels["severity"] != "critical" || a.Labels["app_kubernetes_io_name"] != "checkout" ||
			a.Annotations["limit"] != "1000.00" || a.GeneratorURL != alert("").Link || !a.StartsAt.Equal(begin.UTC().Truncate(time.Second)) {
			t.Errorf("it tells %+v", a)
		}
	}
	// Whatever names are, it takes them.
	odd := alert("90%")
	odd.Labels = map[string]string{"9": "ä", "": "x", "a b": "c\x00\xff"}
	odd.Title, odd.Link, odd.EndsAt = "", "no link", time.Now().Add(-time.Hour)
	if result, err := s.Deliver(t.Context(), target, []notify.Alert{odd}); err != nil || result.Delivered != 1 {
		t.Fatalf("it is %+v, %v", result, err)
	}
	if got := next(); got.Status != "firing" || got.Alerts[0].Labels["_9"] != "ä" {
		t.Errorf("it tells %+v", got)
	}
}
