package fairness

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

func granted(w *waiter) bool {
	select {
	case <-w.granted:
		return true
	default:
		return false
	}
}

func grantedOf(waiters []*waiter) int {
	n := 0
	for _, w := range waiters {
		if granted(w) {
			n++
		}
	}
	return n
}

// burst has a party ask for many slots, and be given enough of them that it asks for much.
func burst(slots *Slots, party string, n int) []*waiter {
	waiters := make([]*waiter, n)
	for i := range waiters {
		waiters[i] = slots.ask(party)
	}
	return waiters
}

func TestWhoAsksForMuchYieldsToWhoAsksForLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slots := NewSlots(4)
		busy := burst(slots, "busy", 300)
		has := func(want int, why string) {
			t.Helper()
			if got := grantedOf(busy); got != want {
				t.Errorf("%d of busy's were granted, want %d: %s", got, want, why)
			}
		}
		has(4, "nobody else wants anything")
		if !granted(slots.ask("quiet")) {
			t.Error("quiet waits, though it has none under way")
		}
		for range 4 {
			slots.release("busy")
		}
		has(4, "quiet has something under way")
		if rest := burst(slots, "quiet", 3); grantedOf(rest) != 3 {
			t.Error("quiet does not find all other slots free")
		}
		for range 4 {
			slots.release("quiet")
		}
		has(5, "quiet may ask for more at any moment, and busy has a trickle until then")
		slots.release("busy")
		has(6, "the trickle goes on")
		<-time.After(remembered)
		slots.release("busy")
		has(10, "quiet has wanted nothing for a while")
	})
}

func TestNobodyYieldsForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slots := NewSlots(4)
		busy := burst(slots, "busy", 300)
		slots.ask("quiet") // which takes for ever
		for range 4 {
			slots.release("busy")
		}
		<-time.After(patience + time.Millisecond)
		synctest.Wait()
		if got := grantedOf(busy); got != 5 {
			t.Errorf("%d of busy's were granted, want 5: one after it had yielded for %s", got, patience)
		}
	})
}

func TestWhoAsksForLittleNeverYields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slots := NewSlots(4)
		some := burst(slots, "some", allowance-1)
		slots.ask("quiet")
		slots.release("quiet")
		for range 4 {
			slots.release("some")
		}
		if got := grantedOf(some); got != 8 {
			t.Errorf("%d were granted, want 8: ten Components are no burst", got)
		}
	})
}

// Two parties that ask for as much as each other have half of the slots each.
func TestBurstsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slots := NewSlots(4)
		a, b := burst(slots, "a", 400), burst(slots, "b", 400)
		for range 100 {
			slots.release("a")
			slots.release("b")
		}
		first, second := grantedOf(a), grantedOf(b)
		if first-second > 4 || second-first > 4 || first+second < 200 {
			t.Errorf("one was granted %d, the other %d", first, second)
		}
	})
}

func TestLoadsAreForgotten(t *testing.T) {
	var l loads
	start := time.Unix(1, 0)
	for range 200 {
		l.asked("busy", start)
	}
	for after, want := range map[time.Duration]bool{0: true, halfLife / 2: true, halfLife + time.Millisecond: false} {
		if got := l.yields("busy", 1, start.Add(after)); got != want {
			t.Errorf("%s after 200 requests it yields: %t", after, got)
		}
	}
	if l.yields("busy", 100, start) {
		t.Error("it yields to who asks for half as much")
	}
	l.asked("quiet", start.Add(forgotten+time.Second))
	if len(l.byParty) != 1 {
		t.Errorf("%d parties are remembered, one of which asked of late", len(l.byParty))
	}
}

// For random steps: no more are under way than there are slots, as many again for who has none; each party keeps its order; who asks for
// little and has none under way waits only where all slots are taken; nobody waits while nothing is under way, for longer than patience;
// and nothing is left over in the end.
func TestSlots(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 2))
	for range 50 {
		synctest.Test(t, func(t *testing.T) { slotsHold(t, random, 1+random.IntN(8)) })
		if t.Failed() {
			return
		}
	}
}

type slotsModel struct {
	t        *testing.T
	n        int
	slots    *Slots
	waiting  map[string][]*waiter
	underWay map[string]int
	busy     []string
}

func slotsHold(t *testing.T, random *rand.Rand, n int) {
	m := &slotsModel{t: t, n: n, slots: NewSlots(n), waiting: map[string][]*waiter{}, underWay: map[string]int{}}
	for range 1000 {
		passed := false
		switch step := random.IntN(100); {
		case step < 50: // some ask for much more than others
			party := fmt.Sprint("team", random.IntN(1+random.IntN(1+random.IntN(6))))
			m.waiting[party] = append(m.waiting[party], m.slots.ask(party))
		case step < 95 && len(m.busy) > 0:
			m.release(random.IntN(len(m.busy)))
		default:
			passed = true
			<-time.After(time.Duration(random.IntN(300)) * time.Millisecond)
			synctest.Wait()
		}
		m.take(passed)
		if t.Failed() {
			return
		}
	}
	for waits := 0; len(m.busy) > 0 || waits == 0; {
		if len(m.busy) > 0 {
			waits = 0
			m.release(random.IntN(len(m.busy)))
		} else {
			waits++
			<-time.After(patience)
			synctest.Wait()
		}
		m.take(true)
	}
	for party, left := range m.waiting {
		if len(left) > 0 {
			t.Errorf("of %d slots none is held, and %d of %s wait for one", n, len(left), party)
		}
	}
	if m.slots.free != n || len(m.slots.turns.parties) != 0 {
		t.Errorf("%d of %d slots are free in the end, and %d parties are remembered", m.slots.free, n, len(m.slots.turns.parties))
	}
}

func (m *slotsModel) release(i int) {
	party := m.busy[i]
	m.busy[i] = m.busy[len(m.busy)-1]
	m.busy = m.busy[:len(m.busy)-1]
	m.underWay[party]--
	m.slots.release(party)
}

// take looks who was granted a slot in the last step, and checks that it was right. A party that yielded when something last happened, and
// asks for little now that time has passed, waits until something happens again.
func (m *slotsModel) take(passed bool) {
	for party, waiting := range m.waiting {
		for len(waiting) > 0 && granted(waiting[0]) {
			waiting = waiting[1:]
			m.underWay[party]++
			m.busy = append(m.busy, party)
		}
		m.waiting[party] = waiting
		if grantedOf(waiting) > 0 {
			m.t.Errorf("%s was not served in its order", party)
		}
	}
	if len(m.busy) > 2*m.n {
		m.t.Errorf("%d are under way for %d slots", len(m.busy), m.n)
	}
	for party, waiting := range m.waiting {
		light := m.slots.loads.byParty[party] == nil || m.slots.loads.byParty[party].now(time.Now()) <= allowance
		if len(waiting) > 0 && m.underWay[party] == 0 && light && !passed && len(m.busy) < 2*m.n {
			m.t.Errorf("%s asks for little, has none under way and waits, with %d under way for %d slots", party, len(m.busy), m.n)
		}
		if len(waiting) > 0 && len(m.busy) == 0 {
			m.t.Errorf("%s waits, and nothing is under way", party)
		}
	}
}
