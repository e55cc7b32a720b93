package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
	"github.com/towpath-dev/towpath/internal/condition"
)

// completeSHA is a commit that nobody can take for another.
var completeSHA = regexp.MustCompile(`^([0-9a-fA-F]{40}|[0-9a-fA-F]{64})$`)

// recordFlags are those of build record.
type recordFlags struct {
	cluster.Flags
	commit, committedAt, author, message string
	branch, tag                          string
	image, result, url                   string
	pullRequest                          int64
	pullRequestTitle                     string
	openedAt, mergedAt                   string
	commitsFrom, oldestCommittedAt       string
	commits                              int32
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
pass each one of its variables.`,
		Example: `  towpath build record checkout -n team-shop --commit "$GITHUB_SHA" --branch "$GITHUB_REF_NAME" \
    --image registry.example/shop/checkout@sha256:… --committed-at 2026-11-20T09:14:00Z --author ada@shop.example
  towpath build record checkout --commit "$CI_COMMIT_SHA" --branch "$CI_COMMIT_BRANCH" --result Failed --url "$CI_JOB_URL"`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
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
			known, err := record(cmd.Context(), connection, &flags, build)
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
	flags.Bind(cmd)
	flags.bind(cmd)
	return cmd
}

func (f *recordFlags) bind(cmd *cobra.Command) {
	set := cmd.Flags()
	set.StringVarP(&f.Namespace, "namespace", "n", "", "home namespace of the team (default: the context's)")
	set.StringVar(&f.commit, "commit", "", "commit that was built, complete, in hexadecimal (required)")
	set.StringVar(&f.committedAt, "committed-at", "", "when it was committed, as 2026-11-20T09:14:00Z or with an offset: lead time is counted from there")
	set.StringVar(&f.author, "author", "", "who wrote it, as an address or Name <address>")
	set.StringVar(&f.message, "message", "", "its message; the first line is kept")
	set.StringVar(&f.branch, "branch", "", "branch that it is of: a Component runs what was built of its own")
	set.StringVar(&f.tag, "tag", "", "tag that stands on it")
	set.StringVar(&f.image, "image", "", "image that was built, with a tag or, better, a digest (required unless it failed)")
	set.StringVar(&f.result, "result", string(platformv1alpha1.BuildSucceeded), "how it ended: Succeeded, Failed or Cancelled")
	set.StringVar(&f.url, "url", "", "where more is told of it, such as the run of a workflow")
	set.Int64Var(&f.pullRequest, "pull-request", 0, "number of the pull request by which it came")
	set.StringVar(&f.pullRequestTitle, "pull-request-title", "", "its title")
	set.StringVar(&f.openedAt, "opened-at", "", "when the pull request was opened")
	set.StringVar(&f.mergedAt, "merged-at", "", "when it was merged")
	set.StringVar(&f.commitsFrom, "commits-from", "", "commit of the Build before: what comes after it is new")
	set.Int32Var(&f.commits, "commits", 0, "how many commits are new (default: unknown)")
	set.StringVar(&f.oldestCommittedAt, "oldest-committed-at", "", "when the oldest of these was committed")
	for name, kind := range map[string]platformv1alpha1.EvidenceType{
		"sbom": platformv1alpha1.EvidenceSBOM, "signature": platformv1alpha1.EvidenceSignature,
		"scan": platformv1alpha1.EvidenceScan, "provenance": platformv1alpha1.EvidenceProvenance,
	} {
		f.evidence[kind] = set.String(name, "", "where the "+name+" of the image stands, such as an OCI artifact by its digest")
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
	result := platformv1alpha1.BuildResult(f.result)
	switch {
	case result != platformv1alpha1.BuildSucceeded && result != platformv1alpha1.BuildFailed && result != platformv1alpha1.BuildCancelled:
		return nil, fmt.Errorf("--result %q: must be Succeeded, Failed or Cancelled", f.result)
	case result == platformv1alpha1.BuildSucceeded && f.image == "":
		return nil, errors.New("--image is required where the build succeeded: what does the Component run? Of one that did not, give --result Failed")
	}
	build := &platformv1alpha1.Build{
		Spec: platformv1alpha1.BuildSpec{
			Component: component, Branch: f.branch, Tag: f.tag, Result: result, Image: f.image, URL: f.url,
			Commit: platformv1alpha1.BuildCommit{SHA: strings.ToLower(f.commit), Author: condition.Clip(f.author, 254), Message: firstLine(f.message)},
		},
	}
	var err error
	spec := &build.Spec
	if spec.Commit.CommittedAt, err = timeOf("--committed-at", f.committedAt); err != nil {
		return nil, err
	}
	if f.pullRequest > 0 {
		request := &platformv1alpha1.BuildPullRequest{Number: f.pullRequest, Title: condition.Clip(firstLine(f.pullRequestTitle), 256)}
		if request.OpenedAt, err = timeOf("--opened-at", f.openedAt); err != nil {
			return nil, err
		}
		if request.MergedAt, err = timeOf("--merged-at", f.mergedAt); err != nil {
			return nil, err
		}
		spec.PullRequest = request
	}
	if f.commits > 0 || f.commitsFrom != "" {
		spec.Commits = &platformv1alpha1.CommitRange{From: f.commitsFrom, Count: &f.commits}
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

// firstLine is the first line of a text, as long as a Build may have it.
func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return condition.Clip(strings.TrimSpace(line), 256)
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
// one is there already.
func record(ctx context.Context, c *cluster.Cluster, flags *recordFlags, build *platformv1alpha1.Build) (known bool, err error) {
	base := build.Spec.Component + "-" + build.Spec.Commit.SHA[:12]
	for n := 1; n <= maxRecords; n++ {
		if build.Name = base; n > 1 {
			build.Name = fmt.Sprintf("%s-%d", base, n)
		}
		err := c.Create(ctx, build)
		if err == nil {
			return false, nil
		}
		if !apierrors.IsAlreadyExists(err) {
			next, explained := cluster.Explain(err, flags.Flags, "record build "+build.Name)
			return false, &trouble{err: explained, next: next}
		}
		there := &platformv1alpha1.Build{}
		if err := c.Get(ctx, client.ObjectKeyFromObject(build), there); err != nil {
			next, explained := cluster.Explain(err, flags.Flags, "read build "+build.Name)
			return false, &trouble{err: explained, next: next}
		}
		if equality.Semantic.DeepEqual(there.Spec, build.Spec) {
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
