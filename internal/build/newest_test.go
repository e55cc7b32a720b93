package build_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/build"
)

var start = time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)

func at(minutes int) metav1.Time {
	return metav1.NewTime(start.Add(time.Duration(minutes) * time.Minute))
}

// built is a Build of main that has succeeded. Its commit was made, and it itself was made, that many minutes after the start.
func built(name string, committed, created int) platformv1alpha1.Build {
	committedAt := at(committed)
	return platformv1alpha1.Build{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: name, CreationTimestamp: at(created)},
		Spec: platformv1alpha1.BuildSpec{
			Component: "checkout", Branch: "main",
			Commit: platformv1alpha1.BuildCommit{SHA: strings.Repeat(name, 40), CommittedAt: &committedAt, Author: "ada@shop.example"},
		},
		Status: platformv1alpha1.BuildStatus{Result: platformv1alpha1.BuildSucceeded, Image: "registry.example/checkout:" + name},
	}
}

func TestNewest(t *testing.T) {
	change := func(b platformv1alpha1.Build, how func(*platformv1alpha1.Build)) platformv1alpha1.Build {
		how(&b)
		return b
	}
	deleted := at(30)
	for name, tc := range map[string]struct {
		builds []platformv1alpha1.Build
		head   string
		branch string
		want   string
	}{
		"none":                             {nil, "", "", ""},
		"the latest commit":                {[]platformv1alpha1.Build{built("a", 1, 5), built("b", 2, 6)}, "", "", "b"},
		"recorded out of order":            {[]platformv1alpha1.Build{built("a", 1, 9), built("b", 2, 6)}, "", "", "b"},
		"the head, forced back":            {[]platformv1alpha1.Build{built("a", 1, 5), built("b", 2, 6)}, "a", "", "a"},
		"a head that has no Build":         {[]platformv1alpha1.Build{built("a", 1, 5), built("b", 2, 6)}, "c", "", "b"},
		"one that failed does not count":   {[]platformv1alpha1.Build{built("a", 1, 5), change(built("b", 2, 6), func(b *platformv1alpha1.Build) { b.Status.Result = platformv1alpha1.BuildFailed })}, "", "", "a"},
		"nor one that is being deleted":    {[]platformv1alpha1.Build{built("a", 1, 5), change(built("b", 2, 6), func(b *platformv1alpha1.Build) { b.DeletionTimestamp = &deleted })}, "", "", "a"},
		"nor one of another branch":        {[]platformv1alpha1.Build{built("a", 1, 5), change(built("b", 2, 6), func(b *platformv1alpha1.Build) { b.Spec.Branch = "next" })}, "", "", "a"},
		"unless that is the Component's":   {[]platformv1alpha1.Build{built("a", 1, 5), change(built("b", 2, 6), func(b *platformv1alpha1.Build) { b.Spec.Branch = "next" })}, "", "next", "b"},
		"nor one of another Component":     {[]platformv1alpha1.Build{change(built("b", 2, 6), func(b *platformv1alpha1.Build) { b.Spec.Component = "cart" })}, "", "", ""},
		"nor one of another namespace":     {[]platformv1alpha1.Build{change(built("b", 2, 6), func(b *platformv1alpha1.Build) { b.Namespace = "team-fox" })}, "", "", ""},
		"a commit of the future is no win": {[]platformv1alpha1.Build{built("a", 7, 8), built("b", 9000, 6)}, "", "", "a"},
		"1970 counts as unknown":           {[]platformv1alpha1.Build{built("a", 1, 5), change(built("b", 2, 6), func(b *platformv1alpha1.Build) { b.Spec.Commit.CommittedAt = &metav1.Time{Time: time.Unix(0, 0)} })}, "", "", "b"},
		"of one commit, the later Build":   {[]platformv1alpha1.Build{built("a", 1, 5), change(built("a", 1, 6), func(b *platformv1alpha1.Build) { b.Name = "a-2" })}, "", "", "a-2"},
	} {
		t.Run(name, func(t *testing.T) {
			component := &platformv1alpha1.Component{
				ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: "checkout"},
				Spec:       platformv1alpha1.ComponentSpec{Source: &platformv1alpha1.Source{Repository: "https://git.example/checkout", Branch: tc.branch}},
			}
			if tc.head != "" {
				component.Status.Source = &platformv1alpha1.SourceStatus{Repository: "https://git.example/checkout", Branch: "main", Head: strings.Repeat(tc.head, 40)}
			}
			for range 10 { // the order of the list does not matter
				rand.Shuffle(len(tc.builds), func(i, j int) { tc.builds[i], tc.builds[j] = tc.builds[j], tc.builds[i] })
				got := ""
				if newest := build.Newest(component, tc.builds); newest != nil {
					got = newest.Name
				}
				if got != tc.want {
					t.Fatalf("of %v it is %q, want %q", slices.Collect(func(yield func(string) bool) {
						for i := range tc.builds {
							if !yield(tc.builds[i].Name) {
								return
							}
						}
					}), got, tc.want)
				}
			}
		})
	}
}

func TestNewest_WithoutSource(t *testing.T) {
	component := &platformv1alpha1.Component{ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: "checkout"}}
	if newest := build.Newest(component, []platformv1alpha1.Build{built("a", 1, 5)}); newest != nil {
		t.Errorf("it runs %s, and has no source", newest.Name)
	}
}

func TestCommit_LeavesOutATimeThatIsNotBelieved(t *testing.T) {
	future, past := built("a", 9000, 6), built("b", 1, 5)
	if commit := build.Commit(&future); commit.CommittedAt != nil || commit.SHA != future.Spec.Commit.SHA {
		t.Errorf("it is %v", commit)
	}
	if commit := build.Commit(&past); commit.CommittedAt == nil || !commit.CommittedAt.Equal(past.Spec.Commit.CommittedAt) || commit.Author != "ada@shop.example" {
		t.Errorf("it is %v", commit)
	}
}

func TestNewest_IsNeverOfATagOrAPullRequest(t *testing.T) {
	made := func(name, branch string, how ...func(*platformv1alpha1.Build)) platformv1alpha1.Build {
		b := platformv1alpha1.Build{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "team-shop", CreationTimestamp: at(1)}}
		b.Spec = platformv1alpha1.BuildSpec{Component: "checkout", Branch: branch, Commit: platformv1alpha1.BuildCommit{SHA: name}}
		b.Status.Result, b.Status.Image = platformv1alpha1.BuildSucceeded, "registry.example/shop/checkout:"+name
		for _, do := range how {
			do(&b)
		}
		return b
	}
	c := &platformv1alpha1.Component{ObjectMeta: metav1.ObjectMeta{Name: "checkout", Namespace: "team-shop"}}
	c.Spec.Source = &platformv1alpha1.Source{Branch: "main", Repository: "https://git.example/shop/checkout"}
	further := []platformv1alpha1.Build{made("1", "", tagged("v1")), made("2", "fix", of(7)), made("3", "mallory:main", of(8))}
	for i := range further {
		if !build.Further(&further[i], "main") {
			t.Errorf("%s is taken for one of the branch", further[i].Name)
		}
	}
	c.Status.Source = &platformv1alpha1.SourceStatus{Repository: c.Spec.Source.Repository, Branch: "main", Head: "2"} // the request was merged as it is
	if got := build.Newest(c, further); got != nil {
		t.Errorf("it is %s", got.Name)
	}
	merged := made("0", "main", of(7), tagged("v1"))
	if got := build.Newest(c, append(further, merged)); got == nil || got.Name != "0" || build.Further(got, "main") {
		t.Errorf("it is %v, and not what the request brought to the branch", got)
	}
}
