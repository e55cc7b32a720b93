package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/gitsource/gittest"
)

// sources is a repository with three commits, and a clone of it.
type sources struct {
	clone string
	shas  []string
}

func cloned(t *testing.T, args ...string) sources {
	t.Helper()
	root := t.TempDir()
	repository, err := gittest.New(t.Context(), root, "checkout")
	if err != nil {
		t.Fatal(err)
	}
	s := sources{clone: filepath.Join(root, "clone")}
	for i, message := range []string{"first", "second", "Add a cart (#12)"} {
		sha, err := repository.Push(t.Context(), "main", gittest.Change{Message: message, At: time.Date(2026, 11, 20, 9+i, 0, 0, 0, time.UTC)})
		if err != nil {
			t.Fatal(err)
		}
		s.shas = append(s.shas, sha)
	}
	if _, err := repository.Git(t.Context(), append(append([]string{"clone", "--quiet", "--no-local"}, args...), "file://"+repository.Bare(), s.clone)...); err != nil {
		t.Fatal(err)
	}
	return s
}

// builtOf is a Build of a commit of main, as old as it is given.
func builtOf(sha, name string, age time.Duration, change func(*platformv1alpha1.Build)) *platformv1alpha1.Build {
	b := &platformv1alpha1.Build{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: name, CreationTimestamp: metav1.NewTime(time.Now().Add(-age))},
		Spec:       platformv1alpha1.BuildSpec{Component: "checkout", Branch: "main", Commit: platformv1alpha1.BuildCommit{SHA: sha}},
		Status:     platformv1alpha1.BuildStatus{Result: platformv1alpha1.BuildSucceeded, Image: "registry.example/checkout:0"},
	}
	if change != nil {
		change(b)
	}
	return b
}

// recorded runs build record, and returns the Build that it made.
func recorded(t *testing.T, objects []client.Object, sha string, args ...string) (call, *platformv1alpha1.Build) {
	t.Helper()
	got, cluster := asBob(t, objects, append([]string{"build", "record", "checkout", "--commit", sha, "--branch", "main", "--image", "registry.example/checkout:1"}, args...)...)
	b := &platformv1alpha1.Build{}
	if err := cluster.Get(t.Context(), client.ObjectKey{Namespace: "team-shop", Name: "checkout-" + sha[:12]}, b); err != nil {
		t.Fatalf("%v: %+v", err, got)
	}
	return got, b
}

func TestBuildRecord_CountsWhatIsNew(t *testing.T) {
	s := cloned(t)
	failed := func(b *platformv1alpha1.Build) { b.Status.Result, b.Status.Image = platformv1alpha1.BuildFailed, "" }
	elsewhere := func(b *platformv1alpha1.Build) { b.Spec.Branch = "fix" }
	others := func(b *platformv1alpha1.Build) { b.Spec.Component = "basket" }
	for name, tt := range map[string]struct {
		there []client.Object
		args  []string
		from  string
		count int32
		hour  int
	}{
		"since the newest that succeeded": {[]client.Object{
			builtOf(s.shas[0], "a", time.Hour, nil), builtOf(s.shas[1], "b", time.Minute, failed), builtOf(s.shas[1], "c", time.Minute, elsewhere), builtOf(s.shas[1], "d", time.Minute, others),
		}, nil, s.shas[0], 2, 10},
		"where it is the first":            {nil, nil, "", 1, 11},
		"since a commit that is named":     {[]client.Object{builtOf(s.shas[0], "a", time.Hour, nil)}, []string{"--since", strings.ToUpper(s.shas[1])}, s.shas[1], 1, 11},
		"where it was built once already":  {[]client.Object{builtOf(s.shas[1], "a", time.Hour, nil), builtOf(s.shas[2], "b", time.Minute, nil)}, nil, s.shas[1], 1, 11},
		"where flags say it, they say all": {nil, []string{"--commits", "7", "--commits-from", s.shas[0], "--oldest-committed-at", "2026-11-20T03:00:00Z"}, s.shas[0], 7, 3},
	} {
		t.Run(name, func(t *testing.T) {
			got, b := recorded(t, tt.there, s.shas[2], append([]string{"--repository", s.clone}, tt.args...)...)
			if got.code != 0 || got.err != "" || b.Spec.Commits == nil {
				t.Fatalf("%+v", got)
			}
			if c := b.Spec.Commits; c.From != tt.from || *c.Count != tt.count || c.OldestCommittedAt.UTC().Hour() != tt.hour {
				t.Errorf("it tells %s, %d, %s", c.From, *c.Count, c.OldestCommittedAt)
			}
			if counted := len(tt.args) < 4; counted != (b.Spec.PullRequest != nil) || counted && b.Spec.PullRequest.Number != 12 {
				t.Errorf("the request is %+v", b.Spec.PullRequest)
			}
		})
	}
}

func TestBuildRecord_RepeatedChangesNothingWhateverCameMeanwhile(t *testing.T) {
	s := cloned(t)
	_, b := recorded(t, []client.Object{builtOf(s.shas[0], "a", time.Hour, nil)}, s.shas[1], "--repository", s.clone)
	there := []client.Object{builtOf(s.shas[0], "a", time.Hour, nil), b, builtOf(s.shas[2], "later", time.Minute, nil)}
	got, again := recorded(t, there, s.shas[1], "--repository", s.clone)
	if got.code != 0 || !strings.Contains(got.out, "is recorded already") || *again.Spec.Commits.Count != 1 {
		t.Errorf("%+v", got)
	}
}

func TestBuildRecord_WarnsAndRecordsWhereTheOriginIsUnknown(t *testing.T) {
	shallow, whole := cloned(t, "--depth=1"), cloned(t)
	t.Setenv("GITHUB_EVENT_NAME", "push")
	t.Setenv("GITHUB_API_URL", "https://127.0.0.1:1")
	t.Setenv("GITHUB_REPOSITORY", "shop/checkout")
	t.Setenv("GITHUB_TOKEN", "correct-horse-battery-staple")
	for name, tt := range map[string]struct {
		s    sources
		args []string
		want string
		said bool
	}{
		"a shallow clone":         {shallow, []string{"--repository", shallow.clone}, "it is a shallow clone", true},
		"no clone":                {whole, []string{"--repository", t.TempDir()}, "cannot be read", false},
		"a commit that is gone":   {whole, []string{"--repository", whole.clone, "--since", strings.Repeat("ab", 20)}, "is there no more", true},
		"a forge that is silent":  {whole, []string{"--github"}, "GitHub does not say which pull request", false},
		"both, and what is known": {shallow, []string{"--github", "--repository", shallow.clone}, "GitHub does not say which pull request", true},
	} {
		t.Run(name, func(t *testing.T) {
			got, b := recorded(t, []client.Object{builtOf(tt.s.shas[0], "a", time.Hour, nil)}, tt.s.shas[2], tt.args...)
			if got.code != 0 || !strings.Contains(got.err, "warning: ") || !strings.Contains(got.err, tt.want) || strings.Contains(got.err, "battery") {
				t.Errorf("%+v", got)
			}
			if b.Spec.Commits != nil || (b.Spec.PullRequest != nil) != tt.said {
				t.Errorf("it tells %+v, %+v", b.Spec.Commits, b.Spec.PullRequest)
			}
		})
	}
}
