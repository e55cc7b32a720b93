package source

import (
	"math/rand/v2"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/gitsource"
)

const (
	// firstWait is how long the first wait after a failure that may pass is; each further one is twice as long.
	firstWait = 30 * time.Second
	// longest is the longest wait after failures, where the interval is not longer.
	longest = 15 * time.Minute
	// busy is how long to wait for who is asking already.
	busy = time.Second
)

// Schedule remembers when repositories are due. It is lost with the manager: each is asked once when another begins, which
// makes nothing twice.
type Schedule struct {
	// Second is how long a second of an interval lasts. Zero is a second; tests have no time.
	Second time.Duration

	mu  sync.Mutex
	all map[types.NamespacedName]*turn
}

// turn is one Component's place in the schedule, and what was found out about it.
type turn struct {
	schedule   *Schedule
	uid        types.UID
	generation int64
	interval   time.Duration
	trigger    platformv1alpha1.SourceTrigger
	due        time.Time
	failures   int
	asking     bool
	// called says that somebody told of a new commit, also while the repository was being asked.
	called bool

	// left says that tags or pull requests wait for room.
	left bool

	// built is the Build that was made last, which the cache may not show yet.
	built   *platformv1alpha1.Build
	builtAt time.Time
	// skipped is the commit that changes nothing below a path.
	skipped struct{ sha, from, path string }
	// compared is what the workflow in the repository was compared with.
	compared compared
	// written is the status that was written last, and version the resource version that came of it.
	written *platformv1alpha1.SourceStatus
	version string
	// lags counts how often a right that was given was not there yet.
	lags int
	// pulls are pull requests that were told of, by the commit that merged them.
	pulls map[string]platformv1alpha1.BuildPullRequest
}

// begin gives a Component its turn, if it is due. Otherwise it says how long to wait; zero is for ever.
func (s *Schedule) begin(c *platformv1alpha1.Component) (*turn, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.turnOf(c)
	now := time.Now()
	switch {
	case t.asking:
		return nil, busy
	case t.generation != c.Generation, t.called, t.due.IsZero():
	case t.trigger == platformv1alpha1.TriggerWebhook && t.failures == 0 && !t.left:
		return nil, 0
	case t.due.After(now):
		return nil, t.due.Sub(now)
	}
	second := s.Second
	if second == 0 {
		second = time.Second
	}
	if t.generation != c.Generation {
		t.failures = 0
	}
	t.asking, t.called, t.generation = true, false, c.Generation
	t.interval, t.trigger = time.Duration(c.Spec.Source.IntervalSeconds)*second, c.Spec.Source.Trigger
	return t, 0
}

// turnOf is the place of a Component; another one of its name gets another.
func (s *Schedule) turnOf(c *platformv1alpha1.Component) *turn {
	if s.all == nil {
		s.all = map[types.NamespacedName]*turn{}
	}
	t := s.all[key(c)]
	if t == nil || t.uid != c.UID {
		t = &turn{schedule: s, uid: c.UID}
		s.all[key(c)] = t
	}
	return t
}

// End ends a turn, and says when the next one is.
func (t *turn) End(found *finding, err error) time.Duration {
	t.schedule.mu.Lock()
	defer t.schedule.mu.Unlock()
	t.asking = false
	if err != nil {
		t.due = time.Time{} // the queue says when
		return 0
	}
	wait := t.wait(found)
	t.left = found.left
	t.due = time.Now().Add(wait)
	if t.called {
		return busy
	}
	if t.trigger == platformv1alpha1.TriggerWebhook && t.failures == 0 && !t.left {
		return 0
	}
	return wait
}

// wait is how long until the next turn: the interval, a tenth more or less, or longer and longer after failures.
func (t *turn) wait(found *finding) time.Duration {
	if found.soon > 0 {
		return found.soon
	}
	interval := t.interval
	if !found.failed {
		t.failures = 0
		return jittered(interval)
	}
	t.failures++
	const doublings = 12
	first := interval
	// Who is refused and asks again at once may be locked out.
	if found.reason != gitsource.CredentialsRefused {
		first = min(interval, firstWait)
	}
	return jittered(min(first<<min(t.failures-1, doublings), max(interval, longest)))
}

// jittered is a time, a tenth more or less.
func jittered(d time.Duration) time.Duration {
	return d + time.Duration((rand.Float64()-0.5)/5*float64(d)) //nolint:gosec // chance, not secrecy
}

// polled says whether the repository of a Component is asked by itself, and not only where somebody tells of it.
func (s *Schedule) polled(key types.NamespacedName) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.all[key]
	return t == nil || t.trigger != platformv1alpha1.TriggerWebhook
}

// Forget drops what is remembered of a Component.
func (s *Schedule) Forget(key types.NamespacedName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, key)
}

// maxPulls is how many pull requests are remembered of a Component.
const maxPulls = 32

// Call has the repository of a Component asked at its next turn, which is now. A pull request goes with the commit that merged it, or with its newest
// one, if that is what the repository says.
func (s *Schedule) Call(c *platformv1alpha1.Component, sha string, pull *platformv1alpha1.BuildPullRequest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.turnOf(c)
	t.called = true
	if pull == nil {
		return
	}
	if t.pulls == nil || len(t.pulls) >= maxPulls {
		t.pulls = map[string]platformv1alpha1.BuildPullRequest{}
	}
	t.pulls[sha] = *pull
}

// pull is the pull request by which a commit came, if somebody told of it.
func (t *turn) pull(sha string) *platformv1alpha1.BuildPullRequest {
	t.schedule.mu.Lock()
	defer t.schedule.mu.Unlock()
	pull, ok := t.pulls[sha]
	if !ok {
		return nil
	}
	return &pull
}
