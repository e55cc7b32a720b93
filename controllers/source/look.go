package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/build"
	"github.com/towpath-dev/towpath/internal/gitsource"
	"github.com/towpath-dev/towpath/internal/index"
)

// finding is what came of a turn.
type finding struct {
	// head is where the branch is; empty where that is not known.
	head string
	// failed says that the repository could not be asked, or not be built from: then there are a reason and a message.
	failed  bool
	reason  gitsource.Reason
	message string
	// soon has it asked again after a moment, without anything written. Zero is not so.
	soon time.Duration
	// seen is what there is of tags and pull requests; nil where neither is asked for. left says that some wait for room.
	seen *platformv1alpha1.SourceSeen
	left bool
	// pipeline is how the workflow in the repository compares with the golden path; nil where it is not compared.
	pipeline *platformv1alpha1.SourcePipelineStatus
}

// looked is what a repository has, and what there is of it.
type looked struct {
	repository gitsource.Repository
	references gitsource.References
	builds     *known
}

// look asks the repository, and makes a Build where there is none of what it has, or compares the workflow that builds elsewhere.
func (r *Reconciler) look(ctx context.Context, c *platformv1alpha1.Component, t *turn) (*finding, error) {
	repository, err := r.repository(ctx, c, t)
	if err != nil {
		return found("", err)
	}
	references, err := r.Git.References(ctx, repository)
	if err != nil {
		return found("", err)
	}
	if !Builds(c) {
		return r.compare(ctx, c, t, repository, references.Head)
	}
	builds, err := r.builds(ctx, c, t)
	if err != nil {
		return nil, err
	}
	l := &looked{repository, references, builds}
	f, err := r.branch(ctx, c, t, l)
	if err != nil || f.failed {
		return f, err
	}
	// What is deployed comes first.
	if err := r.further(ctx, c, t, l, f); err != nil {
		return found(f.head, err)
	}
	return f, nil
}

// branch makes a Build of the head of the branch, where there is none.
func (r *Reconciler) branch(ctx context.Context, c *platformv1alpha1.Component, t *turn, l *looked) (*finding, error) {
	head, builds, repository := l.references.Head, l.builds, l.repository
	if builds.of(head.SHA) {
		return &finding{head: head.SHA}, nil
	}
	path, seen := c.Spec.Source.Path, build.Head(r.Schedule.lastWritten(c), c.Spec.Source)
	last, from := builds.last(seen), builds.succeeded().last(seen)
	if t.skipped.sha == head.SHA && t.skipped.from == last && t.skipped.path == path {
		return &finding{head: head.SHA}, nil
	}
	// Whether there is something to build is a question of what came since the last Build, whatever became of that; what a Build brings, of
	// what came since one succeeded: nothing else was tested, nor can it be deployed.
	questions := []string{from}
	if path != "" && last != from {
		questions = []string{last, from}
	}
	var news gitsource.Range
	var err error
	for _, since := range questions {
		if news, err = r.Git.Range(ctx, repository, gitsource.Question{From: since, Path: path}); err != nil {
			return found(head.SHA, err)
		}
		if news.Missing {
			return found(news.SHA, &gitsource.Problem{Reason: platformv1alpha1.ReasonPathNotFound, Message: fmt.Sprintf(
				"branch %s of %s has nothing at spec.source.path %s, so nothing is built: correct the path, or push it", repository.Branch, repository.URL, path)})
		}
		// The branch may have moved on since it was asked before.
		if builds.of(news.SHA) {
			return &finding{head: news.SHA}, nil
		}
		if path != "" && since == last && news.Compared && !news.Changed {
			t.skipped.sha, t.skipped.from, t.skipped.path = news.SHA, last, path
			return &finding{head: news.SHA}, nil
		}
	}
	if t.built, err = r.create(ctx, c, r.build(c, &news, from, t.pull(news.SHA)), builds.passed(news.SHA)); err != nil {
		return nil, err
	}
	t.builtAt = time.Now()
	return &finding{head: news.SHA}, nil
}

// found is a finding of a problem; any other error is one.
func found(head string, err error) (*finding, error) {
	f := refusal(err)
	if f == nil {
		return nil, err
	}
	if f.failed {
		f.head = head
	}
	return f, nil
}

// refusal is what an error says of the repository; nil where it says nothing.
func refusal(err error) *finding {
	if lag, ok := err.(*lagError); ok { //nolint:errorlint // it is never wrapped
		return &finding{soon: lag.wait}
	}
	problem := gitsource.ProblemOf(err)
	if problem == nil {
		return nil
	}
	return &finding{failed: true, reason: problem.Reason, message: problem.Message}
}

// known are the Builds of the branch of a Component.
type known struct {
	items []*platformv1alpha1.Build
	// overtaken are those that were cancelled before a later one, and count for nothing: where the branch is forced back to such a commit,
	// it is built again. One that was cancelled as the last of the branch is not among them: whoever cancelled it meant it.
	overtaken []*platformv1alpha1.Build
	// further are those of tags and pull requests.
	further []*platformv1alpha1.Build
}

// open is how many of tags and pull requests have not ended.
func (k *known) open() int {
	n := 0
	for _, b := range k.further {
		if b.Status.Result == "" && b.Spec.Result == "" {
			n++
		}
	}
	return n
}

// passed are those of a commit that were overtaken.
func (k *known) passed(sha string) sets.Set[types.UID] {
	passed := sets.New[types.UID]()
	for _, b := range k.overtaken {
		if b.Spec.Commit.SHA == sha {
			passed.Insert(b.UID)
		}
	}
	return passed
}

// builds lists them, with the one that was made last, which the cache may not show yet.
func (r *Reconciler) builds(ctx context.Context, c *platformv1alpha1.Component, t *turn) (*known, error) {
	var list platformv1alpha1.BuildList
	if err := r.List(ctx, &list, client.InNamespace(c.Namespace), client.MatchingFields{index.BuildComponent: c.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing Builds: %w", err)
	}
	k := &known{}
	add := func(b *platformv1alpha1.Build) {
		owner := metav1.GetControllerOf(b)
		switch branch := build.Branch(c.Spec.Source); {
		case owner != nil && owner.UID != c.UID:
		case b.Spec.Branch == branch:
			k.items = append(k.items, b)
		case build.Further(b, branch):
			k.further = append(k.further, b)
		}
	}
	cached := false
	for i := range list.Items {
		add(&list.Items[i])
		cached = cached || t.built != nil && list.Items[i].Name == t.built.Name
	}
	// One that the cache does not show for longer was deleted meanwhile.
	const unseen = 10 * time.Second
	if cached || time.Since(t.builtAt) > unseen {
		t.built = nil
	}
	if t.built != nil {
		add(t.built)
	}
	k.pass()
	return k, nil
}

// pass sets aside those that were overtaken.
func (k *known) pass() {
	all := k.items
	k.items = nil
	for _, b := range all {
		if b.Status.Result == platformv1alpha1.BuildCancelled && slices.ContainsFunc(all, func(other *platformv1alpha1.Build) bool {
			return other.Spec.Commit.SHA != b.Spec.Commit.SHA && build.Made(other, b) > 0
		}) {
			k.overtaken = append(k.overtaken, b)
		} else {
			k.items = append(k.items, b)
		}
	}
}

// of says whether there is a Build of a commit.
func (k *known) of(sha string) bool {
	for _, b := range k.items {
		if b.Spec.Commit.SHA == sha {
			return true
		}
	}
	return false
}

// succeeded are those of them that have succeeded and given an image. One that still runs has not: a later one may take its place. What one
// without an image brings comes with the next that has one.
func (k *known) succeeded() *known {
	out := &known{}
	for _, b := range k.items {
		if build.Gave(b) {
			out.items = append(out.items, b)
		}
	}
	return out
}

// last is the commit of the Build that was made last; empty where there is none. It is that which was seen last, where there is a Build of it:
// two may be of one second, and a branch may have been forced back.
func (k *known) last(seen string) string {
	if seen != "" && k.of(seen) {
		return seen
	}
	if len(k.items) == 0 {
		return ""
	}
	return slices.MaxFunc(k.items, build.Made).Spec.Commit.SHA
}

// build is the Build of what came to a branch.
func (r *Reconciler) build(c *platformv1alpha1.Component, news *gitsource.Range, from string, pull *platformv1alpha1.BuildPullRequest) *platformv1alpha1.Build {
	b := &platformv1alpha1.Build{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: c.Namespace, Name: build.Name(c.Name, news.SHA),
			Labels: map[string]string{"app.kubernetes.io/managed-by": platformv1alpha1.ManagedBy, platformv1alpha1.LabelComponent: c.Name},
		},
		Spec: platformv1alpha1.BuildSpec{
			Component: c.Name, Branch: build.Branch(c.Spec.Source), Tag: news.Tag, ChangedPaths: news.Paths, PullRequest: pull,
			Commit: platformv1alpha1.BuildCommit{
				SHA: news.SHA, CommittedAt: r.believed(news.Commit.CommittedAt), Author: news.Commit.Author, Message: news.Commit.Message,
			},
		},
	}
	if pull == nil && news.Commit.PullRequest > 0 {
		b.Spec.PullRequest = &platformv1alpha1.BuildPullRequest{Number: news.Commit.PullRequest}
	}
	if news.Counted {
		if news.Forced {
			from = "" // what is on the branch no more is no beginning
		}
		b.Spec.Commits = build.Brought(from, news.Count, news.Oldest, r.Clock.Now())
	}
	return b
}

// believed is the time of a commit, nil where it cannot be true.
func (r *Reconciler) believed(when time.Time) *metav1.Time {
	return build.Believed(when, r.Clock.Now())
}

// create makes a Build. Its name tells the commit, so that nobody makes it twice; where another commit, or another branch, has that
// name already, a hash of both follows. Where that too is of one of passed, Builds that were overtaken, the hash is of those as well.
func (r *Reconciler) create(ctx context.Context, c *platformv1alpha1.Component, b *platformv1alpha1.Build, passed sets.Set[types.UID]) (*platformv1alpha1.Build, error) {
	if err := controllerutil.SetControllerReference(c, b, r.Scheme()); err != nil {
		return nil, fmt.Errorf("owning Build %s: %w", b.Name, err)
	}
	branch := build.Branch(c.Spec.Source)
	for _, name := range names(b, branch, passed) {
		made := b.DeepCopy()
		made.Name = name
		err := r.Create(ctx, made, fieldOwner)
		if err == nil {
			r.tell(c, "Normal", "BuildCreated", fmt.Sprintf("Build %s of commit %s %s", name, made.Spec.Commit.SHA, where(made, branch)))
			return made, nil
		}
		if !apierrors.IsAlreadyExists(err) {
			return nil, fmt.Errorf("creating Build %s: %w", name, err)
		}
		var live platformv1alpha1.Build
		if err := r.Live.Get(ctx, types.NamespacedName{Namespace: b.Namespace, Name: name}, &live); err != nil {
			return nil, fmt.Errorf("reading Build %s: %w", name, err)
		}
		owner := metav1.GetControllerOf(&live)
		if live.Spec.Component == b.Spec.Component && live.Spec.Commit.SHA == b.Spec.Commit.SHA && where(&live, branch) == where(b, branch) &&
			(owner == nil || owner.UID == c.UID) && !passed.Has(live.UID) {
			return &live, nil
		}
	}
	return nil, fmt.Errorf("the names of Build %s/%s are taken by other Builds", b.Namespace, b.Name)
}

// where says what a Build is of beside its commit.
func where(b *platformv1alpha1.Build, branch string) string {
	switch {
	case !build.Further(b, branch):
		return "on branch " + b.Spec.Branch
	case b.Spec.PullRequest != nil:
		return fmt.Sprintf("of pull request %d", b.Spec.PullRequest.Number)
	default:
		return "of tag " + b.Spec.Tag
	}
}

// names are those that a Build may have, the first of which is free being its own. That of a tag or a pull request leaves the plain one to the branch,
// which may come to its commit. passed are the Builds of its commit that were overtaken.
func names(b *platformv1alpha1.Build, branch string, passed sets.Set[types.UID]) []string {
	hashed := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return b.Name + "-" + hex.EncodeToString(sum[:4])
	}
	of := b.Spec.Commit.SHA + " " + b.Spec.Branch
	all := []string{b.Name, hashed(of)}
	if build.Further(b, branch) {
		of = b.Spec.Commit.SHA + " " + where(b, branch)
		all = []string{hashed(of), hashed(of + " ")} // another one may have the first hash
	}
	if len(passed) > 0 {
		all = append(all, hashed(fmt.Sprint(of, sets.List(passed))))
	}
	return all
}
