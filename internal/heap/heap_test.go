package heap

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestPercent(t *testing.T) {
	for name, test := range map[string]struct {
		live uint64
		want int
	}{
		"nothing was collected yet":        {0, Ceiling},
		"almost nothing lives":             {1 << 20, Ceiling},
		"the rest up to the target":        {Target / 2, 100},
		"a quarter more":                   {Target / 5 * 4, Floor},
		"at the target":                    {Target, Floor},
		"ten times the target":             {Target * 10, Floor},
		"so much that a product overflows": {^uint64(0), Floor},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Percent(test.live); got != test.want {
				t.Errorf("%d bytes alive: %d %%, want %d %%", test.live, got, test.want)
			}
		})
	}
}

// What lives may grow to the target and no further before garbage is collected, unless the floor says more.
func TestPercentKeepsTheTarget(t *testing.T) {
	for live := uint64(1 << 20); live < 4*Target; live += 1 << 20 {
		percent := Percent(live)
		grown := live + live*uint64(percent)/100
		if floor := live + live*Floor/100; grown > max(Target, floor) {
			t.Fatalf("%d bytes alive may grow to %d, want at most %d or %d", live, grown, Target, floor)
		}
	}
}

func TestKeepFollowsTheHeap(t *testing.T) {
	before := debug.SetGCPercent(100)
	t.Cleanup(func() { debug.SetGCPercent(before) })
	defer Keep()()
	runtime.GC()
	awaitPercent(t, func(percent int) bool { return percent > Floor })
	func() {
		large := make([]byte, 2*Target)
		awaitPercent(t, func(percent int) bool { return percent == Floor })
		runtime.KeepAlive(large)
	}()
	awaitPercent(t, func(percent int) bool { return percent > Floor })
}

// awaitPercent collects until the share is as wanted: it is set a moment after each collection.
func awaitPercent(t *testing.T, fine func(int) bool) {
	t.Helper()
	percent := 0
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		runtime.GC()
		percent = debug.SetGCPercent(-1)
		debug.SetGCPercent(percent)
		if fine(percent) {
			return
		}
		runtime.Gosched()
	}
	t.Fatalf("the share stayed at %d %%", percent)
}
