package framework

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/onsi/ginkgo/v2"
)

// HistoryVariable is set where the commits of all versions must be there, and a spec that lacks one fails: where CI has fetched them.
const HistoryVariable = "TOWPATH_HISTORY_REQUIRED"

// Version is one from which an upgrade must work.
type Version struct{ Name, Commit string }

// ReadVersions reads test/upgrade/versions, the oldest first.
func ReadVersions(file string) ([]Version, error) {
	data, err := os.ReadFile(file) //nolint:gosec // a file of the repository
	if err != nil {
		return nil, err
	}
	var all []Version
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Fields(line)
		if len(fields) != 2 || len(fields[1]) != 40 {
			return nil, fmt.Errorf("%s: %q must be a name and a full commit", file, line)
		}
		all = append(all, Version{Name: fields[0], Commit: fields[1]})
	}
	return all, nil
}

// SkipIfMissing skips a spec of a version that cannot be built, for this clone does not have its commit. Where HistoryVariable is set, the
// spec fails.
func (v Version) SkipIfMissing(ctx context.Context) {
	ginkgo.GinkgoHelper()
	switch missing, required := v.missing(ctx); {
	case missing == "":
	case required:
		ginkgo.Fail(missing + "\n" + HistoryVariable + " is set, so it must be there: a workflow says fetch-depth: 0")
	default:
		ginkgo.Skip(missing)
	}
}

// missing says why a version cannot be built from this clone, nothing where it can, and whether it has to be.
func (v Version) missing(ctx context.Context) (why string, required bool) {
	if out, err := git(ctx, "cat-file", "-e", v.Commit+"^{commit}"); err != nil {
		why = fmt.Sprintf("%s cannot be built, since this clone does not have its commit %s (a shallow clone?): git fetch --unshallow; %s", v.Name, v.Commit, out)
	}
	return why, os.Getenv(HistoryVariable) != ""
}

// CheckOut checks a version out into a folder, which remove takes away.
func (v Version) CheckOut(ctx context.Context, folder string) (remove func() error, err error) {
	if err := os.RemoveAll(folder); err != nil {
		return nil, err
	}
	// Forced, since a worktree that somebody removed by hand is known to git still.
	if out, err := git(ctx, "worktree", "add", "--force", "--detach", folder, v.Commit); err != nil {
		return nil, fmt.Errorf("checking out %s: %w: %s", v.Name, err, out)
	}
	return func() error {
		if out, err := git(context.WithoutCancel(ctx), "worktree", "remove", "--force", folder); err != nil {
			return fmt.Errorf("removing the worktree of %s: %w: %s", v.Name, err, out)
		}
		return nil
	}, nil
}

// git runs it in the repository that the suite is of.
func git(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "git", args...).CombinedOutput() //nolint:gosec // of the suite's own
	return string(out), err
}
