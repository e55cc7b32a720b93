package release

import (
	"errors"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/towpath-dev/towpath/internal/apply"
)

// refusals remembers which objects the API server refused for good, so that an event of a sibling
// does not send the same object again. It is lost with the process: a new one tries once more.
type refusals struct {
	mu    sync.Mutex
	byKey map[childKey]refusal
}

type refusal struct {
	release      types.UID
	err          error
	since, until time.Time
}

// standing returns how long an object must not be sent again, and the error that it got.
func (r *refusals) standing(key childKey, release types.UID, now time.Time) (time.Duration, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known, ok := r.byKey[key]
	if !ok || known.release != release || !now.Before(known.until) {
		return 0, nil
	}
	return known.until.Sub(now), known.err
}

// add remembers that an object was refused, and returns when to try again.
func (r *refusals) add(key childKey, release types.UID, err error, now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	since := now
	if known, ok := r.byKey[key]; ok && known.release == release {
		since = known.since
	}
	wait := retryRefused
	var selector *selectorError
	var controlled *controlledError
	if apply.Taken(err) || apply.Denied(err) || errors.As(err, &controlled) || errors.Is(err, errNoConsent) || errors.Is(err, errNotThere) || errors.As(err, &selector) {
		wait = min(max(now.Sub(since), retryTakenFirst), retryTakenLast)
	}
	if r.byKey == nil {
		r.byKey = map[childKey]refusal{}
	}
	r.byKey[key] = refusal{release: release, err: err, since: since, until: now.Add(wait)}
	return wait
}

// forget drops what is remembered of an object.
func (r *refusals) forget(key childKey) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.byKey, key)
}

// forgetOf drops what is remembered of an object of a Release that is gone.
func (r *refusals) forgetOf(key childKey, release types.UID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byKey[key].release == release {
		delete(r.byKey, key)
	}
}
