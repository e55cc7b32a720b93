package fairness

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestWhoeverHasTheFewestUnderWayGoesFirst(t *testing.T) {
	var turns turns[int]
	for i := range 1000 {
		turns.push("busy", i)
	}
	for range 4 {
		turns.pop()
	}
	turns.push("quiet", 0)
	turns.push("quiet", 1)
	turns.push("third", 0)
	var got []string
	for range 5 {
		party, item := turns.pop()
		got = append(got, fmt.Sprint(party, item))
	}
	if want := []string{"quiet0", "third0", "quiet1", "busy4", "busy5"}; !slices.Equal(got, want) {
		t.Errorf("they go in the order %v, want %v", got, want)
	}
	turns.push("quiet", 2)
	turns.done("quiet")
	if party, _ := turns.pop(); party != "quiet" {
		t.Errorf("%s goes first, though quiet has one under way and busy six", party)
	}
}

func TestPartiesWithEquallyManyUnderWayTakeTurns(t *testing.T) {
	var turns turns[int]
	for i := range 3 {
		turns.push("a", i)
		turns.push("b", i)
	}
	var got []string
	for range 6 { // one worker: nothing is under way when the next is taken
		party, item := turns.pop()
		turns.done(party)
		got = append(got, fmt.Sprint(party, item))
	}
	if want := []string{"a0", "b0", "a1", "b1", "a2", "b2"}; !slices.Equal(got, want) {
		t.Errorf("they go in the order %v, want %v", got, want)
	}
	if len(turns.parties) != 0 {
		t.Errorf("%d parties are remembered of which nothing is left", len(turns.parties))
	}
}

// For random steps: nothing is lost or doubled, each party keeps its order, and nobody is handed an item while another that
// has fewer under way waits.
func TestTurns(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	var turns turns[int]
	waiting, underWay := map[string][]int{}, map[string]int{}
	var busy []string
	next, left := 0, 0
	for range 20_000 {
		switch step := random.IntN(100); {
		case step < 40 || left == 0 && len(busy) == 0:
			party := fmt.Sprint("team", random.IntN(1+random.IntN(12)))
			turns.push(party, next)
			waiting[party] = append(waiting[party], next)
			next, left = next+1, left+1
		case step < 70 && left > 0:
			party, item := turns.pop()
			if len(waiting[party]) == 0 || waiting[party][0] != item {
				t.Fatalf("%s was handed %d; it waits for %v", party, item, waiting[party])
			}
			for other, items := range waiting {
				if len(items) > 0 && underWay[other] < underWay[party] {
					t.Fatalf("%s, with %d under way, went before %s with %d", party, underWay[party], other, underWay[other])
				}
			}
			waiting[party] = waiting[party][1:]
			underWay[party]++
			busy = append(busy, party)
			if left--; turns.len() != left {
				t.Fatalf("the length is %d, want %d", turns.len(), left)
			}
		case len(busy) > 0:
			i := random.IntN(len(busy))
			turns.done(busy[i])
			underWay[busy[i]]--
			busy = slices.Delete(busy, i, i+1)
		}
	}
}

func BenchmarkTurns(b *testing.B) {
	var turns turns[int]
	for i := range 10_000 {
		turns.push(fmt.Sprint(i%1000), i)
	}
	b.ReportAllocs()
	for b.Loop() {
		party, item := turns.pop()
		turns.push(party, item)
		turns.done(party)
	}
}
