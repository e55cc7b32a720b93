package notify_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/towpath-dev/towpath/internal/notify"
)

// life plays weeks of a budget whose figures wander, with targets that fail in every way, and a manager that restarts at any
// step; each by a seed.
type life struct {
	t       *testing.T
	random  *rand.Rand
	rules   notify.Rules
	targets []notify.Destination
	now     time.Time
	state   notify.State
	// received are the IDs that each target took, in order.
	received map[string][]string
	// quiet is until when each target wants to be left in peace.
	quiet map[string]time.Time
	// decided are the alerts that were decided, by ID.
	decided map[string]notify.Alert
	// crash has the manager end between a delivery and its record, at times.
	crash bool
	// healthy has all targets take everything.
	healthy bool
}

func newLife(t *testing.T, seed uint64) *life {
	return &life{
		t: t, random: rand.New(rand.NewPCG(seed, 7)), rules: notify.Defaults(), now: begin,
		targets:  []notify.Destination{slack("chat"), webhook("hook"), {Name: "am", Kind: notify.Alertmanager, Revision: "1"}},
		received: map[string][]string{}, quiet: map[string]time.Time{}, decided: map[string]notify.Alert{},
	}
}

func (l *life) names() []string {
	var names []string
	for _, d := range l.targets {
		names = append(names, d.Name)
	}
	return names
}

// observe lets figures wander.
func (l *life) observe() {
	levels := []notify.Level{notify.Under, notify.Near, notify.Over}
	var observations []notify.Observation
	for _, basis := range []notify.Basis{notify.Actual, notify.Forecast} {
		for i := range 4 {
			if l.random.IntN(3) > 0 {
				continue
			}
			a := alert(basis, fmt.Sprintf("%d%%", 50+i*10))
			a.Period, a.EndsAt = l.now.Format("2006-01"), time.Date(l.now.Year(), l.now.Month()+1, 1, 0, 0, 0, 0, time.UTC)
			observations = append(observations, notify.Observation{Level: levels[l.random.IntN(3)], Alert: a})
		}
	}
	_, alerts := notify.Decide(l.state.Fired, observations, l.rules, l.now)
	for _, a := range alerts {
		if _, again := l.decided[a.ID()]; again {
			l.t.Errorf("%s comes again", said([]notify.Alert{a}))
		}
		l.decided[a.ID()] = a
	}
	l.state = l.state.Advance(observations, l.names(), l.rules, l.now)
}

// deliver sends what is due, until nothing is.
func (l *life) deliver() {
	for range 200 {
		batches, _ := notify.Plan(l.state.Outbox, l.targets, l.rules, l.now)
		if len(batches) == 0 {
			return
		}
		for _, batch := range batches {
			l.send(batch)
		}
		if l.random.IntN(10) == 0 && !l.healthy {
			return
		}
	}
	l.t.Error("there is always something to send")
}

func (l *life) send(batch notify.Batch) {
	if l.now.Before(l.quiet[batch.Target]) {
		l.t.Errorf("%s is asked at %s, and wanted peace until %s", batch.Target, l.now, l.quiet[batch.Target])
	}
	n := len(batch.Alerts)
	result, err := notify.Result{Delivered: n}, error(nil)
	if !l.healthy {
		switch l.random.IntN(6) {
		case 0:
			result, err = notify.Result{Failed: n, RetryAfter: time.Duration(l.random.IntN(7200)) * time.Second}, errAway
			l.quiet[batch.Target] = l.now.Add(result.RetryAfter)
		case 1:
			result, err = notify.Result{Failed: n, Refusal: notify.RefusedAlert}, errors.New("refused")
		case 2:
			result, err = notify.Result{Failed: n, Refusal: notify.RefusedTarget}, errors.New("refused")
		case 3:
			if batch.Target == "hook" {
				done := l.random.IntN(n)
				result, err = notify.Result{Delivered: done, Failed: 1}, errAway
			}
		case 4:
			result, err = notify.Result{RetryAfter: time.Second}, errAway
		}
	}
	for _, a := range batch.Alerts[:result.Delivered] {
		l.received[batch.Target] = append(l.received[batch.Target], a.ID())
	}
	if l.crash && !l.healthy && l.random.IntN(8) == 0 {
		// What it was asked for is lost with it.
		l.quiet[batch.Target] = time.Time{}
		return
	}
	l.state.Outbox = notify.Record(l.state.Outbox, batch, result, err, l.rules, l.now)
	if l.random.IntN(20) == 0 {
		l.state = throughJSON(l.t, l.state)
	}
}

// play goes on for some days, and then has everything work until nothing is left.
func (l *life) play() {
	for range 200 {
		l.now = l.now.Add(time.Duration(l.random.IntN(6*3600)) * time.Second)
		if l.random.IntN(3) == 0 {
			l.observe()
		}
		l.deliver()
	}
	l.healthy = true
	for range 100 {
		_, next := notify.Plan(l.state.Outbox, l.targets, l.rules, l.now)
		if next.After(l.now) {
			l.now = next
		}
		l.deliver()
	}
}

func TestALifeOfAlerts(t *testing.T) {
	for _, crash := range []bool{false, true} {
		for seed := range uint64(6) {
			t.Run(fmt.Sprintf("crash=%v/seed=%d", crash, seed), func(t *testing.T) {
				l := newLife(t, seed)
				l.crash = crash
				l.rules.MaxWaiting = 1000
				l.play()
				if len(l.decided) < 10 {
					t.Fatalf("only %d alerts came: is anything played?", len(l.decided))
				}
				for _, target := range l.names() {
					l.holds(target)
				}
			})
		}
	}
}

// holds checks what a target got.
func (l *life) holds(target string) {
	received := l.received[target]
	first := map[string]int{}
	for i, id := range received {
		if _, twice := first[id]; twice && !l.crash {
			l.t.Errorf("%s got %s twice", target, said([]notify.Alert{l.decided[id]}))
		} else if !twice {
			first[id] = i
		}
	}
	for id, a := range l.decided {
		place, got := first[id]
		if !got {
			l.t.Errorf("%s never got %s of %s", target, said([]notify.Alert{a}), a.Period)
			continue
		}
		// The end comes after its alert, and the next one after that.
		before := a
		if a.Status == notify.Resolved {
			before.Status = notify.Firing
		} else {
			before.Sequence, before.Status = a.Sequence-1, notify.Resolved
		}
		if earlier, found := first[before.ID()]; found && earlier > place {
			l.t.Errorf("%s got %s too early", target, said([]notify.Alert{a}))
		}
	}
	if extra := slices.DeleteFunc(slices.Clone(received), func(id string) bool { _, known := l.decided[id]; return known }); len(extra) > 0 {
		l.t.Errorf("%s got %v, which nobody decided", target, extra)
	}
}
