// Package evidence remembers what registries have beside images, and asks them in the background: whoever wants to know waits for no
// registry, and is woken once it has answered. What is remembered is what was found, and not whether that is enough: an old scan
// becomes too old without anybody being asked.
package evidence

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"k8s.io/utils/lru"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/towpath-dev/towpath/internal/supplychain"
)

const (
	// kept is how many images are remembered, by the keys that they were looked at with.
	kept = 4096
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
	queue   []*question
	waiting map[key]*question
	busy    map[string]int
	more    chan struct{}
}

// key is an image with the keys that it is looked at with.
type key struct{ image, keys string }

// question is what is asked, or is about to be.
type question struct {
	key
	keys      supplychain.Keys
	namespace string
	who       map[types.NamespacedName]bool
	news      time.Time
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
	return slices.ContainsFunc(a.Proofs, func(p supplychain.Proof) bool {
		return !slices.ContainsFunc(before.Proofs, func(own supplychain.Proof) bool { return own.Type == p.Type && own.Artifact == p.Artifact })
	})
}

// keep puts what was known before beside what was found.
func (a *Answer) keep(before *supplychain.Evidence) {
	for _, p := range before.Proofs {
		if !slices.ContainsFunc(a.Proofs, func(own supplychain.Proof) bool { return own.Type == p.Type && own.Artifact == p.Artifact }) {
			a.Proofs = append(a.Proofs, p)
		}
	}
	if len(a.Rejected) == 0 {
		a.Rejected = before.Rejected
	}
}

// Look is what is known of an image, which has a digest; nil where nothing is yet. It asks nobody.
func (k *Keeper) Look(image string, keys supplychain.Keys) *Answer {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.begin()
	return k.get(key{image, keys.ID})
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
func (k *Keeper) Ask(image string, keys supplychain.Keys, who types.NamespacedName, news time.Time) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.begin()
	of := key{image, keys.ID}
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
	q := &question{key: of, keys: keys, namespace: who.Namespace, who: map[types.NamespacedName]bool{who: true}, news: news}
	k.waiting[of] = q
	k.queue = append(k.queue, q)
	k.signal()
	return 0
}

// bounds are after which time it asks again at first, and at most.
func (k *Keeper) bounds() (first, most time.Duration) {
	if k.First == 0 {
		return DefaultFirst, DefaultMost
	}
	return k.First, k.Most
}

func (k *Keeper) begin() {
	if k.known == nil {
		k.known, k.waiting, k.busy, k.more = lru.New(kept), map[key]*question{}, map[string]int{}, make(chan struct{}, workers)
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
		for q := k.next(); q != nil; q = k.next() {
			k.answer(ctx, q)
		}
	}
}

// next takes the oldest question of a namespace that has not as many under way as it may; nil for none.
func (k *Keeper) next() *question {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, q := range k.queue {
		if k.busy[q.namespace] < perNamespace {
			k.queue = append(k.queue[:i], k.queue[i+1:]...)
			k.busy[q.namespace]++
			return q
		}
	}
	return nil
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
	leftOut, err := k.Source.Fetch(ctx, q.image, func(a *supplychain.Artifact) { found.Look(a, digest, q.keys) })
	for _, why := range leftOut {
		found.Add("", why)
	}
	if found.Err = err; err != nil {
		log.FromContext(ctx).V(1).Info("A registry did not say what it has beside an image", "image", q.image, "why", err.Error())
	}
}

// done remembers an answer. One by which a registry told only a part, or nothing, is put beside what it told before.
func (k *Keeper) done(q *question, found *Answer) map[types.NamespacedName]bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	first, most := k.bounds()
	found.at, found.again, found.news = k.Clock.Now(), first, q.news
	if before := k.get(q.key); before != nil {
		if !found.learned(&before.Evidence) && !q.news.After(before.news) {
			found.again = min(max(2*before.again, first), most)
		}
		if before.news.After(found.news) {
			found.news = before.news
		}
		if found.Err != nil {
			found.keep(&before.Evidence)
		}
	}
	found.wait = spread(found.again, first)
	k.known.Add(q.key, found)
	delete(k.waiting, q.key)
	if k.busy[q.namespace]--; k.busy[q.namespace] == 0 {
		delete(k.busy, q.namespace)
	}
	k.signal()
	return q.who
}

// spread takes up to a quarter off a wait: what began together, as when a manager starts, does not ask together for ever.
func spread(wait, first time.Duration) time.Duration {
	return max(time.Duration(float64(wait)*(0.75+rand.Float64()/4)), first) //nolint:gosec // nobody gains by guessing it
}
