package component

import (
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/promotion"
	"github.com/towpath-dev/towpath/internal/template"
)

// A Release without parameters has none, where a stop has an empty map.
func TestAsRecorded_WithoutParameters(t *testing.T) {
	t.Parallel()
	component := &platformv1alpha1.Component{Spec: platformv1alpha1.ComponentSpec{Image: "shop:1"}}
	none, err := template.DecodeParameters(nil)
	if err != nil {
		t.Fatal(err)
	}
	full, err := promotion.Version(&component.Spec, template.MergeParameters(none, none))
	if err != nil {
		t.Fatal(err)
	}
	release := &platformv1alpha1.Release{Spec: platformv1alpha1.ReleaseSpec{Version: full[:promotion.ShortVersion], Image: "shop:1"}}
	st := &stop{version: full, releases: []*platformv1alpha1.Release{release}}
	if err := (&scope{component: component}).asRecorded(st); err != nil || st.version != release.Spec.Version {
		t.Errorf("the version is %s (%v), wanted %s", st.version, err, release.Spec.Version)
	}
}

// What was released before versions had all digits of their hash goes on by its short name, but only where it is the same in
// every part: whoever finds another with the same beginning has it let in anew.
func TestAsRecorded(t *testing.T) {
	t.Parallel()
	override := platformv1alpha1.Override{Resource: "deployment", Patch: apiextensionsv1.JSON{Raw: []byte(`{"spec":{"paused":true}}`)}, Reason: "x"}
	component := &platformv1alpha1.Component{Spec: platformv1alpha1.ComponentSpec{
		Image: "shop:1", Commit: &platformv1alpha1.Commit{SHA: "abcdef0"}, Env: []platformv1alpha1.EnvVar{{Name: "A", Value: "1"}},
		Uses: []platformv1alpha1.Use{{Component: "zeta-db"}, {Component: "cache", As: "alpha"}}, Overrides: []platformv1alpha1.Override{override},
	}}
	parameters := map[string]any{"port": int64(8080)}
	full, err := promotion.Version(&component.Spec, parameters)
	if err != nil {
		t.Fatal(err)
	}
	same := func() *platformv1alpha1.Release {
		return &platformv1alpha1.Release{Spec: platformv1alpha1.ReleaseSpec{
			Version: full[:promotion.ShortVersion], Image: "shop:1", Commit: &platformv1alpha1.Commit{SHA: "abcdef0", Author: "ada@example.com"},
			Parameters: &apiextensionsv1.JSON{Raw: []byte(`{"port":8080}`)}, Env: []platformv1alpha1.EnvVar{{Name: "A", Value: "1"}},
			Uses:      []platformv1alpha1.ReleaseUse{{Component: "cache", As: "alpha"}, {Component: "zeta-db", As: "zetaDb", Outputs: []platformv1alpha1.ReleaseOutput{{Name: "host"}}}},
			Overrides: []platformv1alpha1.ReleaseOverride{{Override: override}},
		}}
	}
	other := func(change func(*platformv1alpha1.ReleaseSpec)) *platformv1alpha1.Release {
		release := same()
		change(&release.Spec)
		return release
	}
	for name, tc := range map[string]struct {
		release *platformv1alpha1.Release
		wanted  string
	}{
		"the same":              {same(), full[:promotion.ShortVersion]},
		"another image":         {other(func(s *platformv1alpha1.ReleaseSpec) { s.Image = "evil:1" }), full},
		"another commit":        {other(func(s *platformv1alpha1.ReleaseSpec) { s.Commit = nil }), full},
		"another parameter":     {other(func(s *platformv1alpha1.ReleaseSpec) { s.Parameters.Raw = []byte(`{"port":8081}`) }), full},
		"another variable":      {other(func(s *platformv1alpha1.ReleaseSpec) { s.Env = nil }), full},
		"a Secret besides":      {other(func(s *platformv1alpha1.ReleaseSpec) { s.SecretEnv = []platformv1alpha1.SecretEnvVar{{Name: "B"}} }), full},
		"another use":           {other(func(s *platformv1alpha1.ReleaseSpec) { s.Uses = s.Uses[:1] }), full},
		"another override":      {other(func(s *platformv1alpha1.ReleaseSpec) { s.Overrides = nil }), full},
		"the same, all digits":  {other(func(s *platformv1alpha1.ReleaseSpec) { s.Version = full }), full},
		"a name of other bytes": {other(func(s *platformv1alpha1.ReleaseSpec) { s.Version, s.Image = "0123456789abcdef", "shop:2" }), full},
	} {
		s := &scope{component: component}
		for where, st := range map[string]*stop{
			"runs":  {releases: []*platformv1alpha1.Release{tc.release}},
			"waits": {unopened: []*platformv1alpha1.Release{tc.release}},
			"lost":  {lost: tc.release},
		} {
			st.version = full
			if err := s.asRecorded(st); err != nil {
				t.Errorf("%s, which %s: %v", name, where, err)
			}
			if st.version != tc.wanted {
				t.Errorf("%s, which %s: the version is %s, wanted %s", name, where, st.version, tc.wanted)
			}
		}
	}
}
