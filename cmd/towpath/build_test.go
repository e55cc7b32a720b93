package main

import (
	"strings"
	"testing"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
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

func TestBuildRecord_TakesEmptyFlagsForNone(t *testing.T) {
	none := ""
	flags := recordFlags{commit: strings.Repeat("3F", 20), image: "registry.example/checkout:1", result: "Succeeded", evidence: map[platformv1alpha1.EvidenceType]*string{
		platformv1alpha1.EvidenceSBOM: &none, platformv1alpha1.EvidenceSignature: &none, platformv1alpha1.EvidenceScan: &none, platformv1alpha1.EvidenceProvenance: &none,
	}}
	build, err := flags.build("checkout")
	if err != nil {
		t.Fatal(err)
	}
	spec := build.Spec
	if spec.Commit.SHA != strings.Repeat("3f", 20) || spec.PullRequest != nil || spec.Commits != nil || spec.Commit.CommittedAt != nil || spec.Evidence != nil {
		t.Errorf("it is %+v", spec)
	}
}

func TestFirstLine(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "  fix\nmore": "fix", "a\r\nb": "a", strings.Repeat("ä", 300): strings.Repeat("ä", 126) + "…",
	} {
		if got := firstLine(text); got != want {
			t.Errorf("of %q it is %q, want %q", text, got, want)
		}
	}
}
