package component

import (
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

func TestBuiltBy(t *testing.T) {
	came := time.Date(2026, time.November, 20, 9, 0, 0, 0, time.UTC)
	build := func(name, uid, by string, after time.Duration) platformv1alpha1.Build {
		return platformv1alpha1.Build{
			ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(uid), CreationTimestamp: metav1.NewTime(came.Add(after))},
			Spec: platformv1alpha1.BuildSpec{
				Component: "shop", Branch: "main", RequestedBy: by, Commit: platformv1alpha1.BuildCommit{SHA: strings.Repeat(uid, 40)},
			},
			Status: platformv1alpha1.BuildStatus{Result: platformv1alpha1.BuildSucceeded, Image: "shop:" + uid},
		}
	}
	runs := &platformv1alpha1.Release{
		ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(came)},
		Spec: platformv1alpha1.ReleaseSpec{
			Number: 1, Cause: platformv1alpha1.CauseImageChange, Version: "1", Image: "shop:1", Build: "shop-1",
			Commit: &platformv1alpha1.Commit{SHA: strings.Repeat("1", 40)},
		},
	}
	before := build("shop-1", "1", "ada", -time.Minute)
	for name, tc := range map[string]struct {
		builds []platformv1alpha1.Build
		newest int
		runs   *platformv1alpha1.Release
		want   []string
	}{
		"the first one":                          {[]platformv1alpha1.Build{before}, 0, nil, []string{"ada"}},
		"one that runs brings nothing":           {[]platformv1alpha1.Build{before}, 0, runs, nil},
		"the next one":                           {[]platformv1alpha1.Build{before, build("shop-2", "2", "bob", time.Minute)}, 1, runs, []string{"bob"}},
		"another under the name of one that ran": {[]platformv1alpha1.Build{build("shop-1", "2", "mallory", time.Minute)}, 0, runs, []string{"mallory"}},
		"two between two passes": {[]platformv1alpha1.Build{
			before, build("shop-2", "2", "mallory", time.Minute), build("shop-3", "3", "bob", 2*time.Minute),
		}, 2, runs, []string{"mallory", "bob"}},
		"one of a commit that was pushed": {[]platformv1alpha1.Build{before, build("shop-2", "2", "", time.Minute)}, 1, runs, []string{""}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &scope{component: &platformv1alpha1.Component{}, builds: tc.builds, build: &tc.builds[tc.newest]}
			s.component.Spec.Image = s.build.Status.Image
			st := &stop{}
			if tc.runs != nil {
				st.releases = []*platformv1alpha1.Release{tc.runs}
			}
			if got := s.builtBy(st); !slices.Equal(got, tc.want) {
				t.Errorf("they are %q, want %q", got, tc.want)
			}
		})
	}
	if got := (&scope{component: &platformv1alpha1.Component{}}).builtBy(&stop{}); got != nil {
		t.Errorf("of an image that the Component names they are %q", got)
	}
}

// TestRequested_OfWhatIsYetToBeBuilt: the only Build was deleted, as whoever builds a commit once more does, and nobody is named.
func TestRequested_OfWhatIsYetToBeBuilt(t *testing.T) {
	component := &platformv1alpha1.Component{Spec: platformv1alpha1.ComponentSpec{Source: &platformv1alpha1.Source{}}}
	ran := &platformv1alpha1.Release{Spec: platformv1alpha1.ReleaseSpec{Number: 1, Cause: platformv1alpha1.CauseImageChange, Version: "ran", Image: "shop:1"}}
	s := &scope{component: component, before: component.DeepCopy()}
	st := &stop{name: "prod", version: "of no image", releases: []*platformv1alpha1.Release{ran}}
	got, err := s.requested(st)
	if err != nil || got == nil || got.Authors != "" {
		t.Errorf("it is %+v (%v), want that nothing is unknown", got, err)
	}
}
