package spending

import (
	"strings"
	"testing"

	"github.com/towpath-dev/towpath/internal/notify"
	"github.com/towpath-dev/towpath/internal/spending"
)

// TestEnd removes the limits of a Team of which two alerts stand: the platform's target got none of them yet, the team's both.
func TestEnd(t *testing.T) {
	until := sentAt.AddDate(0, 1, 0)
	var seen []notify.Observation
	for _, threshold := range []string{"80%", "100%"} {
		seen = append(seen, notify.Observation{Level: notify.Over, Alert: notify.Alert{
			Key:  notify.Key{UID: "u/all", Period: "2026-11", Threshold: threshold, Basis: notify.Actual},
			Team: "shop", Name: "shop", Labels: map[string]string{"limit": "all"}, EndsAt: until,
		}})
	}
	rules := spending.AlertRules()
	state := notify.State{}.Advance(seen, []string{"chat", "platform/chat"}, rules, sentAt)
	batch := notify.Batch{Target: "chat", Alerts: []notify.Alert{state.Outbox[0].Alert, state.Outbox[1].Alert}}
	state.Outbox = notify.Record(state.Outbox, batch, notify.Result{Delivered: 2}, nil, rules, sentAt)

	next, told := end(state, "shop", []string{"chat"}, sentAt)
	if notify.Waiting(next.Outbox) != 2 || !strings.Contains(told, "2 alerts that were owed to targets which are gone") || !strings.Contains(told, "2 alerts stood") {
		t.Errorf("it owes %+v, and says %q", next.Outbox, told)
	}
	for _, item := range next.Outbox[2:] {
		if a := item.Alert; a.Status != notify.Resolved || a.Team != "shop" || a.Name != "shop" || a.Labels["limit"] != "all" || item.Deliveries[0].Target != "chat" {
			t.Errorf("the end is %+v", item)
		}
	}
	if again, told := end(next, "shop", []string{"chat"}, sentAt); told != "" || notify.Waiting(again.Outbox) != 2 {
		t.Errorf("then it owes %+v, and says %q", again.Outbox, told)
	}
	batch.Alerts = []notify.Alert{next.Outbox[2].Alert, next.Outbox[3].Alert}
	next.Outbox = notify.Record(next.Outbox, batch, notify.Result{Delivered: 2}, nil, rules, sentAt)
	if last, told := end(next, "shop", []string{"chat"}, sentAt); told != "" || len(last.Fired)+len(last.Outbox) != 0 {
		t.Errorf("once all is told it keeps %+v, and says %q", last, told)
	}
	if none, told := end(state, "shop", nil, sentAt); len(none.Fired)+len(none.Outbox) != 0 || !strings.Contains(told, "2 alerts that were owed") {
		t.Errorf("without a target it keeps %+v, and says %q", none, told)
	}
}
