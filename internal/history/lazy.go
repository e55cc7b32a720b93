package history

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"
)

// ErrUnavailable is among the errors of a store that cannot be opened, or that is not configured.
var ErrUnavailable = errors.New("the history of costs is not available")

// openTimeout bounds one attempt to open a store.
const openTimeout = 2 * time.Minute

// Lazy is a store that is opened when it is first needed, and is tried again at each call until then: a database that is away when
// a manager starts keeps nothing else from running. All who need it while it is being opened wait for the same attempt, and none for
// longer than its own context lets it.
type Lazy struct {
	open func(context.Context) (Store, error)

	mu      sync.Mutex
	store   Store
	attempt *attempt
	closed  bool
}

var _ Store = &Lazy{}

// attempt is one to open a store.
type attempt struct {
	done  chan struct{}
	store Store
	err   error
}

// NewLazy returns a store that open opens.
func NewLazy(open func(context.Context) (Store, error)) *Lazy { return &Lazy{open: open} }

func (l *Lazy) get(ctx context.Context) (Store, error) {
	l.mu.Lock()
	store, a := l.store, l.attempt
	switch {
	case store != nil:
		l.mu.Unlock()
		return store, nil
	case l.closed:
		l.mu.Unlock()
		return nil, errors.Join(ErrUnavailable, errors.New("it was closed"))
	case a == nil:
		a = &attempt{done: make(chan struct{})}
		l.attempt = a
		go l.try(context.WithoutCancel(ctx), a)
	}
	l.mu.Unlock()
	select {
	case <-a.done:
		return a.store, a.err
	case <-ctx.Done():
		return nil, errors.Join(ErrUnavailable, fmt.Errorf("it is still being opened: %w", context.Cause(ctx)))
	}
}

// try opens the store for all who wait for it, whoever of them goes on waiting.
func (l *Lazy) try(ctx context.Context, a *attempt) {
	ctx, cancel := context.WithTimeoutCause(ctx, openTimeout, fmt.Errorf("it did not answer within %s", openTimeout))
	defer cancel()
	store, err := l.open(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err != nil:
		a.err = errors.Join(ErrUnavailable, err)
	case l.closed:
		a.err = errors.Join(ErrUnavailable, errors.New("it was closed"), store.Close())
	default:
		a.store, l.store = store, store
	}
	l.attempt = nil
	close(a.done)
}

// with calls a method of the store.
func with[T any](ctx context.Context, l *Lazy, call func(Store) (T, error)) (T, error) {
	store, err := l.get(ctx)
	if err != nil {
		var none T
		return none, err
	}
	return call(store)
}

// do calls a method that returns nothing.
func do(ctx context.Context, l *Lazy, call func(Store) error) error {
	_, err := with(ctx, l, func(s Store) (struct{}, error) { return struct{}{}, call(s) })
	return err
}

// Replace is that of Store.
func (l *Lazy) Replace(ctx context.Context, slice Slice, figures iter.Seq2[Figure, error]) error {
	return do(ctx, l, func(s Store) error { return s.Replace(ctx, slice, figures) })
}

// Slices is that of Store.
func (l *Lazy) Slices(ctx context.Context, source string) ([]Slice, error) {
	return with(ctx, l, func(s Store) ([]Slice, error) { return s.Slices(ctx, source) })
}

// Sum is that of Store.
func (l *Lazy) Sum(ctx context.Context, query Query) ([]Sum, error) {
	return with(ctx, l, func(s Store) ([]Sum, error) { return s.Sum(ctx, query) })
}

// Prune is that of Store.
func (l *Lazy) Prune(ctx context.Context, before Day) (int64, error) {
	return with(ctx, l, func(s Store) (int64, error) { return s.Prune(ctx, before) })
}

// Forget is that of Store.
func (l *Lazy) Forget(ctx context.Context, source string) error {
	return do(ctx, l, func(s Store) error { return s.Forget(ctx, source) })
}

// State is that of Store.
func (l *Lazy) State(ctx context.Context, source string) (State, error) {
	return with(ctx, l, func(s Store) (State, error) { return s.State(ctx, source) })
}

// SetState is that of Store.
func (l *Lazy) SetState(ctx context.Context, source string, state State) error {
	return do(ctx, l, func(s Store) error { return s.SetState(ctx, source, state) })
}

// Close closes the store, where it was opened, and has none opened any more.
func (l *Lazy) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.store == nil {
		return nil
	}
	store := l.store
	l.store = nil
	return store.Close()
}
