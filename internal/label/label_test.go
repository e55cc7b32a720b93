package label

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

func TestValue(t *testing.T) {
	for in, want := range map[string]string{
		"":                        "",
		"shop":                    "shop",
		"1.4.2":                   "1.4.2",
		"A_b.c-d":                 "A_b.c-d",
		strings.Repeat("a", 63):   strings.Repeat("a", 63),
		"a b":                     "a-b-c8687a08",
		"a/b":                     "a-b-c14cddc0",
		"-a-":                     "a-",
		"ü":                       "",
		strings.Repeat("a", 64):   strings.Repeat("a", 54) + "-",
		"sha256:0123456789abcdef": "sha256-0123456789abcdef-",
	} {
		got := Value(in)
		if len(validation.IsValidLabelValue(got)) > 0 {
			t.Errorf("Value(%q) = %q is no label value", in, got)
		}
		valid := len(validation.IsValidLabelValue(in)) == 0
		if valid && got != in || !strings.HasPrefix(got, want) {
			t.Errorf("Value(%q) = %q, want %q", in, got, want)
		}
		if again := Value(got); again != got {
			t.Errorf("Value(%q) = %q, then %q", in, got, again)
		}
	}
}

func TestValuesThatDifferStayDifferent(t *testing.T) {
	seen := map[string]string{}
	for _, in := range []string{"a/b", "a-b", "a:b", "a b", "-a-b", "a-b-", strings.Repeat("a", 63), strings.Repeat("a", 64), strings.Repeat("a", 65)} {
		got := Value(in)
		if other, taken := seen[got]; taken {
			t.Errorf("%q and %q both become %q", in, other, got)
		}
		seen[got] = in
	}
}

func TestVersion(t *testing.T) {
	digest := "sha256:" + strings.Repeat("0123456789abcdef", 4)
	for in, want := range map[string]string{
		"registry.example/shop/checkout:1.4.2":   "1.4.2",
		"registry.example:5000/shop/checkout":    "latest",
		"registry.example:5000/shop/checkout:v2": "v2",
		"checkout":                               "latest",
		"":                                       "latest",
		"checkout@" + digest:                     "sha256-0123456789ab",
		"checkout:1.0@" + digest:                 "1.0",
		"checkout@sha256:ab":                     "sha256-ab",
		"checkout:" + strings.Repeat("a", 128):   strings.Repeat("a", 54) + "-",
		"checkout:_private_":                     "private-",
	} {
		got := Version(in)
		if !strings.HasPrefix(got, want) || len(validation.IsValidLabelValue(got)) > 0 || got == "" {
			t.Errorf("Version(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzValue(f *testing.F) {
	for _, seed := range []string{"", "a", "a/b", "-", "ü", "sha256:abc", strings.Repeat("x", 100)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Value(s)
		if problems := validation.IsValidLabelValue(got); len(problems) > 0 {
			t.Fatalf("%q became %q: %s", s, got, problems)
		}
		if again := Value(got); again != got {
			t.Fatalf("%q became %q, then %q", s, got, again)
		}
		if s != "" && got == "" {
			t.Fatalf("%q became empty", s)
		}
		if version := Version(s); version == "" || len(validation.IsValidLabelValue(version)) > 0 {
			t.Fatalf("the version of %q is %q", s, version)
		}
	})
}

func TestOwn(t *testing.T) {
	labels := map[string]string{platformv1alpha1.LabelTeam: "shop", "app.kubernetes.io/name": "web", "team": "other"}
	if own := Own(labels); len(own) != 1 || own[platformv1alpha1.LabelTeam] != "shop" || len(labels) != 3 {
		t.Errorf("got %v of %v", own, labels)
	}
}
