package catalog_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/towpath-dev/towpath/internal/catalog"
)

func TestNamesThatBackstageTakesStay(t *testing.T) {
	for _, name := range []string{"checkout", "a", "dev.environment", "a_b-c.d", strings.Repeat("a", 63)} {
		if got := catalog.Name(name); got != name {
			t.Errorf("%s became %s", name, got)
		}
	}
}

func TestNoTwoNamesBecomeTheSame(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{
		"ada@shop.example", "ada-shop.example", "Ada@shop.example", "ada", "Ada", "ADA", "oidc:ada", "oidc/ada", "-ada", "ada-", "_", "", "ä", "日本",
		strings.Repeat("a", 64), strings.Repeat("a", 65), strings.Repeat("é", 40), "system:serviceaccount:a:b", "system-serviceaccount-a-b",
	} {
		got := catalog.Name(name)
		if !entityName.MatchString(got) || got != strings.ToLower(got) {
			t.Errorf("%q became %q", name, got)
		}
		if other, taken := seen[got]; taken {
			t.Errorf("%q and %q both became %s", name, other, got)
		}
		seen[got] = name
	}
}

func FuzzName(f *testing.F) {
	f.Add("ada@shop.example")
	f.Add(strings.Repeat("é", 40))
	f.Fuzz(func(t *testing.T, name string) {
		got := catalog.Name(name)
		if !entityName.MatchString(got) || !utf8.ValidString(got) {
			t.Errorf("%q became %q", name, got)
		}
		if catalog.Name(got) != got {
			t.Errorf("%q became %q, and that %q", name, got, catalog.Name(got))
		}
	})
}
