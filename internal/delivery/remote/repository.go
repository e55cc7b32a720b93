package remote

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/storage/memory"

	"github.com/towpath-dev/towpath/internal/delivery"
)

// Repository is one branch of one repository, to which Releases are delivered.
type Repository struct {
	place     place
	name      string
	mode      Mode
	layout    delivery.Layout
	options   Options
	transport transport
	hide      hider
	branch    *branch
}

// String is where it is.
func (r *Repository) String() string { return r.place.String() + ", branch " + r.name }

// State is what became of a delivery.
type State string

// The states.
const (
	// Delivered: the branch holds it. In the mode Propose, somebody has merged it.
	Delivered State = "Delivered"
	// Proposed: a branch of its own holds it, and waits to be merged.
	Proposed State = "Proposed"
)

// Result says where a Release is.
type Result struct {
	State State
	// Branch is the one that holds it, and Commit the newest commit of it, which need not be the one that brought the Release.
	Branch, Commit string
	// Made says whether this call made a commit; false where all was there already.
	Made bool
	// Attempts counts how often the server was asked.
	Attempts int
}

// Commit delivers a Release as one commit, made at a time. It may be called again, after whatever error or crash: what is there
// already is not committed a second time, and what was lost, by a forced push of somebody else, is committed anew. An error
// with a reason stays until somebody acts; any other one may pass.
func (r *Repository) Commit(ctx context.Context, release delivery.Release, at time.Time) (Result, error) {
	directory, err := r.directory(release.Target)
	if err != nil {
		return Result{}, err
	}
	if release.UID == "" || release.Name == "" || release.Component.UID == "" || release.Environment.UID == "" {
		return Result{}, problem(ReasonInvalid, "%s: the Release, the Component and the Environment must have names and UIDs", release.Target)
	}
	files, err := delivery.Files(release.Objects)
	if err != nil {
		return Result{}, problem(ReasonInvalid, "Release %s: %v", release.Name, err)
	}
	return r.deliver(ctx, branchOf(release), at, change{target: release.Target, directory: directory, files: files,
		marker: delivery.NewMarker(release, files), message: delivery.Message(release), merged: release.LastDelivered})
}

// Remove takes the files of a Target away, as one commit: those that the marker lists. Where none are there, or where the
// directory is somebody else's, it does nothing.
func (r *Repository) Remove(ctx context.Context, target delivery.Target, at time.Time) (Result, error) {
	directory, err := r.directory(target)
	if err != nil {
		return Result{}, err
	}
	return r.deliver(ctx, removalOf(target), at, change{target: target, directory: directory, remove: true, message: delivery.RemovalMessage(target)})
}

// removalOf is the branch on which it is proposed to remove a Component. No Release has such a name: each ends with its number.
func removalOf(target delivery.Target) string {
	return strings.Join([]string{"towpath", target.Team, target.Environment.Name, target.Component.Name + "-removal"}, "/")
}

func (r *Repository) directory(target delivery.Target) (string, error) {
	directory, err := r.layout.Directory(target)
	if err != nil {
		return "", problem(ReasonInvalid, "%v", err)
	}
	return directory, nil
}

// Head is the newest commit of the branch; empty where the repository is.
func (r *Repository) Head(ctx context.Context) (string, error) {
	s, err := begin(ctx, r.transport, readService, r.hide)
	if err != nil {
		return "", r.place.connecting(err, r.hide)
	}
	defer s.close()
	head, err := r.headOf(s)
	if err != nil || head.IsZero() {
		return "", err
	}
	return head.String(), nil
}

// ReleaseAt is which Release of a Target the branch holds, and the commit of which that is true; nil where it holds none. In the
// mode Propose, a Release that is only proposed is not held.
func (r *Repository) ReleaseAt(ctx context.Context, target delivery.Target) (*delivery.MarkerRelease, string, error) {
	directory, err := r.directory(target)
	if err != nil {
		return nil, "", err
	}
	if err := r.branch.take(ctx); err != nil {
		return nil, "", err
	}
	defer r.branch.pass()
	s, err := begin(ctx, r.transport, readService, r.hide)
	if err != nil {
		return nil, "", r.place.connecting(err, r.hide)
	}
	head, err := r.headOf(s)
	s.close()
	if err != nil {
		return nil, "", err
	}
	if head.IsZero() {
		return nil, "", nil
	}
	store := r.branch.store
	if err := store.follow(ctx, head, r.fetch); err != nil {
		return nil, "", r.place.connecting(err, r.hide)
	}
	marker, err := store.held(head, directory)
	if err != nil || marker == nil || !marker.Owns(target) {
		return nil, head.String(), err
	}
	return &marker.Release, head.String(), nil
}

// branchOf is the branch of a Release's own, for the mode Propose.
func branchOf(release delivery.Release) string {
	return strings.Join([]string{"towpath", release.Team, release.Environment.Name, release.Name}, "/")
}

// headOf is where the branch is, by the greeting of the server; zero in a repository that has no branch at all.
func (r *Repository) headOf(s *session) (plumbing.Hash, error) {
	if head, found := s.refs[plumbing.NewBranchReferenceName(r.name).String()]; found {
		return head, nil
	}
	for name := range s.refs {
		if strings.HasPrefix(name, "refs/heads/") {
			return plumbing.ZeroHash, problem(ReasonNoBranch, "%s has no branch %s: make it, or name one that it has", r.place, r.name)
		}
	}
	return plumbing.ZeroHash, nil
}

// fetch reads a commit of the server.
func (r *Repository) fetch(ctx context.Context, into *memory.Storage, want, have plumbing.Hash, depth int64) error {
	s, err := begin(ctx, r.transport, readService, r.hide)
	if err != nil {
		return err
	}
	defer s.close()
	return s.fetch(ctx, into, want, have, depth, r.options.MaxFetch)
}

// holds says whether the history of one commit of the server has another in it.
func (r *Repository) holds(ctx context.Context, history, commit plumbing.Hash) (bool, error) {
	s, err := begin(ctx, r.transport, readService, r.hide)
	if err != nil {
		return false, err
	}
	defer s.close()
	return s.holds(ctx, history, commit, r.options.MaxFetch)
}

// identity is a name or an address for a commit's header, in which a line break or a bracket would begin another field.
func identity(text, otherwise string) string {
	text = strings.Map(func(r rune) rune {
		if strings.ContainsRune("<>", r) {
			return -1
		}
		return r
	}, delivery.OneLine(text, 200))
	return cmp.Or(strings.TrimSpace(text), otherwise)
}
