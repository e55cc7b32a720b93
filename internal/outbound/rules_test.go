package outbound_test

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/towpath-dev/towpath/internal/outbound"
)

// canary stands where something is secret.
const canary = "s3cr3t-canary"

func TestURL_RefusesWhatCanBeToldWithoutDNS(t *testing.T) {
	for raw, want := range map[string]string{
		"https://hooks.example/services/T0/" + canary: "",
		"http://hooks.example:8080/" + canary:         "",
		"https://HOOKS.example./" + canary:            "",
		"https://93.184.216.34/" + canary:             "",
		"https://[2606:4700::6810:84e5]/" + canary:    "",
		"https://[64:ff9b::5db8:d822]/" + canary:      "",
		"https://am.monitoring.svc:9093/" + canary:    "",
		"":                                                           "https:// or http://",
		"hooks.example/" + canary:                                    "https:// or http://",
		"ftp://hooks.example/" + canary:                              "https:// or http://",
		"file:///etc/" + canary:                                      "https:// or http://",
		"https:hooks.example/" + canary:                              "https:// or http://",
		"https://" + canary + "\x00.example/":                        "must be a URL",
		"https://hooks.example/%zz" + canary:                         "must be a URL",
		"https://user:" + canary + "@hooks.example/":                 "no user",
		"https://" + canary + "@hooks.example/":                      "no user",
		"https://hooks.example/#" + canary:                           "no fragment",
		"https://hooks.example#@127.0.0.1/" + canary:                 "no fragment",
		"https:///" + canary:                                         "its host",
		"https://hööks.example/" + canary:                            "its host",
		"https://hooks..example/" + canary:                           "its host",
		"https://hooks%2eexample/" + canary:                          "must be a URL",
		"https://-" + canary + "/":                                   "its host",
		"https://hooks.example:0/" + canary:                          "its port",
		"https://hooks.example:70000/" + canary:                      "its port",
		"https://hooks.example:/" + canary:                           "its port",
		"http://127.0.0.1/" + canary:                                 "127.0.0.1 leads to a loopback address",
		"http://127.8.9.1/" + canary:                                 "a loopback",
		"http://[::1]/" + canary:                                     "a loopback",
		"http://[::ffff:127.0.0.1]/" + canary:                        "a loopback",
		"http://[::ffff:7f00:1]/" + canary:                           "a loopback",
		"http://[64:ff9b::7f00:1]/" + canary:                         "a loopback",
		"http://[::127.0.0.1]/" + canary:                             "a reserved",
		"http://[2002:7f00:1::]/" + canary:                           "a reserved",
		"http://[2001:0:7f00:1::]/" + canary:                         "a reserved",
		"http://2130706433/" + canary:                                "its host",
		"http://0x7f000001/" + canary:                                "its host",
		"http://0x7f.1/" + canary:                                    "its host",
		"http://127.1/" + canary:                                     "its host",
		"http://127.0.1/" + canary:                                   "its host",
		"http://0177.0.0.1/" + canary:                                "its host",
		"http://127.0.0.1./" + canary:                                "a loopback",
		"http://127.0.0.0x1/" + canary:                               "its host",
		"http://①②⑦.0.0.1/" + canary:                                 "its host",
		"http://10.1.2.3/" + canary:                                  "a private",
		"http://172.31.0.1/" + canary:                                "a private",
		"http://192.168.1.1/" + canary:                               "a private",
		"http://100.64.0.1/" + canary:                                "a private",
		"http://[fd12::1]/" + canary:                                 "a private",
		"http://169.254.1.1/" + canary:                               "a link-local",
		"http://[fe80::1]/" + canary:                                 "a link-local",
		"http://[fe80::1%25eth0]/" + canary:                          "its host",
		"http://198.18.0.1/" + canary:                                "a reserved",
		"http://240.0.0.1/" + canary:                                 "a reserved",
		"http://192.0.2.1/" + canary:                                 "a reserved",
		"http://[2001:db8::1]/" + canary:                             "a reserved",
		"http://[fec0::1]/" + canary:                                 "a reserved",
		"http://169.254.169.254/latest/" + canary:                    "never reached",
		"http://[::ffff:169.254.169.254]/" + canary:                  "never reached",
		"http://[64:ff9b::a9fe:a9fe]/" + canary:                      "never reached",
		"http://[fd00:ec2::254]/" + canary:                           "never reached",
		"http://[fd20:ce::254]/" + canary:                            "never reached",
		"http://168.63.129.16/" + canary:                             "never reached",
		"http://100.100.100.200/" + canary:                           "never reached",
		"http://0.0.0.0/" + canary:                                   "never reached",
		"http://[::]/" + canary:                                      "never reached",
		"http://224.0.0.1/" + canary:                                 "never reached",
		"http://[ff02::1]/" + canary:                                 "never reached",
		"http://255.255.255.255/" + canary:                           "never reached",
		"https://" + strings.Repeat("a.", 130) + "example/" + canary: "its host",
	} {
		_, err := outbound.Rules{}.URL(raw)
		if want == "" != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: it says %v, want %q", raw, err, want)
		}
		if err != nil && strings.Contains(err.Error(), canary) {
			t.Errorf("%q: it says the secret: %v", raw, err)
		}
	}
}

func TestURL_ThatThePlatformAllows(t *testing.T) {
	rules, err := outbound.NewRules("am.monitoring.svc:9093", "10.20.0.0/16", "127.0.0.1:8080", "[::1]:8080", "192.168.0.9", "fd12::/64", "169.254.0.0/16", "0.0.0.0/0", "100.100.100.200")
	if err != nil {
		t.Fatal(err)
	}
	for raw, want := range map[string]bool{
		"http://127.0.0.1:8080/":          true,
		"http://[::ffff:127.0.0.1]:8080/": true,
		"http://[::1]:8080/":              true,
		"http://[::1]:8081/":              false,
		"http://192.168.0.9/":             true,
		"http://10.20.3.4:123/":           true,
		"http://[64:ff9b::a14:304]/":      true,
		"http://[fd12::3]/":               true,
		"http://[fd12:0:0:1::3]/":         false,
		"http://169.254.0.9/":             true,
		// These give out credentials, or are nobody's.
		"http://169.254.169.254/": false,
		"http://100.100.100.200/": false,
		"http://0.0.0.0/":         false,
		"http://224.0.0.1/":       false,
	} {
		var refused *outbound.RefusedError
		if _, err := rules.URL(raw); (err == nil) != want || err != nil && !errors.As(err, &refused) {
			t.Errorf("%s: it says %v", raw, err)
		}
	}
}

func TestNewRules_ThatCannotBe(t *testing.T) {
	for _, entry := range []string{"", "*", "*.example", "https://a.example", "a.example:0", "a.example:http", "a b", "::ffff:10.0.0.0/104", "127.1", "fe80::1%eth0", "10.0.0.0/33"} {
		if _, err := outbound.NewRules("ok.example", entry); err == nil || !strings.Contains(err.Error(), `"`+entry+`"`) {
			t.Errorf("%q: it says %v", entry, err)
		}
	}
}

// Each entry that cannot be says what there may be, and where it can be told, what to write.
func TestNewRules_SayWhatToWrite(t *testing.T) {
	for entry, want := range map[string]string{
		"https://am.example/x":    "network such as 10.20.0.0/16: write am.example, without scheme, user and path",
		"http://am.example:9093":  ": write am.example:9093, without",
		"https://127.1/":          "must be a name such as am.monitoring.svc, an address such as 10.20.0.9",
		"*.example":               "there are no wildcards",
		"am.example/path":         "network such as 10.20.0.0/16: without a path",
		"10.0.0.0/33":             "the number after / is how many bits",
		"a.example b.example":     "one in each item of the list",
		"a.example,b.example":     "one in each item of the list",
		"a.example:http":          "must have a port from 1 to 65535",
		"a.example:":              "must have a port from 1 to 65535",
		"::ffff:10.0.0.0/104":     "must be written as a network of IPv4, such as",
		"user:pass@am.example:80": "either with a port (am.monitoring.svc:9093)",
	} {
		_, err := outbound.NewRules(entry)
		if err == nil || !strings.HasPrefix(err.Error(), strconv.Quote(entry)+" must ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: it says %v, want %q", entry, err, want)
		}
	}
}

// FuzzURL looks for a spelling of an address inside that passes: what C's inet_aton takes for one is one to some resolvers.
func FuzzURL(f *testing.F) {
	for _, seed := range []string{
		"https://a.example/b", "http://127.0.0.1", "http://[::ffff:127.0.0.1]:80/", "http://0x7f.1", "http://127.0.0.1./",
		"http://[64:ff9b::1]", "http://93.184.216.34", "http://017700000001", "http://0X7F.0.0.1", "http://a.1", "http://1.a",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := outbound.Rules{}.URL(raw)
		if err != nil {
			return
		}
		parts := strings.Split(strings.TrimSuffix(u.Hostname(), "."), ".")
		numbers := 0
		for _, part := range parts {
			if _, err := strconv.ParseUint(part, 0, 64); err == nil || errors.Is(err, strconv.ErrRange) {
				numbers++
			}
		}
		addr, err := netip.ParseAddr(strings.TrimSuffix(u.Hostname(), "."))
		if numbers == len(parts) && err != nil {
			t.Errorf("%q passes, which is a number to some", raw)
		}
		if err == nil && (addr.IsLoopback() || addr.IsPrivate() || addr.IsLinkLocalUnicast() || addr.IsMulticast() || addr.IsUnspecified() || addr.Is4In6() && addr.Unmap().IsPrivate()) {
			t.Errorf("%q passes, which is inside", raw)
		}
	})
}
