package gitsource

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/storage/memory"

	"github.com/towpath-dev/towpath/internal/gittext"
	"github.com/towpath-dev/towpath/internal/gitwire"
)

// looking is one question under way.
type looking struct {
	place
	transport  transport
	repository Repository
	question   Question
}

// commits fetches those that are new, without what they hold where the server can leave it out. Where they are too many, it fetches
// the newest alone, so that it is known who made it, and when.
func (c *Client) commits(ctx context.Context, l *looking) (head Head, store *memory.Storage, alone bool, err error) {
	s, err := c.begin(ctx, l.transport, l.repository)
	if err != nil {
		return Head{}, nil, false, err
	}
	defer s.close()
	if head, err = s.asked(l); err != nil {
		return Head{}, nil, false, err
	}
	o := order{want: plumbing.NewHash(head.SHA), depth: 1, filter: packp.FilterTreeDepth(0)}
	if l.question.From != "" && l.question.From != head.SHA {
		o.have, o.depth = []plumbing.Hash{plumbing.NewHash(l.question.From)}, MaxCommits+1
	}
	store, err = s.fetch(ctx, o)
	if !errors.Is(err, gitwire.ErrTooLarge) || o.depth == 1 {
		return head, store, false, err
	}
	again, err := c.begin(ctx, l.transport, l.repository)
	if err != nil {
		return Head{}, nil, false, err
	}
	defer again.close()
	store, err = again.fetch(ctx, order{want: o.want, depth: 1, filter: o.filter})
	return head, store, true, err
}

// asked is the commit that a question is about.
func (s *session) asked(l *looking) (Head, error) {
	if l.question.Commit != "" {
		return Head{SHA: l.question.Commit}, nil
	}
	return s.head(l.place, l.repository.Branch)
}

// trees fetches the head and the commits before it with all names and no content, where the server can leave that out.
func (c *Client) trees(ctx context.Context, l *looking, head Head, depth int) (*memory.Storage, error) {
	s, err := c.begin(ctx, l.transport, l.repository)
	if err != nil {
		return nil, err
	}
	defer s.close()
	return s.fetch(ctx, order{want: plumbing.NewHash(head.SHA), depth: depth, filter: packp.FilterBlobNone()})
}

// history is what commits tell.
type history struct {
	newest  Commit
	counted bool
	count   int32
	oldest  time.Time
	forced  bool
	// distance is over how many commits the shortest way from the newest to the known one goes; where that is not on the way, to base.
	distance int
	// base is the one commit that the server left out because it is known, where the known one is not on the way itself; empty where there are more.
	base string
}

// ErrNoCommit says that what was asked about is no commit, or was not sent.
var ErrNoCommit = errors.New("the server did not send the commit, or it is none")

// reader gives a commit; plumbing.ErrObjectNotFound where it is the known one, is before that, or is further than was asked for.
type reader func(plumbing.Hash) (*object.Commit, error)

// received reads what a server sent: it left out the known one and what is before it.
func received(store *memory.Storage) reader {
	return func(hash plumbing.Hash) (*object.Commit, error) { return object.GetCommit(store, hash) }
}

// walk goes from the newest commit to all that came with it: each commit that it is given is new. Where none of them stands right after the
// known one, that is on the branch no more.
func walk(read reader, head, from string) (history, error) {
	h := history{forced: from != "" && from != head}
	type step struct {
		hash     plumbing.Hash
		distance int
	}
	queue, seen := []step{{plumbing.NewHash(head), 0}}, map[plumbing.Hash]bool{plumbing.NewHash(head): true}
	known, rooted := plumbing.NewHash(from), false
	var left []step
	for len(queue) > 0 {
		next := queue[0]
		queue = queue[1:]
		commit, err := read(next.hash)
		if errors.Is(err, plumbing.ErrObjectNotFound) && next.distance > 0 {
			left = append(left, next)
			continue // before the known one, or further than was asked for
		}
		if err != nil {
			return h, fmt.Errorf("%w: %s: %w", ErrNoCommit, next.hash, err)
		}
		if next.distance == 0 {
			h.newest = describe(commit)
		}
		if h.count < MaxCommits {
			h.count++
		}
		if when := commit.Committer.When.UTC(); believable(when) && (h.oldest.IsZero() || when.Before(h.oldest)) {
			h.oldest = when
		}
		rooted = rooted || len(commit.ParentHashes) == 0
		for _, parent := range commit.ParentHashes {
			if parent == known && h.forced {
				h.forced, h.distance = false, next.distance+1
			}
			if parent != known && !seen[parent] {
				seen[parent] = true
				queue = append(queue, step{parent, next.distance + 1})
			}
		}
	}
	if h.forced && len(left) == 1 && h.count < MaxCommits {
		h.base, h.distance = left[0].hash.String(), left[0].distance
	}
	h.judge(head, from, rooted)
	return h, nil
}

// judge says whether the count of what was walked is that of what is new since the known commit. Rooted says that a beginning of the history was among it.
func (h *history) judge(head, from string, rooted bool) {
	switch {
	case from == "":
		h.count, h.oldest, h.counted = 1, time.Time{}, true
		if believable(h.newest.CommittedAt) {
			h.oldest = h.newest.CommittedAt
		}
	case from == head:
		h.count, h.oldest, h.counted = 0, time.Time{}, true
	case h.forced && h.count == MaxCommits:
		h.forced, h.counted = false, true // the known one may stand further back
	default:
		// A server that does not know the other commit any more sends everything: how much of it is new, nobody can say.
		h.counted = !h.forced || !rooted
	}
}

// believable leaves out times from before there was Git to speak of: clocks that were never set begin with 1970. Those that are to
// come are for the caller to judge, who has a clock.
func believable(when time.Time) bool { return when.Year() >= 2000 && when.Year() < 10000 }

// describe is a commit as it is shown.
func describe(c *object.Commit) Commit {
	const maxAuthor, maxMessage = 254, 256
	author := gittext.Line(c.Author.Name, maxAuthor)
	if address := gittext.Line(c.Author.Email, maxAuthor); address != "" {
		author = gittext.Line(author+" <"+address+">", maxAuthor)
	}
	out := Commit{SHA: c.Hash.String(), CommittedAt: c.Committer.When.UTC(), Author: author, PullRequest: pullRequest(c.Message)}
	for i, r := range c.Message {
		if r == '\n' {
			out.Message = gittext.Line(c.Message[:i], maxMessage)
			return out
		}
	}
	out.Message = gittext.Line(c.Message, maxMessage)
	return out
}
