package delivery_test

import (
	"path"
	"strings"
	"testing"

	"github.com/towpath-dev/towpath/internal/delivery"
)

var target = delivery.Target{Team: "shop", Component: delivery.Component{Namespace: "team-shop", Name: "checkout", UID: "c1"},
	Environment: delivery.Environment{Name: "prod", UID: "e1", Namespace: "shop-prod", Class: "production", Tier: "Production"}}

func TestParseLayout_TakesPatterns(t *testing.T) {
	for pattern, want := range map[string]string{
		delivery.DefaultLayout:                                  "shop/prod/checkout",
		"apps/{namespace}/{component}":                          "apps/shop-prod/checkout",
		"{class}/{tier}/{team}-x/{environment}/c_{component}.d": "production/Production/shop-x/prod/c_checkout.d",
	} {
		layout, err := delivery.ParseLayout(pattern)
		if err != nil {
			t.Errorf("%s: %v", pattern, err)
			continue
		}
		if got, err := layout.Directory(target); got != want || err != nil || layout.String() != pattern {
			t.Errorf("%s gives %q, %v", pattern, got, err)
		}
	}
}

func TestParseLayout_SaysWhatIsWrong(t *testing.T) {
	for pattern, words := range map[string]string{
		"":                                                            "1 to 512 characters",
		strings.Repeat("a", 600):                                      "1 to 512 characters",
		"/{team}/{environment}/{component}":                           "neither begins nor ends",
		"{team}/{environment}/{component}/":                           "neither begins nor ends",
		"{team}//{environment}/{component}":                           "between two slashes",
		"../{team}/{environment}/{component}":                         "between two slashes",
		"./{team}/{environment}/{component}":                          "between two slashes",
		".git/{team}/{environment}/{component}":                       "between two slashes",
		".{team}/{environment}/{component}":                           "between two slashes",
		"{team}./{environment}/{component}":                           "between two slashes",
		"-{team}/{environment}/{component}":                           "between two slashes",
		"a b/{team}/{environment}/{component}":                        "between two slashes",
		"git~1/{team}/{environment}/{component}":                      "between two slashes",
		"a\\b/{team}/{environment}/{component}":                       "between two slashes",
		"a\nb/{team}/{environment}/{component}":                       "between two slashes",
		"é/{team}/{environment}/{component}":                          "between two slashes",
		"{team/{environment}/{component}":                             "between two slashes",
		"{team}/{env}/{component}":                                    "there are class, component, environment, namespace, team, tier",
		"{}/{environment}/{component}":                                "there are",
		"{team}-{environment}/{component}":                            "more than one variable",
		"{team}/{environment}":                                        "must have {component}",
		"{team}/{component}":                                          "must have {team} and {environment}",
		"{environment}/{component}":                                   "must have {team} and {environment}",
		"{team}/{environment}/{component}" + strings.Repeat("/a", 20): "at most 16 directories",
	} {
		_, err := delivery.ParseLayout(pattern)
		if err == nil || !strings.Contains(err.Error(), words) || !strings.Contains(err.Error(), "write for example") {
			t.Errorf("%q: %v", pattern, err)
		}
	}
}

func TestDirectory_LetsNoValueOut(t *testing.T) {
	layout, err := delivery.ParseLayout("x{team}/{environment}/{component}")
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"", "..", ".", ".git", "a/b", "../a", "/a", "a\\b", "a\x00b", "a\nb", "-a", "a.", "a ", " ", "git~1", "a:b", "{team}", "é", "\u200dgit", strings.Repeat("a", 255)} {
		hostile := target
		hostile.Team = value
		if got, err := layout.Directory(hostile); err == nil {
			t.Errorf("%q gives %q", value, got)
		}
	}
	if _, err := (delivery.Layout{}).Directory(target); err == nil {
		t.Error("no layout gives a directory")
	}
}

// FuzzLayout holds every pattern and every value to what a directory must be, and two Targets that differ to two directories.
func FuzzLayout(f *testing.F) {
	f.Add(delivery.DefaultLayout, "shop", "prod", "checkout", "shop", "prod", "basket")
	f.Add("apps/{namespace}/x-{component}.d", "a-b", "c", "d", "a", "b-c", "d")
	f.Add("{team}/{environment}/{component}/.git", "..", ".git", "git~1", "", "a/b", "-")
	f.Fuzz(func(t *testing.T, pattern, team, environment, component, team2, environment2, component2 string) {
		layout, err := delivery.ParseLayout(pattern)
		if err != nil {
			return
		}
		directory := func(team, environment, component string) string {
			got, err := layout.Directory(delivery.Target{Team: team, Component: delivery.Component{Name: component},
				Environment: delivery.Environment{Name: environment, Namespace: team + "." + environment, Class: "production", Tier: "Production"}})
			if err != nil {
				return ""
			}
			if got == "" || path.Clean(got) != got || path.IsAbs(got) || strings.ContainsAny(got, "\\:~\x00\n ") {
				t.Fatalf("%q gives %q", pattern, got)
			}
			for name := range strings.SplitSeq(got, "/") {
				if strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") || strings.HasPrefix(name, "-") || len(name) > 255 {
					t.Fatalf("%q gives %q", pattern, got)
				}
			}
			return got
		}
		one, other := directory(team, environment, component), directory(team2, environment2, component2)
		// A dot in a name would make the namespaces of this test ambiguous, which those of Towpath are not.
		differ := team != team2 || environment != environment2 || component != component2
		if one != "" && one == other && differ && !strings.Contains(team+environment+team2+environment2, ".") {
			t.Fatalf("%q gives %q to both", pattern, one)
		}
	})
}
