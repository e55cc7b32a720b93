package awskeys_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/towpath-dev/towpath/internal/cost/source/awskeys"
)

func TestParse_ShowsNoKey(t *testing.T) {
	for name, text := range map[string]string{
		"another field": "accessKeyID: AKID\nsecretAccessKey: hidden\nother: hidden",
		"no secret":     "accessKeyID: hidden",
		"no object":     "hidden",
		"no YAML":       "{hidden: [",
		"a number":      "accessKeyID: AKID\nsecretAccessKey: 0123",
	} {
		if _, err := awskeys.Parse([]byte(text)); err == nil || strings.Contains(err.Error(), "hidden") || strings.Contains(err.Error(), "0123") {
			t.Errorf("%s: it says %v", name, err)
		}
	}
	keys, err := awskeys.Parse([]byte("{accessKeyID: AKID, secretAccessKey: hidden, sessionToken: hidden}"))
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if text := fmt.Sprintf(verb, keys); strings.Contains(text, "hidden") || strings.Contains(text, "AKID") {
			t.Errorf("%s prints %s", verb, text)
		}
	}
	provider, err := awskeys.Provider(t.Context(), keys, "us-east-1")
	if err != nil {
		t.Fatal(err)
	}
	found, err := provider.Retrieve(t.Context())
	if err != nil || found.AccessKeyID != "AKID" || found.SecretAccessKey != "hidden" || found.SessionToken != "hidden" {
		t.Errorf("they are %v, %v", found.HasKeys(), err)
	}
}
