package build_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/build"
)

// brings is a Build of a commit that counts from another one; its oldest commit was made at an hour, or nobody knows when where that is zero.
func brings(letter, from string, count int32, hour int, how ...func(*v1alpha1.Build)) v1alpha1.Build {
	b := v1alpha1.Build{ObjectMeta: metav1.ObjectMeta{Name: letter, CreationTimestamp: at(9)}}
	b.Spec = v1alpha1.BuildSpec{
		Component: "checkout", Branch: "main", Commit: v1alpha1.BuildCommit{SHA: strings.Repeat(letter, 40)},
		Commits: &v1alpha1.CommitRange{From: strings.Repeat(from, 40), Count: ptr.To(count)},
	}
	if hour != 0 {
		b.Spec.Commits.OldestCommittedAt = &metav1.Time{Time: time.Date(2026, time.November, 20, hour, 0, 0, 0, time.UTC)}
	}
	b.Status.Result, b.Status.Image = v1alpha1.BuildSucceeded, "registry.example/shop/checkout:"+letter
	for _, do := range how {
		do(&b)
	}
	return b
}

func TestUndeployed(t *testing.T) {
	silent := func(b *v1alpha1.Build) { b.Spec.Commits = nil }
	elsewhere := func(b *v1alpha1.Build) { b.Spec.Branch = "next" }
	others := func(b *v1alpha1.Build) { b.Spec.Component = "basket" }
	for name, c := range map[string]struct {
		all  []v1alpha1.Build
		runs string
		want string
	}{
		"the next one":                         {[]v1alpha1.Build{brings("b", "a", 2, 8)}, "a", "2 since a, oldest 8"},
		"those between never ran there":        {[]v1alpha1.Build{brings("d", "c", 1, 11), brings("c", "b", 3, 10), brings("b", "a", 2, 8)}, "a", "6 since a, oldest 8"},
		"one of them did":                      {[]v1alpha1.Build{brings("d", "c", 1, 11), brings("c", "b", 3, 10), brings("b", "a", 2, 8)}, "b", "4 since b, oldest 10"},
		"a clock was wrong":                    {[]v1alpha1.Build{brings("c", "b", 1, 7), brings("b", "a", 2, 8)}, "a", "3 since a, oldest 7"},
		"not all say when":                     {[]v1alpha1.Build{brings("c", "b", 1, 11), brings("b", "a", 2, 0)}, "a", "3 since a, oldest 11"},
		"very many":                            {[]v1alpha1.Build{brings("c", "b", 9000, 11), brings("b", "a", 9000, 8)}, "a", "10000 since a, oldest 8"},
		"nothing runs there":                   {[]v1alpha1.Build{brings("c", "b", 1, 11), brings("b", "a", 2, 8)}, "", "1 since b, oldest 11"},
		"it runs itself":                       {[]v1alpha1.Build{brings("c", "b", 1, 11), brings("b", "a", 2, 8)}, "c", "1 since b, oldest 11"},
		"one between is kept no more":          {[]v1alpha1.Build{brings("d", "c", 1, 11), brings("b", "a", 2, 8)}, "a", "1 since c, oldest 11"},
		"one between says nothing":             {[]v1alpha1.Build{brings("c", "b", 1, 11), brings("b", "a", 2, 8, silent)}, "a", "1 since b, oldest 11"},
		"one between is of another branch":     {[]v1alpha1.Build{brings("c", "b", 1, 11), brings("b", "a", 2, 8, elsewhere)}, "a", "1 since b, oldest 11"},
		"one between is of another Component":  {[]v1alpha1.Build{brings("c", "b", 1, 11), brings("b", "a", 2, 8, others)}, "a", "1 since b, oldest 11"},
		"one between failed":                   {[]v1alpha1.Build{brings("c", "b", 1, 11), brings("b", "a", 2, 8, ended)}, "a", "1 since b, oldest 11"},
		"what runs is on another way":          {[]v1alpha1.Build{brings("c", "b", 1, 11), brings("b", "", 1, 8)}, "a", "1 since b, oldest 11"},
		"a newer one runs":                     {[]v1alpha1.Build{brings("b", "a", 2, 8), brings("c", "b", 1, 11)}, "c", "2 since a, oldest 8"},
		"a branch that was forced in a circle": {[]v1alpha1.Build{brings("c", "b", 1, 11), brings("b", "c", 2, 8)}, "a", "1 since b, oldest 11"},
		"nobody says what it brings":           {[]v1alpha1.Build{brings("c", "b", 1, 11, silent), brings("b", "a", 2, 8)}, "a", ""},
	} {
		t.Run(name, func(t *testing.T) {
			before := c.all[0].DeepCopy()
			got, text := build.Undeployed(&c.all[0], c.all, strings.Repeat(c.runs, 40)), ""
			if got != nil {
				text = fmt.Sprintf("%d since %.1s, oldest %d", *got.Count, got.From, got.OldestCommittedAt.UTC().Hour())
				*got.Count = 0 // it is nobody else's
			}
			if text != c.want {
				t.Errorf("it is %q, want %q", text, c.want)
			}
			if c.all[0].Spec.Commits != nil && *c.all[0].Spec.Commits.Count != *before.Spec.Commits.Count {
				t.Error("it shares its numbers with the Build")
			}
		})
	}
}
