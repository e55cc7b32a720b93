package spending

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/towpath-dev/towpath/internal/notify"
	"github.com/towpath-dev/towpath/internal/notify/send"
	"github.com/towpath-dev/towpath/internal/spending"
)

// SlotsOfTeam is how many requests of one team's alerts are under way at once. A receiver may take half a minute for each, and what a
// team's receivers take long for, its own alerts alone wait for.
const SlotsOfTeam = 4

// waitForRoom is when an object looks by itself whether there is room.
const waitForRoom = time.Minute

// Courier sends alerts beside the workers of a controller, so that a slow receiver keeps none of them busy. What is due it takes from an
// object whose state is written; what became of it, it keeps until the object is looked at again, which it asks for. Nothing of that
// needs to outlive the manager: what was sent and is not written is sent again, with the same ID.
type Courier struct {
	sender *send.Sender
	clock  clock.PassiveClock
	woken  chan event.GenericEvent
	done   chan struct{}

	mu      sync.Mutex
	parcels map[types.NamespacedName]*parcel
	lanes   map[string]*lane
}

// parcel is what is under way for an object, and what became of what was.
type parcel struct {
	away    map[string]bool // targets
	results []sent
}

// lane is a team's.
type lane struct {
	busy    int
	waiting []types.NamespacedName
}

// sent is what became of a batch.
type sent struct {
	notify.Batch
	result notify.Result
	err    error
	at     time.Time
}

// NewCourier returns one for the objects of one controller, which must watch Woken. It must be added to the manager.
func NewCourier(sender *send.Sender, clock clock.PassiveClock) *Courier {
	return &Courier{
		sender: sender, clock: clock, woken: make(chan event.GenericEvent), done: make(chan struct{}),
		parcels: map[types.NamespacedName]*parcel{}, lanes: map[string]*lane{},
	}
}

// Woken are the objects that are to be looked at.
func (c *Courier) Woken() <-chan event.GenericEvent { return c.woken }

// Start waits for the end of the manager: then nothing is sent any more.
func (c *Courier) Start(ctx context.Context) error {
	<-ctx.Done()
	close(c.done)
	return nil
}

// Collect records in an outbox what became of what was sent for an object. It says how many results that were: once it is written, they
// are Settled.
func (c *Courier) Collect(owner types.NamespacedName, outbox []notify.Item) ([]notify.Item, int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.parcels[owner]
	if p == nil {
		return outbox, 0
	}
	for i := range p.results {
		r := &p.results[i]
		outbox = notify.Record(outbox, r.Batch, r.result, r.err, spending.AlertRules(), r.at)
	}
	return outbox, len(p.results)
}

// Settled forgets results that are written.
func (c *Courier) Settled(owner types.NamespacedName, count int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.parcels[owner]
	if p == nil {
		return
	}
	p.results = p.results[min(count, len(p.results)):]
	if len(p.results) == 0 && len(p.away) == 0 {
		delete(c.parcels, owner)
	}
}

// Forget forgets an object that is gone.
func (c *Courier) Forget(owner types.NamespacedName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.parcels, owner)
	for _, l := range c.lanes {
		l.waiting = slices.DeleteFunc(l.waiting, func(other types.NamespacedName) bool { return other == owner })
	}
}

// Dispatch has sent what is due of an outbox that is written, at most one batch to each target at once, and says when to come again; the zero
// time for never. Once something came of it, or there is room, the object is woken.
func (c *Courier) Dispatch(owner types.NamespacedName, team string, outbox []notify.Item, targets *Targets) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.parcels[owner]
	if p == nil {
		p = &parcel{away: map[string]bool{}}
	}
	// What became of a batch while the outbox was written is not in it yet: nothing goes there twice.
	free := slices.DeleteFunc(slices.Clone(targets.destinations), func(d notify.Destination) bool {
		return p.away[d.Name] || slices.ContainsFunc(p.results, func(r sent) bool { return r.Target == d.Name })
	})
	batches, next := notify.Plan(outbox, free, spending.AlertRules(), c.clock.Now())
	l := c.lanes[team]
	if l == nil {
		l = &lane{}
	}
	for _, batch := range batches {
		if l.busy >= SlotsOfTeam {
			if !slices.Contains(l.waiting, owner) {
				l.waiting = append(l.waiting, owner)
			}
			// It is woken when there is room; should whoever was woken before it have taken none, it comes by itself.
			if again := c.clock.Now().Add(waitForRoom); next.IsZero() || again.Before(next) {
				next = again
			}
			break
		}
		l.busy++
		p.away[batch.Target] = true
		target, wrong := targets.ready[batch.Target], targets.Wrong[batch.Target]
		go func() {
			became := c.send(target, wrong, batch)
			c.back(owner, team, p, became)
		}()
	}
	if l.busy > 0 {
		c.lanes[team] = l
	}
	if len(p.away) > 0 || len(p.results) > 0 {
		c.parcels[owner] = p
	}
	return next
}

// back keeps what became of a batch, and wakes its object and whoever waits for the room.
func (c *Courier) back(owner types.NamespacedName, team string, p *parcel, became sent) {
	c.mu.Lock()
	delete(p.away, became.Target)
	p.results = append(p.results, became)
	wake := []types.NamespacedName{owner}
	l := c.lanes[team]
	l.busy--
	if len(l.waiting) > 0 {
		wake = append(wake, l.waiting[0])
		l.waiting = l.waiting[1:]
	}
	if l.busy == 0 && len(l.waiting) == 0 {
		delete(c.lanes, team)
	}
	c.mu.Unlock()
	for _, who := range wake {
		object := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: who.Namespace, Name: who.Name}}
		select {
		case c.woken <- event.GenericEvent{Object: object}:
		case <-c.done:
		}
	}
}

// send sends a batch, if its target can be used. It ends: a request has its time.
func (c *Courier) send(target send.Target, wrong error, batch notify.Batch) (became sent) {
	defer func() {
		if p := recover(); p != nil { // nobody else recovers from one in this goroutine
			became = sent{batch, notify.Result{Failed: len(batch.Alerts)}, fmt.Errorf("sending to target %s: panic: %v", batch.Target, p), time.Time{}}
		}
		became.at = c.clock.Now()
	}()
	if wrong != nil {
		return sent{Batch: batch, result: notify.Result{Failed: len(batch.Alerts), Refusal: notify.RefusedTarget}, err: wrong}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-c.done:
			cancel()
		case <-ctx.Done():
		}
	}()
	result, err := c.sender.Deliver(ctx, target, batch.Alerts)
	return sent{Batch: batch, result: result, err: err}
}
