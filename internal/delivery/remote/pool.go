// Package remote delivers Releases to Git repositories: it commits their files to a branch of a server, and reads back what the
// branch holds. It works on Git's objects in memory, and has neither a checkout nor a file.
package remote

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/towpath-dev/towpath/internal/delivery"
	"github.com/towpath-dev/towpath/internal/outbound"
)

const (
	// requestTimeout is how long one request may take, with its answer.
	requestTimeout = 2 * time.Minute
	// defaultFetch is how many bytes the files of the newest commit of a branch may have.
	defaultFetch = 64 << 20
)

// Retry says how often, and after how long, a commit is tried again: when somebody else was first, or the server cannot be
// reached.
type Retry struct {
	// Attempts is how often at most. Default: 8.
	Attempts int
	// First is the longest wait after the first attempt; it doubles with each one, up to Longest. Defaults: 100 ms and 5 s.
	First, Longest time.Duration
	// Jitter is which part of the longest wait is waited, from 0 to 1, anew each time: so that several managers that got in
	// each other's way do not do so again. Default: random, from a half on.
	Jitter func() float64
}

// wait is how long to wait after so many attempts.
func (r Retry) wait(attempt int) time.Duration {
	longest := r.First
	for range attempt - 1 {
		longest = min(2*longest, r.Longest)
	}
	return time.Duration(r.Jitter() * float64(min(longest, r.Longest)))
}

// Options are those of a Pool.
type Options struct {
	// Rules say which addresses may be reached.
	Rules outbound.Rules
	// PlainHTTP allows http:// too, which sends credentials unprotected: for tests.
	PlainHTTP bool
	Retry     Retry
	// Name and Email are those of the committer. Defaults: Towpath, and towpath@localhost.
	Name, Email string
	// MaxFetch is how many bytes the files of the newest commit of a branch may have together: they are in memory while they are
	// read. Default: 64 MiB.
	MaxFetch int64
}

// Pool has what the repositories of one process share: one turn for each branch, since pushes to it would only get in each
// other's way, and what is known of it.
type Pool struct {
	options  Options
	mu       sync.Mutex
	branches map[string]*branch
}

// branch is one of one repository.
type branch struct {
	// turn holds one token; who has it may use the store, and push.
	turn  chan struct{}
	store *store
	// unmerged are tips of branches that were proposed, each with the newest commit of this one that was found not to have it.
	unmerged map[plumbing.Hash]plumbing.Hash
}

// maxUnmerged is how many of them are remembered: what is forgotten is asked again.
const maxUnmerged = 1024

// NewPool returns an empty Pool.
func NewPool(o Options) *Pool {
	if o.Retry.Attempts <= 0 {
		o.Retry.Attempts = 8
	}
	if o.Retry.First <= 0 {
		o.Retry.First = 100 * time.Millisecond
	}
	if o.Retry.Longest <= 0 {
		o.Retry.Longest = 5 * time.Second
	}
	if o.Retry.Jitter == nil {
		o.Retry.Jitter = func() float64 { return 0.5 + rand.Float64()/2 } //nolint:gosec // nobody gains by guessing it
	}
	if o.MaxFetch <= 0 {
		o.MaxFetch = defaultFetch
	}
	o.Name, o.Email = identity(o.Name, "Towpath"), identity(o.Email, "towpath@localhost")
	return &Pool{options: o, branches: map[string]*branch{}}
}

// Open returns a repository, without asking the server. It is safe for use by several goroutines; several of one branch share
// one turn, whatever their credentials.
func (p *Pool) Open(s Source) (*Repository, error) {
	at, err := readURL(p.options.Rules, s.URL, p.options.PlainHTTP)
	if err != nil {
		return nil, err
	}
	if err := checkBranch(s.Branch); err != nil {
		return nil, err
	}
	switch s.Mode {
	case "":
		s.Mode = Push
	case Push, Propose:
	default:
		return nil, problem(ReasonInvalid, "the mode %.40q must be Push or Propose", string(s.Mode))
	}
	if s.Layout.String() == "" {
		return nil, problem(ReasonInvalid, "%s needs a layout, such as %s", at, delivery.DefaultLayout)
	}
	r := &Repository{place: at, name: s.Branch, mode: s.Mode, layout: s.Layout, options: p.options, hide: s.Credentials.hider()}
	if r.transport, err = p.transport(at, s); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	key := at.URL.String() + " " + s.Branch
	if p.branches[key] == nil {
		p.branches[key] = &branch{turn: make(chan struct{}, 1), store: newStore()}
	}
	r.branch = p.branches[key]
	return r, nil
}

func (p *Pool) transport(at place, s Source) (transport, error) {
	c := s.Credentials
	if at.Scheme == "ssh" {
		return newSSH(at, p.options.Rules, c)
	}
	roots, err := outbound.Roots(s.CA)
	if err != nil {
		return nil, problem(ReasonInvalid, "%s: %v", at, err)
	}
	return overHTTP{place: at, client: p.options.Rules.Client(roots, requestTimeout), known: c.Password != "", authorise: func(r *http.Request) {
		switch {
		case c.Password == "":
		case c.Username == "":
			r.Header.Set("Authorization", "Bearer "+c.Password)
		default:
			r.SetBasicAuth(c.Username, c.Password)
		}
	}}, nil
}

// take waits for the turn of the branch.
func (b *branch) take(ctx context.Context) error {
	select {
	case b.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *branch) pass() { <-b.turn }
