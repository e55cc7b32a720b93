package release

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

const (
	// quietFor is how long the events of new objects are waited for after the apply of the last one.
	quietFor = 250 * time.Millisecond
	// lull is how long nothing must have been applied before statuses are written that have waited as long as that: the next Release
	// has begun to apply by then, if there is one. While nothing is applied the API server has nothing else to do.
	lull = 50 * time.Millisecond
	// holdEach times the statuses that a team has in the backlog bounds how long one of them stays there, up to
	// holdLast: whoever deploys a thousand things at once waits for what they do, and others hardly.
	holdEach, holdLast = 500 * time.Millisecond, 30 * time.Second
	// holdLook is how often a status in the backlog looks whether it may be written.
	holdLook = time.Second
)

// backlog holds the statuses of Releases that were just applied back while others are being applied: what
// makes objects goes before what reports on them. The events of the new objects fall into that time too, so
// that one status says what several would. The zero value is ready, and safe for concurrent use.
//
// A status that is lost with the process costs an apply that changes nothing.
type backlog struct {
	mu       sync.Mutex
	applying int
	// applied is when the last apply ended.
	applied time.Time
	byKey   map[types.NamespacedName]unwritten
	byTeam  map[string]int
}

// unwritten is a status in the backlog.
type unwritten struct {
	uid    types.UID
	status *platformv1alpha1.ReleaseStatus
	since  time.Time
}

// begin says that objects are being applied, until end says that they were.
func (b *backlog) begin() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.applying++
}

func (b *backlog) end(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.applying--
	b.applied = now
}

// put takes the status of a Release into the backlog, in place of one that is there already, and returns when to
// look again; zero says that it is to be written now.
func (b *backlog) put(release *platformv1alpha1.Release, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := keyOf(release)
	before, known := b.byKey[key]
	entry := unwritten{uid: release.UID, status: release.Status.DeepCopy(), since: now}
	if known && before.uid == release.UID {
		entry.since = before.since
	}
	wait := b.wait(key.Namespace, entry.since, now)
	if wait == 0 {
		return 0
	}
	if b.byKey == nil {
		b.byKey, b.byTeam = map[types.NamespacedName]unwritten{}, map[string]int{}
	}
	b.byKey[key] = entry
	if !known {
		b.byTeam[key.Namespace]++
	}
	return wait
}

// wait returns how long a status that came at a time stays before the next look.
func (b *backlog) wait(team string, since, now time.Time) time.Duration {
	limit := min(time.Duration(b.byTeam[team]+1)*holdEach, holdLast)
	wait := min(since.Add(limit).Sub(now), holdLook)
	if b.applying == 0 {
		own := b.applied
		if since.Before(own) {
			own = since // those who came after it do not keep it waiting
		}
		wait = min(wait, max(own.Add(quietFor).Sub(now), b.applied.Add(lull).Sub(now)))
	}
	return max(wait, 0)
}

// get returns the status that a Release has in the backlog, nil for none, and how long to leave the Release alone;
// zero says that it is time.
func (b *backlog) get(release *platformv1alpha1.Release, now time.Time) (*platformv1alpha1.ReleaseStatus, time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := keyOf(release)
	entry, ok := b.byKey[key]
	if !ok || entry.uid != release.UID {
		return nil, 0
	}
	return entry.status.DeepCopy(), b.wait(key.Namespace, entry.since, now)
}

// forget drops the status of a Release: it was written, or the Release is gone.
func (b *backlog) forget(key types.NamespacedName) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.byKey[key]; !ok {
		return
	}
	delete(b.byKey, key)
	if b.byTeam[key.Namespace]--; b.byTeam[key.Namespace] == 0 {
		delete(b.byTeam, key.Namespace)
	}
}

func keyOf(release *platformv1alpha1.Release) types.NamespacedName {
	return types.NamespacedName{Namespace: release.Namespace, Name: release.Name}
}
