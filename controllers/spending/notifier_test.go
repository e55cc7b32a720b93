package spending

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	testclock "k8s.io/utils/clock/testing"

	"github.com/towpath-dev/towpath/internal/notify"
	"github.com/towpath-dev/towpath/internal/notify/send"
	"github.com/towpath-dev/towpath/internal/outbound"
	"github.com/towpath-dev/towpath/internal/spending"
)

// TestDeliver_OneSlowTargetHoldsUpNoOther has targets that answer when all of them were asked.
func TestDeliver_OneSlowTargetHoldsUpNoOther(t *testing.T) {
	const count = 4
	var asked sync.WaitGroup
	asked.Add(count)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Done()
		asked.Wait()
		if strings.HasSuffix(r.URL.Path, "0") {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	t.Cleanup(server.Close)
	rules, err := outbound.NewRules("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, time.November, 16, 9, 30, 0, 0, time.UTC)
	clock := testclock.NewFakePassiveClock(now)
	n := &Notifier{Sender: send.New(send.Options{Rules: rules, Clock: clock}), Clock: clock}
	targets := &Targets{ready: map[string]send.Target{}, Wrong: map[string]error{}}
	for i := range count {
		name := fmt.Sprint("t", i)
		targets.Names = append(targets.Names, name)
		targets.ready[name] = send.Target{Key: name, Name: name, Kind: notify.Slack, URL: send.Secret(server.URL + "/" + name)}
		targets.destinations = append(targets.destinations, notify.Destination{Name: name, Kind: notify.Slack, Revision: "1"})
	}
	alert := notify.Alert{
		Key:      notify.Key{UID: "u", Period: "2026-11", Threshold: "80%", Basis: notify.Actual},
		Severity: notify.Warning, Status: notify.Firing, Sequence: 1, Team: "shop", Title: "80% are spent", StartsAt: now, EndsAt: now.AddDate(0, 0, 14),
	}
	state := notify.State{Outbox: notify.Enqueue(nil, []notify.Alert{alert}, targets.Names, spending.AlertRules(), now.Add(-time.Hour))}
	saves := 0
	state, next, err := n.Deliver(t.Context(), state, targets, func(notify.State) error { saves++; return nil })
	if err != nil || saves != count || !next.After(now) {
		t.Errorf("it is written %d times, and comes again %s: %v", saves, next, err)
	}
	for _, d := range state.Outbox[0].Deliveries {
		if want := map[bool]notify.Progress{true: notify.Pending, false: notify.Delivered}[d.Target == "t0"]; d.Progress != want || d.Attempts != 1 {
			t.Errorf("%s is %s after %d attempts: %s", d.Target, d.Progress, d.Attempts, d.LastError)
		}
	}
}

// TestSend_OutlivesAPanic has no sender at all.
func TestSend_OutlivesAPanic(t *testing.T) {
	became := (&Notifier{}).send(t.Context(), &Targets{ready: map[string]send.Target{}, Wrong: map[string]error{}}, notify.Batch{Target: "slack", Alerts: []notify.Alert{{}}})
	if became.err == nil || !strings.Contains(became.err.Error(), "slack: panic") || became.result.Failed != 1 {
		t.Errorf("%+v", became)
	}
}
