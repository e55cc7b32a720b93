package fairness

import (
	"context"
	"net/http"
	"sync"
)

type partyKey struct{}

// For says on whose behalf requests with the context are made.
func For(ctx context.Context, party string) context.Context {
	return context.WithValue(ctx, partyKey{}, party)
}

// Slots bound how many requests are under way at once, for all parties together: more than an API server can take in only make each
// one slower, those of its other clients too. A party that has none under way need not wait while there are not twice as many as
// that: one small thing is not kept by many large ones. Slots are safe for concurrent use.
type Slots struct {
	mu sync.Mutex
	// free are the slots that nobody holds; below zero it counts those that were lent.
	free  int
	lent  int
	turns turns[*waiter]
}

type waiter struct {
	granted chan struct{}
	// gone says that nobody waits any more.
	gone bool
}

// NewSlots returns n slots, all of them free.
func NewSlots(n int) *Slots { return &Slots{free: n, lent: n} }

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
	w := &waiter{granted: make(chan struct{})}
	s.mu.Lock()
	s.turns.push(party, w)
	s.grant()
	s.mu.Unlock()
	release = func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.turns.done(party)
		s.free++
		s.grant()
	}
	select {
	case <-w.granted:
		return release, nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	w.gone = true
	s.mu.Unlock()
	select {
	case <-w.granted: // in the last moment
		release()
	default:
	}
	return nil, ctx.Err()
}

// grant gives slots to those who wait: the free ones, and to who has none under way those that are lent.
func (s *Slots) grant() {
	for s.turns.len() > 0 && (s.free > 0 || s.free > -s.lent && s.turns.underWay() == 0) {
		party, w := s.turns.pop()
		if w.gone {
			s.turns.done(party)
			continue
		}
		s.free--
		close(w.granted)
	}
}
