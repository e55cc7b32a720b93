package spending

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	testclock "k8s.io/utils/clock/testing"

	"github.com/towpath-dev/towpath/internal/notify"
	"github.com/towpath-dev/towpath/internal/notify/send"
	"github.com/towpath-dev/towpath/internal/outbound"
	"github.com/towpath-dev/towpath/internal/spending"
)

var sentAt = time.Date(2026, time.November, 16, 9, 30, 0, 0, time.UTC)

// newCourier is one that reaches servers of tests, with its end.
func newCourier(t *testing.T) *Courier {
	t.Helper()
	rules, err := outbound.NewRules("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	clock := testclock.NewFakePassiveClock(sentAt)
	c := NewCourier(send.New(send.Options{Rules: rules, Clock: clock}), clock)
	ctx, cancel := context.WithCancel(context.Background())
	var ended sync.WaitGroup
	ended.Go(func() { _ = c.Start(ctx) })
	t.Cleanup(func() { cancel(); ended.Wait() })
	return c
}

// targetsAt are so many of a team at a server, each with a path of its own.
func targetsAt(team, url string, count int) *Targets {
	targets := &Targets{ready: map[string]send.Target{}, Wrong: map[string]error{}}
	for i := range count {
		name := fmt.Sprint("t", i)
		targets.Names = append(targets.Names, name)
		targets.ready[name] = send.Target{Key: team + "/" + name, Name: name, Kind: notify.Slack, URL: send.Secret(url + "/" + name)}
		targets.destinations = append(targets.destinations, notify.Destination{Name: name, Kind: notify.Slack, Revision: "1"})
	}
	return targets
}

// outboxOf has one alert that is due.
func outboxOf(team string, targets *Targets) []notify.Item {
	alert := notify.Alert{
		Key:      notify.Key{UID: "u", Period: "2026-11", Threshold: "80%", Basis: notify.Actual},
		Severity: notify.Warning, Status: notify.Firing, Sequence: 1, Team: team, Title: "80% are spent", StartsAt: sentAt, EndsAt: sentAt.AddDate(0, 0, 14),
	}
	return notify.Enqueue(nil, []notify.Alert{alert}, targets.Names, spending.AlertRules(), sentAt.Add(-time.Hour))
}

// woken waits for the next object that is to be looked at.
func woken(t *testing.T, c *Courier) types.NamespacedName {
	t.Helper()
	select {
	case e := <-c.Woken():
		return types.NamespacedName{Namespace: e.Object.GetNamespace(), Name: e.Object.GetName()}
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came of what was sent")
		return types.NamespacedName{}
	}
}

// TestDispatch_OneSlowTargetHoldsUpNoOther has targets that answer when all of them were asked.
func TestDispatch_OneSlowTargetHoldsUpNoOther(t *testing.T) {
	const count = SlotsOfTeam
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
	c, owner := newCourier(t), types.NamespacedName{Namespace: "team-shop", Name: "b"}
	targets := targetsAt("shop", server.URL, count)
	outbox := outboxOf("shop", targets)
	c.Dispatch(owner, "shop", outbox, targets)
	for range count {
		if who := woken(t, c); who != owner {
			t.Errorf("%s is woken", who)
		}
	}
	got, became := c.Collect(owner, outbox)
	if again, same := c.Collect(owner, outbox); same != count || became != count || len(again) != 1 {
		t.Errorf("%d results, and %d before they are settled, want %d", became, same, count)
	}
	for _, d := range got[0].Deliveries {
		if want := map[bool]notify.Progress{true: notify.Pending, false: notify.Delivered}[d.Target == "t0"]; d.Progress != want || d.Attempts != 1 {
			t.Errorf("%s is %s after %d attempts: %s", d.Target, d.Progress, d.Attempts, d.LastError)
		}
	}
	c.Settled(owner, became)
	if _, left := c.Collect(owner, got); left != 0 || len(c.parcels)+len(c.lanes) != 0 {
		t.Errorf("%d results are kept, %d parcels and %d lanes", left, len(c.parcels), len(c.lanes))
	}
}

// TestDispatch_SlowReceiversOfATeamHoldUpNoOtherTeam has many objects of a team whose receiver does not answer, and one of another.
func TestDispatch_SlowReceiversOfATeamHoldUpNoOtherTeam(t *testing.T) {
	const many = 40
	var mu sync.Mutex
	under, most := 0, 0
	answers := make(chan struct{})
	entered := make(chan struct{}, many)
	answer := sync.OnceFunc(func() { close(answers) })
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		mu.Lock()
		under++
		most = max(most, under)
		mu.Unlock()
		entered <- struct{}{}
		<-answers
		mu.Lock()
		under--
		mu.Unlock()
	}))
	t.Cleanup(slow.Close)
	t.Cleanup(answer)
	quick := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(quick.Close)
	c := newCourier(t)
	targets := map[types.NamespacedName]*Targets{}
	outboxes := map[types.NamespacedName][]notify.Item{}
	begin := time.Now()
	for i := range many {
		owner := types.NamespacedName{Namespace: "team-slow", Name: fmt.Sprint(i)}
		targets[owner] = targetsAt(fmt.Sprint("slow", i), slow.URL, 1)
		outboxes[owner] = outboxOf("slow", targets[owner])
		c.Dispatch(owner, "slow", outboxes[owner], targets[owner])
		c.Dispatch(owner, "slow", outboxes[owner], targets[owner]) // it is looked at again meanwhile
	}
	owner := types.NamespacedName{Namespace: "team-quick", Name: "b"}
	theirs := targetsAt("quick", quick.URL, 1)
	outbox := outboxOf("quick", theirs)
	c.Dispatch(owner, "quick", outbox, theirs)
	if who := woken(t, c); who != owner || time.Since(begin) > 5*time.Second {
		t.Fatalf("%s is woken first, after %s", who, time.Since(begin))
	}
	if got, _ := c.Collect(owner, outbox); got[0].Deliveries[0].Progress != notify.Delivered {
		t.Errorf("it is not delivered: %+v", got[0].Deliveries[0])
	}
	for range SlotsOfTeam {
		<-entered
	}
	answer()
	// As a controller does: who is woken writes what became of it, and has the rest sent.
	for delivered := 0; delivered < many; {
		who := woken(t, c)
		var became int
		outboxes[who], became = c.Collect(who, outboxes[who])
		c.Settled(who, became)
		delivered += became
		c.Dispatch(who, "slow", outboxes[who], targets[who])
	}
	for who, items := range outboxes {
		if d := items[0].Deliveries[0]; d.Progress != notify.Delivered || d.Attempts != 1 {
			t.Errorf("%s: %s after %d attempts", who, d.Progress, d.Attempts)
		}
	}
	if most != SlotsOfTeam {
		t.Errorf("%d requests of one team were under way at once, want %d", most, SlotsOfTeam)
	}
}

func TestDispatch_EndsWithTheManager(t *testing.T) {
	asked := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then the server sees that the caller hangs up
		close(asked)
		<-r.Context().Done() // it never answers
	}))
	t.Cleanup(server.Close)
	rules, err := outbound.NewRules("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	c := NewCourier(send.New(send.Options{Rules: rules}), testclock.NewFakePassiveClock(sentAt))
	ctx, cancel := context.WithCancel(context.Background())
	var ended sync.WaitGroup
	ended.Go(func() { _ = c.Start(ctx) })
	owner := types.NamespacedName{Namespace: "team-shop", Name: "b"}
	targets := targetsAt("shop", server.URL, 1)
	c.Dispatch(owner, "shop", outboxOf("shop", targets), targets)
	<-asked
	cancel()
	ended.Wait()
	for { // nobody listens any more, and it ends all the same
		if _, became := c.Collect(owner, nil); became == 1 {
			return
		}
		select {
		case <-c.Woken():
		case <-t.Context().Done():
			t.Fatal("a request outlives the manager")
		default:
		}
	}
}

// TestDispatch_SendsNothingTwice has an answer come after the outbox was read and before it is given back.
func TestDispatch_SendsNothingTwice(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(server.Close)
	c, owner := newCourier(t), types.NamespacedName{Namespace: "team-shop", Name: "b"}
	targets := targetsAt("shop", server.URL, 1)
	outbox := outboxOf("shop", targets)
	c.Dispatch(owner, "shop", outbox, targets)
	woken(t, c) // its answer is there, after the outbox was read
	c.Dispatch(owner, "shop", outbox, targets)
	after, one := c.Collect(owner, outbox)
	c.Settled(owner, one)
	c.Dispatch(owner, "shop", after, targets)
	if asked.Load() != 1 || one != 1 || len(c.lanes) != 0 {
		t.Errorf("it was sent %d times, with %d results", asked.Load(), one)
	}
}

// TestSend_OutlivesAPanic has no sender at all.
func TestSend_OutlivesAPanic(t *testing.T) {
	c := NewCourier(nil, testclock.NewFakePassiveClock(sentAt))
	became := c.send(send.Target{}, nil, notify.Batch{Target: "slack", Alerts: []notify.Alert{{}}})
	if became.err == nil || !strings.Contains(became.err.Error(), "slack: panic") || became.result.Failed != 1 {
		t.Errorf("%+v", became)
	}
}

func TestForgottenObjectsLeaveNothingBehind(t *testing.T) {
	answers := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-answers }))
	t.Cleanup(server.Close)
	c := newCourier(t)
	for i := range SlotsOfTeam + 2 {
		owner := types.NamespacedName{Namespace: "team-shop", Name: fmt.Sprint(i)}
		targets := targetsAt(fmt.Sprint("shop", i), server.URL, 1)
		c.Dispatch(owner, "shop", outboxOf("shop", targets), targets)
		c.Forget(owner)
	}
	close(answers)
	for range SlotsOfTeam {
		woken(t, c)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.parcels)+len(c.lanes) != 0 {
		t.Errorf("%d parcels and %d lanes are left", len(c.parcels), len(c.lanes))
	}
}
