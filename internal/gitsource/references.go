package gitsource

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/towpath-dev/towpath/internal/gittext"
)

// References are the head of a branch, and what else a repository has to build.
type References struct {
	Head
	// Tags are those with a name that is fit to be shown, sorted by name.
	Tags []Tag
	// Requests are pull requests whose newest commit is the head of another branch of the repository itself, sorted by number. Whoever made one may push
	// there. Those of forks are not among them, nor those whose branch is gone or further on.
	Requests []Request
}

// Tag is one, with the commit that it stands on.
type Tag struct{ Name, SHA string }

// Request is a pull request, with its newest commit and the branch that it is of. Git tells neither whether it is open, nor into which branch it is to be
// merged.
type Request struct {
	Number      int64
	SHA, Branch string
}

// References says where the branch is, and which tags and pull requests there are. It fetches no commit.
func (c *Client) References(ctx context.Context, r Repository) (References, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Limits.Timeout)
	defer cancel()
	place, t, err := c.transport(r)
	if err != nil {
		return References{}, err
	}
	s, err := c.begin(ctx, t, r)
	if err != nil {
		return References{}, place.explain(ctx, err, r.Credentials.secrets())
	}
	defer s.close()
	head, err := s.head(place, r.Branch)
	if err != nil {
		return References{}, place.explain(ctx, err, r.Credentials.secrets())
	}
	return References{Head: head, Tags: s.tags(), Requests: s.requests(r.Branch)}, nil
}

// shown says whether a name is fit to be shown as it is. Others are left out: they cannot be told apart once they are made fit.
func shown(name string) bool {
	return name != "" && len(name) <= maxBranch && gittext.Line(name, maxBranch) == name
}

func (s *session) tags() []Tag {
	var all []Tag
	for name, at := range s.refs.References {
		if peeled, ok := s.refs.Peeled[name]; ok {
			at = peeled
		}
		if tag, ok := strings.CutPrefix(name, "refs/tags/"); ok && shown(tag) {
			all = append(all, Tag{Name: tag, SHA: at.String()})
		}
	}
	slices.SortFunc(all, func(a, b Tag) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// requests finds the pull requests of branches of the repository itself. The commit proves it: a fork has its own, unless it has nothing of its own.
// That of the branch that is built is none: it came there.
func (s *session) requests(built string) []Request {
	branches := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(s.refs.References)) {
		branch, ok := strings.CutPrefix(name, "refs/heads/")
		sha := s.refs.References[name].String()
		if ok && shown(branch) && branches[sha] == "" {
			branches[sha] = branch
		}
	}
	if head, ok := s.refs.References["refs/heads/"+built]; ok {
		delete(branches, head.String())
	}
	byCommit := map[string]Request{}
	for name, at := range s.refs.References {
		number, ok := requestNumber(name)
		branch := branches[at.String()]
		if ok && branch != "" && number > byCommit[at.String()].Number {
			byCommit[at.String()] = Request{Number: number, SHA: at.String(), Branch: branch}
		}
	}
	return slices.SortedFunc(maps.Values(byCommit), func(a, b Request) int { return cmp.Compare(a.Number, b.Number) })
}

// requestNumber is the number of the pull request whose newest commit a reference has, as GitHub, Gitea and GitLab name them.
func requestNumber(name string) (int64, bool) {
	rest, ok := strings.CutSuffix(name, "/head")
	if !ok {
		return 0, false
	}
	number, ok := strings.CutPrefix(rest, "refs/pull/")
	if !ok {
		if number, ok = strings.CutPrefix(rest, "refs/merge-requests/"); !ok {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	return n, err == nil && n > 0 && strconv.FormatInt(n, 10) == number
}
