// Package evidence remembers what registries have beside images, and asks them in the background: whoever wants to know waits for no
// registry, and is woken once it has answered. What is remembered is what was found, and not whether that is enough: an old scan
// becomes too old without anybody being asked.
package evidence

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"k8s.io/utils/lru"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/towpath-dev/towpath/internal/supplychain"
)

const (
	// kept is how many images are remembered, by the signers that they were looked at with.
	kept = 4096
	// keptFindings is how many findings of scans are remembered of all of them: those asked for the longest ago are forgotten before there are more.
	keptFindings = 128 << 10
	// workers is how many registries are asked at once, perNamespace how many of those for one namespace.
	workers, perNamespace = 4, 2
	// DefaultFirst is after which time a registry is asked again that had not what was asked for. It doubles each time, and begins anew
	// with news of the image. Nobody asks about an image more often than that.
	DefaultFirst = 5 * time.Second
	// DefaultMost is what it grows to.
	DefaultMost = 10 * time.Minute
)

// Source reads what is beside an image.
type Source interface {
	Fetch(ctx context.Context, image string, look func(*supplychain.Artifact)) (leftOut []string, err error)
}

// Keeper remembers and asks. Many may use it at once. It must not be copied.
type Keeper struct {
	// Source is whom it asks, Wake is told who waited for an answer.
	Source Source
	Wake   func(ctx context.Context, who types.NamespacedName)
	Clock  clock.PassiveClock
	// First and Most are after which time it asks again; the defaults where they are 0.
	First, Most time.Duration

	mu      sync.Mutex
	known   *lru.Cache
	queue   []turn
	waiting map[key]*question
	busy    map[string]int
	more    chan struct{}
	// findings are how many are known.
	findings int
}

// key is an image with the signers that it is looked at with.
type key struct{ image, signers string }

// question is what is asked, or is about to be.
type question struct {
	key
	signers supplychain.Signers
	who     map[types.NamespacedName]bool
	news    time.Time
}

// turn is somebody's who waits until a registry may be asked.
type turn struct {
	namespace string
	ask       func(ctx context.Context)
}

// Answer is what was found.
type Answer struct {
	supplychain.Evidence
	// Err says why the registry did not answer: what was found is not all then.
	Err error
	// at is when it was found, wait after which time it is asked again, give or take, and again the same without.
	at          time.Time
	again, wait time.Duration
	// news is when something was last heard by which there may be more by now.
	news time.Time
}

// hear has a registry asked sooner where something is heard of an image that was not known before.
func (a *Answer) hear(news time.Time, first time.Duration) {
	if news.After(a.news) {
		a.news, a.again, a.wait = news, 0, first
	}
}

// learned says that the registry has something that it had not before: who signs, scans and attests does so one after another.
func (a *Answer) learned(before *supplychain.Evidence) bool {
	return slices.ContainsFunc(a.Proofs, func(p supplychain.Proof) bool { return !before.Has(&p) })
}

// keep puts what was known before beside what was found. Where that brought nothing new, all is known that was before.
func (a *Answer) keep(before *supplychain.Evidence, now time.Time) {
	for _, p := range before.Proofs {
		if !a.Has(&p) {
			a.Proofs = append(a.Proofs, p)
		}
	}
	if len(a.Rejected) == 0 {
		a.Rejected = before.Rejected
	}
	a.Newest(now)
	if !slices.ContainsFunc(a.Proofs, func(p supplychain.Proof) bool { return !before.Has(&p) }) {
		a.Incomplete = before.Incomplete
	}
}

// Look is what is known of an image, which has a digest; nil where nothing is yet. It asks nobody.
func (k *Keeper) Look(image string, signers supplychain.Signers) *Answer {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.begin()
	return k.get(key{image, signers.ID})
}

func (k *Keeper) get(of key) *Answer {
	if found, ok := k.known.Get(of); ok {
		return found.(*Answer)
	}
	return nil
}

// Ask has the registry of an image asked, now or once it may be asked again, and wakes who asks. It says after which time to look
// again where nobody is asked now; 0 where somebody is. news is when something last happened by which the registry may have more, as
// when a Build of the image ended; the zero time for never. Then it is not left alone for as long as one of which nothing is heard.
func (k *Keeper) Ask(image string, signers supplychain.Signers, who types.NamespacedName, news time.Time) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.begin()
	of := key{image, signers.ID}
	if q := k.waiting[of]; q != nil {
		q.who[who] = true
		if news.After(q.news) {
			q.news = news
		}
		return 0
	}
	if known := k.get(of); known != nil {
		first, _ := k.bounds()
		known.hear(news, first)
		if wait := known.at.Add(known.wait).Sub(k.Clock.Now()); wait > 0 {
			return wait
		}
	}
	q := &question{key: of, signers: signers, who: map[types.NamespacedName]bool{who: true}, news: news}
	k.waiting[of] = q
	k.enqueue(who.Namespace, func(ctx context.Context) { k.answer(ctx, q) })
	return 0
}

// bounds are after which time it asks again at first, and at most.
func (k *Keeper) bounds() (first, most time.Duration) {
	if k.First == 0 {
		return DefaultFirst, DefaultMost
	}
	return k.First, k.Most
}

// Turn has something else asked of registries for a namespace once it is its turn, so that all of them are asked no more at once than a few
// things. It waits for nothing.
func (k *Keeper) Turn(namespace string, ask func(ctx context.Context)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.begin()
	k.enqueue(namespace, ask)
}

func (k *Keeper) enqueue(namespace string, ask func(ctx context.Context)) {
	k.queue = append(k.queue, turn{namespace, ask})
	k.signal()
}

func (k *Keeper) begin() {
	if k.known == nil {
		k.known = lru.NewWithEvictionFunc(kept, func(_ lru.Key, gone any) { k.findings -= gone.(*Answer).Findings() })
		k.waiting, k.busy, k.more = map[key]*question{}, map[string]int{}, make(chan struct{}, workers)
	}
}

func (k *Keeper) signal() {
	select {
	case k.more <- struct{}{}:
	default: // as many are awake as there are
	}
}

// Start asks until the context ends. It is a Runnable of a manager, which starts it on the leader alone.
func (k *Keeper) Start(ctx context.Context) error {
	k.mu.Lock()
	k.begin()
	k.mu.Unlock()
	var group sync.WaitGroup
	for range workers {
		group.Go(func() { k.work(ctx) })
	}
	group.Wait()
	return nil
}

func (k *Keeper) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.more:
		}
		for t, ok := k.next(); ok; t, ok = k.next() {
			t.ask(ctx)
			k.over(t)
		}
	}
}

// next takes the oldest turn of a namespace that has not as many under way as it may; false for none.
func (k *Keeper) next() (turn, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, t := range k.queue {
		if k.busy[t.namespace] < perNamespace {
			k.queue = slices.Delete(k.queue, i, i+1)
			k.busy[t.namespace]++
			return t, true
		}
	}
	return turn{}, false
}

// over lets the next of a namespace have its turn.
func (k *Keeper) over(t turn) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.busy[t.namespace]--; k.busy[t.namespace] == 0 {
		delete(k.busy, t.namespace)
	}
	k.signal()
}

// answer asks, remembers, and wakes who waits.
func (k *Keeper) answer(ctx context.Context, q *question) {
	found := &Answer{}
	defer func() {
		for who := range k.done(q, found) {
			k.Wake(ctx, who)
		}
	}()
	digest := supplychain.Digest(q.image)
	leftOut, err := k.Source.Fetch(ctx, q.image, func(a *supplychain.Artifact) { found.Look(a, digest, q.signers) })
	for _, why := range leftOut {
		found.Add("", why)
	}
	found.Incomplete = strings.Join(leftOut, "; ")
	if found.Err = err; err != nil {
		found.Incomplete = err.Error()
		log.FromContext(ctx).V(1).Info("A registry did not say what it has beside an image", "image", q.image, "why", err.Error())
	}
}

// remember forgets others where there is no room.
func (k *Keeper) remember(of key, found *Answer) {
	k.known.Remove(of)
	k.known.Add(of, found)
	for k.findings += found.Findings(); k.findings > keptFindings && k.known.Len() > 1; {
		k.known.RemoveOldest()
	}
}

// done remembers an answer. One by which a registry told only a part, or nothing, is put beside what it told before.
func (k *Keeper) done(q *question, found *Answer) map[types.NamespacedName]bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	first, most := k.bounds()
	found.at, found.again, found.news = k.Clock.Now(), first, q.news
	found.Newest(found.at)
	if before := k.get(q.key); before != nil {
		if !found.learned(&before.Evidence) && !q.news.After(before.news) {
			found.again = min(max(2*before.again, first), most)
		}
		if before.news.After(found.news) {
			found.news = before.news
		}
		if found.Err != nil {
			found.keep(&before.Evidence, found.at)
		}
	}
	found.wait = spread(found.again, first)
	k.remember(q.key, found)
	delete(k.waiting, q.key)
	return q.who
}

// spread takes up to a quarter off a wait: what began together, as when a manager starts, does not ask together for ever.
func spread(wait, first time.Duration) time.Duration {
	return max(time.Duration(float64(wait)*(0.75+rand.Float64()/4)), first) //nolint:gosec // nobody gains by guessing it
}
