package main

import (
	"strings"
	"testing"
)

func TestBuildRecord_ReadsItsFlags(t *testing.T) {
	sha := strings.Repeat("3F", 20)
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"no commit":            {[]string{"--image", "a:1"}, "--commit is required"},
		"a short commit":       {[]string{"--commit", "3f2c", "--image", "a:1"}, "must be complete, 40 or 64 hexadecimal digits"},
		"no image":             {[]string{"--commit", sha}, "--image is required"},
		"a result that is not": {[]string{"--commit", sha, "--image", "a:1", "--result", "Fine"}, "must be Succeeded, Failed or Cancelled"},
		"a time that is not":   {[]string{"--commit", sha, "--image", "a:1", "--committed-at", "yesterday"}, "must be a time such as"},
		"since without where":  {[]string{"--commit", sha, "--image", "a:1", "--since", sha}, "say in which clone with --repository"},
		"since a short commit": {[]string{"--commit", sha, "--image", "a:1", "--repository", ".", "--since", "3f2c"}, "--since \"3f2c\": must be complete"},
		"another one":          {[]string{"--commit", sha, "--image", "a:1", "--pull-request", "7", "--merged-at", "1"}, "--merged-at"},
	} {
		t.Run(name, func(t *testing.T) {
			got := towpath(t, nil, append([]string{"build", "record", "checkout"}, tc.args...)...)
			if got.code != exitTrouble || !strings.Contains(got.err, tc.want) || !strings.Contains(got.err, "next: towpath build record --help") {
				t.Errorf("it exits with %d and says %s, want %s", got.code, got.err, tc.want)
			}
		})
	}
}

// What is recorded of a commit is as git log --format=%cI writes it, and whoever commits writes any time.
func TestBuildRecord_LeavesOutATimeThatIsNone(t *testing.T) {
	sha := strings.Repeat("3f", 20)
	for _, at := range []string{"10000-01-01T00:00:00+00:00", "2023-11-11T17:43:20-75:90", "2023-11-19T02:52:20+99:99", "%cI"} {
		got, b := recorded(t, nil, sha, "--committed-at", at)
		if got.code != 0 || !strings.Contains(got.err, "warning: the Build does not tell when the commit was made") || b.Spec.Commit.CommittedAt != nil {
			t.Errorf("%s: %+v %v", at, got, b.Spec.Commit.CommittedAt)
		}
	}
	if got, b := recorded(t, nil, sha, "--committed-at", "1969-12-31T23:59:59+00:00"); got.code != 0 || got.err != "" || b.Spec.Commit.CommittedAt == nil {
		t.Errorf("%+v: that it is not believed is for those who read it", got)
	}
}

func TestBuildRecord_TakesEmptyFlagsForNone(t *testing.T) {
	args := []string{"build", "record", "checkout", "--commit", strings.Repeat("3F", 20), "--image", "registry.example/checkout:1"}
	for _, flag := range []string{
		"committed-at", "author", "message", "branch", "tag", "result", "url", "pull-request", "pull-request-title", "opened-at", "merged-at",
		"commits-from", "commits", "oldest-committed-at", "repository", "since", "sbom", "signature", "scan", "provenance",
	} {
		args = append(args, "--"+flag, "")
	}
	got := towpath(t, nil, args...)
	// The fake cluster knows nobody: everything before that was fine.
	if !strings.Contains(got.err, "who you are") {
		t.Errorf("%+v", got)
	}
}

func TestBuildRecord_RefusesWhatSaysNothingAlone(t *testing.T) {
	for want, flags := range map[string][]string{
		"give its number with --pull-request": {"--merged-at", "2026-11-20T09:14:00Z"},
		"how many there are with --commits":   {"--commits-from", strings.Repeat("a", 40)},
		"must be the number":                  {"--pull-request", "seven"},
		"must be how many":                    {"--commits", "-1"},
	} {
		got := towpath(t, nil, append([]string{"build", "record", "checkout", "--commit", strings.Repeat("3F", 20), "--image", "r/c:1"}, flags...)...)
		if got.code != exitTrouble || !strings.Contains(got.err, want) {
			t.Errorf("%+v, want %s", got, want)
		}
	}
}

func TestFirstLine(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "  fix\nmore": "fix", "a\r\nb": "a", "a\x1b[31m\u202eb": "a[31mb", strings.Repeat("ä", 300): strings.Repeat("ä", 126) + "…",
	} {
		if got := firstLine(text); got != want {
			t.Errorf("of %q it is %q, want %q", text, got, want)
		}
	}
}
