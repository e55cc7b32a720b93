package release

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/event"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/delivery/remote"
)

const (
	// couriers is to how many repositories something is carried at once. One that hangs takes one of them, for errandTimeout.
	couriers = 4
	// errandTimeout bounds one errand, with all that is tried again in it.
	errandTimeout = 90 * time.Second
	// retryErrandFirst and retryErrandLast bound the time after which an errand that failed is tried again. It doubles.
	retryErrandFirst, retryErrandLast = 5 * time.Second, 5 * time.Minute
)

// courier carries Releases to repositories beside the workers of the controller, so that a server which hangs holds up no
// Release of another one. One errand at a time goes to a branch of a repository, since pushes to it would only get in each
// other's way; when the repository itself fails, so do all that wait for it with the same credentials, and each is tried again
// later.
//
// What it knows is lost with the process. An errand may be done again: it changes nothing then.
type courier struct {
	clock clock.PassiveClock
	// done tells which Release has got an answer.
	done chan event.GenericEvent
	bell chan struct{}

	mu      sync.Mutex
	errands map[types.UID]map[string]*errand
	// places are the branches that something waits for, in turn.
	places []*place
}

// destination is where an errand goes, and with what it comes there.
type destination struct {
	// branch names a branch of a repository.
	branch string
	// credentials name those that it is opened with; none if empty. Classes may share a branch, and not these.
	credentials string
}

// place is a branch of a repository.
type place struct {
	branch  string
	busy    bool
	waiting []*errand
}

// errand is one thing to do in a repository for a Release.
type errand struct {
	release types.NamespacedName
	// run does it, and is kept only until it is done: it holds all objects of the Release.
	run         func(context.Context) (remote.Result, error)
	credentials string
	// underWay says that it waits or is done right now; stale that the answer is to be asked for again; unheard that nobody has asked
	// since there is one.
	underWay, stale, unheard bool
	result                   remote.Result
	err                      error
	failures                 int
	at, until                time.Time
}

// answer is what is known of an errand.
type answer struct {
	result remote.Result
	err    error
	// known says that there is an answer, a good one or err, which stands while it is asked for anew.
	known bool
	// wait is how long nothing is tried, after a failure.
	wait time.Duration
}

func newCourier(c clock.PassiveClock) *courier {
	return &courier{clock: c, done: make(chan event.GenericEvent, 1024), bell: make(chan struct{}, couriers), errands: map[types.UID]map[string]*errand{}}
}

// Start carries until the context ends.
func (c *courier) Start(ctx context.Context) error {
	var all sync.WaitGroup
	for range couriers {
		all.Go(func() {
			for {
				at, e := c.next()
				if e == nil {
					select {
					case <-c.bell:
						continue
					case <-ctx.Done():
						return
					}
				}
				c.carry(ctx, at, e)
			}
		})
	}
	all.Wait()
	return nil
}

// ask returns what is known of an errand of a Release, and sets it off where nothing is, or where it is time to try again.
// what tells it from others of the same Release; to is where it goes.
func (c *courier) ask(release *platformv1alpha1.Release, what string, to destination, run func(context.Context) (remote.Result, error)) answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.clock.Now()
	e := c.errands[release.UID][what]
	if e == nil {
		e = c.add(release, what)
	}
	if !e.underWay && (e.stale || e.err != nil && !now.Before(e.until)) {
		e.underWay, e.run, e.credentials = true, run, to.credentials
		p := c.placeOf(to.branch)
		p.waiting = append(p.waiting, e)
		c.ring()
	}
	e.unheard = false
	a := answer{result: e.result, err: e.err, known: !e.at.IsZero()}
	if e.err != nil && !e.underWay {
		a.wait = max(e.until.Sub(now), 0)
	}
	return a
}

func (c *courier) add(release *platformv1alpha1.Release, what string) *errand {
	e := &errand{release: keyOf(release), stale: true}
	if c.errands[release.UID] == nil {
		c.errands[release.UID] = map[string]*errand{}
	}
	c.errands[release.UID][what] = e
	return e
}

// again has the next ask set an errand off anew.
func (c *courier) again(release *platformv1alpha1.Release, what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.errands[release.UID][what]
	if e == nil {
		e = c.add(release, what)
	}
	e.stale = true
}

// recheck does so where the last answer is as old as that, and no failure, which is tried again in its own time.
func (c *courier) recheck(release *platformv1alpha1.Release, what string, age time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.errands[release.UID][what]
	if e == nil {
		e = c.add(release, what)
	}
	e.stale = e.stale || !e.underWay && e.err == nil && c.clock.Since(e.at) >= age
}

// drop drops what is known of one errand of a Release, so that it is done again as if it never was.
func (c *courier) drop(release types.UID, what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.errands[release], what)
}

// outstanding says whether an errand is to be done, or done again, or has an answer that was not heard.
func (c *courier) outstanding(release types.UID, what string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.errands[release][what]
	return e != nil && (e.stale || e.underWay || e.unheard || e.err != nil)
}

// forget drops what is known of a Release.
func (c *courier) forget(release types.UID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.errands, release)
}

func (c *courier) ring() {
	select {
	case c.bell <- struct{}{}:
	default: // enough have been called
	}
}

func (c *courier) placeOf(branch string) *place {
	for _, p := range c.places {
		if p.branch == branch {
			return p
		}
	}
	p := &place{branch: branch}
	c.places = append(c.places, p)
	return p
}

// next takes the first errand of the branch whose turn it is; nil where there is none.
func (c *courier) next() (*place, *errand) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, p := range c.places {
		if p.busy || len(p.waiting) == 0 {
			continue
		}
		e := p.waiting[0]
		p.busy, p.waiting = true, slices.Delete(p.waiting, 0, 1)
		c.places = append(slices.Delete(c.places, i, i+1), p)
		return p, e
	}
	return nil, nil
}

// carry does an errand, and tells the Release.
func (c *courier) carry(ctx context.Context, at *place, e *errand) {
	bounded, cancel := context.WithTimeout(ctx, errandTimeout)
	result, err := e.run(bounded)
	cancel()
	c.mu.Lock()
	answered := []*errand{e}
	if err != nil && ofPlace(err) {
		var others []*errand
		for _, waits := range at.waiting {
			if waits.credentials == e.credentials {
				answered = append(answered, waits)
			} else {
				others = append(others, waits)
			}
		}
		at.waiting = others
	}
	now := c.clock.Now()
	for _, e := range answered {
		e.underWay, e.stale, e.unheard, e.at, e.err, e.run = false, false, true, now, err, nil
		if err == nil {
			e.result, e.failures = result, 0
			continue
		}
		e.failures++
		e.until = now.Add(retryErrand(e.failures))
	}
	if at.busy = false; len(at.waiting) == 0 {
		c.places = slices.DeleteFunc(c.places, func(p *place) bool { return p == at })
	} else {
		c.ring()
	}
	c.mu.Unlock()
	for _, e := range answered {
		told := &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Namespace: e.release.Namespace, Name: e.release.Name}}
		select {
		case c.done <- event.GenericEvent{Object: told}:
		default: // it looks by itself after a while
		}
	}
}

// retryErrand is after how long an errand is tried again that failed so often. What failed together does not come back together.
func retryErrand(failures int) time.Duration {
	wait := retryErrandFirst
	for range min(failures-1, 10) {
		wait = min(2*wait, retryErrandLast)
	}
	return time.Duration(float64(wait) * (0.75 + rand.Float64()/4)) //nolint:gosec // nobody gains by guessing it
}

// ofPlace says whether an error is about the repository, so that whatever else waits for it with the same
// credentials would meet it too.
func ofPlace(err error) bool {
	switch remote.ReasonOf(err) {
	case "", remote.ReasonCredentials, remote.ReasonHostKey, remote.ReasonNotFound, remote.ReasonNoBranch, remote.ReasonAddress, remote.ReasonUnsupported:
		return true
	default:
		return false
	}
}
