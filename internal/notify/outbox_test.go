package notify_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/towpath-dev/towpath/internal/notify"
)

var errAway = errors.New("target ops at hooks.example: it does not answer in time")

func slack(name string) notify.Destination {
	return notify.Destination{Name: name, Kind: notify.Slack, Revision: "1"}
}

func webhook(name string) notify.Destination {
	return notify.Destination{Name: name, Kind: notify.Webhook, Revision: "1"}
}

// outbox has alerts of these thresholds, a second after each other.
func outbox(targets []string, thresholds ...string) []notify.Item {
	var items []notify.Item
	for i, threshold := range thresholds {
		a := alert(notify.Actual, threshold)
		a.Status, a.Sequence, a.StartsAt = notify.Firing, 1, begin
		items = notify.Enqueue(items, []notify.Alert{a}, targets, notify.Defaults(), begin.Add(time.Duration(i)*time.Second))
	}
	return items
}

// thresholds are those of a batch.
func thresholds(batches []notify.Batch) string {
	var texts []string
	for _, b := range batches {
		text := b.Target
		for _, a := range b.Alerts {
			text += " " + a.Threshold
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, "; ")
}

func plan(t *testing.T, items []notify.Item, at time.Duration, want string, next time.Duration, destinations ...notify.Destination) []notify.Batch {
	t.Helper()
	batches, when := notify.Plan(items, destinations, notify.Defaults(), begin.Add(at))
	if got := thresholds(batches); got != want {
		t.Fatalf("at %s it sends %q, want %q", at, got, want)
	}
	if want == "" && next == 0 != when.IsZero() || next != 0 && !when.Equal(begin.Add(next)) {
		t.Fatalf("at %s it comes again at %s, want %s", at, when, begin.Add(next))
	}
	return batches
}

func TestPlan_GathersForSlackAlone(t *testing.T) {
	items := outbox([]string{"chat", "hook"}, "50%", "80%", "100%")
	both := []notify.Destination{slack("chat"), webhook("hook")}
	hook := plan(t, items, 0, "hook 50% 80% 100%", 0, webhook("hook"))
	plan(t, items, 29*time.Second, "hook 50% 80% 100%", 30*time.Second, both...)
	items = notify.Record(items, hook[0], notify.Result{Delivered: 3}, nil, notify.Defaults(), begin)
	plan(t, items, 29*time.Second, "", 30*time.Second, both...)
	chat := plan(t, items, 30*time.Second, "chat 50% 80% 100%", 0, both...)
	items = notify.Record(items, chat[0], notify.Result{Delivered: 3}, nil, notify.Defaults(), begin.Add(30*time.Second))
	plan(t, items, time.Hour, "", 0, both...)
	for _, item := range items {
		for _, d := range item.Deliveries {
			if d.Progress != notify.Delivered || d.DeliveredAt.IsZero() || d.Attempts != 1 || d.LastError != "" {
				t.Errorf("it is %+v", d)
			}
		}
	}
}

func TestPlan_KeepsTeamsApartAndMessagesShort(t *testing.T) {
	var names []string
	for i := range 12 {
		names = append(names, fmt.Sprintf("%d%%", i+1))
	}
	items := outbox([]string{"chat"}, names...)
	for _, i := range []int{1, 2} {
		items[i].Alert.Team = "other"
	}
	batches := plan(t, items, time.Minute, "chat 1% 4% 5% 6% 7% 8% 9% 10% 11% 12%", 0, slack("chat"))
	items = notify.Record(items, batches[0], notify.Result{Delivered: 10}, nil, notify.Defaults(), begin.Add(time.Minute))
	plan(t, items, time.Minute, "chat 2% 3%", 0, slack("chat"))
}

func TestPlan_TakesSeveralOutboxesTogether(t *testing.T) {
	one, two := outbox([]string{"chat"}, "50%"), outbox([]string{"chat"}, "80%")
	two[0].Alert.UID = "uid-2"
	batches := plan(t, slices.Concat(one, two), time.Minute, "chat 50% 80%", 0, slack("chat"))
	for _, items := range [][]notify.Item{one, two} {
		items = notify.Record(items, batches[0], notify.Result{Delivered: 2}, nil, notify.Defaults(), begin.Add(time.Minute))
		if len(items) != 1 || items[0].Deliveries[0].Progress != notify.Delivered {
			t.Errorf("it is %+v", items)
		}
	}
}

func TestRecord_TriesAgainLaterAndLater(t *testing.T) {
	rules := notify.Defaults()
	items := outbox([]string{"hook"}, "50%", "80%")
	at := time.Duration(0)
	var waits []time.Duration
	for range 12 {
		batches := plan(t, items, at, "hook 50% 80%", 0, webhook("hook"))
		items = throughJSON(t, notify.Record(items, batches[0], notify.Result{Failed: 1}, errAway, rules, begin.Add(at)))
		_, next := notify.Plan(items, []notify.Destination{webhook("hook")}, rules, begin.Add(at))
		waits = append(waits, next.Sub(begin.Add(at)))
		// Another one that comes meanwhile waits too.
		late := alert(notify.Forecast, "late")
		plan(t, notify.Enqueue(items, []notify.Alert{late}, []string{"hook"}, rules, begin), at+waits[len(waits)-1]-time.Second, "", next.Sub(begin), webhook("hook"))
		at = next.Sub(begin)
	}
	for i, wait := range waits {
		want := min(rules.Base<<i, rules.Cap)
		if wait < want*4/5 || wait > want*6/5+time.Second {
			t.Errorf("after attempt %d it waits %s, want about %s", i+1, wait, want)
		}
	}
	if d := items[0].Deliveries[0]; d.Attempts != 12 || d.LastError != errAway.Error() || d.Progress != notify.Pending {
		t.Errorf("it is %+v", d)
	}
	if d := items[1].Deliveries[0]; d.Attempts != 0 {
		t.Errorf("what was not tried is %+v", d)
	}
	spread := map[time.Duration]bool{}
	for i := range 50 {
		spread[notify.Backoff(rules, 3, fmt.Sprint(i))] = true
	}
	if once, again := notify.Backoff(rules, 3, "a"), notify.Backoff(rules, 3, "a"); len(spread) < 10 || once != again {
		t.Errorf("50 targets come back at %d different times", len(spread))
	}
	if huge := notify.Backoff(rules, 1<<30, "a"); huge > rules.Cap*6/5+time.Second {
		t.Errorf("it waits %s", huge)
	}
}

func TestRecord_WaitsAsLongAsItIsAsked(t *testing.T) {
	for name, tc := range map[string]struct {
		result notify.Result
		want   time.Duration
	}{
		"asked":                   {notify.Result{Failed: 1, RetryAfter: 90*time.Minute + time.Millisecond}, 90*time.Minute + time.Second},
		"asked for too long":      {notify.Result{Failed: 1, RetryAfter: 900 * time.Hour}, 24 * time.Hour},
		"not tried":               {notify.Result{RetryAfter: 7 * time.Second}, 7 * time.Second},
		"the first one delivered": {notify.Result{Delivered: 1, RetryAfter: 7 * time.Second}, 7 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			items := outbox([]string{"hook"}, "50%", "80%")
			batches := plan(t, items, 0, "hook 50% 80%", 0, webhook("hook"))
			items = notify.Record(items, batches[0], tc.result, errAway, notify.Defaults(), begin)
			plan(t, items, 0, "", tc.want, webhook("hook"))
			if d := items[1].Deliveries[0]; d.Attempts != 0 || d.LastError != "" {
				t.Errorf("what was not tried is %+v", d)
			}
		})
	}
}

func TestRecord_OneThatIsRefusedTakesNoOtherDown(t *testing.T) {
	rules := notify.Defaults()
	items := outbox([]string{"chat"}, "bad", "good")
	batches := plan(t, items, time.Minute, "chat bad good", 0, slack("chat"))
	record := func(result notify.Result, at time.Duration) {
		items = throughJSON(t, notify.Record(items, batches[0], result, errAway, rules, begin.Add(at)))
	}
	record(notify.Result{Failed: 2, Refusal: notify.RefusedAlert}, time.Minute)
	batches = plan(t, items, time.Minute, "chat bad", 0, slack("chat"))
	record(notify.Result{Failed: 1, Refusal: notify.RefusedAlert}, time.Minute)
	batches = plan(t, items, time.Minute, "chat good", 0, slack("chat"))
	record(notify.Result{Delivered: 1}, time.Minute)
	plan(t, items, time.Minute, "", time.Minute+6*time.Hour, slack("chat"))
	// A new one of another key passes.
	more := notify.Enqueue(items, []notify.Alert{alert(notify.Forecast, "new")}, []string{"chat"}, rules, begin.Add(time.Hour))
	plan(t, more, 2*time.Hour, "chat new", 0, slack("chat"))
	// It is not given up.
	plan(t, items, time.Minute+6*time.Hour, "chat bad", 0, slack("chat"))
	// Who changes the target need not wait.
	changed := slack("chat")
	changed.Revision = "2"
	batches = plan(t, items, 2*time.Minute, "chat bad", 0, changed)
	record(notify.Result{Delivered: 1}, 2*time.Minute)
	plan(t, items, 24*time.Hour, "", 0, changed)
}

func TestRecord_ATargetThatIsChangedIsTriedAtOnce(t *testing.T) {
	items := outbox([]string{"hook"}, "50%")
	batches := plan(t, items, 0, "hook 50%", 0, webhook("hook"))
	items = notify.Record(items, batches[0], notify.Result{Failed: 1, RetryAfter: time.Hour}, errAway, notify.Defaults(), begin)
	plan(t, items, time.Minute, "", time.Hour, webhook("hook"))
	changed := webhook("hook")
	changed.Revision = "2"
	plan(t, items, time.Minute, "hook 50%", 0, changed)
}

func TestRecord_WhatIsDeliveredStaysSo(t *testing.T) {
	items := outbox([]string{"hook"}, "50%")
	batches := plan(t, items, 0, "hook 50%", 0, webhook("hook"))
	items = notify.Record(items, batches[0], notify.Result{Delivered: 1}, nil, notify.Defaults(), begin)
	want := items[0].Deliveries[0]
	for _, late := range []notify.Result{{Failed: 1}, {Failed: 1, Refusal: notify.RefusedTarget}, {RetryAfter: time.Hour}, {Delivered: 1}} {
		items = notify.Record(items, batches[0], late, errAway, notify.Defaults(), begin.Add(time.Hour))
		if got := items[0].Deliveries[0]; got != want {
			t.Errorf("after %+v it is %+v", late, got)
		}
	}
	plan(t, items, 48*time.Hour, "", 0, webhook("hook"))
}

func TestRecord_KeepsNoLongError(t *testing.T) {
	items := outbox([]string{"hook"}, "50%")
	batches := plan(t, items, 0, "hook 50%", 0, webhook("hook"))
	items = notify.Record(items, batches[0], notify.Result{Failed: 1}, errors.New(strings.Repeat("ä\xff", 1000)), notify.Defaults(), begin)
	if got := items[0].Deliveries[0].LastError; len([]rune(got)) != 200 || !strings.HasSuffix(got, "ä…") {
		t.Errorf("it has %d: %s", len([]rune(got)), got)
	}
}

func TestAnAlertGoesBeforeItsEnd(t *testing.T) {
	rules := notify.Defaults()
	observe := func(level notify.Level, threshold string) []notify.Observation {
		return []notify.Observation{{Level: level, Alert: alert(notify.Forecast, threshold)}}
	}
	state := notify.State{}.Advance(observe(notify.Over, "80%"), []string{"hook"}, rules, begin)
	state = state.Advance(observe(notify.Under, "80%"), []string{"hook"}, rules, begin.Add(time.Hour))
	state = state.Advance(observe(notify.Over, "90%"), []string{"hook"}, rules, begin.Add(time.Hour))
	batches := plan(t, state.Outbox, 2*time.Hour, "hook 80% 90%", 0, webhook("hook"))
	if batches[0].Alerts[0].Status != notify.Firing {
		t.Errorf("first comes %+v", batches[0].Alerts[0])
	}
	state.Outbox = notify.Record(state.Outbox, batches[0], notify.Result{Delivered: 2}, nil, rules, begin)
	batches = plan(t, state.Outbox, 2*time.Hour, "hook 80%", 0, webhook("hook"))
	if batches[0].Alerts[0].Status != notify.Resolved {
		t.Errorf("then comes %+v", batches[0].Alerts[0])
	}
}

func TestRetarget(t *testing.T) {
	targetsOf := func(items []notify.Item) string {
		var texts []string
		for _, item := range items {
			text := item.Alert.Threshold
			for _, d := range item.Deliveries {
				text += fmt.Sprintf(" %s:%s", d.Target, d.Progress)
			}
			texts = append(texts, text)
		}
		return strings.Join(texts, "; ")
	}
	half := outbox([]string{"a", "b"}, "50%")
	half = notify.Record(half, notify.Batch{Target: "a", Alerts: []notify.Alert{half[0].Alert}}, notify.Result{Delivered: 1}, nil, notify.Defaults(), begin)
	// The first one is owed to a, which c got; b was there all the time, though not for it.
	owed := slices.Concat(outbox([]string{"a", "c"}, "50%"), outbox([]string{"a", "b", "c"}, "80%"))
	owed = notify.Record(owed, notify.Batch{Target: "c", Alerts: []notify.Alert{owed[0].Alert}}, notify.Result{Delivered: 1}, nil, notify.Defaults(), begin)
	for name, tc := range map[string]struct {
		items   []notify.Item
		targets []string
		want    string
	}{
		"one less, where no other is new":       {owed, []string{"b", "c"}, "50% c:Delivered; 80% b:Pending c:Pending"},
		"nothing changed":                       {outbox([]string{"a", "b"}, "50%"), []string{"a", "b"}, "50% a:Pending b:Pending"},
		"one more":                              {outbox([]string{"a"}, "50%"), []string{"a", "b"}, "50% a:Pending"},
		"one less":                              {outbox([]string{"a", "b"}, "50%"), []string{"a"}, "50% a:Pending"},
		"another name":                          {outbox([]string{"a"}, "50%"), []string{"b"}, "50% b:Pending"},
		"another name, while one got it":        {half, []string{"a", "c"}, "50% a:Delivered c:Pending"},
		"one less that did not get it":          {half, []string{"a"}, "50% a:Delivered"},
		"none":                                  {outbox([]string{"a"}, "50%"), nil, "50%"},
		"the first one":                         {outbox(nil, "50%", "80%"), []string{"a", "b"}, "50% a:Pending b:Pending; 80% a:Pending b:Pending"},
		"none, while one got it":                {half, nil, "50% a:Delivered"},
		"gone and there again":                  {notify.Retarget(outbox([]string{"a"}, "50%"), nil), []string{"a"}, "50% a:Pending"},
		"one less, and the other one was there": {outbox([]string{"a", "b"}, "50%"), []string{"b"}, "50% b:Pending"},
	} {
		t.Run(name, func(t *testing.T) {
			before := targetsOf(tc.items)
			if got := targetsOf(notify.Retarget(tc.items, tc.targets)); got != tc.want {
				t.Errorf("it is %s, want %s", got, tc.want)
			}
			if targetsOf(tc.items) != before {
				t.Error("it changed what it was given")
			}
		})
	}
}

// TestACountOfWhatWasRefusedGoesAtOnce shows that the count does not inherit the wait of the alert in whose place it comes.
func TestACountOfWhatWasRefusedGoesAtOnce(t *testing.T) {
	rules := notify.Defaults()
	rules.MaxWaiting = 1
	items := outbox([]string{"hook"}, "50%")
	batches := plan(t, items, 0, "hook 50%", 0, webhook("hook"))
	items = notify.Record(items, batches[0], notify.Result{Failed: 1, Refusal: notify.RefusedAlert}, errAway, rules, begin)
	items = notify.Enqueue(items, []notify.Alert{alert(notify.Forecast, "more")}, []string{"hook"}, rules, begin)
	plan(t, items, time.Minute, "hook hook more", 0, webhook("hook"))
}

// TestOfTooManyTheOldestAreCounted shows that a target that is away for a year fills no status, and learns what it missed.
func TestOfTooManyTheOldestAreCounted(t *testing.T) {
	rules := notify.Defaults()
	var names []string
	for i := range rules.MaxWaiting {
		names = append(names, fmt.Sprintf("%d USD", i))
	}
	items := outbox([]string{"away", "there"}, names...)
	for {
		batches, _ := notify.Plan(items, []notify.Destination{webhook("there")}, rules, begin.Add(time.Hour))
		if len(batches) == 0 {
			break
		}
		items = notify.Record(items, batches[0], notify.Result{Delivered: len(batches[0].Alerts)}, nil, rules, begin.Add(time.Hour))
	}
	if len(items) != rules.MaxWaiting {
		t.Fatalf("%d are left", len(items))
	}
	for i := range 7 {
		items = throughJSON(t, notify.Enqueue(items, []notify.Alert{alert(notify.Forecast, fmt.Sprintf("more %d", i))}, []string{"away", "there"}, rules, begin.Add(2*time.Hour)))
	}
	if len(items) != rules.MaxWaiting+1 {
		t.Fatalf("%d are kept", len(items))
	}
	batches := plan(t, items, 3*time.Hour, "away away 7 USD 8 USD 9 USD 10 USD 11 USD 12 USD 13 USD 14 USD 15 USD", 0, webhook("away"))
	first := batches[0].Alerts[0]
	if first.Basis != notify.Omitted || first.Sequence != 7 || !strings.Contains(first.Title, "7") || first.Team != "shop" {
		t.Errorf("it says %+v", first)
	}
	plan(t, items, 3*time.Hour, "there more 0 more 1 more 2 more 3 more 4 more 5 more 6", 0, webhook("there"))
	// Without a target they are counted too.
	var none []notify.Item
	for i := range rules.MaxWaiting + 3 {
		none = notify.Enqueue(none, []notify.Alert{alert(notify.Forecast, fmt.Sprint(i))}, nil, rules, begin)
	}
	none = notify.Retarget(none, []string{"new"})
	if len(none) != rules.MaxWaiting+1 || none[0].Alert.Sequence != 3 || len(none[0].Deliveries) != 1 {
		t.Errorf("%d are kept, first %+v", len(none), none[0])
	}
}
