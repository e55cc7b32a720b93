package source

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/build"
	"github.com/towpath-dev/towpath/internal/gitsource"
)

// maxOpen is how many Builds of tags and pull requests of a Component there are that have not ended: further ones are made once some have. It bounds
// what one who pushes a thousand tags can have made.
const maxOpen = 10

// candidate is a tag or a pull request that may be built.
type candidate struct {
	mark build.Mark
	sha  string
	// tag is the name of a tag; empty for a pull request.
	tag     string
	request gitsource.Request
}

// of says whether a Build is of it.
func (c *candidate) of(b *platformv1alpha1.Build) bool {
	if b.Spec.Commit.SHA != c.sha {
		return false
	}
	if c.tag != "" {
		return b.Spec.Branch == "" && b.Spec.Tag == c.tag
	}
	return b.Spec.PullRequest != nil && b.Spec.PullRequest.Number == c.request.Number
}

// wanted are all tags or pull requests that a source has built, and the scope in which they are known again.
type wanted struct {
	what  string
	scope build.Mark
	all   []candidate
}

// wantedTags are the tags that match the patterns.
func wantedTags(patterns []string, tags []gitsource.Tag) *wanted {
	sorted := slices.Sorted(slices.Values(patterns))
	w := &wanted{what: "tags match spec.source.tags: narrow the patterns", scope: build.MarkOf(append([]string{"tags"}, sorted...)...)}
	for _, tag := range tags {
		if build.TagMatches(patterns, tag.Name) {
			w.all = append(w.all, candidate{mark: build.MarkOf("tag", tag.Name, tag.SHA), sha: tag.SHA, tag: tag.Name})
		}
	}
	return w
}

// wantedRequests are the pull requests of branches of the repository.
func wantedRequests(requests []gitsource.Request) *wanted {
	w := &wanted{what: "pull requests are of branches of the repository: delete those of branches that are not needed any more", scope: build.MarkOf("requests")}
	for _, request := range requests {
		w.all = append(w.all, candidate{
			mark: build.MarkOf("request", strconv.FormatInt(request.Number, 10), request.SHA), sha: request.SHA, request: request,
		})
	}
	return w
}

// further makes Builds of the tags and pull requests that a source asks for and that came since the repository was asked before. What was there when
// it was asked for the first time is not built: it may be years of tags.
func (r *Reconciler) further(ctx context.Context, c *platformv1alpha1.Component, t *turn, l *looked, f *finding) error {
	source, before := c.Spec.Source, platformv1alpha1.SourceSeen{}
	if known := r.Schedule.lastWritten(c); known != nil && known.Seen != nil && known.Repository == source.Repository && known.Branch == build.Branch(source) {
		before = *known.Seen
	}
	after := platformv1alpha1.SourceSeen{}
	room := maxOpen - l.builds.open()
	for _, kind := range []struct {
		asked  bool
		wanted func() *wanted
		before string
		after  *string
	}{
		{source.PullRequests == platformv1alpha1.PullRequestsSameRepository, func() *wanted { return wantedRequests(l.references.Requests) }, before.PullRequests, &after.PullRequests},
		{len(source.Tags) > 0, func() *wanted { return wantedTags(source.Tags, l.references.Tags) }, before.Tags, &after.Tags},
	} {
		if !kind.asked {
			continue
		}
		w := kind.wanted()
		if len(w.all) > build.MaxMarks {
			after.Message = fmt.Sprintf("None is built: more than %d %s.", build.MaxMarks, w.what)
			continue
		}
		var err error
		if *kind.after, err = r.fresh(ctx, c, t, l, f, w, kind.before, &room); err != nil {
			return err
		}
	}
	if after != (platformv1alpha1.SourceSeen{}) {
		f.seen = &after
	}
	return nil
}

// fresh makes Builds of those that are new, and returns which are known now: those that wait for room are not.
func (r *Reconciler) fresh(ctx context.Context, c *platformv1alpha1.Component, t *turn, l *looked, f *finding, w *wanted, before string, room *int) (string, error) {
	marks, known := build.DecodeMarks(before, w.scope)
	now := build.Marks{Scope: w.scope}
	for i := range w.all {
		one := &w.all[i]
		if known && !marks.Has(one.mark) {
			made, err := r.buildFurther(ctx, c, t, l, one, room)
			if err != nil {
				return "", err
			}
			if !made {
				f.left = true
				continue
			}
		}
		now.Of = append(now.Of, one.mark)
	}
	return now.Encode(), nil
}

// buildFurther makes the Build of a tag or a pull request, where there is none. False where there is no room for it now.
func (r *Reconciler) buildFurther(ctx context.Context, c *platformv1alpha1.Component, t *turn, l *looked, one *candidate, room *int) (bool, error) {
	passed := sets.New[types.UID]()
	for _, b := range l.builds.further {
		switch {
		case !one.of(b):
		case b.Status.Result == platformv1alpha1.BuildCancelled:
			passed.Insert(b.UID) // a later one took its place, and the request was forced back to it
		default:
			return true, nil
		}
	}
	if *room <= 0 {
		return false, nil
	}
	question := gitsource.Question{Commit: one.sha}
	if one.tag == "" {
		question.From, question.Path = l.references.SHA, c.Spec.Source.Path
	}
	news, err := r.Git.Range(ctx, l.repository, question)
	switch {
	case errors.Is(err, gitsource.ErrNoCommit):
		return true, nil // a tag may stand on a file
	case err != nil:
		return false, err
	case question.Path != "" && (news.Missing || news.Compared && !news.Changed):
		return true, nil // nothing of it is the Component's
	}
	b := r.build(c, &news, "", nil)
	b.Spec.Commits, b.Spec.Branch, b.Spec.Tag, b.Spec.PullRequest = nil, one.request.Branch, one.tag, nil
	if one.tag == "" {
		b.Spec.PullRequest = &platformv1alpha1.BuildPullRequest{Number: one.request.Number}
		if told := t.pull(one.sha); told != nil && told.Number == one.request.Number {
			b.Spec.PullRequest.Title, b.Spec.PullRequest.OpenedAt = told.Title, told.OpenedAt
		}
	} else {
		b.Spec.ChangedPaths = nil
	}
	if _, err := r.create(ctx, c, b, passed); err != nil {
		return false, err
	}
	*room--
	return true, nil
}
