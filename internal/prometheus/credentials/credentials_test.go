package credentials_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/url"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/towpath-dev/towpath/internal/prometheus/credentials"
)

// canary stands where something is secret.
const canary = "s3cr3t-canary"

// authority is the certificate of one, in PEM.
func authority(t testing.TB) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// asJSON writes an entry with an address and further fields.
func asJSON(t testing.TB, fields map[string]any) string {
	t.Helper()
	text, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAnEntryIsRead(t *testing.T) {
	const at = "https://prom.example"
	ca := authority(t)
	for name, tc := range map[string]struct {
		text string
		want map[string]string
	}{
		"a token":                {"address: https://prom.example\nbearerToken: abc", map[string]string{"Authorization": "Bearer abc"}},
		"a token from a file":    {"address: https://prom.example\nbearerToken: |\n  abc\n", map[string]string{"Authorization": "Bearer abc"}},
		"user and password":      {"address: https://prom.example\nbasicAuth: {username: a, password: 'b:c d'}", map[string]string{"Authorization": "Basic YTpiOmMgZA=="}},
		"a tenant":               {"address: https://prom.example\ntenant: a|b", map[string]string{"X-Scope-OrgID": "a|b"}},
		"a token and a tenant":   {`{"address": "https://prom.example", "bearerToken": "abc", "tenant": "t"}`, map[string]string{"Authorization": "Bearer abc", "X-Scope-OrgID": "t"}},
		"an authority":           {asJSON(t, map[string]any{"address": at, "ca": ca}), map[string]string{}},
		"two authorities":        {asJSON(t, map[string]any{"address": at, "ca": ca + "\n" + authority(t) + "\n"}), map[string]string{}},
		"an address that is odd": {"address: HTTPS://Prom.Example:443/\nbearerToken: abc", map[string]string{"Authorization": "Bearer abc"}},
	} {
		t.Run(name, func(t *testing.T) {
			set := credentials.Parse(map[string][]byte{"key": []byte(tc.text)})
			entry, err := set.For(at)
			if err != nil || entry == nil {
				t.Fatalf("there is none: %v %s", err, set.Lost())
			}
			if got := fmt.Sprint(entry.Headers()); got != fmt.Sprint(tc.want) {
				t.Errorf("it sends %s, want %v", got, tc.want)
			}
			if pool, _ := entry.Roots(); (pool != nil) != strings.Contains(tc.text, "CERTIFICATE") {
				t.Errorf("its authorities are %v", pool)
			}
		})
	}
}

// TestAnEntryThatIsWrong says which and why, never what it holds, and leaves the others alone.
func TestAnEntryThatIsWrong(t *testing.T) {
	const open, closed = "http://prom.example/" + "a", "https://prom.example/a"
	key := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte(canary)}))
	for name, tc := range map[string]struct {
		text, address, want string
	}{
		"empty":                     {"", "", "address must be set"},
		"null":                      {"null", "", "address must be set"},
		"a bare token":              {canary, "", "one object in YAML or JSON"},
		"a list":                    {"- " + canary, "", "one object"},
		"no YAML":                   {"address: [" + canary, "", "one object"},
		"an anchor that is nowhere": {"bearerToken: *" + canary, "", "one object"},
		"an unknown field":          {"address: https://prom.example/a\n" + canary + ": b", "", "no other field"},
		"a field twice":             {"address: https://prom.example/a\nbearerToken: a\nbearerToken: " + canary, "", "one object"},
		"a number for a token":      {"address: https://prom.example/a\nbearerToken: 12345", "", "quote what looks like a number"},
		"a number for a password":   {"address: https://prom.example/a\nbasicAuth: {username: a, password: 0123}", "", "quote what looks like a number"},
		"far too large":             {"address: https://prom.example/a\nbearerToken: " + strings.Repeat(canary, 30000), "", "must not be larger than 262144 bytes"},
		"a password in the address": {"address: https://u:" + canary + "@prom.example/a\ntenant: a", "", "without user, query or fragment"},
		"a query in the address":    {"address: https://prom.example/a?token=" + canary + "\ntenant: a", "", "without user, query or fragment"},
		"another scheme":            {"address: ftp://" + canary + "\ntenant: a", "", "address must be https://"},
		"no address":                {"bearerToken: " + canary, "", "address must be set"},
		"a path with dots":          {"address: https://prom.example/" + canary + "/../a\ntenant: a", "", "no part that is empty, . or .."},
		"a path with a percent":     {"address: https://prom.example/" + canary + "%2e\ntenant: a", "", "the path of address"},
		"a host that is none":       {"address: https://prom_$" + canary + "\ntenant: a", "", "the host of address"},
		"port 0":                    {"address: https://prom.example:0\ntenant: a", "", "the port of address"},
		"port 70000":                {"address: https://prom.example:70000\ntenant: a", "", "the port of address"},
		"in the open":               {"address: " + open + "\nbearerToken: " + canary, open, "use https://, or say insecure: true"},
		"a tenant in the open":      {"address: " + open + "\ntenant: " + canary, open, "insecure: true"},
		"insecure without need":     {"address: " + closed + "\ninsecure: true\nbearerToken: " + canary, closed, "set ca"},
		"a CA in the open":          {asJSON(t, map[string]any{"address": open, "insecure": true, "ca": authority(t)}), open, "ca is for addresses with https://"},
		"a key for a CA":            {asJSON(t, map[string]any{"address": closed, "ca": key}), closed, "ca must be certificates in PEM"},
		"a key after a CA":          {asJSON(t, map[string]any{"address": closed, "ca": authority(t) + key}), closed, "ca must be certificates"},
		"text after a CA":           {asJSON(t, map[string]any{"address": closed, "ca": authority(t) + canary}), closed, "ca must be certificates"},
		"both":                      {"address: " + closed + "\nbearerToken: " + canary + "\nbasicAuth: {username: a, password: b}", closed, "both bearerToken and basicAuth"},
		"nothing":                   {"address: " + closed, closed, "must have bearerToken, basicAuth, tenant or ca"},
		"no password":               {"address: " + closed + "\nbasicAuth: {username: " + canary + "}", closed, "username and password"},
		"a colon in the user":       {"address: " + closed + "\nbasicAuth: {username: 'a:b', password: " + canary + "}", closed, "no colon in username"},
		"a line break at the end":   {"address: " + closed + "\nbasicAuth:\n  username: a\n  password: |\n    " + canary + "\n", closed, "line break at the end"},
		"a header in a token":       {asJSON(t, map[string]any{"address": closed, "bearerToken": canary + "\r\nX-Scope-OrgID: b"}), closed, "printable ASCII"},
		"a token of spaces":         {asJSON(t, map[string]any{"address": closed, "bearerToken": "  "}), closed, "printable ASCII"},
		"a header in a tenant":      {asJSON(t, map[string]any{"address": closed, "tenant": canary + "\r\nA: b"}), closed, "tenant must be"},
	} {
		t.Run(name, func(t *testing.T) {
			set := credentials.Parse(map[string][]byte{
				"wrong": []byte(tc.text),
				"other": []byte("address: https://prom.example/b\nbearerToken: right"),
				"whole": []byte("address: https://prom.example\ntenant: all"),
			})
			says := set.Lost()
			if tc.address != "" {
				entry, err := set.For(tc.address)
				if err == nil {
					t.Fatalf("it counts, or another stands in: %v", entry)
				}
				if says != "" {
					t.Errorf("it is lost too: %s", says)
				}
				says = err.Error()
			}
			if !strings.Contains(says, "wrong") || !strings.Contains(says, tc.want) || strings.Contains(says, canary) {
				t.Errorf("it says %q, want wrong, %q", says, tc.want)
			}
			if other, err := set.For("https://prom.example/b"); err != nil || other == nil || other.Key() != "other" {
				t.Errorf("the other gives %v, %v", other, err)
			}
		})
	}
}

func TestManyLostEntriesAreCounted(t *testing.T) {
	data := map[string][]byte{}
	for i := range 5 {
		data[fmt.Sprintf("e%d", i)] = []byte(canary)
	}
	if says := credentials.Parse(data).Lost(); !strings.Contains(says, "e2") || strings.Contains(says, "e3") || !strings.HasSuffix(says, " and 2 more") {
		t.Errorf("it says %s", says)
	}
}

func TestTheEntryForAnAddress(t *testing.T) {
	set := credentials.Parse(map[string][]byte{
		"host":   []byte("address: https://prom.example\ntenant: a"),
		"port":   []byte("address: https://prom.example:9090/\ntenant: a"),
		"path":   []byte("address: https://prom.example/mimir/a\ntenant: a"),
		"deeper": []byte("address: https://prom.example/mimir/a/b/\ntenant: a"),
		"only":   []byte("address: https://path.example/a\ntenant: a"),
		"open":   []byte("address: http://open.example\ntenant: a\ninsecure: true"),
		"six":    []byte("address: 'https://[2001:db8:0::1]'\ntenant: a"),
		"broken": []byte("address: https://prom.example/mimir/broken\nbasicAuth: {username: a}"),
		"twin-a": []byte("address: https://twin.example/\ntenant: a"),
		"twin-b": []byte("address: https://TWIN.example:443\ntenant: b"),
	})
	if set.Lost() != "" {
		t.Fatal(set.Lost())
	}
	for address, want := range map[string]string{
		"https://prom.example":                      "host",
		"https://PROM.example:443/":                 "host",
		"https://prom.example/other":                "host",
		"https://prom.example/mimir/ab":             "host",
		"https://prom.example:9090":                 "port",
		"https://prom.example:09090/x":              "port",
		"https://prom.example:9091":                 "",
		"http://prom.example":                       "",
		"http://prom.example:443":                   "",
		"https://prom.example/mimir/a":              "path",
		"https://prom.example/mimir/a/":             "path",
		"https://prom.example/mimir/a/c":            "path",
		"https://prom.example/mimir/a/b/c":          "deeper",
		"https://prom.example/mimir/broken/x":       "!entry broken cannot be used: basicAuth must have username and password",
		"https://prom.example/mimir/a/../b":         "",
		"https://prom.example/mimir/a/%2e%2e/b":     "",
		"https://prom.example/mimir/a/..%2fb":       "",
		"https://prom.example/mimir/a/..;/b":        "",
		"https://prom.example/mimir/a//b":           "",
		`https://prom.example/mimir/a\..\b`:         "",
		"https://prom.example/?a":                   "",
		"https://prom.example/#a":                   "",
		"https://user@prom.example":                 "",
		"https://prom.example.evil.example":         "",
		"https://evil.example/prom.example":         "",
		"https://prom.example@evil.example":         "",
		"https://evil.example/https://prom.example": "",
		"https://prom.example.":                     "",
		"https://xprom.example":                     "",
		"https://path.example":                      "",
		"https://path.example/":                     "",
		"https://path.example/A":                    "",
		"https://path.example/a/b":                  "only",
		"http://open.example:80/x":                  "open",
		"https://open.example":                      "",
		"https://[2001:db8::1]/x":                   "six",
		"https://[2001:db8::1%25eth0]/x":            "",
		"https://twin.example":                      "!twin-a and twin-b have the same address",
		"":                                          "",
		"prom.example":                              "",
		"//prom.example":                            "",
	} {
		entry, err := set.For(address)
		switch {
		case strings.HasPrefix(want, "!"):
			if err == nil || !strings.Contains(err.Error(), want[1:]) {
				t.Errorf("%s: it says %v, want %s", address, err, want[1:])
			}
		case err != nil:
			t.Errorf("%s: %v", address, err)
		case want == "" && entry != nil, want != "" && (entry == nil || entry.Key() != want):
			t.Errorf("%s gets %v, want %q", address, entry, want)
		}
	}
}

func TestAnEntryPrintsNothingSecret(t *testing.T) {
	set := credentials.Parse(map[string][]byte{
		"token": []byte("address: https://token.example\nbearerToken: " + canary),
		"basic": []byte("address: https://basic.example\nbasicAuth: {username: me, password: " + canary + "}"),
	})
	for _, entry := range set.Entries() {
		sent := entry.Headers()["Authorization"]
		raw, err := json.Marshal(map[string]any{"entry": entry})
		if err != nil {
			t.Fatal(err)
		}
		printed := fmt.Sprintf("%v %+v %#v %s %q %x %d %v %s", entry, entry, entry, entry, entry, entry, entry, []any{entry}, raw)
		answer := entry.Redact(fmt.Sprintf("no user with %s or %s", canary, sent))
		for _, text := range []string{printed, answer} {
			if strings.Contains(text, canary) || strings.Contains(text, sent) {
				t.Errorf("it says %s", text)
			}
		}
		if !strings.HasPrefix(answer, "no user with [redacted]") && entry.Key() == "token" {
			t.Errorf("it says %s", answer)
		}
	}
}

// FuzzParse holds that no text of an entry gets into what is said of it, whatever is around.
func FuzzParse(f *testing.F) {
	f.Add("address: https://prom.example\nbearerToken: ", "")
	f.Add("address: https://prom.example\nbasicAuth: {username: a, password: ", "}")
	f.Add("a: &a [x]\nb: [*a, *a]\n*", ": b")
	f.Add(`{"address": "https://`, `"}`)
	f.Add("%TAG ! ", "\n---\n- !b")
	f.Fuzz(func(t *testing.T, before, after string) {
		set := credentials.Parse(map[string][]byte{"key": []byte(before + canary + after)})
		says := set.Lost()
		if len(set.Entries()) == 0 && says == "" {
			_, err := set.For("https://prom.example")
			if err != nil {
				says = err.Error()
			}
		}
		if strings.Contains(says, canary) {
			t.Errorf("it says %s", says)
		}
		for _, entry := range set.Entries() {
			for name, value := range entry.Headers() {
				if strings.ContainsAny(value, "\r\n\x00") {
					t.Errorf("header %s is %q", name, value)
				}
			}
		}
	})
}

// FuzzFor holds that whatever gets the credentials is asked at the entry's host, below its path, however an address is
// written: the client joins and cleans the path before it asks.
func FuzzFor(f *testing.F) {
	for _, seed := range []string{"https://prom.example/a", "https://prom.example/a/../b", "https://prom.example/a%2f..", "https://PROM.example:0443/a/b", "https://prom.example:443/a;/.."} {
		f.Add(seed)
	}
	set := credentials.Parse(map[string][]byte{"key": []byte("address: https://prom.example/a\nbearerToken: " + canary)})
	f.Fuzz(func(t *testing.T, address string) {
		entry, err := set.For(address)
		if err != nil {
			t.Fatal(err)
		}
		if entry == nil {
			return
		}
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		asked := *u
		asked.Path = path.Join(u.Path, "/api/v1/query")
		again, err := url.Parse(asked.String())
		if err != nil || !entry.Covers(&asked) || !entry.Covers(again) {
			t.Fatalf("%q is asked at %s, which it does not cover: %v", address, &asked, err)
		}
		port := strings.TrimLeft(again.Port(), "0")
		if again.Scheme != "https" || !strings.EqualFold(again.Hostname(), "prom.example") || port != "" && port != "443" ||
			!strings.HasPrefix(again.EscapedPath(), "/a/") || again.User != nil || again.RawQuery != "" {
			t.Errorf("%q is asked at %s", address, again)
		}
	})
}
