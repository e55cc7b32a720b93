package fairness

import (
	"context"
	"sync"
)

// Slots bound how much is under way at once, for all parties together. It is safe for concurrent use.
type Slots struct {
	mu    sync.Mutex
	free  int
	turns turns[*waiter]
}

type waiter struct {
	granted chan struct{}
	// gone says that nobody waits any more.
	gone bool
}

// NewSlots returns n slots, all of them free.
func NewSlots(n int) *Slots { return &Slots{free: n} }

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

// grant gives the free slots to those who wait.
func (s *Slots) grant() {
	for s.free > 0 && s.turns.len() > 0 {
		party, w := s.turns.pop()
		if w.gone {
			s.turns.done(party)
			continue
		}
		s.free--
		close(w.granted)
	}
}
