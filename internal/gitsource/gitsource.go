// Package gitsource asks Git repositories that tenants name which commit a branch has, and what came to it since another. It reads
// what it needs for that and nothing else, keeps nothing, and bounds how much a repository can make it read: neither the server nor
// what people committed is trusted.
package gitsource

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/towpath-dev/towpath/internal/gitwire"
	"github.com/towpath-dev/towpath/internal/outbound"
)

// Limits bound what one question may cost.
type Limits struct {
	// Refs is how many bytes the list of branches and tags may have.
	Refs int64
	// Pack is how many bytes of commits and trees are fetched at once, and Objects how many they may become in memory.
	Pack, Objects int64
	// Timeout bounds each question, from the first connection to the last byte.
	Timeout time.Duration
}

// DefaultLimits are enough for 10,000 commits of a repository with 100,000 files, where its server can leave out their content.
func DefaultLimits() Limits {
	const mebibyte = 1 << 20
	return Limits{Refs: 16 * mebibyte, Pack: 16 * mebibyte, Objects: 48 * mebibyte, Timeout: 30 * time.Second}
}

// Client asks repositories. It is safe for concurrent use.
type Client struct {
	// Rules say which addresses may be reached.
	Rules outbound.Rules
	// PlainHTTP allows http:// too, over which credentials travel unprotected.
	PlainHTTP bool
	Limits    Limits
}

// Repository is one branch of a repository, and who asks.
type Repository struct {
	// URL is https://host/path or ssh://user@host/path.
	URL         string
	Branch      string
	Credentials Credentials
	// CA are further authorities of HTTPS in PEM.
	CA []byte
}

// Credentials say who asks. They never print: whatever formats them gets a word in their place.
type Credentials struct {
	// Username and Password are those of HTTPS. A token is a password; which user name goes with it, the server says.
	Username, Password string
	// Identity is a private key of SSH in PEM, without a passphrase, and KnownHosts the host keys of the server, as in a file
	// known_hosts. SSH needs both: without the latter, anybody on the way could pose as the server.
	Identity, KnownHosts []byte
}

const hidden = "[credentials]"

// Format writes no credential, by whatever verb.
func (Credentials) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hidden)) }

// MarshalJSON writes no credential: structured logs are JSON.
func (Credentials) MarshalJSON() ([]byte, error) { return json.Marshal(hidden) }

// secrets are the texts that no message may hold. Very short ones would hide ordinary words.
func (c Credentials) secrets() []string {
	var all []string
	for _, s := range []string{c.Password, string(c.Identity)} {
		if len(s) >= 4 {
			all = append(all, s, url.QueryEscape(s), url.PathEscape(s), base64.StdEncoding.EncodeToString([]byte(c.Username+":"+s)))
		}
	}
	return all
}

// Head is where a branch is.
type Head struct {
	// SHA is the commit, in hexadecimal.
	SHA string
	// Tag is one that stands on it, the last by name; empty where there is none.
	Tag string
}

// Head says where the branch is. It fetches no commit.
func (c *Client) Head(ctx context.Context, r Repository) (Head, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Limits.Timeout)
	defer cancel()
	place, t, err := c.transport(r)
	if err != nil {
		return Head{}, err
	}
	s, err := c.begin(ctx, t, r)
	if err != nil {
		return Head{}, place.explain(ctx, err, r.Credentials.secrets())
	}
	defer s.close()
	head, err := s.head(place, r.Branch)
	return head, place.explain(ctx, err, r.Credentials.secrets())
}

// transport is the way to a repository, once its address and credentials are checked.
func (c *Client) transport(r Repository) (place, transport, error) {
	p, err := readURL(c.Rules, r.URL, c.PlainHTTP)
	if err != nil {
		return place{}, nil, err
	}
	if err := checkBranch(r.Branch); err != nil {
		return place{}, nil, err
	}
	if p.Scheme == "ssh" {
		t, err := newSSH(c.Rules, p, r.Credentials)
		return p, t, err
	}
	roots, err := outbound.Roots(r.CA)
	if err != nil {
		return place{}, nil, problem(CredentialsMissing, "the authorities for %s cannot be read: the key ca of the Secret must be certificates in PEM", p)
	}
	return p, &overHTTP{place: p, client: c.Rules.Client(roots, c.Limits.Timeout), credentials: r.Credentials}, nil
}

// Commit is one, as it says itself. Nothing of it is verified, and all of it is fit to be shown.
type Commit struct {
	SHA string
	// CommittedAt is the time of the committer. It may be any.
	CommittedAt time.Time
	// Author is Name <address>, at most 254 bytes.
	Author string
	// Message is the first line, at most 256 bytes.
	Message string
	// PullRequest is the number that the message says, as forges write it when they merge; 0 for none.
	PullRequest int64
}

// Question is what to find out of the way to the head of a branch.
type Question struct {
	// Commit is asked about in place of the head of the branch: one on which a branch or a tag stands. Empty for the head.
	Commit string
	// From is the commit that is known already; empty for none.
	From string
	// Path is the directory that matters; empty for the whole repository.
	Path string
}

// Range is what came to a branch.
type Range struct {
	Head
	// Commit is the newest one. Where even that was too large to be read, it has its SHA alone.
	Commit Commit
	// Counted says that Count and Oldest are known: how many commits are new since From, at most MaxCommits, and when the oldest
	// of them was made.
	Counted bool
	Count   int32
	Oldest  time.Time
	// Forced says that From is on the branch no more: somebody replaced its history. Of Commit, that it did not begin at From: it is compared with
	// where it left what leads there, if that is one commit.
	Forced bool
	// Compared says that Changed and Paths are known: whether something below Path differs from From, and which files, the first
	// MaxPaths in their order.
	Compared bool
	Changed  bool
	Paths    []string
	// Missing says that nothing stands at Path.
	Missing bool
}

const (
	// MaxCommits is how far commits are counted.
	MaxCommits = 10000
	// MaxPaths is how many changed files are named.
	MaxPaths = 256
	// maxDepth is how far back trees are compared: those of each commit in between have to be fetched.
	maxDepth = 250
)

// Range says what came to the branch since a commit.
func (c *Client) Range(ctx context.Context, r Repository, q Question) (Range, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Limits.Timeout)
	defer cancel()
	place, t, err := c.transport(r)
	if err != nil {
		return Range{}, err
	}
	out, err := c.look(ctx, &looking{place: place, transport: t, repository: r, question: q})
	if q.Commit != "" && errors.Is(err, ErrNoCommit) {
		return Range{}, ErrNoCommit
	}
	return out, place.explain(ctx, err, r.Credentials.secrets())
}

// look fetches the commits alone at first, and then the trees of those that are compared. What is too large to be read is not
// known, and no error: a commit is built also where nobody can say how many came with it.
func (c *Client) look(ctx context.Context, l *looking) (Range, error) {
	head, commits, alone, err := c.commits(ctx, l)
	out := Range{Head: head, Commit: Commit{SHA: head.SHA}}
	if errors.Is(err, gitwire.ErrTooLarge) {
		return out, nil
	}
	if err != nil {
		return Range{}, err
	}
	h, err := walk(received(commits), head.SHA, l.question.From)
	if err != nil {
		return Range{}, err
	}
	if alone {
		out.Commit = h.newest
		return out, nil
	}
	out.Commit, out.Counted, out.Count, out.Oldest, out.Forced = h.newest, h.counted, h.count, h.oldest, h.forced
	if l.question.From == "" && l.question.Path == "" {
		return out, nil
	}
	question := l.question
	if question.Commit != "" && h.forced && h.base != "" {
		question.From = h.base
	}
	depth := 1
	if question.From != "" && h.distance > 0 && h.distance < maxDepth {
		depth = h.distance + 1
	}
	trees, err := c.trees(ctx, l, head, depth)
	if errors.Is(err, gitwire.ErrTooLarge) {
		return out, nil
	}
	if err != nil {
		return Range{}, err
	}
	err = compare(ctx, trees, &out, question, depth > 1)
	return out, err
}
