package fairness

import (
	"context"
	"net/http"
	"sync"
	"time"
)

type partyKey struct{}

// For says on whose behalf requests with the context are made.
func For(ctx context.Context, party string) context.Context {
	return context.WithValue(ctx, partyKey{}, party)
}

// Slots bound how many requests are under way at once, for all parties together: more than an API server can take in only make each
// one slower, those of its other clients too. A party that has none under way need not wait while there are not twice as many as
// that: one small thing is not kept by many large ones. And who asks for much yields to who asks for little: an API server whose
// cores are all busy makes everybody wait for what it has begun. Slots are safe for concurrent use.
type Slots struct {
	mu sync.Mutex
	// free are the slots that nobody holds; below zero it counts those that were lent.
	free int
	lent int
	// trickle is how many a party may have that yields to somebody with nothing under way.
	trickle int
	turns   turns[*waiter]
	loads   loads
	// waking says that it will be looked again whether somebody has yielded for long enough.
	waking bool
}

type waiter struct {
	granted chan struct{}
	// gone says that nobody waits any more.
	gone bool
}

// NewSlots returns n slots, all of them free.
func NewSlots(n int) *Slots { return &Slots{free: n, lent: n, trickle: max(n/4, 1)} }

// Wrap bounds the requests that a transport makes for a party (For); others pass.
func (s *Slots) Wrap(next http.RoundTripper) http.RoundTripper {
	return transport{slots: s, next: next}
}

type transport struct {
	slots *Slots
	next  http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	party, ok := req.Context().Value(partyKey{}).(string)
	if !ok {
		return t.next.RoundTrip(req)
	}
	release, err := t.slots.Acquire(req.Context(), party)
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close() // as a transport must, also where it fails
		}
		return nil, err
	}
	defer release()
	return t.next.RoundTrip(req)
}

// WrappedRoundTripper returns what is wrapped, as k8s.io/apimachinery/pkg/util/net asks for it.
func (t transport) WrappedRoundTripper() http.RoundTripper { return t.next }

// Acquire waits for a slot for a party until the context ends, whose error it returns then. The slot is held until release is
// called, once.
func (s *Slots) Acquire(ctx context.Context, party string) (release func(), err error) {
	w := s.ask(party)
	select {
	case <-w.granted:
		return func() { s.release(party) }, nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	w.gone = true
	s.mu.Unlock()
	select {
	case <-w.granted: // in the last moment
		s.release(party)
	default:
	}
	return nil, ctx.Err()
}

// ask has a party wait for a slot, which it may be granted at once.
func (s *Slots) ask(party string) *waiter {
	w := &waiter{granted: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turns.push(party, w)
	s.loads.asked(party, time.Now())
	s.grant()
	return w
}

// release gives a slot of a party back.
func (s *Slots) release(party string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turns.done(party)
	s.free++
	s.grant()
}

// grant gives slots to those who wait.
func (s *Slots) grant() {
	now := time.Now()
	for {
		next, yields := s.next(now)
		if yields && !s.waking {
			s.waking = true
			time.AfterFunc(patience, s.wake)
		}
		if next == nil {
			return
		}
		w := s.turns.take(next)
		if w.gone {
			s.turns.done(next.name)
			continue
		}
		s.free--
		s.loads.served(next.name, now)
		close(w.granted)
	}
}

func (s *Slots) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waking = false
	s.grant()
}

// next is the party that gets the next slot, of those that may have one more: who has the fewest under way, and of these who waits
// longest; nil for none. A party that is held to a trickle has something under way, the end of which grants again. One that yields may
// have nothing, and those whom it yields to may take long.
func (s *Slots) next(now time.Time) (next *party[*waiter], yields bool) {
	if s.turns.len() == 0 || s.free <= -s.lent {
		return nil, false
	}
	active, seen := lightest(&s.loads, now, s.turns.parties)
	for _, p := range s.turns.inOrder() {
		most := s.free + p.underWay
		switch {
		case s.loads.yields(p.name, active, now) && now.Sub(s.loads.servedAt(p.name)) < patience:
			yields = true
			continue
		case s.loads.yields(p.name, seen, now):
			most = min(most, s.trickle)
		case p.underWay == 0:
			most = 1 // a free one, or one that is lent
		}
		if p.underWay < most {
			return p, yields
		}
	}
	return nil, yields
}
