// Package heap says how often the manager collects garbage.
//
// What lives in the manager are caches, which are small where little is deployed and grow with what is. Go collects when the heap has grown
// by a share of what lives: while that is small, it collects every few MiB, which in a burst is a fifth of all CPU. A small heap may
// grow by more than that without the process ever getting larger than it does later.
package heap

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
)

const (
	// Target is the heap, in bytes, up to which a small one may grow before garbage is collected. It is about where the heap of the
	// manager stands with 1,000 Components and Floor alone.
	Target = 48 << 20
	// Floor is the share of what lives, in percent, by which every heap may grow: half of Go's default, since memory is what
	// nodes lack first.
	Floor = 50
	// Ceiling is the largest such share.
	Ceiling = 400
)

// step is by how many percent points a new share must differ to be set: setting it stops the program for a moment.
const step = 10

// Percent is by which share of what lives, in bytes, the heap may grow before garbage is collected, as GOGC has it.
func Percent(live uint64) int {
	if live == 0 {
		return Ceiling
	}
	if live >= Target {
		return Floor
	}
	return int(min(max((Target-live)*100/live, Floor), Ceiling))
}

// Keep sets Percent after each collection, from now until the process ends or stop is called.
func Keep() (stop func()) {
	k := &keeper{}
	k.look()
	return func() { k.stopped.Store(true) }
}

// keeper sets the share after each collection.
type keeper struct {
	stopped atomic.Bool
	percent int
}

// sentinel is an object that nobody holds, so that each collection takes it and says so. It is not so small that others share its memory.
type sentinel struct{ _ [64]byte }

// look sets the share, and has itself called after the next collection.
func (k *keeper) look() {
	if k.stopped.Load() {
		return
	}
	if percent := Percent(live()); percent >= k.percent+step || percent <= k.percent-step || percent == Floor && k.percent != Floor {
		debug.SetGCPercent(percent)
		k.percent = percent
	}
	runtime.AddCleanup(&sentinel{}, func(k *keeper) { k.look() }, k)
}

// live is how many bytes were alive when garbage was last collected.
func live() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return Target // a Go that does not tell: the floor
	}
	return sample[0].Value.Uint64()
}
