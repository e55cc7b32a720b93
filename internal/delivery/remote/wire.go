package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/storage/memory"

	"github.com/towpath-dev/towpath/internal/gitwire"
	"github.com/towpath-dev/towpath/internal/lazyregexp"
)

// go-git's own transports are not used: they go through proxies of the environment and the manager's own ~/.ssh, follow
// redirects, print URLs, and take the empty answer of a dropped connection for success. Its messages are; so a transport has to
// do no more than carry a request there and an answer back.

const (
	readService  = "git-upload-pack"
	writeService = "git-receive-pack"
	agent        = "git/towpath"
	// maxRefs is how many bytes the list of branches may have.
	maxRefs = 64 << 20
	// maxReport is how many bytes the answer to a push may have.
	maxReport = 1 << 20
)

// transport begins a conversation with a service of the repository.
type transport interface {
	open(ctx context.Context, service string) (conversation, error)
}

// conversation is one request to one service. The server speaks first: it lists its branches.
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
	refs   map[string]plumbing.Hash
	offers *capability.List
	hide   hider
}

// begin opens a conversation, and reads which branches there are.
func begin(ctx context.Context, t transport, service string, hide hider) (*session, error) {
	c, err := t.open(ctx, service)
	if err != nil {
		return nil, err
	}
	refs := packp.NewAdvRefs()
	greeting := &gitwire.Limited{From: c.greeting(), Left: maxRefs}
	// A repository without any branch says so by an empty list.
	if err := refs.Decode(greeting); err != nil && !errors.Is(err, packp.ErrEmptyAdvRefs) {
		c.close()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err := tooLargeOf(greeting.Or(err), "its list of branches"); ReasonOf(err) != "" {
			return nil, err
		}
		return nil, fmt.Errorf("its greeting cannot be read: %s", said(err.Error(), hide))
	}
	s := &session{conversation: c, refs: refs.References, offers: refs.Capabilities, hide: hide}
	if format := s.offers.Get("object-format"); len(format) > 0 && !slices.Contains(format, "sha1") {
		c.close()
		return nil, problem(ReasonUnsupported, "the repository names its objects by %.20q; only those with sha1 are supported", format[0])
	}
	return s, nil
}

// maxSince is how much is read of what came since a commit before the newest one is read alone.
const maxSince = 16 << 20

// fetch reads a commit into a store, with so many generations of its history; or, where another one is here already, all that
// came since.
func (s *session) fetch(ctx context.Context, into *memory.Storage, want, have plumbing.Hash, depth, limit int64) error {
	request := packp.NewUploadPackRequest()
	request.Wants, request.Depth = []plumbing.Hash{want}, packp.DepthCommits(depth)
	if !have.IsZero() {
		// Of the commit that is here, nothing before it was kept.
		request.Haves, request.Shallows = []plumbing.Hash{have}, []plumbing.Hash{have}
		limit = min(limit, maxSince)
	}
	pack, err := s.pack(ctx, request, limit)
	if err != nil {
		return err
	}
	return tooLargeOf(gitwire.Unpack(into, pack, limit), "its newest commit")
}

// holds says whether the history of one commit has another in it: a server has nothing to send of that to whoever has the former.
func (s *session) holds(ctx context.Context, history, commit plumbing.Hash, limit int64) (bool, error) {
	request := packp.NewUploadPackRequest()
	request.Wants, request.Haves = []plumbing.Hash{commit}, []plumbing.Hash{history}
	limit = min(limit, maxSince)
	pack, err := s.pack(ctx, request, limit)
	sent := memory.NewStorage()
	if err == nil {
		err = tooLargeOf(gitwire.Unpack(sent, pack, limit), "what came since")
	}
	if ReasonOf(err) == ReasonTooLarge {
		return false, nil
	}
	return err == nil && sent.HasEncodedObject(commit) != nil, err
}

// pack asks for objects, of which at most so many bytes are read.
func (s *session) pack(ctx context.Context, request *packp.UploadPackRequest, limit int64) ([]byte, error) {
	if !s.offers.Supports(capability.Shallow) {
		return nil, problem(ReasonUnsupported, "the server cannot give the newest commit alone (the capability shallow), without which a whole history would be read")
	}
	for _, c := range []capability.Capability{capability.Shallow, capability.OFSDelta, capability.NoProgress} {
		if s.offers.Supports(c) {
			_ = request.Capabilities.Set(c)
		}
	}
	_ = request.Capabilities.Set(capability.Agent, agent)
	demux := sidebandOf(s.offers, request.Capabilities)
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
	bounded := &gitwire.Limited{From: answer, Left: limit}
	response := packp.NewUploadPackResponse(request)
	if err := response.Decode(io.NopCloser(bounded)); err != nil {
		return nil, tooLargeOf(bounded.Or(err), "its newest commit")
	}
	if len(request.Haves) > 0 && len(response.ACKs) == 0 {
		return nil, errNothingInCommon
	}
	pack, err := io.ReadAll(demux(response, nil))
	if err != nil {
		return nil, tooLargeOf(bounded.Or(err), "its newest commit")
	}
	return pack, nil
}

// push asks the server to move branches, each from where it is to where it should be, and gives it what it lacks for that. The
// server moves none that is no longer where it was: nothing is ever forced. Anything but a clear answer is an error, after
// which nobody knows whether the branch moved.
func (s *session) push(ctx context.Context, from storer.EncodedObjectStorer, command *packp.Command, objects []plumbing.Hash) error {
	request := packp.NewReferenceUpdateRequest()
	request.Commands = []*packp.Command{command}
	if !s.offers.Supports(capability.ReportStatus) {
		return problem(ReasonUnsupported, "the server does not say whether a push succeeded (the capability report-status)")
	}
	_ = request.Capabilities.Set(capability.ReportStatus)
	_ = request.Capabilities.Set(capability.Agent, agent)
	if command.New.IsZero() {
		if !s.offers.Supports(capability.DeleteRefs) {
			return problem(ReasonUnsupported, "the server lets nobody delete a branch")
		}
		_ = request.Capabilities.Set(capability.DeleteRefs)
	}
	demux := sidebandOf(s.offers, request.Capabilities)
	var body bytes.Buffer
	if err := request.Encode(&body); err != nil {
		return err
	}
	if !command.New.IsZero() {
		if _, err := packfile.NewEncoder(&body, from, false).Encode(objects, 0); err != nil {
			return err
		}
	}
	answer, err := s.send(ctx, body.Bytes())
	if err != nil {
		return err
	}
	defer func() { _ = answer.Close() }()
	var told bytes.Buffer
	report := packp.NewReportStatus()
	bounded := &gitwire.Limited{From: answer, Left: maxReport}
	if err := report.Decode(demux(bounded, &told)); err != nil {
		return fmt.Errorf("its report cannot be read: %w", tooLargeOf(bounded.Or(err), "its report"))
	}
	return s.verdict(command, report, told.String())
}

// verdict reads what the server says of the one branch. A branch that moved is told in other words by each server, and they all
// speak of a lock or of what was expected; who asks looks at the branch itself, too.
func (s *session) verdict(command *packp.Command, report *packp.ReportStatus, told string) error {
	if report.UnpackStatus != "ok" {
		return fmt.Errorf("the server could not read the push: %s", said(report.UnpackStatus, s.hide))
	}
	for _, status := range report.CommandStatuses {
		if status.ReferenceName != command.Name {
			continue
		}
		if status.Status == "ok" {
			return nil
		}
		return &declinedError{status: said(status.Status, s.hide), told: said(told, s.hide)}
	}
	return errors.New("the server's report says nothing of the branch")
}

// declinedError is the server's no to a push: nothing was written.
type declinedError struct{ status, told string }

func (e *declinedError) Error() string {
	if e.told == "" {
		return e.status
	}
	return e.status + ": " + e.told
}

// raced is how servers speak of somebody else who pushed at the same time. A lock is a word of its own: a push that is blocked stays so.
var raced = lazyregexp.New(`\block\b|fast-forward|fetch first|failed to update ref|incorrect old value|already exists|\bstale\b`)

// passing says whether it speaks of somebody else who pushed at the same time.
func (e *declinedError) passing() bool { return raced().MatchString(e.status) }

// sidebandOf asks for answers in parts, in which the server can also say what went wrong, and returns what takes them apart.
func sidebandOf(offers, asked *capability.List) func(io.Reader, io.Writer) io.Reader {
	if !offers.Supports(capability.Sideband64k) {
		return func(r io.Reader, _ io.Writer) io.Reader { return r }
	}
	_ = asked.Set(capability.Sideband64k)
	return func(r io.Reader, told io.Writer) io.Reader {
		d := sideband.NewDemuxer(sideband.Sideband64k, r)
		if told != nil {
			d.Progress = told
		}
		return d
	}
}

// tooLargeOf says of what a server sends more than may be read, where that is the error.
func tooLargeOf(err error, what string) error {
	if errors.Is(err, gitwire.ErrTooLarge) {
		return tooLarge(what)
	}
	return err
}

func tooLarge(what string) error {
	return problem(ReasonTooLarge, "the server sends more than may be read of %s: use a repository for deliveries alone, "+
		"or ask the platform team to raise the limit (delivery.maxRepositoryMiB of the manager's configuration)", what)
}
