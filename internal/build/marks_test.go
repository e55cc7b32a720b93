package build_test

import (
	"fmt"
	"testing"

	"github.com/towpath-dev/towpath/internal/build"
)

func TestMarks_AreKnownAgainWithinTheirScope(t *testing.T) {
	scope, other := build.MarkOf("tags", "v*"), build.MarkOf("tags", "*")
	m := build.Marks{Scope: scope}
	for n := range build.MaxMarks {
		m.Of = append(m.Of, build.MarkOf("tag", fmt.Sprint(n)))
	}
	text := m.Encode()
	if len(text) > 8192 {
		t.Errorf("the text has %d bytes, and the API takes 8192", len(text))
	}
	got, ok := build.DecodeMarks(text, scope)
	if !ok || got.Encode() != text || !got.Has(build.MarkOf("tag", "7")) || got.Has(build.MarkOf("tag", "v7")) {
		t.Errorf("they are not the same: %v", ok)
	}
	for _, wrong := range []string{"", "AAAA", "%", text[1:], text + "A"} {
		if _, ok := build.DecodeMarks(wrong, scope); ok {
			t.Errorf("%.10q is taken for marks", wrong)
		}
	}
	if _, ok := build.DecodeMarks(text, other); ok {
		t.Error("those of another scope are known: what other patterns match would all be new")
	}
	if none, ok := build.DecodeMarks(build.Marks{Scope: scope}.Encode(), scope); !ok || len(none.Of) != 0 {
		t.Errorf("of a repository without tags it is %v %v: the first tag is new", none, ok)
	}
}

func TestTagMatches(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"v*", "v1.2.3", true}, {"v*", "v1/2", false}, {"v**", "v1/2", true}, {"v*", "xv1", false}, {"*", "a", true}, {"*", "a/b", false}, {"**", "a/b", true},
		{"checkout/v*", "checkout/v1", true}, {"checkout/v*", "orders/v1", false}, {"v1.2", "v1x2", false}, {"v1.2", "v1.2", true}, {"v*", "v$(id)", true},
		{"v*.0", "v1.0", true}, {"v*.0", "v1.0.0", true}, {"v*.0", "v1.1", false},
	} {
		if got := build.TagMatches([]string{"none", c.pattern}, c.name); got != c.want {
			t.Errorf("%s and %s: %v", c.pattern, c.name, got)
		}
	}
}
