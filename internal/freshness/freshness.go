// Package freshness tells whether a cache has seen our own last write of an object.
//
// A controller that acts on what it read before its last write acts twice. Instead of sleeping, or
// of reading from the API server, it leaves the object alone until the event of that write arrives,
// which wakes it anyway.
package freshness

import (
	"sync"

	"k8s.io/apimachinery/pkg/util/resourceversion"
)

// Tracker remembers resource versions by key. The zero value is ready, and safe for concurrent use.
type Tracker[K comparable] struct {
	mu      sync.Mutex
	written map[K]string
}

// Wrote remembers the resource version that the API server answered to our write.
func (t *Tracker[K]) Wrote(key K, resourceVersion string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.written == nil {
		t.written = map[K]string{}
	}
	t.written[key] = resourceVersion
}

// Stale says that the resource version seen is older than our last write. Once it is not, the write
// is forgotten. A version that cannot be compared counts as fresh.
func (t *Tracker[K]) Stale(key K, seen string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	written, ok := t.written[key]
	if !ok {
		return false
	}
	if order, err := resourceversion.CompareResourceVersion(seen, written); err == nil && order < 0 {
		return true
	}
	delete(t.written, key)
	return false
}

// Forget drops what is remembered of an object that is gone.
func (t *Tracker[K]) Forget(key K) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.written, key)
}
