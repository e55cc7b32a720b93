package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/github"
	builds "github.com/towpath-dev/towpath/internal/build"
	"github.com/towpath-dev/towpath/internal/gitsource"
)

// maxCounting is how long commits are counted: enough for a million of them.
const maxCounting = 2 * time.Minute

// origin says what of the origin of a Build was to be found out, as opposed to what flags say.
type origin struct{ commits, request bool }

// without is a spec without what was to be found out.
func (o origin) without(spec platformv1alpha1.BuildSpec) platformv1alpha1.BuildSpec {
	if o.commits {
		spec.Commits = nil
	}
	if o.request {
		spec.PullRequest = nil
	}
	return spec
}

// origin completes a Build by what came with its commit, and how. A Build without it is better than none: what cannot be found out
// is a warning.
func (f *recordFlags) origin(ctx context.Context, c *cluster.Cluster, warnings io.Writer, build *platformv1alpha1.Build) origin {
	warn := func(what string, err error) { _, _ = fmt.Fprintf(warnings, "warning: %s: %v\n", what, err) }
	o := origin{commits: f.repository != "" && f.commits == "", request: f.pullRequest == "" && (f.github || f.repository != "")}
	spec, said := &build.Spec, int64(0)
	if o.commits {
		var err error
		if said, err = f.count(ctx, c, build); err != nil {
			warn("the Build does not tell which commits are new", err)
		}
	}
	if !o.request {
		return o
	}
	if f.github {
		found, err := job().PullRequest(ctx, spec.Commit.SHA, spec.Branch)
		if err != nil {
			warn("the Build does not tell all of the pull request", err)
		}
		if found != nil {
			spec.PullRequest = &platformv1alpha1.BuildPullRequest{
				Number: found.Number, Title: found.Title, OpenedAt: seconds(found.OpenedAt), MergedAt: seconds(found.MergedAt),
			}
			return o
		}
	}
	if said > 0 {
		spec.PullRequest = &platformv1alpha1.BuildPullRequest{Number: said}
	}
	return o
}

// count counts the commits that are new in a clone, and returns the number of the pull request that the message of the commit says.
func (f *recordFlags) count(ctx context.Context, c *cluster.Cluster, build *platformv1alpha1.Build) (request int64, err error) {
	from := strings.ToLower(f.since)
	if from == "" {
		if build.Spec.Branch == "" {
			return 0, fmt.Errorf("nothing else was built of a commit without a branch: give --branch, or --since")
		}
		var there platformv1alpha1.BuildList
		if err := c.List(ctx, &there, client.InNamespace(build.Namespace)); err != nil {
			return 0, explained(err, f.Flags, "list builds")
		}
		if last := builds.Before(build, there.Items); last != nil {
			from = last.Spec.Commit.SHA
		}
	}
	ctx, cancel := context.WithTimeout(ctx, maxCounting)
	defer cancel()
	news, err := gitsource.Local(ctx, f.repository, build.Spec.Commit.SHA, from)
	if err != nil {
		return news.Commit.PullRequest, fmt.Errorf("--repository %s: %w", f.repository, err)
	}
	if news.Forced {
		if !news.Counted {
			return news.Commit.PullRequest, fmt.Errorf("--repository %s: the commit %s, from which on they count, is there no more", f.repository, from)
		}
		from = "" // what is on the branch no more is no beginning
	}
	build.Spec.Commits = builds.Brought(from, news.Count, news.Oldest, time.Now())
	return news.Commit.PullRequest, nil
}

// job is what GitHub Actions says to this process.
func job() *github.Job {
	return &github.Job{
		EventName: os.Getenv("GITHUB_EVENT_NAME"), API: os.Getenv("GITHUB_API_URL"), Repository: os.Getenv("GITHUB_REPOSITORY"), Token: os.Getenv("GITHUB_TOKEN"),
		Event: func() (io.ReadCloser, error) { return os.Open(os.Getenv("GITHUB_EVENT_PATH")) },
	}
}

// seconds is a time as a Build has it.
func seconds(at *time.Time) *metav1.Time {
	if at == nil {
		return nil
	}
	return &metav1.Time{Time: at.UTC().Truncate(time.Second)}
}
