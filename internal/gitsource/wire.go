package gitsource

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/storage/memory"

	"github.com/towpath-dev/towpath/internal/gittext"
	"github.com/towpath-dev/towpath/internal/gitwire"
)

// go-git's own transports are not used: they go through proxies of the environment and the manager's own ~/.ssh, follow redirects,
// and print URLs. Its messages are; so a transport has to do no more than carry a request there and an answer back.

// transport begins a conversation with a repository.
type transport interface {
	open(ctx context.Context) (conversation, error)
}

// conversation is one request. The server speaks first: it lists its branches.
type conversation interface {
	// greeting is what the server says first. It is read before anything is sent.
	greeting() io.Reader
	// send carries the request, and returns the answer, which has to be closed.
	send(ctx context.Context, request []byte) (io.ReadCloser, error)
	// close ends the conversation, also where nothing was sent.
	close()
}

// session is a conversation of which the greeting has been read.
type session struct {
	conversation
	refs   *packp.AdvRefs
	limits Limits
}

// begin opens a conversation, and reads which branches there are.
func (c *Client) begin(ctx context.Context, t transport, r Repository) (*session, error) {
	talk, err := t.open(ctx)
	if err != nil {
		return nil, err
	}
	s := &session{conversation: talk, refs: packp.NewAdvRefs(), limits: c.Limits}
	greeting := &gitwire.Limited{From: talk.greeting(), Left: c.Limits.Refs}
	if err := s.refs.Decode(greeting); err != nil && !errors.Is(err, packp.ErrEmptyAdvRefs) {
		talk.close()
		// go-git loses what was wrong underneath.
		if greeting.Left <= 0 {
			return nil, gitwire.ErrTooLarge
		}
		if heard, ok := talk.(interface {
			heard(ctx context.Context) error
		}); ok {
			if err := heard.heard(ctx); err != nil {
				return nil, err
			}
		}
		return nil, fmt.Errorf("its list of branches cannot be read: %s", said(err.Error(), r.Credentials.secrets()))
	}
	if format := s.refs.Capabilities.Get("object-format"); len(format) > 0 && !slices.Contains(format, "sha1") {
		talk.close()
		return nil, problem(RepositoryUnsupported, "the repository names its objects by %.20q; only those with sha1 are supported", format[0])
	}
	return s, nil
}

// head is where a branch is, and the last tag by name that stands there.
func (s *session) head(p place, branch string) (Head, error) {
	hash, ok := s.refs.References["refs/heads/"+branch]
	if !ok {
		return Head{}, problem(BranchNotFound, "%s has no branch %.80q: push it, or set spec.source.branch", p, branch)
	}
	head := Head{SHA: hash.String()}
	for name, at := range s.refs.References {
		tag, isTag := strings.CutPrefix(name, "refs/tags/")
		if peeled, ok := s.refs.Peeled[name]; ok {
			at = peeled
		}
		if isTag && at == hash && tag > head.Tag && len(tag) <= maxBranch && gittext.Line(tag, maxBranch) == tag {
			head.Tag = tag
		}
	}
	return head, nil
}

// order is what a server is asked for.
type order struct {
	want  plumbing.Hash
	have  []plumbing.Hash
	depth int
	// filter says which objects to leave out, where the server can.
	filter packp.Filter
}

// fetch reads objects into memory. It never asks for deltas against what is not sent along.
func (s *session) fetch(ctx context.Context, o order) (*memory.Storage, error) {
	request := packp.NewUploadPackRequest()
	request.Wants, request.Haves, request.Depth = []plumbing.Hash{o.want}, o.have, packp.DepthCommits(o.depth)
	offers := s.refs.Capabilities
	if !offers.Supports(capability.Shallow) {
		return nil, problem(RepositoryUnsupported, "the server cannot give the newest commits alone (the capability shallow), without which a whole history would be read")
	}
	for _, c := range []capability.Capability{capability.Shallow, capability.OFSDelta, capability.NoProgress} {
		if offers.Supports(c) {
			_ = request.Capabilities.Set(c)
		}
	}
	if offers.Supports(capability.Filter) {
		_ = request.Capabilities.Set(capability.Filter)
		request.Filter = o.filter
	}
	_ = request.Capabilities.Set(capability.Agent, agent)
	demux := func(r io.Reader) io.Reader { return r }
	if offers.Supports(capability.Sideband64k) {
		_ = request.Capabilities.Set(capability.Sideband64k)
		demux = func(r io.Reader) io.Reader { return sideband.NewDemuxer(sideband.Sideband64k, r) }
	}
	var body bytes.Buffer
	if err := request.UploadRequest.Encode(&body); err != nil {
		return nil, err
	}
	if err := request.UploadHaves.Encode(&body, false); err != nil {
		return nil, err
	}
	body.WriteString("0009done\n")
	answer, err := s.send(ctx, body.Bytes())
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Close() }()
	bounded := &gitwire.Limited{From: answer, Left: s.limits.Pack}
	response := packp.NewUploadPackResponse(request)
	if err := response.Decode(io.NopCloser(bounded)); err != nil {
		return nil, bounded.Or(err)
	}
	pack, err := io.ReadAll(demux(response))
	if err != nil {
		return nil, bounded.Or(err)
	}
	store := memory.NewStorage()
	return store, gitwire.Unpack(store, pack, s.limits.Objects)
}
