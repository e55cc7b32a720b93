package remote_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/towpath-dev/towpath/internal/delivery/remote"
)

func TestReadCredentials_AreForTheirRepositoryAlone(t *testing.T) {
	data := map[string][]byte{
		"deploy": []byte("repository: https://git.example/platform\nusername: towpath\npassword: c4nary-token\nca: authority"),
		"none":   []byte("username: towpath\npassword: c4nary-token"),
		"broken": []byte("password: [c4nary-token"),
		"other":  []byte("repository: https://git.example/platform\npasswort: c4nary-token"),
	}
	for name, tc := range map[string]struct{ key, url, says string }{
		"below":                 {"deploy", "https://git.example/platform/deploy", ""},
		"itself":                {"deploy", "https://git.example/platform", ""},
		"another host":          {"deploy", "https://git.example.evil.example/platform/deploy", "not for the repository"},
		"a name that begins so": {"deploy", "https://git.example/platform-of-others/deploy", "not for the repository"},
		"no address":            {"none", "https://git.example/platform/deploy", "not for the repository"},
		"no key":                {"missing", "https://git.example/platform/deploy", "no key missing"},
		"no YAML":               {"broken", "https://git.example/platform/deploy", "must be YAML"},
		"an unknown field":      {"other", "https://git.example/platform/deploy", "must be YAML"},
	} {
		t.Run(name, func(t *testing.T) {
			credentials, ca, err := remote.ReadCredentials(data, tc.key, tc.url)
			if tc.says == "" {
				if err != nil || credentials.Password != "c4nary-token" || string(ca) != "authority" {
					t.Errorf("they are not read: %v", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.says) || remote.ReasonOf(err) != remote.ReasonCredentials {
				t.Errorf("it says %v, want %q", err, tc.says)
			}
			if strings.Contains(fmt.Sprintf("%v %+v", err, credentials), "c4nary") {
				t.Errorf("it shows the token: %v", err)
			}
		})
	}
}
