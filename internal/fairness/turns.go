// Package fairness shares what is scarce among teams: a controller's workers, and the requests that are under way.
//
// First in, first out lets one team that changes thousands of things at once make all others wait for the last of them. Here
// whoever has the fewest under way goes first, and those that have equally many take turns. So a team with one thing to do
// waits for the next worker that is free, however much others have to do. Some of both is left for whoever comes: nobody keeps
// more than half of the workers busy, and the first request of a party does not wait for those of others. Who asks for much makes way
// while another that asks for little has something under way.
package fairness

import (
	"cmp"
	"container/heap"
	"slices"
)

// turns decides whose item is next. Each operation takes time that grows with the logarithm of how many parties wait. The zero
// value is ready. It is not safe for concurrent use.
type turns[T any] struct {
	parties map[string]*party[T]
	// waiting are the parties that have items, the next one first.
	waiting parties[T]
	count   int
	turn    uint64
}

// party is one of those who share: a team.
type party[T any] struct {
	name  string
	items fifo[T]
	// underWay is how many of its items were handed out and are not done.
	underWay int
	// turn is when it was last handed one, or came.
	turn uint64
	// at is its place in the heap, -1 if it waits for nothing.
	at int
}

// push adds an item of a party after the others that the party has.
func (t *turns[T]) push(name string, item T) {
	p, ok := t.parties[name]
	if !ok {
		if t.parties == nil {
			t.parties = map[string]*party[T]{}
		}
		t.turn++
		p = &party[T]{name: name, turn: t.turn, at: -1}
		t.parties[name] = p
	}
	p.items.push(item)
	if p.at < 0 {
		heap.Push(&t.waiting, p)
	}
	t.count++
}

// pop hands out the next item, which is under way until done is called for its party. There must be one.
func (t *turns[T]) pop() (name string, item T) {
	p := t.waiting[0]
	return p.name, t.take(p)
}

// take hands out the next item of a party that waits, also where it is not its turn.
func (t *turns[T]) take(p *party[T]) T {
	item := p.items.pop()
	p.underWay++
	t.turn++
	p.turn = t.turn
	if p.items.len() == 0 {
		heap.Remove(&t.waiting, p.at)
	} else {
		heap.Fix(&t.waiting, p.at)
	}
	t.count--
	return item
}

// inOrder are the parties that wait, the one whose turn is next first. It takes time that grows with how many they are.
func (t *turns[T]) inOrder() []*party[T] {
	ordered := slices.Clone(t.waiting)
	slices.SortFunc(ordered, func(a, b *party[T]) int {
		return cmp.Or(cmp.Compare(a.underWay, b.underWay), cmp.Compare(a.turn, b.turn))
	})
	return ordered
}

// underWay is how many items of the party whose turn is next are under way. One must wait.
func (t *turns[T]) underWay() int { return t.waiting[0].underWay }

// done says that an item of a party is no longer under way.
func (t *turns[T]) done(name string) {
	p, ok := t.parties[name]
	if !ok {
		return
	}
	p.underWay--
	switch {
	case p.at >= 0:
		heap.Fix(&t.waiting, p.at)
	case p.underWay == 0:
		delete(t.parties, name)
	}
}

func (t *turns[T]) len() int { return t.count }

// parties implements heap.Interface.
type parties[T any] []*party[T]

func (p parties[T]) Len() int { return len(p) }

func (p parties[T]) Less(i, j int) bool {
	if p[i].underWay != p[j].underWay {
		return p[i].underWay < p[j].underWay
	}
	return p[i].turn < p[j].turn
}

func (p parties[T]) Swap(i, j int) {
	p[i], p[j] = p[j], p[i]
	p[i].at, p[j].at = i, j
}

// Push implements heap.Interface.
func (p *parties[T]) Push(x any) {
	added := x.(*party[T])
	added.at = len(*p)
	*p = append(*p, added)
}

// Pop implements heap.Interface.
func (p *parties[T]) Pop() any {
	last := len(*p) - 1
	removed := (*p)[last]
	(*p)[last] = nil
	*p = (*p)[:last]
	removed.at = -1
	return removed
}

// fifo is first in, first out.
type fifo[T any] struct {
	items []T
	// head is the first that is still there.
	head int
}

func (f *fifo[T]) len() int { return len(f.items) - f.head }

func (f *fifo[T]) push(item T) { f.items = append(f.items, item) }

func (f *fifo[T]) pop() T {
	item := f.items[f.head]
	f.items[f.head] = *new(T) // else it would keep alive what it points to
	f.head++
	if f.head*2 >= len(f.items) { // no more is moved than was popped since the last time
		f.items = append(f.items[:0], f.items[f.head:]...)
		f.head = 0
	}
	return item
}
