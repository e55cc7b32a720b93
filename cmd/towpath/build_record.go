package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
	builds "github.com/towpath-dev/towpath/internal/build"
	"github.com/towpath-dev/towpath/internal/gittext"
)

// completeSHA is a commit that nobody can take for another.
var completeSHA = regexp.MustCompile(`^([0-9a-fA-F]{40}|[0-9a-fA-F]{64})$`)

// recordFlags are those of build record.
type recordFlags struct {
	cluster.Flags
	commit, committedAt, author, message string
	branch, tag                          string
	image, result, url                   string
	pullRequest, pullRequestTitle        string
	openedAt, mergedAt                   string
	commitsFrom, oldestCommittedAt       string
	commits                              string
	repository, since                    string
	github                               bool
	evidence                             map[platformv1alpha1.EvidenceType]*string
}

func newBuildRecord(connect cluster.Connector, std streams) *cobra.Command {
	flags := recordFlags{evidence: map[platformv1alpha1.EvidenceType]*string{}}
	cmd := &cobra.Command{
		Use:   "record COMPONENT --commit SHA --branch BRANCH --image IMAGE",
		Short: "Record what was built of a Component elsewhere",
		Long: `Record what was built of a Component elsewhere: the last step of a pipeline in CI.

It creates a Build in your name, which needs the right to create builds in the
namespace. The same Build recorded again is no error, and changes nothing: a step of
CI may be repeated. Flags that are given and empty count as not given, so that CI may
pass each one of its variables.

With --repository it counts what is new since the Build before, which needs the right
to list builds too. With --github it finds out the pull request by which the commit
came, in a job of GitHub Actions. What it cannot find out it says as a warning, and
records without it.`,
		Example: `  towpath build record checkout -n team-shop --commit "$GITHUB_SHA" --branch "$GITHUB_REF_NAME" \
    --image registry.example/shop/checkout@sha256:… --committed-at 2026-11-20T09:14:00Z --author ada@shop.example
  towpath build record checkout --commit "$GITHUB_SHA" --branch main --image "$IMAGE" --repository . --github
  towpath build record checkout --commit "$CI_COMMIT_SHA" --branch "$CI_COMMIT_BRANCH" --result Failed --url "$CI_JOB_URL"`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			flags.leaveOut(std.err)
			build, err := flags.build(args[0])
			if err != nil {
				return &trouble{err: err, next: cmd.CommandPath() + " --help"}
			}
			connection, err := dial(connect, flags.Flags)
			if err != nil {
				return err
			}
			build.Namespace = connection.Namespace
			if build.Spec.RequestedBy, err = whoAmI(cmd.Context(), connection, flags.Flags); err != nil {
				return err
			}
			known, err := record(cmd.Context(), connection, &flags, build, flags.origin(cmd.Context(), connection, std.err, build))
			if err != nil {
				return err
			}
			did := "recorded"
			if known {
				did = "is recorded already"
			}
			_, err = fmt.Fprintf(std.out, "build %s of %s %s: %s\n", build.Name, build.Spec.Component, did, outcome(build))
			return err
		},
	}
	bindHome(cmd, &flags.Flags)
	flags.bind(cmd)
	return cmd
}

func (f *recordFlags) bind(cmd *cobra.Command) {
	set := cmd.Flags()
	set.StringVar(&f.commit, "commit", "", "commit that was built, complete, in hexadecimal (required)")
	set.StringVar(&f.committedAt, "committed-at", "", "when it was committed, as 2026-11-20T09:14:00Z or with an offset: lead time is counted from there")
	set.StringVar(&f.author, "author", "", "who wrote it, as an address or Name <address>")
	set.StringVar(&f.message, "message", "", "its message; the first line is kept")
	set.StringVar(&f.branch, "branch", "", "branch that it is of: a Component runs what was built of its own")
	set.StringVar(&f.tag, "tag", "", "tag that stands on it")
	set.StringVar(&f.image, "image", "", "image that was built, with a tag or, better, a digest (required unless it failed)")
	set.StringVar(&f.result, "result", string(platformv1alpha1.BuildSucceeded), "how it ended: Succeeded, Failed or Cancelled")
	set.StringVar(&f.url, "url", "", "where more is told of it, such as the run of a workflow")
	set.StringVar(&f.pullRequest, "pull-request", "", "number of the pull request by which it came")
	set.StringVar(&f.pullRequestTitle, "pull-request-title", "", "its title")
	set.StringVar(&f.openedAt, "opened-at", "", "when the pull request was opened")
	set.StringVar(&f.mergedAt, "merged-at", "", "when it was merged")
	set.StringVar(&f.commitsFrom, "commits-from", "", "commit of the newest Build before that succeeded: what comes after it is new")
	set.StringVar(&f.commits, "commits", "", "how many commits are new (default: unknown)")
	set.StringVar(&f.oldestCommittedAt, "oldest-committed-at", "", "when the oldest of these was committed")
	set.StringVar(&f.repository, "repository", "", "directory of a clone, with all of its history, in which new commits are counted where --commits does not say how many there are")
	set.StringVar(&f.since, "since", "", "commit from which on they are counted there (default: that of the newest Build of the branch that succeeded, by the cluster)")
	set.BoolVar(&f.github, "github", false, "find out the pull request, where --pull-request names none, by GITHUB_EVENT_NAME, GITHUB_EVENT_PATH, GITHUB_API_URL, GITHUB_REPOSITORY and GITHUB_TOKEN")
	for name, kind := range map[string]platformv1alpha1.EvidenceType{
		"sbom": platformv1alpha1.EvidenceSBOM, "signature": platformv1alpha1.EvidenceSignature,
		"scan": platformv1alpha1.EvidenceScan, "provenance": platformv1alpha1.EvidenceProvenance,
	} {
		f.evidence[kind] = set.String(name, "", "where the "+name+" of the image stands, such as an OCI artifact by its digest")
	}
}

// noTime is what git writes of a commit whose time is none: of a year that no calendar of ours has, in a zone that is nowhere, or, where the commit
// does not say it, what it was asked for.
var noTime = regexp.MustCompile(`^(%cI|[0-9]{4,}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[-+][0-9]{2}:[0-9]{2})$`)

// leaveOut leaves out the time of the commit where that is none. Whoever commits writes any: it must not keep the Build from being recorded.
func (f *recordFlags) leaveOut(warnings io.Writer) {
	if _, err := time.Parse(time.RFC3339, f.committedAt); err != nil && noTime.MatchString(f.committedAt) {
		_, _ = fmt.Fprintf(warnings, "warning: the Build does not tell when the commit was made, so that no lead time is counted: the commit itself says %q\n", f.committedAt)
		f.committedAt = ""
	}
}

// build is the Build that the flags describe, but for the namespace and who asks.
func (f *recordFlags) build(component string) (*platformv1alpha1.Build, error) {
	if f.commit == "" {
		return nil, errors.New("--commit is required: which commit was built?")
	}
	if !completeSHA.MatchString(f.commit) {
		return nil, fmt.Errorf("--commit %q: must be complete, 40 or 64 hexadecimal digits, as git rev-parse HEAD gives it", f.commit)
	}
	result := platformv1alpha1.BuildResult(cmp.Or(f.result, string(platformv1alpha1.BuildSucceeded)))
	switch {
	case result != platformv1alpha1.BuildSucceeded && result != platformv1alpha1.BuildFailed && result != platformv1alpha1.BuildCancelled:
		return nil, fmt.Errorf("--result %q: must be Succeeded, Failed or Cancelled", f.result)
	case result == platformv1alpha1.BuildSucceeded && f.image == "":
		return nil, errors.New("--image is required where the build succeeded: what does the Component run? Of one that did not, give --result Failed")
	}
	build := &platformv1alpha1.Build{
		Spec: platformv1alpha1.BuildSpec{
			Component: component, Branch: f.branch, Tag: f.tag, Result: result, Image: f.image, URL: f.url,
			Commit: platformv1alpha1.BuildCommit{SHA: strings.ToLower(f.commit), Author: gittext.Line(f.author, maxAuthor), Message: firstLine(f.message)},
		},
	}
	var err error
	spec := &build.Spec
	if spec.Commit.CommittedAt, err = timeOf("--committed-at", f.committedAt); err != nil {
		return nil, err
	}
	if err := f.belongTogether(); err != nil {
		return nil, err
	}
	if f.pullRequest != "" {
		request := &platformv1alpha1.BuildPullRequest{Title: firstLine(f.pullRequestTitle)}
		if request.Number, err = strconv.ParseInt(f.pullRequest, 10, 64); err != nil || request.Number < 1 {
			return nil, fmt.Errorf("--pull-request %q: must be the number of a pull request", f.pullRequest)
		}
		if request.OpenedAt, err = timeOf("--opened-at", f.openedAt); err != nil {
			return nil, err
		}
		if request.MergedAt, err = timeOf("--merged-at", f.mergedAt); err != nil {
			return nil, err
		}
		spec.PullRequest = request
	}
	if f.commits != "" {
		count, err := strconv.ParseInt(f.commits, 10, 32)
		if err != nil || count < 0 {
			return nil, fmt.Errorf("--commits %q: must be how many commits are new", f.commits)
		}
		spec.Commits = &platformv1alpha1.CommitRange{From: f.commitsFrom, Count: ptr.To(int32(count))}
		if spec.Commits.OldestCommittedAt, err = timeOf("--oldest-committed-at", f.oldestCommittedAt); err != nil {
			return nil, err
		}
	}
	for _, kind := range []platformv1alpha1.EvidenceType{
		platformv1alpha1.EvidenceSBOM, platformv1alpha1.EvidenceSignature, platformv1alpha1.EvidenceScan, platformv1alpha1.EvidenceProvenance,
	} {
		if location := *f.evidence[kind]; location != "" {
			spec.Evidence = append(spec.Evidence, platformv1alpha1.Evidence{Type: kind, Location: location})
		}
	}
	return build, nil
}

// belongTogether refuses what says nothing without another flag.
func (f *recordFlags) belongTogether() error {
	if f.pullRequest == "" && (f.pullRequestTitle != "" || f.openedAt != "" || f.mergedAt != "") {
		return errors.New("--pull-request-title, --opened-at and --merged-at are of a pull request: give its number with --pull-request")
	}
	if f.commits == "" && (f.commitsFrom != "" || f.oldestCommittedAt != "") {
		return errors.New("--commits-from and --oldest-committed-at are of new commits: say how many there are with --commits")
	}
	switch {
	case f.since != "" && f.repository == "":
		return errors.New("--since is where to count from: say in which clone with --repository")
	case f.since != "" && !completeSHA.MatchString(f.since):
		return fmt.Errorf("--since %q: must be complete, 40 or 64 hexadecimal digits, as git rev-parse gives it", f.since)
	}
	return nil
}

// As much of what people wrote as a Build may have, in bytes.
const maxAuthor, maxLine = 254, 256

// firstLine is the first line of a text, as long as a Build may have it.
func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return gittext.Line(line, maxLine)
}

// timeOf reads the time of a flag; nil where it is empty.
func timeOf(flag, value string) (*metav1.Time, error) {
	if value == "" {
		return nil, nil
	}
	at, err := time.Parse(time.RFC3339, value)
	if err != nil {
		return nil, fmt.Errorf("%s %q: must be a time such as 2026-11-20T09:14:00Z (git show -s --format=%%cI gives that of a commit)", flag, value)
	}
	return &metav1.Time{Time: at.UTC().Truncate(time.Second)}, nil
}

// maxRecords is how many Builds of one commit are told apart.
const maxRecords = 50

// record creates the Build by the first name that is free: of the Component and the commit, then with a number. It says whether the very same
// one is there already. What was found out of its origin makes no other Build of it: a step that is repeated may find out something else.
func record(ctx context.Context, c *cluster.Cluster, flags *recordFlags, build *platformv1alpha1.Build, found origin) (known bool, err error) {
	base := builds.Name(build.Spec.Component, build.Spec.Commit.SHA)
	for n := 1; n <= maxRecords; n++ {
		if build.Name = base; n > 1 {
			build.Name = fmt.Sprintf("%s-%d", base, n)
		}
		err := c.Create(ctx, build)
		if err == nil {
			return false, nil
		}
		if !apierrors.IsAlreadyExists(err) {
			return false, explained(err, flags.Flags, "record build "+build.Name)
		}
		there := &platformv1alpha1.Build{}
		if err := c.Get(ctx, client.ObjectKeyFromObject(build), there); err != nil {
			return false, explained(err, flags.Flags, "read build "+build.Name)
		}
		if equality.Semantic.DeepEqual(found.without(there.Spec), found.without(build.Spec)) {
			return true, nil
		}
	}
	return false, &trouble{
		err:  fmt.Errorf("commit %s of %s has %d other Builds already", build.Spec.Commit.SHA, build.Spec.Component, maxRecords),
		next: fmt.Sprintf("%s -n %s delete build %s", flags.Kubectl(), build.Namespace, base),
	}
}

// outcome is how a recorded Build ended, in words.
func outcome(build *platformv1alpha1.Build) string {
	if build.Spec.Result == platformv1alpha1.BuildSucceeded {
		return build.Spec.Image
	}
	return strings.ToLower(string(build.Spec.Result))
}
