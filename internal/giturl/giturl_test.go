package giturl_test

import (
	"strings"
	"testing"

	"github.com/towpath-dev/towpath/internal/giturl"
)

func TestParse(t *testing.T) {
	for _, raw := range []string{
		"https://git.example/shop/checkout", "https://git.example:8443/shop/checkout.git/", "ssh://git@git.example:22/~ada/checkout", "https://[2001:db8::1]:443/a",
	} {
		if u, err := giturl.Parse(raw, false); err != nil || u.String() != raw {
			t.Errorf("%s: %v (%v)", raw, u, err)
		}
	}
	if _, err := giturl.Parse("http://git.example/shop/checkout", true); err != nil {
		t.Error(err)
	}
	for raw, want := range map[string]string{
		"https://git.example/shop/../other/secret":         "no part begins with a dot",
		"https://git.example/shop/..":                      "no part begins with a dot",
		"https://git.example/shop/./checkout":              "no part begins with a dot",
		"https://git.example/shop/%2e%2e/other/secret":     "no %, and neither ? nor #",
		"https://git.example/shop/%63heckout":              "no %, and neither ? nor #",
		"https://git.example/shop/..\\other":               "a path of letters",
		"https://git.example/shop//checkout":               "a path of letters",
		"https://git.example/shop?x=y":                     "no %, and neither ? nor #",
		"https://git.example/shop#f":                       "no %, and neither ? nor #",
		"https://git.example":                              "a path of letters",
		"ssh://-oProxyCommand=id/x":                        "a host of letters",
		"ssh://git@-oProxyCommand=id/x":                    "a host of letters",
		"ssh://-oProxyCommand=id@git.example/x":            "must have no password",
		"https://ada:secret@git.example/x":                 "must have no password",
		"http://git.example/x":                             "sources.plainHTTP",
		"git@git.example:shop/checkout":                    "must be a URL",
		"file:///etc":                                      "must begin with https://",
		"https://git.example/" + strings.Repeat("a", 1024): "a path of letters",
	} {
		if _, err := giturl.Parse(raw, false); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret@") {
			t.Errorf("%.60s: %v, want %q", raw, err, want)
		}
	}
}
